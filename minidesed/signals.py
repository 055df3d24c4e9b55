"""Building blocks of the voices: harmonics, noise, struck bodies, slow changes, a time-varying filter."""

from __future__ import annotations

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from scipy import fft
from scipy.signal import lfilter

from sedlib.config import RATE

FFT, HOP = 512, 256
FREQUENCIES = np.fft.rfftfreq(FFT, 1 / RATE).astype(np.float32)
FREQUENCIES[0] = 1.0  # Hz, so that its logarithm exists
_WINDOW = np.sqrt(np.hanning(FFT + 1)[:-1]).astype(np.float32)  # squared and added at every HOP, it makes 1
_TABLE = 16384


def oscillate(frequency: np.ndarray, amplitudes: np.ndarray, pulses: bool = False) -> np.ndarray:
    """Make a harmonic sound of varying pitch from a table of one period.

    Parameters
    ----------
    frequency : (sample,) array
        Fundamental, Hz.
    amplitudes : (harmonic,) array
        Of harmonics 1, 2, ...; the highest must stay under 8 kHz.
    pulses : bool
        All harmonics in phase, as in the voice; otherwise in the phases that keep the peak low (Schroeder 1970).

    Returns
    -------
    (sample,) float32 array, root mean square 1 over a period.
    """
    k = np.arange(1, len(amplitudes) + 1)
    phases = np.zeros(len(k)) if pulses else np.pi * k**2 / len(k)
    spectrum = np.concatenate([[0], amplitudes * np.exp(1j * phases)])
    table = unit_rms(fft.irfft(spectrum, _TABLE))
    turns = np.cumsum(frequency) / RATE
    return table[(turns * _TABLE).astype(np.int64) % _TABLE]


def white_noise(n: int, rng: np.random.Generator) -> np.ndarray:
    """Return (n,) float32 white noise, root mean square 1."""
    return rng.standard_normal(n, dtype=np.float32)


