"""Checks of lesson 02: noise at an SNR, effects, rooms, levels and times of a mixture."""

import math

import numpy as np

from sedcourse.check.core import Check

_SOUND = np.random.default_rng(0).normal(size=40)


_NOISE = np.random.default_rng(1).normal(size=40)


def _noisy(x, noise, snr_db, ratio=lambda x, n: (x**2).sum() / (n**2).sum(), factor=10):
    return x + noise * (ratio(x, noise) ** 0.5 * 10 ** (-snr_db / (2 * factor)))


at_snr = Check(
    "``x`` with ``noise`` scaled so that the energy of x over that of the noise is ``snr_db``.",
    cases=[(_SOUND, _NOISE, 10.0), (3 * _SOUND, _NOISE, -5.0), (_SOUND, 0.1 * _NOISE, 0.0)],
    expected=_noisy,
    correct="a ratio of energies, so the noise's amplitude takes its square root",
    hints={
        "a negative SNR means more noise: the sign of the dB is the wrong way round": lambda x, n, s: _noisy(x, n, -s),
        "amplitudes take the square root of a ratio of energies: 10^(dB / 20)": {"factor": 5},
        "this scales by a ratio of energies; the noise is an amplitude, and takes its root": (
            lambda x, n, s: x + n * (x**2).sum() / (n**2).sum() * 10 ** (-s / 10)
        ),
        "measure the energies: the given noise may have any level": {"ratio": lambda x, n: 1.0},
        "scale by the energy of x too: a louder sound takes more noise": {"ratio": lambda x, n: 1 / (n**2).sum()},
        "scale by the energy of the noise too": {"ratio": lambda x, n: (x**2).sum()},
        "the ratio of energies is upside down": {"ratio": lambda x, n: (n**2).sum() / (x**2).sum()},
        "energies, not peaks, make an SNR": {"ratio": lambda x, n: np.abs(x).max() ** 2 / np.abs(n).max() ** 2},
        "this is the noise alone; add it to x": lambda x, n, s: _noisy(x, n, s) - x,
        "x comes back as it is": lambda x, n, s: x,
    },
)


def _late(x, delay):
    return np.pad(x, (delay, 0))[: len(x)]


def _comb(x, delay, gain, late=_late):
    return x + gain * late(x, delay)


def _fed_back(x, delay, gain):
    y = x.copy()
    for n in range(delay, len(x)):
        y[n] += gain * y[n - delay]
    return y


comb = Check(
    "``y(n) = x(n) + gain x(n - delay)`` of a waveform x, the delay in samples; silence before it begins.",
    cases=[(_SOUND, 7, 0.5), (_SOUND, 1, 0.9), (_SOUND, 15, 0.3)],
    expected=_comb,
    correct="the sound and a later copy of it, and nothing sounds before it did",
    hints={
        "this looks ahead, x(n + delay): events begin before the label": {"late": lambda x, d: np.pad(x[d:], (0, d))},
        "the end of the sound wraps round to its beginning, as with np.roll; before the sound there is silence": {
            "late": np.roll
        },
        "this feeds the output back, y(n - delay); the equation delays the input": _fed_back,
        "the gain is missing": lambda x, d, g: _comb(x, d, 1),
        "the delayed sound is added, not subtracted": lambda x, d, g: _comb(x, d, -g),
        "x(n) itself is missing": lambda x, d, g: g * _late(x, d),
        "the gain is that of the delayed sound alone": lambda x, d, g: g * _comb(x, d, 1),
        "the sound must keep its length: cut what is beyond its end": lambda x, d, g: _comb(np.pad(x, (0, d)), d, g),
    },
)

_ROOM = np.random.default_rng(0)
_TAIL = np.exp(-np.arange(60) / 15) * _ROOM.normal(size=60)


def _response(direct, before, reflection):
    """Make a room response with noise before its direct sound, as a recorded one has."""
    return np.concatenate([np.zeros(3), 0.01 * _ROOM.normal(size=before), [direct], reflection * _TAIL])


