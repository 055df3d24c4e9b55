"""Recordings of any length: windows join to the whole."""

import numpy as np
import pytest
import soundfile
import torch

from sedlib.config import PROFILES
from sedlib.data.tables import CLASSES
from sedlib.decode import Hmm, audacity_labels, detect, recording_posteriors
from sedlib.errors import SedError
from sedlib.model import Output

CONFIG = PROFILES["lesson"]
POOL = CONFIG.model.time_pooling * CONFIG.features.hop


class Level(torch.nn.Module):
    """A stand-in detector that knows when the waveform is loud, and where it sits in its window."""

    def features(self, waveform):
        frames = waveform[:, : CONFIG.frames * POOL]
        frames = torch.nn.functional.pad(frames, (0, CONFIG.frames * POOL - frames.shape[1]))
        return frames.reshape(len(waveform), CONFIG.frames, POOL).abs().amax(-1)

    def forward(self, features):
        strong = features[..., None].repeat(1, 1, len(CLASSES))
        strong[..., 1] = torch.linspace(0, 1, CONFIG.frames)  # position in the window
        return Output(strong.logit(), strong.mean(1).logit(), strong)


@pytest.mark.parametrize("seconds", [0.3, 3, 9.9, 10, 10.1, 15, 27.3, 301])
def test_every_frame_is_heard_once_and_far_from_the_edges_of_its_window(seconds):
    waveform = np.random.default_rng(0).uniform(-1, 1, round(16000 * seconds)).astype(np.float32)
    result = recording_posteriors(Level(), CONFIG, waveform, "a.wav")
    frames = -(-len(waveform) // POOL)
    assert result.scores.shape == (1, frames, 10)
    padded = np.pad(np.abs(waveform), (0, frames * POOL - len(waveform)))
    np.testing.assert_allclose(result.scores[0, :, 0], padded.reshape(frames, POOL).max(-1), rtol=1e-6)
    inner = result.scores[0, CONFIG.frames // 4 + 1 : frames - CONFIG.frames // 4 - 1, 1]
    if seconds > 20:
        assert inner.min() > 0.2 and inner.max() < 0.8


def test_detect_reads_any_rate_and_channels_and_ends_events_at_the_end_of_the_recording(tmp_path):
    t = np.arange(44100 * 12) / 44100
    tone = np.where((t > 4) & (t < 6) | (t > 11), 0.9, 0.0) * np.sin(2 * np.pi * 1000 * t)
    soundfile.write(tmp_path / "stereo.flac", np.stack([tone, tone], 1), 44100)
    events = detect(Level(), CONFIG, tmp_path / "stereo.flac")
    cat = events[events["event_label"] == "Cat"]
    assert cat["filename"].unique().tolist() == ["stereo.flac"]
    np.testing.assert_allclose(cat[["onset", "offset"]], [[4, 6], [11, 12]], atol=CONFIG.frame_s)
    assert cat["offset"].max() <= 12.0


def test_audacity_labels():
    import pandas as pd

    events = pd.DataFrame([["a.wav", 0.5, 1.25, "Dog"]], columns=["filename", "onset", "offset", "event_label"])
    assert audacity_labels(events) == "0.500\t1.250\tDog\n"


def test_bad_recordings_are_named(tmp_path):
    (tmp_path / "empty.wav").write_bytes(b"")
    (tmp_path / "text.wav").write_text("not audio")
    for name, reason in (("empty.wav", "0 bytes"), ("text.wav", "not a readable audio file"), ("none.wav", "no such")):
        with pytest.raises(SedError, match=f"{name}.*{reason}"):
            detect(Level(), CONFIG, tmp_path / name)


def test_an_hmm_in_place_of_the_median_filter(tmp_path):
    waveform = np.full(16000 * 12, 0.4, np.float32)  # never above the threshold
    soundfile.write(tmp_path / "a.wav", waveform, 16000)
    willing = Hmm.alike(0.5, 0.99)
    assert detect(Level(), CONFIG, tmp_path / "a.wav").query("event_label == 'Cat'").empty
    found = detect(Level(), CONFIG, tmp_path / "a.wav", willing).query("event_label == 'Cat'")
    assert found[["onset", "offset"]].values.tolist() == [[0.0, 12.0]]
