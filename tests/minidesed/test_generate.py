"""Generator: labels are where the sound is; the same seed gives the same bytes however the work is split or resumed."""

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import norm
from tries import tries

from minidesed import domains, generate, soundscapes
from minidesed.recordings import IsolatedSounds
from minidesed.soundscapes import mini_recipe
from minidesed.voices import Voices
from reproduction import audit
from sedlib.config import CLIP_S
from sedlib.data import audio, layout, tables
from sedlib.data.layout import SUBSETS
from sedlib.data.scenes import SYNTHETIC, Event
from sedlib.data.soundbank import CONTINUOUS
from sedlib.errors import SedError

REAL_EVENTS = Path(__file__).parents[3] / "shared" / "real_events"
DRY = replace(domains.SYNTHETIC, room_share=0)
SIZES = {"synthetic": 3, "weak": 3, "unlabel_in_domain": 2, "validation": 2, "public": 1}
SOUNDS = 1


class Steady:
    """Sounds of constant level over digital silence, so that a sample is 0 exactly where nothing sounds."""

    def of_clip(self, rng):
        return self

    def event(self, label, duration, rng):
        return np.where(np.arange(round(duration * 16000)) % 2, 1, -1).astype(np.float32)

    def background(self, duration, rng):
        return np.zeros(round(duration * 16000), np.float32)

    def room(self, recipe, rng):
        return domains.room_response(recipe, rng)


def files(root):
    return {p.relative_to(root).as_posix(): p.read_bytes() for p in sorted(root.rglob("*")) if p.is_file()}


@pytest.fixture(scope="module")
def mini(tmp_path_factory):
    root = tmp_path_factory.mktemp("made") / "mini"
    generate.mini(root, SIZES, seed=7, jobs=1, progress=False, sounds=SOUNDS)
    return root


# ------------------------------------------------------------------------------------------------------------- mixture

EVENTS = st.builds(Event, st.sampled_from(tables.CLASSES), st.floats(0, 9.7), st.floats(0.25, 10))
PLANS = st.lists(EVENTS, max_size=5, unique_by=lambda event: event.label)


@tries(40)
@given(PLANS, st.integers(0, 2**32))
def test_mixing_keeps_every_events_times(plan, seed):
    waveform, labels = soundscapes.mix(plan, Steady(), DRY, np.random.default_rng(seed))
    assert waveform.shape == (160000,)
    sounding = np.zeros(160000, bool)
    assert len(labels) == len(plan)
    times = {label: (onset, offset) for onset, offset, label in labels}
    for event in plan:
        onset, offset = times[event.label]
        assert onset == pytest.approx(event.onset, abs=1e-3)
        assert offset == pytest.approx(min(CLIP_S, event.onset + event.duration), abs=1e-3)
        sounding[round(event.onset * 16000) :][: round(event.duration * 16000)] = True
    assert not waveform[~sounding].any()
    assert waveform[sounding].all() or len(plan) > 1  # two events may cancel


def test_labels_of_one_class_that_are_close_are_one():
    """Above 150 ms they are two, as in DESED."""
    plan = [Event("Dog", 1, 1), Event("Dog", 1.5, 2), Event("Cat", 2, 1), Event("Dog", 3.6, 0.5), Event("Dog", 4.3, 1)]
    _, labels = soundscapes.mix(plan, Steady(), DRY, np.random.default_rng(0))
    assert labels == [(1.0, 4.1, "Dog"), (2.0, 3.0, "Cat"), (4.3, 5.3, "Dog")]
    _, labels = soundscapes.mix([Event("Dog", 1, 8), Event("Dog", 2, 1)], Steady(), DRY, np.random.default_rng(0))
    assert labels == [(1.0, 9.0, "Dog")]


