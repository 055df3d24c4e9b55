"""numba's ``njit`` and ``prange`` with a lock around its cache of compiled code.

numba reads, changes and writes its index of compiled signatures (`numba.core.caching.IndexDataCacheFile`) without a
lock: of two processes that store two signatures of one function at once, both may take one number, and later ones load
the wrong code without an error. The batch starts many processes with one cold cache. The lock lies beside the compiled
code; compiling is outside of it.
"""

from __future__ import annotations

import fcntl
from pathlib import Path
from typing import Any

from numba import njit, prange
from numba.core import caching

__all__ = ["njit", "prange"]


class _LockedFile(caching.IndexDataCacheFile):
    """The compiled signatures of a function, read and changed by one process at a time."""

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
