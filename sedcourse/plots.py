"""Figures of the lessons: functions of arrays and tables that return a matplotlib ``Figure``, and `show`.

No figure depends on colour alone (Okabe-Ito colours come with hatches or line styles), every axis has its unit, and
`show` puts a description beside every picture. Nothing here needs a screen or pyplot's state.
"""

from __future__ import annotations

import fnmatch
import io
from collections.abc import Sequence
from typing import Any

import librosa
import matplotlib
import numpy as np
import pandas as pd
from IPython.display import display
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from sedcourse.html import Shown, image
from sedlib.data import tables

BLACK, ORANGE, SKY, GREEN, YELLOW, BLUE, VERMILION, PURPLE = OKABE_ITO = (
    "#000000", "#E69F00", "#56B4E9", "#009E73", "#F0E442", "#0072B2", "#D55E00", "#CC79A7",
)
LINES = ("-", "--", "-.", ":", (0, (3, 1, 1, 1, 1, 1)), (0, (6, 1)), (0, (1, 1)))
DPI = 144  # of the picture; it is shown at half of that, so that it stays sharp
FONT = {"font.size": 11, "axes.titlesize": 12, "legend.fontsize": 10}


def show(fig: Figure, alt: str) -> None:
    """Show a figure as a picture with a description.

    Parameters
    ----------
    fig : Figure
    alt : str
        What the figure shows and what there is to see in it, for those who cannot see it.
    """
    display(picture(fig, alt))


def picture(fig: Figure, alt: str) -> Shown:
    """The picture that `show` shows."""
    if not alt.strip():
        raise ValueError("a figure needs a description: show(fig, alt='...')")
    file = io.BytesIO()
    with matplotlib.rc_context(FONT):
        fig.savefig(file, format="png", dpi=DPI, facecolor="white")
    return image(file.getvalue(), alt, width=round(fig.get_figwidth() * DPI / 2))


def figure(width: float = 10, height: float = 4, **subplots: object) -> tuple[Figure, np.ndarray]:
    """An empty figure and its axes, as ``pyplot.subplots(..., squeeze=False)`` gives them, in the lessons' fonts."""
    with matplotlib.rc_context(FONT):
        fig = Figure(figsize=(width, height), layout="constrained")
        return fig, fig.subplots(squeeze=False, **subplots)


def spectrogram(
    logmel: np.ndarray, frame_s: float, sample_rate: int = 16000, title: str = "",
    reference: pd.DataFrame | None = None, prediction: pd.DataFrame | None = None,
) -> Figure:
    """A log-Mel spectrogram, with the events of the clip below it if there are any.

    Parameters
    ----------
    logmel : (mel, frame) array
        dB; bands from 0 Hz to half the sample rate on the Slaney Mel scale.
    frame_s : float
        Seconds from frame to frame (the hop).
    sample_rate : int
        Hz.
    reference, prediction : event tables of this clip, optional
    """
    with matplotlib.rc_context(FONT):
        shown = [t for t in (reference, prediction) if t is not None]
        rows = max(1, pd.concat(shown)["event_label"].nunique()) if shown else 0
        heights = [3.2, 0.6 + 0.4 * rows] if shown else [3.2]
        fig = Figure(figsize=(10, 0.8 + sum(heights)), layout="constrained")
        axes = fig.subplots(len(heights), 1, sharex=True, squeeze=False, height_ratios=heights)[:, 0]
        spectrogram_on(axes[0], logmel, frame_s, sample_rate)
        axes[0].set_title(title)
        if shown:
            events_on(axes[1], reference, prediction)
        axes[-1].set_xlabel("time (s)")
        return fig


def spectrogram_on(
    ax: Axes, logmel: np.ndarray, frame_s: float, sample_rate: int = 16000, label: str = "level (dB)",
) -> None:
    """Draw a spectrogram, (mel, frame), with its axis in Hz and its colour bar: log-Mel, or what ``label`` says."""
    logmel = np.asarray(logmel)
    bands, frames = logmel.shape
    # frame t is centred on t * frame_s
    extent = (-frame_s / 2, (frames - 0.5) * frame_s, -0.5, bands - 0.5)
    drawn = ax.imshow(logmel, origin="lower", aspect="auto", extent=extent, cmap="magma", interpolation="nearest")
    centres = librosa.mel_frequencies(n_mels=bands + 2, fmin=0, fmax=sample_rate / 2)[1:-1]
    ticks = [f for f in (250, 500, 1000, 2000, 4000, 8000) if centres[0] <= f <= centres[-1]]
    ax.set_yticks(np.interp(ticks, centres, np.arange(bands)), [str(f) for f in ticks])
    ax.set_ylabel("frequency (Hz)")
    ax.figure.colorbar(drawn, ax=ax, label=label, pad=0.01)
    ax.set_xlim(0, (frames - 1) * frame_s)


