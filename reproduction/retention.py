"""Numbers for what the eye sees in Figure 2: how much of lasting sounds and of onsets a front-end keeps.

The paper's section 3.3: of its two layers one "captures also more slow-varying events" and the other "focuses only on
events with faster onset". Both numbers are invariant to shift and positive scale, so layers of different scales can be
compared. Taught in ``notebooks/03_pcen.py``.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd

from sedlib.errors import SedError

RISE_S = 0.064  # half of the paper's window: frames closer than that share most of their samples


class Retention(NamedTuple):
    """See `stationary_share` and `onset_contrast`."""

    stationary: float
    onset: float


def retention(x: np.ndarray, frame_s: float, events: pd.DataFrame) -> Retention:
    """Compute both numbers of one picture; arguments and errors as for `onset_contrast`."""
    return Retention(stationary_share(x), onset_contrast(x, frame_s, events))


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


def onset_contrast(x: np.ndarray, frame_s: float, events: pd.DataFrame) -> float:
    """Compute how far the rises during some events stand out from those at other times: d' of the mean rise.

    The rise of a frame is the mean over the bands of the increase within `RISE_S` (the spectral flux of onset
    detectors). d' is its mean during the events minus that at other times, in standard deviations at other times.

    Parameters
    ----------
    x : (mel, frame) array
        Output of a front-end for one clip, on any scale; frame t is centred on ``t * frame_s``.
    frame_s : float
        Seconds from frame to frame.
    events : event table of this clip
        The events with onsets: here, speech.

    Returns
    -------
    float
        0 where the events' frames rise like the others; infinite where only they rise at all.

    Raises
    ------
    SedError
        If the events cover all frames, or none.
    """
    x = _picture(x)
    lag = max(1, round(RISE_S / frame_s))
    rise = np.maximum(0, x[:, lag:] - x[:, :-lag]).mean(0)
    times = frame_s * np.arange(lag, x.shape[1])
    inside = np.zeros(len(times), bool)
    for event in events.itertuples():
        inside |= (event.onset <= times) & (times < event.offset)
    if inside.all() or not inside.any():
        raise SedError(f"the events cover {inside.sum()} of {len(inside)} frames; some must lie inside, others outside")
    difference, spread = rise[inside].mean() - rise[~inside].mean(), rise[~inside].std()
    if spread > 0:
        return float(difference / spread)
    return float(np.sign(difference) * np.inf) if difference else 0.0


def _picture(x: np.ndarray) -> np.ndarray:
    x = np.asarray(x, float)
    if x.ndim == 2 and np.isfinite(x).all():
        return x
    wrong = f"a picture of shape {x.shape} with {(~np.isfinite(x)).sum()} values that are no numbers"
    raise SedError(f"{wrong}; give one clip and one channel, (mel, frame), finite")
