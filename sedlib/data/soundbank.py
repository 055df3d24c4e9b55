"""A folder of anybody's isolated recordings: which files it has, and which of them can be used.

``FOLDER/foreground/CLASS/*.wav|flac|ogg``, or the class folders directly in FOLDER; ``background/`` and ``rir/`` may be
missing, and may have up to two levels of folders in them. Files of any rate and number of channels. DESED's own
soundbank and those that `generate` makes have this layout. Paper section 2; README, "Use your own sounds".
"""

from __future__ import annotations

import csv
import hashlib
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import numpy as np

from sedlib.data import audio
from sedlib.data.audio import SILENT, flaws
from sedlib.data.tables import CLASSES, unknown_label
from sedlib.errors import SedError

LONGEST_S = 30.0  # of a longer recording only this much from its start is used
# Classes that sound on: of a long recording any part will do, and a short one may be repeated.
CONTINUOUS = ("Blender", "Electric_shaver_toothbrush", "Frying", "Running_water", "Vacuum_cleaner")
SHORTEST_S = 0.1  # a shorter recording is no event
BACKGROUND, RIR = "background", "rir"
# DESED keeps recordings that begin or end within the event (no onset, no offset) in folders of their own.
FOLDERS = {label + ends: label for label in CLASSES for ends in ("", "_nOn", "_nOff", "_nOn_nOff")}


class Recording(NamedTuple):
    """A file, and which original recording it comes from."""

    path: Path
    group: str
    label: str = ""

    def read(self) -> tuple[np.ndarray, audio.Info]:
        """The recording as it is, at most `LONGEST_S` of it: (sample,) float32, 16 kHz mono; and what the file holds.

        Of a room response the first channel: channels are microphones, and their mean would have a direct sound for each.
        """
        return audio.read(self.path, LONGEST_S, channel=0 if self.label == RIR else None)


class Soundbank:
    """Recordings of the ten classes, and of backgrounds and rooms where the folder has them.

    Parameters
    ----------
    folder : path
        See the head of this module. A ``sources.tsv`` with the columns ``file`` and ``recording_group`` says which
        files come from one original recording; without it each file counts as its own.

    Attributes
    ----------
    notes : list of str
        Sentences on what was skipped, not found, flawed, shared between pools or replaced.
    fingerprint : str
        Name of the folder and a hash of its files' names and contents.

    Raises
    ------
    SedError
        If the folder, a class, or every readable file of a class is missing.
    """

    def __init__(self, folder: str | Path):
        folder = Path(folder)
        classes, files = _files(folder)
        names = {path: path.relative_to(folder).as_posix() for paths in files.values() for path in paths}
        groups = _groups(folder / "sources.tsv")
        broken, flawed = _judge({path: label for label, paths in files.items() for path in paths})
        self.notes = [f"skipped {problem}" for problem in broken.values()] + flawed
        self.notes += [f"{folder / 'sources.tsv'}: {file!r} is none of the sounds here; correct its name, or take the "
                       "line out" for file in sorted(set(groups) - set(names.values()))]
        self.recordings = {
            label: [Recording(path, groups.get(names[path], names[path]), label) for path in paths if path not in broken]
            for label, paths in files.items()
        }
        missing = [label for label in CLASSES if not self.recordings[label]]
        if missing:
            others = [f"{p.name}/: {unknown_label(p.name)}" for p in sorted(classes.iterdir())
                      if p.is_dir() and p.name not in FOLDERS and "did you mean" in unknown_label(p.name)]
            raise SedError("; ".join([f"{folder}: no readable recording of {', '.join(missing)}", *others,
                                      f"add {classes / missing[0]}/*.wav (or {', '.join(audio.SUFFIXES[1:])})"]))
        self.notes += _unused(folder, classes, set(names))
        for label, replacement in ((BACKGROUND, "procedural backgrounds"), (RIR, "procedural rooms")):
            if not self.recordings[label]:
                self.notes.append(f"{folder / label}: no recordings; {replacement} are used")
        self.fingerprint = _fingerprint(folder, [r.path for found in self.recordings.values() for r in found])

def need_all(folder: Path) -> None:
    """`SedError` if a folder has not got at least one file for each class, the backgrounds and the rooms; none is opened."""
    classes, files = _files(folder)
    missing = [str(folder / what if what in (BACKGROUND, RIR) else classes / what) for what, found in files.items() if not found]
    if missing:
        raise SedError(f"{missing[0]}: no isolated sounds, and dynamic mixing needs them; add *.wav there"
                       + f" (and in {', '.join(missing[1:])})" * (len(missing) > 1))


