"""Decoders by class: medians against SciPy, boxes against their definition, durations against all segmentations; one file
and one objective for all."""

import json
from dataclasses import replace
from itertools import product

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.ndimage import median_filter
from scipy.stats import gamma
from tries import tries

from sedlib.data import tables
from sedlib.decode import Boxes, Hmm, Hsmm, Medians, Posteriors, find_events, frames_to_events, load_decoder
from sedlib.decode.boxes import change_boxes
from sedlib.decode.hmm import best_paths, transitions
from sedlib.decode.hsmm import best_segments, durations
from sedlib.decode.tuning import Objective, axes, best, tune
from sedlib.errors import SedError
from sedlib.metrics import event_f1
from sedlib.metrics.f1 import f1_precision_recall

CLASSES = ("Cat", "Dog", "Speech")
SEEDS = st.integers(0, 2**32 - 1)


def case(seed: int, clips: int = 8, frames: int = 50) -> tuple[Posteriors, pd.DataFrame]:
    """Noisy posteriors, and the events that they come from; clips without events are rows as well."""
    rng = np.random.default_rng(seed)
    active = np.cumsum(rng.random((clips, frames, 3)) < 0.08, axis=1) % 2 > 0
    active[0, 10:20] = True
    noisy = 1 / (1 + np.exp(2 - 4 * active - 2 * rng.normal(size=active.shape)))
    posteriors = Posteriors(noisy, [f"{i}.wav" for i in range(clips)], CLASSES, 0.06375)
    events = frames_to_events(active, posteriors)
    silent = pd.DataFrame({"filename": sorted(set(posteriors.filenames) - set(events["filename"]))})
    return posteriors, pd.concat([events, silent], ignore_index=True)


def any_decoder(method: str, seed: int):
    rng = np.random.default_rng(seed)
    if method == "median":
        return Medians(CLASSES, rng.uniform(0, 2, 3), rng.uniform(0.1, 0.9, 3))
    gate = rng.choice([0, 0.5, 0.8], 3)
    if method == "hmm":
        return Hmm(CLASSES, *rng.uniform(0.05, 0.99, (2, 3)), gate, drop_s=0.1)
    if method == "hsmm":
        return Hsmm(
            CLASSES, rng.uniform(0.5, 0.99, 3), rng.uniform(0.2, 2, 3), rng.uniform(0.7, 3, 3), gate, drop_s=0.1
        )
    return Boxes(CLASSES, rng.uniform(0.1, 1, 3), rng.uniform(0, 0.4, 3), rng.uniform(1, 3, 3), gate)


METHODS = pytest.mark.parametrize("method", ["median", "hmm", "hsmm", "boxes"])


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.uint8])
@given(SEEDS, st.sampled_from([4, 50]))
@tries(15)
def test_medians_are_scipys(dtype, seed, frames):
    """Also where the filter is longer than the clip, and posteriors lie on the threshold."""
    rng = np.random.default_rng(seed)
    percent = rng.integers(0, 101, (3, frames, 3))
    scores = percent.astype(dtype) if dtype == np.uint8 else (percent / 100).astype(dtype)
    posteriors = Posteriors(scores, ["a", "b", "c"], CLASSES, 0.1)
    least = rng.integers(10, 90, 3)
    lengths = [1, 3, 11]
    active = np.stack(
        [median_filter((percent[..., k] > least[k]).astype(int), (1, lengths[k])) for k in range(3)], axis=-1
    )
    found = find_events(posteriors, Medians(CLASSES, [0.1, 0.3, 1.1], least / 100))
    pd.testing.assert_frame_equal(found, frames_to_events(active > 0, posteriors))


def pieces(n: int):
    """Give all sequences of states as runs (state, start, stop)."""
    for states in product([0, 1], repeat=n):
        cuts = [0, *(t for t in range(1, n) if states[t] != states[t - 1]), n]
        yield states, [(states[a], a, b) for a, b in zip(cuts, cuts[1:])]


def worth(runs, odds, p_silence, at_least) -> float:
    """Logarithm of what a segmentation is worth, by the definition; ``at_least``: of 1, 2, ... frames or more."""
    n, total = len(odds), 0.0
    for state, a, b in runs:
        d, starts, ends = b - a, a == 0, b == n
        if not state:
            total += (d - 1) * np.log(p_silence) + (0 if ends else np.log(1 - p_silence))
            continue
        if ends:
            p = at_least[d - 1 :].sum() / at_least.sum() if starts else at_least[d - 1]
        else:
            p = at_least[d - 1] / at_least.sum() if starts else at_least[d - 1] - at_least[d]
        total += np.log(p + 1e-308) + odds[a:b].sum()
    return total


