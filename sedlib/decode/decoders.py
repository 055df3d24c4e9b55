"""One interface to all decoders: events at a threshold, operating points, and the file that `sedlib tune` writes.

========  ====================  ==========================================
``median``  `Medians`           a median filter and a threshold for each class
``hmm``     `Hmm`               the paper's two-state models
``hsmm``    `Hsmm`              the same with durations
``boxes``   `Boxes`             change points and one confidence for each event
========  ====================  ==========================================

`Decoding`, the paper's baseline, has one length and one threshold for all classes.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from sedlib.compiled import njit
from sedlib.config import Decoding
from sedlib.decode.boxes import Boxes, change_boxes
from sedlib.decode.events import event_table, median_events, runs
from sedlib.decode.hmm import Hmm, best_paths, emissions, viterbi
from sedlib.decode.hsmm import Hsmm, best_segments
from sedlib.decode.medians import Medians, majority
from sedlib.decode.parameters import log_odds
from sedlib.decode.posteriors import Posteriors
from sedlib.errors import SedError

Decoder = Medians | Hmm | Hsmm | Boxes
METHODS: dict[str, type[Decoder]] = {"median": Medians, "hmm": Hmm, "hsmm": Hsmm, "boxes": Boxes}
NUMBERS = {of: number for number, of in enumerate(METHODS.values())}  # by which compiled code knows them
THRESHOLDS = tuple(np.linspace(0.01, 0.99, 50).tolist())  # the challenge's


def load_decoder(path: str | Path) -> Decoder:
    """Read what `sedlib tune --json` wrote, for the ``method`` that it names; a file without one is of an HMM.

    Raises
    ------
    SedError
        For a missing or other file, an unknown method, and as the decoder's own ``load``.
    """
    try:
        name = json.loads(Path(path).read_text(encoding="utf-8")).get("method", "hmm")
    except (OSError, ValueError, AttributeError):
        name = "hmm"  # whose `load` says what is wrong
    if name not in METHODS:
        raise SedError(f"{path}: method {name!r} does not exist; choose one of {', '.join(METHODS)}")
    return METHODS[name].load(path)


@njit(cache=True)
def spans(method, silence, event, vector):
    """Events of one class by any decoder, from log emissions (frame, clip) and the decoder's vector."""
    odds = event - silence
    if method == 3:
        return change_boxes(odds, int(vector[0]), vector[1], vector[2])
    states = np.empty(odds.shape, np.uint8)
    if method == 0:
        majority(odds, int(vector[0]), vector[1], states)
    elif method == 1:
        best_paths(silence, event, vector.reshape(2, 2), states)
    else:
        best_segments(odds, vector, states)
    return runs(states, odds)


def find_events(
    posteriors: Posteriors, decoder: Decoder | Decoding, duration_s: float | None = None, threshold: float | None = None
) -> pd.DataFrame:
    """Find events by any decoder.

    Parameters
    ----------
    posteriors : Posteriors
    decoder : Medians, Hmm, Hsmm, Boxes or Decoding
        Of these classes, in any order.
    duration_s : float, optional
        Length of the clips; no event ends later. Default: as many seconds as there are frames.
    threshold : float, optional
        In (0, 1), for another operating point: a posterior of ``threshold`` counts as 0.5 does by default, by a shift
        of all frames' log-odds, or of the boxes' confidence alone. It replaces the threshold of a `Decoding`.

    Raises
    ------
    SedError
        If a class of the posteriors has no parameters, and as `emissions`.

    Examples
    --------
    With an HMM, staying is so likely that a doubtful frame neither interrupts the event nor makes one:

    >>> scores = np.array([0.1, 0.1, 0.9, 0.4, 0.9, 0.9, 0.1, 0.1, 0.6, 0.1]).reshape(1, 10, 1)
    >>> dog = Posteriors(scores, ["a.wav"], ("Dog",), frame_s=0.5)
    >>> find_events(dog, Hmm.alike(0.9, 0.9, ("Dog",))).values.tolist()
    [['a.wav', 1.0, 3.0, 'Dog']]
    """
    if threshold is None:
        threshold = decoder.threshold if isinstance(decoder, Decoding) else 0.5
    return operating_points(posteriors, decoder, [threshold], duration_s)[threshold]


def operating_points(
    posteriors: Posteriors,
    decoder: Decoder | Decoding,
    thresholds: Sequence[float] = THRESHOLDS,
    duration_s: float | None = None,
) -> dict[float, pd.DataFrame]:
    """Decode posteriors at several thresholds, to an event table for each.

    Parameters and errors are those of `find_events`.
    """
    if isinstance(decoder, Decoding):
        return {at: median_events(posteriors, replace(decoder, threshold=at), duration_s) for at in thresholds}
    decoder, boxes = decoder.of(posteriors.classes), isinstance(decoder, Boxes)
    vectors, tables = decoder.vectors(posteriors.frame_s, posteriors.scores.shape[1]), {}
    for at in thresholds:
        found = emissions(posteriors.scores, 0.5 if boxes else at)
        gates = decoder.gates() + (log_odds(at) if boxes else 0)
        if isinstance(decoder, Hmm):  # all classes at once, on all cores
            states = viterbi(found, decoder.p_silence, decoder.p_event).view(np.uint8).transpose(2, 1, 0)
            by_class = [runs(*of) for of in zip(states, found.event - found.silence, strict=True)]
        else:
            by_class = [spans(NUMBERS[type(decoder)], *of) for of in zip(*found, vectors, strict=True)]
        tables[at] = event_table(by_class, posteriors, duration_s, decoder.drop_s, gates)
    return tables
