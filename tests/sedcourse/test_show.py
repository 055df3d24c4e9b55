"""What lessons show: figures with descriptions, players, live curves, sliders, the environment."""

import base64
import io
import re
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import soundfile
import torch
from matplotlib.figure import Figure
from PIL import Image

from reproduction import lessons
from sedcourse import environment, explore, html, live, players, plots
from sedlib.data import tables
from sedlib.errors import SedError
from sedlib.training import Run

EVENTS = pd.DataFrame(
    {"filename": "a.wav", "onset": [0.5, 2.0, 3.0], "offset": [1.5, 2.5, 9.0], "event_label": ["Dog", "Dog", "Speech"]}
)
NO_EVENTS = pd.DataFrame({"filename": ["a.wav"], "onset": [np.nan], "offset": [np.nan], "event_label": [np.nan]})
METRICS = pd.DataFrame(
    {
        "epoch": [1, 2],
        "learning_rate": [0.001, 0.005],
        "consistency_weight": [0.5, 2.0],
        "loss_strong": [0.5, 0.3],
        "loss_total": [0.9, 0.6],
        "validation_f1_student": [0.1, 0.2],
        "validation_f1_teacher": [0.05, 0.25],
    }
)
NUMBERS = [
    {
        "table": 2,
        "row": "Baseline",
        "score": "dev_f1",
        "claimed": 34.8,
        "here": 20.0,
        "low": 18.0,
        "high": 23.0,
        "of_seed": [19.0, 21.0],
    },
    {
        "table": 3,
        "row": "Baseline",
        "score": "dev_f1",
        "claimed": 34.8,
        "here": 20.0,
        "low": 18.0,
        "high": 23.0,
        "of_seed": [19.0, 21.0],
    },
    {
        "table": 3,
        "row": "Baseline",
        "score": "dev_psds",
        "claimed": 0.61,
        "here": 0.3,
        "low": 0.2,
        "high": 0.4,
        "of_seed": [0.3],
    },
    {
        "table": 3,
        "row": "DAT+HMM",
        "score": "dev_psds",
        "claimed": 0.68,
        "here": None,
        "low": None,
        "high": None,
        "of_seed": [],
    },
]


def attribute(text: str, name: str) -> str:
    return re.search(rf'{name}="([^"]*)"', text)[1]


def test_a_picture_carries_its_description_and_is_a_png():
    shown = plots.picture(plots.curves(METRICS), alt='Loss "falls" & F1 < 1')
    assert attribute(shown.data, "alt") == "Loss &quot;falls&quot; &amp; F1 &lt; 1"
    assert repr(shown) == '[figure: Loss "falls" & F1 < 1]'
    png = base64.b64decode(attribute(shown.data, "src").removeprefix("data:image/png;base64,"))
    image = Image.open(io.BytesIO(png))
    assert image.width == 2 * int(attribute(shown.data, "width"))  # sharp on a dense screen
    assert len(np.unique(np.asarray(image.convert("L")))) > 20


@pytest.mark.parametrize("alt", ["", "  "])
def test_no_picture_without_a_description(alt):
    with pytest.raises(ValueError, match="description"):
        plots.picture(plots.curves(METRICS), alt)


def test_every_axis_of_every_figure_has_its_unit():
    rng = np.random.default_rng(0)
    figures = [
        plots.spectrogram(rng.normal(size=(64, 100)), 0.1, title="x", reference=EVENTS),
        plots.spectrogram(rng.normal(size=(32, 100)), 0.1),
        plots.detection(rng.normal(size=(64, 100)), 0.1, rng.random((157, 10)), 0.06375, EVENTS, EVENTS, span=(1, 2)),
        plots.curves(METRICS),
        plots.front_ends({"a": rng.random((64, 100)), "b": rng.random((64, 100))}, 0.1, EVENTS),
        plots.front_ends({"a": rng.random((64, 100))}, 0.1),
        plots.labels({"strong": rng.random((157, 10)), "weak": rng.random(10), "none": None}, 10.0),
        plots.decisions(rng.random(157), 0.5, {"a": np.ones(157, bool), "b": np.zeros(157, bool)}, 0.06375),
        plots.stems(rng.normal(size=(2, 16000)), ["Dog", "background"], [(0.1, 0.4), None]),
        plots.class_f1({name: {"f1": 0.5, "n_ref": 3} for name in tables.CLASSES}, np.zeros(10)),
        plots.class_counts(
            {"a": pd.DataFrame({"correct": 3, "missed": 2}, index=list(tables.CLASSES))}
            | {"b": pd.DataFrame({"correct": 0, "missed": 0}, index=list(tables.CLASSES))}
        ),
        plots.ledger(NUMBERS),
    ]
    for fig in figures:
        assert isinstance(fig, Figure)
        labels = [ax.get_ylabel() for ax in fig.axes] + [ax.get_xlabel() for ax in fig.axes]
        assert any(
            label in ("time (s)", "epoch", "events", "event-based F1 (%)", "clips heard", "development F1 (%)")
            for label in labels
        )
        for ax in fig.axes:
            row = ax.get_shared_y_axes().get_siblings(ax)  # only the first of a row is labelled
            names = [tick.get_text().strip("0.123456789−") for one in row for tick in one.get_yticklabels()]
            assert ax.get_ylabel() or any(names) or fig.get_supylabel()


