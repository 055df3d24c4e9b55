import gzip
import json
import re
import unicodedata

import numpy as np
import pytest
from click.testing import CliRunner

from sedlib.cli import cli
from sedlib.data import tables
from sedlib.errors import SedError
from sedlib.metrics import evaluate, merge_overlaps, report

HEADER = "filename\tonset\toffset\tevent_label\n"
REFERENCE = HEADER + "a.wav\t1.0\t3.0\tDog\nb.wav\t1.0\t3.0\tCat\nc.wav\t\t\t\n"
PREDICTIONS = HEADER + "a.wav\t1.1\t3.1\tDog\nc.wav\t4.0\t6.0\tDog\n"
POINTS = (
    "threshold\tfilename\tonset\toffset\tevent_label\n"
    "0.5\ta.wav\t1.1\t3.1\tDog\n0.2\tb.wav\t1.0\t3.0\tCat\n0.2\ta.wav\t1.0\t3.0\tDog\n"
)
DURATIONS = "filename\tduration\na.wav\t10.0\nb.wav\t10.0\nc.wav\t10.0\nd.wav\t10.0\n"


@pytest.fixture
def files(tmp_path):
    """Writes the four tables, changed as asked, and a file of scores; gives the arguments of `evaluate`."""

    def write(psds="operating_points", scores=None, **changes):
        contents = {
            "reference": REFERENCE,
            "predictions": PREDICTIONS,
            "durations": DURATIONS,
            "operating_points": POINTS,
            **changes,
        }
        paths = {name: tmp_path / f"{name}.tsv" for name in contents}
        for name, content in contents.items():
            paths[name].write_bytes(content if isinstance(content, bytes) else content.encode())
        arrays = dict(
            scores=np.zeros((3, 10, 10), np.uint8),
            filenames=np.array(["a.wav", "b.wav", "c.wav"]),
            classes=np.array(tables.CLASSES),
            frame_s=1.0,
        )
        arrays["scores"][0, 1:3, 4] = arrays["scores"][1, 1:3, 2] = 90
        arrays.update(scores or {})
        np.savez(tmp_path / "scores.npz", **{name: array for name, array in arrays.items() if array is not None})
        if psds == "scores":
            paths["scores"] = tmp_path / "scores.npz"
        if psds != "operating_points":
            del paths["operating_points"]
        return paths

    return write


def test_small_case_by_hand(files):
    result = evaluate(**files())
    assert json.loads(json.dumps(result, allow_nan=False)) == result
    assert result["clips"] == {
        "evaluated": 3,
        "without_events": 1,
        "without_predictions": 1,
        "unknown": [],
        "missing": None,
    }
    assert result["events"] == {"reference": 2, "predictions": 2}
    event, segment = result["event_f1"], result["segment_f1"]
    assert event["per_class"]["Dog"] == {
        "f1": pytest.approx(2 / 3),
        "precision": 0.5,
        "recall": 1,
        "n_hit": 1,
        "n_sys": 2,
        "n_ref": 1,
    }
    assert event["per_class"]["Cat"]["f1"] == 0 and event["per_class"]["Speech"]["f1"] is None
    assert (event["macro"], event["micro"]) == (pytest.approx(1 / 3), 0.5)
    assert event["ci95"][0] <= event["macro"] <= event["ci95"][1]
    assert segment["per_class"]["Dog"]["n_sys"] == 5 and segment["per_class"]["Cat"]["f1"] is None
    assert segment["macro"] == pytest.approx(2 * 0.4 * 1 / 1.4)
    assert result["psds"]["value"] == 1 and result["psds"]["per_class"] == {"Cat": 1, "Dog": 1}


