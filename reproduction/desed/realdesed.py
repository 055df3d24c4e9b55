"""RealDESED in DESED's layout: recordings of homes, cut into clips of 10 s (Schmid et al. 2026, arXiv:2607.16736).

Five of its 15 classes match four of DESED's. Its validation and test recordings become the development and evaluation
sets. Of the training recordings, which all have strong labels, half take the place of the synthetic clips, a quarter
keeps only which classes it has, and a quarter no labels, so that whatever trains on DESED trains on it. Its own tables
are kept below ``metadata/realdesed``.
"""

from __future__ import annotations

import hashlib
import math
from pathlib import Path, PurePosixPath

import numpy as np
import pandas as pd

from reproduction import audit
from reproduction.desed.get import Folder
from reproduction.desed.records import REALDESED, Archive
from reproduction.desed.unpack import mono
from sedlib.config import CLIP_S, RATE, SAMPLES
from sedlib.data import audio, layout, tables
from sedlib.errors import SedError

CLASSES = {
    "cutlery_dishes": "Dishes",
    "running_water": "Running_water",
    "vacuum_cleaner": "Vacuum_cleaner",
    "bell_ringing": "Alarm_bell_ringing",
    "phone_ringing": "Alarm_bell_ringing",
}
SUBSETS = {
    "train": ("synthetic", "synthetic", "weak", "unlabel_in_domain"),  # by a hash of the recording's name
    "validation": ("validation",),
    "test": ("public",),
}
SHORTEST_S = 0.1  # of a clip, and of what a cut leaves of an event
_SUFFIXES = (*audio.SUFFIXES, ".mp3")
_GRID = 100  # votes on annotations a second


def get(folder: Folder) -> None:
    """Fetch, cut and label; what is finished is not done again."""
    folder.check_room([REALDESED])
    folder.bring(REALDESED, place, cut, lambda archive: labelled(folder.root, PurePosixPath(archive.key).stem))
    folder.close()


def place(archive: Archive, member: str) -> PurePosixPath | None:
    """Return where the first clip of a recording belongs, and where a table is kept."""
    split, path = PurePosixPath(archive.key).stem, PurePosixPath(member)
    if path.suffix == ".csv":
        return PurePosixPath("metadata/realdesed", split, path.name)
    if path.suffix.lower() not in _SUFFIXES:
        return None
    choices = SUBSETS[split]
    subset = choices[hashlib.sha256(path.name.encode()).digest()[0] % len(choices)]
    return PurePosixPath(layout.SUBSETS[subset].audio, _clip(path.stem, 0))


def _clip(recording: str, start: int) -> str:
    return f"{recording}_{start:03d}.wav"


