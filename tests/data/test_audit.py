"""Layout: a whole data set passes the check; each way to break it gives one line that names file, value and fix."""

import os
import shutil

import numpy as np
import pytest
import soundfile

from reproduction import audit
from sedlib.data import layout, tables
from sedlib.errors import SedError

WEAK_AUDIO, WEAK_TABLE = layout.SUBSETS["weak"].audio, layout.SUBSETS["weak"].metadata
VALIDATION_AUDIO, VALIDATION_TABLE = layout.SUBSETS["validation"].audio, layout.SUBSETS["validation"].metadata


def test_load_reads_every_kind_of_subset(desed):
    for name, place in layout.SUBSETS.items():
        subset = layout.load(desed, name)
        assert (subset.name, subset.kind, subset.audio_dir) == (name, place.kind, desed / place.audio)
        assert subset.filenames == [f"{name}_{i}.wav" for i in range(3)]


def test_a_whole_data_set_has_no_findings_but_what_the_fixture_lacks(desed):
    report = audit.check(desed)
    assert report.ok and report.errors == report.left_out == report.changed == found(report.notes) == []
    strong = [desed / place.metadata for place in layout.SUBSETS.values() if place.kind == layout.STRONG]
    absent = ", ".join(label for label in tables.CLASSES if label != "Dog")
    for path, note in zip(strong, report.notes, strict=False):
        assert note == f"{path}: no event of {absent}; averages over classes cover the others"
    assert report.notes[len(strong) :] == [
        f"{desed / layout.SOUNDBANK}: no isolated sounds; systems with dynamic mixing (lesson 02) cannot be trained"
    ]
    assert "3 clips, 0.01 h, strong labels" in report.text()
    assert "Dog 2," in report.subsets["validation"][2] and "Cat 3," in report.subsets["weak"][2]


def test_check_tells_what_the_soundbank_holds_and_what_is_wrong_with_it(desed):
    bank, sound = desed / layout.SOUNDBANK, 0.1 * np.random.default_rng(0).standard_normal(16000)
    for folder in (*(f"foreground/{label}" for label in tables.CLASSES), "background/sins", "rir"):
        (bank / folder).mkdir(parents=True)
        soundfile.write(bank / folder / "a.wav", sound, 16000)
    report = audit.check(desed)
    assert report.ok and found(report.notes) == []
    assert report.subsets["soundbank"][0] == "12 isolated sounds" and "Dog 1," in report.subsets["soundbank"][1]
    soundfile.write(bank / "rir" / "b.wav", np.zeros(16000), 16000)
    only(audit.check(desed).notes, "b.wav", "silent")
    shutil.rmtree(bank / "foreground" / "Dog")
    report = audit.check(desed)
    only(report.errors, "no readable recording of Dog; add", "foreground/Dog/*.wav")
    assert report.subsets["soundbank"] == ["not usable"] and len(report.subsets) == 1 + len(layout.SUBSETS)


def test_load_names_what_is_missing(desed, tmp_path):
    with pytest.raises(SedError, match="'wek' is not known; use one of synthetic, weak"):
        layout.load(desed, "wek")
    with pytest.raises(SedError, match="nowhere/.*weak.tsv: no such file; `sedlib data check .*nowhere`"):
        layout.load(tmp_path / "nowhere", "weak")
    (desed / VALIDATION_TABLE).unlink()
    with pytest.raises(SedError, match="validation.tsv: no such file"):
        layout.load(desed, "validation")
    for file in (desed / WEAK_AUDIO).iterdir():
        file.unlink()
    with pytest.raises(SedError, match="weak: the folder is empty"):
        layout.load(desed, "weak")
    table = (desed / WEAK_TABLE).read_text()
    (desed / WEAK_TABLE).write_text("filename\tevent_labels\n")
    with pytest.raises(SedError, match="weak.tsv: lists no clips"):
        layout.load(desed, "weak")
    (desed / WEAK_TABLE).write_text(table)
    (desed / WEAK_AUDIO).rmdir()
    with pytest.raises(SedError, match="weak: no such folder"):
        layout.load(desed, "weak")


