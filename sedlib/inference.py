"""From networks to posteriors: those of a data set, and events in recordings of any length and rate.

Taught in ``notebooks/04_mean_teacher.py`` and ``notebooks/06_hmm.py``.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from tqdm.auto import tqdm

from sedlib.config import Config
from sedlib.data import audio, tables
from sedlib.data.store import Store
from sedlib.data.tables import CLASSES
from sedlib.decode.decoders import Decoder, find_events
from sedlib.decode.posteriors import Posteriors, check_finite
from sedlib.models import Detector

CLIPS, WINDOWS = 32, 16  # computed at once: of a data set, of a recording


@torch.no_grad()
def posteriors(detector: Detector, store: Store, frame_s: float, progress: bool = True) -> Posteriors:
    """Return the strong posteriors of all clips of a store.

    Parameters
    ----------
    detector : Detector
        In evaluation mode.
    store : Store
    frame_s : float
        Seconds of an output frame.
    progress : bool

    Raises
    ------
    SedError
        For posteriors that are not finite, with the first clip.
    """
    device = next(detector.parameters()).device
    scores = []
    for start in tqdm(range(0, len(store), CLIPS), desc="posteriors", disable=not progress, leave=False):
        waveforms = torch.from_numpy(store.waveforms(np.arange(start, min(start + CLIPS, len(store))))).to(device)
        scores.append(detector(detector.features(waveforms)).strong.cpu().numpy())
        check_finite(scores[-1], store.filenames[start : start + CLIPS], str(store.path))
    return Posteriors(np.concatenate(scores), list(store.filenames), CLASSES, frame_s)


@torch.no_grad()
def recording_posteriors(
    detector: Detector, config: Config, waveform: np.ndarray | Iterable[np.ndarray], filename: str
) -> Posteriors:
    """Return the posteriors of a whole recording.

    The detector gets windows as long as its training clips, each starting half a window after the one before; the last
    ones are moved back to end with the recording's last whole frame and with the recording itself. So no window of a
    long recording holds anything but the recording; one shorter than a window is padded with zeros, as training clips
    are. A frame is taken from the window in which it has more context on its shorter side: at least a quarter of a
    window, except at the ends of the recording.

    Parameters
    ----------
    detector : Detector
    config : Config
    waveform : (sample,) float32 array, or such arrays that follow each other
        At the detector's sample rate. Of an `audio.Stream` no more than some windows are in memory.
    filename : str
        Name that the posteriors carry.
    """
    pool = config.model.time_pooling * config.features.hop  # samples of an output frame
    length = config.features.samples
    found, starts, samples = [], [], 0
    windows = _windows([waveform] if isinstance(waveform, np.ndarray) else waveform, length, pool, config.frames // 2)
    while group := list(itertools.islice(windows, WINDOWS)):
        scores = detector(detector.features(torch.from_numpy(np.stack([window for _, window, _ in group])))).strong
        found.append(scores.numpy())
        starts += [start for start, _, _ in group]
        samples = group[-1][2]
    scores = _joined(np.array(starts), np.concatenate(found), samples, length, pool)
    return Posteriors(scores[None], [filename], tables.CLASSES, config.frame_s)


def _windows(blocks: Iterable[np.ndarray], length: int, pool: int, step: int) -> Iterator[tuple[int, np.ndarray, int]]:
    """Windows of a recording that comes in blocks, every ``step`` frames of ``pool`` samples.

    Yields first sample, ``(length,)`` samples, and how long the recording is as far as it is known.
    """
    kept, begin, start = np.empty(0, np.float32), 0, 0  # samples kept, the first one's place; start of the next window
    for block in blocks:
        kept = np.concatenate([kept, block])
        end = begin + len(kept)
        while start + length <= end:
            kept, begin = kept[start - begin :], start  # the last window may need what follows this one's first sample
            yield start, kept[:length], end
            start += step * pool
    end = begin + len(kept)
    if end < length:
        yield 0, np.pad(kept, (0, length - end)), end
    for start in ((end - length) // pool * pool, end - length):  # the second does not start with a frame
        if start > begin:
            kept, begin = kept[start - begin :], start
            yield start, kept[:length], end


def _joined(starts: np.ndarray, scores: np.ndarray, samples: int, length: int, pool: int) -> np.ndarray:
    """(frame, class) scores of a recording from the (window, frame, class) ones of its windows."""
    middles = (np.arange(max(1, -(-samples // pool))) + 0.5) * pool
    limits = (starts[:-1] + length + starts[1:]) / 2  # the middle of what two windows share
    if starts[-1] % pool:  # the last window's frames are off by a part of one: it gives what no other has
        limits[-1] = starts[-2] + length
    window = np.searchsorted(limits, middles, side="right")
    frame = (middles - starts[window]) // pool
    return scores[window, frame.clip(0, scores.shape[1] - 1).astype(int)]


def detect(
    detector: Detector, config: Config, path: str | Path, decoder: Decoder | None = None, filename: str | None = None
) -> pd.DataFrame:
    """Return the events of a recording of any length, sample rate and number of channels.

    Parameters
    ----------
    detector : Detector
    config : Config
    path : path
        The recording. It is read in blocks, so a long one takes no more memory than a short one.
    decoder : Decoder, optional
        Decodes in place of the configuration's median filter.
    filename : str, optional
        Name of the recording in the table; default: that of the file, without folders.

    Raises
    ------
    SedError
        If the recording cannot be read.
    """
    stream = audio.Stream(path)
    scores = recording_posteriors(detector, config, stream, filename or Path(path).name)
    duration_s = stream.samples / config.features.sample_rate
    return find_events(scores, decoder or config.decoding, duration_s)


def audacity_labels(events: pd.DataFrame) -> str:
    """Write the events of one recording as an Audacity label track: onset, offset and label, tab separated."""
    return "".join(f"{e.onset:.3f}\t{e.offset:.3f}\t{e.event_label}\n" for e in events.itertuples())
