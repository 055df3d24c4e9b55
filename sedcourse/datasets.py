"""What lesson 01 measures of a data set: its subsets, and levels of clips."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from minidesed import generate
from sedlib.config import RATE
from sedlib.data import layout, store, tables
from sedlib.errors import SedError
from sedlib.metrics import F1Result

SUBSETS = ("synthetic", "weak", "unlabel_in_domain", "validation")


def parts(root: Path) -> dict[str, layout.Subset]:
    """Load the four subsets that the lesson needs; `SedError` names those that a folder lacks."""
    lacking = [name for name in SUBSETS if not (root / layout.SUBSETS[name].metadata).is_file()]
    if lacking:
        raise SedError(
            f"{root}: lacks {', '.join(lacking)}, which this lesson needs; "
            f"`sedlib data check {root}` says what is expected where"
        )
    return {name: layout.load(root, name) for name in SUBSETS}


def sizes(of: Mapping[str, layout.Subset]) -> pd.DataFrame:
    """Tabulate subsets: labels, domain, number of clips, and that in DESED."""
    rows = [
        (name, part.kind, layout.SUBSETS[name].domain, len(part.filenames), generate.SIZES["paper"][name])
        for name, part in of.items()
    ]
    return pd.DataFrame(rows, columns=["subset", "labels", "domain", "clips here", "clips in DESED"])


def f1_by_class(result: F1Result) -> pd.DataFrame:
    """Tabulate event F1 in percent of the classes that the reference has."""
    rows = [(name, of["n_ref"], round(100 * of["f1"])) for name, of in result.per_class.items() if of["n_ref"]]
    return pd.DataFrame(rows, columns=["class", "reference events", "F1 (%)"])


def balance(table: pd.DataFrame, strong: np.ndarray) -> pd.DataFrame:
    """Tabulate how often each class occurs: events of an event table, and share of ones ``(clip, frame, class)``."""
    share = 100 * strong.mean(axis=(0, 1))
    counts = tables.events(table)["event_label"].value_counts()
    rows = [(name, count, f"{share[tables.CLASSES.index(name)]:.1f}") for name, count in counts.items()]
    return pd.DataFrame(rows, columns=["class", "events", "of all frames (%)"])


def levels(root: Path, of: Mapping[str, layout.Subset], most: int = 200) -> pd.DataFrame:
    """Tabulate levels of clips in dB: of the whole clip, and of the time with events over the time without."""
    rows = []
    for name, part in of.items():
        waves = store.open_store(root, name, progress=False)
        chosen = range(min(most, len(waves)))
        whole, over = [], []
        table = tables.events(part.table) if part.kind == "strong" else None
        for index, clip in zip(chosen, (waves.waveforms([i])[0] for i in chosen), strict=True):
            whole.append(_db(clip))
            if table is not None:
                events = table[table["filename"] == waves.filenames[index]]
                sounding = np.zeros(len(clip), bool)
                for onset, offset in zip(events["onset"], events["offset"], strict=True):
                    sounding[round(onset * RATE) : round(offset * RATE)] = True
                if min(sounding.sum(), (~sounding).sum()) > RATE / 2:
                    over.append(_db(clip[sounding]) - _db(clip[~sounding]))
        rows.append((name, len(whole), _quantiles(whole), _quantiles(over)))
    columns = ["subset", "clips", "clip (dB of full scale)", "events over pauses (dB)"]
    return pd.DataFrame(rows, columns=columns)


def _db(samples: np.ndarray) -> float:
    return float(10 * np.log10(np.mean(np.square(samples, dtype=np.float64)) + 1e-10))


def _quantiles(values: list[float]) -> str:
    return ", ".join(f"{value:.0f}" for value in np.quantile(values, (0.01, 0.5, 0.99))) if values else ""
