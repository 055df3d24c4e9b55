"""Event-based F1: a prediction is right when class, onset and offset are.

Paper section 4; taught in ``notebooks/00_start_here.py``. Equal to sed_eval's ``EventBasedMetrics`` (its default
``event_matching_type='optimal'``, ``empty_system_output_handling='zero_score'``) to the last event, several hundred
times faster, so that the two-state HMM can be tuned on it directly. Tables are taken as they are, as sed_eval does:
overlapping events of one class are several. An event without length (onset = offset) counts here, as there; scores of
systems (`sedlib.metrics.evaluate`, tuning, the ledger) leave it out before, see `sedlib.metrics.clips.with_length`.

A prediction and a reference event of the same clip and class fit when

- their onsets differ by at most ``onset_collar`` (0.2 s), and
- their offsets differ by at most ``offset_collar`` (0.2 s) or ``offset_share`` (0.2) of the reference's length,
  whichever is more.

Each event may be used once, so the hits of a clip and class are the size of a maximum matching between the two lists.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from sedlib.compiled import njit
from sedlib.data import tables
from sedlib.data.tables import CLASSES
from sedlib.errors import SedError
from sedlib.metrics.clips import shown
from sedlib.metrics.counts import F1Result


@dataclass(frozen=True, eq=False)
class EventIndex:
    """Events of a set of clips as arrays, sorted by clip, class and onset.

    Attributes
    ----------
    bounds : (clip * class + 1,) int array
        The events of clip ``i`` and class ``k`` lie in ``bounds[i * n_classes + k] : bounds[i * n_classes + k + 1]``.
    onset, offset : (event,) float arrays
        Seconds.
    n_classes : int
    """

    bounds: np.ndarray
    onset: np.ndarray
    offset: np.ndarray
    n_classes: int


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
    counts = count_events(index_events(reference, filenames, classes), index_events(predictions, filenames, classes),
                          onset_collar, offset_collar, offset_share)
    return F1Result(counts, filenames, tuple(classes), unknown)


def match_filenames(reference: pd.DataFrame, predictions: pd.DataFrame,
                    filenames: Sequence[str] | None = None) -> tuple[list[str], list[str]]:
    """The clips that count, and the predicted clips that are unknown; the rule is `event_f1`'s."""
    listed = tables.filenames(reference) if filenames is None else list(dict.fromkeys(filenames))
    predicted = set(predictions["filename"])
    unknown = sorted(predicted.difference(listed, reference["filename"]))
    if unknown and len(unknown) == len(predicted):
        raise SedError(f"predictions: none of the {len(predicted)} clips is in the reference (for example "
                       f"{shown(unknown[0])} against {shown(next(iter(listed), 'no clip'))}); write the filenames alike in both")
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

    Returns
    -------
    EventIndex

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
    return EventIndex(bounds, onset[order], table["offset"].to_numpy(float)[keep][order], len(classes))


def index_frames(active: np.ndarray, frame_s: float) -> EventIndex:
    """Frame decisions to arrays: each run of active frames is an event.

    Parameters
    ----------
    active : (clip, frame, class) bool array
    frame_s : float
        Seconds per frame; frame ``t`` lasts from ``t * frame_s`` to ``(t + 1) * frame_s``.

    Returns
    -------
    EventIndex
    """
    n_clips, n_frames, n_classes = active.shape
    edges = np.empty((n_clips, n_frames + 1, n_classes), bool)
    edges[:, 0], edges[:, -1] = active[:, 0], active[:, -1]
    np.not_equal(active[:, 1:], active[:, :-1], out=edges[:, 1:-1])
    clip, frame, k = np.unravel_index(np.flatnonzero(edges), edges.shape)
    cell = clip * n_classes + k
    order = np.argsort(cell, kind="stable")
    times = frame[order] * frame_s  # in each cell starts and stops alternate
    bounds = np.append(0, np.bincount(cell[order][::2], minlength=n_clips * n_classes).cumsum())
    return EventIndex(bounds, times[::2].copy(), times[1::2].copy(), n_classes)


def count_events(reference: EventIndex, predictions: EventIndex, onset_collar: float = 0.2,
                 offset_collar: float = 0.2, offset_share: float = 0.2) -> np.ndarray:
    """Hits, predictions and references per clip and class.

    Parameters
    ----------
    reference, predictions : EventIndex
        Of the same clips and classes.
    onset_collar, offset_collar, offset_share : float
        As for `event_f1`.

    Returns
    -------
    (clip, class, 3) int array
    """
    assert reference.bounds.shape == predictions.bounds.shape and reference.n_classes == predictions.n_classes
    hits = hits_by_cell(reference.bounds, reference.onset, reference.offset,
                 predictions.bounds, predictions.onset, predictions.offset, onset_collar, offset_collar, offset_share)
    counts = np.stack([hits, np.diff(predictions.bounds), np.diff(reference.bounds)], axis=-1)
    return counts.reshape(-1, reference.n_classes, 3)


@njit(cache=True)
def hits_by_cell(ref_bounds, ref_onset, ref_offset, sys_bounds, sys_onset, sys_offset,
          onset_collar, offset_collar, offset_share):
    """Size of the maximum matching in every cell: a clip and class, or a clip of one class."""
    hits = np.zeros(len(ref_bounds) - 1, np.int64)
    partner = np.full(len(sys_onset), -1)  # of a prediction: the reference that it is matched with
    tried = np.full(len(sys_onset), -1)  # of a prediction: the last reference whose search came by
    first = np.zeros(len(ref_onset), np.int64)  # of a reference: the first prediction whose onset is not too early
    for cell in range(len(hits)):
        low, high = sys_bounds[cell], sys_bounds[cell + 1]
        for r in range(ref_bounds[cell], ref_bounds[cell + 1]):
            # Onsets ascend on both sides, so a prediction too early for one reference is so for the next ones.
            while low < high and ref_onset[r] - sys_onset[low] > onset_collar:
                low += 1
            first[r] = low
            hits[cell] += _augment(r, r, high, first, partner, tried, ref_onset, ref_offset, sys_onset, sys_offset,
                                   onset_collar, offset_collar, offset_share)
    return hits


@njit(cache=True)
def _augment(r, root, high, first, partner, tried, ref_onset, ref_offset, sys_onset, sys_offset,
             onset_collar, offset_collar, offset_share):
    """Kuhn's algorithm: give reference ``r`` a prediction, moving earlier matches along if need be."""
    tolerance = max(offset_collar, offset_share * (ref_offset[r] - ref_onset[r]))
    for s in range(first[r], high):
        if sys_onset[s] - ref_onset[r] > onset_collar:
            return False
        if tried[s] != root and abs(ref_offset[r] - sys_offset[s]) <= tolerance:
            tried[s] = root
            if partner[s] < 0 or _augment(partner[s], root, high, first, partner, tried, ref_onset, ref_offset,
                                          sys_onset, sys_offset, onset_collar, offset_collar, offset_share):
                partner[s] = r
                return True
    return False
