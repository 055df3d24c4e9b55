"""Files of an archive or a folder, one by one, to where they belong: safe names alone, audio as 16 kHz mono."""

from __future__ import annotations

import shutil
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import IO

import numpy as np
from tqdm.auto import tqdm

from sedlib.data import audio
from sedlib.errors import SedError
from sedlib.files import whole

ARCHIVES = (".zip", ".tar", ".tar.gz", ".tgz")
Store = Callable[[Path, Path], None]
Member = tuple[str, Callable[[], IO[bytes]]]  # its name, and how it is opened


class Broken(Exception):
    """A member is no readable audio file."""


@dataclass
class Unpacked:
    """What became of the members: paths of those that are there, sentences on those that are not."""

    there: list[Path] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)


def members(source: Path) -> Iterator[Member]:
    """Yield the files of an archive or a folder in order, with a bar; links and devices are none."""
    if source.is_dir():
        for path in tqdm(sorted(p for p in source.rglob("*") if p.is_file()), desc=source.name, unit=" files"):
            yield path.relative_to(source).as_posix(), lambda path=path: path.open("rb")
        return
    with (
        source.open("rb") as raw,
        tqdm(total=source.stat().st_size, desc=source.name, unit="B", unit_scale=True) as bar,
    ):
        try:
            for member in _zipped(raw) if zipfile.is_zipfile(raw) else _tarred(raw):
                yield member
                bar.update(max(0, raw.tell() - bar.n))
        except (tarfile.TarError, zipfile.BadZipFile, EOFError) as error:
            raise SedError(f"{source}: not a whole archive ({error}); get it again") from None


def _zipped(raw: IO[bytes]) -> Iterator[Member]:
    with zipfile.ZipFile(raw) as archive:
        for info in archive.infolist():
            if not info.is_dir():
                yield info.filename, lambda info=info: archive.open(info)


def _tarred(raw: IO[bytes]) -> Iterator[Member]:
    raw.seek(0)
    with tarfile.open(fileobj=raw, mode="r|*") as archive:
        for info in archive:
            if info.isreg():
                yield info.name, lambda info=info: archive.extractfile(info)  # pyright: ignore[reportReturnType]  # regular


def unpack(source: Path, root: Path, place: Callable[[str], PurePosixPath | None], store: Store) -> Unpacked:
    """Write the members that have a place below ``root``; those that are there already are not written again.

    Parameters
    ----------
    source : path
        An archive or a folder.
    root : path
    place : function
        Of a member's name; None for what is not wanted.
    store : function
        ``store(raw, target)`` writes an audio file, whole or not at all: `as_mono` or `as_it_is`.
    """
    found = Unpacked()
    for name, opened in members(source):
        path = PurePosixPath(name)
        if any(part.startswith(("._", "__MACOSX")) for part in path.parts):
            continue
        if path.is_absolute() or ".." in path.parts or "\\" in name or ":" in name:
            found.left_out.append(f"{source.name}: {name!r} would be written elsewhere; not unpacked")
        elif where := place(name):
            try:
                if not (root / where).exists():
                    _write(opened, root / where, root / ".downloads" / f"member{path.suffix}", store)
                found.there.append(root / where)
            except Broken as error:
                found.left_out.append(f"{source.name}: {name}: {error}")
    return found


def _write(opened: Callable[[], IO[bytes]], target: Path, raw: Path, store: Store) -> None:
    """Write one member under its name, whole or not at all; an audio file by way of ``raw``."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with whole(target, sync=False) as partial:
        is_audio = target.suffix.lower() in audio.SUFFIXES
        try:
            with opened() as reader, (raw if is_audio else partial).open("wb") as writer:
                shutil.copyfileobj(reader, writer, 1 << 20)
            if is_audio:
                store(raw, partial)
        finally:
            raw.unlink(missing_ok=True)


def as_it_is(raw: Path, target: Path) -> None:
    """Keep an audio file, if it is one."""
    mono(raw)
    raw.replace(target)


def as_mono(raw: Path, target: Path) -> None:
    """Write an audio file as 16 kHz mono, 16 bits."""
    audio.write(target, mono(raw))


def mono(raw: Path) -> np.ndarray:
    """Read an audio file as `audio.read` does; of more than two channels the first two count."""
    try:
        waveform, info = audio.read(raw)
        if info.channels > 2:
            return (audio.read(raw, channel=0)[0] + audio.read(raw, channel=1)[0]) / 2
        return waveform
    except SedError as error:
        raise Broken(str(error).partition(": ")[2]) from None
