"""From frames to an event table: the threshold and median filter of the baseline, and what HMM and tuning share.

Paper section 3.4 ("a popular approach"); taught in ``notebooks/04_mean_teacher.py``. Frame t spans [t, t + 1) *
frame_s.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy.ndimage import median_filter

from sedlib.compiled import njit
from sedlib.config import Decoding
from sedlib.decode.posteriors import Posteriors
from sedlib.errors import SedError


def median_events(posteriors: Posteriors, decoding: Decoding, duration_s: float | None = None) -> pd.DataFrame:
    """Find events where the posterior is above a threshold for most of the frames around.

    Parameters
    ----------
    posteriors : Posteriors
    decoding : Decoding
        Threshold, and length of the median filter in seconds.
    duration_s : float, optional
        Length of the clips; no event ends later. Default: as many seconds as there are frames.

    Returns
    -------
    DataFrame
        Event table ``filename onset offset event_label``, sorted by clip, onset and class.

    Examples
    --------
    A filter of three frames closes the gap, and the single frame at the end stays silent:

    >>> scores = np.array([0.1, 0.9, 0.2, 0.9, 0.8, 0.1, 0.1, 0.1, 0.7, 0.1]).reshape(1, 10, 1)
    >>> dog = Posteriors(scores, ["a.wav"], ("Dog",), frame_s=0.5)
    >>> median_events(dog, Decoding(threshold=0.5, median_s=1.5)).values.tolist()
    [['a.wav', 1.0, 2.5, 'Dog']]
    """
    active = posteriors.scores > decoding.threshold * (100 if posteriors.scores.dtype == np.uint8 else 1)
    smoothed = smooth(active, filter_frames(decoding.median_s, posteriors.frame_s))
    return frames_to_events(smoothed, posteriors, duration_s)


def filter_frames(seconds: float, frame_s: float) -> int:
    """Round a filter length to the nearest odd number of frames: 0.45 s are 7 frames of 63.75 ms."""
    if not 0 <= seconds < np.inf:
        raise SedError(f"median filter: a length of {seconds} s, expected seconds, 0 or more")
    return 2 * max(0, round((seconds / frame_s - 1) / 2)) + 1


def smooth(active: np.ndarray, frames: int) -> np.ndarray:
    """Median filter decisions ``(clip, frame, class)`` over time: the majority of the frames around each.

    A clip is reflected at its ends, ``d c b a | a b c d | d c b a``: SciPy's default, which the baseline has.
    """
    return median_filter(active.astype(np.uint8), size=(1, frames, 1)).astype(bool)


def frames_to_events(active: np.ndarray, posteriors: Posteriors, duration_s: float | None = None) -> pd.DataFrame:
    """Turn runs of active frames, (clip, frame, class), into an event table.

    ``posteriors`` gives filenames, classes and the seconds of a frame; ``duration_s`` as for `median_events`.
    """
    states = np.ascontiguousarray(active.transpose(2, 1, 0), np.uint8)
    certain = np.zeros(states.shape[1:])
    return event_table([runs(of_class, certain) for of_class in states], posteriors, duration_s)


def rules(posteriors: Posteriors, duration_s: float | None, drop_s: float) -> tuple[float, float, int]:
    """Give `kept` the seconds of a frame, the end of the clips, and the frames of the longest event to drop."""
    end = posteriors.scores.shape[1] * posteriors.frame_s if duration_s is None else duration_s
    return posteriors.frame_s, end, int(drop_s / posteriors.frame_s + 1e-6)


def event_table(
    spans: Sequence[Spans],
    posteriors: Posteriors,
    duration_s: float | None,
    drop_s: float = 0.0,
    gates: np.ndarray | None = None,
) -> pd.DataFrame:
    """Make an event table of each class's spans; ``gates`` (class,) as `kept` takes one."""
    filenames, classes = (np.array(names, dtype=object) for names in (posteriors.filenames, posteriors.classes))
    clip, onset, offset, label = [], [], [], []
    for k in range(len(classes)):
        least = -np.inf if gates is None else gates[k]
        bounds, *times = kept(spans[k], *rules(posteriors, duration_s, drop_s), least)
        clip.append(np.repeat(np.arange(len(filenames)), np.diff(bounds)))
        onset.append(times[0])
        offset.append(times[1])
        label.append(np.full(len(times[0]), k))
    clip, onset, offset, label = map(np.concatenate, (clip, onset, offset, label))
    order = np.lexsort((_ranks(classes)[label], onset, _ranks(filenames)[clip]))
    rows = {"filename": filenames[clip], "onset": onset, "offset": offset, "event_label": classes[label]}
    return pd.DataFrame({name: column[order] for name, column in rows.items()})


def _ranks(names: np.ndarray) -> np.ndarray:
    return np.unique(names, return_inverse=True)[1]


class Spans(NamedTuple):
    """Events of one class in frames, before any is dropped; those of clip ``i`` in ``bounds[i] : bounds[i + 1]``."""

    bounds: np.ndarray  # (clip + 1,)
    first: np.ndarray  # (event,)
    last: np.ndarray  # past the last frame
    surest: np.ndarray  # log-odds of the event


@njit(cache=True)
def runs(states, odds):
    """Find runs of active frames in ``states`` (frame, clip), with the highest log-odds of their frames, as `Spans`."""
    n_frames, n_clips = states.shape
    most = n_clips * (n_frames + 1) // 2 + 1
    bounds, surest = np.zeros(n_clips + 1, np.int64), np.empty(most)
    first, last = np.empty(most, np.int64), np.empty(most, np.int64)
    count = 0
    for n in range(n_clips):
        start, highest = -1, -np.inf
        for t in range(n_frames + 1):
            if t < n_frames and states[t, n]:
                if start < 0:
                    start, highest = t, -np.inf
                highest = max(highest, odds[t, n])
            elif start >= 0:
                first[count], last[count], surest[count] = start, t, highest
                start, count = -1, count + 1
        bounds[n + 1] = count
    return Spans(bounds, first[:count], last[:count], surest[:count])


@njit(cache=True)
def kept(spans, frame_s, end, drop, gate):
    """Events that count: ``bounds`` (clip + 1,) of each clip's events in ``onset`` and ``offset``, seconds.

    Events of up to ``drop`` frames are dropped, as are those whose log-odds do not reach ``gate``; none ends after
    ``end``.
    """
    bounds = np.zeros(len(spans.bounds), np.int64)
    onset, offset = np.empty(len(spans.first)), np.empty(len(spans.first))
    count = 0
    for n in range(len(bounds) - 1):
        for i in range(spans.bounds[n], spans.bounds[n + 1]):
            start = spans.first[i] * frame_s
            if spans.last[i] - spans.first[i] > drop and spans.surest[i] >= gate - 1e-6 and start < end:
                onset[count], offset[count] = start, min(spans.last[i] * frame_s, end)
                count += 1
        bounds[n + 1] = count
    return bounds, onset[:count], offset[:count]
