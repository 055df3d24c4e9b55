"""Events in recordings of any length and rate.

Taught in ``notebooks/04_mean_teacher.py`` and ``notebooks/06_hmm.py``.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import torch

from sedlib.config import Config
from sedlib.data import audio, tables
from sedlib.decode.hmm import Hmm, hmm_events
from sedlib.decode.median import median_events
from sedlib.decode.posteriors import Posteriors
from sedlib.model import Detector


@torch.no_grad()
def recording_posteriors(detector: Detector, config: Config, waveform: np.ndarray, filename: str, batch: int = 16) -> Posteriors:
    """Posteriors of a whole recording.

    The detector hears windows as long as its training clips, each starting half a window after the one before; of
    every window the middle half counts (at the ends of the recording also the outer quarter), so that a frame is
    judged with at least a quarter of a window on both sides.

    Parameters
    ----------
    detector : Detector
    config : Config
    waveform : (sample,) float32 array
        At the detector's sample rate.
    filename : str
        Name that the posteriors carry.

    Returns
    -------
    Posteriors of one clip with as many frames as the recording has.
    """
    pool = config.model.time_pooling * config.features.hop  # samples of an output frame
    window, step = config.frames, config.frames // 2
    frames = max(1, -(-len(waveform) // pool))
    starts = np.arange(0, max(1, frames - window + step), step)
    padded = np.zeros((starts[-1] * pool + config.features.samples), np.float32)
    padded[: len(waveform)] = waveform
    scores = np.zeros((starts[-1] + window, len(tables.CLASSES)), np.float32)
    quarter = (window - step) // 2
    for group in np.array_split(starts, -(-len(starts) // batch)):
        windows = np.stack([padded[s * pool : s * pool + config.features.samples] for s in group])
        strong = detector(detector.features(torch.from_numpy(windows))).strong.numpy()
        for start, window_scores in zip(group, strong):
            first = 0 if start == 0 else quarter
            scores[start + first : start + window] = window_scores[first:window]
    return Posteriors(scores[None, :frames], [filename], tables.CLASSES, config.frame_s)


def detect(detector: Detector, config: Config, path: str | Path, hmm: Hmm | None = None) -> pd.DataFrame:
    """Event table of a recording of any length, sample rate and number of channels, by the configuration's median filter or by an
    HMM; `SedError` if it cannot be read."""
    waveform, _ = audio.read(path)
    scores = recording_posteriors(detector, config, waveform, Path(path).name)
    duration_s = len(waveform) / config.features.sample_rate
    return median_events(scores, config.decoding, duration_s) if hmm is None else hmm_events(scores, hmm, duration_s)


def audacity_labels(events: pd.DataFrame) -> str:
    """The events of one recording as an Audacity label track: onset, offset and label, tab separated."""
    return "".join(f"{e.onset:.3f}\t{e.offset:.3f}\t{e.event_label}\n" for e in events.itertuples())
