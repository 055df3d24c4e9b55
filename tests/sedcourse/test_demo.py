"""The small experiments of lessons 02 and 03: what they are made of is right, and each shows its effect."""

import numpy as np
import pandas as pd
import pytest
import torch
from scipy import stats

from sedcourse import augmented, demo, frontends
from sedlib import augment
from sedlib.config import RATE
from sedlib.data.tables import CLASSES


def test_intervals_are_students():
    values = [1.0, 2.0, 4.0, 8.0]
    mean, low, high = demo.interval(values)
    expected = stats.t.interval(0.95, 3, loc=np.mean(values), scale=stats.sem(values))
    assert mean == 3.75 and (low, high) == pytest.approx(expected)
    assert demo.interval([5.0])[0] == 5.0 and np.isnan(demo.interval([5.0])[1:]).all()


def test_a_lead_is_paired_by_seed():
    table = demo.over_seeds(
        lambda seed: [{"kind": "a", "value": 10.0 * seed + 1}, {"kind": "b", "value": 10.0 * seed}], range(3), False
    )
    assert demo.lead(table, "value", {"kind": "a"}, {"kind": "b"}) == "+1.0 points (+1.0 to +1.0)"
    means = demo.intervals(table, "value", ["kind"])
    assert means["kind"].tolist() == ["a", "b"] and means["mean"].tolist() == [11.0, 10.0]


def test_curves_say_where_each_line_begins_and_ends():
    rows = [{"at": at, "kind": kind, "value": at * k} for at in (1, 2) for k, kind in ((1, "a"), (3, "b"))]
    fig, words = demo.curves(
        demo.over_seeds(lambda seed: rows, range(2), False), "at", "value", "kind", xlabel="x", ylabel="y"
    )
    assert "a: 1 to 2; b: 3 to 6" in words
    assert [line.get_ydata().tolist() for line in fig.axes[0].lines] == [[1, 2], [3, 6]]


def test_intervals_of_shares_are_drawn_as_far_as_shares_can_be():
    table = demo.over_seeds(lambda seed: [{"at": 1, "kind": "a", "value": 90.0 * seed}], range(2), False)
    assert demo.intervals(table, "value", ["kind"])["high"].item() > 100
    for ylabel, beyond in (("right answers (%)", False), ("level (dB)", True)):
        fig, _ = demo.curves(table, "at", "value", "kind", xlabel="x", ylabel=ylabel)
        drawn = fig.axes[0].collections[0].get_paths()[0].vertices[:, 1]
        assert (drawn.min() < 0, drawn.max() > 100) == (beyond, beyond)


