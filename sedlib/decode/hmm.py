"""Two-state hidden Markov model of every class: silence or event, with the network's posteriors as emission scores.

Paper section 3.4; taught in ``notebooks/06_hmm.py``. A path through the states costs little where it stays and much
where it switches, so single frames that disagree with their neighbours are overruled. `viterbi` finds the best path of
every clip and class at once, bit for bit as ``librosa.sequence.viterbi_discriminative`` does one by one.

Of paths that are equally good the one that is silent is taken, decided frame by frame from the end of the clip
(librosa's rule; hmmlearn decides all but the last frame the other way).
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from sedlib.compiled import njit, prange
from sedlib.data import tables
from sedlib.decode.events import Rules, event_table
from sedlib.decode.posteriors import Posteriors, check_scores
from sedlib.errors import SedError
from sedlib.threads import share_threads

BLOCK = 256  # clips that are decoded side by side, so that the inner loop is one over neighbours in memory
TINY = np.finfo(float).tiny
_BY_CLASS = "p_silence", "p_event", "confidence"
_OPTIONAL = "confidence", "drop_s", "merge_s"  # in a file


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
    merge_s : float
        Then gaps this short between two events of a class are closed, seconds.
    """

    classes: tuple[str, ...]
    p_silence: np.ndarray
    p_event: np.ndarray
    confidence: np.ndarray
    drop_s: float = 0.0
    merge_s: float = 0.0

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
        for name, value in (("drop_s", self.drop_s), ("merge_s", self.merge_s)):
            if not 0 <= value < np.inf:
                raise SedError(f"HMM: {name} is {value}, expected seconds, 0 or more")

    @classmethod
    def alike(
        cls,
        p_silence: float,
        p_event: float,
        classes: tuple[str, ...] = tables.CLASSES,
        confidence: float = 0.0,
        **seconds: float,
    ) -> Hmm:
        """Make the same model for every class."""
        return cls(classes, *(np.full(len(classes), p) for p in (p_silence, p_event, confidence)), **seconds)

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
        return by_class | {"drop_s": self.drop_s, "merge_s": self.merge_s}

    @classmethod
    def load(cls, path: str | Path) -> Hmm:
        """Read a JSON file with ``p_silence`` and ``p_event`` by class, and all or none of what else `to_dict` gives.

        Other entries (those of `sedlib tune`) are left alone. `SedError` for a missing or other file, a class without a
        probability, a value out of its range, or one that is missing beside others.
        """
        try:
            values = json.loads(Path(path).read_text(encoding="utf-8"))
            stay = values["p_silence"], values["p_event"]
            by_class = *stay, values.get("confidence", dict.fromkeys(stay[0], 0.0))
            classes = tuple(dict.fromkeys(label for of in by_class for label in of))
            arrays = [np.array([float(of.get(label, np.nan)) for label in classes]) for of in by_class]
            seconds = [float(values.get(name, 0)) for name in ("drop_s", "merge_s")]
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise SedError(
                f"{path}: not a JSON file with p_silence and p_event by class, as `sedlib tune --json` writes it "
                f"({error.__class__.__name__}: {error})"
            ) from None
        absent = [name for name in _OPTIONAL if name not in values]
        if 0 < len(absent) < len(_OPTIONAL):
            raise SedError(f"{path}: {absent[0]} is missing; give all of {', '.join(_OPTIONAL)}, or none of them")
        try:
            return cls(classes, *arrays, *seconds)
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
    percent = scores.dtype == np.uint8
    values = np.arange(101) / 100 if percent else scores
    values = values if values.dtype.kind == "f" else values.astype(float)
    tiny = np.finfo(values.dtype).tiny  # of the scores' own type, as librosa adds it
    prior = np.log(0.5)
    silence, event = 1 - values, values + tiny
    silence += tiny
    for logs in (silence, event):  # in place: new memory costs more than the logarithms
        np.log(logs, out=logs)
    if percent:
        silence, event = silence[scores], event[scores]
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
    return np.log(matrix + TINY)


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
    """
    hmm = hmm.of(posteriors.classes)
    found = emissions(posteriors.scores, threshold)
    states = viterbi(found, hmm.p_silence, hmm.p_event).view(np.uint8).transpose(2, 1, 0)
    rules = Rules.of(posteriors, duration_s, hmm.drop_s, hmm.merge_s)
    return event_table(states, *found, posteriors, rules, log_odds(hmm.confidence))


def log_odds(p: float | np.ndarray) -> np.ndarray:
    """Compute log(p / (1 - p)); minus infinity for 0."""
    with np.errstate(divide="ignore"):
        return np.log(p / (1 - p))