def test_the_frequency_axis_is_in_hertz():
    fig = plots.spectrogram(np.zeros((128, 10)), 0.016)
    ticks = {t.get_text(): y for t, y in zip(fig.axes[0].get_yticklabels(), fig.axes[0].get_yticks())}
    # Slaney's scale is linear below 1 kHz: 15 Mel there, and 45.245640471924965 Mel at 8 kHz
    assert ticks["1000"] == pytest.approx(15 / 45.245640471924965 * 129 - 1, abs=0.01)
    assert ticks["500"] == pytest.approx(7.5 / 45.245640471924965 * 129 - 1, abs=0.01)


def test_small_spectrograms_have_common_axes_and_levels():
    level = np.random.default_rng(0).normal(size=(64, 100))
    fig = plots.spectrogram_grid({"a": level, "b": level[:, :50] - 30, "c": level}, 0.1, columns=2)
    axes = [ax for ax in fig.axes if ax.images]
    assert [ax.get_title() for ax in axes] == ["a", "b", "c"]
    assert {ax.get_xlim() for ax in axes} == {(0, 99 * 0.1)}
    assert {ax.images[0].get_clim() for ax in axes} == {(level.max() - 80, level.max())}
    assert (fig.get_supxlabel(), fig.get_supylabel()) == ("time (s)", "frequency (Hz)")
    assert not fig.axes[3].get_visible()  # no panel for it
    ticks = {t.get_text(): y for t, y in zip(axes[0].get_yticklabels(), axes[0].get_yticks())}
    assert ticks["1000"] == pytest.approx(15 / 45.245640471924965 * 65 - 1, abs=0.02)  # as above
    plots.picture(fig, "x")


def test_small_spectrograms_may_have_levels_of_their_own():
    level = np.random.default_rng(0).normal(size=(64, 100))
    fig = plots.spectrogram_grid({"a": level, "b": 100 * level}, 0.1, columns=2, common=False)
    panels = {ax.get_title(): ax.images[0] for ax in fig.axes if ax.images}
    assert [panels[title].get_clim() for title in "ab"] == [
        (level.min(), level.max()),
        (100 * level.min(), 100 * level.max()),
    ]
    assert all(image.colorbar is not None for image in panels.values()) and "dB" in fig.get_suptitle()


def test_stems_show_levels_and_labels():
    waveforms = np.zeros((2, 32000))
    waveforms[0, 8000:16000] = -0.1  # from 0.5 to 1 s, -20 dB
    fig = plots.stems(waveforms, ["Dog", "background"], [(0.5, 1.0), None])
    dog, background = fig.axes
    assert (dog.get_title("left"), background.get_title("left")) == ("Dog", "background")
    outline = dog.collections[0].get_paths()[0].vertices
    assert outline[:, 1].max() == pytest.approx(-20)
    inside = outline[outline[:, 1] > -79, 0]
    assert (inside.min(), inside.max()) == pytest.approx((0.5, 1.0), abs=0.011)
    assert [line.get_xdata()[0] for line in dog.lines] == [0.5, 1.0] and not background.lines
    assert "dB" in fig.get_supylabel() and background.get_xlabel() == "time (s)"


