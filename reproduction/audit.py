"""Whether a folder in DESED's layout can be used: ``sedlib data check`` decodes and reports everything.

An **error** stops a training or its scoring: a table that cannot be read, a subset without a usable clip;
`sedlib.data.layout.preflight` raises the same one. Clips **left out** are counted, and everything else works without
them: they are missing or broken, as in real downloads of DESED. A **note** is something that may be unintended. Paper
section 2; taught in ``notebooks/01_data.py``.
"""

from __future__ import annotations

import glob
import hashlib
import math
import re
import shlex
import unicodedata
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from reproduction.rows import lacking
from sedlib.config import CLIP_S, RATE
from sedlib.data import audio, layout, tables
from sedlib.data.layout import COLUMNS, EVALUATED, OPTIONAL, SOUNDBANK, STRONG, SUBSETS, UNLABELLED
from sedlib.data.soundbank import Soundbank
from sedlib.errors import SedError

# What may stand in a file name on the disk and would break a line or fail to be written out.
_UNPRINTABLE = re.compile("[\\x00-\\x1f\\x7f-\\x9f\\u2028\\u2029\\ud800-\\udfff]")
Hashes = dict[str, bytes]  # of the audio of clips, by file name; empty if silent or not known


@dataclass
class Report:
    """What `check` found: one line of text per finding.

    Attributes
    ----------
    subsets : dict of lists of str
        What each subset holds.
    errors, left_out, notes, changed : lists of str
        What stops a training or its scoring; clips that cannot be used; what may not be meant; clips that are used
        after a change.
    """

    root: Path
    subsets: dict[str, list[str]] = field(default_factory=dict)
    errors: list[str] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)
    rows: list[str] = field(default_factory=list)  # `reproduction.rows.lacking`

    @property
    def ok(self) -> bool:
        """Whether systems can be trained and scored on the folder."""
        return not self.errors

    def text(self, most: int = 20) -> str:
        """Format the report; of each kind of finding at most ``most`` lines are shown, the rest is counted."""
        lines = [f"{self.root}"]
        for name, holds in self.subsets.items():
            lines += [f"  {name}: {holds[0]}", *(f"    {line}" for line in holds[1:])]
        findings = {
            "errors (stop a training or its scoring)": self.errors,
            "left out (everything else works without)": self.left_out,
            "notes": self.notes,
            "converted to 10 s of 16 kHz mono": self.changed,
        }
        lines += ["rows of the paper's tables", *(f"  {line}" for line in self.rows)] if self.rows else []
        for title, found in findings.items():
            lines.append(f"{title}: {len(found) or 'none'}")
            lines += [f"  {_UNPRINTABLE.sub(lambda odd: repr(odd[0])[1:-1], line)}" for line in found[:most]]
            if len(found) > most:
                lines.append(f"  ... and {len(found) - most} more")
        return "\n".join(lines)


def check(root: str | Path) -> Report:
    """Report what a folder in DESED's layout holds, lacks, and what is broken; every audio file is decoded.

    Returns
    -------
    Report
        Per subset: clips, hours, rates and channels, events (or weak labels) per class, and how much of them is left
        out; what the soundbank holds, if there is one; and all findings.

    Raises
    ------
    SedError
        If the folder is missing or holds no subset at all.
    """
    root = _existing(root)
    report = Report(root)
    there = {name for name, place in SUBSETS.items() if any((root / half).exists() for half in place[:2])}
    if not there:
        place = SUBSETS["validation"]
        raise SedError(
            f"{root}: holds no DESED subset; for 'validation', say, {place.audio}/ and {place.metadata} are expected "
            "below it"
        )
    hashes = {}
    for name, place in SUBSETS.items():
        if name in there and (name != OPTIONAL or layout.is_there(root, name)):
            hashes[name] = check_subset(root, name, report)
        elif name == OPTIONAL:
            report.notes.append(f"{name}: not there ({place.audio}/ with clips and {place.metadata}), so not scored")
        else:
            fix = "".join(sorted({_near(root / half) for half in place[:2]})) or "; get it"
            report.errors.append(f"{name}: not there ({place.audio}/ and {place.metadata}){fix}")
    _check_repeats(hashes, report)
    check_soundbank(root / SOUNDBANK, report)
    report.rows = lacking(root)
    return report


