"""What counts: the clips of the reference that a system was given, and events that have a length.

Taught in ``notebooks/00_start_here.py``. Real DESED consists of clips from the web, and practically every copy lacks
some. A clip without audio has no prediction, right or wrong, so it is left out of the reference, and every result says
how many are missing.

An event without length (onset = offset) is none, for F1 and PSDS alike: no prediction can cover a share of it, and a
row such as "0, 0, Dog" states that a clip holds a Dog, not when. DESED's tables hold none, and no decoder predicts any.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pandas as pd

from sedlib.data import tables
from sedlib.errors import SedError

Missing = Mapping[str, Any]
"""How many ``clips`` are missing, ``of`` how many, an ``example``; ``events``: by class ``missing of share``."""


def on_clips(
    reference: pd.DataFrame, filenames: Sequence[str], what: str = "scores"
) -> tuple[pd.DataFrame, Missing | None]:
    """The reference restricted to the clips that are there.

    Parameters
    ----------
    reference : DataFrame
        Event table.
    filenames : sequence of str
        The clips that are there, each of them a clip of the reference. Names that differ from the reference's in their
        Unicode normalisation alone (macOS decomposes accents) are the same clip.
    what : str
        Where ``filenames`` come from, for messages.

    Returns
    -------
    DataFrame
        The rows of these clips, with the names of ``filenames``.
    Missing or None
        What was left out; None where nothing is missing.

    Raises
    ------
    SedError
        For a clip that is there twice or is not in the reference, and if the two have no clip in common.
    """
    table = reference.assign(filename=respelled(reference["filename"], filenames))
    known, there = tables.filenames(table), set(filenames)
    if len(there) < len(filenames):
        raise SedError(f"{what}: filenames holds a clip twice; give each clip once")
    extra = there.difference(known)
    if not there.intersection(known):
        raise SedError(
            f"{what}: no clip in common with the reference ({len(there)} clips, for example "
            f"{min(there, default='no clip')!a}, against {len(known)}, for example {next(iter(known), 'no clip')!a}); "
            "write the filenames alike in both, and see that the clips have audio"
        )
    if extra:
        raise SedError(
            f"{what}: {len(extra)} clips are not in the reference, for example {min(extra)!a}; "
            "take them out, or add them to the reference"
        )
    missing = [name for name in known if name not in there]
    if not missing:
        return table, None
    kept = table["filename"].isin(there)
    total, gone = (tables.events(rows)["event_label"].value_counts() for rows in (table, table[~kept]))
    by_class = {}
    for label, n in sorted(total.items()):
        n_missing = int(gone.get(label, 0))
        by_class[label] = {"missing": n_missing, "of": int(n), "share": n_missing / int(n)}
    counts = {"clips": len(missing), "of": len(known), "example": missing[0], "events": by_class}
    return table[kept].reset_index(drop=True), counts


def with_length(table: pd.DataFrame) -> tuple[pd.DataFrame, int]:
    """An event table in which events without length are rows without an event, and how many those are."""
    none = table["offset"] <= table["onset"]
    cells = ["onset", "offset", "event_label"]
    return table.assign(**{name: table[name].mask(none) for name in cells}), int(none.sum())


def missing_text(missing: Missing) -> str:
    """What is missing, in one sentence."""
    events = ", ".join(
        f"{label} {100 * n['share']:.1f} % ({n['missing']} of {n['of']})"
        for label, n in missing["events"].items()
        if n["missing"]
    )
    text = f"{missing['clips']} of the reference's {missing['of']} clips are missing, for example {missing['example']}"
    return f"{text}; they are left out" + (f", and with them these shares of the events: {events}" if events else "")


def respelled(names: pd.Series, known: Iterable[str]) -> pd.Series:
    """Names as ``known`` spells them, where they differ in Unicode normalisation alone; others as they are."""
    known = list(known)
    unknown = set(names).difference(known)
    spelling = {unicodedata.normalize("NFC", name): name for name in known} if unknown else {}
    other = {name: spelling[nfc] for name in unknown if (nfc := unicodedata.normalize("NFC", name)) in spelling}
    return names.map(lambda name: other.get(name, name)) if other else names
