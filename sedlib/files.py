"""Files that get their name when they are complete, and what the disk refuses as one line.

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
# What a user can mend, and how; other errors of the system are this program's own.
_FIXES = dict.fromkeys(FULL, "make room there") | dict.fromkeys((errno.EROFS, errno.EACCES, errno.EPERM), "make it writable") | {
    errno.EEXIST: "give another name", errno.ENOTDIR: "give another name", errno.EISDIR: "give the name of a file",
    errno.ENOENT: "give a path that is there", errno.ENAMETOOLONG: "give a shorter name", errno.EIO: "check the disk"}


@contextmanager
def one_line() -> Iterator[None]:
    """Turn an `OSError` that a user can mend into a `SedError` that names the path and the fix.

    For the outermost function of a command; what knows more of its files says it better.
    """
    try:
        yield
    except OSError as error:
        if error.errno not in _FIXES:
            raise
        from sedlib.workspace import workspace  # which imports this module

        path, fix = Path(error.filename or workspace()), _FIXES[error.errno]
        if error.errno in (errno.EACCES, errno.EPERM) and os.path.exists(path) and not os.access(path, os.R_OK):
            fix = "make it readable"
        if path.absolute().is_relative_to(workspace()):
            fix += " (or give another folder with SEDLIB_WORKSPACE)"
        raise SedError(f"{path}: {error.strerror}; {fix} and call the same command again: what is finished is kept") from None


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
    empty file under a real name. A link stays one; a pipe or a device, such as /dev/stdout, is written to as it is.

    Without ``sync`` nobody waits for the disk: for files of which there are thousands, and whose reader checks that they
    are complete.

    Raises
    ------
    SedError
        If the disk is full.
    """
    path = path.resolve()
    if path.exists() and not path.is_file():
        yield path
        return
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


def can_write(folder: Path) -> bool:
    """Whether files can be written in a folder, or one of that name can be made."""
    place = _nearest(folder)
    return place.is_dir() and os.access(place, os.W_OK | os.X_OK)


def check_folder(folder: Path) -> None:
    """`SedError` if files cannot be written in a folder, or it cannot be made; to be called before the work begins."""
    place = _nearest(folder)
    if not place.is_dir():
        raise SedError(f"{place}: is a file, and a folder is needed there; give another")
    if not can_write(place):
        raise SedError(f"{place}: cannot be written; make it writable, or give another folder")


def check_output(path: Path | None, *inputs: Path | None) -> None:
    """Refuse what cannot be written, before the work begins.

    Parameters
    ----------
    path : path or None
        The file to be written; None is fine.
    *inputs : paths or None
        Files and folders that the same command reads, or writes besides.

    Raises
    ------
    SedError
        If ``path`` is one of the inputs or lies there in one of their folders, is a folder, or cannot be written.
    """
    if path is None:
        return
    for given in filter(None, inputs):
        same = path.resolve() == given.resolve() or path.exists() and given.exists() and path.samefile(given)
        if same or path.exists() and given.is_dir() and path.resolve().is_relative_to(given.resolve()):
            raise SedError(f"{path}: this command also uses {given}, which would be written over; give another name")
    if path.is_dir():
        raise SedError(f"{path}: is a folder; give the name of a file in it")
    if path.exists() and not os.access(path, os.W_OK):
        raise SedError(f"{path}: cannot be written; make it writable, or give another name")
    if path.is_file() or not path.exists():
        check_folder(path.resolve().parent)


def write_output(path: Path, text: str) -> None:
    """Write what a command's option asks for as `whole` does, and make its folder first; `SedError` if the disk is full."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with whole(path) as partial:
        partial.write_text(text, encoding="utf-8")


def _nearest(folder: Path) -> Path:
    """The folder itself, or what there is of the folders above it."""
    place = folder.absolute()
    while not os.path.lexists(place):
        place = place.parent
    return place
