"""Event-based F1: a prediction is right when class, onset and offset are.

Paper section 4; taught in ``notebooks/00_start_here.py``. Equal to sed_eval's ``EventBasedMetrics`` (its default
``event_matching_type='optimal'``, ``empty_system_output_handling='zero_score'``) to the last event, several hundred
times faster, so that the two-state HMM can be tuned on it directly. As there, overlapping events of one class are
several, and an event without length (onset = offset) counts; scores of systems leave it out before (`with_length`).

A prediction and a reference event of the same clip and class fit when

- their onsets differ by at most ``onset_collar`` (0.2 s), and
- their offsets differ by at most ``offset_collar`` (0.2 s) or ``offset_share`` (0.2) of the reference's length,
  whichever is more.

Each event may be used once, so the hits of a clip and class are the size of a maximum matching between the two lists.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from sedlib.compiled import njit
from sedlib.data import tables
from sedlib.data.tables import CLASSES
from sedlib.errors import SedError
from sedlib.metrics.counts import F1Result


class EventIndex(NamedTuple):
    """Events of a set of clips as arrays, sorted by clip, class and onset.

    The events of clip ``i`` and class ``k`` of ``n`` lie in ``bounds[i * n + k] : bounds[i * n + k + 1]``.
    """

    bounds: np.ndarray  # (clip * class + 1,)
    onset: np.ndarray  # (event,) seconds
    offset: np.ndarray


def event_f1(
    reference: pd.DataFrame,
    predictions: pd.DataFrame,
    filenames: Sequence[str] | None = None,
    classes: tuple[str, ...] = CLASSES,
    onset_collar: float = 0.2,
    offset_collar: float = 0.2,
    offset_share: float = 0.2,
) -> F1Result:
    """Event-based F1 of an event table.

    Parameters
    ----------
    reference, predictions : DataFrame
        Event tables ``filename onset offset event_label``, seconds. A clip without events is a row of NaN.
    filenames : sequence of str, optional
        The clips that count. Default: those of the reference, among them the ones without events, where every
        prediction is a false alarm. This is what the DCASE baselines do. A listed clip that the reference lacks has no
        events.
    classes : tuple of str
        The classes, in the order of the result.
    onset_collar, offset_collar : float
        Seconds.
    offset_share : float
        Share of the reference event's length.

    Returns
    -------
    F1Result
        Predictions in clips that neither the reference nor ``filenames`` knows count nowhere, as with the DCASE
        baselines; ``unknown_filenames`` lists these clips.

    Raises
    ------
    SedError
        For a label that is not in ``classes``, or when no predicted clip is known at all.
    """
    filenames, unknown = match_filenames(reference, predictions, filenames)
    ref, sys = (index_events(table, filenames, classes) for table in (reference, predictions))
    hits = hits_by_cell(ref, sys, onset_collar, offset_collar, offset_share)
    counts = np.stack([hits, np.diff(sys.bounds), np.diff(ref.bounds)], axis=-1)
    return F1Result(counts.reshape(-1, len(classes), 3), filenames, tuple(classes), unknown)


def match_filenames(
    reference: pd.DataFrame, predictions: pd.DataFrame, filenames: Sequence[str] | None = None
) -> tuple[list[str], list[str]]:
    """The clips that count, and the predicted clips that are unknown; the rule is `event_f1`'s."""
    listed = tables.filenames(reference) if filenames is None else list(dict.fromkeys(filenames))
    predicted = set(predictions["filename"])
    unknown = sorted(predicted.difference(listed, reference["filename"]))
    if unknown and len(unknown) == len(predicted):
        raise SedError(
            f"predictions: none of the {len(predicted)} clips is in the reference (for example {unknown[0]!a} against "
            f"{next(iter(listed), 'no clip')!a}); write the filenames alike in both"
        )
    return listed, unknown


def index_events(table: pd.DataFrame, filenames: Sequence[str], classes: tuple[str, ...] = CLASSES) -> EventIndex:
    """Event table to arrays; events of other clips are left out.

    Parameters
    ----------
    table : DataFrame
        Event table; rows of NaN (clips without events) are skipped.
    filenames : sequence of str
        The clips, each once, in the order of the result.
    classes : tuple of str

    Raises
    ------
    SedError
        For a label that is not in ``classes``.
    """
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
    first = np.zeros(
        len(reference.onset), np.int64
    )  # of a reference: the first prediction whose onset is not too early
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
