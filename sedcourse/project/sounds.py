"""Isolated sounds and room tone cut out of recordings, and the data set that is mixed from them."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from minidesed import generate
from minidesed.signals import from_db
from minidesed.soundscapes import make_sound
from minidesed.voices import Voices
from sedlib.config import RATE
from sedlib.data import audio, layout, tables
from sedlib.data.soundbank import BACKGROUND
from sedlib.data.tables import CLASSES
from sedlib.errors import SedError

SHORTEST_S = 0.1  # a shorter sound is no recording for `sedlib.data.soundbank`
MARGIN_S = 0.2  # left out around events: reverberation, and what annotators are off by
TONE_S = 0.5  # shortest room tone that is used
FILL = 12  # MiniDESED's sounds of each class
BESIDE = 4  # of a class that has own sounds: so many stand beside these
COPIES_DB = tuple(-2.0 * k for k in range(10))  # levels at which each annotated clip stands among the mixtures
Sounds = dict[str, list[np.ndarray]]  # by class, or `BACKGROUND`


def alone(events: list[tuple[float, float]]) -> list[int]:
    """Return the places of the events of a clip, of any class, that overlap no other."""
    return [
        i
        for i, (onset, offset) in enumerate(events)
        if not any(a < offset and onset < b for k, (a, b) in enumerate(events) if k != i)
    ]


def cut(waveforms: Mapping[str, np.ndarray], table: pd.DataFrame) -> Sounds:
    """Cut the events that sound `alone` out of their recordings: a list of (sample,) arrays by class."""
    found: Sounds = {}
    for name, of in tables.events(table).groupby("filename"):
        events = list(of[["onset", "offset"]].itertuples(index=False, name=None))
        for i in alone(events):
            first, last = (round(time * RATE) for time in events[i])
            if last - first >= SHORTEST_S * RATE and np.abs(sound := waveforms[str(name)][first:last]).any():
                found.setdefault(of["event_label"].iloc[i], []).append(sound)
    return found


def room_tone(waveforms: Mapping[str, np.ndarray], table: pd.DataFrame) -> list[np.ndarray]:
    """Cut what lies between the events, `MARGIN_S` from them and `TONE_S` or longer: the room without them."""
    found, events = [], tables.events(table)
    for name, waveform in waveforms.items():
        busy = np.zeros(len(waveform), bool)
        for e in events[events["filename"] == name].itertuples():
            busy[max(0, round((e.onset - MARGIN_S) * RATE)) : round((e.offset + MARGIN_S) * RATE)] = True
        edges = np.flatnonzero(np.diff(np.r_[True, busy, True]))
        for first, last in zip(edges[::2], edges[1::2], strict=True):
            if last - first >= TONE_S * RATE and np.abs(waveform[first:last]).any():
                found.append(waveform[first:last])
    return found


def isolated(count: int = FILL) -> Sounds:
    """Make MiniDESED's first ``count`` isolated sounds of each class, those of its soundbank, at most 4 s of each."""
    voices = Voices(layout.SYNTHETIC)
    return {label: [make_sound(label, voices, 0, k)[: 4 * RATE] for k in range(count)] for label in CLASSES}


def write_bank(folder: str | Path, *banks: Sounds) -> Path:
    """Write sounds as a soundbank, ``foreground/CLASS/*.wav`` and ``background/*.wav``; what was there is removed."""
    folder = Path(folder)
    shutil.rmtree(folder, ignore_errors=True)
    for number, bank in enumerate(banks):
        for label, sounds in bank.items():
            place = folder / (label if label == BACKGROUND else f"foreground/{label}")
            place.mkdir(parents=True, exist_ok=True)
            for k, sound in enumerate(sounds):
                audio.write(place / f"{number}-{k:03d}.wav", 0.9 * sound / np.abs(sound).max())
    return folder


def beside(mini: Sounds, own: Sounds) -> Sounds:
    """Choose MiniDESED's sounds for a bank: all of a class without own ones, otherwise `BESIDE`."""
    return {label: sounds[:BESIDE] if own.get(label) else sounds for label, sounds in mini.items()}


Annotated = tuple[Mapping[str, np.ndarray], pd.DataFrame]  # clips by name, and their events


def make_set(
    bank: Path, root: str | Path, sizes: Mapping[str, int], seed: int, learn: Annotated, test: Annotated, progress: bool
) -> Path:
    """Make a data set from a soundbank and annotated clips, from scratch each time.

    Parameters
    ----------
    bank : path
        As for ``sedlib data soundbank BANK ROOT --real BANK``.
    root : path
        Folder of the data set; what was there is removed.
    sizes : mapping
        Clips of each training subset.
    seed : int
    learn, test : tuples of waveforms by name and event table
        Clips among the synthetic ones, at each of `COPIES_DB`, and in the place of the development set.
    progress : bool
    """
    root = Path(root)
    shutil.rmtree(root, ignore_errors=True)
    generate.from_soundbank(bank, root, sizes, seed, real=bank, progress=progress, sounds=FILL, jobs=1)
    for what, (waveforms, table) in {"learn": learn, "test": test}.items():
        if tables.events(table).empty:
            raise SedError(f"no events in {', '.join(waveforms)}, clips to {what}; annotate them")
    place = layout.SUBSETS["validation"]
    _add(root / place.audio, root / place.metadata, test)
    place = layout.SUBSETS["synthetic"]
    for k, gain in enumerate(COPIES_DB):
        turned = {name: waveform * from_db(gain) for name, waveform in learn[0].items()}
        _add(root / place.audio, root / place.metadata, (turned, learn[1]), f"own{k}-")
    return root


def _add(folder: Path, metadata: Path, clips: Annotated, prefix: str = "") -> None:
    """Add clips to a subset with strong labels, under names that begin with ``prefix``."""
    waveforms, table = clips
    folder.mkdir(parents=True, exist_ok=True)
    for name, waveform in waveforms.items():
        audio.write(folder / f"{prefix}{name}", waveform)
    before = [tables.read_events(metadata)] if metadata.is_file() else []
    tables.write(pd.concat([*before, table.assign(filename=prefix + table["filename"])]), metadata)
