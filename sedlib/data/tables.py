"""The ten classes and the three kinds of DESED tables: strong, weak and unlabelled.

A table is a pandas DataFrame with the columns of DESED's TSV files: reference, prediction and export are one format.
Paper section 2; taught in ``notebooks/00_start_here.py``.
"""

from __future__ import annotations

import csv
import difflib
import gzip
import re
import zlib
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

import numpy as np
import pandas as pd

from sedlib.errors import SedError
from sedlib.files import whole

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
_EVENT = ["onset", "offset", "event_label"]
EVENT_COLUMNS = ["filename", *_EVENT]
WEAK_COLUMNS = ["filename", "event_labels"]
UNLABELLED_COLUMNS = ["filename"]
# DESED's tables have no quoting. So a quotation mark is refused, as are invisible characters and line breaks: control
# characters, line and paragraph separators, a byte order mark inside the text, halves of characters.
_ODD = re.compile('[\x00-\x08\x0b-\x1f"\x7f-\x9f\u2028\u2029\ufeff\ud800-\udfff]')


def read_events(path: str | Path) -> pd.DataFrame:
    """Read a strong table: `read` with `EVENT_COLUMNS`."""
    return read(path, EVENT_COLUMNS)


def read(path: str | Path, columns: list[str]) -> pd.DataFrame:
    """Read a table of one kind and check its rows.

    Parameters
    ----------
    path : path
        TSV; times in seconds. A clip without events has empty cells, NaN or NA in all three columns of an event.
    columns : list of str
        `EVENT_COLUMNS`, `WEAK_COLUMNS` (labels separated by commas) or `UNLABELLED_COLUMNS`.

    Returns
    -------
    DataFrame
        With these columns, in the order of the file; a clip without events is a row of NaN.

    Raises
    ------
    SedError
        For a missing file, a wrong column, an unknown label, a time that is not a number, an offset before its onset,
        or a clip with two lines in a weak or unlabelled table; with file, line, value and fix.
    """
    return typed_events(read_table(path, columns), path)


def typed_events(table: pd.DataFrame, path: str | Path) -> pd.DataFrame:
    """Check the rows of a `read_table` of ``path``, and convert the columns of events to numbers and NaN."""
    for problem in problems(table, path):
        raise SedError(problem)
    if "event_label" in table:
        table[["onset", "offset"]] = _numbers(table)
        table["event_label"] = table["event_label"].where(table["event_label"] != "", np.nan)
    return table


def write(table: pd.DataFrame, path: str | Path) -> None:
    """Write any of the three tables as TSV; times with 3 decimals, as DESED has them.

    Raises
    ------
    SedError
        For text that `read_table` would refuse, such as a file name with a line break; if the disk is full.
    """
    path = Path(path)
    for column in table.select_dtypes(exclude="number"):
        for value in table[column].dropna().unique():
            if value != value.strip() or {"\t", "\n"} & {*value} or _ODD.search(value):
                raise SedError(
                    f"{path}: {column} {value!r} is not allowed in a table; remove quotation marks, tabs, "
                    "line breaks, control characters and outer spaces"
                )
    if not table["filename"].fillna("").all():
        raise SedError(f"{path}: a filename is empty; give each clip a name")
    path.parent.mkdir(parents=True, exist_ok=True)
    with whole(path) as partial:
        table.to_csv(partial, sep="\t", index=False, float_format="%.3f", lineterminator="\n", quoting=csv.QUOTE_NONE)


