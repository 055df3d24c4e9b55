"""Event-based and segment-based F1 beside sed_eval, in one process, taking turns.

Uses a real system's outputs on the real DESED development set where ../shared/desed is present, and random tables of
that size otherwise. sed_eval gets its clips grouped once (grouping included in its time). Ours is timed three ways:
from the two DataFrames to macro F1, from indexed arrays to counts, and from frame decisions to counts; the last is what
tuning repeats.
"""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pandas as pd

from bench import take_turns
from sedlib.data import tables
from sedlib.data.encoder import strong_labels
from sedlib.decode import Posteriors, frames_to_events
from sedlib.metrics import event_f1, segment_f1
from sedlib.metrics.f1 import hits_by_cell, index_events

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import sed_eval

REAL = Path(__file__).parents[2] / "shared" / "desed" / "baseline2021"
FRAME_S = 0.064


def random_tables(n_clips: int = 1168, n_events: int = 4224) -> tuple[pd.DataFrame, pd.DataFrame]:
    """A reference, and predictions of which about half are near it."""
    rng = np.random.default_rng(0)
    clip = np.append(np.arange(n_clips), rng.integers(0, n_clips, n_events - n_clips))
    onset = rng.uniform(0, 9, n_events)
    reference = pd.DataFrame(
        {
            "filename": rng.permutation(clip).astype(str),
            "onset": onset,
            "offset": np.minimum(onset + rng.exponential(2, n_events), 10),
            "event_label": rng.choice(tables.CLASSES, n_events),
        }
    )
    predictions = reference[rng.random(n_events) < 0.8].copy()
    predictions["onset"] = (predictions["onset"] + rng.normal(0, 0.2, len(predictions))).clip(0, 9.9)
    offset = predictions["offset"] + rng.normal(0, 0.3, len(predictions))
    predictions["offset"] = offset.clip(predictions["onset"], 10)
    return reference, predictions


def event_metrics() -> sed_eval.sound_event.EventBasedMetrics:
    options = {"t_collar": 0.2, "percentage_of_length": 0.2, "empty_system_output_handling": "zero_score"}
    return sed_eval.sound_event.EventBasedMetrics(list(tables.CLASSES), **options)


def sed_eval_f1(metrics, reference: pd.DataFrame, predictions: pd.DataFrame, filenames: list[str]) -> float:
    """Macro F1, clips grouped once."""
    clips = [
        {name: rows.to_dict("records") for name, rows in tables.events(t).groupby("filename")}
        for t in (reference, predictions)
    ]
    for name in filenames:
        metrics.evaluate(*(rows.get(name, []) for rows in clips))
    return metrics.results_class_wise_average_metrics()["f_measure"]["f_measure"]


def main(rounds: int = 5) -> None:
    """Print the comparison."""
    reference, predictions = random_tables()
    if REAL.is_dir():
        files = REAL / "validation.tsv", REAL / "teacher" / "predictions_at_0.5.tsv"
        reference, predictions = map(tables.read_events, files)
    names = event_f1(reference, predictions).filenames
    counts = [len(tables.events(table)) for table in (reference, predictions)]
    kind = "real" if REAL.is_dir() else "random"
    print(f"{kind} data: {len(names)} clips, {counts[0]} reference and {counts[1]} predicted events")
    indexed = [index_events(table, names) for table in (reference, predictions)]
    active = strong_labels(predictions, names, 157, FRAME_S) > 0
    decisions = Posteriors(active, names, tables.CLASSES, FRAME_S)

    def peer_events() -> float:
        return sed_eval_f1(event_metrics(), reference, predictions, names)

    def peer_segments() -> float:
        metrics = sed_eval.sound_event.SegmentBasedMetrics(list(tables.CLASSES), time_resolution=1.0)
        return sed_eval_f1(metrics, reference, predictions, names)

    def events() -> float:
        return event_f1(reference, predictions).macro

    def segments() -> float:
        return segment_f1(reference, predictions).macro

    print(f"event-based macro F1: sed_eval {peer_events()!r}, sedlib {events()!r}")
    ways = {
        "sed_eval, from DataFrames": peer_events,
        "sedlib, from DataFrames": events,
        "sedlib, from indexed arrays": lambda: hits_by_cell(*indexed, 0.2, 0.2, 0.2),
        "sedlib, from frame decisions": lambda: event_f1(reference, frames_to_events(active, decisions)).macro,
    }
    take_turns(ways, rounds)
    print(f"segment-based macro F1: sed_eval {peer_segments()!r}, sedlib {segments()!r}")
    take_turns({"sed_eval, from DataFrames": peer_segments, "sedlib, from DataFrames": segments}, rounds)
