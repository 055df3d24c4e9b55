"""Segment-based F1: the clip is cut into segments, and each asks which classes are active in it.

Taught in ``notebooks/00_start_here.py``. Equal to sed_eval's ``SegmentBasedMetrics`` to the last segment: an event is
active in every segment that it touches (onset rounded down, offset up), so one that ends exactly on a border is
not active behind it, and one without length counts unless it lies on a border.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from sedlib.compiled import njit
from sedlib.data.tables import CLASSES
from sedlib.metrics.counts import F1Result
from sedlib.metrics.events import EventIndex, index_events, match_filenames


def segment_f1(
    reference: pd.DataFrame,
    predictions: pd.DataFrame,
    filenames: Sequence[str] | None = None,
    classes: tuple[str, ...] = CLASSES,
    segment_s: float = 1.0,
) -> F1Result:
    """Segment-based F1 of an event table.

    Parameters
    ----------
    reference, predictions, filenames, classes
        As for `sedlib.metrics.event_f1`.
    segment_s : float
        Length of a segment, seconds; sed_eval's ``time_resolution``.

    Returns
    -------
    F1Result
        Its counts are active segments: in both tables, in the predictions, in the reference. As in sed_eval, a class
        without predictions has no F1 and is left out of the macro F1.

    Raises
    ------
    SedError
        As `sedlib.metrics.event_f1`.
    """
    filenames, unknown = match_filenames(reference, predictions, filenames)
    ref, sys = (index_events(table, filenames, classes) for table in (reference, predictions))
    counts = _overlap(ref.bounds, *_segments(ref, segment_s), sys.bounds, *_segments(sys, segment_s))
    return F1Result(counts.reshape(-1, len(classes), 3), filenames, tuple(classes), unknown, precision_of_none=np.nan)


def _segments(events: EventIndex, segment_s: float) -> tuple[np.ndarray, np.ndarray]:
    """First and past-the-last segment of each event."""
    return np.floor(events.onset / segment_s).astype(np.int64), np.ceil(events.offset / segment_s).astype(np.int64)


@njit(cache=True)
def _overlap(ref_bounds, ref_start, ref_stop, sys_bounds, sys_start, sys_stop):
    counts = np.zeros((len(ref_bounds) - 1, 3), np.int64)
    length = max(ref_stop.max() if len(ref_stop) else 0, sys_stop.max() if len(sys_stop) else 0)
    in_reference = np.zeros(length, np.bool_)
    for cell in range(len(counts)):
        in_reference[:] = False
        for r in range(ref_bounds[cell], ref_bounds[cell + 1]):
            in_reference[ref_start[r] : ref_stop[r]] = True
        counts[cell, 2] = in_reference.sum()
        counted = 0  # predictions come by onset: what lies before this segment was counted
        for s in range(sys_bounds[cell], sys_bounds[cell + 1]):
            for segment in range(max(counted, sys_start[s]), sys_stop[s]):
                counts[cell, 0] += in_reference[segment]
                counts[cell, 1] += 1
            counted = max(counted, sys_stop[s])
    return counts
