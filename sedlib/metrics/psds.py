"""Polyphonic sound detection score: the area under a curve over all thresholds, instead of F1 at one.

Paper, Table 3; taught in ``notebooks/00_start_here.py``. Bilen et al., "A framework for the robust evaluation of sound
event detection", ICASSP 2020. A prediction is valid when reference events of its class cover the share ``dtc`` of it
(detection tolerance); a reference event is found when valid predictions cover the share ``gtc`` of it (ground truth
intersection). Each threshold gives each class a point: share of events found against false alarms per hour. An
invalid prediction that lies by the share ``cttc`` in another class's events is a cross-trigger and costs
``alpha_ct`` more. PSDS is the area under the classes' mean curve, minus ``alpha_st`` times their deviation, up to
``max_efpr`` false alarms per hour, divided by it. The defaults are those of the DCASE 2020 challenge.

Two ways lead there: predictions at some thresholds (psds_eval, by the authors of the score), or posteriors, from which
sed_scores_eval finds the curve at every threshold (Ebbers et al., "Threshold independent evaluation of sound
event detection scores", ICASSP 2022). More thresholds never lower the curve, so the second is the larger one, and numbers of
one table must come the same way: those of this project come from the challenge's 50 thresholds (`sedlib.decode.operating`).
Both leave out classes without reference events.

PSDS counts each moment of a class once. So overlapping events of one class in a clip are merged into one, as DCASE 2021 did with the
12 overlaps of its 2020 development set; events that merely touch stay two. An event without length (onset = offset) is none, see
`sedlib.metrics.clips`.
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

"""Length of a DESED clip, seconds."""


@dataclass(frozen=True)
class Psds:
    """A PSDS and what each class would score alone (fractions); with ``alpha_st = 0`` it is their mean.

    ``unknown_filenames`` are clips with predictions that the reference does not know; they count nowhere. ``merged`` and
    ``merged_predictions`` count the events that were merged into another one of their class, in the reference and in the predictions of
    all operating points (see `merge_overlaps`).
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

    Returns
    -------
    Psds

    Raises
    ------
    SedError
        For a parameter out of its range, no operating points, predictions in unknown clips only, a clip without duration,
        or a reference without events.
    """
    _check_parameters(dtc, gtc, cttc, alpha_ct, alpha_st, max_efpr)
    curve, truth, unknown, merged = _curve(reference, operating_points, durations, dtc, gtc, cttc)
    classes = sorted(truth["event_label"].unique())
    if not curve.num_operating_points():
        return Psds(0.0, dict.fromkeys(classes, 0.0), unknown, *merged)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        roc = _effective(curve, alpha_ct, len(classes))
        per_class = {name: _area(roc.xp, found, max_efpr) / max_efpr for name, found in zip(classes, roc.yp)}
        value = curve.psds(alpha_ct, alpha_st, max_efpr).value if len(classes) > 1 else per_class[classes[0]]
    return Psds(float(value), per_class, unknown, *merged)


def psd_roc(reference: pd.DataFrame, operating_points: Iterable[pd.DataFrame], durations: Mapping[str, float] | None = None, *,
            dtc: float = 0.5, gtc: float = 0.5, cttc: float = 0.3) -> tuple[np.ndarray, np.ndarray]:
    """The curve under which PSDS is the area (``alpha_ct`` and ``alpha_st`` 0), by psds_eval; parameters as for
    `psds_from_operating_points`.

    Returns
    -------
    (point,) array, (point,) array
        Effective false alarms per hour, ascending, and the classes' mean share of events found, which holds up to the next point.
    """
    curve, truth, *_ = _curve(reference, operating_points, durations, dtc, gtc, cttc)
    if not curve.num_operating_points():
        return np.zeros(1), np.zeros(1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        roc = _effective(curve, 0.0, truth["event_label"].nunique())
    return np.asarray(roc.xp), np.asarray(roc.yp).mean(axis=0)


@dataclass(frozen=True, eq=False)
class PsdsCounts:
    """What PSDS without cross-triggers is computed from, clip by clip, so that clips can be drawn anew."""

    found: np.ndarray  # (point, clip, class): reference events found
    false_alarms: np.ndarray  # (point, clip, class): predictions that are not valid
    references: np.ndarray  # (clip, class)
    hours: np.ndarray  # (clip,)
    filenames: list[str]

    def score(self, times: np.ndarray, max_efpr: float = 100.0) -> np.ndarray:
        """PSDS when each clip is there so many times: (..., clip) to (...,); classes without reference events are left out."""
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
            warnings.filterwarnings("ignore", "Mean of empty slice", RuntimeWarning)  # a draw of clips without any event
            return np.nanmean(np.where(references > 0, areas, np.nan), axis=-1)


def psds_counts(reference: pd.DataFrame, operating_points: Iterable[pd.DataFrame], durations: Mapping[str, float] | None = None, *,
                dtc: float = 0.5, gtc: float = 0.5, classes: Sequence[str] = CLASSES) -> PsdsCounts:
    """Events found and false alarms of every clip at every operating point, for intervals of PSDS (``alpha_ct`` and ``alpha_st`` 0).

    Parameters as for `psds_from_operating_points`; its value is `PsdsCounts.score` of every clip once.
    """
    truth, _ = _truth(reference)
    filenames = tables.filenames(reference)
    lengths = _durations(filenames, reference, durations)
    points = [merge_overlaps(table[table["filename"].isin(lengths)])[0] for table in operating_points]

    def by_clip(table: pd.DataFrame) -> np.ndarray:
        counts = np.zeros((len(filenames), len(classes)), np.int64)
        np.add.at(counts, (pd.Index(filenames).get_indexer(table["filename"]), pd.Index(classes).get_indexer(table["event_label"])), 1)
        return counts

    found, false_alarms = [], []
    for predictions in points:
        both = truth.reset_index().merge(predictions.reset_index(), on=["filename", "event_label"], suffixes=("", "_said"))
        shared = (both[["offset", "offset_said"]].min(axis=1) - both[["onset", "onset_said"]].max(axis=1)).clip(lower=0)
        covered = shared.groupby(both["index_said"]).sum().reindex(range(len(predictions)), fill_value=0.0)
        valid = (covered / (predictions["offset"] - predictions["onset"]) >= dtc).to_numpy()
        of_valid = shared.where(valid[both["index_said"]], 0.0).groupby(both["index"]).sum().reindex(range(len(truth)), fill_value=0.0)
        found.append(by_clip(truth[of_valid / (truth["offset"] - truth["onset"]) >= gtc]))
        false_alarms.append(by_clip(predictions[~valid]))
    hours = np.array([lengths[name] for name in filenames]) / 3600
    return PsdsCounts(np.array(found), np.array(false_alarms), by_clip(truth), hours, filenames)


def _curve(reference: pd.DataFrame, operating_points: Iterable[pd.DataFrame], durations: Mapping[str, float] | None,
           dtc: float, gtc: float, cttc: float) -> tuple[Any, pd.DataFrame, list[str], tuple[int, int]]:
    """psds_eval's object with all operating points, the reference's events, the unknown clips, and how many events were merged."""
    points = list(operating_points)
    if not points:
        raise SedError("no operating points: give the predictions at one threshold or more")
    truth, merged = _truth(reference)
    filenames, unknown = match_filenames(reference, pd.concat([table[["filename"]] for table in points]))
    lengths = _durations(filenames, reference, durations)
    psds_eval = _quiet_import("psds_eval")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about identical operating points, and about older pandas and numpy
        curve = psds_eval.PSDSEval(dtc, gtc, cttc, ground_truth=truth, metadata=pd.DataFrame(
            {"filename": filenames, "duration": [lengths[name] for name in filenames]}))
        merged_predictions = 0
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


def psds_from_scores(
    reference: pd.DataFrame,
    scores: np.ndarray,
    filenames: Sequence[str],
    frame_s: float,
    durations: Mapping[str, float] | None = None,
    classes: Sequence[str] = CLASSES,
    *,
    dtc: float = 0.5,
    gtc: float = 0.5,
    cttc: float = 0.3,
    alpha_ct: float = 0.0,
    alpha_st: float = 0.0,
    max_efpr: float = 100.0,
) -> Psds:
    """PSDS of posteriors at every threshold, by sed_scores_eval.

    Parameters
    ----------
    reference : DataFrame
        Event table.
    scores : (clip, frame, class) array
        Posteriors. Only their order within a class matters, so any increasing scale does.
    filenames : sequence of str
        The clips of ``scores``: exactly those of the reference, in any order.
    frame_s : float
        Seconds per frame.
    durations, dtc, gtc, cttc, alpha_ct, alpha_st, max_efpr
        As for `psds_from_operating_points`.
    classes : sequence of str
        The classes of ``scores``.

    Returns
    -------
    Psds

    Raises
    ------
    SedError
        As `psds_from_operating_points`, and for scores whose shape, clips or classes do not fit or that are not
        finite.
    """
    _check_parameters(dtc, gtc, cttc, alpha_ct, alpha_st, max_efpr)
    scores = np.asarray(scores, dtype=float)
    if scores.ndim != 3 or scores.shape[0] != len(filenames) or scores.shape[2] != len(classes) or not scores.shape[1]:
        raise SedError(f"scores: shape {scores.shape}, expected (clip, frame, class) = "
                       f"({len(filenames)}, ..., {len(classes)})")
    finite = np.isfinite(scores).all(axis=(1, 2))
    if not finite.all():
        raise SedError(f"scores: clip {filenames[int(np.argmin(finite))]!r} holds a value that is not finite")
    if not (np.isfinite(frame_s) and frame_s > 0):
        raise SedError(f"scores: frame_s is {frame_s}, expected seconds per frame, more than 0")
    _check_clips(filenames, reference)
    truth, merged = _truth(reference)
    scored = [name for name in classes if name in set(truth["event_label"])]
    missing = sorted(set(truth["event_label"]).difference(classes))
    if missing:
        raise SedError(f"scores: no class {missing[0]!r}, of which the reference holds events")

    sed_scores_eval = _quiet_import("sed_scores_eval")
    from sed_scores_eval.base_modules.scores import create_score_dataframe

    columns = [list(classes).index(name) for name in scored]
    times = np.arange(scores.shape[1] + 1) * frame_s
    frames = {name: create_score_dataframe(clip[:, columns], times, scored) for name, clip in zip(filenames, scores)}
    value, per_class, *_ = sed_scores_eval.intersection_based.psds(
        frames, _event_lists(truth, filenames), _durations(filenames, reference, durations),
        dtc_threshold=dtc, gtc_threshold=gtc, cttc_threshold=cttc if alpha_ct else None,
        alpha_ct=alpha_ct, alpha_st=alpha_st, max_efpr=max_efpr,
    )
    return Psds(float(value), {name: float(per_class[name]) for name in scored}, merged=merged)


def assumed_durations(reference: pd.DataFrame) -> dict[str, float]:
    """Length of the reference's clips where none is given: 10 s, or the end of the last event where that is later."""
    last = reference.groupby("filename", sort=False)["offset"].max()
    return last.clip(lower=CLIP_S).fillna(CLIP_S).to_dict()


