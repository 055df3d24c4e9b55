"""Scores of event tables and posteriors: event and segment F1, PSDS, and how certain they are."""

from sedlib.metrics.bootstrap import Interval, confidence, interval, over_trainings, paired_difference, psds_over_trainings
from sedlib.metrics.clips import Missing, missing_text, on_clips, with_length
from sedlib.metrics.counts import F1Result
from sedlib.metrics.evaluate import evaluate, report
from sedlib.metrics.events import EventIndex, count_events, event_f1, index_events, index_frames
from sedlib.metrics.psds import Psds, PsdsCounts, merge_overlaps, psd_roc, psds_counts, psds_from_operating_points, psds_from_scores
from sedlib.metrics.segments import count_segments, segment_f1

__all__ = [
    "EventIndex",
    "F1Result",
    "Interval",
    "Missing",
    "Psds",
    "PsdsCounts",
    "confidence",
    "count_events",
    "count_segments",
    "evaluate",
    "event_f1",
    "index_events",
    "index_frames",
    "interval",
    "merge_overlaps",
    "missing_text",
    "on_clips",
    "over_trainings",
    "paired_difference",
    "psd_roc",
    "psds_counts",
    "psds_from_operating_points",
    "psds_from_scores",
    "psds_over_trainings",
    "report",
    "segment_f1",
    "with_length",
]