@pytest.mark.parametrize("name", ["../secret.wav", "/etc/passwd", "a/b.wav", "c:\\a.wav", "a\\b.wav", "x" * 300])
def test_file_names_that_are_paths_or_too_long_are_refused(desed, name):
    (desed / WEAK_TABLE).write_text(f"filename\tevent_labels\nweak_0.wav\t\n{name}\tDog\n")
    words = f"weak.tsv, line 3: filename {name!r} is a path, or too long; write the name of a file in"
    with pytest.raises(SedError) as error:
        layout.load(desed, "weak")
    assert words in str(error.value)
    report = audit.check(desed)
    only(report.errors, words)


def test_check_refuses_what_is_no_data_set(tmp_path):
    with pytest.raises(SedError, match="no such folder"):
        audit.check(tmp_path / "nowhere")
    with pytest.raises(SedError, match="holds no DESED subset"):
        audit.check(tmp_path)


def found(notes):
    """Notes without those on what the small data set of these tests lacks from the start."""
    return [note for note in notes if "no event of" not in note and "no isolated sounds" not in note]


def only(findings, *words):
    findings = found(findings)
    assert len(findings) == 1, findings
    assert all(word in findings[0] for word in words), findings[0]


@pytest.mark.parametrize(("content", "words"), [(b"", "0 bytes"), (b"no audio" * 100, "not a readable audio file")])
def test_check_names_broken_files(desed, content, words):
    (desed / WEAK_AUDIO / "weak_1.wav").write_bytes(content)
    report = audit.check(desed)
    assert report.ok
    only(report.left_out, "weak_1.wav", words)
    assert "2 clips" in report.subsets["weak"][0]
    assert report.subsets["weak"][-1] == "left out: 1 of 3 clips, and with them Cat 1 of 3 (33 %); Dog 1 of 3 (33 %)"


def test_check_names_a_truncated_file(desed):
    path = desed / WEAK_AUDIO / "weak_1.wav"
    path.write_bytes(path.read_bytes()[:100_000])
    only(audit.check(desed).left_out, "weak_1.wav", "cut off")


@pytest.mark.parametrize(
    ("seconds", "rate", "channels", "words"),
    [
        (3, 16000, 1, ["3.00 s: padded"]),
        (300, 16000, 1, ["300.00 s: cut to its first 10 s"]),
        (10, 44100, 2, ["2 channels: mixed", "44100 Hz: resampled"]),
    ],
)
def test_usable_but_different_files_are_listed_as_changed(desed, seconds, rate, channels, words):
    sound = 0.1 * np.random.default_rng(0).standard_normal((seconds * rate, channels))
    soundfile.write(desed / WEAK_AUDIO / "weak_1.wav", sound, rate)
    report = audit.check(desed)
    assert report.ok and found(report.notes) == []
    only(report.changed, "weak_1.wav", *words)


def test_missing_audio_is_left_out_and_unlisted_audio_a_note(desed):
    folder = desed / WEAK_AUDIO
    (folder / "weak_0.wav").rename(folder / "other.wav")
    report = audit.check(desed)
    assert report.ok
    only(report.left_out, "weak_0.wav", "not in the folder", "get the file")
    only(report.notes, "other.wav", "not in weak.tsv")


