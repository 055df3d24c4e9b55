"""Where the course keeps what it makes: data sets, runs and the report, all in one folder.

``SEDLIB_WORKSPACE`` names the folder. Without it that is the repository which holds this package (its ``data/ runs/ report/`` are
ignored by git), so that a lesson finds what the command line made and the other way round; of a package that was installed from a
wheel it is the current folder. The name may be relative, or
begin with ``~``: it is made whole here, and what is started in another folder is given the whole one (`handed_on`).
"""

from __future__ import annotations

import atexit
import functools
import os
import shutil
import tempfile
from importlib.metadata import entry_points
from pathlib import Path

from sedlib.errors import SedError
from sedlib.files import can_write

# Imports that load more stand inside the functions: `sedlib` itself imports this.

# Folders in the user's home that numba, matplotlib and Jupyter write to, and the variables that name others.
_AT_HOME = {"NUMBA_CACHE_DIR": "~/.cache/numba", "MPLCONFIGDIR": "~/.config/matplotlib", "JUPYTER_DATA_DIR": "~/.local/share/jupyter",
            "JUPYTER_CONFIG_DIR": "~/.jupyter", "IPYTHONDIR": "~/.ipython"}


def home_path(path: str | Path) -> Path:
    """A path with the user's home for ``~``, where no shell has put it there; `SedError` for a user who has none."""
    try:
        return Path(path).expanduser()
    except RuntimeError as error:
        raise SedError(f"{path}: {str(error).rstrip('.').lower()}; write the path without ~") from None


def workspace() -> Path:
    """The folder that holds ``data/``, ``runs/`` and ``report/``, as an absolute path."""
    named = os.environ.get("SEDLIB_WORKSPACE")
    if named:
        return home_path(named).absolute()
    root = Path(__file__).resolve().parents[1]
    return root if (root / "pyproject.toml").is_file() else Path.cwd()


def outputs() -> Path | None:
    """The folder of a system's outputs on real clips that ``SEDLIB_OUTPUTS`` names, as an absolute path."""
    named = os.environ.get("SEDLIB_OUTPUTS")
    return home_path(named).absolute() if named else None


def handed_on() -> dict[str, str]:
    """Environment variables for a process that works in another folder: the same folders by their whole paths."""
    named = {"SEDLIB_WORKSPACE": workspace(), "SEDLIB_OUTPUTS": outputs()}
    return {name: str(folder) for name, folder in named.items() if folder}


def scratch() -> Path:
    """A folder for what can be made again at any time: ``.cache`` of the workspace, or a temporary one where that cannot be written."""
    folder = workspace() / ".cache"
    return folder if can_write(folder) else _temporary()


@functools.cache
def _temporary() -> Path:
    """One folder for this process, which goes away at its end."""
    folder = Path(tempfile.mkdtemp(prefix="sedlib-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def leave_home_alone() -> None:
    """Where the user's home cannot be written, as in containers, have numba, matplotlib and Jupyter write to `scratch`.

    numba reads its variable when it is imported; it would refuse to compile anything where it can write neither beside the source
    nor at home.
    """
    for name, place in _AT_HOME.items():
        if not os.environ.get(name):
            place = os.path.expanduser(place)
            if place.startswith("~") or not can_write(Path(place)):
                os.environ[name] = str(scratch() / name.lower())


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
        folder = home_path(data)
        if not folder.is_dir():
            raise SedError(f"data {data!r}: no such folder; give a DESED-layout folder, or 'mini' for the embedded data set")
        return folder
    from sedlib.config import profile

    profile(profile_name)
    folder = workspace() / "data" / f"mini-{profile_name}"
    make = next(iter(entry_points(group="sedlib.datasets", name=data))).load()  # `minidesed.generate.of_profile`
    make(folder, profile_name, progress)
    return folder


def run_folder(profile_name: str, data: Path, system: str, seed: int) -> Path:
    """``runs/PROFILE/DATA/SYSTEM/seedN``."""
    return workspace() / "runs" / profile_name / data.resolve().name / system / f"seed{seed}"
