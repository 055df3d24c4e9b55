"""How far chance could have moved a score: percentile bootstrap over clips.

Taught in ``notebooks/00_start_here.py``. Clips are drawn with replacement, as many as there are, and the score is
computed anew from their counts; the middle 95 % of the scores is the interval. Two systems are compared on the same
draws (paired), because what is hard for one is mostly hard for the other.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from sedlib.errors import SedError
from sedlib.metrics.counts import F1Result, f1_precision_recall
from sedlib.metrics.psds import PsdsCounts

PERCENTILES = (2.5, 97.5)


class Interval(NamedTuple):
    """A value and its 95 % interval, as fractions."""

    value: float
    low: float
    high: float


def confidence(result: F1Result, n_resamples: int = 1000, seed: int = 0) -> dict[str, Interval]:
    """95 % intervals of macro and micro F1.

    Parameters
    ----------
    result : F1Result
        Of `event_f1` or `segment_f1`.
    n_resamples : int
        Number of times the clips are drawn.
    seed : int

    Returns
    -------
    dict
        ``macro`` and ``micro``, each an `Interval`. A class that no drawn clip holds is left out of that draw's macro
        F1.
    """
    draws = _resampled(result.counts, n_resamples, seed)
    return {"macro": Interval(result.macro, *_limits(result.macro_of(draws))),
            "micro": Interval(result.micro, *_limits(result.micro_of(draws)))}


def paired_difference(first: F1Result, second: F1Result, n_resamples: int = 1000, seed: int = 0) -> dict[str, Interval]:
    """``first`` minus ``second`` with its 95 % interval, both drawn alike.

    Parameters
    ----------
    first, second : F1Result
        Two systems on the same clips and classes.
    n_resamples, seed : int
        As for `confidence`.

    Returns
    -------
    dict
        ``macro`` and ``micro``, each an `Interval`; one that excludes 0 is a difference that the choice of clips does
        not explain.

    Raises
    ------
    SedError
        If clips or classes differ.
    """
    if first.filenames != second.filenames or first.classes != second.classes:
        raise SedError("the two results are of different clips or classes; score both against the same reference")
    a, b = (_resampled(result.counts, n_resamples, seed) for result in (first, second))
    return {"macro": Interval(first.macro - second.macro, *_limits(first.macro_of(a) - second.macro_of(b))),
            "micro": Interval(first.micro - second.micro, *_limits(first.micro_of(a) - second.micro_of(b)))}


def over_trainings(
    systems: dict[str, list[F1Result]], n_resamples: int = 1000, seed: int = 0
) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """F1 by class of systems that were trained several times, and how far chance in clips and trainings moves it.

    Every system is drawn on the same clips. Of its trainings one less than there are is drawn with replacement, which
    gives the mean over them the right variance; a single training is taken as it is, so that its chance is not seen.
    Systems with as many trainings are drawn on the same ones, first with first: what two decodings make of one training
    is a pair, and for trainings that have nothing in common it changes nothing.

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
    every = [result for results in systems.values() for result in results]
    if any((r.filenames, r.classes) != (every[0].filenames, every[0].classes) for r in every):
        raise SedError("the results are of different clips or classes; score all against the same reference")
    found = {}
    for name, results in systems.items():
        values = np.array([_f1(result, result.counts.sum(axis=0)) for result in results])
        drawn = np.array([_f1(result, _resampled(result.counts, n_resamples, seed)) for result in results])
        found[name] = values.mean(axis=0), _of_trainings(drawn, seed)
    return found


def psds_over_trainings(systems: dict[str, list[PsdsCounts]], n_resamples: int = 1000, seed: int = 0
                        ) -> dict[str, tuple[float, np.ndarray]]:
    """`over_trainings` for PSDS: its mean over the trainings, and (resample,) draws, on the same clips as there."""
    found = {}
    for name, results in systems.items():
        times = _times_drawn(len(results[0].filenames), n_resamples, seed)
        values = [result.score(np.ones(len(result.filenames))) for result in results]
        found[name] = float(np.mean(values)), _of_trainings(np.array([result.score(times) for result in results]), seed)
    return found


def _of_trainings(drawn: np.ndarray, seed: int) -> np.ndarray:
    """(training, resample, ...) to (resample, ...): the mean over trainings drawn with replacement, one less than there are."""
    n_trainings, n_resamples = drawn.shape[:2]
    which = np.random.default_rng([seed, 1]).integers(n_trainings, size=(n_resamples, max(1, n_trainings - 1)))
    return drawn[which, np.arange(n_resamples)[:, None]].mean(axis=1)


def interval(value: float, draws: np.ndarray) -> Interval:
    """A value with the middle 95 % of its draws."""
    return Interval(float(value), *map(float, _limits(draws)))


def _f1(result: F1Result, counts: np.ndarray) -> np.ndarray:
    return f1_precision_recall(counts, result.precision_of_none)[0]


def _resampled(counts: np.ndarray, n_resamples: int, seed: int) -> np.ndarray:
    """Counts of each draw summed over its clips, (resample, class, 3)."""
    return np.tensordot(_times_drawn(len(counts), n_resamples, seed).astype(float), counts, axes=1)


def _times_drawn(n_clips: int, n_resamples: int, seed: int) -> np.ndarray:
    """How often each draw holds each clip, (resample, clip)."""
    return np.random.default_rng([seed]).multinomial(n_clips, np.full(n_clips, 1 / n_clips), size=n_resamples)


def _limits(scores: np.ndarray) -> np.ndarray:
    scores = scores[~np.isnan(scores)]  # no drawn clip held an event
    return np.percentile(scores, PERCENTILES) if len(scores) else np.full(2, np.nan)
