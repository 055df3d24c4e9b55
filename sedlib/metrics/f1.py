"""Event-based and segment-based F1, equal to sed_eval's to the last event and several hundred times faster.

Paper section 4; taught in ``notebooks/00_start_here.py``. So fast that the two-state HMM is tuned on it directly.

Event-based: a prediction and a reference event of one clip and class fit when their onsets differ by at most
``onset_collar`` (0.2 s), and their offsets by at most ``offset_collar`` (0.2 s) or ``offset_share`` (0.2) of the
reference's length, whichever is more. Each event may be used once, so hits are the size of a maximum matching.

Segment-based: an event is active in every segment that it touches (onset rounded down, offset up), so one that ends
exactly on a border is not active behind it.

As in sed_eval, overlapping events of a class are several, and an event without length counts; `evaluate` leaves it out
before. The DCASE baselines score the events of a class without predictions 0 and leave its segments out of the mean,
because sed_eval offers the choice for events only.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import pandas as pd

from sedlib.compiled import njit
from sedlib.data import tables
from sedlib.data.tables import CLASSES
from sedlib.errors import SedError


@dataclass(frozen=True, eq=False)
class F1Result:
    """Counts of a system on a set of clips, and the F1 scores that follow from them."""

    counts: np.ndarray  # (clip, class, 3) int: hits, number of predictions, number of references
    filenames: list[str]
    classes: tuple[str, ...] = CLASSES
    unknown_filenames: list[str] = field(default_factory=list)  # with predictions, which count nowhere
    precision_of_none: float = 0.0  # of a class without predictions: 0, or NaN, which leaves it out of the macro F1

    @property
    def macro(self) -> float:
        """Mean of the classes' F1; a class without reference is left out."""
        return float(self.macro_of(self.counts.sum(axis=0)))

    @property
    def micro(self) -> float:
        """F1 of all classes counted together."""
        return float(self.micro_of(self.counts.sum(axis=0)))

    @property
    def per_class(self) -> dict[str, dict[str, float]]:
        """For each class ``f1 precision recall`` (fractions) and ``n_hit n_sys n_ref``."""
        total = self.counts.sum(axis=0)
        names = "f1", "precision", "recall", "n_hit", "n_sys", "n_ref"
        scores = np.transpose(f1_precision_recall(total, self.precision_of_none)).tolist()
        values = ([*of_class, *counts] for of_class, counts in zip(scores, total.tolist(), strict=True))
        return {name: dict(zip(names, row, strict=True)) for name, row in zip(self.classes, values, strict=True)}

    def macro_of(self, counts: np.ndarray) -> np.ndarray:
        """Macro F1 of other counts by the same rule, (..., class, 3) -> (...); NaN where no class has one."""
        return mean_over_classes(f1_precision_recall(counts, self.precision_of_none)[0])

    def micro_of(self, counts: np.ndarray) -> np.ndarray:
        """Micro F1 of other counts by the same rule, (..., class, 3) -> (...)."""
        return f1_precision_recall(np.sum(counts, axis=-2), self.precision_of_none)[0]


