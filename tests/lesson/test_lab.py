"""JupyterLab's settings go into the environment alone and name extensions that are there."""

import json
import os
import sys

from jupyter_server.services.config.manager import ConfigManager

from sedlib.lesson import lab


def test_settings_are_written_below_the_prefix(tmp_path):
    path = lab.write_settings(tmp_path)
    assert path.is_relative_to(tmp_path)
    assert json.loads(path.read_text()) == lab.SETTINGS
    assert [p.name for p in path.parent.iterdir()] == [path.name]
    assert lab.write_settings(tmp_path) == path  # a second start finds them


def test_jupyterlab_reads_them_there(tmp_path, monkeypatch):
    path = lab.write_settings(tmp_path)
    monkeypatch.setenv("JUPYTER_CONFIG_PATH", str(path.parents[1]))
    # as jupyterlab_server.settings_utils does
    assert ConfigManager(config_dir_name="labconfig").get("default_setting_overrides") == lab.SETTINGS


def test_lab_starts_with_this_interpreter_in_the_lessons(monkeypatch, tmp_path):
    started = []
    monkeypatch.setattr(lab, "write_settings", lambda: tmp_path)
    monkeypatch.setattr(os, "execve", lambda *arguments: started.append(arguments))
    lab.main(["--no-browser"])
    (program, command, environment), = started
    assert program == command[0] == sys.executable
    assert command[1:] == ["-m", "jupyterlab", f"--ServerApp.root_dir={lab.NOTEBOOKS}", "--no-browser"]
    assert environment["JUPYTER_PREFER_ENV_PATH"] == "1"