def test_psds_is_optional_and_may_come_from_scores(files):
    assert "psds" not in evaluate(**files(psds=None))
    psds = evaluate(**files(psds="scores"), max_efpr=50.0)["psds"]
    assert psds["value"] == 1 and psds["max_efpr"] == 50 and "scores cut at 50 thresholds" in psds["method"]
    order = np.random.default_rng(0).permutation(10)
    scores = np.zeros((3, 10, 10))
    scores[0, 1:3, 4] = scores[1, 1:3, 2] = 0.9
    changed = dict(scores=scores[..., order], classes=np.array(tables.CLASSES)[order])
    assert evaluate(**files(psds="scores", scores=changed))["psds"]["value"] == 1


def test_operating_points_may_be_compressed(files, tmp_path):
    paths = files()
    compressed = tmp_path / "points.tsv.gz"
    compressed.write_bytes(gzip.compress(POINTS.encode()))
    assert evaluate(**{**paths, "operating_points": compressed})["psds"] == evaluate(**paths)["psds"]
    compressed.write_bytes(gzip.compress(POINTS.encode())[:-12])
    assert "points.tsv.gz: cannot be read" in evaluate(**{**paths, "operating_points": compressed})["psds"]["error"]


def test_assumed_durations_are_said(files):
    paths = files()
    assert evaluate(**paths)["psds"]["durations"] == str(paths["durations"])
    del paths["durations"]
    assert "assumed, 10 s" in evaluate(**paths)["psds"]["durations"]


def test_predictions_in_unknown_clips_are_reported(files):
    paths = files(
        predictions=PREDICTIONS + "x.wav\t1.0\t2.0\tDog\n", operating_points=POINTS + "0.2\ty.wav\t1.0\t2.0\tDog\n"
    )
    result, expected = evaluate(**paths), evaluate(**files())
    assert result["clips"].pop("unknown") == ["x.wav", "y.wav"] and expected["clips"].pop("unknown") == []
    assert result == expected
    result["clips"]["unknown"] = ["x.wav", "y.wav"]
    assert "2 clips that are not in the reference, for example x.wav" in report(result)


