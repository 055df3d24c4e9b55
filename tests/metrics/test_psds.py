import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from psds_oracle import by_psds_eval, psds_at_every_threshold
from scipy.ndimage import median_filter
from sed_eval_oracle import table

from reproduction.intervals import psds_over_trainings
from sedlib.config import Decoding
from sedlib.data import tables
from sedlib.decode import Posteriors, filter_frames, frames_to_events, operating_points
from sedlib.errors import SedError
from sedlib.metrics import merge_overlaps, psds_from_operating_points
from sedlib.metrics.psds import assumed_durations, psds_counts

HOUR = {"a": 3600.0}
REFERENCE = table([("a", 10, 20, "Dog"), ("a", 30, 40, "Dog")])
# The sure threshold finds one of two events; the unsure one both, with 50 false alarms in an hour.
SURE = table([("a", 10, 20, "Dog")])
UNSURE = table([("a", 10, 20, "Dog"), ("a", 30, 40, "Dog")] + [("a", t, t + 1, "Dog") for t in range(100, 200, 2)])


@pytest.mark.parametrize(
    ("points", "seconds", "max_efpr", "value"),
    [
        ([SURE], 3600, 100, 0.5),
        ([SURE, UNSURE], 3600, 100, (0.5 * 50 + 1 * 50) / 100),
        ([SURE, UNSURE], 3600, 200, (0.5 * 50 + 1 * 150) / 200),
        ([SURE, UNSURE], 1800, 100, 0.5),  # the false alarms are 100 an hour
    ],
)
def test_by_hand_from_operating_points(points, seconds, max_efpr, value):
    result = psds_from_operating_points(REFERENCE, points, {"a": seconds}, max_efpr=max_efpr)
    assert result.value == pytest.approx(value)


def test_instability_across_classes_costs():
    # Dog is always found and Cat never: mean 0.5, deviation 0.5.
    reference = table([("a", 10, 20, "Dog"), ("a", 30, 40, "Cat")])
    for alpha_st, value in ((0, 0.5), (0.5, 0.25), (1, 0), (2, 0)):
        assert psds_from_operating_points(reference, [SURE], HOUR, alpha_st=alpha_st).value == pytest.approx(value)


def test_other_classes_than_desed_s_are_scored_too():
    reference, found = (of.replace({"Dog": "Siren"}) for of in (REFERENCE, SURE))
    assert psds_from_operating_points(reference, [found], HOUR).per_class == {"Siren": pytest.approx(0.5)}


def test_costs_come_without_warnings_of_the_package(recwarn):
    reference = table([("a", 10, 20, "Dog"), ("a", 30, 40, "Cat")])
    psds_from_operating_points(reference, [SURE, SURE], HOUR, alpha_ct=1, alpha_st=1)
    assert not recwarn


def test_cross_triggers_cost():
    # One false alarm of Dog in an hour, which lies in Cat's 36 s: 1 + alpha_ct * 3600 / 36 errors an hour.
    reference = table([("a", 10, 20, "Dog"), ("a", 100, 136, "Cat")])
    found = table([("a", 10, 20, "Dog"), ("a", 100, 136, "Cat"), ("a", 110, 112, "Dog")])
    for alpha_ct, dog in ((0, 0.99), (0.5, 0.49), (1, 0)):
        result = psds_from_operating_points(reference, [found], HOUR, alpha_ct=alpha_ct)
        assert result.per_class == pytest.approx({"Cat": 1, "Dog": dog}, abs=1e-9)
        assert result.value == pytest.approx((1 + dog) / 2)


@pytest.mark.parametrize(
    ("criteria", "value"), [({"dtc": 0.4}, 1), ({"dtc": 0.6}, 0), ({"gtc": 0.6}, 0), ({"dtc": 0.4, "gtc": 0.6}, 0)]
)
def test_tolerance_criteria(criteria, value):
    # Half of the prediction lies in the event, and half of the event in the prediction.
    reference, found = table([("a", 10, 20, "Dog")]), table([("a", 15, 25, "Dog")])
    assert psds_from_operating_points(reference, [found], HOUR, **criteria).value == value


