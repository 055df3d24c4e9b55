"""How long a training in profile ``lesson`` must be, and with which settings: scores against steps.

``python -m reproduction.studies.schedule rate_0.0025 --steps 20000 --seed 1`` trains one of `VARIANTS` and scores
student and teacher every 1,000 steps on a *tuning set*: real clips made like the development set with another seed,
which no table ever uses. All choices were made this way, on the baseline and the oracle alone. ``--publish`` adds the
workspace's curves to the published ones. Paper section 3; the settings are profile ``lesson``'s in `sedlib.config`,
taught in lesson 04.
"""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import click
import pandas as pd

from minidesed import generate
from reproduction import published, shipped
from sedlib.config import Config
from sedlib.data import layout
from sedlib.data.store import open_store
from sedlib.decode import median_events, operating_points
from sedlib.files import write_json, write_output
from sedlib.inference import posteriors
from sedlib.metrics import event_f1
from sedlib.metrics.psds import psds_from_operating_points
from sedlib.systems import configuration
from sedlib.training import train
from sedlib.workspace import dataset, workspace

PUBLISHED = shipped("figures") / "schedule.json"
TUNING_SEED, TUNING = 1, {"validation": generate.SIZES["lesson"]["validation"]}  # of the tuning set
STEPS = 1000  # between two points of a curve
FAST = {"learning_rate": 5e-3}
VARIANTS: dict[str, tuple[str, dict[str, Any]]] = {  # system, and fields of `Training` that differ from lesson's
    "rate_0.005": ("baseline", FAST),
    "rate_0.0025": ("baseline", {"learning_rate": 2.5e-3}),
    "rate_0.00125": ("baseline", {"learning_rate": 1.25e-3}),
    "rate_0.005_falling": ("baseline", FAST | {"decay_from": 0.5}),
    "rate_0.0025_falling": ("baseline", {"learning_rate": 2.5e-3, "decay_from": 0.5}),
    "rate_0.005_without_noise": ("baseline", FAST | {"noise_snr_db": None}),
    "rate_0.0025_running_statistics": ("baseline", {"learning_rate": 2.5e-3, "teacher_statistics": "running"}),
    "rate_0.005_6_6_12_clips": ("baseline", FAST | {"unlabelled": 12}),
    "rate_0.005_3_3_6_clips": ("baseline", FAST | {"strong": 3, "weak": 3}),
    "oracle_rate_0.005_falling": ("oracle", FAST | {"decay_from": 0.5}),
    "oracle_rate_0.0025": ("oracle", {"learning_rate": 2.5e-3}),
    **{system: (system, {"learning_rate": 2.5e-3}) for system in ("augm", "dat", "dat_augm")},
}


def config_of(variant: str, steps: int) -> Config:
    """Return the configuration of a variant, with an epoch for every point of its curve."""
    system, changes = VARIANTS[variant]
    config = configuration(system, "lesson")
    length = {"epochs": max(1, steps // STEPS), "steps_per_epoch": STEPS, "rampup_epochs": 100 / STEPS}
    adversarial = dataclasses.replace(config.adversarial, rampup_epochs=100 / STEPS)
    training = dataclasses.replace(config.training, **length, **changes)
    return dataclasses.replace(config, training=training, adversarial=adversarial)


def curve(variant: str, seed: int, steps: int) -> Path:
    """Train, or resume, and append a line for each point to ``curve.jsonl`` of the run's folder; return that file."""
    config, root = config_of(variant, steps), dataset("mini", "lesson")
    tuning = workspace() / "data" / "mini-tuning"
    if not (tuning / "dataset.json").exists():
        generate.mini(tuning, TUNING, TUNING_SEED)
    store, reference = open_store(tuning, "validation"), layout.load(tuning, "validation").table
    path = workspace() / "schedule" / variant / f"seed{seed}" / "curve.jsonl"
    path.parent.mkdir(parents=True, exist_ok=True)
    there = {line["step"] for line in _whole_lines(path)}

    def on_epoch(row: dict[str, float], networks: dict[str, Any]) -> None:
        if row["step"] in there:  # a process that was killed came this far
            return
        line: dict[str, Any] = {"variant": variant, "seed": seed, "step": int(row["step"])}
        for who, network in networks.items():
            scores = posteriors(network, store, config.frame_s, progress=False)
            points = operating_points(scores, config.decoding, duration_s=config.features.clip_s)
            found = median_events(scores, config.decoding, config.features.clip_s)
            psds = psds_from_operating_points(reference, points.values()).value
            line[who] = {"median_f1": event_f1(reference, found).macro, "psds": psds}
        line["validation_f1"] = row[f"validation_f1_{config.training.tested}"]
        with path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")

    train(config, root, seed, path.parent, on_epoch)
    return path


def _whole_lines(path: Path) -> list[dict[str, Any]]:
    """Read the lines of a curve; a last one that a killed process left torn is removed."""
    text = path.read_text(encoding="utf-8") if path.exists() else ""
    lines = [line for line in text.splitlines(keepends=True) if line.endswith("\n")]
    if "".join(lines) != text:
        write_output(path, "".join(lines))
    return [json.loads(line) for line in lines]


def table(measured: dict[str, Any]) -> pd.DataFrame:
    """Tabulate curves in percent: a row for each variant, network and score, a column for each number of steps."""
    rows = [
        {**{name: line[name] for name in ("variant", "seed", "step")}, "network": who, "score": score, "percent": value}
        for line in measured["curves"]
        for who in ("teacher", "student")
        for score, value in line[who].items()
    ]
    index = ["variant", "network", "score"]
    return 100 * pd.DataFrame(rows).pivot_table("percent", index, "step", aggfunc="mean", sort=False)


@click.command()
@click.argument("variants", nargs=-1, type=click.Choice(list(VARIANTS)))
@click.option("--steps", default=3000, show_default=True, type=click.IntRange(STEPS))
@click.option("--seed", default=0, show_default=True, type=click.IntRange(0))
@click.option("--publish", is_flag=True, help="Add the workspace's curves to figures/schedule.json.")
def main(variants: tuple[str, ...], steps: int, seed: int, publish: bool) -> None:
    """Measure curves, and print all curves of this workspace."""
    for variant in variants:
        curve(variant, seed, steps)
    paths = sorted((workspace() / "schedule").glob("*/*/curve.jsonl"))
    measured = {**published.stamp("lesson"), "curves": [line for path in paths for line in _whole_lines(path)]}
    if publish:
        measured = with_published(measured)
        write_json(PUBLISHED, measured)
    click.echo(table(measured).round(1).to_string(na_rep="") if measured["curves"] else "no curves here yet")


def with_published(measured: dict[str, Any]) -> dict[str, Any]:
    """Add the published curves that were not measured here, unless another version or other data gave them."""
    known = json.loads(PUBLISHED.read_text(encoding="utf-8")) if PUBLISHED.is_file() else {"curves": []}
    if any(known.get(name) != measured[name] for name in published.stamp("lesson")):
        return measured
    here = {(line["variant"], line["seed"]) for line in measured["curves"]}
    others = [line for line in known["curves"] if (line["variant"], line["seed"]) not in here]
    return {**measured, "curves": others + measured["curves"]}


if __name__ == "__main__":
    main()
