"""Ten procedural voices and backgrounds: MiniDESED's isolated sounds, made by code.

Each class is a small physical model of what makes the sound: a glottal source through moving formants, modes that are
struck and ring, bubbles that sing while they die out, a motor under load. Its parameters are drawn from `RANGES`, and
it is made of `signals`. Stands for the isolated events and backgrounds of the paper's section 2; taught in
``notebooks/01_data.py``.
"""

from __future__ import annotations

from collections.abc import Callable
from copy import copy

import numpy as np

from minidesed import backgrounds, domains
from minidesed.calls import call_times, cat, dog, speech
from minidesed.ranges import Ranges, column, draw, narrowed, pick
from minidesed.signals import (
    FREQUENCIES,
    at_frames,
    coloured,
    frame_times,
    from_db,
    modes,
    motor_sound,
    motor_speed,
    oscillate,
    power_law,
    scatter,
    shape,
    slow_gain,
    smooth_noise,
    unit_rms,
    white_noise,
)
from sedlib.config import RATE
from sedlib.data.audio import trim
from sedlib.data.tables import unknown_label
from sedlib.errors import SedError

SHORTEST_S = 0.1


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
        self.ranges = {label: column(label, domain) for label in VOICES}
        self.ranges["background"] = column("background", background or domain)

    def of_clip(self, rng: np.random.Generator) -> Voices:
        """Narrow the source to one clip: of each class one individual (one dog, one vacuum cleaner).

        Every interval becomes a part of it, `INDIVIDUAL` wide, at a random place, and every list of kinds one kind.
        Backgrounds stay as they are. All classes are drawn, whichever will be asked for.
        """
        clip = copy(self)
        clip.ranges = dict(self.ranges)
        for label in VOICES:
            clip.ranges[label] = {name: narrowed(rng, name, ends) for name, ends in self.ranges[label].items()}
        return clip

    def event(self, label: str, duration: float, rng: np.random.Generator) -> np.ndarray:
        """Make one isolated sound of a class, without silence at either end; a pure function of its arguments.

        Parameters
        ----------
        label : str
            One of `tables.CLASSES`.
        duration : float
            Seconds, at least 0.1. The sound is never longer; a single call, bark or strike may be shorter by nature.

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
        close = _fade(trim(sound, RATE // 200, below_db=30.0))
        return _peak_one(_fade(trim(close, RATE // 50, below_db=37.0)))  # without a beep that just begins at the end

    def background(self, duration: float, rng: np.random.Generator) -> np.ndarray:
        """Make a room without any of the ten classes, (sample,) float32, peak 1, of exactly ``duration`` seconds."""
        return _peak_one(backgrounds.room(_checked(duration), rng, self.ranges["background"]))

    def room(self, recipe: domains.Recipe, rng: np.random.Generator) -> np.ndarray:
        """Make a room impulse response, as `domains.room_response`."""
        return domains.room_response(recipe, rng)


# ---------------------------------------------------------------------------------------------- the ten classes
# Each takes seconds, the random generator and its rows of one column of RANGES, and gives (sample,) sound at 16 kHz, of
# any level, at most as long as asked. `Voices.event` trims and scales it.


def alarm_bell_ringing(duration: float, rng: np.random.Generator, ranges: Ranges) -> np.ndarray:
    """Make repeated tones, sirens, electric bells, telephones and chimes: steady partials, switched by a machine."""
    n = round(duration * RATE)
    kind = pick(rng, ranges["kind"])
    if kind in ("beeps", "siren"):
        tone = draw(rng, ranges, "tone")
        if kind == "beeps":
            pitch, level = np.full(n, tone), _beeps(n, rng, ranges)
        else:
            pitch, level = tone * _siren(n, rng, ranges), np.ones(n, np.float32)
        partials = power_law(pitch.max(), 1.0)[: round(draw(rng, ranges, "partials"))]
        return level * oscillate(pitch, partials * from_db(rng.normal(0, 5, len(partials))))

    # A bell's modes are inharmonic; high ones are weaker and die sooner.
    ring = draw(rng, ranges, "ring")
    body = draw(rng, ranges, "bell")
    ratios = np.array([1, 1.19, 1.5, 2, 2.74, 3.76, 4.07, 5.4]) * rng.uniform(0.96, 1.04, 8)
    notes = body * np.array([1.0, rng.uniform(0.75, 0.9)])  # two gongs, or the "dong" after the "ding"
    strengths = ratios**-0.5 * from_db(rng.normal(0, 6, 8))
    bells = [modes(note * ratios, ring / ratios, strengths, min(6 * ring, duration)) for note in notes]
    if kind == "chime":
        starts, _ = call_times(duration, {"length": (0.05, 0.05), "gap": (0.5, 1.2)}, rng)
    else:
        starts = np.arange(0, duration, 1 / draw(rng, ranges, "hammer"))
        if kind == "phone":  # rings in a cadence
            on, off = rng.uniform(0.5, 2.0), rng.uniform(0.2, 1.0)
            starts = starts[starts % (on + off) < on]
    return scatter(n, starts, rng.uniform(0.7, 1.0, len(starts)), [bells[i % 2] for i in range(len(starts))])


def _beeps(n: int, rng: np.random.Generator, ranges: Ranges) -> np.ndarray:
    """Switch on and off: groups of equal beeps, with a rest after each group; ends of 3 ms against clicks."""
    on, off = draw(rng, ranges, "beep"), draw(rng, ranges, "beep")
    group = int(rng.integers(1, 5))
    rest = min(off * rng.uniform(1, 4), 0.8) if group > 1 else off
    period = group * (on + off) - off + rest
    t = np.arange(n) / RATE % period
    within = np.where(t < group * (on + off), t % (on + off), on + off)
    return np.clip(np.minimum(within, on - within) / 0.003, 0, 1).astype(np.float32)


def _siren(n: int, rng: np.random.Generator, ranges: Ranges) -> np.ndarray:
    """Draw a relative frequency: triangle (wail), saw (whoop) or square (two tones) between 1 and 1/span."""
    cycle = np.arange(n) / RATE * draw(rng, ranges, "sweep") % 1
    height = {"triangle": 2 * np.abs(cycle - 0.5), "saw": cycle, "square": (cycle < 0.5).astype(float)}
    return draw(rng, ranges, "span") ** (height[pick(rng, tuple(height))] - 1)


def blender(duration: float, rng: np.random.Generator, ranges: Ranges) -> np.ndarray:
    """Make a fast motor that the food slows down again and again, and the noise of blades, food and jar."""
    n = round(duration * RATE)
    load = np.clip(0.5 + 0.5 * smooth_noise(n, rng, draw(rng, ranges, "load_rate")), 0, 1)
    speed = motor_speed(n, rng, draw(rng, ranges, "spin"), pick(rng, ranges["switch"]))
    speed = speed * (1 - draw(rng, ranges, "load") * load)
    rotation, tilt = draw(rng, ranges, "rotation"), draw(rng, ranges, "tilt")
    motor = motor_sound(speed, rotation, tilt, rng, draw(rng, ranges, "whine"))
    jar = coloured(draw(rng, ranges, "slope"), 250, rng, bumps=3)
    food = from_db(draw(rng, ranges, "noise")) * (0.7 + 0.6 * load) * unit_rms(shape(white_noise(n, rng), jar))
    return speed * slow_gain(n, rng, draw(rng, ranges, "lumps"), draw(rng, ranges, "chop")) * (motor + food)


def dishes(duration: float, rng: np.random.Generator, ranges: Ranges) -> np.ndarray:
    """Make plates, glasses, pans and cutlery: struck bodies whose inharmonic modes ring and die out."""
    n = round(duration * RATE)
    clinks = []
    for _ in range(round(draw(rng, ranges, "bodies"))):
        ratios = np.cumprod(np.concatenate([[1.0], rng.uniform(1.03, 1.3, 19)]))
        body, ring = draw(rng, ranges, "body"), draw(rng, ranges, "ring")
        ratios = ratios[body * ratios < 7900]
        for _ in range(2):  # struck in two places, the same modes sound with other strengths
            amplitudes = from_db(rng.normal(0, 7, len(ratios)))
            clink = modes(body * ratios, ring * ratios**-0.7, amplitudes, 6 * ring)
            contact = white_noise(min(len(clink), int(rng.integers(64, 640))), rng)
            contact *= np.linspace(1, 0, len(contact)) ** 2 * from_db(draw(rng, ranges, "click"))
            clink[: len(contact)] += contact * np.abs(clink).max()
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
    rub = shape(white_noise(n, rng), coloured(3, 1500, rng, bumps=3)) * np.exp(0.8 * smooth_noise(n, rng, 8))
    return sound + from_db(draw(rng, ranges, "scrape")) * np.abs(sound).max() * unit_rms(rub)


def electric_shaver_toothbrush(duration: float, rng: np.random.Generator, ranges: Ranges) -> np.ndarray:
    """Make a small fast drive: a bright buzz whose level and colour follow the strokes of the hand."""
    n = round(duration * RATE)
    stroke = smooth_noise(n, rng, 2 * draw(rng, ranges, "hand"))
    speed = 1 - draw(rng, ranges, "load") * (0.5 + 0.5 * stroke)
    buzz = motor_sound(speed, draw(rng, ranges, "buzz"), draw(rng, ranges, "tilt"), rng)
    hair = from_db(draw(rng, ranges, "noise")) * slow_gain(n, rng, draw(rng, ranges, "hair"), 30)
    sound = buzz + hair * white_noise(n, rng)
    # Skin and casing: a broad resonance that moves with the stroke.
    centre = draw(rng, ranges, "centre") * 2 ** (0.15 * at_frames(stroke))
    octaves = np.log2(FREQUENCIES / centre[:, None])
    casing = from_db((-6 * np.abs(octaves)).clip(-24)) * coloured(0, 100, rng, bumps=3)
    return shape(sound, casing) * from_db(0.25 * draw(rng, ranges, "stroke") * stroke)


def frying(duration: float, rng: np.random.Generator, ranges: Ranges) -> np.ndarray:
    """Make water that bursts in hot fat: pops at random times (a Poisson process) over a hiss."""
    n = round(duration * RATE)
    pop = draw(rng, ranges, "pop")
    pops = [
        modes(pop * rng.uniform(0.5, 1.6, 3).clip(0, 7800 / pop), rng.uniform(0.0003, 0.0015, 3), np.ones(3), 0.008)
        for _ in range(12)
    ]
    simmer = slow_gain(n, rng, draw(rng, ranges, "simmer"), 1.5)
    count = rng.poisson(duration * draw(rng, ranges, "pops"))
    amplitudes = np.exp(rng.normal(0, draw(rng, ranges, "spread"), count)).clip(0, 8)
    which = rng.integers(len(pops), size=count)
    crackle = scatter(n, rng.uniform(0, duration, count), amplitudes, [pops[i] for i in which])
    fat = shape(white_noise(n, rng), coloured(draw(rng, ranges, "slope"), 80, rng, bumps=3))
    return simmer * (crackle + from_db(draw(rng, ranges, "hiss")) * unit_rms(fat))


def running_water(duration: float, rng: np.random.Generator, ranges: Ranges) -> np.ndarray:
    """Make bubbles that sing (Minnaert's resonance), splashes, and a jet heard through the vessel that it fills."""
    n = round(duration * RATE)
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
    sink += from_db(draw(rng, ranges, "drum")) / (1 + (FREQUENCIES / 200) ** 2)
    sink = sink * from_db(draw(rng, ranges, "ripple") * rng.standard_normal(len(FREQUENCIES)))
    vessel = sink * from_db(draw(rng, ranges, "column") * peaks)
    now = np.rint(23 * (frame_times(n) / duration).clip(0, 1)).astype(int)
    stream = unit_rms(shape(white_noise(n, rng), vessel[now]))
    stream *= np.exp(draw(rng, ranges, "sputter") * smooth_noise(n, rng, 40))
    sound = song + from_db(draw(rng, ranges, "splash")) * splash + from_db(draw(rng, ranges, "stream")) * stream
    return slow_gain(n, rng, draw(rng, ranges, "flow"), 1.2) * sound


def _splash(bubbles: list[np.ndarray], rng: np.random.Generator) -> np.ndarray:
    """Make a gush that meets water: a burst of noise and a crowd of bubbles that thins out."""
    n, dies = 4000, rng.uniform(0.02, 0.08)  # s
    burst = shape(white_noise(n, rng), coloured(rng.uniform(-4, 2), 150, rng, bumps=2))
    burst = burst * np.exp(-np.arange(n) / RATE / dies)
    starts = rng.exponential(dies, 15).clip(0, 0.2)
    crowd = scatter(n, starts, rng.uniform(0.2, 1, 15), [bubbles[i] for i in rng.integers(len(bubbles), size=15)])
    return burst / np.abs(burst).max() + crowd


def _bubble(radius: float, rise: float) -> np.ndarray:
    """Make the damped sine of a bubble of `radius` mm, whose pitch rises by the share `rise` while it falls to 1/e."""
    pitch = 3260 / radius  # Hz (Minnaert 1933)
    damping = 0.13 * pitch + 0.0072 * pitch**1.5  # 1/s (van den Doel 2005)
    t = np.arange(round(min(6 / damping, 0.1) * RATE)) / RATE
    return (np.exp(-damping * t) * np.sin(2 * np.pi * pitch * t * (1 + 0.5 * rise * damping * t))).astype(np.float32)


def vacuum_cleaner(duration: float, rng: np.random.Generator, ranges: Ranges) -> np.ndarray:
    """Make a strong steady stream of air with the tone of the motor in it."""
    n = round(duration * RATE)
    speed = motor_speed(n, rng, draw(rng, ranges, "spin")) * (1 + 0.003 * smooth_noise(n, rng, 1))
    motor = motor_sound(speed, draw(rng, ranges, "rotation"), draw(rng, ranges, "tilt"), rng)
    spectrum = coloured(draw(rng, ranges, "slope"), 100, rng, bumps=4)
    hose = draw(rng, ranges, "hose")
    spectrum = spectrum * (1 + 1.5 * np.exp(-0.5 * (np.log2(FREQUENCIES / hose) / 0.25) ** 2))
    air = unit_rms(shape(white_noise(n, rng), spectrum))
    push = slow_gain(n, rng, draw(rng, ranges, "push"), 0.8)
    return speed**2 * push * (air + from_db(draw(rng, ranges, "motor")) * motor)


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


def _checked(duration: float) -> float:
    if not SHORTEST_S <= duration < np.inf:
        raise SedError(f"voices: a sound of {duration} s; ask for {SHORTEST_S} s or more")
    return duration


def _fade(sound: np.ndarray) -> np.ndarray:
    ramp = np.arange(1, 33, dtype=np.float32) / 32  # 2 ms, against clicks
    sound = sound.astype(np.float32)
    sound[:32] *= ramp
    sound[-32:] *= ramp[::-1]
    return sound


def _peak_one(sound: np.ndarray) -> np.ndarray:
    return (sound / np.abs(sound).max()).astype(np.float32)