def spectrogram_grid(panels: dict[str, np.ndarray], frame_s: float, columns: int = 5, sample_rate: int = 16000,
                     common: bool = True) -> Figure:
    """Small log-Mel spectrograms beside each other, all with the same axes and, unless ``common`` is off, levels.

    Parameters
    ----------
    panels : dict of title to (mel, frame) array
        dB; bands as for `spectrogram`. The longest has the width of a panel.
    frame_s : float
        Seconds from frame to frame (the hop).
    """
    with matplotlib.rc_context(FONT):
        rows = -(-len(panels) // columns)
        fig = Figure(figsize=(10, 0.4 + 1.9 * rows), layout="constrained")
        axes = fig.subplots(rows, columns, sharex=True, sharey=True, squeeze=False)
        loudest = max(panel.max() for panel in panels.values())
        longest = max(panel.shape[1] for panel in panels.values())
        for ax in axes.flat[len(panels):]:
            ax.set_visible(False)
        for ax, (title, panel) in zip(axes.flat, panels.items()):
            extent = (-frame_s / 2, (panel.shape[1] - 0.5) * frame_s, -0.5, len(panel) - 0.5)
            drawn = ax.imshow(panel, origin="lower", aspect="auto", extent=extent, cmap="magma",
                              interpolation="nearest", **({"vmin": loudest - 80, "vmax": loudest} if common else {}))
            if not common:
                fig.colorbar(drawn, ax=ax, pad=0.02)
            ax.set_title(title, fontsize=10)
            ax.set_xlim(0, (longest - 1) * frame_s)
        centres = librosa.mel_frequencies(n_mels=len(panel) + 2, fmin=0, fmax=sample_rate / 2)[1:-1]
        ticks = (500, 1000, 2000, 4000)
        axes[0, 0].set_yticks(np.interp(ticks, centres, np.arange(len(panel))), [str(f) for f in ticks])
        fig.supxlabel("time (s)", fontsize=11)
        fig.supylabel("frequency (Hz)", fontsize=11)
        if common:
            fig.colorbar(drawn, ax=axes, label="level (dB)", pad=0.01)
        else:
            fig.suptitle("level in dB, a scale for each", fontsize=11)
        return fig


def front_ends(panels: dict[str, np.ndarray], frame_s: float, events: pd.DataFrame | None = None) -> Figure:
    """What front-ends make of one clip, below each other over one time axis; each on its own scale. Figure 2 is one.

    Parameters
    ----------
    panels : dict of title to (mel, frame) array
        Without unit: scaled log-Mel, PCEN layers. Bands as for `spectrogram`.
    frame_s : float
        Seconds from frame to frame (the hop).
    events : event table of the clip, optional
        Drawn below.
    """
    with matplotlib.rc_context(FONT):
        rows = [] if events is None else [0.4 + 0.35 * max(1, events["event_label"].nunique())]
        heights = [2.1] * len(panels) + rows
        fig = Figure(figsize=(10, 0.6 + sum(heights)), layout="constrained")
        axes = fig.subplots(len(heights), 1, sharex=True, squeeze=False, height_ratios=heights)[:, 0]
        for ax, (title, panel) in zip(axes, panels.items()):
            spectrogram_on(ax, panel, frame_s, label="value (no unit)")
            ax.set_title(title, loc="left")
        if rows:
            events_on(axes[-1], events)
        axes[-1].set_xlabel("time (s)")
        return fig


def events_on(
    ax: Axes, reference: pd.DataFrame | None, prediction: pd.DataFrame | None = None,
    classes: Sequence[str] | None = None,
) -> None:
    """Draw the events of one clip as bars, a row per class: the reference above, the prediction below.

    Parameters
    ----------
    reference, prediction : event tables of one clip
        None leaves a side out.
    classes : sequence of str, optional
        Rows from top to bottom; default: the classes that occur.
    """
    kinds = [(name, tables.events(table), colour, hatch) for name, table, colour, hatch in (
        ("reference", reference, BLUE, "///"), ("prediction", prediction, ORANGE, "..."),
    ) if table is not None]
    if classes is None:
        classes = sorted({label for _, table, _, _ in kinds for label in table["event_label"]})
    height = 0.8 / len(kinds)
    for k, (_, table, colour, hatch) in enumerate(kinds):
        rows = np.array([classes.index(label) for label in table["event_label"]])
        ax.barh(rows - 0.4 + k * height, table["offset"] - table["onset"], height, table["onset"], align="edge",
                facecolor=colour, edgecolor="white", hatch=hatch, linewidth=0)
    ax.set_yticks(range(len(classes)), [label.replace("_", " ") for label in classes])
    ax.set_ylim(max(len(classes), 1) - 0.5, -0.5)
    ax.grid(axis="x", color="0.85")
    ax.set_axisbelow(True)
    ax.legend(
        handles=[Patch(facecolor=colour, edgecolor="white", hatch=hatch, label=name)
                 for name, _, colour, hatch in kinds],
        loc="lower right", bbox_to_anchor=(1, 1), ncols=2, frameon=False, borderaxespad=0.2,
    )


def in_words(table: pd.DataFrame) -> str:
    """The events of one clip as text for a description: "Dog 1.2 to 1.9 s; Speech 3.0 to 7.4 s"."""
    events = tables.events(table)
    return "; ".join(f"{e.event_label} {e.onset:.1f} to {e.offset:.1f} s" for e in events.itertuples()) or "none"


def posteriors(
    scores: np.ndarray, frame_s: float, classes: Sequence[str] = tables.CLASSES, title: str = "",
    reference: pd.DataFrame | None = None, prediction: pd.DataFrame | None = None,
) -> Figure:
    """The posteriors of one clip, a row per class, with its events in the same order below if there are any.

    Parameters
    ----------
    scores : (frame, class) array
        In [0, 1].
    frame_s : float
        Seconds of an output frame.
    reference, prediction : event tables of this clip, optional
    """
    with matplotlib.rc_context(FONT):
        rows = 1 + (reference is not None or prediction is not None)
        fig = Figure(figsize=(10, 3.4 * rows), layout="constrained")
        axes = fig.subplots(rows, 1, sharex=True, squeeze=False)[:, 0]
        posteriors_on(axes[0], scores, frame_s, classes)
        axes[0].set_title(title)
        if rows == 2:
            events_on(axes[1], reference, prediction, list(classes))
        axes[-1].set_xlabel("time (s)")
        axes[-1].set_xlim(0, len(scores) * frame_s)
        return fig


def posteriors_on(ax: Axes, scores: np.ndarray, frame_s: float, classes: Sequence[str] = tables.CLASSES) -> None:
    """Draw posteriors, (frame, class) in [0, 1], a row per class, with their colour bar."""
    drawn = ax.imshow(
        np.asarray(scores).T, aspect="auto", extent=(0, len(scores) * frame_s, len(classes) - 0.5, -0.5),
        cmap="cividis", vmin=0, vmax=1, interpolation="nearest",
    )
    ax.set_yticks(range(len(classes)), [label.replace("_", " ") for label in classes])
    ax.figure.colorbar(drawn, ax=ax, label="posterior", pad=0.01)


def detection(
    logmel: np.ndarray, hop_s: float, scores: np.ndarray, frame_s: float, reference: pd.DataFrame,
    prediction: pd.DataFrame, title: str = "", span: tuple[float, float] | None = None,
) -> Figure:
    """What the network heard in one clip and what it made of it: spectrogram, posteriors, events over one time axis.

    Parameters
    ----------
    logmel : (mel, frame) array
        dB, a frame every ``hop_s`` seconds.
    scores : (frame, class) array
        Posteriors of all classes, a frame every ``frame_s`` seconds.
    reference, prediction : event tables of this clip
    span : (onset, offset), optional
        Seconds to point out with two dashed lines.
    """
    with matplotlib.rc_context(FONT):
        rows = max(1, pd.concat([reference, prediction])["event_label"].nunique())
        heights = [2.4, 2.8, 0.5 + 0.4 * rows]
        fig = Figure(figsize=(10, 0.8 + sum(heights)), layout="constrained")
        axes = fig.subplots(3, 1, sharex=True, height_ratios=heights)
        spectrogram_on(axes[0], logmel, hop_s)
        axes[0].set_title(title)
        posteriors_on(axes[1], scores, frame_s)
        events_on(axes[2], reference, prediction)
        for ax, colour in zip(axes, ("white", "white", BLACK)) if span else ():
            for time in span:
                ax.axvline(time, color=colour, linestyle="--", linewidth=1.2)
        axes[2].set_xlabel("time (s)")
        return fig


def labels(panels: dict[str, np.ndarray | None], clip_s: float) -> Figure:
    """Labels of clips as pictures, class by time, side by side.

    Parameters
    ----------
    panels : dict of title to labels
        Strong labels (frame, class), weak labels (class,), or None where nothing is known.
    clip_s : float
        Seconds of a clip.
    """
    with matplotlib.rc_context(FONT):
        fig = Figure(figsize=(10, 3.2), layout="constrained")
        axes = fig.subplots(1, len(panels), sharey=True)
        rows = len(tables.CLASSES)
        for ax, (title, known) in zip(axes, panels.items()):
            ax.set_title(title)
            ax.set_yticks(range(rows), [label.replace("_", " ") for label in tables.CLASSES])
            ax.set(xlim=(0, clip_s), ylim=(rows - 0.5, -0.5))
            if known is None:
                ax.text(clip_s / 2, (rows - 1) / 2, "nothing is known", ha="center", va="center")
            else:
                ax.imshow(np.atleast_2d(known).T, aspect="auto", extent=(0, clip_s, rows - 0.5, -0.5), cmap="cividis",
                          vmin=0, vmax=1, interpolation="nearest")
            timed = known is None or known.ndim == 2
            ax.set_xlabel("time (s)" if timed else "the whole clip")
            if not timed:
                ax.set_xticks([])
        return fig


def decisions(
    scores: np.ndarray, threshold: float, decided: dict[str, np.ndarray], frame_s: float, title: str = "",
) -> Figure:
    """The posterior of one class in one clip with its threshold, and the active frames that follow from it.

    Parameters
    ----------
    scores : (frame,) array
        In [0, 1].
    decided : dict of name to (frame,) bool array
        A row each.
    frame_s : float
        Seconds of a frame.
    """
    with matplotlib.rc_context(FONT):
        fig = Figure(figsize=(10, 3.6), layout="constrained")
        top, bottom = fig.subplots(2, 1, sharex=True, height_ratios=[2, 1])
        edges = frame_s * np.arange(len(scores) + 1)
        top.stairs(scores, edges, color=BLUE, linewidth=1.5)
        top.axhline(threshold, color=VERMILION, linestyle="--", label=f"threshold {threshold}")
        top.set(ylabel="posterior", ylim=(0, 1.02), title=title)
        top.legend(loc="lower right", bbox_to_anchor=(1, 1), frameon=False, borderaxespad=0.2)
        for row, (active, colour) in enumerate(zip(decided.values(), (SKY, ORANGE))):
            bottom.bar(edges[:-1], np.where(active, 0.6, 0), frame_s, row - 0.3, align="edge", color=colour)
        bottom.set_yticks(range(len(decided)), list(decided))
        bottom.set(xlabel="time (s)", xlim=(0, edges[-1]), ylim=(len(decided) - 0.5, -0.5))
        return fig


def class_f1(per_class: dict[str, dict[str, float | None]], chance: np.ndarray) -> Figure:
    """F1 of every class as a bar, with what chance would score; the number of reference events is in brackets.

    Parameters
    ----------
    per_class : dict
        As `sedlib.metrics.evaluate` gives it: for each class ``f1`` (fraction, None without reference) and ``n_ref``.
    chance : (class,) array
        Fractions.
    """
    with matplotlib.rc_context(FONT):
        fig = Figure(figsize=(10, 4.2), layout="constrained")
        ax = fig.subplots()
        f1 = np.array([np.nan if row["f1"] is None else 100 * row["f1"] for row in per_class.values()])
        rows = np.arange(len(f1))
        known = ~np.isnan(f1)
        ax.barh(rows[known], f1[known], 0.7, color=BLUE, label="here")
        ax.plot(100 * chance[known], rows[known], "D", color=ORANGE, markeredgecolor=BLACK, label="chance",
                clip_on=False)
        for row in rows[~known]:
            ax.text(0.5, row, "no reference events", va="center")
        ax.set_yticks(rows, [f"{name.replace('_', ' ')} ({row['n_ref']})" for name, row in per_class.items()])
        ax.set(xlabel="event-based F1 (%)", ylim=(len(rows) - 0.5, -0.5))
        ax.set_xlim(0, max(10, 1.1 * np.nan_to_num(f1).max()))
        ax.grid(axis="x", color="0.85")
        ax.set_axisbelow(True)
        ax.legend(loc="lower right", bbox_to_anchor=(1, 1), ncols=2, frameon=False, borderaxespad=0.2)
        return fig


def class_counts(panels: dict[str, pd.DataFrame]) -> Figure:
    """Numbers of events as stacked bars, a row per class, in panels side by side.

    Parameters
    ----------
    panels : dict of title to DataFrame
        Index: classes; up to three columns: kinds of events; values: how many.
    """
    with matplotlib.rc_context(FONT):
        fig = Figure(figsize=(10, 4.4), layout="constrained")
        axes = fig.subplots(1, len(panels), sharey=True)
        for ax, (title, counts) in zip(axes, panels.items()):
            left = np.zeros(len(counts))
            for name, colour, hatch in zip(counts.columns, (BLUE, YELLOW, VERMILION), ("", "///", "xxx")):
                ax.barh(range(len(counts)), counts[name], 0.7, left, facecolor=colour, hatch=hatch, edgecolor="white",
                        linewidth=0, label=name)
                left = left + counts[name].to_numpy()
            ax.set_yticks(range(len(counts)), [label.replace("_", " ") for label in counts.index])
            ax.set(xlabel="events", title=title, ylim=(len(counts) - 0.5, -0.5))
            ax.set_xlim(0, max(1, 1.05 * left.max()))
            ax.legend(loc="lower right", bbox_to_anchor=(1, -0.32), ncols=3, frameon=False)
        return fig


def curves(metrics: pd.DataFrame) -> Figure:
    """Training curves: terms of the loss and validation F1 above, learning rate and weights of terms below.

    Parameters
    ----------
    metrics : DataFrame
        A row an epoch, as the training writes them: ``epoch``, ``loss_*``, ``validation_f1_*`` (fractions),
        ``learning_rate``, ``*_weight``.
    """
    with matplotlib.rc_context(FONT):
        fig = Figure(figsize=(10, 5.6), layout="constrained")
        (loss, f1), (rate, weight) = fig.subplots(2, 2, sharex=True, height_ratios=[2.2, 1])
        _lines(loss, metrics, "loss_*", 1, "loss")
        loss.set_yscale("log")
        _lines(f1, metrics, "validation_f1_*", 100, "validation event F1 (%)")
        _lines(rate, metrics, "learning_rate", 1, "learning rate")
        _lines(weight, metrics, "*_weight", 1, "weight")
        for ax in (f1, rate, weight):
            for line in ax.lines:
                line.set_clip_on(False)  # so that a marker at 0 is whole
            ax.axhline(0, zorder=0)  # so that the axis begins at 0 and still ends above the highest value
            ax.set_ylim(bottom=0)
        for ax in (rate, weight):
            ax.set_xlabel("epoch")
        return fig


def system_scores(scores: dict[str, tuple[float, list[float], tuple[float, float]]], classes: pd.DataFrame) -> Figure:
    """Table 1 as a picture: F1 of every front-end beside the paper's, and by class what it wins over the first.

    Parameters
    ----------
    scores : dict of name to (paper, trainings, (low, high))
        Event macro F1 in percent: the paper's, that of each training, and the 95 % interval of their mean.
    classes : DataFrame
        F1 in percent, a row a class, a column a front-end, among them the first of ``scores``.
    """
    with matplotlib.rc_context(FONT):
        fig = Figure(figsize=(10, 4.6), layout="constrained")
        left, right = fig.subplots(1, 2, width_ratios=[1, 1.35])
        places = np.arange(len(scores))[::-1]
        for place, (paper, trainings, (low, high)) in zip(places, scores.values()):
            left.plot([low, high], [place, place], color=BLUE, lw=2)
            left.plot(np.mean(trainings), place, "o", color=BLUE, ms=7)
            left.plot(trainings, [place - 0.25] * len(trainings), "|", color=BLACK, ms=8)
            left.plot(paper, place, "D", mfc="none", mec=VERMILION, ms=7)
        left.set_yticks(places, list(scores))
        left.set_xlabel("event macro F1, development (%)")
        left.legend(handles=[
            Line2D([], [], color=BLUE, marker="o", lw=2, label="here: mean, 95 % interval"),
            Line2D([], [], color=BLACK, marker="|", ls="", label="here: each training"),
            Line2D([], [], mfc="none", mec=VERMILION, marker="D", ls="", label="paper, on DESED"),
        ], loc="upper center", bbox_to_anchor=(0.4, -0.16), frameon=False)
        left.grid(axis="x", alpha=0.3)
        first, *others = classes.columns
        won = classes[others].sub(classes[first], axis=0)
        limit = np.nanmax(np.abs(won.to_numpy()))
        drawn = right.imshow(won, cmap="PuOr", vmin=-limit, vmax=limit, aspect="auto")
        for (row, column), value in np.ndenumerate(won.to_numpy()):
            right.text(column, row, f"{value:+.0f}", ha="center", va="center", fontsize=9,
                       color="white" if abs(value) > 0.7 * limit else "black")
        right.set_xticks(range(len(others)), others, rotation=35, ha="right")
        right.set_yticks(range(len(won)), [name.replace("_", " ") for name in won.index], fontsize=9)
        fig.colorbar(drawn, ax=right, label=f"F1 won over {first} (points)", pad=0.01)
        return fig


def ledger(numbers: list[dict[str, Any]]) -> Figure:
    """Every number of the paper beside ours, a panel a score, rows from the first table to the last.

    Parameters
    ----------
    numbers : list of dict
        As `reproduction.ledger.read` has them; those without a number here show the paper's alone.
    """
    titles = {"dev_f1": "development F1 (%)", "eval_f1": "evaluation F1 (%)", "dev_psds": "PSDS, development"}
    with matplotlib.rc_context(FONT):
        of_scores = {score: of for score in titles if (of := [n for n in numbers if n["score"] == score])}
        rows = {score: list(dict.fromkeys(f"{n['table']}: {n['row']}" for n in of)) for score, of in of_scores.items()}
        fig = Figure(figsize=(10.5, 1.6 + 0.27 * max(map(len, rows.values()))), layout="constrained")
        axes = fig.subplots(1, len(rows), squeeze=False, width_ratios=[1.5 if score == "dev_f1" else 1 for score in rows])[0]
        for ax, (score, of) in zip(axes, of_scores.items()):
            for n in of:
                place = -rows[score].index(f"{n['table']}: {n['row']}")
                ax.plot(n["claimed"], place, "D", mfc="none", mec=VERMILION, ms=6)
                if n["here"] is not None:
                    ax.plot([n["low"], n["high"]], [place, place], color=BLUE, lw=2)
                    ax.plot(n["here"], place, "o", color=BLUE, ms=6)
                    ax.plot(n["of_seed"], [place - 0.014 * len(rows[score])] * len(n["of_seed"]), "|", color=BLACK, ms=6)
            named = score != "dev_psds" or rows[score] != rows.get("eval_f1")  # the same rows stand on its left
            ax.set_yticks(-np.arange(len(rows[score])), rows[score] if named else [], fontsize=9)
            ax.set_xlabel(titles[score])
            ax.grid(axis="x", alpha=0.3)
        fig.legend(handles=[
            Line2D([], [], color=BLUE, marker="o", lw=2, label="here: mean, 95 % interval"),
            Line2D([], [], color=BLACK, marker="|", ls="", label="here: each training"),
            Line2D([], [], mfc="none", mec=VERMILION, marker="D", ls="", label="paper, on DESED"),
        ], loc="outside lower center", ncols=3, frameon=False)
        return fig


def ledger_text(numbers: list[dict[str, Any]]) -> str:
    """What `ledger` shows, in words: the alternative text."""
    said = [f"{n['row']} {n['claimed']:g} and {n['here']:.1f}" for n in numbers if n["score"] == "dev_f1" and n["here"] is not None]
    return ("The paper's numbers (diamonds) beside ours (dots with 95 % intervals) for all rows of Tables 1 to 3: development F1, evaluation F1 "
            f"and PSDS. Development F1 in percent, paper and here: {'; '.join(dict.fromkeys(said))}.")


def pcen_paths(metrics: pd.DataFrame) -> Figure:
    """The parameters of the PCEN layers over a training.

    Parameters
    ----------
    metrics : DataFrame
        A row an epoch: ``epoch``, and for every layer ``pcenN_alpha``, ``_delta``, ``_r`` and ``_fast``, the mean weight of
        the faster smoother.
    """
    with matplotlib.rc_context(FONT):
        fig = Figure(figsize=(12, 3.4), layout="constrained")
        names = {"alpha": "alpha", "delta": "delta", "r": "r", "fast": "fast smoother's weight"}
        for ax, (name, label) in zip(fig.subplots(1, 4), names.items()):
            _lines(ax, metrics, f"pcen*_{name}", 1, f"{label} (no unit)")
            ax.get_legend().set_title("layer")
            ax.set_xlabel("epoch")
        return fig


def _lines(ax: Axes, metrics: pd.DataFrame, columns: str, scale: float, label: str) -> None:
    """Draw columns of a pattern such as ``loss_*``, each in its own colour, line and marker, named by what ``*`` is."""
    before, star, after = columns.partition("*")
    styles = zip((BLUE, VERMILION, GREEN, PURPLE, BLACK, ORANGE, SKY), LINES, "osv^DPX")
    for name, (colour, line, marker) in zip(fnmatch.filter(metrics.columns, columns), styles):
        ax.plot(metrics["epoch"], scale * metrics[name], color=colour, linestyle=line, marker=marker, markersize=4,
                label=name.removeprefix(before).removesuffix(after).replace("_", " "))
    ax.set_ylabel(label)
    ax.xaxis.get_major_locator().set_params(integer=True, min_n_ticks=1)
    ax.grid(color="0.85")
    if star:
        ax.legend(loc="lower center", bbox_to_anchor=(0.5, 1), ncols=3, frameon=False, borderaxespad=0.2)


def beside_desed(comparisons: dict[str, pd.DataFrame]) -> Figure:
    """The statistics of a made data set beside DESED's: durations, share of clips, events per clip, polyphony.

    Parameters
    ----------
    comparisons : dict of title to DataFrame
        Of subsets with strong labels, as `minidesed.statistics.compare` gives them; a row of panels each.
    """
    with matplotlib.rc_context(FONT):
        fig = Figure(figsize=(12, 0.6 + 3.6 * len(comparisons)), layout="constrained")
        rows = fig.subplots(len(comparisons), 4, squeeze=False, sharex="col", width_ratios=[3, 2, 2, 1.5])
        classes = {label: label.replace("_", " ") for label in tables.CLASSES}
        at_once = {"events_0": "none", "events_1": "1", "events_2": "2", "events_3": "3 or more"}
        for axes, (title, comparison) in zip(rows, comparisons.items()):
            values = comparison[["ours", "DESED"]].unstack("quantity")
            for shift, (source, colour, marker, line) in zip(
                (-0.17, 0.17), (("ours", BLUE, "o", "-"), ("DESED", ORANGE, "D", "--")),
            ):
                known, y = values[source].loc[list(classes)], np.arange(len(classes)) + shift
                axes[0].hlines(y, known["duration_25"], known["duration_75"], color=colour, linestyle=line, linewidth=2)
                for ax, points in zip(axes, (known["duration_50"], 100 * known["clip_share"],
                                             known["events_per_clip_mean"])):
                    ax.plot(points, y, marker, color=colour, markeredgecolor=BLACK, clip_on=False)
                axes[3].plot(100 * values[source].loc["all", list(at_once)], np.arange(4) + shift / 2, marker,
                             color=colour, markeredgecolor=BLACK, clip_on=False, label=source)
            for ax in axes[:3]:
                ax.set_yticks(range(len(classes)), list(classes.values()) if ax is axes[0] else [])
                ax.set_ylim(len(classes) - 0.5, -0.5)
            axes[3].set_yticks(range(4), list(at_once.values()))
            axes[3].set(ylim=(3.5, -0.5), ylabel="events at once")
            axes[0].set_xscale("log")
            axes[0].set_xticks([0.25, 0.5, 1, 2, 5, 10], ["0.25", "0.5", "1", "2", "5", "10"], minor=False)
            axes[0].set_xticks([], minor=True)
            axes[0].set_title(title, loc="left")
            for ax in axes:
                ax.grid(color="0.85")
                ax.set_axisbelow(True)
        for ax, label in zip(rows[-1], ("duration (s), median and quartiles", "clips with the class (%)",
                                        "events in such a clip (mean)", "share of time (%)")):
            ax.set(xlabel=label)
        for ax in rows[-1][1:]:
            ax.set_xlim(left=0)
        rows[0][3].legend(loc="lower right", bbox_to_anchor=(1, 1), ncols=2, frameon=False, borderaxespad=0.2)
        return fig


def gap(systems: dict[str, dict[str, list[float]]], shares: pd.DataFrame) -> Figure:
    """The domain gap: what each kind of training scores where, and what each ingredient of the gap costs.

    Parameters
    ----------
    systems : dict of name to dict of test set to list
        Event F1 (fractions), a value a seed.
    shares : DataFrame
        As `reproduction.studies.gap.shares` gives it.
    """
    with matplotlib.rc_context(FONT):
        fig = Figure(figsize=(12, 4.6), layout="constrained")
        left, right = fig.subplots(1, 2, width_ratios=[2, 3])
        tests = list(dict.fromkeys(test for found in systems.values() for test in found))
        styles = dict(zip(tests, zip((SKY, BLUE, ORANGE), ("///", "", "xxx"), (-0.27, 0, 0.27))))
        for row, found in enumerate(systems.values()):
            for test, values in found.items():
                colour, hatch, shift = styles[test]
                percent = 100 * np.array(values)
                left.barh(row + shift, percent.mean(), 0.25, facecolor=colour, hatch=hatch, edgecolor="white",
                          linewidth=0, label=test if test not in left.get_legend_handles_labels()[1] else None)
                left.plot(percent, np.full(len(percent), row + shift), ".", color=BLACK, markersize=4)
        left.set_yticks(range(len(systems)), list(systems))
        left.set(xlabel="event-based F1 (%), a dot a seed", ylim=(len(systems) - 0.5, -0.5))
        rows = np.arange(len(shares))
        for name, spread, colour, marker, shift, label in (
            ("lost_alone", "lost_spread", VERMILION, "o", -0.15, "lost when it alone is switched on"),
            ("won_without", "won_spread", GREEN, "D", 0.15, "won when it alone is switched off"),
        ):
            right.errorbar(shares[name], rows + shift, xerr=shares[spread], fmt=marker, color=colour, markeredgecolor=BLACK,
                           ecolor=colour, capsize=3, label=label)
        right.axvline(0, color=BLACK, linewidth=1)
        right.set_yticks(rows, list(shares["ingredient"]))
        right.set(xlabel="points of event-based F1 of synthetic-only training", ylim=(len(rows) - 0.5, -0.5))
        for ax in (left, right):
            ax.grid(axis="x", color="0.85")
            ax.set_axisbelow(True)
            ax.legend(loc="lower center", bbox_to_anchor=(0.5, 1), ncols=2, frameon=False, borderaxespad=0.2)
        return fig


def domain_errors(errors: dict[str, dict[str, list[float]]], labels: float) -> Figure:
    """How often classifiers of domains are wrong: a training's own, and those that learn anew from its embeddings.

    Parameters
    ----------
    errors : dict of system to dict of classifier to list
        Balanced errors (fractions), a value a training; a list may be empty.
    labels : float
        That of a classifier that is given the true labels alone.
    """
    with matplotlib.rc_context(FONT):
        fig = Figure(figsize=(10, 1.4 + 0.45 * len(errors)), layout="constrained")
        ax = fig.subplots()
        rows = np.arange(len(errors))[::-1]
        looks = zip(next(iter(errors.values())), ((VERMILION, "D", 0.2), (BLUE, "o", 0.0), (GREEN, "s", -0.2)))
        for classifier, (colour, marker, shift) in looks:
            points = [(100 * value, row + shift) for row, found in zip(rows, errors.values()) for value in found[classifier]]
            ax.plot(*zip(*points), marker, color=colour, mfc="none", mew=1.5, ls="", label=classifier)
        ax.axvline(50, color=BLACK, lw=1, linestyle="--", label="chance")
        ax.axvline(100 * labels, color=BLACK, lw=1, linestyle=":", label="the true labels alone")
        ax.set_yticks(rows, list(errors))
        ax.set(xlabel="wrong about a clip's domain (%, balanced)", xlim=(0, 60))
        ax.grid(axis="x", color="0.85")
        ax.set_axisbelow(True)
        ax.legend(loc="lower center", bbox_to_anchor=(0.5, 1), ncols=5, frameon=False, borderaxespad=0.2)
        return fig


def training_cost(records: dict[str, dict[str, Any]]) -> Figure:
    """What a training costs: time and memory of a step against clips and width, and the whole of it on real DESED.

    Parameters
    ----------
    records : dict of device to record
        As ``python -m bench cost`` keeps them. Points are measured (bars: from the fastest to the slowest step), lines
        are fitted to all of a device's points at once.
    """
    with matplotlib.rc_context(FONT):
        fig = Figure(figsize=(12, 6.4), layout="constrained")
        axes = fig.subplots(2, 3)
        for number, (device, colour, marker) in enumerate(zip(records, (BLUE, VERMILION, GREEN), "oDs")):
            record, look, shift = records[device], {"color": colour, "marker": marker}, number / len(records)
            cases, said = pd.DataFrame(record["cases"]), record["prediction"]
            cases["fitted_s"], cases["fitted_mb"] = (record["fits"][kind]["fitted"] for kind in ("step_s", "memory_mb"))
            by_clips = cases[cases["width"] == 1].groupby("frames", sort=False)
            for (frames, of_length), line, face in zip(by_clips, LINES, (colour, "white")):
                name = f"{device}, {frames} frames a clip"
                _cost_on(axes[:, 0], of_length, "clips", line, label=name, markerfacecolor=face, **look)
            full = cases["frames"] == cases["frames"].max()
            _cost_on(axes[:, 1], cases[full & (cases["clips"] == said["batch"])], "width", LINES[0], **look)
            hours = {**said["hours"], "all": said["total_hours"]}
            _values_on(axes[0, 2], hours, [_duration(value) for value in hours.values()], shift, **look)
            gigabytes = {"memory": said["memory_mb"] / 1000, "waveforms, on disk": said["store_mb"] / 1000,
                         "spectrograms, if kept": said["spectrograms_mb"] / 1000}
            _values_on(axes[1, 2], gigabytes, [f"{value:.1f} GB" for value in gigabytes.values()], shift, **look)
        for column, label in enumerate(("clips in a step", f"channels, times the paper's ({said['batch']} clips)")):
            axes[0, column].set(xlabel=label, ylabel="time of a step (s)")
            axes[1, column].set(xlabel=label, ylabel="peak of memory (GB)")
        for ax in axes[:, :2].flat:
            ax.set_xlim(left=0)
            if ax in axes[0] and len(records) > 1:  # a GPU's line would lie on the axis
                ax.set_yscale("log")
            else:
                ax.set_ylim(bottom=0)
        axes[0, 2].set(xlabel=f"training on DESED, {said['epochs']} epochs (hours)", xscale="log")
        axes[1, 2].set(xlabel="needed for DESED (GB)", xlim=(0, None))
        for ax in axes.flat:
            ax.grid(color="0.85")
            ax.set_axisbelow(True)
        fig.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside upper center", ncols=2, frameon=False,
                   title="points measured, lines fitted")
        return fig