def check_subset(root: Path, name: str, report: Report) -> Hashes:
    """Add the findings on one subset to the report, and return the hashes of the clips of its table."""
    place = SUBSETS[name]
    folder, metadata = layout.audio_folder(root, name), root / place.metadata
    present = {f.name for f in folder.iterdir() if f.is_file()} if folder.is_dir() else set()
    sounds = sorted(f for f in present if Path(f).suffix.lower() in audio.SUFFIXES)
    found = _rows(metadata, COLUMNS[place.kind])
    try:
        layout.preflight(root, [name])
    except SedError as error:  # perhaps the first of the wrong rows
        wrong = str(error) + "".join(_near(root / half) for half in place[:2] if not (root / half).exists())
        found += [wrong] if wrong not in found else []
    report.errors += found
    if found:
        report.subsets[name] = [f"{len(sounds)} audio files, not usable"]
        return {}
    table = tables.read(metadata, COLUMNS[place.kind])
    listed = tables.filenames(table)
    for filename in sorted(set(listed) - present):
        fix = _why_missing(folder, filename)
        report.left_out.append(f"{folder / filename}: in the table but not in the folder; {fix}")
    for filename in sorted(set(sounds) - set(listed)):
        fix = f"add it to the table if it belongs to {name!r}"
        report.notes.append(f"{folder / filename}: not in {metadata.name}, so not used; {fix}")
    by_case: dict[str, str] = {}
    for filename in listed:
        if (other := by_case.setdefault(filename.casefold(), filename)) != filename:
            report.notes.append(
                f"{metadata}: {other!r} and {filename!r} differ only in upper and lower case, which many disks ignore; "
                "rename one"
            )

    hashes, infos = _read_all(folder, sorted(present & set(listed)), report)
    if not infos:
        wrong = f"none of the {len(listed)} clips of {name!r} can be read; the clips left out say why"
        report.errors.append(f"{folder}: {wrong}")
    if place.kind == STRONG:
        _check_events(metadata, table, infos, report)
    report.subsets[name] = _holds(place.kind, table, infos)
    return dict.fromkeys(listed, b"") | hashes


def _existing(root: str | Path) -> Path:
    """Return a data set's folder; raise `SedError` if it is missing, or the folder above it."""
    root = Path(root)
    if not root.is_dir():
        raise SedError(f"{root}: no such folder; give the folder that holds audio/ and metadata/")
    if not (root / "metadata").is_dir() and (deeper := next(root.glob("*/metadata"), None)):
        raise SedError(f"{root}: holds no DESED subset itself; give {deeper.parent}, which holds audio/ and metadata/")
    return root


def _near(expected: Path) -> str:
    """Name what may be meant in place of a missing file or folder, with the fix; empty if nothing is similar.

    Names are similar with the same letters, or of folders with the same first ones: ``weak.csv`` for ``weak.tsv``,
    ``synthetic21_train`` for ``synthetic20``.
    """
    while not expected.parent.exists():
        expected = expected.parent
    wanted, is_file = _letters(expected), bool(expected.suffix)
    for path in sorted(expected.parent.iterdir()):
        letters = _letters(path)
        if path.is_file() == is_file and (letters == wanted or not is_file and letters.startswith(wanted)):
            link = f"ln -s {shlex.quote(path.name)} {shlex.quote(str(expected))}"
            return (
                f"; {expected.parent} has {path.name}; if that is the right one, rename it {expected.name}, "
                f"for example by a link: {link}"
            )
    return ""


def _letters(path: Path) -> str:
    return "".join(filter(str.isalpha, path.stem.casefold()))


def _rows(metadata: Path, columns: list[str]) -> list[str]:
    """List everything that is wrong in a table, if it is there."""
    if not metadata.is_file():
        return []
    try:
        return list(tables.problems(tables.read_table(metadata, columns), metadata))
    except SedError as error:
        return [str(error)]


