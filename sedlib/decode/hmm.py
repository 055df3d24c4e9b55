"""A two-state hidden Markov model for every class: silence or event, with the network's posteriors as emission scores.

Paper section 3.4; taught in ``notebooks/06_hmm.py``. Staying in a state costs little and switching costs much, so
single frames that disagree with their neighbours are overruled. `viterbi` finds the best path of every clip and class
at once, bit for bit as ``librosa.sequence.viterbi_discriminative`` does one by one. Among equally good paths silence
wins, decided frame by frame from the end of the clip (hmmlearn decides all but the last frame the other way).

PSDS asks for predictions at many thresholds (Table 3). A best path has none, and the released code decodes the same
path for every threshold. Here a threshold shifts the log-odds of every frame, so that a posterior equal to it counts
for neither state, and the path is decoded again.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import numpy as np

from sedlib.compiled import njit, prange
from sedlib.config import BelowOne, Fraction
from sedlib.data.tables import CLASSES
from sedlib.decode.parameters import ByClass
from sedlib.decode.posteriors import check_scores
from sedlib.errors import SedError
from sedlib.threads import share_threads

BLOCK = 256  # clips that are decoded side by side, so that the inner loop is one over neighbours in memory


@dataclass(frozen=True, eq=False)
class Hmm(ByClass):
    """Parameters of the models of all classes, arrays (class,), and which of their events are kept.

    The probabilities are those of staying silent, and of staying in the event, from one frame to the next, in (0, 1).
    """

    p_silence: np.ndarray
    p_event: np.ndarray
    # An event in which no frame's posterior (after a threshold's shift, see `emissions`) reaches this is dropped.
    confidence: np.ndarray

    TITLE: ClassVar[str] = "HMM"
    RANGES: ClassVar[dict[str, Any]] = {"p_silence": Fraction, "p_event": Fraction, "confidence": BelowOne}

    @classmethod
    def alike(
        cls,
        p_silence: float,
        p_event: float,
        classes: tuple[str, ...] = CLASSES,
        confidence: float = 0.0,
        drop_s: float = 0.0,
    ) -> Hmm:
        """Make the same model for every class."""
        return cls(classes, *(np.full(len(classes), p) for p in (p_silence, p_event, confidence)), drop_s=drop_s)

    def vectors(self, frame_s: float, n_frames: int) -> np.ndarray:
        """Give logarithms of the transition probabilities, (class, 4)."""
        return transitions(self.p_silence, self.p_event).reshape(-1, 4)


class Emissions(NamedTuple):
    """Logarithms of the two states' emission scores, ``(class, frame, clip)``."""

    silence: np.ndarray
    event: np.ndarray


def emissions(scores: np.ndarray, threshold: float = 0.5) -> Emissions:
    """Compute emission scores (1 - p, p) of posteriors p, as logarithms over the states' priors of one half.

    Parameters
    ----------
    scores : (clip, frame, class) array
        Posteriors: float in [0, 1], or uint8 percent.
    threshold : float
        The posterior at which both states are equally likely, in (0, 1); anything but 0.5 shifts all log-odds.

    Raises
    ------
    SedError
        For another shape, a value that is not a probability (NaN among them), or a threshold outside (0, 1).
    """
    scores = np.asarray(scores)
    check_scores(scores)
    if not 0 < threshold < 1:
        raise SedError(f"threshold is {threshold:g}, expected a posterior between 0 and 1")
    if scores.dtype.kind != "f":
        scores = scores / (100 if scores.dtype == np.uint8 else 1)
    tiny = np.finfo(scores.dtype).tiny  # as librosa adds it
    prior = np.log(0.5)
    silence, event = 1 - scores, scores + tiny
    silence += tiny
    for logs in (silence, event):  # in place: new memory costs more than the logarithms
        np.log(logs, out=logs)
    shift = np.log((1 - threshold) / threshold) if threshold != 0.5 else 0.0
    share_threads()
    return Emissions(_by_class_and_frame(silence, -prior), _by_class_and_frame(event, shift - prior))


@njit(cache=True, parallel=True)
def _by_class_and_frame(logs, plus):
    """(clip, frame, class) to (class, frame, clip) with neighbouring clips beside each other."""
    n_clips, n_frames, n_classes = logs.shape
    out = np.empty((n_classes, n_frames, n_clips))
    for block in prange((n_clips + 15) // 16):  # few enough clips to stay in the cache
        first, last = 16 * block, min(16 * block + 16, n_clips)
        for t in range(n_frames):
            for k in range(n_classes):
                for n in range(first, last):
                    out[k, t, n] = np.float64(logs[n, t, k]) + plus
    return out


def transitions(p_silence: float | np.ndarray, p_event: float | np.ndarray) -> np.ndarray:
    """Compute logarithms of the transition probabilities ``(..., from, to)``, states silence and event."""
    p_silence, p_event = np.asarray(p_silence, float), np.asarray(p_event, float)
    matrix = np.stack([np.stack([p_silence, 1 - p_silence], -1), np.stack([1 - p_event, p_event], -1)], -2)
    return np.log(matrix + np.finfo(float).tiny)


def viterbi(found: Emissions, p_silence: np.ndarray, p_event: np.ndarray) -> np.ndarray:
    """Find the best path of every clip and class.

    Parameters
    ----------
    found : Emissions
    p_silence, p_event : (class,) arrays
        As in `Hmm`.

    Returns
    -------
    (clip, frame, class) bool array
        True where the path is in the event.
    """
    log_a = transitions(p_silence, p_event)
    if log_a.shape != (len(found.silence), 2, 2):  # compiled code would read beyond a shorter array
        sizes = f"{np.size(p_silence)} and {np.size(p_event)} probabilities for {len(found.silence)} classes"
        raise SedError(f"HMM: {sizes}; give one per class")
    share_threads()
    return _paths(*found, log_a).transpose(2, 1, 0).view(bool)


@njit(cache=True, parallel=True)
def _paths(silence, event, log_a):
    n_classes, n_frames, n_clips = silence.shape
    states = np.empty(silence.shape, np.uint8)
    blocks = (n_clips + BLOCK - 1) // BLOCK
    for task in prange(n_classes * blocks):
        k, first = task // blocks, task % blocks * BLOCK
        last = min(first + BLOCK, n_clips)
        best_paths(silence[k, :, first:last], event[k, :, first:last], log_a[k], states[k, :, first:last])
    return states


@njit(cache=True)
def best_paths(silence, event, log_a, states):
    """Viterbi's algorithm for one class, in ``states`` (frame, clip).

    A table of best scores is filled from the first frame to the last, and the way to the better end is walked back.
    """
    n_frames, n_clips = silence.shape
    half = np.log(0.5)
    in_silence, in_event = silence[0] + half, event[0] + half  # best score of a path that is there now
    came = np.empty((n_frames, n_clips), np.uint8)  # bit s: the best path to state s comes from the event
    for t in range(1, n_frames):
        for n in range(n_clips):
            stay, stop = in_silence[n] + log_a[0, 0], in_event[n] + log_a[1, 0]
            start, go_on = in_silence[n] + log_a[0, 1], in_event[n] + log_a[1, 1]
            came[t, n] = (stop > stay) | (go_on > start) << 1
            in_silence[n] = max(stay, stop) + silence[t, n]
            in_event[n] = max(start, go_on) + event[t, n]
    for n in range(n_clips):
        states[n_frames - 1, n] = in_event[n] > in_silence[n]
    for t in range(n_frames - 1, 0, -1):
        for n in range(n_clips):
            states[t - 1, n] = came[t, n] >> states[t, n] & 1
