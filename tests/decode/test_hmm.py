"""The two-state HMM: paths against librosa, hmmlearn and all paths there are; from paths to events; its parameters as a
file."""

import json
from fractions import Fraction
from itertools import product

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from librosa.sequence import transition_loop, viterbi_binary, viterbi_discriminative
from tries import tries

from sedcourse import hmmlearn_hmm
from sedcourse.hmmlearn_hmm import EVENT, PosteriorHMM, state_posteriors
from sedlib.data.tables import CLASSES
from sedlib.decode import Hmm, Posteriors, find_events, frames_to_events
from sedlib.decode.hmm import BLOCK, best_paths, emissions, viterbi
from sedlib.errors import SedError

SIXTEENTHS = [i / 16 for i in range(1, 16)]  # of which products are exact, and are alike by algebra now and then
SEEDS = st.integers(0, 2**32 - 1)


def sticky(rng, clips: int, frames: int, classes: int) -> np.ndarray:
    """Posteriors of a network that is sure of most frames and wrong in some."""
    active = np.cumsum(rng.random((clips, frames, classes)) < 0.1, axis=1) % 2
    return 1 / (1 + np.exp(3 - 6 * active - 2 * rng.normal(size=active.shape)))


def as_type(scores: np.ndarray, dtype) -> np.ndarray:
    return (100 * scores).round().astype(dtype) if dtype == np.uint8 else scores.astype(dtype)


def posteriors(scores: np.ndarray, frame_s: float = 0.06375) -> Posteriors:
    return Posteriors(scores, [f"{i}.wav" for i in range(len(scores))], CLASSES[: scores.shape[2]], frame_s)


def paths_of(scores: np.ndarray, hmm: Hmm) -> np.ndarray:
    return viterbi(emissions(scores), hmm.p_silence, hmm.p_event)


def by_librosa(scores: np.ndarray, p_silence, p_event) -> np.ndarray:
    """Clip after clip, class after class, as the released code does."""
    scores = scores / 100 if scores.dtype == np.uint8 else scores
    paths = np.empty(scores.shape, bool)
    for clip, label in np.ndindex(len(scores), scores.shape[2]):
        p, stay = scores[clip, :, label], (p_silence[label], p_event[label])
        paths[clip, :, label] = viterbi_discriminative(np.stack([1 - p, p]), transition_loop(2, stay))
    return paths


def worth_of_paths(p, p_silence: float, p_event: float) -> dict[tuple, Fraction]:
    """What each path is worth, but for the priors: exactly."""
    stay = Fraction(p_silence), Fraction(p_event)
    seen = [(1 - Fraction(x), Fraction(x)) for x in p]
    worth = {(state,): seen[0][state] for state in (0, 1)}
    for both in seen[1:]:
        worth = {
            (*path, state): before * (stay[state] if path[-1] == state else 1 - stay[path[-1]]) * both[state]
            for path, before in worth.items()
            for state in (0, 1)
        }
    return worth


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.uint8])
@given(SEEDS)
@tries(20)
def test_paths_are_librosas(dtype, seed):
    rng = np.random.default_rng(seed)
    scores, stay = as_type(sticky(rng, 2, 60, 3), dtype), rng.uniform(0.01, 0.999, (2, 3))
    assert np.array_equal(viterbi(emissions(scores), *stay), by_librosa(scores, *stay))


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.uint8])
@given(SEEDS)
@tries(20)
def test_paths_are_librosas_where_many_are_equally_good(dtype, seed):
    rng = np.random.default_rng(seed)
    scores, stay = (
        as_type(rng.choice([0, 0.25, 0.5, 0.75, 1], (3, 30, 3)), dtype),
        rng.choice([0.25, 0.5, 0.75], (2, 3)),
    )
    assert np.array_equal(viterbi(emissions(scores), *stay), by_librosa(scores, *stay))


def test_paths_are_those_of_librosas_viterbi_binary():
    rng = np.random.default_rng(0)
    scores, stay = sticky(rng, 4, 157, 10), rng.uniform(0.05, 0.99, (2, 10))
    states = viterbi_binary(scores.transpose(0, 2, 1), np.stack([transition_loop(2, both) for both in stay.T]))
    assert np.array_equal(viterbi(emissions(scores), *stay), states.transpose(0, 2, 1))


