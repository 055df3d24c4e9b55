"""A student's own recordings: files, annotations, agreement, cut sounds, the data set, and the positive control."""

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile

sys.path.append(str(Path(__file__).parents[1] / "metrics"))
from sed_eval_oracle import feed, sed_eval

from reproduction import audit
from sedcourse import project
from sedcourse.project import sounds, standins
from sedlib.config import RATE
from sedlib.config import profile as profile_of
from sedlib.data import audio, tables
from sedlib.decode import Posteriors
from sedlib.errors import SedError
from sedlib.inference import audacity_labels
from sedlib.metrics import Interval, event_f1
from sedlib.models import Detector

TONE = (0.2 * np.sin(2 * np.pi * 440 * np.arange(2 * RATE) / RATE)).astype(np.float32)


def table(*rows) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=tables.EVENT_COLUMNS)


# ------------------------------------------------------------------------------------------------ recordings


@pytest.mark.parametrize("suffix", [".wav", ".flac", ".ogg", ".mp3", ".aiff"])
def test_what_libsndfile_reads_is_read(suffix, tmp_path):
    soundfile.write(tmp_path / f"tone{suffix}", TONE, RATE)
    waveform, info = project.read(tmp_path / f"tone{suffix}")
    assert abs(len(waveform) - len(TONE)) < 3000 and info.rate == RATE
    assert waveform.std() == pytest.approx(TONE.std(), rel=0.05)


@pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="no ffmpeg")
@pytest.mark.parametrize("suffix", [".m4a", ".3gp"])
def test_what_phones_write_goes_through_ffmpeg(suffix, tmp_path):
    soundfile.write(tmp_path / "tone.wav", TONE, RATE)
    path = tmp_path / f"tone{suffix}"
    subprocess.run(["ffmpeg", "-v", "error", "-i", str(tmp_path / "tone.wav"), "-c:a", "aac", str(path)], check=True)
    waveform, _ = project.read(path)
    assert waveform.std() == pytest.approx(TONE.std(), rel=0.05)
    path.write_bytes(b"no sound")
    with pytest.raises(SedError, match=f"tone{suffix}: ffmpeg cannot read it .*export it as WAV"):
        project.read(path)


def test_without_ffmpeg_the_error_says_what_to_do(tmp_path, monkeypatch):
    monkeypatch.setattr(shutil, "which", lambda name: None)
    (tmp_path / "dog.m4a").write_bytes(b"\0\0\0\x20ftypM4A ")
    with pytest.raises(SedError, match=r"dog.m4a: .m4a needs ffmpeg.*record WAV.*ffmpeg -i dog.m4a dog.wav"):
        project.read(tmp_path / "dog.m4a")
    works = project.formats().set_index("file")["works here"]
    assert works[".wav"] == "yes" and works[".m4a"] == works[".3gp"] == "no: ffmpeg is not installed"


