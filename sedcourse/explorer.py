"""The PCEN explorer: what alpha, delta, r, T and eps do to a sound, seen and heard while sliders move.

Everything that is seen or heard is a pure function of a `State` and a sound: `panels` computes, `picture` draws,
`resynthesised` makes it audible. `Explorer` only puts controls around them, and a batch run draws the same pictures one
below the other. Paper section 3.3; used in ``notebooks/03_pcen.py`` and, as a page of its own, by
``sedcourse.page``.
"""

from __future__ import annotations

import functools
import html
import io
import tempfile
import threading
import zlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import anywidget
import ipywidgets
import librosa
import matplotlib
import numpy as np
import torch
import traitlets
from IPython.display import display
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image

from minidesed import domains, soundscapes
from minidesed.voices import Voices
from reproduction.sounds import figure2_clip
from sedcourse import html as pieces
from sedcourse import players
from sedcourse.plots import BLUE, FONT
from sedlib.config import Config, Features, Pcen
from sedlib.data import audio
from sedlib.data.scenes import Event
from sedlib.data.tables import CLASSES
from sedlib.errors import SedError
from sedlib.features import LogMel, MinMax, amplitude, coefficient, pcen, time_constant
from sedlib.features.pcen import SMOOTHERS, at_hop
from sedlib.systems import configuration
from sedlib.training.runs import Run, runs
from sedlib.workspace import workspace

LONGEST_S = 30.0  # of a file; what is longer is cut
DPI = 100
DARKEST_DB = -60.0  # of M where E is a Mel energy, relative to the loudest E
FEATURES = {"mel": configuration("fixed_pcen_1", "paper").features,
            "logmel": configuration("ppcen_logmel", "paper").features}
# What the sliders span.
ALPHA, R, DELTA, SECONDS, EPS = (0.0, 1.0), (0.05, 1.0), (0.01, 100.0), (0.01, 10.0), (1e-10, 1e-1)


# ------------------------------------------------------------------------------------------------ what is explored


@dataclass(frozen=True)
class Layer:
    """One PCEN: M is a mixture of smoothers, of one alone unless a preset says otherwise."""

    alpha: float
    delta: float
    r: float
    seconds: tuple[float, ...]  # time constant T of each smoother
    weights: tuple[tuple[float, ...], ...] = ((1.0,),)  # (smoother, mel), or (smoother, 1): the same for all bands


@dataclass(frozen=True)
class State:
    """Everything that the picture depends on besides the sound itself."""

    sound: str  # a name of `SOUNDS`, or of an uploaded file
    layers: tuple[Layer, ...]
    energy: str = "mel"  # E: "mel" or "logmel", scaled to [0, 1] as in training
    eps: float = 1e-6
    smoother: str = "causal"  # or "zero-phase"
    features: Features = FEATURES["mel"]


class Panels(NamedTuple):
    """What the picture shows."""

    logmel: np.ndarray  # (mel, frame), dB
    energy: np.ndarray  # E (mel, frame), in [0, 1]
    m: np.ndarray  # (layer, mel, frame)
    pcen: np.ndarray  # (layer, mel, frame)


@functools.lru_cache(4)
def _logmel(features: Features) -> LogMel:
    return LogMel(features)


def spectrogram(waveform: np.ndarray, features: Features) -> torch.Tensor:
    """Log-Mel spectrogram of a (sample,) waveform, (mel, frame) in dB."""
    return _logmel(features)(torch.as_tensor(waveform)[None])[0, 0]


def panels(state: State, logmel: torch.Tensor) -> Panels:
    """Equation (3) for every layer.

    Parameters
    ----------
    state : State
    logmel : (mel, frame) tensor
        dB, from `spectrogram`.
    """
    linear = amplitude(logmel) if state.energy == "mel" else logmel
    energy = MinMax()(linear[None, None])[0, 0]
    frame_s = state.features.hop / state.features.sample_rate
    m, out = [], []
    for layer in state.layers:
        s = torch.tensor([coefficient(seconds, frame_s) for seconds in layer.seconds])
        weights = torch.tensor(layer.weights)  # (smoother, mel or 1)
        m.append((weights[..., None] * SMOOTHERS[state.smoother](energy, s)).sum(0))
        out.append(pcen(energy, m[-1], layer.alpha, layer.delta, layer.r, state.eps))
    return Panels(logmel.numpy(), energy.numpy(), torch.stack(m).numpy(), torch.stack(out).numpy())


