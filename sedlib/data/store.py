"""Waveform store: the audio files of a subset decoded once into one memory-mapped file.

Full DESED is about 5.9 GB as 16-bit samples; training then reads rows of an array and no decoder runs in its loop.
``ROOT/store/SUBSET.int16`` holds (clip, sample) little-endian 16-bit integers, ``ROOT/store/SUBSET.json`` says which
clips. Paper section 2; taught in ``notebooks/01_data.py``.
"""

from __future__ import annotations

import json
import os
import warnings
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from tqdm.auto import tqdm

from sedlib.data import audio, layout
from sedlib.errors import SedError

SAMPLES = round(layout.CLIP_S * audio.RATE)
FORMAT = 1  # counts up when the store's content for the same audio files changes
_BLOCK = 64  # clips decoded ahead of the writer


@dataclass(frozen=True)
class Store:
    """The clips of one subset as rows of a read-only array.

    ``filenames``, ``durations`` (s, of the audio file; longer ones were cut, shorter ones padded) and the rows are in
    the order of the table; ``skipped`` gives the reason for each clip of the table that is not here.
    """

    samples: np.ndarray  # (clip, sample) int16, memory-mapped
    filenames: list[str]
    durations: np.ndarray
    skipped: dict[str, str]
    changed: dict[str, str]  # what was padded, cut, mixed to mono or resampled

    def __len__(self) -> int:
        return len(self.filenames)

    def waveforms(self, indices: np.ndarray | list[int]) -> np.ndarray:
        """Rows of the store as (clip, sample) float32 in [-1, 1]."""
        return self.samples[np.asarray(indices, dtype=int)].astype(np.float32) / np.float32(32768)


def open_store(root: str | Path, subset: str, progress: bool = True) -> Store:
    """Open the waveform store of a subset; build it first where it is missing or an audio file has changed.

    Clips are mixed to mono, resampled to 16 kHz, and cut or padded with zeros to 10 s.

    Parameters
    ----------
    root : path
        A data set in DESED's layout.
    subset : str
        One of `layout.SUBSETS`.
    progress : bool
        Show a bar while decoding.

    Raises
    ------
    SedError
        As `layout.load`; and if no clip at all is readable, or the store cannot be written. A single unreadable
        file is left out, listed in ``skipped``, and warned about.
    """
    loaded = layout.load(root, subset)
    folder = Path(root) / "store"
    fingerprint = _fingerprint(loaded)
    index = _valid_index(folder, subset, fingerprint)
    if index is None:
        try:
            index = _build(folder, loaded, fingerprint, progress)
        except PermissionError as error:
            raise SedError(f"{folder}: cannot be written ({error.strerror}); copy the data set to a place of your own"
                           ) from None
    if index["skipped"]:
        first = next(iter(index["skipped"].values()))
        warnings.warn(f"{subset}: {len(index['skipped'])} of {len(loaded.filenames)} clips are left out, "
                      f"the first: {first}", stacklevel=2)
    rows = np.memmap(folder / f"{subset}.int16", dtype="<i2", mode="r", shape=(len(index["filenames"]), SAMPLES))
    return Store(rows, index["filenames"], np.array(index["durations"]), index["skipped"], index["changed"])


def _fingerprint(subset: layout.Subset) -> list[list]:
    """Name, size and time of change of every file of the table."""
    prints = []
    for name in subset.filenames:
        try:
            stat = (subset.audio_dir / name).stat()
        except OSError:
            prints.append([name, None, None])
        else:
            prints.append([name, stat.st_size, stat.st_mtime_ns])
    return prints


def _valid_index(folder: Path, subset: str, fingerprint: list[list]) -> dict | None:
    """The index, if it and the samples belong to these audio files."""
    try:
        index = json.loads((folder / f"{subset}.json").read_text(encoding="utf-8"))
        size = (folder / f"{subset}.int16").stat().st_size
    except (OSError, ValueError):
        return None
    fits = (isinstance(index, dict) and index.get("format") == FORMAT and index.get("fingerprint") == fingerprint
            and size == 2 * SAMPLES * len(index["filenames"]))
    return index if fits else None


def _build(folder: Path, subset: layout.Subset, fingerprint: list[list], progress: bool) -> dict:
    folder.mkdir(parents=True, exist_ok=True)
    samples, index_path = folder / f"{subset.name}.int16", folder / f"{subset.name}.json"
    partial = samples.with_name(f"{samples.name}.{os.getpid()}.partial")
    index = {"format": FORMAT, "sample_rate": audio.RATE, "samples_per_clip": SAMPLES, "filenames": [], "durations": [],
             "skipped": {}, "changed": {}, "fingerprint": fingerprint}
    try:
        bar = tqdm(total=len(subset.filenames), desc=f"decode {subset.name}", unit="clip", disable=not progress)
        # Threads suffice: libsndfile and the resampler work outside Python's lock.
        with partial.open("wb") as file, bar, ThreadPoolExecutor(os.cpu_count()) as pool:
            for start in range(0, len(subset.filenames), _BLOCK):
                names = subset.filenames[start : start + _BLOCK]
                for name, clip in zip(names, pool.map(_decode, (subset.audio_dir / n for n in names))):
                    if isinstance(clip, SedError):
                        index["skipped"][name] = str(clip)
                    else:
                        row, info = clip
                        file.write(row.tobytes())
                        index["filenames"].append(name)
                        index["durations"].append(info.duration)
                        if change := layout.changes(info):
                            index["changed"][name] = change
                    bar.update()
        if not index["filenames"]:
            raise SedError(f"{subset.audio_dir}: none of the {len(subset.filenames)} clips is readable, the first: "
                           f"{next(iter(index['skipped'].values()))}")
        # The index is taken away first: a process killed between the two renames leaves no index that lies.
        index_path.unlink(missing_ok=True)
        partial.replace(samples)
    finally:
        partial.unlink(missing_ok=True)
    partial_index = index_path.with_name(f"{index_path.name}.{os.getpid()}.partial")
    partial_index.write_text(json.dumps(index), encoding="utf-8")
    partial_index.replace(index_path)
    return index


def _decode(path: Path) -> tuple[np.ndarray, audio.Info] | SedError:
    try:
        waveform, info = audio.read(path, seconds=layout.CLIP_S)
    except SedError as error:
        return error
    row = np.zeros(SAMPLES, dtype="<i2")
    row[: len(waveform)] = audio.to_int16(waveform)
    return row, info
