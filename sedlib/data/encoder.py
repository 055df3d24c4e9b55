"""Labels as frames, and the clips of the n-th batch.

Paper section 2 (three kinds of labels); taught in ``notebooks/01_data.py`` and ``notebooks/04_mean_teacher.py``.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

import numpy as np
import pandas as pd

from sedlib.config import CLIP_S
from sedlib.data import tables
from sedlib.data.tables import CLASSES


def strong_labels(
    table: pd.DataFrame, filenames: list[str], frames: int, frame_s: float, ends: str = "nearest"
) -> np.ndarray:
    """Convert an event table to ones and zeros for every frame; frame t spans [t, t + 1) * frame_s.

    Parameters
    ----------
    table : DataFrame
        Event table.
    filenames : list of str
        The clips wanted, in this order.
    frames, frame_s : int, float
        Frames of a clip and seconds of a frame.
    ends : str
        "nearest": onset and offset are rounded to the nearest frame, and an event shorter than a frame still has one.
        "floor": both are rounded down, as in the baseline: a label is half a frame early on average, and an event
        within one frame has none.

    Returns
    -------
    (clip, frame, class) float32 array

    Examples
    --------
    >>> bark = pd.DataFrame([{"filename": "a.wav", "onset": 1.2, "offset": 2.4, "event_label": "Dog"}])
    >>> strong_labels(bark, ["a.wav"], frames=10, frame_s=1.0)[0, :, CLASSES.index("Dog")].nonzero()[0].tolist()
    [1]
    >>> strong_labels(bark, ["a.wav"], frames=20, frame_s=0.5)[0, :, CLASSES.index("Dog")].nonzero()[0].tolist()
    [2, 3, 4]
    """
    events: dict[str, list[tuple[float, float, str]]] = {name: [] for name in filenames}
    for row in tables.events(table).itertuples():
        if row.filename in events:
            events[row.filename].append((row.onset, row.offset, row.event_label))
    labels = [event_labels(of_clip, frames, frame_s, ends) for of_clip in events.values()]
    return np.stack(labels) if labels else np.zeros((0, frames, len(CLASSES)), np.float32)


def event_labels(
    events: Iterable[tuple[float, float, str]], frames: int, frame_s: float, ends: str = "nearest"
) -> np.ndarray:
    """Convert the events (onset, offset, label) of one clip to frames, ``(frame, class)``, as `strong_labels` does."""
    labels = np.zeros((frames, len(CLASSES)), np.float32)
    for onset, offset, label in events:
        if onset >= CLIP_S:
            continue  # no frame
        if ends == "floor":
            first, last = (int(time / frame_s + 1e-6) for time in (onset, offset))  # rounding must not lose a frame
        else:
            first = min(round(onset / frame_s), frames - 1)
            last = max(round(offset / frame_s), first + 1)
        labels[first:last, CLASSES.index(label)] = 1
    return labels


def weak_labels(table: pd.DataFrame, filenames: list[str]) -> np.ndarray:
    """Convert a weak table to ones and zeros for every clip, ``(clip, class)`` float32."""
    labels = np.zeros((len(filenames), len(CLASSES)), np.float32)
    names = dict(zip(table["filename"], table["event_labels"], strict=True))
    for i, filename in enumerate(filenames):
        for label in filter(None, names[filename].split(",")):
            labels[i, CLASSES.index(label)] = 1
    return labels


@lru_cache(maxsize=8)
def _order(clips: int, seed: tuple[int, ...], epoch: int) -> np.ndarray:
    return np.random.default_rng([*seed, epoch]).permutation(clips)


def batch_indices(step: int, size: int, clips: int, *seed: int) -> np.ndarray:
    """Choose the clips of batch ``step``, (size,) ints: all clips in random order, in a new one on each pass.

    A pure function: a training that starts again at any step sees the same batches.
    """
    epoch, place = np.divmod(np.arange(step * size, (step + 1) * size), clips)
    return np.concatenate([_order(clips, seed, int(e))[place[epoch == e]] for e in np.unique(epoch)])
