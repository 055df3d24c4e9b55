"""Confidence intervals of F1: percentile bootstrap over clips.

Taught in ``notebooks/00_start_here.py``. Clips are drawn with replacement, as many as there are, and the score is
recomputed from their counts; the middle 95 % of the scores is the interval. Two systems are compared on the same draws
(paired), because clips that are hard for one are mostly hard for the other. `reproduction.intervals` adds trainings,
and intervals of PSDS.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from sedlib.errors import SedError
from sedlib.metrics.f1 import F1Result


class Interval(NamedTuple):
    """A value and its 95 % interval, as fractions."""

    value: float
    low: float
    high: float


def interval(value: float, draws: np.ndarray) -> Interval:
    """Give a value the middle 95 % of its draws; those of NaN, in which no clip held an event, are left out."""
    draws = draws[~np.isnan(draws)]
    low, high = np.percentile(draws, [2.5, 97.5]) if len(draws) else (np.nan, np.nan)
    return Interval(float(value), float(low), float(high))


def confidence(result: F1Result, n_resamples: int = 1000, seed: int = 0) -> dict[str, Interval]:
    """Compute the 95 % intervals of ``macro`` and ``micro`` F1.

    A class without events in the drawn clips is left out of that draw's macro F1.

    Parameters
    ----------
    result : F1Result
        Of `event_f1` or `segment_f1`.
    n_resamples, seed : int
        How often the clips are drawn, and the random generator's seed.
    """
    draws = resampled(result.counts, n_resamples, seed)
    return {
        "macro": interval(result.macro, result.macro_of(draws)),
        "micro": interval(result.micro, result.micro_of(draws)),
    }


def paired_difference(first: F1Result, second: F1Result) -> dict[str, Interval]:
    """Subtract ``second`` from ``first`` on the draws of `confidence`; `SedError` if clips or classes differ.

    An interval that excludes 0 is a difference that the choice of clips does not explain.
    """
    check_alike([first, second])
    a, b = (resampled(result.counts) for result in (first, second))
    return {
        "macro": interval(first.macro - second.macro, first.macro_of(a) - second.macro_of(b)),
        "micro": interval(first.micro - second.micro, first.micro_of(a) - second.micro_of(b)),
    }


def check_alike(results: list[F1Result]) -> None:
    """`SedError` unless all results are of the same clips and classes."""
    if any((of.filenames, of.classes) != (results[0].filenames, results[0].classes) for of in results):
        raise SedError("the results cover different clips or classes; score all against the same reference")


def resampled(counts: np.ndarray, n_resamples: int = 1000, seed: int = 0) -> np.ndarray:
    """Sum the counts of each draw over its clips: (clip, class, 3) to (resample, class, 3)."""
    return np.tensordot(times_drawn(len(counts), n_resamples, seed).astype(float), counts, axes=1)


def times_drawn(n_clips: int, n_resamples: int, seed: int) -> np.ndarray:
    """Draw how often each resample holds each clip, (resample, clip)."""
    return np.random.default_rng([seed]).multinomial(n_clips, np.full(n_clips, 1 / n_clips), size=n_resamples)
