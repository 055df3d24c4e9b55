"""What lesson 06 plays and says: what smoothing repaired, the authors' HMMs, and sentences about published gains."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from reproduction.comparisons import STATIONARY
from reproduction.studies.postprocessing import RIVALS
from sedlib.config import RATE
from sedlib.data import tables
from sedlib.decode import Hmm

BLIP_S = 1.0  # the longest that counts as one
LASTING_S = 4.0  # median duration of a class whose sounds last

# Read in the released code, egs/local/tune_smoothing.py: silence, then the classes in the order of `tables.CLASSES`.
_P_SILENCE = 0.8936
_P_EVENT = (0.3155, 0.8924, 0.6491, 0.9495, 0.7289, 0.4235, 0.5028, 0.8155, 0.6839, 0.6928)
AUTHORS = Hmm(tables.CLASSES, np.full(10, _P_SILENCE), np.array(_P_EVENT), np.zeros(10), drop_s=0.2)


def authors() -> pd.DataFrame:
    """Tabulate the probabilities of staying in the released code: ``class p_silence p_event``."""
    return pd.DataFrame({"class": tables.CLASSES, "p_silence": AUTHORS.p_silence, "p_event": AUTHORS.p_event}).round(3)


def bridged_gap(before: pd.DataFrame, after: pd.DataFrame, reference: pd.DataFrame) -> pd.Series | None:
    """Find the longest gap between two events that smoothing closed and that the reference does not have.

    Parameters
    ----------
    before, after, reference : event tables
        Of the plain decoder, of the smoothing one, and the truth.

    Returns
    -------
    ``filename event_label onset offset`` of the gap, or None if none was closed.
    """
    events = tables.events(before).sort_values(["filename", "event_label", "onset"], ignore_index=True)
    following = events.groupby(["filename", "event_label"])["onset"].shift(-1)
    gaps = events[["filename", "event_label"]].assign(onset=events["offset"], offset=following).dropna()
    gaps = gaps[gaps["offset"] > gaps["onset"]]
    closed = _within(gaps, after) & _within(gaps, reference)
    return _longest(gaps[closed])


def removed_blip(before: pd.DataFrame, after: pd.DataFrame, reference: pd.DataFrame) -> pd.Series | None:
    """Find the longest short event that smoothing removed and that nothing of its class in the reference overlaps.

    Parameters and result as for `bridged_gap`; an event of more than `BLIP_S` seconds is no blip.
    """
    events = tables.events(before).reset_index(drop=True)
    short = events[events["offset"] - events["onset"] <= BLIP_S]
    return _longest(short[~_overlapped(short, after) & ~_overlapped(short, reference)])


def _pairs(spans: pd.DataFrame, events: pd.DataFrame) -> pd.DataFrame:
    numbered = spans.assign(span=spans.index)
    return numbered.merge(tables.events(events), on=["filename", "event_label"], suffixes=("", "_of"))


def _within(spans: pd.DataFrame, events: pd.DataFrame) -> np.ndarray:
    pairs = _pairs(spans, events)
    inside = pairs[(pairs["onset_of"] <= pairs["onset"] + 1e-9) & (pairs["offset_of"] >= pairs["offset"] - 1e-9)]
    return spans.index.isin(inside["span"])


def _overlapped(spans: pd.DataFrame, events: pd.DataFrame) -> np.ndarray:
    pairs = _pairs(spans, events)
    return spans.index.isin(
        pairs.loc[(pairs["onset_of"] < pairs["offset"]) & (pairs["offset_of"] > pairs["onset"]), "span"]
    )


def _longest(spans: pd.DataFrame) -> pd.Series | None:
    return None if spans.empty else spans.loc[(spans["offset"] - spans["onset"]).idxmax()]


def bests(p_silence: np.ndarray, f1: np.ndarray) -> dict[str, str]:
    """Name the silence probability that suits each class best, lasting sounds and others apart.

    Parameters
    ----------
    p_silence : (silence,) array
    f1 : (class, silence, event) array
    """
    best = p_silence[f1.max(axis=2).argmax(axis=1)]
    of = dict(zip(tables.CLASSES, best, strict=True))
    return {
        title: ", ".join(f"{name} {of[name]:.2g}" for name in tables.CLASSES if (name in STATIONARY) == lasting)
        for title, lasting in (("sounds that last", True), ("others", False))
    }


def kept(tuned: list[float], other: list[float]) -> str:
    """Say how much of a tuning gain is kept on unseen clips."""
    won, left = np.mean(tuned), np.mean(other)
    share = f", {100 * left / won:.0f} % of it" if won > 0 else ""
    return f"gains {won:+.1f} points where it was tuned and {left:+.1f} elsewhere{share}"


def of_searches(known: dict[str, Any]) -> list[str]:
    """Say of every published system what the HMM's three searches gain and keep."""
    return [
        f"{title}: {search} {kept(of['searches'][search]['tuned'], of['searches'][search]['other'])}."
        for title, of in known["systems"].items()
        for search in ("forest", "exact", "robust")
    ]


