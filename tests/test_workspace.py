"""Workspace: the embedded data set has the profile's clips and isolated sounds; any other folder is taken as it is."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from disks import read_only

from minidesed import generate
from minidesed.generate import SIZES, SOUNDS
from sedcourse.execute import ThisInterpreter
from sedlib import workspace as places
from sedlib.errors import SedError
from sedlib.workspace import dataset, handed_on, home_path, outputs, run_folder


@pytest.mark.parametrize("profile", SIZES)
def test_the_embedded_data_set_is_made_with_the_profiles_sizes_and_sounds(workspace, monkeypatch, profile):
    asked = []
    monkeypatch.setattr(generate, "mini", lambda *what, **how: asked.append((*what, how)))
    assert dataset("mini", profile, progress=False) == workspace / "data" / f"mini-{profile}"
    how = {"progress": False, "sounds": SOUNDS[profile]}
    assert asked == [(workspace / "data" / f"mini-{profile}", SIZES[profile], 0, how)]


def test_a_folder_is_taken_as_it_is(tmp_path):
    assert dataset(str(tmp_path)) == tmp_path and list(tmp_path.iterdir()) == []
    with pytest.raises(SedError, match="'/nowhere/mine': no such folder; give a DESED-layout folder, or 'mini'"):
        dataset("/nowhere/mine")
    with pytest.raises(SedError, match="profile"):
        dataset("mini", "lessons")


@pytest.mark.parametrize(
    "named, whole", [("mine", "here/mine"), ("~/mine", "home/mine"), ("~", "home"), ("../mine", "here/../mine")]
)
def test_a_name_is_made_whole_once(tmp_path, monkeypatch, named, whole):
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    for name, value in {"HOME": str(tmp_path / "home"), "SEDLIB_WORKSPACE": named, "SEDLIB_OUTPUTS": named}.items():
        monkeypatch.setenv(name, value)
    expected = tmp_path / whole
    assert places.workspace() == outputs() == expected and places.workspace().is_absolute()
    assert handed_on() == {"SEDLIB_WORKSPACE": str(expected), "SEDLIB_OUTPUTS": str(expected)}
    assert ThisInterpreter().kernel_spec.env == handed_on()
    assert run_folder("lesson", Path("x"), "baseline", 0) == expected / "runs/lesson/x/baseline/seed0"
    monkeypatch.delenv("SEDLIB_OUTPUTS")
    assert outputs() is None and list(handed_on()) == ["SEDLIB_WORKSPACE"]


def test_a_home_that_nobody_has(monkeypatch):
    with pytest.raises(SedError, match="~nobody-of-this-name/x: .*write the path without ~"):
        home_path("~nobody-of-this-name/x")


def test_data_in_the_home(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "desed").mkdir()
    assert dataset("~/desed") == tmp_path / "desed"


COMPILE = """
import sedlib, os, pathlib, numba.core.caching as caching, tempfile
caching.InTreeCacheLocator.from_function = classmethod(lambda *_: None)  # a package folder that cannot be written
from sedlib.metrics import f1
print(os.environ.get("NUMBA_CACHE_DIR"))
"""


@pytest.mark.parametrize("home", ["", "missing"])
@pytest.mark.parametrize("may_write", [True, False])
def test_numba_compiles_where_neither_package_nor_home_can_be_written(tmp_path, home, may_write):
    place = tmp_path / "home"
    place.mkdir()
    work = tmp_path / "work" if may_write else place / "work"
    environment = {name: value for name, value in os.environ.items() if name not in places._AT_HOME}
    environment |= {"HOME": str(place / home), "SEDLIB_WORKSPACE": str(work)}
    with read_only(place):
        done = subprocess.run([sys.executable, "-c", COMPILE], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    cache = Path(done.stdout.strip())
    if may_write:
        assert cache.is_relative_to(work / ".cache")
    else:
        assert not cache.is_relative_to(tmp_path) and not cache.exists()  # temporary, and gone


def test_a_home_that_can_be_written_is_used_as_ever(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in places._AT_HOME:
        monkeypatch.delenv(name, raising=False)
    places.leave_home_alone()
    assert not set(places._AT_HOME) & set(os.environ)
    with read_only(tmp_path):
        monkeypatch.setenv("NUMBA_CACHE_DIR", "/mine")  # which somebody chose
        places.leave_home_alone()
    assert os.environ["NUMBA_CACHE_DIR"] == "/mine" and set(places._AT_HOME) < set(os.environ)
    for name in places._AT_HOME:
        monkeypatch.delenv(name)
