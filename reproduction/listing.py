"""The list of all runs beneath a folder, with their states, progress and scores: ``sedlib runs``."""

from __future__ import annotations

import math
import operator
from pathlib import Path
from typing import Any

import pandas as pd

from sedlib.errors import SedError
from sedlib.files import read_json, reading
from sedlib.training import Run

_COLUMNS = (
    dict.fromkeys(["run", "system", "profile", "data"], object)
    | {"seed": "Int64", "state": object, "step": "Int64", "steps": "Int64"}
    | dict.fromkeys(["validation_f1", "dev_f1", "eval_f1", "psds"], float)
    | {"missing": "Int64", "minutes": float}
)


def runs(folder: str | Path) -> pd.DataFrame:
    """List all runs beneath a folder, a row each.

    Parameters
    ----------
    folder : path
        Every folder in it, at any depth, that has a ``config.json`` is a run.

    Returns
    -------
    DataFrame
        ``run`` (path below the folder), ``system profile data seed``, ``state`` (`Run.state`, or "damaged: " and why),
        ``step`` and ``steps`` (done; of the whole training, where known), ``validation_f1`` (of the tested network, in
        the epoch kept so far), ``dev_f1 eval_f1 psds`` (fractions; PSDS of the development set), ``missing``
        (development clips without audio, which are in no score) and ``minutes`` of training.

    Raises
    ------
    SedError
        If there is no such folder.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise SedError(f"{folder}: no such folder; give one that holds runs")
    rows = []
    for path in sorted(folder.rglob("config.json")):
        name = {"run": str(path.parent.relative_to(folder))}
        try:
            rows.append(name | _row(Run(path.parent)))
        except SedError as error:
            rows.append(name | {"state": f"damaged: {error}"})
    return pd.DataFrame(rows, columns=list(_COLUMNS)).astype(_COLUMNS)


def table(found: pd.DataFrame) -> str:
    """Format the result of `runs`: scores in percent, below the table what is missing or damaged.

    What the paths (``PROFILE/DATA/SYSTEM/seedN``) already say gets no columns.
    """
    named = [
        name
        for name in ("system", "profile", "data", "seed")
        if not all(
            {str(value), f"{name}{value}"} & set(Path(run).parts)
            for run, value in found[["run", name]].dropna().itertuples(index=False)
        )
    ]
    shown = pd.DataFrame({"run": found["run"].str.ljust(found["run"].str.len().max())})
    shown[named] = found[named]
    shown["state"] = found["state"].str.partition(":")[0]
    done, steps = (found[name].astype(object).where(found[name].notna(), "-") for name in ("step", "steps"))
    shown["step"] = done.astype(str) + "/" + steps.astype(str)
    for name in ("validation", "dev", "eval"):
        shown[f"{name} F1 %"] = 100 * found[f"{name}_f1"]
    shown = shown.assign(PSDS=found["psds"], minutes=found["minutes"])
    text = shown.to_string(index=False, na_rep="-", float_format="{:.1f}".format, formatters={"PSDS": "{:.3f}".format})
    missing = [
        f"{run}: {n} development clip{'s' if n > 1 else ''} without audio {'are' if n > 1 else 'is'} in no score"
        for run, n in zip(found["run"], found["missing"].fillna(0), strict=True)
        if n
    ]
    damaged = [
        f"{run}: {state}"
        for run, state in zip(found["run"], found["state"], strict=True)
        if state.startswith("damaged")
    ]
    return "\n".join([text, *missing, *damaged])


def _row(run: Run) -> dict[str, Any]:
    """Make the row of a run; `SedError` if one of its files is damaged."""
    row: dict[str, Any] = {"state": run.state}
    path = run.folder / "config.json"
    with reading(path):
        record = read_json(path)
        config, training = record["config"], record["config"]["training"]
        row |= {"system": str(config["system"]), "profile": str(config["profile"]), "data": str(record["data"])}
        row |= {"seed": _count(record["seed"]), "step": 0}
        if training["steps_per_epoch"]:  # else it depends on the data
            row["steps"] = _count(training["epochs"] * training["steps_per_epoch"])
    metrics = run.metrics
    with reading(run.folder / "metrics.csv"):
        if len(metrics):
            row |= {"step": _count(metrics["step"].iloc[-1]), "minutes": metrics["seconds"].iloc[-1] / 60}
            f1 = metrics[f"validation_f1_{training['tested']}"]
            row["validation_f1"] = f1.max() if training["selection"] == "best" else f1.iloc[-1]
    path = run.folder / "progress.json"
    with reading(path):
        if path.exists():
            row |= {name: _count(read_json(path)[name]) for name in ("step", "steps")}
    if row["state"] == "scored":
        with reading(run.folder / "results.json"):
            results = run.results
            if "validation" in results:
                row["dev_f1"] = _fraction(results["validation"]["event_f1"]["macro"])
                row["psds"] = _fraction(results["validation"]["psds"]["value"])
                row["missing"] = (results["validation"]["clips"]["missing"] or {"clips": 0})["clips"]
            if "public" in results:
                row["eval_f1"] = _fraction(results["public"]["event_f1"]["macro"])
    return row


def _count(value: Any) -> int:
    number = operator.index(value)
    if not 0 <= number < 2**63:
        raise ValueError(f"{number} counts nothing")
    return number


def _fraction(value: float | None) -> float:
    """Convert a score; NaN where there was nothing to score."""
    return math.nan if value is None else float(value)
