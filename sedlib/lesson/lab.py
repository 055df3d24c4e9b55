"""``python -m sedlib.lesson.lab [option of JupyterLab]...``: JupyterLab in the folder of the lessons.

A click on a lesson opens it as a notebook, its kernel is this interpreter, and nothing is asked of the network. What
this needs is written into the environment of the running interpreter (``sys.prefix``) alone; the user's own Jupyter
settings are not touched, and win where they differ.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

from sedlib.lesson.course import NOTEBOOKS

# Below etc/jupyter of the environment.
SETTINGS = {
    "labconfig/default_setting_overrides.json": {
        "@jupyterlab/docmanager-extension:plugin": {"defaultViewers": {"python": "Jupytext Notebook"}},
        "@jupyterlab/apputils-extension:notification": {"fetchNews": "false", "checkForUpdates": False},
        # Otherwise two widgets of a lesson may be told of in two threads, and while a cell runs.
        "@jupyterlab/apputils-extension:kernels-settings": {"commsOverSubshells": "disabled"},
    },
    # bytes; a file for the PCEN explorer is one message, and the usual 10 MB are less than 30 s of studio sound
    "sedlib/jupyter_server_config.json": {"ServerApp": {"tornado_settings": {"websocket_max_message_size": 1 << 28}}},
}


def write_settings(prefix: str | Path = sys.prefix) -> Path:
    """Write JupyterLab's defaults for the environment in ``prefix``; returns their folder."""
    folder = Path(prefix) / "etc/jupyter"
    for name, settings in SETTINGS.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_name(path.name + ".partial")
        partial.write_text(json.dumps(settings, indent=2) + "\n", encoding="utf-8")
        partial.replace(path)
    return folder


def main(options: list[str]) -> None:
    """Replace this process by JupyterLab."""
    server = str(write_settings() / "sedlib")
    environment = {
        **os.environ,
        "JUPYTER_PREFER_ENV_PATH": "1",  # a "python3" kernel of the user's home must not win over this environment's
        "JUPYTER_CONFIG_PATH": os.pathsep.join(filter(None, [server, os.environ.get("JUPYTER_CONFIG_PATH")])),
    }
    command = [sys.executable, "-m", "jupyterlab", f"--ServerApp.root_dir={NOTEBOOKS}", *options]
    os.execve(sys.executable, command, environment)


if __name__ == "__main__":
    main(sys.argv[1:])
