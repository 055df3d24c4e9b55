"""Which events happen when in a clip: the statistics of DESED, class by class.

`MIX` says which classes the clips of a subset hold, `STATISTICS` how often, how long and when a class sounds in them, and
`scenario` draws a clip from both. Paper section 2; taught in ``notebooks/01_data.py``.
"""

from __future__ import annotations

from itertools import combinations
from typing import NamedTuple

import numpy as np

from sedlib.config import CLIP_S
from sedlib.data.layout import REAL, SUBSETS, SYNTHETIC

SHORTEST_S = 0.25  # DESED's shortest annotation; a shorter sound, one bark say, is given this much
GAP_S = 0.15  # DESED merges events of one class that are closer
NOTHING = ""  # the main class of a clip without events


class Scene(NamedTuple):
    """A kind of clip, by its main class."""

    clips: float  # how many, in thousand
    company: dict[str, float]  # further classes, each with its probability


# Counted in the tables of DESED that `desed.SUBSETS` names; company below 2 % is left out. The main class is the rarest
# of a clip; Dishes are it only where at most Speech is heard with them, Speech only where it is alone.
_WEAK = {
    "Alarm_bell_ringing": Scene(130, {"Speech": 0.36, "Dog": 0.03}),
    "Blender": Scene(85, {"Speech": 0.64, "Dishes": 0.04}),
    "Cat": Scene(110, {"Speech": 0.10, "Dog": 0.02}),
    "Dishes": Scene(55, {"Speech": 0.33}),
    "Dog": Scene(127, {"Speech": 0.12}),
    "Electric_shaver_toothbrush": Scene(65, {"Speech": 0.60}),
    "Frying": Scene(108, {"Speech": 0.68, "Dishes": 0.49}),
    "Running_water": Scene(214, {"Speech": 0.28, "Dishes": 0.02}),
    "Vacuum_cleaner": Scene(106, {"Speech": 0.28, "Dog": 0.02}),
}
_VALIDATION = {
    "Alarm_bell_ringing": Scene(152, {"Speech": 0.48, "Running_water": 0.03}),
    "Blender": Scene(68, {"Speech": 0.69, "Dishes": 0.17, "Running_water": 0.03}),
    "Cat": Scene(103, {"Speech": 0.26, "Dog": 0.03, "Alarm_bell_ringing": 0.02, "Dishes": 0.02, "Running_water": 0.02}),
    "Dishes": Scene(69, {"Speech": 0.75}),
    "Dog": Scene(132, {"Speech": 0.36, "Alarm_bell_ringing": 0.04}),
    "Electric_shaver_toothbrush": Scene(53, {"Speech": 0.63, "Alarm_bell_ringing": 0.02}),
    "Frying": Scene(75, {"Speech": 0.77, "Dishes": 0.66}),
    "Running_water": Scene(158, {"Speech": 0.47, "Dishes": 0.07}),
    "Speech": Scene(98, {}),
    "Vacuum_cleaner": Scene(77, {"Speech": 0.33, "Dog": 0.02}),
    NOTHING: Scene(13, {}),
}
_PUBLIC = {
    "Alarm_bell_ringing": Scene(113, {"Speech": 0.32, "Dog": 0.08, "Electric_shaver_toothbrush": 0.03}),
    "Blender": Scene(105, {"Speech": 0.74, "Dishes": 0.16, "Running_water": 0.04}),
    "Cat": Scene(101, {"Speech": 0.37, "Dishes": 0.04, "Dog": 0.03, "Running_water": 0.03}),
    "Dishes": Scene(74, {"Speech": 0.71}),
    "Dog": Scene(107, {"Speech": 0.30, "Running_water": 0.05, "Dishes": 0.03}),
    "Electric_shaver_toothbrush": Scene(118, {"Speech": 0.67}),
    "Frying": Scene(126, {"Dishes": 0.59, "Speech": 0.59}),
    "Running_water": Scene(117, {"Speech": 0.21, "Dishes": 0.20}),
    "Speech": Scene(3, {}),
    "Vacuum_cleaner": Scene(136, {"Speech": 0.28}),
}
MIX: dict[str, dict[str, Scene]] = {
    "synthetic": {
        "Alarm_bell_ringing": Scene(133, {"Speech": 0.59, "Dishes": 0.04}),
        "Blender": Scene(198, {"Speech": 0.64, "Dishes": 0.31}),
        "Cat": Scene(130, {"Speech": 0.60, "Dog": 0.20, "Alarm_bell_ringing": 0.12, "Dishes": 0.07}),
        "Dishes": Scene(78, {"Speech": 0.65}),
        "Dog": Scene(102, {"Speech": 0.67, "Alarm_bell_ringing": 0.30, "Dishes": 0.05}),
        "Electric_shaver_toothbrush": Scene(108, {"Speech": 0.61, "Alarm_bell_ringing": 0.02}),
        "Frying": Scene(64, {"Dishes": 0.65, "Speech": 0.64, "Blender": 0.07}),
        "Running_water": Scene(69, {"Speech": 0.56, "Dishes": 0.24, "Alarm_bell_ringing": 0.13, "Blender": 0.09,
                                     "Cat": 0.04, "Dog": 0.07}),
        "Speech": Scene(22, {}),
        "Vacuum_cleaner": Scene(96, {"Speech": 0.53, "Dog": 0.23, "Blender": 0.05}),
    },
    "weak": _WEAK,
    "unlabel_in_domain": _WEAK,
    "validation": _VALIDATION,
    "public": _PUBLIC,
}


