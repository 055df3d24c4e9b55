"""Whether a folder in DESED's layout can be used: `check` decodes everything and reports, `preflight` is cheap and raises.

Paper section 2; taught in ``notebooks/01_data.py``. What is wrong in a folder is of three kinds. An **error** will stop a training or its
scoring: a table that cannot be read, a subset without a usable clip; `preflight` raises the same one. **Left out** is what all the rest goes
on without, and is counted: a clip that is missing or broken, as real downloads of DESED have them. A **note** is what may not be meant,
and files of another length, rate or number of channels are listed last: in DESED that is nearly all of them.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Collection
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from sedlib.config import CLIP_S
from sedlib.data import audio, tables
from sedlib.data.audio import SILENT, changes, flaws
from sedlib.data.layout import (
    COLUMNS,
    EVALUATED,
    OPTIONAL,
    READERS,
    SOUNDBANK,
    STRONG,
    SUBSETS,
    UNLABELLED,
    audio_folder,
    existing,
    is_there,
    load,
    near,
    path_problems,
    usable,
    why_missing,
)
from sedlib.data.soundbank import Soundbank, need_all
from sedlib.errors import SedError


def preflight(root: str | Path, subsets: Collection[str], soundbank: bool = False) -> None:
    """See that a training, or a scoring, will not end for want of data; cheap, as no file is opened but the tables.

    Parameters
    ----------
    root : path
        Folder with ``audio/`` and ``metadata/``.
    subsets : collection of str
        Those of `SUBSETS` that are needed; ``public``, which is scored where it is there, may be missing.
    soundbank : bool
        Whether isolated sounds are needed too: ``config.augment.uses_soundbank``.

    Raises
    ------
    SedError
        As `load`; if none of the clips of a subset is there; if clips to be scored on hold no event; if the soundbank
        lacks a class, backgrounds or room responses.
    """
    for subset in subsets:
        if subset != OPTIONAL or is_there(root, subset):
            usable(load(root, subset))
    if soundbank:
        need_all(Path(root) / SOUNDBANK)


# What may stand in a file name on the disk and would tear a line or fail to be written out.
_UNPRINTABLE = re.compile("[\\x00-\\x1f\\x7f-\\x9f\\u2028\\u2029\\ud800-\\udfff]")


@dataclass
class Report:
    """What `check` found: one line of text per finding.

    ``errors`` will stop a training or its scoring, ``left_out`` are clips that cannot be used and are gone on without,
    ``notes`` what may not be meant, ``changed`` the files that are used after a change.
    """

    root: Path
    subsets: dict[str, list[str]] = field(default_factory=dict)  # what each subset holds, lines of text
    errors: list[str] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        """Whether systems can be trained and scored on the folder."""
        return not self.errors

    def text(self, most: int = 20) -> str:
        """The report for people; of each kind of finding at most ``most`` lines are shown, the rest is counted."""
        lines = [f"{self.root}"]
        for name, holds in self.subsets.items():
            lines += [f"  {name}: {holds[0]}", *(f"    {line}" for line in holds[1:])]
        for title, found in (("errors (stop a training or its scoring)", self.errors),
                             ("left out (all else goes on without)", self.left_out), ("notes", self.notes),
                             ("changed on their way to 10 s of 16 kHz mono", self.changed)):
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
        Per subset: clips, hours, rates and channels, events (or weak labels) per class, and how much of them is left
        out; what the soundbank holds, if there is one; and errors, what is left out, and notes.

    Raises
    ------
    SedError
        If the folder is missing or holds no subset at all.
    """
    root = existing(root)
    report = Report(root)
    there = {name for name, place in SUBSETS.items()
             if (root / place.audio).exists() or (root / place.metadata).exists()}
    if not there:
        raise SedError(f"{root}: holds no DESED subset; for 'validation', say, {SUBSETS['validation'].audio}/ and "
                       f"{SUBSETS['validation'].metadata} are expected below it")
    heard = {}
    for name, place in SUBSETS.items():
        if name in there and (name != OPTIONAL or is_there(root, name)):
            heard[name] = _check_subset(root, name, report)
        elif name == OPTIONAL:
            report.notes.append(f"{name}: not there ({place.audio}/ with clips and {place.metadata}), so not scored")
        else:
            hints = {near(root / half) for half in (place.audio, place.metadata)} - {""}
            report.errors.append(f"{name}: not there ({place.audio}/ and {place.metadata}); "
                                 + ("; ".join(sorted(hints)) or "get it"))
    _check_repeats(heard, report)
    _check_soundbank(root / SOUNDBANK, report)
    return report


Heard = dict[str, bytes]  # what clips sound like, by file name: equal where they sound the same, empty if not known


