"""Procedural backgrounds: the noise of a room, mains hum, and often one more thing, but none of the ten classes."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from minidesed.ranges import Ranges, draw, pick
from minidesed.signals import (
    FREQUENCIES,
    coloured,
    from_db,
    modes,
    motor_sound,
    oscillate,
    scatter,
    shape,
    smooth_noise,
    unit_rms,
    white_noise,
)
from sedlib.config import RATE


def room(duration: float, rng: np.random.Generator, ranges: Ranges) -> np.ndarray:
    """Make a room's noise with mains hum, and often one more thing of `EXTRAS`."""
    n = round(duration * RATE)
    tone = unit_rms(shape(white_noise(n, rng), coloured(draw(rng, ranges, "slope"), 60, rng, bumps=3)))
    tone *= from_db(draw(rng, ranges, "drift") * smooth_noise(n, rng, 0.5))
    mains = np.full(n, float(pick(rng, ranges["mains"])))
    hum = unit_rms(oscillate(mains, np.arange(1, 9) ** -1.0 * from_db(rng.normal(0, 6, 8))))
    extra = EXTRAS[pick(rng, ranges["extra"])](n, rng)
    return tone + from_db(draw(rng, ranges, "hum")) * hum + from_db(draw(rng, ranges, "level")) * extra


def _wind(n: int, rng: np.random.Generator) -> np.ndarray:
    return unit_rms(shape(white_noise(n, rng), coloured(-12, 60, rng, bumps=1)) * np.exp(smooth_noise(n, rng, 0.7)))


def _traffic(n: int, rng: np.random.Generator) -> np.ndarray:
    """Make vehicles that pass: low noise that swells and fades."""
    t = (np.arange(n) / RATE)[:, None]
    passing = rng.uniform(-1, n / RATE + 1, 3)
    swell = 0.2 + (1 / (1 + ((t - passing) / rng.uniform(0.8, 2.5, 3)) ** 2)).sum(axis=1)
    return unit_rms(shape(white_noise(n, rng), coloured(-8, 80, rng, bumps=2)) * swell)


def _murmur(n: int, rng: np.random.Generator) -> np.ndarray:
    """Make talkers behind a wall: the rhythm and melody of their voices, no word."""
    talkers = np.zeros(n, np.float32)
    for pitch in rng.uniform(90, 250, 3):
        syllables = smooth_noise(n, rng, 8).clip(0) * smooth_noise(n, rng, 0.7).clip(0)
        talkers += syllables * oscillate(pitch * (1 + 0.08 * smooth_noise(n, rng, 3)), np.arange(1, 13) ** -1.0)
    return unit_rms(shape(talkers, 1 / (1 + (FREQUENCIES / 400) ** 3)))


def _knocks(n: int, rng: np.random.Generator) -> np.ndarray:
    """Make steps, doors and things put down: dull, heavily damped modes at random times."""
    knock = modes(rng.uniform(80, 900, 8), rng.uniform(0.005, 0.03, 8), np.ones(8), 0.15)
    starts = rng.uniform(0, n / RATE, rng.poisson(1.5 * n / RATE))
    return scatter(n, starts, np.exp(rng.normal(0, 0.8, len(starts))), [knock] * len(starts))


def _clock(n: int, rng: np.random.Generator) -> np.ndarray:
    tick = modes(rng.uniform(1500, 5000, 4), rng.uniform(0.001, 0.006, 4), np.ones(4), 0.03)
    starts = np.arange(rng.uniform(0, 0.5), n / RATE, pick(rng, (0.25, 0.5, 1.0)))
    return scatter(n, starts, np.resize([1, 0.6], len(starts)), [tick] * len(starts))


def _fridge(n: int, rng: np.random.Generator) -> np.ndarray:
    return motor_sound(np.ones(n), rng.uniform(45, 60), 1.5, rng)


EXTRAS: dict[str, Callable[[int, np.random.Generator], np.ndarray]] = {
    "none": lambda n, rng: np.zeros(n, np.float32),
    "wind": _wind,
    "traffic": _traffic,
    "murmur": _murmur,
    "knocks": _knocks,
    "clock": _clock,
    "fridge": _fridge,
}