# ------------------------------------------------------------------------------------------------ sounds


class Plan(NamedTuple):
    """A sound of ten seconds: what happens when, and over what."""

    events: tuple[Event, ...]
    recipe: domains.Recipe = domains.SYNTHETIC

    def __call__(self) -> np.ndarray:
        return soundscapes.mix(list(self.events), Voices("synthetic"), self.recipe, np.random.default_rng(0))[0]


def _repeated(label: str, *times: tuple[float, float]) -> tuple[Event, ...]:
    return tuple(Event(label, onset, duration) for onset, duration in times)


_CALLS = ((1.0, 1.5), (4.0, 2.0), (7.5, 1.5))  # onset and duration, s
_NOISY = replace(domains.SYNTHETIC, noise_share=1, noise_level=(-3, -3))
SOUNDS: dict[str, Callable[[], np.ndarray]] = {
    "vacuum cleaner, and speech three times": lambda: figure2_clip(seed=0)[0],
    "frying, and dishes": Plan(_repeated("Frying", (0, 10)) + _repeated("Dishes", (1, 1), (3.5, 1), (6, 1), (8.5, 1))),
    "a dog in noise": Plan(_repeated("Dog", *_CALLS), _NOISY),
    **{label.replace("_", " "): Plan(_repeated(label, *((1.0, 8.0),) if label in (
        "Blender", "Electric_shaver_toothbrush", "Frying", "Running_water", "Vacuum_cleaner") else _CALLS))
       for label in CLASSES},
}


@functools.cache
def sound(name: str) -> np.ndarray:
    """(160000,) waveform of one of `SOUNDS`, made by code; always the same."""
    if name not in SOUNDS:
        raise SedError(f"sound {name!r} does not exist; choose one of {', '.join(SOUNDS)}")
    return SOUNDS[name]()


def uploaded(name: str, content: bytes) -> tuple[np.ndarray, str]:
    """Waveform of an uploaded file, and what there is to say about it.

    Raises
    ------
    SedError
        If it is no audio, damaged or too short; the message begins with the file's name.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "sound"  # a name of our own: the file's might lead anywhere
        path.write_bytes(content)
        try:
            waveform, info = audio.read(path, LONGEST_S)
        except SedError as error:
            raise SedError(str(error).replace(str(path), name)) from None
    shortest = Features.n_fft // 2 + 1
    if len(waveform) < shortest:
        raise SedError(f"{name}: {len(waveform) / audio.RATE:.3f} s is too short for a frame of the spectrogram; "
                       f"give at least {shortest / audio.RATE:.3f} s")
    said = f"{name}: {info.duration:.1f} s, {info.rate} Hz, {info.channels} channel{'s' * (info.channels > 1)}"
    if info.duration > LONGEST_S:
        said += f"; only the first {LONGEST_S:.0f} s are used"
    if not waveform.any():
        said += "; it is silent, every sample is 0"
    return waveform, said


# ------------------------------------------------------------------------------------------------ presets


class Preset(NamedTuple):
    """A button: its settings go into the state, its note is shown."""

    note: str
    changes: dict[str, Any]


def _settings(settings: Pcen, features: Features) -> dict[str, Any]:
    """A configuration's PCEN as it is before any training, its smoothers mixed evenly."""
    frame_s = features.hop / features.sample_rate
    seconds = tuple(time_constant(at_hop(s, features.hop), frame_s) for s in settings.s)
    weights = ((1 / len(seconds),),) * len(seconds)
    layers = tuple(Layer(alpha, delta, r, seconds, weights)
                   for alpha, delta, r in zip(settings.alpha, settings.delta, settings.r))
    return {"layers": layers, "energy": settings.energy, "eps": settings.eps, "smoother": settings.smoother,
            "features": features}


def _of_system(system: str) -> dict[str, Any]:
    config = configuration(system, "paper")
    return _settings(config.pcen, config.features)


# What the released code starts from: values that somebody learned before, on log-Mel. How the two smoothers were mixed
# is not among them.
_RELEASED = replace(configuration("ppcen_zero_phase", "paper").pcen, alpha=(0.8187, 0.3938), delta=(10.689, 3.471),
                    r=(0.4495, 0.7534), s=(0.015, 0.08))
