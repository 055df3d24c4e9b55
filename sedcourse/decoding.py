"""Pictures of lesson 06: paths over posteriors, Viterbi's table, landscapes of F1, searches, over-fitting, PSD-ROC."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from scipy.ndimage import gaussian_filter

from reproduction.comparisons import STATIONARY
from sedcourse.plots.axes import grid, in_rows, legend_above
from sedcourse.plots.style import (
    BLACK,
    BLUE,
    GREEN,
    LINES,
    OKABE_ITO,
    ORANGE,
    PURPLE,
    SKY,
    VERMILION,
    figure,
    hatched,
    styled,
)
from sedlib.data import tables
from sedlib.decode import Posteriors, tuning
from sedlib.decode.hmm import emissions, transitions, viterbi
from sedlib.decode.objective import Objective
from sedlib.decode.tuning import HIGH, LOW, log_odds
from sedlib.metrics.psds import Psds

STATES = ("silence", "event")


@styled
def filter_lengths(seconds: np.ndarray, f1: pd.DataFrame) -> tuple[Figure, str]:
    """Draw F1 against the length of the median filter: lasting sounds left, the others right, and describe it.

    Parameters
    ----------
    seconds : (length,) array
    f1 : DataFrame
        One row per length, one column per class; percent.
    """
    fig, axes = figure(12, 4.2, ncols=2, sharey=True)
    panels = {"sounds that last": STATIONARY, "others": [name for name in f1 if name not in STATIONARY]}
    for ax, (title, names) in zip(axes[0], panels.items(), strict=True):
        for name, colour, line in zip(names, (BLUE, ORANGE, GREEN, VERMILION, PURPLE), LINES[1:], strict=False):
            ax.plot(seconds, f1[name], color=colour, linestyle=line, marker=".", label=name.replace("_", " "))
            best = int(f1[name].to_numpy().argmax())
            ax.plot(seconds[best], f1[name].iloc[best], "o", mfc="none", mec=colour, ms=10, mew=1.5)
        ax.plot(seconds, f1.mean(axis=1), color=BLACK, lw=2.5, label="all ten classes")
        ax.set(title=title, xlabel="length of the filter (s)", xscale="log", ylim=(0, None))
        ax.set_xticks([0.1, 0.3, 1, 3], ["0.1", "0.3", "1", "3"])
        ax.set_xticks([], minor=True)
        ax.grid(color="0.85")
        ax.legend(frameon=False, loc="best")
    axes[0, 0].set_ylabel("event F1 (%)")
    best = ", ".join(f"{name} {seconds[f1[name].to_numpy().argmax()]:g} s" for name in f1)
    return fig, f"Event F1 of each class against the length of the median filter. Best: {best}."


def _runs(states: np.ndarray, frame_s: float) -> tuple[np.ndarray, np.ndarray]:
    edges = np.flatnonzero(np.diff(np.concatenate([[0], np.asarray(states, int), [0]])))
    return edges[::2] * frame_s, edges[1::2] * frame_s


def _best(scores: np.ndarray, p_silence: float, p_event: float) -> np.ndarray:
    """States (frame,) of the best path of one class."""
    return viterbi(emissions(scores[None, :, None]), np.array([p_silence]), np.array([p_event]))[0, :, 0]


@styled
def draw_path(
    scores: np.ndarray, frame_s: float, reference: pd.DataFrame, p_silence: float, p_event: float, title: str = ""
) -> tuple[Figure, str]:
    """Draw the best path for these two probabilities over the posteriors of one class, and describe it.

    Parameters
    ----------
    scores : (frame,) array
    reference : event table of this clip and class
    """
    states = _best(scores, p_silence, p_event)
    onsets, offsets = _runs(states, frame_s)
    found = ", ".join(f"{on:.1f} to {off:.1f} s" for on, off in zip(onsets, offsets, strict=True)) or "none"
    given = "; ".join(f"{e.onset:.1f} to {e.offset:.1f} s" for e in reference.itertuples()) or "none"
    words = f"silence stays with {p_silence:g}, event with {p_event:g}: {len(onsets)} events"
    fig, axes = figure(11, 4, nrows=2, sharex=True, height_ratios=[3, 1])
    above, below = axes[:, 0]
    edges = np.arange(len(scores) + 1) * frame_s
    above.stairs(scores, edges, color=BLACK, label="posterior", lw=1.5)
    above.axhline(0.5, color=BLACK, lw=0.8, linestyle=":")
    path = {"facecolor": ORANGE, "alpha": 0.35, "label": "path in the event", "hatch": "...", "edgecolor": "white"}
    above.fill_between(edges[:-1], 0, states, step="post", **path)
    above.set(ylabel="posterior", ylim=(0, 1.02), title=f"{title}{words}")
    legend_above(above, 0.5, borderaxespad=1.8)
    starts, lengths = reference["onset"].to_numpy(float), (reference["offset"] - reference["onset"]).to_numpy(float)
    below.barh(np.zeros(len(starts)), lengths, 0.7, starts, **hatched(BLUE, "///"))
    below.barh(np.ones(len(onsets)), offsets - onsets, 0.7, onsets, **hatched(ORANGE, "..."))
    in_rows(below, ["reference", "path"])
    below.set(xlabel="time (s)", xlim=(0, edges[-1]))
    grid(below, "x")
    return fig, f"Posteriors of one class, the best path and the reference. {words}: {found}. Reference: {given}."


@styled
def viterbi_table(scores: np.ndarray, p_silence: float, p_event: float, filled: int) -> tuple[Figure, str]:
    """Draw Viterbi's table of a few frames and the way that every entry came, and describe it.

    Parameters
    ----------
    scores : (frame,) array
        Posteriors.
    filled : int
        Columns that are filled; when all are, the way back is drawn too.
    """
    emission = np.log(np.stack([1 - scores, scores], -1))  # (frame, state)
    log_a = transitions(p_silence, p_event)
    best, came = [emission[0] + np.log(0.5)], [np.array([-1, -1])]
    for t in range(1, len(scores)):
        ways = best[-1][:, None] + log_a  # (from, to)
        came.append(ways.argmax(axis=0))
        best.append(ways.max(axis=0) + emission[t])
    states, full = _best(scores, p_silence, p_event).astype(int), filled >= len(scores)
    fig, axes = figure(12, 4.4, nrows=2, sharex=True, height_ratios=[1, 2])
    above, below = axes[:, 0]
    above.bar(np.arange(len(scores)), scores, 0.8, color=SKY, edgecolor=BLACK)
    above.axhline(0.5, color=BLACK, lw=0.8, linestyle=":")
    above.set(ylabel="posterior", ylim=(0, 1))
    for t in range(min(filled, len(scores))):
        for state in (0, 1):
            on_path = full and states[t] == state
            _entry(below, t, state, best[t][state], on_path)
            if t:
                walked = on_path and states[t - 1] == came[t][state]
                _way(below, t, state, came[t][state], walked, full)
    below.set_yticks([0, 1], STATES)
    below.set(ylim=(-0.5, 1.5), xlim=(-0.6, len(scores) - 0.4), xlabel="frame", xticks=range(len(scores)))
    below.set_title("best score of a path that ends here, and where it came from", loc="left")
    silence, event = best[min(filled, len(scores)) - 1]
    words = (
        f"full, and walked back from the better end: {', '.join(STATES[s] for s in states)}"
        if full
        else f"filled up to frame {filled - 1}: silence {silence:.1f}, event {event:.1f}"
    )
    return fig, f"Viterbi's table over {len(scores)} frames, a row for silence and one for the event, {words}."


def _entry(ax: Axes, t: int, state: int, score: float, on_path: bool) -> None:
    box = {"boxstyle": "round", "facecolor": ORANGE if on_path else "white", "edgecolor": BLACK}
    weight = "bold" if on_path else "normal"
    ax.text(t, state, f"{score:.1f}", ha="center", va="center", weight=weight, bbox=box)


def _way(ax: Axes, t: int, state: int, came: int, walked: bool, full: bool) -> None:
    look = {"lw": 2.5, "color": VERMILION} if walked else {"lw": 1, "color": BLACK}
    look |= {"arrowstyle": "-|>", "linestyle": "-" if walked or not full else ":"}
    ax.annotate("", (t - 0.3, state + 0.16 * np.sign(came - state)), (t - 0.7, came), arrowprops=look)


@styled
def search_progress(f1: Sequence[float], best_possible: float) -> Figure:
    """Draw F1 of every evaluation of a search, the best so far, and that of the exact optimum."""
    fig, axes = figure(10, 3.4)
    ax, percent = axes[0, 0], 100 * np.asarray(f1)
    ax.plot(percent, ".", color=BLUE, label="an evaluation")
    ax.plot(np.maximum.accumulate(percent), color=VERMILION, lw=2, drawstyle="steps-post", label="best so far")
    ax.axhline(100 * best_possible, color=BLACK, linestyle="--", label="exact optimum of the grid")
    ax.set(xlabel="evaluation", ylabel="macro F1, tuned half (%)", xlim=(-1, max(10, len(percent))))
    grid(ax)
    ax.legend(frameon=False, loc="lower right")
    return fig


@styled
def landscapes(
    f1: np.ndarray,
    p: np.ndarray,
    marks: dict[str, tuple[np.ndarray, np.ndarray]],
    classes: Sequence[str] = tables.CLASSES,
) -> tuple[Figure, str]:
    """Draw F1 of every class over both probabilities, and where searches ended, and describe it.

    Parameters
    ----------
    f1 : (class, silence, event) array
        Fractions.
    p : (point,) array
        The probabilities of both axes.
    marks : dict of name to (p_silence, p_event), (class,) arrays each
    """
    rows = -(-len(classes) // 5)
    fig, axes = figure(13, 0.9 + 2.7 * rows, nrows=rows, ncols=min(5, len(classes)), sharex=True, sharey=True)
    at = np.array([log_odds(value) for value in p])
    ticks = [value for value in (0.01, 0.1, 0.5, 0.9, 0.99, 0.999) if LOW <= value <= HIGH]
    places, texts = [log_odds(value) for value in ticks], [f"{value:g}" for value in ticks]
    looks: list[dict[str, Any]] = [
        {"marker": marker, "color": colour, "mec": BLACK, "ms": 8, "ls": ""}
        for marker, colour in zip("sXo", ("white", VERMILION, SKY), strict=True)
    ]
    for ax, of_class, k in zip(axes.flat, f1, range(len(classes)), strict=False):
        drawn = ax.pcolormesh(at, at, 100 * of_class, cmap="cividis", shading="nearest", rasterized=True)
        fig.colorbar(drawn, ax=ax, location="right", pad=0.02, fraction=0.06).ax.tick_params(labelsize=8)
        for (silence, event), look in zip(marks.values(), looks, strict=False):
            ax.plot(log_odds(event[k]), log_odds(silence[k]), **look)
        ax.set_title(classes[k].replace("_", " "), fontsize=10)
        ax.set_xticks(places, texts, fontsize=8, rotation=60)
        ax.set_yticks(places, texts, fontsize=8)
    for ax in axes.flat[len(classes) :]:
        ax.set_axis_off()
    fig.supxlabel("probability that an event goes on", fontsize=11)
    fig.supylabel("probability that silence goes on", fontsize=11)
    if marks:
        handles = [Line2D([], [], label=name, **look) for name, look in zip(marks, looks, strict=False)]
        fig.legend(handles=handles, loc="outside upper center", ncols=len(handles), frameon=False)
    ends = "; ".join(
        f"{name}: {', '.join(f'{of} {s:.3f} and {e:.3f}' for of, s, e in zip(classes, *both, strict=True))}"
        for name, both in marks.items()
    )
    return (
        fig,
        f"F1 over the probabilities that silence and event go on, one panel per class. Silence and event, {ends}.",
    )


def rarest_landscape(objective: Objective) -> tuple[Figure, str]:
    """Draw the landscape of the class with the fewest events as it is and smoothed as the robust search does it."""
    n = np.where(objective.references > 0, objective.references, 10**9)
    rarest, p = int(n.argmin()), tuning.grid(tuning.ROBUST_POINTS)
    width = tuning.SMOOTHING / np.sqrt(n[rarest])
    raw = np.nan_to_num(objective.landscape(p, p, drop_s=tuning.DROP_S)[rarest, ..., 0])
    smooth = gaussian_filter(raw, width / (log_odds(p[1]) - log_odds(p[0])), mode="nearest")
    tops = [np.unravel_index(of.argmax(), of.shape) for of in (raw, smooth)]
    marks = {
        title: (np.full(2, p[top[0]]), np.full(2, p[top[1]]))
        for title, top in zip(("top", "top after smoothing"), tops, strict=True)
    }
    name = objective.classes[rarest]
    fig, words = landscapes(np.stack([raw, smooth]), p, marks, [f"{name}, {how}" for how in ("as it is", "smoothed")])
    return fig, f"{name}, counted on {n[rarest]} events, and smoothed by {width:.1f} in log-odds. {words}"


@styled
def gains(measured: dict[str, dict[str, dict[str, list[float]]]]) -> Figure:
    """Draw what tuning gains over the median filter on its own half and on the other one, one panel per system.

    Parameters
    ----------
    measured : dict of title to dict of search to ``{"tuned": [...], "other": [...]}``
        Gains in points, one value per split.
    """
    rows = -(-len(measured) // 3)
    fig, axes = figure(12, 0.8 + 2.9 * rows, nrows=rows, ncols=-(-len(measured) // rows))
    halves = ("tuned", "half that was tuned on", BLUE, "o", 0.16), ("other", "other half", VERMILION, "s", -0.16)
    for ax in axes.flat[len(measured) :]:
        ax.set_axis_off()
    for ax, (title, searches) in zip(axes.flat, measured.items(), strict=False):
        for row, found in enumerate(reversed(searches.values())):
            for half, name, colour, marker, shift in halves:
                values = np.array(found[half])
                ax.plot(values, np.full(len(values), row + shift), marker, color=colour, mfc="none", ms=4, alpha=0.5)
                error = 2 * values.std(ddof=1) / np.sqrt(len(values)) if len(values) > 1 else 0.0
                look = {"fmt": marker, "color": colour, "ms": 9, "mec": BLACK, "capsize": 4, "lw": 2}
                ax.errorbar(values.mean(), row + shift, xerr=error, label=None if row else name, **look)
        ax.axvline(0, color=BLACK, lw=1)
        ax.set_yticks(range(len(searches)), list(reversed(searches)))
        ax.set(xlabel="macro F1 over the median filter (points)", title=title, ylim=(-0.6, len(searches) - 0.4))
        grid(ax, "x")
    handles = axes.flat[0].get_legend_handles_labels()
    fig.legend(*handles, loc="outside upper center", ncols=2, frameon=False)
    return fig


@styled
def beside(scores: np.ndarray, frame_s: float, events: Mapping[str, pd.DataFrame]) -> Figure:
    """Draw the posteriors of one class and clip, and under them the events that each decoder finds, one row each.

    Parameters
    ----------
    scores : (frame,) array
    events : mapping of name to event table of this clip and class
        From top to bottom; the first is the reference.
    """
    fig, axes = figure(11, 2.6 + 0.35 * len(events), nrows=2, sharex=True, height_ratios=[2, 0.3 * len(events)])
    above, below = axes[:, 0]
    edges = np.arange(len(scores) + 1) * frame_s
    above.stairs(scores, edges, color=BLACK, lw=1.5)
    above.axhline(0.5, color=BLACK, lw=0.8, linestyle=":")
    above.set(ylabel="posterior", ylim=(0, 1.02))
    for row, table in enumerate(events.values()):
        look = hatched(BLUE, "///") if row == 0 else hatched(ORANGE, "...")
        below.barh(np.full(len(table), row), table["offset"] - table["onset"], 0.7, table["onset"], **look)
    in_rows(below, list(events))
    below.set(xlabel="time (s)", xlim=(0, edges[-1]))
    grid(below, "x")
    return fig


def one_clip(
    filename: str,
    label: str,
    posteriors: Posteriors,
    events: Mapping[str, pd.DataFrame],
    span: tuple[float, float] | None = None,
) -> tuple[Figure, str]:
    """Draw a class in a clip, its posterior above events of several sources (`beside`), and describe it."""
    scores = posteriors.scores[posteriors.filenames.index(filename), :, posteriors.classes.index(label)]
    chosen = {}
    for title, table in events.items():
        known = tables.events(table)
        chosen[title] = known[(known["filename"] == filename) & (known["event_label"] == label)]
    fig = beside(scores, posteriors.frame_s, chosen)
    for ax in fig.axes:
        for time in span or ():
            ax.axvline(time, color=VERMILION, linestyle="--", lw=1.2)
    words = "; ".join(f"{title}: {len(of)}" for title, of in chosen.items())
    return fig, f"Posterior of {label} in {filename} above its events; how many: {words}."


def mended(
    title: str, span: pd.Series, posteriors: Posteriors, events: Mapping[str, pd.DataFrame]
) -> tuple[Figure, str]:
    """Draw what smoothing repaired, a gap or a blip between dashed lines, and describe it."""
    onset, offset = float(span["onset"]), float(span["offset"])
    fig, words = one_clip(span["filename"], span["event_label"], posteriors, events, (onset, offset))
    where = f"{title}: {span['event_label']}, {onset:.1f} to {offset:.1f} s"
    fig.axes[0].set_title(where)
    return fig, f"{where}. {words}"


@styled
def by_class(gains: pd.DataFrame) -> Figure:
    """Draw what decoders gain for each class on clips that did not tune them, the shortest events first.

    Parameters
    ----------
    gains : DataFrame
        ``class``, ``seconds`` (median duration of its events), and a column of points a decoder.
    """
    decoders = [name for name in gains if name not in ("class", "seconds")]
    fig, axes = figure(11, 4.4)
    ax, looks = axes[0, 0], zip(decoders, (BLUE, VERMILION, GREEN, PURPLE, ORANGE), "osD^v", strict=False)
    for i, (name, colour, marker) in enumerate(looks):
        shift = 0.12 * (i - (len(decoders) - 1) / 2)
        ax.plot(np.arange(len(gains)) + shift, gains[name], marker, color=colour, mec=BLACK, ms=8, label=name)
    ax.axhline(0, color=BLACK, lw=1)
    names = [f"{name.replace('_', chr(10))}\n{seconds:.1f} s" for name, seconds in gains[["class", "seconds"]].values]
    ax.set_xticks(range(len(gains)), names, fontsize=9)
    ax.set(ylabel="event F1 over the median filter\n(points, other half)", xlim=(-0.5, len(gains) - 0.5))
    grid(ax, "y")
    legend_above(ax, 0.5)
    return fig


@styled
def psd_roc(psds: Mapping[str, Psds], most: float = 100.0) -> tuple[Figure, str]:
    """Draw PSD-ROC curves, mean share of events found against false alarms per hour, as staircases; describe them.

    Parameters
    ----------
    psds : mapping of name to Psds
    most : float
        False alarms per hour at which the curves end.
    """
    fig, axes = figure(9, 4.2)
    ax, colours = axes[0, 0], (BLACK, BLUE, VERMILION, GREEN, *OKABE_ITO[4:])
    for (name, found), colour, line in zip(psds.items(), colours, LINES, strict=False):
        x, y = found.roc
        kept = x <= most
        steps = np.append(x[kept], most), 100 * np.append(y[kept], y[kept][-1])
        ax.step(*steps, where="post", color=colour, linestyle=line, lw=2, label=f"{name}: {found.value:.3f}")
    ax.set(xlabel="effective false alarms per hour", ylabel="events found, mean over classes (%)")
    ax.set(xlim=(0, most), ylim=(0, 100))
    ax.grid(color="0.85")
    ax.legend(frameon=False, loc="lower right", title="PSDS")
    words = ", ".join(f"{name} {found.value:.3f}" for name, found in psds.items())
    return fig, f"PSD-ROC curves of {len(psds)} decoders; PSDS: {words}."


class Guess(NamedTuple):
    """What a surrogate knows after some guesses, and where it looks next."""

    asked: list[int]  # points, in the order of the guesses
    mean: np.ndarray  # (point,) its estimate of F1
    error: np.ndarray  # (point,) how far its trees disagree
    hoped: np.ndarray  # (point,) expected improvement on the best guess
    following: int


def guesses(p: np.ndarray, f1: np.ndarray, most: int = 16, first: int = 5, seed: int = 1) -> dict[int, Guess]:
    """Search along one probability as the paper's random forest does, and keep what it knows after each guess.

    Parameters
    ----------
    p, f1 : (point,) arrays
        Probabilities, and F1 at each, as a fraction.
    most, first : int
        Number of guesses, and how many of them are drawn at random before the forest leads.

    Returns
    -------
    dict of number of guesses to Guess
    """
    from skopt.acquisition import gaussian_ei  # here, as it takes a second
    from skopt.learning import RandomForestRegressor

    at, found = log_odds(p)[:, None], {}
    order = np.random.default_rng(seed).permutation(len(p)).tolist()
    asked = order[:first]
    for count in range(first, most + 1):
        forest = RandomForestRegressor(40, min_samples_leaf=2, random_state=0).fit(at[asked], -f1[asked])
        mean, error = forest.predict(at, return_std=True)
        hoped = gaussian_ei(at, forest, y_opt=-f1[asked].max())
        following = max((i for i in order if i not in asked), key=lambda i: hoped[i])
        found[count] = Guess([*asked], -mean, error, hoped, following)
        asked.append(following)
    return found


@styled
def proposal(p: np.ndarray, f1: np.ndarray, known: Guess) -> tuple[Figure, str]:
    """Draw one of `guesses` beside the F1 that it does not know, and describe it."""
    fig, axes = figure(10, 4.6, nrows=2, sharex=True, height_ratios=[2, 1])
    (above, below), x = axes[:, 0], log_odds(p)
    best, number = 100 * f1[known.asked].max(), len(known.asked)
    above.plot(x, 100 * f1, color=BLACK, lw=1, linestyle=":", label="F1, which the search does not know")
    above.plot(x, 100 * known.mean, color=BLUE, label="the forest's mean, and how far its trees disagree")
    low, high = known.mean - known.error, known.mean + known.error
    above.fill_between(x, 100 * low, 100 * high, color=SKY, alpha=0.4)
    above.plot(x[known.asked], 100 * f1[known.asked], "o", color=BLACK, label="guesses so far")
    below.plot(x, 100 * known.hoped, color=VERMILION)
    for ax in (above, below):
        ax.axvline(x[known.following], color=VERMILION, linestyle="--", label="next guess")
    places = [value for value in (0.01, 0.1, 0.5, 0.9, 0.99, 0.999) if LOW <= value <= HIGH]
    below.set_xticks(log_odds(np.array(places)), [f"{value:g}" for value in places])
    above.set(ylabel="F1 (%)")
    above.set_title(f"after {number} guesses, the best {best:.1f} %", loc="left")
    below.set(xlabel="probability that an event goes on", ylabel="expected\ngain (points)")
    fig.legend(*above.get_legend_handles_labels(), loc="outside upper center", ncols=2, frameon=False)
    return fig, (
        f"A random forest's estimate of F1 along one probability after {number} guesses, the best {best:.1f} %; "
        f"it proposes {p[known.following]:.3f} next. The optimum is {100 * f1.max():.1f} %."
    )