def _cost_on(axes: Sequence[Axes], cases: pd.DataFrame, x: str, line: object, **look: object) -> None:
    """Measured and fitted seconds on the first of two axes, gigabytes on the second."""
    cases = cases.sort_values(x)
    for ax, measured, fitted, scale in zip(axes, ("step_s", "memory_mb"), ("fitted_s", "fitted_mb"), (1, 1e-3)):
        ax.plot(cases[x], scale * cases[fitted], linestyle=line, color=look["color"])
        ax.plot(cases[x], scale * cases[measured], linestyle="", zorder=3, **look)
    axes[0].vlines(cases[x], cases["range_s"].str[0], cases["range_s"].str[1], color=look["color"])


def _values_on(ax: Axes, values: dict[str, float], texts: list[str], shift: float, **look: object) -> None:
    """A row for every value, and its text at the end of the row."""
    rows = np.arange(len(values)) + shift
    ax.plot(list(values.values()), rows, linestyle="", **look)
    for row, text in zip(rows, texts):
        ax.text(1.02, row, text, transform=ax.get_yaxis_transform(), color=look["color"], va="center")
    ax.set_yticks(range(len(values)), list(values))
    ax.set_ylim(len(values) - 0.2, -0.5)


def _duration(hours: float) -> str:
    """Hours in words, in the unit that fits."""
    for unit, size in (("days", 24), ("h", 1), ("min", 1 / 60)):
        if hours >= 2 * size:
            return f"{hours / size:.1f} {unit}"
    return f"{3600 * hours:.1f} s"


