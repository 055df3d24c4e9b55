"""Kinds of errors of a detector, and the worst of each to look at and listen to. Lesson 04."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from sedcourse.plots.clips import detection, in_words
from sedlib.data import tables
from sedlib.decode import Posteriors

PREDICTED = ["correct", "boundary", "false alarm"]
REFERENCE = ["correct", "boundary", "missed"]


def kinds(reference: pd.DataFrame, predicted: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Say of each event whether it is correct, a boundary error, or has no partner at all.

    An event is correct if it fits a partner of its clip and class (collars as in `sedlib.metrics.event_f1`), a
    boundary error if it only overlaps one. One event may serve two partners here; the score allows each only once.

    Returns
    -------
    reference, predicted : DataFrame
        The events with a column ``kind``, of `REFERENCE` or of `PREDICTED`; the first also with ``pieces``: how many
        predictions overlap it.
    """
    truth = tables.events(reference).reset_index(drop=True)
    said = tables.events(predicted).reset_index(drop=True)
    truth["event"], said["prediction"] = truth.index, said.index
    pairs = truth.merge(said, on=["filename", "event_label"], suffixes=("", "_said"))
    collar = np.maximum(0.2, 0.2 * (pairs["offset"] - pairs["onset"]))
    onset, offset = ((pairs[f"{end}_said"] - pairs[end]).abs() for end in ("onset", "offset"))
    fits = pairs[(onset <= 0.2) & (offset <= collar)]
    overlaps = pairs[(pairs["onset_said"] < pairs["offset"]) & (pairs["offset_said"] > pairs["onset"])]

    def kind(numbers: pd.Series, column: str, alone: str) -> np.ndarray:
        return np.select([numbers.isin(fits[column]), numbers.isin(overlaps[column])], ["correct", "boundary"], alone)

    truth["kind"] = kind(truth["event"], "event", "missed")
    said["kind"] = kind(said["prediction"], "prediction", "false alarm")
    truth["pieces"] = truth["event"].map(overlaps.groupby("event").size()).fillna(0).astype(int)
    return truth.drop(columns="event"), said.drop(columns="prediction")


def by_class(reference: pd.DataFrame, predicted: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Count the `kinds` by class, of reference and of predicted events."""
    titles = {"reference events": (reference, REFERENCE), "predicted events": (predicted, PREDICTED)}
    return {
        title: pd.crosstab(table["event_label"], table["kind"]).reindex(
            index=list(tables.CLASSES), columns=order, fill_value=0
        )
        for title, (table, order) in titles.items()
    }


def worst(reference: pd.DataFrame, predicted: pd.DataFrame, posteriors: Posteriors) -> dict[str, pd.Series]:
    """Pick the most confident false alarm, the least suspected miss, and the reference event in the most pieces.

    Parameters
    ----------
    reference, predicted : DataFrame
        As `kinds` gives them, of clips with posteriors.

    Returns
    -------
    dict of title to event
        How sure the network was of an event is its mean posterior from onset to offset. A kind that this run does not
        have is left out.
    """
    there = reference[reference["filename"].isin(posteriors.filenames)]
    there, said = (
        table.assign(sure=[_sureness(e, posteriors) for e in table.itertuples()]) for table in (there, predicted)
    )
    candidates = {
        "False alarm": said[said["kind"] == "false alarm"].sort_values("sure", ascending=False, kind="stable"),
        "Miss": there[there["kind"] == "missed"].sort_values("sure", kind="stable"),
        "Boundary error": there[there["kind"] == "boundary"].sort_values("pieces", ascending=False, kind="stable"),
    }
    return {title: table.iloc[0] for title, table in candidates.items() if len(table)}


def _sureness(event, posteriors: Posteriors) -> float:
    scores = posteriors.scores[posteriors.filenames.index(event.filename)]
    first = min(round(event.onset / posteriors.frame_s), len(scores) - 1)
    last = max(first + 1, round(event.offset / posteriors.frame_s))
    return float(scores[first:last, posteriors.classes.index(event.event_label)].mean())


def drawn(
    kind: str,
    event: pd.Series,
    logmel: np.ndarray,
    hop_s: float,
    posteriors: Posteriors,
    reference: pd.DataFrame,
    predicted: pd.DataFrame,
) -> tuple[str, tuple[Figure, str]]:
    """Draw an error in its clip: title, picture and description. ``kind`` and ``event`` are one of `worst`."""
    name, onset, offset = event["filename"], event["onset"], event["offset"]
    there, said = (table[table["filename"] == name] for table in (reference, predicted))
    title = f"{kind}: {event['event_label']}, {onset:.1f} to {offset:.1f} s"
    scores = posteriors.scores[posteriors.filenames.index(name)]
    fig = detection(logmel, hop_s, scores, posteriors.frame_s, there, said, title, (onset, offset))
    return title, (fig, f"{title}. Reference: {in_words(there)}. Predicted: {in_words(said)}.")
