"""The pictures of lesson 06: what is in them, and their words."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from sedcourse import decoding, live
from sedcourse.decoding import STATES
from sedlib.data.tables import CLASSES
from sedlib.decode import Posteriors
from sedlib.decode.objective import Objective
from sedlib.decode.tuning import grid

SCORES = np.array([0.05, 0.3, 0.8, 0.9, 0.35, 0.3, 0.85, 0.9, 0.2, 0.1])
REFERENCE = pd.DataFrame({"onset": [0.2], "offset": [0.8]})


def complete(figure) -> bool:
    """Whether every axis that shows something has its label, or the figure has it for all."""
    shared = figure._supxlabel is not None
    return all(ax.get_xlabel() or shared for ax in figure.axes if ax.get_xlabel() or ax.get_ylabel())


@pytest.mark.parametrize("p_silence", [0.5, 0.05, 0.9, 0.999])
@pytest.mark.parametrize("p_event", [0.5, 0.2, 0.99])
def test_a_path_and_its_words(p_silence, p_event):
    figure, said = decoding.draw_path(SCORES, 0.1, REFERENCE, p_silence, p_event, "Dog: ")
    bars = [patch for patch in figure.axes[1].patches if round(patch.get_y() + 0.35) == 1]
    assert f": {len(bars)} events: " in said and "Reference: 0.2 to 0.8 s." in said
    for bar in bars:
        assert f"{bar.get_x():.1f} to {bar.get_x() + bar.get_width():.1f} s" in said


def test_at_one_half_the_path_is_the_thresholds():
    assert "2 events: 0.2 to 0.4 s, 0.6 to 0.8 s" in decoding.draw_path(SCORES, 0.1, REFERENCE, 0.5, 0.5)[1]
    assert "1 events: 0.2 to 0.8 s" in decoding.draw_path(SCORES, 0.1, REFERENCE, 0.7, 0.7)[1]


def test_the_table_grows_by_a_column_and_walks_back_when_it_is_full():
    for filled in range(1, 11):
        figure, said = decoding.viterbi_table(SCORES, 0.7, 0.7, filled)
        entries = [text for text in figure.axes[1].texts if text.get_text()]
        assert len(entries) == 2 * filled
        assert ("walked back" in said) == (filled == 10)
    assert f": {', '.join([STATES[0]] * 2 + [STATES[1]] * 6 + [STATES[0]] * 2)}." in said
    bold = [text.get_position() for text in entries if text.get_weight() == "bold"]
    assert [state for _, state in sorted(bold)] == [0, 0, 1, 1, 1, 1, 1, 1, 0, 0]


def test_the_first_column_is_half_of_each_emission():
    said = decoding.viterbi_table(SCORES, 0.9, 0.9, 1)[1]
    assert f"silence {np.log(0.95 / 2):.1f}, event {np.log(0.05 / 2):.1f}" in said


def test_landscapes_mark_where_searches_ended():
    p = np.array([0.1, 0.5, 0.9])
    f1 = np.random.default_rng(0).random((10, 3, 3))
    figure, said = decoding.landscapes(f1, p, {"exact": (np.full(10, 0.5), np.full(10, 0.9))})
    assert "Dog 0.500 and 0.900" in said
    panels = [ax for ax in figure.axes if ax.get_title()]
    assert [ax.get_title() for ax in panels] == [name.replace("_", " ") for name in CLASSES]
    for ax, of_class in zip(panels, f1):
        np.testing.assert_allclose(ax.collections[0].get_array().ravel(), 100 * of_class.ravel())
        (x,), (y,) = ax.lines[0].get_data()
        assert (x, y) == (pytest.approx(np.log(9)), pytest.approx(0))


def test_gains_show_every_split_and_the_mean():
    found = {"exact": {"tuned": [4.0, 5.0, 6.0], "other": [1.0, 2.0, 3.0]}, "robust": {"tuned": [5.0], "other": [4.0]}}
    figure = decoding.gains({"one": found, "other": found})
    assert [ax.get_title() for ax in figure.axes] == ["one", "other"]
    drawn = [tuple(line.get_xdata()) for line in figure.axes[0].lines]
    assert (4, 5, 6) in drawn and (5.0,) in drawn and (4.0,) in drawn


def test_curves_end_at_the_most_false_alarms():
    found = SimpleNamespace(value=0.25, roc=(np.array([0.0, 10, 200]), np.array([0.1, 0.5, 0.9])))
    figure, said = decoding.psd_roc({"a": found}, most=100)
    assert said.endswith("PSDS: a 0.250.")
    x, y = figure.axes[0].lines[0].get_data()
    assert list(x) == [0, 10, 100] and list(y) == [10, 50, 50]


def test_filter_lengths_ring_the_best():
    f1 = pd.DataFrame({name: [1.0, 3.0, 2.0] for name in CLASSES})
    figure, said = decoding.filter_lengths(np.array([0.1, 0.5, 2.0]), f1)
    assert "Dog 0.5 s" in said
    rings = [line.get_xdata()[0] for ax in figure.axes for line in ax.lines if line.get_markersize() == 10]
    assert rings == [0.5] * 10


@pytest.mark.parametrize("interactive, times", [(True, 3), (False, 1)])
def test_a_search_is_shown_while_it_runs_or_once(interactive, times, monkeypatch):
    shown = []

    class Handle:
        def update(self, drawn):
            shown.append(drawn)

    monkeypatch.setattr(live, "display", lambda drawn, display_id: shown.append(drawn) or Handle())
    watch = live.LiveSearch(interactive, 0.5, calls=25)
    for calls in range(1, 26):
        watch([0.1] * (calls - 1) + [0.3])
    assert len(shown) == times and "F1 of 25 evaluations" in repr(shown[-1]) and "30.0 %" in repr(shown[-1])
    assert "exact optimum of the grid is 50.0 %" in repr(shown[-1])


def posteriors(scores):
    return Posteriors(np.asarray(scores, np.float32), ["a.wav"], CLASSES, 0.1)


def test_a_forest_proposes_where_it_hopes_most_and_comes_to_the_top():
    p = grid(32)
    f1 = 0.5 * np.exp(-((np.arange(32) - 20) ** 2) / 20)
    known = decoding.guesses(p, f1, most=12)
    assert list(known) == list(range(5, 13))
    for number, guess in known.items():
        assert len(set(guess.asked)) == number and guess.following not in guess.asked
        free = [i for i in range(32) if i not in guess.asked]
        assert guess.hoped[guess.following] == guess.hoped[free].max()
    assert f1[known[12].asked].max() > 0.9 * f1.max()
    figure, said = decoding.proposal(p, f1, known[5])
    assert "after 5 guesses" in said and f"proposes {p[known[5].following]:.3f} next" in said


def test_what_was_mended_lies_between_two_lines():
    events = pd.DataFrame(
        {"filename": "a.wav", "onset": [0.2, 0.6], "offset": [0.4, 0.8], "event_label": ["Dog", "Cat"]}
    )
    span = pd.Series({"filename": "a.wav", "event_label": "Dog", "onset": 0.4, "offset": 0.6})
    scores = np.zeros((1, 10, 10))
    figure, said = decoding.mended("bridged gap", span, posteriors(scores), {"reference": events, "HMM": events[:0]})
    assert said.startswith("bridged gap: Dog, 0.4 to 0.6 s.") and "reference: 1; HMM: 0" in said
    dashed = [line.get_xdata()[0] for line in figure.axes[0].lines if line.get_linestyle() == "--"]
    assert dashed == [0.4, 0.6]


def test_the_rarest_class_is_drawn_as_it_is_and_smoothed():
    scores = np.zeros((1, 40, 10))
    scores[0, 5:15, CLASSES.index("Dog")] = scores[0, 5:15, CLASSES.index("Cat")] = 0.9
    rows = [("a.wav", 0.5, 1.5, "Dog"), ("a.wav", 0.5, 1.5, "Cat"), ("a.wav", 2.5, 3.5, "Cat")]
    truth = pd.DataFrame(rows, columns=["filename", "onset", "offset", "event_label"])
    figure, said = decoding.rarest_landscape(Objective(posteriors(scores), truth, 4.0))
    assert said.startswith("Dog, counted on 1 events")
    assert [ax.get_title() for ax in figure.axes if ax.get_title()] == ["Dog, as it is", "Dog, smoothed"]
