import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.sparse import csr_array
from scipy.sparse.csgraph import maximum_bipartite_matching
from sed_eval_oracle import CLASSES, assert_same_scores, counts_then_reset, event_metrics, feed, table

from sedlib.data import tables
from sedlib.errors import SedError
from sedlib.metrics import event_f1
from sedlib.metrics.f1 import EventIndex, hits_by_cell


def test_counts_equal_sed_eval_clip_by_clip(random_tables):
    result = event_f1(*random_tables, classes=CLASSES)
    expected = feed(event_metrics(), *random_tables, result.filenames, counts_then_reset)
    np.testing.assert_array_equal(result.counts, expected)
    assert result.counts[:, :, 0].sum() > 100


@pytest.mark.parametrize(
    "change", ["nothing", "no predictions", "few clips", "a class never predicted", "no references"]
)
def test_scores_equal_sed_eval(random_tables, change):
    reference, predictions = (t[t["filename"].isin([f"{i}.wav" for i in range(80)])] for t in random_tables)
    if change == "no predictions":
        predictions = predictions[:0]
    if change == "few clips":
        reference = reference[reference["filename"].isin([f"{i}.wav" for i in range(20)])]
    if change == "a class never predicted":
        predictions = predictions[predictions["event_label"] != CLASSES[0]]
    if change == "no references":
        reference = reference.assign(event_label=np.nan, onset=np.nan, offset=np.nan)
    result, metrics = event_f1(reference, predictions, classes=CLASSES), event_metrics()
    filenames = tables.filenames(reference)
    feed(metrics, reference, predictions, filenames)
    assert result.filenames == filenames
    assert sorted(result.unknown_filenames) == sorted(set(predictions["filename"]) - set(filenames))
    assert_same_scores(result, metrics)


@given(st.integers(0, 2**32 - 1), st.integers(1, 120), st.integers(1, 120))
def test_hits_are_a_maximum_matching(seed, n_ref, n_sys):
    rng = np.random.default_rng(seed)
    reference, predictions = (
        _one_cell(rng.integers(0, 40, n) / 10, rng.integers(0, 20, n) / 10) for n in (n_ref, n_sys)
    )
    fits = np.abs(reference.onset[:, None] - predictions.onset) <= 0.2
    tolerance = np.maximum(0.2, 0.2 * (reference.offset - reference.onset))
    fits &= np.abs(reference.offset[:, None] - predictions.offset) <= tolerance[:, None]
    matching = maximum_bipartite_matching(csr_array(fits))
    assert hits_by_cell(reference, predictions, 0.2, 0.2, 0.2).tolist() == [(matching >= 0).sum()]


def _one_cell(onset, length):
    order = np.argsort(onset, kind="stable")
    return EventIndex(np.array([0, len(onset)]), onset[order], (onset + length)[order])


def test_an_earlier_match_moves_for_a_later_reference():
    # The first reference fits both predictions, the second only the earlier one.
    reference = table([("a", 1.0, 2.0, "Cat"), ("a", 1.1, 1.6, "Cat")])
    predictions = table([("a", 1.05, 1.8, "Cat"), ("a", 1.1, 2.1, "Cat")])
    assert event_f1(reference, predictions).macro == 1


@pytest.mark.parametrize(
    ("onset", "offset", "hit"),
    [
        (1.2, 3.0, 1),
        (1.25, 3.0, 0),
        (0.8, 3.0, 1),
        (0.75, 3.0, 0),  # onset: 0.2 s either way
        (1.0, 3.4, 1),
        (1.0, 3.45, 0),
        (1.0, 2.6, 1),
        (1.0, 2.55, 0),  # offset: 20 % of the reference's 2 s
    ],
)
def test_collars(onset, offset, hit):
    result = event_f1(table([("a", 1.0, 3.0, "Dog")]), table([("a", onset, offset, "Dog")]))
    assert result.per_class["Dog"]["n_hit"] == hit


def test_collars_are_parameters():
    reference, predictions = table([("a", 1.0, 3.0, "Dog")]), table([("a", 1.4, 3.7, "Dog")])
    assert event_f1(reference, predictions, onset_collar=0.5, offset_collar=0.75).macro == 1
    assert event_f1(reference, predictions, onset_collar=0.5, offset_share=0.4).macro == 1
    assert event_f1(reference, predictions, offset_collar=0.75, offset_share=0.4).macro == 0


def test_only_the_references_clips_count():
    predictions = table([("a", 1, 2, "Dog"), ("c", 1, 2, "Dog")])
    result = event_f1(table([("a", 1, 2, "Dog")]), predictions)
    assert (result.macro, result.filenames, result.unknown_filenames) == (1, ["a"], ["c"])


def test_false_alarms_in_clips_without_events_count():
    reference = table([("a", 1, 2, "Dog"), ("b", np.nan, np.nan, np.nan)])
    result = event_f1(reference, table([("a", 1, 2, "Dog"), ("b", 1, 2, "Dog")]))
    assert result.per_class["Dog"]["precision"] == 0.5


def test_no_known_clip_is_an_error():
    with pytest.raises(SedError, match=r"none of the 1 clips.*'a.flac' against 'a.wav'"):
        event_f1(table([("a.wav", 1, 2, "Dog")]), table([("a.flac", 1, 2, "Dog")]))


def test_unknown_label_is_an_error():
    with pytest.raises(SedError, match="row 1: label 'Dogs' is not one of .*'Dog'"):
        event_f1(table([("a", 1, 2, "Dog")]), table([("a", 1, 2, "Dog"), ("a", 1, 2, "Dogs")]))
