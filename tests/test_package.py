"""What holds for every module of the package."""

import dataclasses
import importlib
import pkgutil
import re
import subprocess
import sys
from pathlib import Path

import click
import numpy as np
import pytest

import minidesed
import reproduction
import sedcourse
import sedlib
from sedlib.cli import cli
from sedlib.decode import Hmm

ROOT = Path(__file__).resolve().parents[1]
TEXTS = [
    path
    for pattern in (
        "*.md",
        "docs/**/*.md",
        "sedlib/**/*.py",
        "minidesed/*.py",
        "reproduction/**/*.py",
        "sedcourse/**/*.py",
        "bench/*.py",
        "notebooks/*.py",
        "reproduction/Snakefile",
        "Makefile",
        "environment.yml",
        "pyproject.toml",
    )
    for path in sorted(ROOT.glob(pattern))
    if path.is_file()
]
PACKAGES = (sedlib, minidesed, reproduction, sedcourse)
MODULES = [
    module.name for package in PACKAGES for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}.")
]
ARRAYS = re.compile(r"\b(ndarray|Tensor|DataFrame|Series)\b")


@pytest.mark.parametrize("name", MODULES)
def test_dataclasses_that_hold_arrays_are_compared_by_identity(name):
    """An `==` of arrays is an array, so a comparison of all fields raises ValueError."""
    for kind in vars(importlib.import_module(name)).values():
        if isinstance(kind, type) and dataclasses.is_dataclass(kind) and kind.__module__ == name:
            compared = [known for known in dataclasses.fields(kind) if known.compare]
            holds = [known.name for known in compared if ARRAYS.search(str(known.type))]
            assert not holds or kind.__eq__ is object.__eq__, (
                f"{name}.{kind.__name__} holds {', '.join(holds)}: eq=False"
            )


def test_an_import_changes_no_filter_of_warnings_and_a_training_shows_none_of_others():
    code = """
import warnings
before = list(warnings.filters)
import sedlib
assert warnings.filters == before, warnings.filters[:3]
import sedlib.cli, sedlib.metrics, sedlib.training  # whose libraries have filters of their own
assert not [kind for kind in warnings.filters if "pkg_resources" in str(kind)], warnings.filters
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    sedlib.training.loop.own_fabric()
assert not [w for w in caught if "pkg_resources is deprecated" in str(w.message)], caught[0]
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_two_models_can_be_compared():
    one = Hmm.alike(0.9, 0.9)
    assert one == one and one != Hmm.alike(0.9, 0.9) and len({one, one}) == 1
    assert np.array_equal(one.p_event, Hmm.alike(0.9, 0.9).p_event)


def command_exists(words: list[str]) -> bool:
    """Whether the words are a command, in a group one of its own; what follows it does not matter."""
    command = cli
    for word in words:
        if not isinstance(command, click.Group):
            return True
        command = command.get_command(click.Context(command, info_name=command.name), word)
        if command is None:
            return False
    return True


def name_exists(name: str) -> bool:
    """Whether a dotted name is a module or something in one."""
    parts = name.split(".")
    for end in range(len(parts), 0, -1):
        try:
            found = importlib.import_module(".".join(parts[:end]))
        except ModuleNotFoundError:
            continue
        for part in parts[end:]:
            if not hasattr(found, part):
                return part in getattr(found, "__annotations__", {})
            found = getattr(found, part)
        return True
    return False


@pytest.mark.parametrize("path", TEXTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_lessons_commands_and_modules_that_a_text_names_exist(path):
    text = path.read_text(encoding="utf-8")
    targets = set(re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.M))
    lessons = {path.stem for path in (ROOT / "notebooks").glob("[0-9]*.py")}
    wrong = [name for name in re.findall(r"\b(0\d_[a-z]\w+)", text) if name not in lessons]
    wrong += [
        f"lesson {n}"
        for n in re.findall(r"\b[Ll]essons? (\d\d)\b", text)
        if not any(name.startswith(f"{n}_") for name in lessons)
    ]
    wrong += [
        f"sedlib {words}"
        for words in re.findall(r"`sedlib ((?:[a-z]+ ?){1,2})", text)
        if not command_exists(words.split())
    ]
    wrong += [
        name
        for name in re.findall(r"python -m ((?:sedlib|minidesed|reproduction|sedcourse|bench)[\w.]*)", text)
        if not name_exists(name.rstrip("."))
    ]
    wrong += [
        name
        for name in re.findall(r"``?((?:sedlib|minidesed|reproduction|sedcourse)(?:\.\w+)+)(?:\(\))?``?", text)
        if not name_exists(name)
    ]
    wrong += [f"make {target}" for target in re.findall(r"`make ([a-z-]+)`", text) if target not in targets]
    assert not wrong
