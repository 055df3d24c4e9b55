"""Recordings of an imaginary home, with known truth, for students who have none of their own.

One dog, one talker, one tap, one room and one phone, all drawn by a seed from MiniDESED's real domain: a condition that
no training clip of MiniDESED has.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pandas as pd

from minidesed import domains
from minidesed.signals import from_db
from minidesed.soundscapes import mix
from minidesed.voices import Voices
from sedlib.data import audio, tables
from sedlib.data.layout import REAL
from sedlib.data.scenes import SHORTEST_S, Event

COUNT = 5
FLAWS_DB = {1: 16.0, 2: -30.0}  # by recording: the gain of those that went wrong
# The classes of the home, and how long one of their events may last, seconds.
HEARD = {
    "Alarm_bell_ringing": (0.7, 1.6),
    "Dishes": (0.4, 1.0),
    "Dog": (0.4, 1.0),
    "Running_water": (1.3, 2.6),
    "Speech": (0.7, 1.6),
}
_PLACE = domains.Recipe(
    snr=(2, 16), background_level=(-38, -33), room_share=1, noise_share=1, noise_level=(-14, -8), noise_drift=(0, 1)
)
_ROOM = dataclasses.replace(_PLACE, rt60=(0.5, 1.0), direct_to_reverberant=(-10, 0))
_PHONE = domains.Recipe(
    microphone_share=1,
    tilt=(-4, 4),
    bump=10,
    high_pass=(100, 400),
    band_limit_share=1,
    band_limit=(3400, 5000),
    codec_share=1,
    codec_step=(0.2, 1.0),
)
FRESH = 100  # index of the first recording that nobody annotates


class Home:
    """A home, with the interface of `minidesed.soundscapes.Source`: the same voices, room and phone in every recording.

    Parameters
    ----------
    seed : int
        0 or more; another seed is another home.
    """

    def __init__(self, seed: int) -> None:
        voices, room = (np.random.default_rng([seed, 8, what]) for what in (0, 1))
        self.seed = seed
        self._voices = Voices(REAL).of_clip(voices)
        self._room = self._voices.room(_ROOM, room)

    def of_clip(self, rng: np.random.Generator) -> Home:
        """Return the same home."""
        return self

    def event(self, label: str, duration: float, rng: np.random.Generator) -> np.ndarray:
        """Make a sound of a class by its one voice."""
        return self._voices.event(label, duration, rng)

    def background(self, duration: float, rng: np.random.Generator) -> np.ndarray:
        """Make a background."""
        return self._voices.background(duration, rng)

    def room(self, recipe: domains.Recipe, rng: np.random.Generator) -> np.ndarray:
        """Return the response of the one room."""
        return self._room

    def recording(self, index: int) -> tuple[np.ndarray, list[tuple[float, float, str]]]:
        """Make recording ``index``: (160000,) float32 waveform, and its events ``(onset, offset, label)``."""
        rng_plan, rng_sound = np.random.default_rng([self.seed, 8, 2, index]).spawn(2)
        waveform, events = mix(_plan(index, rng_plan), self, _PLACE, rng_sound)
        heard = domains.apply_channel(waveform, _PHONE, np.random.default_rng([self.seed, 8, 3]))
        return heard, events

    def write(self, folder: str | Path, flawed: bool = True) -> pd.DataFrame:
        """Write the `COUNT` recordings, if ``flawed`` with `FLAWS_DB`, and return the true events."""
        Path(folder).mkdir(parents=True, exist_ok=True)
        rows = []
        for index in range(COUNT):
            waveform, events = self.recording(index)
            name, gain = f"recording{index + 1}.wav", FLAWS_DB.get(index, 0.0) if flawed else 0.0
            audio.write(Path(folder) / name, np.clip(waveform * from_db(gain), -1, 1))
            rows += [(name, *event) for event in events]
        return pd.DataFrame(rows, columns=tables.EVENT_COLUMNS)


def _plan(index: int, rng: np.random.Generator) -> list[Event]:
    """Five events of three of the classes, two of one class in a row; a tap may run on beneath the next event."""
    labels, events = list(HEARD), []
    a, b, c = (labels[(index + k) % len(labels)] for k in (0, 1, 3))
    order = [label for k in rng.permutation(4) for label in ((b, b), (a,), (c,), (a,))[k]]
    for start, label in zip(np.arange(5) * 1.9 + 0.3, order, strict=True):
        shortest, longest = HEARD[label]
        duration = rng.uniform(shortest, longest)
        events.append(Event(label, start + rng.uniform(0, max(0.1, 1.7 - duration)), duration))
    return events


def fresh(home: Home, count: int) -> tuple[dict[str, np.ndarray], pd.DataFrame]:
    """Make recordings that nobody annotated or trained with: waveforms by name, and their true events."""
    waveforms, rows = {}, []
    for index in range(FRESH, FRESH + count):
        name = f"fresh{index - FRESH:03d}.wav"
        waveforms[name], events = home.recording(index)
        rows += [(name, *event) for event in events]
    return waveforms, pd.DataFrame(rows, columns=tables.EVENT_COLUMNS)


def annotate(truth: pd.DataFrame, seed: int, who: int, deviation: float = 0.07) -> pd.DataFrame:
    """Make up an annotator: both ends of each event off at random, one event missed, two neighbours merged.

    Parameters
    ----------
    truth : DataFrame
        Event table.
    seed, who : int
        Another one is another annotator.
    deviation : float
        Standard deviation of an end's error, seconds.
    """
    rng = np.random.default_rng([seed, 8, 4, who])
    table = tables.events(truth).sort_values(["filename", "event_label", "onset"], ignore_index=True)
    gaps = table["onset"].shift(-1) - table["offset"]
    alike = (table[["filename", "event_label"]] == table[["filename", "event_label"]].shift(-1)).all(axis=1)
    twins = gaps[alike].nsmallest(3).index  # those that one might take for one
    table["merged"] = False
    if len(twins):
        twin = rng.choice(twins)
        table.loc[twin, ["offset", "merged"]] = table.loc[twin + 1, "offset"], True
        table = table.drop(index=twin + 1)
    heard = table.index[~table["merged"]]
    missed = rng.choice(heard, 1) if len(table) > 1 else []
    table = table.drop(index=missed, columns="merged").reset_index(drop=True)
    table["onset"] = (table["onset"] + rng.normal(0, deviation, len(table))).clip(lower=0)
    latest = table["onset"] + SHORTEST_S / 2
    table["offset"] = (table["offset"] + rng.normal(0, deviation, len(table))).clip(lower=latest, upper=10)
    return table.round(3).sort_values(["filename", "onset"], ignore_index=True)