def f1_precision_recall(
    counts: np.ndarray, precision_of_none: float = 0.0
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Compute F1, precision and recall of counts as in `F1Result`, (..., 3), by sed_eval's operations in their order.

    Recall and F1 are NaN where the reference has nothing.
    """
    hits, n_sys, n_ref = np.moveaxis(np.asarray(counts, dtype=float), -1, 0)
    with np.errstate(divide="ignore", invalid="ignore"):
        precision = np.where(n_sys == 0, precision_of_none, hits / n_sys)
        recall = hits / n_ref
        f1 = np.where((precision == 0) & (recall == 0), 0.0, 2 * precision * recall / (precision + recall))
    return f1, precision, recall


def mean_over_classes(scores: np.ndarray) -> np.ndarray:
    """Average (..., class) to (...), without classes of NaN; NaN where all are."""
    with np.errstate(invalid="ignore"):
        return np.nansum(scores, axis=-1) / (~np.isnan(scores)).sum(axis=-1)


def event_f1(
    reference: pd.DataFrame,
    predictions: pd.DataFrame,
    classes: tuple[str, ...] = CLASSES,
    onset_collar: float = 0.2,
    offset_collar: float = 0.2,
    offset_share: float = 0.2,
) -> F1Result:
    """Score an event table by event-based F1.

    Parameters
    ----------
    reference, predictions : DataFrame
        Event tables ``filename onset offset event_label``, seconds. A clip without events is a row of NaN.
    classes : tuple of str
        The classes, in the order of the result.
    onset_collar, offset_collar : float
        Seconds.
    offset_share : float
        Share of the reference event's length.

    Returns
    -------
    F1Result
        As with the DCASE baselines, the reference's clips count, also those without events, where every prediction is
        a false alarm. Predictions in other clips count nowhere; ``unknown_filenames`` lists these.

    Raises
    ------
    SedError
        For a label that is not in ``classes``, or when no predicted clip is in the reference.

    Examples
    --------
    >>> dog = {"filename": "a.wav", "onset": 1.0, "offset": 3.0, "event_label": "Dog"}
    >>> reference = pd.DataFrame([dog, {**dog, "event_label": "Cat"}])
    >>> event_f1(reference, pd.DataFrame([{**dog, "onset": 1.1}])).macro
    0.5
    """
    filenames, unknown = match_filenames(reference, predictions)
    ref, sys = (index_events(table, filenames, classes) for table in (reference, predictions))
    hits = hits_by_cell(ref, sys, onset_collar, offset_collar, offset_share)
    counts = np.stack([hits, np.diff(sys.bounds), np.diff(ref.bounds)], axis=-1)
    return F1Result(counts.reshape(-1, len(classes), 3), filenames, tuple(classes), unknown)


def segment_f1(
    reference: pd.DataFrame, predictions: pd.DataFrame, classes: tuple[str, ...] = CLASSES, segment_s: float = 1.0
) -> F1Result:
    """Score an event table by segment-based F1; tables, classes and errors as for `event_f1`.

    Parameters
    ----------
    segment_s : float
        Length of a segment, seconds; sed_eval's ``time_resolution``.

    Returns
    -------
    F1Result
        Its counts are active segments: in both tables, in the predictions, in the reference.
    """
    filenames, unknown = match_filenames(reference, predictions)
    ref, sys = (index_events(table, filenames, classes) for table in (reference, predictions))
    n_segments = 1 + int(max(of.offset.max(initial=0.0) for of in (ref, sys)) / segment_s)
    in_ref, in_sys = (_active(of, segment_s, n_segments) for of in (ref, sys))
    counted = np.intersect1d(in_ref, in_sys, assume_unique=True), in_sys, in_ref
    counts = np.stack([np.bincount(of // n_segments, minlength=len(ref.bounds) - 1) for of in counted], axis=-1)
    return F1Result(counts.reshape(-1, len(classes), 3), filenames, tuple(classes), unknown, precision_of_none=np.nan)


def match_filenames(reference: pd.DataFrame, predictions: pd.DataFrame) -> tuple[list[str], list[str]]:
    """List the reference's clips, and the predicted ones that it lacks; `SedError` if it lacks all of them."""
    known, predicted = tables.filenames(reference), set(predictions["filename"])
    unknown = sorted(predicted.difference(known))
    if unknown and len(unknown) == len(predicted):
        raise SedError(
            f"predictions: none of the {len(predicted)} clips is in the reference (for example {unknown[0]!a} against "
            f"{next(iter(known), 'no clip')!a}); use the same filenames in both"
        )
    return known, unknown


class EventIndex(NamedTuple):
    """Events of a set of clips as arrays, sorted by clip, class and onset.

    The events of clip ``i`` and class ``k`` of ``n`` lie in ``bounds[i * n + k] : bounds[i * n + k + 1]``.
    """

    bounds: np.ndarray  # (clip * class + 1,)
    onset: np.ndarray  # (event,) seconds
    offset: np.ndarray


def index_events(table: pd.DataFrame, filenames: list[str], classes: tuple[str, ...] = CLASSES) -> EventIndex:
    """Turn the events of these clips into arrays; `SedError` for a label that is not in ``classes``."""
    label = pd.Index(classes).get_indexer(table["event_label"])
    empty = table["event_label"].isna().to_numpy()
    wrong = np.flatnonzero((label < 0) & ~empty)
    if len(wrong):
        raise SedError(f"row {wrong[0]}: {tables.unknown_label(table['event_label'].iloc[wrong[0]], classes)}")
    clip = pd.Index(filenames).get_indexer(table["filename"])
    keep = np.flatnonzero((clip >= 0) & ~empty)
    onset = table["onset"].to_numpy(float)[keep]
    cell = clip[keep] * len(classes) + label[keep]
    order = np.lexsort((onset, cell))
    bounds = np.append(0, np.bincount(cell, minlength=len(filenames) * len(classes)).cumsum())
    return EventIndex(bounds, onset[order], table["offset"].to_numpy(float)[keep][order])


@njit(cache=True)
def hits_by_cell(reference, predictions, onset_collar, offset_collar, offset_share):
    """Size of the maximum matching in every cell of two `EventIndex`: a clip and class, or a clip of one class."""
    hits = np.zeros(len(reference.bounds) - 1, np.int64)
    partner = np.full(len(predictions.onset), -1)  # of a prediction: the reference that it is matched with
    tried = np.full(len(predictions.onset), -1)  # of a prediction: the last reference whose search came by
    first = np.zeros(len(reference.onset), np.int64)  # of a reference: the first prediction that is not too early
    for cell in range(len(hits)):
        low, high = predictions.bounds[cell], predictions.bounds[cell + 1]
        for r in range(reference.bounds[cell], reference.bounds[cell + 1]):
            # Onsets ascend on both sides, so a prediction too early for one reference is so for the next ones.
            while low < high and reference.onset[r] - predictions.onset[low] > onset_collar:
                low += 1
            first[r] = low
            collars = onset_collar, offset_collar, offset_share
            hits[cell] += _augment(r, r, high, first, partner, tried, reference, predictions, collars)
    return hits


@njit(cache=True)
def _augment(r, root, high, first, partner, tried, reference, predictions, collars):
    """Kuhn's algorithm: give reference ``r`` a prediction, moving earlier matches along if need be."""
    onset_collar, offset_collar, offset_share = collars
    onset, offset = reference.onset[r], reference.offset[r]
    tolerance = max(offset_collar, offset_share * (offset - onset))
    for s in range(first[r], high):
        if predictions.onset[s] - onset > onset_collar:
            return False
        if tried[s] != root and abs(offset - predictions.offset[s]) <= tolerance:
            tried[s] = root
            before = partner[s]
            if before < 0 or _augment(before, root, high, first, partner, tried, reference, predictions, collars):
                partner[s] = r
                return True
    return False


def _active(events: EventIndex, segment_s: float, n_segments: int) -> np.ndarray:
    """List the active segments of all cells, each once, as cell * ``n_segments`` + segment."""
    first = np.floor(events.onset / segment_s).astype(np.int64)
    n_active = np.ceil(events.offset / segment_s).astype(np.int64) - first
    cell = np.repeat(np.arange(len(events.bounds) - 1), np.diff(events.bounds))
    within = np.arange(n_active.sum()) - np.repeat(n_active.cumsum() - n_active, n_active)
    return np.unique(np.repeat(cell * n_segments + first, n_active) + within)