def _read_all(folder: Path, filenames: list[str], report: Report) -> tuple[Hashes, dict[str, audio.Info]]:
    """Decode the files; what is unreadable is left out, what sounds wrong a note."""

    def decode(filename: str) -> tuple[bytes, audio.Info] | SedError:
        try:
            waveform, info = audio.read(folder / filename)
        except SedError as error:
            return error
        return b"" if info.peak < audio.SILENT else hashlib.sha256(audio.to_int16(waveform).data).digest(), info

    hashes, infos = {}, {}
    with ThreadPoolExecutor() as pool:
        for filename, found in zip(filenames, pool.map(decode, filenames), strict=True):
            if isinstance(found, SedError):
                report.left_out.append(str(found))
                continue
            hashes[filename], infos[filename] = found
            if flaws := audio.flaws(found[1]):
                report.notes.append(f"{folder / filename}: {flaws}")
            if changes := _changes(found[1]):
                report.changed.append(f"{folder / filename}: {changes}")
    return hashes, infos


def _why_missing(folder: Path, filename: str) -> str:
    """Say what to do about a clip of the table that the folder lacks: what has nearly its name, or to get it."""
    others = sorted(file.name for file in folder.glob(f"{glob.escape(Path(filename).stem)}.*"))
    others = others or [file.name for file in folder.iterdir() if _loose(file.name) == _loose(filename)]
    if not others:
        deeper = next(folder.glob(f"*/{glob.escape(filename)}"), None)
        return f"it is in {deeper.parent}; move the clips up" if deeper else "get the file, or remove it from the table"
    suffix = Path(filename).suffix
    if Path(others[0]).suffix.lower() == suffix.lower():
        return f"the folder has {others[0]}: correct the name"
    return f"the folder has {others[0]}: convert it to {suffix}, or correct the name in the table"


def _loose(filename: str) -> str:
    """Return a name without its suffix, case, and the two ways to write accents."""
    return unicodedata.normalize("NFC", Path(filename).stem).casefold()


def _changes(info: audio.Info) -> str:
    """Say what is done to a file on its way to 10 s of 16 bits at 16 kHz mono, as words; empty if nothing."""
    done = []
    if round(info.duration * RATE) < CLIP_S * RATE:
        done.append(f"{info.duration:.2f} s: padded with silence to {CLIP_S:g} s")
    if round(info.duration * RATE) > CLIP_S * RATE:
        done.append(f"{info.duration:.2f} s: cut to its first {CLIP_S:g} s")
    if info.channels > 1:
        done.append(f"{info.channels} channels: mixed to one")
    if info.rate != RATE:
        done.append(f"{info.rate} Hz: resampled to {RATE} Hz")
    if info.peak > 1.01:  # resampling alone adds less
        done.append(f"peak {20 * math.log10(info.peak):.1f} dB above full scale: clipped there")
    return "; ".join(done)


def _check_repeats(hashes: dict[str, Hashes], report: Report) -> None:
    """Clips that are there twice, by their audio or by their names; leaks first."""
    sounds: dict[bytes, tuple[str, str]] = {}
    names: dict[str, str] = {}
    leaks = []
    for subset, filename, sound in [(subset, *clip) for subset, clips in hashes.items() for clip in clips.items()]:
        first, other = sounds.setdefault(sound, (subset, filename)) if sound else (subset, filename)
        if (first, other) != (subset, filename):
            path, same = (report.root / SUBSETS[s].audio / f for s, f in ((subset, filename), (first, other)))
            pair = f"{path}: the same audio as {same}"
            if first != subset and {first, subset} & set(EVALUATED):
                leaks.append(f"{pair}: a leak that inflates the scores; remove it from {first!r} or {subset!r}")
            else:
                report.notes.append(f"{pair}; one of them is enough")
        elif filename in names:
            fix = "if it is one recording, keep it in one of them"
            report.notes.append(f"{filename}: listed in {names[filename]} and in {subset}; {fix}")
        names[filename] = subset
    report.notes[:0] = leaks


def check_soundbank(folder: Path, report: Report) -> None:
    """Add the findings on the isolated sounds to the report."""
    if not folder.exists():
        report.notes.append(f"{folder}: no isolated sounds; systems with dynamic mixing (lesson 02) cannot be trained")
        return
    try:
        bank = Soundbank(folder)
    except SedError as error:
        report.errors.append(str(error))
        report.subsets["soundbank"] = ["not usable"]
        return
    report.notes += bank.notes
    counts = {label: len(found) for label, found in bank.recordings.items()}
    each = ", ".join(f"{label} {count}" for label, count in counts.items())
    report.subsets["soundbank"] = [f"{sum(counts.values())} isolated sounds", each]


