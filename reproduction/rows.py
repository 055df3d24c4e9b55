"""Every row of Tables 1 to 3: the paper's numbers, and the system that gives it here.

Paper section 4; the finished tables are ``notebooks/07_paper_ledger.py``'s.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from sedlib.data import layout
from sedlib.data.soundbank import check_complete
from sedlib.errors import SedError
from sedlib.systems import ENSEMBLES, SYSTEMS


@dataclass(frozen=True)
class Row:
    """A row of one of the paper's tables."""

    table: int
    name: str
    paper: dict[str, float]  # dev_f1, eval_f1 (event-based macro F1, percent), dev_psds
    system: str  # the system that gives it here: one of SYSTEMS or ENSEMBLES
    decoding: str = "median"  # its posteriors by median filter, or by HMMs: "exact" is the paper's family at its best

    @property
    def key(self) -> str:
        """``TABLE NAME``, which no other row has."""
        return f"{self.table} {self.name}"

    @property
    def members(self) -> list[str]:
        """The systems that are trained for it: its own, or those that its ensemble averages."""
        return [member for member, _ in ENSEMBLES.get(self.system, ((self.system, 0),))]

    @property
    def mixes(self) -> bool:
        """Whether one of these trains with dynamic mixing."""
        return any(SYSTEMS[member].augment.mixing for member in self.members)


ROWS: tuple[Row, ...] = (
    Row(1, "Log-Mel", {"dev_f1": 35.93}, "logmel"),
    Row(1, "Fixed PCEN 1", {"dev_f1": 28.71}, "fixed_pcen_1"),
    Row(1, "Fixed PCEN 2", {"dev_f1": 35.42}, "fixed_pcen_2"),
    Row(1, "Fixed PCEN 3", {"dev_f1": 36.84}, "fixed_pcen_3"),
    Row(1, "Trainable PCEN", {"dev_f1": 36.92}, "trainable_pcen"),
    Row(1, "PPCEN on Mel", {"dev_f1": 38.20}, "ppcen_mel"),
    Row(1, "PPCEN on log-Mel", {"dev_f1": 39.34}, "ppcen_logmel"),
    Row(2, "Baseline", {"dev_f1": 34.8}, "baseline"),
    Row(2, "+HMM", {"dev_f1": 37.13}, "baseline", "exact"),
    Row(2, "+PPCEN", {"dev_f1": 39.93}, "ppcen_logmel"),
    Row(2, "+PPCEN+HMM", {"dev_f1": 43.69}, "ppcen_logmel", "exact"),
    Row(2, "+Augm", {"dev_f1": 37.31}, "augm"),
    Row(2, "+DAT+Augm", {"dev_f1": 40.91}, "dat_augm"),
    Row(2, "+PPCEN+Augm", {"dev_f1": 33.20}, "ppcen_augm"),
    Row(2, "+DAT+Augm+HMM", {"dev_f1": 45.20}, "dat_augm", "exact"),
    Row(2, "+PPCEN+DAT+Augm+HMM", {"dev_f1": 46.30}, "ppcen_dat_augm", "exact"),
    Row(3, "Baseline", {"dev_f1": 34.8, "eval_f1": 34.9, "dev_psds": 0.61}, "baseline"),
    Row(3, "PPCEN+HMM", {"dev_f1": 43.69, "eval_f1": 42.6, "dev_psds": 0.63}, "ppcen_logmel", "exact"),
    Row(3, "DAT+HMM", {"dev_f1": 45.20, "eval_f1": 42.0, "dev_psds": 0.68}, "dat_augm", "exact"),
    Row(3, "Ensemble DAT+PPCEN+HMM", {"dev_f1": 46.17, "eval_f1": 44.4, "dev_psds": 0.69}, "ensemble", "forest"),
    Row(3, "Ensemble DAT+PPCEN+HMM 2", {"dev_f1": 47.44, "eval_f1": 43.2, "dev_psds": 0.69}, "ensemble", "exact"),
)


def scored_as(name: str) -> Row:
    """Return the row of a `Row.key`; for the name of a system one without numbers of the paper, by median filter."""
    return next((row for row in ROWS if row.key == name), Row(0, name, {}, name))


def lacking(root: Path) -> list[str]:
    """Say which rows of the paper's tables a data set is enough for, and what the others lack.

    Parameters
    ----------
    root : path
        A folder in DESED's layout.

    Returns
    -------
    list of str
        A line for each different lack; no audio file is opened.
    """
    unusable = []
    for name in (*layout.SUBSETS, "soundbank"):
        try:
            if name == "soundbank":
                check_complete(root / layout.SOUNDBANK)
            elif name != layout.OPTIONAL or layout.is_there(root, name):
                layout.preflight(root, [name])
            else:
                unusable.append(name)
        except SedError:
            unusable.append(name)
    lacks: dict[str, list[str]] = {}
    for row in ROWS:
        needed = {*layout.SUBSETS} - {layout.OPTIONAL} | ({"soundbank"} if row.mixes else set())
        lack = ", ".join(name for name in unusable if name in needed)
        if not lack and layout.OPTIONAL in unusable and "eval_f1" in row.paper:
            lack = f"{layout.OPTIONAL}, for its evaluation F1 alone"
        lacks.setdefault(lack, []).append(row.key)
    return [f"{'without ' + lack if lack else 'can be had'}: {', '.join(keys)}" for lack, keys in sorted(lacks.items())]


def listing(rows: Sequence[Row] = ROWS) -> pd.DataFrame:
    """List rows of the paper's tables: ``table row system decoding``, the paper's numbers, and the system."""
    what = {name: system.title for name, system in SYSTEMS.items()}
    what |= {name: f"average of {', '.join(member for member, _ in of)}" for name, of in ENSEMBLES.items()}
    found = []
    for row in rows:
        decoding = "median" if row.decoding == "median" else f"HMM, {row.decoding}"
        numbers = [f"{row.paper[name]:g}" if name in row.paper else "" for name in ("dev_f1", "eval_f1", "dev_psds")]
        found.append([row.table, row.name, row.system, decoding, *numbers, what[row.system]])
    numbers = ["dev F1 (%)", "eval F1 (%)", "dev PSDS"]
    return pd.DataFrame(found, columns=["table", "row", "system", "decoding", *numbers, "what it is"])
