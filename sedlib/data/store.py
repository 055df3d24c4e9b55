"""Waveform store: the audio files of a subset decoded once into one file of 16-bit samples.

Full DESED is about 5.9 GB; a training reads rows of a file, and no decoder runs in its loop. The file
``ROOT/store/SUBSET.int16`` holds one row of little-endian 16-bit samples per clip; an index as JSON (names, durations
and checksums of the rows, and the audio files they were decoded from); the index's length and checksum; the number of
this format. Paper section 2; taught in ``notebooks/01_data.py``.

A lock lets one process build while others wait. A row's checksum is compared when it is first read. Rows are read, not
mapped into memory: a truncated file gives an error, not a crash.
"""

from __future__ import annotations

import io
import json
import os
import struct
import warnings
import weakref
import zlib
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import BinaryIO

import joblib
import numpy as np
from tqdm.auto import tqdm

from sedlib.config import CLIP_S, SAMPLES
from sedlib.data import audio, layout
from sedlib.errors import SedError
from sedlib.files import locked, whole

FORMAT = 2  # increases when the store's content for the same audio files changes
_ROW = 2 * SAMPLES  # bytes
_END = struct.Struct("<QII")  # the last bytes of a store: length and CRC-32 of the index before them, FORMAT
_BLOCK = 32  # clips decoded ahead of the writer


@dataclass(frozen=True, eq=False)
class Store:
    """The clips of one subset, in the order of its table, read row by row and never changed.

    Threads and forked processes may read from one store at once. A store that is open while another process rebuilds
    it keeps its content.
    """

    path: Path
    filenames: Sequence[str]
    durations: np.ndarray  # of the audio files, s; longer ones were cut and shorter ones padded
    skipped: Mapping[str, str]  # for each clip of the table that is not here, the reason
    _file: io.FileIO = field(repr=False)
    _checksums: list[int] = field(repr=False)  # CRC-32 of each row
    _verified: bytearray = field(repr=False)  # 1 for each row whose checksum was compared

    def __len__(self) -> int:
        return len(self.filenames)

    def waveforms(self, indices: np.ndarray | list[int]) -> np.ndarray:
        """Read rows of the store as a new (clip, sample) float32 array in [-1, 1].

        Raises
        ------
        SedError
            If a row is damaged. The store is removed, and rebuilt when it is next opened.
        """
        rows = np.arange(len(self))[np.asarray(indices, dtype=int)]
        waveforms = np.empty((len(rows), SAMPLES), np.float32)
        row = np.empty(SAMPLES, "<i2")
        for waveform, i in zip(waveforms, rows.tolist(), strict=True):
            self._read(i, row)
            np.multiply(row, np.float32(1 / 32768), out=waveform)
        return waveforms

    def _read(self, i: int, row: np.ndarray) -> None:
        """Fill ``row``."""
        try:
            # preadv: no file position that threads and forked processes share, no pages that stay mapped.
            size = os.preadv(self._file.fileno(), [row.data], i * _ROW)
        except OSError as error:
            raise self._damaged(i, f"cannot be read ({error.strerror})") from None
        if size != _ROW:
            raise self._damaged(i, "is cut off")
        if not self._verified[i]:
            if zlib.crc32(row.data) != self._checksums[i]:
                raise self._damaged(i, "does not have its checksum")
            self._verified[i] = 1

    def _damaged(self, i: int, what: str) -> SedError:
        """Remove the damaged store; the error to raise."""
        fix = "the store was removed; run this again to rebuild it from the audio files"
        try:
            if os.path.samestat(os.fstat(self._file.fileno()), self.path.stat()):  # not another's new store
                self.path.unlink()
        except FileNotFoundError:
            pass
        except OSError as error:
            fix = f"remove this file ({error.strerror}) and run this again to rebuild it from the audio files"
        return SedError(f"{self.path}: damaged: the row of {self.filenames[i]} {what}; {fix}")


def open_store(root: str | Path, subset: str, progress: bool = True) -> Store:
    """Open the waveform store of a subset; build it first if it is missing, damaged or of other audio files.

    Clips are mixed to mono, resampled to 16 kHz, and cut or padded with zeros to 10 s. An unreadable file is left out,
    listed in ``skipped``, and warned about.

    Raises
    ------
    SedError
        As `layout.load`; if no clip is readable, audio files change meanwhile, or the store cannot be written.
    """
    loaded = layout.load(root, subset)
    path = Path(root) / "store" / f"{subset}.int16"
    store = _opened(path, _sources(loaded))
    if store is None:
        message = f"{path}: another process is building this store; waiting for it ..." if progress else None
        try:
            with locked(path.with_suffix(".lock"), message):
                store = _opened(path, _sources(loaded)) or _build(path, loaded, progress)
        except OSError as error:
            megabytes = _ROW * len(loaded.filenames) / 1e6
            raise SedError(
                f"{path.parent}: the store of {subset!r} ({megabytes:.0f} MB) cannot be written ({error.strerror}); "
                "free some space, make the folder writable, or link it to one that is"
            ) from None
    if store.skipped:
        first = next(iter(store.skipped.values()))
        message = f"{subset}: {len(store.skipped)} of {len(loaded.filenames)} clips are left out, the first: {first}"
        warnings.warn(message, stacklevel=2)
    return store


