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
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from sedlib.config import CLIP_S
from sedlib.data import tables
from sedlib.errors import SedError
from sedlib.metrics.f1 import match_filenames


@dataclass(frozen=True)
class Psds:
    """A PSDS, and how it came about.

    Attributes
    ----------
    value : float
    per_class : dict of str to float
        What each class would score alone; with ``alpha_st = 0`` their mean is ``value``.
    unknown_filenames : list of str
        Clips with predictions that the reference does not know; they count nowhere.
    merged, merged_predictions : int
        Events that `merge_overlaps` took away from the reference, and from the predictions of all operating points.
    roc : (point,) array, (point,) array
        The curve: false alarms per hour, ascending, and the classes' mean share of events found, which holds up to the
        next point.
    """

    value: float
    per_class: dict[str, float]
    unknown_filenames: list[str] = field(default_factory=list)
    merged: int = 0
    merged_predictions: int = 0
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
    """Compute the PSDS of predictions made at several thresholds, by psds_eval.

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
        raise SedError("no operating points: give the predictions at one threshold or more")
    truth, merged = truth_of(reference)
    _, unknown = match_filenames(reference, pd.concat([table[["filename"]] for table in points]))
    lengths = durations_of(reference, durations)
    found = [merge_overlaps(table[table["filename"].isin(lengths)]) for table in points]
    classes, merged_predictions = sorted(truth["event_label"].unique()), sum(count for _, count in found)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about identical operating points, and about older pandas and numpy
        import psds_eval  # here, as it takes a second

        metadata = pd.DataFrame({"filename": list(lengths), "duration": list(lengths.values())})
        curve = psds_eval.PSDSEval(dtc, gtc, cttc, ground_truth=truth, metadata=metadata)
        for predictions, _ in found:
            if len(predictions):  # without predictions a point is the curve's origin, which psds_eval adds itself
                curve.add_operating_point(predictions)
        if not curve.num_operating_points():
            return Psds(0.0, dict.fromkeys(classes, 0.0), unknown, merged, merged_predictions)
        false_alarms, _, effective = curve.psd_roc_curves(alpha_ct)
        # One class has no cross-triggers, whose mean over no other class psds_eval takes for NaN.
        roc = effective if len(classes) > 1 else false_alarms
        widths = np.diff(np.append(roc.xp, np.inf).clip(max=max_efpr))
        areas = (float(np.sum(widths * share)) / max_efpr for share in roc.yp)
        per_class = dict(zip(classes, areas, strict=True))
        value = curve.psds(alpha_ct, alpha_st, max_efpr).value if len(classes) > 1 else per_class[classes[0]]
    mean_curve = np.asarray(roc.xp), np.asarray(roc.yp).mean(axis=0)
    return Psds(float(value), per_class, unknown, merged, merged_predictions, mean_curve)


def assumed_durations(reference: pd.DataFrame) -> dict[str, float]:
    """Assume 10 s for each of the reference's clips, or the end of its last event where that is later."""
    last = reference.groupby("filename", sort=False)["offset"].max()
    return last.clip(lower=CLIP_S).fillna(CLIP_S).to_dict()


def durations_of(reference: pd.DataFrame, durations: Mapping[str, float] | None = None) -> dict[str, float]:
    """Pick the lengths of the reference's clips, whose sum is the time in which false alarms are counted."""
    lengths, filenames = assumed_durations(reference) if durations is None else durations, tables.filenames(reference)
    if missing := [name for name in filenames if name not in lengths]:
        raise SedError(
            f"durations: {len(missing)} of the reference's {len(filenames)} clips have none, for example {missing[0]!r}"
        )
    return {name: float(lengths[name]) for name in filenames}


def truth_of(reference: pd.DataFrame) -> tuple[pd.DataFrame, int]:
    """Merge the reference's overlaps as `merge_overlaps`; `SedError` if it holds no event."""
    truth, merged = merge_overlaps(reference)
    if truth.empty:
        raise SedError("reference: no events, so that there is nothing to find")
    return truth, merged


def merge_overlaps(table: pd.DataFrame) -> tuple[pd.DataFrame, int]:
    """Unite events of one class that overlap in a clip, from their first onset to their last offset.

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
