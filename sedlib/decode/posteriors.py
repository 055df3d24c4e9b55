"""Posteriors of a set of clips, passed between training, decoding and metrics.

Taught in ``notebooks/04_mean_teacher.py``.
"""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from sedlib.errors import SedError
from sedlib.files import whole


@dataclass(frozen=True, eq=False)
class Posteriors:
    """Scores of a network, or of a system treated like one."""

    scores: np.ndarray  # (clip, frame, class) float in [0, 1], or uint8 percent
    filenames: list[str]
    classes: tuple[str, ...]
    frame_s: float  # seconds of a frame

    def save(self, path: str | Path) -> None:
        """Write as ``.npz``; `SedError` for a value that is not finite, and if the disk is full."""
        check_finite(self.scores, self.filenames, str(path))
        arrays: dict[str, Any] = {name: np.array(value) for name, value in vars(self).items()}
        with whole(Path(path)) as partial, open(partial, "wb") as file:
            np.savez_compressed(file, **arrays)

    def select(self, filenames: Sequence[str]) -> Posteriors:
        """Pick clips in this order; `SedError` for a clip that is missing, or given twice by these posteriors."""
        place = {name: i for i, name in enumerate(self.filenames)}
        if len(place) < len(self.filenames):
            twice = next(name for i, name in enumerate(self.filenames) if place[name] != i)
            raise SedError(f"scores: clip {twice!r} is listed twice; give each clip once")
        if missing := [name for name in filenames if name not in place]:
            raise SedError(
                f"scores: {len(missing)} of the reference's {len(filenames)} clips are missing, for example "
                f"{missing[0]!r}; both must cover the same clips"
            )
        return replace(self, scores=self.scores[[place[name] for name in filenames]], filenames=list(filenames))

    @classmethod
    def load(cls, path: str | Path) -> Posteriors:
        """Read what `save` wrote; `SedError` for a file that is something else."""
        try:
            with np.load(path, allow_pickle=False) as values:
                names, classes = values["filenames"].tolist(), tuple(values["classes"].tolist())
                found = cls(values["scores"], names, classes, float(values["frame_s"]))
        except (OSError, ValueError, KeyError, EOFError, TypeError, zipfile.BadZipFile, zlib.error) as error:
            fix = "; save the names as text, np.array(names, dtype=str)" if "Object arrays" in str(error) else ""
            what = "not an .npz of posteriors with scores, filenames, classes and frame_s"
            raise SedError(f"{path}: {what} ({error}{fix})") from None
        shape = np.shape(found.scores)
        if len(shape) != 3 or not shape[1] or (shape[0], shape[2]) != (len(names), len(classes)):
            raise SedError(
                f"{path}: scores of shape {shape} for {len(names)} filenames and {len(classes)} classes; "
                "expected (clip, frame, class)"
            )
        if not 0 < found.frame_s < np.inf:
            raise SedError(f"{path}: frame_s is {found.frame_s:g}, expected seconds of a frame, more than 0")
        return found


def check_scores(scores: np.ndarray) -> None:
    """`SedError` unless these are posteriors (clip, frame, class): float in [0, 1] or uint8 percent."""
    if scores.ndim != 3 or not scores.shape[1]:
        raise SedError(f"scores: shape {scores.shape}, expected (clip, frame, class) with at least one frame")
    top = 100 if scores.dtype == np.uint8 else 1
    if scores.size and not (scores.min() >= 0 and scores.max() <= top):  # NaN fails both
        clip, frame, label = at = tuple(np.argwhere(~((scores >= 0) & (scores <= top)))[0])
        where = f"clip {clip}, frame {frame}, class {label}"
        raise SedError(f"scores: {where} holds {scores[at]}, expected a posterior from 0 to {top}")


def check_finite(scores: np.ndarray, filenames: Sequence[str], what: str) -> None:
    """`SedError` that names ``what`` and the first clip with NaN or an infinite value in its scores."""
    finite = np.isfinite(scores).all(axis=(1, 2))
    if not finite.all():
        raise SedError(
            f"{what}: {int((~finite).sum())} of {len(scores)} clips have posteriors that are not numbers, the first "
            f"{filenames[int(np.argmin(finite))]!r}: the network's weights are not finite, as after a diverged "
            "training; train it again in another folder"
        )
