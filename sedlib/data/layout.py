"""Where DESED keeps what, and `check`: what a folder holds, what it lacks and what is broken.

Paper section 2; taught in ``notebooks/01_data.py``. Real DESED, MiniDESED and a data set made from a folder of
recordings all have this layout, so nothing downstream knows which one it works on.
"""

from __future__ import annotations

import hashlib
import os
import re
import unicodedata
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from sedlib.config import CLIP_S
from sedlib.data import audio, tables
from sedlib.errors import SedError

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
SOUNDBANK = "audio/train/soundbank"  # isolated sounds, in the layout of `soundbank`
EVALUATED = ("validation", "public")  # what a system is scored on; it learns from the others
SILENT = 10 ** (-90 / 20)  # peak; the smallest value of 16 bits is -90.3 dB
_READERS = {STRONG: tables.read_events, WEAK: tables.read_weak, UNLABELLED: tables.read_unlabelled}
_COLUMNS = {STRONG: tables.EVENT_COLUMNS, WEAK: tables.WEAK_COLUMNS, UNLABELLED: tables.UNLABELLED_COLUMNS}


@dataclass(frozen=True, eq=False)
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
    for _, problem in _path_problems(root / place.metadata, table):
        raise SedError(problem)
    audio_dir = root / place.audio
    if not audio_dir.is_dir():
        raise SedError(f"{audio_dir}: no such folder; it should hold the {len(filenames)} clips of {subset!r}")
    if not any(audio_dir.iterdir()):
        raise SedError(f"{audio_dir}: the folder is empty; it should hold the {len(filenames)} clips of {subset!r}")
    return Subset(subset, place.kind, audio_dir, table, filenames)


# What may stand in a file name on the disk and would tear a line or fail to be written out.
_UNPRINTABLE = re.compile("[\\x00-\\x1f\\x7f-\\x9f\\u2028\\u2029\\ud800-\\udfff]")


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
            lines += [f"  {_UNPRINTABLE.sub(lambda odd: repr(odd[0])[1:-1], line)}" for line in found[:most]]
            if len(found) > most:
                lines.append(f"  ... and {len(found) - most} more")
        return "\n".join(lines)


