"""From posteriors to events: median filter, runs, labels there and back."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import ndimage
from tries import tries

from sedlib.config import Decoding
from sedlib.data.encoder import strong_labels
from sedlib.data.tables import CLASSES
from sedlib.decode import Posteriors, filter_frames, frames_to_events, median_events, smooth
from sedlib.errors import SedError


def posteriors(scores: np.ndarray, frame_s: float = 0.1) -> Posteriors:
    return Posteriors(scores, [f"{i}.wav" for i in range(len(scores))], CLASSES, frame_s)


@pytest.mark.parametrize("frame_s, frames", [(0.06375, 7), (0.128, 3), (0.45, 1), (10, 1), (0.01, 45)])
def test_filter_length_is_the_nearest_odd_number_of_frames(frame_s, frames):
    assert filter_frames(0.45, frame_s) == frames


@given(st.integers(0, 10_000), st.sampled_from([1, 3, 7]))
@tries(50)
def test_smooth_is_the_majority_of_the_neighbours(seed, frames):
    """A clip goes on beyond its ends as its reflection: frame -1 is frame 0, frame -2 is frame 1."""
    active = np.random.default_rng(seed).random((2, 30, 10)) > 0.5
    padded = np.concatenate([active[:, : frames // 2][:, ::-1], active, active[:, ::-1][:, : frames // 2]], axis=1)
    majority = sum(padded[:, i : i + 30].astype(int) for i in range(frames)) > frames // 2
    assert np.array_equal(smooth(active, frames), majority)
    assert np.array_equal(
        smooth(active, frames), ndimage.median_filter(active, (1, frames, 1))
    )  # SciPy's default, as the baseline


@pytest.mark.parametrize(
    "before, after",
    [
        ("1110000", "1110000"),  # an event of 3 frames at the start of a clip
        ("0000111", "0000111"),
        ("1100000", "1100000"),
        ("1000000", "0000000"),
        ("0111000", "1100000"),  # one that begins just behind it
        ("0001110000", "0000000000"),  # of the same length, but within the clip
        ("1111111", "1111111"),
    ],
)
def test_an_event_at_a_clips_end_is_not_cut_off(before, after):
    active = np.array([c == "1" for c in before])[None, :, None]
    assert "".join("01"[int(a)] for a in smooth(active, 7)[0, :, 0]) == after


@given(st.integers(0, 10_000), st.sampled_from([1, 3, 7]), st.sampled_from([0.1, 0.5, 0.83]))
@tries(50)
def test_filter_and_threshold_can_be_exchanged(seed, frames, threshold):
    scores = posteriors(np.random.default_rng(seed).random((2, 12, 10)))
    decoding = Decoding(threshold=threshold, median_s=frames * scores.frame_s)
    filtered = ndimage.median_filter(scores.scores, size=(1, frames, 1)) > threshold
    assert frames_to_events(filtered, scores).equals(median_events(scores, decoding))


@given(st.integers(0, 10_000))
@tries(50)
def test_events_and_frames_are_inverse(seed):
    rng = np.random.default_rng(seed)
    active = rng.random((3, 40, 10)) > rng.random()
    there = frames_to_events(active, posteriors(active.astype(float), 0.0625))
    back = strong_labels(there, [f"{i}.wav" for i in range(3)], 40, 0.0625)
    assert np.array_equal(back.astype(bool), active)


@given(st.floats(0, 9.9), st.floats(0.001, 5), st.sampled_from([0.06375, 0.128]))
@tries(200)
def test_labels_are_off_by_half_a_frame_at_most(onset, length, frame_s):
    import pandas as pd

    offset, frames = min(onset + length, 10.0), int(10 / frame_s) + 1
    table = pd.DataFrame([["a.wav", onset, offset, "Dog"]], columns=["filename", "onset", "offset", "event_label"])
    labels = strong_labels(table, ["a.wav"], frames, frame_s)
    assert labels.sum() >= 1 and set(np.nonzero(labels)[2]) == {CLASSES.index("Dog")}
    event = frames_to_events(labels > 0, Posteriors(labels, ["a.wav"], CLASSES, frame_s)).iloc[0]
    assert abs(event.onset - onset) <= frame_s / 2 + 1e-9
    if length >= frame_s:
        assert abs(event.offset - offset) <= frame_s / 2 + 1e-9


def test_threshold_is_exclusive_percent_scores_mean_the_same_and_no_event_passes_the_end():
    scores = np.zeros((1, 100, 10), np.float32)
    scores[0, 50:, 3], scores[0, :20, 4] = 0.9, 0.5
    for values in (scores, (100 * scores).round().astype(np.uint8)):
        table = median_events(posteriors(values, 0.12), Decoding(threshold=0.5, median_s=0.1), duration_s=10.0)
        assert table.to_dict("records") == [
            {"filename": "0.wav", "onset": 6.0, "offset": 10.0, "event_label": "Dishes"}
        ]


def test_no_frames_active_gives_an_empty_table():
    table = median_events(posteriors(np.zeros((2, 9, 10))), Decoding())
    assert table.empty and list(table.columns) == ["filename", "onset", "offset", "event_label"]


def test_posteriors_travel_as_npz(tmp_path):
    there = posteriors(np.random.default_rng(0).random((2, 5, 10)).astype(np.float32))
    there.save(tmp_path / "p.npz")
    back = Posteriors.load(tmp_path / "p.npz")
    assert np.array_equal(back.scores, there.scores)
    assert (back.filenames, back.classes, back.frame_s) == (there.filenames, there.classes, there.frame_s)


@pytest.mark.parametrize("content", [b"", b"no zip"])
def test_a_file_that_is_no_npz_is_named(tmp_path, content):
    (tmp_path / "p.npz").write_bytes(content)
    with pytest.raises(SedError, match="p.npz: not an .npz of posteriors"):
        Posteriors.load(tmp_path / "p.npz")