@tries(20)
@given(st.floats(0, 9.7), st.integers(0, 2**32))
def test_a_room_does_not_move_the_onset_but_sounds_on(onset, seed):
    recipe = replace(DRY, room_share=1)
    plan = [Event("Dog", onset, 0.25)]
    waveform, [(labelled, offset, _)] = soundscapes.mix(plan, Steady(), recipe, np.random.default_rng(seed))
    first = round(onset * 16000)
    assert np.abs(waveform[:first]).max(initial=0) < 1e-4 * np.abs(waveform).max()  # rounding of the convolution
    assert abs(waveform[first]) > 0.1 * np.abs(waveform).max()
    assert labelled == pytest.approx(onset, abs=1e-3) and offset == pytest.approx(min(10, onset + 0.25), abs=1e-3)
    after = waveform[first + 4000 : first + 4400]
    assert len(after) == 0 or after.any()


def test_levels_are_relative_to_the_background():
    class Noisy(Steady):
        def background(self, duration, rng):
            return rng.standard_normal(160000).astype(np.float32)

    recipe = replace(DRY, snr=(20, 20), snr_of_class=0, snr_of_event=0, background_level=(-50, -50))
    waveform, _ = soundscapes.mix([Event("Dog", 2, 3)], Noisy(), recipe, np.random.default_rng(0))
    assert 20 * np.log10(domains.rms(waveform[:32000])) == pytest.approx(-50, abs=0.1)
    assert 20 * np.log10(domains.rms(waveform[32000:80000])) == pytest.approx(-30, abs=0.1)


@tries(100)
@given(st.floats(0, 9.5), st.floats(0.25, 10), st.integers(0, 2**32))
def test_annotators_miss_boundaries_by_no_more_than_the_jitter(onset, duration, seed):
    offset = min(CLIP_S, onset + duration)
    heard = soundscapes._annotated(onset, offset, 0.05, np.random.default_rng(seed))
    assert 0 <= heard[0] < heard[1] <= CLIP_S
    assert abs(heard[0] - onset) <= 0.0505 and abs(heard[1] - offset) <= 0.0505
    assert (onset > 0 or heard[0] == 0) and (offset < CLIP_S or heard[1] == CLIP_S)


def test_a_sound_shorter_than_planned_has_a_shorter_label_but_not_below_the_shortest():
    class Brief(Steady):
        def event(self, label, duration, rng):
            return super().event(label, 0.1 if label == "Dog" else 0.5, rng)

    _, labels = soundscapes.mix(
        [Event("Dog", 1, 3), Event("Cat", 5, 3), Event("Dog", 9.9, 0.25)], Brief(), DRY, np.random.default_rng(0)
    )
    assert labels == [(1.0, 1.25, "Dog"), (5.0, 5.5, "Cat"), (9.9, 10.0, "Dog")]


INGREDIENTS = st.sampled_from(list(domains.INGREDIENTS))


@tries(20)
@given(INGREDIENTS, st.integers(0, 50))
def test_an_ingredient_of_the_gap_can_be_switched_off_and_all_else_stays(name, index):
    """The events stay where they are: exactly, but for what an ingredient itself does to them."""
    _, real = soundscapes.make_clip("validation", mini_recipe("validation"), 0, index)
    _, changed = soundscapes.make_clip("validation", mini_recipe("validation", (name,)), 0, index)
    if name == "scenes":
        return  # other events
    assert [label for *_, label in real] == [label for *_, label in changed]
    if name == "voices":  # a bark may be shorter than another one
        assert [onset for onset, *_ in real] == [onset for onset, *_ in changed]
    elif name == "boundaries":
        assert np.allclose([event[:2] for event in real], [event[:2] for event in changed], atol=0.0511) or not real
    else:
        assert real == changed


def test_a_room_that_adds_nothing_leaves_all_else_as_it_was():
    how = mini_recipe("validation", ("rooms",))
    bare = replace(how.recipe, room_share=1, direct_to_reverberant=(150, 150))
    for index in range(3):
        dry, _ = soundscapes.make_clip("validation", how._replace(recipe=replace(how.recipe, room_share=0)), 0, index)
        roomy, _ = soundscapes.make_clip("validation", how._replace(recipe=bare), 0, index)
        assert np.abs(dry - roomy).max() < 1e-3