def test_more_clips_than_are_decoded_side_by_side():
    rng = np.random.default_rng(0)
    scores, stay = sticky(rng, BLOCK + 44, 6, 2), np.array([[0.9, 0.3], [0.8, 0.4]])
    assert np.array_equal(viterbi(emissions(scores), *stay), by_librosa(scores, *stay))


@given(SEEDS)
@tries(20)
def test_paths_are_hmmlearns(seed):
    rng = np.random.default_rng(seed)
    found, stay = emissions(sticky(rng, 4, 60, 3)), rng.uniform(0.01, 0.999, (2, 3))
    assert np.array_equal(viterbi(found, *stay), hmmlearn_hmm.viterbi(found, *stay))


@pytest.mark.parametrize("stay", [0.25, 0.5, 0.9])
def test_hmmlearn_decides_alike_where_all_is_equal(stay):
    found, stay = emissions(np.full((2, 7, 1), 0.5)), np.array([[stay], [stay]])
    paths = hmmlearn_hmm.viterbi(found, *stay)
    assert np.array_equal(viterbi(found, *stay), paths) and not paths[:, -1].any()


@given(SEEDS)
@tries(50)
def test_where_hmmlearn_decides_otherwise_both_paths_are_equally_good(seed):
    rng = np.random.default_rng(seed)
    scores, stay = rng.choice([0.25, 0.5, 0.75], (4, 8, 2)), rng.choice([0.25, 0.5, 0.75], (2, 2))
    found = emissions(scores)
    here, there = viterbi(found, *stay).astype(int), hmmlearn_hmm.viterbi(found, *stay).astype(int)
    for clip, label in np.argwhere((here != there).any(axis=1)):
        worth = worth_of_paths(scores[clip, :, label], *stay[:, label])
        assert worth[tuple(here[clip, :, label])] == worth[tuple(there[clip, :, label])]


@given(st.lists(st.sampled_from([0.0, *SIXTEENTHS, 1.0]), min_size=1, max_size=8), *[st.sampled_from(SIXTEENTHS)] * 2)
@tries(100)
def test_no_path_is_better(p, p_silence, p_event):
    worth = worth_of_paths(p, p_silence, p_event)
    best = [path for path in worth if worth[path] == max(worth.values())]
    path = viterbi(emissions(np.array(p)[None, :, None]), [p_silence], [p_event])[0, :, 0]
    assert tuple(path.astype(int)) in best
    summed = sum(worth.values())
    expected = [float(sum(w for path, w in worth.items() if path[t]) / summed) for t in range(len(p))]
    hmm = Hmm.alike(p_silence, p_event, ("Cat",))
    np.testing.assert_allclose(
        state_posteriors(np.array(p)[None, :, None], hmm)[0, :, 0], expected, rtol=1e-9, atol=1e-15
    )


@given(SEEDS)
@tries(100)
def test_of_equally_good_paths_the_silent_one_is_taken_from_the_end(seed):
    rng = np.random.default_rng(seed)
    # Whole numbers, and sums of one size, so that floats hold every score and ties are ties.
    scores, log_a = rng.integers(-3, 1, (2, 7)).astype(float), rng.integers(-3, 1, (2, 2)).astype(float)
    scores[:, 0] += 1500

    def worse(path):
        return -sum(scores[state, t] + (log_a[path[t - 1], state] if t else 0) for t, state in enumerate(path)), path[
            ::-1
        ]

    states = np.empty((7, 1), np.uint8)
    best_paths(scores[0][:, None], scores[1][:, None], log_a, states)
    assert tuple(states[:, 0]) == min(product((0, 1), repeat=7), key=worse)


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.uint8])
@pytest.mark.parametrize(
    ("p", "path"),
    [
        ([0.5], [0]),
        ([0.51], [1]),
        ([0.5] * 9, [0] * 9),
        ([0] * 9, [0] * 9),
        ([1] * 9, [1] * 9),
        ([0, 1, 0, 1, 1, 0], [0, 1, 0, 1, 1, 0]),  # no smoothing overrules what is certain
        ([0.1, 0.1, 0.8, 0.1, 0.1, 0.9, 0.9, 0.3, 0.9, 0.9], [0, 0, 0, 0, 0, 1, 1, 1, 1, 1]),
    ],
)
def test_paths_of_a_clip(dtype, p, path):
    scores = as_type(np.array(p, float)[None, :, None], dtype)
    assert viterbi(emissions(scores), [0.9], [0.9])[0, :, 0].tolist() == path