PRESETS: dict[str, Preset] = {
    **{f"Fixed {n}": Preset(f"Fixed PCEN {n} of Table 1, on Mel", _of_system(f"fixed_pcen_{n}")) for n in (1, 2, 3)},
    "Released": Preset("What the released code starts from: two layers on log-Mel, smoothed forwards and backwards "
                       "with s 0.015 and 0.08. Its mixture of the two was not written down; here it is half and half.",
                       _settings(_RELEASED, FEATURES["logmel"])),
}
NO_RUN = ("no finished training with a PCEN that learns is in the workspace yet; "
          "`sedlib train --system ppcen_logmel` makes one")


def last_run(folder: Path | None = None) -> tuple[str, Preset] | None:
    """The newest finished training whose PCEN learned, with its name; None where there is none.

    Parameters
    ----------
    folder : path, optional
        Default: the workspace's ``runs/``.
    """
    folder = workspace() / "runs" if folder is None else folder
    found = runs(folder) if folder.is_dir() else None
    if found is None or found.empty:
        return None
    finished = [Run(folder / name) for name in found.loc[found["state"].isin(["finished", "scored"]), "run"]]
    learned = [run for run in finished if run.config.pcen.trainable and 1 <= run.config.pcen.layers <= 2]
    if not learned:
        return None
    newest = max(learned, key=lambda run: (run.folder / "weights.pt").stat().st_mtime)
    name = str(newest.folder.relative_to(folder))
    config = newest.config
    return name, Preset(f"What {name} learned, its {config.training.tested}'s; the mixture of smoothers is its own, band by band. "
                        f"Spectrogram as in that training: {config.features.n_mels} bands, hop {config.features.hop}.",
                        _learned(config, newest))


@torch.no_grad()
def _learned(config: Config, run: Run) -> dict[str, Any]:
    values = run.detector().pcen.values()
    frame_s = config.features.hop / config.features.sample_rate
    seconds = tuple(time_constant(float(s), frame_s) for s in values["s"])
    layers = tuple(
        Layer(*(float(values[name][k]) for name in ("alpha", "delta", "r")), seconds,
              tuple(tuple(row) for row in values["weights"][k].tolist()))
        for k in range(config.pcen.layers))
    return _settings(config.pcen, config.features) | {"layers": layers}


# ------------------------------------------------------------------------------------------------ the picture


def shown_m(state: State, m: np.ndarray) -> np.ndarray:
    """M in the units of the picture: as it is for log-Mel, in dB for Mel energies."""
    return m if state.energy == "logmel" else 20 * np.log10(np.maximum(m, 10 ** (DARKEST_DB / 20)))


def skewness(values: np.ndarray) -> float:
    """Third standardised moment: 0 for a symmetric distribution, positive for a long tail of large values."""
    centred = values.ravel() - values.mean(dtype=np.float64)
    squared = centred * centred
    deviation = np.sqrt(squared.mean())
    return float(np.dot(squared, centred) / len(centred) / deviation**3) if deviation > 1e-12 else 0.0


class _Panel:
    """A spectrogram, below it the distribution of its values over the scale of its colours.

    What changes with the values is not part of the figure's background (matplotlib's "animated"): `show` draws it.
    """

    BINS = 60

    def __init__(self, fig: Figure, box: tuple[float, float, float, float], grid: tuple[int, int], frame_s: float,
                 title: str, unit: str) -> None:
        left, bottom, width, height = box
        inch = 1 / fig.get_figheight()
        self.ax = fig.add_axes((left, bottom + 1.3 * inch, width, height - 1.55 * inch))
        self.counts = fig.add_axes((left, bottom + 0.4 * inch, width, 0.5 * inch))
        self.scale = fig.add_axes((left, bottom + 0.32 * inch, width, 0.08 * inch))
        frames, bands = grid
        extent = (-frame_s / 2, (frames - 0.5) * frame_s, -0.5, bands - 0.5)
        self.image = self.ax.imshow(np.zeros((bands, frames)), origin="lower", aspect="auto", extent=extent,
                                    cmap="magma", interpolation="nearest")
        self.ax.set_xlabel("time (s)", labelpad=1)
        self.counts.set(xlim=(0, 1), xticks=[], yticks=[])
        for side in ("top", "left", "right"):
            self.counts.spines[side].set_visible(False)
        self.bars = self.counts.stairs(np.zeros(self.BINS), np.linspace(0, 1, self.BINS + 1), fill=True, color=BLUE)
        self.scale.imshow(np.linspace(0, 1, 256)[None], aspect="auto", cmap="magma", extent=(0, 1, 0, 1))
        self.scale.set(xticks=[0, 1], xticklabels=[], yticks=[], xlim=(0, 1))
        self.scale.set_xlabel(unit, labelpad=2)
        self.ax.set_title(title, pad=3)
        # Texts of our own: an axis that finds its ticks anew takes as long to draw as the spectrogram.
        below = {"va": "top", "transform": self.scale.transAxes}
        self.limits = [self.scale.text(x, -0.8, "", ha=ha, **below) for x, ha in ((0, "left"), (1, "right"))]
        self.shape = self.counts.text(1, 1, "", ha="right", va="top", transform=self.counts.transAxes)
        self.moving = [*self.ax.images, *self.ax.spines.values(), self.bars, self.shape, *self.limits]
        for artist in self.moving:
            artist.set_animated(True)

    def label_bands(self, features: Features) -> None:
        centres = librosa.mel_frequencies(features.n_mels + 2, fmin=features.f_min, fmax=features.f_max)[1:-1]
        ticks = [f for f in (250, 500, 1000, 2000, 4000) if centres[0] <= f <= centres[-1]]
        self.ax.set_yticks(np.interp(ticks, centres, np.arange(len(centres))), [str(f) for f in ticks])
        self.ax.set_ylabel("frequency (Hz)", labelpad=1)

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
        for text, value in zip(self.limits, (low, high)):
            text.set_text(f"{value:.3g}")
        for artist in self.moving:
            self.ax.draw_artist(artist)


