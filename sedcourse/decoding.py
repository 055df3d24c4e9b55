"""Pictures of lesson 06: paths over posteriors, Viterbi's table, landscapes of F1, searches, over-fitting, PSD-ROC."""

from __future__ import annotations

from collections.abc import Sequence

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from reproduction.comparisons import STATIONARY
from sedcourse.plots import BLACK, BLUE, FONT, GREEN, LINES, OKABE_ITO, ORANGE, PURPLE, SKY, VERMILION
from sedlib.data import tables
from sedlib.decode.hmm import emissions, transitions, viterbi
from sedlib.decode.tuning import HIGH, LOW, log_odds

STATES = ("silence", "event")


def filter_lengths(seconds: np.ndarray, f1: pd.DataFrame) -> Figure:
    """F1 against the length of the median filter: lasting sounds left, the others right, their mean in both.

    Parameters
    ----------
    seconds : (length,) array
    f1 : DataFrame
        A row a length, a column a class; percent.
    """
    with matplotlib.rc_context(FONT):
        fig = Figure(figsize=(12, 4.2), layout="constrained")
        axes = fig.subplots(1, 2, sharey=True)
        for ax, title, names in ((axes[0], "sounds that last", STATIONARY),
                                 (axes[1], "others", [name for name in f1 if name not in STATIONARY])):
            for name, colour, line in zip(names, (BLUE, ORANGE, GREEN, VERMILION, PURPLE), LINES[1:]):
                ax.plot(seconds, f1[name], color=colour, linestyle=line, marker=".", label=name.replace("_", " "))
                best = int(f1[name].to_numpy().argmax())
                ax.plot(seconds[best], f1[name].iloc[best], "o", mfc="none", mec=colour, ms=10, mew=1.5)
            ax.plot(seconds, f1.mean(axis=1), color=BLACK, lw=2.5, label="all ten classes")
            ax.set(title=title, xlabel="length of the filter (s)", xscale="log", ylim=(0, None))
            ax.set_xticks([0.1, 0.3, 1, 3], ["0.1", "0.3", "1", "3"])
            ax.set_xticks([], minor=True)
            ax.grid(color="0.85")
            ax.legend(frameon=False, loc="best")
        axes[0].set_ylabel("event F1 (%)")
        return fig


def path(scores: np.ndarray, frame_s: float, states: np.ndarray, reference: pd.DataFrame, title: str = "") -> Figure:
    """Posteriors of one class in one clip, the path through its two states, and the reference events, over one time axis.

    Parameters
    ----------
    scores : (frame,) array
    states : (frame,) bool array
    reference : event table of this clip and class
    """
    with matplotlib.rc_context(FONT):
        fig = Figure(figsize=(11, 4), layout="constrained")
        axes = fig.subplots(2, 1, sharex=True, height_ratios=[3, 1])
        edges = np.arange(len(scores) + 1) * frame_s
        axes[0].stairs(scores, edges, color=BLACK, label="posterior", lw=1.5)
        axes[0].axhline(0.5, color=BLACK, lw=0.8, linestyle=":")
        axes[0].fill_between(edges[:-1], 0, states, step="post", facecolor=ORANGE, alpha=0.35, hatch="...", edgecolor="white",
                             label="path in the event")
        axes[0].set(ylabel="posterior", ylim=(0, 1.02), title=title)
        axes[0].legend(loc="lower center", bbox_to_anchor=(0.5, 1), ncols=2, frameon=False, borderaxespad=1.8)
        for row, (onsets, offsets, colour, hatch) in enumerate((
            (reference["onset"], reference["offset"], BLUE, "///"), (*_runs(states, frame_s), ORANGE, "..."),
        )):
            onsets, offsets = np.asarray(onsets, float), np.asarray(offsets, float)
            axes[1].barh(np.full(len(onsets), row), offsets - onsets, 0.7, onsets, facecolor=colour, edgecolor="white", hatch=hatch,
                         linewidth=0)
        axes[1].set_yticks([0, 1], ["reference", "path"])
        axes[1].set(ylim=(1.5, -0.5), xlabel="time (s)", xlim=(0, edges[-1]))
        axes[1].grid(axis="x", color="0.85")
        axes[1].set_axisbelow(True)
        return fig


def _runs(states: np.ndarray, frame_s: float) -> tuple[np.ndarray, np.ndarray]:
    edges = np.flatnonzero(np.diff(np.concatenate([[0], np.asarray(states, int), [0]])))
    return edges[::2] * frame_s, edges[1::2] * frame_s