def _check_events(metadata: Path, table: pd.DataFrame, infos: dict[str, audio.Info], report: Report) -> None:
    """Compare a strong table's rows with the clips and with each other."""
    rows = table.dropna(subset=["event_label"])
    end = rows["filename"].map({name: min(info.duration, CLIP_S) for name, info in infos.items()})
    outside, late = rows["onset"] >= end, rows["offset"] > end + 0.5 / RATE
    again, instant = rows.duplicated(), rows["onset"] == rows["offset"]
    ordered = rows.sort_values("onset", kind="stable")
    ends = ordered.groupby(["filename", "event_label"])["offset"].cummax()
    before = ends.groupby([ordered["filename"], ordered["event_label"]]).shift().reindex(rows.index)
    overlaps = rows["onset"] < before
    for i, event in rows[outside | late | again | overlaps | instant].iterrows():
        label, wrong = event.event_label, []
        if outside[i]:
            wrong.append(f"is outside the clip of {end[i]:.3f} s, where nothing can find it; correct its times")
        elif late[i]:
            wrong.append(f"ends after the clip of {end[i]:.3f} s; its end is cut there")
        if instant[i]:
            wrong.append("has no length, so no score counts it; correct its times, or remove the line")
        if again[i]:
            wrong.append("is listed already; remove the line")
        elif overlaps[i]:
            wrong.append(
                f"begins before another {label} ends, at {before[i]:g} s; PSDS merges them, F1 does not; "
                "join them if they are one sound"
            )
        where = f"{tables.line_of(metadata, i)}: {event.filename}: {label} {event.onset:g}-{event.offset:g} s"
        report.notes += [f"{where} {problem}" for problem in wrong]
    if absent := sorted(set(tables.CLASSES) - set(rows["event_label"])):
        without = f"no event of {', '.join(absent)}; averages over classes cover the others"
        report.notes.append(f"{metadata}: {without}")
    empty = table["filename"][table["event_label"].isna()]
    for i, name in empty[empty.isin(rows["filename"]) | empty.duplicated()].items():
        wrong = "is listed here without events and again elsewhere; remove one of the lines"
        report.notes.append(f"{tables.line_of(metadata, i)}: {name} {wrong}")


def _holds(kind: str, table: pd.DataFrame, infos: dict[str, audio.Info]) -> list[str]:
    """List what a subset holds: clips and hours, formats, labels, and what of them is left out."""
    hours = sum(info.duration for info in infos.values()) / 3600
    lines = [f"{len(infos)} clips, {hours:.2f} h, {'no' if kind == UNLABELLED else kind} labels"]
    formats = Counter((info.rate, info.channels) for info in infos.values())
    for (rate, channels), count in formats.most_common():
        lines.append(f"{count} files of {rate} Hz, {channels} channel{'s' * (channels > 1)}")
    counts = _labels(kind, table)
    if kind != UNLABELLED:
        each = ", ".join(f"{c} {counts[c]}" for c in tables.CLASSES)
        lines.append(f"{'events' if kind == STRONG else 'clips'}: {each}")
    listed = tables.filenames(table)
    if gone := set(listed) - set(infos):
        lost = _labels(kind, table[table["filename"].isin(gone)])
        shares = [
            f"{c} {lost[c]} of {counts[c]} ({100 * lost[c] / counts[c]:.0f} %)" for c in tables.CLASSES if lost[c]
        ]
        and_with_them = f", and with them {'; '.join(shares)}" if shares else ""
        lines.append(f"left out: {len(gone)} of {len(listed)} clips{and_with_them}")
    return lines


def _labels(kind: str, table: pd.DataFrame) -> Counter[str]:
    """How many events, or clips of a weak table, each class has."""
    if kind == STRONG:
        return Counter(tables.events(table)["event_label"])
    return Counter(label for labels in table.get("event_labels", ()) for label in labels.split(","))
