"""A wheel, installed where no checkout is: the command line works in the current folder, with what the wheel brings
along."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
BUILT = (
    "sedlib",
    "minidesed",
    "reproduction",
    "sedcourse",
    "notebooks",
    "figures",
    "docs",
    "pyproject.toml",
    "README.md",
    "LICENSE",
)


@pytest.fixture(scope="module")
def installed(tmp_path_factory) -> Path:
    """A folder with the wheel's packages, their metadata and their data, and nothing else."""
    source, wheels, target = (tmp_path_factory.mktemp(name) for name in ("source", "wheels", "installed"))
    for name in BUILT:
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy2
        copy(ROOT / name, source / name)
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "-q"]
    subprocess.run([*pip, "wheel", "--no-deps", "--no-build-isolation", "-w", wheels, source], check=True)
    subprocess.run([*pip, "install", "--no-deps", "--target", target, *wheels.glob("*.whl")], check=True)
    return target


def run(installed: Path, folder: Path, *arguments) -> str:
    """What a command prints in a folder; the wheel's packages come before those of the checkout."""
    environment = {name: value for name, value in os.environ.items() if name != "SEDLIB_WORKSPACE"} | {
        "PYTHONPATH": str(installed)
    }
    done = subprocess.run(
        [sys.executable, *map(str, arguments)], cwd=folder, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_decoding_and_metrics_need_no_torch(installed, tmp_path):
    code = "import sys, sedlib.decode, sedlib.metrics; print(sedlib.__file__, 'torch' in sys.modules)"
    assert run(installed, tmp_path, "-c", code).split() == [str(installed / "sedlib" / "__init__.py"), "False"]


def test_the_command_line_works_in_the_current_folder(installed, tmp_path):
    sedlib = ("-m", "sedlib.cli")
    commands = run(installed, tmp_path, *sedlib, "--help")
    assert all(f"  {name} " in commands for name in ("data", "train", "detect", "evaluate", "reproduce", "stub"))
    run(installed, tmp_path, *sedlib, "train", "--profile", "smoke")
    assert {path.name for path in tmp_path.iterdir()} == {"data", "runs"}
    data, folder = tmp_path / "data" / "mini-smoke", tmp_path / "runs" / "smoke" / "mini-smoke" / "baseline" / "seed0"
    clip = next((data / "audio" / "validation").iterdir())
    assert run(installed, tmp_path, *sedlib, "detect", clip, "--run", folder).startswith(
        "filename\tonset\toffset\tevent_label\n"
    )
    reference = data / "metadata" / "validation" / "validation.tsv"
    assert "PSDS" in run(
        installed,
        tmp_path,
        *sedlib,
        "evaluate",
        "--reference",
        reference,
        "--predictions",
        folder / "validation.tsv",
        "--scores",
        folder / "validation.npz",
    )


def test_lessons_and_published_numbers_come_along(installed):
    """`reproduction.shipped` looks below the prefix of the interpreter, where pip puts a wheel's data without
    --target."""
    share = installed / "share" / "sedlib"
    assert sorted(path.name for path in (share / "notebooks").glob("*.py")) == sorted(
        path.name for path in (ROOT / "notebooks").glob("*.py")
    )
    assert (share / "figures" / "ledger.json").is_file() and (share / "docs" / "DIFFERENCES.md").is_file()
