"""Statistics of a data set: how long events are, how many a clip has, which classes occur together, how much overlaps.

Works on any event table, DESED's own and ours alike, so that the two can be laid side by side: `compare` a made data
set with the published numbers of DESED in `desed`. Paper section 2; taught in ``notebooks/01_data.py``.
"""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pandas as pd

from minidesed import desed
from sedlib.config import CLIP_S
from sedlib.data import layout, tables
from sedlib.errors import SedError

QUANTILES = (5, 25, 50, 75, 95)  # percent
AT_START, AT_END, WHOLE = 0.02, 9.95, 9.5  # s: an event that begins before, ends after, is longer than


def per_class(table: pd.DataFrame) -> pd.DataFrame:
    """Measure how each class behaves.

    Parameters
    ----------
    table : event table
        Strong labels of a subset; a clip without events is a row of NaN (see `tables`).

    Returns
    -------
    DataFrame, a row per class of `tables.CLASSES`
        ``events``, ``clips`` (how many), ``event_share`` (of all events), ``clip_share`` (of all clips),
        ``duration_05`` ... ``duration_95`` (s, percentiles), ``events_per_clip`` and ``events_per_clip_mean`` (median
        and mean over the clips that hold the class), ``active_time`` and ``active_time_mean`` (s in such a clip),
        ``at_start``, ``at_end``, ``whole`` (share of events that touch the clip's start, its end, or fill it).
        A class that does not occur has NaN.
    """
    events = tables.events(table)
    events = events.assign(duration=events["offset"] - events["onset"])
    groups = events.groupby("event_label")
    in_clip = events.groupby(["event_label", "filename"]).size().groupby("event_label")
    active = active_time(table).groupby("event_label")
    return (
        pd.DataFrame(
            {
                "events": groups.size(),
                "clips": in_clip.size(),
                "event_share": groups.size() / len(events),
                "clip_share": in_clip.size() / len(tables.filenames(table)),
                **{f"duration_{q:02d}": groups["duration"].quantile(q / 100) for q in QUANTILES},
                "events_per_clip": in_clip.median(),
                "events_per_clip_mean": in_clip.mean(),
                "active_time": active.median(),
                "active_time_mean": active.mean(),
                "at_start": groups["onset"].apply(lambda onset: (onset <= AT_START).mean()),
                "at_end": groups["offset"].apply(lambda offset: (offset >= AT_END).mean()),
                "whole": groups["duration"].apply(lambda seconds: (seconds > WHOLE).mean()),
            }
        )
        .reindex(tables.CLASSES)
        .fillna({"events": 0, "clips": 0, "event_share": 0, "clip_share": 0})
        .rename_axis("class")
    )


def active_time(table: pd.DataFrame) -> pd.Series:
    """Return the seconds in which a class sounds in a clip that holds it, however often at once, by class and clip."""
    events = tables.events(table).sort_values(["event_label", "filename", "onset"])
    group = events.groupby(["event_label", "filename"])
    heard_until = group["offset"].cummax().groupby([events["event_label"], events["filename"]]).shift()
    new = events["offset"] - np.fmax(events["onset"], heard_until)
    return new.clip(lower=0).groupby([events["event_label"], events["filename"]]).sum()


def presence(table: pd.DataFrame) -> pd.DataFrame:
    """Return which classes a clip holds by its strong or weak labels: a row per clip, a column per class, bool."""
    if "event_labels" in table:
        table = table.assign(event_label=table["event_labels"].str.split(",")).explode("event_label")
    clips, classes = pd.Index(tables.filenames(table)), pd.Index(tables.CLASSES)
    held = np.zeros((len(clips), len(classes)), bool)
    rows, columns = clips.get_indexer(table["filename"]), classes.get_indexer(table["event_label"])
    held[rows[columns >= 0], columns[columns >= 0]] = True
    return pd.DataFrame(held, clips, classes)


def co_occurrence(table: pd.DataFrame) -> pd.DataFrame:
    """Count the clips that hold both classes, class by class; on the diagonal those that hold the class."""
    held = presence(table).astype(int)
    return held.T @ held


