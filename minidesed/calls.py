"""Voices that come from a throat: meows, barks and speech without words, sources through moving formants."""

from __future__ import annotations

import numpy as np

from minidesed.ranges import Ranges, draw, pick
from minidesed.signals import (
    FREQUENCIES,
    frame_times,
    from_db,
    moving_average,
    oscillate,
    power_law,
    resonances,
    scatter,
    shape,
    smooth_noise,
    unit_rms,
    white_noise,
)
from sedlib.config import RATE


def call_times(duration: float, ranges: Ranges, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Draw starts and lengths in seconds of an animal's calls: as many as fit, stretched to end with the event."""
    usual, pause = draw(rng, ranges, "length"), draw(rng, ranges, "gap")
    starts, lengths = [0.0], [min(usual, duration)]
    while True:
        start = starts[-1] + lengths[-1] + pause * rng.uniform(0.6, 1.5)
        call = usual * rng.uniform(0.8, 1.2)
        if start + call > duration:
            break
        starts.append(start)
        lengths.append(call)
    stretch = duration / (starts[-1] + lengths[-1]) if len(starts) > 1 else 1.0
    return np.array(starts) * stretch, np.array(lengths) * stretch


def cat(duration: float, rng: np.random.Generator, ranges: Ranges) -> np.ndarray:
    """Make meows: a harmonic call that glides up and down while the mouth opens and closes."""
    pitch, arc = draw(rng, ranges, "pitch"), draw(rng, ranges, "arc")
    breath, tilt = from_db(draw(rng, ranges, "breath")), draw(rng, ranges, "tilt")
    rough = draw(rng, ranges, "rough")
    mouth = draw(rng, ranges, "mouth")
    starts, lengths = call_times(duration, ranges, rng)
    calls = []
    for length in lengths:
        n = round(length * RATE)
        top = rng.uniform(0.15, 0.55)  # where in the call the pitch and the mouth are highest
        u = np.linspace(0, 1, n)
        rise = np.interp(u, [0, top, 1], [0, 1, rng.uniform(-0.3, 0.6)])
        f0 = pitch * rng.uniform(0.92, 1.08) * arc ** (moving_average(rise, n // 3) - 1)
        f0 = f0 * (1 + rough * smooth_noise(n, rng, 60))
        source = oscillate(f0, power_law(f0.max(), tilt)) + breath * white_noise(n, rng)
        opening = np.interp(frame_times(n), np.array([0, 0.1, top, 0.8, 1]) * length, [0.5, 0.8, 1, 0.8, 0.6])
        highest = np.full_like(opening, min(4 * mouth, 7500))
        formants = np.stack([mouth * opening, 2.2 * mouth * opening**0.5, highest], axis=1)
        envelope = np.interp(u, [0, 0.1, 0.75, 1], [0, 1, 0.7, 0]) * np.exp(0.15 * smooth_noise(n, rng, 12))
        calls.append(shape(source * envelope, resonances(formants, np.array([250, 350, 700]))))
    return scatter(round(duration * RATE), starts, rng.uniform(0.6, 1, len(calls)), calls)


def dog(duration: float, rng: np.random.Generator, ranges: Ranges) -> np.ndarray:
    """Make barks: short harsh bursts of voice, whose pitch and mouth rise and fall; also yelps and growls."""
    pitch, mouth = draw(rng, ranges, "pitch"), draw(rng, ranges, "mouth")
    arc = draw(rng, ranges, "arc")
    harsh, rough, tilt = from_db(draw(rng, ranges, "harsh")), draw(rng, ranges, "rough"), draw(rng, ranges, "tilt")
    kind = pick(rng, ranges["kind"])
    if kind == "yelp":
        pitch, harsh = 1.4 * pitch, 0.2 * harsh
    elif kind == "growl":
        pitch, rough, ranges = 0.3 * pitch, 0.15, {**ranges, "length": (0.4, 1.5)}
    starts, lengths = call_times(duration, ranges, rng)
    barks = []
    for length in lengths:
        n = round(length * RATE)
        u = np.linspace(0, 1, n)
        swell = np.sin(np.pi * u**0.6)
        f0 = pitch * rng.uniform(0.9, 1.1) * arc ** (swell - 1) * (1 + rough * smooth_noise(n, rng, 150))
        f0 = np.clip(f0, 30, 3000)
        source = oscillate(f0, power_law(f0.max(), tilt)) + harsh * white_noise(n, rng)
        # The jaw snaps open and closes by less than half: a bark is as tall at its end as at its start.
        opening = np.interp(frame_times(n) / length, [0, 0.15, 0.5, 1], [0.7, 1, 0.95, 0.75])
        formants = np.outer(opening, mouth * np.array([1, 2.1, 3.4, 5.2]).clip(0, 7500 / mouth))
        envelope = np.clip(u / 0.06, 0, 1) * (1 - u) ** rng.uniform(0.5, 1.5)
        barks.append(shape(source * envelope, resonances(formants, np.array([300, 450, 800, 1200]))))
    barks = [bark / np.abs(bark).max() for bark in barks]
    return scatter(round(duration * RATE), starts, rng.uniform(0.5, 1, len(barks)), barks)


# First three formants in Hz of a man's vowels (Peterson and Barney, 1952).
_VOWELS = """
    270 2290 3010   390 1990 2550   530 1840 2480   660 1720 2410   730 1090 2440
    570  840 2410   440 1020 2240   300  870 2240   640 1190 2390   490 1350 1690
"""
_FORMANTS = np.array(_VOWELS.split(), int).reshape(10, 3)
# Consonants: seconds; levels of voice and noise; centre and width of the noise in Hz. A vowel has the same columns.
_CONSONANTS = np.array(
    [
        [0.11, 0.0, 1.0, 6000, 1500],  # s
        [0.11, 0.0, 1.0, 3200, 1100],  # sh
        [0.09, 0.0, 0.3, 5000, 4000],  # f, th
        [0.08, 0.3, 0.5, 5800, 1500],  # z
        [0.07, 0.35, 0.0, 4000, 1000],  # m, n: the mouth is closed, the voice sounds through the nose
        [0.06, 0.5, 0.0, 4000, 1000],  # l, r, w
        [0.07, 0.0, 0.0, 4000, 1000],  # p, t, k: closed; the burst follows
    ]
)
_STOP = len(_CONSONANTS) - 1
_BURST = [0.02, 0.0, 0.9, 3000, 2500]


def speech(duration: float, rng: np.random.Generator, ranges: Ranges) -> np.ndarray:
    """Make syllables: a glottal source through formants that move from vowel to vowel, with consonants between."""
    n = round(duration * RATE)
    segments, vowels, accents = _syllables(duration, rng, ranges)
    ends = np.cumsum(segments[:, 0]) * duration / segments[:, 0].sum()
    middles = ends - 0.5 * np.diff(ends, prepend=0)

    times = frame_times(n)
    now = np.searchsorted(ends, times).clip(0, len(ends) - 1)
    voice, noise, centre, width = segments[now, 1:].T
    through = 1 - (ends[now] - times) / np.diff(ends, prepend=0)[now]  # of the present segment, 0 to 1
    voice = voice * (0.3 + 0.7 * np.sin(np.pi * through.clip(0, 1)))  # a syllable swells and fades
    tract = draw(rng, ranges, "tract")
    formants = np.stack([np.interp(times, middles, tract * f) for f in vowels.T], axis=1)
    throat = resonances(tract * np.array([3500, 4500, 5500, 6500]), np.array([200, 300, 400, 500]))

    # The melody falls over the phrase; every syllable has its own accent.
    now = np.arange(n) / RATE
    semitones = np.interp(now, middles, accents) * draw(rng, ranges, "melody") + 2 - 4 * now / duration
    f0 = draw(rng, ranges, "pitch") * 2 ** ((semitones + 0.15 * smooth_noise(n, rng, 30)).clip(-6, 7) / 12)
    glottis = oscillate(f0, power_law(f0.max(), draw(rng, ranges, "tilt")), pulses=True)
    breath = white_noise(n, rng)
    excitation = glottis + from_db(draw(rng, ranges, "breath")) * breath
    voiced = shape(excitation, resonances(formants, np.array([70, 90, 130])) * throat * voice[:, None])
    band = np.exp(-0.5 * ((FREQUENCIES - centre[:, None]) / width[:, None]) ** 2)
    unvoiced = shape(breath, band * noise[:, None])
    return unit_rms(voiced) + from_db(draw(rng, ranges, "fricatives")) * unvoiced


def _syllables(duration: float, rng: np.random.Generator, ranges: Ranges) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Draw segments (rows as in _CONSONANTS), the vowel each belongs to (formants), and its accent."""
    count = max(1, round(duration * draw(rng, ranges, "rate")))
    segments, vowels, accents = [], [], []
    phrase = rng.integers(4, 10)
    for i in range(count):
        vowel, accent = _FORMANTS[rng.integers(len(_FORMANTS))], rng.normal()
        kind = rng.integers(len(_CONSONANTS) + 2)  # two of nine syllables start with their vowel
        parts = []
        if kind < len(_CONSONANTS) and count > 1 and not (kind == _STOP and i == 0):
            parts = [_CONSONANTS[kind], _BURST] if kind == _STOP else [_CONSONANTS[kind]]
        parts.append([rng.uniform(0.08, 0.2), rng.uniform(0.5, 1), 0, 4000, 1000])
        if i % phrase == phrase - 1 and i < count - 1:
            parts[-1][0] *= 1.5  # lengthened before a pause
            parts.append([rng.uniform(0.12, 0.45), 0, 0, 4000, 1000])
        segments += parts
        vowels += [vowel] * len(parts)
        accents += [accent] * len(parts)
    return np.array(segments), np.array(vowels), np.array(accents)
