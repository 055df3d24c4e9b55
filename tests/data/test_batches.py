"""Strong labels as frames against their definition, frame by frame."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tries import tries

from sedlib.data import tables
from sedlib.data.encoder import event_labels, strong_labels

CLIPS = ["a.wav", "b.wav", "c.wav"]
EVENTS = st.lists(
    st.tuples(
        st.sampled_from([*CLIPS, "other.wav"]),
        st.integers(0, 9999),
        st.integers(0, 12000),
        st.sampled_from(tables.CLASSES),
    ),
    max_size=10,
)


@tries(50)
@given(EVENTS, st.sampled_from([(156, 0.064), (40, 0.25), (10, 1.0)]))
def test_a_frame_is_active_where_an_event_rounded_to_frames_is(rows, size):
    frames, frame_s = size
    table = pd.DataFrame([(n, a / 1000, (a + d) / 1000, c) for n, a, d, c in rows], columns=tables.EVENT_COLUMNS)
    labels = strong_labels(table, CLIPS, frames, frame_s)
    assert labels.dtype == np.float32 and labels.shape == (3, frames, 10)
    expected = np.zeros_like(labels)
    for name, onset, offset, label in table.itertuples(index=False):
        for t in range(frames if name in CLIPS else 0):
            first, last = round(onset / frame_s), round(offset / frame_s)
            if first <= t < last or t == min(first, frames - 1):  # half a frame off at most, and never without one
                expected[CLIPS.index(name), t, tables.CLASSES.index(label)] = 1
    assert np.array_equal(labels, expected)


@given(st.integers(0, 10000), st.integers(0, 10000))
@tries(200)
def test_floored_labels_are_the_baselines(onset_ms, offset_ms):
    """Seconds to samples, to frames of 255 samples, to one frame in four, always rounded down; the last frame is not
    part of the event."""
    onset, offset = sorted((onset_ms, offset_ms))
    table = pd.DataFrame([("a.wav", onset / 1000, offset / 1000, "Cat")], columns=tables.EVENT_COLUMNS)
    labels = strong_labels(table, ["a.wav"], 157, 4 * 255 / 16000, "floor")
    first, last = (16 * time // 255 // 4 for time in (onset, offset))
    assert np.flatnonzero(labels[0, :, tables.CLASSES.index("Cat")]).tolist() == list(range(first, last))
    assert labels.sum() == last - first


@pytest.mark.parametrize("ends, active", [("floor", 0), ("nearest", 1)])
def test_an_event_within_one_frame_has_none_or_one(ends, active):
    assert event_labels([(0.13, 0.18, "Dog")], 157, 0.06375, ends).sum() == active


@pytest.mark.parametrize("ends", ["floor", "nearest"])
def test_an_event_that_begins_after_the_clip_has_no_frame(ends):
    assert not event_labels([(10.0, 10.2, "Dog"), (12.0, 13.0, "Cat")], 157, 0.06375, ends).any()
