"""Checks of lesson 03: the smoother, PCEN, the smoothing coefficient, levels, skewness and contrast."""

import math

import numpy as np

from sedcourse.check.core import Check


def _smoothed(e, s, keep=None, start=None, late=0):
    """M; any option is a mistake."""
    m, last = np.empty_like(e), e[:, 0] if start is None else start
    for t in range(e.shape[1]):
        last = (1 - s if keep is None else keep) * last + s * e[:, max(0, t - late)]
        m[:, t] = last
    return m


def _backwards(e, s):
    return _smoothed(e[:, ::-1], s)[:, ::-1]


def _two_frames(e, s):
    return np.concatenate([e[:, :1], (1 - s) * e[:, :-1] + s * e[:, 1:]], axis=1)


def _from_zero(e, s):
    return np.concatenate([0 * e[:, :1], _smoothed(e[:, 1:], s, start=0.0)], axis=1)


def _unscaled(e, s):
    m = e.copy()
    for t in range(1, e.shape[1]):
        m[:, t] += (1 - s) * m[:, t - 1]
    return m


_RNG = np.random.default_rng(0)
_ENERGY = _RNG.random((5, 12)) + 0.1

smoother = Check(
    "``M(t) = (1 - s) M(t-1) + s E(t)``, from ``M = E`` in the first frame on; energies and M are (mel, frame).",
    cases=[(_ENERGY, 0.3), (_ENERGY, 0.05), (np.ones((2, 4)), 0.5)],
    expected=_smoothed,
    correct="M follows E, a little late, and a constant is its own average",
    hints={
        "your smoother runs backwards in time: M must know the past, not the future": _backwards,
        "your smoother starts at 0; start it at E of the first frame": {"start": 0.0},
        "M of your first frame is 0; it must be E of the first frame": _from_zero,
        "your smoother starts at 1, as librosa's; start it at E of the first frame": {"start": 1.0},
        "s and 1 - s are swapped: s weights the new energy, 1 - s the old M": lambda e, s: _smoothed(e, 1 - s),
        "your M takes E(t-1) where it must take E(t): it is one frame late": {"late": 1},
        "your average goes over E(t-1) and E(t) only; M(t-1) remembers all frames before": _two_frames,
        "the old M needs the factor 1 - s, or M grows without limit": {"keep": 1.0},
        "the new energy needs the factor s, or a constant is not its own average": _unscaled,
        "this smooths along the Mel bands; frames are the second axis": lambda e, s: _smoothed(e.T, s).T,
        "this goes forwards and backwards (zero phase); go forwards only": lambda e, s: _backwards(_smoothed(e, s), s),
        "this is the mean of all frames; M forgets old ones": lambda e, s: e.cumsum(1) / np.arange(1, e.shape[1] + 1),
        "the energies come back as they are": lambda e, s: e,
    },
)


def _pcen(e, m, alpha, delta, r, eps):
    return (e / (eps + m) ** alpha + delta) ** r - delta**r


_E, _M = _RNG.random((4, 6)) + 0.1, _RNG.random((4, 6)) + 0.05