def test_front_ends_have_one_time_axis_and_scales_of_their_own():
    x = np.random.default_rng(0).random((64, 100))
    fig = plots.front_ends({"one": x, "two": 5 * x + 1}, 0.1, EVENTS)
    one, two, events = (ax for ax in fig.axes if ax.get_label() != "<colorbar>")
    assert (one.get_title("left"), two.get_title("left")) == ("one", "two")
    assert one.images[0].get_clim() == (x.min(), x.max()) and two.images[0].get_clim() == (
        5 * x.min() + 1,
        5 * x.max() + 1,
    )
    assert one.get_xlim() == two.get_xlim() == events.get_xlim() == (0, 99 * 0.1)
    assert len(events.patches) == 3 and events.get_xlabel() == "time (s)"


def test_pcen_paths_draw_each_parameter_of_each_layer():
    metrics = pd.DataFrame(
        {"epoch": [1, 2]}
        | {
            f"pcen{layer}_{name}": [layer, layer + k]
            for layer in (1, 2)
            for k, name in enumerate(("alpha", "delta", "r", "fast"))
        }
    )
    panels = plots.pcen_paths(metrics).axes
    assert [ax.get_ylabel() for ax in panels] == [
        f"{name} (no unit)" for name in ("alpha", "delta", "r", "fast smoother's weight")
    ]
    for k, ax in enumerate(panels):
        assert [list(line.get_ydata()) for line in ax.lines] == [[1, 1 + k], [2, 2 + k]]
        assert [text.get_text() for text in ax.get_legend().get_texts()] == ["1", "2"] and ax.get_xlabel() == "epoch"
    assert len({line.get_linestyle() for line in panels[0].lines}) == 2  # not by colour alone


def test_system_scores_show_what_each_wins_over_the_first():
    scores = {"a": (30.0, [20, 22, 24], (19, 25)), "b": (31.0, [25], (22, 28))}
    classes = pd.DataFrame({"a": [10.0, 20], "b": [15.0, 12]}, index=["Dog", "Running_water"])
    left, right = plots.system_scores(scores, classes).axes[:2]
    assert [text.get_text() for text in left.get_yticklabels()] == ["a", "b"]
    lines = [list(line.get_xdata()) for line in left.lines]
    assert lines == [[19, 25], [22], [20, 22, 24], [30], [22, 28], [25], [25], [31]]
    assert left.lines[1].get_ydata()[0] > left.lines[5].get_ydata()[0]  # the first is on top
    assert [text.get_text() for text in right.texts] == ["+5", "-8"] and right.images[0].get_clim() == (-8, 8)
    assert [text.get_text() for text in right.get_yticklabels()] == ["Dog", "Running water"]


def test_the_ledger_has_a_panel_a_score_and_the_papers_number_where_there_is_none_here():
    f1, psds = plots.ledger(NUMBERS).axes
    assert (f1.get_xlabel(), psds.get_xlabel()) == ("development F1 (%)", "PSDS, development")
    assert [tick.get_text() for tick in f1.get_yticklabels()] == ["2: Baseline", "3: Baseline"]
    assert [tick.get_text() for tick in psds.get_yticklabels()] == ["3: Baseline", "3: DAT+HMM"]
    diamonds = [line.get_xdata()[0] for line in psds.lines if line.get_marker() == "D"]
    assert diamonds == [0.61, 0.68] and sum(line.get_marker() == "o" for line in psds.lines) == 1
    assert [list(line.get_xdata()) for line in f1.lines if line.get_linewidth() == 2 and len(line.get_xdata()) == 2][
        0
    ] == [18.0, 23.0]
    text = plots.ledger_text(NUMBERS)
    assert "Baseline 34.8 and 20.0" in text and text.count("Baseline") == 1  # of two tables, said once


def test_domain_errors_stand_beside_their_system_and_classifier():
    columns = ["its own classifier", "linear probe", "network probe"]
    errors = {
        "untrained": dict(zip(columns, ([], [0.125], [0.25]))),
        "dat": dict(zip(columns, ([0.5, 0.375], [0.125, 0.25], [0.0, 0.75]))),
    }
    ax = plots.domain_errors(errors, labels=0.33).axes[0]
    places = {tick.get_text(): place for tick, place in zip(ax.get_yticklabels(), ax.get_yticks())}
    assert places["untrained"] > places["dat"]  # the first is on top
    lines = {line.get_label(): line for line in ax.lines}
    drawn = {
        name: [(x, min(places, key=lambda system: abs(places[system] - y))) for x, y in lines[name].get_xydata()]
        for name in columns
    }
    assert drawn == {name: [(100 * x, system) for system in errors for x in errors[system][name]] for name in columns}
    assert lines["chance"].get_xdata()[0] == 50 and lines["the true labels alone"].get_xdata()[0] == 33
    assert len({lines[name].get_marker() for name in columns}) == 3 and "%" in ax.get_xlabel()  # not by colour alone


