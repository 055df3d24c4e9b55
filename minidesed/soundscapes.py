"""One clip or one isolated sound of a data set: a scenario turned into sound.

`scenes.scenario` decides which events happen when; `mix` makes a waveform of that. A clip depends on (seed, subset,
index) alone, an isolated sound on (seed, what, index), and every part of it has its own random generator, so that
a change of one part leaves the others as they are. Paper section 2; taught in ``notebooks/01_data.py``.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import NamedTuple, Protocol

import numpy as np
from scipy import signal, special

from minidesed import domains
from minidesed.scenes import STATISTICS
from minidesed.signals import from_db
from minidesed.voices import Voices
from sedlib.config import CLIP_S, RATE, SAMPLES
from sedlib.data import tables
from sedlib.data.layout import SUBSETS
from sedlib.data.scenes import GAP_S, SHORTEST_S, SYNTHETIC, Event, scenario
from sedlib.data.soundbank import BACKGROUND, CONTINUOUS, RIR

SOUND_KINDS = (*tables.CLASSES, BACKGROUND, RIR)
_SOUND_STREAMS = 1000  # seed of the first kind of isolated sounds; those of the subsets count from 0

Labels = list[tuple[float, float, str]]  # onset, offset (s), class


class Source(Protocol):
    """Where isolated sounds come from; float32, 16 kHz, peak 1."""

    def of_clip(self, rng: np.random.Generator) -> Source:
        """Narrow the source to a clip, in which all events of a class come from one dog, one talker."""
        ...

    def event(self, label: str, duration: float, rng: np.random.Generator) -> np.ndarray:
        """Draw a (sample,) sound of a class, at most ``duration`` seconds, no silence at its ends."""
        ...

    def background(self, duration: float, rng: np.random.Generator) -> np.ndarray:
        """Draw a (sample,) background of exactly ``duration`` seconds."""
        ...

    def room(self, recipe: domains.Recipe, rng: np.random.Generator) -> np.ndarray:
        """Draw a (sample,) room impulse response that begins with the direct sound."""
        ...


class SubsetRecipe(NamedTuple):
    """How the clips of a subset are made.

    For the synthetic clips ``source`` makes the isolated sounds, and the clips are mixed from these.
    """

    scenes: str  # the subset of `STATISTICS` from which its scenarios are drawn
    source: Source
    recipe: domains.Recipe  # of the acoustics


def mini_recipe(subset: str, without: Collection[str] = ()) -> SubsetRecipe:
    """Return how MiniDESED makes a subset; its real clips without some `domains.INGREDIENTS` of the domain gap."""
    if SUBSETS[subset].domain == "synthetic":
        return SubsetRecipe(subset, Voices("synthetic"), domains.SYNTHETIC)
    recipe = domains.real_without(without)
    voices, backgrounds = ("synthetic" if part in without else "real" for part in ("voices", "backgrounds"))
    return SubsetRecipe("synthetic" if "scenes" in without else subset, Voices(voices, backgrounds), recipe)


def make_clip(subset: str, how: SubsetRecipe, seed: int, index: int) -> tuple[np.ndarray, Labels]:
    """Make clip ``index`` of a subset, waveform and events as for `mix`: a pure function of its arguments."""
    rng_plan, rng_sound = np.random.default_rng([seed, list(SUBSETS).index(subset), index]).spawn(2)
    return mix(scenario(rng_plan, STATISTICS[how.scenes]), how.source, how.recipe, rng_sound)


def mix(
    events: list[Event], source: Source, recipe: domains.Recipe, rng: np.random.Generator
) -> tuple[np.ndarray, Labels]:
    """Make the sound of a scenario, and say where its events are.

    Returns
    -------
    (160000,) float32 array
        Waveform in [-1, 1].
    list of (onset, offset, label)
        Seconds to 1 ms, where the direct sound of each event begins and ends (the room's tail does not count), up to
        ``recipe.label_jitter``. As in DESED no label is shorter than `SHORTEST_S`, and labels of one class that are
        closer than `GAP_S` are one.
    """
    rng_source, rng_background, rng_room, rng_level, rng_labels, rng_channel, *rngs = rng.spawn(6 + len(events))
    source = source.of_clip(rng_source)
    background = source.background(CLIP_S, rng_background)
    floor = rng_level.uniform(*recipe.background_level)
    mixture = background * (from_db(floor) / domains.rms(background))
    room = None
    if rng_room.random() < recipe.room_share:
        room = source.room(recipe, rng_room)
        room = room / np.linalg.norm(room)
    clip_level = floor + rng_level.uniform(*recipe.snr)
    present = dict.fromkeys(event.label for event in events)
    levels = {label: clip_level + rng_level.uniform(-1, 1) * recipe.snr_of_class for label in present}
    labels = []
    for event, rng_event in zip(events, rngs, strict=True):
        first = round(event.onset * RATE)
        sound = source.event(event.label, event.duration, rng_event)[: SAMPLES - first]
        level = levels[event.label] + rng_level.uniform(-1, 1) * recipe.snr_of_event
        gain = from_db(level) / domains.rms(sound)
        reverberant = sound if room is None else signal.oaconvolve(sound, room)[: SAMPLES - first]
        mixture[first : first + len(reverberant)] += gain * reverberant
        offset = min(CLIP_S, first / RATE + max(len(sound) / RATE, SHORTEST_S))
        labels.append((first / RATE, offset, event.label))
    annotated = [
        (*_annotated(onset, offset, recipe.label_jitter, rng_labels), label) for onset, offset, label in _merged(labels)
    ]
    return domains.apply_channel(mixture, recipe, rng_channel), annotated


def make_sound(what: str, source: Source, seed: int, index: int) -> np.ndarray:
    """Make isolated sound ``index`` of a class, a background or a room response: a pure function of its arguments.

    Parameters
    ----------
    what : str
        One of `SOUND_KINDS`.

    Returns
    -------
    (sample,) float32 array
        Peak 0.9, 16 kHz. Events are as long as those of the synthetic clips, but 10 s where any part of a sound will
        do (`soundbank.CONTINUOUS`), backgrounds are 10 s. A room response begins with its direct sound.
    """
    stream = _SOUND_STREAMS + SOUND_KINDS.index(what)
    rng_source, rng = np.random.default_rng([seed, stream, index]).spawn(2)
    source = source.of_clip(rng_source)
    if what == BACKGROUND:
        sound = source.background(CLIP_S, rng)
    elif what == RIR:
        sound = source.room(domains.SYNTHETIC, rng)[:SAMPLES]
    else:
        statistics = SYNTHETIC.events[what]
        # Quantiles in steps of the golden ratio: few sounds, too, have about the distribution's median and spread.
        quantile = (np.random.default_rng([seed, stream]).random() + index * (5**0.5 - 1) / 2) % 1
        seconds = statistics.median * np.exp(statistics.sigma * special.ndtri(quantile))
        seconds = CLIP_S if what in CONTINUOUS else float(np.clip(seconds, SHORTEST_S, CLIP_S))
        sound = source.event(what, seconds, rng)
        sound = np.pad(sound, (0, max(0, round(SHORTEST_S * RATE) - len(sound))))  # as long as its label, as in clips
    return sound * np.float32(0.9) / max(np.abs(sound).max(), np.float32(1e-9))  # a background may be silent


def _merged(labels: Labels) -> Labels:
    """Merge labels of one class that overlap or are closer than `GAP_S`; in the order of their onsets."""
    merged: Labels = []
    for onset, offset, label in sorted(labels):
        before = next((i for i, (_, end, name) in enumerate(merged) if name == label and onset - end < GAP_S), None)
        if before is None:
            merged.append((onset, offset, label))
        else:
            merged[before] = (merged[before][0], max(offset, merged[before][1]), label)
    return merged


def _annotated(onset: float, offset: float, jitter: float, rng: np.random.Generator) -> tuple[float, float]:
    """Return the times an annotator writes down, at most ``jitter`` off; exact where the clip cuts an event."""
    early, late = rng.uniform(-jitter, jitter, 2)
    onset = max(0.0, onset + early) if onset > 0 else 0.0
    offset = min(CLIP_S, offset + late) if offset < CLIP_S else CLIP_S
    return round(float(onset), 3), round(float(offset), 3)
