"""Store: rows equal the files; padded, cut and converted as said; skips are reported; rebuilt when a file changes."""

import json
import os
import shutil
import warnings

import numpy as np
import pytest
import soundfile

from sedlib.data import audio, layout
from sedlib.data.store import SAMPLES, open_store
from sedlib.errors import SedError

AUDIO = layout.SUBSETS["weak"].audio


def quiet(root, subset="weak"):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return open_store(root, subset, progress=False)


@pytest.mark.parametrize("subset", layout.SUBSETS)
def test_rows_equal_the_files(desed, subset):
    store = quiet(desed, subset)
    assert len(store) == 3 and store.filenames == layout.load(desed, subset).filenames
    for i in (2, 0):
        expected, _ = audio.read(desed / layout.SUBSETS[subset].audio / store.filenames[i])
        assert np.array_equal(store.waveforms([i])[0], expected)
    batch = store.waveforms(np.array([2, 0, 2]))
    assert batch.dtype == np.float32 and batch.shape == (3, SAMPLES) and np.array_equal(batch[0], batch[2])
    assert store.durations.tolist() == [10.0] * 3 and not store.skipped and not store.changed


def test_short_long_and_stereo_files(desed):
    for i, (seconds, rate, channels) in enumerate([(3, 16000, 1), (300, 16000, 1), (10, 44100, 2)]):
        soundfile.write(desed / AUDIO / f"weak_{i}.wav", np.full((seconds * rate, channels), 0.25), rate)
    store = quiet(desed)
    short, long, stereo = store.waveforms([0, 1, 2])
    assert (short[:48000] == 0.25).all() and (short[48000:] == 0).all()
    assert (long == 0.25).all()
    assert np.abs(stereo[1000:-1000] - 0.25).max() < 1e-3 and stereo[-100:].any()
    assert store.durations.tolist() == [3, 300, 10]
    assert "padded" in store.changed["weak_0.wav"] and "cut" in store.changed["weak_1.wav"]


def test_channels_are_averaged(desed):
    left, right = np.full(160000, 0.5), np.full(160000, -0.25)
    soundfile.write(desed / AUDIO / "weak_0.wav", np.stack([left, right], 1), 16000)
    assert (quiet(desed).waveforms([0]) == 0.125).all()


@pytest.mark.parametrize("suffix", [".flac", ".ogg"])
def test_other_formats(desed, suffix):
    path = desed / AUDIO / "weak_0.wav"
    x = (0.3 * np.sin(np.arange(160000) / 20)).astype(np.float32)
    soundfile.write(path.with_suffix(suffix), x, 16000)
    path.unlink()
    table = desed / layout.SUBSETS["weak"].metadata
    table.write_text(table.read_text().replace("weak_0.wav", f"weak_0{suffix}"))
    row = quiet(desed).waveforms([0])[0]
    assert np.abs(row - x).max() < (0.05 if suffix == ".ogg" else 1e-4)


@pytest.mark.parametrize("content", [b"", b"no audio", None])
def test_an_unreadable_file_is_a_reported_skip(desed, content):
    path = desed / AUDIO / "weak_1.wav"
    path.unlink() if content is None else path.write_bytes(content)
    for _ in range(2):  # built, then opened
        with pytest.warns(UserWarning, match="1 of 3 clips are left out.*weak_1.wav"):
            store = open_store(desed, "weak", progress=False)
        assert store.filenames == ["weak_0.wav", "weak_2.wav"] and list(store.skipped) == ["weak_1.wav"]
        assert np.array_equal(store.waveforms([1])[0], audio.read(desed / AUDIO / "weak_2.wav")[0])


def test_no_readable_file_at_all_is_an_error(desed):
    for path in (desed / AUDIO).iterdir():
        path.write_bytes(b"")
    with pytest.raises(SedError, match="none of the 3 clips is readable"):
        open_store(desed, "weak", progress=False)
    assert list((desed / "store").iterdir()) == []


def test_it_is_built_once_and_rebuilt_when_a_file_or_the_table_changes(desed):
    quiet(desed)
    stored = desed / "store" / "weak.int16"
    built = stored.stat().st_ino
    assert quiet(desed).filenames and stored.stat().st_ino == built
    audio.write(desed / AUDIO / "weak_1.wav", np.full(160000, 0.5, np.float32))
    assert (quiet(desed).waveforms([1]) == 0.5).all() and stored.stat().st_ino != built
    table = desed / layout.SUBSETS["weak"].metadata
    table.write_text("filename\tevent_labels\nweak_1.wav\tDog\n")
    assert quiet(desed).filenames == ["weak_1.wav"]
    assert sorted(p.name for p in (desed / "store").iterdir()) == ["weak.int16", "weak.json"]


def test_a_damaged_index_or_a_short_store_is_rebuilt(desed):
    quiet(desed)
    (desed / "store" / "weak.json").write_text("{")
    assert len(quiet(desed)) == 3
    with (desed / "store" / "weak.int16").open("r+b") as file:
        file.truncate(1000)
    assert quiet(desed).waveforms([2]).any()
    index = json.loads((desed / "store" / "weak.json").read_text())
    assert index["sample_rate"] == 16000 and len(index["fingerprint"]) == 3


def test_rows_cannot_be_written(desed):
    with pytest.raises(ValueError, match="read-only"):
        quiet(desed).samples[0, 0] = 1


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_cannot_be_written(desed):
    shutil.rmtree(desed / "store", ignore_errors=True)
    desed.chmod(0o500)
    try:
        with pytest.raises(SedError, match="cannot be written"):
            open_store(desed, "weak", progress=False)
    finally:
        desed.chmod(0o700)
