import gzip
import json
import re

import numpy as np
import pytest

from sedlib.data import tables
from sedlib.errors import SedError
from sedlib.metrics import evaluate, report

HEADER = "filename\tonset\toffset\tevent_label\n"
REFERENCE = HEADER + "a.wav\t1.0\t3.0\tDog\nb.wav\t1.0\t3.0\tCat\nc.wav\t\t\t\n"
PREDICTIONS = HEADER + "a.wav\t1.1\t3.1\tDog\nc.wav\t4.0\t6.0\tDog\n"
POINTS = ("threshold\tfilename\tonset\toffset\tevent_label\n"
          "0.5\ta.wav\t1.1\t3.1\tDog\n0.2\tb.wav\t1.0\t3.0\tCat\n0.2\ta.wav\t1.0\t3.0\tDog\n")
DURATIONS = "filename\tduration\na.wav\t10.0\nb.wav\t10.0\nc.wav\t10.0\nd.wav\t10.0\n"


@pytest.fixture
def files(tmp_path):
    """Writes the four tables, changed as asked, and a file of scores; gives the arguments of `evaluate`."""
    def write(psds="operating_points", scores=None, **changes):
        contents = {"reference": REFERENCE, "predictions": PREDICTIONS, "durations": DURATIONS,
                    "operating_points": POINTS, **changes}
        paths = {name: tmp_path / f"{name}.tsv" for name in contents}
        for name, content in contents.items():
            paths[name].write_bytes(content if isinstance(content, bytes) else content.encode())
        arrays = dict(scores=np.zeros((3, 10, 10), np.uint8), filenames=np.array(["a.wav", "b.wav", "c.wav"]),
                      classes=np.array(tables.CLASSES), frame_s=1.0)
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
    assert result["clips"] == {"evaluated": 3, "without_events": 1, "without_predictions": 1, "unknown": []}
    assert result["events"] == {"reference": 2, "predictions": 2}
    event, segment = result["event_f1"], result["segment_f1"]
    assert event["per_class"]["Dog"] == {
        "f1": pytest.approx(2 / 3), "precision": 0.5, "recall": 1, "n_hit": 1, "n_sys": 2, "n_ref": 1}
    assert event["per_class"]["Cat"]["f1"] == 0 and event["per_class"]["Speech"]["f1"] is None
    assert (event["macro"], event["micro"]) == (pytest.approx(1 / 3), 0.5)
    assert event["ci95"][0] <= event["macro"] <= event["ci95"][1]
    assert segment["per_class"]["Dog"]["n_sys"] == 5 and segment["per_class"]["Cat"]["f1"] is None
    assert segment["macro"] == pytest.approx(2 * 0.4 * 1 / 1.4)
    assert result["psds"]["value"] == 1 and result["psds"]["per_class"] == {"Cat": 1, "Dog": 1}


def test_psds_is_optional_and_may_come_from_scores(files):
    assert "psds" not in evaluate(**files(psds=None))
    psds = evaluate(**files(psds="scores"), max_efpr=50.0)["psds"]
    assert psds["value"] == 1 and psds["max_efpr"] == 50 and "every threshold" in psds["method"]
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
    with pytest.raises(SedError, match="points.tsv.gz: cannot be read"):
        evaluate(**{**paths, "operating_points": compressed})


def test_assumed_durations_are_said(files):
    paths = files()
    assert evaluate(**paths)["psds"]["durations"] == str(paths["durations"])
    del paths["durations"]
    assert "assumed, 10 s" in evaluate(**paths)["psds"]["durations"]


def test_predictions_in_unknown_clips_are_reported(files):
    paths = files(predictions=PREDICTIONS + "x.wav\t1.0\t2.0\tDog\n",
                  operating_points=POINTS + "0.2\ty.wav\t1.0\t2.0\tDog\n")
    result, expected = evaluate(**paths), evaluate(**files())
    assert result["clips"].pop("unknown") == ["x.wav", "y.wav"] and expected["clips"].pop("unknown") == []
    assert result == expected
    result["clips"]["unknown"] = ["x.wav", "y.wav"]
    assert "2 clips that the reference does not have, for example x.wav" in report(result)


def test_no_predictions_score_zero(files):
    result = evaluate(**files(predictions=HEADER))
    assert result["event_f1"]["macro"] == 0 and result["event_f1"]["micro"] == 0
    assert result["segment_f1"]["macro"] is None  # sed_eval leaves such classes out
    assert re.search(r"macro +0.00 \[0.0, 0.0\] +- ", report(result))


