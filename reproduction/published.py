"""Published numbers (``figures/*.json``), the version of sedlib that measured them, and those of the workspace.

Every published file has an entry ``measured_by``, or its records have one each. README, docs/RESULTS.md, the report and
the lessons show `notice` beside published numbers for as long as a later version would measure others.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import sedlib
from minidesed import generate
from sedlib.workspace import workspace

# What a version changed that moves scores, newest last.
CHANGED = {
    "0.2.0": "the teacher's noise and first weights, which network is tested, the edges of the median filter, "
    "the generated data, and PSDS"
}


def notice(measured_by: str) -> str:
    """Name in a sentence what has changed since a version measured; empty where no change moves scores."""
    later = {version: what for version, what in CHANGED.items() if _order(measured_by) < _order(version)}
    changes = "; ".join(f"version {version} changed {what}" for version, what in later.items())
    return f"Measured with sedlib {measured_by}; {changes}: to be measured again." if later else ""


def source(path: Path, measured_by: str) -> str:
    """Return where published numbers come from, as lessons print it, with the `notice`."""
    return " ".join(filter(None, [f"figures/{path.name}, as published.", notice(measured_by)]))


def load(path: Path, part: str | None = None) -> dict[str, Any]:
    """Read a file of published numbers, or a part of it; ``from`` is the `source`."""
    found = json.loads(path.read_text(encoding="utf-8"))
    found = found if part is None else found[part]
    return {**found, "from": source(path, found["measured_by"])}


def stamp(profile: str) -> dict[str, str | int]:
    """Return what a study's numbers depend on besides its own settings, as the study's first entries."""
    return {"profile": profile, "generator": generate.VERSION, "measured_by": sedlib.__version__}


def own_file(study: str) -> Path:
    """Return the file of a study that was measured in the workspace."""
    return workspace() / "report" / study / f"{study}.json"


def load_own(study: str, profile: str, part: str | None = None) -> dict[str, Any] | None:
    """Read a study, or a part of it, that this version measured in the workspace; None where there is none."""
    if not own_file(study).is_file():
        return None
    found = json.loads(own_file(study).read_text(encoding="utf-8"))
    found = found if part is None else found.get(part, {})
    here = {"from": f"report/{study}/{study}.json, measured here"}
    return {**found, **here} if stamp(profile).items() <= found.items() else None


def present(measured: dict[str, Any]) -> bool:
    """Return whether the present version measured these numbers."""
    return measured.get("measured_by") == sedlib.__version__


def _order(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))