def cut(raw: Path, first: Path) -> None:
    """Write a recording as clips of 10 s, the first one, which says that all are there, at the end."""
    waveform, stem = mono(raw), first.name.rpartition("_000.wav")[0]
    starts = range(0, max(1, len(waveform) - round(SHORTEST_S * RATE)), SAMPLES)
    for start in reversed(starts):
        path = first if start == 0 else first.with_name(_clip(stem, start // RATE))
        audio.write(path, waveform[start : start + SAMPLES])


def labelled(root: Path, split: str) -> list[str]:
    """Write the tables of a split's subsets, and say what `sedlib data check` has against them."""
    source, objections = root / "metadata/realdesed" / split, []
    try:
        raw = source / "annotations_raw.csv"
        if split == "train" and raw.is_file():
            annotations = majority(_read(raw, "annotator_id", "review_status"))
        else:
            annotations = _read(source / "annotations.csv")
        _keep_licences(root, split, _read(source / "metadata.csv", "license", events=False))
        for name in dict.fromkeys(SUBSETS[split]):
            layout_place = layout.SUBSETS[name]
            clips = sorted(path.name for path in (root / layout_place.audio).glob("*.wav"))
            table = clip_events(annotations, clips)
            if layout_place.kind != layout.STRONG:
                labels = table.groupby("filename", sort=False)["event_label"]
                table = labels.agg(lambda found: ",".join(sorted(set(found.dropna())))).reset_index(name="event_labels")
            tables.write(table[layout.COLUMNS[layout_place.kind]], root / layout_place.metadata)
            report = audit.Report(root)
            audit.check_subset(root, name, report)
            objections += report.errors + report.left_out
    except SedError as error:
        objections.append(str(error))
    return objections


def clip_events(annotations: pd.DataFrame, clips: list[str]) -> pd.DataFrame:
    """Cut annotated events at the borders of the clips.

    Parameters
    ----------
    annotations : DataFrame
        ``filename onset offset class`` of recordings, in seconds of the recording.
    clips : list of str
        File names that `cut` gave.

    Returns
    -------
    DataFrame
        An event table of the clips, in DESED's classes, without pieces of cut events that are under `SHORTEST_S`.
    """
    known = annotations[annotations["class"].isin(CLASSES)]
    of = {Path(name).stem: rows for name, rows in known.groupby("filename")}
    found = []
    for clip in clips:
        recording, _, start = clip.removesuffix(".wav").rpartition("_")
        rows = of.get(recording, known.iloc[:0])
        onset = (rows["onset"] - int(start)).clip(lower=0)
        offset = (rows["offset"] - int(start)).clip(upper=CLIP_S)
        there = offset - onset > np.minimum(SHORTEST_S, rows["offset"] - rows["onset"]) - 1e-6
        labels = rows["class"].map(CLASSES)
        pieces = list(zip(onset[there], offset[there], labels[there], strict=True)) or [(np.nan, np.nan, np.nan)]
        found += [(clip, *piece) for piece in sorted(pieces)]
    return pd.DataFrame(found, columns=tables.EVENT_COLUMNS)


def majority(rows: pd.DataFrame) -> pd.DataFrame:
    """Merge several annotators' events: a class is there where at least half of a recording's annotators say so.

    The release's own default; rejected annotations are left out, and beside accepted ones the unreviewed.
    """
    rows = rows[rows["review_status"].str.lower() != "rejected"]
    accepted = rows["review_status"].str.lower() == "accepted"
    reviewed = rows["filename"].isin(rows["filename"][accepted])
    found = []
    for name, of in rows[accepted | ~reviewed].groupby("filename"):
        annotators = of["annotator_id"].nunique()
        for label, events in of.groupby("class"):
            votes = np.zeros(math.ceil(_GRID * events["offset"].max()) + 2, int)  # the ends stay without a vote
            for _, own in events.groupby("annotator_id"):
                active = np.zeros(len(votes), bool)
                for onset, offset in own[["onset", "offset"]].itertuples(index=False):
                    active[1 + round(_GRID * onset) : 1 + round(_GRID * offset)] = True
                votes += active
            edges = np.flatnonzero(np.diff(2 * votes >= annotators)).reshape(-1, 2) / _GRID
            found += [(name, onset, offset, label) for onset, offset in edges]
    return pd.DataFrame(found, columns=["filename", "onset", "offset", "class"])


def _keep_licences(root: Path, split: str, metadata: pd.DataFrame) -> None:
    """Add the clips of a split to ``metadata/licences.tsv``: clip, recording, licence."""
    path = root / "metadata" / "licences.tsv"
    licences = {Path(name).stem: (name, licence) for name, licence in metadata[["filename", "license"]].to_numpy()}
    folders = [root / layout.SUBSETS[name].audio for name in dict.fromkeys(SUBSETS[split])]
    clips = sorted(clip.name for folder in folders for clip in folder.glob("*.wav"))
    rows = [(clip, *licences.get(clip.rpartition("_")[0], ("", "not stated"))) for clip in clips]
    table = pd.DataFrame(rows, columns=["filename", "recording", "license"])
    if path.is_file():
        others = pd.read_csv(path, sep="\t", keep_default_na=False)
        table = pd.concat([others[~others["filename"].isin(clips)], table])
    tables.write(table, path)


def _read(path: Path, *more: str, events: bool = True) -> pd.DataFrame:
    """Read one of RealDESED's tables; `SedError` for a missing file, column or time."""
    columns = ["filename", *(["onset", "offset", "class"] if events else []), *more]
    if not path.is_file():
        raise SedError(f"{path}: not in the archive; look at record {REALDESED.archives[0].record}")
    try:
        return pd.read_csv(path, dtype={"filename": str}).astype(dict.fromkeys(columns[1:3], float) if events else {})[
            columns
        ]
    except (KeyError, ValueError) as error:
        raise SedError(f"{path}: not in the form of 2026, with columns {' '.join(columns)} ({error})") from None