@pytest.mark.parametrize("name", domains.INGREDIENTS)
def test_every_ingredient_changes_something(name):
    def clips(index):
        whole, part = mini_recipe("validation"), mini_recipe("validation", (name,))
        return [soundscapes.make_clip("validation", how, 3, index) for how in (whole, part)]

    pairs = (clips(index) for index in range(40))  # of which one in ten is clipped
    one, other = next(pair for pair in pairs if not np.array_equal(pair[0][0], pair[1][0]) or pair[0][1] != pair[1][1])
    assert name != "boundaries" or np.array_equal(one[0], other[0])


def test_without_any_ingredient_a_real_clip_is_made_as_a_synthetic_one():
    how, synthetic = mini_recipe("validation", tuple(domains.INGREDIENTS)), mini_recipe("synthetic")
    assert how.recipe == synthetic.recipe and how.scenes == synthetic.scenes
    assert how.source.ranges == synthetic.source.ranges
    with pytest.raises(SedError, match="ingredient 'room' of the domain gap does not exist; choose from scenes"):
        mini_recipe("validation", ("room",))
    assert mini_recipe("synthetic", ("rooms",)).recipe == synthetic.recipe


# ----------------------------------------------------------------------------------------------------------- data sets


def test_a_made_data_set_is_whole_desed_layout(mini):
    report = audit.check(mini)
    assert report.ok and report.left_out == report.changed == [], report.text()
    assert not [note for note in report.notes if "no event of" not in note], report.text()  # so few clips lack a class
    for subset, size in SIZES.items():
        loaded = layout.load(mini, subset)
        assert loaded.filenames == [f"{subset}_{i:06d}.wav" for i in range(size)]
        assert sorted(p.name for p in loaded.audio_dir.iterdir()) == loaded.filenames
    assert list(mini.rglob("*part*")) == []
    described = json.loads((mini / "dataset.json").read_text())
    identity = {"generator": generate.VERSION, "kind": "mini", "seed": 7, "sounds": SOUNDS}
    assert described == {**identity, "sizes": SIZES}
    made = [p.parent.name for p in (mini / layout.SOUNDBANK).rglob("*.wav")]
    assert Counter(made) == generate.sound_counts(SOUNDS)


def test_tables_tell_what_was_mixed_and_no_more(mini):
    _, labels = soundscapes.make_clip("weak", mini_recipe("weak"), 7, 0)
    assert layout.load(mini, "weak").table["event_labels"][0] == ",".join(sorted({label for *_, label in labels}))
    assert list(layout.load(mini, "unlabel_in_domain").table.columns) == ["filename"]
    waveform, labels = soundscapes.make_clip("validation", mini_recipe("validation"), 7, 1)
    assert of_clip(layout.load(mini, "validation").table, "validation_000001.wav") == labels
    stored, _ = audio.read(mini / SUBSETS["validation"].audio / "validation_000001.wav")
    assert np.array_equal(audio.to_int16(stored), audio.to_int16(waveform))


def of_clip(table, name):
    rows = tables.events(table[table["filename"] == name])
    return list(zip(rows["onset"], rows["offset"], rows["event_label"]))


@pytest.mark.parametrize("subset", ["weak", "unlabel_in_domain"])
def test_what_an_oracle_would_know_is_kept_aside(mini, tmp_path, subset):
    _, labels = soundscapes.make_clip(subset, mini_recipe(subset), 7, 1)
    hidden = layout.hidden_labels(mini, subset)
    assert of_clip(hidden, f"{subset}_000001.wav") == labels
    assert tables.filenames(hidden) == layout.load(mini, subset).filenames
    with pytest.raises(SedError, match="only data sets made by `sedlib data` keep the hidden labels"):
        layout.hidden_labels(tmp_path, subset)


