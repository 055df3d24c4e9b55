"""Where the repository's folders lie: lessons, figures and texts, which a wheel brings along as data."""

from __future__ import annotations

import sysconfig
from pathlib import Path


def shipped(name: str) -> Path:
    """A folder or file of the repository that holds this package, or of ``share/sedlib`` where it was installed from a
    wheel."""
    root = Path(__file__).resolve().parents[1]
    return (
        root if (root / "pyproject.toml").is_file() else Path(sysconfig.get_path("data")) / "share" / "sedlib"
    ) / name
