"""Polyphonic sound detection score: the area under a curve over all thresholds, instead of F1 at one.

Paper, Table 3; taught in ``notebooks/00_start_here.py``. Bilen et al., "A framework for the robust evaluation of sound
event detection", ICASSP 2020. A prediction is valid when reference events of its class cover the share ``dtc`` of it;
a reference event is found when valid predictions cover the share ``gtc`` of it. Each threshold gives each class a
point: share of events found against false alarms per hour. An invalid prediction that lies by the share ``cttc`` in
another class's events is a cross-trigger and costs ``alpha_ct`` more. PSDS is the area under the classes' mean curve,
minus ``alpha_st`` times their standard deviation, up to ``max_efpr`` false alarms per hour, divided by it. The
defaults are those of the DCASE 2020 challenge, and so are the 50 thresholds (`sedlib.decode.THRESHOLDS`). More
thresholds never lower the curve, so numbers of one table must come from the same ones.

PSDS counts each moment of a class once. So overlapping events of one class in a clip are merged into one, as DCASE
2021 did with the 12 overlaps of its 2020 development set; events that merely touch stay two. Events without length and
classes without reference events are left out.

psds_eval is the reference implementation, and computes what ``alpha_ct`` and ``alpha_st`` cost. Without them events
found and false alarms are counted here, clip by clip in one pass over all thresholds, with the same result (tested), so
that clips can be drawn for intervals and a training is scored in a moment.
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
from sedlib.metrics.f1 import match_filenames, mean_over_classes


@dataclass(frozen=True)
class Psds:
    """A PSDS, and how it came about."""

    value: float
    per_class: dict[str, float]  # what each class would score alone; with ``alpha_st = 0`` their mean is ``value``
    unknown_filenames: list[str] = field(default_factory=list)  # with predictions, which count nowhere
    merged: int = 0  # events that `merge_overlaps` took away from the reference
    merged_predictions: int = 0  # and from the predictions of all operating points
    # False alarms per hour, ascending, and the classes' mean share of events found, which holds up to the next point.
    roc: tuple[np.ndarray, np.ndarray] = field(default=(np.zeros(1), np.zeros(1)), compare=False)


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
    """Compute the PSDS of predictions made at several thresholds.

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
    if not (0 <= alpha_st < np.inf and 0 < max_efpr < np.inf):
        raise SedError(f"PSDS: alpha_st is {alpha_st:g}, expected 0 or more; max_efpr is {max_efpr:g}, more than 0")
    points = list(operating_points)
    if not points:
        raise SedError("no operating points: give predictions at one threshold or more")
    _, unknown = match_filenames(reference, pd.concat([table[["filename"]] for table in points]))
    labels = sorted(tables.events(reference)["event_label"].unique())
    counts = psds_counts(reference, points, durations, dtc=dtc, gtc=gtc, classes=labels)
    areas, roc = counts.per_class(np.ones(len(counts.filenames)), max_efpr), counts.roc()
    per_class = {name: float(area) for name, area in zip(labels, areas, strict=True) if not np.isnan(area)}
    value = float(np.nanmean(areas))
    # One class has no cross-triggers and no instability, and where nothing is found there is nothing to lose.
    if (alpha_ct or alpha_st) and len(per_class) > 1 and counts.found.any():
        lengths = dict(zip(counts.filenames, 3600 * counts.hours, strict=True))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about identical operating points, and about older pandas and numpy
            curve = _by_psds_eval(reference, points, lengths, dtc, gtc, cttc)
            found, value = curve.psd_roc_curves(alpha_ct)[2], float(curve.psds(alpha_ct, alpha_st, max_efpr).value)
        roc = np.asarray(found.xp), np.asarray(found.yp).mean(axis=0)
        widths = np.diff(np.append(found.xp, np.inf).clip(max=max_efpr))
        areas = (float(np.sum(widths * share)) / max_efpr for share in found.yp)
        per_class = dict(zip(sorted(per_class), areas, strict=True))
    return Psds(value, per_class, unknown, *counts.merged, roc)


