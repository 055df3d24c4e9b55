"""Checks of lesson 01: labels, frames, levels and the area under the ROC curve."""

import math

import numpy as np

from sedcourse.check.core import FRAME_S, Check

_STRONG = np.zeros((3, 6, 4))  # the third clip holds nothing
_STRONG[0, :, 0] = _STRONG[0, 2, 1] = _STRONG[1, 1:5, 2] = _STRONG[1, 0, 3] = 1

weak_from_strong = Check(
    "Which classes a clip holds, (clip, class), from what sounds in each frame, (clip, frame, class).",
    cases=[(_STRONG,)],
    expected=lambda strong: strong.max(1),
    correct="a class is in the clip if it is in any of its frames; when and how long is lost",
    hints={
        "this is the share of frames in which a class sounds; a weak label says whether it does": lambda x: x.mean(1),
        "this counts the frames; a weak label is 1 however long the class sounds": lambda x: x.sum(1),
        "this asks whether a class sounds in most frames; one frame is enough": lambda x: x.mean(1) > 0.5,
        "this asks whether a class sounds in every frame; one frame is enough": lambda x: x.min(1),
        "this runs over the classes; run over the frames, axis 1": lambda x: x.max(2),
        "this runs over the clips; run over the frames, axis 1": lambda x: x.max(0),
        "this is one answer for all classes together; keep the class axis": lambda x: x.max((1, 2)),
    },
)


def _filled(events, frames, frame_s, first=round, last=round, shortest=1, beyond=0, latest=-1):
    """Frame labels; any other value of an option is a mistake."""
    labels = np.zeros(frames)
    for onset, offset in events:
        start = min(first(onset / frame_s), frames + latest)
        labels[start : max(last(offset / frame_s), start + shortest) + beyond] = 1
    return labels


active_frames = Check(
    "Ones and zeros for every frame from the events ``[(onset, offset), ...]`` of one class, in seconds.",
    cases=[
        *((e, 12, 0.5) for e in ([(1.2, 2.9)], [(0.6, 0.7), (3.4, 4.2)], [(1.2, 2.9), (2.1, 3.3)], [], [(5.9, 6.0)])),
        ([(0.3, 1.0)], 157, FRAME_S),
    ],
    expected=_filled,
    correct="both ends lie within half a frame, and no event is lost",
    hints={
        "round to the nearest frame; rounding down makes every event early": {"first": int, "last": int},
        "round to the nearest frame, and give a short event one: rounding down makes events early, or vanish": {
            "first": int,
            "last": int,
            "shortest": 0,
        },
        "round to the nearest frame; rounding outwards makes events longer": {"first": int, "last": math.ceil},
        "round to the nearest frame; rounding up makes every event late": {"first": math.ceil, "last": math.ceil},
        "an event shorter than a frame may vanish; give it one frame": {"shortest": 0},
        "an event that starts in the last half frame rounds to a frame that does not exist; give it the last one": {
            "latest": 0
        },
        "short events vanish, and so do those that start in the last half frame; give each of them one frame": {
            "shortest": 0,
            "latest": 0,
        },
        "an event's last frame is the one before its offset: labels[first:last]": {"beyond": 1},
        "where two events overlap you count 2; a frame is active or it is not": lambda e, n, s: sum(
            (_filled([event], n, s) for event in e), np.zeros(n)
        ),
        "these are seconds; divide by frame_s to get frames": lambda e, n, s: _filled(e, n, 1.0),
        "only the last event is left; make the zeros once, before the loop": lambda e, n, s: _filled(e[-1:], n, s),
        "only the first event is there; return after the loop": lambda e, n, s: _filled(e[:1], n, s),
    },
)


def _count(samples, n_fft, hop, rounded=math.floor, first=1, more=0):
    return first + rounded((samples + more * n_fft) / hop)