def test_no_predictions_score_zero(files):
    result = evaluate(**files(predictions=HEADER))
    assert result["event_f1"]["macro"] == 0 and result["event_f1"]["micro"] == 0
    assert result["segment_f1"]["macro"] is None  # sed_eval leaves such classes out
    assert re.search(r"macro +0.00 \[0.0, 0.0\] +- ", report(result))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"reference": HEADER + "a.wav\t\t\t\n"}, "reference.tsv: no events"),
        ({"reference": HEADER.replace("onset", "start") + "a.wav\t1\t2\tDog\n"}, "reference.tsv: columns are"),
        ({"predictions": HEADER + "a.wav\t1\t2\tDogs\n"}, "predictions.tsv, line 2: label 'Dogs'"),
        ({"predictions": HEADER + "a\t1\t2\tDog\n"}, "none of the 1 clips is in the reference .*'a' against 'a.wav'"),
    ],
)
def test_bad_files(files, changes, message):
    with pytest.raises(SedError, match=message):
        evaluate(**files(**changes))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"operating_points": HEADER}, "operating_points.tsv: columns are"),
        ({"operating_points": POINTS + "low\ta.wav\t1\t2\tDog\n"}, "line 5: threshold 'low' is not a number"),
        (
            {"operating_points": POINTS + "0.1\ta.wav\t-1\t2\tDog\n"},
            "line 5: onset '-1' is not a time in seconds, 0 or later",
        ),
        (
            {"operating_points": POINTS + "0.1\ta.wav\t1\t\tDog\n"},
            "line 5: an event needs onset, offset and event_label",
        ),
        ({"operating_points": POINTS + "0.1\ta.wav\t3\t2\tDog\n"}, "line 5: offset 2 lies before onset 3"),
        ({"operating_points": POINTS + "0.1\ta.wav\t1\t2\tdog\n"}, "line 5: label 'dog' .*'Dog'"),
        ({"operating_points": POINTS.splitlines()[0] + "\n"}, "no operating points"),
        ({"operating_points": b"\x1f\x8b\xff\xfe"}, "operating_points.tsv: not a tab separated"),
        ({"durations": "filename\tseconds\na.wav\t10\n"}, "durations.tsv: columns are"),
        ({"durations": "filename\tduration\na.wav\tlong\n"}, "durations.tsv, line 2: duration 'long' is not a number"),
        ({"durations": "filename\tduration\na.wav\t0\n"}, "durations.tsv: 'a.wav' lasts 0 s"),
        ({"durations": DURATIONS + "a.wav\t9.0\n"}, "durations.tsv: 'a.wav' lasts 9 s; each clip needs one length"),
        (
            {"durations": "filename\tduration\na.wav\t10\n"},
            "2 of the reference's 3 clips have none, for example 'b.wav'",
        ),
        ({"psds": "scores", "scores": {"frame_s": None}}, "scores.npz: .*frame_s"),
        ({"psds": "scores", "scores": {"scores": np.zeros((3, 10))}}, r"shape \(3, 10\)"),
        ({"psds": "scores", "scores": {"scores": np.zeros((3, 10, 9))}}, r"shape \(3, 10, 9\)"),
        (
            {"psds": "scores", "scores": {"scores": np.full((3, 10, 10), np.nan)}},
            "clip 0, frame 0, class 0 holds nan, expected a posterior from 0 to 1",
        ),
        (
            {"psds": "scores", "scores": {"classes": np.array(["Dogs", *tables.CLASSES[1:]])}},
            "scores.npz: label 'Dogs'",
        ),
        (
            {"psds": "scores", "scores": {"classes": np.array(["Cat"]), "scores": np.zeros((3, 10, 1))}},
            "scores: no class 'Dog'",
        ),
        (
            {"psds": "scores", "scores": {"filenames": np.array(["a.wav", "b.wav", "d.wav"])}},
            "scores.npz: 1 clips are not in the reference, for example 'd.wav'",
        ),
        (
            {"psds": "scores", "scores": {"filenames": np.array(["d.wav", "e.wav", "f.wav"])}},
            r"no clip in common with the reference \(3 clips, for example 'd.wav', against 3, for example 'a.wav'\)",
        ),
        (
            {"psds": "scores", "scores": {"filenames": np.array(["a.wav", "b.wav", "c.wav"], dtype=object)}},
            r"scores.npz: .*; save the names as text, np.array\(names, dtype=str\)",
        ),
        (
            {"psds": "scores", "scores": {"filenames": np.array(["a.wav", "b.wav"]), "scores": np.zeros((2, 10, 10))}},
            "scores.npz: 1 clips with predictions are missing, for example 'c.wav'",
        ),
    ],
)
def test_f1_stands_where_psds_cannot_be_computed(files, tmp_path, changes, message):
    paths = files(**changes)
    result = evaluate(**paths)
    psds = result.pop("psds")
    assert re.search(message, psds["error"]) and psds["value"] is None and psds["per_class"] == {}
    assert result == evaluate(paths["reference"], paths["predictions"])
    shown = CliRunner().invoke(
        cli,
        [
            "evaluate",
            *(str(part) for name, path in paths.items() for part in (f"--{name.replace('_', '-')}", path)),
            "--json",
            str(tmp_path / "result.json"),
        ],
    )
    assert shown.exit_code == 1 and re.search(r"macro +33.33 .* -$", shown.stdout, re.MULTILINE)
    assert f"PSDS cannot be computed: {psds['error']}" in shown.stdout and re.search(message, shown.stderr)
    assert json.loads((tmp_path / "result.json").read_text())["psds"]["error"] == psds["error"]


def test_points_and_scores_together_are_refused(files, tmp_path):
    with pytest.raises(SedError, match="not both"):
        evaluate(**files(), scores=tmp_path / "scores.npz")


