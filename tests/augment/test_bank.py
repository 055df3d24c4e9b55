"""The bank holds what the files hold, however long, at whatever rate; what cannot be used is named."""

import errno
import os
import re
import shutil
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from sedlib.augment import Bank, Sound, open_bank
from sedlib.augment import bank as module
from sedlib.data.audio import RATE
from sedlib.data.layout import SOUNDBANK
from sedlib.data.tables import CLASSES
from sedlib.errors import SedError


def noise(seconds: float, seed: int = 0, rate: int = RATE) -> np.ndarray:
    return 0.2 * np.random.default_rng(seed).uniform(-1, 1, round(seconds * rate))


def opened(folder: Path) -> Bank:
    return open_bank(folder.parents[2], progress=False)


def sound(bank: Bank, name: str) -> Sound:
    (found,) = (sound for sound in (*bank.foregrounds, *bank.backgrounds, *bank.rooms) if sound.name == name)
    return found


def waveform(bank: Bank, name: str) -> np.ndarray:
    return bank.waveform(sound(bank, name)).double().numpy()


def noted(bank: Bank, *words: str) -> str:
    (note,) = (note for note in bank.notes if all(word in note for word in words))
    return note


def same(a: Bank, b: Bank) -> bool:
    return torch.equal(a.samples, b.samples) and (a.foregrounds, a.backgrounds, a.rooms, a.notes) == (
        b.foregrounds,
        b.backgrounds,
        b.rooms,
        b.notes,
    )


def equal_but_for_level(found: np.ndarray, expected: np.ndarray, tolerance: float = 3e-4) -> bool:
    if len(found) != len(expected):
        return False
    return np.abs(found / np.abs(found).max() - expected / np.abs(expected).max()).max() < tolerance


def test_the_bank_holds_every_file(sounds):
    bank = opened(sounds)
    assert [len(bank.foregrounds), len(bank.backgrounds), len(bank.rooms)] == [20, 2, 2]
    assert bank.samples.dtype == torch.int16 and bank.notes == ()
    for kind in (*(f"foreground/{label}" for label in CLASSES), "background"):
        for i in range(2):
            name = f"{kind}/{i}.wav"
            expected, _ = soundfile.read(sounds / name)
            found = waveform(bank, name)
            assert equal_but_for_level(found, expected), name
            assert np.abs(found).max() == pytest.approx(0.99, abs=1e-4)
            assert sound(bank, name).label == kind.split("/")[-1]
    assert {label: [bank.foregrounds[i].name for i in numbers] for label, numbers in bank.classes.items()} == {
        label: [f"foreground/{label}/{i}.wav" for i in range(2)] for label in CLASSES
    }


def test_parts_of_a_sound(bank):
    sound = bank.foregrounds[3]
    whole = bank.waveform(sound)
    assert whole.dtype == torch.float32 and len(whole) == sound.samples and whole.abs().max() < 1
    assert torch.equal(bank.waveform(sound, 100), whole[100:])
    assert torch.equal(bank.waveform(sound, 100, 50), whole[100:150])
    assert torch.equal(bank.waveform(sound, sound.samples - 9, 50), whole[-9:]), "the next sound is none of this one"
    assert torch.equal(bank.to("cpu").samples, bank.samples)


def test_a_bank_is_decoded_once(sounds, monkeypatch):
    (sounds / "rir" / "silent.wav").write_bytes((sounds / "rir" / "0.wav").read_bytes())
    soundfile.write(sounds / "rir" / "silent.wav", np.zeros(1000), RATE)
    first = opened(sounds)
    monkeypatch.setattr(module, "_decoded", None)
    again = opened(sounds)
    assert same(first, again) and len(again.notes) == 1
    assert not list((sounds.parents[2] / "store").glob("*.partial"))


def test_it_is_decoded_again_when_files_have_changed(sounds):
    banks = [opened(sounds)]
    path = sounds / "foreground" / "Dog" / "0.wav"
    soundfile.write(path, noise(0.3, 77), RATE)  # as many bytes as before
    os.utime(path, ns=(1, 1))
    banks.append(opened(sounds))
    shutil.copy(path, path.with_name("2.wav"))
    banks.append(opened(sounds))
    path.unlink()
    banks.append(opened(sounds))
    assert [len(bank.classes["Dog"]) for bank in banks] == [2, 2, 3, 2]
    assert not any(same(a, b) for a, b in zip(banks, banks[1:]))
    assert equal_but_for_level(waveform(banks[1], "foreground/Dog/0.wav"), noise(0.3, 77), 2e-3)


