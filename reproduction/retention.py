"""Numbers for what the eye sees in Figure 2: how much a front-end keeps of lasting and of changing sounds.

The paper's section 3.3: of its two layers one "captures also more slow-varying events", the other "focuses only on
events with faster onset". The numbers are invariant to shift and positive scale, so layers of different scales can be
compared. `BY_HAND` are two layers that divide the two sounds as the paper says: `divided` must agree before it judges
trained ones. Taught in ``notebooks/03_pcen.py``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from sedlib.errors import SedError

MODULATION_HZ = (2.0, 16.0)  # of speech's syllables and their parts
BY_HAND = {  # on Mel amplitudes scaled to [0, 1]; T in seconds
    "slow": {"alpha": 0.3, "delta": 0.01, "r": 0.25, "seconds": 2.0},
    "quick": {"alpha": 0.98, "delta": 2.0, "r": 0.5, "seconds": 0.4},
}


class Retention(NamedTuple):
    """See `stationary_share`, `event_contrast` and `modulation_share`."""

    stationary: float
    events: float
    modulation: float


def retention(x: np.ndarray, frame_s: float, events: pd.DataFrame) -> Retention:
    """Compute the three numbers of one picture; arguments and errors as for `event_contrast`."""
    return Retention(stationary_share(x), event_contrast(x, frame_s, events), modulation_share(x, frame_s))


def stationary_share(x: np.ndarray) -> float:
    """Compute how much of a picture is a constant pattern: Var over bands of its mean over time / Var of the whole.

    Parameters
    ----------
    x : (mel, frame) array
        Output of a front-end for one clip, on any scale.

    Returns
    -------
    float
        In [0, 1]: 1 where nothing changes over time, 0 where all bands have the same mean, or for a constant picture.
    """
    x = _picture(x)
    return float(x.mean(1).var() / x.var()) if np.ptp(x) > 0 else 0.0


def event_contrast(x: np.ndarray, frame_s: float, events: pd.DataFrame) -> float:
    """Compute the pattern that some events add against the pattern that lasts: mean((on - off)^2) / Var(off).

    ``on`` and ``off`` are the means of each band during the events and at other times, Var goes over the bands.

    Parameters
    ----------
    x : (mel, frame) array
        Output of a front-end for one clip, on any scale; frame t is centred on ``t * frame_s``.
    frame_s : float
        Seconds from frame to frame.
    events : event table of this clip
        Here, speech.

    Returns
    -------
    float
        Below 1 the lasting pattern is the stronger one, above 1 the events; infinite where nothing lasts.

    Raises
    ------
    SedError
        If the events cover all frames, or none.
    """
    x = _picture(x)
    times = frame_s * np.arange(x.shape[1])
    inside = np.zeros(len(times), bool)
    for event in events.itertuples():
        inside |= (event.onset <= times) & (times < event.offset)
    if inside.all() or not inside.any():
        raise SedError(f"the events cover {inside.sum()} of {len(inside)} frames; some must be inside, others outside")
    if np.ptp(x) == 0:
        return 0.0  # and not what rounding makes of it
    off = x[:, ~inside].mean(1)
    added, lasting = ((x[:, inside].mean(1) - off) ** 2).mean(), off.var()
    if lasting > 0:
        return float(added / lasting)
    return float(np.inf) if added > 0 else 0.0


def modulation_share(x: np.ndarray, frame_s: float) -> float:
    """Compute the share of a picture's energy that changes 2 to 16 times a second, constant patterns included.

    Parameters
    ----------
    x : (mel, frame) array
        Output of a front-end for one clip, on any scale. Its mean is removed.
    frame_s : float
        Seconds from frame to frame. Above 31 ms, what is faster than half the frame rate is missing.

    Returns
    -------
    float
        In [0, 1]; 0 for a constant picture.
    """
    x = _picture(x)
    if np.ptp(x) == 0:
        return 0.0
    energy = np.abs(np.fft.fft(x - x.mean(), axis=1)) ** 2
    rate = np.abs(np.fft.fftfreq(x.shape[1], frame_s))
    low, high = MODULATION_HZ
    return float(energy[:, (low <= rate) & (rate <= high)].sum() / energy.sum())


def divided(layers: Sequence[Retention]) -> bool:
    """Return whether in one layer the lasting pattern is the stronger one, and in another the events.

    The second must also change more, by `modulation_share`.
    """
    slow, quick = min(layers, key=lambda one: one.events), max(layers, key=lambda one: one.events)
    return slow.events < 1 < quick.events and quick.modulation > slow.modulation


def _picture(x: np.ndarray) -> np.ndarray:
    x = np.asarray(x, float)
    if x.ndim == 2 and np.isfinite(x).all():
        return x
    wrong = f"a picture of shape {x.shape} with {(~np.isfinite(x)).sum()} values that are not numbers"
    raise SedError(f"{wrong}; give one clip and one channel, (mel, frame), finite")
