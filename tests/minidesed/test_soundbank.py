"""RecordedVoices: recordings of any kind as sounds; disjoint pools; what is missing or broken is named."""

import pickle
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import example, given
from hypothesis import strategies as st
from tries import tries

from minidesed import domains
from minidesed.recordings import IsolatedSounds, RecordedVoices
from sedlib.data.soundbank import CONTINUOUS, LONGEST_S
from sedlib.data.tables import CLASSES
from sedlib.errors import SedError

REAL_EVENTS = Path(__file__).parents[3] / "shared" / "real_events"


def burst(seconds, rate=16000, seed=0):
    return 0.2 * np.random.default_rng(seed).standard_normal(round(seconds * rate))


def make_bank(folder, files=3):
    for c, label in enumerate(CLASSES):
        for i in range(files):
            (folder / "foreground" / label).mkdir(parents=True, exist_ok=True)
            soundfile.write(folder / "foreground" / label / f"{i}.wav", burst(1, seed=100 * c + i), 16000)
    return folder


@pytest.fixture
def folder(tmp_path):
    return make_bank(tmp_path / "bank")


@pytest.fixture(scope="module")
def bank(tmp_path_factory):
    return RecordedVoices(make_bank(tmp_path_factory.mktemp("bank")))


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """A folder with one recording of each class."""
    return make_bank(tmp_path_factory.mktemp("small"), files=1)


@tries(50)
@given(st.sampled_from(CLASSES), st.floats(0.25, 10), st.integers(0, 2**32))
def test_an_event_fills_its_time_and_is_a_function_of_the_rng(bank, label, duration, seed):
    sound = bank.event(label, duration, np.random.default_rng(seed))
    wanted = round(duration * 16000)
    assert sound.dtype == np.float32 and np.abs(sound).max() == 1
    assert len(sound) == (wanted if label in CONTINUOUS else min(wanted, 16000))
    assert np.array_equal(sound, bank.event(label, duration, np.random.default_rng(seed)))


