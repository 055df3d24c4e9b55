"""Intervals over clips and trainings, against Student's and Welch's tests and by simulation."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from reproduction.intervals import (
    FEWEST,
    Score,
    coverage,
    detectable,
    difference,
    estimate,
    needed,
    over_trainings,
    psds_over_trainings,
)
from sedlib.errors import SedError
from sedlib.metrics import F1Result, confidence
from sedlib.metrics.psds import psds_counts

A, B = np.array([0.25, 0.5, 0.85, 0.4]), np.array([0.2, 0.15, 0.3, 0.1])


def without_clips(of_training):
    """A score on which the choice of clips has no influence."""
    return Score(of_training, np.full(100, of_training.mean()))


@pytest.fixture
def result():
    rng = np.random.default_rng(0)
    n_ref, n_sys = rng.integers(1, 4, (2, 60, 3))
    hits = rng.integers(0, np.minimum(n_ref, n_sys) + 1)
    return F1Result(np.stack([hits, n_sys, n_ref], axis=-1), [str(i) for i in range(60)], ("Cat", "Dog", "Speech"))


def test_of_trainings_alone_it_is_students_interval():
    found, oracle = estimate(without_clips(A), 0.3), stats.ttest_1samp(A, 0.3)
    assert (found.low, found.high) == pytest.approx(tuple(oracle.confidence_interval()))
    assert found.p == pytest.approx(oracle.pvalue) and found.value == pytest.approx(A.mean())


@pytest.mark.parametrize("b", [B, B[:3]])
def test_of_two_systems_it_is_welchs_interval(b):
    found, oracle = difference(without_clips(A), without_clips(b)), stats.ttest_ind(A, b, equal_var=False)
    assert (found.low, found.high) == pytest.approx(tuple(oracle.confidence_interval()))
    assert found.p == pytest.approx(oracle.pvalue) and found.trainings == len(b)


def test_of_pairs_it_is_that_of_their_differences():
    found, oracle = difference(without_clips(A), without_clips(B), 0.1, paired=True), stats.ttest_1samp(A - B, 0.1)
    assert (found.low, found.high) == pytest.approx(tuple(oracle.confidence_interval()))
    assert found.p == pytest.approx(oracle.pvalue)


def test_of_one_training_it_is_over_clips_and_judges_nothing(result):
    one = over_trainings({"a": [result]}, 4000)["a"].mean()
    found, percentiles = estimate(one), confidence(result, 4000)["macro"]
    assert found.value == pytest.approx(result.macro)
    assert (found.low, found.high) == pytest.approx(percentiles[1:], abs=0.01)  # the normal's beside the percentiles
    assert not found.judged and difference(*2 * [without_clips(A)]).judged and len(A) >= FEWEST


def test_clips_and_trainings_add_up():
    draws = A.mean() + np.array([-1, 1] * 50) * 0.2
    both, seeds = estimate(Score(A, draws)), estimate(without_clips(A))
    error = np.sqrt(draws.var(ddof=1) + A.var(ddof=1) / 4)
    freedom = error**4 / ((A.var(ddof=1) / 4) ** 2 / 3)  # Satterthwaite, the clips' part known without error
    assert both.high - both.value == pytest.approx(stats.t.ppf(0.975, freedom) * error)
    assert both.high - both.value > seeds.high - seeds.value


@pytest.mark.parametrize("trainings, share", [(3, 0.1), (3, 0.9), (5, 0.5)])
def test_intervals_hold_the_true_value_as_often_as_they_say(trainings, share):
    assert 0.93 < coverage(trainings, share, studies=1500) < 0.97


def test_the_smallest_difference_is_found_in_four_of_five_studies():
    rng, found = np.random.default_rng(0), []
    for _ in range(1500):
        a, b = rng.normal(size=(2, 10))
        found.append(difference(without_clips(a), without_clips(b)).smallest)
    typical = np.median(found)
    seen = [stats.ttest_ind(*(rng.normal(size=(2, 10)) + [[typical], [0]])).pvalue < 0.05 for _ in range(1500)]
    assert 0.76 < np.mean(seen) < 0.84


@pytest.mark.parametrize("trainings", [3, 6, 12])
@pytest.mark.parametrize("paired", [False, True])
def test_an_estimate_keeps_what_its_power_was_computed_from(trainings, paired):
    rng = np.random.default_rng(trainings)
    a, b = (Score(rng.normal(size=trainings), rng.normal(size=500)) for _ in range(2))
    found = difference(a, b, paired=paired)
    parts = [a.of_training - b.of_training] if paired else [a.of_training, b.of_training]
    assert found.seeds == pytest.approx([part.var(ddof=1) for part in parts])
    assert found.clips == pytest.approx(np.var(a.draws - b.draws, ddof=1))
    assert detectable(found.clips, found.seeds, trainings) == pytest.approx(found.smallest)


def test_so_many_trainings_find_the_difference_in_four_of_five_studies():
    n = needed(1.5, 0.0, [1.0, 1.0])

    def share(trainings: int, studies: int = 4000) -> float:
        rng, found = np.random.default_rng(trainings), 0
        for _ in range(studies):
            a, b = 1.5 + rng.normal(size=trainings), rng.normal(size=trainings)
            found += difference(without_clips(a), without_clips(b)).low > 0
        return found / studies

    assert share(n) > 0.78 and share(n - 2) < 0.78


def test_clips_that_scatter_more_than_the_difference_are_never_enough():
    assert needed(2.0, 4.0, [1.0, 1.0]) is None and isinstance(needed(2.0, 0.04, [1.0, 1.0]), int)


def test_a_class_without_events_is_left_out_of_the_mean():
    score = Score(np.array([[0.2, np.nan, 0.4], [0.4, np.nan, 0.6]]), np.array([[0.3, np.nan, 0.5]] * 9))
    assert score.mean().of_training == pytest.approx([0.3, 0.5]) and score.mean([0]).draws == pytest.approx(0.3)
    assert np.isnan(estimate(score.mean([1])).value)


def test_systems_are_drawn_on_the_same_clips(result):
    over = over_trainings({"a": [result], "b": [result, result]})
    assert np.array_equal(over["a"].draws, over["b"].draws) and over["b"].of_training.shape == (2, 3)
    other = F1Result(result.counts[:-1], result.filenames[:-1], result.classes)
    with pytest.raises(SedError, match="different clips"):
        over_trainings({"a": [result], "b": [other]})


def found_in(*clips):
    """Counts of a system that finds the one Dog of these clips, of 6 in all, without a false alarm."""
    rows = [(f"{i}.wav", 1.0, 2.0, "Dog") for i in range(6)]
    reference = pd.DataFrame(rows, columns=["filename", "onset", "offset", "event_label"])
    return psds_counts(reference, [reference.iloc[list(clips)]])


def test_psds_of_systems_without_false_alarms_is_the_share_found():
    some, more = found_in(0, 1, 2), found_in(0, 1, 2, 3)
    over = psds_over_trainings({"a": [some], "b": [some, more]}, n_resamples=400, seed=3)
    times = np.random.default_rng([3]).multinomial(6, np.full(6, 1 / 6), size=400)
    assert over["a"].of_training == pytest.approx([0.5]) and over["a"].draws == pytest.approx(times[:, :3].sum(1) / 6)
    assert over["b"].of_training == pytest.approx([3 / 6, 4 / 6])
    assert over["b"].draws == pytest.approx((times[:, :3].sum(1) + times[:, :4].sum(1)) / 12)