@pytest.mark.parametrize(
    ("name", "fix"),
    [
        ("Weak_0.WAV", "the folder has Weak_0.WAV: correct the name"),
        ("Weak_0.flac", "the folder has Weak_0.flac: convert it to .wav, or correct the name in the table"),
        ("weak_0.mp3", "the folder has weak_0.mp3: convert it to .wav, or correct the name in the table"),
        ("deeper/weak_0.wav", "deeper; move the clips up"),
    ],
)
def test_near_misses_of_a_clip_are_named(desed, name, fix):
    folder = desed / WEAK_AUDIO
    (folder / "deeper").mkdir()
    (folder / "weak_0.wav").rename(folder / name)
    only(audit.check(desed).left_out, "weak_0.wav", fix)
    for i in (1, 2):
        (folder / f"weak_{i}.wav").unlink()
    report = audit.check(desed)
    only(report.errors, "weak: none of the 3 clips of 'weak' is there, or all have 0 bytes; `sedlib data check")
    with pytest.raises(SedError) as error:
        layout.preflight(desed, ["weak"])
    assert str(error.value) in report.errors


def test_all_rows_with_problems_are_listed(desed):
    (desed / VALIDATION_TABLE).write_text(
        "filename\tonset\toffset\tevent_label\nvalidation_0.wav\t2\t1\tDog\nvalidation_1.wav\t0\t1\tDogs\n"
    )
    report = audit.check(desed)
    assert len(report.errors) == 2
    assert "line 2" in report.errors[0] and "swap" in report.errors[0]
    assert "line 3" in report.errors[1] and "did you mean 'Dog'" in report.errors[1]


def test_a_wrong_column_is_an_error(desed):
    (desed / WEAK_TABLE).write_text("filename\tlabels\nweak_0.wav\tDog\n")
    only(audit.check(desed).errors, "weak.tsv", "columns are ['filename', 'labels']")


def test_times_beyond_the_clip(desed):
    (desed / VALIDATION_TABLE).write_text(
        "filename\tonset\toffset\tevent_label\nvalidation_0.wav\t9\t10.115\tDog\n"
        "validation_1.wav\t11\t12\tCat\nvalidation_2.wav\t\t\t\n"
    )
    report = audit.check(desed)
    assert report.ok
    late, outside = found(report.notes)
    assert "validation_0.wav" in late and "Dog 9-10.115 s" in late and "cut" in late
    assert "validation_1.wav" in outside and "Cat 11-12 s" in outside and "outside the clip of 10.000 s" in outside


def test_missing_halves_of_a_subset(desed):
    shutil.rmtree(desed / WEAK_AUDIO)
    (desed / VALIDATION_TABLE).unlink()
    for half in ("audio", "metadata"):
        public = desed / getattr(layout.SUBSETS["public"], half)
        shutil.rmtree(public) if public.is_dir() else public.unlink()
    report = audit.check(desed)
    assert len(report.errors) == 2 and "weak: no such folder" in report.errors[0] and "no such file" in report.errors[1]
    only(report.notes, "public: not there", "not scored")


def test_clips_in_two_subsets_are_noted(desed):
    shutil.copy(desed / WEAK_AUDIO / "weak_0.wav", desed / VALIDATION_AUDIO / "weak_0.wav")
    with (desed / VALIDATION_TABLE).open("a") as file:
        file.write("weak_0.wav\t0.000\t1.000\tDog\n")
    only(audit.check(desed).notes, "validation/weak_0.wav: the same audio as", "train/weak/weak_0.wav", "leak")
    soundfile.write(desed / VALIDATION_AUDIO / "weak_0.wav", np.full(160000, 0.001), 16000)
    only(audit.check(desed).notes, "weak_0.wav", "listed in weak and in validation")


def test_the_same_audio_under_two_names_is_noted_and_leaks_come_first(desed):
    waveform, _ = soundfile.read(desed / WEAK_AUDIO / "weak_0.wav", dtype="int16")
    soundfile.write(desed / WEAK_AUDIO / "weak_1.wav", np.stack([waveform, waveform], 1), 16000)
    soundfile.write(desed / layout.SUBSETS["public"].audio / "public_2.wav", waveform, 16000, format="FLAC")
    leak, *others = found(audit.check(desed).notes)
    assert all(word in leak for word in ("public_2.wav", "weak_0.wav", "leak", "remove it from 'weak' or 'public'"))
    only(others, "weak_1.wav", "the same audio")
    only(audit.check(desed).changed, "weak_1.wav", "mixed")


