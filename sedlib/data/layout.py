"""Where DESED keeps what, and how a subset is read.

Real DESED, MiniDESED and a data set made from a folder of recordings all have this layout, so nothing downstream knows
which one it works on. `audit` says what a folder lacks. Paper section 2; taught in ``notebooks/01_data.py``.
"""

from __future__ import annotations

import glob
import os
import re
import shlex
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from sedlib.data import tables
from sedlib.errors import SedError

STRONG, WEAK, UNLABELLED = "strong", "weak", "unlabelled"
SYNTHETIC, REAL = "synthetic", "real"


class Place(NamedTuple):
    """Where a subset lies below the root of a data set, and what it is."""

    audio: str
    metadata: str
    kind: str  # of labels
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
READERS = {STRONG: tables.read_events, WEAK: tables.read_weak, UNLABELLED: tables.read_unlabelled}
COLUMNS = {STRONG: tables.EVENT_COLUMNS, WEAK: tables.WEAK_COLUMNS, UNLABELLED: tables.UNLABELLED_COLUMNS}


@dataclass(frozen=True, eq=False)
class Subset:
    """One subset of a data set: its table and the folder that holds its audio."""

    name: str
    kind: str  # of labels: strong, weak or unlabelled
    audio_dir: Path
    table: pd.DataFrame
    filenames: list[str]  # every clip of the table once, in its order


