"""What lesson 00 shows of both scores: which predictions count, how late they may be, and the curve behind PSDS.

And the paper's own tables. Every verdict comes from `sedlib.metrics`; here it is drawn. Paper section 4.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from reproduction.rows import ROWS
from sedcourse.plots.clips import events_on
from sedcourse.plots.style import BLACK, BLUE, ORANGE, VERMILION, figure, hatched, styled
from sedlib.data import tables
from sedlib.metrics import Psds, event_f1, psds_from_operating_points
from sedlib.metrics.psds import psds_counts

Event = tuple[float, float, str]
REFERENCE: Event = (2.0, 4.0, "Dog")
CASES: dict[str, list[Event]] = {
    "exact": [REFERENCE],
    "0.4 s late": [(2.4, 4.4, "Dog")],
    "too long": [(2.0, 5.5, "Dog")],
    "far too long": [(2.0, 7.0, "Dog")],
    "too short": [(2.0, 2.8, "Dog")],
    "in two pieces": [(2.0, 2.8, "Dog"), (3.2, 4.0, "Dog")],
    "another class": [(2.0, 4.0, "Cat")],
}
THRESHOLDS = tuple(round(0.05 * step, 2) for step in range(1, 20))


def judged(predicted: list[Event]) -> dict[str, int]:
    """Return what both scores count for predictions of `REFERENCE`'s clip.

    Returns
    -------
    dict
        ``f1_found`` and ``f1_wrong``, ``psds_found`` and ``psds_wrong``: reference events found, false alarms.
    """
    reference, table = (_table(events) for events in ([REFERENCE], predicted))
    total = event_f1(reference, table)
    counts = psds_counts(reference, [table])
    right = int(total.counts[..., 0].sum())
    return {
        "f1_found": right,
        "f1_wrong": len(predicted) - right,
        "psds_found": int(counts.found.sum()),
        "psds_wrong": int(counts.false_alarms.sum()),
    }


def _table(events: list[Event]) -> pd.DataFrame:
    return pd.DataFrame([("a.wav", *event) for event in events], columns=tables.EVENT_COLUMNS)


@styled
def draw_cases() -> tuple[Figure, str]:
    """Draw each of `CASES` below its reference event, with what both scores count, and describe it."""
    fig, axes = figure(10, 0.9 + 0.55 * len(CASES))
    ax, words = axes[0, 0], []
    for row, (name, predicted) in enumerate(CASES.items()):
        first, last, _ = REFERENCE
        ax.barh(row - 0.18, last - first, 0.3, first, **hatched(BLUE, "", label=None if row else "reference: dog"))
        for number, (onset, offset, label) in enumerate(predicted):
            known = row or number
            look = hatched(ORANGE, "///", label=None if known else "predicted: dog")
            if label != REFERENCE[2]:
                look = hatched(VERMILION, "xxx", label="predicted: cat")
            ax.barh(row + 0.18, offset - onset, 0.3, onset, **look)
        of = judged(predicted)
        f1, psds = (_verdict(of[f"{score}_found"], of[f"{score}_wrong"]) for score in ("f1", "psds"))
        text = f"F1: {f1}; PSDS: {psds}"
        ax.text(7.3, row, text, va="center", fontsize=10)
        words.append(f"{name}: {text}")
    ax.set_yticks(range(len(CASES)), list(CASES))
    ax.set(xlabel="time (s)", xlim=(1.5, 13), ylim=(len(CASES) - 0.5, -0.5))
    ax.set_xticks(range(2, 8))
    ax.legend(loc="lower center", bbox_to_anchor=(0.35, 1.0), ncols=3, frameon=False)
    return fig, f"A dog from 2 to 4 s, and what is predicted. {'; '.join(words)}."


def _verdict(found: int, wrong: int) -> str:
    parts = ["found" if found else "missed"]
    return " + ".join(parts + ([f"{wrong} false alarm" + "s" * (wrong > 1)] if wrong else []))


def late(reference: pd.DataFrame, delay: float) -> dict[str, float]:
    """Return event F1 and PSDS, as fractions, of a system that finds every event exactly, but late."""
    predicted = reference.copy()
    predicted[["onset", "offset"]] += delay
    psds = psds_from_operating_points(reference, [predicted]).value
    return {"event F1": event_f1(reference, predicted).macro, "PSDS": psds}


@styled
def draw_late(reference: pd.DataFrame, clip: pd.DataFrame, delay: float) -> tuple[Figure, str]:
    """Draw one clip's events and the delayed ones below each, and both scores of the whole set."""
    found = late(reference, delay)
    words = f"every event {1000 * delay:.0f} ms late: macro F1 {found['event F1']:.0%}, PSDS {found['PSDS']:.2f}"
    fig, axes = figure(10, 1.4 + 0.4 * clip["event_label"].nunique())
    moved = clip.assign(onset=clip["onset"] + delay, offset=clip["offset"] + delay)
    events_on(axes[0, 0], clip, moved)
    axes[0, 0].set_xlabel("time (s)")
    axes[0, 0].set_title(words, loc="left")
    return fig, f"The events of one clip, and below each the predicted one; {words}."


