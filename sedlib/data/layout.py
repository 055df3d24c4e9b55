"""Where DESED keeps its files, and how a subset is read.

Real DESED, MiniDESED and a data set made from a folder of recordings all have this layout, so no later step knows which
one it is working on. `reproduction.audit` lists what a folder lacks. Paper section 2; taught in
``notebooks/01_data.py``.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from sedlib.data import tables
from sedlib.data.soundbank import check_complete
from sedlib.errors import SedError

STRONG, WEAK, UNLABELLED = "strong", "weak", "unlabelled"
SYNTHETIC, REAL = "synthetic", "real"


class Place(NamedTuple):
    """Where a subset is below the root of a data set, and what it is."""

    audio: str
    metadata: str
    kind: str  # of labels: strong, weak or unlabelled
    domain: str


_SOUNDSCAPES = "train/synthetic20/soundscapes"
SUBSETS = {
    "synthetic": Place(f"audio/{_SOUNDSCAPES}", f"metadata/{_SOUNDSCAPES}.tsv", STRONG, SYNTHETIC),
    "weak": Place("audio/train/weak", "metadata/train/weak.tsv", WEAK, REAL),
    "unlabel_in_domain": Place(
        "audio/train/unlabel_in_domain", "metadata/train/unlabel_in_domain.tsv", UNLABELLED, REAL
    ),
    "validation": Place("audio/validation", "metadata/validation/validation.tsv", STRONG, REAL),
    "public": Place("audio/eval/public", "metadata/eval/public.tsv", STRONG, REAL),
}
SOUNDBANK = "audio/train/soundbank"  # isolated sounds, in the layout of `soundbank`
EVALUATED = ("validation", "public")  # what a system is scored on; it learns from the others
OPTIONAL = "public"  # scored where it is there
COLUMNS = {STRONG: tables.EVENT_COLUMNS, WEAK: tables.WEAK_COLUMNS, UNLABELLED: tables.UNLABELLED_COLUMNS}


@dataclass(frozen=True, eq=False)
class Subset:
    """One subset of a data set: its table and the folder of its audio."""

    name: str
    kind: str  # of labels
    audio_dir: Path
    table: pd.DataFrame
    filenames: list[str]  # every clip of the table once, in its order


def load(root: str | Path, subset: str) -> Subset:
    """Read the table of one of `SUBSETS` below ``root``, and check that its audio folder is there.

    Raises
    ------
    SedError
        For an unknown subset, a missing or empty folder or table, a wrong table (see `tables`), or a file name that
        is a path or too long.
    """
    if subset not in SUBSETS:
        raise SedError(f"subset {subset!r} is not known; use one of {', '.join(SUBSETS)}")
    place, root = SUBSETS[subset], Path(root)
    metadata, folder = root / place.metadata, audio_folder(root, subset)
    for path, what in ((metadata, "file"), (folder, "folder")):
        if not path.exists():
            raise SedError(f"{path}: no such {what}; `sedlib data check {root}` says what is there")
    table = tables.read(metadata, COLUMNS[place.kind])
    if table.empty:
        raise SedError(f"{metadata}: lists no clips; add a line per clip")
    for row, name in table["filename"].items():
        if {"/", "\\"} & {*name} or len(name.encode()) > 255:
            where = tables.line_of(metadata, row)
            raise SedError(f"{where}: filename {name!r} is a path, or too long; write the name of a file in {folder}")
    filenames = tables.filenames(table)
    if not any(folder.iterdir()):
        raise SedError(f"{folder}: the folder is empty; it should hold the {len(filenames)} clips of {subset!r}")
    return Subset(subset, place.kind, folder, table, filenames)


def preflight(root: str | Path, subsets: Collection[str], soundbank: bool = False) -> None:
    """Check that a training or a scoring will not fail for lack of data; no audio file is opened.

    Of ``subsets``, ``public``, which is scored where it is there, may be missing. ``soundbank``: isolated sounds are
    needed, too.

    Raises
    ------
    SedError
        As `load`; if no clip of a subset is there; if the clips to be scored on have no event; if the soundbank lacks
        a class, backgrounds or room responses.
    """
    for name in subsets:
        if name == OPTIONAL and not is_there(root, name):
            continue
        subset = load(root, name)
        sizes = {file.name: file.stat().st_size for file in subset.audio_dir.iterdir() if file.is_file()}
        present = [clip for clip in subset.filenames if sizes.get(clip)]
        if not present:
            raise SedError(
                f"{subset.audio_dir}: none of the {len(subset.filenames)} clips of {name!r} is there, or all have 0 "
                f"bytes; `sedlib data check {root}` says what is there"
            )
        if name in EVALUATED and tables.events(subset.table[subset.table["filename"].isin(present)]).empty:
            raise SedError(
                f"{subset.audio_dir}: none of the clips present has an event; get those of {name!r} with events"
            )
    if soundbank:
        check_complete(Path(root) / SOUNDBANK)


def is_there(root: str | Path, subset: str) -> bool:
    """Whether a folder has both halves of a subset: the table, and something in its audio folder.

    DESED's repositories bring the table of the public evaluation set without its audio.
    """
    folder = audio_folder(Path(root), subset)
    return (Path(root) / SUBSETS[subset].metadata).is_file() and folder.is_dir() and any(folder.iterdir())


def hidden_labels(root: str | Path, subset: str) -> pd.DataFrame:
    """Read the event table of a weak or unlabelled subset, which only an oracle knows; `SedError` unless generated."""
    path = truth_path(Path(root), subset)
    if not path.is_file():
        raise SedError(
            f"{path}: no such file; only data sets made by `sedlib data` keep the hidden labels of their clips"
        )
    return tables.read_events(path)


def truth_path(root: Path, subset: str) -> Path:
    """Return where the strong labels of a subset are: its own table, or a hidden one."""
    place = SUBSETS[subset]
    return root / (place.metadata if place.kind == STRONG else f"metadata/hidden/{subset}.tsv")


def audio_folder(root: Path, subset: str) -> Path:
    """Return where a subset's clips are; later DESED scripts put them in ``audio/validation/validation``."""
    folder = root / SUBSETS[subset].audio
    deeper = folder / folder.name
    return deeper if deeper.is_dir() else folder
