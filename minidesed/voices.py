"""Ten procedural voices and backgrounds: MiniDESED's isolated sounds, made by code.

Each class is one function that reads as a small physical model of what makes the sound: a glottal source through
moving formants, modes that are struck and ring, bubbles that sing while they die out, a motor under load. `RANGES`
says, parameter by parameter, what either domain draws from. Stands for the isolated events and backgrounds of the
paper's section 2; taught in ``notebooks/01_data.py``.

All sounds are made of seven things: a harmonic source (`oscillate`), noise (`hiss`), struck bodies (`modes`), short
sounds put at chosen times (`scatter`), smooth chance (`wander`), levels that follow it (`swell`) and one filter that
may change with time (`shape`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from copy import copy

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from scipy import fft
from scipy.signal import lfilter

from sedlib.config import RATE
from sedlib.data.tables import unknown_label
from sedlib.errors import SedError

DOMAINS = ("synthetic", "real")
SHORTEST = 0.1  # s

# What each domain draws from: parameter: (synthetic, real). Two numbers are the ends of an interval, words are kinds.
# "synthetic" is a studio's few variants; "real" is other people's things: wider, elsewhere, partly the same.
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

# Pitches, times, sizes and rates: twice as much is as far from the middle as half as much.
LOGARITHMIC = frozenset(
    "basin beep bell body bubbles buzz centre chop fill gap hammer hand hose largest length mouth pitch pop pops ring "
    "rotation smallest splashes strikes sweep tone".split())
INDIVIDUAL = 0.18  # of an interval: how much one dog, one talker or one vacuum cleaner varies

Ranges = Mapping[str, tuple]


class Voices:
    """A source of isolated sounds: the ten classes and backgrounds of one domain.

    Parameters
    ----------
    domain : {"synthetic", "real"}
        Which column of `RANGES` the classes draw from.
    background : {"synthetic", "real"}, optional
        Which column the backgrounds draw from; by default the same.

    Attributes
    ----------
    ranges : dict
        Label or "background" -> parameter -> what it is drawn from.

    Raises
    ------
    SedError
        For another domain.
    """

    def __init__(self, domain: str, background: str | None = None):
        self.domain = domain
        self.ranges = {**{label: _column(label, domain) for label in VOICES},
                       "background": _column("background", domain if background is None else background)}

    def of_clip(self, rng: np.random.Generator) -> Voices:
        """The same source narrowed to one clip: of each class one individual (one dog, one vacuum cleaner).

        Every interval becomes a part of it, `INDIVIDUAL` wide, at a random place, and every list of kinds one kind.
        Backgrounds stay as they are.

        Parameters
        ----------
        rng : Generator
            The only source of chance; all classes are drawn, whichever will be asked for.
        """
        clip = copy(self)
        clip.ranges = {**self.ranges, **{label: {name: _narrowed(rng, name, ends) for name, ends in rows.items()}
                                         for label, rows in self.ranges.items() if label in VOICES}}
        return clip

    def event(self, label: str, duration: float, rng: np.random.Generator) -> np.ndarray:
        """One isolated sound of a class, without silence at either end.

        Parameters
        ----------
        label : str
            One of `tables.CLASSES`.
        duration : float
            Seconds, at least 0.1. The sound is never longer; a single call, bark or strike may be shorter by nature.
        rng : Generator
            The only source of chance: the same state gives the same bytes.

        Returns
        -------
        (sample,) float32 array
            16 kHz, peak 1.

        Raises
        ------
        SedError
            For an unknown label or a duration under 0.1 s.
        """
        if label not in VOICES:
            raise SedError(f"voices: {unknown_label(label)}")
        sound = VOICES[label](_checked(duration), rng, self.ranges[label])
        return _peak_one(_fade(_trim(sound)))

    def background(self, duration: float, rng: np.random.Generator) -> np.ndarray:
        """A room without any of the ten classes.

        Parameters
        ----------
        duration : float
            Seconds, at least 0.1.
        rng : Generator
            The only source of chance.

        Returns
        -------
        (sample,) float32 array
            Exactly ``round(16000 duration)`` samples at 16 kHz, peak 1.

        Raises
        ------
        SedError
            For a duration under 0.1 s.
        """
        return _peak_one(room(_checked(duration), rng, self.ranges["background"]))


def _column(label: str, domain: str) -> dict[str, tuple]:
    if domain not in DOMAINS:
        raise SedError(f"voices: domain {domain!r} is not one of {', '.join(DOMAINS)}")
    return {name: pair[DOMAINS.index(domain)] for name, pair in RANGES[label].items()}


def _narrowed(rng: np.random.Generator, name: str, ends: tuple) -> tuple:
    """One kind, or `INDIVIDUAL` of an interval, on the scale on which `draw` draws it."""
    if isinstance(ends[0], str):
        return (_pick(rng, ends),)
    first, last = np.log(ends) if name in LOGARITHMIC else ends
    width = INDIVIDUAL * (last - first)
    start = rng.uniform(first, last - width)
    part = np.array([start, start + width])
    return tuple((np.exp(part) if name in LOGARITHMIC else part).tolist())


# ---------------------------------------------------------------------------------------------- the ten classes
# Each takes seconds, the source of chance and its rows of one column of RANGES, and gives (sample,) sound at 16 kHz, of
# any level, at most as long as asked. `Voices.event` trims and scales it.


def alarm_bell_ringing(duration: float, rng: np.random.Generator, ranges: Ranges) -> np.ndarray:
    """Repeated tones, sirens, electric bells, telephones and chimes: steady partials, switched by a machine."""
    n = _samples(duration)
    kind = _pick(rng, ranges["kind"])
    if kind in ("beeps", "siren"):
        tone = draw(rng, ranges, "tone")
        if kind == "beeps":
            pitch, level = np.full(n, tone), _beeps(n, rng, ranges)
        else:
            pitch, level = tone * _siren(n, rng, ranges), np.ones(n, np.float32)
        partials = _harmonics(pitch.max(), 1.0)[:round(draw(rng, ranges, "partials"))]
        return level * oscillate(pitch, partials * _decibels(rng.normal(0, 5, len(partials))))

    # A bell's modes are inharmonic; high ones are weaker and die sooner.
    ring = draw(rng, ranges, "ring")
    body = draw(rng, ranges, "bell")
    ratios = np.array([1, 1.19, 1.5, 2, 2.74, 3.76, 4.07, 5.4]) * rng.uniform(0.96, 1.04, 8)
    notes = body * np.array([1.0, rng.uniform(0.75, 0.9)])  # two gongs, or the "dong" after the "ding"
    strengths = ratios**-0.5 * _decibels(rng.normal(0, 6, 8))
    bells = [modes(note * ratios, ring / ratios, strengths, min(6 * ring, duration)) for note in notes]
    if kind == "chime":
        starts, _ = _series(duration, {"length": (0.05, 0.05), "gap": (0.5, 1.2)}, rng)
    else:
        starts = np.arange(0, duration, 1 / draw(rng, ranges, "hammer"))
        if kind == "phone":  # rings in a cadence
            on, off = rng.uniform(0.5, 2.0), rng.uniform(0.2, 1.0)
            starts = starts[starts % (on + off) < on]
    return scatter(n, starts, rng.uniform(0.7, 1.0, len(starts)), [bells[i % 2] for i in range(len(starts))])


def _beeps(n: int, rng: np.random.Generator, ranges: Ranges) -> np.ndarray:
    """On and off: groups of equal beeps, with a rest after each group; ends of 3 ms against clicks."""
    on, off = draw(rng, ranges, "beep"), draw(rng, ranges, "beep")
    group = int(rng.integers(1, 5))
    rest = min(off * rng.uniform(1, 4), 0.8) if group > 1 else off
    period = group * (on + off) - off + rest
    t = np.arange(n) / RATE % period
    within = np.where(t < group * (on + off), t % (on + off), on + off)
    return np.clip(np.minimum(within, on - within) / 0.003, 0, 1).astype(np.float32)


def _siren(n: int, rng: np.random.Generator, ranges: Ranges) -> np.ndarray:
    """Relative frequency: triangle (wail), saw (whoop) or square (two tones) between 1 and 1/span."""
    cycle = np.arange(n) / RATE * draw(rng, ranges, "sweep") % 1
    height = {"triangle": 2 * np.abs(cycle - 0.5), "saw": cycle, "square": (cycle < 0.5).astype(float)}
    return draw(rng, ranges, "span") ** (height[_pick(rng, tuple(height))] - 1)


def blender(duration: float, rng: np.random.Generator, ranges: Ranges) -> np.ndarray:
    """A fast motor that the food slows down again and again, and the noise of blades, food and jar."""
    n = _samples(duration)
    load = np.clip(0.5 + 0.5 * wander(n, rng, draw(rng, ranges, "load_rate")), 0, 1)
    speed = _spin(n, rng, draw(rng, ranges, "spin"), _pick(rng, ranges["switch"]))
    speed = speed * (1 - draw(rng, ranges, "load") * load)
    motor = _motor(speed, draw(rng, ranges, "rotation"), draw(rng, ranges, "tilt"), rng, draw(rng, ranges, "whine"))
    jar = coloured(draw(rng, ranges, "slope"), 250, rng, bumps=3)
    food = _decibels(draw(rng, ranges, "noise")) * (0.7 + 0.6 * load) * _unit(shape(hiss(n, rng), jar))
    return speed * swell(n, rng, draw(rng, ranges, "lumps"), draw(rng, ranges, "chop")) * (motor + food)


def cat(duration: float, rng: np.random.Generator, ranges: Ranges) -> np.ndarray:
    """Meows: a harmonic call that glides up and down while the mouth opens and closes."""
    pitch, arc = draw(rng, ranges, "pitch"), draw(rng, ranges, "arc")
    breath, tilt = _decibels(draw(rng, ranges, "breath")), draw(rng, ranges, "tilt")
    rough = draw(rng, ranges, "rough")
    mouth = draw(rng, ranges, "mouth")
    starts, lengths = _series(duration, ranges, rng)
    calls = []
    for length in lengths:
        n = _samples(length)
        top = rng.uniform(0.15, 0.55)  # where in the call the pitch and the mouth are highest
        u = np.linspace(0, 1, n)
        rise = np.interp(u, [0, top, 1], [0, 1, rng.uniform(-0.3, 0.6)])
        f0 = pitch * rng.uniform(0.92, 1.08) * arc ** (_smooth(rise, n // 3) - 1) * (1 + rough * wander(n, rng, 60))
        source = oscillate(f0, _harmonics(f0.max(), tilt)) + breath * hiss(n, rng)
        opening = np.interp(_frame_times(n), np.array([0, 0.1, top, 0.8, 1]) * length, [0.5, 0.8, 1, 0.8, 0.6])
        highest = np.full_like(opening, min(4 * mouth, 7500))
        formants = np.stack([mouth * opening, 2.2 * mouth * opening**0.5, highest], axis=1)
        envelope = np.interp(u, [0, 0.1, 0.75, 1], [0, 1, 0.7, 0]) * np.exp(0.15 * wander(n, rng, 12))
        calls.append(shape(source * envelope, resonances(formants, np.array([250, 350, 700]))))
    return scatter(_samples(duration), starts, rng.uniform(0.6, 1, len(calls)), calls)


def dishes(duration: float, rng: np.random.Generator, ranges: Ranges) -> np.ndarray:
    """Plates, glasses, pans and cutlery: struck bodies whose inharmonic modes ring and die out."""
    n = _samples(duration)
    clinks = []
    for _ in range(round(draw(rng, ranges, "bodies"))):
        ratios = np.cumprod(np.concatenate([[1.0], rng.uniform(1.03, 1.3, 19)]))
        body, ring = draw(rng, ranges, "body"), draw(rng, ranges, "ring")
        ratios = ratios[body * ratios < 7900]
        for _ in range(2):  # struck in two places, the same modes sound with other strengths
            amplitudes = _decibels(rng.normal(0, 7, len(ratios)))
            clink = modes(body * ratios, ring * ratios**-0.7, amplitudes, 6 * ring)
            contact = hiss(min(len(clink), int(rng.integers(64, 640))), rng)
            contact *= np.linspace(1, 0, len(contact)) ** 2 * _decibels(draw(rng, ranges, "click"))
            clink[:len(contact)] += contact * np.abs(clink).max()
            clinks.append(clink / np.abs(clink).max())
    count = 1 + rng.poisson(duration * draw(rng, ranges, "strikes"))
    gaps = 0.3 + rng.exponential(1, count)
    starts = (np.cumsum(gaps) - gaps[0]) / gaps.sum() * max(duration - 0.08, 0)
    # What is put down rattles: it bounces, each time sooner and softer.
    bounces = np.arange(round(draw(rng, ranges, "bounces")) + 1)
    back = rng.uniform(0.5, 0.8, (count, 1))  # coefficient of restitution
    flight = rng.uniform(0.02, 0.12, (count, 1))  # s, first one
    starts = starts[:, None] + flight * (1 - back**bounces) / (1 - back)
    strengths = np.exp(rng.normal(0, 0.8, (count, 1))) * back**bounces
    kept = starts < duration
    which = rng.integers(len(clinks), size=kept.sum())
    sound = scatter(n, starts[kept], strengths[kept], [clinks[i] for i in which])
    rub = shape(hiss(n, rng), coloured(3, 1500, rng, bumps=3)) * np.exp(0.8 * wander(n, rng, 8))
    return sound + _decibels(draw(rng, ranges, "scrape")) * np.abs(sound).max() * _unit(rub)


def dog(duration: float, rng: np.random.Generator, ranges: Ranges) -> np.ndarray:
    """Barks: short harsh bursts of voice, whose pitch and mouth rise and fall; also yelps and growls."""
    pitch, mouth = draw(rng, ranges, "pitch"), draw(rng, ranges, "mouth")
    arc = draw(rng, ranges, "arc")
    harsh, rough, tilt = _decibels(draw(rng, ranges, "harsh")), draw(rng, ranges, "rough"), draw(rng, ranges, "tilt")
    kind = _pick(rng, ranges["kind"])
    if kind == "yelp":
        pitch, harsh = 1.4 * pitch, 0.2 * harsh
    elif kind == "growl":
        pitch, rough, ranges = 0.3 * pitch, 0.15, {**ranges, "length": (0.4, 1.5)}
    starts, lengths = _series(duration, ranges, rng)
    barks = []
    for length in lengths:
        n = _samples(length)
        u = np.linspace(0, 1, n)
        swell = np.sin(np.pi * u**0.6)
        f0 = pitch * rng.uniform(0.9, 1.1) * arc ** (swell - 1) * (1 + rough * wander(n, rng, 150))
        f0 = np.clip(f0, 30, 3000)
        source = oscillate(f0, _harmonics(f0.max(), tilt)) + harsh * hiss(n, rng)
        # The jaw snaps open and closes by less than half: a bark is as tall at its end as at its start.
        opening = np.interp(_frame_times(n) / length, [0, 0.15, 0.5, 1], [0.7, 1, 0.95, 0.75])
        formants = np.outer(opening, mouth * np.array([1, 2.1, 3.4, 5.2]).clip(0, 7500 / mouth))
        envelope = np.clip(u / 0.06, 0, 1) * (1 - u) ** rng.uniform(0.5, 1.5)
        barks.append(shape(source * envelope, resonances(formants, np.array([300, 450, 800, 1200]))))
    barks = [bark / np.abs(bark).max() for bark in barks]
    return scatter(_samples(duration), starts, rng.uniform(0.5, 1, len(barks)), barks)


def electric_shaver_toothbrush(duration: float, rng: np.random.Generator, ranges: Ranges) -> np.ndarray:
    """A small fast drive: a bright buzz whose level and colour follow the strokes of the hand."""
    n = _samples(duration)
    stroke = wander(n, rng, 2 * draw(rng, ranges, "hand"))
    speed = 1 - draw(rng, ranges, "load") * (0.5 + 0.5 * stroke)
    buzz = _motor(speed, draw(rng, ranges, "buzz"), draw(rng, ranges, "tilt"), rng)
    sound = buzz + _decibels(draw(rng, ranges, "noise")) * swell(n, rng, draw(rng, ranges, "hair"), 30) * hiss(n, rng)
    # Skin and casing: a broad resonance that moves with the stroke.
    centre = draw(rng, ranges, "centre") * 2 ** (0.15 * _at_frames(stroke))
    octaves = np.log2(FREQUENCIES / centre[:, None])
    casing = _decibels((-6 * np.abs(octaves)).clip(-24)) * coloured(0, 100, rng, bumps=3)
    return shape(sound, casing) * _decibels(0.25 * draw(rng, ranges, "stroke") * stroke)


def frying(duration: float, rng: np.random.Generator, ranges: Ranges) -> np.ndarray:
    """Water that bursts in hot fat: pops at random times (a Poisson process) over a hiss."""
    n = _samples(duration)
    pop = draw(rng, ranges, "pop")
    pops = [modes(pop * rng.uniform(0.5, 1.6, 3).clip(0, 7800 / pop), rng.uniform(0.0003, 0.0015, 3), np.ones(3), 0.008)
            for _ in range(12)]
    simmer = swell(n, rng, draw(rng, ranges, "simmer"), 1.5)
    count = rng.poisson(duration * draw(rng, ranges, "pops"))
    amplitudes = np.exp(rng.normal(0, draw(rng, ranges, "spread"), count)).clip(0, 8)
    which = rng.integers(len(pops), size=count)
    crackle = scatter(n, rng.uniform(0, duration, count), amplitudes, [pops[i] for i in which])
    fat = shape(hiss(n, rng), coloured(draw(rng, ranges, "slope"), 80, rng, bumps=3))
    return simmer * (crackle + _decibels(draw(rng, ranges, "hiss")) * _unit(fat))


def running_water(duration: float, rng: np.random.Generator, ranges: Ranges) -> np.ndarray:
    """Bubbles that sing (Minnaert's resonance), splashes, and a jet heard through the vessel that it fills."""
    n = _samples(duration)
    radii = np.exp(rng.uniform(np.log(draw(rng, ranges, "smallest")), np.log(draw(rng, ranges, "largest")), 48))  # mm
    rise = draw(rng, ranges, "rise")
    bubbles = [_bubble(radius, rise) for radius in radii]
    count = rng.poisson(duration * draw(rng, ranges, "bubbles"))
    which = rng.integers(len(bubbles), size=count)
    song = scatter(n, rng.uniform(0, duration, count), np.exp(rng.normal(0, 0.7, count)), [bubbles[i] for i in which])
    splashes = [_splash(bubbles, rng) for _ in range(3)]
    starts = rng.uniform(0, duration, rng.poisson(duration * draw(rng, ranges, "splashes")))
    splash = scatter(n, starts, np.exp(rng.normal(0, 0.5, len(starts))), [splashes[i % 3] for i in range(len(starts))])

    # The air over the water is a column closed at one end, with resonances at 1, 3, 5 times its lowest, which rises.
    filled = np.linspace(0, 1, 24)  # so many steps are smooth to the ear
    column = draw(rng, ranges, "basin") * draw(rng, ranges, "fill") ** filled
    octaves = np.log2(FREQUENCIES / column[:, None])
    peaks = sum(np.exp(-0.5 * ((octaves - np.log2(k)) / 0.12) ** 2) / k**0.5 for k in (1, 3, 5))
    sink = coloured(draw(rng, ranges, "slope"), 60, rng, bumps=3)
    sink += _decibels(draw(rng, ranges, "drum")) / (1 + (FREQUENCIES / 200) ** 2)
    sink = sink * _decibels(draw(rng, ranges, "ripple") * rng.standard_normal(len(FREQUENCIES)))
    vessel = sink * _decibels(draw(rng, ranges, "column") * peaks)
    now = np.rint(23 * (_frame_times(n) / duration).clip(0, 1)).astype(int)
    stream = _unit(shape(hiss(n, rng), vessel[now]))
    stream *= np.exp(draw(rng, ranges, "sputter") * wander(n, rng, 40))
    sound = song + _decibels(draw(rng, ranges, "splash")) * splash + _decibels(draw(rng, ranges, "stream")) * stream
    return swell(n, rng, draw(rng, ranges, "flow"), 1.2) * sound


def _splash(bubbles: list[np.ndarray], rng: np.random.Generator) -> np.ndarray:
    """A gush that meets water: a burst of noise and a crowd of bubbles that thins out."""
    n, dies = 4000, rng.uniform(0.02, 0.08)  # s
    burst = shape(hiss(n, rng), coloured(rng.uniform(-4, 2), 150, rng, bumps=2)) * np.exp(-_times(n) / dies)
    starts = rng.exponential(dies, 15).clip(0, 0.2)
    crowd = scatter(n, starts, rng.uniform(0.2, 1, 15), [bubbles[i] for i in rng.integers(len(bubbles), size=15)])
    return burst / np.abs(burst).max() + crowd


def _bubble(radius: float, rise: float) -> np.ndarray:
    """Damped sine of a bubble of `radius` mm, whose pitch rises by the share `rise` while it falls to 1/e."""
    pitch = 3260 / radius  # Hz (Minnaert 1933)
    damping = 0.13 * pitch + 0.0072 * pitch**1.5  # 1/s (van den Doel 2005)
    t = np.arange(_samples(min(6 / damping, 0.1))) / RATE
    return (np.exp(-damping * t) * np.sin(2 * np.pi * pitch * t * (1 + 0.5 * rise * damping * t))).astype(np.float32)


# First three formants in Hz of a man's vowels (Peterson and Barney, 1952).
VOWELS = np.array([[270, 2290, 3010], [390, 1990, 2550], [530, 1840, 2480], [660, 1720, 2410], [730, 1090, 2440],
                   [570, 840, 2410], [440, 1020, 2240], [300, 870, 2240], [640, 1190, 2390], [490, 1350, 1690]])
# Consonants: seconds; levels of voice and noise; centre and width of the noise in Hz. A vowel has the same columns.
CONSONANTS = np.array([
    [0.11, 0.0, 1.0, 6000, 1500],  # s
    [0.11, 0.0, 1.0, 3200, 1100],  # sh
    [0.09, 0.0, 0.3, 5000, 4000],  # f, th
    [0.08, 0.3, 0.5, 5800, 1500],  # z
    [0.07, 0.35, 0.0, 4000, 1000],  # m, n: the mouth is closed, the voice sounds through the nose
    [0.06, 0.5, 0.0, 4000, 1000],  # l, r, w
    [0.07, 0.0, 0.0, 4000, 1000],  # p, t, k: closed; the burst follows
])
STOP = len(CONSONANTS) - 1
BURST = [0.02, 0.0, 0.9, 3000, 2500]


def speech(duration: float, rng: np.random.Generator, ranges: Ranges) -> np.ndarray:
    """Syllables: a glottal source through formants that move from vowel to vowel, with consonants between."""
    n = _samples(duration)
    segments, vowels, accents = _syllables(duration, rng, ranges)
    ends = np.cumsum(segments[:, 0]) * duration / segments[:, 0].sum()
    middles = ends - 0.5 * np.diff(ends, prepend=0)

    times = _frame_times(n)
    now = np.searchsorted(ends, times).clip(0, len(ends) - 1)
    voice, noise, centre, width = segments[now, 1:].T
    through = 1 - (ends[now] - times) / np.diff(ends, prepend=0)[now]  # of the present segment, 0 to 1
    voice = voice * (0.3 + 0.7 * np.sin(np.pi * through.clip(0, 1)))  # a syllable swells and fades
    tract = draw(rng, ranges, "tract")
    formants = np.stack([np.interp(times, middles, tract * f) for f in vowels.T], axis=1)
    throat = resonances(tract * np.array([3500, 4500, 5500, 6500]), np.array([200, 300, 400, 500]))

    # The melody falls over the phrase; every syllable has its own accent.
    semitones = np.interp(_times(n), middles, accents) * draw(rng, ranges, "melody") + 2 - 4 * _times(n) / duration
    f0 = draw(rng, ranges, "pitch") * 2 ** ((semitones + 0.15 * wander(n, rng, 30)).clip(-6, 7) / 12)
    glottis = oscillate(f0, _harmonics(f0.max(), draw(rng, ranges, "tilt")), pulses=True)
    breath = hiss(n, rng)
    excitation = glottis + _decibels(draw(rng, ranges, "breath")) * breath
    voiced = shape(excitation, resonances(formants, np.array([70, 90, 130])) * throat * voice[:, None])
    band = np.exp(-0.5 * ((FREQUENCIES - centre[:, None]) / width[:, None]) ** 2)
    unvoiced = shape(breath, band * noise[:, None])
    return _unit(voiced) + _decibels(draw(rng, ranges, "fricatives")) * unvoiced


def _syllables(duration: float, rng: np.random.Generator, ranges: Ranges) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Segments (rows as in CONSONANTS), the vowel each belongs to (formants), and its accent."""
    count = max(1, round(duration * draw(rng, ranges, "rate")))
    segments, vowels, accents = [], [], []
    phrase = rng.integers(4, 10)
    for i in range(count):
        vowel, accent = VOWELS[rng.integers(len(VOWELS))], rng.normal()
        kind = rng.integers(len(CONSONANTS) + 2)  # two of nine syllables start with their vowel
        parts = [CONSONANTS[kind]] if kind < len(CONSONANTS) and count > 1 else []
        if kind == STOP and i == 0:
            parts = []
        if kind == STOP and parts:
            parts.append(BURST)
        parts.append([rng.uniform(0.08, 0.2), rng.uniform(0.5, 1), 0, 4000, 1000])
        if i % phrase == phrase - 1 and i < count - 1:
            parts[-1][0] *= 1.5  # lengthened before a pause
            parts.append([rng.uniform(0.12, 0.45), 0, 0, 4000, 1000])
        segments += parts
        vowels += [vowel] * len(parts)
        accents += [accent] * len(parts)
    return np.array(segments), np.array(vowels), np.array(accents)


def vacuum_cleaner(duration: float, rng: np.random.Generator, ranges: Ranges) -> np.ndarray:
    """A strong steady stream of air with the tone of the motor in it."""
    n = _samples(duration)
    speed = _spin(n, rng, draw(rng, ranges, "spin")) * (1 + 0.003 * wander(n, rng, 1))
    motor = _motor(speed, draw(rng, ranges, "rotation"), draw(rng, ranges, "tilt"), rng)
    spectrum = coloured(draw(rng, ranges, "slope"), 100, rng, bumps=4)
    hose = draw(rng, ranges, "hose")
    spectrum = spectrum * (1 + 1.5 * np.exp(-0.5 * (np.log2(FREQUENCIES / hose) / 0.25) ** 2))
    air = _unit(shape(hiss(n, rng), spectrum))
    push = swell(n, rng, draw(rng, ranges, "push"), 0.8)
    return speed**2 * push * (air + _decibels(draw(rng, ranges, "motor")) * motor)


VOICES: dict[str, Callable[[float, np.random.Generator, Ranges], np.ndarray]] = {
    "Alarm_bell_ringing": alarm_bell_ringing,
    "Blender": blender,
    "Cat": cat,
    "Dishes": dishes,
    "Dog": dog,
    "Electric_shaver_toothbrush": electric_shaver_toothbrush,
    "Frying": frying,
    "Running_water": running_water,
    "Speech": speech,
    "Vacuum_cleaner": vacuum_cleaner,
}


def room(duration: float, rng: np.random.Generator, ranges: Ranges) -> np.ndarray:
    """A room's noise with mains hum, and often one more thing of `EXTRAS`."""
    n = _samples(duration)
    tone = _unit(shape(hiss(n, rng), coloured(draw(rng, ranges, "slope"), 60, rng, bumps=3)))
    tone *= _decibels(draw(rng, ranges, "drift") * wander(n, rng, 0.5))
    mains = np.full(n, float(_pick(rng, ranges["mains"])))
    hum = _unit(oscillate(mains, np.arange(1, 9) ** -1.0 * _decibels(rng.normal(0, 6, 8))))
    extra = EXTRAS[_pick(rng, ranges["extra"])](n, rng)
    return tone + _decibels(draw(rng, ranges, "hum")) * hum + _decibels(draw(rng, ranges, "level")) * extra


def _wind(n: int, rng: np.random.Generator) -> np.ndarray:
    return _unit(shape(hiss(n, rng), coloured(-12, 60, rng, bumps=1)) * np.exp(wander(n, rng, 0.7)))


def _traffic(n: int, rng: np.random.Generator) -> np.ndarray:
    """Vehicles that pass: low noise that swells and fades."""
    t = _times(n)[:, None]
    passing = rng.uniform(-1, n / RATE + 1, 3)
    swell = 0.2 + (1 / (1 + ((t - passing) / rng.uniform(0.8, 2.5, 3)) ** 2)).sum(axis=1)
    return _unit(shape(hiss(n, rng), coloured(-8, 80, rng, bumps=2)) * swell)


def _murmur(n: int, rng: np.random.Generator) -> np.ndarray:
    """Talkers behind a wall: the rhythm and melody of their voices, no word."""
    talkers = np.zeros(n, np.float32)
    for pitch in rng.uniform(90, 250, 3):
        syllables = wander(n, rng, 8).clip(0) * wander(n, rng, 0.7).clip(0)
        talkers += syllables * oscillate(pitch * (1 + 0.08 * wander(n, rng, 3)), np.arange(1, 13) ** -1.0)
    return _unit(shape(talkers, 1 / (1 + (FREQUENCIES / 400) ** 3)))


def _knocks(n: int, rng: np.random.Generator) -> np.ndarray:
    """Steps, doors and things put down: dull, heavily damped modes at random times."""
    knock = modes(rng.uniform(80, 900, 8), rng.uniform(0.005, 0.03, 8), np.ones(8), 0.15)
    starts = rng.uniform(0, n / RATE, rng.poisson(1.5 * n / RATE))
    return scatter(n, starts, np.exp(rng.normal(0, 0.8, len(starts))), [knock] * len(starts))


def _clock(n: int, rng: np.random.Generator) -> np.ndarray:
    tick = modes(rng.uniform(1500, 5000, 4), rng.uniform(0.001, 0.006, 4), np.ones(4), 0.03)
    starts = np.arange(rng.uniform(0, 0.5), n / RATE, _pick(rng, (0.25, 0.5, 1.0)))
    return scatter(n, starts, np.resize([1, 0.6], len(starts)), [tick] * len(starts))


def _fridge(n: int, rng: np.random.Generator) -> np.ndarray:
    return _motor(np.ones(n), rng.uniform(45, 60), 1.5, rng)


EXTRAS: dict[str, Callable[[int, np.random.Generator], np.ndarray]] = {
    "none": lambda n, rng: np.zeros(n, np.float32),
    "wind": _wind,
    "traffic": _traffic,
    "murmur": _murmur,
    "knocks": _knocks,
    "clock": _clock,
    "fridge": _fridge,
}


# ---------------------------------------------------------------------------------------------- what they are made of

FFT, HOP = 512, 256
FREQUENCIES = np.fft.rfftfreq(FFT, 1 / RATE).astype(np.float32)
FREQUENCIES[0] = 1.0  # Hz, so that its logarithm exists
_WINDOW = np.sqrt(np.hanning(FFT + 1)[:-1]).astype(np.float32)  # squared and added at every HOP, it makes 1
_TABLE = 16384


def oscillate(frequency: np.ndarray, amplitudes: np.ndarray, pulses: bool = False) -> np.ndarray:
    """Harmonic sound of varying pitch, read from a table of one period.

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
    table = _unit(fft.irfft(spectrum, _TABLE))
    turns = np.cumsum(frequency) / RATE
    return table[(turns * _TABLE).astype(np.int64) % _TABLE]


def hiss(n: int, rng: np.random.Generator) -> np.ndarray:
    """(n,) float32 white noise, root mean square 1."""
    return rng.standard_normal(n, dtype=np.float32)


def wander(n: int, rng: np.random.Generator, rate: float) -> np.ndarray:
    """(n,) float32 smooth chance, about normal(0, 1) and within [-2, 2], with `rate` new values per second."""
    knots = rng.normal(size=int((n / RATE + 0.004) * rate) + 3).clip(-2, 2)
    coarse = np.arange(n // 32 + 2) * (32 / RATE)  # np.interp at every sample would take ten times as long
    values = np.interp(coarse * rate + rng.random(), np.arange(len(knots)), knots).astype(np.float32)
    between = np.arange(32, dtype=np.float32) / np.float32(32)
    return (values[:-1, None] + np.diff(values)[:, None] * between).ravel()[:n]


def swell(n: int, rng: np.random.Generator, span: float, rate: float) -> np.ndarray:
    """(n,) float32 level that changes by at most `span` dB, with `rate` new values per second."""
    return _decibels(0.25 * span * wander(n, rng, rate))


def modes(frequencies: np.ndarray, decays: np.ndarray, amplitudes: np.ndarray, duration: float) -> np.ndarray:
    """A struck body: sum of damped sines.

    Parameters
    ----------
    frequencies, decays, amplitudes : (mode,) arrays
        Hz; seconds in which a mode falls to 1/e; linear. Modes above 7.9 kHz are left out.
    duration : float
        Seconds.

    Returns
    -------
    (sample,) float32 array
    """
    t = np.arange(_samples(duration), dtype=np.float32) / np.float32(RATE)
    audible = np.asarray(frequencies) < 7900
    f, decay, amplitude = (np.asarray(a, np.float32)[audible, None] for a in (frequencies, decays, amplitudes))
    return (amplitude * np.exp(-t / decay) * np.sin(2 * np.float32(np.pi) * (f * t % 1))).sum(axis=0)


def scatter(n: int, starts: np.ndarray, amplitudes: np.ndarray, sounds: list[np.ndarray]) -> np.ndarray:
    """(n,) float32 sum of ``amplitudes[i] * sounds[i]`` put at ``starts[i]`` seconds, cut at the end."""
    out = np.zeros(n + max((len(s) for s in sounds), default=0), np.float32)
    for start, amplitude, sound in zip((np.asarray(starts) * RATE).astype(int), amplitudes, sounds):
        out[start:start + len(sound)] += np.float32(amplitude) * sound
    return out[:n]


def shape(sound: np.ndarray, gain: np.ndarray) -> np.ndarray:
    """Filter that may change with time: short-time spectra times `gain`, added up again.

    Parameters
    ----------
    sound : (sample,) array
    gain : (257,) or (frame, 257) array
        Linear gain at `FREQUENCIES`, for all frames or at the times that `_frame_times` gives.

    Returns
    -------
    (sample,) float32 array
    """
    n, frames = len(sound), len(_frame_times(len(sound)))
    padded = np.zeros((frames + 1) * HOP, np.float32)
    padded[HOP:HOP + n] = sound
    spectra = fft.rfft(sliding_window_view(padded, FFT)[::HOP] * _WINDOW)
    pieces = fft.irfft(spectra * gain.astype(np.float32), FFT) * _WINDOW
    out = np.zeros_like(padded)
    for k in range(FFT // HOP):
        out[k * HOP:(k + frames) * HOP] += pieces[:, k * HOP:(k + 1) * HOP].ravel()
    return out[HOP:HOP + n]


def resonances(centres: np.ndarray, bandwidths: np.ndarray) -> np.ndarray:
    """Gain at `FREQUENCIES` of resonators in a row, as of a vocal tract (Klatt 1980).

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
    """Gain of a thing with a character: `slope` dB per octave above `low` Hz, and some broad bumps and dips."""
    octaves = np.log2(FREQUENCIES / 1000)
    level = slope * octaves - 24 * np.log2(low / FREQUENCIES).clip(0)
    centres, heights, widths = rng.uniform(-2.5, 3, bumps), rng.normal(0, 5, bumps), rng.uniform(0.15, 0.8, bumps)
    level = level + (heights * np.exp(-0.5 * ((octaves[:, None] - centres) / widths) ** 2)).sum(axis=1)
    return _decibels(level)


def _motor(speed: np.ndarray, rotation: float, tilt: float, rng: np.random.Generator, whine: float = 0) -> np.ndarray:
    """Harmonics of the rotation; which ones are strong (poles, blades, brushes) is chance. Root mean square 1.

    Every segment of the commutator passes the brushes once in a turn: multiples of their number, with sidebands one
    turn away, are `whine` dB stronger.
    """
    harmonics = _harmonics(rotation * speed.max(), tilt)
    segments = rng.integers(5, 13)
    from_multiple = (np.arange(1, len(harmonics) + 1) + segments // 2) % segments - segments // 2
    level = rng.normal(0, 6, len(harmonics)) + whine * np.exp(-0.5 * from_multiple**2)
    return oscillate(rotation * speed, harmonics * _decibels(level))


def _spin(n: int, rng: np.random.Generator, constant: float, switch: str = "steady") -> np.ndarray:
    """Relative speed of a motor, 0.05 to 1: it follows its switch with a time constant (s). Half are heard starting."""
    on = np.ones(n)
    if switch == "pulsed":
        pulses = 1 + int(n / RATE / 0.4)
        edges = np.cumsum(rng.uniform([0.3, 0.1], [1.5, 0.3], (pulses, 2)).ravel())  # s, on and off
        on = (np.searchsorted(edges, _times(n)) % 2 == 0).astype(float)
    elif rng.random() < 0.5:
        on[-min(_samples(1.5 * constant), n // 3):] = 0  # switched off, it runs down
    a = np.exp(-1 / (constant * RATE))
    start = rng.integers(2)
    speed, _ = lfilter([1 - a], [1, -a], on, zi=[a * start])
    return 0.05 + 0.95 * speed


def _harmonics(highest: float, tilt: float) -> np.ndarray:
    """Amplitudes k^-tilt of all harmonics that stay under 7.8 kHz when the pitch is `highest`."""
    return np.arange(1, max(int(7800 / highest), 1) + 1) ** -float(tilt)


def _series(duration: float, ranges: Ranges, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Starts and lengths in seconds of calls of one animal: as many as fit, stretched to end with the event."""
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


def _samples(seconds: float) -> int:
    return round(seconds * RATE)


def _times(n: int) -> np.ndarray:
    return np.arange(n) / RATE


def _frame_times(n: int) -> np.ndarray:
    """Seconds at which the frames of `shape` are centred."""
    return np.arange(-(-n // HOP) + 1) * HOP / RATE


def _at_frames(track: np.ndarray) -> np.ndarray:
    """A track of samples, read at the frames of `shape`."""
    n = len(track)
    return track[(_frame_times(n) * RATE).astype(int).clip(0, n - 1)]


def _smooth(track: np.ndarray, width: int) -> np.ndarray:
    """Moving average over `width` values, the ends held."""
    if width < 2:
        return track
    padded = np.pad(track, (width // 2, width - 1 - width // 2), mode="edge")
    total = np.cumsum(np.concatenate([[0], padded]))
    return (total[width:] - total[:-width]) / width


def draw(rng: np.random.Generator, ranges: Ranges, name: str) -> float:
    """A parameter from its interval; uniform, or log-uniform for `LOGARITHMIC` ones."""
    if name in LOGARITHMIC:
        return float(np.exp(rng.uniform(*np.log(ranges[name]))))
    return rng.uniform(*ranges[name])


def _pick(rng: np.random.Generator, choices: tuple):
    return choices[rng.integers(len(choices))]


def _decibels(level):
    """Amplitude of a level in dB."""
    return 10 ** (np.asarray(level, np.float32) / np.float32(20))


def _unit(sound: np.ndarray) -> np.ndarray:
    """float32, scaled to a root mean square of 1; digital silence stays."""
    sound = sound.astype(np.float32)
    return sound / max(np.sqrt(np.mean(sound**2)), 1e-9)


def _fade(sound: np.ndarray) -> np.ndarray:
    """Ends of 2 ms, against clicks."""
    ramp = np.arange(1, 33, dtype=np.float32) / 32
    sound = sound.astype(np.float32)
    sound[:32] *= ramp
    sound[-32:] *= ramp[::-1]
    return sound


def _trim(sound: np.ndarray) -> np.ndarray:
    """From the first to the last 5 ms that are within 30 dB of the loudest 5 ms."""
    block = RATE // 200
    starts = np.arange(0, len(sound), block)
    energy = np.add.reduceat(sound.astype(np.float64) ** 2, starts)
    loud = np.flatnonzero(energy >= energy.max() * 10**-3)
    return sound[starts[loud[0]]:starts[loud[-1]] + block]


def _peak_one(sound: np.ndarray) -> np.ndarray:
    return (sound / np.abs(sound).max()).astype(np.float32)


def _checked(duration: float) -> float:
    if not SHORTEST <= duration < np.inf:
        raise SedError(f"voices: a sound of {duration} s; ask for {SHORTEST} s or more")
    return duration
