"""The explorer's sounds, made by code."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import replace
from functools import partial

import numpy as np

from minidesed import domains, soundscapes
from minidesed.voices import Voices
from reproduction.comparisons import STATIONARY
from reproduction.sounds import figure2_clip
from sedlib.data.scenes import Event
from sedlib.data.tables import CLASSES
from sedlib.errors import SedError

FIGURE_2 = "vacuum cleaner, and speech three times"


def _mixed(events: dict[str, tuple], recipe: domains.Recipe = domains.SYNTHETIC) -> np.ndarray:
    """Make a sound of ten seconds from the (onset, duration) of events of each class, and what they sound over."""
    plan = [Event(label, *time) for label, times in events.items() for time in times]
    return soundscapes.mix(plan, Voices("synthetic"), recipe, np.random.default_rng(0))[0]


_CALLS, _LASTING = ((1.0, 1.5), (4.0, 2.0), (7.5, 1.5)), ((1.0, 8.0),)
_NOISY = replace(domains.SYNTHETIC, noise_share=1, noise_level=(-3, -3))
SOUNDS: dict[str, Callable[[], np.ndarray]] = {
    FIGURE_2: lambda: figure2_clip(seed=0)[0],
    "frying, and dishes": partial(_mixed, {"Frying": ((0, 10),), "Dishes": ((1, 1), (3.5, 1), (6, 1), (8.5, 1))}),
    "a dog in noise": partial(_mixed, {"Dog": _CALLS}, _NOISY),
    **{
        label.replace("_", " "): partial(_mixed, {label: _LASTING if label in STATIONARY else _CALLS})
        for label in CLASSES
    },
}


@functools.cache
def sound(name: str) -> np.ndarray:
    """Return the (160000,) waveform of one of `SOUNDS`, made by code; always the same."""
    if name not in SOUNDS:
        raise SedError(f"sound {name!r} does not exist; choose one of {', '.join(SOUNDS)}")
    return SOUNDS[name]()


def events_of(name: str) -> list[list[float]] | None:
    """Return onset and offset in seconds of what a task is about, the speech of the first sound; else None."""
    if name != FIGURE_2:
        return None
    events = figure2_clip(seed=0)[1]
    return events.loc[events["event_label"] == "Speech", ["onset", "offset"]].to_numpy().tolist()