def test_the_same_seed_gives_the_same_bytes_with_one_process_or_two(mini, tmp_path, monkeypatch):
    monkeypatch.setattr(generate, "_BLOCK", 2)
    generate.mini(tmp_path / "mini", SIZES, seed=7, jobs=2, progress=False, sounds=SOUNDS)
    assert files(tmp_path / "mini") == files(mini)


def test_a_larger_data_set_begins_with_the_smaller(mini, tmp_path):
    root = tmp_path / "mini"
    generate.mini(root, {"synthetic": 1, "weak": 2}, seed=7, jobs=1, progress=False, sounds=SOUNDS)
    inode = (root / SUBSETS["weak"].audio / "weak_000001.wav").stat().st_ino
    generate.mini(root, SIZES, seed=7, jobs=1, progress=False, sounds=SOUNDS)
    assert (root / SUBSETS["weak"].audio / "weak_000001.wav").stat().st_ino == inode  # kept, not made again
    assert files(root) == files(mini)


SOUND = st.sampled_from(list(generate.sound_counts(1)))


@tries(60)
@given(SOUND, st.integers(0, 2**40), st.integers(0, 1000))
def test_an_isolated_sound_is_one_event_background_or_room(what, seed, index):
    sound = soundscapes.make_sound(what, Voices("synthetic"), seed, index)
    assert sound.dtype == np.float32 and np.abs(sound).max() == pytest.approx(0.9)
    seconds = len(sound) / 16000
    if what == "background":
        assert seconds == 10
    elif what == "rir":
        assert np.argmax(np.abs(sound)) == 0 and 0.1499 <= seconds <= 0.6
        assert 1.99 <= -20 * np.log10(np.linalg.norm(sound[1:]) / sound[0]) <= 12.01
    elif what in CONTINUOUS:
        assert 9.9 <= seconds <= 10  # a motor's coasting is trimmed where it is silent
    else:
        assert 0.25 <= seconds <= 10
    assert np.array_equal(sound, soundscapes.make_sound(what, Voices("synthetic"), seed, index))
    other = soundscapes.make_sound(what, Voices("synthetic"), seed, index + 1)
    assert len(other) != len(sound) or np.abs(other - sound).max() > 0.01


@pytest.mark.parametrize("label", [label for label in tables.CLASSES if label not in CONTINUOUS])
def test_isolated_events_are_as_long_as_those_of_synthetic_clips(label):
    durations = [len(soundscapes.make_sound(label, Steady(), 0, index)) / 16000 for index in range(400)]
    statistics = SYNTHETIC.events[label]
    for z in (-1, 0, 1):
        wanted = np.clip(statistics.median * np.exp(z * statistics.sigma), 0.25, 10)
        found = np.quantile(durations, norm.cdf(z))
        assert abs(np.log(found / wanted)) < 4 * statistics.sigma / 0.24 * np.sqrt(0.16 * 0.84 / 400), (
            z,
            found,
            wanted,
        )


def test_every_isolated_sound_has_an_individual_of_its_own():
    class Tagged(Steady):
        individuals = set()

        def of_clip(self, rng):
            self.individuals.add(rng.random())
            return self

    for what in ("Dog", "Cat", "background"):
        for index in range(5):
            soundscapes.make_sound(what, Tagged(), 0, index)
    assert len(Tagged.individuals) == 15


def test_a_source_that_is_short_silent_or_has_rooms_of_its_own():
    class Odd(Steady):
        def event(self, label, duration, rng):
            return super().event(label, 0.1, rng)

        def room(self, recipe, rng):
            return np.r_[1.0, np.full(200_000, 1e-3)].astype(np.float32)

    dog = soundscapes.make_sound("Dog", Odd(), 0, 0)
    assert len(dog) == 4000 and dog[:1600].all() and not dog[1600:].any()  # no label is shorter than 0.25 s
    room = soundscapes.make_sound("rir", Odd(), 0, 0)
    assert len(room) == 160000 and room[1] / room[0] == pytest.approx(1e-3)
    assert not soundscapes.make_sound("background", Odd(), 0, 0).any()


