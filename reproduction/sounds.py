"""The clip of Figure 2: a vacuum cleaner throughout, speech three times.

Paper section 3.3; ``notebooks/03_pcen.py``.
"""

from __future__ import annotations

import dataclasses

import numpy as np
import pandas as pd
import torch

from minidesed import domains
from minidesed.soundscapes import mix
from minidesed.voices import Voices
from sedlib.config import CLIP_S
from sedlib.data import tables
from sedlib.data.audio import RATE
from sedlib.data.layout import REAL
from sedlib.data.scenes import Event
from sedlib.models import Detector

FIGURE_2 = (
    Event("Vacuum_cleaner", 0.0, CLIP_S),
    Event("Speech", 1.2, 1.6),
    Event("Speech", 4.3, 1.2),
    Event("Speech", 7.2, 1.8),
)
# The development set's domain; the two classes are equally loud, and nobody missed a boundary.
RECIPE = dataclasses.replace(domains.REAL, snr_of_class=0, snr_of_event=0, label_jitter=0)


class _AlreadyOn(Voices):
    """Voices whose vacuum cleaner was switched on before the clip and runs on after it."""

    def event(self, label: str, duration: float, rng: np.random.Generator) -> np.ndarray:
        if label != "Vacuum_cleaner":
            return super().event(label, duration, rng)
        return super().event(label, duration + 2, rng)[RATE:][: round(duration * RATE)]


def figure2_clip(seed: int) -> tuple[np.ndarray, pd.DataFrame]:
    """Make a clip as the paper describes that of its Figure 2, like one of MiniDESED's development set.

    Parameters
    ----------
    seed : int
        0 or more; determines the talker, the vacuum cleaner, the room and the microphone.

    Returns
    -------
    (160000,) float32 array
        Waveform in [-1, 1], 16 kHz.
    DataFrame
        Event table: one Vacuum_cleaner, three Speech.
    """
    waveform, events = mix(list(FIGURE_2), _AlreadyOn(REAL), RECIPE, np.random.default_rng([seed, 3, 2]))
    rows = [("figure2.wav", *event) for event in events]
    return waveform, pd.DataFrame(rows, columns=tables.EVENT_COLUMNS)


@torch.no_grad()
def seen(detector: Detector, waveform: np.ndarray) -> np.ndarray:
    """Return what the CRNN of a detector sees of a clip ``(sample,)``: ``(channel, mel, frame)``."""
    return detector.frontend(detector.features(torch.from_numpy(waveform)[None]))[0].numpy()
