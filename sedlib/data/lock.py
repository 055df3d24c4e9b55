"""One process at a time: for what several would make in the same place, such as a store or a data set.

The operating system takes a lock away with the process that holds it, however that ends.
"""

from __future__ import annotations

import fcntl
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO


def wait_for(lock: IO | int, message: str | None) -> None:
    """Hold an open file or folder alone until it is closed; ``message`` tells the person at the screen of the wait."""
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        if message is not None:
            print(message, file=sys.stderr)
        fcntl.flock(lock, fcntl.LOCK_EX)


@contextmanager
def only_builder(path: Path, progress: bool) -> Iterator[None]:
    """Build a file of a store alone; wait while another process does, and say so with ``progress``."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.with_suffix(".lock").open("a") as lock:
        wait_for(lock, f"{path}: another process builds this store; waiting for it ..." if progress else None)
        yield
