"""Where the course keeps what it makes: data sets, runs and the report, all in one folder.

``SEDLIB_WORKSPACE`` names the folder; without it the repository itself is used (its ``data/ runs/ report/`` are
ignored by git), so that a lesson finds what the command line made and the other way round.
"""

from __future__ import annotations

import os
from pathlib import Path

from sedlib.config import SIZES, SOUNDS, profile
from sedlib.data import generate
from sedlib.errors import SedError


def workspace() -> Path:
    """The folder that holds ``data/``, ``runs/`` and ``report/``."""
    return Path(os.environ.get("SEDLIB_WORKSPACE") or Path(__file__).resolve().parents[1])


def dataset(data: str = "mini", profile_name: str = "lesson", progress: bool = True) -> Path:
    """Folder of a data set; the embedded MiniDESED, or what it lacks, is made when it is not there yet.

    Parameters
    ----------
    data : str
        "mini", or the path of a DESED-layout folder.
    profile_name : str
        smoke, lesson or paper: how many clips and isolated sounds MiniDESED has.
    """
    if data != "mini":
        folder = Path(data).expanduser()
        if not folder.is_dir():
            raise SedError(f"data {data!r}: no such folder; give a DESED-layout folder, or 'mini' for the embedded data set")
        return folder
    profile(profile_name)
    folder = workspace() / "data" / f"mini-{profile_name}"
    generate.mini(folder, sizes=SIZES[profile_name], seed=0, progress=progress, sounds=SOUNDS[profile_name])
    return folder


def run_folder(profile_name: str, data: Path, system: str, seed: int) -> Path:
    """``runs/PROFILE/DATA/SYSTEM/seedN``."""
    return workspace() / "runs" / profile_name / data.resolve().name / system / f"seed{seed}"
