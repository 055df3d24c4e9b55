"""Scores of event tables and posteriors: event and segment F1, PSDS, and their confidence intervals."""

from sedlib.metrics.bootstrap import Interval, confidence, interval, paired_difference
from sedlib.metrics.clips import Missing, missing_text, on_clips, with_length
from sedlib.metrics.evaluation import evaluate, report
from sedlib.metrics.f1 import F1Result, event_f1, segment_f1
from sedlib.metrics.psds import Psds, merge_overlaps, psds_from_operating_points