def _sources(subset: layout.Subset) -> list[str]:
    """Name, size and time of change of every file of the table: what a store must have been built from."""
    stats = {file.name: file.stat() for file in os.scandir(subset.audio_dir) if file.is_file()}
    found = {name: f"{name}: {stat.st_size} bytes, {stat.st_mtime_ns} ns" for name, stat in stats.items()}
    return [found.get(name, f"{name}: missing") for name in subset.filenames]


def _opened(path: Path, sources: list[str]) -> Store | None:
    """Open a store if it is there, whole as far as its index tells, and of these audio files."""
    try:
        file = path.open("rb", buffering=0)
    except OSError:
        return None
    index = _read_index(file)
    if index is None or index["sources"] != sources:
        file.close()
        return None
    durations = np.array(index["durations"])
    durations.setflags(write=False)
    filenames, skipped = tuple(index["filenames"]), MappingProxyType(index["skipped"])
    store = Store(path, filenames, durations, skipped, file, index["checksums"], bytearray(len(filenames)))
    weakref.finalize(store, file.close)
    return store


def _read_index(file: BinaryIO) -> dict | None:
    """Read the index at the end of a store; None if it is damaged, or the file has not the length it says."""
    try:
        end = file.seek(-_END.size, os.SEEK_END)
        length, checksum, number = _END.unpack(file.read(_END.size))
        if number != FORMAT:
            return None
        start = file.seek(end - length)
        text = file.read(length)
    except (OSError, OverflowError):  # shorter than that, or unreadable
        return None
    if zlib.crc32(text) != checksum:
        return None
    index = json.loads(text)
    return index if start == _ROW * len(index["filenames"]) else None


def _build(path: Path, subset: layout.Subset, progress: bool) -> Store:
    """Decode the audio files into a new store; the caller holds the lock."""
    sources, folder = _sources(subset), subset.audio_dir
    with whole(path) as partial:
        partial.unlink(missing_ok=True)  # of a process that was killed
        with open(partial, "xb", opener=lambda name, flags: os.open(name, flags, 0o444)) as file:
            index = _write_rows(file, subset, progress)
            now = _sources(subset)
            changed = [name for name, a, b in zip(subset.filenames, sources, now, strict=True) if a != b]
            if changed:
                raise SedError(
                    f"{folder}: {len(changed)} of {len(now)} audio files changed while they were decoded, "
                    f"the first: {changed[0]}; run this again once nothing writes there"
                )
            if not index["filenames"]:
                first = next(iter(index["skipped"].values()))
                raise SedError(f"{folder}: none of the {len(now)} clips is readable, the first: {first}")
            text = json.dumps(index | {"sources": sources}).encode()
            file.write(text + _END.pack(len(text), zlib.crc32(text), FORMAT))
    store = _opened(path, sources)
    assert store is not None, f"{path} was written and is not what was written"
    return store


def _write_rows(file: BinaryIO, subset: layout.Subset, progress: bool) -> dict:
    """Write the row of each clip that can be read; return the index of the rows."""
    index = {"filenames": [], "durations": [], "checksums": [], "skipped": {}}
    bar = tqdm(total=len(subset.filenames), desc=f"decode {subset.name}", unit="clip", disable=not progress)
    # Threads suffice: libsndfile and the resampler work outside Python's lock.
    with bar, ThreadPoolExecutor(joblib.cpu_count()) as pool:
        for start in range(0, len(subset.filenames), _BLOCK):
            names = subset.filenames[start : start + _BLOCK]
            clips = pool.map(_decode, [subset.audio_dir / name for name in names])
            for name, clip in zip(names, clips, strict=True):
                bar.update()
                if isinstance(clip, SedError):
                    index["skipped"][name] = str(clip)
                    continue
                row, duration = clip
                file.write(row.data)
                index["filenames"].append(name)
                index["durations"].append(duration)
                index["checksums"].append(zlib.crc32(row.data))
    return index


def _decode(path: Path) -> tuple[np.ndarray, float] | SedError:
    """Decode a clip to its row and the duration of its file in seconds, or the error."""
    try:
        waveform, info = audio.read(path, seconds=CLIP_S)
    except SedError as error:
        return error
    row = np.zeros(SAMPLES, dtype="<i2")
    row[: len(waveform)] = audio.to_int16(waveform)
    return row, info.duration
