"""The clip of Figure 2 is as the paper describes it."""

import numpy as np

from reproduction.sounds import figure2_clip
from sedlib.data import tables


def test_a_vacuum_cleaner_throughout_and_speech_three_times():
    for seed in range(4):
        waveform, events = figure2_clip(seed)
        assert waveform.shape == (160000,) and waveform.dtype == np.float32 and 0.01 < np.abs(waveform).max() <= 1
        assert list(events.columns) == list(tables.EVENT_COLUMNS)
        vacuum = events[events["event_label"] == "Vacuum_cleaner"]
        speech = events[events["event_label"] == "Speech"]
        assert len(vacuum) == 1 and vacuum["onset"].item() == 0 and vacuum["offset"].item() == 10
        assert len(speech) == 3 and (speech["onset"].to_numpy()[1:] > speech["offset"].to_numpy()[:-1] + 1).all()


def test_the_vacuum_cleaner_is_on_from_the_first_moment_to_the_last():
    for seed in range(4):
        waveform, _ = figure2_clip(seed)
        inside = np.sqrt(np.mean(waveform[8000:16000] ** 2))  # before the first speech
        for end in (waveform[:1600], waveform[-1600:]):
            assert np.sqrt(np.mean(end**2)) > 0.5 * inside


def test_a_pure_function_of_its_seed():
    first, again, other = figure2_clip(5), figure2_clip(5), figure2_clip(6)
    assert np.array_equal(first[0], again[0]) and first[1].equals(again[1])
    assert not np.array_equal(first[0], other[0])