def test_a_damaged_store_is_made_again(sounds, monkeypatch):
    expected = opened(sounds)
    path = sounds.parents[2] / "store" / "soundbank.npz"
    whole = path.read_bytes()
    sources, refused = module._sources(sounds), 0
    last = len(whole) - 900
    for place in (*range(0, 400, 11), *range(400, last, len(whole) // 9), *range(last, len(whole), 11)):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 0x55]) + whole[place + 1 :])
        found = module._opened(path, sources)
        refused += found is None
        assert found is None or same(found, expected), place  # a bit that means nothing, such as a file's date
    assert refused > 40
    for junk in (b"", b"junk", whole[: len(whole) // 2], whole[1000:]):
        path.write_bytes(junk)
        assert module._opened(path, sources) is None
    assert same(opened(sounds), expected) and path.stat().st_size == len(whole)
    monkeypatch.setattr(module, "FORMAT", module.FORMAT + 1)
    assert module._opened(path, sources) is None


def test_who_comes_together_decodes_once(sounds, monkeypatch, capfd):
    decode, calls = module._decoded, []

    def slow(*arguments):
        calls.append(arguments)
        until = time.monotonic() + 20
        while len(said) < 2 and time.monotonic() < until:
            said.extend(re.findall("another process is building this store", capfd.readouterr().err))
            time.sleep(0.01)
        return decode(*arguments)

    said: list[str] = []
    monkeypatch.setattr(module, "_decoded", slow)
    (partial := sounds.parents[2] / "store" / "soundbank.npz.partial").parent.mkdir(exist_ok=True)
    partial.write_bytes(b"of a process that was killed")
    with ThreadPoolExecutor(3) as pool:
        banks = list(pool.map(lambda _: open_bank(sounds.parents[2]), range(3)))
    assert len(calls) == 1 and len(said) == 2 and all(same(bank, banks[0]) for bank in banks)
    assert sorted(path.name for path in partial.parent.iterdir()) == ["soundbank.lock", "soundbank.npz"]


def test_what_cannot_be_kept_is_named_and_leaves_nothing(sounds, monkeypatch):
    place = sounds.parents[2] / "store"

    def fail(code):
        def savez(file, **arrays):
            file.write(b"half")
            raise OSError(code, os.strerror(code))

        return savez

    for code, said in (
        (errno.ENOSPC, "soundbank.npz: No space left on device"),
        (errno.EROFS, "soundbank.npz: cannot be written"),
    ):
        monkeypatch.setattr(np, "savez", fail(code))
        with pytest.raises(SedError, match=said):
            opened(sounds)
        assert not (place / "soundbank.npz").exists()
    monkeypatch.undo()
    assert len(opened(sounds).foregrounds) == 20
    assert sorted(path.name for path in place.iterdir()) == ["soundbank.lock", "soundbank.npz"]


def test_sounds_that_change_while_they_are_decoded_are_refused(sounds, monkeypatch):
    decode = module._decoded

    def changing(folder, progress):
        bank = decode(folder, progress)
        (sounds / "foreground" / "Dog" / "1.wav").unlink()
        return bank

    monkeypatch.setattr(module, "_decoded", changing)
    with pytest.raises(SedError, match="files changed while they were decoded, for example foreground/Dog/1.wav"):
        opened(sounds)


def test_rates_and_channels_may_be_mixed(sounds):
    dog = sounds / "foreground" / "Dog"
    soundfile.write(dog / "0.wav", np.stack([noise(1.0, rate=44100)] * 2, 1), 44100)
    soundfile.write(dog / "1.wav", noise(0.5, rate=8000), 8000, subtype="FLOAT")
    soundfile.write(dog / "2.flac", noise(0.7, rate=48000), 48000)
    soundfile.write(sounds / "background" / "0.wav", noise(11, rate=22050), 22050)
    bank = opened(sounds)
    assert [bank.foregrounds[i].samples for i in bank.classes["Dog"]] == pytest.approx([16000, 8000, 11200], abs=2)
    assert bank.backgrounds[0].samples == pytest.approx(11 * RATE, abs=2)


def test_a_source_of_30_ms_is_left_out_and_of_60_s_the_first_30_are_used(sounds):
    dog = sounds / "foreground" / "Dog"
    soundfile.write(dog / "0.wav", noise(0.03), RATE)
    soundfile.write(dog / "1.wav", noise(60), RATE)
    soundfile.write(sounds / "background" / "0.wav", noise(60, 1), RATE)
    bank = opened(sounds)
    assert [bank.foregrounds[i].name for i in bank.classes["Dog"]] == ["foreground/Dog/1.wav"]
    assert equal_but_for_level(waveform(bank, "foreground/Dog/1.wav"), noise(60)[: 30 * RATE])
    assert bank.backgrounds[0].samples == 30 * RATE
    assert "a recording of 0.1 s or more is needed" in noted(bank, "skipped", str(dog / "0.wav"))
    assert "60 s; the first 30 s are used" in noted(bank, str(dog / "1.wav"))
    noted(bank, str(sounds / "background" / "0.wav"), "60 s")
    (dog / "1.wav").unlink()
    with pytest.raises(SedError, match=re.escape(f"{sounds}: no readable recording of Dog; add {dog}/*.wav")):
        opened(sounds)


def test_silence_at_the_ends_of_an_event_is_no_part_of_it(sounds):
    event = noise(0.5, 5)
    padded = np.concatenate([np.zeros(8003), event, np.zeros(5001)])
    soundfile.write(sounds / "foreground" / "Cat" / "0.wav", padded, RATE)
    found = waveform(opened(sounds), "foreground/Cat/0.wav")
    first = np.flatnonzero(found)[0]
    assert first < 160 and len(found) - 160 <= len(event) + first <= len(found)
    assert equal_but_for_level(found[first : first + len(event)], event, 2e-3)


@pytest.mark.parametrize("seconds", [0.11, 3.0037, 9.99])
def test_a_short_background_is_repeated_without_a_click(sounds, seconds):
    hum = np.sin(2 * np.pi * 170 / RATE * np.arange(round(seconds * RATE)))
    soundfile.write(sounds / "background" / "0.wav", 0.3 * hum, RATE)
    soundfile.write(sounds / "background" / "1.wav", noise(seconds), RATE)
    bank = opened(sounds)
    tone, rough = (waveform(bank, f"background/{i}.wav") for i in range(2))
    assert len(tone) == len(rough) == 10 * RATE
    assert np.abs(np.diff(tone)).max() < 2 * 0.99 * 2 * np.pi * 170 / RATE  # a click would be 1
    levels = 10 * np.log10((rough.reshape(-1, 400) ** 2).mean(1))
    assert levels.max() - levels.min() < 4
    noted(bank, str(sounds / "background" / "0.wav"), f"{seconds:.1f} s; repeated to 10 s")


def test_of_a_room_measured_with_several_microphones_the_first_is_taken(sounds):
    x = 0.01 * np.random.default_rng(0).standard_normal((1400, 4))
    for channel, first in enumerate((10, 60, 200, 500)):
        x[first, channel] = 0.9
    soundfile.write(sounds / "rir" / "0.wav", x, RATE, subtype="FLOAT")
    bank = opened(sounds)
    found = waveform(bank, "rir/0.wav")
    assert equal_but_for_level(found, x[10 : 10 + len(found), 0])
    noted(bank, str(sounds / "rir" / "0.wav"), "4 channels: the first is used")


def test_a_room_begins_with_its_direct_sound_and_ends_when_it_has_died_out(sounds):
    tail = np.exp(-np.arange(RATE) / 800) * noise(1, 3)
    soundfile.write(sounds / "rir" / "0.wav", np.concatenate([np.zeros(500), [-0.8], tail]), RATE, subtype="FLOAT")
    found = waveform(opened(sounds), "rir/0.wav")
    assert np.abs(found).argmax() == 0 and np.abs(found[0]) == pytest.approx(0.99, abs=1e-4)
    expected = np.concatenate([[-0.8], tail])[: len(found)]
    assert equal_but_for_level(found, expected)
    lost = np.concatenate([[-0.8], tail])[len(found) :]
    assert 1e-7 * (expected**2).sum() < (lost**2).sum() < 1e-6 * (expected**2).sum()


def test_rooms_longer_than_a_clip_are_cut_and_those_of_zeros_left_out_with_a_note(sounds):
    soundfile.write(sounds / "rir" / "long.wav", np.concatenate([[0.9], noise(12)]), RATE)
    soundfile.write(sounds / "rir" / "zeros.wav", np.zeros(4000), RATE)
    bank = opened(sounds)
    assert len(bank.rooms) == 3 and sound(bank, "rir/long.wav").samples == 10 * RATE
    noted(bank, str(sounds / "rir" / "long.wav"), "12.0 s; cut to 10 s")
    noted(bank, "skipped", str(sounds / "rir" / "zeros.wav"), "silent")


def test_a_room_of_one_tap_is_one(sounds):
    soundfile.write(sounds / "rir" / "0.wav", np.array([0.5]), RATE)
    assert opened(sounds).rooms[0].samples == 1


def test_what_is_missing_is_named_with_its_fix(sounds, tmp_path):
    for kind in ("rir", "background"):
        kept = {path: path.read_bytes() for path in (sounds / kind).iterdir()}
        for path in kept:
            soundfile.write(path, np.zeros(5000), RATE)
        with pytest.raises(SedError, match=re.escape(f"{sounds / kind}: no readable recordings") + r".*add \*.wav"):
            opened(sounds)
        shutil.rmtree(sounds / kind)
        with pytest.raises(SedError, match=re.escape(f"{sounds / kind}: no readable recordings") + r".*add \*.wav"):
            opened(sounds)
        (sounds / kind).mkdir()
        for path, content in kept.items():
            path.write_bytes(content)
    speech = sounds / "foreground" / "Speech"
    shutil.rmtree(speech)
    speech.mkdir()
    with pytest.raises(SedError, match=re.escape(f"no readable recording of Speech; add {speech}/*.wav")):
        opened(sounds)
    assert not list((sounds.parents[2] / "store").glob("soundbank.npz*"))
    other = tmp_path / "other"
    with pytest.raises(SedError, match=re.escape(str(other / SOUNDBANK)) + ".*no such folder.*put them there as"):
        open_bank(other)
