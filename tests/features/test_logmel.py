"""Log-Mel against librosa; scaling against its definition."""

import librosa
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tries import tries

from sedlib.config import PROFILES, Features
from sedlib.features import LogMel, MinMax, ZScore


def librosa_logmel(waveform: np.ndarray, f: Features) -> np.ndarray:
    waveform = waveform - waveform.mean(dtype=np.float64)
    magnitude = np.abs(
        librosa.stft(waveform, n_fft=f.n_fft, hop_length=f.hop, window="hamming", center=True, pad_mode="reflect")
    )
    bands = librosa.filters.mel(
        sr=f.sample_rate, n_fft=f.n_fft, n_mels=f.n_mels, fmin=f.f_min, fmax=f.f_max, htk=False, norm=None
    )
    return librosa.amplitude_to_db(bands @ magnitude, ref=1.0, amin=f.floor, top_db=f.range_db)


def sounds() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    t = np.arange(160000) / 16000
    click = np.zeros_like(t)
    click[80000] = 1
    return {
        "noise": 0.1 * rng.standard_normal(t.size),
        "tone over faint noise": 0.9 * np.sin(2 * np.pi * 440 * t) + 1e-4 * rng.standard_normal(t.size),
        "low hum over fainter noise": 0.9 * np.sin(2 * np.pi * 50 * t) + 3e-5 * rng.standard_normal(t.size),
        "click": click,
        "offset": 0.5 + 0.01 * rng.standard_normal(t.size),
        "silence": np.zeros_like(t),
    }


@pytest.mark.parametrize("profile", ["paper", "lesson"])
@pytest.mark.parametrize("name", sounds())
def test_equals_librosa_within_a_thousandth_of_a_decibel(name, profile):
    features = PROFILES[profile].features
    waveform = sounds()[name].astype(np.float32)
    ours = LogMel(features)(torch.from_numpy(waveform)[None])[0, 0].numpy()
    theirs = librosa_logmel(waveform, features)
    assert ours.shape == theirs.shape == (features.n_mels, features.frames)
    above = theirs > max(theirs.max() - features.range_db, -100)
    assert np.abs(ours - theirs)[above].max(initial=0) < 1e-3
    assert np.abs(ours - theirs).max() < 1e-2  # at the floor, where the loudest bin's rounding counts


def test_paper_size_has_628_frames_and_a_batch_equals_its_clips():
    logmel = LogMel(Features())
    waveform = torch.randn(3, 160000, generator=torch.Generator().manual_seed(0))
    batch = logmel(waveform)
    assert batch.shape == (3, 1, 128, 628) and batch.dtype == torch.float32
    single = torch.cat([logmel(w[None]) for w in waveform])
    torch.testing.assert_close(batch, single, rtol=0, atol=1e-4)


def test_range_is_relative_to_the_loudest_bin_of_each_clip():
    loud, quiet = sounds()["tone over faint noise"], 1e-4 * sounds()["tone over faint noise"]
    level = LogMel(Features())(torch.from_numpy(np.stack([loud, quiet])).float())
    for clip, waveform in zip(level, (loud, quiet)):
        assert clip.min() >= max(clip.max() - 80.001, -100.001)
        torch.testing.assert_close(
            clip[None], LogMel(Features())(torch.from_numpy(waveform)[None].float()), rtol=0, atol=1e-4
        )


@given(st.integers(0, 10_000), st.floats(-100, 100), st.floats(0.01, 100))
@tries(25)
def test_zscore_gives_every_band_mean_0_and_deviation_1(seed, shift, spread):
    x = shift + spread * torch.randn(7, 1, 5, 40, generator=torch.Generator().manual_seed(seed))
    scale = ZScore(5)
    scale.fit(iter(x.split(3)))
    y = scale(x)
    torch.testing.assert_close(y.mean((0, 1, 3)), torch.zeros(5), rtol=0, atol=1e-2)
    torch.testing.assert_close(y.std((0, 1, 3), correction=0), torch.ones(5), rtol=1e-2, atol=0)


def test_zscore_of_a_constant_band_is_finite():
    scale = ZScore(2)
    scale.fit([torch.full((2, 1, 2, 4), -100.0)])
    assert torch.equal(scale(torch.full((1, 1, 2, 4), -100.0)), torch.zeros(1, 1, 2, 4))


def test_minmax_fills_0_to_1_in_every_clip_and_a_constant_becomes_0():
    x = torch.stack([torch.linspace(-80, 3, 20).reshape(1, 4, 5), torch.full((1, 4, 5), -100.0)])
    y = MinMax()(x)
    assert y[0].min() == 0 and y[0].max() == 1 and torch.equal(y[1], torch.zeros(1, 4, 5))
