"""Two-state hidden Markov model of every class: silence or event, with the network's posteriors as emission scores.

Paper section 3.4; taught in ``notebooks/06_hmm.py``. A path through the states costs little where it stays and much
where it switches, so single frames that disagree with their neighbours are overruled. `viterbi` finds the best path of
every clip and class at once, bit for bit as ``librosa.sequence.viterbi_discriminative`` does one by one.

Of paths that are equally good the one that is silent is taken, decided frame by frame from the end of the clip
(librosa's rule; hmmlearn decides all but the last frame the other way).

PSDS asks for predictions at many thresholds (Table 3). A best path has none, and the released code decodes the same
path for every threshold. Here a threshold shifts the log-odds of every frame, so that a posterior equal to it counts
for neither state, and the path is decoded anew.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from sedlib.compiled import njit, prange
from sedlib.config import Decoding
from sedlib.data.tables import CLASSES
from sedlib.decode.events import event_table, median_events
from sedlib.decode.posteriors import Posteriors, check_scores
from sedlib.errors import SedError
from sedlib.threads import share_threads

BLOCK = 256  # clips that are decoded side by side, so that the inner loop is one over neighbours in memory
THRESHOLDS = tuple(np.linspace(0.01, 0.99, 50).tolist())  # the challenge's
_BY_CLASS = "p_silence", "p_event", "confidence"


@dataclass(frozen=True, eq=False)
class Hmm:
    """Parameters of the models of all classes, and what is done to the events that they find.

    Attributes
    ----------
    classes : tuple of str
    p_silence, p_event : (class,) arrays
        Probability of staying silent, and of staying in the event, from one frame to the next, in (0, 1).
    confidence : (class,) array
        An event in which no frame's posterior (after a threshold's shift, see `emissions`) reaches this is dropped; 0
        drops none.
    drop_s : float
        Events this short are dropped, seconds. The released code drops those of up to 3 frames (0.2 s).
    """

    classes: tuple[str, ...]
    p_silence: np.ndarray
    p_event: np.ndarray
    confidence: np.ndarray
    drop_s: float = 0.0

    def __post_init__(self) -> None:
        if not self.classes:
            raise SedError("HMM: no classes; give p_silence and p_event of at least one")
        for name in _BY_CLASS:
            values = np.asarray(getattr(self, name), float)
            if values.shape != (len(self.classes),):
                n = len(self.classes)
                raise SedError(f"HMM: {name} has {values.size} values for {n} classes; give one a class")
            may_be_0, least = (True, "0 or more") if name == "confidence" else (False, "more than 0")
            for label, value in zip(self.classes, values, strict=True):
                if not (0 < value < 1 or (may_be_0 and value == 0)):
                    raise SedError(f"HMM: {name} of {label} is {value:g}, expected {least} and less than 1")
            object.__setattr__(self, name, values)
        if not 0 <= self.drop_s < np.inf:
            raise SedError(f"HMM: drop_s is {self.drop_s}, expected seconds, 0 or more")

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

    def of(self, classes: tuple[str, ...]) -> Hmm:
        """Pick the models of these classes, in their order; `SedError` if one is missing."""
        for name in classes:
            if name not in self.classes:
                known = ", ".join(self.classes)
                raise SedError(
                    f"HMM: no p_silence and p_event for class {name!r}, which the scores hold; it has {known}"
                )
        order = [self.classes.index(name) for name in classes]
        return replace(self, classes=tuple(classes), **{name: getattr(self, name)[order] for name in _BY_CLASS})

    def to_dict(self) -> dict[str, Any]:
        """Give plain values, probabilities by class, as JSON has them."""
        by_class = {name: dict(zip(self.classes, getattr(self, name).tolist(), strict=True)) for name in _BY_CLASS}
        return by_class | {"drop_s": self.drop_s}

    @classmethod
    def load(cls, path: str | Path) -> Hmm:
        """Read a JSON file with ``p_silence`` and ``p_event`` by class, and ``confidence`` and ``drop_s`` or neither.

        Other entries (those of `sedlib tune`) are left alone. `SedError` for a missing or other file, a class without a
        probability, or a value out of its range.
        """
        try:
            values = json.loads(Path(path).read_text(encoding="utf-8"))
            stay = values["p_silence"], values["p_event"]
            by_class = *stay, values.get("confidence", dict.fromkeys(stay[0], 0.0))
            classes = tuple(dict.fromkeys(label for of in by_class for label in of))
            arrays = [np.array([float(of.get(label, np.nan)) for label in classes]) for of in by_class]
            drop_s = float(values.get("drop_s", 0))
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise SedError(
                f"{path}: not a JSON file with p_silence and p_event by class, as `sedlib tune --json` writes it "
                f"({error.__class__.__name__}: {error})"
            ) from None
        if ("confidence" in values) != ("drop_s" in values):
            raise SedError(f"{path}: confidence or drop_s is missing; give both, or neither")
        try:
            return cls(classes, *arrays, drop_s=drop_s)
        except SedError as error:
            raise SedError(f"{path}: {error}") from None


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
        The posterior at which both states are equally likely, in (0, 1). Anything but 0.5 shifts every frame's
        log-odds, which gives the decoder an operating point, as a threshold gives one to posteriors.

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
        raise SedError(f"HMM: {sizes}; give one a class")
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


def hmm_events(
    posteriors: Posteriors, hmm: Hmm, duration_s: float | None = None, threshold: float = 0.5
) -> pd.DataFrame:
    """Find the events of the best paths.

    Parameters
    ----------
    posteriors : Posteriors
    hmm : Hmm
        Of these classes, in any order.
    duration_s : float, optional
        Length of the clips; no event ends later. Default: as many seconds as there are frames.
    threshold : float
        As for `emissions`; other thresholds give other operating points.

    Raises
    ------
    SedError
        If a class of the posteriors has no model, and as `emissions`.

    Examples
    --------
    Staying is so likely that a doubtful frame neither interrupts the event nor makes one:

    >>> scores = np.array([0.1, 0.1, 0.9, 0.4, 0.9, 0.9, 0.1, 0.1, 0.6, 0.1]).reshape(1, 10, 1)
    >>> dog = Posteriors(scores, ["a.wav"], ("Dog",), frame_s=0.5)
    >>> hmm_events(dog, Hmm.alike(0.9, 0.9, ("Dog",))).values.tolist()
    [['a.wav', 1.0, 3.0, 'Dog']]
    """
    hmm = hmm.of(posteriors.classes)
    found = emissions(posteriors.scores, threshold)
    states = viterbi(found, hmm.p_silence, hmm.p_event).view(np.uint8).transpose(2, 1, 0)
    return event_table(states, *found, posteriors, duration_s, hmm.drop_s, log_odds(hmm.confidence))


def operating_points(
    posteriors: Posteriors,
    decoder: Hmm | Decoding,
    thresholds: Sequence[float] = THRESHOLDS,
    duration_s: float | None = None,
) -> dict[float, pd.DataFrame]:
    """Decode posteriors at several thresholds, to an event table for each.

    Parameters
    ----------
    posteriors : Posteriors
    decoder : Hmm or Decoding
        As for `hmm_events`, or for `median_events`; a median filter's own threshold does not matter.
    thresholds : sequence of float
    duration_s : float, optional
        As for both.
    """
    if isinstance(decoder, Hmm):
        return {at: hmm_events(posteriors, decoder, duration_s, at) for at in thresholds}
    return {at: median_events(posteriors, replace(decoder, threshold=at), duration_s) for at in thresholds}


def log_odds(p: float | np.ndarray) -> np.ndarray:
    """Compute log(p / (1 - p)); minus infinity for 0."""
    with np.errstate(divide="ignore"):
        return np.log(p / (1 - p))
