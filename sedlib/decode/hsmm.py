"""A two-state hidden semi-Markov model for every class: an event's duration has its own distribution.

A two-state HMM leaves an event with the same probability after every frame, so the likeliest event is one frame long.
Here durations follow a gamma distribution, cut into frames; with shape 1 it is the HMM's, and the larger the shape, the
rarer are events much shorter or longer than the mean. Silence stays geometric (Hayashi et al., 2017, model sound
events this way).

Clips are cut out of longer recordings, so an event may be cut at either end. At the start it has the rest of its
duration after a random cut of a stationary sequence, at the end at least the visible part, as in a renewal process.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from scipy.special import gammaincc

from sedlib.compiled import njit
from sedlib.config import BelowOne, Fraction, Positive
from sedlib.decode.parameters import ByClass


@dataclass(frozen=True, eq=False)
class Hsmm(ByClass):
    """Parameters of the models of all classes, arrays (class,), and which of their events are kept."""

    p_silence: np.ndarray  # probability of staying silent from one frame to the next, in (0, 1)
    mean_s: np.ndarray  # of the gamma distribution of durations, s
    shape: np.ndarray  # of that distribution: (mean / standard deviation) squared
    confidence: np.ndarray  # as for `sedlib.decode.Hmm`

    TITLE: ClassVar[str] = "HSMM"
    RANGES: ClassVar[dict[str, Any]] = {
        "p_silence": Fraction,
        "mean_s": Positive,
        "shape": Positive,
        "confidence": BelowOne,
    }

    def vectors(self, frame_s: float, n_frames: int) -> np.ndarray:
        """Give log-probabilities of leaving and staying in silence, and those of `durations`, (class, 2 + 4 * ...)."""
        leave = np.log([1 - self.p_silence, self.p_silence]).T
        tables = durations(self.mean_s / frame_s, self.shape, n_frames)
        return np.concatenate([leave, tables.reshape(len(tables), -1)], axis=1)


def durations(mean: np.ndarray, shape: np.ndarray, n_frames: int) -> np.ndarray:
    """Compute log-probabilities of durations of 0 to ``n_frames`` frames.

    Parameters
    ----------
    mean, shape : (class,) arrays
        Of the gamma distribution, the mean in frames. A duration of d frames is one above d - 1 and up to d.

    Returns
    -------
    (class, 4, duration) array
        Of d frames; of d or more; of d that are left at a random cut; of d or more that are left.
    """
    d = np.arange(n_frames + 2)
    rate, shape = (shape / mean)[:, None], shape[:, None]
    beyond = gammaincc(shape, rate * np.maximum(d - 1, 0))  # duration of d or more
    exactly = beyond - np.roll(beyond, -1, axis=1)
    far = np.arange(n_frames + 1, int(np.max(30 * mean)) + n_frames + 30)
    rest = gammaincc(shape, rate * far).sum(axis=1, keepdims=True)  # over d from n_frames + 2 on
    left = np.cumsum(np.append(beyond, rest, axis=1)[:, :0:-1], axis=1)[:, :0:-1]  # of d = 1 ... n_frames + 1
    total = left[:, :1]  # the mean of whole frames
    left = np.insert(left, 0, total[:, 0], axis=1) / total
    table = np.stack([exactly, beyond, beyond / total, left], axis=1)[..., : n_frames + 1]
    return np.log(table + np.finfo(float).tiny)


@njit(cache=True)
def best_segments(odds, vector, states):
    """Viterbi's algorithm over segments for one class, in ``states`` (frame, clip); exact, of two as good the silent.

    Scores are relative to silence: log-odds of frames, and log-probabilities of `Hsmm.vectors`.
    """
    n_frames, n_clips = odds.shape
    table = vector[2:].reshape(4, n_frames + 1)
    states[:] = 0
    best = np.empty((3, n_frames + 1))
    before = np.zeros(n_frames + 1)  # log-odds of all frames before
    for n in range(n_clips):
        for t in range(n_frames):
            before[t + 1] = before[t] + odds[t, n]
        if _may_sound(before, vector, table):
            _forward(before, vector, table, best)
            _backward(before, vector[1], table, best, states[:, n])


@njit(cache=True)
def _may_sound(before, vector, table):
    """Whether any event may be worth more than silence, by bounds on those cut by neither end, one, or both."""
    n_frames, leave, stay = len(before) - 1, vector[0], vector[1]
    at_best, lowest, within, at_start, at_end = table[0, 1:].max(), 0.0, -np.inf, -np.inf, -np.inf
    for t in range(1, n_frames + 1):
        here = before[t] - t * stay
        within, at_start = max(within, here - lowest), max(at_start, here + table[2, t])
        lowest = min(lowest, here)
    for t in range(1, n_frames):
        at_end = max(at_end, before[n_frames] - before[t] - (n_frames - t) * stay + table[1, n_frames - t])
    whole = before[n_frames] - (n_frames - 1) * stay + table[3, n_frames]
    return max(within + leave - stay + at_best, at_end + leave - stay, at_start, whole) > 0


@njit(cache=True, fastmath={"nnan", "nsz", "reassoc"})
def _highest(start, table, t):
    """Best sum of an event's ``start`` at u > 0 and the logarithm of its duration t - u."""
    best = -1e300
    for u in range(1, t):
        best = max(best, start[u] + table[t - u])
    return best


@njit(cache=True)
def _forward(before, vector, table, best):
    """Best score of a path up to frame t that is silent there, of one whose event ends there, of an event's start."""
    n_frames, leave, stay = len(before) - 1, vector[0], vector[1]
    silence, event, start = best[0], best[1], best[2]
    silence[0], event[0] = -1e300, -1e300
    for t in range(1, n_frames + 1):
        silence[t] = 0.0 if t == 1 else max(silence[t - 1] + stay, event[t - 1])
        event[t] = max(table[2, t], _highest(start, table[0], t)) + before[t]
        start[t] = silence[t] + leave - before[t]


@njit(cache=True)
def _backward(before, stay, table, best, states):
    """Walk back from the better end and write the events of the best path."""
    n_frames = len(before) - 1
    silence, start = best[0], best[2]
    t, whole, ends = n_frames, table[3], table[1]  # an event that the end cuts
    sounds = max(whole[t], _highest(start, ends, t)) + before[t] > silence[t]
    while t > 0:
        if sounds:
            first, most = 0, whole[t]
            for u in range(1, t):
                if start[u] + ends[t - u] > most:
                    first, most = u, start[u] + ends[t - u]
            states[first:t] = 1
            t = first
        whole, ends, sounds = table[2], table[0], True
        while t > 1 and silence[t] == silence[t - 1] + stay:
            t -= 1
        t -= 1
