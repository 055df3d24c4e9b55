"""Event tables of recordings: DESED's TSV, Audacity's label tracks, and the same events in clips of 10 s."""

from __future__ import annotations

import math
from pathlib import Path

import pandas as pd

from sedcourse.project.recordings import Recordings
from sedcourse.project.standins import annotate
from sedlib.config import CLIP_S, RATE
from sedlib.data import tables
from sedlib.errors import SedError

LATE_S = 0.1  # an annotation may end so much after its recording, as players round
SHORTEST_S = 0.02  # of what is left of an event where a recording is cut into clips


def read_audacity(path: str | Path, filename: str) -> pd.DataFrame:
    """Read an Audacity label track, ``start<TAB>end<TAB>label`` per line, as the event table of a recording.

    Lines that begin with a backslash, Audacity's frequency ranges, are left out.

    Parameters
    ----------
    path : path
        What Audacity's File > Export > Export Labels writes.
    filename : str
        The recording.

    Raises
    ------
    SedError
        For a line that is not of this form, a label that is not a class, a point instead of a range, with the line's
        number; for a file that is missing or not text.
    """
    path = Path(path)
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise SedError(f"{path}: cannot be read as text ({error}); export the label track again") from None
    rows = []
    for number, line in enumerate(lines, 1):
        if line.strip() and not line.startswith("\\"):
            rows.append((filename, *_label(line, f"{path}, line {number}")))
    return table_of(rows, [filename])


def _label(line: str, where: str) -> tuple[float, float, str]:
    fields = line.split("\t")
    if len(fields) != 3:
        raise SedError(f"{where}: {line!r} is not start, end and label, separated by tabs; export it again")
    ends = []
    for name, text in zip(("start", "end"), fields, strict=False):
        try:
            ends.append(float(text))
        except ValueError:
            hint = "; write a point instead of the comma" if "," in text else ""
            raise SedError(f"{where}: {name} {text!r} is not a time in seconds{hint}") from None
    (onset, offset), label = ends, fields[2].strip()
    if not 0 <= onset <= offset < math.inf:
        raise SedError(f"{where}: from {onset:g} to {offset:g} s is not a time range; correct it")
    if onset == offset:
        raise SedError(f"{where}: a point at {onset:g} s; drag over the whole sound before you add the label")
    if label not in tables.CLASSES:
        raise SedError(f"{where}: {tables.unknown_label(label)}")
    return onset, offset, label


def table_of(rows: list[tuple], filenames: list[str]) -> pd.DataFrame:
    """Event table of these recordings; one without events is a row of NaN."""
    silent = [name for name in filenames if name not in {row[0] for row in rows}]
    return pd.DataFrame([*rows, *((name, math.nan, math.nan, None) for name in silent)], columns=tables.EVENT_COLUMNS)


def annotated(folder: str | Path, who: str, recordings: Recordings) -> pd.DataFrame | None:
    """Read someone's annotations: ``FOLDER/WHO.tsv``, or a label track ``FOLDER/WHO/STEM.txt`` for each recording.

    Returns
    -------
    DataFrame or None
        Event table, times in the recordings, a recording without events as a row of NaN; None where there is neither.

    Raises
    ------
    SedError
        For a table with other recordings, an event after its recording's end or without length, two events of one
        class at once; if some label tracks are missing; as `read_audacity` and `tables.read_events`.
    """
    table, tracks = Path(folder) / f"{who}.tsv", Path(folder) / who
    if table.is_file():
        found = tables.read_events(table)
        if unknown := sorted(set(found["filename"]) - set(recordings)):
            raise SedError(f"{table}: {unknown[0]!r} is not one of the recordings, {', '.join(recordings)}")
        where = str(table)
    elif tracks.is_dir():
        paths = {name: tracks / f"{Path(name).stem}.txt" for name in recordings}
        if missing := [path for path in paths.values() if not path.is_file()]:
            raise SedError(
                f"{missing[0]}: no such label track; write one for each recording, an empty one for no event"
            )
        found = pd.concat([read_audacity(path, name) for name, path in paths.items()])
        where = str(tracks)
    else:
        return None
    events = tables.events(found)
    for e in events.itertuples():
        if e.offset > len(recordings[e.filename][0]) / RATE + LATE_S or e.offset <= e.onset:
            length = len(recordings[e.filename][0]) / RATE
            raise SedError(f"{where}: {_said(e)}, in a recording of {length:.2f} s; correct it")
    for _, of in events.sort_values("onset").groupby(["filename", "event_label"]):
        for before, after in zip(of.itertuples(), of.iloc[1:].itertuples(), strict=False):
            if after.onset < before.offset:
                raise SedError(
                    f"{where}: {_said(after)} begins within {_said(before)}; one class is one event at a time"
                )
    return table_of(list(events[tables.EVENT_COLUMNS].itertuples(index=False, name=None)), list(recordings))


def _said(event) -> str:
    return f"{event.event_label} from {event.onset:.2f} to {event.offset:.2f} s of {event.filename}"


def in_clips(table: pd.DataFrame, clips: list[str] | dict) -> pd.DataFrame:
    """Move events from recordings to their clips (`recordings.clips_of`); an event across a cut becomes two."""
    rows = []
    for e in tables.events(table).itertuples():
        for k in range(int(e.onset // CLIP_S), int(e.offset // CLIP_S) + 1):
            name, start = f"{Path(e.filename).stem}-{k}.wav", k * CLIP_S
            onset, offset = max(e.onset - start, 0.0), min(e.offset - start, CLIP_S)
            if name in clips and offset - onset >= SHORTEST_S:
                rows.append((name, round(onset, 3), round(offset, 3), e.event_label))
    return table_of(rows, list(clips))


def both(folder: str | Path, recordings: Recordings, truth: pd.DataFrame | None, seed: int) -> list[pd.DataFrame]:
    """Read the tables of ``first`` and ``second``; make up what is missing, and print that it is made up.

    Parameters
    ----------
    folder : path
    recordings : dict
    truth : DataFrame or None
        Of stand-ins. Without it the first table must be there, and a second one is made up from it.
    seed : int

    Raises
    ------
    SedError
        If the first is missing and there is no truth; as `annotated`.
    """
    found: list[pd.DataFrame] = []
    for number, who in enumerate(("first", "second"), 1):
        table = annotated(folder, who, recordings)
        if table is None:
            source = truth if truth is not None else found[0] if found else None
            if source is None:
                raise SedError(f"{folder}: no first.tsv and no folder first; annotate the recordings, then continue")
            table = annotate(source, seed, number)
            says = "the hidden truth" if truth is not None else "the first: their agreement says nothing about you"
            print(f"the {who} annotator is made up from {says}")
        found.append(table)
    return found
