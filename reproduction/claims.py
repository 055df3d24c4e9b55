"""The paper's sentences as differences of two systems, read from ``claims.toml``, and verdicts on them."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from reproduction.intervals import FEWEST, Estimate
from sedlib.data import tables

# Sounds that stay as they are once they have begun. The paper names vacuum cleaner and blender as examples.
STATIONARY = ("Blender", "Electric_shaver_toothbrush", "Frying", "Running_water", "Vacuum_cleaner")


class Claim(NamedTuple):
    """A sentence as the difference of two rows of the paper (in the ledger alone), or of two systems."""

    section: str
    says: str
    first: str = ""
    second: str = ""
    sign: int = 0  # of first - second; 0: the two are alike
    why: str = ""  # what the lessons found about it in profile lesson on MiniDESED; shown where it is not confirmed
    score: str = "dev_f1"
    classes: tuple[str, ...] = tables.CLASSES
    at_least: float = 0.0  # in the unit of the score
    elsewhere: str = ""  # where it is asked, if it is no difference of two scores


FILE: dict[str, Any] = tomllib.loads(Path(__file__).with_name("claims.toml").read_text(encoding="utf-8"))


def claims(entries: Iterable[Mapping[str, Any]]) -> tuple[Claim, ...]:
    """Return claims of ``claims.toml``, with the texts of its ``[why]`` filled in."""
    found = []
    for entry in entries:
        why = entry.get("why", "").format_map(FILE["why"])
        classes = STATIONARY if entry.get("classes") == "stationary" else tables.CLASSES
        found.append(Claim(**{"section": "", **entry, "why": why, "classes": classes}))
    return tuple(found)


CLAIMS = claims(FILE["ledger"])  # of the paper as a whole


def verdict(claim: Claim, found: Estimate) -> str:
    """Judge a difference by its interval; one that contains 0 proves neither a difference nor that there is none."""
    if not found.judged:
        return f"not judged: fewer than {FEWEST} trainings"
    low, high, sign = found.low - claim.at_least, found.high - claim.at_least, claim.sign
    if low <= 0 <= high:
        return "no difference seen, as said" if sign == 0 else "not decided by these runs"
    if sign == 0:
        return "does not hold: better here" if low > 0 else "does not hold: worse here"
    if (low > 0) == (sign > 0):
        return "holds"
    return f"does not hold: {'less' if claim.at_least and found.high > 0 else 'the opposite'} here"
