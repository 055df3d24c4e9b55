"""The differences between baseline, paper, released code and this course, read from ``docs/DIFFERENCES.md``.

Shown in ``notebooks/07_paper_ledger.py``; the Markdown file is the only place where they are written down.
"""

from __future__ import annotations

import pandas as pd

from reproduction import shipped

DIFFERENCES = shipped("docs") / "DIFFERENCES.md"


def differences() -> dict[str, pd.DataFrame]:
    """By section of the file its table, one row a point, with the file's columns; text without Markdown's backticks."""
    found: dict[str, pd.DataFrame] = {}
    for section in DIFFERENCES.read_text(encoding="utf-8").split("\n## ")[1:]:
        title, _, body = section.partition("\n")
        head, _, *rows = [
            [cell.strip() for cell in line.strip("|").split("|")] for line in body.splitlines() if line.startswith("|")
        ]
        found[title] = pd.DataFrame(rows, columns=head).replace("`", "", regex=True)
    return found
