"""Step checks of the exercises: ``check.NAME(your_function)`` says "correct", or names the likely mistake.

Each check runs the learner's function and the right one on a few examples. An answer that differs is compared with
what the usual mistakes would give, so that the hint is about the mistake that was made. A wrong answer raises, also in
a batch run: no lesson can be executed with a wrong solution.
"""

from __future__ import annotations

import copy
import math
import types
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from scipy import ndimage
from torch.nn import functional as F

from sedlib.models import Output

FRAME_S = 4 * 255 / 16000  # the paper's output frame: two poolings by 2, hop 255, 16 kHz


class WrongAnswer(AssertionError):
    """The answer of an exercise is missing or wrong; shown in a notebook as its hint alone, without a traceback."""

    def _render_traceback_(self) -> list[str]:
        return [f"not yet: {self}"]


def frame_start(answer: Callable[[int], float]) -> None:
    """Lesson 00: the second at which output frame ``frame`` starts, at the paper's sizes."""
    _judge(answer, lambda frame: frame * FRAME_S, [(0,), (1,), (16,), (156,)], {
        "this is the hop of the spectrogram; the network's poolings leave only one frame in four":
            lambda frame: frame * 255 / 16000,
        "the poolings multiply the length of a frame; you divide by them": lambda frame: frame * 255 / 16000 / 4,
        "this is in milliseconds; times in event tables are seconds": lambda frame: frame * FRAME_S * 1000,
        "this is in samples; divide by the sample rate": lambda frame: frame * 4 * 255,
        "the hop is 255 samples, not 256": lambda frame: frame * 4 * 256 / 16000,
        "this turns seconds into frames; the question is the other way round": lambda frame: frame / FRAME_S,
        "this is where the frame ends; it starts one frame earlier": lambda frame: (frame + 1) * FRAME_S,
    })
    print(f"correct: one output frame lasts {1000 * FRAME_S:.2f} ms, and 157 of them cover the clip of 10 s")


def frame_at(answer: Callable[[float], int]) -> None:
    """Lesson 00: the output frame in which second ``second`` lies, at the paper's sizes."""
    _judge(answer, lambda second: int(second / FRAME_S), [(0.0,), (0.05,), (1.0,), (3.2,), (9.99,)], {
        "a time within a frame belongs to that frame: round down, not to the nearest":
            lambda second: round(second / FRAME_S),
        "a frame has a whole number: round down": lambda second: second / FRAME_S,
        "the number is right, but a frame is counted with an int; yours is a float": lambda second: second // FRAME_S,
        "this is the frame after it: round down, not up": lambda second: math.ceil(second / FRAME_S),
        "this counts frames of the spectrogram; the network's poolings leave only one in four":
            lambda second: int(second / (255 / 16000)),
        "this turns frames into seconds; the question is the other way round": lambda second: second * FRAME_S,
    })
    print("correct: the frame is the whole part of second / frame length")


def event_matches(answer: Callable[[tuple[float, float], tuple[float, float]], bool]) -> None:
    """Lesson 00: whether a predicted event ``(onset, offset)`` is close enough to a reference event of its class."""
    def rule(reference: tuple, predicted: tuple, collar: Callable[[float, float], float] | None = None) -> bool:
        length = reference[1] - reference[0]
        allowed = max(0.2, 0.2 * length) if collar is None else collar(length, predicted[1] - predicted[0])
        return abs(predicted[0] - reference[0]) <= 0.2 and abs(predicted[1] - reference[1]) <= allowed

    examples = [
        ((1.0, 2.0), (1.15, 2.15)), ((1.0, 2.0), (1.3, 2.0)), ((1.0, 2.0), (0.7, 2.0)), ((1.0, 2.0), (1.0, 1.7)),
        ((1.0, 2.0), (1.0, 2.3)), ((0.0, 8.0), (0.1, 9.2)), ((0.0, 8.0), (0.1, 9.9)), ((2.0, 2.3), (2.1, 2.45)),
        ((1.0, 9.0), (2.0, 9.0)), ((4.0, 9.0), (4.9, 9.9)), ((1.0, 1.5), (1.1, 1.9)),
    ]
    _judge(answer, rule, examples, {
        "the offset of a long event may be off by 20 % of its length, not only by 200 ms":
            lambda r, p: rule(r, p, lambda length, predicted: 0.2),
        "the offset may be off by 200 ms even if 20 % of the event is less: take the larger of the two":
            lambda r, p: rule(r, p, lambda length, predicted: 0.2 * length),
        "the collar of the offset is the larger of 200 ms and 20 % of the length; you take the smaller":
            lambda r, p: rule(r, p, lambda length, predicted: min(0.2, 0.2 * length)),
        "the 20 % are of the reference event's length, not of the predicted one's":
            lambda r, p: rule(r, p, lambda length, predicted: max(0.2, 0.2 * predicted)),
        "the onset counts too: it may be off by 200 ms": lambda r, p: rule(r, (r[0], p[1])),
        "the offset counts too": lambda r, p: rule(r, (p[0], r[1])),
        "the onset's collar is always 200 ms; only the offset's grows with the event":
            lambda r, p: rule(r, (r[0], p[1])) and abs(p[0] - r[0]) <= max(0.2, 0.2 * (r[1] - r[0])),
        "an event may start or end too early as well as too late: compare the absolute difference":
            lambda r, p: p[0] - r[0] <= 0.2 and p[1] - r[1] <= max(0.2, 0.2 * (r[1] - r[0])),
        "both ends must fit, not one of the two":
            lambda r, p: abs(p[0] - r[0]) <= 0.2 or abs(p[1] - r[1]) <= max(0.2, 0.2 * (r[1] - r[0])),
    })
    print("correct: onset within 200 ms, offset within 200 ms or 20 % of the reference event, whichever is more")


def weak_from_strong(answer: Callable[[np.ndarray], np.ndarray]) -> None:
    """Lesson 01: which classes a clip holds, (clip, class), from what sounds in each frame, (clip, frame, class)."""
    strong = np.zeros((3, 6, 4))  # the third clip holds nothing
    strong[0, :, 0] = strong[0, 2, 1] = strong[1, 1:5, 2] = strong[1, 0, 3] = 1
    _judge(answer, lambda x: x.max(1), [(strong,)], {
        "this is the share of frames in which a class sounds; a weak label only says whether it does": lambda x: x.mean(1),
        "this counts the frames; a weak label is 1 however long the class sounds": lambda x: x.sum(1),
        "this asks whether a class sounds in most frames; one frame is enough": lambda x: x.mean(1) > 0.5,
        "this asks whether a class sounds in every frame; one frame is enough": lambda x: x.min(1),
        "this runs over the classes and says in which frames anything sounds; run over the frames, axis 1":
            lambda x: x.max(2),
        "this runs over the clips; run over the frames, axis 1": lambda x: x.max(0),
        "this is one answer for all classes together; keep the axis of the classes": lambda x: x.max((1, 2)),
    })
    print("correct: a class is in the clip if it is in any of its frames; when and how long is lost")


def active_frames(answer: Callable[[list[tuple[float, float]], int, float], np.ndarray]) -> None:
    """Lesson 01: ones and zeros for every frame from the events ``[(onset, offset), ...]`` of one class, in seconds."""
    def filled(events: list, frames: int, frame_s: float, first: Callable = round, last: Callable = round,
               shortest: int = 1, beyond: int = 0, latest: int = -1) -> np.ndarray:
        labels = np.zeros(frames)
        for onset, offset in events:
            start = min(first(onset / frame_s), frames + latest)
            labels[start : max(last(offset / frame_s), start + shortest) + beyond] = 1
        return labels

    def counted(events: list, frames: int, frame_s: float) -> np.ndarray:
        return sum((filled([event], frames, frame_s) for event in events), np.zeros(frames))

    examples = [([(1.2, 2.9)], 12, 0.5), ([(0.6, 0.7), (3.4, 4.2)], 12, 0.5), ([(1.2, 2.9), (2.1, 3.3)], 12, 0.5),
                ([], 12, 0.5), ([(5.9, 6.0)], 12, 0.5), ([(0.3, 1.0)], 157, FRAME_S)]
    _judge(answer, filled, examples, {
        "round to the nearest frame; rounding down makes every event early on average":
            lambda e, n, s: filled(e, n, s, int, int),
        "round to the nearest frame; rounding outwards makes every event longer":
            lambda e, n, s: filled(e, n, s, int, math.ceil),
        "round to the nearest frame; rounding up makes every event late on average":
            lambda e, n, s: filled(e, n, s, math.ceil, math.ceil),
        "an event shorter than a frame may vanish; give it one frame": lambda e, n, s: filled(e, n, s, shortest=0),
        "an event that starts in the last half frame rounds to a frame that does not exist; give it the last one":
            lambda e, n, s: filled(e, n, s, latest=0),
        "short events vanish, and so do those that start in the last half frame; give each of them one frame":
            lambda e, n, s: filled(e, n, s, shortest=0, latest=0),
        "the last frame of an event is the one before its rounded offset: labels[first:last]":
            lambda e, n, s: filled(e, n, s, beyond=1),
        "where two events overlap you count 2; a frame is active or it is not": counted,
        "these are seconds; divide by frame_s to get frames": lambda e, n, s: filled(e, n, 1.0),
        "only the last event is left; make the zeros once, before the loop": lambda e, n, s: filled(e[-1:], n, s),
        "only the first event is there; return after the loop": lambda e, n, s: filled(e[:1], n, s),
    })
    print("correct: both ends lie within half a frame, and no event is lost")


