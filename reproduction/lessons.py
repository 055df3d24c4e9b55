"""The lessons: where they are, and what each is about."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from reproduction import shipped
from sedlib.errors import SedError

NOTEBOOKS = shipped("notebooks")
LESSONS = (
    ("00_start_here", "the task, the paper in one page, this machine", "1, 2, 4"),
    ("01_data", "three kinds of labels, two domains, features", "2"),
    ("02_augmentation", "dynamic mixing, effects, SpecAugment", "3.2"),
    ("03_pcen", "per-channel energy normalisation, trained and in parallel", "3.3, Table 1"),
    ("04_mean_teacher", "the network, its losses, the first row of Table 2", "3, Table 2"),
    ("05_domain_adversarial", "features that do not tell synthetic from real", "3.1, Figure 1"),
    ("06_hmm", "smoothing with a two-state hidden Markov model", "3.4"),
    ("07_paper_ledger", "all tables of the paper beside ours", "4"),
    ("08_your_own_sounds", "a project: record, annotate, agree, train and score", "2, 4"),
)


def lessons() -> list[Path]:
    """Return the lessons' files in their order."""
    return sorted(NOTEBOOKS.glob("[0-9][0-9]_*.py"))


def find(name: str | Path) -> Path:
    """Find the file of a lesson by its path, its name or just its number ("04"); `SedError` if there is none."""
    if (path := Path(name)).suffix == ".py" and path.is_file():
        return path.resolve()
    for path in lessons():
        if str(name) in (path.name, path.stem, path.stem[:2]):
            return path
    raise SedError(f"lesson {str(name)!r} does not exist; choose one of {', '.join(p.stem for p in lessons())}")


def course() -> pd.DataFrame:
    """Return the table ``lesson, what it is about, paper section`` of all lessons."""
    return pd.DataFrame(LESSONS, columns=["lesson", "what it is about", "paper section"])