def test_a_folder_of_recordings_and_what_is_wrong_with_it(tmp_path):
    with pytest.raises(SedError, match="no such folder"):
        project.open_folder(tmp_path / "nowhere")
    with pytest.raises(SedError, match="holds no recording"):
        project.open_folder(tmp_path)
    for name in ("b.wav", "a.flac"):
        soundfile.write(tmp_path / name, TONE, RATE)
    assert list(project.open_folder(tmp_path)) == ["a.flac", "b.wav"]
    soundfile.write(tmp_path / "a.wav", TONE, RATE)
    with pytest.raises(SedError, match="a.flac and a.wav differ only in their ending"):
        project.open_folder(tmp_path)
    (tmp_path / "a.wav").unlink()
    soundfile.write(tmp_path / "c.wav", TONE[: RATE // 2], RATE)
    with pytest.raises(SedError, match="c.wav: 0.50 s; record 1 s or more"):
        project.open_folder(tmp_path)


def judged(waveform, tmp_path) -> dict:
    audio.write(tmp_path / "x.wav", waveform)
    return project.level_row("x.wav", *audio.read(tmp_path / "x.wav"))


def test_levels_of_known_waveforms(tmp_path):
    """Noise of -60 dB, and over it for half of the time a sine of amplitude 0.5, -9.03 dB."""
    rng, time = np.random.default_rng(0), np.arange(4 * RATE) / RATE
    noise = rng.normal(0, 10 ** (-60 / 20), len(time))
    sine = np.where(time % 2 < 1, 0.5 * np.sin(2 * np.pi * 500 * time), 0)
    row = judged(noise + sine, tmp_path)
    assert float(row["peak (dB)"]) == pytest.approx(-6.0, abs=0.2)
    assert float(row["noise floor (dB)"]) == pytest.approx(-60, abs=0.7)
    assert float(row["range (dB)"]) == pytest.approx(60 - 9.03, abs=0.7)
    assert row["advice"] == "fine"


def test_advice_names_each_fault(tmp_path):
    time = np.arange(4 * RATE) / RATE
    barks = np.where(time % 1 < 0.3, 0.5 * np.sin(2 * np.pi * 500 * time), 1e-4 * np.sin(900 * time))
    assert judged(barks, tmp_path)["advice"] == "fine"
    assert "too loud" in judged(np.clip(4 * barks, -1, 1), tmp_path)["advice"]
    assert "too quiet" in judged(0.02 * barks, tmp_path)["advice"]
    assert "little stands out" in judged(0.4 * np.sin(2 * np.pi * 500 * time), tmp_path)["advice"]
    assert "offset" in judged(barks + 0.05, tmp_path)["advice"]
    assert "silent" in judged(0 * barks, tmp_path)["advice"]


def test_recordings_become_clips_and_events_go_along():
    long = np.zeros(round(21.5 * RATE), np.float32)
    clips = project.clips_of({"long.wav": (long, None)})
    assert {name: len(x) / RATE for name, x in clips.items()} == {"long-0.wav": 10, "long-1.wav": 10, "long-2.wav": 1.5}
    moved = project.in_clips(table(("long.wav", 9.0, 11.5, "Dog"), ("long.wav", 20.0, 21.0, "Cat")), clips)
    rows = tables.events(moved).itertuples(index=False, name=None)
    assert list(rows) == [
        ("long-0.wav", 9.0, 10.0, "Dog"),
        ("long-1.wav", 0.0, 1.5, "Dog"),
        ("long-2.wav", 0.0, 1.0, "Cat"),
    ]
    assert tables.filenames(project.in_clips(table(), clips)) == list(clips)  # clips without events stay known


def test_the_test_is_the_last_two_fifths():
    five = {f"r{i}.wav": None for i in range(5)}
    assert [list(part) for part in project.split(five)] == [["r0.wav", "r1.wav", "r2.wav"], ["r3.wav", "r4.wav"]]
    with pytest.raises(SedError, match="one recording; record another"):
        project.split({"a.wav": None})


# ------------------------------------------------------------------------------------------------ annotations


def test_a_label_track_comes_back_as_it_was_exported(tmp_path):
    events = table(("a.wav", 0.5, 1.25, "Dog"), ("a.wav", 2.0, 7.5, "Running_water"))
    track = audacity_labels(events) + "\\\t100.0\t2000.0\n\n"  # a frequency range, and an empty line
    (tmp_path / "a.txt").write_text("\ufeff" + track, encoding="utf-8")
    pd.testing.assert_frame_equal(project.read_audacity(tmp_path / "a.txt", "a.wav"), events)
    (tmp_path / "a.txt").write_text("")
    assert tables.filenames(project.read_audacity(tmp_path / "a.txt", "a.wav")) == ["a.wav"]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("1.0 2.0 Dog", "not start, end and label, separated by tabs"),
        ("1.0\t2.0", "not start, end and label, separated by tabs"),
        ("1,0\t2,0\tDog", "start '1,0' is not a time in seconds; write a point instead of the comma"),
        ("1.0\tend\tDog", "end 'end' is not a time in seconds"),
        ("nan\t2.0\tDog", "is not a time range"),
        ("3.0\t2.0\tDog", "from 3 to 2 s is not a time range"),
        ("-1.0\t2.0\tDog", "from -1 to 2 s is not a time range"),
        ("1.0\t1.0\tDog", "a point at 1 s; drag over the whole sound"),
        ("1.0\t2.0\tdogs", "did you mean 'Dog'"),
    ],
)
def test_a_wrong_line_of_a_label_track_is_named(line, message, tmp_path):
    path = tmp_path / "a.txt"
    path.write_text(f"0.0\t0.5\tCat\n{line}\n")
    with pytest.raises(SedError, match=f"a.txt, line 2: .*{message}"):
        project.read_audacity(path, "a.wav")


