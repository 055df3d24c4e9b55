"""Pictures of data sets and domains: statistics beside DESED's, variety, the domain gap, domain classifiers."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from sedcourse.plots.axes import grid, in_rows, legend_above
from sedcourse.plots.style import BLACK, BLUE, GREEN, ORANGE, SKY, VERMILION, YELLOW, figure, hatched, styled
from sedlib.data import tables


@styled
def class_counts(panels: dict[str, pd.DataFrame]) -> Figure:
    """Draw numbers of events as stacked bars, a row per class, in panels side by side.

    Parameters
    ----------
    panels : dict of title to DataFrame
        Index: classes; up to three columns: kinds of events; values: how many.
    """
    fig, axes = figure(10, 4.4, ncols=len(panels), sharey=True)
    for ax, (title, counts) in zip(axes[0], panels.items(), strict=True):
        left = np.zeros(len(counts))
        for name, colour, hatch in zip(counts.columns, (BLUE, YELLOW, VERMILION), ("", "///", "xxx"), strict=False):
            ax.barh(range(len(counts)), counts[name], 0.7, left, **hatched(colour, hatch, label=name))
            left = left + counts[name].to_numpy()
        in_rows(ax, list(counts.index))
        ax.set(xlabel="events", title=title, xlim=(0, max(1, 1.05 * left.max())))
        ax.legend(loc="lower right", bbox_to_anchor=(1, -0.32), ncols=3, frameon=False)
    return fig


@styled
def beside_desed(comparisons: dict[str, pd.DataFrame]) -> Figure:
    """Draw the statistics of a made data set beside DESED's: durations, share of clips, events per clip, polyphony.

    Parameters
    ----------
    comparisons : dict of title to DataFrame
        Of subsets with strong labels, as `minidesed.statistics.compare` gives them; a row of panels each.
    """
    count = len(comparisons)
    fig, rows = figure(12, 0.6 + 3.6 * count, nrows=count, ncols=4, sharex="col", width_ratios=[3, 2, 2, 1.5])
    for axes, (title, comparison) in zip(rows, comparisons.items(), strict=True):
        _statistics_on(axes, comparison)
        axes[0].set_title(title, loc="left")
    texts = "duration (s), median and quartiles", "clips with the class (%)", "events in such a clip (mean)"
    for ax, label in zip(rows[-1], (*texts, "share of time (%)"), strict=True):
        ax.set(xlabel=label)
    for ax in rows[-1][1:]:
        ax.set_xlim(left=0)
    legend_above(rows[0][3])
    return fig


def _statistics_on(axes: np.ndarray, comparison: pd.DataFrame) -> None:
    """Draw a row of panels: three with one row per class, one of how many events sound at once."""
    values = comparison[["ours", "DESED"]].unstack("quantity")
    at_once = {"events_0": "none", "events_1": "1", "events_2": "2", "events_3": "3 or more"}
    for shift, source, colour, marker, line in ((-0.17, "ours", BLUE, "o", "-"), (0.17, "DESED", ORANGE, "D", "--")):
        known, y = values[source].loc[list(tables.CLASSES)], np.arange(len(tables.CLASSES)) + shift
        look = {"color": colour, "markeredgecolor": BLACK, "clip_on": False}
        axes[0].hlines(y, known["duration_25"], known["duration_75"], color=colour, linestyle=line, linewidth=2)
        axes[0].plot(known["duration_50"], y, marker, **look)
        axes[1].plot(100 * known["clip_share"], y, marker, **look)
        axes[2].plot(known["events_per_clip_mean"], y, marker, **look)
        shares = 100 * values[source].loc["all", list(at_once)]
        axes[3].plot(shares, np.arange(4) + shift / 2, marker, label=source, **look)
    for ax in axes[:3]:
        in_rows(ax, tables.CLASSES)
        if ax is not axes[0]:
            ax.set_yticks(ax.get_yticks(), [])
    in_rows(axes[3], list(at_once.values()))
    axes[3].set_ylabel("events at once")
    axes[0].set_xscale("log")
    axes[0].set_xticks([0.25, 0.5, 1, 2, 5, 10], ["0.25", "0.5", "1", "2", "5", "10"], minor=False)
    axes[0].set_xticks([], minor=True)
    for ax in axes:
        grid(ax)


@styled
def gap(systems: dict[str, dict[str, list[float]]], shares: pd.DataFrame) -> Figure:
    """Draw the domain gap: what each kind of training scores where, and what each ingredient of the gap costs.

    Parameters
    ----------
    systems : dict of name to dict of test set to list
        Event F1 (fractions), one value per seed.
    shares : DataFrame
        As `reproduction.studies.gap.shares` gives it.
    """
    fig, axes = figure(12, 4.6, ncols=2, width_ratios=[2, 3])
    left, right = axes[0]
    _scores_on(left, systems)
    rows = np.arange(len(shares))
    for name, spread, colour, marker, shift, label in (
        ("lost_alone", "lost_spread", VERMILION, "o", -0.15, "lost when it alone is switched on"),
        ("won_without", "won_spread", GREEN, "D", 0.15, "gained when it alone is switched off"),
    ):
        look = {"fmt": marker, "color": colour, "markeredgecolor": BLACK, "ecolor": colour, "capsize": 3}
        right.errorbar(shares[name], rows + shift, xerr=shares[spread], label=label, **look)
    right.axvline(0, color=BLACK, linewidth=1)
    in_rows(right, list(shares["ingredient"]))
    right.set_xlabel("points of event-based F1 of synthetic-only training")
    for ax in (left, right):
        grid(ax, "x")
        legend_above(ax, 0.5)
    return fig


def _scores_on(ax: Axes, systems: dict[str, dict[str, list[float]]]) -> None:
    """Draw one group of bars per system, one bar per test set, one dot per seed."""
    tests = list(dict.fromkeys(test for found in systems.values() for test in found))
    styles = dict(zip(tests, ((SKY, "///", -0.27), (BLUE, "", 0), (ORANGE, "xxx", 0.27)), strict=False))
    for row, found in enumerate(systems.values()):
        for test, values in found.items():
            colour, hatch, shift = styles[test]
            percent, known = 100 * np.array(values), ax.get_legend_handles_labels()[1]
            look = hatched(colour, hatch, label=None if test in known else test)
            ax.barh(row + shift, percent.mean(), 0.25, **look)
            ax.plot(percent, np.full(len(percent), row + shift), ".", color=BLACK, markersize=4)
    in_rows(ax, list(systems))
    ax.set_xlabel("event-based F1 (%), a dot for each seed")


@styled
def domain_errors(errors: dict[str, dict[str, list[float]]], labels: float) -> Figure:
    """Draw how often classifiers of domains are wrong: a training's own, and new ones that learn from its embeddings.

    Parameters
    ----------
    errors : dict of system to dict of classifier to list
        Balanced errors (fractions), one value per training; a list may be empty.
    labels : float
        That of a classifier that is given the true labels alone.
    """
    fig, axes = figure(10, 1.4 + 0.45 * len(errors))
    ax = axes[0, 0]
    rows = np.arange(len(errors))[::-1]
    looks = ((VERMILION, "D", 0.2), (BLUE, "o", 0.0), (GREEN, "s", -0.2))
    for classifier, (colour, marker, shift) in zip(next(iter(errors.values())), looks, strict=False):
        of_systems = zip(rows, errors.values(), strict=True)
        points = [(100 * value, row + shift) for row, found in of_systems for value in found[classifier]]
        ax.plot(*zip(*points, strict=True), marker, color=colour, mfc="none", mew=1.5, ls="", label=classifier)
    ax.axvline(50, color=BLACK, lw=1, linestyle="--", label="chance")
    ax.axvline(100 * labels, color=BLACK, lw=1, linestyle=":", label="the true labels alone")
    ax.set_yticks(rows, list(errors))
    ax.set(xlabel="wrong about a clip's domain (%, balanced)", xlim=(0, 60))
    grid(ax, "x")
    legend_above(ax, 0.5, ncols=5)
    return fig
