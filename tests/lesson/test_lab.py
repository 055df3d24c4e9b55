"""JupyterLab's settings go into the environment alone and name extensions that are there."""

import json
import os
import sys

from jupyter_server.serverapp import ServerApp
from jupyter_server.services.config.manager import ConfigManager

from sedlib.lesson import lab


def test_settings_are_written_below_the_prefix(tmp_path):
    folder = lab.write_settings(tmp_path)
    assert folder.is_relative_to(tmp_path)
    written = {str(path.relative_to(folder)): json.loads(path.read_text()) for path in folder.rglob("*") if path.is_file()}
    assert written == lab.SETTINGS
    assert lab.write_settings(tmp_path) == folder  # a second start finds them


def test_jupyterlab_reads_them_there(tmp_path, monkeypatch):
    folder = lab.write_settings(tmp_path)
    monkeypatch.setenv("JUPYTER_CONFIG_PATH", str(folder))
    # as jupyterlab_server.settings_utils does
    overrides = ConfigManager(config_dir_name="labconfig").get("default_setting_overrides")
    assert overrides == lab.SETTINGS["labconfig/default_setting_overrides.json"]
    monkeypatch.setenv("JUPYTER_CONFIG_PATH", str(folder / "sedlib"))
    server = ServerApp()
    server.load_config_file()
    assert server.tornado_settings["websocket_max_message_size"] == 1 << 28


def test_lab_starts_with_this_interpreter_in_the_lessons(monkeypatch, tmp_path):
    started = []
    monkeypatch.setattr(lab, "write_settings", lambda: tmp_path)
    monkeypatch.setattr(os, "execve", lambda *arguments: started.append(arguments))
    lab.main(["--no-browser"])
    (program, command, environment), = started
    assert program == command[0] == sys.executable
    assert command[1:] == ["-m", "jupyterlab", f"--ServerApp.root_dir={lab.NOTEBOOKS}", "--no-browser"]
    assert environment["JUPYTER_PREFER_ENV_PATH"] == "1"
    assert environment["JUPYTER_CONFIG_PATH"].split(os.pathsep)[0] == str(tmp_path / "sedlib")