@pytest.mark.parametrize(
    "parameters",
    [{}, {"dtc": 0.75, "gtc": 0.25}, {"alpha_st": 1}, {"max_efpr": 40}, {"alpha_ct": 0.5, "max_efpr": 3000}],
)
def test_sed_scores_eval_agrees_when_every_threshold_is_an_operating_point(parameters):
    rng = np.random.default_rng(0)
    names, classes = [f"{i}.wav" for i in range(12)], ("Cat", "Dog", "Speech")
    # Frames of 0.5 s and binary fractions throughout, so that criteria are met exactly or not at all.
    scores = rng.integers(0, 8, (12, 16, 3)) / 8
    rows = [
        (name, onset, onset + length, label)
        for name in names
        for label in classes
        for onset, length in zip((0.5, 3.5), rng.integers(1, 5, 2) / 2)
        if rng.random() < 0.5
    ]
    reference = table(rows + [(name, np.nan, np.nan, np.nan) for name in names])
    points = [_events(scores >= threshold, names, classes) for threshold in np.unique(scores)]
    durations = dict.fromkeys(names, 600.0)
    few = psds_from_operating_points(reference, points, durations, **parameters)
    value, per_class = psds_at_every_threshold(reference, scores, names, 0.5, durations, classes, **parameters)
    assert few.value == pytest.approx(value)
    assert few.per_class == pytest.approx(per_class)
    assert 0 < few.value < 1
    if "alpha_st" not in parameters:
        assert few.value == pytest.approx(np.mean(list(few.per_class.values())))


def _events(active, names, classes):
    rows = []
    for clip, frame, k in np.argwhere(active):
        if not frame or not active[clip, frame - 1, k]:
            length = np.argmin(np.append(active[clip, frame:, k], False))
            rows.append((names[clip], frame / 2, (frame + length) / 2, classes[k]))
    return table(rows)


def test_thresholds_without_predictions_and_alike_ones_change_nothing():
    value = psds_from_operating_points(REFERENCE, [SURE, UNSURE], HOUR).value
    assert psds_from_operating_points(REFERENCE, [REFERENCE[:0], SURE, SURE, UNSURE], HOUR).value == value
    assert psds_from_operating_points(REFERENCE, [REFERENCE[:0]], HOUR).value == 0


def test_touching_events_of_a_class_are_two_events():
    reference = table([("a", 10, 20, "Dog"), ("a", 20, 30, "Dog")])
    assert psds_from_operating_points(reference, [SURE], HOUR).value == pytest.approx(0.5)


def pieces(rows):
    """Sets of events of one class that share a millisecond with one another, directly or by others, in plain Python."""
    left, found = (
        [(clip, label, set(range(round(1000 * on), round(1000 * off)))) for clip, on, off, label in rows if off > on],
        [],
    )
    while left:
        clip, label, covered = left.pop()
        while near := [one for one in left if one[:2] == (clip, label) and one[2] & covered]:
            left = [one for one in left if one not in near]
            covered = covered.union(*(one[2] for one in near))
        found.append((clip, min(covered) / 1000, (max(covered) + 1) / 1000, label))
    return sorted(found)


times = st.integers(0, 30).map(lambda ms: ms / 1000)
events_of = st.lists(st.tuples(st.sampled_from("ab"), times, times, st.sampled_from(["Cat", "Dog"])), max_size=12)


@given(events_of)
def test_overlapping_events_of_a_class_are_merged_into_their_union(rows):
    rows = [(clip, *sorted(ends), label) for clip, *ends, label in rows]
    merged, count = merge_overlaps(table([*rows, ("c", np.nan, np.nan, np.nan)]))
    expected = pieces(rows)
    assert (
        sorted(merged.itertuples(index=False, name=None)) == [pytest.approx(event) for event in expected]
        if expected
        else merged.empty
    )
    assert count == sum(off > on for _, on, off, _ in rows) - len(expected)
    again, none = merge_overlaps(merged)
    pd.testing.assert_frame_equal(again, merged)
    assert none == 0


OVERLAPPING = table([("a", 10, 16, "Dog"), ("a", 14, 20, "Dog"), ("a", 30, 40, "Dog"), ("a", 32, 34, "Dog")])


def test_references_and_predictions_that_overlap_score_as_if_they_were_merged():
    twice = table([("a", 10, 15, "Dog"), ("a", 12, 20, "Dog")])
    for points in ([SURE], [SURE, UNSURE], [twice, UNSURE]):
        result, expected = (psds_from_operating_points(of, points, HOUR) for of in (OVERLAPPING, REFERENCE))
        assert (result.value, result.per_class) == (expected.value, expected.per_class)
        assert (result.merged, result.merged_predictions) == (2, int(points[0] is twice)) and expected.merged == 0
        counts = psds_counts(OVERLAPPING, points, HOUR)
        assert counts.references.sum() == 2 and counts.score(np.ones(1)) == pytest.approx(result.value, abs=1e-9)
        for axis, same in zip(result.roc, expected.roc):
            np.testing.assert_array_equal(axis, same)


def test_a_reference_with_overlaps_has_intervals():
    clips = [f"{i}.wav" for i in range(6)]
    reference = pd.concat([OVERLAPPING.assign(filename=name) for name in clips])
    points = [SURE.assign(filename=name) for name in clips[:3]]
    counts = psds_counts(reference, [pd.concat(points)], dict.fromkeys(clips, 3600.0))
    (((value,), draws),) = psds_over_trainings({"x": [counts]}, 200).values()
    assert value == pytest.approx(0.25) and draws.min() < value < draws.max() <= 0.5