def smooth_noise(n: int, rng: np.random.Generator, rate: float) -> np.ndarray:
    """Return an (n,) float32 random curve, about normal(0, 1) and within [-2, 2], with `rate` new values per second."""
    knots = rng.normal(size=int((n / RATE + 0.004) * rate) + 3).clip(-2, 2)
    coarse = np.arange(n // 32 + 2) * (32 / RATE)  # np.interp at every sample would take ten times as long
    values = np.interp(coarse * rate + rng.random(), np.arange(len(knots)), knots).astype(np.float32)
    between = np.arange(32, dtype=np.float32) / np.float32(32)
    return (values[:-1, None] + np.diff(values)[:, None] * between).ravel()[:n]


def slow_gain(n: int, rng: np.random.Generator, span: float, rate: float) -> np.ndarray:
    """Return an (n,) float32 gain that varies within `span` dB, with `rate` new values per second."""
    return from_db(0.25 * span * smooth_noise(n, rng, rate))


def modes(frequencies: np.ndarray, decays: np.ndarray, amplitudes: np.ndarray, duration: float) -> np.ndarray:
    """Add the damped sines of a struck body, (sample,) float32, ``duration`` seconds long.

    Parameters
    ----------
    frequencies, decays, amplitudes : (mode,) arrays
        Hz; seconds in which a mode falls to 1/e; linear. Modes above 7.9 kHz are left out.
    """
    t = np.arange(round(duration * RATE), dtype=np.float32) / np.float32(RATE)
    audible = np.asarray(frequencies) < 7900
    f, decay, amplitude = (np.asarray(a, np.float32)[audible, None] for a in (frequencies, decays, amplitudes))
    return (amplitude * np.exp(-t / decay) * np.sin(2 * np.float32(np.pi) * (f * t % 1))).sum(axis=0)


def scatter(n: int, starts: np.ndarray, amplitudes: np.ndarray, sounds: list[np.ndarray]) -> np.ndarray:
    """Return the (n,) float32 sum of ``amplitudes[i] * sounds[i]`` put at ``starts[i]`` seconds, cut at the end."""
    out = np.zeros(n + max((len(s) for s in sounds), default=0), np.float32)
    for start, amplitude, sound in zip((np.asarray(starts) * RATE).astype(int), amplitudes, sounds, strict=True):
        out[start : start + len(sound)] += np.float32(amplitude) * sound
    return out[:n]


def shape(sound: np.ndarray, gain: np.ndarray) -> np.ndarray:
    """Filter a (sample,) sound by short-time spectra times ``gain``, which may change with time.

    Parameters
    ----------
    gain : (257,) or (frame, 257) array
        Linear gain at `FREQUENCIES`, for all frames or at the times that `frame_times` gives.
    """
    n, frames = len(sound), len(frame_times(len(sound)))
    padded = np.zeros((frames + 1) * HOP, np.float32)
    padded[HOP : HOP + n] = sound
    spectra = fft.rfft(sliding_window_view(padded, FFT)[::HOP] * _WINDOW)
    pieces = fft.irfft(spectra * gain.astype(np.float32), FFT) * _WINDOW
    out = np.zeros_like(padded)
    for k in range(FFT // HOP):
        out[k * HOP : (k + frames) * HOP] += pieces[:, k * HOP : (k + 1) * HOP].ravel()
    return out[HOP : HOP + n]


def resonances(centres: np.ndarray, bandwidths: np.ndarray) -> np.ndarray:
    """Return the gain at `FREQUENCIES` of resonators in a row, as of a vocal tract (Klatt 1980).

    Parameters
    ----------
    centres : (..., resonator) array
        Hz.
    bandwidths : (resonator,) array
        Hz.

    Returns
    -------
    (..., 257) array
        Linear; 1 at 0 Hz, centre / bandwidth at the centre of a lone resonator.
    """
    f, centre = FREQUENCIES**2, np.asarray(centres, np.float32)[..., None] ** 2
    loss = np.asarray(bandwidths, np.float32)[:, None] ** 2 * f
    return np.sqrt(np.prod(centre**2 / ((centre - f) ** 2 + loss), axis=-2))


def coloured(slope: float, low: float, rng: np.random.Generator, bumps: int) -> np.ndarray:
    """Draw a spectral envelope: `slope` dB per octave above `low` Hz, and some broad bumps and dips."""
    octaves = np.log2(FREQUENCIES / 1000)
    level = slope * octaves - 24 * np.log2(low / FREQUENCIES).clip(0)
    centres, heights, widths = rng.uniform(-2.5, 3, bumps), rng.normal(0, 5, bumps), rng.uniform(0.15, 0.8, bumps)
    level = level + (heights * np.exp(-0.5 * ((octaves[:, None] - centres) / widths) ** 2)).sum(axis=1)
    return from_db(level)


def motor_sound(
    speed: np.ndarray, rotation: float, tilt: float, rng: np.random.Generator, whine: float = 0
) -> np.ndarray:
    """Make the harmonics of a rotation; which ones are strong (poles, blades, brushes) is random. RMS 1.

    Every segment of the commutator passes the brushes once in a turn: multiples of their number, with sidebands one
    turn away, are `whine` dB stronger.
    """
    amplitudes = power_law(rotation * speed.max(), tilt)
    segments = rng.integers(5, 13)
    from_multiple = (np.arange(1, len(amplitudes) + 1) + segments // 2) % segments - segments // 2
    level = rng.normal(0, 6, len(amplitudes)) + whine * np.exp(-0.5 * from_multiple**2)
    return oscillate(rotation * speed, amplitudes * from_db(level))


def motor_speed(n: int, rng: np.random.Generator, constant: float, switch: str = "steady") -> np.ndarray:
    """Draw the relative speed of a motor, 0.05 to 1, which follows its switch with a time constant (s).

    Half of the motors are started within the sound, the others run already.
    """
    on = np.ones(n)
    if switch == "pulsed":
        pulses = 1 + int(n / RATE / 0.4)
        edges = np.cumsum(rng.uniform([0.3, 0.1], [1.5, 0.3], (pulses, 2)).ravel())  # s, on and off
        on = (np.searchsorted(edges, np.arange(n) / RATE) % 2 == 0).astype(float)
    elif rng.random() < 0.5:
        on[-min(round(1.5 * constant * RATE), n // 3) :] = 0  # switched off, it runs down
    a = np.exp(-1 / (constant * RATE))
    start = rng.integers(2)
    speed, _ = lfilter([1 - a], [1, -a], on, zi=[a * start])
    return 0.05 + 0.95 * speed


def power_law(highest: float, tilt: float) -> np.ndarray:
    """Return amplitudes k^-tilt of all harmonics that stay under 7.8 kHz when the pitch is `highest`."""
    return np.arange(1, max(int(7800 / highest), 1) + 1) ** -float(tilt)


def frame_times(n: int) -> np.ndarray:
    """Return the seconds at which the frames of `shape` are centred."""
    return np.arange(-(-n // HOP) + 1) * HOP / RATE


def at_frames(track: np.ndarray) -> np.ndarray:
    """Read a track of samples at the frames of `shape`."""
    n = len(track)
    return track[(frame_times(n) * RATE).astype(int).clip(0, n - 1)]


def moving_average(track: np.ndarray, width: int) -> np.ndarray:
    """Average over `width` values, the ends held."""
    if width < 2:
        return track
    padded = np.pad(track, (width // 2, width - 1 - width // 2), mode="edge")
    total = np.cumsum(np.concatenate([[0], padded]))
    return (total[width:] - total[:-width]) / width


def from_db(level):
    """Return the amplitude of a level in dB."""
    return 10 ** (np.asarray(level, np.float32) / np.float32(20))


def unit_rms(sound: np.ndarray) -> np.ndarray:
    """Scale to a root mean square of 1, float32; digital silence stays."""
    sound = sound.astype(np.float32)
    return sound / max(np.sqrt(np.mean(sound**2)), 1e-9)