def frame_count(answer: Callable[[int, int, int], int]) -> None:
    """Lesson 01: how many frames ``n_fft`` long, centred on every ``hop``-th sample, a clip of ``samples`` has."""
    _judge(answer, lambda samples, n_fft, hop: 1 + samples // hop,
           [(160000, 2048, 255), (160000, 2048, 256), (2550, 1024, 255), (3000, 512, 500), (2400, 1024, 512)], {
        "there is a frame centred on sample 0 as well: one more": lambda samples, n_fft, hop: samples // hop,
        "rounding up is right only where hop does not divide samples; a frame is centred on sample 0 too: 1 + rounded down":
            lambda samples, n_fft, hop: math.ceil(samples / hop),
        "rounding to the nearest is right only by luck; count the centres 0, hop, 2 hop, ... up to samples":
            lambda samples, n_fft, hop: 1 + round(samples / hop),
        "this many frames lie wholly within the clip; ours are centred, and reach beyond both ends into the padding":
            lambda samples, n_fft, hop: 1 + (samples - n_fft) // hop,
        "the padding of n_fft // 2 at each end is just what the first and last frame reach beyond the clip: n_fft cancels":
            lambda samples, n_fft, hop: 1 + (samples + n_fft) // hop,
        "frames lie hop samples apart; n_fft is how long each of them is":
            lambda samples, n_fft, hop: 1 + samples // n_fft,
        "a number of frames is whole: use // instead of /": lambda samples, n_fft, hop: 1 + samples / hop,
        "the number is right, but a number of frames is an int; yours is a float":
            lambda samples, n_fft, hop: float(1 + samples // hop),
    })
    print("correct: one frame at sample 0 and one at every further hop, 628 for the paper's clip of 10 s")


def decibels(answer: Callable[[np.ndarray, float, float], np.ndarray]) -> None:
    """Lesson 01: amplitudes, (mel, frame), in dB re 1: not below ``floor``, nor ``range_db`` below the loudest."""
    def level(x: np.ndarray, floor: float, factor: float = 20) -> np.ndarray:
        return factor * np.log10(np.maximum(x, floor))

    def limited(x: np.ndarray, range_db: float, **axis: Any) -> np.ndarray:
        return np.maximum(x, x.max(**axis) - range_db)

    loud = np.array([[100.0, 3.0, 0.02], [5.0, 0.0, 1e-3]])
    quiet = np.array([[1e-3, 2e-4, 0.0], [3e-5, 2e-6, 1e-4]])
    examples = [(loud, 1e-5, 80.0), (quiet, 1e-5, 80.0), (loud, 1e-5, 40.0)]
    _judge(answer, lambda x, floor, r: limited(level(x, floor), r), examples, {
        "10 log10 is for powers; these are amplitudes, whose squares are powers: 20 log10":
            lambda x, floor, r: limited(level(x, floor, 10), r),
        "this is the natural logarithm; decibels take log10":
            lambda x, floor, r: limited(20 * np.log(np.maximum(x, floor)), r),
        "the floor is missing: nothing may be quieter than 20 log10(floor), not even silence":
            lambda x, floor, r: limited(level(x, 1e-300), r),
        "the floor is a smallest amplitude, np.maximum(amplitude, floor); you add it":
            lambda x, floor, r: limited(level(x + floor, floor), r),
        "the floor is an amplitude; apply it before the logarithm, or turn it into dB too":
            lambda x, floor, r: limited(np.maximum(level(x, 1e-300), floor), r),
        "the range is missing: nothing may lie more than range_db below the loudest value":
            lambda x, floor, r: level(x, floor),
        "the range counts from the loudest value, not from 0 dB": lambda x, floor, r: np.maximum(level(x, floor), -r),
        "the loudest value is that of the whole clip, not of each frame; frames must stay comparable":
            lambda x, floor, r: limited(level(x, floor), r, axis=0, keepdims=True),
        "the loudest value is that of the whole clip, not of each band; bands must stay comparable":
            lambda x, floor, r: limited(level(x, floor), r, axis=1, keepdims=True),
        "levels are dB re 1; do not subtract the loudest one": lambda x, floor, r: limited(level(x, floor), r)
            - level(x, floor).max(),
    })
    print("correct: dB re 1, with a floor for silence and a range below the loudest point of the clip")


def auc(answer: Callable[[np.ndarray, np.ndarray], float]) -> None:
    """Lesson 01: the probability that a random value of ``a`` is larger than a random value of ``b``; ties count half."""
    def wins(a: np.ndarray, b: np.ndarray, tie: float = 0.5) -> float:
        return float(((a[:, None] > b).mean() + tie * (a[:, None] == b).mean()))

    generator = np.random.default_rng(0)
    examples = [(np.array([3.0, 1.0, 2.0, 2.0]), np.array([2.0, 0.0, 2.0, 1.0])),
                (generator.normal(1, 1, 30), generator.normal(0, 1, 30)), (np.array([1.0]), np.array([1.0]))]
    _judge(answer, wins, examples, {
        "the other way round: how often is the value of a the larger one?": lambda a, b: wins(b, a),
        "equal values count half; you count them as lost": lambda a, b: wins(a, b, 0),
        "equal values count half; you count them as won": lambda a, b: wins(a, b, 1),
        "compare each value of a with every value of b, not with the one at the same place":
            lambda a, b: float((a > b).mean() + 0.5 * (a == b).mean()),
        "compare each value of a with every value of b, not with the one at the same place; and equal values count half":
            lambda a, b: float((a > b).mean()),
        "this is the number of pairs; divide by how many pairs there are": lambda a, b: wins(a, b) * len(a) * len(b),
        "compare single values, not only the means": lambda a, b: float(a.mean() > b.mean()),
        "this is the difference of the means, which depends on the unit": lambda a, b: float(a.mean() - b.mean()),
    })
    print("correct: 0.5 says nothing, 1 and 0 tell every pair apart")


def comb(answer: Callable[[np.ndarray, int, float], np.ndarray]) -> None:
    """Lesson 02: ``y(n) = x(n) + gain x(n - delay)`` of a waveform x, the delay in samples; silence before it begins."""
    def late(x: np.ndarray, delay: int) -> np.ndarray:
        return np.pad(x, (delay, 0))[: len(x)]

    def fed_back(x: np.ndarray, delay: int, gain: float) -> np.ndarray:
        y = x.copy()
        for n in range(delay, len(x)):
            y[n] += gain * y[n - delay]
        return y

    x = np.random.default_rng(0).normal(size=40)
    _judge(answer, lambda x, d, g: x + g * late(x, d), [(x, 7, 0.5), (x, 1, 0.9), (x, 15, 0.3)], {
        "this looks ahead, x(n + delay): an event would begin before its label (the released code has such a comb and never uses it)":
            lambda x, d, g: x + g * np.pad(x[d:], (0, d)),
        "the end of the sound comes back at its beginning, as np.roll has it; before the sound there is silence":
            lambda x, d, g: x + g * np.roll(x, d),
        "this feeds the output back, y(n - delay); the equation delays the input": fed_back,
        "the gain is missing": lambda x, d, g: x + late(x, d),
        "the delayed sound is added, not subtracted": lambda x, d, g: x - g * late(x, d),
        "x(n) itself is missing": lambda x, d, g: g * late(x, d),
        "the gain is that of the delayed sound alone": lambda x, d, g: g * (x + late(x, d)),
        "the sound must keep its length: cut what the delay moves beyond its end":
            lambda x, d, g: np.pad(x, (0, d)) + g * np.pad(x, (d, 0)),
    })
    print("correct: the sound and a later copy of it, and nothing sounds before it did")


def direct_sound(answer: Callable[[np.ndarray], np.ndarray]) -> None:
    """Lesson 02: a room response from its direct sound on, its largest sample of either sign."""
    rng = np.random.default_rng(0)
    tail = np.exp(-np.arange(60) / 15) * rng.normal(size=60)

    def response(sign: float, before: int, reflection: float) -> np.ndarray:
        quiet = 0.01 * rng.normal(size=before)  # a recorded response has noise before its direct sound
        return np.concatenate([np.zeros(3), quiet, [sign], reflection * tail])

    examples = [(response(1.0, 20, 0.2),), (response(-1.0, 35, 0.2),), (response(1.0, 0, 0.1),)]
    _judge(answer, lambda h: h[np.abs(h).argmax():], examples, {
        "the response comes back as it is: every event would begin late by what lies before the direct sound": lambda h: h,
        "the direct sound may be negative: look for the largest absolute value": lambda h: h[h.argmax():],
        "this begins at the first sample that is not zero, which may be noise; the direct sound is the largest":
            lambda h: h[np.flatnonzero(h)[0]:],
        "the direct sound itself is gone; begin with it, not after it": lambda h: h[np.abs(h).argmax() + 1:],
        "this is what lies before the direct sound": lambda h: h[: np.abs(h).argmax()],
        "this moves the tail's end to the front, as np.roll has it; cut off what lies before the direct sound":
            lambda h: np.roll(h, -np.abs(h).argmax()),
        "this is where it begins; give the response from there on": lambda h: np.abs(h).argmax(),
    })
    print("correct: the direct sound is at time zero, so an event in a room begins when its label says")


def at_level(answer: Callable[[np.ndarray, float], np.ndarray]) -> None:
    """Lesson 02: a waveform scaled so that its peak is at ``level_db``, in dB of full scale (1)."""
    def scaled(x: np.ndarray, db: float, measured: Callable = lambda x: np.abs(x).max(), factor: float = 20) -> np.ndarray:
        return x * 10 ** (db / factor) / measured(x)

    x = np.random.default_rng(0).normal(size=50)
    x[7] = -1.5 * np.abs(x).max()  # the peak is negative
    _judge(answer, scaled, [(x, 0.0), (x, -20.0), (0.01 * x, -35.0)], {
        "this sets the RMS; the level meant here is that of the peak":
            lambda x, db: scaled(x, db, lambda x: np.sqrt((x**2).mean())),
        "the peak may be negative: take the largest absolute value": lambda x, db: scaled(x, db, lambda x: x.max()),
        "10^(dB / 10) is for energies; amplitudes take 10^(dB / 20)": lambda x, db: scaled(x, db, factor=10),
        "this changes the level by so many dB; the sound must have that level afterwards, whatever it had before":
            lambda x, db: x * 10 ** (db / 20),
        "this brings the peak to 1 whatever the level": lambda x, db: x / np.abs(x).max(),
        "dB are no factor: 10^(dB / 20) is": lambda x, db: x * db / np.abs(x).max(),
        "a negative level is softer: 10^(dB / 20), without another minus": lambda x, db: scaled(x, -db),
    })
    print("correct: 20 log10 of the largest absolute sample is the level")


def highest_background(answer: Callable[[list[float]], float]) -> None:
    """Lesson 02: the highest level that the background may have, given those of the foregrounds, all in dB."""
    _judge(answer, lambda levels: min(levels) + 5, [([-11.0, -20.0, -3.0],), ([-35.0],), ([-1.0, -2.0],)], {
        "the rule is about the quietest foreground; you take the loudest": lambda levels: max(levels) + 5,
        "the rule is about the quietest foreground; you take the mean": lambda levels: sum(levels) / len(levels) + 5,
        "the rule is about the quietest foreground; you take the first": lambda levels: levels[0] + 5,
        "the background may be 5 dB over it, not must be 5 dB under it": lambda levels: min(levels) - 5,
        "it may be 5 dB over the quietest foreground, not only as loud": lambda levels: min(levels),
        "dB are added; 5 dB over is not 5 times": lambda levels: 5 * min(levels),
        "these are levels in dB already: add 5": lambda levels: 20 * math.log10(10 ** (min(levels) / 20) + 5),
        "no limit at 0 dB is meant: with one loud foreground the background may be louder than full scale, and the "
        "mixture is turned down afterwards": lambda levels: min(min(levels) + 5, 0.0),
    })
    print("correct: the quietest foreground is at most 5 dB below the background")


def event_times(answer: Callable[[int, int, int], tuple[float, float]]) -> None:
    """Lesson 02: onset and offset in seconds of a sound of ``samples`` samples, placed at sample ``onset`` of a clip of
    10 s at 16 kHz. The room's tail, ``tail`` samples, is no part of the event."""
    def times(onset: int, samples: int, tail: int, end: float = 10.0, rate: int = 16000) -> tuple[float, float]:
        return onset / rate, min((onset + samples) / rate, end)

    examples = [(16000, 32000, 8000), (152000, 32000, 8000), (0, 160000, 4000), (144000, 12000, 6400)]
    _judge(answer, times, examples, {
        "an event ends with the clip at the latest, after 10 s": lambda o, n, t: times(o, n, t, math.inf),
        "the room's tail is no part of the event: its direct sound ends earlier": lambda o, n, t: times(o, n + t, t),
        "the room's tail is no part of the event, and an event ends with the clip at the latest":
            lambda o, n, t: times(o, n + t, t, math.inf),
        "the second number is the offset, not the duration": lambda o, n, t: (o / 16000, min(n / 16000, 10 - o / 16000)),
        "the second number is the offset, not the duration; and an event ends with the clip at the latest":
            lambda o, n, t: (o / 16000, n / 16000),
        "these are samples; event tables are in seconds": lambda o, n, t: (o, min(o + n, 160000)),
        "these are milliseconds; event tables are in seconds":
            lambda o, n, t: tuple(1000 * value for value in times(o, n, t)),
        "the event begins with its onset, not with the clip": lambda o, n, t: (0.0, times(o, n, t)[1]),
    })
    print("correct: from its direct sound's beginning to its end, or to the clip's")


def smoother(answer: Callable[[np.ndarray, float], np.ndarray]) -> None:
    """Lesson 03: ``M(t) = (1 - s) M(t-1) + s E(t)``, from ``M = E`` in the first frame on.

    Takes energies (mel, frame) and s; gives M, (mel, frame).
    """
    def smoothed(e: np.ndarray, s: float, keep: float | None = None, start: np.ndarray | float | None = None,
                 late: int = 0) -> np.ndarray:
        m = np.empty_like(e)
        last = e[:, 0] if start is None else start
        for t in range(e.shape[1]):
            last = (1 - s if keep is None else keep) * last + s * e[:, max(0, t - late)]
            m[:, t] = last
        return m

    def first_kept(e: np.ndarray, s: float, step: Callable) -> np.ndarray:
        m = e.copy()
        for t in range(1, e.shape[1]):
            m[:, t] = step(m[:, t - 1], e[:, t], e[:, t - 1])
        return m

    e = np.random.default_rng(0).random((5, 12)) + 0.1
    _judge(answer, smoothed, [(e, 0.3), (e, 0.05), (np.ones((2, 4)), 0.5)], {
        "your smoother runs backwards in time: M must know the past, not the future":
            lambda e, s: smoothed(e[:, ::-1], s)[:, ::-1],
        "your smoother starts at 0, so M is too small at first; start it at E of the first frame":
            lambda e, s: smoothed(e, s, start=0.0),
        "your smoother starts at 1, as librosa's does; start it at E of the first frame":
            lambda e, s: smoothed(e, s, start=1.0),
        "s and 1 - s are swapped: s weights the new energy, 1 - s the old M":
            lambda e, s: smoothed(e, 1 - s),
        "your M takes E(t-1) where it must take E(t): it is one frame late": lambda e, s: smoothed(e, s, late=1),
        "your average goes over E(t-1) and E(t) only; it must go on from M(t-1), which remembers all frames before":
            lambda e, s: first_kept(e, s, lambda m, new, old: (1 - s) * old + s * new),
        "the old M needs the factor 1 - s, or M grows without limit": lambda e, s: smoothed(e, s, keep=1.0),
        "the new energy needs the factor s, or a constant is not its own average":
            lambda e, s: first_kept(e, s, lambda m, new, old: (1 - s) * m + new),
        "this smooths along the Mel bands; frames are the second axis": lambda e, s: smoothed(e.T, s).T,
        "this goes forwards and backwards (zero phase), so that M knows the future; go forwards only":
            lambda e, s: smoothed(smoothed(e, s)[:, ::-1], s)[:, ::-1],
        "this is the mean of all frames so far; M forgets old frames":
            lambda e, s: e.cumsum(1) / np.arange(1, e.shape[1] + 1),
        "the energies come back as they are": lambda e, s: e,
    })
    print("correct: M follows E, a little late, and a constant is its own average")


def pcen(answer: Callable[..., np.ndarray]) -> None:
    """Lesson 03: equation (3), ``(E / (eps + M)^alpha + delta)^r - delta^r``, of energy, m, alpha, delta, r, eps."""
    def right(e: np.ndarray, m: np.ndarray, alpha: float, delta: float, r: float, eps: float) -> np.ndarray:
        return (e / (eps + m) ** alpha + delta) ** r - delta**r

    rng = np.random.default_rng(0)
    e, m = rng.random((4, 6)) + 0.1, rng.random((4, 6)) + 0.05  # eps is large here, so that its place shows
    examples = [(e, m, 0.8, 2.0, 0.5, 0.1), (e, m, 0.98, 0.5, 0.3, 0.05)]
    _judge(answer, right, examples, {
        "- delta^r is missing: silence must give 0": lambda e, m, a, d, r, eps: (e / (eps + m) ** a + d) ** r,
        "you subtract delta; it is delta^r that makes silence 0":
            lambda e, m, a, d, r, eps: (e / (eps + m) ** a + d) ** r - d,
        "eps belongs into the brackets: (eps + M)^alpha, not eps + M^alpha":
            lambda e, m, a, d, r, eps: (e / (eps + m**a) + d) ** r - d**r,
        "eps is not used": lambda e, m, a, d, r, eps: right(e, m, a, d, r, 0),
        "you divide by eps + M; it must be (eps + M)^alpha": lambda e, m, a, d, r, eps: right(e, m, 1, d, r, eps),
        "alpha is an exponent of eps + M, not a factor":
            lambda e, m, a, d, r, eps: (e / (a * (eps + m)) + d) ** r - d**r,
        "alpha is the exponent of eps + M alone; you raise the whole fraction to it":
            lambda e, m, a, d, r, eps: ((e / (eps + m)) ** a + d) ** r - d**r,
        "the energy is to be divided by (eps + M)^alpha, not multiplied":
            lambda e, m, a, d, r, eps: (e * (eps + m) ** a + d) ** r - d**r,
        "delta is added to the fraction, not to what the energy is divided by":
            lambda e, m, a, d, r, eps: (e / ((eps + m) ** a + d)) ** r - d**r,
        "r is the exponent of the sum with delta, not of the fraction alone":
            lambda e, m, a, d, r, eps: (e / (eps + m) ** a) ** r + d - d**r,
        "delta is not added to the fraction": lambda e, m, a, d, r, eps: (e / (eps + m) ** a) ** r - d**r,
        "the compression is missing: raise the sum with delta to r, and subtract delta^r":
            lambda e, m, a, d, r, eps: e / (eps + m) ** a,
        "r is an exponent, not a factor": lambda e, m, a, d, r, eps: r * (e / (eps + m) ** a + d) - r * d,
        "alpha and r are swapped": lambda e, m, a, d, r, eps: right(e, m, r, d, a, eps),
        "E and M are swapped: divide the energy by its average": lambda e, m, a, d, r, eps: right(m, e, a, d, r, eps),
    })
    print("correct: divided by its own past, then compressed; silence stays 0")


def coefficient(answer: Callable[[float, float], float]) -> None:
    """Lesson 03: s of a time constant in seconds, ``(sqrt(1 + 4 T^2) - 1) / (2 T^2)`` with T in frames."""
    def s_of(frames: float) -> float:
        return (math.sqrt(1 + 4 * frames**2) - 1) / (2 * frames**2)

    examples = [(0.4, 255 / 16000), (0.06, 255 / 16000), (0.4, 0.064), (0.01, 255 / 16000)]
    _judge(answer, lambda seconds, frame_s: s_of(seconds / frame_s), examples, {
        "T in the formula is in frames; divide the seconds by the length of a frame": lambda t, h: s_of(t),
        "seconds / frame length gives frames; you multiply": lambda t, h: s_of(t * h),
        "seconds / frame length gives frames; yours is the other way round": lambda t, h: s_of(h / t),
        "this is 1 - s": lambda t, h: 1 - s_of(t / h),
        "2 T^2 must stand below the line as a whole: put it in brackets":
            lambda t, h: (math.sqrt(1 + 4 * (t / h) ** 2) - 1) / 2 * (t / h) ** 2,
        "below the line is 2 T^2; T alone is squared, not the 2":
            lambda t, h: (math.sqrt(1 + 4 * (t / h) ** 2) - 1) / (2 * t / h) ** 2,
        "T is not squared under the root": lambda t, h: (math.sqrt(1 + 4 * t / h) - 1) / (2 * (t / h) ** 2),
        "T is not squared below the line": lambda t, h: (math.sqrt(1 + 4 * (t / h) ** 2) - 1) / (2 * t / h),
        "under the root it is 4 T^2": lambda t, h: (math.sqrt(1 + (t / h) ** 2) - 1) / (2 * (t / h) ** 2),
        "- 1 is missing above the line": lambda t, h: math.sqrt(1 + 4 * (t / h) ** 2) / (2 * (t / h) ** 2),
        "this is the coefficient after which 1/e is left; the formula asks for the spread of the weights":
            lambda t, h: 1 - math.exp(-h / t),
        "this is 1 / T, which is near for long T and above 1 for short ones": lambda t, h: h / t,
    })
    print("correct: the longer the time constant, the smaller s, and s is never above 1")


def ema(answer: Callable[[torch.Tensor, torch.Tensor, float], torch.Tensor]) -> None:
    """Lesson 04: the teacher's next weights, ``alpha * teacher + (1 - alpha) * student``."""
    teacher, student = torch.tensor([1.0, 2.0, -3.0]), torch.tensor([5.0, 0.0, 1.0])
    before = student.clone()
    _call(answer, teacher.clone(), student, 0.9)
    if not torch.equal(student, before):
        raise WrongAnswer("your update changes the student's weights in place; only the optimizer may move the student")
    _judge(answer, lambda t, s, alpha: alpha * t + (1 - alpha) * s,
           [(teacher, student, 0.9), (teacher, student, 0.999), (teacher, student, 0.0)], {
        "the weights are swapped: alpha close to 1 must keep most of the teacher": lambda t, s, a: (1 - a) * t + a * s,
        "the student's weights need the factor 1 - alpha, or the teacher grows without limit":
            lambda t, s, a: a * t + s,
        "the teacher's old weights need the factor alpha": lambda t, s, a: t + (1 - a) * s,
        "this is the plain mean of both; alpha is not used": lambda t, s, a: (t + s) / 2,
        "the teacher stays as it is; mix the student in": lambda t, s, a: t,
        "the teacher becomes the student; keep alpha of its old weights": lambda t, s, a: s,
    })
    print("correct: the teacher keeps alpha of itself and takes 1 - alpha of the student")


def rampup(answer: Callable[[float, float], float]) -> None:
    """Lesson 04: the ramp-up ``exp(-5 (1 - step / R)^2)``, and 1 after R steps."""
    def rest(step: float, steps: float) -> float:
        return 1 - min(step, steps) / steps

    examples = [(0, 100), (25, 100), (50, 100), (100, 100), (130, 100), (250, 100)]
    _judge(answer, lambda step, steps: math.exp(-5 * rest(step, steps) ** 2), examples, {
        "the exponent needs a minus: a ramp-up ends at 1 and never lies above it":
            lambda step, steps: math.exp(5 * rest(step, steps) ** 2),
        "after R steps the ramp-up stays at 1; yours falls again, because 1 - step / R is squared: clamp step to R":
            lambda step, steps: math.exp(-5 * (1 - step / steps) ** 2),
        "it runs backwards, from 1 down: take 1 - step / R":
            lambda step, steps: math.exp(-5 * (1 - rest(step, steps)) ** 2),
        "1 - step / R is to be squared": lambda step, steps: math.exp(-5 * rest(step, steps)),
        "the factor 5 is missing in the exponent": lambda step, steps: math.exp(-rest(step, steps) ** 2),
        "the 5 is squared too: write 5 * (...) ** 2": lambda step, steps: math.exp(-(5 * rest(step, steps)) ** 2),
        "this grows in a straight line; take exp(-5 (1 - step / R)^2)": lambda step, steps: 1 - rest(step, steps),
    })
    print(f"correct: it starts at exp(-5) = {math.exp(-5):.4f} and stays at 1 after R steps")


def mean_teacher_loss(answer: Callable[[Output, Output, torch.Tensor, torch.Tensor, float], torch.Tensor]) -> None:
    """Lesson 04: ``strong + weak + c (consistency_strong + consistency_weak)`` of a batch synthetic, weak, unlabelled.

    Takes what student and teacher say (`Output`), the strong labels of the first clips, the weak labels of the next
    ones, and c; gives one number.
    """
    generator = torch.Generator().manual_seed(0)

    def rand(*shape: int) -> torch.Tensor:
        return 0.05 + 0.9 * torch.rand(*shape, generator=generator)

    def labels(*shape: int) -> torch.Tensor:
        return torch.bernoulli(rand(*shape), generator=generator)

    clips, a, b = 9, 2, 5  # synthetic clips end at a, weak ones at b
    student, teacher = (Output(rand(clips, 5, 3).logit(), rand(clips, 3).logit(), rand(clips, 5, 2)) for _ in range(2))
    bce, mse = F.binary_cross_entropy, F.mse_loss

    def supervised(s: Output, strong: torch.Tensor, weak: torch.Tensor, term: Callable = bce) -> torch.Tensor:
        return term(s.strong[:a], strong) + term(s.weak[a:b], weak)

    def consistency(s: Output, t: Output, clips: slice = slice(None), term: Callable = mse) -> torch.Tensor:
        return term(s.strong[clips], t.strong[clips]) + term(s.weak[clips], t.weak[clips])

    _judge(answer, lambda s, t, y, z, c: supervised(s, y, z) + c * consistency(s, t),
           [(student, teacher, labels(a, 5, 3), labels(b - a, 3), c) for c in (0.0, 0.5, 2.0)], {
        "student and teacher are compared on all clips, not on the unlabelled ones alone":
            lambda s, t, y, z, c: supervised(s, y, z) + c * consistency(s, t, slice(b, None)),
        "student and teacher are compared on all clips, the synthetic ones too":
            lambda s, t, y, z, c: supervised(s, y, z) + c * consistency(s, t, slice(a, None)),
        "the weak labels belong to the clips that follow the synthetic ones, not to the first clips":
            lambda s, t, y, z, c: bce(s.strong[:a], y) + bce(s.weak[: b - a], z) + c * consistency(s, t),
        "c is not used; it weights the consistency terms":
            lambda s, t, y, z, c: supervised(s, y, z) + consistency(s, t),
        "c weights the consistency terms, not those with labels":
            lambda s, t, y, z, c: c * supervised(s, y, z) + consistency(s, t),
        "c weights only the consistency terms, not the whole loss":
            lambda s, t, y, z, c: c * (supervised(s, y, z) + consistency(s, t)),
        "c weights both consistency terms; put them in brackets":
            lambda s, t, y, z, c: supervised(s, y, z) + c * mse(s.strong, t.strong) + mse(s.weak, t.weak),
        "the weak posteriors of student and teacher are compared too":
            lambda s, t, y, z, c: supervised(s, y, z) + c * mse(s.strong, t.strong),
        "the strong posteriors of student and teacher are compared too":
            lambda s, t, y, z, c: supervised(s, y, z) + c * mse(s.weak, t.weak),
        "the consistency terms are missing": lambda s, t, y, z, c: supervised(s, y, z),
        "the term of the weak labels is missing":
            lambda s, t, y, z, c: bce(s.strong[:a], y) + c * consistency(s, t),
        "the term of the strong labels is missing":
            lambda s, t, y, z, c: bce(s.weak[a:b], z) + c * consistency(s, t),
        "student and teacher are compared by their mean squared error; cross-entropy is for labels":
            lambda s, t, y, z, c: supervised(s, y, z) + c * consistency(s, t, term=bce),
        "labels take binary cross-entropy; the mean squared error is for the teacher":
            lambda s, t, y, z, c: supervised(s, y, z, mse) + c * consistency(s, t),
        "F.binary_cross_entropy takes the posteriors first and the labels second":
            lambda s, t, y, z, c: bce(y, s.strong[:a]) + bce(z, s.weak[a:b]) + c * consistency(s, t),
        "this compares the labels with the teacher; it is the student that learns":
            lambda s, t, y, z, c: supervised(t, y, z) + c * consistency(s, t),
    })
    print("correct: labels where there are any, the teacher everywhere")


def attention_pooling(answer: Callable[[torch.Tensor, torch.Tensor], torch.Tensor]) -> None:
    """Lesson 04: weak from strong posteriors, ``sum_t(strong * att) / sum_t(att)``, att a softmax over the classes.

    Takes ``strong`` and the attention's ``logits``, both (batch, frame, class); gives (batch, class).
    """
    generator = torch.Generator().manual_seed(0)
    strong = torch.rand(2, 5, 3, generator=generator)
    logits = 2 * torch.randn(2, 5, 3, generator=generator)

    def pool(strong: torch.Tensor, att: torch.Tensor) -> torch.Tensor:
        return (strong * att).sum(1) / att.sum(1)

    _judge(answer, lambda s, x: pool(s, x.softmax(-1)), [(strong, logits)], {
        "the softmax runs over the frames; it must run over the classes, the last axis":
            lambda s, x: pool(s, x.softmax(1)),
        "the softmax runs over the batch; it must run over the classes, the last axis":
            lambda s, x: pool(s, x.softmax(0)),
        "divide by sum_t(att), or a clip with more frames becomes more probable":
            lambda s, x: (s * x.softmax(-1)).sum(1),
        "divide by the sum of the attention, not by the number of frames": lambda s, x: (s * x.softmax(-1)).mean(1),
        "the sum runs over the classes; it must run over the frames, axis 1":
            lambda s, x: (s * x.softmax(-1)).sum(-1) / x.softmax(-1).sum(-1),
        "this is the plain mean over the frames; weight each frame by its attention": lambda s, x: s.mean(1),
        "this is the maximum over the frames; weight each frame by its attention": lambda s, x: s.amax(1),
        "the attention needs a softmax over the classes; you use its logits": lambda s, x: pool(s, x),
        "the attention is a softmax over the classes, not a sigmoid": lambda s, x: pool(s, x.sigmoid()),
        "divide by sum_t(att), not by sum_t(strong)": lambda s, x: (s * x.softmax(-1)).sum(1) / s.sum(1),
    })
    print("correct: one posterior per clip and class, an average of the frames weighted by attention")


def median_filter(answer: Callable[[np.ndarray, int], np.ndarray]) -> None:
    """Lesson 04: the median of ``size`` frames centred on each frame; ``size`` is odd. The frames are mirrored at both ends."""
    generator = np.random.default_rng(0)
    quiet = np.zeros(8)  # at both ends: what is assumed beyond them is asked afterwards
    scores = np.concatenate([quiet, generator.random(40), quiet])
    one = np.concatenate([quiet, [1.0], quiet])
    _judge(answer, lambda x, size: ndimage.median_filter(x, size), [(scores, 7), (one, 7), (scores, 3)], {
        "this is the mean; a median removes a short burst entirely and keeps edges sharp":
            lambda x, size: _windows(x, size).mean(-1),
        "this is the maximum of the window, not its median": lambda x, size: _windows(x, size).max(-1),
        "the window ends at the frame, so events come out late; centre it on the frame":
            lambda x, size: np.roll(ndimage.median_filter(x, size), size // 2),
        "the window starts at the frame, so events come out early; centre it on the frame":
            lambda x, size: np.roll(ndimage.median_filter(x, size), -(size // 2)),
        "the scores come back unfiltered": lambda x, size: x,
    })
    cut = np.concatenate([[0.7, 0.9, 0.8], quiet, generator.random(9)])
    _judge(answer, lambda x, size: ndimage.median_filter(x, size), [(cut, 7), (cut[::-1].copy(), 7)], {
        "zeros beyond the ends delete an event that the clip cuts off; mirror the frames there":
            lambda x, size: np.median(_windows(x, size), axis=-1),
        "beyond the ends the outermost frame is repeated; mirror the frames": lambda x, size: ndimage.median_filter(x, size, mode="nearest"),
        "the mirror leaves out the outermost frame; SciPy's has it twice (np.pad's 'symmetric')":
            lambda x, size: ndimage.median_filter(x, size, mode="mirror"),
    })
    print("correct: bursts and gaps shorter than half the window are gone, longer events keep their edges")


def events_of(answer: Callable[[np.ndarray, float], list[tuple[float, float]]]) -> None:
    """Lesson 04: the events ``[(onset, offset), ...]`` in seconds of active frames, (frame,) bool."""
    def runs(active: np.ndarray, frame_s: float, end: int = 0) -> list[tuple[float, float]]:
        edges = np.flatnonzero(np.diff(np.concatenate([[0], np.asarray(active, int), [0]])))
        return [(on * frame_s, (off + end) * frame_s) for on, off in edges.reshape(-1, 2)]

    examples = [(np.array(pattern, bool), 0.5) for pattern in (
        [0, 1, 1, 0, 1, 0], [0, 0, 1, 1], [1, 0, 0, 1, 1, 1, 0], [0, 0, 0], [1, 1],
    )]
    _judge(answer, runs, examples, {
        "an event ends where its last frame ends: one frame later than you say": lambda a, s: runs(a, s, end=-1),
        "an event that is still active in the last frame is lost; close it at the end of the clip":
            lambda a, s: [e for e in runs(a, s) if e[1] < len(a) * s],
        "an event that is active from the first frame on is lost": lambda a, s: [e for e in runs(a, s) if e[0] > 0],
        "events that touch an end of the clip are lost; put an inactive frame before and after":
            lambda a, s: [e for e in runs(a, s) if 0 < e[0] and e[1] < len(a) * s],
        "these are frames; event tables are in seconds": lambda a, s: runs(a, 1),
        "this is one event from the first to the last active frame; a pause ends an event":
            lambda a, s: [(runs(a, s)[0][0], runs(a, s)[-1][1])] if a.any() else [],
        "this is one event per active frame; neighbouring active frames are one event":
            lambda a, s: [(i * s, (i + 1) * s) for i in np.flatnonzero(a)],
    })
    print("correct: every run of active frames is one event, from the start of its first frame to the end of its last")


def reversed_gradient(answer: Callable[[Any, torch.Tensor], tuple[torch.Tensor, None]]) -> None:
    """Lesson 05: ``backward`` of the gradient reversal layer, whose ``forward(ctx, x, weight)`` kept ``ctx.weight``.

    Takes the context and the gradient of the layer's output; gives the gradients of x and, None, of the weight.
    """
    def of_x(ctx: Any, gradient: torch.Tensor) -> torch.Tensor:
        given = _call(answer, ctx, gradient)
        if not isinstance(given, tuple) or len(given) != 2 or given[1] is not None:
            raise WrongAnswer("backward gives one gradient for each of forward's inputs, x and weight; the weight is a plain "
                              "number and has none: return yours for x, and None")
        return given[0]

    gradient = torch.tensor([0.5, -4.0, 1.0])
    _judge(of_x, lambda ctx, g: -ctx.weight * g, [(types.SimpleNamespace(weight=w), gradient) for w in (1.0, 0.3, 0.0)], {
        "the sign must change, or the CNN helps the classifier": lambda ctx, g: ctx.weight * g,
        "the weight is missing": lambda ctx, g: -g,
        "this is the gradient as it came; turn it round and weight it": lambda ctx, g: g,
        "the weight is a factor of the gradient; you subtract it": lambda ctx, g: -g - ctx.weight,
        "every number's sign must change; this makes all of them negative": lambda ctx, g: -ctx.weight * g.abs(),
        "1 - weight is the weight of another loss": lambda ctx, g: -(1 - ctx.weight) * g,
        "this stops the gradient: the CNN would not notice the classifier": lambda ctx, g: 0 * g,
    })
    print("correct: forwards nothing happens, backwards the gradient turns round")


def domain_loss(answer: Callable[[torch.Tensor, int], torch.Tensor]) -> None:
    """Lesson 05: L_adv, the binary cross-entropy of logits (clip,) whose first ``synthetic`` clips have label 1."""
    def labels(x: torch.Tensor, n: int) -> torch.Tensor:
        return (torch.arange(len(x)) < n).to(x.dtype)

    bce = F.binary_cross_entropy_with_logits
    logits = torch.tensor([2.0, -0.5, 0.3, -1.5, -3.0, 0.8, -0.1, 1.2])
    _judge(answer, lambda x, n: bce(x, labels(x, n)), [(logits, 2), (logits, 6), (4 * logits, 3)], {
        "1 means synthetic, and those clips come first; your labels are the other way round":
            lambda x, n: bce(x, 1 - labels(x, n)),
        "this is the sum over the clips; take their mean": lambda x, n: bce(x, labels(x, n), reduction="sum"),
        "the recorded clips are missing: their label is 0, and they count too": lambda x, n: bce(x[:n], labels(x[:n], n)),
        "the synthetic clips are missing": lambda x, n: bce(x[n:], labels(x, n)[n:]),
        "every clip counts the same; you give both domains the same weight":
            lambda x, n: (bce(x[:n], labels(x, n)[:n]) + bce(x[n:], labels(x, n)[n:])) / 2,
        "these are logits; this takes the sigmoid twice": lambda x, n: bce(x.sigmoid(), labels(x, n)),
        "this is the mean squared error of the probabilities": lambda x, n: F.mse_loss(x.sigmoid(), labels(x, n)),
        "this is -L; the updates have the signs, the loss has none": lambda x, n: -bce(x, labels(x, n)),
        "this takes the logarithm to base 2": lambda x, n: bce(x, labels(x, n)) / math.log(2),
    })
    print(f"correct: ln 2 = {math.log(2):.3f} for a classifier that says 0.5 to everything")


def balanced_error(answer: Callable[[torch.Tensor, int], float]) -> None:
    """Lesson 05: the mean of both domains' shares of wrong answers, of logits (clip,) whose first ``synthetic`` clips are
    synthetic; a positive logit says synthetic."""
    def shares(x: torch.Tensor, n: int, limit: float = 0.0) -> tuple[float, float]:
        return float((x[:n] <= limit).float().mean()), float((x[n:] > limit).float().mean())

    logits = torch.tensor([2.0, -0.5, 0.3, -1.5, -3.0, 0.8, -0.1, 1.2, -2.0, -1.0, -4.0])
    _judge(answer, lambda x, n: sum(shares(x, n)) / 2, [(logits, 2), (logits, 7), (logits + 0.25, 3)], {
        "this is the share of right answers; the error is what is left to 1": lambda x, n: 1 - sum(shares(x, n)) / 2,
        "every clip counts the same here, so that saying 'recorded' to everything looks good where there are more of those; "
        "take each domain's share, then their mean":
            lambda x, n: float(((x > 0) != (torch.arange(len(x)) < n)).float().mean()),
        "every clip counts the same here, and it is the right answers that you count":
            lambda x, n: float(((x > 0) == (torch.arange(len(x)) < n)).float().mean()),
        "a logit of 0, not of 0.5, is where the classifier changes its mind": lambda x, n: sum(shares(x, n, 0.5)) / 2,
        "the sum of both shares goes up to 2; take their mean": lambda x, n: sum(shares(x, n)),
        "these are the synthetic clips' errors alone": lambda x, n: shares(x, n)[0],
        "these are the recorded clips' errors alone": lambda x, n: shares(x, n)[1],
    })
    print("correct: 0 for a perfect classifier, 0.5 for one that guesses, or says the same to every clip")


def two_updates(answer: Callable[..., tuple[torch.Tensor, torch.Tensor]]) -> None:
    """Lesson 05: theta_c and theta_a after equations (1) and (2), against finite differences of the losses.

    Takes theta_c, theta_a (one-dimensional, their gradients wanted), the functions ``main(theta_c)`` and
    ``domain(theta_c, theta_a)``, the two losses' weights, and alpha; gives the new theta_c and theta_a.
    """
    double = {"dtype": torch.float64}
    x, y = torch.linspace(-1, 2, 9, **double), torch.tensor([1, 1, 0, 1, 0, 0, 0, 0, 0], **double)

    def main(c: torch.Tensor) -> torch.Tensor:
        return ((c[2] * (c[0] * x).tanh() + c[1] - 0.3 * x**2) ** 2).mean()

    def domain(c: torch.Tensor, a: torch.Tensor) -> torch.Tensor:  # the RNN, c[2], is not on the way
        return F.binary_cross_entropy_with_logits(a[0] * (c[0] * x).tanh() + a[1] * c[1], y)

    def slope(loss: Callable, at: torch.Tensor, h: float = 1e-5) -> torch.Tensor:
        ends = [loss(at + sign * h * e) for e in torch.eye(len(at), **double) for sign in (1, -1)]
        return (torch.stack(ends[::2]) - torch.stack(ends[1::2])) / (2 * h)

    def updated(c: torch.Tensor, a: torch.Tensor, weights: tuple, alpha: float, *, of_main: int = 1, against: int = -1,
                swapped: bool = False, weighted: bool = True, learns: int = 1, late: bool = False) -> torch.Tensor:
        c, a = c.detach(), a.detach()
        m, d = weights[::-1] if swapped else weights
        new = c - alpha * (of_main * m * slope(main, c) + against * d * slope(lambda c: domain(c, a), c))
        of_a = slope(lambda a: domain(new if late else c, a), a)
        return torch.cat([new, a - alpha * learns * (d if weighted else 1) * of_a])

    def mistake(**how: Any) -> Callable:
        return lambda c, a, weights, alpha: updated(c, a, weights, alpha, **how)

    def given(c: torch.Tensor, a: torch.Tensor, weights: tuple, alpha: float) -> torch.Tensor:
        both = _call(answer, c, a, main, domain, weights, alpha)
        if not isinstance(both, (tuple, list)) or len(both) != 2:
            raise WrongAnswer("return both, the new theta_c and the new theta_a")
        return torch.cat([torch.as_tensor(new).detach().flatten() for new in both])

    c, a = torch.tensor([0.7, -0.4, 1.1], **double), torch.tensor([0.9, 1.5], **double)
    examples = [(c.clone().requires_grad_(), a.clone().requires_grad_(), weights, alpha)
                for weights, alpha in (((1.0, 0.1), 0.5), ((0.1, 0.9), 1.0), ((0.6, 0.6), 0.8))]
    _judge(given, mistake(), examples, {
        "in equation (1) the domain loss has a minus: the CRNN is to make it larger. Yours helps the classifier":
            mistake(against=1),
        "equation (2) goes downhill: the classifier learns its task. Yours unlearns it": mistake(learns=-1),
        "both signs of the domain loss are the wrong way round": mistake(against=1, learns=-1),
        "the main loss goes downhill too: theta_c minus its gradient": mistake(of_main=-1),
        "the two weights are swapped: the first is the main loss's": mistake(swapped=True),
        "equation (2) has the domain loss's weight as well": mistake(weighted=False),
        "theta_a stays where it is: it went uphill in your first step and downhill in the second, or in neither": mistake(learns=0),
        "theta_c does not hear of the domain loss": mistake(against=0),
        "the main loss is missing in equation (1)": mistake(of_main=0),
        "here theta_a learns from what the moved theta_c makes of the clips; take both gradients before you move anything":
            mistake(late=True),
    })
    print("correct: as finite differences say; one goes uphill on the domain loss, the other downhill")


def ganin(answer: Callable[[float], float]) -> None:
    """Lesson 05: ``2 / (1 + exp(-10 p)) - 1``, p from 0 to 1."""
    _judge(answer, lambda p: 2 / (1 + math.exp(-10 * p)) - 1, [(0.0,), (0.1,), (0.35,), (0.5,), (1.0,)], {
        "- 1 is missing: it must start at 0": lambda p: 2 / (1 + math.exp(-10 * p)),
        "the exponent needs a minus, or it runs downhill": lambda p: 2 / (1 + math.exp(10 * p)) - 1,
        "the factor 10 is missing in the exponent": lambda p: 2 / (1 + math.exp(-p)) - 1,
        "this is the sigmoid, which starts at 0.5; twice that, minus 1": lambda p: 1 / (1 + math.exp(-10 * p)),
        "this is half as much: 2 stands above the line": lambda p: 1 / (1 + math.exp(-10 * p)) - 0.5,
        "the - 1 belongs behind the fraction": lambda p: 2 / (1 + math.exp(-10 * p) - 1),
        "this is a straight line": lambda p: p,
    })
    print("correct: 0 at the start, and nearly 1 after half of the training")


def a_distance(answer: Callable[[float], float]) -> None:
    """Lesson 05: the proxy A-distance of a classifier's error, ``2 (1 - 2 error)``."""
    _judge(answer, lambda error: 2 * (1 - 2 * error), [(0.5,), (0.0,), (0.1,), (0.42,)], {
        "the error counts twice: chance, 0.5, must give 0": lambda e: 2 * (1 - e),
        "this is 1 - 2 error; the distance is twice that": lambda e: 1 - 2 * e,
        "this is the share of right answers": lambda e: 1 - e,
        "the sign is wrong: the fewer errors, the further apart": lambda e: -2 * (1 - 2 * e),
    })
    print("correct: 0 where no classifier does better than chance, 2 where one is always right")


def expected_frames(answer: Callable[[float], float]) -> None:
    """Lesson 06: how many frames a state lasts on average that is kept with probability p from frame to frame."""
    _judge(answer, lambda p: 1 / (1 - p), [(0.5,), (0.9,), (0.0,), (0.99,)], {
        "the first frame is there for certain and counts; you left it out": lambda p: p / (1 - p),
        "1 / p is how long one waits for something that happens with p; a state ends with probability 1 - p":
            lambda p: 1 / p if p else np.inf,
        "this is the median duration (after which half of the events are over), not the mean":
            lambda p: np.log(0.5) / np.log(p) if p else 0.0,
        "close for p near 1, but frames are counted one by one: sum the series": lambda p: -1 / np.log(p) if p else 0.0,
    })
    print("correct: 2 frames for 0.5, 10 for 0.9, 100 for 0.99")


def viterbi_step(answer: Callable[..., tuple[np.ndarray, np.ndarray]]) -> None:
    """Lesson 06: from the best scores of both states at a frame, (2,), the log transitions (from, to) and the log emissions
    of the next frame, (2,): its best scores, and the state that each came from."""
    def flat(best: np.ndarray, log_a: np.ndarray, log_b: np.ndarray) -> np.ndarray:
        given = _call(answer, best, log_a, log_b)
        if not isinstance(given, tuple) or len(given) != 2:
            raise WrongAnswer("return two arrays: the best scores, and the states that they came from")
        if any(np.shape(part) != (2,) for part in given):
            raise WrongAnswer(f"both arrays have an entry a state, shape (2,); yours have {' and '.join(str(np.shape(p)) for p in given)}")
        return np.concatenate([np.asarray(part, float) for part in given])

    def step(best, log_a, log_b, emission=True, transition=True, transposed=False, summed=False):
        log_a = (log_a.T if transposed else log_a) * transition
        ways = best[:, None] + log_a
        scores = np.logaddexp(*ways) if summed else ways.max(axis=0)
        return np.concatenate([scores + log_b * emission, ways.argmax(axis=0)])

    def example(p_silence: float, p_event: float, best: list[float], p: float) -> tuple:
        return np.array(best), np.log([[p_silence, 1 - p_silence], [1 - p_event, p_event]]), np.log([1 - p, p])

    examples = [example(0.9, 0.6, [-1.0, -1.5], 0.7), example(0.6, 0.95, [-5.0, -2.0], 0.2), example(0.99, 0.5, [-2.0, -7.0], 0.9)]
    _judge(flat, step, examples, {
        "the emissions of the new frame are missing": lambda *e: step(*e, emission=False),
        "the transitions are missing: switching would be free": lambda *e: step(*e, transition=False),
        "log_a is (from, to); you read it the other way round": lambda *e: step(*e, transposed=True),
        "this adds up all ways (the forward algorithm); Viterbi keeps the best one": lambda *e: step(*e, summed=True),
        "you took the first state as the one it came from, always": lambda *e: np.concatenate([step(*e)[:2], [0, 0]]),
        "each state came from somewhere; you say where it is": lambda *e: np.concatenate([step(*e)[:2], [0, 1]]),
        "of both ways keep the better one, the larger logarithm":
            lambda best, a, b: np.concatenate([(best[:, None] + a).min(axis=0) + b, (best[:, None] + a).argmin(axis=0)]),
    })
    print("correct: the best way to each state, and where it came from")


def walk_back(answer: Callable[[np.ndarray, int], np.ndarray]) -> None:
    """Lesson 06: the path, (frame,), from ``came`` (frame, 2), the state before each frame's states, and the last state."""
    def back(came: np.ndarray, last: int) -> np.ndarray:
        path = np.empty(len(came), int)
        path[-1] = last
        for t in range(len(came) - 1, 0, -1):
            path[t - 1] = came[t, path[t]]
        return path

    def a_frame_early(came: np.ndarray, last: int) -> np.ndarray:
        path = np.empty(len(came), int)
        path[-1] = last
        for t in range(len(came) - 1, 0, -1):
            path[t - 1] = came[t - 1, path[t]]
        return path

    rng = np.random.default_rng(3)
    examples = [(np.vstack([[0, 0], rng.integers(0, 2, (9, 2))]), last) for last in (0, 1, 1)]
    _judge(answer, back, examples, {
        "the path is backwards; its first entry belongs to the first frame": lambda c, n: back(c, n)[::-1],
        "the way to frame t is in came[t]; you look into came[t - 1]": a_frame_early,
        "the path goes along the states that were found, not along the last one": lambda c, n: np.append(c[1:, n], n),
        "the last frame is missing in the path": lambda c, n: back(c, n)[:-1],
    })
    print("correct: from the end to the beginning, each state by way of the one it came from")


def tied_optimum(answer: Callable[[np.ndarray], tuple[int, np.ndarray]]) -> None:
    """Lesson 06: of F1 (class, silence, event) the best silence, one for all classes, and the best event of each class."""
    def flat(f1: np.ndarray) -> np.ndarray:
        given = _call(answer, f1)
        if not isinstance(given, tuple) or len(given) != 2 or np.ndim(given[0]) or np.shape(given[1]) != (len(f1),):
            raise WrongAnswer("return the number of the one silence probability, and an array with the number of each class's event "
                              "probability")
        return np.append(given[0], given[1]).astype(float)

    def right(f1: np.ndarray) -> np.ndarray:
        silence = f1.max(axis=2).mean(axis=0).argmax()
        return np.append(silence, f1[:, silence].argmax(axis=1)).astype(float)

    def alike(f1: np.ndarray) -> np.ndarray:
        silence, event = np.unravel_index(f1.mean(axis=0).argmax(), f1.shape[1:])
        return np.append(silence, np.full(len(f1), event)).astype(float)

    def of_mean(f1: np.ndarray) -> np.ndarray:
        silence = f1.mean(axis=(0, 2)).argmax()
        return np.append(silence, f1[:, silence].argmax(axis=1)).astype(float)

    def single(f1: np.ndarray) -> np.ndarray:
        silence = f1.max(axis=(0, 2)).argmax()
        return np.append(silence, f1[:, silence].argmax(axis=1)).astype(float)

    rng = np.random.default_rng(1)
    _judge(flat, right, [(rng.random((4, 6, 6)) ** 3,) for _ in range(4)], {
        "here all classes share the event probability, too; each class may have its own": alike,
        "you average over event probabilities; each class will take its best one, so take the maximum": of_mean,
        "this is the silence of the single best class; macro F1 is the mean of all": single,
    })
    print("correct: for every silence each class takes its best; then the silence with the best mean")


def judged(answer: Callable[[float, float, int], int]) -> None:
    """Lesson 07: 1 if a claimed sign of a difference holds, -1 if the opposite is shown, 0 if its interval does not decide."""
    def right(low: float, high: float, sign: int) -> float:
        return 0.0 if low <= 0 <= high else 1.0 if (low > 0) == (sign > 0) else -1.0

    _judge(answer, right, [(1.0, 3.0, 1), (-2.0, 3.0, 1), (-3.0, -1.0, 1), (1.0, 3.0, -1), (-3.0, -1.0, -1), (-3.0, 1.0, -1), (0.0, 2.0, 1),
                           (-2.0, 0.0, 1), (-2.0, 0.0, -1)], {
        "the paper may claim that the first is worse: look at the sign, too": lambda low, high, sign: right(low, high, 1),
        "the middle of the interval decides nothing as long as the interval holds 0":
            lambda low, high, sign: 1 if (low + high) * sign > 0 else -1,
        "an interval on the other side of 0 does not leave it undecided: it shows the opposite":
            lambda low, high, sign: max(0, right(low, high, sign)),
        "an interval that begins or ends at 0 still holds 0": lambda low, high, sign: 0 if low < 0 < high else 1 if (low >= 0) == (sign > 0) else -1,
    })
    print("correct: the whole interval must lie on the claimed side of 0")


def holm(answer: Callable[[np.ndarray, float], np.ndarray]) -> None:
    """Lesson 07: which p-values stand by Holm's procedure."""
    def stepped(p: np.ndarray, limits: np.ndarray, stop: bool = True) -> np.ndarray:
        passed = np.sort(p) <= limits
        stands = np.zeros(len(p), bool)
        stands[np.argsort(p)] = np.logical_and.accumulate(passed) if stop else passed
        return stands

    def left(p: np.ndarray) -> np.ndarray:
        return np.arange(len(p), 0, -1)

    examples = [(np.array([0.04, 0.03, 0.2]), 0.1)]
    examples += [(np.array(p), 0.05) for p in ([0.03, 0.001, 0.02, 0.9], [0.012, 0.04, 0.011, 0.0125], [0.026, 0.2, 0.6, 0.001, 0.013],
                                              [0.02, 0.04, 0.03], [0.016, 0.02, 0.5], [0.04])]
    _judge(answer, lambda p, alpha: stepped(p, alpha / left(p)), examples, {
        "alpha is an argument, and need not be 0.05": lambda p, alpha: stepped(p, 0.05 / left(p)),
        "this compares each p-value with alpha and pays for nothing": lambda p, alpha: p <= alpha,
        "this is Bonferroni's rule, alpha / m for all; Holm's threshold grows from one p-value to the next": lambda p, alpha: p <= alpha / len(p),
        "stop at the first p-value that fails: none after it stands": lambda p, alpha: stepped(p, alpha / left(p), stop=False),
        "the smallest p-value meets the strictest threshold, alpha / m": lambda p, alpha: stepped(p, alpha / left(p)[::-1]),
        "your answer is in the order of the sorted p-values; it must be in the order in which they were given":
            lambda p, alpha: np.logical_and.accumulate(np.sort(p) <= alpha / left(p)),
    })
    print("correct: thresholds grow from alpha / m to alpha, and the first failure ends it")


def averaged(answer: Callable[[list[np.ndarray]], np.ndarray]) -> None:
    """Lesson 07: the mean of the posteriors of several systems, of which some are uint8 percent."""
    def fractions(members: list[np.ndarray]) -> np.ndarray:
        return np.array([m / 100 if m.dtype == np.uint8 else m for m in members], float)

    rng = np.random.default_rng(2)
    shapes = ((3, 5, 2), (1, 4, 3))
    examples = [([rng.random(shape), (100 * rng.random(shape)).astype(np.uint8), rng.random(shape)],) for shape in shapes]
    examples.append(([rng.random((2, 3, 2), np.float32) for _ in range(4)],))
    examples.append(([np.array([[[0, 1]]], np.uint8), np.full((1, 1, 2), 0.5, np.float32)],))  # at most 1 %
    _judge(answer, lambda members: fractions(members).mean(axis=0), examples, {
        "uint8 scores are percent: divide these by 100": lambda members: np.mean(np.array(members, float), axis=0),
        "this is the sum: divide by how many there are": lambda members: fractions(members).sum(axis=0),
        "divide by how many members there are, which need not be three": lambda members: fractions(members).sum(axis=0) / 3,
        "this is the largest of them; one member that is sure would decide alone": lambda members: fractions(members).max(axis=0),
        "this is a vote of decisions; the paper averages the posteriors": lambda members: (fractions(members) > 0.5).mean(axis=0),
        "this is one number for everything: average over the members only": lambda members: fractions(members).mean(),
    })
    print("correct: the mean of the members, on one scale")


def _judge(answer: Callable, right: Callable, examples: list[tuple], mistakes: dict[str, Callable]) -> None:
    """Raise `WrongAnswer` unless the learner's function agrees with the right one on all examples."""
    given = [_call(answer, *copy.deepcopy(example)) for example in examples]
    wanted = [right(*example) for example in examples]
    wrong = [i for i, (g, w) in enumerate(zip(given, wanted)) if not _same(g, w)]
    if not wrong:
        return
    for hint, mistake in mistakes.items():
        if all(_same(g, mistake(*example)) for g, example in zip(given, examples)):
            raise WrongAnswer(hint)
    i = wrong[0]
    arguments = ", ".join(_short(value) for value in examples[i])
    name = getattr(answer, "__name__", "your function")
    shape, right_shape = tuple(np.shape(given[i])), tuple(np.shape(wanted[i]))
    if shape != right_shape:
        raise WrongAnswer(f"{name}({arguments}) has shape {shape}; it should have {right_shape}")
    raise WrongAnswer(f"{name}({arguments}) gives {_short(given[i])}; it should give {_short(wanted[i])}")


def _call(answer: Callable, *arguments: Any) -> Any:
    if answer is ...:
        raise WrongAnswer("nothing here yet: replace the ... by your answer")
    if not callable(answer):
        raise WrongAnswer(f"give the function itself, without calling it; this is {_short(answer)}")
    value = answer(*arguments)
    if value is None or value is ...:
        raise WrongAnswer(f"{answer.__name__} returns nothing yet: replace the ... by your code and return the result")
    return value


def _same(a: Any, b: Any) -> bool:
    """Equal in shape, in kind (whole number or not) and, to rounding, in value."""
    if isinstance(b, int) and not isinstance(b, bool) and isinstance(a, float):
        return False
    if np.shape(a) != np.shape(b):
        return False
    try:
        return bool(np.allclose(np.asarray(a, float), np.asarray(b, float), rtol=1e-4, atol=1e-5))
    except (TypeError, ValueError):
        return False


def _windows(x: np.ndarray, size: int) -> np.ndarray:
    """(frame, size): the values around each frame, zeros beyond the ends."""
    return np.lib.stride_tricks.sliding_window_view(np.pad(x, size // 2), size)


def _short(value: Any) -> str:
    if isinstance(value, (np.ndarray, torch.Tensor)) and math.prod(value.shape) > 8:
        return f"{type(value).__name__} of shape {tuple(value.shape)}"
    if isinstance(value, Output):
        return f"Output of {len(value.strong)} clips"
    if isinstance(value, float):
        return f"{value:.6g}"
    return str(value.tolist() if isinstance(value, (np.ndarray, torch.Tensor)) else value)
