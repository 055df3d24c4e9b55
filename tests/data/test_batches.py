"""Strong labels as frames against their definition, frame by frame."""

import numpy as np
import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st

from sedlib.data import tables
from sedlib.data.batches import strong_labels

CLIPS = ["a.wav", "b.wav", "c.wav"]
EVENTS = st.lists(st.tuples(st.sampled_from([*CLIPS, "other.wav"]), st.integers(0, 9999), st.integers(0, 12000),
                            st.sampled_from(tables.CLASSES)), max_size=10)


@settings(max_examples=50, deadline=None)
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
