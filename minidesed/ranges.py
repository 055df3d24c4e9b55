"""The ranges from which the voices draw their parameters, one by one, for either domain."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from sedlib.errors import SedError

DOMAINS = ("synthetic", "real")

# Class -> parameter -> (synthetic, real). Two numbers are the ends of an interval, words are kinds. "synthetic" is a
# studio's few variants; "real" is other people's things: wider, elsewhere, partly the same.
RANGES: dict[str, dict[str, tuple]] = {
    "Alarm_bell_ringing": {
        "kind": (("beeps", "siren", "bell"), ("beeps", "beeps", "siren", "bell", "phone", "chime")),
        "tone": ((1000, 2500), (500, 3800)),  # Hz, pitch of beeps, highest pitch of sirens
        "partials": ((1, 3), (1, 9)),  # harmonics of the tone: 1 is a sine, many a buzzer
        "beep": ((0.08, 0.2), (0.04, 0.6)),  # s, on and off times of beeps
        "sweep": ((0.8, 3), (0.3, 9)),  # Hz, how often a siren goes up and down
        "span": ((1.2, 1.6), (1.1, 2.6)),  # ratio of a siren's highest to its lowest frequency
        "bell": ((1000, 2000), (350, 2800)),  # Hz, lowest loud mode of a bell
        "ring": ((0.2, 0.5), (0.1, 1.5)),  # s, time in which the lowest mode falls to 1/e
        "hammer": ((12, 18), (6, 28)),  # strikes per second of an electric bell
    },
    "Blender": {
        "rotation": ((180, 260), (90, 330)),  # Hz
        "load": ((0.03, 0.12), (0.05, 0.45)),  # share of its speed that the motor loses in thick food
        "load_rate": ((0.5, 1.5), (0.5, 6)),  # changes of load per second
        "tilt": ((0.4, 0.7), (0.0, 1.2)),  # harmonic k has the amplitude k^-tilt
        "whine": ((2, 5), (0, 15)),  # dB, how much the brushes' pitch and its sidebands stand out
        "chop": ((10, 20), (5, 30)),  # lumps of food that meet the blades, per second
        "lumps": ((3, 6), (2, 10)),  # dB, span of the level that they change
        "noise": ((-6, 0), (-12, 10)),  # dB, blades and food against the motor
        "slope": ((-3, 0), (-4, 5)),  # dB per octave of that noise
        "spin": ((0.06, 0.12), (0.02, 0.2)),  # s, time constant of starting and stopping
        "switch": (("steady",), ("steady", "steady", "pulsed")),  # pressed once, or again and again
    },
    "Cat": {
        "pitch": ((450, 750), (320, 1050)),  # Hz, top of the call's arc
        "arc": ((1.2, 1.4), (1.05, 1.8)),  # ratio of the top to the start
        "mouth": ((1200, 1600), (800, 2400)),  # Hz, first resonance when the mouth is open
        "length": ((0.6, 1.0), (0.35, 1.8)),  # s, one call
        "gap": ((0.25, 0.5), (0.2, 0.7)),  # s, between calls
        "breath": ((-28, -20), (-36, -6)),  # dB, noise against the harmonics
        "tilt": ((0.4, 0.8), (0.2, 1.3)),  # harmonic k has the amplitude k^-tilt
        "rough": ((0.0, 0.01), (0.0, 0.05)),  # relative jitter of the pitch
    },
    "Dishes": {
        "body": ((1500, 3000), (500, 4500)),  # Hz, lowest mode: from pans over plates and glasses to cutlery
        "bodies": ((1, 2), (1, 5)),  # different things in one event
        "ring": ((0.02, 0.05), (0.006, 0.15)),  # s, time in which the lowest mode falls to 1/e
        "strikes": ((3, 5), (2.5, 10)),  # per second
        "bounces": ((1, 2), (0, 5)),  # after each strike
        "click": ((-14, -8), (-18, 0)),  # dB, noise of the contact against the ringing
        "scrape": ((-70, -60), (-66, -40)),  # dB, rubbing between the strikes
    },
    "Dog": {
        "pitch": ((280, 480), (150, 800)),  # Hz, top of a bark's arc: large dogs low, small dogs high
        "arc": ((1.3, 1.7), (1.1, 2.2)),
        "mouth": ((700, 1200), (500, 1700)),  # Hz, first resonance when the mouth is open
        "length": ((0.3, 0.65), (0.08, 0.32)),  # s, one bark
        "gap": ((0.2, 0.35), (0.08, 0.5)),  # s, between barks
        "harsh": ((-10, -4), (-16, 5)),  # dB, noise against the harmonics
        "tilt": ((0.4, 0.7), (0.0, 1.0)),  # harmonic k has the amplitude k^-tilt
        "rough": ((0.01, 0.03), (0.0, 0.12)),  # relative jitter of the pitch
        "kind": (("bark",), ("bark", "bark", "bark", "yelp", "growl")),
    },
    "Electric_shaver_toothbrush": {
        "buzz": ((100, 125), (45, 280)),  # Hz, swings or turns per second
        "tilt": ((0.2, 0.4), (-0.1, 0.9)),  # small and light: the high harmonics are nearly as strong as the low ones
        "centre": ((2500, 4000), (1200, 6000)),  # Hz, resonance of the casing
        "noise": ((-16, -8), (-24, 8)),  # dB, cutter and hair against the buzz
        "hair": ((2, 6), (1, 14)),  # dB, span by which what is cut changes that noise
        "hand": ((0.8, 1.5), (0.4, 4)),  # Hz, strokes of the hand
        "stroke": ((1, 3), (1, 7)),  # dB, span by which strokes change the level
        "load": ((0.003, 0.01), (0.003, 0.06)),  # share of its speed that the skin takes
    },
    "Frying": {
        "pops": ((40, 80), (8, 220)),  # per second
        "pop": ((3000, 5000), (1800, 6500)),  # Hz, centre of a pop's spectrum
        "spread": ((0.5, 0.8), (0.4, 1.5)),  # spread of the logarithm of the pops' amplitudes
        "hiss": ((-10, -4), (-16, 8)),  # dB, steady hiss against a middling pop
        "slope": ((0, 2), (-2, 4)),  # dB per octave of the hiss
        "simmer": ((1, 3), (1, 6)),  # dB, span of slow changes
    },
    "Running_water": {
        "bubbles": ((40, 80), (10, 160)),  # heard one by one, per second
        "smallest": ((0.7, 0.9), (0.45, 1.1)),  # mm, radius of bubbles; Minnaert: 3.26 m/s / radius, so up to 7 kHz
        "largest": ((1.5, 2.5), (1.2, 7)),  # mm, down to 470 Hz
        "rise": ((0.05, 0.1), (0.0, 0.3)),  # relative rise of a bubble's pitch while it decays
        "stream": ((-14, -4), (-20, 4)),  # dB, noise of the jet and all other bubbles, against one bubble
        "slope": ((-2, 1), (-4, 4)),  # dB per octave of that noise
        "drum": ((2, 8), (-10, 16)),  # dB, low noise of the sink that the jet hits, against the noise at 1 kHz
        "ripple": ((1, 2), (0, 6)),  # dB, unevenness by the many modes of sink and pipes
        "sputter": ((0.05, 0.15), (0.0, 0.4)),  # relative, how unsteady the jet is
        "splashes": ((0.5, 1.5), (0.2, 6)),  # per second
        "splash": ((-10, -4), (-20, 4)),  # dB, against one bubble
        "basin": ((400, 800), (150, 1500)),  # Hz, lowest resonance of sink, glass or tub
        "column": ((4, 8), (0, 18)),  # dB, how much it and its odd multiples stand out
        "fill": ((1, 1.1), (0.8, 2.5)),  # ratio by which they rise until the end, as a vessel fills
        "flow": ((1, 3), (0.5, 6)),  # dB, span of slow changes
    },
    "Speech": {
        "pitch": ((100, 210), (75, 330)),  # Hz, mean of a talker
        "tract": ((0.95, 1.1), (0.85, 1.35)),  # formants relative to a man's: about 1.17 for women, 1.3 for children
        "rate": ((4, 5), (2.8, 6.8)),  # syllables per second
        "melody": ((1, 2), (0.5, 4)),  # semitones, spread of the syllables' pitch
        "tilt": ((1.0, 1.2), (0.6, 1.5)),  # vocal effort: shouting is flat, murmuring steep
        "breath": ((-34, -28), (-36, -14)),  # dB, breath against voice
        "fricatives": ((2, 8), (-6, 14)),  # dB, their noise before its band is cut out, against voice
    },
    "Vacuum_cleaner": {
        "rotation": ((280, 360), (150, 620)),  # Hz
        "tilt": ((0.9, 1.2), (0.5, 1.8)),  # harmonic k has the amplitude k^-tilt
        "motor": ((-12, -6), (-22, 2)),  # dB, motor against the stream of air
        "slope": ((-4, -2.5), (-7, -0.5)),  # dB per octave of the air
        "hose": ((500, 900), (250, 1800)),  # Hz, resonance of hose and nozzle
        "push": ((1, 3), (1, 6)),  # dB, span of to and fro over the floor
        "spin": ((0.1, 0.15), (0.05, 0.22)),  # s, time constant of starting and stopping
    },
    "background": {
        "slope": ((-7, -5), (-10, -2)),  # dB per octave of the room's noise
        "hum": ((-30, -20), (-40, -5)),  # dB, mains hum against that noise
        "mains": ((50, 50), (50, 60)),  # Hz, one or the other
        "extra": (("none", "clock"), ("none", "wind", "traffic", "murmur", "knocks", "clock", "fridge")),
        "level": ((-12, -6), (-14, 6)),  # dB, the extra against that noise
        "drift": ((0.3, 0.6), (0.5, 4)),  # dB, slow changes
    },
}

# Drawn log-uniformly: pitches, times, sizes and rates.
LOGARITHMIC = frozenset(
    "basin beep bell body bubbles buzz centre chop fill gap hammer hand hose largest length mouth pitch pop pops ring "
    "rotation smallest splashes strikes sweep tone".split()
)
INDIVIDUAL = 0.18  # of an interval: how much one dog, one talker or one vacuum cleaner varies

Ranges = Mapping[str, tuple]  # a column of `RANGES`: parameter -> interval or kinds


def column(label: str, domain: str) -> dict[str, tuple]:
    """Return what a class draws from in one domain; `SedError` for another domain."""
    if domain not in DOMAINS:
        raise SedError(f"voices: domain {domain!r} is not one of {', '.join(DOMAINS)}")
    return {name: pair[DOMAINS.index(domain)] for name, pair in RANGES[label].items()}


def narrowed(rng: np.random.Generator, name: str, ends: tuple) -> tuple:
    """Draw one kind, or `INDIVIDUAL` of an interval, on the scale on which `draw` draws it."""
    if isinstance(ends[0], str):
        return (pick(rng, ends),)
    first, last = np.log(ends) if name in LOGARITHMIC else ends
    width = INDIVIDUAL * (last - first)
    start = rng.uniform(first, last - width)
    part = np.array([start, start + width])
    return tuple((np.exp(part) if name in LOGARITHMIC else part).tolist())


def draw(rng: np.random.Generator, ranges: Ranges, name: str) -> float:
    """Draw a parameter from its interval; uniform, or log-uniform for `LOGARITHMIC` ones."""
    if name in LOGARITHMIC:
        return float(np.exp(rng.uniform(*np.log(ranges[name]))))
    return rng.uniform(*ranges[name])


def pick(rng: np.random.Generator, choices: tuple):
    """Draw one of some choices, each as likely."""
    return choices[rng.integers(len(choices))]
