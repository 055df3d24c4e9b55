"""Confidence intervals of scores: percentile bootstrap over clips.

Taught in ``notebooks/00_start_here.py``. Clips are drawn with replacement, as many as there are, and the score is
computed anew from their counts; the middle 95 % of the scores is the interval. Two systems are compared on the same
draws (paired), because what is hard for one is mostly hard for the other.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import NamedTuple, TypeVar

import numpy as np

from sedlib.errors import SedError
from sedlib.metrics.counts import F1Result, f1_precision_recall
from sedlib.metrics.psds import PsdsCounts

Name = TypeVar("Name", bound=Hashable)  # of a system

PERCENTILES = (2.5, 97.5)


class Interval(NamedTuple):
    """A value and its 95 % interval, as fractions."""

    value: float
    low: float
    high: float


def interval(value: float, draws: np.ndarray) -> Interval:
    """A value with the middle 95 % of its draws; draws of NaN, in which no clip held an event, are left out."""
    draws = draws[~np.isnan(draws)]
    low, high = np.percentile(draws, PERCENTILES) if len(draws) else (np.nan, np.nan)
    return Interval(float(value), float(low), float(high))


def confidence(result: F1Result, n_resamples: int = 1000, seed: int = 0) -> dict[str, Interval]:
    """95 % intervals of ``macro`` and ``micro`` F1.

    Parameters
    ----------
    result : F1Result
        Of `event_f1` or `segment_f1`. A class without events in the drawn clips is left out of that draw's macro F1.
    n_resamples : int
        Number of times the clips are drawn.
    seed : int
    """
    draws = _resampled(result.counts, n_resamples, seed)
    return {
        "macro": interval(result.macro, result.macro_of(draws)),
        "micro": interval(result.micro, result.micro_of(draws)),
    }


def paired_difference(first: F1Result, second: F1Result, n_resamples: int = 1000, seed: int = 0) -> dict[str, Interval]:
    """``first`` minus ``second`` with its 95 % interval, both on the same draws; otherwise as `confidence`.

    One that excludes 0 is a difference that the choice of clips does not explain.

    Raises
    ------
    SedError
        If clips or classes differ.
    """
    _check_alike([first, second])
    a, b = (_resampled(result.counts, n_resamples, seed) for result in (first, second))
    return {
        "macro": interval(first.macro - second.macro, first.macro_of(a) - second.macro_of(b)),
        "micro": interval(first.micro - second.micro, first.micro_of(a) - second.micro_of(b)),
    }


def over_trainings(
    systems: Mapping[Name, list[F1Result]], n_resamples: int = 1000, seed: int = 0
) -> dict[Name, tuple[np.ndarray, np.ndarray]]:
    """F1 by class of systems that were trained several times, resampled over clips and trainings.

    Every system is drawn on the same clips. Of its n trainings n - 1 are drawn with replacement, which gives their mean
    the right variance; a single training is taken as it is, so that its variance is not seen. Systems with as many
    trainings are drawn on the same ones, first with first: two decodings of one training are a pair, and for trainings
    that have nothing in common it changes nothing.

    Parameters
    ----------
    systems : dict of lists of F1Result
        A result for each training, all on the same clips and classes.
    n_resamples, seed : int
        As for `confidence`.

    Returns
    -------
    dict of name to (value, draws)
        (class,) mean F1 over the trainings, and (resample, class). For a score of several classes average both over
        them, for a difference subtract both; then `interval`.

    Raises
    ------
    SedError
        If clips or classes differ.
    """
    _check_alike([result for results in systems.values() for result in results])
    found = {}
    for name, results in systems.items():
        values = np.array([_f1(result, result.counts.sum(axis=0)) for result in results])
        draws = np.array([_f1(result, _resampled(result.counts, n_resamples, seed)) for result in results])
        found[name] = values.mean(axis=0), _of_trainings(draws, seed)
    return found


def psds_over_trainings(
    systems: Mapping[Name, list[PsdsCounts]], n_resamples: int = 1000, seed: int = 0
) -> dict[Name, tuple[float, np.ndarray]]:
    """`over_trainings` for PSDS: its mean over the trainings, and (resample,) draws, on the same clips as there."""
    found = {}
    for name, results in systems.items():
        times = _times_drawn(len(results[0].filenames), n_resamples, seed)
        values = [result.score(np.ones(len(result.filenames))) for result in results]
        draws = np.array([result.score(times) for result in results])
        found[name] = float(np.mean(values)), _of_trainings(draws, seed)
    return found


def _check_alike(results: list[F1Result]) -> None:
    if any((of.filenames, of.classes) != (results[0].filenames, results[0].classes) for of in results):
        raise SedError("the results are of different clips or classes; score all against the same reference")


def _f1(result: F1Result, counts: np.ndarray) -> np.ndarray:
    return f1_precision_recall(counts, result.precision_of_none)[0]


def _of_trainings(draws: np.ndarray, seed: int) -> np.ndarray:
    """(training, resample, ...) to (resample, ...): the mean over the trainings drawn."""
    n_trainings, n_resamples = draws.shape[:2]
    drawn = np.random.default_rng([seed, 1]).integers(n_trainings, size=(n_resamples, max(1, n_trainings - 1)))
    return draws[drawn, np.arange(n_resamples)[:, None]].mean(axis=1)


def _resampled(counts: np.ndarray, n_resamples: int, seed: int) -> np.ndarray:
    """Counts of each draw summed over its clips, (resample, class, 3)."""
    return np.tensordot(_times_drawn(len(counts), n_resamples, seed).astype(float), counts, axes=1)


def _times_drawn(n_clips: int, n_resamples: int, seed: int) -> np.ndarray:
    """How often each draw holds each clip, (resample, clip)."""
    return np.random.default_rng([seed]).multinomial(n_clips, np.full(n_clips, 1 / n_clips), size=n_resamples)