frame_count = Check(
    "How many frames ``n_fft`` long, centred on every ``hop``-th sample, a clip of ``samples`` has.",
    cases=[(160000, 2048, 255), (160000, 2048, 256), (2550, 1024, 255), (3000, 512, 500), (2400, 1024, 512)],
    expected=_count,
    correct="one frame at sample 0 and one at every further hop, 628 for the paper's clip of 10 s",
    hints={
        "there is a frame centred on sample 0 as well: one more": {"first": 0},
        "rounding up is right only where hop does not divide samples; count sample 0": {
            "first": 0,
            "rounded": math.ceil,
        },
        "rounding to the nearest is right by luck; count 0, hop, 2 hop, ...": {"rounded": round},
        "this many frames lie wholly within the clip; ours reach beyond both ends": {"more": -1},
        "the padding at each end is just what the first and last frame reach beyond the clip: n_fft cancels": {
            "more": 1
        },
        "frames lie hop samples apart; n_fft is how long each of them is": lambda n, n_fft, hop: 1 + n // n_fft,
        "a number of frames is whole: use // instead of /": {"rounded": float},
        "the number is right, but frames are counted with ints; yours is a float": lambda *of: float(_count(*of)),
    },
)


def _decibels(x, floor, range_db, factor=20, log=np.log10, floored=np.maximum, axis=None):
    level = factor * log(floored(x, floor))
    return np.maximum(level, level.max(axis=axis, keepdims=True) - range_db)


_LOUD = np.array([[100.0, 3.0, 0.02], [5.0, 0.0, 1e-3]])
_QUIET = np.array([[1e-3, 2e-4, 0.0], [3e-5, 2e-6, 1e-4]])

decibels = Check(
    "Amplitudes, (mel, frame), in dB re 1: not below ``floor``, nor ``range_db`` below the loudest.",
    cases=[(_LOUD, 1e-5, 80.0), (_QUIET, 1e-5, 80.0), (_LOUD, 1e-5, 40.0)],
    expected=_decibels,
    correct="dB re 1, with a floor for silence and a range below the loudest point of the clip",
    hints={
        "10 log10 is for powers; amplitudes take 20 log10": {"factor": 10},
        "this is the natural logarithm; take log10": {"log": np.log},
        "the floor is missing: nothing is below 20 log10(floor)": lambda x, floor, r: _decibels(x, 1e-300, r),
        "the floor is a smallest amplitude, np.maximum; you add it": {"floored": np.add},
        "the floor is an amplitude; apply it before the logarithm, or turn it into dB too": lambda x, floor, r: (
            np.maximum(_decibels(x, 1e-300, r), floor)
        ),
        "the range is missing: nothing lies more than range_db below the loudest": lambda x, floor, r: _decibels(
            x, floor, np.inf
        ),
        "the range counts from the loudest value, not from 0 dB": lambda x, floor, r: np.maximum(
            _decibels(x, floor, np.inf), -r
        ),
        "the loudest value is that of the whole clip, not of each frame; frames must stay comparable": {"axis": 0},
        "the loudest value is that of the whole clip, not of each band; bands must stay comparable": {"axis": 1},
        "levels are dB re 1, not re the loudest": lambda *of: _decibels(*of) - _decibels(*of).max(),
    },
)


def _wins(a, b, tie=0.5):
    return float((a[:, None] > b).mean() + tie * (a[:, None] == b).mean())


_RNG = np.random.default_rng(0)

auc = Check(
    "The probability that a random value of ``a`` is larger than a random value of ``b``; ties count half.",
    cases=[
        (np.array([3.0, 1.0, 2.0, 2.0]), np.array([2.0, 0.0, 2.0, 1.0])),
        (_RNG.normal(1, 1, 30), _RNG.normal(0, 1, 30)),
        (np.array([1.0]), np.array([1.0])),
    ],
    expected=_wins,
    correct="0.5 means no information, 1 and 0 separate every pair",
    hints={
        "the other way round: how often is the value of a the larger one?": lambda a, b: _wins(b, a),
        "equal values count half; you count them as lost": {"tie": 0},
        "equal values count half; you count them as won": {"tie": 1},
        "compare each value of a with every value of b, not with the one at the same place": lambda a, b: float(
            (a > b).mean() + 0.5 * (a == b).mean()
        ),
        "compare each value of a with every value of b, not with the one at its place; and ties count half": (
            lambda a, b: float((a > b).mean())
        ),
        "this is the number of pairs; divide by how many pairs there are": lambda a, b: _wins(a, b) * len(a) * len(b),
        "compare single values, not only the means": lambda a, b: float(a.mean() > b.mean()),
        "this is the difference of the means, which depends on the unit": lambda a, b: float(a.mean() - b.mean()),
    },
)