class _Canvas:
    """A figure that is laid out once and then only gets new values."""

    WIDTH = 10.0  # inches

    def __init__(self, layers: int, grid: tuple[int, int], energy: str, features: Features) -> None:
        with matplotlib.rc_context(FONT | {"font.size": 9, "axes.titlesize": 10}):
            high = 3.6 * layers
            self.figure = Figure(figsize=(self.WIDTH, high), dpi=DPI, facecolor="white")
            self.canvas = FigureCanvasAgg(self.figure)
            frame_s = features.hop / features.sample_rate
            width, lefts = 0.285, (0.06, 0.38, 0.70)

            def panel(column: int, row: int, rows: int, title: str, unit: str) -> _Panel:
                box = (lefts[column], 1 - (row + rows) / layers, width, rows / layers)
                made = _Panel(self.figure, box, grid, frame_s, title, unit)
                if column == 0:
                    made.label_bands(features)
                else:
                    made.ax.set_yticks(self.logmel.ax.get_yticks(), [""] * len(self.logmel.ax.get_yticks()))
                return made

            self.logmel = panel(0, 0, layers, "log-Mel", "level (dB)")
            unit = "dB re the loudest E" if energy == "mel" else "no unit"
            numbers = [f" {row + 1}" if layers > 1 else "" for row in range(layers)]
            self.m = [panel(1, row, 1, f"M{number}, the smoothed E", unit) for row, number in enumerate(numbers)]
            self.pcen = [panel(2, row, 1, f"PCEN{number}", "no unit") for row, number in enumerate(numbers)]
            self.canvas.draw()
            self.background = self.canvas.copy_from_bbox(self.figure.bbox)

    def boxes(self) -> list[list[float]]:
        """[left, top, width, height] of each spectrogram, fractions of the picture."""
        def box(ax: Axes) -> list[float]:
            at = ax.get_position()
            return [at.x0, 1 - at.y1, at.width, at.height]
        return [box(panel.ax) for panel in (self.logmel, *self.m, *self.pcen)]

    def draw(self, state: State, shown: Panels) -> bytes:
        """PNG."""
        self.canvas.restore_region(self.background)
        self.logmel.show(shown.logmel, float(shown.logmel.min()), float(shown.logmel.max()))
        low, high = (0, 1) if state.energy == "logmel" else (DARKEST_DB, 0)
        for k, m in enumerate(shown_m(state, shown.m)):
            self.m[k].show(m, low, high)
            # Single onsets may be far above all else, so the brightest thousandth has the colour of the last value.
            self.pcen[k].show(shown.pcen[k], 0, float(np.quantile(shown.pcen[k], 0.999)))
        file = io.BytesIO()
        Image.fromarray(np.asarray(self.canvas.buffer_rgba())).convert("RGB").save(
            file, "PNG", compress_level=1, compress_type=zlib.Z_RLE)
        return file.getvalue()