def test_the_real_development_set_of_2020_is_scored(shared):
    """Its 12 overlaps merged are predictions without a fault, and each pair is found once."""
    reference = tables.read_events(shared / "desed" / "metadata" / "validation.tsv")
    merged, count = merge_overlaps(reference)
    rows = list(tables.events(reference).itertuples(index=False, name=None))
    assert count == 12 and sorted(merged.itertuples(index=False, name=None)) == [
        pytest.approx(event) for event in pieces(rows)
    ]
    result, counts = psds_from_operating_points(reference, [merged]), psds_counts(reference, [merged])
    assert (result.value, result.merged, result.merged_predictions) == (1, 12, 0)
    assert counts.score(np.ones(len(counts.filenames))) == pytest.approx(
        1, abs=1e-9
    ) and counts.references.sum() == len(merged)
    assert result.roc[1][-1] == 1 and not counts.false_alarms.any()


def test_draws_without_an_event_are_nan_without_a_warning(recwarn):
    counts = psds_counts(table([("a", 10, 20, "Dog"), ("b", np.nan, np.nan, np.nan)]), [SURE], {"a": 60.0, "b": 60.0})
    np.testing.assert_array_equal(counts.score(np.array([[2, 0], [0, 2]])), [1, np.nan])
    assert not recwarn


@pytest.mark.parametrize("seed", [1, 3])
def test_fifty_thresholds_are_close_below_every_threshold(seed):
    rng = np.random.default_rng(seed)
    active = np.cumsum(rng.random((30, 150, 3)) < 0.03, axis=1) % 2 > 0
    noisy = 1 / (1 + np.exp(2 - 4 * active - 1.5 * rng.normal(size=active.shape)))
    posteriors = Posteriors(noisy, [f"{i}.wav" for i in range(30)], ("Cat", "Dog", "Speech"), 0.064)
    reference, decoding = frames_to_events(active, posteriors), Decoding(0.5, 0.3)
    few = psds_from_operating_points(reference, operating_points(posteriors, decoding).values())
    smooth = median_filter(noisy, size=(1, filter_frames(0.3, 0.064), 1))
    every, _ = psds_at_every_threshold(reference, smooth, posteriors.filenames, 0.064, classes=posteriors.classes)
    assert every - 0.02 < few.value <= every + 1e-9 and few.value > 0.3


def test_predictions_in_unknown_clips_are_named_and_do_not_count():
    strange = table([("a", 10, 20, "Dog"), ("b", 10, 20, "Dog")])
    result = psds_from_operating_points(REFERENCE, [strange], HOUR)
    assert (result.value, result.unknown_filenames) == (pytest.approx(0.5), ["b"])


def test_assumed_durations():
    reference = table([("a", 0, 10.1, "Dog"), ("a", 0, 3, "Cat"), ("b", 0, 3, "Dog"), ("c", np.nan, np.nan, np.nan)])
    assert assumed_durations(reference) == {"a": 10.1, "b": 10.0, "c": 10.0}
    given = psds_from_operating_points(REFERENCE, [SURE], {"a": 40.0, "b": 9.0})
    assert psds_from_operating_points(REFERENCE, [SURE]) == given


def test_one_class_has_no_cross_triggers():
    for parameters in ({}, {"alpha_ct": 1}, {"alpha_st": 1}):
        assert psds_from_operating_points(REFERENCE, [SURE, UNSURE], HOUR, **parameters).value == pytest.approx(0.75)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"dtc": 1.5}, "dtc is 1.5"),
        ({"gtc": -1}, "gtc is -1"),
        ({"cttc": 2}, "cttc is 2"),
        ({"alpha_ct": 1.1}, "alpha_ct is 1.1"),
        ({"alpha_st": -0.1}, "alpha_st is -0.1"),
        ({"max_efpr": 0}, "max_efpr is 0"),
        ({"dtc": float("nan")}, "dtc is nan"),
    ],
)
def test_parameters_out_of_range(parameters, message):
    with pytest.raises(SedError, match=message):
        psds_from_operating_points(REFERENCE, [SURE], HOUR, **parameters)


@pytest.mark.parametrize(
    ("reference", "points", "durations", "message"),
    [
        (REFERENCE, [], HOUR, "no operating points"),
        (REFERENCE, [SURE], {"b": 10.0}, "1 of the reference's 1 clips have none, for example 'a'"),
        (table([("a", np.nan, np.nan, np.nan)]), [SURE], HOUR, "reference: no events"),
        (REFERENCE, [table([("b", 10, 20, "Dog")])], HOUR, "none of the 1 clips is in the reference"),
    ],
)
def test_operating_points_that_cannot_be_scored(reference, points, durations, message):
    with pytest.raises(SedError, match=message):
        psds_from_operating_points(reference, points, durations)


