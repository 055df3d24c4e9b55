"""Audio files: 16 kHz mono comes back bit for bit, everything else converted, and what is broken is named."""

import tracemalloc

import librosa
import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from tries import tries

from sedlib.data import audio
from sedlib.errors import SedError


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """One folder for all examples of a property."""
    return tmp_path_factory.mktemp("audio")


def tone(seconds, rate, frequency=440.0):
    return (0.5 * np.sin(2 * np.pi * frequency * np.arange(round(seconds * rate)) / rate)).astype(np.float32)


@tries(40)
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


@tries(40)
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


@pytest.mark.parametrize("rate", [16000, 44100, 48000, 8000, 12345])
@pytest.mark.parametrize("frames", [1, 17, 1000, 132307])
def test_a_stream_is_resampled_as_librosa_resamples_the_whole(tmp_path, monkeypatch, rate, frames):
    x = np.random.default_rng(0).uniform(-1, 1, (frames, 2)).astype(np.float32)
    soundfile.write(tmp_path / "a.wav", x, rate, subtype="FLOAT")
    expected = librosa.resample(x.mean(axis=1), orig_sr=rate, target_sr=16000, res_type="soxr_hq")
    for block in (700, 1 << 22):
        monkeypatch.setattr(audio, "_BLOCK", block)
        stream = audio.Stream(tmp_path / "a.wav")
        assert np.array_equal(np.concatenate(list(stream)), expected)
        assert stream.samples == len(expected)
    assert np.array_equal(audio.read(tmp_path / "a.wav")[0], expected)


def test_a_stream_takes_no_more_memory_for_a_long_file(tmp_path):
    with soundfile.SoundFile(tmp_path / "a.flac", "w", 48000, 2) as file:
        for _ in range(10):
            file.write(np.zeros((60 * 48000, 2), np.int16))  # 10 minutes: 230 MB as float32
    tracemalloc.start()
    try:
        assert sum(len(block) for block in audio.Stream(tmp_path / "a.flac")) == 600 * 16000
        assert tracemalloc.get_traced_memory()[1] < 80e6
    finally:
        tracemalloc.stop()


def test_one_channel_may_be_asked_for(tmp_path):
    x = np.random.default_rng(0).uniform(-0.5, 0.5, (3000, 4)).astype(np.float32)
    x[0, 1] = 1
    soundfile.write(tmp_path / "a.wav", x, 16000, subtype="FLOAT")
    for channel, clipped in ((0, 0), (1, 1 / 3000)):
        waveform, info = audio.read(tmp_path / "a.wav", channel=channel)
        assert np.array_equal(waveform, x[:, channel]) and (info.channels, info.clipped) == (4, clipped)


@pytest.fixture(scope="module")
def originals(folder):
    """Bytes of small whole files."""
    found = {"nothing": b""}
    for kind in ("wav", "float", "flac", "ogg"):
        path = folder / f"o.{'wav' if kind == 'float' else kind}"
        soundfile.write(path, tone(0.05, 16000), 16000, **({"subtype": "FLOAT"} if kind == "float" else {}))
        found[kind] = path.read_bytes()
    return found


@tries(150)
@given(
    st.sampled_from(["wav", "float", "flac", "ogg", "nothing"]),
    st.lists(st.tuples(st.integers(0, 200), st.binary(min_size=1, max_size=4)), max_size=3),
    st.none() | st.integers(0, 2000),
    st.binary(max_size=100),
    st.sampled_from([*audio.SUFFIXES, ".raw", ".mp3", ""]),
)
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


@pytest.mark.parametrize(
    ("case", "words"),
    [
        ("missing", "No such file"),
        ("x" * 300, "name too long"),
        ("raw", "do not say their rate"),
        ("infinite", "not numbers"),
        ("huge", "not numbers"),
        ("1 Hz", "1 Hz is not an audio sample rate"),
        ("0 bytes", "0 bytes"),
        ("0 samples", "0 samples"),
        ("not audio", "not a readable audio file"),
        ("NaN", "not numbers"),
        ("cut off wav", "cut off"),
        ("cut off flac", "cut off|not a readable"),
        ("cut off ogg", "cut off"),
        ("cut off ogg noise", "cut off"),
    ],
)
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


@pytest.mark.parametrize("riff", [0, 8, 96036])
def test_a_wav_that_was_never_closed_is_read_or_refused(tmp_path, riff):
    path = broken(tmp_path, "whole wav")
    data = bytearray(path.read_bytes())
    data[4:8], data[40:44] = riff.to_bytes(4, "little"), bytes(4)
    path.write_bytes(data)
    try:
        assert len(audio.read(path)[0]) == 48000
    except SedError as error:
        assert "the header says 0 s, but 96000 more bytes of sound follow" in str(error)


KINDS = {"WAV": "PCM_16", "WAVEX": "PCM_24", "RF64": "FLOAT", "AIFF": "PCM_16"}


def lying(path, kind, seconds, holds=6):
    """A file of noise whose header promises fewer seconds than it holds, as where the size of 32 bits has wrapped."""
    x = np.random.default_rng(0).uniform(-0.5, 0.5, holds * 16000)
    soundfile.write(path, x, 16000, format=kind, subtype=KINDS[kind])
    data = bytearray(path.read_bytes())
    sound, order = (b"SSND", "big") if kind == "AIFF" else (b"data", "little")
    width = {"PCM_16": 2, "PCM_24": 3, "FLOAT": 4}[KINDS[kind]]
    size = (round(seconds * 16000) * width + 8 * (kind == "AIFF")).to_bytes(4, order)
    if kind == "RF64":
        place = data.index(b"ds64") + 16
        data[place : place + 8] = size + bytes(4)
        place = data.index(b"data") + 4
        data[place : place + 4] = b"\xff" * 4
    else:
        place = data.index(sound) + 4
        data[place : place + 4] = size
    if kind == "AIFF":  # which tells the number of frames once more
        place = data.index(b"COMM") + 10
        data[place : place + 4] = round(seconds * 16000).to_bytes(4, "big")
    path.write_bytes(data)
    return path