@pytest.mark.parametrize(
    ("dtype", "wrong", "top"),
    [
        (float, np.nan, 1),
        (float, -0.1, 1),
        (float, 1.1, 1),
        (float, np.inf, 1),
        (np.float32, np.nan, 1),
        (int, 2, 1),
        (np.uint8, 101, 100),
    ],
)
def test_what_is_no_posterior_is_named_with_its_place(dtype, wrong, top):
    scores = np.zeros((3, 4, 5), dtype)
    scores[1, 2, 4] = wrong
    with pytest.raises(
        SedError, match=f"clip 1, frame 2, class 4 holds {wrong}, expected a posterior from 0 to {top}$"
    ):
        emissions(scores)
    with pytest.raises(SedError, match="clip 1, frame 2, class 4"):
        find_events(posteriors(scores), Hmm.alike(0.9, 0.9, CLASSES[:5]))


@pytest.mark.parametrize("shape", [(3, 0, 2), (3, 2), (3,), (1, 3, 4, 2)])
def test_scores_of_another_shape_are_an_error(shape):
    with pytest.raises(SedError, match="expected .clip, frame, class. with at least one frame"):
        emissions(np.zeros(shape))


@pytest.mark.parametrize("threshold", [0, 1, -0.5, 1.5, np.nan])
def test_a_threshold_lies_between_0_and_1(threshold):
    with pytest.raises(SedError, match=f"threshold is {threshold:g}"):
        emissions(np.zeros((1, 2, 3)), threshold)


def test_no_clips_have_no_paths_and_no_events():
    scores = np.zeros((0, 5, 3))
    assert viterbi(emissions(scores), *np.full((2, 3), 0.9)).shape == (0, 5, 3)
    assert find_events(posteriors(scores), Hmm.alike(0.9, 0.9, CLASSES[:3])).empty


@pytest.mark.parametrize("threshold", [0.2, 0.5, 0.8])
def test_at_the_threshold_both_states_are_equally_likely(threshold):
    found = emissions(np.array([threshold, threshold + 0.01, threshold - 0.01])[None, :, None], threshold)
    at, above, below = (found.event - found.silence).ravel()
    assert at == pytest.approx(0, abs=1e-12) and above > 0.01 and below < -0.01


@pytest.mark.parametrize("frames", [1, 2, 40, 5000])  # the last so long that products of probabilities vanish
@given(SEEDS)
@tries(10)
def test_state_posteriors_are_hmmlearns(frames, seed):
    rng = np.random.default_rng(seed)
    scores, hmm = sticky(rng, 2, frames, 2), Hmm(CLASSES[:2], *rng.uniform(0.01, 0.999, (2, 2)), np.zeros(2))
    found, ours = emissions(scores), state_posteriors(scores, hmm)
    for clip, k in np.ndindex(2, 2):
        model = PosteriorHMM(hmm.p_silence[k], hmm.p_event[k])
        expected = model.predict_proba(np.stack([found.event[k, :, clip], found.silence[k, :, clip]], axis=1))[:, EVENT]
        np.testing.assert_allclose(ours[clip, :, k], expected, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.uint8])
def test_state_posteriors_of_certain_frames_are_certain(dtype):
    scores = np.random.default_rng(0).choice([0.0, 0.5, 1.0], (20, 50, 1))
    ours = state_posteriors(as_type(scores, dtype), Hmm.alike(0.99, 0.3, ("Cat",)))
    assert (ours >= 0).all() and (ours <= 1).all()
    np.testing.assert_allclose(ours[scores != 0.5], scores[scores != 0.5], atol=1e-12)
    assert ((ours > 0) & (ours < 1))[scores == 0.5].all()


