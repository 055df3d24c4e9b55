import numpy as np
import pytest
from sed_eval_oracle import CLASSES, assert_same_scores, counts_then_reset, feed, segment_metrics, table

from sedlib.data import tables
from sedlib.metrics import segment_f1


def test_counts_equal_sed_eval_clip_by_clip(random_tables):
    result = segment_f1(*random_tables, classes=CLASSES)
    expected = feed(segment_metrics(), *random_tables, result.filenames, counts_then_reset)
    np.testing.assert_array_equal(result.counts, expected)
    assert result.counts[:, :, 0].sum() > 50


@pytest.mark.parametrize("change", ["nothing", "no predictions", "few clips", "a class never predicted"])
def test_scores_equal_sed_eval(random_tables, change):
    reference, predictions = (t[t["filename"].isin([f"{i}.wav" for i in range(80)])] for t in random_tables)
    if change == "no predictions":
        predictions = predictions[:0]
    if change == "few clips":
        reference = reference[reference["filename"].isin([f"{i}.wav" for i in range(20)])]
    if change == "a class never predicted":
        predictions = predictions[predictions["event_label"] != CLASSES[0]]
    result, metrics = segment_f1(reference, predictions, classes=CLASSES), segment_metrics()
    feed(metrics, reference, predictions, result.filenames)
    assert_same_scores(result, metrics)


@pytest.mark.parametrize(
    ("onset", "offset", "active"),
    [(0.0, 1.0, 1), (0.9, 1.1, 2), (1.0, 2.0, 1), (1.0, 1.0, 0), (1.5, 1.5, 1), (0.0, 2.001, 3)],
)
def test_an_event_is_active_in_every_segment_that_it_touches(onset, offset, active):
    reference = table([("a", onset, offset, "Cat")])
    result = segment_f1(reference, reference[:0])
    assert result.per_class["Cat"]["n_ref"] == active


def test_overlapping_events_count_once():
    reference = table([("a", 0, 3, "Cat"), ("a", 2, 4, "Cat")])
    predictions = table([("a", 1, 6, "Cat"), ("a", 2, 3, "Cat"), ("a", 5, 7, "Cat")])
    assert segment_f1(reference, predictions).counts[0, tables.CLASSES.index("Cat")].tolist() == [3, 6, 4]


def test_segment_length_is_a_parameter():
    reference, predictions = table([("a", 0, 1, "Cat")]), table([("a", 0.5, 1, "Cat")])
    assert segment_f1(reference, predictions, segment_s=0.5).per_class["Cat"]["recall"] == 0.5