def test_a_repeated_sound_has_no_gap(bank):
    sound = bank.event("Frying", 10, np.random.default_rng(0))[:-160].astype(float)
    levels = np.sqrt((sound[: len(sound) // 800 * 800].reshape(-1, 800) ** 2).mean(axis=1))
    assert levels.min() > 0.6 * levels.max()


def test_silence_around_a_sound_is_left_out_and_one_of_several_taken(folder):
    x = np.zeros(5 * 16000)
    x[16000:24000], x[48000:60000] = burst(0.5), burst(0.75, seed=1)
    for path in (folder / "foreground" / "Dog").iterdir():
        soundfile.write(path, x, 16000)
    lengths = {len(RecordedVoices(folder).event("Dog", 4, np.random.default_rng(seed))) for seed in range(20)}
    assert lengths == {8000, 12000}


def test_a_sound_that_goes_on_is_taken_without_its_pauses(folder):
    x = np.concatenate([burst(1), np.zeros(16000), burst(3, seed=1)])
    for path in (folder / "foreground" / "Blender").iterdir():
        soundfile.write(path, x, 16000)
    sound = RecordedVoices(folder).event("Blender", 10, np.random.default_rng(0))
    assert len(sound) == 160000 and np.abs(sound[:-160].reshape(-1, 160)).max(axis=1).min() > 0.1


def test_files_of_any_rate_and_channels(folder):
    path = folder / "foreground" / "Cat" / "0.wav"
    for file in path.parent.iterdir():
        file.unlink()
    soundfile.write(path.with_suffix(".flac"), np.stack([burst(1, 44100)] * 2, 1), 44100)
    assert len(RecordedVoices(folder).event("Cat", 4, np.random.default_rng(0))) == 16000


def test_class_folders_may_lie_directly_below(folder):
    for place in (folder / "foreground").iterdir():
        place.rename(folder / place.name)
    (folder / "foreground").rmdir()
    assert len(RecordedVoices(folder).recordings["Dog"]) == 3


def test_an_empty_class_folder_is_named_with_its_fix(folder):
    for path in (folder / "foreground" / "Frying").iterdir():
        path.unlink()
    with pytest.raises(SedError) as error:
        RecordedVoices(folder)
    assert str(error.value) == (
        f"{folder}: no readable recording of Frying; add {folder}/foreground/Frying/*.wav (or .flac, .ogg)"
    )


def test_folders_of_recordings_that_begin_or_end_within_the_event_belong_to_their_class(folder):
    classes = folder / "foreground"
    (classes / "Frying").rename(classes / "Frying_nOn_nOff")
    for name in ("Dog_nOn", "Dog_nOff", "Dog_nX"):
        (classes / name).mkdir()
        soundfile.write(classes / name / "a.wav", burst(1, seed=99), 16000)
    bank = RecordedVoices(folder)
    assert {r.path.parent.name for r in bank.recordings["Frying"]} == {"Frying_nOn_nOff"}
    assert [r.path.parent.name for r in bank.recordings["Dog"]] == ["Dog"] * 3 + ["Dog_nOn", "Dog_nOff"]
    notes = [note for note in bank.notes if "not used" in note]
    assert len(notes) == 1 and "Dog_nX: 1 audio file not used; label 'Dog_nX'" in notes[0]
    for path in (classes / "Frying_nOn_nOff").iterdir():
        path.write_bytes(b"")
    with pytest.raises(SedError, match=r"no readable recording of Frying; Dog_nX/: [^;]*; did you mean 'Dog'\?; add"):
        RecordedVoices(folder)


def test_backgrounds_and_rooms_may_lie_in_folders_of_their_own(folder):
    for name in ("background/sins", "background/tut/home", "rir/train/room_1"):
        (folder / name).mkdir(parents=True)
        soundfile.write(folder / name / "a.wav", burst(1), 16000)
    (folder / "rir" / "linked").symlink_to(folder / "rir" / "train")
    bank = RecordedVoices(folder)
    assert len(bank.recordings["background"]) == 2 and len(bank.recordings["rir"]) == 2 and bank.notes == []


def test_recordings_as_they_are_whatever_their_rate_and_length(folder):
    dogs = folder / "foreground" / "Dog"
    whole = burst(2, seed=5)
    soundfile.write(dogs / "0.wav", whole, 16000, subtype="FLOAT")  # with whatever silence it has
    soundfile.write(dogs / "1.wav", np.stack([burst(1.5, 44100)] * 2, 1), 44100)
    soundfile.write(dogs / "2.wav", burst(60), 16000)
    soundfile.write(dogs / "3.wav", burst(0.03), 16000)
    soundfile.write(dogs / "4.flac", burst(1, 8000), 8000)
    bank = RecordedVoices(folder)
    waveforms = {r.path.stem: r.read()[0] for r in bank.recordings["Dog"]}
    assert {name: len(x) / 16000 for name, x in waveforms.items()} == {"0": 2, "1": 1.5, "2": LONGEST_S, "4": 1}
    assert all(x.dtype == np.float32 for x in waveforms.values())
    assert np.array_equal(waveforms["0"], whole.astype(np.float32))
    assert [note for note in bank.notes if "Dog" in note] == [
        f"skipped {dogs / '3.wav'}: 0.030 s; a recording of 0.1 s or more is needed"
    ]


def test_missing_folders_and_classes_are_named(folder, tmp_path):
    with pytest.raises(SedError, match="no such folder"):
        RecordedVoices(tmp_path / "nowhere")
    for label in ("Cat", "Speech"):
        for path in (folder / "foreground" / label).iterdir():
            path.write_bytes(b"" if label == "Cat" else b"text")
    with pytest.raises(SedError, match=r"no readable recording of Cat, Speech; add .*Cat/\*\.wav"):
        RecordedVoices(folder)
    with pytest.raises(SedError, match="no readable recording"):
        RecordedVoices(tmp_path)


@pytest.mark.parametrize("name", ["dog", "Dogs", "DOG", "dog_bark"])
def test_a_class_folder_in_another_spelling_is_named(folder, name):
    (folder / "foreground" / "Dog").rename(folder / "foreground" / name)
    with pytest.raises(SedError, match=f"no readable recording of Dog; {name}/: .*did you mean 'Dog'"):
        RecordedVoices(folder)


@pytest.mark.parametrize(
    ("spelt", "meant"),
    [("alarm bell ringing", "Alarm_bell_ringing"), ("vacuum-cleaner", "Vacuum_cleaner"), ("Cats", "Cat")],
)
def test_a_second_folder_in_another_spelling_is_noted(folder, spelt, meant):
    (folder / "foreground" / spelt).mkdir()
    soundfile.write(folder / "foreground" / spelt / "a.wav", burst(1), 16000)
    notes = [note for note in RecordedVoices(folder).notes if "not used" in note]
    assert len(notes) == 1 and f"{spelt}: 1 audio file not used; " in notes[0] and f"mean {meant!r}?" in notes[0]


@pytest.mark.parametrize("place", [".", "foreground", "music", "foreground/music", "foreground/Dog/deeper", "Dog"])
def test_sounds_in_the_wrong_place_are_noted(folder, place):
    (folder / place).mkdir(exist_ok=True)
    for i in range(2):
        soundfile.write(folder / place / f"lost{i}.wav", burst(1), 16000)
    bank = RecordedVoices(folder)
    notes = [note for note in bank.notes if "not used" in note]
    assert len(notes) == 1 and f"{folder / place}: 2 audio files not used" in notes[0]
    assert not any("lost" in r.path.name for found in bank.recordings.values() for r in found)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (
            lambda x: np.where(np.arange(len(x)) == 500, np.nan, x),
            "skipped .*1.wav: holds samples that are not numbers",
        ),
        (lambda x: x * 1e-5, "skipped .*1.wav: silent"),
        (lambda x: x[:1000], "skipped .*1.wav: 0.062 s"),
        (lambda x: np.clip(10 * x, -1, 1), "1.wav: .* % of its samples are at full scale"),
        (lambda x: 0.5 * x + 0.1, "1.wav: DC offset of 10"),
    ],
)
def test_flawed_recordings_are_noted_and_useless_ones_skipped(folder, change, words):
    soundfile.write(folder / "foreground" / "Dog" / "1.wav", change(burst(1)), 16000, subtype="FLOAT")
    bank = RecordedVoices(folder)
    notes = [note for note in bank.notes if "1.wav" in note]
    assert len(notes) == 1 and re.search(words, notes[0]), notes
    assert len(bank.recordings["Dog"]) == (2 if "skipped" in words else 3)


def test_an_unknown_class_is_named(bank):
    with pytest.raises(SedError, match="did you mean 'Dog'"):
        bank.event("Dogs", 1, np.random.default_rng(0))


@pytest.mark.parametrize("content", [b"", b"text", "silent", "cut"])
def test_broken_files_are_skipped_and_noted(folder, content):
    path = folder / "foreground" / "Dog" / "1.wav"
    if content == "silent":
        soundfile.write(path, np.zeros(16000), 16000)
    else:
        path.write_bytes(path.read_bytes()[:10000] if content == "cut" else content)
    bank = RecordedVoices(folder)
    assert len(bank.recordings["Dog"]) == 2
    assert sum("skipped" in note and "1.wav" in note for note in bank.notes) == 1


def test_without_backgrounds_and_rooms_they_are_procedural_and_it_is_said(bank):
    assert len(bank.background(3, np.random.default_rng(0))) == 48000
    room = bank.room(domains.REAL, np.random.default_rng(0))
    assert room[0] == 1 and 0.2 <= len(room) / 16000 <= 1.0
    assert sum("procedural" in note for note in bank.notes) == 2


def test_backgrounds_fill_the_clip_and_rooms_begin_with_the_direct_sound(folder):
    (folder / "background").mkdir(), (folder / "rir").mkdir()
    soundfile.write(folder / "background" / "b.wav", np.concatenate([np.zeros(8000), burst(3), np.zeros(8000)]), 16000)
    room = 0.1 * np.random.default_rng(0).standard_normal(1400) * np.exp(-np.arange(1400) / 500)  # may be short
    room[80] = -0.9
    soundfile.write(folder / "rir" / "r.wav", room, 16000)
    bank = RecordedVoices(folder)
    background = bank.background(10, np.random.default_rng(0))
    assert len(background) == 160000
    assert np.abs(background.reshape(-1, 1600)).max(axis=1).min() > 0.1  # the zeros at the ends are not repeated
    fitted = bank.room(domains.REAL, np.random.default_rng(0))
    assert fitted[0] == 1 and len(fitted) == 1320
    assert not any("procedural" in note for note in bank.notes)


def microphones() -> np.ndarray:
    """Responses of four microphones, (sample, channel), whose direct sounds arrive one after the other."""
    x = 0.01 * np.random.default_rng(0).standard_normal((1400, 4))
    for channel, first in enumerate((10, 60, 200, 500)):
        x[first, channel] = 0.9
    return x.astype(np.float32)


def test_of_a_room_measured_with_several_microphones_the_first_is_taken(folder):
    (folder / "rir").mkdir()
    soundfile.write(folder / "rir" / "r.wav", microphones(), 16000, subtype="FLOAT")
    bank = RecordedVoices(folder)
    first = microphones()[10:, 0]
    recipe = replace(domains.REAL, rt60=(1e6, 1e6))  # no damping, so only the late part is scaled
    room = bank.room(recipe, np.random.default_rng(0))
    np.testing.assert_allclose(room[:40], first[:40] / first[0], rtol=1e-3)
    assert f"{folder / 'rir' / 'r.wav'}: 4 channels: the first is used" in bank.notes


def test_pools_are_disjoint_by_recording(folder):
    lines = ["file\trecording_group"]
    for label in CLASSES:
        for i in range(3, 12):
            soundfile.write(folder / "foreground" / label / f"{i}.wav", burst(0.3, seed=i), 16000)
        lines += [f"foreground/{label}/{i}.wav\t{label}-{i // 3}" for i in range(12)]
    (folder / "sources.tsv").write_text("\n".join(lines))
    pools = RecordedVoices(folder).split("a", "b", "c")
    for label in CLASSES:
        groups = [{r.group for r in pool.recordings[label]} for pool in pools]
        assert all(groups) and sum(map(len, groups)) == 4 == len(set.union(*groups))
        assert sum(len(pool.recordings[label]) for pool in pools) == 12
    assert not any("share" in note for note in pools[0].notes)


def test_too_few_recordings_are_shared_and_named(folder):
    (folder / "foreground" / "Dog" / "2.wav").unlink()
    pools = RecordedVoices(folder).split("a", "b", "c")
    assert all(len(pool.recordings["Dog"]) == 2 and len(pool.recordings["Cat"]) == 1 for pool in pools)
    shared = [note for note in pools[2].notes if "share" in note]
    assert shared == ["Dog: 2 recordings for 3 pools (a, b, c): all pools share them"]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"file\tgroup\n", "lacks the column recording_group"),
        (b"", "lacks the column file, recording_group"),
        ("file\trecording_group\nforeground/Dog/é.wav\ta\n".encode("latin-1"), "not a tab separated UTF-8 table"),
    ],
)
def test_a_wrong_sources_table_is_named(folder, content, words):
    (folder / "sources.tsv").write_bytes(content)
    with pytest.raises(SedError, match=f"sources.tsv: {words}"):
        RecordedVoices(folder)


