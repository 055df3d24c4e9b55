"""What is scored: the clips of the reference that a system was given, and events that have a length.

Taught in ``notebooks/00_start_here.py``. Real DESED consists of clips from the web, and almost every copy lacks some. A
clip without audio has no prediction, right or wrong, so it is left out of the reference, and every result says how many
are missing.

An event without length (onset = offset) does not count, for F1 and PSDS alike: no prediction can overlap it, and a
row such as "0, 0, Dog" says that a clip has a Dog, not when. DESED's tables have none, and no decoder predicts any.
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
    """Restrict an event table to the clips that a system was given.

    Parameters
    ----------
    reference : DataFrame
        Event table.
    filenames : sequence of str
        These clips, each of them a clip of the reference.
    what : str
        Where ``filenames`` come from, for messages.

    Returns
    -------
    DataFrame, Missing or None
        The rows of these clips, and what was left out.

    Raises
    ------
    SedError
        For a clip that is given twice or is not in the reference, and if the two have no clip in common.
    """
    known, given = tables.filenames(reference), set(filenames)
    if len(given) < len(filenames):
        raise SedError(f"{what}: filenames lists a clip twice; give each clip once")
    extra = given.difference(known)
    if extra == given:
        raise SedError(
            f"{what}: no clip in common with the reference ({len(given)} clips, for example "
            f"{min(given, default='no clip')!a}, against {len(known)}, for example {next(iter(known), 'no clip')!a}); "
            "use the same filenames in both, and check that the clips have audio"
        )
    if extra:
        raise SedError(
            f"{what}: {len(extra)} clips are not in the reference, for example {min(extra)!a}; "
            "remove them, or add them to the reference"
        )
    kept = reference["filename"].isin(given)
    if kept.all():
        return reference, None
    total, gone = (tables.events(rows)["event_label"].value_counts() for rows in (reference, reference[~kept]))
    events = {}
    for label, n in sorted(total.items()):
        n_missing = int(gone.get(label, 0))
        events[label] = {"missing": n_missing, "of": int(n), "share": n_missing / int(n)}
    example = reference["filename"][~kept].iloc[0]
    missing = {"clips": len(known) - len(given), "of": len(known), "example": example, "events": events}
    return reference[kept].reset_index(drop=True), missing


def missing_text(missing: Missing) -> str:
    """Say what is missing, in one sentence."""
    shares = (
        f"{label} {100 * n['share']:.1f} % ({n['missing']} of {n['of']})"
        for label, n in missing["events"].items()
        if n["missing"]
    )
    text = f"{missing['clips']} of the reference's {missing['of']} clips are missing, for example {missing['example']}"
    events = ", ".join(shares)
    return f"{text}; they are left out" + (f", and with them these shares of the events: {events}" if events else "")


def with_length(table: pd.DataFrame) -> tuple[pd.DataFrame, int]:
    """Replace events without length by rows without an event, and count them."""
    none = table["offset"] <= table["onset"]
    cells = ["onset", "offset", "event_label"]
    return table.assign(**{name: table[name].mask(none) for name in cells}), int(none.sum())


def composed(names: Iterable[str]) -> list[str]:
    """Spell names as most systems do (Unicode's NFC); macOS decomposes accents."""
    return [unicodedata.normalize("NFC", name) for name in names]