@functools.lru_cache(6)
def _canvas(layers: int, grid: tuple[int, int], energy: str, features: Features) -> _Canvas:
    return _Canvas(layers, grid, energy, features)


def _canvas_of(state: State, shown: Panels) -> _Canvas:
    bands, frames = shown.logmel.shape
    return _canvas(len(state.layers), (frames, bands), state.energy, state.features)


def picture(state: State, shown: Panels) -> bytes:
    """The picture as PNG: log-Mel, M and PCEN side by side, each with the distribution of its values.

    The same state and panels give the same bytes, whatever was drawn before.
    """
    return _canvas_of(state, shown).draw(state, shown)


def description(state: State, shown: Panels) -> str:
    """The picture in words, for its alt text."""
    energy = {"mel": "Mel", "logmel": "log-Mel"}[state.energy]
    said = [f"Log-Mel spectrogram of {state.sound}, its smoothed energy M and its PCEN on {energy} energies, "
            f"eps {state.eps:.0e}, {state.smoother} smoothing"]
    for k, (layer, out) in enumerate(zip(state.layers, shown.pcen), 1):
        said.append(f"layer {k}: {in_words(layer, state.features)}; PCEN has median {np.median(out):.3g}, "
                    f"maximum {out.max():.3g} and skewness {skewness(out):.2f} (log-Mel: {skewness(shown.logmel):.2f})")
    return ". ".join(said) + "."


def in_words(layer: Layer, features: Features) -> str:
    """The numbers of a layer: "alpha 0.8, delta 2, r 0.5, T 400 ms (s 0.0391)"."""
    frame_s = features.hop / features.sample_rate

    def one(seconds: float) -> str:
        time = f"{seconds:.2f} s" if seconds >= 1 else f"{1000 * seconds:.0f} ms"
        return f"T {time} (s {coefficient(seconds, frame_s):.3g})"

    smoothers = one(layer.seconds[0])
    if len(layer.seconds) > 1:
        smoothers = "mixture of " + " and ".join(f"{100 * np.mean(weights):.0f} % {one(seconds)}"
                                                 for seconds, weights in zip(layer.seconds, layer.weights))
    return f"alpha {layer.alpha:.4g}, delta {layer.delta:.4g}, r {layer.r:.4g}, {smoothers}"


def values_at(state: State, shown: Panels, frame: int, band: int) -> str:
    """All values at a point: time, frequency, level, E, and M and PCEN of every layer."""
    features = state.features
    hertz = librosa.mel_frequencies(features.n_mels + 2, fmin=features.f_min, fmax=features.f_max)[band + 1]
    said = [f"{frame * features.hop / features.sample_rate:.2f} s, {hertz:.0f} Hz: "
            f"{shown.logmel[band, frame]:.1f} dB, E {shown.energy[band, frame]:.3g}"]
    for k in range(len(state.layers)):
        number = f" {k + 1}" if len(state.layers) > 1 else ""
        said.append(f"M{number} {shown.m[k, band, frame]:.3g}, PCEN{number} {shown.pcen[k, band, frame]:.3g}")
    return "; ".join(said)


# ------------------------------------------------------------------------------------------------ to hear


def resynthesised(waveform: np.ndarray, state: State, shown: Panels) -> list[np.ndarray]:
    """The sound whose spectrogram would be a layer's PCEN, for each layer.

    Every STFT bin is multiplied by the gain of the Mel bands that hear it, keeps its phase and is turned back into a
    waveform, which gets the RMS of the original. On Mel energies the gain is PCEN / E. Log-Mel energies are levels, so
    PCEN, its maximum put to that of E, is read as a level too, and the gain in dB is the difference.

    Returns
    -------
    list of (sample,) arrays
        As long as the original.
    """
    features = state.features
    transform = {"n_fft": features.n_fft, "hop_length": features.hop, "window": "hamming", "center": True}
    spectrum = librosa.stft(waveform - waveform.mean(), pad_mode="reflect", **transform)
    share = _bin_share(features)
    made = []
    for out in shown.pcen:
        if state.energy == "mel":
            gain = np.divide(out, shown.energy, out=np.zeros_like(out), where=shown.energy > 0)
        else:
            span = float(shown.logmel.max() - shown.logmel.min())
            peak = float(shown.energy.max()) / max(float(out.max()), 1e-12)
            gain = 10 ** (span * (out * peak - shown.energy) / 20)
        sound = librosa.istft(spectrum * (share @ gain), length=len(waveform), **transform)
        loudness = domains.rms(waveform) / max(domains.rms(sound), 1e-12)
        made.append((sound * loudness).astype(np.float32))
    return made


