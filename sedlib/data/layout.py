"""Where DESED keeps what, and `check`: what a folder holds, what it lacks and what is broken.

Paper section 2; taught in ``notebooks/01_data.py``. Real DESED, MiniDESED and a data set made from a folder of
recordings all have this layout, so nothing downstream knows which one it works on.
"""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from sedlib.data import audio, tables
from sedlib.errors import SedError

CLIP_S = 10.0
STRONG, WEAK, UNLABELLED = "strong", "weak", "unlabelled"
SYNTHETIC, REAL = "synthetic", "real"


class Place(NamedTuple):
    """Where a subset lies below the root of a data set, and what it is."""

    audio: str
    metadata: str
    kind: str  # of labels
    domain: str


SUBSETS = {
    "synthetic": Place("audio/train/synthetic20/soundscapes", "metadata/train/synthetic20/soundscapes.tsv",
                       STRONG, SYNTHETIC),
    "weak": Place("audio/train/weak", "metadata/train/weak.tsv", WEAK, REAL),
    "unlabel_in_domain": Place("audio/train/unlabel_in_domain", "metadata/train/unlabel_in_domain.tsv",
                               UNLABELLED, REAL),
    "validation": Place("audio/validation", "metadata/validation/validation.tsv", STRONG, REAL),
    "public": Place("audio/eval/public", "metadata/eval/public.tsv", STRONG, REAL),
}
_READERS = {STRONG: tables.read_events, WEAK: tables.read_weak, UNLABELLED: tables.read_unlabelled}
_COLUMNS = {STRONG: tables.EVENT_COLUMNS, WEAK: tables.WEAK_COLUMNS, UNLABELLED: tables.UNLABELLED_COLUMNS}


@dataclass(frozen=True)
class Subset:
    """One subset of a data set: its table and the folder that holds its audio."""

    name: str
    kind: str  # of labels: strong, weak or unlabelled
    audio_dir: Path
    table: pd.DataFrame
    filenames: list[str]  # every clip of the table once, in its order


def load(root: str | Path, subset: str) -> Subset:
    """Read the table of one subset and see that its audio folder is there.

    Parameters
    ----------
    root : path
        Folder with ``audio/`` and ``metadata/``.
    subset : str
        One of `SUBSETS`.

    Raises
    ------
    SedError
        For an unknown subset, a missing or empty folder or table, a wrong table (see `tables`), or a file name that
        is a path.
    """
    if subset not in SUBSETS:
        raise SedError(f"subset {subset!r} is not known; use one of {', '.join(SUBSETS)}")
    place, root = SUBSETS[subset], _existing(root)
    table = _READERS[place.kind](root / place.metadata)
    if table.empty:
        raise SedError(f"{root / place.metadata}: lists no clips; add a line per clip")
    filenames = tables.filenames(table)
    for name in filenames:
        if problem := _path_problem(name):
            raise SedError(f"{root / place.metadata}: {problem}")
    audio_dir = root / place.audio
    if not audio_dir.is_dir():
        raise SedError(f"{audio_dir}: no such folder; it should hold the {len(filenames)} clips of {subset!r}")
    if not any(audio_dir.iterdir()):
        raise SedError(f"{audio_dir}: the folder is empty; it should hold the {len(filenames)} clips of {subset!r}")
    return Subset(subset, place.kind, audio_dir, table, filenames)


@dataclass
class Report:
    """What `check` found: one line of text per finding.

    ``errors`` name what cannot be used, ``notes`` what is used after a change or not needed.
    """

    root: Path
    subsets: dict[str, list[str]] = field(default_factory=dict)  # what each subset holds, lines of text
    errors: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        """Whether everything that is there can be used."""
        return not self.errors

    def text(self, most: int = 20) -> str:
        """The report for people; of errors and of notes at most ``most`` lines are shown, the rest is counted."""
        lines = [f"{self.root}"]
        for name, holds in self.subsets.items():
            lines += [f"  {name}: {holds[0]}", *(f"    {line}" for line in holds[1:])]
        for title, found in (("errors (cannot be used)", self.errors), ("notes", self.notes)):
            lines.append(f"{title}: {len(found) or 'none'}")
            lines += [f"  {line}" for line in found[:most]]
            if len(found) > most:
                lines.append(f"  ... and {len(found) - most} more")
        return "\n".join(lines)


def check(root: str | Path) -> Report:
    """What a folder in DESED's layout holds, what is missing and what is broken; every audio file is decoded.

    Returns
    -------
    Report
        Per subset: clips, hours, rates and channels, events (or weak labels) per class; and errors and notes.

    Raises
    ------
    SedError
        If the folder is missing or holds no subset at all.
    """
    root = _existing(root)
    report = Report(root)
    there = {name for name, place in SUBSETS.items()
             if (root / place.audio).exists() or (root / place.metadata).exists()}
    if not there:
        raise SedError(f"{root}: holds no DESED subset; for 'validation', say, {SUBSETS['validation'].audio}/ and "
                       f"{SUBSETS['validation'].metadata} are expected below it")
    seen: dict[str, str] = {}
    for name, place in SUBSETS.items():
        if name not in there:
            report.notes.append(f"{name}: not there ({place.audio}/ and {place.metadata})")
            continue
        for filename in _check_subset(root, name, report):
            if filename in seen:
                report.notes.append(f"{filename}: listed in {seen[filename]} and in {name}; if it is one recording, "
                                    "leave it in one of them")
            seen[filename] = name
    return report


