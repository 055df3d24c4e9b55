"""What lesson 05 draws and says of the gap, of curves and of the published study."""

import numpy as np
import pandas as pd
import pytest

from minidesed import domains
from reproduction import ledger
from reproduction.studies import doses, schedule
from sedcourse import adaptation
from sedcourse.microphone import Interval
from sedlib.data import layout, tables
from sedlib.files import write_json


def test_the_staircase_takes_every_ingredient_away_once():
    taken = [name for step in adaptation.STEPS for name in step]
    assert sorted(taken) == sorted(domains.INGREDIENTS)


def test_the_staircase_says_mean_and_interval():
    found = pd.DataFrame({"step": ["real domain"] * 3 + ["minus all"] * 3, "auc": [0.8, 0.9, 1.0, 0.5, 0.5, 0.5]})
    figure, words = adaptation.draw_staircase(found)
    assert "real domain 0.90 (0.65 to 1.00)" in words and "minus all 0.50 (0.50 to 0.50)" in words
    assert figure.axes[0].get_xlabel()


CURVE = pd.DataFrame({"step": [1000, 2000, 3000], "synthetic": [0.4, 0.6, 0.5], "real": [0.1, 0.2, 0.3]})


def test_what_synthetic_clips_choose():
    assert adaptation.chosen(CURVE) == (
        "synthetic clips choose step 2000, with 20.0 % on real clips; the best there, 30.0 %, is step 3000: "
        "the choice costs 10.0 points"
    )
    figure, words = adaptation.draw_curves({"dat": CURVE, "baseline": CURVE})
    assert len(figure.axes) == 2 and words.startswith("dat: synthetic clips choose step 2000")


def test_curves_are_those_of_the_study(tmp_path, monkeypatch):
    line = {"seed": 0, "step": 1000, "teacher": {"median_f1": 0.3, "psds": 0.5}, "validation_f1": 0.6}
    lines = [{**line, "variant": name} for name in ("dat", "rate_0.005", "rate_0.0025")]
    lines.append({**line, "variant": "dat", "seed": 1, "step": 2000})
    write_json(tmp_path / "schedule.json", {"measured_by": "0.2.0", "curves": lines})
    monkeypatch.setattr(schedule, "PUBLISHED", tmp_path / "schedule.json")
    found = adaptation.curves()
    assert found.keys() == {"dat", "baseline"}
    assert found["dat"].to_dict("list") == {"step": [1000], "synthetic": [0.6], "real": [0.3]}


def test_the_published_study_in_a_sentence(monkeypatch):
    claim = {"claimed": 3.6, "here": 1.0, "low": 0.5, "high": 1.5, "score": "dev_f1", "verdict": "holds"}
    against = {
        "says": "DAT+HMM has the higher PSDS",
        "score": "dev_psds",
        "verdict": "does not hold: the opposite here",
    }
    claim |= {"section": "4.2", "why": ""}
    claims = [
        {**claim, "says": "DAT is better", "first": "2 +DAT+Augm", "second": "2 +Augm"},
        {**claim, **against, "first": "3 DAT+HMM", "second": "3 PPCEN+HMM"},
        {**claim, "says": "with DAT", "here": None, "first": "2 +DAT+Augm", "second": "2 Baseline"},
        {**claim, "says": "PCEN", "first": "1 Fixed PCEN 1", "second": "1 Log-Mel"},
    ]
    monkeypatch.setattr(ledger, "load", lambda: ({"claims": claims}, "somewhere"))
    source, rows = adaptation.verdicts()
    assert source == "somewhere" and list(rows["the paper says"]) == ["DAT is better", "DAT+HMM has the higher PSDS"]
    assert list(rows["here"]) == ["+1.0 (+0.5 to +1.5)", "+1.000 (+0.500 to +1.500)"]
    assert list(rows["paper"]) == ["+3.6", "+3.600"]
    assert adaptation.in_a_sentence(rows) == "2 sentences about DAT: 1 confirmed, 1 contradicted, 0 open."
    assert adaptation.detector() == {"the detector (F1)": Interval(1.0, 0.5, 1.5)}
    without_numbers = {**claims[0], "claimed": None}  # the paper says it and gives no F1 of the two systems
    monkeypatch.setattr(ledger, "load", lambda: ({"claims": [without_numbers]}, "somewhere"))
    assert list(adaptation.verdicts()[1]["paper"]) == [""]
    reversal = {**claims[0], "says": "two updates are better than reversal", "first": "dat", "second": "dat_reversal"}
    monkeypatch.setattr(ledger, "load", lambda: ({"claims": [reversal]}, "somewhere"))
    assert len(adaptation.verdicts()[1]) == 1
    monkeypatch.setattr(ledger, "load", lambda: ({"claims": claims[1:]}, "somewhere"))
    assert adaptation.detector() == {}
    monkeypatch.setattr(ledger, "load", lambda: ({"claims": claims[3:]}, "somewhere"))
    assert adaptation.in_a_sentence(adaptation.verdicts()[1]) == "This study has no row with DAT."


def test_the_ladder_has_a_row_for_each_rung():
    rungs = {"one": Interval(20.0, 15.0, 25.0), "detector": Interval(-1.0, -np.inf, np.inf)}
    rungs |= {str(rung): Interval(1.0, 0.0, 2.0) for rung in range(7)}
    figure, words = adaptation.draw_ladder(rungs)
    assert [label.get_text() for label in figure.axes[0].get_yticklabels()] == list(rungs)
    assert len(figure.axes[0].containers) == len(rungs)
    assert "one: +20.0 points (+15.0 to +25.0)" in words


def test_the_whole_channel_is_what_known_answers_publish():
    won = adaptation.channel()
    assert won.low < won.value < won.high and won.value == pytest.approx(13.4, abs=3)


def test_versions_are_one_clip():
    found = adaptation.versions(0)
    assert list(found) == ["dry and clean", "with rooms", "with codecs", "with all"]
    assert len({clip.tobytes() for clip in found.values()}) == 4 and {len(clip) for clip in found.values()} == {160000}


def test_seconds_of_classes_are_means_over_clips(tiny):
    table = adaptation.lasting(tiny).set_index("class")
    for name, subset in (("synthetic", "synthetic"), ("real", "validation")):
        part = layout.load(tiny, subset)
        events = tables.events(part.table).query("event_label == 'Speech'")
        mean = (events["offset"] - events["onset"]).sum() / len(part.filenames)
        assert float(table.loc["Speech", f"{name} (s)"]) == pytest.approx(mean, abs=0.006)


def test_when_dat_is_of_use_is_what_the_doses_say(monkeypatch):
    systems = {"dat": {"dev": [0.31, 0.33]}, "baseline": {"dev": [0.3, 0.3]}}
    of_dose = {"of": ["dat", "baseline"], "systems": systems, "difference": {"value": 0.02, "low": -0.01, "high": 0.05}}
    measured = {"from": "somewhere", "doses": {"recording": of_dose, "everything": of_dose}}
    monkeypatch.setattr(doses, "load", lambda name: measured if name == "teacher" else None)
    sources, table = adaptation.when_of_use()
    assert sources == ["weak labels and a teacher too: somewhere"]
    first = ["weak labels and a teacher too", "recording", "30.0 ± 0.0", "32.0 ± 1.4", "+2.0 (-1.0 to +5.0)"]
    assert table.to_numpy().tolist() == [first, [first[0], "everything", *first[2:]]]
