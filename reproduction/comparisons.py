"""Comparisons of systems from finished runs: means, intervals, and verdicts on the paper's claims.

`TABLE1` compares front-ends (paper section 4.1, ``notebooks/03_pcen.py``), `AUGMENTATION` the parts of dynamic mixing
and augmentation (section 4.2, ``notebooks/02_augmentation.py``), `ADVERSARIAL` domain-adversarial training with and
without them (sections 3.1 and 4.2, ``notebooks/05_domain_adversarial.py``).
"""

from __future__ import annotations

import json
from itertools import count, takewhile
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from reproduction import published, shipped
from reproduction.claims import FILE, STATIONARY, Claim, claims, verdict
from reproduction.intervals import Estimate, difference, estimate, over_trainings
from reproduction.rows import ROWS
from reproduction.scoring import reference_of
from sedlib.data import tables
from sedlib.metrics import event_f1
from sedlib.training import Run
from sedlib.workspace import run_folder, workspace

FIGURES = shipped("figures")


class Comparison(NamedTuple):
    """Systems to compare with each other."""

    of: str  # what differs: heads the column of names
    rows: dict[str, str]  # system: name; the first one is the reference
    beside: dict[str, str]  # more of them, shown where they were trained
    claims: tuple[Claim, ...]
    published: Path

    def finished(self, profile: str, data: Path) -> dict[str, list[Run]]:
        """Return the `scored_runs` of these systems."""
        found = {system: scored_runs(profile, data, system) for system in (*self.rows, *self.beside)}
        return {system: runs for system, runs in found.items() if runs}

    def measure(self, runs: dict[str, list[Run]], data: Path) -> dict[str, Any]:
        """Score the runs on the development clips, as plain values.

        Returns
        -------
        dict
            ``profile generator measured_by``; ``systems``: per system ``dev`` and ``eval`` (event macro F1 of every
            seed), ``ci95`` (of the mean of ``dev``, over clips and trainings), ``classes`` (F1 by class, mean over the
            trainings) and ``learned`` (per seed, the parameters of PCEN and the domain loss after the last epoch);
            ``claims``: per claim the `Estimate` of its difference. Fractions.
        """
        reference, _ = reference_of([run for of_system in runs.values() for run in of_system], data, "validation")
        results = {
            system: [event_f1(reference, tables.read_events(run.folder / "validation.tsv")) for run in of_system]
            for system, of_system in runs.items()
        }
        over, first = over_trainings(results), next(iter(self.rows))
        classes = results[first][0].classes
        systems = {
            system: {
                "dev": [result.macro for result in results[system]],
                "eval": [run.results["public"]["event_f1"]["macro"] for run in of_system if "public" in run.results],
                "ci95": estimate(over[system].mean())[1:3],
                "classes": dict(zip(classes, over[system].of_training.mean(0).tolist(), strict=True)),
                "learned": [_learned(run) for run in of_system],
            }
            for system, of_system in runs.items()
        }
        differences = []
        for claim in self.claims:
            chosen = [classes.index(name) for name in claim.classes]
            a, b = (over[system].mean(chosen) for system in (claim.first, claim.second))
            differences.append(difference(a, b, claim.at_least)._asdict())
        return {**published.stamp(runs[first][0].config.profile), "systems": systems, "claims": differences}

    def load(self, profile: str, data: Path) -> dict[str, Any]:
        """Measure the runs in the workspace where every system in ``rows`` was trained twice or more.

        Otherwise read what is published (of profile lesson); the entry ``from`` tells which of the two it is.
        """
        runs = self.finished(profile, data)
        if all(len(runs.get(system, [])) > 1 for system in self.rows):
            return {**self.measure(runs, data), "from": f"{workspace() / 'runs'}, trained here"}
        return published.load(self.published)

    def publish(self, profile: str, data: Path) -> dict[str, Any]:
        """Publish and return what `load` gives."""
        measured = self.load(profile, data)
        self.published.write_text(json.dumps({**measured, "from": None}, indent=1) + "\n", encoding="utf-8")
        return measured

    def scores(self, measured: dict[str, Any]) -> pd.DataFrame:
        """Return a row per system, in percent.

        Columns: ``of`` (its name), ``paper``, ``development F1``, ``95 % interval``, ``evaluation F1``, ``trainings``.
        """
        rows = []
        for system, name in (self.rows | self.beside).items():
            if found := measured["systems"].get(system):
                known = _paper(system, name)
                paper = "" if np.isnan(known) else f"{known:.2f}"
                limits = "{:.1f} to {:.1f}".format(*(100 * end for end in found["ci95"]))
                rows.append([name, paper, spread(found["dev"]), limits, spread(found["eval"]), len(found["dev"])])
        columns = [self.of, "paper", "development F1", "95 % interval", "evaluation F1", "trainings"]
        return pd.DataFrame(rows, columns=columns)

    def by_class(self, measured: dict[str, Any]) -> pd.DataFrame:
        """Return development F1 in percent, a row per class (stationary ones first), a column per system of `rows`."""
        order = [*STATIONARY, *(name for name in tables.CLASSES if name not in STATIONARY)]
        classes = {name: measured["systems"][system]["classes"] for system, name in self.rows.items()}
        return pd.DataFrame({name: {label: 100 * of[label] for label in order} for name, of in classes.items()})

    def drawn(self, measured: dict[str, Any]) -> dict[str, tuple[float, list[float], tuple[float, float]]]:
        """Return the paper's F1 (or NaN), ours and its interval, in percent, as `plots.system_scores` takes them."""
        found = {}
        for system, name in self.rows.items():
            scores = measured["systems"][system]
            dev, (low, high) = [100 * f1 for f1 in scores["dev"]], scores["ci95"]
            found[name] = (_paper(system, name), dev, (100 * low, 100 * high))
        return found

    def verdicts(self, measured: dict[str, Any]) -> pd.DataFrame:
        """Return the claims: ``sentence``, ``difference here`` in points with its 95 % interval, and ``verdict``."""
        rows = []
        for claim, found in zip(self.claims, measured["claims"], strict=True):
            points = "{:+.1f} ({:+.1f} to {:+.1f})".format(*(100 * found[name] for name in ("value", "low", "high")))
            trainings = min(len(measured["systems"][system]["dev"]) for system in (claim.first, claim.second))
            known = {"p": np.nan, "smallest": np.nan, "trainings": trainings}
            rows.append([claim.says, points, verdict(claim, Estimate(**(known | found)))])  # 0.1.0 published the rest
        return pd.DataFrame(rows, columns=["sentence", "difference here", "verdict"])