def polyphony(table: pd.DataFrame) -> pd.Series:
    """Return the share of the time in which k events sound at once; k = 0 is silence.

    All clips are laid one after another on one axis: there every onset is a step up and every offset a step down.
    """
    events = tables.events(table)
    clips = pd.Index(tables.filenames(table))
    first = CLIP_S * clips.get_indexer(events["filename"])
    times = np.concatenate([first + events[edge].clip(0, CLIP_S) for edge in ("onset", "offset")])
    order = np.argsort(times, kind="stable")
    active = np.cumsum(np.repeat([1, -1], len(events))[order])[:-1]
    seconds = np.bincount(active, np.diff(times[order]), minlength=1)
    seconds[0] = CLIP_S * len(clips) - seconds[1:].sum()
    return pd.Series(np.trim_zeros(seconds, "b") / (CLIP_S * len(clips)), name="share").rename_axis("events")


def facts(table: pd.DataFrame) -> pd.Series:
    """Return the numbers of a subset, event table or weak table, that `desed.facts` has of DESED.

    Returns
    -------
    Series, indexed by ``what`` (a class, a pair "Dishes + Speech" or "all") and ``quantity``
        Of every class `desed.QUANTITIES`, columns of `per_class`; of every pair its ``clip_share``; of all clips
        ``without_events`` (share), ``events_per_clip_mean``, and ``events_0``, ``events_1``, ``events_2``, ``events_3``
        (share of the time with so many events at once, the last with 3 or more). Of a weak table shares of clips only.
    """
    held = presence(table)
    together = co_occurrence(table).to_numpy() / len(held)
    pairs = itertools.combinations(range(len(tables.CLASSES)), 2)
    pairs = {(f"{tables.CLASSES[i]} + {tables.CLASSES[j]}", "clip_share"): together[i, j] for i, j in pairs}
    if "event_labels" in table:
        return _series({(label, "clip_share"): share for label, share in held.mean().items()} | pairs)
    classes = per_class(table)[list(desed.QUANTITIES)].stack(future_stack=True).to_dict()
    at_once = np.pad(polyphony(table), (0, 4))
    whole = {
        "without_events": 1 - held.any(axis=1).mean(),
        "events_per_clip_mean": len(tables.events(table)) / len(held),
        **{f"events_{k}": at_once[k] for k in range(3)},
        "events_3": at_once[3:].sum(),
    }
    return _series(classes | pairs | {("all", quantity): value for quantity, value in whole.items()})


def _series(values: dict[tuple[str, str], float]) -> pd.Series:
    return pd.Series(values, dtype=float).rename_axis(["what", "quantity"])


def compare(ours: pd.Series, theirs: pd.Series) -> pd.DataFrame:
    """Put our `facts` beside DESED's, for the rows of ``theirs``.

    Returns
    -------
    DataFrame, a row per ``what`` and ``quantity``
        ``ours``, ``DESED`` and ``ratio`` (ours / DESED; NaN where ours has no such class or DESED has 0).
    """
    both = pd.DataFrame({"ours": ours.reindex(theirs.index), "DESED": theirs})
    return both.assign(ratio=(both["ours"] / both["DESED"]).where(both["DESED"] > 0))


def compare_folder(root: str | Path) -> pd.DataFrame:
    """Compare every subset of a data set that has labels and a counterpart in `desed`; first index ``subset``.

    Raises
    ------
    SedError
        As `layout.load`.
    """
    subsets = [name for name in desed.SUBSETS if (Path(root) / layout.SUBSETS[name].metadata).is_file()]
    if not subsets:
        raise SedError(f"{root}: no table of {', '.join(desed.SUBSETS)}; give the folder that holds metadata/")
    return pd.concat(
        {name: compare(facts(layout.load(root, name).table), desed.facts(name)) for name in subsets}, names=["subset"]
    )


def table(comparison: pd.DataFrame) -> pd.DataFrame:
    """Return a comparison of one subset for people: a row per class, each cell "ours / DESED"."""
    columns = {
        "clip_share": ("clips (%)", 100, ".0f"),
        "events_per_clip_mean": ("events per clip", 1, ".1f"),
        "duration_50": ("median duration (s)", 1, ".2f"),
        "active_time": ("median active time (s)", 1, ".1f"),
    }
    cells = {}
    for quantity, (name, scale, form) in columns.items():
        if ("Speech", quantity) in comparison.index:
            cells[name] = [_cell(comparison.loc[(label, quantity)], scale, form) for label in tables.CLASSES]
    return pd.DataFrame({"class": [label.replace("_", " ") for label in tables.CLASSES], **cells})


def _cell(row: pd.Series, scale: float, form: str) -> str:
    return " / ".join("-" if np.isnan(value) else f"{scale * value:{form}}" for value in row[["ours", "DESED"]])
