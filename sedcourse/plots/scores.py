"""Pictures of scores: F1 by class and by system, and the paper's numbers beside those measured here."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from sedcourse.plots.axes import grid, in_rows, legend_above
from sedcourse.plots.style import BLACK, BLUE, ORANGE, VERMILION, figure, styled

# What stands for the paper's numbers, and for ours.
_HANDLES = [
    Line2D([], [], color=BLUE, marker="o", lw=2, label="here: mean, 95 % interval"),
    Line2D([], [], color=BLACK, marker="|", ls="", label="here: each training"),
    Line2D([], [], mfc="none", mec=VERMILION, marker="D", ls="", label="paper, on DESED"),
]


@styled
def class_f1(per_class: dict[str, dict[str, float | None]], chance: np.ndarray) -> Figure:
    """Draw F1 of every class as a bar, with what chance would score; the number of reference events is in brackets.

    Parameters
    ----------
    per_class : dict
        As `sedlib.metrics.evaluate` gives it: for each class ``f1`` (fraction, None without reference) and ``n_ref``.
    chance : (class,) array
        Fractions.
    """
    fig, axes = figure(10, 4.2)
    ax = axes[0, 0]
    f1 = np.array([np.nan if row["f1"] is None else 100 * row["f1"] for row in per_class.values()])
    rows = np.arange(len(f1))
    known = ~np.isnan(f1)
    look = {"color": ORANGE, "markeredgecolor": BLACK, "label": "chance", "clip_on": False}
    ax.barh(rows[known], f1[known], 0.7, color=BLUE, label="here")
    ax.plot(100 * chance[known], rows[known], "D", **look)
    for row in rows[~known]:
        ax.text(0.5, row, "no reference events", va="center")
    in_rows(ax, [f"{name} ({row['n_ref']})" for name, row in per_class.items()])
    ax.set_xlabel("event-based F1 (%)")
    ax.set_xlim(0, max(10, 1.1 * np.nan_to_num(f1).max()))
    grid(ax, "x")
    legend_above(ax)
    return fig


@styled
def system_scores(scores: dict[str, tuple[float, list[float], tuple[float, float]]], classes: pd.DataFrame) -> Figure:
    """Draw Table 1: F1 of every front-end beside the paper's, and by class what it gains over the first.

    Parameters
    ----------
    scores : dict of name to (paper, trainings, (low, high))
        Event macro F1 in percent: the paper's, that of each training, and the 95 % interval of their mean.
    classes : DataFrame
        F1 in percent, one row per class, one column per front-end, among them the first of ``scores``.
    """
    fig, axes = figure(10, 4.6, ncols=2, width_ratios=[1, 1.35])
    left, right = axes[0]
    places = np.arange(len(scores))[::-1]
    for place, (paper, trainings, (low, high)) in zip(places, scores.values(), strict=True):
        left.plot([low, high], [place, place], color=BLUE, lw=2)
        left.plot(np.mean(trainings), place, "o", color=BLUE, ms=7)
        left.plot(trainings, [place - 0.25] * len(trainings), "|", color=BLACK, ms=8)
        left.plot(paper, place, "D", mfc="none", mec=VERMILION, ms=7)
    left.set_yticks(places, list(scores))
    left.set_xlabel("event macro F1, development (%)")
    left.legend(handles=_HANDLES, loc="upper center", bbox_to_anchor=(0.4, -0.16), frameon=False)
    left.grid(axis="x", alpha=0.3)
    _won_on(right, classes)
    return fig


def _won_on(ax: Axes, classes: pd.DataFrame) -> None:
    """Draw what each column has more than the first, by class, as numbers over colours."""
    first, *others = classes.columns
    won = classes[others].sub(classes[first], axis=0)
    limit = min(np.nanmax(np.abs(won.to_numpy())), 20)  # one system that learned nothing would leave the others pale
    drawn = ax.imshow(won, cmap="PuOr", vmin=-limit, vmax=limit, aspect="auto")
    for (row, column), value in np.ndenumerate(won.to_numpy()):
        colour = "white" if abs(value) > 0.7 * limit else "black"
        ax.text(column, row, f"{value:+.0f}", ha="center", va="center", fontsize=9, color=colour)
    ax.set_xticks(range(len(others)), others, rotation=35, ha="right")
    ax.set_yticks(range(len(won)), [name.replace("_", " ") for name in won.index], fontsize=9)
    ax.figure.colorbar(drawn, ax=ax, label=f"points of F1 over {first}", pad=0.01)


@styled
def ledger(numbers: list[dict[str, Any]]) -> Figure:
    """Draw every number of the paper beside ours, one panel per score, rows from the first table to the last.

    Parameters
    ----------
    numbers : list of dict
        As `reproduction.ledger.read` has them; those without a number here show the paper's alone.
    """
    titles = {"dev_f1": "development F1 (%)", "eval_f1": "evaluation F1 (%)", "dev_psds": "PSDS, development"}
    of_scores = {score: of for score in titles if (of := [n for n in numbers if n["score"] == score])}
    rows = {score: list(dict.fromkeys(f"{n['table']}: {n['row']}" for n in of)) for score, of in of_scores.items()}
    widths = [1.5 if score == "dev_f1" else 1 for score in rows]
    fig, axes = figure(10.5, 1.6 + 0.27 * max(map(len, rows.values())), ncols=len(rows), width_ratios=widths)
    for ax, (score, of) in zip(axes[0], of_scores.items(), strict=True):
        for n in of:
            place = -rows[score].index(f"{n['table']}: {n['row']}")
            ax.plot(n["claimed"], place, "D", mfc="none", mec=VERMILION, ms=6)
            if n["here"] is not None:
                ax.plot([n["low"], n["high"]], [place, place], color=BLUE, lw=2)
                ax.plot(n["here"], place, "o", color=BLUE, ms=6)
                below = [place - 0.014 * len(rows[score])] * len(n["of_seed"])
                ax.plot(n["of_seed"], below, "|", color=BLACK, ms=6)
        named = score != "dev_psds" or rows[score] != rows.get("eval_f1")  # the same rows stand on its left
        ax.set_yticks(-np.arange(len(rows[score])), rows[score] if named else [], fontsize=9)
        ax.set_xlabel(titles[score])
        ax.grid(axis="x", alpha=0.3)
    fig.legend(handles=_HANDLES, loc="outside lower center", ncols=3, frameon=False)
    return fig


def ledger_text(numbers: list[dict[str, Any]]) -> str:
    """Return what `ledger` shows in words, its alt text."""
    known = [n for n in numbers if n["score"] == "dev_f1" and n["here"] is not None]
    f1 = dict.fromkeys(f"{n['row']} {n['claimed']:g} and {n['here']:.1f}" for n in known)
    return (
        "The paper's numbers (diamonds) beside ours (dots with 95 % intervals) for all rows of Tables 1 to 3: "
        "development F1, evaluation F1 and PSDS. Development F1 in percent, paper and here: "
        f"{'; '.join(f1)}."
    )
