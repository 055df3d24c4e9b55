"""Intervals of systems that were trained several times, and of PSDS.

Paper section 4; taught in ``notebooks/07_paper_ledger.py``. `sedlib.metrics.confidence` draws clips; here trainings are
drawn as well, and PSDS is counted clip by clip, so that its clips can be drawn.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import pandas as pd

from sedlib.data import tables
from sedlib.data.tables import CLASSES
from sedlib.metrics.bootstrap import check_alike, resampled, times_drawn
from sedlib.metrics.f1 import F1Result, f1_precision_recall, mean_over_classes
from sedlib.metrics.psds import durations_of, merge_overlaps, truth_of

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


@dataclass(frozen=True, eq=False)
class PsdsCounts:
    """What PSDS without cross-triggers is computed from, clip by clip."""

    found: np.ndarray  # (point, clip, class): reference events found
    false_alarms: np.ndarray  # (point, clip, class): predictions that are not valid
    references: np.ndarray  # (clip, class)
    hours: np.ndarray  # (clip,)
    filenames: list[str]

    def score(self, times: np.ndarray, max_efpr: float = 100.0) -> np.ndarray:
        """PSDS when each clip is there so many times: (..., clip) to (...,)."""

        def total(counts: np.ndarray) -> np.ndarray:  # (point, clip, class) to (..., class, point)
            return np.moveaxis(np.tensordot(times.astype(float), counts, axes=(-1, 1)), -2, -1)

        references, hours = times @ self.references, times @ self.hours
        with np.errstate(invalid="ignore", divide="ignore"):
            share = total(self.found) / references[..., None]
        per_hour = total(self.false_alarms) / hours[..., None, None]
        order = np.argsort(per_hour, axis=-1, kind="stable")
        x = np.take_along_axis(per_hour, order, -1).clip(max=max_efpr)
        y = np.maximum.accumulate(np.take_along_axis(share, order, -1), axis=-1)
        widths = np.diff(x, axis=-1, append=max_efpr)
        areas = (widths * y).sum(axis=-1) / max_efpr
        return mean_over_classes(np.where(references > 0, areas, np.nan))


def psds_counts(
    reference: pd.DataFrame,
    operating_points: Iterable[pd.DataFrame],
    durations: Mapping[str, float] | None = None,
    *,
    dtc: float = 0.5,
    gtc: float = 0.5,
    classes: Sequence[str] = CLASSES,
) -> PsdsCounts:
    """Count events found and false alarms of every clip at every operating point.

    Parameters are those of `sedlib.metrics.psds_from_operating_points`, whose value (``alpha_ct`` and ``alpha_st`` 0)
    is `PsdsCounts.score` of every clip once.
    """
    truth, _ = truth_of(reference)
    filenames = tables.filenames(reference)
    lengths = durations_of(reference, durations)

    def by_clip(table: pd.DataFrame) -> np.ndarray:
        counts = np.zeros((len(filenames), len(classes)), np.int64)
        clip = pd.Index(filenames).get_indexer(table["filename"])
        np.add.at(counts, (clip, pd.Index(classes).get_indexer(table["event_label"])), 1)
        return counts

    found, false_alarms = [], []
    for table in operating_points:
        predictions, _ = merge_overlaps(table[table["filename"].isin(lengths)])
        on = ["filename", "event_label"]
        both = truth.reset_index().merge(predictions.reset_index(), on=on, suffixes=("", "_sys"))
        shared = both[["offset", "offset_sys"]].min(axis=1) - both[["onset", "onset_sys"]].max(axis=1)
        shared = shared.clip(lower=0)
        covered = shared.groupby(both["index_sys"]).sum().reindex(range(len(predictions)), fill_value=0.0)
        valid = (covered / (predictions["offset"] - predictions["onset"]) >= dtc).to_numpy()
        by_valid = shared.where(valid[both["index_sys"]], 0.0)
        covered = by_valid.groupby(both["index"]).sum().reindex(range(len(truth)), fill_value=0.0)
        found.append(by_clip(truth[covered / (truth["offset"] - truth["onset"]) >= gtc]))
        false_alarms.append(by_clip(predictions[~valid]))
    hours = np.array([lengths[name] for name in filenames]) / 3600
    return PsdsCounts(np.array(found), np.array(false_alarms), by_clip(truth), hours, filenames)