def test_missing_files(files, tmp_path):
    for name in ("reference", "predictions"):
        with pytest.raises(SedError, match="nowhere.tsv: no such file"):
            evaluate(**{**files(), name: tmp_path / "nowhere.tsv"})
    for name in ("operating_points", "durations"):
        assert "nowhere.tsv: no such file" in evaluate(**{**files(), name: tmp_path / "nowhere.tsv"})["psds"]["error"]


def test_clips_without_scores_are_left_out_of_f1_and_psds_and_named(files):
    """b.wav, which has the only Cat and no prediction, has no scores; c.wav has no events."""
    scores = {"filenames": np.array(["c.wav", "a.wav"]), "scores": np.zeros((2, 10, 10))}
    scores["scores"][1, 1:3, 4] = 0.9
    result = evaluate(**files(psds="scores", scores=scores))
    fewer = evaluate(**files(psds="scores", scores=scores, reference=REFERENCE.replace("b.wav\t1.0\t3.0\tCat\n", "")))
    assert result["clips"].pop("missing") == {
        "clips": 1,
        "of": 3,
        "example": "b.wav",
        "events": {"Cat": {"missing": 1, "of": 1, "share": 1.0}, "Dog": {"missing": 0, "of": 1, "share": 0.0}},
    }
    assert fewer["clips"].pop("missing") is None and result == fewer
    assert result["psds"]["value"] == 1 and result["event_f1"]["macro"] == pytest.approx(2 / 3)
    assert "1 of the reference's 3 clips are missing, for example b.wav" in report(
        evaluate(**files(psds="scores", scores=scores))
    )
    assert "Cat 100.0 % (1 of 1)" in report(evaluate(**files(psds="scores", scores=scores)))
    assert "missing" not in report(fewer | {"clips": fewer["clips"] | {"missing": None}})


def test_overlapping_events_are_merged_for_psds_alone_and_counted(files):
    overlapping = REFERENCE + "a.wav\t2.0\t4.0\tDog\n"
    twice = POINTS + "0.2\ta.wav\t1.0\t2.5\tDog\n"
    result = evaluate(**files(reference=overlapping, operating_points=twice))
    assert result["psds"]["merged"] == {"reference": 1, "predictions": 1} and result["psds"]["value"] == 1
    assert result["event_f1"]["per_class"]["Dog"]["n_ref"] == 2  # as sed_eval counts
    assert "overlapping events of one class were merged: 1 in the reference and 1 in the predictions." in report(result)
    assert "merged" not in report(evaluate(**files()))
    assert evaluate(**files(reference=overlapping, psds="scores"))["psds"]["merged"] == {
        "reference": 1,
        "predictions": 0,
    }


def test_points_are_read_as_event_tables_are(files):
    """Empty cells are a clip without events, and a threshold with nothing else is a point without predictions."""
    expected = evaluate(**files())["psds"]
    found = evaluate(**files(operating_points=POINTS + "0.5\tb.wav\t\t\t\n0.9\ta.wav\tNaN\tnan\tNA\n"))["psds"]
    assert found["method"] == "predictions at 3 thresholds"
    assert {**found, "method": expected["method"]} == expected


def test_clips_without_events_may_be_written_as_nan(files):
    names = ("reference", "predictions", "operating_points")
    written = {
        name: text.replace("c.wav\t\t\t", "c.wav\tNaN\tnan\tNA")
        for name, text in zip(names, (REFERENCE, PREDICTIONS, POINTS))
    }
    assert evaluate(**files(**written)) == evaluate(**files())
    with pytest.raises(SedError, match="line 5: onset 'NaN' is not a time"):
        evaluate(**files(reference=REFERENCE + "d.wav\tNaN\t3.0\tDog\n"))


