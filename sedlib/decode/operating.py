"""Operating points: PSDS asks for predictions at many thresholds.

Paper, Table 3; taught in ``notebooks/06_hmm.py``. Every PSDS of this project, by median filter or by HMM, and its
interval, comes from predictions at the challenge's 50 thresholds. A median filter has a threshold; a best path has
none, and the released code decodes the same path for every threshold. Here a threshold shifts the log-odds of every
frame, so that a posterior equal to it counts for neither state, and the path is decoded anew. With models that like to
stay (p_silence + p_event of 1 or more) a lower threshold only adds frames, so all paths together are one score a frame:
the highest threshold that still has it in an event.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from sedlib.config import Decoding
from sedlib.decode.hmm import Hmm, hmm_events
from sedlib.decode.median import median_events
from sedlib.decode.posteriors import Posteriors
from sedlib.errors import SedError

THRESHOLDS = tuple(np.linspace(0.01, 0.99, 50).tolist())


def operating_points(
    posteriors: Posteriors,
    decoder: Hmm | Decoding,
    thresholds: Sequence[float] = THRESHOLDS,
    duration_s: float | None = None,
) -> dict[float, pd.DataFrame]:
    """Event tables by threshold.

    Parameters
    ----------
    posteriors : Posteriors
    decoder : Hmm or Decoding
        As for `hmm_events`, or for `median_events`; a median filter's own threshold does not matter.
    thresholds : sequence of float
    duration_s : float, optional
        Length of the clips, as for both.
    """
    if isinstance(decoder, Hmm):
        return {at: hmm_events(posteriors, decoder, duration_s, at) for at in thresholds}
    return {at: median_events(posteriors, replace(decoder, threshold=at), duration_s) for at in thresholds}


def hmm_scores(posteriors: Posteriors, hmm: Hmm, thresholds: Sequence[float] = THRESHOLDS) -> Posteriors:
    """One score a frame that, cut at any of the thresholds, gives the events of `operating_points` there.

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