def events(table: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of an event table that are events, without the clips that have none."""
    return table.dropna(subset=["event_label"]).reset_index(drop=True)


def filenames(table: pd.DataFrame) -> list[str]:
    """List the clips of a table, each once, in order of first appearance."""
    return table["filename"].drop_duplicates().tolist()


@lru_cache(maxsize=1000)  # one wrong word is often in very many lines
def unknown_label(label: str, classes: tuple[str, ...] = CLASSES) -> str:
    """Say that a label is not a class, and which class is probably meant.

    >>> unknown_label("dogs")
    "label 'dogs' is not one of the 10 classes; did you mean 'Dog'?"
    """
    lower = {c.lower(): c for c in classes}
    near = difflib.get_close_matches(str(label).lower(), lower, n=1, cutoff=0.5)
    hint = f"; did you mean {lower[near[0]]!r}?" if near else f": {', '.join(classes)}"
    return f"label {label!r} is not one of the {len(classes)} classes{hint}"


def line_of(path: str | Path, row: int) -> str:
    """Name the line of a file that holds a row of its table."""
    return f"{path}, line {row + 2}"


def read_table(path: str | Path, columns: list[str]) -> pd.DataFrame:
    """Read any TSV with exactly these columns, in any order, as text; raise `SedError` for anything else.

    Fields that a short line lacks are empty, as are NaN and NA in all three cells of an event. The row with index i is
    line i + 2 of the file; ``.gz`` is unpacked.
    """
    path = Path(path)
    header, *rows = [line.split("\t") for line in _text(path, columns).split("\n")]
    if sorted(header) != sorted(columns):  # some systems write another order
        raise SedError(f"{path}: columns are {header}, expected {columns} (tab separated)")
    for i, fields in enumerate(rows):
        where = line_of(path, i)
        if len(fields) > len(header):
            raise SedError(
                f"{where}: {len(fields)} fields for the {len(header)} columns {' '.join(header)}: "
                f"{chr(9).join(fields)!r}; remove the extra ones"
            )
        fields += [""] * (len(header) - len(fields))
        name = fields[header.index("filename")]
        if not name:
            raise SedError(f"{where}: the filename is empty; name the clip, or remove the line")
        if name != name.strip():
            raise SedError(f"{where}: filename {name!r} begins or ends with a space; remove it")
    table = pd.DataFrame(rows, columns=header, dtype=object)[columns]
    if {*_EVENT} <= {*columns}:
        nothing = table[_EVENT].apply(lambda column: column.str.lower().isin(("", "nan", "na"))).all(axis=1)
        table.loc[nothing, _EVENT] = ""
    return table


def _text(path: Path, columns: list[str]) -> str:
    """Content of a table's file with newlines as line ends, without empty lines at its end."""
    if not path.is_file():
        raise SedError(f"{path}: no such file; a table with the columns {' '.join(columns)} is expected")
    try:
        data = path.read_bytes()
        if path.suffix == ".gz":
            data = gzip.decompress(data)
    except (OSError, EOFError, zlib.error) as error:
        raise SedError(f"{path}: cannot be read ({error}); get the file again") from None
    try:
        text = data.decode("utf-8-sig").replace("\r\n", "\n").rstrip("\n")
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start)
        shown = error.object.split(b"\n")[line].decode("latin-1")[:80]
        raise SedError(
            f"{path}: not a tab separated UTF-8 table: line {line + 1} holds {shown!r}; save it as UTF-8"
        ) from None
    if not text:
        raise SedError(f"{path}: the file is empty; its first line must be {' '.join(columns)} (tab separated)")
    if odd := _ODD.search(text):
        line = text.count("\n", 0, odd.start())
        raise SedError(
            f"{path}, line {line + 1}: holds the character {odd[0]!r}; save the table as plain UTF-8 text, "
            "its fields without quotation marks"
        )
    return text


def _numbers(table: pd.DataFrame) -> pd.DataFrame:
    """Onset and offset of a table of text; NaN for what is no number."""
    return table[["onset", "offset"]].apply(pd.to_numeric, errors="coerce").astype(float)


def problems(table: pd.DataFrame, path: str | Path) -> Iterator[str]:
    """Yield what is wrong in the rows of a `read_table` of ``path``, one sentence each; `read` raises the first."""
    if "event_label" in table:
        yield from _event_problems(table, path)
        return
    for i in np.flatnonzero(table["filename"].duplicated()):
        yield f"{line_of(path, i)}: {table['filename'][i]!r} is listed already; keep one line per clip"
    for i, labels in enumerate(table.get("event_labels", ())):
        for label in filter(None, labels.split(",")):
            if label not in CLASSES:
                yield f"{line_of(path, i)}: {unknown_label(label)}"


def _event_problems(table: pd.DataFrame, path: str | Path) -> Iterator[str]:
    numbers, given = _numbers(table), table[_EVENT] != ""
    no_time = given[["onset", "offset"]] & ~((numbers >= 0) & (numbers < np.inf))
    incomplete = given.any(axis=1) & ~given.all(axis=1)
    backwards = numbers["offset"] < numbers["onset"]
    unknown = given["event_label"] & ~table["event_label"].isin(CLASSES)
    for i in np.flatnonzero(no_time.any(axis=1) | incomplete | backwards | unknown):
        row, where = table.iloc[i], line_of(path, i)
        if no_time.iloc[i].any():
            name = "onset" if no_time["onset"][i] else "offset"
            yield f"{where}: {name} {row[name]!r} is not a time in seconds, 0 or later"
        elif incomplete[i]:
            yield f"{where}: an event needs onset, offset and event_label (all empty: a clip without events)"
        elif backwards[i]:
            yield f"{where}: offset {row.offset} lies before onset {row.onset}; swap them"
        else:
            yield f"{where}: {unknown_label(row.event_label)}"