@pytest.mark.parametrize(("changes", "message"), [
    ({"reference": HEADER + "a.wav\t\t\t\n"}, "reference.tsv: no events"),
    ({"reference": HEADER.replace("onset", "start") + "a.wav\t1\t2\tDog\n"}, "reference.tsv: columns are"),
    ({"predictions": HEADER + "a.wav\t1\t2\tDogs\n"}, "predictions.tsv, line 2: label 'Dogs'"),
    ({"predictions": HEADER + "a\t1\t2\tDog\n"}, "none of the 1 clips is in the reference .*'a' against 'a.wav'"),
    ({"operating_points": HEADER}, "operating_points.tsv: columns are"),
    ({"operating_points": POINTS + "low\ta.wav\t1\t2\tDog\n"}, "line 5: threshold 'low' is not a number"),
    ({"operating_points": POINTS + "0.1\ta.wav\t-1\t2\tDog\n"}, "line 5: onset '-1' is not a number, 0 or more"),
    ({"operating_points": POINTS + "0.1\ta.wav\t3\t2\tDog\n"}, "line 5: offset 2 lies before onset 3"),
    ({"operating_points": POINTS + "0.1\ta.wav\t1\t2\tdog\n"}, "line 5: label 'dog' .*'Dog'"),
    ({"operating_points": POINTS.splitlines()[0] + "\n"}, "no operating points"),
    ({"operating_points": b"\x1f\x8b\xff\xfe"}, "operating_points.tsv: not a tab separated"),
    ({"durations": "filename\tseconds\na.wav\t10\n"}, "durations.tsv: columns are"),
    ({"durations": "filename\tduration\na.wav\tlong\n"}, "durations.tsv, line 2: duration 'long' is not a number"),
    ({"durations": "filename\tduration\na.wav\t0\n"}, "durations.tsv: 'a.wav' lasts 0 s"),
    ({"durations": DURATIONS + "a.wav\t9.0\n"}, "durations.tsv: 'a.wav' lasts 9 s; each clip needs one length"),
    ({"durations": "filename\tduration\na.wav\t10\n"}, "2 of the reference's 3 clips have none, for example 'b.wav'"),
    ({"psds": "scores", "scores": {"frame_s": None}}, "scores.npz: .*frame_s"),
    ({"psds": "scores", "scores": {"scores": np.zeros((3, 10))}}, r"shape \(3, 10\)"),
    ({"psds": "scores", "scores": {"scores": np.zeros((3, 10, 9))}}, r"shape \(3, 10, 9\)"),
    ({"psds": "scores", "scores": {"classes": np.array(["Dogs", *tables.CLASSES[1:]])}}, "scores.npz: label 'Dogs'"),
    ({"psds": "scores", "scores": {"filenames": np.array(["a.wav", "b.wav", "d.wav"])}},
     "1 clips are not in the reference, for example 'd.wav'"),
])
def test_bad_files(files, changes, message):
    with pytest.raises(SedError, match=message):
        evaluate(**files(**changes))


def test_points_and_scores_together_are_refused(files, tmp_path):
    with pytest.raises(SedError, match="not both"):
        evaluate(**files(), scores=tmp_path / "scores.npz")


def test_missing_files(files, tmp_path):
    for name in ("reference", "predictions", "operating_points", "durations"):
        with pytest.raises(SedError, match="nowhere.tsv: no such file"):
            evaluate(**{**files(), name: tmp_path / "nowhere.tsv"})


@pytest.mark.parametrize("damage", [lambda data: b"", lambda data: b"text", lambda data: data[:len(data) // 2]])
def test_damaged_scores(files, damage):
    paths = files(psds="scores")
    paths["scores"].write_bytes(damage(paths["scores"].read_bytes()))
    with pytest.raises(SedError, match="scores.npz"):
        evaluate(**paths)


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
    arguments = dict(reference=real / "validation.tsv", predictions=real / "teacher" / "predictions_at_0.5.tsv",
                     durations=real / "validation_durations.tsv")
    points = evaluate(**arguments, operating_points=real / "teacher" / "operating_points.tsv.gz")["psds"]
    scores = evaluate(**arguments, scores=real / "teacher" / "scores.npz")["psds"]
    assert points["value"] == pytest.approx(scores["value"], abs=1e-6)  # the scores were rebuilt from these thresholds
    assert 0.5 < points["value"] < 0.8
    assert points["per_class"] == pytest.approx(scores["per_class"], abs=1e-6)
