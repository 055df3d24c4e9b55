"""Threshold and median filter: from posteriors to an event table, as the baseline does.

Paper section 3.4 ("a popular approach"). Taught in ``notebooks/04_mean_teacher.py``; the HMM that replaces it in
``notebooks/06_hmm.py``.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
from scipy.ndimage import median_filter

from sedlib.config import Decoding
from sedlib.decode.posteriors import Posteriors
from sedlib.errors import SedError


def median_events(posteriors: Posteriors, decoding: Decoding, duration_s: float | None = None) -> pd.DataFrame:
    """Events where the posterior, thresholded and smoothed by a median filter over time, says "active".

    Parameters
    ----------
    posteriors : Posteriors
    decoding : Decoding
        Threshold (active above it) and length of the filter in seconds.
    duration_s : float, optional
        Length of the clips; no event ends later. Default: as many seconds as there are frames.

    Returns
    -------
    Event table
    """
    active = posteriors.scores > (decoding.threshold * (100 if posteriors.scores.dtype == np.uint8 else 1))
    return frames_to_events(smooth(active, filter_frames(decoding.median_s, posteriors.frame_s)), posteriors, duration_s)


def median_scores(posteriors: Posteriors, decoding: Decoding) -> Posteriors:
    """Posteriors after the same filter; cut at a threshold they give the decisions that `median_events` makes at it, which is
    what PSDS needs: a median commutes with a threshold."""
    frames = filter_frames(decoding.median_s, posteriors.frame_s)
    return replace(posteriors, scores=median_filter(posteriors.scores, size=(1, frames, 1)))


def filter_frames(seconds: float, frame_s: float) -> int:
    """The odd number of frames nearest to a filter length in seconds, at least 1: 0.45 s are 7 frames of 63.75 ms."""
    if not 0 <= seconds < np.inf:
        raise SedError(f"median filter: a length of {seconds} s, expected seconds, 0 or more")
    return 2 * max(0, round((seconds / frame_s - 1) / 2)) + 1


def smooth(active: np.ndarray, frames: int) -> np.ndarray:
    """Median filter over time of decisions ``(clip, frame, class)``: the majority of the frames around each.

    A clip is reflected at its ends, ``d c b a | a b c d | d c b a``: SciPy's default, which the baseline has.
    """
    return median_filter(active.astype(np.uint8), size=(1, frames, 1)).astype(bool)


def frames_to_events(active: np.ndarray, posteriors: Posteriors, duration_s: float | None = None) -> pd.DataFrame:
    """Runs of active frames ``(clip, frame, class)`` as an event table; frame t spans [t, t + 1) * frame_s."""
    edges = np.diff(np.pad(active.astype(np.int8), ((0, 0), (1, 1), (0, 0))), axis=1).transpose(0, 2, 1)
    clip, label, first = np.nonzero(edges == 1)
    last = np.nonzero(edges == -1)[2]
    end = active.shape[1] * posteriors.frame_s if duration_s is None else duration_s
    table = pd.DataFrame({
        "filename": np.array(posteriors.filenames, dtype=object)[clip],
        "onset": first * posteriors.frame_s,
        "offset": np.minimum(last * posteriors.frame_s, end),
        "event_label": np.array(posteriors.classes, dtype=object)[label],
    })
    return table[table["offset"] > table["onset"]].sort_values(["filename", "onset", "event_label"], kind="stable", ignore_index=True)
