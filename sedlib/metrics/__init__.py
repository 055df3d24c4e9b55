"""Scores of event tables and posteriors: event and segment F1, PSDS, and their confidence intervals."""

from sedlib.metrics.bootstrap import (
    Interval,
    confidence,
    interval,
    over_trainings,
    paired_difference,
    psds_over_trainings,
)
from sedlib.metrics.clips import Missing, missing_text, on_clips, with_length
from sedlib.metrics.counts import F1Result
from sedlib.metrics.evaluation import evaluate, report
from sedlib.metrics.events import event_f1
from sedlib.metrics.psds import Psds, PsdsCounts, merge_overlaps, psd_roc, psds_counts, psds_from_operating_points
from sedlib.metrics.segments import segment_f1