@pytest.mark.parametrize("duration_s", [None, 1.0, 2.5])
@given(SEEDS)
@tries(20)
def test_events_are_the_runs_of_the_paths(duration_s, seed):
    rng = np.random.default_rng(seed)
    there = posteriors(sticky(rng, 12, 30, 3))
    hmm = Hmm(CLASSES[:3], *rng.uniform(0.1, 0.9, (2, 3)), np.zeros(3))
    expected = frames_to_events(paths_of(there.scores, hmm), there, duration_s)
    pd.testing.assert_frame_equal(find_events(there, hmm, duration_s), expected)


def events_of(
    p, dtype=float, duration_s=None, threshold=0.5, p_silence=0.6, p_event=0.6, **options
) -> list[tuple[int, int]]:
    """First and last frame of the events in one clip of posteriors, with 63.75 ms frames."""
    there = posteriors(as_type(np.array(p, float)[None, :, None], dtype))
    table = find_events(there, Hmm.alike(p_silence, p_event, ("Alarm_bell_ringing",), **options), duration_s, threshold)
    return [tuple(pair) for pair in (table[["onset", "offset"]].to_numpy() / 0.06375).round(6).tolist()]


def test_events_end_with_the_clip():
    p = [0, 1, 1, 0, 0, 1, 1, 1, 0, 1]
    assert events_of(p) == [(1, 3), (5, 8), (9, 10)]
    assert events_of(p, duration_s=6.5 * 0.06375) == [(1, 3), (5, 6.5)]
    assert events_of(p, duration_s=0.06375) == []


def test_short_events_are_dropped():
    p = [1] * 3 + [0] * 2 + [1] * 4 + [0] * 2 + [1] * 2
    assert events_of(p, drop_s=0.2) == [(5, 9)]  # 3 frames are 0.19125 s
    assert events_of(p, drop_s=3 * 0.06375) == [(5, 9)]
    assert events_of(p, drop_s=0.15) == [(0, 3), (5, 9)]
    assert events_of(p, drop_s=0.05) == [(0, 3), (5, 9), (11, 13)]


@pytest.mark.parametrize(("frame_s", "kept"), [(0.1, 4), (0.064, 5), (0.06375, 5), (0.05, 7)])  # 0.3 / 0.1 < 3
def test_an_event_as_long_as_the_longest_to_drop_is_dropped(frame_s, kept):
    scores = np.zeros((10, 20, 1))
    for clip in range(10):
        scores[clip, 5 : 6 + clip] = 1
    table = find_events(posteriors(scores, frame_s), Hmm.alike(0.6, 0.6, CLASSES[:1], drop_s=0.3))
    assert table["filename"].tolist() == [f"{frames - 1}.wav" for frames in range(kept, 11)]


def test_gaps_between_clips_and_between_classes_stay():
    scores = np.zeros((2, 10, 2))
    scores[0, 7:, 0] = scores[1, :3, 0] = scores[0, :5, 1] = 1
    table = find_events(posteriors(scores), Hmm.alike(0.6, 0.6, CLASSES[:2]))
    assert table[["filename", "event_label"]].to_numpy().tolist() == [
        ["0.wav", CLASSES[1]],
        ["0.wav", CLASSES[0]],
        ["1.wav", CLASSES[0]],
    ]


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.uint8])
def test_events_without_a_sure_frame_are_dropped(dtype):
    p = [0.6, 0.7, 0.7, 0.0, 0.8, 0.6, 0.0, 0.9]
    assert events_of(p, dtype) == [(0, 3), (4, 6), (7, 8)]
    assert events_of(p, dtype, confidence=0.75) == [(4, 6), (7, 8)]
    assert events_of(p, dtype, confidence=0.85) == [(7, 8)]
    assert events_of(p, dtype, confidence=0.95) == []


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.uint8])
@pytest.mark.parametrize("confidence", [0.1, 0.3, 0.5, 0.7, 0.8, 0.9])
def test_a_frame_as_sure_as_asked_for_is_enough(dtype, confidence):
    often = dict(dtype=dtype, p_silence=0.01, p_event=0.99)
    there = events_of([confidence] * 4, **often)
    assert len(there) == 1 and events_of([confidence] * 4, **often, confidence=confidence) == there
    assert events_of([confidence] * 4, **often, confidence=confidence + 0.001) == []