def test_synthetic_clips_are_mixed_from_the_isolated_sounds(mini):
    bank = IsolatedSounds(mini / layout.SOUNDBANK)
    how = mini_recipe("synthetic")._replace(source=bank)
    waveform, labels = soundscapes.make_clip("synthetic", how, 7, 2)
    stored, _ = audio.read(mini / SUBSETS["synthetic"].audio / "synthetic_000002.wav")
    assert np.array_equal(audio.to_int16(stored), audio.to_int16(waveform))
    assert of_clip(layout.load(mini, "synthetic").table, "synthetic_000002.wav") == labels
    made = soundscapes.make_sound("Dog", Voices("synthetic"), 7, 0)
    stored, _ = audio.read(mini / layout.SOUNDBANK / "foreground/Dog/Dog_000000.wav")
    assert np.array_equal(audio.to_int16(stored), audio.to_int16(made))


def test_a_soundbank_has_as_many_sounds_as_its_data_set_says(mini):
    with pytest.raises(SedError, match="sounds is 1, asked for 2; give another folder"):  # other synthetic clips
        generate.mini(mini, SIZES, seed=7, jobs=1, progress=False, sounds=2)


def test_a_soundbank_half_made_is_finished(mini, tmp_path, monkeypatch):
    root, make_sound, made = tmp_path / "mini", soundscapes.make_sound, []

    def killed(*args):
        if len(made) == 5:
            raise KeyboardInterrupt
        made.append(args)
        return make_sound(*args)

    monkeypatch.setattr(generate, "make_sound", killed)
    with pytest.raises(KeyboardInterrupt):
        generate.mini(root, SIZES, seed=7, jobs=1, progress=False, sounds=SOUNDS)
    assert not list((root / SUBSETS["synthetic"].audio).glob("*.wav"))  # which are made of them
    again = []
    monkeypatch.setattr(generate, "make_sound", lambda *args: again.append(args) or make_sound(*args))
    generate.mini(root, SIZES, seed=7, jobs=1, progress=False, sounds=SOUNDS)
    assert files(root) == files(mini) and len(again) == 14 - 5


def test_the_version_is_raised_when_the_same_seed_gives_other_clips():
    """Where this fails, raise `generate.VERSION`, so that no half old data set is taken for a new one, and say it here.

    Levels are rounded, because processors differ in the last bits.
    """
    digest = hashlib.sha256()
    for subset in SUBSETS:
        for index in range(6):
            waveform, labels = soundscapes.make_clip(subset, mini_recipe(subset), 0, index)
            level = round(20 * np.log10(domains.rms(waveform)))
            digest.update(repr((subset, index, level, [(round(a, 1), round(b, 1), c) for a, b, c in labels])).encode())
    for what in generate.sound_counts(1):
        for index in range(6):
            sound = soundscapes.make_sound(what, Voices("synthetic"), 0, index)
            level = round(20 * np.log10(domains.rms(sound)))
            digest.update(repr((what, index, level, round(len(sound) / 1600))).encode())
    assert (generate.VERSION, digest.hexdigest()[:12]) == (4, "b6fd9c266874")


def test_another_seed_gives_other_clips():
    assert not np.array_equal(
        *(soundscapes.make_clip("synthetic", mini_recipe("synthetic"), seed, 0)[0] for seed in (0, 1))
    )


