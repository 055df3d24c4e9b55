"""Threshold and median filter: from posteriors to an event table, as the baseline does.

Paper section 3.4 ("a popular approach"). Taught in ``notebooks/04_mean_teacher.py``; the HMM that replaces it in
``notebooks/06_hmm.py``.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy.ndimage import median_filter

from sedlib.config import Decoding
from sedlib.decode.events import frames_to_events
from sedlib.decode.posteriors import Posteriors
from sedlib.errors import SedError


def median_events(posteriors: Posteriors, decoding: Decoding, duration_s: float | None = None) -> pd.DataFrame:
    """Events where the posterior is above a threshold for most of the frames around.

    Parameters
    ----------
    posteriors : Posteriors
    decoding : Decoding
        Threshold, and length of the median filter in seconds.
    duration_s : float, optional
        Length of the clips; no event ends later. Default: as many seconds as there are frames.
    """
    active = posteriors.scores > decoding.threshold * (100 if posteriors.scores.dtype == np.uint8 else 1)
    return frames_to_events(
        smooth(active, filter_frames(decoding.median_s, posteriors.frame_s)), posteriors, duration_s
    )


def filter_frames(seconds: float, frame_s: float) -> int:
    """The odd number of frames nearest to a filter length in seconds: 0.45 s are 7 frames of 63.75 ms."""
    if not 0 <= seconds < np.inf:
        raise SedError(f"median filter: a length of {seconds} s, expected seconds, 0 or more")
    return 2 * max(0, round((seconds / frame_s - 1) / 2)) + 1


def smooth(active: np.ndarray, frames: int) -> np.ndarray:
    """Median filter over time of decisions ``(clip, frame, class)``: the majority of the frames around each.

    A clip is reflected at its ends, ``d c b a | a b c d | d c b a``: SciPy's default, which the baseline has.
    """
    return median_filter(active.astype(np.uint8), size=(1, frames, 1)).astype(bool)
