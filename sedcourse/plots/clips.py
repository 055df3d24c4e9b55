"""Pictures of one clip: spectrograms, what front-ends and networks make of them, labels, decisions and events."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import librosa
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from sedcourse.plots.axes import grid, in_rows, legend_above, mel_image, mel_ticks, stacked
from sedcourse.plots.style import BLACK, BLUE, ORANGE, SKY, VERMILION, figure, styled
from sedlib.config import RATE
from sedlib.data import tables


@styled
def spectrogram(logmel: np.ndarray, frame_s: float, title: str = "", reference: pd.DataFrame | None = None) -> Figure:
    """Draw a log-Mel spectrogram, with the events of the clip below it if there are any.

    Parameters
    ----------
    logmel : (mel, frame) array
        dB; bands from 0 Hz to 8 kHz on the Slaney Mel scale.
    frame_s : float
        Seconds from frame to frame (the hop).
    reference : event table of this clip, optional
    """
    fig, axes = stacked([3.2] if reference is None else [3.2, 0.6 + 0.4 * _classes([reference])])
    _spectrogram_on(axes[0], logmel, frame_s)
    axes[0].set_title(title)
    if reference is not None:
        events_on(axes[1], reference)
    return fig


def clip(logmel: np.ndarray, frame_s: float, title: str, reference: pd.DataFrame) -> tuple[Figure, str]:
    """Draw a `spectrogram` with its events, and describe it."""
    events = in_words(reference)
    return spectrogram(
        logmel, frame_s, title, reference
    ), f"{title}: log-Mel spectrogram of 10 s. Its events: {events}."


def _classes(of_clip: list[pd.DataFrame]) -> int:
    return max(1, pd.concat(of_clip)["event_label"].nunique())


def _spectrogram_on(ax: Axes, logmel: np.ndarray, frame_s: float, label: str = "level (dB)") -> None:
    logmel = np.asarray(logmel)
    bands, frames = logmel.shape
    drawn = mel_image(ax, logmel, frame_s)
    mel_ticks(ax, _centres(bands), (250, 500, 1000, 2000, 4000, 8000))
    ax.set_ylabel("frequency (Hz)")
    ax.figure.colorbar(drawn, ax=ax, label=label, pad=0.01)
    ax.set_xlim(0, (frames - 1) * frame_s)


def _centres(bands: int) -> np.ndarray:
    return librosa.mel_frequencies(n_mels=bands + 2, fmin=0, fmax=RATE / 2)[1:-1]


@styled
def spectrogram_grid(panels: dict[str, np.ndarray], frame_s: float, columns: int = 5, common: bool = True) -> Figure:
    """Draw small log-Mel spectrograms on the same axes and, unless ``common`` is off, with the same levels.

    Parameters
    ----------
    panels : dict of title to (mel, frame) array
        dB; bands and ``frame_s`` as for `spectrogram`. The longest has the width of a panel.
    """
    rows = -(-len(panels) // columns)
    fig, axes = figure(10, 0.4 + 1.9 * rows, nrows=rows, ncols=columns, sharex=True, sharey=True)
    loudest = max(panel.max() for panel in panels.values())
    longest = max(panel.shape[1] for panel in panels.values())
    levels = {"vmin": loudest - 80, "vmax": loudest} if common else {}
    for ax in axes.flat[len(panels) :]:
        ax.set_visible(False)
    images = []
    for ax, (title, panel) in zip(axes.flat, panels.items(), strict=False):
        images.append(mel_image(ax, panel, frame_s, **levels))
        if not common:
            fig.colorbar(images[-1], ax=ax, pad=0.02)
        ax.set_title(title, fontsize=10)
        ax.set_xlim(0, (longest - 1) * frame_s)
    *_, last = panels.values()
    mel_ticks(axes[0, 0], _centres(len(last)), (500, 1000, 2000, 4000))
    fig.supxlabel("time (s)", fontsize=11)
    fig.supylabel("frequency (Hz)", fontsize=11)
    if common:
        fig.colorbar(images[-1], ax=axes, label="level (dB)", pad=0.01)
    else:
        fig.suptitle("level in dB, a scale for each", fontsize=11)
    return fig


@styled
def front_ends(panels: dict[str, np.ndarray], frame_s: float, events: pd.DataFrame | None = None) -> Figure:
    """Draw what front-ends make of one clip over one time axis, each on its own scale, as the paper's Figure 2.

    Parameters
    ----------
    panels : dict of title to (mel, frame) array
        Without unit: scaled log-Mel, PCEN layers. Bands and ``frame_s`` as for `spectrogram`.
    events : event table of the clip, optional
    """
    below = [] if events is None else [0.4 + 0.35 * _classes([events])]
    fig, axes = stacked([2.1] * len(panels) + below, more=0.6)
    for ax, (title, panel) in zip(axes, panels.items(), strict=False):
        _spectrogram_on(ax, panel, frame_s, label="value (no unit)")
        ax.set_title(title, loc="left")
    if below:
        events_on(axes[-1], events)
    return fig


def events_on(
    ax: Axes,
    reference: pd.DataFrame | None,
    prediction: pd.DataFrame | None = None,
    classes: Sequence[str] | None = None,
) -> None:
    """Draw the events of one clip as bars, a row per class: the reference above, the prediction below.

    Parameters
    ----------
    reference, prediction : event tables of one clip, optional
    classes : sequence of str, optional
        Rows from top to bottom; default: the classes that occur.
    """
    looks = (("reference", reference, BLUE, "///"), ("prediction", prediction, ORANGE, "..."))
    kinds: list[tuple[pd.DataFrame, dict[str, Any]]] = [
        (tables.events(table), {"facecolor": colour, "edgecolor": "white", "hatch": hatch, "label": name})
        for name, table, colour, hatch in looks
        if table is not None
    ]
    if classes is None:
        classes = sorted({label for table, _ in kinds for label in table["event_label"]})
    height = 0.8 / len(kinds)
    for k, (table, look) in enumerate(kinds):
        rows = np.array([classes.index(label) for label in table["event_label"]])
        lengths = table["offset"] - table["onset"]
        ax.barh(rows - 0.4 + k * height, lengths, height, table["onset"], align="edge", linewidth=0, **look)
    in_rows(ax, classes)
    grid(ax, "x")
    legend_above(ax, handles=[Patch(**look) for _, look in kinds])


def in_words(table: pd.DataFrame) -> str:
    """Return the events of one clip as text for a description: "Dog 1.2 to 1.9 s; Speech 3.0 to 7.4 s"."""
    events = tables.events(table)
    return "; ".join(f"{e.event_label} {e.onset:.1f} to {e.offset:.1f} s" for e in events.itertuples()) or "none"


def _activity(ax: Axes, values, clip_s: float):
    """(frame, class) values in [0, 1], a row per class."""
    extent = (0, clip_s, values.shape[1] - 0.5, -0.5)
    look = {"cmap": "cividis", "vmin": 0, "vmax": 1, "interpolation": "nearest"}
    return ax.imshow(values.T, aspect="auto", extent=extent, **look)


@styled
def detection(
    logmel: np.ndarray,
    hop_s: float,
    scores: np.ndarray,
    frame_s: float,
    reference: pd.DataFrame,
    prediction: pd.DataFrame,
    title: str = "",
    span: tuple[float, float] | None = None,
) -> Figure:
    """Draw spectrogram, posteriors and events of one clip over one time axis.

    Parameters
    ----------
    logmel : (mel, frame) array
        dB, a frame every ``hop_s`` seconds.
    scores : (frame, class) array
        Posteriors of all classes, a frame every ``frame_s`` seconds.
    reference, prediction : event tables of this clip
    span : (onset, offset), optional
        Seconds to point out with two dashed lines.
    """
    fig, axes = stacked([2.4, 2.8, 0.5 + 0.4 * _classes([reference, prediction])])
    _spectrogram_on(axes[0], logmel, hop_s)
    axes[0].set_title(title)
    in_rows(axes[1], tables.CLASSES)
    drawn = _activity(axes[1], np.asarray(scores), len(scores) * frame_s)
    fig.colorbar(drawn, ax=axes[1], label="posterior", pad=0.01)
    events_on(axes[2], reference, prediction)
    for ax, colour in zip(axes, ("white", "white", BLACK), strict=True):
        for time in span or ():
            ax.axvline(time, color=colour, linestyle="--", linewidth=1.2)
    return fig


@styled
def labels(panels: dict[str, np.ndarray | None], clip_s: float) -> Figure:
    """Draw the labels of clips, class by time, side by side.

    Parameters
    ----------
    panels : dict of title to labels
        Strong labels (frame, class), weak labels (class,), or None where nothing is known.
    """
    fig, axes = figure(10, 3.2, ncols=len(panels), sharey=True)
    for ax, (title, known) in zip(axes[0], panels.items(), strict=True):
        ax.set_title(title)
        in_rows(ax, tables.CLASSES)
        ax.set_xlim(0, clip_s)
        if known is None:
            ax.text(clip_s / 2, (len(tables.CLASSES) - 1) / 2, "nothing is known", ha="center", va="center")
        else:
            _activity(ax, np.atleast_2d(known), clip_s)
        timed = known is None or known.ndim == 2
        ax.set_xlabel("time (s)" if timed else "the whole clip")
        if not timed:
            ax.set_xticks([])
    return fig


@styled
def decisions(
    scores: np.ndarray, threshold: float, decided: dict[str, np.ndarray], frame_s: float, title: str = ""
) -> Figure:
    """Draw the posterior of one class in one clip with its threshold, and the active frames that follow from it.

    Parameters
    ----------
    scores : (frame,) array
        In [0, 1].
    decided : dict of name to (frame,) bool array
        One row each.
    """
    fig, (top, bottom) = stacked([2.4, 1.2], more=0)
    edges = frame_s * np.arange(len(scores) + 1)
    top.stairs(scores, edges, color=BLUE, linewidth=1.5)
    top.axhline(threshold, color=VERMILION, linestyle="--", label=f"threshold {threshold}")
    top.set(ylabel="posterior", ylim=(0, 1.02), title=title)
    legend_above(top, ncols=1)
    for row, (active, colour) in enumerate(zip(decided.values(), (SKY, ORANGE), strict=False)):
        bottom.bar(edges[:-1], np.where(active, 0.6, 0), frame_s, row - 0.3, align="edge", color=colour)
    in_rows(bottom, list(decided))
    bottom.set_xlim(0, edges[-1])
    return fig


@styled
def stems(waveforms: np.ndarray, titles: Sequence[str], spans: Sequence[tuple[float, float] | None]) -> Figure:
    """Draw the parts of a mixture below each other: the level over time, and where the label says it sounds.

    Parameters
    ----------
    waveforms : (stem, sample) array
    titles : sequence of str
    spans : sequence of (onset, offset) in seconds, or None
        None: no label, as a background has none.
    """
    block = RATE // 100
    blocks = np.abs(waveforms[:, : waveforms.shape[1] // block * block]).reshape(len(waveforms), -1, block).max(2)
    level, times = 20 * np.log10(blocks.clip(1e-4)), block / RATE * np.arange(blocks.shape[1])
    fig, axes = figure(10, 0.7 + 1.15 * len(waveforms), nrows=len(waveforms), sharex=True, sharey=True)
    for ax, curve, title, span in zip(axes[:, 0], level, titles, spans, strict=True):
        ax.fill_between(times, -80, curve, step="post", color=SKY if span is None else BLUE, linewidth=0)
        if span is not None:
            ax.axvspan(*span, facecolor=ORANGE, alpha=0.25, linewidth=0)
            for time in span:
                ax.axvline(time, color=VERMILION, linestyle="--")
        ax.set_title(title, loc="left", fontsize=10)
        grid(ax)
    axes[-1, 0].set(xlabel="time (s)", xlim=(0, waveforms.shape[1] / RATE), ylim=(-80, 3))
    fig.supylabel("peak level in 10 ms (dB of full scale)", fontsize=11)
    return fig