def test_reference_lies_above_prediction_and_differs_by_more_than_colour():
    fig, axes = plots.figure()
    plots.events_on(axes[0, 0], EVENTS, EVENTS.assign(onset=EVENTS["onset"] + 0.2))
    bars = [(b.get_x(), b.get_width(), b.get_y(), b.get_hatch(), b.get_facecolor()) for b in axes[0, 0].patches]
    assert [bar[:2] for bar in bars[:3]] == [(0.5, 1.0), (2.0, 0.5), (3.0, 6.0)]
    assert bars[0][2] < bars[3][2] and axes[0, 0].yaxis_inverted()
    assert bars[0][3] != bars[3][3] and bars[0][4] != bars[3][4]


def test_a_detection_points_out_a_span_on_every_axis():
    fig = plots.detection(np.zeros((64, 100)), 0.1, np.zeros((157, 10)), 0.06375, EVENTS, EVENTS[:0], span=(1.5, 2.5))
    lines = [[line.get_xdata()[0] for line in ax.lines] for ax in fig.axes[:3]]
    assert lines == [[1.5, 2.5]] * 3
    assert len({ax.get_xlim() for ax in fig.axes[:3]}) == 1


def test_a_class_without_reference_has_no_bar_and_says_so():
    per_class = {"Dog": {"f1": 0.5, "n_ref": 4}, "Cat": {"f1": None, "n_ref": 0}, "Speech": {"f1": 0.0, "n_ref": 2}}
    ax = plots.class_f1(per_class, np.array([0.02, np.nan, 0.0])).axes[0]
    assert [(bar.get_width(), bar.get_y() + 0.35) for bar in ax.patches] == [(50, 0), (0, 2)]
    assert [(text.get_text(), text.get_position()[1]) for text in ax.texts] == [("no reference events", 1)]
    assert [t.get_text() for t in ax.get_yticklabels()] == ["Dog (4)", "Cat (0)", "Speech (2)"]
    assert ax.lines[0].get_xdata().tolist() == [2, 0]


def test_counts_are_stacked_in_different_hatches():
    counts = pd.DataFrame({"correct": [2, 0], "boundary": [1, 4], "missed": [3, 0]}, index=["Dog", "Cat"])
    bars = plots.class_counts({"one": counts, "other": counts}).axes[0].patches
    assert [(bar.get_x(), bar.get_width()) for bar in bars] == [(0, 2), (0, 0), (2, 1), (0, 4), (3, 3), (4, 0)]
    assert len({bar.get_hatch() for bar in bars}) == 3


def test_decided_frames_are_drawn_where_they_are():
    active = np.array([0, 1, 1, 0], bool)
    bars = plots.decisions(np.zeros(4), 0.5, {"x": active}, 0.5).axes[1].patches
    assert [(bar.get_x(), bar.get_width()) for bar in bars if bar.get_height() > 0] == [(0.5, 0.5), (1.0, 0.5)]


def test_a_clip_without_events_is_drawn_and_told():
    plots.picture(plots.detection(np.zeros((32, 20)), 0.5, np.zeros((10, 10)), 1, NO_EVENTS, NO_EVENTS[:0]), "x")
    plots.picture(plots.spectrogram(np.zeros((32, 20)), 0.5, reference=EVENTS), "x")
    plots.picture(plots.spectrogram(np.zeros((32, 20)), 0.5, reference=NO_EVENTS), "x")
    assert plots.in_words(NO_EVENTS) == "none"
    assert plots.in_words(EVENTS).startswith("Dog 0.5 to 1.5 s; ")


def sound(shown) -> np.ndarray:
    data = base64.b64decode(attribute(shown.data, "src").removeprefix("data:audio/wav;base64,"))
    samples, rate = soundfile.read(io.BytesIO(data), dtype="float32")
    assert rate == 16000 and soundfile.info(io.BytesIO(data)).subtype == "PCM_16"
    return samples


