"""Effects on waveforms: bursts, comb, compression, pitch shift, filters, rooms. All batched, on any device.

An effect is a pure function of waveforms ``(source, sample)``, float32 at 16 kHz, and of parameters ``(source,)``, one
value per row, on the CPU: nothing waits for a GPU to read them. It keeps the shape, the onsets and the offsets; levels
are set afterwards (`mixing`), so no effect clips. The paper names the effects; the ranges in `EFFECTS` are ours, narrow
enough that a sound keeps its label. Paper section 3.2; lesson 02.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import python_stretch
import torch
from torch import Tensor
from torch.nn import functional as F
from torch.nn.utils.rnn import pad_sequence

from sedlib.data.audio import RATE
from sedlib.errors import SedError

_NOISE = 1 << 18  # samples of stored white noise at which a burst may begin; as many follow
_RING = 4096  # samples that a filter rings
_INAUDIBLE = 1e-5  # of a peak; the rounding of a Fourier transform lies below
_TRANSFORM = 1 << 14  # samples of a Fourier transform for rooms; more if one lasts longer than half of it
_BLOCK = 80  # samples in which a compressor measures the level: 5 ms


def noise_burst(waveform: Tensor, start: Tensor, duration: Tensor, snr_db: Tensor, noise: Tensor) -> Tensor:
    """Add a burst of white noise from ``start``, of ``duration`` (s).

    ``snr_db`` is the energy of the waveform during the burst over that of the burst, so it is silent in a pause;
    ``noise`` in [0, 1) is where the burst is cut from stored noise.
    """

    def white(row: int, samples: int) -> Tensor:
        first = int(noise[row] * _NOISE)
        return _noise(waveform.device)[first : first + samples]

    return _with_bursts(waveform, white, start, duration, snr_db)


def sine_burst(waveform: Tensor, start: Tensor, duration: Tensor, snr_db: Tensor, frequency: Tensor) -> Tensor:
    """Add a burst of a sine of ``frequency`` Hz; other parameters as for `noise_burst`."""

    def sine(row: int, samples: int) -> Tensor:
        return torch.sin(torch.arange(samples, device=waveform.device) * (2 * math.pi / RATE * float(frequency[row])))

    return _with_bursts(waveform, sine, start, duration, snr_db)


def comb(waveform: Tensor, delay: Tensor, depth: Tensor, rate: Tensor, gain: Tensor) -> Tensor:
    """Apply a time-varying comb filter y(n) = x(n) + gain x(n - d(n)), the delay d swept by a sine: a flanger.

    ``delay`` is the mean of d in ms, ``depth`` in [0, 1] the amplitude of the sweep relative to it, ``rate`` its
    frequency in Hz. The released code has a non-causal comb of 100 to 280 ms, which would move onsets, and does not use
    it.
    """
    delay, depth, rate, gain = (value.to(waveform.device)[:, None] for value in (delay, depth, rate, gain))
    n = torch.arange(waveform.shape[1], device=waveform.device)
    samples = delay * (RATE / 1000) * (1 + depth * torch.sin(2 * math.pi / RATE * rate * n))
    whole = samples.long()
    padded = F.pad(waveform, (1, 0))  # a zero before the first sample
    late, early = (padded.gather(1, (n + (1 - k) - whole).clamp_min_(0)) for k in (0, 1))
    return waveform + gain * (late + samples.frac() * (early - late))  # linear interpolation between two samples


def compress(waveform: Tensor, threshold_db: Tensor, ratio: Tensor) -> Tensor:
    """Compress the dynamic range: above the threshold the level rises only 1 dB for every ``ratio`` (1 or more) dB.

    ``threshold_db`` is relative to the row's loudest 5 ms, so negative.
    """
    padded = F.pad(waveform, (0, _BLOCK + -waveform.shape[1] % _BLOCK))  # followed by silence
    threshold_db, ratio = threshold_db.to(waveform.device), ratio.to(waveform.device)
    level = F.avg_pool1d(padded.square()[:, None], _BLOCK).sqrt()
    over = level / (level.amax(-1, keepdim=True) * 10 ** (threshold_db / 20)[:, None, None]).clamp_min(1e-9)
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
            sounding = loud[-1] + 1  # the zeros at the end are left alone: a second of sound takes 3 ms
            stretch = python_stretch.Signalsmith.Stretch()
            stretch.preset(1, RATE, cheaper=True)
            stretch.setTransposeSemitones(shift)
            out[:sounding] = stretch.process(row[None, :sounding])[0]  # pyright: ignore[reportIndexIssue]  # an array
    return shifted.to(device)


def low_pass(waveform: Tensor, cutoff: Tensor) -> Tensor:
    """Apply a Butterworth low-pass of second order, ``cutoff`` in Hz."""
    return torch.stack(_convolved(waveform, _butterworth(cutoff.to(waveform.device)), _RING))


def high_pass(waveform: Tensor, cutoff: Tensor) -> Tensor:
    """Apply a Butterworth high-pass of second order, ``cutoff`` in Hz."""
    return torch.stack(_convolved(waveform, _butterworth(cutoff.to(waveform.device), high=True), _RING))


def reverberate(waveforms: Sequence[Tensor] | Tensor, responses: Sequence[Tensor] | Tensor) -> list[Tensor]:
    """Convolve each ``(sample,)`` with a room's response ``(tap,)``, cut to the length of the waveform.

    The direct sound is at tap 0, so that events keep their onsets; zeros at the end of the waveform leave space for the
    room's tail.
    """
    taps = max(map(len, responses))
    n = max(_TRANSFORM, 2 << (taps - 1).bit_length())
    return _convolved(waveforms, torch.fft.rfft(pad_sequence(list(responses), batch_first=True), n), taps)


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


def _with_bursts(
    waveform: Tensor, sound: Callable[[int, int], Tensor], start: Tensor, duration: Tensor, snr_db: Tensor
) -> Tensor:
    """Add ``sound(row, samples)`` to each row at its SNR, between start and start + duration."""
    out = waveform.clone()
    for row, (begin, seconds, ratio) in enumerate(zip(start.tolist(), duration.tolist(), snr_db.tolist(), strict=True)):
        place = slice(round(begin * RATE), round((begin + seconds) * RATE))
        inside = waveform[row, place]
        burst = sound(row, len(inside))
        gain = (inside.square().sum() / burst.square().sum().clamp_min(1e-12)).sqrt() * 10 ** (-ratio / 20)
        out[row, place] += burst * gain
    return out


def _butterworth(cutoff: Tensor, high: bool = False) -> Tensor:
    """Compute the spectra of low- or high-passes of second order: analogue ones made digital by the bilinear transform.

    1 / (1 + sqrt(2) s + s^2), the high-pass times s^2, at s = i w for w in units of the cutoff.
    """
    w = torch.tan(math.pi / 2 / _RING * torch.arange(_RING + 1, device=cutoff.device)).clamp_(0, 1e6)
    w[_RING] = 1e6  # infinite at the Nyquist frequency, in spite of rounding
    w = w / torch.tan(math.pi * cutoff / RATE)[:, None]
    scale = (-(w**2) if high else 1) / (1 + w**4)
    return torch.complex((1 - w**2) * scale, -math.sqrt(2) * w * scale)


def _convolved(waveforms: Sequence[Tensor] | Tensor, spectra: Tensor, taps: int) -> list[Tensor]:
    """Convolve each ``(sample,)`` with a response of up to ``taps``, cut to its length, by overlap-save.

    ``spectra`` (source, n / 2 + 1) are those of the responses. All blocks of all waveforms are of one size, short
    enough for the cache: planning a transform takes as long as ten such blocks.
    """
    n = 2 * (spectra.shape[1] - 1)
    step = n - taps + 1
    blocks = [F.pad(waveform, (taps - 1, -len(waveform) % step)).unfold(0, n, step) for waveform in waveforms]
    counts = [len(of_one) for of_one in blocks]
    transformed = torch.fft.rfft(torch.cat(blocks))
    for of_one, spectrum in zip(transformed.split(counts), spectra, strict=True):
        of_one *= spectrum
    convolved = torch.fft.irfft(transformed, n)[:, taps - 1 :].split(counts)
    return [of_one.flatten()[: len(waveform)] for of_one, waveform in zip(convolved, waveforms, strict=True)]


@lru_cache(maxsize=4)
def _noise(device: torch.device) -> Tensor:
    return torch.from_numpy(np.random.default_rng(0).standard_normal(2 * _NOISE, dtype=np.float32)).to(device)
