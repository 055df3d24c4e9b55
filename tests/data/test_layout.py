"""Layout: a whole data set passes the check; each way to break it gives one line that names file, value and fix."""

import shutil

import numpy as np
import pytest
import soundfile

from sedlib.data import layout
from sedlib.errors import SedError

WEAK_AUDIO, WEAK_TABLE = layout.SUBSETS["weak"].audio, layout.SUBSETS["weak"].metadata
VALIDATION_AUDIO, VALIDATION_TABLE = layout.SUBSETS["validation"].audio, layout.SUBSETS["validation"].metadata


def test_load_reads_every_kind_of_subset(desed):
    for name, place in layout.SUBSETS.items():
        subset = layout.load(desed, name)
        assert (subset.name, subset.kind, subset.audio_dir) == (name, place.kind, desed / place.audio)
        assert subset.filenames == [f"{name}_{i}.wav" for i in range(3)]


def test_a_whole_data_set_has_no_findings(desed):
    report = layout.check(desed)
    assert report.ok and report.errors == [] and report.notes == []
    assert "3 clips, 0.01 h, strong labels" in report.text()
    assert "Dog 2," in report.subsets["validation"][2] and "Cat 3," in report.subsets["weak"][2]


def test_load_names_what_is_missing(desed, tmp_path):
    with pytest.raises(SedError, match="'wek' is not known; use one of synthetic, weak"):
        layout.load(desed, "wek")
    with pytest.raises(SedError, match="no such folder"):
        layout.load(tmp_path / "nowhere", "weak")
    (desed / VALIDATION_TABLE).unlink()
    with pytest.raises(SedError, match="validation.tsv: no such file"):
        layout.load(desed, "validation")
    for file in (desed / WEAK_AUDIO).iterdir():
        file.unlink()
    with pytest.raises(SedError, match="weak: the folder is empty"):
        layout.load(desed, "weak")
    (desed / WEAK_AUDIO).rmdir()
    with pytest.raises(SedError, match="weak: no such folder"):
        layout.load(desed, "weak")
    (desed / WEAK_TABLE).write_text("filename\tevent_labels\n")
    with pytest.raises(SedError, match="weak.tsv: lists no clips"):
        layout.load(desed, "weak")


@pytest.mark.parametrize("name", ["../secret.wav", "/etc/passwd", "a/b.wav", "..", "c:\\a.wav", "a\\b.wav"])
def test_file_names_that_are_paths_are_refused(desed, name):
    (desed / WEAK_TABLE).write_text(f"filename\tevent_labels\n{name}\tDog\n")
    with pytest.raises(SedError, match="is a path"):
        layout.load(desed, "weak")
    report = layout.check(desed)
    assert not report.ok and any(repr(name) in e and "is a path" in e for e in report.errors)


def test_check_refuses_what_is_no_data_set(tmp_path):
    with pytest.raises(SedError, match="no such folder"):
        layout.check(tmp_path / "nowhere")
    with pytest.raises(SedError, match="holds no DESED subset"):
        layout.check(tmp_path)


def only(findings, *words):
    assert len(findings) == 1, findings
    assert all(word in findings[0] for word in words), findings[0]


@pytest.mark.parametrize(("content", "words"), [(b"", "0 bytes"), (b"no audio" * 100, "not a readable audio file")])
def test_check_names_broken_files(desed, content, words):
    (desed / WEAK_AUDIO / "weak_1.wav").write_bytes(content)
    report = layout.check(desed)
    only(report.errors, "weak_1.wav", words)
    assert "2 clips" in report.subsets["weak"][0]


def test_check_names_a_truncated_file(desed):
    path = desed / WEAK_AUDIO / "weak_1.wav"
    path.write_bytes(path.read_bytes()[:100_000])
    only(layout.check(desed).errors, "weak_1.wav", "cut off")


@pytest.mark.parametrize(("seconds", "rate", "channels", "words"), [
    (3, 16000, 1, ["3.00 s: padded"]), (300, 16000, 1, ["300.00 s: cut to its first 10 s"]),
    (10, 44100, 2, ["2 channels: mixed", "44100 Hz: resampled"])])
def test_usable_but_different_files_are_notes(desed, seconds, rate, channels, words):
    soundfile.write(desed / WEAK_AUDIO / "weak_1.wav", np.full((seconds * rate, channels), 0.1), rate)
    report = layout.check(desed)
    assert report.ok
    only(report.notes, "weak_1.wav", *words)


def test_missing_audio_is_an_error_and_unlisted_audio_a_note(desed):
    folder = desed / WEAK_AUDIO
    (folder / "weak_0.wav").rename(folder / "other.wav")
    report = layout.check(desed)
    only(report.errors, "weak_0.wav", "not in the folder", "get the file")
    only(report.notes, "other.wav", "not in weak.tsv")


def test_a_wrong_suffix_is_recognised(desed):
    folder = desed / WEAK_AUDIO
    (folder / "weak_0.wav").rename(folder / "weak_0.flac")
    only(layout.check(desed).errors, "weak_0.wav", "the folder has weak_0.flac")


def test_all_rows_with_problems_are_listed(desed):
    (desed / VALIDATION_TABLE).write_text("filename\tonset\toffset\tevent_label\nvalidation_0.wav\t2\t1\tDog\n"
                                          "validation_1.wav\t0\t1\tDogs\n")
    report = layout.check(desed)
    assert len(report.errors) == 2
    assert "line 2" in report.errors[0] and "swap" in report.errors[0]
    assert "line 3" in report.errors[1] and "did you mean 'Dog'" in report.errors[1]


def test_a_wrong_column_is_an_error(desed):
    (desed / WEAK_TABLE).write_text("filename\tlabels\nweak_0.wav\tDog\n")
    only(layout.check(desed).errors, "weak.tsv", "columns are ['filename', 'labels']")


def test_times_beyond_the_clip(desed):
    (desed / VALIDATION_TABLE).write_text("filename\tonset\toffset\tevent_label\nvalidation_0.wav\t9\t10.115\tDog\n"
                                          "validation_1.wav\t11\t12\tCat\nvalidation_2.wav\t\t\t\n")
    report = layout.check(desed)
    only(report.errors, "validation_1.wav", "Cat 11-12 s", "outside the clip")
    only(report.notes, "validation_0.wav", "Dog 9-10.115 s", "cut")


def test_missing_halves_of_a_subset(desed):
    shutil.rmtree(desed / WEAK_AUDIO)
    (desed / VALIDATION_TABLE).unlink()
    for half in ("audio", "metadata"):
        public = desed / getattr(layout.SUBSETS["public"], half)
        shutil.rmtree(public) if public.is_dir() else public.unlink()
    report = layout.check(desed)
    assert len(report.errors) == 2 and "no audio file" in report.errors[0] and "no such file" in report.errors[1]
    only(report.notes, "public: not there")


def test_clips_in_two_subsets_are_noted(desed):
    shutil.copy(desed / WEAK_AUDIO / "weak_0.wav", desed / VALIDATION_AUDIO / "weak_0.wav")
    with (desed / VALIDATION_TABLE).open("a") as file:
        file.write("weak_0.wav\t0.000\t1.000\tDog\n")
    only(layout.check(desed).notes, "weak_0.wav", "listed in weak and in validation")


def test_the_text_shortens_long_lists():
    report = layout.Report("root", errors=[f"e{i}" for i in range(30)])
    assert "e19" in report.text() and "e20" not in report.text() and "and 10 more" in report.text()