def stems(
    waveforms: np.ndarray, titles: Sequence[str], spans: Sequence[tuple[float, float] | None], sample_rate: int = 16000,
) -> Figure:
    """The parts of a mixture below each other: the level of each over time, and where its label says it sounds.

    Parameters
    ----------
    waveforms : (stem, sample) array
    titles : sequence of str
    spans : sequence of (onset, offset) in seconds, or None
        None: no label, as a background has none.
    """
    block = sample_rate // 100
    blocks = np.abs(waveforms[:, : waveforms.shape[1] // block * block]).reshape(len(waveforms), -1, block).max(2)
    level, times = 20 * np.log10(blocks.clip(1e-4)), block / sample_rate * np.arange(blocks.shape[1])
    with matplotlib.rc_context(FONT):
        fig = Figure(figsize=(10, 0.7 + 1.15 * len(waveforms)), layout="constrained")
        axes = fig.subplots(len(waveforms), 1, sharex=True, sharey=True, squeeze=False)[:, 0]
        for ax, curve, title, span in zip(axes, level, titles, spans):
            ax.fill_between(times, -80, curve, step="post", color=SKY if span is None else BLUE, linewidth=0)
            if span is not None:
                ax.axvspan(*span, facecolor=ORANGE, alpha=0.25, linewidth=0)
                for time in span:
                    ax.axvline(time, color=VERMILION, linestyle="--")
            ax.set_title(title, loc="left", fontsize=10)
            ax.grid(color="0.85")
            ax.set_axisbelow(True)
        axes[-1].set(xlabel="time (s)", xlim=(0, waveforms.shape[1] / sample_rate), ylim=(-80, 3))
        fig.supylabel("peak level in 10 ms (dB of full scale)", fontsize=11)
        return fig


def growth(panels: dict[str, dict[str, np.ndarray]]) -> Figure:
    """How many different things have been seen after 1, 2, 3 ... draws, in panels side by side.

    Parameters
    ----------
    panels : dict of y label to dict of name to (draw,) array
    """
    with matplotlib.rc_context(FONT):
        fig = Figure(figsize=(12, 3.8), layout="constrained")
        axes = fig.subplots(1, len(panels), squeeze=False)[0]
        styles = list(zip((BLACK, BLUE, VERMILION, GREEN), LINES))
        names = list(dict.fromkeys(name for curves in panels.values() for name in curves))
        for ax, (label, curves) in zip(axes, panels.items()):
            for name, counts in curves.items():
                colour, line = styles[names.index(name)]
                ax.plot(np.arange(1, len(counts) + 1), counts, color=colour, linestyle=line, label=name)
            ax.set(xlabel="clips heard", ylabel=label, xlim=(0, None), ylim=(0, None))
            ax.grid(color="0.85")
        handles = {name: handle for ax in axes for handle, name in zip(*ax.get_legend_handles_labels())}
        fig.legend(handles.values(), handles.keys(), loc="outside upper center", ncols=len(handles), frameon=False)
        return fig
