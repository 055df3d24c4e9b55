"""The ten classes and the three kinds of DESED tables: strong, weak and unlabelled.

Paper section 2; taught in ``notebooks/00_start_here.py``. A table is a pandas DataFrame whose columns are those of the
DESED TSV files, so that reference, prediction and export are one thing.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd

from sedlib.errors import SedError

CLASSES = (
    "Alarm_bell_ringing",
    "Blender",
    "Cat",
    "Dishes",
    "Dog",
    "Electric_shaver_toothbrush",
    "Frying",
    "Running_water",
    "Speech",
    "Vacuum_cleaner",
)
EVENT_COLUMNS = ["filename", "onset", "offset", "event_label"]
WEAK_COLUMNS = ["filename", "event_labels"]
UNLABELLED_COLUMNS = ["filename"]


def read_events(path: str | Path, classes: tuple[str, ...] = CLASSES) -> pd.DataFrame:
    """Event table of a strong TSV; a clip without events is one row of NaN.

    Parameters
    ----------
    path : path
        TSV with the columns ``filename onset offset event_label``; times in seconds.
    classes : tuple of str
        Labels that may occur.

    Returns
    -------
    DataFrame ``filename onset offset event_label``, in the order of the file.

    Raises
    ------
    SedError
        For a missing file, a wrong column, an unknown label, a time that is not a number, or an offset before its
        onset; with file, line, value and fix.
    """
    table = read_table(path, EVENT_COLUMNS)
    _raise_first(_event_problems(table, path, classes))
    for time in ("onset", "offset"):
        table[time] = pd.to_numeric(table[time])
    table["event_label"] = table["event_label"].where(table["event_label"] != "", np.nan)
    return table


def read_weak(path: str | Path, classes: tuple[str, ...] = CLASSES) -> pd.DataFrame:
    """Weak table ``filename event_labels``; several labels are separated by commas. Raises as `read_events`."""
    table = read_table(path, WEAK_COLUMNS)
    _raise_first(_weak_problems(table, path, classes))
    return table


def read_unlabelled(path: str | Path) -> pd.DataFrame:
    """Table with the one column ``filename``. Raises as `read_events`."""
    table = read_table(path, UNLABELLED_COLUMNS)
    _raise_first(_repeated(table, path))
    return table


def problems(path: str | Path, columns: list[str], classes: tuple[str, ...] = CLASSES) -> list[str]:
    """Everything that is wrong in a table, a sentence each; the readers stop at the first.

    Parameters
    ----------
    path : path
        TSV.
    columns : list of str
        `EVENT_COLUMNS`, `WEAK_COLUMNS` or `UNLABELLED_COLUMNS`: which kind of table it should be.
    """
    try:
        table = read_table(path, columns)
    except SedError as error:
        return [str(error)]
    if columns == EVENT_COLUMNS:
        return list(_event_problems(table, path, classes))
    return list(_weak_problems(table, path, classes) if columns == WEAK_COLUMNS else _repeated(table, path))


def write(table: pd.DataFrame, path: str | Path) -> None:
    """Write any of the three tables as TSV; times with 3 decimals, as DESED has them."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + ".partial")
    table.to_csv(partial, sep="\t", index=False, float_format="%.3f", lineterminator="\n")
    partial.replace(path)


def events(table: pd.DataFrame) -> pd.DataFrame:
    """The rows of an event table that are events: clips without any are left out."""
    return table.dropna(subset=["event_label"]).reset_index(drop=True)


def filenames(table: pd.DataFrame) -> list[str]:
    """All clips of a table, each once, in order of first appearance."""
    return table["filename"].drop_duplicates().tolist()


def empty_events() -> pd.DataFrame:
    """An event table without rows, with the right types."""
    return pd.DataFrame({"filename": pd.Series(dtype=str), "onset": pd.Series(dtype=float),
                         "offset": pd.Series(dtype=float), "event_label": pd.Series(dtype=str)})


