"""A user's folder of isolated recordings: which files it has, and which of them can be used.

``FOLDER/foreground/CLASS/*.wav|flac|ogg``, or the class folders directly in FOLDER; ``background/`` and ``rir/`` may be
missing, and may have up to two levels of folders in them. Files of any rate and number of channels. DESED's own
soundbank and MiniDESED's have this layout. Paper section 2; README, "Use your own sounds".
"""

from __future__ import annotations

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
    """A file, its class (or `BACKGROUND` or `RIR`), and which original recording it comes from, if known."""

    path: Path
    label: str
    group: str = ""

    def read(self) -> tuple[np.ndarray, audio.Info]:
        """Read at most `LONGEST_S` as 16 kHz mono, (sample,) float32.

        Of a room response the first channel: the mean of several microphones would have several direct sounds.
        """
        return audio.read(self.path, LONGEST_S, channel=0 if self.label == RIR else None)


class Soundbank:
    """Recordings of the ten classes, and of backgrounds and rooms where the folder has them.

    `SedError` if the folder, a class, or every readable file of a class is missing.
    """

    def __init__(self, folder: str | Path):
        self.folder = folder = Path(folder)
        classes, files = _files(folder)
        listed = [Recording(path, label) for label, paths in files.items() for path in paths]
        self.recordings: dict[str, list[Recording]] = {label: [] for label in files}  # by class, `BACKGROUND` and `RIR`
        self.notes: list[str] = []  # what was skipped, not found, flawed or replaced, one sentence each
        with ThreadPoolExecutor() as pool:
            for recording, (usable, note) in zip(listed, pool.map(_judge, listed), strict=True):
                self.recordings[recording.label] += [recording] * usable
                self.notes += [note] if note else []
        if missing := [label for label in CLASSES if not self.recordings[label]]:
            raise SedError(_missing(folder, classes, missing))
        self.notes += _unused(folder, classes, {recording.path for recording in listed})
        for label, replacement in ((BACKGROUND, "procedural backgrounds"), (RIR, "procedural rooms")):
            if not self.recordings[label]:
                self.notes.append(f"{folder / label}: no recordings; {replacement} are used")


def check_complete(folder: Path) -> None:
    """Raise `SedError` if a folder lacks files of a class, backgrounds or rooms; no file is opened."""
    classes, files = _files(folder)
    missing = [
        str((folder if what in (BACKGROUND, RIR) else classes) / what) for what, found in files.items() if not found
    ]
    if missing:
        others = f" (and in {', '.join(missing[1:])})" if len(missing) > 1 else ""
        raise SedError(f"{missing[0]}: no isolated sounds, and dynamic mixing needs them; add *.wav there{others}")


def looped(waveform: np.ndarray) -> np.ndarray:
    """Make a recording repeatable without a click: its end is cross-faded into its beginning."""
    overlap = min(800, len(waveform) // 4)  # 50 ms
    ramp = np.sqrt(np.linspace(0, 1, overlap, dtype=np.float32))  # constant power
    once = waveform[: len(waveform) - overlap].copy()
    once[:overlap] = once[:overlap] * ramp + waveform[len(waveform) - overlap :] * ramp[::-1]
    return once


def _files(folder: Path) -> tuple[Path, dict[str, list[Path]]]:
    """Where the folders of the classes are; the audio files of each class, of the backgrounds and of the rooms."""
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


def _judge(recording: Recording) -> tuple[bool, str]:
    """Whether a recording can be used, and a sentence on what is wrong with it; empty if nothing."""
    path, is_room = recording.path, recording.label == RIR
    try:
        _, info = recording.read()
    except SedError as error:
        return False, f"skipped {error}"
    if info.peak < audio.SILENT:
        return False, f"skipped {path}: silent; remove it"
    if info.duration < _SHORTEST_S and not is_room:
        return False, f"skipped {path}: {info.duration:.3f} s; a recording of {_SHORTEST_S:g} s or more is needed"
    channels = f"{info.channels} channels: the first is used" if is_room and info.channels > 1 else ""
    flaws = "; ".join(filter(None, [channels, audio.flaws(info)]))
    return True, f"{path}: {flaws}" if flaws else ""


def _missing(folder: Path, classes: Path, missing: list[str]) -> str:
    """Sentence on classes without a readable recording, with the folders that may be meant."""
    others = sorted(p.name for p in classes.iterdir() if p.is_dir() and p.name not in _FOLDERS)
    meant = [f"{name}/: {sentence}" for name in others if "did you mean" in (sentence := unknown_label(name))]
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
