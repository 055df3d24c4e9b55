"""Polyphonic sound detection score: the area under a curve over all thresholds, instead of F1 at one.

Paper, Table 3; taught in ``notebooks/00_start_here.py``. Bilen et al., "A framework for the robust evaluation of sound
event detection", ICASSP 2020. A prediction is valid when reference events of its class cover the share ``dtc`` of it;
a reference event is found when valid predictions cover the share ``gtc`` of it. Each threshold gives each class a
point: share of events found against false alarms per hour. An invalid prediction that lies by the share ``cttc`` in
another class's events is a cross-trigger and costs ``alpha_ct`` more. PSDS is the area under the classes' mean curve,
minus ``alpha_st`` times their standard deviation, up to ``max_efpr`` false alarms per hour, divided by it. The
defaults are those of the DCASE 2020 challenge, and so are the 50 thresholds (`sedlib.decode.operating`). More
thresholds never lower the curve, so numbers of one table must come from the same ones.

PSDS counts each moment of a class once. So overlapping events of one class in a clip are merged into one, as DCASE
2021 did with the 12 overlaps of its 2020 development set; events that merely touch stay two. Events without length and
classes without reference events are left out.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from sedlib.config import CLIP_S
from sedlib.data import tables
from sedlib.data.tables import CLASSES
from sedlib.errors import SedError
from sedlib.metrics.events import match_filenames


@dataclass(frozen=True)
class Psds:
    """A PSDS and what each class would score alone (fractions); with ``alpha_st = 0`` it is their mean.

    ``unknown_filenames`` are clips with predictions that the reference does not know; they count nowhere. ``merged``
    and ``merged_predictions`` count the events that `merge_overlaps` took away from the reference and from the
    predictions of all operating points.
    """

    value: float
    per_class: dict[str, float]
    unknown_filenames: list[str] = field(default_factory=list)
    merged: int = 0
    merged_predictions: int = 0


def psds_from_operating_points(
    reference: pd.DataFrame,
    operating_points: Iterable[pd.DataFrame],
    durations: Mapping[str, float] | None = None,
    *,
    dtc: float = 0.5,
    gtc: float = 0.5,
    cttc: float = 0.3,
    alpha_ct: float = 0.0,
    alpha_st: float = 0.0,
    max_efpr: float = 100.0,
) -> Psds:
    """PSDS of predictions made at several thresholds, by psds_eval.

    Parameters
    ----------
    reference : DataFrame
        Event table.
    operating_points : iterable of DataFrame
        One event table per threshold.
    durations : mapping of filename to float, optional
        Length of each clip, seconds. Default: `assumed_durations`.
    dtc, gtc, cttc : float
        Detection tolerance, ground truth intersection and cross-trigger tolerance criteria, 0 to 1.
    alpha_ct, alpha_st : float
        Cost of cross-triggers, 0 to 1, and of instability across classes, 0 or more.
    max_efpr : float
        Most false alarms per hour.

    Raises
    ------
    SedError
        For a parameter out of its range, no operating points, predictions in unknown clips only, a clip without
        duration, or a reference without events.
    """
    for name, value in {"dtc": dtc, "gtc": gtc, "cttc": cttc, "alpha_ct": alpha_ct}.items():
        if not 0 <= value <= 1:
            raise SedError(f"PSDS: {name} is {value:g}, expected 0 to 1")
    if not 0 <= alpha_st < np.inf:
        raise SedError(f"PSDS: alpha_st is {alpha_st:g}, expected 0 or more")
    if not 0 < max_efpr < np.inf:
        raise SedError(f"PSDS: max_efpr is {max_efpr:g}, expected false alarms per hour, more than 0")
    curve, truth, unknown, merged = _curve(reference, operating_points, durations, dtc, gtc, cttc)
    classes = sorted(truth["event_label"].unique())
    if not curve.num_operating_points():
        return Psds(0.0, dict.fromkeys(classes, 0.0), unknown, *merged)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        roc = _effective(curve, alpha_ct, len(classes))
        widths = np.diff(np.append(roc.xp, np.inf).clip(max=max_efpr))
        per_class = {
            name: float(np.sum(widths * found)) / max_efpr for name, found in zip(classes, roc.yp, strict=True)
        }
        value = curve.psds(alpha_ct, alpha_st, max_efpr).value if len(classes) > 1 else per_class[classes[0]]
    return Psds(float(value), per_class, unknown, *merged)


def psd_roc(
    reference: pd.DataFrame, operating_points: Iterable[pd.DataFrame], durations: Mapping[str, float] | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """The curve under which PSDS (with DCASE 2020's parameters) is the area, by psds_eval.

    Parameters are those of `psds_from_operating_points`.

    Returns
    -------
    (point,) array, (point,) array
        False alarms per hour, ascending, and the classes' mean share of events found, which holds up to the next point.
    """
    curve, truth, *_ = _curve(reference, operating_points, durations)
    if not curve.num_operating_points():
        return np.zeros(1), np.zeros(1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        roc = _effective(curve, 0.0, truth["event_label"].nunique())
    return np.asarray(roc.xp), np.asarray(roc.yp).mean(axis=0)


@dataclass(frozen=True, eq=False)
class PsdsCounts:
    """What PSDS without cross-triggers is computed from, clip by clip, so that clips can be resampled."""

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
        with warnings.catch_warnings():
            warnings.filterwarnings(
                "ignore", "Mean of empty slice", RuntimeWarning
            )  # a draw of clips without any event
            return np.nanmean(np.where(references > 0, areas, np.nan), axis=-1)


def psds_counts(
    reference: pd.DataFrame,
    operating_points: Iterable[pd.DataFrame],
    durations: Mapping[str, float] | None = None,
    *,
    dtc: float = 0.5,
    gtc: float = 0.5,
    classes: Sequence[str] = CLASSES,
) -> PsdsCounts:
    """Events found and false alarms of every clip at every operating point, for intervals of PSDS.

    Parameters are those of `psds_from_operating_points`, whose value (``alpha_ct`` and ``alpha_st`` 0) is
    `PsdsCounts.score` of every clip once.
    """
    truth, _ = _truth(reference)
    filenames = tables.filenames(reference)
    lengths = _durations(filenames, reference, durations)

    def by_clip(table: pd.DataFrame) -> np.ndarray:
        counts = np.zeros((len(filenames), len(classes)), np.int64)
        clip, label = (
            pd.Index(filenames).get_indexer(table["filename"]),
            pd.Index(classes).get_indexer(table["event_label"]),
        )
        np.add.at(counts, (clip, label), 1)
        return counts

    found, false_alarms = [], []
    for table in operating_points:
        predictions, _ = merge_overlaps(table[table["filename"].isin(lengths)])
        both = truth.reset_index().merge(
            predictions.reset_index(), on=["filename", "event_label"], suffixes=("", "_sys")
        )
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


def assumed_durations(reference: pd.DataFrame) -> dict[str, float]:
    """Length of the reference's clips where none is given: 10 s, or the end of the last event where that is later."""
    last = reference.groupby("filename", sort=False)["offset"].max()
    return last.clip(lower=CLIP_S).fillna(CLIP_S).to_dict()


def merge_overlaps(table: pd.DataFrame) -> tuple[pd.DataFrame, int]:
    """The union of events of one class that overlap in a clip, from their first onset to their last offset.

    Parameters
    ----------
    table : DataFrame
        Event table. Clips without events and events without length are left out.

    Returns
    -------
    DataFrame
        The events, sorted by clip, class and onset. Events that merely touch stay apart.
    int
        How many events there are less.
    """
    table = tables.events(table)
    table = table[table["offset"] > table["onset"]].sort_values(["filename", "event_label", "onset"], ignore_index=True)
    of_class = [table["filename"], table["event_label"]]
    ended = table.groupby(of_class)["offset"].cummax().groupby(of_class).shift()  # when all earlier ones have ended
    group = (~(table["onset"] < ended)).cumsum()
    merged = table.groupby(group).agg({"filename": "first", "onset": "first", "offset": "max", "event_label": "first"})
    return merged.reset_index(drop=True), len(table) - len(merged)


def _curve(
    reference: pd.DataFrame,
    operating_points: Iterable[pd.DataFrame],
    durations: Mapping[str, float] | None,
    dtc: float = 0.5,
    gtc: float = 0.5,
    cttc: float = 0.3,
) -> tuple[Any, pd.DataFrame, list[str], tuple[int, int]]:
    """psds_eval's object, the reference's events, unknown clips, and the numbers of merged events."""
    points = list(operating_points)
    if not points:
        raise SedError("no operating points: give the predictions at one threshold or more")
    truth, merged = _truth(reference)
    filenames, unknown = match_filenames(reference, pd.concat([table[["filename"]] for table in points]))
    lengths = _durations(filenames, reference, durations)
    metadata = pd.DataFrame({"filename": filenames, "duration": [lengths[name] for name in filenames]})
    merged_predictions = 0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about identical operating points, and about older pandas and numpy
        import psds_eval  # here, as it takes a second

        curve = psds_eval.PSDSEval(dtc, gtc, cttc, ground_truth=truth, metadata=metadata)
        for table in points:
            predictions, count = merge_overlaps(table[table["filename"].isin(lengths)])
            merged_predictions += count
            if len(predictions):  # without predictions a point is the curve's origin, which psds_eval adds itself
                curve.add_operating_point(predictions)
    return curve, truth, unknown, (merged, merged_predictions)


def _effective(curve: Any, alpha_ct: float, n_classes: int) -> Any:
    """One class has no cross-triggers, whose mean over no other class psds_eval takes for NaN."""
    false_alarms, _, effective = curve.psd_roc_curves(alpha_ct)
    return effective if n_classes > 1 else false_alarms


def _durations(
    filenames: Sequence[str], reference: pd.DataFrame, durations: Mapping[str, float] | None
) -> dict[str, float]:
    """Of these clips, no more and no less: their sum is the time in which false alarms are counted."""
    if durations is None:
        durations = assumed_durations(reference)
    missing = [name for name in filenames if name not in durations]
    if missing:
        raise SedError(
            f"durations: {len(missing)} of the reference's {len(filenames)} clips have none, for example {missing[0]!r}"
        )
    return {name: float(durations[name]) for name in filenames}


def _truth(reference: pd.DataFrame) -> tuple[pd.DataFrame, int]:
    truth, merged = merge_overlaps(reference)
    if truth.empty:
        raise SedError("reference: no events, so that there is nothing to find")
    return truth, merged