@functools.lru_cache(4)
def _bin_share(features: Features) -> np.ndarray:
    """(bin, mel): how much each Mel band has to say about an STFT bin; every row adds up to 1."""
    bands = _logmel(features).bands.numpy().T
    heard = bands.sum(1, keepdims=True)
    bins = librosa.fft_frequencies(sr=features.sample_rate, n_fft=features.n_fft)
    centres = librosa.mel_frequencies(features.n_mels + 2, fmin=features.f_min, fmax=features.f_max)[1:-1]
    nearest = np.eye(features.n_mels, dtype=bands.dtype)[np.abs(bins[:, None] - centres).argmin(1)]
    return np.where(heard > 0, bands / np.where(heard > 0, heard, 1), nearest)


# ------------------------------------------------------------------------------------------------ the widget


class Picture(anywidget.AnyWidget):
    """The picture in the browser, with a cross hair at the same point of all panels; `cursor` says where."""

    _esm = Path(__file__).with_name("explorer.js")
    png = traitlets.Bytes(b"").tag(sync=True)
    alt = traitlets.Unicode("").tag(sync=True)
    width = traitlets.Int(round(_Canvas.WIDTH * DPI)).tag(sync=True)  # CSS pixels
    panels = traitlets.List().tag(sync=True)  # [left, top, width, height] of each, fractions of the picture
    grid = traitlets.List([1, 1]).tag(sync=True)  # frames, bands
    cursor = traitlets.List([]).tag(sync=True)  # frame, band


class Slider:
    """A slider of one number, with or without a logarithmic scale.

    The browser puts its handle on the nearest step and tells that as its new value. This is no move, so whatever lies
    within half a step of what was last shown or chosen is not reported.
    """

    def __init__(self, name: str, span: tuple[float, float], step: float, form: str, log: bool,
                 moved: Callable[[float], None], **options: Any) -> None:
        kind = ipywidgets.FloatLogSlider if log else ipywidgets.FloatSlider
        self._scale = np.log10 if log else float
        low, high = map(self._scale, span)
        self.widget = kind(description=name, min=low, max=high, step=step, value=span[0], readout_format=form,
                           **options)
        self._span, self._step, self._value, self._moved = span, step, span[0], moved
        self.widget.observe(self._told, "value")

    def _told(self, change: dict[str, Any]) -> None:
        if abs(self._scale(change["new"]) - self._scale(self._value)) > 0.5 * self._step:
            self._value = change["new"]
            self._moved(change["new"])

    def show(self, value: float) -> None:
        """Put the slider where the value is, or at its end if that is out of its span."""
        self._value = min(max(value, self._span[0]), self._span[1])
        self.widget.value = self._value


class _LayerControls:
    """The sliders of one layer; `box` holds them."""

    def __init__(self, number: int, moved: Callable[[int, dict[str, Any]], None]) -> None:
        def slider(name: str, span: tuple[float, float], form: str, log: bool, change: Callable[[float], dict[str, Any]]
                   ) -> Slider:
            return Slider(name, span, 0.01, form, log, lambda value: moved(number, change(value)),
                           style={"description_width": "3em"}, layout=ipywidgets.Layout(width="30em"))

        self.sliders = [
            slider("alpha", ALPHA, ".2f", False, lambda value: {"alpha": value}),
            slider("delta", DELTA, ".3g", True, lambda value: {"delta": value}),
            slider("r", R, ".2f", False, lambda value: {"r": value}),
            slider("T (s)", SECONDS, ".3g", True, lambda value: {"seconds": (value,), "weights": ((1.0,),)}),
        ]
        self.exactly = ipywidgets.HTML(layout=ipywidgets.Layout(width="30em"))
        title = ipywidgets.HTML(f"<b>Layer {number + 1}</b>")
        self.box = ipywidgets.VBox([title, *(slider.widget for slider in self.sliders), self.exactly],
                                   layout=ipywidgets.Layout(margin="0 1.5em 0 0"))

    def show(self, layer: Layer, features: Features) -> None:
        """Put the sliders where the layer is."""
        shares = np.array([np.mean(weights) for weights in layer.weights])
        middle = float(np.exp(shares @ np.log(layer.seconds)))
        for slider, value in zip(self.sliders, (layer.alpha, layer.delta, layer.r, middle)):
            slider.show(value)
        mixed = "; moving T takes one smoother instead" if len(layer.seconds) > 1 else ""
        self.exactly.value = html.escape(in_words(layer, features) + mixed)