def draw_path(scores: np.ndarray, frame_s: float, reference: pd.DataFrame, p_silence: float, p_event: float,
              title: str = "") -> tuple[Figure, str]:
    """`path` of the best path for these two probabilities, with its description; parameters as there."""
    states = viterbi(emissions(scores[None, :, None]), np.array([p_silence]), np.array([p_event]))[0, :, 0]
    onsets, offsets = _runs(states, frame_s)
    found = ", ".join(f"{on:.1f} to {off:.1f} s" for on, off in zip(onsets, offsets)) or "none"
    words = f"silence stays with {p_silence:g}, event with {p_event:g}: {len(onsets)} events"
    return path(scores, frame_s, states, reference, f"{title}{words}"), (
        f"Posteriors of one class, the best path and the reference. {words}: {found}. Reference: "
        f"{'; '.join(f'{e.onset:.1f} to {e.offset:.1f} s' for e in reference.itertuples()) or 'none'}.")


def viterbi_table(scores: np.ndarray, p_silence: float, p_event: float, filled: int) -> tuple[Figure, str]:
    """Viterbi's table of the first frames of a clip, filled so far, with the way that every entry came; when it is full,
    also the way back.

    Parameters
    ----------
    scores : (frame,) array
        Posteriors of a few frames.
    filled : int
        Columns that are filled.
    """
    found = emissions(scores[None, :, None])
    emission = np.log(np.stack([1 - scores, scores], -1))  # (frame, state)
    log_a = transitions(p_silence, p_event)
    best, came = [emission[0] + np.log(0.5)], [np.array([-1, -1])]
    for t in range(1, len(scores)):
        ways = best[-1][:, None] + log_a  # (from, to)
        came.append(ways.argmax(axis=0))
        best.append(ways.max(axis=0) + emission[t])
    states = viterbi(found, np.array([p_silence]), np.array([p_event]))[0, :, 0].astype(int)
    with matplotlib.rc_context(FONT):
        fig = Figure(figsize=(12, 4.4), layout="constrained")
        axes = fig.subplots(2, 1, sharex=True, height_ratios=[1, 2])
        axes[0].bar(np.arange(len(scores)), scores, 0.8, color=SKY, edgecolor=BLACK)
        axes[0].axhline(0.5, color=BLACK, lw=0.8, linestyle=":")
        axes[0].set(ylabel="posterior", ylim=(0, 1))
        full = filled >= len(scores)
        for t in range(min(filled, len(scores))):
            for state in (0, 1):
                on_path = full and states[t] == state
                axes[1].text(t, state, f"{best[t][state]:.1f}", ha="center", va="center", weight="bold" if on_path else "normal",
                             bbox={"boxstyle": "round", "facecolor": ORANGE if on_path else "white", "edgecolor": BLACK})
                if t:
                    walked = on_path and states[t - 1] == came[t][state]
                    axes[1].annotate("", (t - 0.3, state + 0.16 * np.sign(came[t][state] - state)), (t - 0.7, came[t][state]),
                                     arrowprops={"arrowstyle": "-|>", "lw": 2.5 if walked else 1, "color": VERMILION if walked else BLACK,
                                                 "linestyle": "-" if walked or not full else ":"})
        axes[1].set_yticks([0, 1], STATES)
        axes[1].set(ylim=(-0.5, 1.5), xlim=(-0.6, len(scores) - 0.4), xlabel="frame", xticks=range(len(scores)))
        axes[1].set_title("best score of a path that ends here, and where it came from", loc="left")
    words = (f"full, and walked back from the better end: {', '.join(STATES[s] for s in states)}" if full
             else f"filled up to frame {filled - 1}: silence {best[filled - 1][0]:.1f}, event {best[filled - 1][1]:.1f}")
    return fig, f"Viterbi's table over {len(scores)} frames, a row for silence and one for the event, {words}."


def search_progress(f1: Sequence[float], best_possible: float | None = None) -> Figure:
    """F1 of every evaluation of a search, the best so far, and that of the exact optimum."""
    with matplotlib.rc_context(FONT):
        fig = Figure(figsize=(10, 3.4), layout="constrained")
        ax = fig.subplots()
        percent = 100 * np.asarray(f1)
        ax.plot(percent, ".", color=BLUE, label="an evaluation")
        ax.plot(np.maximum.accumulate(percent), color=VERMILION, lw=2, drawstyle="steps-post", label="best so far")
        if best_possible is not None:
            ax.axhline(100 * best_possible, color=BLACK, linestyle="--", label="exact optimum of the grid")
        ax.set(xlabel="evaluation", ylabel="macro F1, tuned half (%)", xlim=(-1, max(10, len(percent))))
        ax.grid(color="0.85")
        ax.legend(frameon=False, loc="lower right")
        return fig