def test_sureness_counts_within_the_event():
    p = [0.9] * 3 + [0.0] * 3 + [0.6] * 3
    assert events_of(p, confidence=0.8) == [(0, 3)]
    assert events_of(p[::-1], confidence=0.8) == [(6, 9)]


def test_confidence_is_of_each_class():
    scores = np.full((1, 4, 2), 0.7)
    table = find_events(posteriors(scores), Hmm(CLASSES[:2], [0.6] * 2, [0.6] * 2, [0.8, 0.6]))
    assert table["event_label"].tolist() == [CLASSES[1]]


def test_percent_scores_mean_the_same():
    scores = as_type(sticky(np.random.default_rng(0), 20, 60, 3), np.uint8)
    hmm = Hmm.alike(0.9, 0.8, CLASSES[:3], confidence=0.8, drop_s=0.2)
    pd.testing.assert_frame_equal(find_events(posteriors(scores), hmm), find_events(posteriors(scores / 100), hmm))


def test_a_class_without_a_model_is_an_error():
    there = posteriors(np.zeros((1, 4, 2)))
    with pytest.raises(
        SedError, match=f"no p_silence and p_event for class '{CLASSES[0]}', .* it has {CLASSES[1]}, {CLASSES[2]}"
    ):
        find_events(there, Hmm.alike(0.9, 0.9, CLASSES[1:3]))


def test_models_are_found_by_their_class_in_any_order():
    there = posteriors(sticky(np.random.default_rng(0), 20, 60, 2))
    hmm = Hmm(CLASSES[2::-1], [0.5, 0.9, 0.6], [0.5, 0.8, 0.95], [0.0, 0.7, 0.0])
    same = Hmm(CLASSES[:2], [0.6, 0.9], [0.95, 0.8], [0.0, 0.7])
    pd.testing.assert_frame_equal(find_events(there, hmm), find_events(there, same))
    assert len(find_events(there, same)) and hmm.of(CLASSES[:2]).to_dict() == same.to_dict()


def test_too_few_probabilities_for_the_classes():
    with pytest.raises(SedError, match="2 and 2 probabilities for 3 classes"):
        viterbi(emissions(np.full((1, 4, 3), 0.5)), np.full(2, 0.9), np.full(2, 0.9))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"p_silence": [0.5]}, "p_silence has 1 values for 2 classes"),
        ({"p_event": [0.5] * 3}, "p_event has 3 values for 2 classes"),
        ({"p_silence": [0.5, 1.0]}, "p_silence of Dog is 1, expected more than 0 and less than 1"),
        ({"p_event": [0.0, 0.5]}, "p_event of Cat is 0, expected more than 0"),
        ({"p_event": [0.5, np.nan]}, "p_event of Dog is nan"),
        ({"confidence": [0.5, 1.0]}, "confidence of Dog is 1, expected 0 or more and less than 1"),
        ({"confidence": [-0.1, 0.5]}, "confidence of Cat is -0.1, expected 0 or more"),
        ({"drop_s": -0.2}, "drop_s is -0.2, expected seconds, 0 or more"),
        ({"drop_s": np.inf}, "drop_s is inf"),
        ({"drop_s": np.nan}, "drop_s is nan"),
    ],
)
def test_parameters_out_of_range(change, message):
    good = {"p_silence": [0.5] * 2, "p_event": [0.5] * 2, "confidence": [0.0] * 2}
    Hmm(("Cat", "Dog"), **good)
    with pytest.raises(SedError, match=f"HMM: {message}"):
        Hmm(("Cat", "Dog"), **{**good, **change})


def test_parameters_travel_as_json(tmp_path):
    there = Hmm(("Cat", "Dog"), [0.9, 0.123456789012345], [1 / 3, 0.999], [0.0, 0.8], drop_s=0.2)
    file = tmp_path / "hmm.json"
    file.write_text(
        json.dumps({"search": "robust", "seconds": 3.5, "tuned": {"f1_other_half": None}, **there.to_dict()})
    )
    back = Hmm.load(file)
    assert (back.classes, back.drop_s) == (there.classes, there.drop_s)
    for name in ("p_silence", "p_event", "confidence"):
        assert np.array_equal(getattr(back, name), getattr(there, name))


