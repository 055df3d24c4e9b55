"""When does a technique help? Its gain against one thing that the data have more or less of: its dose-response.

``python -m reproduction.studies.doses sounds --seeds 3`` trains one of `DOSES` in profile ``lesson``: at every dose
the system with the technique and the one without, on data made for that dose. Started again it goes on. ``--publish``
keeps what the workspace holds. Against steps, `reproduction.studies.schedule` measures the same. Paper sections 3 and
4.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

import click
import pandas as pd

from minidesed import generate
from minidesed.domains import INGREDIENTS
from reproduction import published, shipped
from reproduction.claims import Claim
from reproduction.comparisons import Comparison, spread
from sedlib.files import write_json
from sedlib.systems import configuration
from sedlib.training import score, train
from sedlib.workspace import dataset, run_folder, workspace

PUBLISHED = shipped("figures") / "doses.json"
LEVELS = "loudness", "foregrounds", "gain controls"  # what PCEN's gain control is there to level out


def _only(*ingredients: str) -> tuple[str, ...]:
    """Return what is to be left out of the domain gap so that only these ingredients stay."""
    return tuple(name for name in INGREDIENTS if name not in ingredients)


class Dose(NamedTuple):
    """Two systems on the same data."""

    first: str  # with the technique
    second: str  # without it
    sounds: int | None = None  # isolated sounds of each class, of which synthetic clips are mixed; None: the profile's
    without: tuple[str, ...] = ()  # ingredients of the domain gap that the real clips lack

    @property
    def embedded(self) -> bool:
        """Whether its data are the embedded data set, so that the study's own trainings serve."""
        return self.sounds is None and not self.without


DOSES: dict[str, dict[str, Dose]] = {
    "sounds": {
        "5": Dose("augm", "baseline", 5),
        "10": Dose("augm", "baseline", 10),
        "20": Dose("augm", "baseline", 20),
        "40": Dose("augm", "baseline"),
        "80": Dose("augm", "baseline", 80),
    },
    "gap": {
        "microphones": Dose("uda_weight_0.1", "uda_weight_0", without=_only("microphones")),
        "recording": Dose("uda_weight_0.1", "uda_weight_0", without=("scenes", "voices")),
        "everything": Dose("uda_weight_0.1", "uda_weight_0"),
        "recording, label shift": Dose("uda_weight_0.1", "uda_weight_0", without=("voices",)),
    },
    "teacher": {
        "recording": Dose("dat", "baseline", without=("scenes", "voices")),
        "everything": Dose("dat", "baseline"),
    },
    "conditions": {
        "neither": Dose("ppcen_logmel", "logmel", without=(*LEVELS, "noise")),
        "levels": Dose("ppcen_logmel", "logmel", without=("noise",)),
        "noise": Dose("ppcen_logmel", "logmel", without=LEVELS),
        "both": Dose("ppcen_logmel", "logmel"),
    },
    "start": {
        "alpha 0.8 and 0.4, delta 2": Dose("ppcen_logmel", "logmel"),
        "alpha 0.8, delta 10": Dose("ppcen_released_start", "logmel"),
    },
}
TITLES = {
    "sounds": "Mixing and augmentation, by isolated sounds of each class",
    "gap": "DAT on synthetic labels alone, by what separates the domains",
    "teacher": "DAT beside weak labels and a teacher, by what separates the domains",
    "conditions": "PPCEN on log-Mel, by what differs between clips",
    "start": "PPCEN on log-Mel, by where its layers start",
}


def measure(name: str, seeds: int = 3, profile_name: str = "lesson", progress: bool = True) -> Path:
    """Train and score a technique at all of its doses; what is finished is kept, data made for a dose are removed.

    Parameters
    ----------
    name : str
        One of `DOSES`.
    seeds : int
        Trainings of each system.
    profile_name : str
        smoke, lesson or paper.

    Returns
    -------
    path
        ``report/doses/NAME.json``: `published.stamp`, ``seeds``, and ``doses``: per dose what `Comparison.measure`
        gives of the two systems, with one claim, their difference.
    """
    path = workspace() / "report" / "doses" / f"{name}.json"
    measured: dict[str, Any] = {**published.stamp(profile_name), "seeds": seeds}
    earlier = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    measured["doses"] = earlier["doses"] if measured.items() <= earlier.items() else {}
    for label, dose in DOSES[name].items():
        if label not in measured["doses"]:
            measured["doses"][label] = _measured(label, dose, range(seeds), profile_name, progress)
            write_json(path, measured)
    return path


