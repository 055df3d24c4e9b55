"""Operating points: PSDS asks for predictions at many thresholds.

Paper, Table 3; taught in ``notebooks/06_hmm.py``. Every PSDS of this project, by median filter or by HMM, and its interval, comes from
predictions at the challenge's 50 thresholds. A median filter has a threshold; a best path has none. The released code loops over
thresholds and decodes the same path every time.
Here a threshold shifts the log-odds of every frame, so that a posterior equal to it counts for neither state, and the path is
decoded anew. With models that like to stay (p_silence + p_event of 1 or more) a lower threshold only adds
frames, so all paths together are one score a frame: the highest threshold that still has it in an event.
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


def operating_points(posteriors: Posteriors, decoder: Hmm | Decoding, thresholds: Sequence[float] = THRESHOLDS,
                     duration_s: float | None = None) -> dict[float, pd.DataFrame]:
    """Event tables by threshold.

    Parameters
    ----------
    posteriors : Posteriors
    decoder : Hmm or Decoding
        Models, as for `hmm_events`, or a median filter, as for `median_events`, whose own threshold does not matter.
    thresholds : sequence of float
    duration_s : float, optional
        Length of the clips, as for both.
    """
    if isinstance(decoder, Hmm):
        return {threshold: hmm_events(posteriors, decoder, duration_s, threshold) for threshold in thresholds}
    return {threshold: median_events(posteriors, replace(decoder, threshold=threshold), duration_s) for threshold in thresholds}


def hmm_scores(posteriors: Posteriors, hmm: Hmm, thresholds: Sequence[float] = THRESHOLDS) -> Posteriors:
    """One score a frame that, cut at any of the thresholds, gives the events of `operating_points` there.

    Returns
    -------
    Posteriors
        Scores (clip, frame, class): the highest threshold at which the frame is in an event, 0 where there is none.

    Raises
    ------
    SedError
        For a class whose model likes to switch (p_silence + p_event below 1), for then a lower threshold can take frames away.
    """
    hmm = hmm.of(posteriors.classes)
    switching = np.flatnonzero(hmm.p_silence + hmm.p_event < 1 - 1e-9)
    if len(switching):
        name = hmm.classes[switching[0]]
        raise SedError(f"HMM: p_silence + p_event of {name} is {(hmm.p_silence + hmm.p_event)[switching[0]]:g}, less than 1, so its "
                       "paths at several thresholds do not lie within each other; use operating_points")
    scores = np.zeros(posteriors.scores.shape)
    clip = {name: i for i, name in enumerate(posteriors.filenames)}
    label = {name: k for k, name in enumerate(posteriors.classes)}
    for threshold, table in operating_points(posteriors, hmm, sorted(thresholds)).items():
        for name, onset, offset, event_label in table.itertuples(index=False):
            first, last = (round(seconds / posteriors.frame_s) for seconds in (onset, offset))
            scores[clip[name], first:last, label[event_label]] = threshold
    return Posteriors(scores, posteriors.filenames, posteriors.classes, posteriors.frame_s)
