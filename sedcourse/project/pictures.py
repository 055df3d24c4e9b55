"""Pictures of the project: two annotators over time, how far apart they are, and what own sounds bring."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from sedcourse.plots.axes import grid, legend_above
from sedcourse.plots.clips import events_on
from sedcourse.plots.style import BLACK, BLUE, GREEN, ORANGE, SKY, VERMILION, figure, styled
from sedlib.data import tables


@styled
def annotators(first: pd.DataFrame, second: pd.DataFrame, title: str) -> Figure:
    """Draw the events of one recording by two annotators."""
    rows = tables.events(pd.concat([first, second]))["event_label"].nunique()
    fig, axes = figure(10, 1.4 + 0.4 * max(1, rows))
    ax = axes[0, 0]
    events_on(ax, first, second)
    for text, name in zip(ax.get_legend().get_texts(), ("first", "second"), strict=True):
        text.set_text(name)
    ax.set_xlabel("time (s)")
    ax.set_xlim(left=0)
    ax.set_title(title, loc="left")
    return fig


@styled
def differences(table: pd.DataFrame, collar: float = 0.2) -> Figure:
    """Draw histograms of ``onset_difference`` and ``offset_difference`` in steps of 50 ms, and the collar."""
    fig, axes = figure(10, 3, ncols=2, sharex=True, sharey=True)
    for ax, name, colour in zip(axes[0], ("onset", "offset"), (BLUE, ORANGE), strict=True):
        values = 1000 * table[f"{name}_difference"].clip(-0.6, 0.6)
        ax.hist(values, np.arange(-625, 626, 50), color=colour, edgecolor="white")
        for end in (-1000 * collar, 1000 * collar):
            ax.axvline(end, color=VERMILION, linestyle="--")
        ax.set(xlabel=f"{name}: second minus first (ms)", ylabel="events")
        grid(ax, "y")
    return fig


@styled
def homes(table: pd.DataFrame) -> Figure:
    """Draw the shares named right in each home (`detectors.control`), one mark per bank of sounds."""
    fig, axes = figure(8, 3)
    ax = axes[0, 0]
    for k, (name, colour, marker) in enumerate(zip(table.columns[1:], (BLACK, SKY, GREEN), "osD", strict=False)):
        places = np.arange(len(table)) + 0.1 * (k - 1)  # beside each other, as two may be equal
        ax.plot(places, 100 * table[name], marker, color=colour, label=name)
    ax.set_xticks(range(len(table)), [f"home {seed}" for seed in table["home"]])
    ax.set(ylabel="named right (%)", ylim=(0, 100))
    grid(ax, "y")
    legend_above(ax, ncols=3)
    return fig


@styled
def by_gain(table: pd.DataFrame, title: str) -> Figure:
    """Draw the F1 of one detector on the same clips at several levels (`detectors.found_by_gain`)."""
    fig, axes = figure(7, 2.8)
    ax = axes[0, 0]
    ax.plot(table["gain (dB)"], table["F1 (%)"], "o-", color=BLUE)
    ax.set(xlabel="clips turned up or down by (dB)", ylabel="event F1 (%)", ylim=(0, 100), title=title)
    grid(ax)
    return fig