def _measured(label: str, dose: Dose, seeds: Iterable[int], profile_name: str, progress: bool) -> dict[str, Any]:
    root, runs = _data(dose, profile_name, progress), {dose.first: [], dose.second: []}
    for seed in seeds:
        for system, of_system in runs.items():
            folder = run_folder(profile_name, root, system, seed)
            run = train(configuration(system, profile_name), root, seed, folder, progress=progress)
            score(run, root, progress)
            of_system.append(run)
    claim = Claim("", label, dose.first, dose.second, 1)
    comparison = Comparison("system", dict.fromkeys(runs, ""), {}, (claim,), PUBLISHED)
    found = comparison.measure(runs, root)
    if not dose.embedded:
        shutil.rmtree(root)
    return {"of": [dose.first, dose.second], "systems": found["systems"], "difference": found["claims"][0]}


def _data(dose: Dose, profile_name: str, progress: bool) -> Path:
    """Make the data of a dose; doses of the same data share them, and the trainings on them."""
    if dose.embedded:
        return dataset("mini", profile_name, progress)
    sounds = dose.sounds or generate.SOUNDS[profile_name]
    kept = _only(*dose.without)
    few = ("only", *kept) if len(kept) < len(dose.without) else ("without", *sorted(dose.without))
    name = "-".join([f"mini-{profile_name}", str(sounds), *few]) if dose.without else f"mini-{profile_name}-{sounds}"
    root = workspace() / "data" / name.replace(" ", "_")
    generate.mini(root, generate.SIZES[profile_name], 0, dose.without, sounds=sounds, progress=progress)
    return root


def table(measured: dict[str, Any]) -> pd.DataFrame:
    """Tabulate a technique's doses: event F1 with and without it, and what it wins, in points with its interval."""
    rows = []
    for label, found in measured["doses"].items():
        value, low, high = (100 * found["difference"][name] for name in ("value", "low", "high"))
        with_it, without = (spread(found["systems"][system]["dev"]) for system in found["of"])
        rows.append([label, with_it, without, f"{value:+.1f} ({low:+.1f} to {high:+.1f})"])
    return pd.DataFrame(rows, columns=["dose", "F1 with it", "F1 without", "difference"])


def load(name: str) -> dict[str, Any] | None:
    """Read the doses that `measure` has finished in this workspace, or else the published ones; None without either."""
    path = workspace() / "report" / "doses" / f"{name}.json"
    if path.is_file():
        found = json.loads(path.read_text(encoding="utf-8"))
        if published.stamp("lesson").items() <= found.items() and found["doses"]:
            return {**found, "from": f"report/doses/{path.name}, measured here"}
    known = json.loads(PUBLISHED.read_text(encoding="utf-8")) if PUBLISHED.is_file() else {}
    return {**known[name], "from": published.source(PUBLISHED, known[name]["measured_by"])} if name in known else None


@click.command()
@click.argument("names", nargs=-1, type=click.Choice(list(DOSES)))
@click.option("--seeds", default=3, show_default=True, type=click.IntRange(1), help="Trainings of each system.")
@click.option("--publish", is_flag=True, help=f"Keep what the workspace holds as figures/{PUBLISHED.name}.")
def main(names: tuple[str, ...], seeds: int, publish: bool) -> None:
    """Measure doses, and print all that are measured here or published."""
    for name in names:
        measure(name, seeds)
    found = {name: measured for name in DOSES if (measured := load(name))}
    if publish:
        write_json(PUBLISHED, {name: {**measured, "from": None} for name, measured in found.items()})
    for name, measured in found.items():
        click.echo(f"{TITLES[name]} ({measured['from']})\n{table(measured).to_string(index=False)}\n")


if __name__ == "__main__":
    main()
