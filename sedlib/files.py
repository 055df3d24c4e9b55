"""Files that are written whole, locks, and disk errors as one line."""

from __future__ import annotations

import errno
import json
import os
import sys
import time
from collections.abc import Container, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

from filelock import lock_descriptor

from sedlib.errors import SedError

FULL = (errno.ENOSPC, errno.EDQUOT)
# What a user can fix, and how; any other OSError is a bug.
_FIXES = dict.fromkeys(FULL, "make room there") | {
    errno.EROFS: "make it writable",
    errno.EACCES: "make it writable",
    errno.EPERM: "make it writable",
    errno.EEXIST: "give another name",
    errno.ENOTDIR: "give another name",
    errno.EISDIR: "give the name of a file",
    errno.ENOENT: "give a path that exists",
    errno.ENAMETOOLONG: "give a shorter name",
    errno.EIO: "check the disk",
}


@contextmanager
def one_line(path: Path | None = None, numbers: Container[int] = _FIXES) -> Iterator[None]:
    """Turn an `OSError` that a user can fix into a `SedError` with path and fix; for a command's outermost function.

    ``path`` is named in place of the error's own. An error whose errno is not in ``numbers`` passes.
    """
    try:
        yield
    except OSError as error:
        if error.errno is None or error.errno not in numbers:
            raise
        from sedlib.workspace import workspace  # which imports this module

        path, fix = path or Path(error.filename or workspace()), _FIXES[error.errno]
        if error.errno in (errno.EACCES, errno.EPERM) and os.path.exists(path) and not os.access(path, os.R_OK):
            fix = "make it readable"
        if path.absolute().is_relative_to(workspace()):
            fix += " (or give another folder with SEDLIB_WORKSPACE)"
        kept = "run the same command again; finished work is kept"
        raise SedError(f"{path}: {error.strerror}; {fix} and {kept}") from None


def room_for(path: Path) -> AbstractContextManager[None]:
    """Turn a full disk within the block into a `SedError` that names ``path``."""
    return one_line(path, FULL)


@contextmanager
def whole(path: Path, sync: bool = True) -> Iterator[Path]:
    """Write a file atomically: the block writes to the temporary name it gets, which is then renamed.

    A link stays a link; a pipe or a device, such as /dev/stdout, is written to directly.

    Parameters
    ----------
    path : path
    sync : bool
        Flush to disk before renaming, so that no power cut leaves an empty file. False for files that come in thousands
        and whose reader checks that they are complete.

    Raises
    ------
    SedError
        If the disk is full.
    """
    path = path.resolve()
    if path.exists() and not path.is_file():
        yield path
        return
    partial = path.with_name(f"{path.name}.partial")
    try:
        with room_for(path):
            yield partial
            if sync:
                with open(partial, "rb") as file:
                    os.fsync(file.fileno())
            partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


@contextmanager
def locked(path: Path, message: str | None = None, wait: bool = True) -> Iterator[None]:
    """Hold a lock that the operating system releases when the process ends, however it ends.

    Parameters
    ----------
    path : path
        A lock file, made where it is missing and never removed, or an existing folder.
    message : str, optional
        Where another process has the lock: printed while waiting, or without ``wait`` the `SedError`.
    wait : bool
    """
    if not path.is_dir():
        path.parent.mkdir(parents=True, exist_ok=True)
    lock = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR | os.O_CREAT, 0o666)
    try:
        if not lock_descriptor(lock, blocking=False):
            if wait:
                if message:
                    print(message, file=sys.stderr)
                lock_descriptor(lock)
            else:
                time.sleep(0.1)  # `is_locked` holds the lock for a moment
                if not lock_descriptor(lock, blocking=False):
                    raise SedError(message)
        yield
    finally:
        os.close(lock)


def is_locked(path: Path) -> bool:
    """Tell whether a process holds the lock file."""
    try:
        lock = os.open(path, os.O_RDWR)
    except OSError:  # missing, or in a folder that cannot be written
        return False
    try:
        return not lock_descriptor(lock, blocking=False)
    finally:
        os.close(lock)


def can_write(folder: Path) -> bool:
    """Tell whether files can be written in a folder, or it can be made."""
    place = _nearest(folder)
    return place.is_dir() and os.access(place, os.W_OK | os.X_OK)


def check_folder(folder: Path) -> None:
    """Raise `SedError` if files cannot be written in a folder, or it cannot be made; for use before the work."""
    place = _nearest(folder)
    if not place.is_dir():
        raise SedError(f"{place}: is a file, but a folder is needed; give another")
    if not can_write(place):
        raise SedError(f"{place}: cannot be written; make it writable, or give another folder")


def check_output(path: Path | None, *inputs: Path | None) -> None:
    """Raise `SedError` if an output file cannot be written, is a folder, or would replace an input; before the work.

    ``inputs`` are files and folders that the same command reads, or writes besides.
    """
    if path is None:
        return
    for given in filter(None, inputs):
        same = path.resolve() == given.resolve() or path.exists() and given.exists() and path.samefile(given)
        if same or path.exists() and given.is_dir() and path.resolve().is_relative_to(given.resolve()):
            raise SedError(f"{path}: this command also uses {given}, which would be overwritten; give another name")
    if path.is_dir():
        raise SedError(f"{path}: is a folder; give the name of a file in it")
    if path.exists() and not os.access(path, os.W_OK):
        raise SedError(f"{path}: cannot be written; make it writable, or give another name")
    if path.is_file() or not path.exists():
        check_folder(path.resolve().parent)


def write_output(path: Path, text: str) -> None:
    """Write a text as `whole` does, and make its folder first."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with whole(path) as partial:
        partial.write_text(text, encoding="utf-8")


def write_json(path: Path, values: Any) -> None:
    """Write indented JSON as `write_output` does."""
    write_output(path, json.dumps(values, indent=2) + "\n")


def read_json(path: Path) -> Any:
    """Read JSON of a run's file; `SedError` that names it where it is damaged."""
    with reading(path):
        return json.loads(path.read_text(encoding="utf-8"))


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Turn whatever reading a damaged file of a run raises into a `SedError` that names it."""
    try:
        yield
    except SedError:
        raise
    except Exception as error:
        raise SedError(f"{path}: damaged ({first_line(error)}); remove the folder and train again") from None


def first_line(error: Exception) -> str:
    """Return kind and first line of an error."""
    return f"{type(error).__name__}: {str(error).partition(chr(10))[0]}"


def _nearest(folder: Path) -> Path:
    """Return the folder itself, or the first one above it that exists."""
    place = folder.absolute()
    return next(place for place in (place, *place.parents) if os.path.lexists(place))
