"""The explorer's picture: log-Mel, M and PCEN side by side, each with the distribution of its values."""

from __future__ import annotations

import functools

import matplotlib
import numpy as np
from matplotlib.figure import Figure

from sedcourse.explorer.model import Panels, State, hop_s, skewness
from sedcourse.plots.axes import mel_centres, mel_image, mel_ticks
from sedcourse.plots.style import BLUE, FONT
from sedcourse.widgets import Canvas, place_of
from sedlib.config import Features

_DARKEST_DB = -60.0  # of M where E is a Mel energy, relative to the loudest E


class _Panel:
    """A spectrogram, below it the distribution of its values over the scale of its colours.

    What changes with the values is not part of the figure's background (matplotlib's "animated"): `show` draws it.
    """

    BINS = 60

    def __init__(self, fig: Figure, box: tuple, grid: tuple[int, int], frame_s: float, title: str, unit: str) -> None:
        left, bottom, width, height = box
        inch = 1 / fig.get_figheight()
        self.ax = fig.add_axes((left, bottom + 1.3 * inch, width, height - 1.55 * inch))
        self.counts = fig.add_axes((left, bottom + 0.4 * inch, width, 0.5 * inch))
        scale = fig.add_axes((left, bottom + 0.32 * inch, width, 0.08 * inch))
        frames, bands = grid
        self.image = mel_image(self.ax, np.zeros((bands, frames)), frame_s)
        self.ax.set_xlabel("time (s)", labelpad=1)
        self.ax.set_title(title, pad=3)
        self.counts.set(xlim=(0, 1), xticks=[], yticks=[])
        for side in ("top", "left", "right"):
            self.counts.spines[side].set_visible(False)
        self.bars = self.counts.stairs(np.zeros(self.BINS), np.linspace(0, 1, self.BINS + 1), fill=True, color=BLUE)
        scale.imshow(np.linspace(0, 1, 256)[None], aspect="auto", cmap="magma", extent=(0, 1, 0, 1))
        scale.set(xticks=[0, 1], xticklabels=[], yticks=[], xlim=(0, 1))
        scale.set_xlabel(unit, labelpad=2)
        # Texts of our own: an axis that finds its ticks anew takes as long to draw as the spectrogram.
        below = {"va": "top", "transform": scale.transAxes}
        self.limits = [scale.text(x, -0.8, "", ha=ha, **below) for x, ha in ((0, "left"), (1, "right"))]
        self.shape = self.counts.text(1, 1, "", ha="right", va="top", transform=self.counts.transAxes)
        self.moving = [*self.ax.images, *self.ax.spines.values(), self.bars, self.shape, *self.limits]
        for artist in self.moving:
            artist.set_animated(True)

    def show(self, values: np.ndarray, low: float, high: float) -> None:
        """Draw (mel, frame) values with the colours from low to high."""
        high = high if high > low else low + 1
        self.image.set_data(values)
        self.image.set_clim(low, high)
        within = np.clip((values.ravel() - low) / (high - low), 0, 1 - 1e-6)
        counts = np.bincount((within * self.BINS).astype(np.intp), minlength=self.BINS)
        self.bars.set_data(counts)
        self.counts.set_ylim(0, 1.5 * counts.max())
        self.shape.set_text(f"skewness {skewness(values):.2f}")
        for text, value in zip(self.limits, (low, high), strict=True):
            text.set_text(f"{value:.3g}")
        for artist in self.moving:
            self.ax.draw_artist(artist)


class _Canvas(Canvas):
    @matplotlib.rc_context({**FONT, "font.size": 9, "axes.titlesize": 10})
    def __init__(self, layers: int, grid: tuple[int, int], energy: str, features: Features) -> None:
        super().__init__(height=3.6 * layers)
        lefts = (0.06, 0.38, 0.70)

        def panel(column: int, row: int, rows: int, title: str, unit: str) -> _Panel:
            box = (lefts[column], 1 - (row + rows) / layers, 0.285, rows / layers)
            made = _Panel(self.figure, box, grid, hop_s(features), title, unit)
            mel_ticks(made.ax, mel_centres(features))
            if column == 0:
                made.ax.set_ylabel("frequency (Hz)", labelpad=1)
            else:
                made.ax.set_yticklabels([])
            return made

        self.logmel = panel(0, 0, layers, "log-Mel", "level (dB)")
        unit = "dB re the loudest E" if energy == "mel" else "no unit"
        numbers = [f" {row + 1}" if layers > 1 else "" for row in range(layers)]
        self.m = [panel(1, row, 1, f"M{number}, the smoothed E", unit) for row, number in enumerate(numbers)]
        self.pcen = [panel(2, row, 1, f"PCEN{number}", "no unit") for row, number in enumerate(numbers)]
        self._keep()

    def boxes(self) -> list[list[float]]:
        """Return `place_of` each spectrogram."""
        return [place_of(panel.ax) for panel in (self.logmel, *self.m, *self.pcen)]

    def draw(self, state: State, shown: Panels) -> bytes:
        """Return the PNG."""
        self._clear()
        self.logmel.show(shown.logmel, float(shown.logmel.min()), float(shown.logmel.max()))
        for k, (m, out) in enumerate(zip(shown.m, shown.pcen, strict=True)):
            if state.energy == "logmel":
                self.m[k].show(m, 0, 1)
            else:
                self.m[k].show(20 * np.log10(np.maximum(m, 10 ** (_DARKEST_DB / 20))), _DARKEST_DB, 0)
            # Single onsets may be far above all else: the brightest thousandth has the colour of the last value.
            self.pcen[k].show(out, 0, float(np.quantile(out, 0.999)))
        return self._png()


_canvas = functools.lru_cache(6)(_Canvas)


def canvas_of(state: State, shown: Panels) -> _Canvas:
    """Return the canvas on which a state is drawn."""
    bands, frames = shown.logmel.shape
    return _canvas(len(state.layers), (frames, bands), state.energy, state.features)


def picture(state: State, shown: Panels) -> bytes:
    """Draw log-Mel, M and PCEN side by side as a PNG; the same arguments give the same bytes."""
    return canvas_of(state, shown).draw(state, shown)