def test_label_tracks_that_are_no_text_or_missing(tmp_path):
    (tmp_path / "a.txt").write_bytes(b"\xff\xfe1\0")
    for name in ("a.txt", "b.txt"):
        with pytest.raises(SedError, match=f"{name}: cannot be read as text"):
            project.read_audacity(tmp_path / name, "a.wav")


def test_what_somebody_annotated(tmp_path):
    of = {name: (np.zeros(5 * RATE, np.float32), None) for name in ("a.wav", "b.wav")}
    assert project.annotated(tmp_path, "first", of) is None
    (tmp_path / "first").mkdir()
    (tmp_path / "first" / "a.txt").write_text("1.0\t2.0\tDog\n")
    with pytest.raises(SedError, match="b.txt: no such label track"):
        project.annotated(tmp_path, "first", of)
    (tmp_path / "first" / "b.txt").write_text("")
    found = project.annotated(tmp_path, "first", of)
    assert len(tables.events(found)) == 1 and tables.filenames(found) == ["a.wav", "b.wav"]
    for rows, message in (
        ([("c.wav", 0.0, 1.0, "Dog")], "'c.wav' is not one of the recordings"),
        ([("a.wav", 0.0, 5.5, "Dog")], "Dog from 0.00 to 5.50 s of a.wav, in a recording of 5.00 s"),
        ([("a.wav", 1.0, 1.0, "Dog")], "Dog from 1.00 to 1.00 s"),
        ([("a.wav", 0.0, 2.0, "Dog"), ("a.wav", 1.0, 3.0, "Dog")], "begins within Dog from 0.00"),
    ):
        tables.write(table(*rows), tmp_path / "first.tsv")
        with pytest.raises(SedError, match=message):
            project.annotated(tmp_path, "first", of)


# ------------------------------------------------------------------------------------------------ agreement

# Three of the first's events have a partner within 200 ms, the Cat has none, and the second has a Dog too many.
FIRST = table(("a", 1.0, 2.0, "Dog"), ("a", 4.0, 5.0, "Dog"), ("a", 6.0, 9.0, "Speech"), ("b", 1.0, 2.0, "Cat"))
SECOND = table(
    ("a", 1.1, 2.1, "Dog"),
    ("a", 3.9, 5.15, "Dog"),
    ("a", 6.0, 9.1, "Speech"),
    ("a", 8.0, 8.5, "Dog"),
    ("b", 1.4, 2.0, "Cat"),
)


def test_agreement_by_hand():
    """2 * 3 hits of 4 and 5 events; at 50 ms none, as each differs by 100 ms at one end; at 0.5 s the Cat fits too."""
    found = project.agreement(FIRST, SECOND, (0.05, 0.2, 0.5)).set_index("collar")
    assert found.loc[0.2, ["second", "first", "mean"]].tolist() == pytest.approx([6 / 9] * 3)
    assert found.loc[0.5, "mean"] == pytest.approx(8 / 9)
    assert found.loc[0.05, "second"] == pytest.approx(2 / 9)  # Speech: 100 ms are less than 20 % of 3 s


def test_agreement_is_not_symmetric_where_lengths_differ():
    """An offset 0.85 s off fits 20 % of 4.85 s and not 20 % of 4 s."""
    one, other = table(("a", 0.0, 4.0, "Dog")), table(("a", 0.0, 4.85, "Dog"))
    found = project.agreement(one, other, (0.2,)).iloc[0]
    assert (found["second"], found["first"], found["mean"]) == (0, 1, 0.5)


