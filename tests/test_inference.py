"""Recordings of any length: windows join to the whole."""

import tracemalloc
from types import SimpleNamespace

import numpy as np
import pytest
import soundfile
import torch

from sedlib import inference
from sedlib.config import PROFILES
from sedlib.data.tables import CLASSES
from sedlib.decode import Hmm
from sedlib.errors import SedError
from sedlib.inference import audacity_labels, detect, recording_posteriors
from sedlib.models import Detector, Output
from sedlib.systems import configuration

CONFIG = PROFILES["lesson"]
POOL = CONFIG.model.time_pooling * CONFIG.features.hop


LENGTH = CONFIG.features.samples


class Level(torch.nn.Module):
    """A stand-in detector that knows when the waveform is loud, and where it sits in its window."""

    def features(self, waveform):
        frames = torch.nn.functional.pad(waveform, (0, CONFIG.frames * POOL))[:, : CONFIG.frames * POOL]
        return frames.reshape(len(waveform), CONFIG.frames, POOL).abs().amax(-1)

    def forward(self, features):
        strong = features[..., None].repeat(1, 1, len(CLASSES))
        strong[..., 1] = torch.linspace(0, 1, CONFIG.frames)  # position in the window
        return Output(strong.logit(), strong.mean(1).logit(), strong)


