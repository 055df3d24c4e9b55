"""The look of all figures: colours, fonts, lines and bars; `show` puts a description beside a figure."""

from __future__ import annotations

import io
from typing import Any

import matplotlib
import numpy as np
from IPython.display import display
from matplotlib.figure import Figure

from sedcourse.html import Shown, image

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
        What the figure shows, for those who cannot see it.
    """
    display(picture(fig, alt))


@styled
def picture(fig: Figure, alt: str) -> Shown:
    """Return the picture that `show` displays."""
    if not alt.strip():
        raise ValueError("a figure needs a description: show(fig, alt='...')")
    file = io.BytesIO()
    fig.savefig(file, format="png", dpi=DPI, facecolor="white")
    return image(file.getvalue(), alt, width=round(fig.get_figwidth() * DPI / 2))


@styled
def figure(width: float = 10, height: float = 4, **subplots: Any) -> tuple[Figure, np.ndarray]:
    """Make a figure and its axes, as ``pyplot.subplots(..., squeeze=False)`` gives them, in the lessons' fonts."""
    fig = Figure(figsize=(width, height), layout="constrained")
    return fig, fig.subplots(squeeze=False, **subplots)


def hatched(colour: str, hatch: str, **more: Any) -> dict[str, Any]:
    """Return the look of a bar that differs from others by more than its colour."""
    return {"facecolor": colour, "hatch": hatch, "edgecolor": "white", "linewidth": 0, **more}
