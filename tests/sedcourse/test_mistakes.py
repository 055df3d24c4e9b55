"""Lesson 04: kinds of errors, and the worst of each."""

import numpy as np
import pandas as pd
import pytest

from sedcourse import mistakes
from sedlib.data.tables import CLASSES
from sedlib.decode import Posteriors

COLUMNS = ["filename", "onset", "offset", "event_label"]
TRUTH = pd.DataFrame(
    [("a.wav", 1.0, 2.0, "Dog"), ("a.wav", 3.0, 8.0, "Frying"), ("b.wav", 1.0, 2.0, "Cat")], columns=COLUMNS
)
SAID = pd.DataFrame(
    [
        ("a.wav", 1.1, 2.1, "Dog"),
        ("a.wav", 3.0, 4.0, "Frying"),
        ("a.wav", 5.0, 6.0, "Frying"),
        ("a.wav", 1.0, 2.0, "Cat"),  # in the other clip it would be right
        ("b.wav", 8.0, 9.0, "Cat"),
    ],
    columns=COLUMNS,
)


def posteriors():
    scores = np.zeros((2, 100, 10), np.float32)
    scores[0, 10:20, CLASSES.index("Cat")] = 0.6
    scores[1, 80:90, CLASSES.index("Cat")] = 0.9
    return Posteriors(scores, ["a.wav", "b.wav"], CLASSES, 0.1)


def test_kinds_by_hand():
    truth, said = mistakes.kinds(TRUTH, SAID)
    assert list(truth["kind"]) == ["correct", "boundary", "missed"]
    assert list(said["kind"]) == ["correct", "boundary", "boundary", "false alarm", "false alarm"]
    assert list(truth["pieces"]) == [1, 2, 0]


@pytest.mark.parametrize("late, kind", [(0.99, "correct"), (1.01, "boundary")])
def test_the_collar_of_an_offset_is_a_fifth_of_a_long_event(late, kind):
    truth, _ = mistakes.kinds(TRUTH[1:2], TRUTH[1:2].assign(offset=8.0 + late))
    assert list(truth["kind"]) == [kind]


def test_counts_have_all_classes_and_kinds():
    counts = mistakes.by_class(*mistakes.kinds(TRUTH, SAID))
    assert counts["reference events"].loc["Frying"].to_dict() == {"correct": 0, "boundary": 1, "missed": 0}
    assert counts["predicted events"].loc["Cat", "false alarm"] == 2
    assert all(list(table.index) == list(CLASSES) for table in counts.values())


def test_the_worst_of_each_kind():
    truth, said = mistakes.kinds(TRUTH, SAID)
    worst = mistakes.worst(truth, said, posteriors())
    assert worst["False alarm"]["filename"] == "b.wav"  # the surer one
    assert worst["Miss"]["event_label"] == "Cat" and worst["Boundary error"]["pieces"] == 2
    assert "Miss" not in mistakes.worst(*mistakes.kinds(TRUTH[:1], SAID), posteriors())


def test_an_error_is_pointed_out_in_its_clip():
    truth, said = mistakes.kinds(TRUTH, SAID)
    event = mistakes.worst(truth, said, posteriors())["Boundary error"]
    title, (figure, words) = mistakes.drawn("Boundary error", event, np.zeros((64, 50)), 0.2, posteriors(), truth, said)
    assert title == "Boundary error: Frying, 3.0 to 8.0 s"
    assert "Reference: Dog 1.0 to 2.0 s; Frying 3.0 to 8.0 s." in words and "b.wav" not in words
