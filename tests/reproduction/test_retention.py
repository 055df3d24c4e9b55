"""What a picture keeps of what lasts and of what changes: known on simple pictures, blind to scale."""

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy import signal
from tries import tries

from reproduction import sounds
from reproduction.retention import BY_HAND, divided, event_contrast, modulation_share, retention, stationary_share
from sedlib import features
from sedlib.config import Features
from sedlib.errors import SedError
from sedlib.features import LogMel

FRAME_S, FRAMES = 0.064, 150
EVENTS = pd.DataFrame({"onset": [1.0, 4.0], "offset": [1.5, 5.0]})
TIMES = FRAME_S * np.arange(FRAMES)
INSIDE = ((TIMES >= 1) & (TIMES < 1.5)) | ((TIMES >= 4) & (TIMES < 5))


def steady(bands: int = 20) -> np.ndarray:
    """A pattern over the bands that stays."""
    return np.repeat(np.random.default_rng(0).random((bands, 1)), FRAMES, 1)


def words(bands: int = 20) -> np.ndarray:
    """All bands jump up in every second frame of the events."""
    return np.tile(np.where(INSIDE & (np.arange(FRAMES) % 2 == 0), 1.0, 0.0), (bands, 1))


def test_a_steady_pattern_is_all_stationary_and_nothing_changes():
    assert retention(steady(), FRAME_S, EVENTS) == pytest.approx((1.0, 0.0, 0.0), abs=1e-12)


def test_events_alone_are_not_stationary_and_stand_out_beyond_measure():
    found = retention(words(), FRAME_S, EVENTS)
    assert found[:2] == (pytest.approx(0.0, abs=1e-12), np.inf) and found.modulation > 0.4


def test_a_constant_has_none_of_it():
    assert retention(np.full((20, FRAMES), 0.3), FRAME_S, EVENTS) == (0.0, 0.0, 0.0)


def test_the_share_is_that_of_the_variance():
    noise = np.random.default_rng(1).normal(size=(200, 4000))
    pattern = np.random.default_rng(2).normal(size=(200, 1)) * np.ones((1, 4000))
    for weight in (0.5, 1.0, 2.0):
        part = (weight * pattern).var()
        assert stationary_share(weight * pattern + noise) == pytest.approx(part / (part + 1), abs=0.02)


def test_the_contrast_is_the_ratio_of_what_the_events_add_to_what_lasts():
    added = np.random.default_rng(3).normal(size=(20, 1)) * np.where(INSIDE, 1.0, 0.0)
    expected = (added[:, INSIDE].mean(1) ** 2).mean() / steady()[:, 0].var()
    for height in (0.5, 2.0):
        found = event_contrast(steady() + height * added, FRAME_S, EVENTS)
        assert found == pytest.approx(height**2 * expected, rel=1e-9)


@pytest.mark.parametrize("hertz, share", [(1.0, 0.0), (4.0, 1.0), (7.0, 1.0), (20.0, 0.0)])
def test_the_share_of_modulation_is_that_of_its_band(hertz, share):
    times = 0.016 * np.arange(625)  # 10 s, in which every frequency is whole
    x = np.tile(np.sin(2 * np.pi * hertz * times), (20, 1))
    assert modulation_share(x, 0.016) == pytest.approx(share, abs=1e-6)
    lasting = 3 * np.random.default_rng(0).choice([-1.0, 1.0], (20, 1))
    assert modulation_share(x + lasting - lasting.mean(), 0.016) < 0.1


def by_hand(energy: np.ndarray, frame_s: float, alpha: float, delta: float, r: float, seconds: float) -> np.ndarray:
    s = features.coefficient(seconds, frame_s)
    m = signal.lfilter([s], [1, s - 1], energy, zi=(1 - s) * energy[:, :1])[0]
    return (energy / (1e-6 + m) ** alpha + delta) ** r - delta**r


@pytest.mark.parametrize("clip", range(2))
def test_layers_set_by_hand_are_divided_and_neither_of_them_is_divided_from_itself(clip):
    settings = Features()
    waveform, events = sounds.figure2_clip(clip)
    speech, frame_s = events[events["event_label"] == "Speech"], settings.hop / settings.sample_rate
    mel = LogMel(settings).mel(torch.from_numpy(waveform)[None])[0, 0].numpy()
    energy = (mel - mel.min()) / np.ptp(mel)
    kept = {name: retention(by_hand(energy, frame_s, **of), frame_s, speech) for name, of in BY_HAND.items()}
    assert divided(list(kept.values())) and divided(list(kept.values())[::-1])
    assert not any(divided([one, one]) for one in kept.values())
    logmel = retention(20 * np.log10(np.maximum(mel, 1e-3)), frame_s, speech)
    assert not divided([logmel, kept["slow"]])


@tries(50)
@given(st.floats(1e-3, 1e3), st.floats(-10, 10), st.integers(0, 1000))
def test_scale_and_offset_change_nothing(scale, offset, seed):
    x = np.random.default_rng(seed).normal(size=(20, FRAMES)) + steady() + words()
    assert retention(scale * (x + offset), FRAME_S, EVENTS) == pytest.approx(retention(x, FRAME_S, EVENTS), rel=1e-5)


@pytest.mark.parametrize("x", [np.zeros((1, 20, FRAMES)), np.full((20, FRAMES), np.nan), np.zeros(5)])
def test_what_is_no_picture_is_refused(x):
    with pytest.raises(SedError, match=r"\(mel, frame\)"):
        stationary_share(x)


@pytest.mark.parametrize("onset, offset", [(0.0, 10.0), (20.0, 21.0)])
def test_events_everywhere_or_nowhere_are_refused(onset, offset):
    with pytest.raises(SedError, match="some must be inside"):
        event_contrast(steady(), FRAME_S, pd.DataFrame({"onset": [onset], "offset": [offset]}))