direct_sound = Check(
    "A room response from its direct sound on, its largest sample of either sign.",
    cases=[(_response(1.0, 20, 0.2),), (_response(-1.0, 35, 0.2),), (_response(1.0, 0, 0.1),)],
    expected=lambda h: h[np.abs(h).argmax() :],
    correct="the direct sound is at time zero, so an event in a room begins when its label says",
    hints={
        "the response comes back as it is: every event would begin late": lambda h: h,
        "the direct sound may be negative: look for the largest absolute value": lambda h: h[h.argmax() :],
        "this begins at the first sample that is not zero, which may be noise": lambda h: h[np.flatnonzero(h)[0] :],
        "the direct sound itself is gone; begin with it, not after it": lambda h: h[np.abs(h).argmax() + 1 :],
        "this is what lies before the direct sound": lambda h: h[: np.abs(h).argmax()],
        "this moves the tail's end to the front, as np.roll does; cut off what comes before the direct sound": (
            lambda h: np.roll(h, -np.abs(h).argmax())
        ),
        "this is where it begins; give the response from there on": lambda h: np.abs(h).argmax(),
    },
)


highest_background = Check(
    "The highest level that the background may have, given those of the foregrounds, all in dB.",
    cases=[([-11.0, -20.0, -3.0],), ([-35.0],), ([-1.0, -2.0],)],
    expected=lambda levels: min(levels) + 5,
    correct="the quietest foreground is at most 5 dB below the background",
    hints={
        "the rule is about the quietest foreground; you take the loudest": lambda levels: max(levels) + 5,
        "the rule is about the quietest foreground; you take the mean": lambda levels: sum(levels) / len(levels) + 5,
        "the rule is about the quietest foreground; you take the first": lambda levels: levels[0] + 5,
        "the background may be 5 dB over it; it need not be 5 dB under it": lambda levels: min(levels) - 5,
        "it may be 5 dB over the quietest foreground, not only equally loud": min,
        "dB are added; 5 dB over is not 5 times": lambda levels: 5 * min(levels),
        "these are levels in dB already: add 5": lambda levels: 20 * math.log10(10 ** (min(levels) / 20) + 5),
        "do not limit it at 0 dB: the mixture is turned down afterwards": lambda levels: min(min(levels) + 5, 0.0),
    },
)


def _times(onset, samples, tail, end=10.0, counted=0):
    return onset / 16000, min((onset + samples + counted * tail) / 16000, end)


event_times = Check(
    "Onset and offset in seconds of a sound of ``samples`` samples, placed at sample ``onset`` of a clip of 10 s at "
    "16 kHz. The room's tail, ``tail`` samples, is no part of the event.",
    cases=[(16000, 32000, 8000), (152000, 32000, 8000), (0, 160000, 4000), (144000, 12000, 6400)],
    expected=_times,
    correct="from its direct sound's beginning to its end, or to the clip's",
    hints={
        "an event ends with the clip at the latest, after 10 s": {"end": math.inf},
        "the room's tail is not part of the event: the direct sound ends earlier": {"counted": 1},
        "the room's tail is not part of the event, and events end with the clip": {"counted": 1, "end": math.inf},
        "the second number is the offset, not a duration": lambda o, n, t: (o / 16000, min(n / 16000, 10 - o / 16000)),
        "the second number is the offset, not a duration; and events end with the clip": (
            lambda o, n, t: (o / 16000, n / 16000)
        ),
        "these are samples; event tables are in seconds": lambda o, n, t: (o, min(o + n, 160000)),
        "these are milliseconds; event tables are in seconds": lambda o, n, t: tuple(
            1000 * value for value in _times(o, n, t)
        ),
        "the event begins with its onset, not with the clip": lambda o, n, t: (0.0, _times(o, n, t)[1]),
    },
)