pcen = Check(
    "Equation (3), ``(E / (eps + M)^alpha + delta)^r - delta^r``, of energy, m, alpha, delta, r, eps.",
    cases=[(_E, _M, 0.8, 2.0, 0.5, 0.1), (_E, _M, 0.98, 0.5, 0.3, 0.05)],  # eps is large, so that its place shows
    expected=_pcen,
    correct="divided by its own past, then compressed; silence stays 0",
    hints={
        "- delta^r is missing: silence must give 0": lambda e, m, a, d, r, eps: (e / (eps + m) ** a + d) ** r,
        "you subtract delta; delta^r makes silence 0": lambda e, m, a, d, r, eps: (e / (eps + m) ** a + d) ** r - d,
        "eps belongs in the brackets: (eps + M)^alpha": lambda e, m, a, d, r, eps: (e / (eps + m**a) + d) ** r - d**r,
        "eps is not used": lambda e, m, a, d, r, eps: _pcen(e, m, a, d, r, 0),
        "you divide by eps + M; it must be (eps + M)^alpha": lambda e, m, a, d, r, eps: _pcen(e, m, 1, d, r, eps),
        "alpha is an exponent of eps + M, not a factor": lambda e, m, a, d, r, eps: (
            (e / (a * (eps + m)) + d) ** r - d**r
        ),
        "alpha is an exponent of eps + M; you multiply by it": lambda e, m, a, d, r, eps: (
            (e / (eps + m) * a + d) ** r - d**r
        ),
        "alpha is the exponent of eps + M alone": lambda e, m, a, d, r, eps: ((e / (eps + m)) ** a + d) ** r - d**r,
        "divide the energy by (eps + M)^alpha, do not multiply": lambda e, m, a, d, r, eps: _pcen(e, m, -a, d, r, eps),
        "add delta to the fraction, not within it": lambda e, m, a, d, r, eps: (e / ((eps + m) ** a + d)) ** r - d**r,
        "r is the exponent of the whole sum with delta": lambda e, m, a, d, r, eps: (
            (e / (eps + m) ** a) ** r + d - d**r
        ),
        "delta is not added to the fraction": lambda e, m, a, d, r, eps: (e / (eps + m) ** a) ** r - d**r,
        "the compression is missing: raise the sum with delta to r, and subtract delta^r": (
            lambda e, m, a, d, r, eps: e / (eps + m) ** a
        ),
        "r is an exponent, not a factor": lambda e, m, a, d, r, eps: r * (e / (eps + m) ** a + d) - r * d,
        "alpha and r are swapped": lambda e, m, a, d, r, eps: _pcen(e, m, r, d, a, eps),
        "E and M are swapped: divide the energy by its average": lambda e, m, a, d, r, eps: _pcen(m, e, a, d, r, eps),
    },
)


def _s_of(frames):
    return (math.sqrt(1 + 4 * frames**2) - 1) / (2 * frames**2)


coefficient = Check(
    "s of a time constant in seconds, ``(sqrt(1 + 4 T^2) - 1) / (2 T^2)`` with T in frames.",
    cases=[(0.4, 255 / 16000), (0.06, 255 / 16000), (0.4, 0.064), (0.01, 255 / 16000)],
    expected=lambda seconds, frame_s: _s_of(seconds / frame_s),
    correct="the longer the time constant, the smaller s, and s is never above 1",
    hints={
        "T in the formula is in frames; divide the seconds by the length of a frame": lambda t, h: _s_of(t),
        "seconds / frame length gives frames; you multiply": lambda t, h: _s_of(t * h),
        "seconds / frame length gives frames; yours is the other way round": lambda t, h: _s_of(h / t),
        "this is 1 - s": lambda t, h: 1 - _s_of(t / h),
        "all of 2 T^2 is the denominator: put it in brackets": lambda t, h: _s_of(t / h) * (t / h) ** 4,
        "the denominator is 2 T^2; only T is squared, not the 2": lambda t, h: _s_of(t / h) / 2,
        "T is not squared under the root": lambda t, h: (math.sqrt(1 + 4 * t / h) - 1) / (2 * (t / h) ** 2),
        "T is not squared in the denominator": lambda t, h: _s_of(t / h) * t / h,
        "under the root it is 4 T^2": lambda t, h: (math.sqrt(1 + (t / h) ** 2) - 1) / (2 * (t / h) ** 2),
        "- 1 is missing in the numerator": lambda t, h: math.sqrt(1 + 4 * (t / h) ** 2) / (2 * (t / h) ** 2),
        "this coefficient leaves 1/e after T; the formula is a different one": lambda t, h: 1 - math.exp(-h / t),
        "this is 1 / T, which is near for long T and above 1 for short ones": lambda t, h: h / t,
    },
)

