"""What is explored: the state, what it makes of a sound, in numbers, in words and to hear."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import NamedTuple

import librosa
import numpy as np
import torch

from minidesed import domains
from sedcourse.plots.axes import mel_centres
from sedlib.config import Features
from sedlib.features import LogMel, MinMax, amplitude, coefficient, pcen
from sedlib.features.pcen import SMOOTHERS
from sedlib.systems import configuration

FEATURES = {
    "mel": configuration("fixed_pcen_1", "paper").features,
    "logmel": configuration("ppcen_logmel", "paper").features,
}


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


def hop_s(features: Features) -> float:
    """Return the seconds from frame to frame of the spectrogram."""
    return features.hop / features.sample_rate


@functools.lru_cache(4)
def _logmel(features: Features) -> LogMel:
    return LogMel(features)


def spectrogram(waveform: np.ndarray, features: Features) -> torch.Tensor:
    """Return the log-Mel spectrogram of a (sample,) waveform, (mel, frame) in dB."""
    return _logmel(features)(torch.as_tensor(waveform)[None])[0, 0]


def panels(state: State, logmel: torch.Tensor) -> Panels:
    """Compute equation (3) for every layer from a (mel, frame) `spectrogram` in dB."""
    linear = amplitude(logmel) if state.energy == "mel" else logmel
    energy = MinMax()(linear[None, None])[0, 0]
    m, out = [], []
    for layer in state.layers:
        s = torch.tensor([coefficient(seconds, hop_s(state.features)) for seconds in layer.seconds])
        weights = torch.tensor(layer.weights)  # (smoother, mel or 1)
        m.append((weights[..., None] * SMOOTHERS[state.smoother](energy, s)).sum(0))
        out.append(pcen(energy, m[-1], layer.alpha, layer.delta, layer.r, state.eps))
    return Panels(logmel.numpy(), energy.numpy(), torch.stack(m).numpy(), torch.stack(out).numpy())


def skewness(values: np.ndarray) -> float:
    """Return the third standardised moment: 0 if symmetric, positive for a long tail of large values."""
    centred = values.ravel() - values.mean(dtype=np.float64)
    squared = centred * centred
    deviation = np.sqrt(squared.mean())
    return float(np.dot(squared, centred) / len(centred) / deviation**3) if deviation > 1e-12 else 0.0


def description(state: State, shown: Panels) -> str:
    """Describe the picture, for its alt text."""
    energy = {"mel": "Mel", "logmel": "log-Mel"}[state.energy]
    how = f"its PCEN on {energy} energies, eps {state.eps:.0e}, {state.smoother} smoothing"
    text = [f"Log-Mel spectrogram of {state.sound}, its smoothed energy M and {how}"]
    for k, (layer, out) in enumerate(zip(state.layers, shown.pcen, strict=True), 1):
        text.append(
            f"layer {k}: {in_words(layer, state.features)}; PCEN has median {np.median(out):.3g}, "
            f"maximum {out.max():.3g} and skewness {skewness(out):.2f} (log-Mel: {skewness(shown.logmel):.2f})"
        )
    return ". ".join(text) + "."


def in_words(layer: Layer, features: Features) -> str:
    """Describe a layer: "alpha 0.8, delta 2, r 0.5, T 400 ms (s 0.0391)"."""

    def one(seconds: float) -> str:
        time = f"{seconds:.2f} s" if seconds >= 1 else f"{1000 * seconds:.0f} ms"
        return f"T {time} (s {coefficient(seconds, hop_s(features)):.3g})"

    smoothers = one(layer.seconds[0])
    if len(layer.seconds) > 1:
        mixed = zip(layer.seconds, layer.weights, strict=True)
        parts = [f"{100 * np.mean(weights):.0f} % {one(seconds)}" for seconds, weights in mixed]
        smoothers = f"mixture of {' and '.join(parts)}"
    return f"alpha {layer.alpha:.4g}, delta {layer.delta:.4g}, r {layer.r:.4g}, {smoothers}"


def values_at(state: State, shown: Panels, frame: int, band: int) -> str:
    """Return all values at a point: time, frequency, level, E, and M and PCEN of every layer."""
    text = [
        f"{frame * hop_s(state.features):.2f} s, {mel_centres(state.features)[band]:.0f} Hz: "
        f"{shown.logmel[band, frame]:.1f} dB, E {shown.energy[band, frame]:.3g}"
    ]
    for k in range(len(state.layers)):
        number = f" {k + 1}" if len(state.layers) > 1 else ""
        text.append(f"M{number} {shown.m[k, band, frame]:.3g}, PCEN{number} {shown.pcen[k, band, frame]:.3g}")
    return "; ".join(text)


def resynthesised(waveform: np.ndarray, state: State, shown: Panels) -> list[np.ndarray]:
    """Make each layer's PCEN audible, as a (sample,) waveform as long and loud as the original.

    Every STFT bin is multiplied by the gain of the Mel bands that contain it and keeps its phase. On Mel energies the
    gain is PCEN / E. Log-Mel energies are levels, so PCEN, its maximum put to that of E, is read as a level too, and
    the gain in dB is the difference.
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
    """Return the weight of each Mel band in the gain of an STFT bin, (bin, mel); every row adds up to 1."""
    bands = _logmel(features).bands.numpy().T
    total = bands.sum(1, keepdims=True)
    bins = librosa.fft_frequencies(sr=features.sample_rate, n_fft=features.n_fft)
    nearest = np.eye(features.n_mels, dtype=bands.dtype)[np.abs(bins[:, None] - mel_centres(features)).argmin(1)]
    return np.where(total > 0, bands / np.where(total > 0, total, 1), nearest)