class Clock(Level):
    """A stand-in detector that gives the middle sample of every frame, and keeps its windows."""

    def __init__(self, config):
        super().__init__()
        self.config, self.windows = config, []

    def features(self, waveform):
        self.windows += list(waveform.numpy())
        pool = self.config.model.time_pooling * self.config.features.hop
        return waveform[:, torch.arange(self.config.frames).mul(pool).add(pool // 2).clamp(max=waveform.shape[1] - 1)]

    def forward(self, features):
        strong = features[..., None].repeat(1, 1, len(CLASSES))
        strong[..., 1] = torch.arange(self.config.frames) / self.config.frames
        return SimpleNamespace(strong=strong)


SECONDS = [0.3, 3, 9.9, 10, 10.00625, 10.03, 10.1, 12.345, 15, 27.3, 301]


@pytest.mark.parametrize("profile", ["lesson", "paper"])
@pytest.mark.parametrize("seconds", SECONDS)
@pytest.mark.parametrize("windows", [1, 16])
def test_every_frame_is_judged_at_its_time_and_far_from_the_edges_of_its_window(profile, seconds, windows, monkeypatch):
    monkeypatch.setattr(inference, "WINDOWS", windows)
    config = PROFILES[profile]
    pool = config.model.time_pooling * config.features.hop
    samples = round(16000 * seconds)
    clock = Clock(config)
    result = recording_posteriors(clock, config, np.arange(samples, dtype=np.float32), "a.wav")
    frames = -(-samples // pool)
    assert result.scores.shape == (1, frames, 10)
    middles = (np.arange(frames) + 0.5) * pool
    np.testing.assert_allclose(result.scores[0, : frames - 2, 0], middles[: frames - 2])
    # What is left of the last frame is judged by a window that ends there, at most a frame off.
    there = slice(-2, None if samples >= LENGTH or middles[-1] < samples else -1)  # else the frame's middle is padding
    np.testing.assert_allclose(result.scores[0, there, 0], middles[there], atol=pool)
    quarter, number, place = config.frames // 4, np.arange(frames), result.scores[0, :, 1]
    inner = place[(number > quarter) & (number < frames - quarter - 2)]
    assert samples < LENGTH or (inner > 0.24).all() and (inner < 0.76).all()


@pytest.mark.parametrize("seconds", SECONDS)
def test_the_last_window_ends_with_the_recording(seconds):
    """Digital silence after the recording would change what scaling by a clip's range makes of it."""
    waveform = np.arange(1, round(16000 * seconds) + 1, dtype=np.float32)
    clock = Clock(CONFIG)
    recording_posteriors(clock, CONFIG, waveform, "a.wav")
    if len(waveform) >= LENGTH:
        assert np.array_equal(clock.windows[-1], waveform[-LENGTH:])
        assert all((np.diff(window) == 1).all() for window in clock.windows)
        starts = [int(window[0]) - 1 for window in clock.windows]
        assert starts == sorted(set(starts)) and starts[0] == 0 and np.diff(starts).max(initial=0) <= LENGTH / 2
    else:
        assert len(clock.windows) == 1 and np.array_equal(
            clock.windows[0], np.pad(waveform, (0, LENGTH - len(waveform)))
        )


@pytest.mark.parametrize("seconds", [12, 13.7])
def test_steady_noise_has_the_same_statistics_in_every_window(seconds):
    config = configuration("ppcen_logmel", "lesson")
    torch.manual_seed(0)
    detector, seen = Detector(config), []
    features = detector.features
    detector.features = lambda waveforms: seen.append(features(waveforms)) or seen[-1]
    noise = np.random.default_rng(0).normal(0, 0.1, round(16000 * seconds)).astype(np.float32)
    recording_posteriors(detector.eval(), config, noise, "a.wav")
    scaled = detector.energy(seen[0])  # as its own smallest and largest value scale a window
    means, deviations = scaled.flatten(1).mean(1), scaled.flatten(1).std(1)
    assert (
        len(means) >= 2 and np.ptp(means.numpy()) < 0.1 and np.ptp(deviations.numpy()) < 0.03
    )  # with zeros at its end 0.3 more


@pytest.mark.parametrize("seconds", SECONDS)
@pytest.mark.parametrize("block", [1000, 79872, 160000, 10**7])
def test_blocks_give_what_the_whole_gives(seconds, block):
    waveform = np.random.default_rng(0).uniform(-1, 1, round(16000 * seconds)).astype(np.float32)
    if len(waveform) / block > 1000:
        waveform = waveform[-len(waveform) // 20 :]
    whole = recording_posteriors(Level(), CONFIG, waveform, "a.wav").scores
    blocks = (waveform[i : i + block] for i in range(0, len(waveform), block))
    assert np.array_equal(recording_posteriors(Level(), CONFIG, blocks, "a.wav").scores, whole)


def test_a_long_recording_takes_no_more_memory_than_a_short_one(tmp_path):
    with soundfile.SoundFile(tmp_path / "long.flac", "w", 44100, 2) as file:
        for _ in range(10):
            file.write(np.zeros((60 * 44100, 2), np.int16))  # 212 MB as float32
    tracemalloc.start()
    try:
        assert set(detect(Level(), CONFIG, tmp_path / "long.flac")["event_label"]) == {CLASSES[1]}
        assert tracemalloc.get_traced_memory()[1] < 100e6
    finally:
        tracemalloc.stop()


def test_detect_reads_any_rate_and_channels_and_ends_events_at_the_end_of_the_recording(tmp_path):
    t = np.arange(44100 * 12) / 44100
    tone = np.where((t > 4) & (t < 6) | (t > 11), 0.9, 0.0) * np.sin(2 * np.pi * 1000 * t)
    soundfile.write(tmp_path / "stereo.flac", np.stack([tone, tone], 1), 44100)
    events = detect(Level(), CONFIG, tmp_path / "stereo.flac")
    cat = events[events["event_label"] == "Cat"]
    assert cat["filename"].unique().tolist() == ["stereo.flac"]
    np.testing.assert_allclose(cat[["onset", "offset"]], [[4, 6], [11, 12]], atol=CONFIG.frame_s)
    assert cat["offset"].max() <= 12.0
    named = detect(Level(), CONFIG, tmp_path / "stereo.flac", filename="garden/stereo.flac")
    assert named["filename"].unique().tolist() == ["garden/stereo.flac"] and len(named) == len(events)


def test_audacity_labels():
    import pandas as pd

    events = pd.DataFrame([["a.wav", 0.5, 1.25, "Dog"]], columns=["filename", "onset", "offset", "event_label"])
    assert audacity_labels(events) == "0.500\t1.250\tDog\n"


def test_bad_recordings_are_named(tmp_path):
    (tmp_path / "empty.wav").write_bytes(b"")
    (tmp_path / "text.wav").write_text("not audio")
    for name, reason in (
        ("empty.wav", "0 bytes"),
        ("text.wav", "not a readable audio file"),
        ("none.wav", "No such file"),
    ):
        with pytest.raises(SedError, match=f"{name}.*{reason}"):
            detect(Level(), CONFIG, tmp_path / name)


def test_an_hmm_in_place_of_the_median_filter(tmp_path):
    waveform = np.full(16000 * 12, 0.4, np.float32)  # never above the threshold
    soundfile.write(tmp_path / "a.wav", waveform, 16000)
    willing = Hmm.alike(0.5, 0.99)
    assert detect(Level(), CONFIG, tmp_path / "a.wav").query("event_label == 'Cat'").empty
    found = detect(Level(), CONFIG, tmp_path / "a.wav", willing).query("event_label == 'Cat'")
    assert found[["onset", "offset"]].values.tolist() == [[0.0, 12.0]]
