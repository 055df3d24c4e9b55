"""Intervals of systems that were trained several times, and of PSDS.

Paper section 4; taught in ``notebooks/07_paper_ledger.py``. `sedlib.metrics.confidence` draws clips; here trainings are
drawn as well, and PSDS is counted clip by clip, so that its clips can be drawn.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import TypeVar

import numpy as np

from sedlib.metrics.bootstrap import check_alike, resampled, times_drawn
from sedlib.metrics.f1 import F1Result, f1_precision_recall
from sedlib.metrics.psds import PsdsCounts

Name = TypeVar("Name", bound=Hashable)  # of a system


def over_trainings(
    systems: Mapping[Name, list[F1Result]], n_resamples: int = 1000, seed: int = 0
) -> dict[Name, tuple[np.ndarray, np.ndarray]]:
    """Resample F1 by class of systems over clips and trainings.

    Every system is drawn on the same clips. Of its n trainings n - 1 are drawn with replacement, which gives their mean
    the right variance; a single training is taken as it is, so that its variance is not seen. Systems with as many
    trainings are drawn on the same ones, first with first: two decodings of one training are a pair, and for trainings
    that have nothing in common it changes nothing.

    Parameters
    ----------
    systems : dict of lists of F1Result
        A result for each training, all on the same clips and classes.
    n_resamples, seed : int
        As for `sedlib.metrics.confidence`.

    Returns
    -------
    dict of name to (value, draws)
        (class,) mean F1 over the trainings, and (resample, class). For a score of several classes average both over
        them, for a difference subtract both; then `sedlib.metrics.interval`.

    Raises
    ------
    SedError
        If clips or classes differ.
    """
    check_alike([result for results in systems.values() for result in results])
    found = {}
    for name, results in systems.items():
        values = np.array([_f1(result, result.counts.sum(axis=0)) for result in results])
        draws = np.array([_f1(result, resampled(result.counts, n_resamples, seed)) for result in results])
        found[name] = values.mean(axis=0), _of_trainings(draws, seed)
    return found


def psds_over_trainings(
    systems: Mapping[Name, list[PsdsCounts]], n_resamples: int = 1000, seed: int = 0
) -> dict[Name, tuple[float, np.ndarray]]:
    """Resample PSDS as `over_trainings` does F1, on the same clips: its mean over the trainings, (resample,) draws."""
    found = {}
    for name, results in systems.items():
        times = times_drawn(len(results[0].filenames), n_resamples, seed)
        values = [result.score(np.ones(len(result.filenames))) for result in results]
        draws = np.array([result.score(times) for result in results])
        found[name] = float(np.mean(values)), _of_trainings(draws, seed)
    return found


def _f1(result: F1Result, counts: np.ndarray) -> np.ndarray:
    return f1_precision_recall(counts, result.precision_of_none)[0]


def _of_trainings(draws: np.ndarray, seed: int) -> np.ndarray:
    """(training, resample, ...) to (resample, ...): the mean over the trainings drawn."""
    n_trainings, n_resamples = draws.shape[:2]
    drawn = np.random.default_rng([seed, 1]).integers(n_trainings, size=(n_resamples, max(1, n_trainings - 1)))
    return draws[drawn, np.arange(n_resamples)[:, None]].mean(axis=1)
