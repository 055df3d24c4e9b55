"""The two-state HMM in hmmlearn: what ``hmm.py`` must equal, and what the lesson shows first.

Paper section 3.4; taught in ``notebooks/06_hmm.py``.
"""

from __future__ import annotations

import numpy as np
from hmmlearn.base import BaseHMM

from sedlib.decode.hmm import Emissions

EVENT, SILENCE = 0, 1  # hmmlearn takes the higher state of two equally good ones: silence, as everywhere here


class PosteriorHMM(BaseHMM):
    """An hmmlearn model whose observations are the log emission scores themselves: (frame, 2), event and silence."""

    def __init__(self, p_silence: float, p_event: float) -> None:
        super().__init__(n_components=2)
        self.n_features = 2
        self.startprob_ = np.array([0.5, 0.5])
        self.transmat_ = np.array([[p_event, 1 - p_event], [1 - p_silence, p_silence]])

    def _compute_log_likelihood(self, X: np.ndarray) -> np.ndarray:
        return X


def viterbi(found: Emissions, p_silence: np.ndarray, p_event: np.ndarray) -> np.ndarray:
    """As `sedlib.decode.hmm.viterbi`, one class after the other."""
    n_classes, n_frames, n_clips = found.silence.shape
    states = np.zeros((n_clips, n_frames, n_classes), bool)
    for k in range(n_classes):
        scores = np.stack([found.event[k].T, found.silence[k].T], axis=-1)
        # Only at the last frame hmmlearn takes the lower one; a nudge that decides nothing but ties.
        scores[:, -1, SILENCE] += 1e-9
        _, path = PosteriorHMM(p_silence[k], p_event[k]).decode(scores.reshape(-1, 2), lengths=[n_frames] * n_clips)
        states[..., k] = path.reshape(n_clips, n_frames) == EVENT
    return states