def unknown_label(label: str, classes: tuple[str, ...] = CLASSES) -> str:
    """Sentence for a label that is not a class, with the likely meaning."""
    lower = {c.lower(): c for c in classes}
    near = difflib.get_close_matches(str(label).lower(), lower, n=1, cutoff=0.5)
    hint = f"; did you mean {lower[near[0]]!r}?" if near else f": {', '.join(classes)}"
    return f"label {label!r} is not one of the {len(classes)} classes{hint}"


def _event_problems(table: pd.DataFrame, path: str | Path, classes: tuple[str, ...]) -> Iterator[str]:
    """Sentences on the rows of a strong table as it stands in the file, all columns text."""
    numbers = table[["onset", "offset"]].apply(pd.to_numeric, errors="coerce")
    for i, row in enumerate(table.itertuples(index=False)):
        given = [row.onset != "", row.offset != "", row.event_label != ""]
        onset, offset = numbers.iat[i, 0], numbers.iat[i, 1]
        wrong = [(name, text) for name, text, value in (("onset", row.onset, onset), ("offset", row.offset, offset))
                 if text != "" and not 0 <= value < np.inf]
        if wrong:
            name, text = wrong[0]
            yield f"{line_of(path, i)}: {name} {text!r} is not a time in seconds, 0 or later"
        elif any(given) and not all(given):
            yield (f"{line_of(path, i)}: an event needs onset, offset and event_label "
                   "(a clip without events leaves all three empty)")
        elif offset < onset:
            yield f"{line_of(path, i)}: offset {offset:g} lies before onset {onset:g}; swap them"
        elif row.event_label and row.event_label not in classes:
            yield f"{line_of(path, i)}: {unknown_label(row.event_label, classes)}"


def _weak_problems(table: pd.DataFrame, path: str | Path, classes: tuple[str, ...]) -> Iterator[str]:
    yield from _repeated(table, path)
    for i, labels in enumerate(table["event_labels"]):
        for label in filter(None, labels.split(",")):
            if label not in classes:
                yield f"{line_of(path, i)}: {unknown_label(label, classes)}"


def _repeated(table: pd.DataFrame, path: str | Path) -> Iterator[str]:
    """Weak and unlabelled tables have one line per clip."""
    for i in np.flatnonzero(table["filename"].duplicated()):
        yield f"{line_of(path, i)}: {table['filename'][i]!r} is listed before; leave one line per clip"


def _raise_first(found: Iterator[str]) -> None:
    for problem in found:
        raise SedError(problem)


def read_table(path: str | Path, columns: list[str]) -> pd.DataFrame:
    """Any table with exactly these columns, in whatever order, all of them text; `SedError` for anything else."""
    path = Path(path)
    if not path.is_file():
        raise SedError(f"{path}: no such file; a table with the columns {' '.join(columns)} is expected")
    try:
        table = pd.read_csv(path, sep="\t", dtype=str, keep_default_na=False, encoding="utf-8")
    except pd.errors.EmptyDataError:
        raise SedError(f"{path}: the file is empty; its first line must be {' '.join(columns)} (tab separated)"
                       ) from None
    except (pd.errors.ParserError, UnicodeDecodeError) as error:
        raise SedError(f"{path}: not a tab separated UTF-8 table ({error})") from None
    if sorted(table.columns) != sorted(columns):
        raise SedError(f"{path}: columns are {list(table.columns)}, expected {columns} (tab separated)")
    if not isinstance(table.index, pd.RangeIndex):  # pandas takes surplus fields for an index
        raise SedError(f"{path}: its lines have more fields than the {len(columns)} columns {' '.join(columns)}")
    table = table[columns].fillna("")  # some systems write another order; a line that ends early has NaN
    empty = table["filename"].eq("")
    if empty.any():
        raise SedError(f"{line_of(path, int(np.argmax(empty)))}: the filename is empty")
    return table


def line_of(path: str | Path, row: int) -> str:
    """Where a row of a table stands in its file."""
    return f"{path}, line {row + 2}"