def test_a_line_of_sources_without_its_file_is_noted(folder):
    lines = [b"\xef\xbb\xbffile\trecording_group", b"foreground/Dog/0.wav\ta", b"Dog/1.wav\ta"]
    (folder / "sources.tsv").write_bytes(b"\r\n".join(lines))
    bank = RecordedVoices(folder)
    assert bank.recordings["Dog"][0].group == "a" and bank.recordings["Dog"][1].group == "foreground/Dog/1.wav"
    assert [note for note in bank.notes if "sources.tsv" in note and "'Dog/1.wav' is not one of the sounds" in note]


@tries(40)
@given(
    st.sampled_from([b"", b"file\trecording_group\n", b"recording_group\tfile\n"]),
    st.text(st.sampled_from('\t\n\r"fa0') | st.characters()).map(lambda s: s.encode(errors="replace")) | st.binary(),
)
@example(b"recording_group\tfile\n", b"a line that ends early\nb\tnot_here.wav\n")
def test_whatever_sources_holds_it_is_read_or_refused(small, head, body):
    (small / "sources.tsv").write_bytes(head + body)
    try:
        bank = RecordedVoices(small)
    except SedError as error:
        assert str(small / "sources.tsv") in str(error)
    else:
        assert all(isinstance(r.group, str) for found in bank.recordings.values() for r in found)