def test_events_without_length_are_none_for_f1_and_psds_alike(files):
    empty = "b.wav\t2.0\t2.0\tDog\n"
    result = evaluate(
        **files(reference=REFERENCE + empty, predictions=PREDICTIONS + empty, operating_points=POINTS + "0.2\t" + empty)
    )
    notes, expected = result.pop("notes"), evaluate(**files())
    assert expected.pop("notes") == [] and result == expected
    assert notes == [
        f"{what}: events without length (onset = offset), left out: 1" for what in ("reference", "predictions")
    ]


@pytest.mark.parametrize(
    ("changes", "notes"),
    [
        (
            {"predictions": HEADER + "a.wav\t1000\t3000\tDog\n"},
            [
                r"predictions: 1 of 1 events begin after the end of their clip \(in a.wav at 1000 s of 10 s\); times are in seconds, not milliseconds"
            ],
        ),
        (
            {"reference": REFERENCE + "a.wav\t1000\t3000\tDog\nb.wav\t11\t12\tDog\n"},
            [r"reference: 2 of 4 events begin after the end of their clip \(in a.wav at 1000 s of 10 s\)"],
        ),
        (
            {"reference": REFERENCE + "a.wav\t9\t10.3\tDog\n"},
            [r"reference: 1 of 3 events end more than 0.2 s after their clip \(in a.wav at 10.3 s\)"],
        ),
        ({"reference": REFERENCE + "a.wav\t9\t10.1\tDog\n"}, []),
        (
            {"psds": "scores", "scores": {"frame_s": 100.0}},
            [r"scores cover 1000 s \(10 frames of 100 s\), the longest clip lasts 10 s"],
        ),
        ({"psds": "scores", "scores": {"frame_s": 0.001}}, ["scores cover 0.01 s"]),
        (
            {"durations": DURATIONS.replace("c.wav\t10.0", "c.wav\t3.5")},
            [r"predictions: 1 of 2 events begin after .* \(in c.wav at 4 s of 3.5 s\)"],
        ),
        (
            {"durations": "filename\tduration\na.wav\t10.0\nb.wav\t2.0\nc.wav\t10.0\n"},
            [r"reference: 1 of 2 events end more .* \(in b.wav at 3 s\)"],
        ),
    ],
)
def test_times_that_other_files_contradict_are_noted(files, changes, notes):
    result = evaluate(**files(**changes))
    assert len(result["notes"]) == len(notes)
    for note, found in zip(notes, result["notes"]):
        assert re.search(note, found) and f"note: {found}" in report(result)


def test_names_that_differ_in_unicode_normalisation_are_one_clip(files):
    composed, apart = (unicodedata.normalize(form, "k\u00fcche.wav") for form in ("NFC", "NFD"))
    assert composed != apart
    named = {
        name: text.replace("a.wav", apart)
        for name, text in {"predictions": PREDICTIONS, "operating_points": POINTS, "durations": DURATIONS}.items()
    }
    filenames = np.array([apart, "b.wav", "c.wav"])
    for psds in ("operating_points", "scores"):
        result = evaluate(
            **files(psds, scores={"filenames": filenames}, reference=REFERENCE.replace("a.wav", composed), **named)
        )
        assert result == evaluate(**files(psds))
    with pytest.raises(
        SedError, match=r"'\\u1e8d.wav' against 'a.wav'"
    ):  # a name that looks like another is shown by its codes
        evaluate(**files(predictions=HEADER + "x\u0308.wav\t1\t2\tDog\n"))


def test_columns_do_not_touch(files):
    text = report(evaluate(**files(predictions=REFERENCE)))
    assert re.search(r"macro +100.00 \[100.0, 100.0\] +100.00 \[100.0, 100.0\] +", text)


def test_classes_without_reference_events_are_left_out_of_every_mean(files, recwarn):
    result = evaluate(**files(reference=REFERENCE.replace("Cat", "Dog")))
    assert result["event_f1"]["macro"] == result["event_f1"]["per_class"]["Dog"]["f1"] and result["psds"][
        "per_class"
    ].keys() == {"Dog"}
    assert result["psds"]["value"] == result["psds"]["per_class"]["Dog"] and not [
        w for w in recwarn if w.category is RuntimeWarning
    ]