left_of_level = Check(
    "By how many dB a steady sound comes out louder when it is ``db`` louder, before the compression: M is E.",
    cases=[(0.98, 30.0), (0.8, 30.0), (0.5, 20.0), (1.0, 10.0)],
    expected=lambda alpha, db: (1 - alpha) * db,
    correct="E / M^alpha is E^(1 - alpha): alpha is the share of the level that is taken away",
    hints={
        "this is what is taken away; the rest is left": lambda alpha, db: alpha * db,
        "only at alpha = 1 is nothing left": lambda alpha, db: 0.0,
        "dB of E stay dB: E^(1 - alpha) is (1 - alpha) times as many dB": lambda alpha, db: db ** (1 - alpha),
        "this is the factor of the amplitude; give dB": lambda alpha, db: 10 ** ((1 - alpha) * db / 20),
        "dividing by M^alpha takes dB away": lambda alpha, db: (1 + alpha) * db,
    },
)

_VALUES = _RNG.gamma(2.0, size=200)


def _third(x, power=3, ddof=0):
    return float((((x - x.mean()) / x.std(ddof=ddof)) ** power).mean())


skewness = Check(
    "Skewness of values x: the mean cube of (x - mean) / standard deviation.",
    cases=[(_VALUES,), (-_VALUES,), (_RNG.normal(size=50),)],
    expected=_third,
    correct="0 for a Gaussian, positive with a long tail to the right",
    hints={
        "this is the kurtosis; take the third power": {"power": 4},
        "subtract the mean, and divide by the standard deviation, before you take the cube": lambda x: float(
            (x**3).mean()
        ),
        "divide each value by the standard deviation before you take the cube": lambda x: float(
            ((x - x.mean()) ** 3).mean() / x.std()
        ),
        "subtract the mean first": lambda x: float(((x / x.std()) ** 3).mean()),
        "divide by the standard deviation, so that the scale does not matter": lambda x: float(
            ((x - x.mean()) ** 3).mean()
        ),
        "the cube goes inside the mean: the mean of the scaled values is 0": lambda x: float(
            ((x - x.mean()) / x.std()).mean() ** 3
        ),
        "a cube keeps the sign; you take absolute values": lambda x: float(
            (np.abs((x - x.mean()) / x.std()) ** 3).mean()
        ),
        "numpy's own standard deviation is meant, ddof=0": {"ddof": 1},
        "divide by the standard deviation, not by the variance": lambda x: float(
            (((x - x.mean()) / x.var()) ** 3).mean()
        ),
    },
)

_PICTURE, _ON = _RNG.random((6, 20)), np.arange(20) % 7 < 3


def _contrast(x, on, upper=lambda d: (d**2).mean(), lower=lambda off: off.var()):
    off = x[:, ~on].mean(1)
    return float(upper(x[:, on].mean(1) - off) / lower(off))


contrast = Check(
    "What events add to each band (mean while they are on, minus mean while off), as mean square over the bands, "
    "divided by the variance over the bands of the mean while off.",
    cases=[(_PICTURE, _ON), (_PICTURE**2, _ON), (_PICTURE, ~_ON)],
    expected=_contrast,
    correct="above 1 the events are the stronger pattern, below 1 what lasts",
    hints={
        "square the differences before the mean over the bands": {"upper": lambda d: d.mean() ** 2},
        "take the mean square, not the variance: events that add the same to all bands count": {
            "upper": lambda d: d.var()
        },
        "the denominator is the variance over the bands, not the standard deviation": {"lower": lambda off: off.std()},
        "the denominator is the variance over the bands, not the mean square": {"lower": lambda off: (off**2).mean()},
        "on and off are swapped in the denominator: what lasts is there while off": lambda x, on: float(
            ((x[:, on].mean(1) - x[:, ~on].mean(1)) ** 2).mean() / x[:, on].mean(1).var()
        ),
        "average over the frames first; the variance is over the bands only": lambda x, on: float(
            ((x[:, on].mean(1) - x[:, ~on].mean(1)) ** 2).mean() / x[:, ~on].var()
        ),
        "a mean for each band: a and b are patterns over the bands, (mel,)": lambda x, on: float(
            (x[:, on].mean() - x[:, ~on].mean()) ** 2 / x[:, ~on].var()
        ),
        "frames are the second axis": lambda x, on: float(
            ((x[:, on].mean(0).mean() - x[:, ~on].mean(0).mean()) ** 2) / x[:, ~on].mean(0).var()
        ),
    },
)