def _check_subset(root: Path, name: str, report: Report) -> Heard:
    """Add the findings on one subset to the report; returns the clips its table lists."""
    place = SUBSETS[name]
    folder, metadata = audio_folder(root, place), root / place.metadata
    present = {f.name for f in folder.iterdir() if f.is_file()} if folder.is_dir() else set()
    sounds = sorted(f for f in present if Path(f).suffix.lower() in audio.SUFFIXES)
    found = tables.problems(metadata, COLUMNS[place.kind]) if metadata.is_file() else []
    refused: dict[str, str] = {}
    if not found and metadata.is_file():
        refused = dict(path_problems(metadata, READERS[place.kind](metadata)))
        found = list(refused.values())
    try:
        usable(load(root, name))
    except SedError as error:
        found += [str(error)] if str(error) not in found else []  # every wrong row is listed, `load` stops at the first
    report.errors += found
    if found and not refused:
        report.subsets[name] = [f"{len(sounds)} audio files, not usable"]
        return {}
    table = READERS[place.kind](metadata)
    listed = [filename for filename in tables.filenames(table) if filename not in refused]
    report.left_out += [f"{folder / filename}: in the table but not in the folder; {why_missing(folder, filename)}"
                        for filename in sorted(set(listed) - present)]
    report.notes += [f"{folder / f}: not in {metadata.name}, so not used; add it to the table if it belongs to {name!r}"
                     for f in sorted(set(sounds) - set(listed))]
    by_case: dict[str, str] = {}
    for filename in listed:
        if (other := by_case.setdefault(filename.casefold(), filename)) != filename:
            report.notes.append(f"{metadata}: {other!r} and {filename!r} differ in upper and lower case alone, which "
                                "many disks do not tell apart; rename one")

    heard, infos = _read_all(folder, sorted(present & set(listed)), report)
    if not infos and not found:
        report.errors.append(f"{folder}: none of the {len(listed)} clips of {name!r} can be read; what is left out says why")
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
    if not folder.exists():
        report.notes.append(f"{folder}: no isolated sounds; systems that mix clips anew (lesson 02) cannot be trained")
        return
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
    """Decode the files; what is unreadable is left out, what sounds wrong a note."""

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
                report.left_out.append(str(found))
                continue
            heard[filename], infos[filename] = found
            for remarks, kind in ((flaws(found[1]), report.notes), (changes(found[1]), report.changed)):
                kind += [f"{folder / filename}: {remarks}"] if remarks else []
    return heard, infos


def _check_events(metadata: Path, table: pd.DataFrame, infos: dict[str, audio.Info], report: Report) -> None:
    """What a strong table's rows say about the clips and about each other."""
    rows = table.dropna(subset=["event_label"])
    end = rows["filename"].map({name: min(info.duration, CLIP_S) for name, info in infos.items()})
    outside, late = rows["onset"] >= end, rows["offset"] > end + 0.5 / audio.RATE
    again, instant = rows.duplicated(), rows["onset"] == rows["offset"]
    ordered = rows.sort_values("onset", kind="stable")
    ends = ordered.groupby(["filename", "event_label"])["offset"].cummax()
    before = ends.groupby([ordered["filename"], ordered["event_label"]]).shift().reindex(rows.index)
    overlaps = rows["onset"] < before
    for i, event in rows[outside | late | again | overlaps | instant].iterrows():
        where = (f"{tables.line_of(metadata, i)}: {event.filename}: "
                 f"{event.event_label} {event.onset:g}-{event.offset:g} s")
        if outside[i]:
            report.notes.append(f"{where} lies outside the clip of {end[i]:.3f} s, where nothing can find it; correct its times")
        elif late[i]:
            report.notes.append(f"{where} ends after the clip of {end[i]:.3f} s; its end is cut there")
        if instant[i]:
            report.notes.append(f"{where} has no length: event F1 counts it, PSDS does not; correct its times, or take the line out")
        if again[i]:
            report.notes.append(f"{where} is listed before; take the line out")
        elif overlaps[i]:
            report.notes.append(f"{where} begins before another {event.event_label} ends, at {before[i]:g} s; "
                                "PSDS takes them as one, F1 as they are; join them if they are one sound")
    if absent := sorted(set(tables.CLASSES) - set(rows["event_label"])):
        report.notes.append(f"{metadata}: no event of {', '.join(absent)}; averages over classes are those of the others")
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
    counts = _labels(kind, table)
    if kind != UNLABELLED:
        lines.append(f"{'events' if kind == STRONG else 'clips'}: " + ", ".join(f"{c} {counts[c]}" for c in tables.CLASSES))
    listed = tables.filenames(table)
    gone = set(listed) - set(infos)
    if gone:
        lost = _labels(kind, table[table["filename"].isin(gone)])
        shares = "; ".join(f"{c} {lost[c]} of {counts[c]} ({100 * lost[c] / counts[c]:.0f} %)" for c in tables.CLASSES if lost[c])
        lines.append(f"left out: {len(gone)} of {len(listed)} clips" + f", and with them {shares}" * bool(shares))
    return lines


def _labels(kind: str, table: pd.DataFrame) -> Counter[str]:
    """How many events, or clips of a weak table, each class has."""
    if kind == STRONG:
        return Counter(tables.events(table)["event_label"])
    return Counter(label for labels in table.get("event_labels", ()) for label in labels.split(","))
