"""numba's ``njit`` and ``prange``, with a lock around its cache of compiled code.

numba reads, changes and writes its index of compiled signatures (`numba.core.caching.IndexDataCacheFile`) without a
lock: two processes that store two signatures of one function at once may both take the same number, and later ones
load the wrong code without an error. The batch starts many processes with one cold cache. The lock is beside the
compiled code; compiling happens outside it.

Nor does it notice that a compiled function which another file's compiled function calls has changed: it looks at the
caller's file alone. So compiled code of this package counts as old when any file with compiled functions has changed.
"""

from __future__ import annotations

import fcntl
import functools
import zlib
from pathlib import Path
from typing import Any

from numba import njit, prange
from numba.core import caching

__all__ = ["njit", "prange"]


@functools.cache
def _sources() -> int:
    """Compute the checksum of all files of the package with compiled functions."""
    files = [path.read_bytes() for path in sorted(Path(__file__).parent.rglob("*.py"))]
    return zlib.crc32(b"".join(content for content in files if b"njit" in content))


class _LockedFile(caching.IndexDataCacheFile):
    """The compiled signatures of a function, read and changed by one process at a time."""

    def __init__(self, cache_path: str, filename_base: str, source_stamp: Any) -> None:
        own = Path(__file__).parent.name in cache_path  # librosa has compiled functions too
        super().__init__(cache_path, filename_base, (source_stamp, _sources()) if own else source_stamp)

    @property
    def _lock(self) -> Path:
        return Path(self._cache_path) / ".numba.lock"

    def save(self, key: Any, data: Any) -> None:
        with self._lock.open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            super().save(key, data)

    def load(self, key: Any) -> Any:
        try:
            lock = self._lock.open()
        except OSError:  # nothing was ever stored here, or not by this package
            return super().load(key)
        with lock:
            fcntl.flock(lock, fcntl.LOCK_SH)
            return super().load(key)


caching.IndexDataCacheFile = _LockedFile  # which numba takes whenever a function is declared with cache=True