def test_the_development_set_of_2020_with_its_overlaps(shared, tmp_path):
    """12 pairs of events of one class overlap; a system that predicts their unions is perfect."""
    path = shared / "desed" / "metadata" / "validation.tsv"
    reference = tables.read_events(path)
    merged, count = merge_overlaps(reference)
    assert count == 12
    tables.write(merged, tmp_path / "merged.tsv")
    result = evaluate(path, tmp_path / "merged.tsv", operating_points={0.5: merged})
    assert (
        result["psds"]["value"] == 1
        and result["psds"]["merged"] == {"reference": 12, "predictions": 0}
        and result["notes"] == []
    )
    assert "merged: 12 in the reference." in report(result)
    assert result["events"] == {
        "reference": len(tables.events(reference)),
        "predictions": len(tables.events(reference)) - 12,
    }
    same = evaluate(path, path, operating_points={0.5: reference})
    assert same["event_f1"]["macro"] == same["psds"]["value"] == 1 and same["psds"]["merged"] == {
        "reference": 12,
        "predictions": 12,
    }


@pytest.mark.parametrize("damage", [lambda data: b"", lambda data: b"text", lambda data: data[: len(data) // 2]])
def test_damaged_scores(files, damage):
    paths = files(psds="scores")
    paths["scores"].write_bytes(damage(paths["scores"].read_bytes()))
    assert "scores.npz" in evaluate(**paths)["psds"]["error"]


def test_published_scores_of_a_real_system(real):
    result = evaluate(real / "validation.tsv", real / "teacher" / "predictions_at_0.5.tsv")
    for kind, name in (("event_f1", "published_event_f1.txt"), ("segment_f1", "published_segment_f1.txt")):
        text = (real / "teacher" / name).read_text()
        micro, macro = re.findall(r"\(F1\) +: ([\d.]+) %", text)
        assert [f"{100 * result[kind]['micro']:.2f}", f"{100 * result[kind]['macro']:.2f}"] == [micro, macro]
        percent, rate = r"([\d.]+)% +", r"([\d.]+) +"
        rows = re.findall(r"(\w+)[. ]+\| (\d+) +(\d+) +\| " + 3 * percent + r"\| " + 3 * rate, text)
        assert len(rows) == 10
        for label, n_ref, n_sys, f1, precision, recall, error, deleted, inserted in rows:
            ours = next(row for name, row in result[kind]["per_class"].items() if name.startswith(label))
            assert (ours["n_ref"], ours["n_sys"]) == (int(n_ref), int(n_sys))
            assert [f"{100 * ours[key]:.1f}" for key in ("f1", "precision", "recall")] == [f1, precision, recall]
            missed, false = ours["n_ref"] - ours["n_hit"], ours["n_sys"] - ours["n_hit"]
            rates = [f"{count / ours['n_ref']:.2f}" for count in (missed + false, missed, false)]
            assert rates == [error, deleted, inserted]
    assert re.search(r"macro +42\.14 .* 71\.57 ", report(result))


def test_psds_of_a_real_system(real):
    arguments = dict(
        reference=real / "validation.tsv",
        predictions=real / "teacher" / "predictions_at_0.5.tsv",
        durations=real / "validation_durations.tsv",
    )
    points = evaluate(**arguments, operating_points=real / "teacher" / "operating_points.tsv.gz")["psds"]
    scores = evaluate(**arguments, scores=real / "teacher" / "scores.npz")["psds"]
    # Each score is the highest threshold at which its frame is in an event; those above a threshold are one threshold
    # less.
    assert points["value"] - 2e-4 < scores["value"] <= points["value"]
    assert 0.5 < points["value"] < 0.8
    assert points["per_class"] == pytest.approx(scores["per_class"], abs=1e-3)