def ablation() -> pd.DataFrame:
    """Return the paper's Table 2, with what each system gains over the baseline: ``system F1 over the baseline``."""
    rows = [(row.name, row.paper["dev_f1"]) for row in ROWS if row.table == 2]
    table = pd.DataFrame(rows, columns=["system", "F1 (%)"])
    gains = table["F1 (%)"] - table["F1 (%)"][0]
    return table.assign(**{"over the baseline": gains.map("{:+.1f}".format)})


def other_tables() -> pd.DataFrame:
    """Return the paper's Tables 1 and 3, a row per system."""
    names = {"dev_f1": "development F1 (%)", "eval_f1": "evaluation F1 (%)", "dev_psds": "development PSDS"}
    rows = [{"table": row.table, "system": row.name, **row.paper} for row in ROWS if row.table != 2]
    return pd.DataFrame(rows).rename(columns=names)


def made_up(reference: pd.DataFrame, seed: int) -> dict[float, pd.DataFrame]:
    """Make up what a detector predicts at each of `THRESHOLDS`: a lower one gives more events, right and wrong.

    Every event of the reference is predicted with ends that are off by 0.3 s (standard deviation), and with a score;
    as many false ones have lower scores.
    """
    rng, events = np.random.default_rng(seed), tables.events(reference).reset_index(drop=True)
    count = len(events)
    right = events.assign(score=rng.beta(4, 2.5, count))
    right["onset"] = (right["onset"] + 0.3 * rng.normal(size=count)).clip(lower=0)
    right["offset"] = np.maximum(right["offset"] + 0.3 * rng.normal(size=count), right["onset"] + 0.1)
    start, length = rng.uniform(0, 9, count), rng.uniform(0.2, 2, count)
    wrong = events.assign(onset=start, offset=np.minimum(start + length, 10), score=rng.beta(2, 4, count))
    wrong["event_label"] = rng.permutation(wrong["event_label"].to_numpy())
    every = pd.concat([right, wrong], ignore_index=True)
    return {at: every.loc[every["score"] > at, list(tables.EVENT_COLUMNS)] for at in THRESHOLDS}


@styled
def draw_curve(
    reference: pd.DataFrame, points: Mapping[float, pd.DataFrame], whole: Psds, threshold: float
) -> tuple[Figure, str]:
    """Draw the curve whose area is PSDS, mark one threshold beside it, and say what event F1 is there."""
    counts = psds_counts(reference, [points[threshold]])
    known = counts.references.any(axis=0)
    rate = (counts.false_alarms[0].sum(axis=0) / counts.hours.sum())[known].mean()
    share = (counts.found[0].sum(axis=0)[known] / counts.references.sum(axis=0)[known]).mean()
    x, y = (np.append(values, values[-1]) for values in whole.roc)
    x[-1] = max(x[-1], 100)
    fig, axes = figure(10, 3.4)
    ax = axes[0, 0]
    ax.fill_between(x, 0, y, step="post", color=BLUE, alpha=0.2, label=f"area: PSDS {whole.value:.2f}")
    ax.step(x, y, where="post", color=BLUE)
    ax.plot(
        min(rate, 100), share, "o", color=VERMILION, mec=BLACK, ms=9, clip_on=False, label=f"threshold {threshold:g}"
    )
    ax.set(xlabel="false alarms per hour", ylabel="share of events found", xlim=(0, 100), ylim=(0, 1))
    ax.legend(loc="lower right")
    f1 = event_f1(reference, points[threshold]).macro
    words = f"threshold {threshold:g}: {share:.0%} found, {rate:.0f} false alarms per hour, event F1 {f1:.0%}"
    ax.set_title(words, loc="left")
    return (
        fig,
        f"Share of events found against false alarms per hour, mean over classes; PSDS {whole.value:.2f}; {words}.",
    )