@dataclass(frozen=True, eq=False)
class PsdsCounts:
    """What PSDS without costs of cross-triggers and instability is computed from, clip by clip."""

    found: np.ndarray  # (point, clip, class) reference events found
    false_alarms: np.ndarray  # (point, clip, class) predictions that are not valid
    references: np.ndarray  # (clip, class) events
    hours: np.ndarray  # (clip,)
    filenames: list[str]
    merged: tuple[int, int] = (0, 0)  # events that `merge_overlaps` took away from the reference, and from predictions

    def curves(self, times: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Compute each class's curve when each clip is there so many times: ``times`` (..., clip).

        Returns
        -------
        (..., class, point) array, (..., class, point) array
            False alarms per hour, ascending, and the largest share of events found up to there; NaN without events.
        """

        def total(counts: np.ndarray) -> np.ndarray:  # (point, clip, class) to (..., class, point)
            return np.moveaxis(np.tensordot(times.astype(float), counts, axes=(-1, 1)), -2, -1)

        references, hours = times @ self.references, times @ self.hours
        with np.errstate(invalid="ignore", divide="ignore"):
            share = total(self.found) / references[..., None]
        per_hour = total(self.false_alarms) / hours[..., None, None]
        order = np.argsort(per_hour, axis=-1, kind="stable")
        share = np.where(references[..., None] > 0, np.take_along_axis(share, order, -1), np.nan)
        return np.take_along_axis(per_hour, order, -1), np.maximum.accumulate(share, axis=-1)

    def per_class(self, times: np.ndarray, max_efpr: float = 100.0) -> np.ndarray:
        """Compute the area under each class's curve, (..., clip) to (..., class); NaN without events."""
        x, y = self.curves(times)
        widths = np.diff(x.clip(max=max_efpr), axis=-1, append=max_efpr)
        return (widths * y).sum(axis=-1) / max_efpr

    def score(self, times: np.ndarray, max_efpr: float = 100.0) -> np.ndarray:
        """Compute PSDS when each clip is there so many times: (..., clip) to (...,)."""
        return mean_over_classes(self.per_class(times, max_efpr))

    def roc(self) -> tuple[np.ndarray, np.ndarray]:
        """Compute the mean curve of all clips, as `Psds.roc`."""
        x, y = (of[self.references.any(axis=0)] for of in self.curves(np.ones(len(self.filenames))))
        at = np.unique(np.append(0.0, x))
        each = [np.append(0.0, of)[np.searchsorted(rate, at, "right")] for rate, of in zip(x, y, strict=True)]
        return at, np.mean(each, axis=0)


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

    Parameters are those of `psds_from_operating_points`, whose value (``alpha_ct`` and ``alpha_st`` 0) is
    `PsdsCounts.score` of every clip once.
    """
    truth, merged = merge_overlaps(reference)
    if truth.empty:
        raise SedError("reference: no events, so there is nothing to find")
    filenames, points = tables.filenames(reference), list(operating_points)
    lengths = assumed_durations(reference) if durations is None else durations
    if missing := [name for name in filenames if name not in lengths]:
        raise SedError(
            f"durations: {len(missing)} of the reference's {len(filenames)} clips have none, for example {missing[0]!r}"
        )
    every = pd.concat([table.assign(point=point) for point, table in enumerate(points)])
    predictions, fewer = merge_overlaps(every[every["filename"].isin(filenames)], "point")
    on = ["filename", "event_label"]
    pairs = truth.reset_index(names="event").merge(predictions.reset_index(names="sys"), on=on, suffixes=("", "_sys"))
    shared = pairs[["offset", "offset_sys"]].min(axis=1) - pairs[["onset", "onset_sys"]].max(axis=1)
    shared = shared.clip(lower=0)
    covered = shared.groupby(pairs["sys"]).sum().reindex(range(len(predictions)), fill_value=0.0)
    valid = (covered / (predictions["offset"] - predictions["onset"]) >= dtc).to_numpy()
    by_valid = shared[valid[pairs["sys"]]].groupby([pairs["point"], pairs["event"]]).sum().reset_index(name="covered")
    event = truth.loc[by_valid["event"]].reset_index(drop=True).assign(point=by_valid["point"])
    event = event[by_valid["covered"] / (event["offset"] - event["onset"]) >= gtc]

    def by_clip(table: pd.DataFrame) -> np.ndarray:
        counts = np.zeros((len(points), len(filenames), len(classes)), np.int64)
        table = table[table["event_label"].isin(classes)]
        clip = pd.Index(filenames).get_indexer(table["filename"])
        np.add.at(counts, (table["point"], clip, pd.Index(classes).get_indexer(table["event_label"])), 1)
        return counts

    hours = np.array([lengths[name] for name in filenames]) / 3600
    references = by_clip(truth.assign(point=0))[0]
    return PsdsCounts(by_clip(event), by_clip(predictions[~valid]), references, hours, filenames, (merged, fewer))


def _by_psds_eval(
    reference: pd.DataFrame, points: list[pd.DataFrame], lengths: Mapping[str, float], *criteria: float
) -> Any:
    """Make psds_eval's object, from which it computes curves and scores."""
    import psds_eval  # here, as it takes a second

    metadata = pd.DataFrame({"filename": list(lengths), "duration": list(lengths.values())})
    curve = psds_eval.PSDSEval(*criteria, ground_truth=merge_overlaps(reference)[0], metadata=metadata)
    for table in points:
        predictions, _ = merge_overlaps(table[table["filename"].isin(lengths)])
        if len(predictions):  # without predictions a point is the curve's origin, which psds_eval adds itself
            curve.add_operating_point(predictions)
    return curve


def assumed_durations(reference: pd.DataFrame) -> dict[str, float]:
    """Assume 10 s for each of the reference's clips, or the end of its last event where that is later."""
    last = reference.groupby("filename", sort=False)["offset"].max()
    return last.clip(lower=CLIP_S).fillna(CLIP_S).to_dict()


def merge_overlaps(table: pd.DataFrame, *within: str) -> tuple[pd.DataFrame, int]:
    """Unite events of one class that overlap in a clip, from their first onset to their last offset.

    Parameters
    ----------
    table : DataFrame
        Event table. Clips without events and events without length are left out.
    *within : str
        More columns, in which events that are united are alike.

    Returns
    -------
    DataFrame
        The events, sorted by these columns, clip, class and onset. Events that merely touch stay apart.
    int
        How many events there are less.
    """
    alike = [*within, "filename", "event_label"]
    table = tables.events(table)
    table = table[table["offset"] > table["onset"]].sort_values([*alike, "onset"], ignore_index=True)
    ended = table.groupby(alike)["offset"].cummax().groupby([table[name] for name in alike]).shift()
    overlaps = table["onset"] < ended  # what some earlier one has not ended before
    if overlaps.any():
        columns = {name: "first" for name in table} | {"offset": "max"}
        table = table.groupby((~overlaps).cumsum()).agg(columns).reset_index(drop=True)
    return table, int(overlaps.sum())
