"""What the axes of the figures have in common: rows, grids, legends, time and Mel bands."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import librosa
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import AxesImage

from sedcourse.plots.style import figure
from sedlib.config import Features


def stacked(heights: Sequence[float], more: float = 0.8) -> tuple[Figure, np.ndarray]:
    """Make axes of these heights in inches below each other over one time axis; ``more`` is for titles and labels."""
    shared = {"sharex": True, "height_ratios": heights}
    fig, axes = figure(10, more + sum(heights), nrows=len(heights), **shared)
    axes[-1, 0].set_xlabel("time (s)")
    return fig, axes[:, 0]


def in_rows(ax: Axes, names: Sequence[str]) -> None:
    """Name the rows, from top to bottom."""
    ax.set_yticks(range(len(names)), [name.replace("_", " ") for name in names])
    ax.set_ylim(max(len(names), 1) - 0.5, -0.5)


def grid(ax: Axes, axis: Literal["both", "x", "y"] = "both") -> None:
    """Draw grey lines behind all else."""
    ax.grid(axis=axis, color="0.85")
    ax.set_axisbelow(True)


def legend_above(ax: Axes, x: float = 1, ncols: int = 2, **options: Any) -> None:
    """Put a legend over the axes, at their right end or (x = 0.5) in the middle."""
    loc = "lower right" if x == 1 else "lower center"
    look = {"frameon": False, "borderaxespad": 0.2} | options
    ax.legend(loc=loc, bbox_to_anchor=(x, 1), ncols=ncols, **look)


def mel_centres(features: Features) -> np.ndarray:
    """Return the centres of the Mel bands, (mel,) in Hz."""
    return librosa.mel_frequencies(features.n_mels + 2, fmin=features.f_min, fmax=features.f_max)[1:-1]


def mel_ticks(ax: Axes, centres: np.ndarray, ticks: Sequence[int] = (250, 500, 1000, 2000, 4000)) -> None:
    """Label an axis that counts Mel bands in Hz."""
    ticks = [hertz for hertz in ticks if centres[0] <= hertz <= centres[-1]]
    ax.set_yticks(np.interp(ticks, centres, np.arange(len(centres))), [str(hertz) for hertz in ticks])


def mel_image(ax: Axes, values: np.ndarray, frame_s: float, **options: Any) -> AxesImage:
    """Draw a (mel, frame) array over seconds and Mel bands; frame t is centred on t * frame_s."""
    bands, frames = values.shape
    extent = (-frame_s / 2, (frames - 0.5) * frame_s, -0.5, bands - 0.5)
    look: dict[str, Any] = {"cmap": "magma", "interpolation": "nearest"} | options
    return ax.imshow(values, origin="lower", aspect="auto", extent=extent, **look)