def of_rivals(known: dict[str, Any]) -> list[str]:
    """Say of every published system which part of the HMM's gain its rivals give too, on clips that tuned nothing."""
    said = []
    for title, of in known["systems"].items():
        gain = {name: np.mean(of["searches"][search]["other"]) for name, search in RIVALS.items()}
        share = f"{100 * gain['median by class'] / gain['HMM']:.0f} %" if gain["HMM"] > 0 else "none"
        best = max(gain, key=lambda name: gain[name])
        said.append(
            f"{title}: a median filter for each class gives {share} of the HMM's {gain['HMM']:+.1f} points; "
            f"durations change it by {gain['HSMM'] - gain['HMM']:+.1f}, boxes by {gain['boxes'] - gain['HMM']:+.1f}; "
            f"the best is {best}."
        )
    return said


def by_length(gains: pd.DataFrame) -> pd.DataFrame:
    """Average gains by class (`postprocessing.by_class`) over classes whose sounds last and over the others."""
    lasting = np.where(gains["seconds"] >= LASTING_S, f"last (median {LASTING_S:g} s or more)", "are shorter")
    means = gains.drop(columns=["class", "seconds"]).groupby(lasting).mean().round(1)
    return means.rename_axis("sounds that").reset_index()


def around(waveform: np.ndarray, span: pd.Series, clip_s: float, more_s: float = 1.0) -> list[tuple[str, np.ndarray]]:
    """Cut out a gap or a blip to listen to: the place alone, and with a second before and after it."""
    pieces = []
    for words, extra in (("alone", 0.0), (f"with {more_s:g} s around it", more_s)):
        ends = (max(0.0, span["onset"] - extra), min(clip_s, span["offset"] + extra))
        first, last = (round(RATE * end) for end in ends)
        pieces.append((words, waveform[first:last]))
    return pieces


def two_points(rows: pd.DataFrame, least: float = 2.0) -> list[str]:
    """Ask of every row whether an HMM gives at least two points, as the paper says: as it counts, and unseen.

    Parameters
    ----------
    rows : DataFrame
        As `postprocessing.rows` gives them.
    """
    said = ['The paper: "HMM smoothing alone is able to constantly give at least two points".']
    for row in rows.to_dict("records"):
        gains = {
            "as the paper counts": ("HMM, dev", "median, dev"),
            "on unseen halves": ("HMM, unseen", "median, dev"),
            "on the evaluation set": ("HMM, eval", "median, eval"),
        }
        known = {how: float(row[a]) - float(row[b]) for how, (a, b) in gains.items() if row[a] and row[b]}
        verdict = "at least two in all" if all(gain >= least for gain in known.values()) else "not in all"
        words = ", ".join(f"{gain:+.1f} {how}" for how, gain in known.items())
        said.append(f"{row['row']} (Table {row['table']}), here: {words}: {verdict}.")
    return said
