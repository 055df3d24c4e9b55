"""A folder of anybody's isolated recordings as a source of sounds, with the interface of `voices.Voices`.

``FOLDER/foreground/CLASS/*.wav|flac|ogg``, or the class folders directly in FOLDER; ``background/`` and ``rir/`` may be
missing, and may have up to two levels of folders in them. Files of any rate and number of channels. DESED's own
soundbank and those that `generate` makes have this layout. Paper section 2; README, "Use your own sounds".
"""

from __future__ import annotations

import csv
import hashlib
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from copy import copy
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import numpy as np

from sedlib.data import audio
from sedlib.data.audio import RATE
from sedlib.data.layout import REAL, SILENT, flaws
from sedlib.data.tables import CLASSES, unknown_label
from sedlib.data.voices import Voices
from sedlib.errors import SedError

TRAINING, EVALUATION = "real training", "real development and evaluation"  # pools besides the synthetic one
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
    """A source of recorded sounds: the ten classes, and backgrounds and rooms where the folder has them.

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
        self._procedural = Voices(REAL)

    def split(self, *pools: str) -> list[Soundbank]:
        """Soundbanks of disjoint recordings, one per pool; a class with too few recordings is shared and noted."""
        banks = [copy(self) for _ in pools]
        for bank in banks:
            bank.recordings = {}
        notes = []
        for label, found in self.recordings.items():
            groups = sorted({r.group for r in found}, key=lambda g: hashlib.sha256(g.encode()).digest())
            shared = 0 < len(groups) < len(pools)
            if shared:
                notes.append(f"{label}: {len(groups)} recording{'s' * (len(groups) > 1)} for {len(pools)} pools "
                             f"({', '.join(pools)}): all pools share {'it' if len(groups) == 1 else 'them'}")
            for i, bank in enumerate(banks):
                bank.recordings[label] = [r for r in found if shared or groups.index(r.group) % len(pools) == i]
        for bank in banks:
            bank.notes = self.notes + notes
        return banks

    def of_clip(self, rng: np.random.Generator) -> Soundbank:
        """The same source with one original recording per class, background and room: one dog, one talker, one place.

        Each is as likely as another, however many files it has. For the events of one clip, which in life come from
        one individual.
        """
        bank = copy(self)
        bank.recordings = {}
        for (label, found), u in zip(self.recordings.items(), rng.random(len(self.recordings))):
            groups = list(dict.fromkeys(r.group for r in found))
            bank.recordings[label] = [r for r in found if r.group == groups[int(u * len(groups))]]
        return bank

    def event(self, label: str, duration: float, rng: np.random.Generator) -> np.ndarray:
        """One isolated sound of a class, without silence at either end.

        Parameters
        ----------
        label : str
            One of `tables.CLASSES`.
        duration : float
            Seconds. The sound is never longer; it is shorter where the recorded one is.
        rng : Generator
            The only source of chance.

        Returns
        -------
        (sample,) float32 array
            16 kHz, peak 1. Of a recording with several barks (calls, words), one; of a class in `CONTINUOUS` any
            part, repeated if need be.

        Raises
        ------
        SedError
            For an unknown label.
        """
        if label not in CLASSES:
            raise SedError(f"soundbank: {unknown_label(label)}")
        waveform, sounds = self._draw(label, rng)
        wanted = max(1, round(duration * RATE))
        if label in CONTINUOUS:
            first, last = max(sounds, key=lambda ends: ends[1] - ends[0])  # without pauses, as its label will say
            sound = _excerpt(waveform[first:last], wanted, rng)
        else:
            first, last = sounds[rng.integers(len(sounds))]
            sound = waveform[first : min(last, first + wanted)].copy()
        fade = min(160, len(sound) // 4)  # 10 ms against the click of a cut
        sound[len(sound) - fade :] *= np.linspace(1, 0, fade, dtype=np.float32)
        return sound / np.abs(sound).max()

    def background(self, duration: float, rng: np.random.Generator) -> np.ndarray:
        """Background of exactly ``duration`` seconds, (sample,) float32, peak 1; procedural if none was recorded."""
        if not self.recordings[BACKGROUND]:
            return self._procedural.background(duration, rng)
        waveform, _ = self._draw(BACKGROUND, rng)
        sounds = _stretches(waveform, below_peak=60)  # leaves out silence that was added at the ends
        sound = _excerpt(waveform[sounds[0][0] : sounds[-1][1]], round(duration * RATE), rng)
        return sound / max(np.abs(sound).max(), np.float32(1e-9))  # the recording may fall silent for a while

    def rir(self, rng: np.random.Generator) -> np.ndarray | None:
        """Room impulse response from its direct sound on, (sample,) float32, peak 1; None if none was recorded."""
        if not self.recordings[RIR]:
            return None
        waveform, _ = self._draw(RIR, rng)
        direct = int(np.argmax(np.abs(waveform)))
        return waveform[direct:] / waveform[direct]

    def _draw(self, label: str, rng: np.random.Generator) -> tuple[np.ndarray, list[tuple[int, int]]]:
        """Any of the recordings: its waveform, and where in it sound is."""
        found = self.recordings[label]
        recording = found[rng.integers(len(found))]
        return _decoded(recording, recording.path.stat().st_mtime_ns)


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


def _excerpt(waveform: np.ndarray, wanted: int, rng: np.random.Generator) -> np.ndarray:
    """``wanted`` samples from a random place on; a shorter recording is repeated, its joints cross-faded."""
    if len(waveform) < wanted:
        once = looped(waveform)
        start = rng.integers(len(once))
        return np.resize(np.roll(once, -start), wanted)
    start = rng.integers(len(waveform) - wanted + 1)
    return waveform[start : start + wanted].copy()


def looped(waveform: np.ndarray) -> np.ndarray:
    """A recording that can be repeated without a click: its end is cross-faded into its beginning."""
    overlap = min(800, len(waveform) // 4)  # 50 ms
    ramp = np.sqrt(np.linspace(0, 1, overlap, dtype=np.float32))  # constant power
    once = waveform[: len(waveform) - overlap].copy()
    once[:overlap] = once[:overlap] * ramp + waveform[len(waveform) - overlap :] * ramp[::-1]
    return once


@lru_cache(maxsize=256)
def _decoded(recording: Recording, changed: int) -> tuple[np.ndarray, list[tuple[int, int]]]:
    """A decoded file as it was when it ``changed`` last, and its `_stretches`."""
    waveform, _ = recording.read()
    return waveform, _stretches(waveform)


def _stretches(waveform: np.ndarray, below_peak: float = 30.0, gap: float = 0.2) -> list[tuple[int, int]]:
    """Where sound is: (first, last + 1) samples of each stretch that is within ``below_peak`` dB of the loudest 10 ms.

    Pauses up to ``gap`` seconds, less than the shortest event has, belong to a stretch; a stretch under 0.1 s is left
    out if there is a longer one.
    """
    block = RATE // 100
    starts = np.arange(0, len(waveform), block)
    energy = np.add.reduceat(waveform.astype(np.float64) ** 2, starts)
    loud = np.flatnonzero(energy >= energy.max() * 10 ** (-below_peak / 10))
    breaks = np.flatnonzero(np.diff(loud) > gap * RATE / block)
    firsts, lasts = loud[np.r_[0, breaks + 1]], loud[np.r_[breaks, len(loud) - 1]]
    found = list(zip((firsts * block).tolist(), np.minimum((lasts + 1) * block, len(waveform)).tolist()))
    longest = max(last - first for first, last in found)
    return [(first, last) for first, last in found if last - first >= min(longest, RATE // 10)]


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