def test_two_silent_clips_are_not_one_recording(desed):
    for i in range(2):
        soundfile.write(desed / WEAK_AUDIO / f"weak_{i}.wav", np.zeros(160000), 16000)
    assert ["silent" in note for note in found(audit.check(desed).notes)] == [True, True]


@pytest.mark.parametrize(
    ("make", "subtype", "words"),
    [
        (lambda x: 0 * x, "PCM_16", "weak_1.wav: silent"),
        (lambda x: np.where(x > 0.3, 2e-5, 0), "FLOAT", "weak_1.wav: silent"),
        (lambda x: x + 0.05, "PCM_16", "weak_1.wav: DC offset of 5.0 % of full scale"),
        (lambda x: np.clip(10 * x, -1, 1), "PCM_16", "samples are at full scale or beyond"),
        (lambda x: x, "PCM_U8", "weak_1.wav: 8 bits per sample"),
    ],
)
def test_flawed_sound_is_noted(desed, make, subtype, words):
    path = desed / WEAK_AUDIO / "weak_1.wav"
    soundfile.write(path, make(soundfile.read(path)[0]), 16000, subtype=subtype)
    report = audit.check(desed)
    assert report.ok
    only(report.notes, words)


def test_what_lies_beyond_full_scale_is_said_to_be_clipped(desed):
    path = desed / WEAK_AUDIO / "weak_1.wav"
    x = np.clip(soundfile.read(path)[0], -0.25, 0.25)
    x[1000] = 2
    soundfile.write(path, x, 16000, subtype="FLOAT")
    only(audit.check(desed).changed, "weak_1.wav: peak 6.0 dB above full scale: clipped")


def test_audio_that_is_no_number_is_an_error(desed):
    path = desed / WEAK_AUDIO / "weak_1.wav"
    soundfile.write(path, np.append(soundfile.read(path)[0][1:], np.nan), 16000, subtype="FLOAT")
    only(audit.check(desed).left_out, "weak_1.wav", "not numbers")


def test_rows_that_say_a_thing_twice_or_contradict_are_noted(desed):
    (desed / VALIDATION_TABLE).write_text(
        "\n".join(
            [
                "filename\tonset\toffset\tevent_label",
                "validation_0.wav\t1\t4\tDog",
                "validation_0.wav\t1\t4\tDog",
                "validation_0.wav\t5\t6\tDog",
                "validation_0.wav\t2\t3\tCat",
                "validation_0.wav\t2\t2.5\tDog",
                "validation_0.wav\t3.5\t4.5\tDog",
                "validation_1.wav\t3\t4\tDog",
                "validation_1.wav\t\t\t",
                "validation_2.wav\t\t\t",
                "validation_2.wav\t\t\t",
            ]
        )
    )
    report = audit.check(desed)
    assert report.ok
    notes = [note.partition(", ")[2] for note in found(report.notes)]
    assert len(notes) == 5
    words = {3: "is listed already", 6: "at 4 s", 7: "at 4 s", 9: "without events", 11: "without events"}
    for (line, word), note in zip(words.items(), notes):
        assert note.startswith(f"line {line}: ") and word in note, note


def test_names_that_differ_in_case_alone_are_noted(desed):
    (desed / WEAK_AUDIO / "WEAK_0.wav").write_bytes((desed / WEAK_AUDIO / "weak_0.wav").read_bytes()[:-2] + b"\0\0")
    with (desed / WEAK_TABLE).open("a") as file:
        file.write("WEAK_0.wav\tDog\n")
    only(audit.check(desed).notes, "'weak_0.wav' and 'WEAK_0.wav'", "upper and lower case")


