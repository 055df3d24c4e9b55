"""The two-state HMM in hmmlearn, which sedlib's must equal; its state posteriors, and scores of its operating points.

Paper section 3.4; taught in ``notebooks/06_hmm.py``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from hmmlearn.base import BaseHMM

from sedlib.decode import THRESHOLDS, Hmm, Posteriors, operating_points
from sedlib.decode.hmm import Emissions, emissions
from sedlib.errors import SedError

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
    """Find the paths of `sedlib.decode.hmm.viterbi`, one class after the other."""
    n_classes, n_frames, n_clips = found.silence.shape
    states = np.zeros((n_clips, n_frames, n_classes), bool)
    for k in range(n_classes):
        scores = np.stack([found.event[k].T, found.silence[k].T], axis=-1)
        # Only at the last frame hmmlearn takes the lower one; a nudge that decides nothing but ties.
        scores[:, -1, SILENCE] += 1e-9
        _, path = PosteriorHMM(p_silence[k], p_event[k]).decode(scores.reshape(-1, 2), lengths=[n_frames] * n_clips)
        states[..., k] = path.reshape(n_clips, n_frames) == EVENT
    return states


def state_posteriors(scores: np.ndarray, hmm: Hmm) -> np.ndarray:
    """Compute the probability of being in the event at every frame, given the whole clip: forward-backward.

    Parameters
    ----------
    scores : (clip, frame, class) array
        Posteriors of the network, as for `sedlib.decode.hmm.emissions`.
    hmm : Hmm
        Of the same classes; its transition probabilities alone are used.

    Returns
    -------
    (clip, frame, class) array
    """
    n_clips, n_frames, n_classes = scores.shape
    found, states = emissions(scores), np.zeros(scores.shape)
    for k in range(n_classes):
        both = np.stack([found.event[k].T, found.silence[k].T], axis=-1).reshape(-1, 2)
        of_state = PosteriorHMM(hmm.p_silence[k], hmm.p_event[k]).predict_proba(both, lengths=[n_frames] * n_clips)
        states[..., k] = of_state[:, EVENT].reshape(n_clips, n_frames)
    return states


def hmm_scores(posteriors: Posteriors, hmm: Hmm, thresholds: Sequence[float] = THRESHOLDS) -> Posteriors:
    """Make one score per frame that, cut at any of the thresholds, gives the events of `operating_points` there.

    With models that like to stay (p_silence + p_event of 1 or more) a lower threshold only adds frames.

    Returns
    -------
    Posteriors
        The highest threshold at which each frame is in an event, 0 where there is none.

    Raises
    ------
    SedError
        For a class whose model likes to switch, for then a lower threshold can take frames away.
    """
    for name, both in zip(hmm.classes, hmm.p_silence + hmm.p_event, strict=True):
        if name in posteriors.classes and both < 1 - 1e-9:
            raise SedError(
                f"HMM: p_silence + p_event of {name} is {both:g}, less than 1, so its paths at several thresholds do "
                "not lie within each other; use operating_points"
            )
    scores = np.zeros(posteriors.scores.shape)
    clip = {name: i for i, name in enumerate(posteriors.filenames)}
    for threshold, table in operating_points(posteriors, hmm, sorted(thresholds)).items():
        for name, onset, offset, label in table.itertuples(index=False):
            first, last = (round(seconds / posteriors.frame_s) for seconds in (onset, offset))
            scores[clip[name], first:last, posteriors.classes.index(label)] = threshold
    return replace(posteriors, scores=scores)
