import numpy as np
import pytest
from sed_eval_oracle import table

from reproduction.bootstrap import over_trainings, psds_over_trainings
from sedlib.data import tables
from sedlib.errors import SedError
from sedlib.metrics import F1Result, confidence, interval, paired_difference
from sedlib.metrics.psds import psds_counts


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


def trained(result, seed, clips_differ=True):
    """A training that hits other events of the same references."""
    rng = np.random.default_rng(seed)
    hits, n_sys, n_ref = np.moveaxis(result.counts, -1, 0)
    if clips_differ:
        return with_counts(result, np.stack([rng.integers(0, np.minimum(n_sys, n_ref) + 1), n_sys, n_ref], axis=-1))
    return with_counts(result, np.tile([[[seed + 1, 4, 4]]], (60, 3, 1)))  # all clips alike


def test_over_trainings_of_one_is_the_interval_over_clips(result):
    value, draws = over_trainings({"a": [result]})["a"]
    assert value.mean() == pytest.approx(result.macro)
    assert interval(value.mean(), draws.mean(1)) == pytest.approx(confidence(result)["macro"])


def test_over_trainings_averages_and_pairs_the_clips(result):
    runs = {name: [trained(result, seed) for seed in seeds] for name, seeds in {"a": (1, 2, 3), "b": (4, 5)}.items()}
    over = over_trainings(runs)
    for name, results in runs.items():
        assert over[name][0].mean() == pytest.approx(np.mean([r.macro for r in results]))
    again = over_trainings({"a": [result], "b": [result]})
    assert np.array_equal(again["a"][1], again["b"][1])  # the same clips


def test_chance_of_the_training_is_that_of_a_mean_over_them(result):
    runs = [
        trained(result, seed, clips_differ=False) for seed in (0, 1, 2)
    ]  # F1 of 0.25, 0.5, 0.75; no chance in clips
    value, draws = over_trainings({"a": runs}, n_resamples=20000)["a"]
    assert value == pytest.approx(0.5)
    assert draws[:, 0].std() == pytest.approx(0.25 / np.sqrt(3), rel=0.02)


def test_two_decodings_of_the_same_trainings_are_drawn_as_pairs(result):
    """F1 of 0.25, 0.5 and 0.75, and of half of that: whichever training is drawn, the ratio stays."""
    runs = [trained(result, seed, clips_differ=False) for seed in (0, 1, 2)]
    halves = [
        with_counts(run, run.counts * [1, 3, 1]) for run in runs
    ]  # more false alarms: 2 hits / (12 + 4) instead of (4 + 4)
    over = over_trainings({"first": runs, "other": [trained(result, 9)], "second": halves}, n_resamples=300)
    assert over["first"][1][:, 0].std() > 0.05
    assert over["second"][1] == pytest.approx(over["first"][1] / 2)
    some, more = found_in(0), found_in(0, 1, 2, 3)
    psds = psds_over_trainings({"first": [some, more], "second": [some, more]})
    assert np.array_equal(psds["first"][1], psds["second"][1])


def test_trainings_on_other_clips_are_refused(result):
    other = F1Result(result.counts[:-1], result.filenames[:-1], result.classes)
    with pytest.raises(SedError, match="different clips"):
        over_trainings({"a": [result], "b": [other]})


def found_in(*clips):
    """Counts of a system that finds the one Dog of these clips, of 6 in all, without a false alarm."""
    names = [f"{i}.wav" for i in range(6)]
    reference = table([(name, 1, 2, "Dog") for name in names])
    return psds_counts(reference, [reference.iloc[list(clips)]])


def test_psds_over_trainings_of_systems_without_false_alarms_is_the_share_found():
    some, more = found_in(0, 1, 2), found_in(0, 1, 2, 3)
    over = psds_over_trainings({"a": [some], "b": [some, more, found_in(0)], "c": [some]}, n_resamples=400, seed=3)
    times = np.random.default_rng([3]).multinomial(6, np.full(6, 1 / 6), size=400)
    value, draws = over["a"]
    assert value == pytest.approx(0.5) and draws == pytest.approx(times[:, :3].sum(1) / 6)
    assert np.array_equal(draws, over["c"][1])  # the same clips for every system
    assert over["b"][0] == pytest.approx((3 + 4 + 1) / 18)
    pairs = {(a + b) / 2 for a in (1, 3, 4) for b in (1, 3, 4)}  # two of the three trainings
    whole = (times == 1).all(1)
    assert set(np.round(6 * over["b"][1][whole], 9)) <= pairs


def test_psds_over_trainings_draws_the_clips_of_over_trainings():
    counts = found_in(0, 1, 2)
    hits = counts.found[0]
    f1 = F1Result(np.stack([hits, counts.references, counts.references], axis=-1), counts.filenames, tables.CLASSES)
    dog = tables.CLASSES.index("Dog")
    assert psds_over_trainings({"a": [counts]})["a"][1] == pytest.approx(over_trainings({"a": [f1]})["a"][1][:, dog])