def _paper(system: str, name: str) -> float:
    """Return the paper's F1 of a system by median filter, or NaN; of two rows (PPCEN on log-Mel) that of this name."""
    rows = [row for row in ROWS if (row.system, row.decoding) == (system, "median")]
    rows.sort(key=lambda row: row.name != name)
    return rows[0].paper["dev_f1"] if rows else float("nan")


def _comparison(name: str, rows: dict[str, str] | None = None) -> Comparison:
    """Read a table of ``claims.toml``, which has its rows unless they are given."""
    part: dict[str, Any] = FILE[name]
    return Comparison(
        part["of"], part.get("rows", rows), part.get("beside", {}), claims(part["claims"]), FIGURES / f"{name}.json"
    )


TABLE1 = _comparison("table1", {row.system: row.name for row in ROWS if row.table == 1})
AUGMENTATION, ADVERSARIAL = _comparison("augmentation"), _comparison("adversarial")


def scored_runs(profile: str, data: Path, system: str) -> list[Run]:
    """Return the scored runs of a system in the workspace, seeds 0, 1, ... up to the first that is not."""
    runs = (Run(run_folder(profile, data, system, seed)) for seed in count())
    return list(takewhile(lambda run: run.state == "scored", runs))


def spread(values: list[float]) -> str:
    """Format fractions as mean ± standard deviation in percent; empty without any."""
    percent = 100 * np.array(values)
    deviation = f" ± {percent.std(ddof=1):.1f}" if len(percent) > 1 else ""
    return f"{percent.mean():.1f}{deviation}" if len(percent) else ""


def _learned(run: Run) -> dict[str, float]:
    # With weight 0 a domain classifier watches and does not learn.
    learners = ("pcen", "loss_domain") if run.config.adversarial.domain_weight else ("pcen",)
    return {name: value for name, value in run.metrics.iloc[-1].items() if name.startswith(learners)}
