"""One clip or one isolated sound of a data set: a scenario turned into sound.

`scenes.scenario` decides which events happen when; `mix` makes a waveform of that. A clip depends on (seed, subset,
index) alone, an isolated sound on (seed, what, index), and every part of it has a random generator of its own, so that
a change of one part leaves the others as they are. Paper section 2; taught in ``notebooks/01_data.py``.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import replace
from typing import NamedTuple, Protocol

import numpy as np
from scipy import signal

from minidesed import domains
from minidesed.scenes import STATISTICS
from minidesed.voices import Voices
from sedlib.config import CLIP_S, RATE, SAMPLES
from sedlib.data import tables
from sedlib.data.layout import SUBSETS
from sedlib.data.scenes import SHORTEST_S, SYNTHETIC, Event, scenario
from sedlib.data.soundbank import BACKGROUND, CONTINUOUS, RIR

# Rooms for dynamic mixing, where no recorded ones are there. They stand for FUSS's responses: simulated rooms between a
# closet and a living room, neither those of the synthetic clips nor those of the real ones.
ROOMS = replace(domains.SYNTHETIC, rt60=(0.15, 0.6), direct_to_reverberant=(2, 12))
SOUND_KINDS = (*tables.CLASSES, BACKGROUND, RIR)
_SOUND_STREAMS = 1000  # seed of the first kind of isolated sounds; those of the subsets count from 0

Labels = list[tuple[float, float, str]]  # onset, offset (s), class


class Source(Protocol):
    """Where isolated sounds come from; float32, 16 kHz, peak 1.

    A source may also have ``rir(rng)``: a (sample,) room impulse response, direct sound first, or None.
    """

    def of_clip(self, rng: np.random.Generator) -> Source:
        """Narrow the source to a clip, in which all events of a class come from one dog, one talker."""
        ...

    def event(self, label: str, duration: float, rng: np.random.Generator) -> np.ndarray:
        """Draw a (sample,) sound of a class, at most ``duration`` seconds, no silence at its ends."""
        ...

    def background(self, duration: float, rng: np.random.Generator) -> np.ndarray:
        """Draw a (sample,) background of exactly ``duration`` seconds."""
        ...


class SubsetRecipe(NamedTuple):
    """How the clips of a subset are made."""

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
    """Make clip ``index`` of a subset, waveform and events as of `mix`: a pure function of its arguments."""
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
        ``recipe.label_jitter``. A sound that is shorter than planned has a shorter label, but as in DESED no label is
        shorter than `SHORTEST_S`.
    """
    rng_source, rng_background, rng_room, rng_level, rng_labels, rng_channel, *rngs = rng.spawn(6 + len(events))
    source = source.of_clip(rng_source)
    background = source.background(CLIP_S, rng_background)
    floor = rng_level.uniform(*recipe.background_level)
    mixture = background * (domains.from_db(floor) / domains.rms(background))
    room = None
    if rng_room.random() < recipe.room_share:
        found = _measured_room(source, rng_room)
        fitted = domains.room_response(recipe, rng_room) if found is None else domains.fit_room(found, recipe, rng_room)
        room = fitted / np.linalg.norm(fitted)
    clip_level = floor + rng_level.uniform(*recipe.snr)
    present = dict.fromkeys(event.label for event in events)
    levels = {label: clip_level + rng_level.uniform(-1, 1) * recipe.snr_of_class for label in present}
    labels = []
    for event, rng_event in zip(events, rngs, strict=True):
        first = round(event.onset * RATE)
        sound = source.event(event.label, event.duration, rng_event)[: SAMPLES - first]
        level = levels[event.label] + rng_level.uniform(-1, 1) * recipe.snr_of_event
        gain = domains.from_db(level) / domains.rms(sound)
        reverberant = sound if room is None else signal.oaconvolve(sound, room)[: SAMPLES - first]
        mixture[first : first + len(reverberant)] += gain * reverberant
        offset = min(CLIP_S, first / RATE + max(len(sound) / RATE, SHORTEST_S))
        labels.append((*_annotated(first / RATE, offset, recipe.label_jitter, rng_labels), event.label))
    return domains.apply_channel(mixture, recipe, rng_channel), labels


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
    rng_source, rng_length, rng = np.random.default_rng([seed, stream, index]).spawn(3)
    source = source.of_clip(rng_source)
    if what == BACKGROUND:
        sound = source.background(CLIP_S, rng)
    elif what == RIR:
        measured = _measured_room(source, rng)
        sound = domains.room_response(ROOMS, rng) if measured is None else measured[:SAMPLES]
    else:
        statistics = SYNTHETIC.events[what]
        seconds = statistics.median * np.exp(statistics.sigma * rng_length.standard_normal())
        seconds = CLIP_S if what in CONTINUOUS else float(np.clip(seconds, SHORTEST_S, CLIP_S))
        sound = source.event(what, seconds, rng)
        sound = np.pad(sound, (0, max(0, round(SHORTEST_S * RATE) - len(sound))))  # as long as its label, as in clips
    return sound * np.float32(0.9) / max(np.abs(sound).max(), np.float32(1e-9))  # a background may be silent


def _measured_room(source: Source, rng: np.random.Generator) -> np.ndarray | None:
    """Draw a recorded room response, if the source has any."""
    rir: Callable[[np.random.Generator], np.ndarray | None] | None = getattr(source, "rir", None)
    return None if rir is None else rir(rng)


def _annotated(onset: float, offset: float, jitter: float, rng: np.random.Generator) -> tuple[float, float]:
    """Return the times an annotator writes down, at most ``jitter`` off; exact where the clip cuts an event."""
    early, late = rng.uniform(-jitter, jitter, 2)
    onset = max(0.0, onset + early) if onset > 0 else 0.0
    offset = min(CLIP_S, offset + late) if offset < CLIP_S else CLIP_S
    return round(float(onset), 3), round(float(offset), 3)
