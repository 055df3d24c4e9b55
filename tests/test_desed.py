"""Real DESED from end to end: its own tables with made audio, incomplete and broken as real downloads are (see
`desed.build`).

One batch does everything that the command line offers, the lessons among it; the tests look at what it left.
"""

import json
import re
import shutil
from collections import Counter
from pathlib import Path

import pytest
from terminal import sedlib

from minidesed import statistics
from reproduction import audit
from sedlib.data import layout, tables
from sedlib.data.encoder import event_labels
from sedlib.data.store import open_store


@pytest.fixture
def copy(real, tmp_path) -> Path:
    """One that a test may break."""
    return Path(shutil.copytree(real.root, tmp_path / "DESED", ignore=shutil.ignore_patterns("store")))


# The folder, its tables, its labels.
def test_the_folder_has_what_real_downloads_have(real):
    reference = tables.events(real.table("validation"))
    ordered = reference.sort_values("onset", kind="stable")
    groups = [ordered["filename"], ordered["event_label"]]
    before = ordered["offset"].groupby(groups).cummax().groupby(groups).shift()
    assert Counter(ordered["event_label"][ordered["onset"] < before]) == {"Dishes": 8, "Blender": 2, "Speech": 2}
    assert real.table("validation")["event_label"].isna().any() and (reference["offset"] > 10).any()
    assert any(name.startswith("Y-") for name in tables.filenames(real.table("weak")))
    assert any(name.startswith("-") for name in tables.filenames(real.table("public")))
    for subset, place in layout.SUBSETS.items():
        assert bool(real.missing[subset]) == (place.domain == layout.REAL)
        lengths = open_store(real.root, subset, progress=False).durations
        assert place.domain == layout.SYNTHETIC or subset == "unlabel_in_domain" or lengths.min() < 10
    assert max(open_store(real.root, "public", progress=False).durations) == 11


def test_check_counts_what_is_left_out_by_subset_and_class_and_finds_no_error(real):
    code, out, err = sedlib("data", "check", real.root)
    assert code == 0, out + err
    assert "errors (stop a training or its scoring): none" in out
    assert (
        "1 files of 16000 Hz, 6 channels" in out
        and "2 channels" in out
        and "44100 Hz" in out
        and "48 isolated sounds" in out
    )
    sections = {match[1]: match[0] for match in re.finditer(r"^  (\w+): \d.*?(?=^  \w|^errors)", out, re.M | re.S)}
    for subset, place in layout.SUBSETS.items():
        lost, listed = real.left_out(subset), tables.filenames(real.table(subset))
        if not lost:
            assert "left out" not in sections[subset]
            continue
        assert f"left out: {len(lost)} of {len(listed)} clips" in sections[subset]
        if place.kind == layout.STRONG:
            events = tables.events(real.table(subset))
            gone, all_of = (Counter(part["event_label"]) for part in (events[events["filename"].isin(lost)], events))
            for label, count in gone.items():
                assert f"{label} {count} of {all_of[label]} ({100 * count / all_of[label]:.0f} %)" in sections[subset]
    report = audit.check(real.root)
    assert len(report.left_out) == sum(len(real.left_out(subset)) for subset in layout.SUBSETS)
    assert sum("begins before another" in note and "validation.tsv" in note for note in report.notes) == 12
    assert any("public.tsv: no event of Vacuum_cleaner" in note for note in report.notes)


def test_stores_leave_out_what_cannot_be_read_and_say_so(real):
    for subset in layout.SUBSETS:
        assert sorted(open_store(real.root, subset, progress=False).skipped) == real.left_out(subset)


def test_statistics_of_the_whole_real_tables_are_the_published_ones(shared, tmp_path):
    """Names, overlaps and offsets past 10 s of all 1168 and 692 clips; the counts are those of statistics.json beside
    them."""
    metadata = shared / "desed" / "metadata"
    published = json.loads((shared / "desed" / "statistics.json").read_text())
    for subset, place in layout.SUBSETS.items():
        source = metadata / ("synthetic_2019_train.tsv" if subset == "synthetic" else f"{subset}.tsv")
        (tmp_path / place.metadata).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(source, tmp_path / place.metadata)
        (tmp_path / place.audio).mkdir(parents=True)
        (tmp_path / place.audio / "a.wav").touch()
    code, out, err = sedlib("data", "statistics", tmp_path)
    assert code == 0 and "validation, here / DESED" in out, err
    for subset, name in (
        ("validation", "validation"),
        ("public", "public_eval"),
        ("synthetic", "synthetic_2019_train"),
    ):
        table = layout.load(tmp_path, subset).table
        facts = statistics.per_class(table)
        assert facts["events"].astype(int).to_dict() == {
            label: published[name]["per_class"][label]["events"] for label in tables.CLASSES
        }
        assert facts["clips"].astype(int).to_dict() == {
            label: published[name]["per_class"][label]["clips"] for label in tables.CLASSES
        }
        assert statistics.polyphony(table).sum() == pytest.approx(1)
    comparison = statistics.compare_folder(tmp_path)
    assert (
        comparison["ours"] - comparison["DESED"]
    ).abs().max() < 0.0051  # those of `data.desed` have two or three decimals


@pytest.mark.parametrize("ends", ["floor", "nearest"])
@pytest.mark.parametrize("frame_s, frames", [(0.06375, 157), (0.128, 78)])
def test_an_event_past_the_end_of_a_clip_keeps_its_frames_within(frame_s, frames, ends):
    """Y4p-h_aOrhIw's Dog from 9.865 to 10.115 s; the last frame ends at 10.01 or 9.98 s."""
    labels = event_labels([(9.865, 10.115, "Dog")], frames, frame_s, ends)[:, tables.CLASSES.index("Dog")]
    assert labels[-1] == 1 and 1 <= labels.sum() <= 3


# Folders that cannot be used.
def test_a_folder_without_clips_to_score_on_is_refused_before_training(copy, workspace):
    """The paper's rows need the development clips; a training alone is content with those for evaluation."""
    for command, subset in (("reproduce", "validation"), ("train", "public")):
        for path in (copy / layout.SUBSETS[subset].audio).iterdir():
            path.unlink()
        code, _, err = sedlib(command, "--profile", "smoke", "--data", copy)
        assert code == 1 and f"{copy}/audio/validation: the folder is empty" in err.splitlines()[-1]
    assert not (workspace / "runs").exists() and not (copy / "store").exists()


@pytest.mark.parametrize("subset", ["synthetic", "weak", "unlabel_in_domain"])
def test_a_folder_with_an_empty_subset_is_refused_before_training(copy, workspace, subset):
    for path in (copy / layout.SUBSETS[subset].audio).iterdir():
        path.write_bytes(b"")
    code, _, err = sedlib("train", "--profile", "smoke", "--data", copy)
    assert (
        code == 1
        and len(err.splitlines()) == 1
        and f"clips of {subset!r} is there, or all have 0 bytes; `sedlib data check {copy}`" in err
    )
    assert not (workspace / "runs").exists() and not (copy / "store").exists()


def test_a_system_that_mixes_is_refused_without_isolated_sounds_and_others_are_not(copy, workspace):
    shutil.rmtree(copy / layout.SOUNDBANK)
    for command in (("train", "--system", "augm"), ("reproduce", "--table", 2)):
        code, _, err = sedlib(*command, "--profile", "smoke", "--data", copy)
        assert code == 1 and "soundbank: no such folder" in err and not (workspace / "runs").exists()
    layout.preflight(copy, layout.SUBSETS)
