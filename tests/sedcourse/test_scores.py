"""What lesson 00 says of both scores follows from their definitions."""

import numpy as np
import pandas as pd
import pytest

from sedcourse import scores
from sedlib.data import tables
from sedlib.metrics import psds_from_operating_points


@pytest.mark.parametrize(
    "case, f1, psds",
    [  # found, false alarms; by hand: the dog sounds from 2 to 4 s
        ("exact", (1, 0), (1, 0)),
        ("0.4 s late", (0, 1), (1, 0)),  # onset beyond 200 ms; 1.6 of 2 s overlap
        ("too long", (0, 1), (1, 0)),  # 2 of 3.5 s are a dog
        ("far too long", (0, 1), (0, 1)),  # 2 of 5 s
        ("too short", (0, 1), (0, 0)),  # valid, but 0.8 of 2 s
        ("in two pieces", (0, 2), (1, 0)),  # both valid, together 1.6 of 2 s
        ("another class", (0, 1), (0, 1)),
    ],
)
def test_cases_are_judged_as_the_definitions_say(case, f1, psds):
    found = scores.judged(scores.CASES[case])
    assert (found["f1_found"], found["f1_wrong"]) == f1
    assert (found["psds_found"], found["psds_wrong"]) == psds


REFERENCE = pd.DataFrame(
    [("a.wav", 1.0, 1.8, "Dog"), ("a.wav", 2.0, 8.0, "Frying"), ("b.wav", 0.5, 1.0, "Dog")],
    columns=tables.EVENT_COLUMNS,
)


def test_f1_breaks_off_and_psds_fades():
    delays = (0.0, 0.19, 0.21, 0.3)
    found = [scores.late(REFERENCE, delay) for delay in delays]
    assert [of["event F1"] for of in found] == [1, 1, 0, 0]
    # At 0.3 s the dog of 0.5 s is lost, and its false alarm in 20 s is 180 per hour, beyond the 100 that count: dogs have 0.
    assert [of["PSDS"] for of in found] == [1, 1, 1, 0.5]


def test_the_marked_point_is_that_of_its_threshold():
    points = scores.made_up(REFERENCE, 0)
    counts = [len(points[at]) for at in scores.THRESHOLDS]
    assert counts == sorted(counts, reverse=True) and counts[0] > counts[-1]
    whole = psds_from_operating_points(REFERENCE, points.values())
    figure, words = scores.draw_curve(REFERENCE, points, whole, 0.05)
    (x,), (y,) = (values for values in figure.axes[0].lines[-1].get_data())
    rate = float(words.split(" false alarms per hour, event")[0].split()[-1])
    assert (
        x == pytest.approx(min(rate, 100), abs=0.6) and f"{y:.0%} found" in words and f"PSDS {whole.value:.2f}" in words
    )
    assert 0 <= y <= np.max(whole.roc[1]) + 1e-9


def test_pictures_say_what_they_show():
    _, words = scores.draw_cases()
    assert "in two pieces: F1: missed + 2 false alarms; PSDS: found" in words
    _, words = scores.draw_late(REFERENCE, REFERENCE[:2], 0.3)
    assert "300 ms late: macro F1 0%, PSDS 0.50" in words


def test_the_papers_tables_are_its_rows():
    table = scores.ablation().set_index("system")
    assert table.loc["+DAT+Augm", "over the baseline"] == "+6.1" and table.loc["Baseline", "F1 (%)"] == 34.8
    others = scores.other_tables()
    assert set(others["table"]) == {1, 3} and others["development F1 (%)"].notna().all()