_ONE_AT_A_TIME = threading.RLock()  # for all explorers of a kernel, as they share what they draw on


class Explorer:
    """The explorer for a notebook; `box` is the widget, `state` what it shows.

    Parameters
    ----------
    runs_folder : path, optional
        Where the last trained run is looked for; default: the workspace's.
    """

    def __init__(self, runs_folder: Path | None = None) -> None:
        self.uploads: dict[str, np.ndarray] = {}
        self.presets = dict(PRESETS)
        self.state = State(sound=next(iter(SOUNDS)), **PRESETS["Fixed 2"].changes)
        self._quiet = False
        self.logmel = self._analysed = None  # the spectrogram, and the waveform that it is of

        self.picture = Picture()
        self.at_cursor = ipywidgets.Label("Point at the picture, or move over it with the arrow keys, to read values.")
        self.at_cursor.add_class("pcen-cursor")
        self.status = ipywidgets.HTML()
        self.status.add_class("pcen-status")

        wide = {"style": {"description_width": "5em"}, "layout": ipywidgets.Layout(width="28em")}
        self.sound = ipywidgets.Dropdown(options=list(SOUNDS), description="sound", **wide)
        self.upload = ipywidgets.FileUpload(description="your own sound", accept="audio/*,.wav,.flac,.ogg,.mp3",
                                            layout=ipywidgets.Layout(width="auto"))
        self.energy = ipywidgets.Dropdown(options=[("Mel", "mel"), ("log-Mel", "logmel")], description="E", **wide)
        self.smoother = ipywidgets.Dropdown(options=[("causal (paper)", "causal"), ("zero-phase (released code)",
                                                                                     "zero-phase")],
                                            description="smoother", **wide)
        self.count = ipywidgets.ToggleButtons(options=[("1 layer", 1), ("2 layers", 2)],
                                              style={"button_width": "6em"})
        self.eps = Slider("eps", EPS, 0.1, ".1e", True, lambda value: self._change(eps=value), **wide)
        self.layers = [_LayerControls(number, self._layer_moved) for number in range(2)]
        self.buttons = {name: ipywidgets.Button(description=name, tooltip=preset.note)
                        for name, preset in self.presets.items()}
        self._offer_last_run(runs_folder)
        self.original = ipywidgets.HTML()
        self.hear = ipywidgets.Button(description="Make PCEN audible", layout=ipywidgets.Layout(width="auto"))
        self.heard = ipywidgets.HTML()

        for name, button in self.buttons.items():
            button.on_click(lambda _, name=name: self._try(lambda: self._preset(name)))
        for control, change in (
            (self.energy, lambda value: self._change(energy=value, features=replace(
                self.state.features, range_db=FEATURES[value].range_db))),
            (self.smoother, lambda value: self._change(smoother=value)),
            (self.count, lambda value: self._change(layers=(self.state.layers * 2)[:value])),
            (self.sound, lambda value: self._change(sound=value)),
        ):
            control.observe(lambda event, change=change: self._try(lambda: self._quiet or change(event["new"])),
                            "value")
        self.upload.observe(lambda event: event["new"] and self._try(lambda: self._uploaded(event["new"][0])), "value")
        self.picture.observe(lambda _: self._try(self._read_cursor), "cursor")
        self.hear.on_click(lambda _: self._try(self._hear))

        row = ipywidgets.HBox
        wrap = ipywidgets.Layout(flex_flow="row wrap")
        self.box = ipywidgets.VBox([
            row([self.sound, self.upload], layout=wrap), row(list(self.buttons.values()), layout=wrap),
            row([self.count, self.energy, self.smoother, self.eps.widget], layout=wrap),
            row([layer.box for layer in self.layers], layout=wrap),
            self.status, self.picture, self.at_cursor, row([self.original, self.heard, self.hear], layout=wrap),
        ])
        self.box.add_class("pcen-explorer")
        self.show(self.state)

    def _waveform(self, name: str) -> np.ndarray:
        return self.uploads[name] if name in self.uploads else sound(name)

    def _offer_last_run(self, folder: Path | None) -> None:
        name, found = "Last trained run", last_run(folder)
        self.buttons[name] = ipywidgets.Button(description=name, disabled=found is None,
                                               tooltip=NO_RUN if found is None else found[1].note,
                                               layout=ipywidgets.Layout(width="auto"))
        if found is not None:
            self.presets[name] = found[1]

    def _try(self, action: Callable[[], None]) -> None:
        """Do what a control asks for; what goes wrong is shown, for nobody sees the kernel's log.

        One at a time: JupyterLab may tell of two controls in two threads.
        """
        with _ONE_AT_A_TIME:
            try:
                action()
            except Exception as error:
                self._move_controls()  # back to what is shown
                ours = isinstance(error, SedError)
                self._say(str(error) if ours else f"{type(error).__name__}: {error}", wrong=True)
                if not ours:
                    raise

    def _say(self, text: str, wrong: bool = False) -> None:
        text = html.escape(text)
        self.status.value = f'<span role="alert"><b>Not possible:</b> {text}</span>' if wrong else text

    def _preset(self, name: str) -> None:
        preset = self.presets[name]
        self.show(replace(self.state, **preset.changes), preset.note)

    def _change(self, **changes: Any) -> None:
        self._try(lambda: self.show(replace(self.state, **changes)))

    def _layer_moved(self, number: int, change: dict[str, Any]) -> None:
        def move() -> None:
            layers = list(self.state.layers)
            layers[number] = replace(layers[number], **change)
            self._change(layers=tuple(layers))

        self._try(move)

    def _uploaded(self, file: dict[str, Any]) -> None:
        name = f"your {file['name']}"
        content = bytes(file["content"])
        self.upload.value = ()  # so that the same file can be given again
        waveform, said = uploaded(name, content)
        self.uploads[name] = waveform
        self.show(replace(self.state, sound=name), said)

    def show(self, state: State, said: str = "") -> None:
        """Show a state: the picture, and all controls where it is; a message if there is something to say."""
        waveform, logmel = self._waveform(state.sound), self.logmel
        another = waveform is not self._analysed or state.features != self.state.features
        if another:
            logmel = spectrogram(waveform, state.features)
        shown = panels(state, logmel)
        png, (bands, frames) = picture(state, shown), shown.logmel.shape
        self.state, self.logmel, self.shown, self._analysed = state, logmel, shown, waveform
        with self.picture.hold_sync():
            self.picture.png, self.picture.alt = png, description(state, shown)
            self.picture.panels, self.picture.grid = _canvas_of(state, shown).boxes(), [frames, bands]
        self._say(said)
        self._move_controls()
        self._read_cursor()
        self.heard.value = ""
        if another:
            self.original.value = players.player(waveform, f"original: {state.sound}").data

    def _move_controls(self) -> None:
        self._quiet = True
        try:
            self.sound.options = [*SOUNDS, *self.uploads]
            self.sound.value, self.energy.value, self.smoother.value = (
                self.state.sound, self.state.energy, self.state.smoother)
            self.count.value = len(self.state.layers)
        finally:
            self._quiet = False
        self.eps.show(self.state.eps)
        for k, controls in enumerate(self.layers):
            controls.box.layout.display = None if k < len(self.state.layers) else "none"
            if k < len(self.state.layers):
                controls.show(self.state.layers[k], self.state.features)

    def _read_cursor(self) -> None:
        if self.picture.cursor:
            frames, bands = self.picture.grid
            frame, band = self.picture.cursor
            self.at_cursor.value = values_at(self.state, self.shown, min(frame, frames - 1), min(band, bands - 1))

    def _hear(self) -> None:
        made = resynthesised(self._analysed, self.state, self.shown)
        self.heard.value = "".join(
            players.player(waveform, f"PCEN, layer {k}" if len(made) > 1 else "PCEN").data
            for k, waveform in enumerate(made, 1))


def explorer(interactive: bool) -> None:
    """Show the explorer; in a batch run, a picture for every preset, of the same sound.

    Parameters
    ----------
    interactive : bool
        False: no widgets.
    """
    if interactive:
        display(Explorer().box)
        return
    found = last_run()
    for preset in [*PRESETS.values(), *([found[1]] if found else [])]:
        state = State(sound=next(iter(SOUNDS)), **preset.changes)
        shown = panels(state, spectrogram(sound(state.sound), state.features))
        alt = f"{preset.note}: {description(state, shown)}"
        display(pieces.image(picture(state, shown), alt, width=round(_Canvas.WIDTH * DPI)))
