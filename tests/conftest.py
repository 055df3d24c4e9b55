"""What several tests need: a tiny data set and a workspace of their own."""

import shutil
from pathlib import Path

import pytest

from sedlib.data import generate

SHARED = Path(__file__).resolve().parents[2] / "shared"


TINY = {"synthetic": 12, "weak": 6, "unlabel_in_domain": 6, "validation": 6, "public": 4}


@pytest.fixture(scope="session")
def tiny(tmp_path_factory) -> Path:
    """A MiniDESED of a few clips of every subset."""
    root = tmp_path_factory.mktemp("data") / "tiny"
    generate.mini(root, sizes=TINY, seed=0, progress=False)
    return root


@pytest.fixture(scope="session")
def tiny_with_sounds(tiny, tmp_path_factory) -> Path:
    """The same with isolated sounds, a few of each class."""
    root = tmp_path_factory.mktemp("sounds") / "tiny"
    shutil.copytree(tiny, root)
    generate.mini(root, sizes=TINY, seed=0, progress=False, sounds=2)
    return root


@pytest.fixture
def workspace(tmp_path, monkeypatch) -> Path:
    """A workspace of the test's own."""
    monkeypatch.setenv("SEDLIB_WORKSPACE", str(tmp_path))
    return tmp_path


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real material beside the repository; the test is skipped where there is none."""
    if not SHARED.is_dir():
        pytest.skip("no ../shared here")
    return SHARED