def _files(folder: Path) -> tuple[Path, dict[str, list[Path]]]:
    """Where the folders of the classes lie; the audio files of each class, of the backgrounds and of the rooms."""
    if not folder.is_dir():
        raise SedError(f"{folder}: no such folder; give one with a folder per class")
    classes = folder / "foreground" if (folder / "foreground").is_dir() else folder
    files: dict[str, list[Path]] = {label: [] for label in CLASSES}
    for name, label in FOLDERS.items():
        files[label] += _audio_files(classes / name)
    return classes, files | {what: _audio_files(folder / what, levels=3) for what in (BACKGROUND, RIR)}


def looped(waveform: np.ndarray) -> np.ndarray:
    """A recording that can be repeated without a click: its end is cross-faded into its beginning."""
    overlap = min(800, len(waveform) // 4)  # 50 ms
    ramp = np.sqrt(np.linspace(0, 1, overlap, dtype=np.float32))  # constant power
    once = waveform[: len(waveform) - overlap].copy()
    once[:overlap] = once[:overlap] * ramp + waveform[len(waveform) - overlap :] * ramp[::-1]
    return once


def _judge(labels: dict[Path, str]) -> tuple[dict[Path, str], list[str]]:
    """Files that cannot be used and why; and sentences on those that are used with a flaw."""

    def problem(path: Path) -> tuple[str, str]:
        try:
            _, info = Recording(path, "", labels[path]).read()
        except SedError as error:
            return str(error), ""
        if info.peak < SILENT:
            return f"{path}: silent; take it out", ""
        if info.duration < SHORTEST_S and labels[path] != RIR:
            return f"{path}: {info.duration:.3f} s; a recording of {SHORTEST_S:g} s or more is needed", ""
        found = [f"{info.channels} channels: the first is used"] if labels[path] == RIR and info.channels > 1 else []
        found += filter(None, [flaws(info)])
        return "", f"{path}: {'; '.join(found)}" if found else ""

    with ThreadPoolExecutor() as pool:
        found = dict(zip(labels, pool.map(problem, labels)))
    return {path: broken for path, (broken, _) in found.items() if broken}, [f for _, f in found.values() if f]


def _audio_files(folder: Path, levels: int = 1) -> list[Path]:
    """Audio files of a folder whose name is written exactly so, also where the disk would take ``dog`` for ``Dog``.

    More ``levels`` than one: those of the folders in it too (DESED has ``background/sins``), linked ones as well.
    """
    if not folder.is_dir() or folder.name not in (p.name for p in folder.parent.iterdir()):
        return []
    found = (p for level in range(1, levels + 1) for p in folder.glob("/".join("*" * level)))
    return sorted(p for p in found if p.suffix.lower() in audio.SUFFIXES)


def _unused(folder: Path, classes: Path, used: set[Path]) -> list[str]:
    """Sentences on audio files that lie where nothing is looked for: other class names, no class, too deep."""
    lost = Counter(p.parent for p in sorted(folder.rglob("*")) if p.suffix.lower() in audio.SUFFIXES and p not in used)
    return [f"{place}: {count} audio file{'s' * (count > 1)} not used; "
            + (unknown_label(place.name) if place.parent == classes and place.name not in FOLDERS else
               f"sounds belong in {classes}/CLASS, {folder / BACKGROUND} or {folder / RIR}, not deeper")
            for place, count in lost.items()]


def _groups(sources: Path) -> dict[str, str]:
    """Column ``recording_group`` of a ``sources.tsv``, by ``file``; nothing if there is no such file."""
    if not sources.is_file():
        return {}
    try:
        with sources.open(encoding="utf-8-sig", newline="") as file:
            rows = csv.DictReader(file, delimiter="\t", restval="")
            lacking = {"file", "recording_group"} - set(rows.fieldnames or ())
            if lacking:
                raise SedError(f"{sources}: lacks the column {', '.join(sorted(lacking))}; add it, or take the file "
                               "away")
            return {row["file"]: row["recording_group"] or row["file"] for row in rows}
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise SedError(f"{sources}: not a tab separated UTF-8 table ({error}); save it as UTF-8") from None


def _fingerprint(folder: Path, paths: list[Path]) -> str:
    digest = hashlib.sha256()
    for path in sorted(paths):
        digest.update(path.relative_to(folder).as_posix().encode() + b"\0" + path.read_bytes())
    return f"{folder.resolve().name} {digest.hexdigest()[:12]}"
