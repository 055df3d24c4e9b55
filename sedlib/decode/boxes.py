"""Sound event bounding boxes: from where scores rise most to where they fall most, each with one confidence.

After "change-detection-based sound event bounding boxes" (Ebbers, Germain, Wichern and Le Roux, Interspeech 2024,
arXiv:2406.04212), written from the paper. A moving threshold on frames also moves the ends of an event. A box has its
ends where the scores change, so a threshold on its confidence keeps or drops it as a whole.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

import numpy as np

from sedlib.compiled import njit
from sedlib.config import BelowOne, Positive, Weight
from sedlib.decode.events import Spans
from sedlib.decode.parameters import ByClass


@dataclass(frozen=True, eq=False)
class Boxes(ByClass):
    """Change points, what is merged between them, and the boxes that are kept, by class: arrays (class,).

    Two boxes are merged if the mean score between them lies less than ``absolute`` below the higher box's, or if that
    is less than ``relative`` times as much; with 0 and 1 only those that are lower than what is between.
    """

    step_s: np.ndarray  # length of the step filter, s: the mean of its second half less that of its first
    absolute: np.ndarray
    relative: np.ndarray
    confidence: np.ndarray  # a box whose mean score does not reach this is dropped

    TITLE: ClassVar[str] = "Boxes"
    RANGES: ClassVar[dict[str, Any]] = {
        "step_s": Positive,
        "absolute": Weight,
        "relative": Annotated[float, "1 or more, and finite", lambda x: 1 <= x < np.inf],
        "confidence": BelowOne,
    }

    def vectors(self, frame_s: float, n_frames: int) -> np.ndarray:
        """Give half the frames of the step filter and the two thresholds, (class, 3)."""
        half = np.maximum(1, np.round(self.step_s / 2 / frame_s))
        return np.stack([half, self.absolute, self.relative], axis=1)


@njit(cache=True)
def change_boxes(odds, half, absolute, relative):
    """Find the boxes of one class in log-odds (frame, clip), with the log-odds of their mean scores, as `Spans`."""
    n_frames, n_clips = odds.shape
    most = n_clips * (n_frames + 1) // 2 + 1
    bounds, surest = np.zeros(n_clips + 1, np.int64), np.empty(most)
    first, last = np.empty(most, np.int64), np.empty(most, np.int64)
    before = np.zeros(n_frames + 1)  # sum of the scores of all frames before
    count = 0
    for n in range(n_clips):
        for t in range(n_frames):
            before[t + 1] = before[t] + 1 / (1 + np.exp(-odds[t, n]))
        on, off = first[count:], last[count:]
        found = _merge(before, on, off, _changes(before, half, on, off), absolute, relative)
        for i in range(found):
            mean = min(max(_mean(before, on[i], off[i]), 1e-12), 1 - 1e-12)
            surest[count + i] = np.log(mean / (1 - mean))
        count += found
        bounds[n + 1] = count
    return Spans(bounds, first[:count], last[:count], surest[:count])


@njit(cache=True)
def _mean(before, start, stop):
    return (before[stop] - before[start]) / (stop - start)


@njit(cache=True)
def _changes(before, half, on, off):
    """Write the steepest point of every rise to ``on``, of the fall after it to ``off``; returns how many.

    Beyond the clip's ends the scores are 0.
    """
    n_frames = len(before) - 1
    count, steepest, rising = 0, 0.0, False
    for t in range(n_frames + 1):
        change = before[min(t + half, n_frames)] - 2 * before[t] + before[max(t - half, 0)]
        if change > 1e-9:
            if not rising:
                rising, steepest, count = True, 0.0, count + 1
            if change > steepest + 1e-9:
                steepest, on[count - 1] = change, t
        elif change < -1e-9 and count:
            if rising:
                rising, steepest = False, 0.0
            if change < steepest - 1e-9:
                steepest, off[count - 1] = change, t
    if rising:  # scores too small to fall
        off[count - 1] = n_frames
    return count


@njit(cache=True)
def _merge(before, on, off, count, absolute, relative):
    """Merge neighbouring boxes, those with the least fall between them first; returns how many are left."""
    while True:
        where, least = -1, np.inf
        for i in range(count - 1):
            between = _mean(before, off[i], on[i + 1])
            higher = max(_mean(before, on[i], off[i]), _mean(before, on[i + 1], off[i + 1]))
            fall = higher - between
            if (fall < absolute or higher < relative * between) and fall < least:
                where, least = i, fall
        if where < 0:
            return count
        off[where] = off[where + 1]
        count -= 1
        for i in range(where + 1, count):
            on[i], off[i] = on[i + 1], off[i + 1]
