"""A median filter and a threshold for each class: the field's standard post-processing.

Long events need long filters (Miyazaki et al., DCASE 2020); the paper has one length for all classes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from sedlib.compiled import njit
from sedlib.config import Fraction, Weight
from sedlib.decode.events import filter_frames
from sedlib.decode.parameters import ByClass, log_odds


@dataclass(frozen=True, eq=False)
class Medians(ByClass):
    """A median filter and a threshold for each class: arrays (class,)."""

    median_s: np.ndarray  # length of the filter, s
    threshold: np.ndarray  # where the posterior is above this, a frame is active before the filter

    TITLE: ClassVar[str] = "Median"
    RANGES: ClassVar[dict[str, Any]] = {"median_s": Weight, "threshold": Fraction}

    def vectors(self, frame_s: float, n_frames: int) -> np.ndarray:
        """Give frames of the filter and log-odds of the threshold, (class, 2)."""
        frames = [filter_frames(seconds, frame_s) for seconds in self.median_s]
        return np.stack([np.array(frames, float), log_odds(self.threshold)], axis=1)


@njit(cache=True)
def majority(odds, frames, least, states):
    """Write to ``states`` (frame, clip) where most of the ``frames`` around have log-odds above ``least``.

    A clip is reflected at its ends, as by `sedlib.decode.smooth`.
    """
    n_frames, n_clips = odds.shape
    half, least = frames // 2, least + 1e-5  # log-odds are rounded
    above = np.zeros((n_frames + frames, n_clips), np.int32)  # active frames before this one
    for i in range(n_frames + 2 * half):
        t = (i - half) % (2 * n_frames)
        t = min(t, 2 * n_frames - 1 - t)
        for n in range(n_clips):
            above[i + 1, n] = above[i, n] + (odds[t, n] > least)
    for t in range(n_frames):
        for n in range(n_clips):
            states[t, n] = 2 * (above[t + frames, n] - above[t, n]) > frames
