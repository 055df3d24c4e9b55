"""A folder of anybody's isolated recordings: which files it has, and which of them can be used.

``FOLDER/foreground/CLASS/*.wav|flac|ogg``, or the class folders directly in FOLDER; ``background/`` and ``rir/`` may be
missing, and may have up to two levels of folders in them. Files of any rate and number of channels. DESED's own
soundbank and MiniDESED's have this layout. Paper section 2; README, "Use your own sounds".
"""

from __future__ import annotations

import csv
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import numpy as np

from sedlib.data import audio
from sedlib.data.tables import CLASSES, unknown_label
from sedlib.errors import SedError

LONGEST_S = 30.0  # of a longer recording only this much from its start is used
# Classes whose sounds continue: of a long recording any part will do, and a short one may be repeated.
CONTINUOUS = ("Blender", "Electric_shaver_toothbrush", "Frying", "Running_water", "Vacuum_cleaner")
_SHORTEST_S = 0.1  # a shorter recording is no event
BACKGROUND, RIR = "background", "rir"
# DESED keeps recordings that begin or end within the event (no onset, no offset) in folders of their own.
_FOLDERS = {label + ends: label for label in CLASSES for ends in ("", "_nOn", "_nOff", "_nOn_nOff")}


class Recording(NamedTuple):
    """A file, and which original recording it comes from."""

    path: Path
    group: str
    label: str = ""

    def read(self) -> tuple[np.ndarray, audio.Info]:
        """At most `LONGEST_S` of the recording, (sample,) float32, 16 kHz mono; and what the file holds.

        Of a room response the first channel: the mean of several microphones would have several direct sounds.
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
    recordings : dict of lists of Recording
        By class, `BACKGROUND` and `RIR`.
    notes : list of str
        What was skipped, not found, flawed, shared between pools or replaced, a sentence each.

    Raises
    ------
    SedError
        If the folder, a class, or every readable file of a class is missing.
    """

    def __init__(self, folder: str | Path):
        self.folder = folder = Path(folder)
        classes, files = _files(folder)
        names = {path: path.relative_to(folder).as_posix() for paths in files.values() for path in paths}
        sources = folder / "sources.tsv"
        groups = _groups(sources)
        broken, flawed = _judge({path: label for label, paths in files.items() for path in paths})
        self.notes = [f"skipped {problem}" for problem in broken.values()] + flawed
        for file in sorted(set(groups) - set(names.values())):
            fix = "correct its name, or take the line out"
            self.notes.append(f"{sources}: {file!r} is none of the sounds here; {fix}")
        self.recordings: dict[str, list[Recording]] = {}
        for label, paths in files.items():
            usable = [path for path in paths if path not in broken]
            self.recordings[label] = [Recording(path, groups.get(names[path], names[path]), label) for path in usable]
        if missing := [label for label in CLASSES if not self.recordings[label]]:
            raise SedError(_missing(folder, classes, missing))
        self.notes += _unused(folder, classes, set(names))
        for label, replacement in ((BACKGROUND, "procedural backgrounds"), (RIR, "procedural rooms")):
            if not self.recordings[label]:
                self.notes.append(f"{folder / label}: no recordings; {replacement} are used")


def check_complete(folder: Path) -> None:
    """`SedError` if a folder lacks files of a class, backgrounds or rooms; no file is opened."""
    classes, files = _files(folder)
    places = {what: folder / what if what in (BACKGROUND, RIR) else classes / what for what in files}
    missing = [str(places[what]) for what, found in files.items() if not found]
    if missing:
        others = f" (and in {', '.join(missing[1:])})" if len(missing) > 1 else ""
        raise SedError(f"{missing[0]}: no isolated sounds, and dynamic mixing needs them; add *.wav there{others}")