@pytest.mark.parametrize("kind", KINDS)
def test_a_header_that_promises_less_than_the_file_holds_is_refused(tmp_path, kind):
    path = lying(tmp_path / "a.wav", kind, 1)
    more = 5 * 16000 * {"PCM_16": 2, "PCM_24": 3, "FLOAT": 4}[KINDS[kind]]
    words = f"a.wav: the header says 1 s, but {more} more bytes of sound follow: written beyond 4 GiB or not closed"
    with pytest.raises(SedError, match=words):
        audio.read(path)
    with pytest.raises(SedError, match="the header says 1 s"):  # also where less than that is asked for
        audio.read(path, seconds=0.5)


def chunk(name, size, padded=True):
    return name + size.to_bytes(4, "little") + bytes(size) + bytes(size % 2 * padded)


TRAILERS = {
    "LIST": chunk(b"LIST", 40000),
    "bext and id3": chunk(b"bext", 20000) + chunk(b"id3 ", 20000),
    "PAD": chunk(b"PAD ", 40000),
    "odd": chunk(b"LIST", 39999) + chunk(b"_PMX", 31),
    "odd, not padded": chunk(b"LIST", 39999, False) + chunk(b"_PMX", 31, False),
    "many": chunk(b"cue ", 0) * 5000,
    "an ID3v1 tag": b"TAG" + b"Song".ljust(125),
    "some zeros": bytes(1000),
}


@pytest.mark.parametrize("kind", ["WAV", "RF64"])
@pytest.mark.parametrize("trailer", TRAILERS)
@pytest.mark.parametrize("subtype", ["PCM_16", "PCM_U8"])
def test_what_may_follow_the_sound_may_follow(tmp_path, trailer, subtype, kind):
    path, samples = tmp_path / "a.wav", 16001
    soundfile.write(path, tone(1.0001, 16000)[:samples], 16000, format=kind, subtype=subtype)
    padded = path.read_bytes()
    for data in (padded, padded[: len(padded) - samples % 2] if subtype == "PCM_U8" else padded):
        path.write_bytes(data + TRAILERS[trailer])
        assert len(audio.read(path)[0]) == samples


@pytest.mark.parametrize("kind", ["RF64", "W64", "RIFX"])
def test_files_of_64_bits_and_of_the_other_byte_order(tmp_path, kind):
    path, x = tmp_path / "a.wav", tone(3, 16000)
    soundfile.write(path, x, 16000, subtype="PCM_16", **({"endian": "BIG"} if kind == "RIFX" else {"format": kind}))
    assert len(audio.read(path)[0]) == 48000
    if kind != "W64":
        path.write_bytes(path.read_bytes()[:-1000])
        with pytest.raises(SedError, match="cut off"):
            audio.read(path)


NOISE = bytes(np.random.default_rng(0).integers(128, 256, 1000, dtype=np.uint8))
OTHERS = {
    b"\0\0\0\x20ftypM4A \0\0\0\0": "it is an AAC, MP4 or QuickTime file; convert it .*another name does not",
    b"\0\0\0\x20ftypisom\0\0\0\0": "it is an AAC, MP4 or QuickTime file; convert it",
    b"\0\0\0\x14ftypqt  \0\0\0\0": "it is an AAC, MP4 or QuickTime file; convert it",
    b"\x1aE\xdf\xa3": "it is a video; convert it",
    b"RIFF\0\0\1\0AVI LIST": "it is a video; convert it",
    b"RIFF\0\0\1\0WAVEfmt \x10\0\0\0\x99\x99\1\0": "it is damaged, or of an unknown format; get it again",
    b"\xff\xf1\x50\x80": "it is an AAC, .*; convert it",
    b"0&\xb2u\x8ef\xcf\x11": "it is Windows Media; convert it",
    b"PK\3\4": "it is an archive; unpack it",
    b"\x1f\x8b\x08": "it is an archive; unpack it",
    b"\r\n<!DOCTYPE html><title>404</title>": "it is a web page.*; get the file again",
    b"<html>": "it is a web page",
    b"version https://git-lfs.github.com/spec/v1\n": "it is a pointer of Git LFS; .*git lfs pull",
    b"\x89PNG\r\n": "it is a picture",
    b"": "damaged, or of an unknown format; get it again, or convert it to WAV, FLAC or OGG",
}


@pytest.mark.parametrize("start", OTHERS)
@pytest.mark.parametrize("suffix", [".wav", ".mp3", ""])
def test_a_file_is_called_what_it_is_whatever_its_name(tmp_path, start, suffix):
    path = tmp_path / f"a{suffix}"
    path.write_bytes(start + NOISE)
    with pytest.raises(SedError, match=f"a{suffix}: not a readable audio file.*{OTHERS[start]}") as error:
        audio.read(path)
    assert "use .wav" not in str(error.value)


def test_a_folder_is_no_recording(tmp_path):
    with pytest.raises(SedError, match=f"{tmp_path}: cannot be read .*; give the files in it"):
        audio.read(tmp_path)
