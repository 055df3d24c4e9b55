import numpy as np
import pytest

from sedlib.errors import SedError
from sedlib.metrics import F1Result, confidence, paired_difference


@pytest.fixture
def result():
    rng = np.random.default_rng(0)
    n_ref, n_sys = rng.integers(0, 4, (2, 60, 3))
    hits = rng.integers(0, np.minimum(n_ref, n_sys) + 1)
    return F1Result(np.stack([hits, n_sys, n_ref], axis=-1), [str(i) for i in range(60)], ("Cat", "Dog", "Speech"))


def with_counts(result, counts):
    return F1Result(counts, result.filenames, result.classes)


def test_interval_holds_the_value_and_narrows_with_more_clips(result):
    more = F1Result(np.tile(result.counts, (16, 1, 1)), [str(i) for i in range(16 * 60)], result.classes)
    for name, few in confidence(result).items():
        many = confidence(more)[name]
        assert few.value == getattr(result, name) == many.value
        assert few.low < few.value < few.high
        assert 2.5 < (few.high - few.low) / (many.high - many.low) < 6  # 4 in theory: the root of 16


def test_drawing_with_the_counts_of_each_clip(result):
    n = len(result.counts)
    draws = np.random.default_rng([3]).multinomial(n, np.full(n, 1 / n), size=50)
    totals = [np.repeat(result.counts, times, axis=0).sum(axis=0) for times in draws]
    for name, score in (("macro", result.macro_of), ("micro", result.micro_of)):
        limits = np.percentile([score(total) for total in totals], [2.5, 97.5])
        assert confidence(result, 50, seed=3)[name][1:] == pytest.approx(limits)


def test_seed_decides(result):
    assert confidence(result) == confidence(result)
    assert confidence(result) != confidence(result, seed=1)


def test_no_spread_without_differences_between_clips(result):
    same = with_counts(result, np.tile(result.counts[:1] + [[[1, 2, 3]]], (60, 1, 1)))
    for interval in confidence(same).values():
        assert interval.low == pytest.approx(interval.value) == interval.high


def test_a_system_does_not_differ_from_itself(result):
    for interval in paired_difference(result, result).values():
        assert interval == (0, 0, 0)


def test_difference_changes_sign_with_the_order(result):
    better = with_counts(
        result,
        np.stack(
            [np.minimum(result.counts[..., 1], result.counts[..., 2]), result.counts[..., 1], result.counts[..., 2]],
            axis=-1,
        ),
    )
    gain, loss = paired_difference(better, result), paired_difference(result, better)
    for name in ("macro", "micro"):
        assert gain[name].value == getattr(better, name) - getattr(result, name)
        assert 0 < gain[name].low < gain[name].value < gain[name].high
        assert loss[name] == pytest.approx((-gain[name].value, -gain[name].high, -gain[name].low))


def test_pairing_narrows_the_difference(result):
    counts = result.counts.copy()
    counts[0, 0, 0] = counts[0, 0, 1] = counts[0, 0, 2] = 3
    difference = paired_difference(with_counts(result, counts), result)["micro"]
    alone = confidence(result)["micro"]
    assert difference.high - difference.low < (alone.high - alone.low) / 2


def test_draws_without_any_event_are_left_out():
    counts = np.zeros((5, 1, 3), int)
    counts[0] = [1, 1, 1]
    assert confidence(F1Result(counts, list("abcde"), ("Cat",)))["macro"] == (1, 1, 1)


def test_different_clips_are_an_error(result):
    with pytest.raises(SedError, match="different clips"):
        paired_difference(result, F1Result(result.counts, result.filenames[::-1], result.classes))
