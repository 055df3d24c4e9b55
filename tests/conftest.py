"""What several tests need: a tiny data set and a workspace of their own; and how the tests share the cores."""

import os
from pathlib import Path

import joblib
import psutil
import pytest

# The tests run in a process for every core, so each computes with one thread, and so do the programs that it starts:
# threads of several would wait for each other. Tests of threads ask for more. torch reads this when it is first
# imported.
os.environ.setdefault("OMP_NUM_THREADS", "1")
# Many tests start Python; let what they import be compiled once (as `make` does).
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

import batch as batches  # noqa: E402
import tries  # noqa: E402
from desed import Desed, build  # noqa: E402
from leftovers import watch  # noqa: E402

from minidesed import generate  # noqa: E402
from reproduction.memory import available_memory  # noqa: E402

SHARED = Path(__file__).resolve().parents[2] / "shared"

# The files that take longest, in that order. Begun last, one of them would keep one core busy and the others waiting.
LONGEST = (
    "test_batch.py",
    "test_notebooks.py",
    "test_slurm.py",
    "test_jupyterlab.py",
    "test_loop.py",
    "test_adversarial.py",
    "test_generate.py",
    "test_killed.py",
    "test_explorer_page.py",
)

# What trains, or needs a browser, a cluster, a kernel or a wheel: all that `make check` leaves out.
SLOW = {
    *LONGEST,
    "test_arithmetic.py",
    "test_beside_desed.py",
    "test_desed.py",
    "test_cli.py",
    "test_ensemble.py",
    "test_execute.py",
    "test_doses.py",
    "test_gap.py",
    "test_invariance.py",
    "test_keeper.py",
    "test_lab.py",
    "test_options.py",
    "test_posteriors_published.py",
    "test_postprocessing.py",
    "test_real_sounds.py",
    "test_reproduce.py",
    "test_scoring.py",
    "test_telemetry.py",
    "test_wheel.py",
    "test_workspace.py",
}

TINY = {"synthetic": 12, "weak": 6, "unlabel_in_domain": 6, "validation": 6, "public": 4}


def pytest_configure(config) -> None:
    """However this ends, no process stays; `make check` tries fewer examples."""
    tries.begin(0.25 if config.option.markexpr == "not slow" else 1)
    if not hasattr(config, "workerinput"):
        watch()


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers(config) -> int:
    """`-n auto`: a worker more than there are cores, as some tests wait (for a scheduler, a browser, a lock), where there
    are 3 GB of memory for each; none for a single file."""
    asked = {argument.split("::")[0] for argument in config.args}
    if len(asked) == 1 and asked.pop().endswith(".py"):
        return 0
    free = min(psutil.virtual_memory().available, available_memory())
    return max(1, min(joblib.cpu_count() + 1, free // (3 * 10**9)))


def pytest_itemcollected(item) -> None:
    """Mark what is slow."""
    if item.path.name in SLOW:
        item.add_marker(pytest.mark.slow)


def pytest_collection_modifyitems(config, items) -> None:
    """Workers begin with the files that take longest; without workers the order stays."""
    if hasattr(config, "workerinput"):
        items.sort(key=lambda item: LONGEST.index(item.path.name) if item.path.name in LONGEST else len(LONGEST))


@pytest.fixture(scope="session")
def tiny(tmp_path_factory) -> Path:
    """A MiniDESED of a few clips of every subset."""
    root = tmp_path_factory.mktemp("data") / "tiny"
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


@pytest.fixture(scope="session")
def real(shared, tmp_path_factory) -> Desed:
    """A small folder in DESED's layout, made of its real tables; not to be changed."""
    return build(shared / "desed" / "metadata", tmp_path_factory.mktemp("real") / "DESED")


@pytest.fixture(scope="session")
def batch(request, tmp_path_factory) -> batches.Batch:
    """A whole batch on that folder, on MiniDESED where there is no ../shared; not to be changed."""
    data = str(request.getfixturevalue("real").root) if SHARED.is_dir() else "mini"
    return batches.run(data, tmp_path_factory.mktemp("batch"))