def random_tables(seed: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    rng = np.random.default_rng(seed)
    made = []
    for _ in range(2):
        onset = np.round(rng.uniform(0, 8, 30), 2)
        of = {"filename": rng.choice(["a", "b", "c"], 30), "onset": onset, "offset": onset + rng.uniform(0.2, 2, 30)}
        made.append(pd.DataFrame({**of, "event_label": rng.choice(["Cat", "Dog", "Speech"], 30)}))
    one, other = made
    near = one.sample(15, random_state=seed)
    return one, pd.concat(
        [near.assign(onset=near["onset"] + rng.normal(0, 0.1, 15)), other.head(10)], ignore_index=True
    )


@pytest.mark.parametrize("seed", range(20))
def test_agreement_is_what_sed_eval_says(seed):
    one, other = random_tables(seed)
    classes = ("Cat", "Dog", "Speech")
    metrics = sed_eval.sound_event.EventBasedMetrics(
        list(classes), t_collar=0.2, percentage_of_length=0.2, empty_system_output_handling="zero_score",
        event_matching_type="optimal",
    )  # fmt: skip
    feed(metrics, one, other, ["a", "b", "c"])
    expected = metrics.results_overall_metrics()["f_measure"]["f_measure"]
    found = project.agreement(one, other, (0.2,))["second"].item()
    assert found == pytest.approx(expected)
    hits = len(one) - len(project.unmatched(one, other))
    assert found == pytest.approx(2 * hits / (len(one) + len(other)))
    assert event_f1(one, other).counts[..., 0].sum() == hits


def test_unmatched_by_hand():
    assert project.unmatched(FIRST, SECOND)[["filename", "event_label"]].to_numpy().tolist() == [["b", "Cat"]]
    assert project.unmatched(SECOND, FIRST)["onset"].tolist() == [8.0, 1.4]
    assert len(project.unmatched(FIRST, table())) == 4 and project.unmatched(table(), FIRST).empty


def test_differences_by_hand():
    found = project.onset_differences(FIRST, SECOND)
    assert found["onset_difference"].tolist() == pytest.approx([0.1, -0.1, 0.0, 0.4])
    assert found["offset_difference"].tolist() == pytest.approx([0.1, 0.15, 0.1, 0.0])
    assert project.onset_differences(FIRST, table()).empty


# ------------------------------------------------------------------------------------------------ stand-ins


def test_a_home_is_a_function_of_its_seed():
    (one, events), (again, same) = project.Home(3).recording(1), project.Home(3).recording(1)
    assert np.array_equal(one, again) and events == same
    assert not np.array_equal(one, project.Home(4).recording(1)[0])
    assert not np.array_equal(one, project.Home(3).recording(2)[0])


@pytest.fixture(scope="module")
def home(tmp_path_factory) -> tuple[Path, pd.DataFrame]:
    folder = tmp_path_factory.mktemp("home")
    return folder, project.Home(0).write(folder)


def test_two_of_the_stand_ins_went_wrong_and_the_levels_say_so(home):
    advice = [project.level_row(name, *of)["advice"] for name, of in project.open_folder(home[0]).items()]
    assert "too loud" in advice[1] and "too quiet" in advice[2]
    assert [advice[i] for i in (0, 3, 4)] == ["fine"] * 3
    assert set(home[1]["event_label"]) == set(standins.HEARD)


def test_recorded_again_all_is_fine_and_the_events_are_the_same(home, tmp_path):
    again = project.Home(0).write(tmp_path, flawed=False)
    pd.testing.assert_frame_equal(again, home[1])
    recorded = project.open_folder(tmp_path)
    assert {project.level_row(name, *of)["advice"] for name, of in recorded.items()} == {"fine"}


@pytest.mark.parametrize("who", [1, 2])
def test_a_made_up_annotator_misses_one_event_and_merges_two(who):
    truth = table(
        *(
            (f"{clip}.wav", onset, onset + 0.8, label)
            for clip in "abcd"
            for onset, label in zip(range(1, 9, 2), ("Dog", "Dog", "Cat", "Speech"))
        )
    )
    said = project.annotate(truth, 0, who)
    assert len(said) == len(truth) - 2
    merged = said[said["offset"] - said["onset"] > 2]
    assert len(merged) == 1 and merged["event_label"].item() == "Dog"
    found = project.onset_differences(truth, said)["onset_difference"]
    usual = found[found.abs() < 1]
    assert 0.03 < usual.std() < 0.12 and abs(usual.mean()) < 0.06
    assert not said.equals(project.annotate(truth, 0, 3 - who))


# ------------------------------------------------------------------------------------------------ sounds


def test_only_events_that_are_alone_are_cut():
    waveform = np.arange(10 * RATE, dtype=np.float32) / (10 * RATE) + 0.1
    events = table(("a", 1.0, 2.0, "Dog"), ("a", 4.0, 6.0, "Cat"), ("a", 5.0, 7.0, "Speech"), ("a", 8.0, 8.05, "Dog"))
    found = project.cut({"a": waveform}, events)
    assert list(found) == ["Dog"] and len(found["Dog"]) == 1  # the others overlap, or are too short
    assert np.array_equal(found["Dog"][0], waveform[RATE : 2 * RATE])
    tone = project.room_tone({"a": waveform}, events)
    assert [len(x) / RATE for x in tone] == pytest.approx([0.8, 1.6, 0.6, 1.75])
    assert [x[0] for x in tone] == [waveform[round(at * RATE)] for at in (0, 2.2, 7.2, 8.25)]


def test_the_data_set_holds_own_sounds_and_passes_the_check(home, tmp_path):
    folder, truth = home
    recorded = project.open_folder(folder)
    learn, test = project.split(recorded)
    clips = {part: project.clips_of(of) for part, of in (("learn", learn), ("test", test))}
    labels = {part: project.in_clips(truth, of) for part, of in clips.items()}
    own = project.cut({name: x for name, (x, _) in learn.items()}, truth[truth["filename"].isin(learn)])
    mini = project.isolated(4)
    bank = project.write_bank(tmp_path / "bank", project.beside(mini, own), own)
    for label, of in own.items():
        files = sorted((bank / "foreground" / label).glob("1-*.wav"))
        assert len(files) == len(of)
        heard, _ = audio.read(files[0])
        assert np.corrcoef(heard, of[0])[0, 1] > 0.999
    sizes = {"synthetic": 3, "weak": 2, "unlabel_in_domain": 2}
    both = ((clips[part], labels[part]) for part in clips)
    root = project.make_set(bank, tmp_path / "mine", sizes, 0, *both, progress=False)
    assert audit.check(root).ok
    strong = tables.read_events(root / "metadata/train/synthetic20/soundscapes.tsv")
    names = tables.filenames(strong)
    assert len(names) == 3 + len(sounds.COPIES_DB) * len(clips["learn"])
    held_out = tables.read_events(root / "metadata/validation/validation.tsv")
    assert not set(Path(name).stem for name in tables.filenames(held_out)) & set(names)
    pd.testing.assert_frame_equal(tables.events(held_out), tables.events(labels["test"]))
    with pytest.raises(SedError, match="clips to test; annotate them"):
        project.make_set(
            bank, tmp_path / "none", sizes, 0, (clips["learn"], labels["learn"]), (clips["test"], table()), False
        )


# ------------------------------------------------------------------------------------------------ detectors


def test_own_sounds_beat_another_homes_in_every_home():
    """The positive control: voices, room and microphone that the bank has heard are recognised."""
    found = project.control(profile_of("smoke"), homes=(0, 1, 2), asked=3)
    assert (found["and its own"] > found["and another home"] + 0.1).all()
    assert (found["and its own"] > found["MiniDESED"] + 0.1).all()


def test_the_nearest_neighbour_names_what_the_bank_holds():
    rng = np.random.default_rng(0)
    kinds = (np.cumsum, np.diff)  # dark and bright noise
    (low, high), noisy = ([0.1 * of(rng.normal(size=RATE + 1)).astype(np.float32) for of in kinds] for _ in range(2))
    true, named = project.nearest(
        profile_of("smoke"), {"Cat": [low], "Dog": [high]}, {"Cat": noisy[:1], "Dog": noisy[1:]}
    )
    assert true.tolist() == named.tolist() == ["Cat", "Dog"]


def test_posteriors_of_short_clips_are_those_of_padded_ones():
    config = profile_of("smoke")
    detector = Detector(config).eval()
    short = np.random.default_rng(0).normal(0, 0.1, 3 * RATE).astype(np.float32)
    both = project.posteriors(detector, config, {"a": short, "b": np.pad(short, (0, 7 * RATE))})
    assert both.scores.shape[1] == config.frames and np.allclose(*both.scores, atol=1e-6)


def test_perfect_posteriors_score_one_and_silence_zero():
    config, frames = profile_of("smoke"), 157
    scores = np.zeros((2, frames, 10), np.float32)
    truth = table(("a", 20 * 0.06375, 60 * 0.06375, "Dog"), ("b", 10 * 0.06375, 90 * 0.06375, "Cat"))
    for k, (_, onset, offset, label) in enumerate(truth.itertuples(index=False)):
        scores[k, round(onset / 0.06375) : round(offset / 0.06375), tables.CLASSES.index(label)] = 1
    for given, wanted in ((scores, 1.0), (0 * scores, 0.0)):
        f1, psds = project.scored(Posteriors(given, ["a", "b"], tables.CLASSES, 0.06375), config.decoding, truth)
        assert f1.micro == wanted and psds == pytest.approx(wanted)


def test_results_of_several_trainings_are_counted_together():
    one, other = event_f1(FIRST, SECOND), event_f1(FIRST, FIRST)
    assert project.pooled([one, other]).micro == pytest.approx(2 * (3 + 4) / (4 + 5 + 4 + 4))


@pytest.mark.parametrize(
    ("ends", "words"),
    [((0.1, 0.02, 0.2), "do not explain"), ((0.1, -0.02, 0.2), "decides nothing"), ((0.0, np.nan, np.nan), "decides nothing")],
)  # fmt: skip
def test_a_verdict_follows_the_interval(ends, words):
    assert words in project.verdict(Interval(*ends), "x")


def test_a_quieter_clip_is_another_input():
    config = profile_of("smoke")
    detector = Detector(config).eval()
    found = project.found_by_gain(detector, config, {"a": TONE}, table(("a", 0.0, 2.0, "Dog")), [0.0, -20.0])
    assert found["gain (dB)"].tolist() == [0, -20] and found["F1 (%)"].between(0, 100).all()


# ------------------------------------------------------------------------------------------------ annotator


def test_the_annotator_keeps_each_recordings_events(home, tmp_path):
    recorded = dict(list(project.open_folder(home[0]).items())[:2])
    made = project.annotator(recorded, tmp_path / "first.tsv", interactive=True)
    made.strip.events = [[2.0, 3.0, "Cat"], [1.0, 1.5, "Dog"]]
    made.choice.value = "recording2.wav"
    assert made.strip.events == [] and made.strip.duration == 10
    made.strip.events = [[0.5, 0.9, "Speech"]]
    made.choice.value = "recording1.wav"
    assert made.strip.events == [[2.0, 3.0, "Cat"], [1.0, 1.5, "Dog"]]
    kept = tables.events(tables.read_events(tmp_path / "first.tsv"))
    assert list(kept["event_label"]) == ["Dog", "Cat", "Speech"]
    again = project.annotator(recorded, tmp_path / "first.tsv", interactive=True)
    pd.testing.assert_frame_equal(again.table, made.table)
    assert project.annotator(recorded, tmp_path / "first.tsv", interactive=False) is None
