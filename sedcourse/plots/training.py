"""Pictures of trainings: their curves, the parameters of PCEN, and what they cost."""

from __future__ import annotations

import fnmatch
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from sedcourse.plots.axes import grid, in_rows, legend_above
from sedcourse.plots.style import BLACK, BLUE, GREEN, LINES, ORANGE, PURPLE, SKY, VERMILION, figure, styled


@styled
def curves(metrics: pd.DataFrame) -> Figure:
    """Draw training curves: terms of the loss and validation F1 above, learning rate and weights of terms below.

    Parameters
    ----------
    metrics : DataFrame
        A row an epoch, as the training writes them: ``epoch``, ``loss_*``, ``validation_f1_*`` (fractions),
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
        A row an epoch: ``epoch``, and for every layer ``pcenN_alpha``, ``_delta``, ``_r`` and ``_fast``, the mean
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


@styled
def training_cost(records: dict[str, dict[str, Any]]) -> Figure:
    """Draw what a training costs: time and memory of a step against clips and width, and the whole on real DESED.

    Parameters
    ----------
    records : dict of device to record
        As ``python -m bench cost`` keeps them. Points are measured (bars: from the fastest to the slowest step), lines
        are fitted to all of a device's points at once.
    """
    fig, axes = figure(12, 6.4, nrows=2, ncols=3)
    devices = list(zip(records, (BLUE, VERMILION, GREEN), "oDs", strict=False))
    for number, (device, colour, marker) in enumerate(devices):
        look = {"color": colour, "marker": marker}
        _device_on(axes, device, records[device], number / len(records), look)
    predicted = records[devices[-1][0]]["prediction"]
    labels = "clips in a step", f"channels, times the paper's ({predicted['batch']} clips)"
    for column, label in enumerate(labels):
        axes[0, column].set(xlabel=label, ylabel="time of a step (s)")
        axes[1, column].set(xlabel=label, ylabel="peak of memory (GB)")
    for ax in axes[:, :2].flat:
        ax.set_xlim(left=0)
        if ax in axes[0] and len(records) > 1:  # a GPU's line would lie on the axis
            ax.set_yscale("log")
        else:
            ax.set_ylim(bottom=0)
    axes[0, 2].set(xlabel=f"training on DESED, {predicted['epochs']} epochs (hours)", xscale="log")
    axes[1, 2].set(xlabel="needed for DESED (GB)", xlim=(0, None))
    for ax in axes.flat:
        grid(ax)
    handles = axes[0, 0].get_legend_handles_labels()
    title = "points measured, lines fitted"
    fig.legend(*handles, loc="outside upper center", ncols=2, frameon=False, title=title)
    return fig


def _device_on(axes: np.ndarray, device: str, record: dict[str, Any], shift: float, look: dict[str, str]) -> None:
    """Draw one device in all six panels."""
    cases, predicted = pd.DataFrame(record["cases"]), record["prediction"]
    cases["fitted_s"], cases["fitted_mb"] = (record["fits"][kind]["fitted"] for kind in ("step_s", "memory_mb"))
    by_clips = cases[cases["width"] == 1].groupby("frames", sort=False)
    for (frames, of_length), line, face in zip(by_clips, LINES, (look["color"], "white"), strict=False):
        name = f"{device}, {frames} frames a clip"
        _cost_on(axes[:, 0], of_length, "clips", line, label=name, markerfacecolor=face, **look)
    full = cases["frames"] == cases["frames"].max()
    _cost_on(axes[:, 1], cases[full & (cases["clips"] == predicted["batch"])], "width", LINES[0], **look)
    hours = {**predicted["hours"], "all": predicted["total_hours"]}
    _values_on(axes[0, 2], hours, [_duration(value) for value in hours.values()], shift, **look)
    gigabytes = {
        "memory": predicted["memory_mb"] / 1000,
        "waveforms, on disk": predicted["store_mb"] / 1000,
        "spectrograms, if kept": predicted["spectrograms_mb"] / 1000,
    }
    _values_on(axes[1, 2], gigabytes, [f"{value:.1f} GB" for value in gigabytes.values()], shift, **look)


def _cost_on(axes: np.ndarray, cases: pd.DataFrame, x: str, line: Any, **look: Any) -> None:
    """Draw measured and fitted seconds on the first of two axes, gigabytes on the second."""
    cases = cases.sort_values(x)
    kinds = ("step_s", "fitted_s", 1), ("memory_mb", "fitted_mb", 1e-3)
    for ax, (measured, fitted, scale) in zip(axes, kinds, strict=True):
        ax.plot(cases[x], scale * cases[fitted], linestyle=line, color=look["color"])
        ax.plot(cases[x], scale * cases[measured], linestyle="", zorder=3, **look)
    axes[0].vlines(cases[x], cases["range_s"].str[0], cases["range_s"].str[1], color=look["color"])


def _values_on(ax: Axes, values: dict[str, float], texts: list[str], shift: float, **look: Any) -> None:
    """Draw a row for every value, and its text at the end of the row."""
    rows = np.arange(len(values)) + shift
    ax.plot(list(values.values()), rows, linestyle="", **look)
    for row, text in zip(rows, texts, strict=True):
        ax.text(1.02, row, text, transform=ax.get_yaxis_transform(), color=look["color"], va="center")
    in_rows(ax, list(values))
    ax.set_ylim(len(values) - 0.2, -0.5)


def _duration(hours: float) -> str:
    """Return hours in words, in the unit that fits."""
    for unit, size in (("days", 24), ("h", 1), ("min", 1 / 60)):
        if hours >= 2 * size:
            return f"{hours / size:.1f} {unit}"
    return f"{3600 * hours:.1f} s"
