"""Posteriors of a set of clips, and how a network gives them.

Taught in ``notebooks/04_mean_teacher.py``.
"""

from __future__ import annotations

import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from tqdm.auto import tqdm

from sedlib.data.store import Store
from sedlib.data.tables import CLASSES
from sedlib.errors import SedError
from sedlib.model import Detector


@dataclass(frozen=True)
class Posteriors:
    """Scores of a set of clips, as they travel between training, decoding and metrics."""

    scores: np.ndarray  # (clip, frame, class) float in [0, 1], or uint8 percent
    filenames: list[str]
    classes: tuple[str, ...]
    frame_s: float  # seconds of a frame

    def save(self, path: str | Path) -> None:
        """Write as ``.npz``."""
        path = Path(path)
        partial = path.with_name(path.name + ".partial")
        with open(partial, "wb") as file:
            np.savez_compressed(
                file, scores=self.scores, filenames=np.array(self.filenames), classes=np.array(self.classes),
                frame_s=np.array(self.frame_s),
            )
        partial.replace(path)

    @classmethod
    def load(cls, path: str | Path) -> Posteriors:
        """Read what `save` wrote; `SedError` for a file that is something else."""
        try:
            with np.load(path, allow_pickle=False) as values:
                return cls(values["scores"], values["filenames"].tolist(), tuple(values["classes"].tolist()), float(values["frame_s"]))
        except (OSError, ValueError, KeyError, EOFError, TypeError, zipfile.BadZipFile, zlib.error) as error:
            raise SedError(f"{path}: not an .npz of posteriors with scores, filenames, classes and frame_s ({error})") from None


@torch.no_grad()
def posteriors(detector: Detector, store: Store, frame_s: float, progress: bool = True, batch: int = 32) -> Posteriors:
    """Strong posteriors of all clips of a store.

    Parameters
    ----------
    detector : Detector
        In evaluation mode.
    store : Store
    frame_s : float
        Seconds of an output frame.
    """
    device = next(detector.parameters()).device
    scores = []
    for start in tqdm(range(0, len(store), batch), desc="posteriors", disable=not progress, leave=False):
        waveforms = torch.from_numpy(store.waveforms(np.arange(start, min(start + batch, len(store))))).to(device)
        scores.append(detector(detector.features(waveforms)).strong.cpu().numpy())
    return Posteriors(np.concatenate(scores), list(store.filenames), CLASSES, frame_s)
