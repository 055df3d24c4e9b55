"""Checks of lesson 07: intervals, Holm's procedure and the fusion of systems."""

import numpy as np

from sedcourse.check.core import Check


def _judged(low, high, sign):
    return 0.0 if low <= 0 <= high else 1.0 if (low > 0) == (sign > 0) else -1.0


judged = Check(
    "1 if a claimed sign of a difference holds, -1 if the opposite is shown, 0 if its interval does not decide.",
    cases=[
        *((low, high, 1) for low, high in ((1.0, 3.0), (-2.0, 3.0), (-3.0, -1.0), (0.0, 2.0), (-2.0, 0.0))),
        *((low, high, -1) for low, high in ((1.0, 3.0), (-3.0, -1.0), (-3.0, 1.0), (-2.0, 0.0))),
    ],
    expected=_judged,
    correct="the whole interval must lie on the claimed side of 0",
    hints={
        "the paper may claim a loss: look at the sign, too": lambda low, high, sign: _judged(low, high, 1),
        "the middle of an interval that contains 0 decides nothing": lambda low, high, sign: (
            1 if (low + high) * sign > 0 else -1
        ),
        "an interval on the other side of 0 is not undecided: it shows the opposite": (
            lambda low, high, sign: max(0, _judged(low, high, sign))
        ),
        "an interval beside 0 may lie on either side: compare its side with the sign": lambda low, high, sign: (
            0 if low <= 0 <= high else sign
        ),
        "an interval that begins or ends at 0 still contains 0": lambda low, high, sign: (
            0 if low < 0 < high else 1 if (low >= 0) == (sign > 0) else -1
        ),
    },
)


def _left(p):
    """How many p-values are left at each step."""
    return np.arange(len(p), 0, -1)


def _stepped(p, limits, stop=True):
    passed = np.sort(p) <= limits
    stands = np.zeros(len(p), bool)
    stands[np.argsort(p)] = np.logical_and.accumulate(passed) if stop else passed
    return stands


holm = Check(
    "Which p-values stand by Holm's procedure.",
    cases=[
        (np.array([0.04, 0.03, 0.2]), 0.1),
        (np.array([0.03, 0.001, 0.02, 0.9]), 0.05),
        (np.array([0.012, 0.04, 0.011, 0.0125]), 0.05),
        (np.array([0.026, 0.2, 0.6, 0.001, 0.013]), 0.05),
        (np.array([0.02, 0.04, 0.03]), 0.05),
        (np.array([0.016, 0.02, 0.5]), 0.05),
        (np.array([0.04]), 0.05),
    ],
    expected=lambda p, alpha: _stepped(p, alpha / _left(p)),
    correct="thresholds grow from alpha / m to alpha, and the first failure ends the test",
    hints={
        "alpha is an argument, and need not be 0.05": lambda p, alpha: _stepped(p, 0.05 / _left(p)),
        "this compares each p-value with alpha and corrects for nothing": lambda p, alpha: p <= alpha,
        "this is Bonferroni's rule, alpha / m for all; Holm's threshold grows": lambda p, alpha: p <= alpha / len(p),
        "stop at the first failure: none after it stands": lambda p, a: _stepped(p, a / _left(p), stop=False),
        "the smallest p-value meets the strictest threshold": lambda p, alpha: _stepped(p, alpha / _left(p)[::-1]),
        "your answer is in the order of the sorted p-values; it must be in the order in which they were given": (
            lambda p, alpha: np.logical_and.accumulate(np.sort(p) <= alpha / _left(p))
        ),
    },
)


def _fractions(members):
    return np.array([m / 100 if m.dtype == np.uint8 else m for m in members], float)


_RNG = np.random.default_rng(2)

averaged = Check(
    "The mean of the posteriors of several systems, of which some are uint8 percent.",
    cases=[
        *(
            ([_RNG.random(shape), (100 * _RNG.random(shape)).astype(np.uint8), _RNG.random(shape)],)
            for shape in ((3, 5, 2), (1, 4, 3))
        ),
        ([_RNG.random((2, 3, 2), np.float32) for _ in range(4)],),
        ([np.array([[[0, 1]]], np.uint8), np.full((1, 1, 2), 0.5, np.float32)],),  # at most 1 %
    ],
    expected=lambda members: _fractions(members).mean(axis=0),
    correct="the mean of the members, on one scale",
    hints={
        "uint8 scores are percent: divide these by 100": lambda members: np.mean(np.array(members, float), axis=0),
        "uint8 scores are percent, from 0 to 100; divide by 100, not by 255": lambda members: np.mean(
            [m / 255 if m.dtype == np.uint8 else m for m in members], axis=0
        ),
        "this is the sum: divide by how many there are": lambda members: _fractions(members).sum(axis=0),
        "divide by how many members there are, not by three": lambda members: _fractions(members).sum(axis=0) / 3,
        "this is the largest; a single member would decide": lambda members: _fractions(members).max(axis=0),
        "this is a vote; the paper averages the posteriors": lambda members: (_fractions(members) > 0.5).mean(axis=0),
        "this is one number for everything: average over the members only": lambda members: _fractions(members).mean(),
    },
)
