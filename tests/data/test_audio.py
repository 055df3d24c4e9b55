"""Audio files: 16 kHz mono comes back bit for bit, everything else converted, and what is broken is named."""

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from sedlib.data import audio
from sedlib.errors import SedError


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """One folder for all examples of a property."""
    return tmp_path_factory.mktemp("audio")


def tone(seconds, rate, frequency=440.0):
    return (0.5 * np.sin(2 * np.pi * frequency * np.arange(round(seconds * rate)) / rate)).astype(np.float32)


@settings(max_examples=40, deadline=None)
@given(arrays(np.int16, st.integers(1, 200)))
def test_16_bit_samples_survive_write_and_read(folder, samples):
    path = folder / "a.wav"
    audio.write(path, samples / np.float32(32768))
    waveform, info = audio.read(path)
    assert np.array_equal(audio.to_int16(waveform), samples)
    assert (info.rate, info.channels) == (16000, 1)
    assert [p.name for p in path.parent.iterdir()] == ["a.wav"]


@pytest.mark.parametrize("suffix", audio.SUFFIXES)
@pytest.mark.parametrize(("rate", "channels"), [(44100, 2), (16000, 1), (8000, 1), (48000, 4)])
def test_any_rate_and_channels_become_16_khz_mono(tmp_path, suffix, rate, channels):
    path = tmp_path / f"a{suffix}"
    x = tone(2, rate)
    soundfile.write(path, np.outer(x, np.linspace(0.5, 1.5, channels) if channels > 1 else [1.0]), rate)
    waveform, info = audio.read(path)
    assert info == (2.0, rate, channels)
    assert waveform.dtype == np.float32 and len(waveform) == 32000
    # The mean of the channels is the tone itself.
    middle = slice(4000, 28000)
    assert np.abs(waveform[middle] - tone(2, 16000)[middle]).max() < (0.05 if suffix == ".ogg" else 1e-3)


def test_only_the_beginning_is_read_and_equals_the_whole_cut(tmp_path):
    soundfile.write(tmp_path / "a.flac", tone(5, 44100), 44100)
    whole, _ = audio.read(tmp_path / "a.flac")
    begin, info = audio.read(tmp_path / "a.flac", seconds=2)
    assert info.duration == 5 and len(begin) == 32000
    assert np.abs(begin - whole[:32000]).max() < 1e-4


def broken(folder, case):
    path = folder / f"a{'.flac' if 'flac' in case else '.ogg' if 'ogg' in case else '.wav'}"
    if case == "missing":
        return path
    if case == "not audio":
        path.write_text("this is no audio\n" * 50)
    elif case == "NaN":
        soundfile.write(path, np.full(100, np.nan, np.float32), 16000, subtype="FLOAT")
    else:
        x = tone(0 if case == "0 samples" else 3, 16000)
        if case.endswith("noise"):  # does not compress: the file has many pages
            x = np.random.default_rng(0).uniform(-0.5, 0.5, 480000)
        soundfile.write(path, x, 16000)
        if case == "0 bytes":
            path.write_bytes(b"")
        if case.startswith("cut off"):
            path.write_bytes(path.read_bytes()[: path.stat().st_size * 2 // 3])
    return path


@pytest.mark.parametrize(("case", "words"), [
    ("missing", "no such audio file"), ("0 bytes", "0 bytes"), ("0 samples", "0 samples"),
    ("not audio", "not a readable audio file"), ("NaN", "not numbers"), ("cut off wav", "cut off"),
    ("cut off flac", "cut off|not a readable"), ("cut off ogg", "cut off"), ("cut off ogg noise", "cut off"),
])
def test_a_broken_file_is_named(tmp_path, case, words):
    path = broken(tmp_path, case)
    with pytest.raises(SedError, match=words) as error:
        audio.read(path)
    assert str(path) in str(error.value)


def test_a_wav_written_into_a_pipe_is_whole(tmp_path):
    path = broken(tmp_path, "whole wav")
    data = bytearray(path.read_bytes())
    assert data[36:40] == b"data"
    data[40:44] = b"\xff\xff\xff\xff"  # the size a program leaves that cannot go back and correct it
    path.write_bytes(data)
    assert len(audio.read(path)[0]) == 48000
