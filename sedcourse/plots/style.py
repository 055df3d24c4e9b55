"""The look of all figures: colours, fonts, and what their axes have in common; `show` puts a description beside one."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any, Literal

import librosa
import matplotlib
import numpy as np
from IPython.display import display
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import AxesImage

from sedcourse.html import Shown, image
from sedlib.config import Features

BLACK, ORANGE, SKY, GREEN, YELLOW, BLUE, VERMILION, PURPLE = OKABE_ITO = (
    *("#000000", "#E69F00", "#56B4E9", "#009E73", "#F0E442", "#0072B2", "#D55E00", "#CC79A7"),
)
LINES = ("-", "--", "-.", ":", (0, (3, 1, 1, 1, 1, 1)), (0, (6, 1)), (0, (1, 1)))
DPI = 144  # of the picture; it is shown at half of that, so that it stays sharp
FONT: dict[Any, Any] = {"font.size": 11, "axes.titlesize": 12, "legend.fontsize": 10}
styled = matplotlib.rc_context(FONT)  # decorates functions that draw


def show(fig: Figure, alt: str) -> None:
    """Show a figure as a picture with a description.

    Parameters
    ----------
    fig : Figure
    alt : str
        What the figure shows and what there is to see in it, for those who cannot see it.
    """
    display(picture(fig, alt))


@styled
def picture(fig: Figure, alt: str) -> Shown:
    """The picture that `show` shows."""
    if not alt.strip():
        raise ValueError("a figure needs a description: show(fig, alt='...')")
    file = io.BytesIO()
    fig.savefig(file, format="png", dpi=DPI, facecolor="white")
    return image(file.getvalue(), alt, width=round(fig.get_figwidth() * DPI / 2))


@styled
def figure(width: float = 10, height: float = 4, **subplots: Any) -> tuple[Figure, np.ndarray]:
    """An empty figure and its axes, as ``pyplot.subplots(..., squeeze=False)`` gives them, in the lessons' fonts."""
    fig = Figure(figsize=(width, height), layout="constrained")
    return fig, fig.subplots(squeeze=False, **subplots)


def stacked(heights: Sequence[float], more: float = 0.8) -> tuple[Figure, np.ndarray]:
    """Axes of these heights in inches below each other over one time axis; ``more`` is for titles and labels."""
    shared = {"sharex": True, "height_ratios": heights}
    fig, axes = figure(10, more + sum(heights), nrows=len(heights), **shared)
    axes[-1, 0].set_xlabel("time (s)")
    return fig, axes[:, 0]


def in_rows(ax: Axes, names: Sequence[str]) -> None:
    """A row for each name, from top to bottom."""
    ax.set_yticks(range(len(names)), [name.replace("_", " ") for name in names])
    ax.set_ylim(max(len(names), 1) - 0.5, -0.5)


def grid(ax: Axes, axis: Literal["both", "x", "y"] = "both") -> None:
    """Grey lines behind all else."""
    ax.grid(axis=axis, color="0.85")
    ax.set_axisbelow(True)


def legend_above(ax: Axes, x: float = 1, ncols: int = 2, **options: Any) -> None:
    """A legend over the axes, at their right end or (x = 0.5) in the middle."""
    loc = "lower right" if x == 1 else "lower center"
    ax.legend(loc=loc, bbox_to_anchor=(x, 1), ncols=ncols, frameon=False, borderaxespad=0.2, **options)


def mel_centres(features: Features) -> np.ndarray:
    """(mel,) Hz: centres of the Mel bands."""
    return librosa.mel_frequencies(features.n_mels + 2, fmin=features.f_min, fmax=features.f_max)[1:-1]


def mel_ticks(ax: Axes, centres: np.ndarray, ticks: Sequence[int] = (250, 500, 1000, 2000, 4000)) -> None:
    """Frequencies as ticks of an axis that counts Mel bands."""
    ticks = [hertz for hertz in ticks if centres[0] <= hertz <= centres[-1]]
    ax.set_yticks(np.interp(ticks, centres, np.arange(len(centres))), [str(hertz) for hertz in ticks])


def mel_image(ax: Axes, values: np.ndarray, frame_s: float, **options: Any) -> AxesImage:
    """A (mel, frame) array as an image over seconds and Mel bands; frame t is centred on t * frame_s."""
    bands, frames = values.shape
    extent = (-frame_s / 2, (frames - 0.5) * frame_s, -0.5, bands - 0.5)
    look: dict[str, Any] = {"cmap": "magma", "interpolation": "nearest"} | options
    return ax.imshow(values, origin="lower", aspect="auto", extent=extent, **look)