def load(root: str | Path, subset: str) -> Subset:
    """Read the table of one subset, and check that its audio folder is there.

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
    place, root = SUBSETS[subset], existing(root)
    metadata, audio_dir = root / place.metadata, audio_folder(root, place)
    if not metadata.is_file() and (hint := near(metadata)):
        raise SedError(f"{metadata}: no such file; {hint}")
    table = READERS[place.kind](metadata)
    if table.empty:
        raise SedError(f"{metadata}: lists no clips; add a line per clip")
    filenames = tables.filenames(table)
    for _, problem in path_problems(metadata, table):
        raise SedError(problem)
    wanted = f"it should hold the {len(filenames)} clips of {subset!r}"
    if not audio_dir.is_dir():
        raise SedError("; ".join(filter(None, [f"{audio_dir}: no such folder", wanted, near(audio_dir)])))
    if not any(audio_dir.iterdir()):
        raise SedError(f"{audio_dir}: the folder is empty; {wanted}")
    return Subset(subset, place.kind, audio_dir, table, filenames)


def is_there(root: str | Path, subset: str) -> bool:
    """Whether a folder has both halves of a subset: the table, and something in its audio folder.

    DESED's repositories bring the table of the public evaluation set without its audio: that is not there.
    """
    place, root = SUBSETS[subset], Path(root)
    folder = audio_folder(root, place)
    return (root / place.metadata).is_file() and folder.is_dir() and any(folder.iterdir())


def hidden_labels(root: str | Path, subset: str) -> pd.DataFrame:
    """Event table of a weak or unlabelled subset: what an oracle would know about it.

    Raises
    ------
    SedError
        If the data set was not generated: of real recordings nobody knows.
    """
    path = truth_path(Path(root), subset)
    if not path.is_file():
        fix = "only a data set that `sedlib data` made keeps the hidden labels of its clips"
        raise SedError(f"{path}: no such file; {fix}")
    return tables.read_events(path)


def truth_path(root: Path, subset: str) -> Path:
    """Where the strong labels of a subset are: its own table, or one aside."""
    place = SUBSETS[subset]
    return root / (place.metadata if place.kind == STRONG else f"metadata/hidden/{subset}.tsv")


def check_usable(subset: Subset) -> None:
    """`SedError` if no clip of a subset can be used, by names and sizes alone."""
    present = [name for name in subset.filenames if _has_bytes(subset.audio_dir / name)]
    if not present:
        first = subset.filenames[0]
        raise SedError(
            f"{subset.audio_dir}: none of the {len(subset.filenames)} clips of {subset.name!r} is there; "
            f"the first, {first}: {why_missing(subset.audio_dir, first)}"
        )
    if subset.name in EVALUATED and tables.events(subset.table[subset.table["filename"].isin(present)]).empty:
        raise SedError(
            f"{subset.audio_dir}: the clips that are there hold no event, so that there is nothing to find; "
            f"get those of {subset.name!r} with events"
        )


def _has_bytes(path: Path) -> bool:
    try:
        return path.stat().st_size > 0
    except OSError:
        return False


def why_missing(folder: Path, filename: str) -> str:
    """What to do about a clip of the table that the folder lacks: what has nearly its name there, or to get it."""
    if (folder / filename).is_file():
        return "0 bytes; get the file again"
    others = sorted(file.name for file in folder.glob(f"{glob.escape(Path(filename).stem)}.*"))
    others = others or [file.name for file in folder.iterdir() if _loose(file.name) == _loose(filename)]
    if not others:
        deeper = next(folder.glob(f"*/{glob.escape(filename)}"), None)
        return (
            f"it lies in {deeper.parent}; move the clips up" if deeper else "get the file, or take it out of the table"
        )
    suffix = Path(filename).suffix
    if Path(others[0]).suffix.lower() == suffix.lower():
        return f"the folder has {others[0]}: correct the name"
    return f"the folder has {others[0]}: convert it to {suffix}, or correct the name in the table"


def _loose(filename: str) -> str:
    """A name without its suffix, case, and the two ways to write accents."""
    return unicodedata.normalize("NFC", Path(filename).stem).casefold()


def near(expected: Path) -> str:
    """What has a similar name to a missing file or folder, and may be meant; empty if there is nothing like it.

    Names are similar whose letters are equal, or of folders begin alike: ``synthetic21_train`` for ``synthetic20``,
    ``weak.csv`` for ``weak.tsv``.
    """
    while not expected.parent.exists():
        expected = expected.parent
    wanted, is_file = _letters(expected.name), bool(expected.suffix)
    names = sorted(path.name for path in expected.parent.iterdir() if path.is_file() == is_file)
    alike = [name for name in names if _letters(name) == wanted or not is_file and _letters(name).startswith(wanted)]
    if not alike:
        return ""
    link = f"ln -s {shlex.quote(alike[0])} {shlex.quote(str(expected))}"
    fix = f"if that is meant, give it the name {expected.name}, by a link say: {link}"
    return f"{expected.parent} has {', '.join(alike[:3])}; {fix}"


def _letters(name: str) -> str:
    return re.sub("[^a-z]", "", Path(name).stem.casefold())


def audio_folder(root: Path, place: Place) -> Path:
    """Where a subset's clips lie; DESED's later scripts put them one deeper, in ``audio/validation/validation``."""
    folder = root / place.audio
    deeper = folder / folder.name
    return deeper if deeper.is_dir() else folder


def existing(root: str | Path) -> Path:
    """A data set's folder; `SedError` if it is missing, or not that folder but one above it."""
    root = Path(root)
    if not root.is_dir():
        raise SedError(f"{root}: no such folder; give the folder that holds audio/ and metadata/")
    if not (root / "metadata").is_dir() and (deeper := next(root.glob("*/metadata"), None)):
        raise SedError(f"{root}: holds no DESED subset itself; give {deeper.parent}, which holds audio/ and metadata/")
    return root


def path_problems(metadata: Path, table: pd.DataFrame) -> Iterator[tuple[str, str]]:
    """File names, and what is wrong with them: one must name a file of its folder and reach nothing else."""
    for row, name in table["filename"].drop_duplicates().items():
        where = f"{tables.line_of(metadata, row)}: filename {name!r}"
        if "/" in name or "\\" in name or name in (".", "..") or name[1:2] == ":":
            yield name, f"{where} is a path; write the name of a file in the audio folder alone"
        elif len(os.fsencode(name)) > 255:
            yield name, f"{where} is longer than the 255 bytes a file name may have; shorten it"
