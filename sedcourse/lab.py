"""``python -m sedcourse.lab [--solved] [option of JupyterLab]...``: JupyterLab in the folder of the lessons.

What opens is the first lesson of the student's version, with exercises to solve: notebooks in ``lessons/`` of the
workspace, written once and from then on the student's. With ``--solved`` it is the lessons themselves, as teachers use
them: a click on one opens it as a notebook.

The kernel is this interpreter, and nothing is asked of the network. The settings for that lie in a folder of their own;
those of the environment and of the user are not touched, and win.
"""

from __future__ import annotations

import copy
import json
import os
import sys
from pathlib import Path

from jupyter_core.paths import jupyter_config_path
from jupyter_server.config_manager import recursive_update
from jupyter_server.services.config.manager import ConfigManager

from reproduction.lessons import LESSONS, NOTEBOOKS
from sedcourse.stubs import students_version
from sedlib.errors import SedError
from sedlib.files import check_folder, write_output
from sedlib.workspace import handed_on, scratch, workspace

# JupyterLab's defaults.
DEFAULTS = {
    "@jupyterlab/docmanager-extension:plugin": {"defaultViewers": {"python": "Jupytext Notebook"}},
    "@jupyterlab/apputils-extension:notification": {"fetchNews": "false", "checkForUpdates": False},
    # Otherwise two widgets of a lesson may be told of in two threads, and while a cell runs.
    "@jupyterlab/apputils-extension:kernels-settings": {"commsOverSubshells": "disabled"},
}


def write_settings(folder: Path) -> Path:
    """Write JupyterLab's settings to a folder for JUPYTER_CONFIG_PATH, and return it.

    What stands there wins over all other folders, so the defaults include those that an administrator or the user has
    set already.
    """
    others = [str(Path(place, "labconfig")) for place in jupyter_config_path() if Path(place) != folder]
    defaults = copy.deepcopy(DEFAULTS)
    recursive_update(defaults, ConfigManager(read_config_path=others).get("default_setting_overrides"))
    write_output(folder / "labconfig/default_setting_overrides.json", json.dumps(defaults, indent=2) + "\n")
    return folder


def main(options: list[str]) -> None:
    """Replace this process by JupyterLab."""
    settings = str(write_settings(scratch() / "jupyterlab"))
    lessons, first = NOTEBOOKS, []
    if "--solved" in options:
        options = [option for option in options if option != "--solved"]
    else:
        lessons = workspace() / "lessons"
        check_folder(lessons)
        first = [f"--LabApp.default_url=/lab/tree/{LESSONS[0][0]}.ipynb"]
        for name in students_version(lessons):
            print(f"{lessons / name}: kept, written for an earlier state of the lesson; rename it to get the new one")
    environment = {
        **os.environ,
        **handed_on(),  # kernels work in the folder of the lessons
        "JUPYTER_PREFER_ENV_PATH": "1",  # a "python3" kernel of the user's home must not win over this environment's
        "JUPYTER_CONFIG_PATH": os.pathsep.join(filter(None, [settings, os.environ.get("JUPYTER_CONFIG_PATH")])),
    }
    command = [sys.executable, "-m", "jupyterlab", f"--ServerApp.root_dir={lessons}", *first, *options]
    os.execve(sys.executable, command, environment)


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except SedError as error:
        sys.exit(f"Error: {error}")
