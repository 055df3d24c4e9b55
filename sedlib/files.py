"""Files that get their name when they are complete, and a full disk as one line.

What is killed or runs out of room in between leaves nothing half written under a real name.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sedlib.errors import SedError

PARTIAL = ".partial"  # suffix of a file that is being written
FULL = (errno.ENOSPC, errno.EDQUOT)


@contextmanager
def room_for(path: Path, partial: Path | None = None) -> Iterator[None]:
    """Write a file inside; a full disk is a `SedError` that names it, and ``partial`` is removed then, as it takes room for nothing."""
    try:
        yield
    except OSError as error:
        if error.errno not in FULL:
            raise
        if partial is not None:
            partial.unlink(missing_ok=True)
        raise SedError(f"{path}: no space left on the disk ({error.strerror}); make room and call the same command again: "
                       "what is finished is kept") from None


@contextmanager
def whole(path: Path, sync: bool = True) -> Iterator[Path]:
    """The name to write to; the file gets its own when the block ends well and it is on the disk, so that a power cut leaves no
    empty file under a real name.

    Without ``sync`` nobody waits for the disk: for files of which there are thousands, and whose reader checks that they
    are complete.

    Raises
    ------
    SedError
        If the disk is full.
    """
    partial = path.with_name(path.name + PARTIAL)
    with room_for(path, partial):
        yield partial
        if sync:
            written(partial)
        partial.replace(path)


def written(path: Path) -> None:
    """Have a file on the disk, not only on its way there."""
    with open(path, "rb") as file:
        os.fsync(file.fileno())
