"""The paper's tables: the batch that computes them, the ledger of every number, and the studies beside them."""

import sysconfig
from pathlib import Path


def shipped(name: str) -> Path:
    """Return a folder or file of the repository, or of ``share/sedlib`` where a wheel was installed."""
    root = Path(__file__).resolve().parents[1]
    if not (root / "pyproject.toml").is_file():
        root = Path(sysconfig.get_path("data")) / "share" / "sedlib"
    return root / name
