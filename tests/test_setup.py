"""pyproject.toml, requirements.lock and environment.yml say the same."""

import ast
import re
import sys
import tomllib
from importlib.metadata import packages_distributions, requires
from pathlib import Path

import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[1]


def stated() -> dict[str, Requirement]:
    """The requirements of pyproject.toml, those of `EXTRAS` included, as the installed package carries them."""
    found = [r for line in requires("sedlib") if 'extra == "desed"' not in str((r := Requirement(line)).marker)]
    return {canonicalize_name(r.name): r for r in found if r.name != "sedlib"}


def locked() -> dict[str, list[tuple[str, str]]]:
    """Versions and markers of requirements.lock by package."""
    lines = [
        line for line in (ROOT / "requirements.lock").read_text().splitlines() if line and not line.startswith("#")
    ]
    versions: dict[str, list[tuple[str, str]]] = {}
    for line in lines:
        name, version, marker = re.fullmatch(r"([\w.-]+)==([^ ]+)(?: ; (.*))?", line).groups()
        versions.setdefault(canonicalize_name(name), []).append((version, marker or ""))
    return versions


PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
EXTRAS = [extra for extra in PROJECT["optional-dependencies"] if extra != "desed"]  # which is not locked


def named(*extras: str) -> set[str]:
    """Distributions that pyproject.toml needs always, and those of some extras."""
    lines = [*PROJECT["dependencies"], *(line for extra in extras for line in PROJECT["optional-dependencies"][extra])]
    return {canonicalize_name(Requirement(line).name) for line in lines} - {"sedlib"}


def test_installed_package_is_the_one_of_pyproject():
    assert named(*EXTRAS) == set(stated())


def imported(*folders: str) -> dict[str, str]:
    """Distributions that the Python files of some folders import directly, and one of the files each."""
    own = {path.stem for folder in folders for path in (ROOT / folder).rglob("*.py")} | {
        "sedlib",
        "minidesed",
        "reproduction",
        "sedcourse",
        "bench",
        "figures",
    }
    distributions, found = packages_distributions(), {}
    for path in sorted(path for folder in folders for path in (ROOT / folder).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = (
                [alias.name for alias in node.names]
                if isinstance(node, ast.Import)
                else ([node.module] if isinstance(node, ast.ImportFrom) and not node.level else [])
            )
            for name in (name.partition(".")[0] for name in names):
                if name not in sys.stdlib_module_names and name not in own:
                    found[canonicalize_name(distributions.get(name, [name])[0])] = str(path.relative_to(ROOT))
    return found


def test_what_is_imported_is_declared_and_what_is_declared_is_used():
    everything = named("course", "reproduction", "site", "test")
    library, course, rest = (
        imported("sedlib", "minidesed"),
        imported("reproduction", "sedcourse", "notebooks"),
        imported("tests", "bench"),
    )
    assert not {name: path for name, path in library.items() if name not in named()}
    # Pictures of the browser are for maintainers, who have what the tests need.
    assert not {name: path for name, path in course.items() if name not in named("course", "site") | {"playwright"}}
    assert not {name: path for name, path in rest.items() if name not in everything}
    # Called as programs, by other packages, or pinned for their sake.
    unseen = {
        "jupyterlab",
        "furo",
        "myst-nb",
        "snakemake-executor-plugin-slurm",
        "setuptools",
        "pytest-xdist",
        "ruff",
        "basedpyright",
        "import-linter",
    }
    assert everything == set(library) | set(course) | set(rest) | unseen


def test_lock_pins_every_requirement_within_its_range():
    lock = locked()
    for name, requirement in stated().items():
        assert name in lock, f"{name} is not in requirements.lock: run `make lock`"
        for version, _ in lock[name]:
            assert requirement.specifier.contains(version), (
                f"{name}=={version} is outside {requirement.specifier}: run `make lock`"
            )


def test_environment_repeats_pyproject():
    environment = yaml.safe_load((ROOT / "environment.yml").read_text())
    pip = next(entry["pip"] for entry in environment["dependencies"] if isinstance(entry, dict))
    assert [line for line in pip if line.startswith("-")] == ["-c requirements.lock", "-e ."]
    repeated = {
        canonicalize_name(r.name): r.specifier
        for r in map(Requirement, (line for line in pip if not line.startswith("-")))
    }
    assert repeated == {name: requirement.specifier for name, requirement in stated().items()}


def test_nothing_names_a_registry():
    for name in ("requirements.lock", "environment.yml", "Makefile"):
        assert "://" not in (ROOT / name).read_text()
    assert set(re.findall(r"\w+://[^/\"]+", (ROOT / "pyproject.toml").read_text())) == {"https://hal.science"}