def random_case(rng):
    """(reference, operating points, durations) on a grid of binary fractions: criteria are met exactly or not at all.

    Clips lack references or predictions, a class has no reference event, thresholds repeat, touch, are empty and find
    less than stricter ones; some predictions are of clips that the reference does not know.
    """
    names, classes = [f"{i}.wav" for i in range(int(rng.integers(1, 7)))], ("Cat", "Dog", "Speech", "Dishes")

    def events(clips, labels, most):
        rows = []
        for clip in clips:
            start = len(rows)
            for label in labels:
                marks = np.sort(rng.choice(40, 2 * int(rng.integers(0, most + 1)), replace=True)) / 4
                rows += [(clip, on, off, label) for on, off in zip(marks[::2], marks[1::2]) if on < off]
            if len(rows) == start:
                rows.append((clip, np.nan, np.nan, np.nan))
        return table(rows)

    reference = events(names, classes[:3], 2)
    if not len(tables.events(reference)):
        reference = table([(names[0], 1.0, 2.0, "Cat")] + [(name, np.nan, np.nan, np.nan) for name in names[1:]])
    points = [
        events([*names, "unknown.wav"][: len(names) + int(rng.integers(2))], classes, int(rng.integers(0, 5)))
        for _ in range(int(rng.integers(1, 6)))
    ]
    points += points[:1]
    durations = None if rng.random() < 0.5 else {name: float(rng.integers(10, 60)) for name in names}
    return reference, points, durations


@pytest.mark.parametrize("seed", range(40))
def test_psds_is_that_of_psds_eval(seed):
    rng = np.random.default_rng(seed)
    reference, points, durations = random_case(rng)
    dtc, gtc = rng.choice([0.25, 0.5, 0.75], 2)
    max_efpr = float(rng.choice([100, 400, 3000]))
    alpha_ct, alpha_st = rng.choice([0.0, 0.0, 0.5, 1.0], 2) if reference["event_label"].nunique() > 1 else (0, 0)
    costs = {"alpha_ct": alpha_ct, "alpha_st": alpha_st, "max_efpr": max_efpr}
    found = psds_from_operating_points(reference, points, durations, dtc=dtc, gtc=gtc, **costs)
    value, roc = by_psds_eval(reference, points, durations or assumed_durations(reference), dtc, gtc, **costs)
    assert found.value == pytest.approx(value, abs=1e-9)
    rates, shares = zip(*((np.round(x, 6), y) for x, y in (roc, found.roc)))  # rates are alike but for rounding
    at = np.union1d(*rates)
    first, second = (y[np.searchsorted(x, at, "right") - 1] for x, y in zip(rates, shares))
    np.testing.assert_allclose(first, second, atol=1e-9)
    counts = psds_counts(reference, points, durations, dtc=dtc, gtc=gtc)
    assert counts.filenames == tables.filenames(reference)
    if not alpha_ct and not alpha_st:
        assert counts.score(np.ones(len(counts.filenames)), max_efpr) == found.value


def test_counts_of_drawn_clips_are_those_of_a_set_that_holds_them_so_often():
    rng = np.random.default_rng(1)
    reference, points, durations = random_case(rng)
    counts = psds_counts(reference, points, durations)
    times = rng.multinomial(
        len(counts.filenames), np.full(len(counts.filenames), 1 / len(counts.filenames)), size=(2, 3)
    )
    scores = counts.score(times, 1000)
    assert scores.shape == (2, 3)

    def drawn(source, often):
        parts = [
            source[source["filename"] == name].assign(filename=f"{i}-{name}")
            for name, many in zip(counts.filenames, often)
            for i in range(many)
        ]
        return pd.concat(parts, ignore_index=True)

    for index in np.ndindex(2, 3):
        sample = drawn(reference, times[index])
        if not len(tables.events(sample)):
            assert np.isnan(scores[index])
            continue
        lengths = (
            None
            if durations is None
            else {
                f"{i}-{name}": durations[name]
                for name, many in zip(counts.filenames, times[index])
                for i in range(many)
            }
        )
        expected = psds_from_operating_points(
            sample, [drawn(point, times[index]) for point in points], lengths, max_efpr=1000
        )
        assert scores[index] == pytest.approx(expected.value, abs=1e-9)


def test_counts_refuse_what_psds_refuses():
    with pytest.raises(SedError, match="no events"):
        psds_counts(table([("a", np.nan, np.nan, np.nan)]), [SURE], HOUR)
