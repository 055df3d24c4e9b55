"""How far two annotators agree: the score of one against the other, and what each missed."""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy.sparse import csr_array
from scipy.sparse.csgraph import maximum_bipartite_matching

from sedlib.data import tables
from sedlib.metrics import event_f1

COLLARS = (0.05, 0.1, 0.2, 0.5, 1.0)  # seconds; the challenge's is the third


def agreement(first: pd.DataFrame, second: pd.DataFrame, collars: tuple[float, ...] = COLLARS) -> pd.DataFrame:
    """Score either annotator against the other.

    Parameters
    ----------
    first, second : DataFrame
        Event tables of the same clips.
    collars : tuple of float
        Of onsets, and the least of offsets, seconds.

    Returns
    -------
    DataFrame
        One row per collar: ``collar``, and event F1 over all events, as fractions: ``second`` against first, ``first``
        against second, and their ``mean``. They differ where an offset fits 20 % of one length and not of the other.
    """
    rows = []
    for collar in collars:
        one, other = (
            event_f1(*tables_of, onset_collar=collar, offset_collar=collar).micro
            for tables_of in ((first, second), (second, first))
        )
        rows.append({"collar": collar, "second": one, "first": other, "mean": (one + other) / 2})
    return pd.DataFrame(rows)


def onset_differences(first: pd.DataFrame, second: pd.DataFrame) -> pd.DataFrame:
    """Find for each event of the first the second's of its clip and class that overlaps it longest.

    Returns
    -------
    DataFrame
        The first's events that have one, with ``onset_difference`` and ``offset_difference``: the second's minus the
        first's, seconds.
    """
    rows, others = [], tables.events(second)
    for e in tables.events(first).itertuples(index=False):
        there = others[(others["filename"] == e.filename) & (others["event_label"] == e.event_label)]
        overlap = np.minimum(there["offset"], e.offset) - np.maximum(there["onset"], e.onset)
        if (overlap > 0).any():
            best = there.loc[overlap.idxmax()]
            rows.append((*e, best["onset"] - e.onset, best["offset"] - e.offset))
    return pd.DataFrame(rows, columns=[*tables.EVENT_COLUMNS, "onset_difference", "offset_difference"])


def unmatched(reference: pd.DataFrame, other: pd.DataFrame) -> pd.DataFrame:
    """List the reference's events that none of the other's fits, in a largest matching, as event F1 counts."""
    events, others = tables.events(reference), tables.events(other)
    alike = [events[name].to_numpy()[:, None] == others[name].to_numpy() for name in ("filename", "event_label")]
    off = {name: abs(events[name].to_numpy()[:, None] - others[name].to_numpy()) for name in ("onset", "offset")}
    collar = np.maximum(0.2, 0.2 * (events["offset"] - events["onset"]).to_numpy())[:, None]
    fits = alike[0] & alike[1] & (off["onset"] <= 0.2) & (off["offset"] <= collar)
    partner = maximum_bipartite_matching(csr_array(fits), perm_type="column")
    return events[partner < 0].reset_index(drop=True)
