"""Checks of lesson 06: durations of states, Viterbi's algorithm, the tied optimum and the step filter."""

from typing import Literal

import numpy as np

from sedcourse.check.core import Check, WrongAnswer

expected_frames = Check(
    "How many frames a state lasts on average that is kept with probability p from frame to frame.",
    cases=[(0.5,), (0.9,), (0.2,), (0.99,)],
    expected=lambda p: 1 / (1 - p),
    correct="2 frames for 0.5, 10 for 0.9, 100 for 0.99",
    hints={
        "the first frame is certain and counts too; you left it out": lambda p: p / (1 - p),
        "1 / p is the mean wait for what has probability p; a state ends with probability 1 - p": lambda p: 1 / p,
        "this is the median duration, not the mean": lambda p: np.log(0.5) / np.log(p),
        "close for p near 1, but frames are counted one by one: sum the series": lambda p: -1 / np.log(p),
    },
)


def _scores_and_states(returned):
    if not isinstance(returned, tuple) or len(returned) != 2:
        raise WrongAnswer("return two arrays: the best scores, and the states that they came from")
    shapes = [np.shape(part) for part in returned]
    if shapes != [(2,), (2,)]:
        raise WrongAnswer(f"both arrays have one entry per state, shape (2,); yours have {shapes[0]} and {shapes[1]}")
    return np.concatenate([np.asarray(part, float) for part in returned])


def _step(best, log_a, log_b, how="max"):
    ways = best[:, None] + log_a
    return getattr(ways, how)(axis=0) + log_b, getattr(ways, f"arg{how}")(axis=0)


def _case(p_silence, p_event, best, p):
    return np.array(best), np.log([[p_silence, 1 - p_silence], [1 - p_event, p_event]]), np.log([1 - p, p])


viterbi_step = Check(
    "From the best scores of both states at a frame, (2,), the log transitions (from, to) and the log emissions of "
    "the next frame, (2,): its best scores, and the state that each came from.",
    cases=[
        _case(0.9, 0.6, [-1.0, -1.5], 0.7),
        _case(0.6, 0.95, [-5.0, -2.0], 0.2),
        _case(0.99, 0.5, [-2.0, -7.0], 0.9),
    ],
    expected=_step,
    correct="the best path to each state, and where it came from",
    hints={
        "the emissions of the new frame are missing": lambda best, a, b: _step(best, a, 0 * b),
        "the transitions are missing: switching would be free": lambda best, a, b: _step(best, 0 * a, b),
        "log_a is (from, to); you read it the other way round": lambda best, a, b: _step(best, a.T, b),
        "this sums over all paths (the forward algorithm); Viterbi keeps the best one": lambda best, a, b: (
            (np.logaddexp(*(best[:, None] + a)) + b, _step(best, a, b)[1])
        ),
        "you always take the first state as the one before": lambda best, a, b: (_step(best, a, b)[0], np.zeros(2)),
        "say which state each one came from; you say which one it is": lambda best, a, b: (
            _step(best, a, b)[0],
            np.arange(2),
        ),
        "keep the better of both paths, the larger logarithm": lambda best, a, b: _step(best, a, b, "min"),
    },
    value=_scores_and_states,
)


def _back(came, last, late=0):
    path = np.full(len(came), last)
    for t in range(len(came) - 1, 0, -1):
        path[t - 1] = came[t - late, path[t]]
    return path


_RNG = np.random.default_rng(3)

walk_back = Check(
    "The path, (frame,), from ``came`` (frame, 2), the state before each frame's states, and the last state.",
    cases=[(np.vstack([[0, 0], _RNG.integers(0, 2, (9, 2))]), last) for last in (0, 1, 1)],
    expected=_back,
    correct="from the end to the beginning, from each state to the one it came from",
    hints={
        "the path is backwards; its first entry belongs to the first frame": lambda c, n: _back(c, n)[::-1],
        "the step to frame t is in came[t]; you look it up in came[t - 1]": lambda c, n: _back(c, n, late=1),
        "the path follows the states found on the way, not always the last one": lambda c, n: np.append(c[1:, n], n),
        "this reads one column; the way may change from one to the other": lambda c, n: c[:, n],
        "the last frame is missing in the path": lambda c, n: _back(c, n)[:-1],
    },
)


def _silence_and_events(returned):
    if not isinstance(returned, tuple) or len(returned) != 2 or np.ndim(returned[0]) or np.shape(returned[1]) != (4,):
        raise WrongAnswer(
            "return the number of the one silence probability, and an array with the number of each class's event "
            "probability"
        )
    return np.append(returned[0], returned[1]).astype(float)


def _with_events(f1, silence):
    return silence, f1[:, silence].argmax(axis=1)


def _alike(f1):
    silence, event = np.unravel_index(f1.mean(axis=0).argmax(), f1.shape[1:])
    return silence, np.full(len(f1), event)


_F1 = np.random.default_rng(1)

tied_optimum = Check(
    "Of F1 (class, silence, event) the best silence, one for all classes, and the best event of each class.",
    cases=[(_F1.random((4, 6, 6)) ** 3,) for _ in range(4)],
    expected=lambda f1: _with_events(f1, f1.max(axis=2).mean(axis=0).argmax()),
    correct="for every silence each class takes its best; then the silence with the best mean",
    hints={
        "here all classes share the event probability, too; each class may have its own": _alike,
        "you average over event probabilities; each class will take its best one, so take the maximum": lambda f1: (
            _with_events(f1, f1.mean(axis=(0, 2)).argmax())
        ),
        "this is the best class's silence; F1 is the mean": lambda f1: _with_events(f1, f1.max(axis=(0, 2)).argmax()),
    },
    value=_silence_and_events,
)


def _rise(scores, half, beyond: Literal["constant", "edge", "symmetric"] = "constant", per=1):
    padded = np.pad(scores, half, mode=beyond)
    sums = np.convolve(padded, np.ones(half), "valid")
    return (sums[half:] - sums[:-half]) / (half if per else 1)


def _of_what_is_there(scores, half):
    """Take the means over the frames within the clip alone."""
    padded, there = (np.pad(x, (0, half)) for x in (scores, np.ones(len(scores))))

    def mean(first, last):
        of = slice(max(first, 0), last)
        return padded[of].sum() / max(there[of].sum(), 1)

    return np.array([mean(t, t + half) - mean(t - half, t) for t in range(len(scores) + 1)])


_SCORES = [np.round(_RNG.uniform(0, 1, n), 3) for n in (8, 10, 6)]

step_filter = Check(
    "How much scores (frame,) rise at each border between frames, the clip's two ends among them, (frame + 1,): the "
    "mean of the ``half`` frames after it less that of the ``half`` frames before. Beyond the ends scores are 0.",
    cases=list(zip(_SCORES, (1, 3, 2), strict=True)),
    expected=_rise,
    correct="large where an event begins, small where it ends",
    hints={
        "the sign: scores that rise give a positive value": lambda scores, half: -_rise(scores, half),
        "means, not sums: otherwise long filters give large values": {"per": 0},
        "beyond the ends there is nothing: scores of 0, not the last score again": {"beyond": "edge"},
        "beyond the ends there is nothing: scores of 0 that count in the mean, so always divide by half": (
            _of_what_is_there
        ),
        "beyond the ends there is nothing: scores of 0, not the clip reflected": {"beyond": "symmetric"},
        "frames have borders on both sides: one value more than frames": lambda scores, half: _rise(scores, half)[:-1],
        "the first border is the clip's beginning, before frame 0": lambda scores, half: _rise(scores, half)[1:],
    },
)