def _durations(filenames: Sequence[str], reference: pd.DataFrame,
               durations: Mapping[str, float] | None) -> dict[str, float]:
    """Of these clips, no more and no less: their sum is the time in which false alarms are counted."""
    if durations is None:
        durations = assumed_durations(reference)
    missing = [name for name in filenames if name not in durations]
    if missing:
        raise SedError(f"durations: {len(missing)} of the reference's {len(filenames)} clips have none, "
                       f"for example {missing[0]!r}")
    return {name: float(durations[name]) for name in filenames}


def merge_overlaps(table: pd.DataFrame) -> tuple[pd.DataFrame, int]:
    """The events of a table with those of one class that overlap in a clip joined into one, from their first onset to their last offset.

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
    until = table.groupby(of_class)["offset"].cummax().groupby(of_class).shift()  # when all earlier ones of the class have ended
    group = (~(table["onset"] < until)).cumsum()
    merged = table.groupby(group).agg({"filename": "first", "onset": "first", "offset": "max", "event_label": "first"})
    return merged.reset_index(drop=True), len(table) - len(merged)


def _truth(reference: pd.DataFrame) -> tuple[pd.DataFrame, int]:
    truth, merged = merge_overlaps(reference)
    if truth.empty:
        raise SedError("reference: no events, so that there is nothing to find")
    return truth, merged


def _event_lists(truth: pd.DataFrame, filenames: Sequence[str]) -> dict[str, list[tuple[float, float, str]]]:
    """Events per clip as sed_scores_eval wants them: touching events of a class a rounding error apart."""
    touching = (
        (truth["filename"] == truth["filename"].shift())
        & (truth["event_label"] == truth["event_label"].shift())
        & (truth["onset"] == truth["offset"].shift())
    )
    onset = np.where(touching, np.nextafter(truth["onset"], np.inf), truth["onset"])
    lists = {name: [] for name in filenames}
    for name, start, stop, label in truth.assign(onset=onset).itertuples(index=False):
        lists[name].append((start, stop, label))
    return lists


def _check_clips(filenames: Sequence[str], reference: pd.DataFrame) -> None:
    names = set(tables.filenames(reference))
    if len(set(filenames)) < len(filenames):
        raise SedError("scores: filenames holds a clip twice")
    extra, missing = set(filenames) - names, names - set(filenames)
    if extra:
        raise SedError(f"scores: {len(extra)} clips are not in the reference, for example {min(extra)!r}")
    if missing:
        raise SedError(f"scores: {len(missing)} of the reference's {len(names)} clips are missing, "
                       f"for example {min(missing)!r}")


def _check_parameters(dtc: float, gtc: float, cttc: float, alpha_ct: float, alpha_st: float, max_efpr: float) -> None:
    for name, value in {"dtc": dtc, "gtc": gtc, "cttc": cttc, "alpha_ct": alpha_ct}.items():
        if not 0 <= value <= 1:
            raise SedError(f"PSDS: {name} is {value:g}, expected 0 to 1")
    if not 0 <= alpha_st < np.inf:
        raise SedError(f"PSDS: alpha_st is {alpha_st:g}, expected 0 or more")
    if not 0 < max_efpr < np.inf:
        raise SedError(f"PSDS: max_efpr is {max_efpr:g}, expected false alarms per hour, more than 0")


def _area(x: np.ndarray, y: np.ndarray, max_x: float) -> float:
    """Area under a staircase that holds ``y[i]`` from ``x[i]`` on, up to ``max_x``."""
    return float(np.sum(np.diff(np.append(x, np.inf).clip(max=max_x)) * y))


def _quiet_import(name: str):
    """Import one of the two libraries when it is needed (about a second), without its deprecation notes."""
    import importlib

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return importlib.import_module(name)
