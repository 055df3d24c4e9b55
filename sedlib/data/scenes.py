"""Which events happen when in a clip: the statistics of DESED's synthetic set, class by class.

`ClipStatistics` says which classes clips hold, and how often, how long and when each sounds in them; `scenario` draws a
clip from it. Paper section 2; taught in ``notebooks/01_data.py``.
"""

from __future__ import annotations

from itertools import combinations
from typing import NamedTuple

import numpy as np

from sedlib.config import CLIP_S

SHORTEST_S = 0.25  # DESED's shortest annotation; a shorter sound, one bark say, is given this much
GAP_S = 0.15  # DESED merges events of one class that are closer
NOTHING = ""  # the main class of a clip without events


class Scene(NamedTuple):
    """A kind of clip, by its main class."""

    clips: float  # how many, in thousand
    company: dict[str, float]  # further classes, each with its probability


class EventStatistics(NamedTuple):
    """How often, how long and when a class sounds in a clip that holds it."""

    more: float  # additional events ~ NegBinomial(mean, shape)
    spread: float  # that shape; a small one is over-dispersed: many clips with one event and a few with many
    median: float  # s, of the lognormal durations of events that do not last the whole clip
    sigma: float  # of the logarithm of those durations
    starts: float  # probability that the clip begins within an event of the class
    ends: float  # probability that the clip ends within one; both at once, with one event: it lasts the whole clip


class ClipStatistics(NamedTuple):
    """What the clips of a subset hold."""

    mix: dict[str, Scene]  # by main class
    events: dict[str, EventStatistics]  # by class
    polyphony: int  # most events at one time
    overlap_s: float  # s of overlap that make a scenario 1/e as probable


# Counted in the synthetic set of 2019. The main class is the rarest of a clip; Dishes are it only where at most Speech
# is with them, Speech only where it is alone. Cat, Dog and Dishes are planned longer than in DESED: their sounds are
# whole calls, barks and strikes, and so come out shorter than planned.
SYNTHETIC = ClipStatistics(
    mix={
        "Alarm_bell_ringing": Scene(133, {"Speech": 0.59, "Dishes": 0.04}),
        "Blender": Scene(198, {"Speech": 0.64, "Dishes": 0.31}),
        "Cat": Scene(130, {"Speech": 0.60, "Dog": 0.20, "Alarm_bell_ringing": 0.12, "Dishes": 0.07}),
        "Dishes": Scene(78, {"Speech": 0.65}),
        "Dog": Scene(102, {"Speech": 0.67, "Alarm_bell_ringing": 0.30, "Dishes": 0.05}),
        "Electric_shaver_toothbrush": Scene(108, {"Speech": 0.61, "Alarm_bell_ringing": 0.02}),
        "Frying": Scene(64, {"Dishes": 0.65, "Speech": 0.64, "Blender": 0.07}),
        "Running_water": Scene(
            69, {"Speech": 0.56, "Dishes": 0.24, "Alarm_bell_ringing": 0.13, "Blender": 0.09, "Cat": 0.04, "Dog": 0.07}
        ),
        "Speech": Scene(22, {}),
        "Vacuum_cleaner": Scene(96, {"Speech": 0.53, "Dog": 0.23, "Blender": 0.05}),
    },
    events={
        "Alarm_bell_ringing": EventStatistics(1.25, 2.9, 0.55, 1.65, 0.01, 0.20),
        "Blender": EventStatistics(0.31, 2.6, 1.82, 0.96, 0.01, 0.47),
        "Cat": EventStatistics(1.09, 2.6, 1.62, 0.31, 0.01, 0.70),
        "Dishes": EventStatistics(0.80, 0.7, 0.51, 0.75, 0.01, 0.11),
        "Dog": EventStatistics(0.80, 0.6, 0.90, 0.80, 0.01, 0.20),
        "Electric_shaver_toothbrush": EventStatistics(0.10, 3.1, 4.18, 0.60, 0.00, 0.91),
        "Frying": EventStatistics(0.12, 1.0, 5.30, 0.59, 0.01, 0.96),
        "Running_water": EventStatistics(0.19, 1.0, 3.83, 0.70, 0.00, 0.68),
        "Speech": EventStatistics(0.74, 4.5, 0.94, 0.77, 0.01, 0.17),
        "Vacuum_cleaner": EventStatistics(0.19, 0.9, 5.44, 0.70, 0.06, 0.79),
    },
    polyphony=2,
    overlap_s=8.0,
)


class Event(NamedTuple):
    """A planned event; seconds."""

    label: str
    onset: float
    duration: float


def scenario(rng: np.random.Generator, statistics: ClipStatistics = SYNTHETIC) -> list[Event]:
    """Draw which events happen when in a clip, in the order of their onsets.

    Events of one class do not overlap; of different classes they may, but the more they do, the less probable the
    scenario is. Where too many sound at once all times are drawn again, as DESED's generator rejects such clips.
    """
    mix = statistics.mix
    shares = np.array([scene.clips for scene in mix.values()])
    main = list(mix)[rng.choice(len(mix), p=shares / shares.sum())]
    present = [main] + [label for label, probability in mix[main].company.items() if rng.random() < probability]
    present = [label for label in present if label != NOTHING]
    while True:
        events = [Event(label, *times) for label in present for times in _place(statistics.events[label], rng)]
        if polyphony(events) <= statistics.polyphony and rng.random() < np.exp(-overlap(events) / statistics.overlap_s):
            return sorted(events, key=lambda event: event.onset)


def _place(statistics: EventStatistics, rng: np.random.Generator) -> list[tuple[float, float]]:
    """Draw onsets and durations of the events of one class, in order, at least `GAP_S` apart, within the clip."""
    count = 1 + rng.negative_binomial(statistics.spread, statistics.spread / (statistics.spread + statistics.more))
    starts, ends = rng.random() < statistics.starts, rng.random() < statistics.ends
    if count == 1 and starts and ends:
        return [(0.0, CLIP_S)]
    durations = np.clip(statistics.median * np.exp(statistics.sigma * rng.standard_normal(count)), SHORTEST_S, CLIP_S)
    durations = durations[: max(1, int(np.sum(np.cumsum(durations + GAP_S) <= CLIP_S + GAP_S)))]
    free = max(0.0, CLIP_S - durations.sum() - GAP_S * (len(durations) - 1))
    silence = np.sort(rng.uniform(0, free, len(durations)))  # before each event, summed up
    if starts:
        silence[0] = 0.0
    if ends:
        silence[-1] = free
        if starts and len(durations) == 1:  # cut to one that begins with the clip and ends with it
            return [(0.0, CLIP_S)]
    onsets = silence + np.cumsum(durations + GAP_S) - (durations + GAP_S)
    return list(zip(onsets.tolist(), durations.tolist(), strict=True))


def overlap(events: list[Event]) -> float:
    """Return the seconds in which events sound together, summed over pairs."""
    pairs = combinations(events, 2)
    return sum(max(0.0, min(a.onset + a.duration, b.onset + b.duration) - max(a.onset, b.onset)) for a, b in pairs)


def polyphony(events: list[Event]) -> int:
    """Return the largest number of events at one time."""
    at_onsets = (sum(e.onset <= event.onset < e.onset + e.duration for e in events) for event in events)
    return max(at_onsets, default=0)
