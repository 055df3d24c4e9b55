"""numba's ``njit`` and ``prange``, whose compiled code several processes may store at once.

numba gives each compiled signature the next free number in an index, and reads, changes and writes that index without a lock
(`numba.core.caching.IndexDataCacheFile`). Two processes that store two signatures of one function at once may both take number 1; later ones
then load the wrong code without a word. The batch starts many processes with one cold cache, so here a lock stands around storing
and loading. It lies beside the compiled code, wherever numba or NUMBA_CACHE_DIR puts that. Compiling is outside of it: processes that start at
once with a cold cache each compile what they need, and the last one's copy stays.
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