class EventStatistics(NamedTuple):
    """How often, how long and when a class sounds in a clip that holds it."""

    more: float  # additional events ~ NegBinomial(mean, shape)
    spread: float  # that shape; a small one is over-dispersed: many clips with one event and a few with many
    median: float  # s, of the lognormal durations of events that do not last the whole clip
    sigma: float  # of the logarithm of those durations
    starts: float  # probability that the clip begins within an event of the class
    ends: float  # probability that the clip ends within one; both at once, with one event: it lasts the whole clip


# Fitted to the synthetic set of 2019, to validation.tsv, which stands for the subsets without times too, and to
# public.tsv. Cat, Dog and Dishes are planned longer than in DESED: their sounds are whole calls, barks and strikes, and
# so come out shorter than planned.
_REAL_STATISTICS = {
    "Alarm_bell_ringing": EventStatistics(2.70, 0.4, 1.35, 1.15, 0.46, 0.45),
    "Blender": EventStatistics(0.55, 1.8, 5.10, 0.93, 0.29, 0.36),
    "Cat": EventStatistics(2.03, 2.5, 1.31, 0.59, 0.26, 0.66),
    "Dishes": EventStatistics(3.60, 1.3, 0.45, 0.90, 0.09, 0.11),
    "Dog": EventStatistics(3.90, 1.1, 0.97, 0.83, 0.53, 0.66),
    "Electric_shaver_toothbrush": EventStatistics(0.05, 3.0, 5.20, 0.55, 0.68, 0.83),
    "Frying": EventStatistics(0.25, 0.7, 6.98, 0.45, 0.82, 0.89),
    "Running_water": EventStatistics(0.84, 1.1, 5.33, 0.78, 0.33, 0.31),
    "Speech": EventStatistics(2.54, 1.7, 1.24, 0.78, 0.34, 0.33),
    "Vacuum_cleaner": EventStatistics(0.02, 2.9, 7.61, 0.33, 0.62, 0.84),
}
STATISTICS: dict[str, dict[str, EventStatistics]] = {
    "synthetic": {
        "Alarm_bell_ringing": EventStatistics(1.25, 2.9, 0.55, 1.65, 0.01, 0.20),
        "Blender": EventStatistics(0.31, 2.6, 1.82, 0.96, 0.01, 0.47),
        "Cat": EventStatistics(1.09, 2.6, 1.62, 0.31, 0.01, 0.70),
        "Dishes": EventStatistics(0.80, 0.7, 0.51, 0.75, 0.01, 0.11),
        "Dog": EventStatistics(0.80, 0.6, 0.80, 0.70, 0.01, 0.20),
        "Electric_shaver_toothbrush": EventStatistics(0.10, 3.1, 4.18, 0.60, 0.00, 0.91),
        "Frying": EventStatistics(0.12, 1.0, 5.30, 0.59, 0.01, 0.96),
        "Running_water": EventStatistics(0.19, 1.0, 3.83, 0.70, 0.00, 0.68),
        "Speech": EventStatistics(0.74, 4.5, 0.94, 0.77, 0.01, 0.17),
        "Vacuum_cleaner": EventStatistics(0.19, 0.9, 5.44, 0.70, 0.06, 0.79),
    },
    "weak": _REAL_STATISTICS,
    "unlabel_in_domain": _REAL_STATISTICS,
    "validation": _REAL_STATISTICS,
    "public": _REAL_STATISTICS | {  # Frying and Vacuum_cleaner are alike in both tables
        "Alarm_bell_ringing": EventStatistics(9.00, 0.2, 1.05, 1.35, 0.60, 0.82),
        "Blender": EventStatistics(1.20, 1.8, 6.20, 0.70, 0.10, 0.45),
        "Cat": EventStatistics(2.90, 4.5, 1.10, 0.57, 0.19, 0.70),
        "Dishes": EventStatistics(3.60, 1.3, 0.38, 0.95, 0.09, 0.11),
        "Dog": EventStatistics(4.80, 1.8, 0.55, 0.73, 0.50, 0.70),
        "Electric_shaver_toothbrush": EventStatistics(2.30, 3.0, 6.90, 0.85, 0.08, 0.42),
        "Running_water": EventStatistics(2.20, 1.3, 9.00, 1.20, 0.30, 0.55),
        "Speech": EventStatistics(2.75, 1.7, 1.10, 0.81, 0.35, 0.38),
    },
}
POLYPHONY = {SYNTHETIC: 2, REAL: 3}  # most events at one time
# s of overlap that make a scenario 1/e as probable: people speak while the tap is off, in the public set above all.
OVERLAP_S = dict.fromkeys(SUBSETS, 8.0) | {"public": 5.0}