def test_the_sounds_of_a_clip_come_from_one_recording_per_class(folder):
    lines = [f"foreground/{label}/{i}.wav\t{label}-{i // 2}" for label in CLASSES for i in range(3)]
    (folder / "sources.tsv").write_text("\n".join(["file\trecording_group", *lines]))
    bank = RecordedVoices(folder)
    before = {label: list(found) for label, found in bank.recordings.items()}
    sizes = []
    for seed in range(200):
        clip = bank.of_clip(np.random.default_rng(seed))
        for label in CLASSES:
            group = {r.group for r in clip.recordings[label]}
            assert len(group) == 1 and clip.recordings[label] == [r for r in before[label] if r.group in group]
            sizes.append(len(clip.recordings[label]))
    assert abs(np.mean(sizes) - 1.5) < 0.05  # 2000 draws of groups of 1 and 2 files: both alike
    assert len({tuple(sizes[i : i + 10]) for i in range(0, 2000, 10)}) > 100  # the classes are drawn on their own
    assert bank.recordings == before
    again = bank.of_clip(np.random.default_rng(199))
    assert again.recordings == clip.recordings == pickle.loads(pickle.dumps(clip)).recordings


def test_the_fingerprint_tells_contents_apart_and_a_bank_travels_to_other_processes(folder):
    before = RecordedVoices(folder)
    assert RecordedVoices(folder).fingerprint == before.fingerprint == pickle.loads(pickle.dumps(before)).fingerprint
    soundfile.write(folder / "foreground" / "Dog" / "0.wav", burst(1, seed=9999), 16000)
    assert RecordedVoices(folder).fingerprint != before.fingerprint