@pytest.mark.parametrize("seed", range(12))
def test_no_segmentation_is_worth_more(seed):
    rng = np.random.default_rng(seed)
    odds, n = rng.normal(0, 2, 9), 9
    p_silence, mean, shape = rng.uniform(0.3, 0.95), rng.uniform(1.5, 6), rng.uniform(0.6, 4)
    model = Hsmm(("Cat",), np.array([p_silence]), np.array([mean]), np.array([shape]), np.zeros(1))
    states = np.empty((n, 1), np.uint8)
    best_segments(odds[:, None], model.vectors(1.0, n)[0], states)
    at_least = gamma.sf(np.arange(4000), shape, scale=mean / shape)
    every = {path: worth(runs, odds, p_silence, at_least) for path, runs in pieces(n)}
    assert every[tuple(states[:, 0])] == pytest.approx(max(every.values()), abs=1e-9)


@given(SEEDS)
@tries(30)
def test_of_shape_1_the_model_is_the_hmm(seed):
    rng = np.random.default_rng(seed)
    active = np.cumsum(rng.random((60, 5)) < 0.1, axis=0) % 2
    odds = -3 + 6 * active + 3 * rng.normal(size=active.shape)
    p_silence, mean = rng.uniform(0.05, 0.99), rng.uniform(0.3, 30)
    model = Hsmm(("Cat",), np.array([p_silence]), np.array([mean]), np.ones(1), np.zeros(1))
    ours, hmms = np.empty(odds.shape, np.uint8), np.empty(odds.shape, np.uint8)
    best_segments(odds, model.vectors(1.0, 60)[0], ours)
    best_paths(np.zeros_like(odds), odds, transitions(p_silence, np.exp(-1 / mean)), hmms)
    assert np.array_equal(ours, hmms)


def test_durations_are_probabilities():
    table = np.exp(durations(np.array([3.0, 40.0]), np.array([2.0, 0.8]), 4000))
    exactly, beyond, left, left_beyond = np.moveaxis(table, 1, 0)[..., 1:]
    np.testing.assert_allclose(exactly.sum(axis=1), 1)
    np.testing.assert_allclose(left.sum(axis=1), 1)
    for of, tail in ((exactly, beyond), (left, left_beyond)):
        np.testing.assert_allclose(of[:, ::-1].cumsum(axis=1)[:, ::-1][:, :100], tail[:, :100], atol=1e-9)


def boxes_of(scores, half, absolute, relative):
    odds = np.log(np.array(scores) / (1 - np.array(scores)))[:, None]
    found = change_boxes(odds, half, absolute, relative)
    surest = 1 / (1 + np.exp(-found.surest))
    return [(int(a), int(b), round(float(c), 6)) for a, b, c in zip(found.first, found.last, surest)]


def test_boxes_by_hand():
    scores = [0.1, 0.1, 0.8, 0.8, 0.6, 0.6, 0.8, 0.8, 0.1, 0.1]
    assert boxes_of(scores, 1, 0, 1)[-2:] == [(2, 4, 0.8), (6, 8, 0.8)]
    assert boxes_of(scores, 1, 0.21, 1)[-1] == (2, 8, pytest.approx(0.733333))
    assert boxes_of(scores, 1, 0, 1.34)[-1] == (2, 8, pytest.approx(0.733333))
    assert boxes_of(scores, 1, 0.19, 1.33)[-2:] == [(2, 4, 0.8), (6, 8, 0.8)]


def by_definition(scores, half):
    """Boxes before merging: the steepest point of each stretch in which the step filter is positive, or negative."""
    padded = np.concatenate([np.zeros(half), scores, np.zeros(half)])
    steps = [padded[t + half : t + 2 * half].sum() - padded[t : t + half].sum() for t in range(len(scores) + 1)]
    signs = [(t, np.sign(of)) for t, of in enumerate(steps) if abs(of) > 1e-9]
    stretches: list[list[int]] = []
    for i, (t, sign) in enumerate(signs):
        if i == 0 or sign != signs[i - 1][1]:
            stretches.append([])
        stretches[-1].append(t)
    points = [max(of, key=lambda t: (round(abs(steps[t]), 8), -t)) for of in stretches]
    return list(zip(points[::2], points[1::2]))


@given(SEEDS, st.integers(1, 4))
@tries(50)
def test_boxes_are_their_definition(seed, half):
    scores = np.random.default_rng(seed).uniform(0.01, 0.99, 30)
    found = boxes_of(scores, half, -1, 0)  # nothing is merged
    assert [(a, b) for a, b, _ in found] == by_definition(scores, half)
    assert [c for *_, c in found] == pytest.approx([scores[a:b].mean() for a, b, _ in found], abs=1e-5)


@METHODS
@given(SEEDS)
@tries(8)
def test_the_objective_is_the_metric(method, seed):
    posteriors, reference = case(seed)
    decoder = any_decoder(method, seed)
    expected = event_f1(reference, find_events(posteriors, decoder), classes=CLASSES)
    objective = Objective(posteriors, reference)
    assert np.array_equal(objective.counts(decoder), expected.counts.sum(axis=0))
    assert objective.f1(decoder) == expected.macro
    by_class = np.array([of["f1"] for of in expected.per_class.values()])
    gate = getattr(decoder, "confidence", np.zeros(3))
    for k in range(3):
        assert objective.scan(decoder, [gate[k]])[k, k, 0] == by_class[k]


