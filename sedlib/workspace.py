"""The workspace: the folder of data sets, runs and the report.

``SEDLIB_WORKSPACE`` names it, relative or with ``~`` if need be. Without it, it is the repository that holds this
package (git ignores its ``data/ runs/ report/``), or the current folder where the package was installed from a wheel.
"""

from __future__ import annotations

import functools
import os
import tempfile
from importlib.metadata import entry_points
from pathlib import Path

from sedlib.errors import SedError
from sedlib.files import can_write

# Folders in the user's home that numba, matplotlib and Jupyter write to, and the variables that name others.
_AT_HOME = {
    "NUMBA_CACHE_DIR": "~/.cache/numba",
    "MPLCONFIGDIR": "~/.config/matplotlib",
    "JUPYTER_DATA_DIR": "~/.local/share/jupyter",
    "JUPYTER_CONFIG_DIR": "~/.jupyter",
    "IPYTHONDIR": "~/.ipython",
}


def home_path(path: str | Path) -> Path:
    """Expand ``~`` in a path; `SedError` for a user without a home."""
    try:
        return Path(path).expanduser()
    except RuntimeError as error:
        raise SedError(f"{path}: {str(error).rstrip('.').lower()}; write the path without ~") from None


def _named(variable: str) -> Path | None:
    """Return the folder that an environment variable names, as an absolute path."""
    named = os.environ.get(variable)
    return home_path(named).absolute() if named else None


def workspace() -> Path:
    """Return the workspace as an absolute path."""
    root = Path(__file__).resolve().parents[1]
    return _named("SEDLIB_WORKSPACE") or (root if (root / "pyproject.toml").is_file() else Path.cwd())


def outputs() -> Path | None:
    """Return the folder of a system's outputs on real clips that ``SEDLIB_OUTPUTS`` names, as an absolute path."""
    return _named("SEDLIB_OUTPUTS")


def handed_on() -> dict[str, str]:
    """Return the environment variables that name the same folders to a process in another folder."""
    named = {"SEDLIB_WORKSPACE": workspace(), "SEDLIB_OUTPUTS": outputs()}
    return {name: str(folder) for name, folder in named.items() if folder}


def scratch() -> Path:
    """Return a cache folder: ``.cache`` of the workspace, or a temporary one where that cannot be written."""
    folder = workspace() / ".cache"
    return folder if can_write(folder) else Path(_temporary().name)


@functools.cache
def _temporary() -> tempfile.TemporaryDirectory[str]:
    """Make one folder for this process, removed at its end."""
    return tempfile.TemporaryDirectory(prefix="sedlib-", ignore_cleanup_errors=True)


def leave_home_alone() -> None:
    """Have numba, matplotlib and Jupyter write to `scratch` where the user's home cannot be written, as in containers.

    numba reads its variable when it is imported, and compiles nothing where it can write neither beside the source nor
    at home.
    """
    for name, place in _AT_HOME.items():
        if not os.environ.get(name):
            place = os.path.expanduser(place)
            if place.startswith("~") or not can_write(Path(place)):
                os.environ[name] = str(scratch() / name.lower())


def dataset(data: str = "mini", profile_name: str = "lesson", progress: bool = True) -> Path:
    """Return the folder of a data set: a path in DESED's layout, or "mini", whose missing part is generated first.

    ``profile_name`` says how many clips and isolated sounds MiniDESED has.
    """
    if data != "mini":
        folder = home_path(data)
        if not folder.is_dir():
            raise SedError(
                f"data {data!r}: no such folder; give a DESED-layout folder, or 'mini' for the embedded data set"
            )
        return folder
    from sedlib.config import profile  # `sedlib` itself imports this module

    profile(profile_name)
    folder = workspace() / "data" / f"mini-{profile_name}"
    make = next(iter(entry_points(group="sedlib.datasets", name=data))).load()  # `minidesed.generate.of_profile`
    make(folder, profile_name, progress)
    return folder


def run_folder(profile_name: str, data: Path, system: str, seed: int) -> Path:
    """Return ``runs/PROFILE/DATA/SYSTEM/seedN`` of the workspace."""
    return workspace() / "runs" / profile_name / data.resolve().name / system / f"seed{seed}"