@pytest.fixture
def isolated(tmp_path):
    """Sounds of 0.5, 1, 1.5, ..., 4 s, each of a level of its own: 0.1, 0.2, ..., 0.8."""
    for what in (*(f"foreground/{label}" for label in CLASSES), "background", "rir"):
        (tmp_path / what).mkdir(parents=True)
        for i in range(1, 9):
            sound = np.r_[0.1 * i, np.full(8000 * i - 2, 0.05 * i), 0.0]
            soundfile.write(tmp_path / what / f"{i}.wav", sound, 16000)
    return IsolatedSounds(tmp_path)


def test_isolated_sounds_are_taken_whole_and_of_continuous_ones_a_part(isolated):
    lengths = set()
    for seed in range(60):
        dog = isolated.event("Dog", 1.6, np.random.default_rng(seed))
        assert np.abs(dog).max() == 1
        lengths.add(len(dog))
        assert len(isolated.event("Frying", 3.0, np.random.default_rng(seed))) == 48000
        assert np.array_equal(dog, isolated.event("Dog", 0.3, np.random.default_rng(seed)))
    assert lengths == {8000 * i for i in range(1, 9)}


def test_isolated_backgrounds_and_rooms_are_taken_as_they_are(isolated):
    rng = np.random.default_rng(0)
    rooms = {round(10 * float(isolated.room(domains.REAL, rng)[0])) for _ in range(100)}
    assert rooms == {1, 2, 3, 4, 5, 6, 7, 8}
    assert len(isolated.background(10, rng)) == 160000
    assert isolated.of_clip(rng) is isolated
    assert len(pickle.loads(pickle.dumps(isolated)).event("Frying", 2, rng)) == 32000


@pytest.mark.skipif(not REAL_EVENTS.is_dir(), reason="no recordings beside the repository")
def test_on_real_recordings():
    bank = RecordedVoices(REAL_EVENTS)
    assert bank.notes == []
    pools = bank.split("a", "b", "c")
    shared = {note.split(":")[0] for note in pools[0].notes}
    assert shared == {"Electric_shaver_toothbrush", "Vacuum_cleaner"}  # one recording each
    for label in CLASSES:
        a, b, c = ({r.path for r in pool.recordings[label]} for pool in pools)
        assert (a == b == c) if label in shared else not (a & b or b & c or a & c)
        for seed in range(5):
            assert 0.05 < len(pools[seed % 3].event(label, 2, np.random.default_rng(seed))) / 16000 <= 2