def landscapes(f1: np.ndarray, p: np.ndarray, marks: dict[str, tuple[np.ndarray, np.ndarray]],
               classes: Sequence[str] = tables.CLASSES) -> Figure:
    """F1 of every class over both probabilities, and where searches ended.

    Parameters
    ----------
    f1 : (class, silence, event) array
        Fractions.
    p : (point,) array
        The probabilities of both axes.
    marks : dict of name to (p_silence, p_event), (class,) arrays each
    """
    with matplotlib.rc_context(FONT):
        rows = -(-len(classes) // 5)
        fig = Figure(figsize=(13, 0.9 + 2.7 * rows), layout="constrained")
        axes = fig.subplots(rows, min(5, len(classes)), squeeze=False, sharex=True, sharey=True)
        at = np.array([log_odds(value) for value in p])
        ticks = [value for value in (0.01, 0.1, 0.5, 0.9, 0.99, 0.999) if LOW <= value <= HIGH]
        for ax, of_class, k in zip(axes.flat, f1, range(len(classes))):
            drawn = ax.pcolormesh(at, at, 100 * of_class, cmap="cividis", shading="nearest", rasterized=True)
            bar = fig.colorbar(drawn, ax=ax, location="right", pad=0.02, fraction=0.06)
            bar.ax.tick_params(labelsize=8)
            for (_, (silence, event)), marker, colour in zip(marks.items(), "sXo", ("white", VERMILION, SKY)):
                ax.plot(log_odds(event[k]), log_odds(silence[k]), marker, color=colour, mec=BLACK, ms=8)
            ax.set_title(classes[k].replace("_", " "), fontsize=10)
            ax.set_xticks([log_odds(value) for value in ticks], [f"{value:g}" for value in ticks], fontsize=8, rotation=60)
            ax.set_yticks([log_odds(value) for value in ticks], [f"{value:g}" for value in ticks], fontsize=8)
        for ax in axes.flat[len(classes):]:
            ax.set_axis_off()
        fig.supxlabel("probability that an event goes on", fontsize=11)
        fig.supylabel("probability that silence goes on", fontsize=11)
        handles = [matplotlib.lines.Line2D([], [], marker=marker, color=colour, mec=BLACK, ls="", ms=8, label=name)
                   for name, marker, colour in zip(marks, "sXo", ("white", VERMILION, SKY))]
        if handles:
            fig.legend(handles=handles, loc="outside upper center", ncols=len(handles), frameon=False)
        return fig


def gains(measured: dict[str, dict[str, dict[str, list[float]]]]) -> Figure:
    """What tuning wins over the median filter on the half that it saw and on the other one, a panel a system.

    Parameters
    ----------
    measured : dict of title to dict of search to ``{"tuned": [...], "other": [...]}``
        Gains in points, a value a split.
    """
    with matplotlib.rc_context(FONT):
        rows = -(-len(measured) // 3)
        fig = Figure(figsize=(12, 0.8 + 2.9 * rows), layout="constrained")
        axes = fig.subplots(rows, -(-len(measured) // rows), squeeze=False).ravel()
        for ax in axes[len(measured):]:
            ax.set_axis_off()
        for ax, (title, searches) in zip(axes, measured.items()):
            for row, (search, found) in enumerate(reversed(searches.items())):
                for half, colour, marker, shift in (("tuned", BLUE, "o", 0.16), ("other", VERMILION, "s", -0.16)):
                    values = np.array(found[half])
                    ax.plot(values, np.full(len(values), row + shift), marker, color=colour, mfc="none", ms=4, alpha=0.5)
                    error = 2 * values.std(ddof=1) / np.sqrt(len(values)) if len(values) > 1 else 0.0
                    ax.errorbar(values.mean(), row + shift, xerr=error, fmt=marker, color=colour, ms=9, mec=BLACK, capsize=4, lw=2,
                                label=f"{'half that was tuned on' if half == 'tuned' else 'other half'}" if not row else None)
            ax.axvline(0, color=BLACK, lw=1)
            ax.set_yticks(range(len(searches)), list(reversed(searches)))
            ax.set(xlabel="macro F1 over the median filter (points)", title=title, ylim=(-0.6, len(searches) - 0.4))
            ax.grid(axis="x", color="0.85")
            ax.set_axisbelow(True)
        fig.legend(*axes[0].get_legend_handles_labels(), loc="outside upper center", ncols=2, frameon=False)
        return fig


def psd_roc(curves: dict[str, tuple[np.ndarray, np.ndarray]], most: float = 100.0) -> Figure:
    """PSD-ROC curves: mean share of events found against false alarms per hour, as staircases."""
    with matplotlib.rc_context(FONT):
        fig = Figure(figsize=(9, 4.2), layout="constrained")
        ax = fig.subplots()
        for (name, (x, y)), colour, line in zip(curves.items(), (BLACK, BLUE, VERMILION, GREEN, *OKABE_ITO[4:]), LINES):
            _staircase(ax, x, y, most, color=colour, linestyle=line, lw=2, label=name)
        ax.set(xlabel="effective false alarms per hour", ylabel="events found, mean over classes (%)", xlim=(0, most), ylim=(0, 100))
        ax.grid(color="0.85")
        ax.legend(frameon=False, loc="lower right")
        return fig


def _staircase(ax: Axes, x: np.ndarray, y: np.ndarray, most: float, **look: object) -> None:
    kept = x <= most
    ax.step(np.append(x[kept], most), 100 * np.append(y[kept], y[kept][-1]), where="post", **look)