@pytest.mark.parametrize("kind", [np.asarray, torch.as_tensor])
def test_a_player_leaves_levels_as_they_are(kind):
    wave = (0.1 * np.sin(np.arange(16000) / 10)).astype(np.float32)
    shown = players.player(kind(wave), "A <hum>")
    assert np.abs(sound(shown) - wave).max() < 1e-4
    assert attribute(shown.data, "aria-label") == "A &lt;hum&gt; (1.0 s)"
    assert "<figcaption>A &lt;hum&gt; (1.0 s)</figcaption>" in shown.data


def test_a_loud_clip_is_turned_down_and_says_so():
    wave = np.linspace(-1.4, 1.4, 1600, dtype=np.float32)
    shown = players.player(wave, "loud")
    assert np.abs(sound(shown)).max() == pytest.approx(players.PEAK_LIMIT, abs=1e-3)
    assert np.abs(sound(shown) - wave / 2).max() < 1e-3  # as a whole, not clipped
    assert "turned down by 6.0 dB" in shown.data


@pytest.mark.parametrize(
    ("wave", "words"),
    [(np.zeros((2, 10)), r"one waveform \(sample,\), not shape \(2, 10\)"), (np.array([0, np.nan]), "'x' holds NaN")],
)
def test_a_player_refuses_what_is_not_one_waveform(wave, words):
    with pytest.raises(SedError, match=words):
        players.player(wave, "x")


@pytest.fixture
def shown(monkeypatch):
    """Everything that is displayed: (object, how)."""
    calls = []

    class Handle:
        def update(self, thing):
            calls.append((thing, "updated"))

    def display(thing, display_id=False):
        calls.append((thing, "displayed"))
        return Handle()

    for module in (plots.style, live, explore):
        monkeypatch.setattr(module, "display", display)
    return calls


def test_live_curves_redraw_in_place(shown):
    with live.LiveCurves(interactive=True) as curves:
        for row in METRICS.to_dict("records"):
            curves(row, {})
    assert [how for _, how in shown] == ["displayed", "updated"]
    for words in (
        "over 2 epochs",
        "strong 0.500 to 0.300, total 0.900 to 0.600",
        "25.0 % for the teacher",
        "rate ends at 0.005, the consistency weight at 2",
    ):
        assert words in shown[-1][0].data


def test_live_curves_draw_once_in_a_batch_run(shown, capsys):
    with live.LiveCurves(interactive=False) as curves:
        for row in METRICS.to_dict("records"):
            curves(row, {})
        assert not shown
    assert [how for _, how in shown] == ["displayed"]
    assert capsys.readouterr().out == (
        "epoch 1: loss 0.900, validation F1: student 10.0 %, teacher 5.0 %\n"
        "epoch 2: loss 0.600, validation F1: student 20.0 %, teacher 25.0 %\n"
    )


def test_training_curves_tell_terms_apart_by_more_than_colour():
    more = ["weak", "consistency strong", "consistency weak", "adversarial", "domain"]
    terms = {f"loss_{name.replace(' ', '_')}": [0.5, 0.3] for name in more}
    loss, f1, rate, weight = plots.curves(METRICS.assign(**terms)).axes
    assert [text.get_text() for text in loss.get_legend().get_texts()] == ["strong", "total", *more]
    looks = [(line.get_color(), line.get_marker(), str(line._unscaled_dash_pattern)) for line in loss.lines]
    assert [len(set(kind)) for kind in zip(*looks)] == [7, 7, 7]
    student, teacher = f1.lines[:2]
    assert student.get_ydata().tolist() == [10, 20] and teacher.get_ydata().tolist() == [5, 25]
    assert rate.lines[0].get_ydata().tolist() == [0.001, 0.005]
    assert [text.get_text() for text in weight.get_legend().get_texts()] == ["consistency"]
    assert weight.lines[0].get_ydata().tolist() == [0.5, 2.0]
    assert all(ax.get_ylim()[0] == 0 for ax in (f1, rate, weight)) and loss.get_yscale() == "log"
    assert {ax.get_xlabel() for ax in (rate, weight)} == {"epoch"}


def test_curves_of_one_epoch_without_a_score_are_drawn():
    nothing = METRICS[:1].assign(validation_f1_student=np.nan, validation_f1_teacher=np.nan, loss_weak=0.0)
    plots.picture(plots.curves(nothing), live.description(nothing))