@METHODS
def test_a_file_is_read_by_hand_and_back(method, tmp_path):
    posteriors, decoder = case(0)[0], any_decoder(method, 1)
    there = decoder.to_dict()
    (tmp_path / "it.json").write_text(json.dumps(there))
    back = load_decoder(tmp_path / "it.json")
    assert there["method"] == method and type(back) is type(decoder) and back.to_dict() == there
    pd.testing.assert_frame_equal(find_events(posteriors, back), find_events(posteriors, decoder))
    turned = replace(posteriors, scores=posteriors.scores[..., ::-1], classes=CLASSES[::-1])
    pd.testing.assert_frame_equal(find_events(turned, back), find_events(posteriors, decoder))


def test_a_file_without_a_method_is_of_an_hmm_and_others_are_named(tmp_path):
    path = tmp_path / "it.json"
    path.write_text('{"p_silence": {"Cat": 0.9}, "p_event": {"Cat": 0.8}}')
    assert load_decoder(path).to_dict() == {**Hmm.alike(0.9, 0.8, ("Cat",)).to_dict()}
    path.write_text('{"method": "hnn"}')
    with pytest.raises(SedError, match="it.json: method 'hnn' does not exist; choose one of median, hmm, hsmm, boxes"):
        load_decoder(path)
    path.write_text('{"method": "median", "median_s": {"Cat": 1}, "threshold": {"Cat": 1}}')
    with pytest.raises(SedError, match="it.json: Median: threshold of Cat is 1, expected more than 0 and less than 1"):
        load_decoder(path)
    path.write_text('{"method": "boxes"}')
    with pytest.raises(SedError, match="it.json: not a JSON file with step_s and absolute and relative by class"):
        load_decoder(path)


@METHODS
def test_at_a_higher_threshold_there_is_no_more(method):
    posteriors, _ = case(3)
    decoder = replace(any_decoder(method, 5), drop_s=0.0)
    if method == "hmm":
        decoder = Hmm.alike(0.8, 0.7, CLASSES)
    low, same, high = (find_events(posteriors, decoder, threshold=at) for at in (0.2, 0.5, 0.9))
    pd.testing.assert_frame_equal(same, find_events(posteriors, decoder))
    length = [(table["offset"] - table["onset"]).sum() for table in (low, same, high)]
    assert length[0] > length[1] > length[2]
    if method == "boxes":  # they are kept or dropped as a whole
        boxes = {tuple(row) for row in low.itertuples(index=False)}
        assert {tuple(row) for row in high.itertuples(index=False)} < boxes


@pytest.mark.parametrize("method", ["median", "boxes"])
def test_exact_is_the_best_on_the_grid(method):
    objective = Objective(*case(4, clips=5, frames=30))
    found = best(objective, method, robust=False)
    along, names = axes(method), list(type(found).RANGES)
    values = list(product(*(along[name].values[::3] for name in names)))
    every = type(found)(tuple(map(str, range(len(values)))), *np.array(values).T)
    f1 = f1_precision_recall(objective.counts(found))[0]
    for k in range(3):
        for i in range(0, len(values), 7):
            one = every.of((str(i),) * 3)
            assert objective.f1(replace(one, classes=CLASSES)) >= 0
            assert f1_precision_recall(objective.counts(replace(one, classes=CLASSES)))[0][k] <= f1[k] + 1e-12


@METHODS
def test_tuning_helps_and_repeats(method):
    posteriors, reference = case(7, clips=16)
    search = "robust" if method == "hmm" else f"{method}-robust"
    result = tune(posteriors, reference, search, fraction=0.5)
    assert result["method"] == method and set(result["tuned"]) == {"f1_tuned_half", "f1_other_half"}
    again = tune(posteriors, reference, search, fraction=0.5)
    assert result | {"seconds": 0} == again | {"seconds": 0}
    with pytest.raises(
        SedError, match="search 'boxes-forest' does not exist; choose one of forest, exact, robust, median-"
    ):
        tune(posteriors, reference, "boxes-forest")


def test_boxes_of_a_public_systems_scores_hold_events(shared):
    """A strong network's scores of 20 clips of the public evaluation set."""
    folder = shared / "desed" / "dcase2023_20clips"
    if not folder.is_dir():
        pytest.skip("needs ../shared/desed")
    read = {path.stem: pd.read_csv(path, sep="\t") for path in sorted((folder / "scores").glob("*.tsv"))}
    frames = min(map(len, read.values()))
    scores = np.stack([of[list(tables.CLASSES)].to_numpy()[:frames] for of in read.values()])
    first = next(iter(read.values()))
    posteriors = Posteriors(scores, [f"{name}.wav" for name in read], tables.CLASSES, float(first["offset"][0]))
    truth = pd.read_csv(folder / "ground_truth.tsv", sep="\t")
    truth = truth[truth["filename"].isin(posteriors.filenames)]
    ten = len(tables.CLASSES)
    boxes = Boxes(tables.CLASSES, *(np.full(ten, value) for value in (0.48, 0.2, 2.0, 0.5)))
    counts = event_f1(truth, find_events(posteriors, boxes)).counts.sum(axis=(0, 1))
    assert counts[0] / counts[2] > 0.35