def test_sounds_begin_when_they_should_and_are_equally_loud():
    clips, labels = demo.sounds(2, 0)
    assert clips.shape == (20, 2 * RATE) and labels.tolist() == 2 * list(range(10))
    for clip in clips:
        sounding = np.flatnonzero(clip)
        assert abs(sounding[0] - RATE // 2) < RATE // 50
        assert np.sqrt((clip[sounding[0] : sounding[-1] + 1] ** 2).mean()) == pytest.approx(0.1, rel=0.02)
    assert np.array_equal(demo.sounds(2, 0)[0], clips) and not np.array_equal(demo.sounds(2, 1)[0], clips)


def test_the_classifier_learns_and_does_not_care_for_scale():
    rng = np.random.default_rng(0)
    labels = np.arange(300) % 3
    x = rng.normal(size=(300, 5)) + 4 * labels[:, None] * np.array([1, 0, -1, 0, 0])
    assert demo.Classifier(x, labels).accuracy(x, labels) > 95
    assert demo.Classifier(1000 * x + 7, labels).accuracy(1000 * x + 7, labels) == demo.Classifier(x, labels).accuracy(
        x, labels
    )
    assert demo.Classifier(x, rng.permutation(labels)).accuracy(x, labels) < 60


def test_noise_has_its_snr_and_a_low_pass_its_cut_off():
    x, rng = demo.sounds(1, 0)[0], np.random.default_rng(0)
    noise = augmented.degraded("noise", x, 10, rng) - x
    assert 10 * np.log10((x**2).sum(1) / (noise**2).sum(1)) == pytest.approx(10, abs=0.01)
    white = rng.standard_normal((2, 2 * RATE), dtype=np.float32)
    low = augmented.degraded("low-pass", white, 1000, rng)
    fallen = [augmented.level_at(torch.from_numpy(w[0]), 2000) for w in (white, low)]
    assert fallen[0] - fallen[1] == pytest.approx(10 * np.log10(17), abs=0.8)


def test_a_room_rings_and_moves_no_onset():
    x, rng = demo.sounds(1, 0)[0], np.random.default_rng(0)
    in_room = augmented.degraded("room", x, 0.8, rng)
    assert np.abs(in_room[:, : RATE // 2 - 400]).max() < 1e-4
    assert ((in_room[:, -RATE // 4 :] ** 2).sum() > (x[:, -RATE // 4 :] ** 2).sum()).all()


def test_amounts_are_drawn_within_their_range(monkeypatch):
    drawn = []
    kept = augmented.DEGRADATIONS["low-pass"]._replace(apply=lambda w, amounts, rng: drawn.extend(amounts))
    monkeypatch.setitem(augmented.DEGRADATIONS, "low-pass", kept)
    augmented.degraded("low-pass", np.zeros((20000, 1)), None, np.random.default_rng(0))
    assert (
        min(drawn) >= 500
        and max(drawn) <= 8000
        and np.median(drawn) == pytest.approx((500 * 0.9 * 8000) ** 0.5, rel=0.05)
    )


def test_a_mixture_says_which_classes_sound_in_it():
    isolated, labels = np.eye(10, 2 * RATE, RATE // 2, dtype=np.float32), np.arange(10)
    for seed in range(20):
        mixed, active = augmented.mixture(isolated, labels, np.random.default_rng(seed))
        assert 1 <= active.sum() <= 3 and len(active) == len(CLASSES)
        assert (np.abs(mixed) > 0.1).sum() == active.sum()


def test_who_learned_from_noise_falls_later(monkeypatch):
    monkeypatch.setattr(augmented, "SETS", (6, 5))
    monkeypatch.setattr(augmented, "COPIES", 1)
    monkeypatch.setattr(
        augmented, "DEGRADATIONS", {"noise": augmented.DEGRADATIONS["noise"]._replace(amounts=(30, 10))}
    )
    table = pd.DataFrame(augmented.robustness(0)).set_index(["amount", "trained"])["accuracy"]
    assert table[10, "with noise alone"] > table[10, "without"] + 20
    assert table[30, "without"] > table[10, "without"]


def test_mixing_wins_with_few_sounds(monkeypatch):
    monkeypatch.setattr(augmented, "PER_CLASS", (2,))
    monkeypatch.setattr(augmented, "MIXTURES", 100)
    table = pd.DataFrame(augmented.scarcity(0)).set_index("trained")["f1"]
    assert table["mixed anew"] > table["fixed set"] and 0 <= table.min() and table.max() <= 100


class Drawn:
    """A bank of two sounds, for what is counted of it."""

    foregrounds = (augment.Sound("a", "Dog", 0, RATE), augment.Sound("b", "Cat", 0, RATE))


def test_diversity_counts(monkeypatch):
    background = augment.Background(0, 0, -40.0)

    def draw(rng, bank, settings):
        sources = tuple(augment.Source(k, 0, RATE, 0, -10.0) for k in range(2))
        return augment.Mixture(sources, background._replace(level_db=float(rng.random())))

    monkeypatch.setattr(augmented.augment, "draw", draw)
    fixed = pd.DataFrame(
        [("a.wav", 0.0, 1.0, "Dog"), ("a.wav", 0.5, 1.0, "Cat"), ("b.wav", 0.0, 1.0, "Dog")],
        columns=["filename", "onset", "offset", "event_label"],
    )
    counted = augmented.diversity(fixed, Drawn, None, 6, 0).set_index("different")
    assert counted.loc["soundscapes"].tolist() == [2, 6]
    assert counted.loc["sets of classes at once"].tolist() == [1, 1]
    assert counted.loc["isolated sounds"].tolist() == ["not listed", 2]


def test_pcen_is_right_at_any_gain_where_log_mel_is_not(monkeypatch):
    monkeypatch.setattr(frontends, "SETS", (8, 5))
    monkeypatch.setattr(frontends, "LEVELS", (0, -30))
    table = pd.DataFrame(frontends.gain(0)).set_index(["noise", "level", "front-end"])["accuracy"].sort_index()
    assert table["turned down", 0].min() > 60
    assert table["turned down", -30, "PCEN, alpha 0.98"] > table["turned down", -30, "log-Mel"] + 30
    assert table["of the room", -30].max() < 60  # nothing brings back what noise covers


def test_pcen_makes_noise_white():
    found = {row["front-end"]: row for row in frontends.noise(0)}
    assert found["PCEN"]["colour"] < 0.02 < 0.3 < found["log-Mel"]["colour"]
    assert abs(found["PCEN"]["skewness"]) < found["Mel"]["skewness"]


def test_two_layers_part_and_do_what_one_cannot():
    one, two = (frontends.part(layers, 0) for layers in (1, 2))
    assert two.lasting > 95 and two.onset > 95 and min(one.lasting, one.onset) < 90
    assert one.distance == 0 and two.distance > 0.2
    assert two.path["pcen1_alpha"][0] == pytest.approx(two.path["pcen2_alpha"][0])


def test_scenes_have_what_their_labels_say():
    energy, active = frontends.scene(np.random.default_rng(0), 40)
    lasting, onset = active[:, 0, 0] > 0, active[:, 1] > 0
    level = energy[:, 0].mean(1).median(1).values
    assert level[lasting].min() > level[~lasting].max() and (onset.sum(1) == 3).all()
    rise = energy[:, 0].mean(1)[:, 1:] / energy[:, 0].mean(1)[:, :-1]
    assert rise[onset[:, 1:]].median() > 3 and rise[~onset[:, 1:]].median() < 1.1


def test_sentences_of_the_study_are_those_of_the_ledger(monkeypatch):
    claim = {"section": "4.1", "says": "A is better", "claimed": 2.0, "here": 1.0, "low": 0.5, "high": 1.5}
    claim |= {"score": "dev_f1"}
    ledger = {"claims": [{**claim, "verdict": "holds"}, {**claim, "says": "B", "section": "4.2", "verdict": "holds"}]}
    monkeypatch.setattr(demo.ledger, "load", lambda: (ledger, "a test."))
    said = demo.of_detectors("4.1", "A is better")
    assert said[1] == "1 sentences of section 4.1: 1 hold."
    assert said[2] == "A is better: +2.0 points in the paper, +1.0 points here (+0.5 to +1.5): holds."
    ledger["claims"][0] |= {"claimed": None}  # the paper says it and gives no F1 of the two systems
    assert "A is better: no points in the paper, +1.0 points here" in demo.of_detectors("4.1", "A is better")[2]
    ledger["claims"][0] |= {"here": None, "verdict": "not measured"}
    assert demo.of_detectors("4.1", "A is better")[2] == "A is better: not measured in this study."
    del ledger["claims"][0]  # a study without the rows that mix has not even the sentence
    assert demo.of_detectors("4.1", "A is better")[2] == "A is better: not measured in this study."


def test_pictures_of_layers_are_titled_with_what_they_keep():
    events = pd.DataFrame({"filename": "a", "onset": [1.0], "offset": [2.0], "event_label": ["Speech"]})
    x = np.tile(np.linspace(1, 2, 8)[:, None], 100)
    x[:, 25:50] += 1  # speech, in frames of 40 ms, over a lasting pattern
    figure, words = frontends.draw_kept({"layer": x}, 0.04, events)
    title = figure.axes[0].get_title(loc="left")
    assert title.startswith(f"layer: speech against what lasts {1 / np.linspace(1, 2, 8).var():.2f}, quick changes")
    assert title in words
