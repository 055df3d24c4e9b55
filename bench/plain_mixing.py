"""The peer of the mixing benchmark: `sedlib.augment` as one writes it first, from the same drawn numbers.

Clip by clip and sound by sound, with librosa and scipy, in float64; the comb filter as in the published code.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import librosa
import numpy as np
import scipy.signal

from sedlib.augment import Bank, Mixture, Sound, Source
from sedlib.augment.mixing import FADE, SAMPLES
from sedlib.config import Config
from sedlib.data.audio import RATE

BLOCK = RATE // 200  # 5 ms, in which a compressor measures


def render(mixture: Mixture, bank: Bank, comb: Callable[..., np.ndarray]) -> np.ndarray:
    """The sound of one mixture, with one comb filter or the other."""
    chosen = mixture.background
    mixed = scaled(samples(bank, bank.backgrounds[chosen.sound], chosen.first, SAMPLES), chosen.level_db)
    for source in mixture.sources:
        sound = in_room(source, bank, EFFECTS | {"comb": comb})[: SAMPLES - source.onset]
        mixed[source.onset : source.onset + len(sound)] += scaled(sound, source.level_db)
    return mixed / max(1.0, np.abs(mixed).max())


def in_room(source: Source, bank: Bank, effects: dict[str, Callable]) -> np.ndarray:
    sound = samples(bank, bank.foregrounds[source.sound], source.first, source.samples)
    ramp = np.linspace(0, 1, min(FADE, len(sound) // 4))
    if source.first:
        sound[: len(ramp)] *= ramp
    sound[len(sound) - len(ramp) :] *= ramp[::-1]
    if source.room is not None:
        room = bank.rooms[source.room]
        sound = scipy.signal.fftconvolve(sound, samples(bank, room, 0, room.samples))
    for name, values in source.effects:
        sound = effects[name](sound, **values)
    return sound


def samples(bank: Bank, sound: Sound, first: int, count: int) -> np.ndarray:
    return bank.waveform(sound, first, count).double().numpy()


def scaled(sound: np.ndarray, level_db: float) -> np.ndarray:
    return sound * (10 ** (level_db / 20) / max(np.abs(sound).max(), 1e-9))


def views(rng: np.random.Generator, features: np.ndarray, config: Config) -> list[np.ndarray]:
    """Noise and masks for student and teacher on one log-Mel spectrogram."""
    a, seen = config.augment, []
    widest = a.mel_mask * config.features.n_mels, a.time_mask_s * RATE / config.features.hop
    for _ in range(2):
        deviation = features.std() * 10 ** (-rng.uniform(*a.noise_snr_db) / 20)
        noisy = features + deviation * rng.standard_normal(features.shape)
        mean = noisy.mean()
        for axis, count in ((0, a.mel_masks), (1, a.time_masks)):
            for _ in range(count):
                width = int(rng.integers(round(widest[axis]) + 1))
                first = int(rng.integers(features.shape[axis] - width + 1))
                noisy[(slice(None),) * axis + (slice(first, first + width),)] = mean
        seen.append(noisy)
    return seen


def burst(sound: np.ndarray, added: np.ndarray, start: float, duration: float, snr_db: float) -> np.ndarray:
    inside = slice(round(start * RATE), round((start + duration) * RATE))
    gain = np.sqrt(np.sum(sound[inside] ** 2) / max(np.sum(added[inside] ** 2), 1e-12)) * 10 ** (-snr_db / 20)
    changed = sound.copy()
    changed[inside] += gain * added[inside]
    return changed


def noise_burst(sound: np.ndarray, noise: float, **place: float) -> np.ndarray:
    return burst(sound, np.random.default_rng(int(1e6 * noise)).standard_normal(len(sound)), **place)


def sine_burst(sound: np.ndarray, frequency: float, **place: float) -> np.ndarray:
    since = np.arange(len(sound)) - round(place["start"] * RATE)
    return burst(sound, np.sin(2 * np.pi * frequency * since / RATE), **place)


def comb_by_sample(sound: np.ndarray, delay: float, depth: float, rate: float, gain: float) -> np.ndarray:
    """Sample by sample, as in the published code."""
    out = sound.copy()
    swept = delay * RATE / 1000 * (1 + depth * np.sin(2 * np.pi * rate * np.arange(len(sound)) / RATE))
    for n in range(len(sound)):
        place = n - swept[n]
        if place >= 0:
            before = int(np.floor(place))
            share = place - before
            out[n] += gain * ((1 - share) * sound[before] + share * sound[before + 1])
    return out


def comb_vectorised(sound: np.ndarray, delay: float, depth: float, rate: float, gain: float) -> np.ndarray:
    n = np.arange(len(sound))
    swept = delay * RATE / 1000 * (1 + depth * np.sin(2 * np.pi * rate * n / RATE))
    return sound + gain * np.interp(n - swept, n, sound, left=0)


def compress(sound: np.ndarray, threshold_db: float, ratio: float) -> np.ndarray:
    starts = np.arange(0, len(sound), BLOCK)
    level = np.sqrt(np.add.reduceat(sound**2, starts) / np.diff(np.append(starts, len(sound))))
    over = np.maximum(level / (level.max() * 10 ** (threshold_db / 20)), 1)
    return sound * np.interp(np.arange(len(sound)), starts + (BLOCK - 1) / 2, over ** (1 / ratio - 1))


def filtered(sound: np.ndarray, cutoff: float, kind: str) -> np.ndarray:
    return scipy.signal.sosfilt(scipy.signal.butter(2, cutoff, kind, fs=RATE, output="sos"), sound)


def shifted(sound: np.ndarray, semitones: float) -> np.ndarray:
    return librosa.effects.pitch_shift(sound, sr=RATE, n_steps=semitones)


EFFECTS: dict[str, Callable[..., np.ndarray]] = {
    "noise burst": noise_burst,
    "sine burst": sine_burst,
    "comb": comb_by_sample,
    "compression": compress,
    "pitch shift": shifted,
    "low-pass": partial(filtered, kind="lowpass"),
    "high-pass": partial(filtered, kind="highpass"),
}