def test_a_name_with_a_line_break_on_the_disk_does_not_tear_the_report(desed):
    for name in ("a\nb.wav", os.fsdecode(b"caf\xe9.wav")):
        shutil.copy(desed / WEAK_AUDIO / "weak_0.wav", desed / WEAK_AUDIO / name)
    text = audit.check(desed).text()
    assert "a\\nb.wav: not in weak.tsv" in text and "caf\\udce9.wav: not in weak.tsv" in text
    text.encode()


def test_the_text_shortens_long_lists():
    report = audit.Report("root", errors=[f"e{i}" for i in range(30)])
    assert "e19" in report.text() and "e20" not in report.text() and "and 10 more" in report.text()


def test_an_event_without_length_is_noted(desed):
    (desed / VALIDATION_TABLE).write_text(
        "filename\tonset\toffset\tevent_label\nvalidation_0.wav\t0\t0\tDog\n"
        "validation_1.wav\t1\t2\tDog\nvalidation_2.wav\t\t\t\n"
    )
    report = audit.check(desed)
    assert report.ok
    only(report.notes, "validation.tsv, line 2: validation_0.wav: Dog 0-0 s has no length, so no score counts it")


NEEDED = [name for name in layout.SUBSETS if name != layout.OPTIONAL]


def test_preflight_lets_whole_and_incomplete_folders_pass(desed):
    layout.preflight(desed, layout.SUBSETS)
    for name in layout.SUBSETS:
        (desed / layout.SUBSETS[name].audio / f"{name}_1.wav").unlink()
        (desed / layout.SUBSETS[name].audio / f"{name}_2.wav").write_bytes(b"")
    layout.preflight(desed, layout.SUBSETS)
    assert audit.check(desed).ok


@pytest.mark.parametrize("subset", NEEDED)
@pytest.mark.parametrize("how", ["removed", "no clips", "0 bytes", "no table"])
def test_preflight_and_check_refuse_a_subset_without_clips_in_the_same_words(desed, subset, how):
    folder, table = desed / layout.SUBSETS[subset].audio, desed / layout.SUBSETS[subset].metadata
    if how == "removed":
        shutil.rmtree(folder)
    elif how == "no table":
        table.unlink()
    for file in folder.glob("*.wav"):
        if how == "no clips":
            file.rename(file.with_suffix(".txt"))
        elif how == "0 bytes":
            file.write_bytes(b"")
    with pytest.raises(SedError) as error:
        layout.preflight(desed, layout.SUBSETS)
    assert str(table if how == "no table" else folder) in str(error.value)
    report = audit.check(desed)
    assert not report.ok and report.errors == [str(error.value)]
    layout.preflight(desed, set(layout.SUBSETS) - {subset})


def test_a_subset_whose_clips_are_all_unreadable_is_an_error(desed):
    for file in (desed / WEAK_AUDIO).iterdir():
        file.write_bytes(b"no audio" * 100)
    report = audit.check(desed)
    only(report.errors, "weak: none of the 3 clips of 'weak' can be read")
    assert len(report.left_out) == 3


def test_clips_to_be_scored_on_must_hold_an_event(desed):
    for i in (0, 1):
        (desed / VALIDATION_AUDIO / f"validation_{i}.wav").unlink()
    with pytest.raises(SedError, match="validation: none of the clips present has an event"):
        layout.preflight(desed, ["validation"])
    only(audit.check(desed).errors, "none of the clips present has an event")


def test_an_evaluation_set_that_is_not_there_stops_nothing_and_a_broken_one_does(desed):
    public = layout.SUBSETS["public"]
    for file in (desed / public.audio).iterdir():
        file.unlink()
    assert not layout.is_there(desed, "public")
    layout.preflight(desed, layout.SUBSETS)
    report = audit.check(desed)
    assert report.ok and len(found(report.notes)) == 1 and "public: not there" in report.notes[-2]
    (desed / public.audio / "other.wav").write_bytes(b"-")
    with pytest.raises(SedError, match="none of the 3 clips of 'public' is there"):
        layout.preflight(desed, layout.SUBSETS)
    assert not audit.check(desed).ok


