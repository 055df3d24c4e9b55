"""The differences between baseline, paper, released code and this course, read from ``docs/DIFFERENCES.md``.

`decisive` is shown in ``notebooks/07_paper_ledger.py``. They are written down in the Markdown file alone.
"""

from __future__ import annotations

import pandas as pd

from reproduction import shipped

DIFFERENCES = shipped("docs") / "DIFFERENCES.md"
DECISIVE = (  # what can move a score most
    "epoch that is kept",
    "log and scale of the features",
    "what is mixed",
    "views",
    "noise on features",
    "learning rate",
    "batch",
    "real clips",
    "weights of the two losses",
    "smoother",
    "where learning starts",
    "clips that tune the HMM",
    "after the HMM",
    "PSDS with an HMM",
)


def differences() -> dict[str, pd.DataFrame]:
    """Return each section's table, one row per point, with the file's columns; text without Markdown's backticks."""
    found: dict[str, pd.DataFrame] = {}
    for section in DIFFERENCES.read_text(encoding="utf-8").split("\n## ")[1:]:
        title, _, body = section.partition("\n")
        head, _, *rows = [
            [cell.strip() for cell in line.strip("|").split("|")] for line in body.splitlines() if line.startswith("|")
        ]
        found[title] = pd.DataFrame(rows, columns=head).replace("`", "", regex=True)
    return found


def decisive() -> pd.DataFrame:
    """Tabulate the differences that can move a score most: ``point paper released code here``."""
    every = pd.concat(differences().values()).set_index("point").loc[list(DECISIVE)].reset_index()
    columns = {name: name for name in ("point", "paper", "released code")} | {"here (lesson, smoke)": "here"}
    table = every[list(columns)].rename(columns=columns)
    same = table["here"] == "the same"
    return table.assign(here=table["here"].where(~same, every["here (profile paper)"]))
