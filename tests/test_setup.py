"""pyproject.toml, requirements.lock and environment.yml say the same."""

import re
from importlib.metadata import requires
from pathlib import Path

import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[1]


def stated() -> dict[str, Requirement]:
    """The requirements of pyproject.toml, tests included, as the installed package carries them."""
    found = [Requirement(line) for line in requires("sedlib")]
    return {canonicalize_name(r.name): r for r in found}


def locked() -> dict[str, list[tuple[str, str]]]:
    """Versions and markers of requirements.lock by package."""
    lines = [line for line in (ROOT / "requirements.lock").read_text().splitlines() if line and not line.startswith("#")]
    versions: dict[str, list[tuple[str, str]]] = {}
    for line in lines:
        name, version, marker = re.fullmatch(r"([\w.-]+)==([^ ]+)(?: ; (.*))?", line).groups()
        versions.setdefault(canonicalize_name(name), []).append((version, marker or ""))
    return versions


def test_installed_package_is_the_one_of_pyproject():
    text = (ROOT / "pyproject.toml").read_text()
    quoted = {canonicalize_name(Requirement(q).name) for q in re.findall(r'^    "([^"]+)",', text, re.M)}
    quoted |= {canonicalize_name(Requirement(q).name) for q in re.findall(r'"([^"]+)"', re.search(r"^test = \[(.*)\]", text, re.M)[1])}
    assert quoted == set(stated())


def test_lock_pins_every_requirement_within_its_range():
    lock = locked()
    for name, requirement in stated().items():
        assert name in lock, f"{name} is not in requirements.lock: run `make lock`"
        for version, _ in lock[name]:
            assert requirement.specifier.contains(version), f"{name}=={version} is outside {requirement.specifier}: run `make lock`"


def test_environment_repeats_pyproject():
    environment = yaml.safe_load((ROOT / "environment.yml").read_text())
    pip = next(entry["pip"] for entry in environment["dependencies"] if isinstance(entry, dict))
    assert [line for line in pip if line.startswith("-")] == ["-c requirements.lock", "-e ."]
    repeated = {canonicalize_name(r.name): r.specifier for r in map(Requirement, (line for line in pip if not line.startswith("-")))}
    assert repeated == {name: requirement.specifier for name, requirement in stated().items()}


def test_nothing_names_a_registry():
    for name in ("requirements.lock", "environment.yml", "pyproject.toml", "Makefile"):
        assert "://" not in (ROOT / name).read_text()
