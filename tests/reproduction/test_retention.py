"""What a picture keeps of what stays and of what begins: known on simple pictures, blind to scale."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reproduction.retention import onset_contrast, retention, stationary_share
from sedlib.errors import SedError

FRAME_S, FRAMES = 0.064, 150
EVENTS = pd.DataFrame({"onset": [1.0, 4.0], "offset": [1.5, 5.0]})
TIMES = FRAME_S * np.arange(FRAMES)
INSIDE = ((TIMES >= 1) & (TIMES < 1.5)) | ((TIMES >= 4) & (TIMES < 5))


def steady(bands: int = 20) -> np.ndarray:
    """A pattern over the bands that stays."""
    return np.repeat(np.random.default_rng(0).random((bands, 1)), FRAMES, 1)


def onsets(bands: int = 20) -> np.ndarray:
    """All bands jump up in every second frame of the events."""
    return np.tile(np.where(INSIDE & (np.arange(FRAMES) % 2 == 0), 1.0, 0.0), (bands, 1))


def test_a_steady_pattern_is_all_stationary_and_has_no_onset():
    assert retention(steady(), FRAME_S, EVENTS) == pytest.approx((1.0, 0.0))


def test_onsets_alone_are_not_stationary_and_stand_out_beyond_measure():
    assert retention(onsets(), FRAME_S, EVENTS) == (pytest.approx(0.0, abs=1e-12), np.inf)


def test_a_constant_has_neither():
    assert retention(np.full((20, FRAMES), 0.3), FRAME_S, EVENTS) == (0.0, 0.0)


def test_the_share_is_that_of_the_variance():
    noise = np.random.default_rng(1).normal(size=(200, 4000))
    pattern = np.random.default_rng(2).normal(size=(200, 1)) * np.ones((1, 4000))
    for weight in (0.5, 1.0, 2.0):
        part = (weight * pattern).var()
        assert stationary_share(weight * pattern + noise) == pytest.approx(part / (part + 1), abs=0.02)


def test_noise_that_knows_nothing_of_the_events_has_no_contrast_and_onsets_in_it_raise_it():
    values = [
        [
            onset_contrast(np.random.default_rng(seed).normal(size=(20, FRAMES)) + height * onsets(), FRAME_S, EVENTS)
            for seed in range(40)
        ]
        for height in (0.0, 1.0, 3.0)
    ]
    none, little, much = np.mean(values, axis=1)
    assert abs(none) < 0.15 and none + 0.3 < little < much


def test_falls_are_no_onsets():
    falling = (
        np.tile(-np.cumsum(INSIDE.astype(float)), (20, 1)) + np.random.default_rng(0).normal(size=(20, FRAMES)) / 10
    )
    assert onset_contrast(falling, FRAME_S, EVENTS) < 0 < onset_contrast(-falling, FRAME_S, EVENTS)


def test_a_rise_is_measured_over_the_same_time_at_every_hop():
    slow = np.tile(np.where(INSIDE, 1.0, 0.0), (20, 1))
    fine = np.repeat(slow, 4, axis=1)
    noise = np.random.default_rng(0).normal(size=slow.shape) / 10
    coarse = onset_contrast(slow + noise, FRAME_S, EVENTS)
    assert onset_contrast(fine + np.repeat(noise, 4, axis=1), FRAME_S / 4, EVENTS) == pytest.approx(coarse, rel=0.15)


@settings(max_examples=50, deadline=None)
@given(st.floats(1e-3, 1e3), st.floats(-10, 10), st.integers(0, 1000))
def test_scale_and_offset_change_nothing(scale, offset, seed):
    x = np.random.default_rng(seed).normal(size=(20, FRAMES)) + steady() + onsets()
    assert retention(scale * (x + offset), FRAME_S, EVENTS) == pytest.approx(retention(x, FRAME_S, EVENTS), rel=1e-5)


@pytest.mark.parametrize("x", [np.zeros((1, 20, FRAMES)), np.full((20, FRAMES), np.nan), np.zeros(5)])
def test_what_is_no_picture_is_refused(x):
    with pytest.raises(SedError, match=r"\(mel, frame\)"):
        stationary_share(x)


@pytest.mark.parametrize("onset, offset", [(0.0, 10.0), (20.0, 21.0)])
def test_events_everywhere_or_nowhere_are_refused(onset, offset):
    with pytest.raises(SedError, match="some must lie inside"):
        onset_contrast(steady(), FRAME_S, pd.DataFrame({"onset": [onset], "offset": [offset]}))