def looped(waveform: np.ndarray) -> np.ndarray:
    """A recording that can be repeated without a click: its end is cross-faded into its beginning."""
    overlap = min(800, len(waveform) // 4)  # 50 ms
    ramp = np.sqrt(np.linspace(0, 1, overlap, dtype=np.float32))  # constant power
    once = waveform[: len(waveform) - overlap].copy()
    once[:overlap] = once[:overlap] * ramp + waveform[len(waveform) - overlap :] * ramp[::-1]
    return once


def _files(folder: Path) -> tuple[Path, dict[str, list[Path]]]:
    """Where the folders of the classes lie; the audio files of each class, of the backgrounds and of the rooms."""
    if not folder.is_dir():
        raise SedError(f"{folder}: no such folder; give one with a folder per class")
    classes = folder / "foreground" if (folder / "foreground").is_dir() else folder
    files: dict[str, list[Path]] = {label: [] for label in CLASSES}
    for name, label in _FOLDERS.items():
        files[label] += _audio_files(classes / name)
    return classes, files | {what: _audio_files(folder / what, levels=3) for what in (BACKGROUND, RIR)}


def _audio_files(folder: Path, levels: int = 1) -> list[Path]:
    """Audio files of a folder, down to so many levels; on no disk is ``dog`` taken for ``Dog``."""
    if not folder.is_dir() or folder.name not in (p.name for p in folder.parent.iterdir()):
        return []
    found = (p for level in range(1, levels + 1) for p in folder.glob("/".join("*" * level)))  # follows links
    return sorted(p for p in found if p.suffix.lower() in audio.SUFFIXES)


def _groups(sources: Path) -> dict[str, str]:
    """Column ``recording_group`` of a ``sources.tsv``, by ``file``; nothing if there is no such file."""
    if not sources.is_file():
        return {}
    try:
        with sources.open(encoding="utf-8-sig", newline="") as file:
            rows = csv.DictReader(file, delimiter="\t", restval="")
            if lacking := {"file", "recording_group"} - set(rows.fieldnames or ()):
                columns = ", ".join(sorted(lacking))
                raise SedError(f"{sources}: lacks the column {columns}; add it, or take the file away")
            return {row["file"]: row["recording_group"] or row["file"] for row in rows}
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise SedError(f"{sources}: not a tab separated UTF-8 table ({error}); save it as UTF-8") from None


def _judge(labels: dict[Path, str]) -> tuple[dict[Path, str], list[str]]:
    """Files that cannot be used and why; and sentences on those that are used with a flaw."""
    with ThreadPoolExecutor() as pool:
        found = dict(zip(labels, pool.map(_problem, labels, labels.values()), strict=True))
    return {path: broken for path, (broken, _) in found.items() if broken}, [flaw for _, flaw in found.values() if flaw]


def _problem(path: Path, label: str) -> tuple[str, str]:
    """Why a file cannot be used, and what is wrong with one that is used; empty if nothing."""
    try:
        _, info = Recording(path, "", label).read()
    except SedError as error:
        return str(error), ""
    if info.peak < audio.SILENT:
        return f"{path}: silent; take it out", ""
    if info.duration < _SHORTEST_S and label != RIR:
        return f"{path}: {info.duration:.3f} s; a recording of {_SHORTEST_S:g} s or more is needed", ""
    channels = f"{info.channels} channels: the first is used" if label == RIR and info.channels > 1 else ""
    flaws = "; ".join(filter(None, [channels, audio.flaws(info)]))
    return "", f"{path}: {flaws}" if flaws else ""


def _missing(folder: Path, classes: Path, missing: list[str]) -> str:
    """Sentence on classes without a readable recording, with the folders that may be meant."""
    unknown = {
        p.name: unknown_label(p.name) for p in sorted(classes.iterdir()) if p.is_dir() and p.name not in _FOLDERS
    }
    meant = [f"{name}/: {sentence}" for name, sentence in unknown.items() if "did you mean" in sentence]
    fix = f"add {classes / missing[0]}/*.wav (or {', '.join(audio.SUFFIXES[1:])})"
    return "; ".join([f"{folder}: no readable recording of {', '.join(missing)}", *meant, fix])


def _unused(folder: Path, classes: Path, used: set[Path]) -> list[str]:
    """Sentences on audio files in the wrong place: in another class, in none, too deep."""
    lost = Counter(p.parent for p in sorted(folder.rglob("*")) if p.suffix.lower() in audio.SUFFIXES and p not in used)
    notes = []
    for place, count in lost.items():
        why = f"sounds belong in {classes}/CLASS, {folder / BACKGROUND} or {folder / RIR}, not deeper"
        if place.parent == classes and place.name not in _FOLDERS:
            why = unknown_label(place.name)
        notes.append(f"{place}: {count} audio file{'s' * (count > 1)} not used; {why}")
    return notes