def _check_subset(root: Path, name: str, report: Report) -> list[str]:
    """Add the findings on one subset to the report; returns the clips its table lists."""
    place = SUBSETS[name]
    folder, metadata = root / place.audio, root / place.metadata
    present = sorted(f.name for f in folder.iterdir() if f.suffix.lower() in audio.SUFFIXES) if folder.is_dir() else []
    if problems := tables.problems(metadata, _COLUMNS[place.kind]):
        report.errors += problems
        report.subsets[name] = [f"{len(present)} audio files, no usable table"]
        return []
    table = _READERS[place.kind](metadata)
    listed = tables.filenames(table)
    if not listed:
        report.errors.append(f"{metadata}: lists no clips; add a line per clip")
    if not present:
        report.errors.append(f"{folder}: no audio file ({', '.join(audio.SUFFIXES)}); "
                             f"it should hold the {len(listed)} clips of {name!r}")
    refused = {f: p for f in listed if (p := _path_problem(f))}
    report.errors += [f"{metadata}: {problem}" for problem in refused.values()]
    for filename in sorted(set(listed) - set(present) - set(refused)) if present else ():
        other = [f for f in present if Path(f).stem == Path(filename).stem]
        fix = f"the folder has {other[0]}: correct the name" if other else "get the file, or take it out of the table"
        report.errors.append(f"{folder / filename}: in the table but not in the folder; {fix}")
    unlisted = sorted(set(present) - set(listed))
    report.notes += [f"{folder / f}: not in {metadata.name}, so not used; add it to the table if it belongs to {name!r}"
                     for f in unlisted]

    infos = _read_all(folder, sorted(set(present) & set(listed)), report)
    if place.kind == STRONG:
        _check_times(metadata, tables.events(table), infos, report)
    report.subsets[name] = _holds(place.kind, table, infos)
    return listed


def _read_all(folder: Path, filenames: list[str], report: Report) -> dict[str, audio.Info]:
    """Decode the files; what is unreadable is an error, what will be changed a note."""

    def info(filename: str) -> audio.Info | SedError:
        try:
            return audio.read(folder / filename)[1]
        except SedError as error:
            return error

    infos = {}
    with ThreadPoolExecutor() as pool:
        for filename, found in zip(filenames, pool.map(info, filenames)):
            if isinstance(found, SedError):
                report.errors.append(str(found))
                continue
            infos[filename] = found
            if change := changes(found):
                report.notes.append(f"{folder / filename}: {change}")
    return infos


def changes(info: audio.Info) -> str:
    """What is done to a file on its way to 10 s at 16 kHz mono, as words; empty if nothing."""
    done = []
    if round(info.duration * audio.RATE) < CLIP_S * audio.RATE:
        done.append(f"{info.duration:.2f} s: padded with silence to {CLIP_S:g} s")
    if round(info.duration * audio.RATE) > CLIP_S * audio.RATE:
        done.append(f"{info.duration:.2f} s: cut to its first {CLIP_S:g} s")
    if info.channels > 1:
        done.append(f"{info.channels} channels: mixed to one")
    if info.rate != audio.RATE:
        done.append(f"{info.rate} Hz: resampled to {audio.RATE} Hz")
    return "; ".join(done)


def _check_times(metadata: Path, events: pd.DataFrame, infos: dict[str, audio.Info], report: Report) -> None:
    for event in events.itertuples():
        if event.filename not in infos:
            continue
        end = infos[event.filename].duration
        where = f"{metadata}: {event.filename}: {event.event_label} {event.onset:g}-{event.offset:g} s"
        if event.onset >= min(end, CLIP_S):
            report.errors.append(f"{where} lies outside the clip of {min(end, CLIP_S):.3f} s; correct its times")
        elif event.offset > min(end, CLIP_S) + 0.5 / audio.RATE:
            report.notes.append(f"{where} ends after the clip of {min(end, CLIP_S):.3f} s; its end is cut there")


def _holds(kind: str, table: pd.DataFrame, infos: dict[str, audio.Info]) -> list[str]:
    hours = sum(info.duration for info in infos.values()) / 3600
    formats = Counter((info.rate, info.channels) for info in infos.values())
    lines = [f"{len(infos)} clips, {hours:.2f} h, {kind} labels",
             *(f"{count} files of {rate} Hz, {channels} channel{'s' * (channels > 1)}"
               for (rate, channels), count in formats.most_common())]
    if kind == STRONG:
        counts = Counter(tables.events(table)["event_label"])
        lines.append("events: " + ", ".join(f"{c} {counts[c]}" for c in tables.CLASSES))
    if kind == WEAK:
        counts = Counter(label for labels in table["event_labels"] for label in labels.split(","))
        lines.append("clips: " + ", ".join(f"{c} {counts[c]}" for c in tables.CLASSES))
    return lines


def _existing(root: str | Path) -> Path:
    root = Path(root)
    if not root.is_dir():
        raise SedError(f"{root}: no such folder; give the folder that holds audio/ and metadata/")
    return root


def _path_problem(filename: str) -> str | None:
    """A table's file name must name a file of its folder and reach nothing else."""
    drive = filename[1:2] == ":"
    if "/" in filename or "\\" in filename or "\0" in filename or filename in (".", "..") or drive:
        return f"filename {filename!r} is a path; write the name of a file in the audio folder alone"
    return None