class Event(NamedTuple):
    """A planned event; seconds."""

    label: str
    onset: float
    duration: float


def scenario(rng: np.random.Generator, subset: str) -> list[Event]:
    """Draw which events happen when in a clip of one of `layout.SUBSETS`, in the order of their onsets.

    A clip has a main class and perhaps others with it. Events of one class do not overlap; events of different classes
    may, but the more they do, the less probable the scenario is. Where too many sound at once the times are drawn again,
    as DESED's generator rejects such clips.
    """
    mix, domain = MIX[subset], SUBSETS[subset].domain
    shares = np.array([scene.clips for scene in mix.values()])
    main = list(mix)[rng.choice(len(mix), p=shares / shares.sum())]
    present = [main] + [label for label, probability in mix[main].company.items() if rng.random() < probability]
    present = [label for label in present if label != NOTHING]
    while True:
        places = [(label, *place) for label in present for place in _place(STATISTICS[subset][label], rng)]
        events = [Event(*place) for place in places]
        if polyphony(events) <= POLYPHONY[domain] and rng.random() < np.exp(-overlap(events) / OVERLAP_S[subset]):
            return sorted(events, key=lambda event: event.onset)


def _place(statistics: EventStatistics, rng: np.random.Generator) -> list[tuple[float, float]]:
    """Onsets and durations of the events of one class, in order, at least `GAP_S` apart, within the clip."""
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
    return list(zip(onsets.tolist(), durations.tolist()))


def overlap(events: list[Event]) -> float:
    """Seconds in which events sound together, summed over pairs."""
    pairs = combinations(events, 2)
    return sum(max(0.0, min(a.onset + a.duration, b.onset + b.duration) - max(a.onset, b.onset)) for a, b in pairs)


def polyphony(events: list[Event]) -> int:
    """Largest number of events at one time."""
    at_onsets = (sum(e.onset <= event.onset < e.onset + e.duration for e in events) for event in events)
    return max(at_onsets, default=0)
