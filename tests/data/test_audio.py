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
    assert info[:3] == (2.0, rate, channels)
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


DEPTHS = {"PCM_U8": 1 / 128, "PCM_16": 2**-15, "PCM_24": 2**-23, "PCM_32": 2**-23, "FLOAT": 2**-24, "DOUBLE": 2**-24}


@settings(max_examples=40, deadline=None)
@given(st.sampled_from(sorted(DEPTHS)), st.sampled_from([1, 2, 6]), st.integers(0, 2**32), st.floats(0.01, 0.99))
def test_any_depth_is_read_to_its_last_bit(folder, subtype, channels, seed, level):
    x = np.random.default_rng(seed).uniform(-level, level, (500, channels))
    soundfile.write(folder / "d.wav", x, 16000, subtype=subtype)
    waveform, info = audio.read(folder / "d.wav")
    assert (info.subtype, info.channels) == (subtype, channels)
    assert np.abs(waveform - x.mean(axis=1)).max() <= DEPTHS[subtype] + 1e-6
    assert info.peak == np.abs(waveform).max() and info.dc == pytest.approx(waveform.mean(), abs=1e-6)


@pytest.mark.parametrize("rate", [96000, 192000])
@pytest.mark.parametrize("subtype", sorted(DEPTHS))
def test_what_16_khz_cannot_hold_is_filtered_out(tmp_path, rate, subtype):
    x = tone(2, rate) + 0.4 * tone(2, rate, 20000)  # would fold down to 4 kHz
    soundfile.write(tmp_path / "a.wav", x, rate, subtype=subtype)
    waveform, info = audio.read(tmp_path / "a.wav")
    assert info[:3] == (2.0, rate, 1)
    assert np.abs(waveform - tone(2, 16000))[4000:28000].max() < 1e-3 + DEPTHS[subtype]


def test_the_drive_of_a_file_is_measured(tmp_path):
    x = np.tile(np.float32([0.5, -0.25]), 5000)
    x[:100] = x[-100:] = np.tile([-1.5, 1.5], 50)
    soundfile.write(tmp_path / "a.wav", np.stack([x, x], 1), 16000, subtype="FLOAT")
    _, info = audio.read(tmp_path / "a.wav")
    assert (info.peak, info.clipped) == (1.5, 0.02) and info.dc == pytest.approx(x.mean(), abs=1e-6)
    _, info = audio.read(tmp_path / "a.wav", seconds=0.1)
    assert (info.peak, info.clipped) == (1.5, 100 / 3200)  # of 0.1 s and what the resampler would look at beyond
    assert info.dc == pytest.approx(x[:1600].mean(), abs=1e-6)
    for subtype in ("PCM_U8", "PCM_16", "PCM_24"):
        soundfile.write(tmp_path / "a.wav", x, 16000, subtype=subtype)
        assert audio.read(tmp_path / "a.wav")[1].clipped == 0.02


def test_a_long_file_is_read_in_blocks_as_if_it_were_one(tmp_path, monkeypatch):
    x = np.random.default_rng(0).uniform(-2, 2, (5000, 3))
    soundfile.write(tmp_path / "a.wav", x, 44100)
    whole = [audio.read(tmp_path / "a.wav", seconds) for seconds in (None, 0.005)]
    monkeypatch.setattr(audio, "_BLOCK", 700)
    for seconds, (waveform, info) in zip((None, 0.005), whole):
        again, info_again = audio.read(tmp_path / "a.wav", seconds)
        assert np.array_equal(waveform, again) and info == info_again


@pytest.fixture(scope="module")
def originals(folder):
    """Bytes of small whole files."""
    found = {"nothing": b""}
    for kind in ("wav", "float", "flac", "ogg"):
        path = folder / f"o.{'wav' if kind == 'float' else kind}"
        soundfile.write(path, tone(0.05, 16000), 16000, **({"subtype": "FLOAT"} if kind == "float" else {}))
        found[kind] = path.read_bytes()
    return found


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(["wav", "float", "flac", "ogg", "nothing"]),
       st.lists(st.tuples(st.integers(0, 200), st.binary(min_size=1, max_size=4)), max_size=3),
       st.none() | st.integers(0, 2000), st.binary(max_size=100),
       st.sampled_from([*audio.SUFFIXES, ".raw", ".mp3", ""]))
def test_damaged_bytes_are_audio_or_refused(folder, originals, kind, changes, cut, more, suffix):
    data = bytearray(originals[kind])
    for place, new in changes:
        data[place : place + len(new)] = new
    path = folder / f"damaged{suffix}"
    path.write_bytes(bytes(data[:cut]) + more)
    for seconds in (None, 0.01):
        try:
            waveform, info = audio.read(path, seconds)
        except SedError as error:
            assert str(path) in str(error)
        else:
            assert waveform.ndim == 1 and len(waveform) and np.isfinite(waveform).all() and np.isfinite(info[4:]).all()


@pytest.mark.parametrize("samples", [0, 2**30, 2**36 - 1])
def test_a_flac_that_lies_about_its_length_is_refused(tmp_path, samples):
    path = broken(tmp_path, "whole flac")
    data = bytearray(path.read_bytes())
    data[21:26] = (data[21] >> 4 << 36 | samples).to_bytes(5, "big")  # number of samples in STREAMINFO
    path.write_bytes(data)
    with pytest.raises(SedError, match="does not say how long" if not samples else "cut off|not a readable"):
        audio.read(path)


def broken(folder, case):
    path = folder / f"a{'.flac' if 'flac' in case else '.ogg' if 'ogg' in case else '.wav'}"
    if case == "missing":
        return path
    if len(case) > 255:
        return folder / case
    if case == "raw":
        path = path.with_suffix(".raw")
    if case == "not audio":
        path.write_text("this is no audio\n" * 50)
    elif case == "raw":
        path.write_bytes(bytes(100))
    elif case == "1 Hz":
        soundfile.write(path, tone(3, 16000), 1)
    elif case in ("NaN", "infinite", "huge"):
        x = np.append(tone(3, 16000), {"NaN": np.nan, "infinite": -np.inf, "huge": 3e38}[case])
        soundfile.write(path, x.astype(np.float32), 16000, subtype="FLOAT")
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
    ("missing", "no such audio file"), ("x" * 300, "name too long"), ("raw", "do not say their rate"),
    ("infinite", "not numbers"), ("huge", "not numbers"), ("1 Hz", "1 Hz is no rate"),
    ("0 bytes", "0 bytes"), ("0 samples", "0 samples"),
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
