"""Effects on waveforms: bursts, comb, compression, pitch shift, filters, rooms. All batched, on any device.

An effect is a pure function of waveforms ``(source, sample)``, float32 at 16 kHz, and of parameters ``(source,)``, one
value per row. It keeps the shape, the onsets and the offsets; levels are set afterwards (`mixing`), so no effect clips.
The paper names the effects; the ranges in `EFFECTS` are ours, narrow enough that a sound keeps its label. Paper
section 3.2; lesson 02.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import python_stretch
import torch
from scipy.fft import next_fast_len
from torch import Tensor
from torch.nn import functional as F

from sedlib.data.audio import RATE
from sedlib.errors import SedError

_NOISE = 1 << 18  # samples of white noise from which every noise burst is cut
_RING = 4096  # samples of padding for the ringing of a filter
_INAUDIBLE = 1e-5  # of a peak; the rounding of a Fourier transform lies below
_BLOCK = 80  # samples in which a compressor measures the level: 5 ms


def noise_burst(waveform: Tensor, start: Tensor, duration: Tensor, snr_db: Tensor, noise: Tensor) -> Tensor:
    """Add a burst of white noise from ``start``, of ``duration`` (s).

    ``snr_db`` is the energy of the waveform during the burst over that of the burst, so it is silent in a pause;
    ``noise`` in [0, 1) is where the burst is cut from stored noise.
    """
    n = torch.arange(waveform.shape[1], device=waveform.device)
    white = _noise(waveform.device)[((noise[:, None] * _NOISE).long() + n) % _NOISE]
    return waveform + _burst(waveform, white, start, duration, snr_db)


def sine_burst(waveform: Tensor, start: Tensor, duration: Tensor, snr_db: Tensor, frequency: Tensor) -> Tensor:
    """Add a burst of a sine of ``frequency`` Hz; other parameters as of `noise_burst`."""
    sine = torch.sin(2 * math.pi * frequency[:, None] * _seconds(waveform))
    return waveform + _burst(waveform, sine, start, duration, snr_db)


def comb(waveform: Tensor, delay: Tensor, depth: Tensor, rate: Tensor, gain: Tensor) -> Tensor:
    """Apply a time-varying comb filter y(n) = x(n) + gain x(n - d(n)), the delay d swept by a sine: a flanger.

    ``delay`` is the mean of d in ms, ``depth`` in [0, 1] the amplitude of the sweep relative to it, ``rate`` its
    frequency in Hz. The released code has a non-causal comb of 100 to 280 ms, which would move onsets, and does not use
    it.
    """
    swept = 1 + depth[:, None] * torch.sin(2 * math.pi * rate[:, None] * _seconds(waveform))
    samples = delay[:, None] * (RATE / 1000) * swept
    fraction = samples.frac()  # linear interpolation between two samples
    place = torch.arange(1, waveform.shape[1] + 1, device=waveform.device) - samples.long()
    padded = F.pad(waveform, (1, 0))  # a zero before the first sample
    late, early = padded.gather(1, place.clamp_min(0)), padded.gather(1, (place - 1).clamp_min(0))
    return waveform + gain[:, None] * (late + fraction * (early - late))


def compress(waveform: Tensor, threshold_db: Tensor, ratio: Tensor) -> Tensor:
    """Compress the dynamic range: above the threshold the level rises only 1 dB for every ``ratio`` (1 or more) dB.

    ``threshold_db`` is relative to the row's loudest 5 ms, so negative.
    """
    padded = F.pad(waveform, (0, _BLOCK + -waveform.shape[1] % _BLOCK))  # followed by silence
    level = F.avg_pool1d(padded.square()[:, None], _BLOCK).sqrt()
    over = level / (level.amax(-1, keepdim=True) * _amplitude(threshold_db)[:, None, None]).clamp_min(1e-9)
    gain = over.clamp_min(1.0) ** (1 / ratio - 1)[:, None, None]
    gain = F.interpolate(gain, scale_factor=_BLOCK, mode="linear", align_corners=False)
    return waveform * gain[:, 0, : waveform.shape[1]]


def pitch_shift(waveform: Tensor, semitones: Tensor) -> Tensor:
    """Shift the pitch at the same tempo, by python-stretch on the CPU: onsets stay within 1.3 ms."""
    device, waveform = waveform.device, waveform.cpu()
    shifted = torch.zeros_like(waveform)
    for row, out, shift in zip(waveform.numpy(), shifted.numpy(), semitones.tolist(), strict=True):
        loud = np.flatnonzero(np.abs(row) > _INAUDIBLE * np.abs(row).max(initial=0.0))
        if len(loud):
            sounding = loud[-1] + 1  # the zeros at the end are left alone: a second of sound takes 4 ms
            stretch = python_stretch.Signalsmith.Stretch()
            stretch.preset(1, RATE)
            stretch.setTransposeSemitones(shift)
            out[:sounding] = stretch.process(row[None, :sounding])[0]  # pyright: ignore[reportIndexIssue]  # an array
    return shifted.to(device)


def low_pass(waveform: Tensor, cutoff: Tensor) -> Tensor:
    """Apply a Butterworth low-pass of second order, ``cutoff`` in Hz."""
    return _filtered(waveform, cutoff, lambda s: 1 / (1 + math.sqrt(2) * s + s**2))


def high_pass(waveform: Tensor, cutoff: Tensor) -> Tensor:
    """Apply a Butterworth high-pass of second order, ``cutoff`` in Hz."""
    return _filtered(waveform, cutoff, lambda s: s**2 / (1 + math.sqrt(2) * s + s**2))


def reverberate(waveform: Tensor, response: Tensor) -> Tensor:
    """Convolve each row with a room's response ``(source, tap)``, cut to the length of the waveform.

    The direct sound is at tap 0, so that events keep their onsets; zeros at the end of the waveform leave space for the
    room's tail.
    """
    n = next_fast_len(waveform.shape[1] + response.shape[1] - 1, real=True)
    return torch.fft.irfft(torch.fft.rfft(waveform, n) * torch.fft.rfft(response, n), n)[:, : waveform.shape[1]]


class Range(NamedTuple):
    """Range of a parameter that is drawn uniformly, or log-uniformly."""

    low: float
    high: float
    log: bool = False


class Effect(NamedTuple):
    """A function of waveforms and parameters, and the ranges of these."""

    function: Callable[..., Tensor]
    ranges: dict[str, Range]


_BURST = {"start": Range(0, 1), "duration": Range(0.05, 0.5, log=True), "snr_db": Range(0, 20)}
_COMB = {"delay": Range(1, 10, log=True), "depth": Range(0.1, 0.9), "rate": Range(0.1, 2, log=True)}
_COMB["gain"] = Range(0.3, 0.9)
EFFECTS: dict[str, Effect] = {
    "noise burst": Effect(noise_burst, _BURST | {"noise": Range(0, 1)}),
    "sine burst": Effect(sine_burst, _BURST | {"frequency": Range(100, 4000, log=True)}),
    "comb": Effect(comb, _COMB),
    "compression": Effect(compress, {"threshold_db": Range(-30, -10), "ratio": Range(2, 8, log=True)}),
    "pitch shift": Effect(pitch_shift, {"semitones": Range(-3, 3)}),
    "low-pass": Effect(low_pass, {"cutoff": Range(1000, 6000, log=True)}),
    "high-pass": Effect(high_pass, {"cutoff": Range(50, 800, log=True)}),
}


def draw_effect(rng: np.random.Generator, name: str, seconds: float) -> dict[str, float]:
    """Draw the parameters of an effect on a sound of ``seconds``, within which bursts lie."""
    if name not in EFFECTS:
        raise SedError(f"effect {name!r} does not exist; choose from {', '.join(EFFECTS)}")
    values = {}
    for parameter, (low, high, log) in EFFECTS[name].ranges.items():
        values[parameter] = float(np.exp(rng.uniform(np.log(low), np.log(high))) if log else rng.uniform(low, high))
    if "start" in values:
        values["duration"] = min(values["duration"], seconds)
        values["start"] *= seconds - values["duration"]
    return values


def _burst(waveform: Tensor, sound: Tensor, start: Tensor, duration: Tensor, snr_db: Tensor) -> Tensor:
    """Scale a sound to its SNR between start and start + duration; zeros elsewhere."""
    since = _seconds(waveform) - start[:, None]
    inside = (since >= 0) & (since < duration[:, None])
    sound = torch.where(inside, sound, 0.0)
    energy = torch.where(inside, waveform, 0.0).square().sum(1, keepdim=True)
    return sound * (energy / sound.square().sum(1, keepdim=True).clamp_min(1e-12)).sqrt() * _amplitude(-snr_db)[:, None]


def _filtered(waveform: Tensor, cutoff: Tensor, response: Callable[[Tensor], Tensor]) -> Tensor:
    """Filter by an analogue frequency response of s = jw / w_cutoff, made digital by the bilinear transform."""
    n = next_fast_len(waveform.shape[1] + _RING, real=True)
    warped = torch.tan(math.pi * torch.arange(n // 2 + 1, device=waveform.device) / n).clamp(0, 1e6)
    warped[n // 2 :] = 1e6  # infinite at the Nyquist frequency, in spite of rounding
    s = 1j * warped / torch.tan(math.pi * cutoff / RATE)[:, None]
    return torch.fft.irfft(torch.fft.rfft(waveform, n) * response(s), n)[:, : waveform.shape[1]]


def _seconds(waveform: Tensor) -> Tensor:
    """Time of each sample, from 0."""
    return torch.arange(waveform.shape[1], device=waveform.device) / RATE


def _amplitude(level_db: Tensor) -> Tensor:
    return 10 ** (level_db / 20)


@lru_cache(maxsize=4)
def _noise(device: torch.device) -> Tensor:
    return torch.from_numpy(np.random.default_rng(0).standard_normal(_NOISE, dtype=np.float32)).to(device)
