"""Is this machine ready for the course? Used by ``notebooks/00_start_here.py``. Packages are pip's job."""

from __future__ import annotations

import platform
import shutil
import sys

import joblib
import pandas as pd
import torch

from reproduction.memory import available_memory
from sedlib import __version__
from sedlib.workspace import workspace

_GIB = 2**30
_MEMORY_GIB, _DISK_GIB = 4, 5  # what profile "lesson" takes, with room to spare


def check_environment() -> pd.DataFrame:
    """Compare what the course needs with what is here.

    Returns
    -------
    DataFrame ``what state found "what to do"``
        ``state`` is "ok", "note" (works, with a limit that the last column names) or "problem".
    """
    cores, memory, folder = joblib.cpu_count(), available_memory() / _GIB, workspace().absolute()
    free = shutil.disk_usage(next(place for place in (folder, *folder.parents) if place.exists())).free / _GIB
    gpu = torch.cuda.get_device_name(0) if torch.cuda.is_available() else None
    versions = f"Python {platform.python_version()}, sedlib {__version__}, PyTorch {torch.__version__}"
    slow = "Everything works; a training takes about twice the time given."
    small = f"Use profile 'smoke', or a machine with {_MEMORY_GIB} GiB or more."
    full = f"Data and runs take up to {_DISK_GIB} GiB: free some space, or set SEDLIB_WORKSPACE to a folder elsewhere."
    none = "Not needed for profile 'lesson'; a training of profile 'paper' takes days without one."
    rows = [
        ("versions", True, "", f"{versions}, in {sys.prefix}", ""),
        ("processor cores", cores >= 2, "note", str(cores), slow),
        ("memory", memory >= _MEMORY_GIB, "problem", f"{memory:.1f} GiB", small),
        ("free disk", free >= _DISK_GIB, "problem", f"{free:.1f} GiB", full),
        ("GPU", gpu is not None, "note", gpu or "none", none),
    ]
    table = [(what, "ok" if fine else state, found, "" if fine else do) for what, fine, state, found, do in rows]
    return pd.DataFrame(table, columns=["what", "state", "found", "what to do"])


def verdict(rows: pd.DataFrame) -> str:
    """Return one sentence on the result of `check_environment`."""
    if problems := ", ".join(rows.loc[rows["state"] == "problem", "what"]):
        return f"Not ready: {problems}; the last column says what to do."
    return "Ready: everything that the lessons need is here."
