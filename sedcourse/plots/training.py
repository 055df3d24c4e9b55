"""Pictures of trainings: their curves, the parameters of PCEN, and what they cost."""

from __future__ import annotations

import fnmatch

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from sedcourse.plots.axes import legend_above
from sedcourse.plots.style import BLACK, BLUE, GREEN, LINES, ORANGE, PURPLE, SKY, VERMILION, figure, styled


@styled
def curves(metrics: pd.DataFrame) -> Figure:
    """Draw training curves: terms of the loss and validation F1 above, learning rate and weights of terms below.

    Parameters
    ----------
    metrics : DataFrame
        One row per epoch, as the training writes them: ``epoch``, ``loss_*``, ``validation_f1_*`` (fractions),
        ``learning_rate``, ``*_weight``.
    """
    fig, ((loss, f1), (rate, weight)) = figure(10, 5.6, nrows=2, ncols=2, sharex=True, height_ratios=[2.2, 1])
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


@styled
def pcen_paths(metrics: pd.DataFrame) -> Figure:
    """Draw the parameters of the PCEN layers over a training.

    Parameters
    ----------
    metrics : DataFrame
        One row per epoch: ``epoch``, and for every layer ``pcenN_alpha``, ``_delta``, ``_r`` and ``_fast``, the mean
        weight of the faster smoother.
    """
    fig, axes = figure(12, 3.4, ncols=4)
    names = {"alpha": "alpha", "delta": "delta", "r": "r", "fast": "fast smoother's weight"}
    for ax, (name, label) in zip(axes[0], names.items(), strict=True):
        _lines(ax, metrics, f"pcen*_{name}", 1, f"{label} (no unit)")
        ax.get_legend().set_title("layer")
        ax.set_xlabel("epoch")
    return fig


def _lines(ax: Axes, metrics: pd.DataFrame, columns: str, scale: float, label: str) -> None:
    """Draw columns of a pattern such as ``loss_*``, each in its own colour, line and marker, named by what ``*`` is."""
    before, star, after = columns.partition("*")
    styles = zip((BLUE, VERMILION, GREEN, PURPLE, BLACK, ORANGE, SKY), LINES, "osv^DPX", strict=True)
    for name, (colour, line, marker) in zip(fnmatch.filter(metrics.columns, columns), styles, strict=False):
        look = {"color": colour, "linestyle": line, "marker": marker, "markersize": 4}
        text = name.removeprefix(before).removesuffix(after).replace("_", " ")
        ax.plot(metrics["epoch"], scale * metrics[name], label=text, **look)
    ax.set_ylabel(label)
    locator = ax.xaxis.get_major_locator()
    locator.set_params(integer=True, min_n_ticks=1)  # pyright: ignore[reportCallIssue]  # by default a MaxNLocator
    ax.grid(color="0.85")
    if star:
        legend_above(ax, 0.5, ncols=3)