def test_a_file_by_hand_needs_two_probabilities_a_class_in_any_order(tmp_path):
    file = tmp_path / "hmm.json"
    file.write_text('{"p_silence": {"Dog": 0.9, "Cat": 0.8}, "p_event": {"Cat": 0.7, "Dog": 0.6}}')
    hmm = Hmm.load(file)
    assert (hmm.classes, hmm.p_silence.tolist(), hmm.p_event.tolist()) == (("Dog", "Cat"), [0.9, 0.8], [0.6, 0.7])
    assert (hmm.confidence.tolist(), hmm.drop_s) == ([0, 0], 0)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            None,
            "not a JSON file with p_silence and p_event by class, as `sedlib tune --json` writes it .FileNotFoundError",
        ),
        ("p_silence: 0.5", "not a JSON file"),
        ("\xff", "not a JSON file"),
        ("[1, 2]", "not a JSON file"),
        ("3", "not a JSON file"),
        ('{"p_silence": {"Cat": 0.5}}', "not a JSON file .* .KeyError: 'p_event'"),
        ('{"p_silence": [0.5], "p_event": [0.5]}', "not a JSON file"),
        ('{"p_silence": {"Cat": "much"}, "p_event": {"Cat": 0.5}}', "not a JSON file .*'much'"),
        (
            '{"p_silence": {"Cat": 0.5, "Dog": 0.5}, "p_event": {"Cat": 0.5}}',
            "HMM: p_event of Dog is nan, expected more than 0",
        ),
        ('{"p_silence": {"Cat": 0.5}, "p_event": {"Cat": 0.5, "Dog": 0.5}}', "HMM: p_silence of Dog is nan"),
        (
            '{"p_silence": {"Cat": 0.5}, "p_event": {"Cat": 0.5}, "confidence": {}, "drop_s": 0}',
            "HMM: confidence of Cat is nan",
        ),
        (
            '{"p_silence": {"Cat": 0.5}, "p_event": {"Cat": 0.5}, "confidence": {"Cat": 0.5}}',
            "confidence or drop_s is missing; give both or neither",
        ),
        (
            '{"p_silence": {"Cat": 0.5}, "p_event": {"Cat": 1.0}}',
            "HMM: p_event of Cat is 1, expected more than 0 and less than 1",
        ),
        ('{"p_silence": {"Cat": NaN}, "p_event": {"Cat": 0.5}}', "HMM: p_silence of Cat is nan"),
        (
            '{"p_silence": {"Cat": 0.5}, "p_event": {"Cat": 0.5}, "confidence": {"Cat": 0}, "drop_s": -1}',
            "HMM: drop_s is -1",
        ),
        (
            '{"p_silence": {"Cat": 0.5}, "p_event": {"Cat": 0.5}, "confidence": {"Cat": 0}, "drop_s": "long"}',
            "not a JSON file .*could not convert string to float: 'long'",
        ),
    ],
)
def test_a_file_that_holds_no_parameters_is_named(tmp_path, content, message):
    if content is not None:
        (tmp_path / "hmm.json").write_text(content, encoding="latin-1")
    with pytest.raises(SedError, match=f"hmm.json: {message}"):
        Hmm.load(tmp_path / "hmm.json")


def test_clips_are_selected_in_the_order_asked_for():
    there = posteriors(np.random.default_rng(0).random((4, 5, 2)))
    some = there.select(["3.wav", "0.wav"])
    assert some.filenames == ["3.wav", "0.wav"] and np.array_equal(some.scores, there.scores[[3, 0]])
    assert (some.classes, some.frame_s) == (there.classes, there.frame_s)


def test_clips_that_are_missing_or_there_twice_are_named():
    there = posteriors(np.zeros((2, 5, 2)))
    with pytest.raises(SedError, match="2 of the reference's 3 clips are missing, for example '8.wav'"):
        there.select(["8.wav", "1.wav", "9.wav"])
    with pytest.raises(SedError, match="clip 'a.wav' is listed twice"):
        Posteriors(there.scores, ["a.wav", "a.wav"], there.classes, 0.1).select(["a.wav"])
