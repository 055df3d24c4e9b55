"""JupyterLab's settings lie in a folder of their own, name extensions that are there, and leave other people's
alone."""

import json
import os
import sys
from pathlib import Path

import pytest
from disks import read_only
from jupyter_server.services.config.manager import ConfigManager

from reproduction.lessons import lessons
from sedcourse import lab
from sedlib.errors import SedError
from sedlib.workspace import workspace as current_workspace


@pytest.fixture(autouse=True)
def nobodys(monkeypatch, tmp_path):
    """No settings of the environment or of the user."""
    monkeypatch.setenv("JUPYTER_CONFIG_DIR", str(tmp_path / "user"))
    for name in ("ENV_CONFIG_PATH", "SYSTEM_CONFIG_PATH"):
        monkeypatch.setattr(f"jupyter_core.paths.{name}", [str(tmp_path / name)])
    monkeypatch.delenv("JUPYTER_CONFIG_PATH", raising=False)


def overrides() -> dict:
    """As jupyterlab_server.settings_utils reads them."""
    return ConfigManager(config_dir_name="labconfig").get("default_setting_overrides")


def test_jupyterlab_reads_the_settings(tmp_path, monkeypatch):
    folder = lab.write_settings(tmp_path / "own")
    monkeypatch.setenv("JUPYTER_CONFIG_PATH", str(folder))
    assert overrides() == lab.DEFAULTS
    assert lab.write_settings(tmp_path / "own") == folder and overrides() == lab.DEFAULTS  # a second start


@pytest.mark.parametrize("place", ["user", "ENV_CONFIG_PATH", "SYSTEM_CONFIG_PATH"])
def test_defaults_of_others_win_and_stay_as_they_are(tmp_path, monkeypatch, place):
    theirs = {
        "@jupyterlab/apputils-extension:notification": {"fetchNews": "true"},
        "@jupyterlab/apputils-extension:themes": {"theme": "JupyterLab Dark"},
        "@jupyterlab/docmanager-extension:plugin": {"defaultViewers": {"markdown": "Markdown Preview"}},
    }
    path = tmp_path / place / "labconfig" / "default_setting_overrides.json"
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps(theirs))
    monkeypatch.setenv("JUPYTER_CONFIG_PATH", str(lab.write_settings(tmp_path / "own")))
    found = overrides()
    assert found["@jupyterlab/apputils-extension:notification"] == {"fetchNews": "true", "checkForUpdates": False}
    assert found["@jupyterlab/apputils-extension:themes"] == {"theme": "JupyterLab Dark"}
    assert found["@jupyterlab/docmanager-extension:plugin"] == {
        "defaultViewers": {"python": "Jupytext Notebook", "markdown": "Markdown Preview"}
    }
    assert json.loads(path.read_text()) == theirs
    del theirs["@jupyterlab/apputils-extension:themes"]
    path.write_text(json.dumps(theirs))
    lab.write_settings(tmp_path / "own")
    assert "@jupyterlab/apputils-extension:themes" not in overrides()  # what was taken away there is gone here


@pytest.fixture
def started(monkeypatch):
    """What `lab.main` starts."""
    calls = []
    monkeypatch.setattr(os, "execve", lambda *arguments: calls.append(arguments))
    return calls


def test_lab_opens_the_students_version_and_keeps_what_is_there(started, workspace, capsys):
    lab.main(["--no-browser"])
    ((_, command, _),) = started
    folder = workspace / "lessons"
    first = "--LabApp.default_url=/lab/tree/00_start_here.ipynb"
    assert command[3:] == [f"--ServerApp.root_dir={folder}", first, "--no-browser"]
    assert [path.stem for path in sorted(folder.iterdir())] == [path.stem for path in lessons()]
    assert capsys.readouterr().out == ""
    (folder / "03_pcen.ipynb").write_text("hours of work")
    (folder / "04_mean_teacher.ipynb").unlink()
    untouched = (folder / "00_start_here.ipynb").read_bytes()
    lab.main([])
    assert (folder / "03_pcen.ipynb").read_text() == "hours of work" and (folder / "04_mean_teacher.ipynb").exists()
    assert (folder / "00_start_here.ipynb").read_bytes() == untouched
    said = capsys.readouterr().out
    assert "03_pcen.ipynb: kept, written for an earlier state of the lesson" in said and said.count("\n") == 1


def test_a_folder_that_cannot_be_written_is_named(started, workspace):
    with read_only(workspace), pytest.raises(SedError, match="cannot be written; make it writable, or give another"):
        lab.main([])


def test_lab_starts_with_this_interpreter_in_the_lessons(started, workspace, monkeypatch):
    monkeypatch.setenv("JUPYTER_CONFIG_PATH", "/etc/others")
    lab.main(["--solved", "--no-browser"])
    ((program, command, environment),) = started
    assert program == command[0] == sys.executable
    assert command[1:] == ["-m", "jupyterlab", f"--ServerApp.root_dir={lab.NOTEBOOKS}", "--no-browser"]
    assert environment["JUPYTER_PREFER_ENV_PATH"] == "1"
    own, others = environment["JUPYTER_CONFIG_PATH"].split(os.pathsep)
    assert (
        Path(own, "labconfig/default_setting_overrides.json").is_file()
        and Path(own).is_relative_to(workspace)
        and others == "/etc/others"
    )


@pytest.mark.parametrize("named", ["mywork", "~/mywork"])
def test_kernels_have_the_terminals_workspace(started, tmp_path, monkeypatch, named):
    for name, value in {
        "SEDLIB_WORKSPACE": named,
        "SEDLIB_OUTPUTS": f"{named}/outputs",
        "HOME": str(tmp_path / "home"),
    }.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path)
    expected = tmp_path / ("home/mywork" if "~" in named else "mywork")
    assert current_workspace() == expected
    lab.main([])
    ((_, _, environment),) = started
    assert (environment["SEDLIB_WORKSPACE"], environment["SEDLIB_OUTPUTS"]) == (
        str(expected),
        str(expected / "outputs"),
    )
    assert not (tmp_path / "~").exists()


def test_lab_starts_where_the_workspace_cannot_be_written(started, workspace):
    with read_only(workspace):
        lab.main(["--solved"])
    ((_, _, environment),) = started
    written = Path(environment["JUPYTER_CONFIG_PATH"], "labconfig/default_setting_overrides.json")
    assert json.loads(written.read_text()) == lab.DEFAULTS
