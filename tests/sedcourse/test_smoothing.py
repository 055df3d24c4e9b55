"""Lesson 06: what smoothing mended, the authors' numbers, and sentences that follow from gains."""

import numpy as np
import pandas as pd
import pytest

from sedcourse import smoothing
from sedlib.data.tables import CLASSES

COLUMNS = ["filename", "onset", "offset", "event_label"]


def events(*rows):
    return pd.DataFrame([("a.wav", *row) for row in rows], columns=COLUMNS)


BEFORE = events((1.0, 2.0, "Dog"), (2.5, 3.0, "Dog"), (4.0, 5.0, "Dog"), (1.0, 9.0, "Frying"), (7.0, 7.5, "Dog"))


def test_the_longest_gap_that_was_closed_inside_one_event():
    after, truth = events((1.0, 5.0, "Dog")), events((0.5, 5.5, "Dog"))
    gap = smoothing.bridged_gap(BEFORE, after, truth)
    assert (gap["event_label"], gap["onset"], gap["offset"]) == ("Dog", 3.0, 4.0)


@pytest.mark.parametrize(
    "after, truth",
    [
        (events((1.0, 3.0, "Dog")), events((0.5, 5.5, "Dog"))),  # the longer one stays open
        (events((1.0, 5.0, "Dog")), events((0.5, 3.2, "Dog"), (3.8, 5.5, "Dog"))),  # the reference has it too
        (events((1.0, 5.0, "Dog")), events((0.5, 3.5, "Dog"))),
    ],
)
def test_other_gaps_do_not_count(after, truth):
    gap = smoothing.bridged_gap(BEFORE, after, truth)
    assert (gap["onset"], gap["offset"]) == (2.0, 2.5)


def test_nothing_mended_is_none():
    assert smoothing.bridged_gap(BEFORE, BEFORE, BEFORE) is None
    assert smoothing.removed_blip(BEFORE, BEFORE, BEFORE) is None


def test_the_longest_blip_that_was_removed_and_is_none_of_the_truth():
    after, truth = events((1.0, 5.0, "Dog")), events((2.0, 6.0, "Dog"))
    blip = smoothing.removed_blip(BEFORE, after, truth)
    assert (blip["event_label"], blip["onset"], blip["offset"]) == ("Dog", 7.0, 7.5)  # Frying is too long for one
    assert smoothing.removed_blip(BEFORE, after, events((7.4, 8.0, "Dog"))) is None


def test_what_is_heard_is_the_place_and_a_second_around_it():
    waveform = np.arange(160_000)
    span = pd.Series({"onset": 9.0, "offset": 9.5})
    (_, alone), (_, around) = smoothing.around(waveform, span, 10.0)
    assert (alone[0], len(alone)) == (144_000, 8_000)
    assert (around[0], len(around)) == (128_000, 32_000)  # the clip ends


def test_the_authors_numbers():
    table = smoothing.authors().set_index("class")
    assert tuple(table.index) == CLASSES and (table["p_silence"] == 0.894).all()
    assert table["p_event"].idxmax() == "Dishes" and table["p_event"].idxmin() == "Alarm_bell_ringing"


def test_the_silence_that_suits_each_class():
    f1 = np.zeros((10, 3, 2))
    f1[:, 1, 0] = 0.5
    f1[CLASSES.index("Frying"), 2, 1] = 0.9
    best = smoothing.bests(np.array([0.1, 0.5, 0.9]), f1)
    assert "Frying 0.9" in best["sounds that last"] and "Blender 0.5" in best["sounds that last"]
    assert best["others"] == "Alarm_bell_ringing 0.5, Cat 0.5, Dishes 0.5, Dog 0.5, Speech 0.5"


def system(**other):
    searches = ("forest", "exact", "robust", "median-robust", "hsmm-robust", "boxes-robust")
    return {
        "searches": {name: {"tuned": [4.0], "other": [other.get(name.replace("-", "_"), 1.0)]} for name in searches}
    }


def test_sentences_follow_the_gains():
    known = {"systems": {"real": system(robust=4.0, median_robust=2.0, hsmm_robust=4.5, boxes_robust=6.0)}}
    (said,) = smoothing.of_rivals(known)
    assert said.startswith("real: a median filter for each class gives 50 % of the HMM's +4.0 points")
    assert "durations change it by +0.5, boxes by +2.0; the best is boxes." in said
    assert (
        smoothing.of_searches(known)[0]
        == "real: forest gains +4.0 points where it was tuned and +1.0 elsewhere, 25 % of it."
    )
    (said,) = smoothing.of_rivals({"systems": {"other": system(robust=9.0)}})
    assert "11 %" in said and said.endswith("the best is HMM.")


def test_lasting_sounds_and_shorter_ones_are_averaged_apart():
    gains = pd.DataFrame({"class": ["Dog", "Cat", "Frying"], "seconds": [0.5, 1.0, 9.0], "HMM": [1.0, 2.0, 9.0]})
    table = smoothing.by_length(gains).set_index("sounds that")
    assert table.loc["are shorter", "HMM"] == 1.5 and table.loc["last (median 4 s or more)", "HMM"] == 9.0


@pytest.mark.parametrize("unseen, verdict", [("31.9", "at least two in all"), ("30.1", "not in all")])
def test_two_points_are_asked_of_every_way_to_count(unseen, verdict):
    row = {"table": 2, "row": "+HMM", "median, dev": "29.0", "HMM, dev": "35.0", "HMM, unseen": unseen}
    row |= {"median, eval": "", "HMM, eval": ""}
    said = smoothing.two_points(pd.DataFrame([row]))[-1]
    assert said.endswith(f"{verdict}.") and "evaluation" not in said and "+6.0 as the paper counts" in said
