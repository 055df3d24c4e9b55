"""F1 from counts: what event-based and segment-based F1 have in common.

Paper section 4 (event-based macro F1); taught in ``notebooks/00_start_here.py``. Both scores count, per clip and class,
hits (true positives), predictions and references. A class without predictions is the one point of dispute: the DCASE
baselines score its events 0 and leave its segments out of the mean, because sed_eval offers the choice for events only.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass, field

import numpy as np

from sedlib.data.tables import CLASSES


@dataclass(frozen=True, eq=False)
class F1Result:
    """Counts of a system on a set of clips, and the F1 scores that follow from them.

    Attributes
    ----------
    counts : (clip, class, 3) int array
        Hits, number of predictions, number of references.
    filenames : list of str
        The clips, in the order of ``counts``.
    classes : tuple of str
        The classes, in the order of ``counts``.
    unknown_filenames : list of str
        Clips with predictions that the reference does not know; they count nowhere.
    precision_of_none : float
        Precision of a class without predictions: 0, or NaN, which leaves it out of the macro F1.
    """

    counts: np.ndarray
    filenames: list[str]
    classes: tuple[str, ...] = CLASSES
    unknown_filenames: list[str] = field(default_factory=list)
    precision_of_none: float = 0.0

    @property
    def macro(self) -> float:
        """Mean of the classes' F1; a class without reference is left out."""
        return float(self.macro_of(self.counts.sum(axis=0)))

    @property
    def micro(self) -> float:
        """F1 of all classes counted together."""
        return float(self.micro_of(self.counts.sum(axis=0)))

    @property
    def per_class(self) -> dict[str, dict[str, float]]:
        """For each class ``f1 precision recall`` (fractions) and ``n_hit n_sys n_ref``."""
        total = self.counts.sum(axis=0)
        scores = np.transpose(f1_precision_recall(total, self.precision_of_none))
        return {
            name: dict(
                zip(("f1", "precision", "recall", "n_hit", "n_sys", "n_ref"), [*of.tolist(), *n.tolist()], strict=True)
            )
            for name, of, n in zip(self.classes, scores, total, strict=True)
        }

    def macro_of(self, counts: np.ndarray) -> np.ndarray:
        """Macro F1 of other counts by the same rule, (..., class, 3) -> (...); NaN where no class has one."""
        f1 = f1_precision_recall(counts, self.precision_of_none)[0]
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Mean of empty slice", RuntimeWarning)
            return np.nanmean(f1, axis=-1)

    def micro_of(self, counts: np.ndarray) -> np.ndarray:
        """Micro F1 of other counts by the same rule, (..., class, 3) -> (...)."""
        return f1_precision_recall(np.sum(counts, axis=-2), self.precision_of_none)[0]


def f1_precision_recall(
    counts: np.ndarray, precision_of_none: float = 0.0
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """F1, precision and recall of counts.

    Parameters
    ----------
    counts : (..., 3) array
        Hits, number of predictions, number of references.
    precision_of_none : float
        Precision where nothing was predicted: 0 or NaN.

    Returns
    -------
    three (...) arrays
        Recall and F1 are NaN where the reference has nothing.

    Notes
    -----
    The operations and their order are those of sed_eval, so that the results are equal bit for bit.
    """
    hits, n_sys, n_ref = np.moveaxis(np.asarray(counts, dtype=float), -1, 0)
    with np.errstate(divide="ignore", invalid="ignore"):
        precision = np.where(n_sys == 0, precision_of_none, hits / n_sys)
        recall = hits / n_ref
        f1 = np.where((precision == 0) & (recall == 0), 0.0, 2 * precision * recall / (precision + recall))
    return f1, precision, recall