def check(root: str | Path) -> Report:
    """What a folder in DESED's layout holds, what is missing and what is broken; every audio file is decoded.

    Returns
    -------
    Report
        Per subset: clips, hours, rates and channels, events (or weak labels) per class; what the soundbank holds, if
        there is one; and errors and notes.

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
    heard = {}
    for name, place in SUBSETS.items():
        if name in there:
            heard[name] = _check_subset(root, name, report)
        else:
            report.notes.append(f"{name}: not there ({place.audio}/ and {place.metadata})")
    _check_repeats(heard, report)
    if (root / SOUNDBANK).exists():
        _check_soundbank(root / SOUNDBANK, report)
    return report


Heard = dict[str, bytes]  # what clips sound like, by file name: equal where they sound the same, empty if not known


def _check_subset(root: Path, name: str, report: Report) -> Heard:
    """Add the findings on one subset to the report; returns the clips its table lists."""
    place = SUBSETS[name]
    folder, metadata = root / place.audio, root / place.metadata
    present = sorted(f.name for f in folder.iterdir() if f.suffix.lower() in audio.SUFFIXES) if folder.is_dir() else []
    if problems := tables.problems(metadata, _COLUMNS[place.kind]):
        report.errors += problems
        report.subsets[name] = [f"{len(present)} audio files, no usable table"]
        return {}
    table = _READERS[place.kind](metadata)
    listed = tables.filenames(table)
    if not listed:
        report.errors.append(f"{metadata}: lists no clips; add a line per clip")
    if not present:
        report.errors.append(f"{folder}: no audio file ({', '.join(audio.SUFFIXES)}); "
                             f"it should hold the {len(listed)} clips of {name!r}")
    refused = dict(_path_problems(metadata, table))
    report.errors += refused.values()
    alike = {_loose(f): f for f in present}
    for filename in sorted(set(listed) - set(present) - set(refused)) if present else ():
        other = alike.get(_loose(filename))
        fix = f"the folder has {other}: correct the name" if other else "get the file, or take it out of the table"
        report.errors.append(f"{folder / filename}: in the table but not in the folder; {fix}")
    unlisted = sorted(set(present) - set(listed))
    report.notes += [f"{folder / f}: not in {metadata.name}, so not used; add it to the table if it belongs to {name!r}"
                     for f in unlisted]
    by_case: dict[str, str] = {}
    for filename in listed:
        if (other := by_case.setdefault(filename.casefold(), filename)) != filename:
            report.notes.append(f"{metadata}: {other!r} and {filename!r} differ in upper and lower case alone, which "
                                "many disks do not tell apart; rename one")

    heard, infos = _read_all(folder, sorted(set(present) & set(listed)), report)
    if place.kind == STRONG:
        _check_events(metadata, table, infos, report)
    report.subsets[name] = _holds(place.kind, table, infos)
    return dict.fromkeys(listed, b"") | heard


def _check_repeats(heard: dict[str, Heard], report: Report) -> None:
    """Clips that are there twice, by what they sound like or by their names; leaks first."""
    sounds: dict[bytes, tuple[str, str]] = {}
    names: dict[str, str] = {}
    leaks = []
    for subset, clips in heard.items():
        for filename, sound in clips.items():
            first, other = sounds.setdefault(sound, (subset, filename)) if sound else (subset, filename)
            if (first, other) != (subset, filename):
                pair = (f"{report.root / SUBSETS[subset].audio / filename}: the same audio as "
                        f"{report.root / SUBSETS[first].audio / other}")
                if {first, subset} & set(EVALUATED) and first != subset:
                    leaks.append(f"{pair}: a leak that flatters the scores; take it out of {first!r} or {subset!r}")
                else:
                    report.notes.append(f"{pair}; one of them is enough")
            elif filename in names:
                report.notes.append(f"{filename}: listed in {names[filename]} and in {subset}; if it is one recording, "
                                    "leave it in one of them")
            names[filename] = subset
    report.notes[:0] = leaks


def _check_soundbank(folder: Path, report: Report) -> None:
    """Add the findings on the isolated sounds to the report."""
    from sedlib.data.soundbank import Soundbank  # here, because that module builds on this one

    try:
        bank = Soundbank(folder)
    except SedError as error:
        report.errors.append(str(error))
        report.subsets["soundbank"] = ["not usable"]
        return
    report.notes += bank.notes
    report.subsets["soundbank"] = [f"{sum(map(len, bank.recordings.values()))} isolated sounds",
                                   ", ".join(f"{label} {len(found)}" for label, found in bank.recordings.items())]


def _read_all(folder: Path, filenames: list[str], report: Report) -> tuple[Heard, dict[str, audio.Info]]:
    """Decode the files; what is unreadable is an error, what will be changed or sounds wrong a note."""

    def info(filename: str) -> tuple[bytes, audio.Info] | SedError:
        try:
            waveform, info = audio.read(folder / filename)
        except SedError as error:
            return error
        return b"" if info.peak < SILENT else hashlib.sha256(audio.to_int16(waveform)).digest(), info

    heard, infos = {}, {}
    with ThreadPoolExecutor() as pool:
        for filename, found in zip(filenames, pool.map(info, filenames)):
            if isinstance(found, SedError):
                report.errors.append(str(found))
                continue
            heard[filename], infos[filename] = found
            if remarks := "; ".join(filter(None, (changes(found[1]), flaws(found[1])))):
                report.notes.append(f"{folder / filename}: {remarks}")
    return heard, infos


def changes(info: audio.Info) -> str:
    """What is done to a file on its way to 10 s of 16 bits at 16 kHz mono, as words; empty if nothing."""
    done = []
    if round(info.duration * audio.RATE) < CLIP_S * audio.RATE:
        done.append(f"{info.duration:.2f} s: padded with silence to {CLIP_S:g} s")
    if round(info.duration * audio.RATE) > CLIP_S * audio.RATE:
        done.append(f"{info.duration:.2f} s: cut to its first {CLIP_S:g} s")
    if info.channels > 1:
        done.append(f"{info.channels} channels: mixed to one")
    if info.rate != audio.RATE:
        done.append(f"{info.rate} Hz: resampled to {audio.RATE} Hz")
    if info.peak > 1.01:  # less is what resampling adds to a clip that is driven fully
        done.append(f"peak {20 * np.log10(info.peak):.1f} dB above full scale: clipped there")
    return "; ".join(done)


def flaws(info: audio.Info) -> str:
    """What is wrong with the sound of a file that is used all the same, as words; empty if nothing."""
    if info.peak < SILENT:
        return "silent; take it out if that is not meant"
    found = []
    if abs(info.dc) > 0.01:
        found.append(f"DC offset of {100 * info.dc:.1f} % of full scale")
    if info.clipped > 0.001:
        found.append(f"{100 * info.clipped:.1f} % of its samples are at full scale or beyond: recorded too loud")
    if info.subtype in audio.COARSE:
        found.append("8 bits a sample: noise about 50 dB below full scale")
    return "; ".join(found)


def _check_events(metadata: Path, table: pd.DataFrame, infos: dict[str, audio.Info], report: Report) -> None:
    """What a strong table's rows say about the clips and about each other."""
    rows = table.dropna(subset=["event_label"])
    end = rows["filename"].map({name: min(info.duration, CLIP_S) for name, info in infos.items()})
    outside, late = rows["onset"] >= end, rows["offset"] > end + 0.5 / audio.RATE
    again = rows.duplicated()
    ordered = rows.sort_values("onset", kind="stable")
    ends = ordered.groupby(["filename", "event_label"])["offset"].cummax()
    before = ends.groupby([ordered["filename"], ordered["event_label"]]).shift().reindex(rows.index)
    overlaps = rows["onset"] < before
    for i, event in rows[outside | late | again | overlaps].iterrows():
        where = (f"{tables.line_of(metadata, i)}: {event.filename}: "
                 f"{event.event_label} {event.onset:g}-{event.offset:g} s")
        if outside[i]:
            report.errors.append(f"{where} lies outside the clip of {end[i]:.3f} s; correct its times")
        elif late[i]:
            report.notes.append(f"{where} ends after the clip of {end[i]:.3f} s; its end is cut there")
        if again[i]:
            report.notes.append(f"{where} is listed before; take the line out")
        elif overlaps[i]:
            report.notes.append(f"{where} begins before another {event.event_label} ends, at {before[i]:g} s; "
                                "join them if they are one sound")
    empty = table[table["event_label"].isna()]
    wrong = empty["filename"].isin(rows["filename"]) | empty["filename"].duplicated()
    for i, name in empty["filename"][wrong].items():
        report.notes.append(f"{tables.line_of(metadata, i)}: {name} is listed without events here and once more "
                            "elsewhere; take one of the lines out")


def _holds(kind: str, table: pd.DataFrame, infos: dict[str, audio.Info]) -> list[str]:
    hours = sum(info.duration for info in infos.values()) / 3600
    formats = Counter((info.rate, info.channels) for info in infos.values())
    lines = [f"{len(infos)} clips, {hours:.2f} h, {'no' if kind == UNLABELLED else kind} labels",
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


def _path_problems(metadata: Path, table: pd.DataFrame) -> Iterator[tuple[str, str]]:
    """File names, and what is wrong with them: one must name a file of its folder and reach nothing else."""
    for row, name in table["filename"].drop_duplicates().items():
        where = f"{tables.line_of(metadata, row)}: filename {name!r}"
        if "/" in name or "\\" in name or name in (".", "..") or name[1:2] == ":":
            yield name, f"{where} is a path; write the name of a file in the audio folder alone"
        elif len(os.fsencode(name)) > 255:
            yield name, f"{where} is longer than the 255 bytes a file name may have; shorten it"


def _loose(filename: str) -> str:
    """A name without its suffix, upper case and the choice between letters with accents and accents of their own."""
    return unicodedata.normalize("NFC", Path(filename).stem).casefold()