@pytest.fixture
def trained_elsewhere(tmp_path, monkeypatch):
    """A run, and how often it was waited for; another process trains it during four waits, and its rows appear."""
    run, naps, written = Run(tmp_path), [], [0, 0, 1, 1, 2]

    def sleep(seconds):
        naps.append(seconds)
        if written[len(naps)]:
            run.write_metrics(METRICS[: written[len(naps)]].to_dict("records"))

    monkeypatch.setattr(live, "time", SimpleNamespace(sleep=sleep))
    monkeypatch.setattr(Run, "state", property(lambda run: "running" if len(naps) < 4 else "finished"))
    return run, naps


def test_a_run_of_another_process_is_watched_until_it_ends(shown, trained_elsewhere):
    run, naps = trained_elsewhere
    live.watch(run, every_s=3)
    assert [how for _, how in shown] == ["displayed", "updated"], "drawn when there is something new"
    assert "over 2 epochs" in shown[-1][0].data and naps == [3] * 4
    live.watch(run)
    assert len(shown) == 3 and len(naps) == 4, "one that ended is drawn at once"


def test_watching_ends_when_the_kernel_is_interrupted(trained_elsewhere, monkeypatch):
    def sleep(seconds):
        raise KeyboardInterrupt

    monkeypatch.setattr(live, "time", SimpleNamespace(sleep=sleep))
    live.watch(trained_elsewhere[0])


def drawing(a: float, b: float) -> tuple[Figure, str]:
    return plots.figure(2, 1)[0], f"a={a} b={b}"


def test_a_batch_run_shows_a_panel_for_every_value(shown):
    explore.explore(drawing, interactive=False, a=[1, 2], b=[5, 6, 7])
    assert [repr(thing) for thing, _ in shown] == [
        f"[figure: a={a} b={b}]" for a, b in [(1, 5), (2, 5), (1, 6), (1, 7)]
    ]


def test_sliders_start_at_the_first_values_and_redraw(shown):
    explore.explore(drawing, interactive=True, a=[1, 2], b=[5, 6, 7])
    panel, box = shown[0], shown[-1][0]
    assert repr(panel[0]) == "[figure: a=1 b=5]"
    box.children[1].value = 7
    assert repr(shown[-1][0]) == "[figure: a=1 b=7]"


def test_sliders_start_where_they_are_told_to_and_keep_their_order(shown):
    explore.explore(drawing, interactive=True, start={"b": 6}, a=[1, 2], b=[5, 6, 7])
    panel, box = shown[0], shown[-1][0]
    assert repr(panel[0]) == "[figure: a=1 b=6]" and list(box.children[1].options) == [5, 6, 7]
    shown.clear()
    explore.explore(drawing, interactive=False, start={"a": 2}, a=[1, 2], b=[5, 6])
    assert [repr(thing) for thing, _ in shown] == [f"[figure: a={a} b={b}]" for a, b in [(1, 5), (2, 5), (2, 6)]]


@pytest.mark.parametrize("start", [{"b": 4}, {"c": 1}])
def test_a_start_beside_the_values_is_refused(start):
    with pytest.raises(SedError, match="not one of"):
        explore.explore(drawing, interactive=False, start=start, a=[1, 2], b=[5, 6, 7])


def test_the_environment_names_problems_and_what_to_do(monkeypatch):
    rows = environment.check_environment()
    assert list(rows.columns) == ["what", "state", "found", "what to do"]
    assert set(rows["state"]) <= {"ok", "note", "problem"}
    assert (rows["state"].eq("ok") == rows["what to do"].eq("")).all()
    monkeypatch.setattr(environment.shutil, "disk_usage", lambda path: SimpleNamespace(free=2**30))
    rows = environment.check_environment().set_index("what")
    assert rows.loc["free disk", "found"] == "1.0 GiB" and "SEDLIB_WORKSPACE" in rows.loc["free disk", "what to do"]
    assert environment.verdict(rows.reset_index()).startswith("Not ready: ")


def test_the_map_has_every_lesson():
    assert lessons.course()["lesson"].tolist() == [path.stem for path in lessons.lessons()]


def test_a_table_has_caption_and_headers_and_escapes():
    shown = html.table(pd.DataFrame({"<a>": ["x&y", None]}), "A caption")
    assert "<caption" in shown.data and 'scope="col"' in shown.data
    assert "&lt;a&gt;" in shown.data and "x&amp;y" in shown.data and ">None<" not in shown.data
    assert "x&y" in repr(shown)