def test_another_years_synthetic_set_is_named_and_a_link_to_it_works(desed):
    for half in ("audio", "metadata"):
        (desed / half / "train" / "synthetic20").rename(desed / half / "train" / "synthetic21_train")
    with pytest.raises(SedError, match="soundscapes.tsv: no such file; `sedlib data check .*` says what is there"):
        layout.preflight(desed, ["synthetic"])
    report = audit.check(desed)
    assert not report.ok
    for half in ("audio", "metadata"):
        place = desed / half / "train"
        only(
            report.errors,
            f"{place} has synthetic21_train; if that is the right one, rename it synthetic20",
            f"ln -s synthetic21_train {place / 'synthetic20'}",
        )
    for half in ("audio", "metadata"):
        (desed / half / "train" / "synthetic20").symlink_to("synthetic21_train")
    layout.preflight(desed, layout.SUBSETS)


def test_a_table_with_another_suffix_is_named(desed):
    (desed / WEAK_TABLE).rename((desed / WEAK_TABLE).with_suffix(".csv"))
    only(audit.check(desed).errors, "weak.tsv: no such file; ", " has weak.csv; if that is the right one")


def test_the_folder_above_is_told_where_the_data_set_lies(desed):
    with pytest.raises(SedError, match="holds no DESED subset itself; give .*/desed, which holds"):
        audit.check(desed.parent)


def test_validation_clips_may_lie_one_deeper_as_later_download_scripts_put_them(desed):
    deeper = desed / VALIDATION_AUDIO / "validation"
    deeper.mkdir()
    for file in (desed / VALIDATION_AUDIO).glob("*.wav"):
        file.rename(deeper / file.name)
    layout.preflight(desed, layout.SUBSETS)
    assert layout.load(desed, "validation").audio_dir == deeper
    assert audit.check(desed).ok and "3 clips" in audit.check(desed).subsets["validation"][0]


@pytest.mark.parametrize("lacking", [None, "foreground/Dog", "background", "rir"])
def test_preflight_of_what_mixes_wants_every_kind_of_isolated_sound(desed, lacking):
    bank = desed / layout.SOUNDBANK
    with pytest.raises(SedError, match="soundbank: no such folder"):
        layout.preflight(desed, ["weak"], soundbank=True)
    layout.preflight(desed, ["weak"])
    for folder in (*(f"foreground/{label}" for label in tables.CLASSES), "background/sins", "rir"):
        (bank / folder).mkdir(parents=True)
        (bank / folder / "a.wav").touch()
    if lacking is None:
        layout.preflight(desed, ["weak"], soundbank=True)
        return
    shutil.rmtree(bank / lacking)
    with pytest.raises(SedError, match=f"soundbank/{lacking}: no isolated sounds, and dynamic mixing needs them"):
        layout.preflight(desed, ["weak"], soundbank=True)


def test_the_report_says_which_rows_of_the_tables_lack_what(desed):
    """Those that mix lack isolated sounds; Table 3 the evaluation set, the others not; all of them weak clips."""
    bare = next(line for line in audit.check(desed).rows if line.startswith("can be had"))
    assert bare.endswith("3 Baseline, 3 PPCEN+HMM") and "2 Baseline" in bare and "+Augm" not in bare
    (desed / layout.SUBSETS["public"].metadata).unlink()
    rows = dict(line.split(": ") for line in audit.check(desed).rows)
    assert rows["without public, for its evaluation F1 alone"] == "3 Baseline, 3 PPCEN+HMM"
    assert "2 +Augm" in rows["without soundbank"] and "3 DAT+HMM" in rows["without soundbank"]
    (desed / layout.SUBSETS["weak"].metadata).unlink()
    report = audit.check(desed)
    assert not any(line.startswith("can be had") for line in report.rows)
    assert "rows of the paper's tables\n  without weak: 1 Log-Mel" in report.text()
