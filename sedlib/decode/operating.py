"""Operating points: PSDS asks for predictions at many thresholds.

Paper, Table 3; taught in ``notebooks/06_hmm.py``. Every PSDS of this project, by median filter or by HMM, and its
interval, comes from predictions at the challenge's 50 thresholds. A median filter has a threshold; a best path has
none, and the released code decodes the same path for every threshold. Here a threshold shifts the log-odds of every
frame, so that a posterior equal to it counts for neither state, and the path is decoded anew.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from sedlib.config import Decoding
from sedlib.decode.events import median_events
from sedlib.decode.hmm import Hmm, hmm_events
from sedlib.decode.posteriors import Posteriors

THRESHOLDS = tuple(np.linspace(0.01, 0.99, 50).tolist())


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
        Length of the clips, as for both.
    """
    if isinstance(decoder, Hmm):
        return {at: hmm_events(posteriors, decoder, duration_s, at) for at in thresholds}
    return {at: median_events(posteriors, replace(decoder, threshold=at), duration_s) for at in thresholds}