def test_a_killed_run_is_finished(mini, tmp_path, monkeypatch):
    root = tmp_path / "mini"
    monkeypatch.setattr(generate, "_BLOCK", 2)
    made = []

    def killed(*args):
        if len(made) == 5:
            raise KeyboardInterrupt
        made.append(args[1:])
        return make_clip(*args)

    make_clip = soundscapes.make_clip
    monkeypatch.setattr(generate, "make_clip", killed)
    with pytest.raises(KeyboardInterrupt):
        generate.mini(root, SIZES, seed=7, jobs=1, progress=False, sounds=SOUNDS)
    damaged = root / SUBSETS["synthetic"].audio / "synthetic_000001.wav"
    damaged.write_bytes(damaged.read_bytes()[:1000])
    again = []
    monkeypatch.setattr(generate, "make_clip", lambda *args: again.append(args[0]) or make_clip(*args))
    generate.mini(root, SIZES, seed=7, jobs=1, progress=False, sounds=SOUNDS)
    # The second block was begun but not written down, and one clip of the first was damaged.
    assert files(root) == files(mini)
    assert len(again) == sum(SIZES.values()) - 5 + 1


MAKE = """
import sys
from minidesed import generate
generate._BLOCK, generate._FEW = 2, 4
if __name__ == "__main__":
    generate.mini(sys.argv[1], {sizes}, seed=7, jobs=2, progress=False, sounds={sounds})
"""


def test_sigkill_at_any_moment_loses_nothing(mini, tmp_path):
    """The processes that make the clips are killed with their parent, at random moments; then the work is finished."""
    script, root, rng = tmp_path / "make.py", tmp_path / "mini", np.random.default_rng(0)
    script.write_text(MAKE.format(sizes=SIZES, sounds=SOUNDS))
    killed = 0
    for wait in rng.uniform(0.0, 1.5, 4):
        process = subprocess.Popen([sys.executable, script, root], start_new_session=True)
        while process.poll() is None and not (root / "dataset.json").exists():
            time.sleep(0.01)
        time.sleep(wait)
        os.killpg(process.pid, signal.SIGKILL)
        killed += process.wait() == -signal.SIGKILL
    assert killed
    generate.mini(root, SIZES, seed=7, jobs=1, progress=False, sounds=SOUNDS)
    assert files(root) == files(mini)


def test_two_processes_make_one_data_set_and_leave_no_orphans(mini, tmp_path):
    """Two at once; the one that came first is killed alone, its workers end by themselves, the other one goes on."""
    script, root = tmp_path / "make.py", tmp_path / "mini"
    script.write_text(MAKE.format(sizes=SIZES, sounds=SOUNDS))
    first = subprocess.Popen([sys.executable, script, root], start_new_session=True)
    while not any(root.glob("audio/**/*.wav")):
        time.sleep(0.01)
    second = subprocess.Popen([sys.executable, script, root])
    first.kill()
    first.wait()
    assert second.wait(120) == 0
    assert files(root) == files(mini)
    with pytest.raises(ProcessLookupError):  # nothing is left of the first one's group
        for _ in range(100):
            os.killpg(first.pid, 0)
            time.sleep(0.1)


def test_a_script_without_the_guard_is_told_so(tmp_path):
    """Its processes import it and come to the same call, for which they would wait for ever."""
    script = tmp_path / "make.py"
    script.write_text(
        f"from minidesed import generate\ngenerate.mini({str(tmp_path / 'mini')!r}, {SIZES}, seed=7, jobs=2)\n"
    )
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, timeout=60)
    *_, last = done.stderr.strip().splitlines()
    assert (
        done.returncode == 1
        and last.startswith("sedlib.errors.SedError: no process could start making clips")
        and 'under `if __name__ == "__main__":`' in last
    )
    assert done.stderr.count("Traceback") == 1


def test_a_killed_process_of_the_pool_is_told(tmp_path, monkeypatch):
    """As the kernel does where there is not enough memory."""
    monkeypatch.setattr(generate, "_BLOCK", 1)
    how = soundscapes.SubsetRecipe("weak", Deadly(), domains.REAL)
    with pytest.raises(SedError, match="a process that made clips was killed"):
        generate.generate(tmp_path / "mini", {"weak": how}, {"weak": 2}, 0, "deadly", jobs=2, progress=False)


