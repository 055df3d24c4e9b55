"""Tuning and decoding as a user types them: what is written, how it fits together, and one-line errors."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from terminal import sedlib

from sedlib.config import Decoding
from sedlib.data import tables
from sedlib.decode import Hmm, Posteriors, find_events, frames_to_events, median_events, operating_points
from sedlib.decode.tuning import halves, tune
from sedlib.metrics import psds_from_operating_points
from sedlib.threads import one_thread

CLASSES = ("Cat", "Dog", "Speech")
CLIPS = [f"{i:02}.wav" for i in range(16)]


@pytest.fixture(autouse=True, scope="module")
def alone():
    """Small cases in one thread: two that wait for each other are slow on a busy machine."""
    with one_thread():
        yield


def macro(folder: Path, reference: pd.DataFrame, predictions: str = "events.tsv") -> float:
    """Event-based macro F1 by `sedlib evaluate`."""
    tables.write(reference, folder / "some.tsv")
    code, _, err = sedlib(
        "evaluate",
        "--reference",
        folder / "some.tsv",
        "--predictions",
        folder / predictions,
        "--json",
        folder / "scores.json",
    )
    assert code == 0, err
    return json.loads((folder / "scores.json").read_text())["event_f1"]["macro"]


def written(events: pd.DataFrame) -> list[tuple]:
    """Rows of a table file: events to a millisecond, and clips without any."""
    there = [
        (name, f"{onset:.3f}", f"{offset:.3f}", label) for name, onset, offset, label in events.itertuples(index=False)
    ]
    return there + [(name, "", "", "") for name in CLIPS if name not in set(events["filename"])]


def rows(path: Path) -> list[tuple]:
    return list(tables.read_table(path, tables.EVENT_COLUMNS).itertuples(index=False, name=None))


@pytest.fixture
def folder(tmp_path) -> Path:
    """``scores.npz`` of 16 clips, the last one silent, and their ``reference.tsv``."""
    rng = np.random.default_rng(1)
    active = np.cumsum(rng.random((16, 100, 3)) < 0.05, axis=1) % 2 > 0
    active[-1] = False
    noisy = 1 / (1 + np.exp(2 - 4 * active - 2 * rng.normal(size=active.shape)))
    noisy[-1] = 0
    posteriors = Posteriors(noisy, CLIPS, CLASSES, 0.064)
    posteriors.save(tmp_path / "scores.npz")
    reference = frames_to_events(active, posteriors)
    reference["onset"] += (
        rng.integers(1, 30, len(reference)) / 1000
    )  # off the frames, so that no criterion is met exactly
    tables.write(pd.concat([reference, pd.DataFrame({"filename": CLIPS[-1:]})]), tmp_path / "reference.tsv")
    return tmp_path


@pytest.mark.parametrize("search", ["robust", "exact"])
def test_tune_writes_what_the_library_finds(folder, search):
    code, out, err = sedlib(
        "tune",
        folder / "scores.npz",
        "--reference",
        folder / "reference.tsv",
        "--search",
        search,
        "--fraction",
        0.4,
        "--seed",
        3,
        "--json",
        folder / "hmm.json",
    )
    assert code == 0, err
    there = json.loads((folder / "hmm.json").read_text())
    expected = tune(
        Posteriors.load(folder / "scores.npz"), tables.read_events(folder / "reference.tsv"), search, 0.4, 3
    )
    assert there.pop("seconds") > 0 and expected.pop("seconds") > 0
    assert there == expected
    for name in ("baseline", "tuned"):
        assert set(there[name]) == {"f1_tuned_half", "f1_other_half"} and all(0 < f1 < 1 for f1 in there[name].values())
    assert set(there["p_silence"]) == set(there["p_event"]) == set(CLASSES)
    assert (
        f"HMM, {search}" in out and f"{100 * there['tuned']['f1_other_half']:.2f}" in out and "(6 and 10 clips)" in out
    )


def test_what_was_tuned_decodes_to_the_same_scores(folder):
    code, _, err = sedlib(
        "tune", folder / "scores.npz", "--reference", folder / "reference.tsv", "--json", folder / "hmm.json"
    )
    assert code == 0, err
    code, _, err = sedlib("decode", folder / "scores.npz", "--hmm", folder / "hmm.json", "-o", folder / "events.tsv")
    assert code == 0, err
    found = find_events(Posteriors.load(folder / "scores.npz"), Hmm.load(folder / "hmm.json"))
    assert f"events.tsv: {len(found)} events in 16 clips" in err and ("15.wav", "", "", "") in rows(
        folder / "events.tsv"
    )
    assert rows(folder / "events.tsv") == written(found)
    code, _, err = sedlib("decode", folder / "scores.npz", "--median", 0.45, "-o", folder / "median.tsv")
    assert code == 0, err
    tuned = json.loads((folder / "hmm.json").read_text())
    for half, key in zip(halves(tables.read_events(folder / "reference.tsv")), ("f1_tuned_half", "f1_other_half")):
        assert macro(folder, half) == pytest.approx(tuned["tuned"][key], abs=1e-12)
        assert macro(folder, half, "median.tsv") == pytest.approx(tuned["baseline"][key], abs=1e-12)


@pytest.mark.parametrize(
    ("options", "decoding"),
    [([], Decoding(0.5, 0.2)), (["--threshold", 0.8], Decoding(0.8, 0.2)), (["--median", 0], Decoding(0.5, 0))],
)
def test_a_median_filter_decodes_as_in_the_library(folder, options, decoding):
    code, _, err = sedlib("decode", folder / "scores.npz", "--median", 0.2, *options, "-o", folder / "events.tsv")
    assert code == 0, err
    assert rows(folder / "events.tsv") == written(median_events(Posteriors.load(folder / "scores.npz"), decoding))


@pytest.mark.parametrize("threshold", [0.3, 0.9])
def test_an_hmm_decodes_at_another_threshold(folder, threshold):
    hmm = Hmm.alike(0.9, 0.8, CLASSES, drop_s=0.2)
    (folder / "hmm.json").write_text(json.dumps(hmm.to_dict()))
    code, _, err = sedlib(
        "decode",
        folder / "scores.npz",
        "--hmm",
        folder / "hmm.json",
        "--threshold",
        threshold,
        "-o",
        folder / "events.tsv",
    )
    assert code == 0, err
    found = find_events(Posteriors.load(folder / "scores.npz"), hmm, threshold=threshold)
    assert rows(folder / "events.tsv") == written(found)


def test_clips_that_are_all_silent_are_rows_without_an_event(folder):
    Posteriors(np.zeros((2, 9, 3)), ["b.wav", "a.wav"], CLASSES, 0.064).save(folder / "scores.npz")
    (folder / "hmm.json").write_text(json.dumps(Hmm.alike(0.9, 0.8, CLASSES).to_dict()))
    for how in (["--hmm", folder / "hmm.json"], ["--median", 0.45]):
        code, _, err = sedlib("decode", folder / "scores.npz", *how, "-o", folder / "events.tsv")
        assert code == 0 and "0 events in 2 clips" in err
        assert rows(folder / "events.tsv") == [("a.wav", "", "", ""), ("b.wav", "", "", "")]


@pytest.mark.parametrize("decoder", [Hmm.alike(0.9, 0.8, CLASSES), Decoding(0.5, 0.2)])
def test_points_are_what_evaluate_takes_for_psds(folder, decoder):
    how = ["--median", 0.2]
    if isinstance(decoder, Hmm):
        (folder / "hmm.json").write_text(json.dumps(decoder.to_dict()))
        how = ["--hmm", folder / "hmm.json"]
    code, _, err = sedlib(
        "decode", folder / "scores.npz", *how, "--points", folder / "points.tsv", "-o", folder / "events.tsv"
    )
    assert code == 0, err
    points = operating_points(Posteriors.load(folder / "scores.npz"), decoder)
    table = pd.read_csv(folder / "points.tsv", sep="\t")
    assert len(points) == 50 and np.allclose(table["threshold"].unique(), list(points), atol=1e-6)
    assert table["threshold"].value_counts(sort=False).tolist() == [len(events) for events in points.values()]
    code, _, err = sedlib(
        "evaluate",
        "--reference",
        folder / "reference.tsv",
        "--predictions",
        folder / "events.tsv",
        "--operating-points",
        folder / "points.tsv",
        "--json",
        folder / "scores.json",
    )
    assert code == 0, err
    expected = psds_from_operating_points(tables.read_events(folder / "reference.tsv"), points.values())
    assert json.loads((folder / "scores.json").read_text())["psds"]["value"] == pytest.approx(expected.value)


def test_clips_without_posteriors_are_left_out_of_the_tuning_and_named(folder):
    reference = tables.read_events(folder / "reference.tsv")
    far = pd.DataFrame([("far.wav", 1.0, 2.0, "Dog")], columns=tables.EVENT_COLUMNS)
    tables.write(pd.concat([reference, far]), folder / "more.tsv")
    found = {}
    for name in ("reference", "more"):
        code, out, err = sedlib(
            "tune", folder / "scores.npz", "--reference", folder / f"{name}.tsv", "--json", folder / f"{name}.json"
        )
        assert code == 0, err
        assert ("1 of the reference's 17 clips are missing, for example far.wav" in out) == (name == "more")
        found[name] = json.loads((folder / f"{name}.json").read_text())
    dogs = (reference["event_label"] == "Dog").sum()
    missing = found["more"].pop("missing")
    assert missing["clips"] == 1 and missing["events"]["Dog"] == {"missing": 1, "of": dogs + 1, "share": 1 / (dogs + 1)}
    assert missing["events"]["Cat"]["missing"] == 0 and found["reference"].pop("missing") is None
    assert all(of.pop("seconds") > 0 for of in found.values()) and found["more"] == found["reference"]


DECODE, TUNE = ["decode", "scores.npz", "-o", "events.tsv"], ["tune", "scores.npz", "--json", "out.json"]
REFERENCE = ["--reference", "reference.tsv"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (DECODE, "give either --decoder FILE or --median SECONDS"),
        ([*DECODE, "--hmm", "hmm.json", "--median", 0.45], "give either --decoder FILE or --median SECONDS"),
        (["decode", "reference.tsv", "-o", "events.tsv", "--median", 0.45], "reference.tsv: not an .npz of posteriors"),
        (["decode", "none.npz", "-o", "events.tsv", "--hmm", "hmm.json"], "none.npz: not an .npz of posteriors"),
        ([*DECODE, "--hmm", "none.json"], "none.json: not a JSON file with p_silence and p_event by class"),
        (
            [*DECODE, "--hmm", "two.json"],
            "no p_silence and p_event for class 'Cat', which the scores contain; it has Dog, Speech",
        ),
        (
            ["decode", "nan.npz", "-o", "events.tsv", "--hmm", "hmm.json", "--points", "points.tsv"],
            "clip 2, frame 3, class 1 holds nan",
        ),
        (["tune", "reference.tsv", "--json", "out.json", *REFERENCE], "reference.tsv: not an .npz of posteriors"),
        ([*TUNE, "--reference", "none.tsv"], "none.tsv: no such file"),
        ([*TUNE, "--reference", "fewer.tsv"], "1 clips are not in the reference, for example '15.wav'"),
        (
            [*TUNE, "--reference", "other.tsv"],
            "no clip in common with the reference (16 clips, for example '00.wav', against 1, for example 'far.wav')",
        ),
        ([*TUNE, "--reference", "silent.tsv"], "no events in these clips, so there is nothing to tune for"),
        ([*TUNE, *REFERENCE, "--fraction", 0], "fraction is 0: tune on at least one of the 16 clips"),
        (["tune", "nan.npz", "--json", "out.json", "--fraction", 1, *REFERENCE], "clip 2, frame 3, class 1 holds nan"),
    ],
)
def test_a_mistake_is_one_line_and_nothing_is_written(folder, arguments, message, monkeypatch):
    monkeypatch.chdir(folder)
    there = Posteriors.load("scores.npz")
    there.scores[2, 3, 1] = np.nan
    np.savez("nan.npz", **{name: getattr(there, name) for name in ("scores", "filenames", "classes", "frame_s")})
    Path("hmm.json").write_text(json.dumps(Hmm.alike(0.9, 0.8, CLASSES).to_dict()))
    Path("two.json").write_text(json.dumps(Hmm.alike(0.9, 0.8, CLASSES[1:]).to_dict()))
    reference = tables.read_events("reference.tsv")
    tables.write(reference[reference["filename"] != "15.wav"], "fewer.tsv")
    tables.write(reference.head(1).assign(filename="far.wav"), "other.tsv")
    tables.write(reference[["filename"]].drop_duplicates().reindex(columns=tables.EVENT_COLUMNS), "silent.tsv")
    before = sorted(Path().iterdir())
    code, out, err = sedlib(*arguments)
    assert code == 1 and message in err and not out
    assert len(err.strip().splitlines()) == 1 and "Traceback" not in err
    assert sorted(Path().iterdir()) == before


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([*TUNE, *REFERENCE, "--search", "grid"], "'grid' is not one of 'forest', 'exact', 'robust'"),
        ([*DECODE, "--median", 0.45, "--threshold", 1], "1.0 is not in the range 0<x<1"),
        ([*DECODE, "--median", -1], "-1.0 is not in the range x>=0"),
    ],
)
def test_an_option_out_of_its_range_is_said(folder, arguments, message, monkeypatch):
    monkeypatch.chdir(folder)
    code, _, err = sedlib(*arguments)
    assert code == 2 and message in err


def test_what_cannot_be_written_is_refused_before_the_work(folder):
    (folder / "file").touch()
    for arguments in (
        [
            "tune",
            folder / "scores.npz",
            "--reference",
            folder / "reference.tsv",
            "--json",
            folder / "file" / "hmm.json",
        ],
        ["decode", folder / "scores.npz", "--median", 0.45, "-o", folder / "file" / "events.tsv"],
        ["decode", folder / "scores.npz", "--median", 0.45, "-o", folder],
    ):
        code, out, err = sedlib(*arguments)
        assert (
            code == 1 and ("file: is a file, but a folder is needed" in err or "is a folder; give" in err) and not out
        )
        assert len(err.strip().splitlines()) == 1


@pytest.mark.parametrize(
    "command",
    [
        ["decode", "scores.npz", "--median", "0.45", "-o", "scores.npz"],
        ["decode", "scores.npz", "--hmm", "hmm.json", "-o", "./hmm.json"],
        ["decode", "scores.npz", "--hmm", "hmm.json", "--points", "scores.npz", "-o", "e.tsv"],
        ["decode", "scores.npz", "--hmm", "hmm.json", "--points", "new/e.tsv", "-o", "new/../new/e.tsv"],
        ["tune", "scores.npz", "--reference", "reference.tsv", "--json", "reference.tsv"],
        ["tune", "scores.npz", "--reference", "reference.tsv", "--json", "link.npz"],
        ["evaluate", "--reference", "reference.tsv", "--predictions", "reference.tsv", "--json", "reference.tsv"],
        [
            "evaluate",
            "--reference",
            "reference.tsv",
            "--predictions",
            "reference.tsv",
            "--scores",
            "scores.npz",
            "--json",
            "scores.npz",
        ],
    ],
    ids=" ".join,
)
def test_what_a_command_reads_is_not_written_over(folder, monkeypatch, command):
    monkeypatch.chdir(folder)
    (folder / "hmm.json").write_text("{}")
    (folder / "link.npz").symlink_to("scores.npz")
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    code, _, err = sedlib(*command)
    assert code == 1 and "which would be overwritten; give another name" in err and len(err.strip().splitlines()) == 1
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def test_outputs_make_their_folder_and_are_whole(folder):
    (folder / "target.tsv").write_text("old")
    (folder / "link.tsv").symlink_to("target.tsv")
    for name in ("new/deep/e.tsv", "link.tsv"):
        code, _, err = sedlib("decode", folder / "scores.npz", "--median", 0.45, "-o", folder / name)
        assert code == 0, err
    assert (folder / "link.tsv").is_symlink() and (folder / "target.tsv").read_text() == (
        folder / "new/deep/e.tsv"
    ).read_text()
    code, _, err = sedlib(
        "evaluate",
        "--reference",
        folder / "reference.tsv",
        "--predictions",
        folder / "new/deep/e.tsv",
        "--json",
        folder / "more/deep/s.json",
    )
    assert code == 0, err
    assert json.loads((folder / "more/deep/s.json").read_text()) and not list(folder.rglob("*.partial"))


def test_points_of_scores_that_never_sound(folder):
    silent = Posteriors(np.zeros((2, 30, 3), np.float32), ["a.wav", "b.wav"], CLASSES, 0.1)
    silent.save(folder / "silent.npz")
    (folder / "hmm.json").write_text(json.dumps(Hmm.alike(0.9, 0.9, CLASSES).to_dict()))
    code, _, err = sedlib(
        "decode",
        folder / "silent.npz",
        "--hmm",
        folder / "hmm.json",
        "--points",
        folder / "p.tsv",
        "-o",
        folder / "e.tsv",
    )
    assert code == 1 and "no event at any threshold" in err and not (folder / "e.tsv").exists()
    code, _, err = sedlib("decode", folder / "silent.npz", "--hmm", folder / "hmm.json", "-o", folder / "e.tsv")
    assert code == 0 and "0 events in 2 clips" in err


@pytest.mark.parametrize(
    "change, said",
    [
        ({"scores": np.full((2, 5, 3), 7.0)}, "holds 7.0, expected a posterior from 0 to 1"),
        ({"scores": np.full((2, 5, 3), np.nan)}, "holds nan"),
        ({"scores": np.zeros((2, 5))}, "scores of shape (2, 5)"),
        ({"scores": np.zeros((2, 5, 2))}, "for 2 filenames and 3 classes"),
        ({"filenames": ["a.wav"]}, "for 1 filenames"),
        ({"frame_s": 0.0}, "frame_s is 0, expected"),
        ({"frame_s": np.nan}, "frame_s is nan"),
    ],
)
def test_scores_that_are_none_are_named_by_either_decoder(folder, change, said):
    good = {"scores": np.zeros((2, 5, 3)), "filenames": ["a.wav", "b.wav"], "classes": list(CLASSES), "frame_s": 0.1}
    np.savez(folder / "bad.npz", **{**good, **change})
    (folder / "hmm.json").write_text(json.dumps(Hmm.alike(0.9, 0.9, CLASSES).to_dict()))
    for how in (["--median", "0.45"], ["--hmm", folder / "hmm.json"]):
        code, _, err = sedlib("decode", folder / "bad.npz", *how, "-o", folder / "e.tsv")
        assert code == 1 and said in err and not (folder / "e.tsv").exists()


@pytest.mark.parametrize("length", ["nan", "inf"])
def test_a_filter_without_a_length(folder, length):
    code, _, err = sedlib("decode", folder / "scores.npz", "--median", length, "-o", folder / "e.tsv")
    assert code == 1 and f"decoding.median_s is {length}; it must be 0 or more" in err


def test_a_model_of_no_class(folder):
    (folder / "hmm.json").write_text('{"p_silence": {}, "p_event": {}}')
    code, _, err = sedlib("decode", folder / "scores.npz", "--hmm", folder / "hmm.json", "-o", folder / "e.tsv")
    assert code == 1 and "hmm.json: HMM: no classes" in err
