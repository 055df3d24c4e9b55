"""Published numbers and the version of sedlib that measured them.

Every JSON file in ``figures/`` has an entry ``measured_by``, or its records have one each. README, docs/RESULTS.md, the
report and the lessons show `notice` beside published numbers for as long as a later version would measure others.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import sedlib
from minidesed import generate

# What a version changed that moves scores, newest last.
CHANGED = {
    "0.2.0": "the teacher's noise and first weights, which network is tested, the edges of the median filter, "
    "a few generated clips, and PSDS"
}


def notice(measured_by: str) -> str:
    """One sentence that names what has changed since a version measured; empty where nothing has that moves scores."""
    later = {version: what for version, what in CHANGED.items() if _order(measured_by) < _order(version)}
    if not later:
        return ""
    changes = "; ".join(f"version {version} changed {what}" for version, what in later.items())
    return f"Measured with sedlib {measured_by}; {changes}: to be measured anew."


def load(path: Path, part: str | None = None) -> dict[str, Any]:
    """A file of published numbers, or a part of it; ``from`` says where it stands and which version measured it."""
    found = json.loads(path.read_text(encoding="utf-8"))
    found = found if part is None else found[part]
    return {**found, "from": source(path, found["measured_by"])}


def stamp(profile: str) -> dict[str, str | int]:
    """What a study's numbers depend on besides its own settings, as the study's first entries."""
    return {"profile": profile, "generator": generate.VERSION, "measured_by": sedlib.__version__}


def source(path: Path, measured_by: str) -> str:
    """Where published numbers come from, as lessons print it, with the `notice`."""
    return " ".join(filter(None, [f"figures/{path.name}, as published.", notice(measured_by)]))


def versions(content: Any) -> Iterator[str | None]:
    """Who measured a file's numbers: its own ``measured_by``, or that of each of its records; None for one without."""
    if isinstance(content, dict) and "measured_by" in content:
        yield content["measured_by"]
    else:
        for record in content.values() if isinstance(content, dict) else content:
            yield record.get("measured_by")


def present(measured: dict[str, Any]) -> bool:
    """Whether the present version measured these numbers."""
    return measured.get("measured_by") == sedlib.__version__


def _order(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))