class Deadly:
    """A source of sounds that kills who asks it."""

    def of_clip(self, _) -> None:
        os.kill(os.getpid(), signal.SIGKILL)


def test_another_data_set_is_refused(mini, tmp_path):
    with pytest.raises(SedError, match="dataset.json: seed is 7, asked for 8; give another folder"):
        generate.mini(mini, SIZES, seed=8, jobs=1, progress=False, sounds=SOUNDS)
    with pytest.raises(SedError, match="kind is 'mini', asked for 'other'"):
        generate.generate(mini, {}, SIZES, 7, "other", sounds=SOUNDS)
    with pytest.raises(SedError, match="is for 3 clips of 'synthetic', asked for 2"):
        generate.mini(mini, {**SIZES, "synthetic": 2}, seed=7, jobs=1, progress=False, sounds=SOUNDS)
    (tmp_path / "mine.txt").write_text("my thesis")
    with pytest.raises(SedError, match="is not empty and has no dataset.json"):
        generate.mini(tmp_path, SIZES, seed=7, jobs=1, progress=False)
    (tmp_path / "dataset.json").write_text("[]")
    with pytest.raises(SedError, match="not a description of a data set"):
        generate.mini(tmp_path, SIZES, seed=7, jobs=1, progress=False)


@pytest.mark.parametrize(
    ("sizes", "seed", "words"),
    [
        ({"wek": 3}, 0, "'wek' is not known"),
        ({"weak": 0}, 0, "0 clips of 'weak'"),
        ({}, 0, "no subset asked for"),
        ({"weak": 1}, -1, "seed -1"),
    ],
)
def test_impossible_requests_are_named(tmp_path, sizes, seed, words):
    with pytest.raises(SedError, match=words):
        generate.mini(tmp_path / "mini", sizes, seed)
    assert not (tmp_path / "mini").exists()


def test_an_impossible_number_of_sounds_is_named(tmp_path):
    with pytest.raises(SedError, match="0 isolated sounds of each class; ask for 1 or more"):
        generate.mini(tmp_path / "mini", {"weak": 1}, 0, sounds=0)
    assert not (tmp_path / "mini").exists()


@pytest.mark.skipif(not REAL_EVENTS.is_dir(), reason="no recordings beside the repository")
def test_on_real_recordings(tmp_path):
    sizes = {"synthetic": 4, "weak": 3, "unlabel_in_domain": 3, "validation": 3}
    summary = generate.from_soundbank(REAL_EVENTS, tmp_path / "bank", sizes, seed=0, jobs=1, progress=False, sounds=2)
    assert "Vacuum_cleaner: 1 recording for 3 pools" in summary and "clips, 28 isolated sounds" in summary
    assert audit.check(tmp_path / "bank").ok
    with pytest.raises(SedError, match="kind is 'soundbank real_events"):
        generate.mini(tmp_path / "bank", sizes, seed=0, jobs=1, progress=False)
    two = generate.from_soundbank(
        REAL_EVENTS, tmp_path / "two", {"synthetic": 1, "public": 1}, seed=0, real=REAL_EVENTS, jobs=1, progress=False
    )
    assert "Vacuum_cleaner: 1 recording for 2 pools" in two


def test_a_complete_data_set_is_not_written_to(tmp_path):
    """As a class shares it, read-only."""
    sizes = {"synthetic": 1, "weak": 1, "validation": 1}
    generate.mini(tmp_path / "data", sizes, 0, progress=False, sounds=1)
    before = {path: (path.stat().st_ino, path.stat().st_mtime_ns) for path in tmp_path.rglob("*") if path.is_file()}
    generate.mini(tmp_path / "data", sizes, 0, progress=False, sounds=1)
    assert {path: (path.stat().st_ino, path.stat().st_mtime_ns) for path in before} == before
