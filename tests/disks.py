"""Full and read-only disks for tests: small file systems in memory, where this process may mount them."""

import functools
import os
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


def _mount(*arguments) -> None:
    done = subprocess.run(["mount", *map(str, arguments)], capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"mounting is not permitted here ({done.stderr.strip()})")


@contextmanager
def small_disk(folder: Path, size: str) -> Iterator[Path]:
    """A file system of its own in a folder, of this size ("300k"); `resize` changes it."""
    folder.mkdir(parents=True, exist_ok=True)
    _mount("-t", "tmpfs", "-o", f"size={size}", "tmpfs", folder)
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def resize(folder: Path, size: str) -> None:
    _mount("-o", f"remount,size={size}", folder)


def fill(folder: Path, leave: int = 0) -> Path:
    """Take all room of a small disk but so many bytes; the file that takes it."""
    ballast = folder / "ballast"
    disk = os.statvfs(folder)
    room = disk.f_bavail * disk.f_frsize - leave
    with ballast.open("wb", buffering=0) as file:
        while room > 0 and (written := file.write(bytes(min(room, 1 << 20)))):
            room -= written
    return ballast


@contextmanager
def read_only(folder: Path) -> Iterator[Path]:
    """A folder in which nothing can be written; of root permission bits mean nothing."""
    if os.geteuid() == 0:
        _mount("--bind", folder, folder)
        try:
            _mount("-o", "remount,bind,ro", folder)
            yield folder
        finally:
            subprocess.run(["umount", "--lazy", str(folder)], check=True)
    else:
        mode = folder.stat().st_mode
        folder.chmod(0o555)
        try:
            yield folder
        finally:
            folder.chmod(mode)


def may_mount() -> bool:
    """Whether this process may mount a file system."""
    return os.geteuid() == 0 and _permitted()


@functools.cache
def _permitted() -> bool:
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", folder], capture_output=True)
        if done.returncode == 0:
            subprocess.run(["umount", folder], check=True)
        return done.returncode == 0
