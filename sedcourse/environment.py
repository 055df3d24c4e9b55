"""Is this machine ready for the course? Used by ``notebooks/00_start_here.py``."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import platform
import shutil
import sys
from pathlib import Path

import joblib
import pandas as pd
import soundfile
import torch
from packaging.requirements import Requirement

from reproduction.lessons import NOTEBOOKS
from reproduction.memory import available_memory
from sedlib.workspace import workspace

OK, NOTE, PROBLEM = "ok", "note", "problem"
GIB = 2**30
MEMORY_GIB, DISK_GIB = 4, 5  # what profile "lesson" takes, with room to spare


def check_environment() -> pd.DataFrame:
    """What the course needs and what is here.

    Returns
    -------
    DataFrame ``what state found "what to do"``
        ``state`` is "ok", "note" (works, with a limit that the last column names) or "problem".
    """
    rows = [_python(), _environment(), *_packages(), _cores(), _memory(), _disk(), _gpu(), _audio_files(), _widgets()]
    return pd.DataFrame(rows, columns=["what", "state", "found", "what to do"])


def verdict(rows: pd.DataFrame) -> str:
    """One sentence on the result of `check_environment`."""
    problems = rows.loc[rows["state"] == PROBLEM, "what"]
    if len(problems):
        return f"Not ready: {', '.join(problems)}; the last column says what to do."
    return "Ready: everything that the lessons need is here."


Row = tuple[str, str, str, str]


def _python() -> Row:
    found = platform.python_version()
    if sys.version_info < (3, 11):
        return "Python", PROBLEM, found, "Install Python 3.11 or newer, remove .venv and run `make lab`."
    return "Python", OK, found, ""


def _environment() -> Row:
    found = sys.prefix
    expected = NOTEBOOKS.parent / ".venv"
    if Path(sys.prefix).resolve() == expected.resolve():
        return "kernel", OK, "the project's .venv", ""
    return ("kernel", NOTE, found, f"Not the project's environment ({expected}); if a package is missing below, "
            "start JupyterLab with `make lab`.")


def _packages() -> list[Row]:
    """A row for each package that the course names itself, if it is missing or of a wrong version; else one row."""
    wrong, count = [], 0
    for line in importlib.metadata.requires("sedlib") or []:
        requirement = Requirement(line)
        if requirement.marker and not requirement.marker.evaluate({"extra": ""}):
            continue
        count += 1
        try:
            found = importlib.metadata.version(requirement.name)
        except importlib.metadata.PackageNotFoundError:
            wrong.append((requirement.name, PROBLEM, "missing", "Run `make lab` again; it installs what is missing."))
            continue
        if not requirement.specifier.contains(found.split("+")[0], prereleases=True):
            wrong.append((requirement.name, PROBLEM, found, f"The course needs {requirement}; run `make lab` again."))
    return wrong or [("packages", OK, f"all {count}, PyTorch {torch.__version__}", "")]


def _cores() -> Row:
    count = joblib.cpu_count()
    if count < 2:
        return "processor cores", NOTE, str(count), "Everything works; a training takes about twice the time given."
    return "processor cores", OK, str(count), ""


def _memory() -> Row:
    total = available_memory() / GIB
    if total < MEMORY_GIB:
        return ("memory", PROBLEM, f"{total:.1f} GiB",
                f"Use profile 'smoke', or a machine with {MEMORY_GIB} GiB or more.")
    return "memory", OK, f"{total:.1f} GiB", ""


def _disk() -> Row:
    folder = workspace().absolute()
    while not folder.exists():
        folder = folder.parent
    free = shutil.disk_usage(folder).free / GIB
    if free < DISK_GIB:
        return ("free disk", PROBLEM, f"{free:.1f} GiB",
                f"Data and runs take up to {DISK_GIB} GiB: make room, or let SEDLIB_WORKSPACE name a folder elsewhere.")
    return "free disk", OK, f"{free:.1f} GiB", ""


def _gpu() -> Row:
    if torch.cuda.is_available():
        return "GPU", OK, torch.cuda.get_device_name(0), ""
    return "GPU", NOTE, "none", "Not needed for profile 'lesson'; a training of profile 'paper' takes days without one."


def _audio_files() -> Row:
    formats = soundfile.available_formats()
    missing = [name for name in ("WAV", "FLAC", "OGG") if name not in formats]
    if missing:
        return "audio files", PROBLEM, f"no {', '.join(missing)}", "Update libsndfile, or install soundfile from PyPI."
    return "audio files", OK, soundfile.__libsndfile_version__, ""


def _widgets() -> Row:
    if importlib.util.find_spec("ipywidgets") is None or importlib.util.find_spec("jupyterlab_widgets") is None:
        return "widgets", PROBLEM, "missing", "Run `make lab` again; it installs ipywidgets."
    return "widgets", OK, f"ipywidgets {importlib.metadata.version('ipywidgets')}", ""
