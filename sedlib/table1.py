"""Table 1 of the paper with our runs: every front-end over several trainings, and what the paper says about them.

Paper section 4.1; taught in ``notebooks/03_pcen.py``.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from sedlib.data import generate, layout, tables
from sedlib.metrics import Interval, event_f1, interval, over_trainings
from sedlib.systems import ROWS
from sedlib.training import Run
from sedlib.workspace import run_folder, workspace

PUBLISHED = Path(__file__).resolve().parents[1] / "figures" / "table1.json"
PAPER = {row.system: row for row in ROWS if row.table == 1}
BESIDE = ("ppcen_zero_phase", "ppcen_learned_s")  # not in the paper's table; measured where they were trained
# Sounds that stay as they are once they have begun. The paper names vacuum cleaner and blender as examples.
STATIONARY = ("Blender", "Electric_shaver_toothbrush", "Frying", "Running_water", "Vacuum_cleaner")


class Claim(NamedTuple):
    """A sentence of section 4.1 as a difference of two front-ends, averaged over some classes."""

    says: str
    first: str
    second: str
    classes: tuple[str, ...]
    sign: int  # of first - second; 0: the two are alike


CLAIMS = (
    Claim("Fixed PCEN 1 degrades sound classes that are intrinsically stationary",
          "fixed_pcen_1", "logmel", STATIONARY, -1),
    Claim("Fixed PCEN 2 no longer does: its performance is similar to log-Mel",
          "fixed_pcen_2", "logmel", tables.CLASSES, 0),
    Claim("Fixed PCEN 3 brings a modest improvement over log-Mel", "fixed_pcen_3", "logmel", tables.CLASSES, 1),
    Claim("Trainable PCEN is slightly better than Fixed PCEN 3", "trainable_pcen", "fixed_pcen_3", tables.CLASSES, 1),
    Claim("a second layer brings a little more than 1 % over a single one",
          "ppcen_mel", "trainable_pcen", tables.CLASSES, 1),
    Claim("PPCEN on log-Mel is the best: 3.41 % over log-Mel", "ppcen_logmel", "logmel", tables.CLASSES, 1),
)


def finished(profile: str, data: Path) -> dict[str, list[Run]]:
    """The scored runs of Table 1's systems in the workspace, seeds 0, 1, ... as far as they go."""
    found: dict[str, list[Run]] = {}
    for system in (*PAPER, *BESIDE):
        seed = 0
        while (run := Run(run_folder(profile, data, system, seed))).state == "scored":
            found.setdefault(system, []).append(run)
            seed += 1
    return found


def measure(runs: dict[str, list[Run]], data: Path) -> dict[str, Any]:
    """What the runs scored on the development clips, as plain values.

    Returns
    -------
    dict
        ``profile generator``; ``systems``: per system ``dev`` and ``eval`` (event macro F1 of every seed), ``ci95`` (of
        the mean of ``dev``, over clips and trainings), ``classes`` (F1 by class, mean over the trainings) and
        ``learned`` (a dict a seed); ``claims``: per claim ``value low high`` of its difference. Fractions.
    """
    reference = layout.load(data, "validation").table
    results = {system: [event_f1(reference, tables.read_events(run.folder / "validation.tsv")) for run in of_system]
               for system, of_system in runs.items()}
    over = over_trainings(results)
    classes = results["logmel"][0].classes
    measured = {}
    for system, of_system in runs.items():
        value, draws = over[system]
        measured[system] = {
            "dev": [result.macro for result in results[system]],
            "eval": [run.results["public"]["event_f1"]["macro"] for run in of_system if "public" in run.results],
            "ci95": _mean(value, draws)[1:],
            "classes": dict(zip(classes, value.tolist())),
            "learned": [{name: value for name, value in run.metrics.iloc[-1].items() if name.startswith("pcen")}
                        for run in of_system],
        }
    claims = []
    for claim in CLAIMS:
        chosen = [classes.index(name) for name in claim.classes]
        (a, a_draws), (b, b_draws) = over[claim.first], over[claim.second]
        difference, draws = a - b, a_draws - b_draws
        claims.append(_mean(difference[chosen], draws[:, chosen])._asdict())
    config = runs["logmel"][0].config
    return {"profile": config.profile, "generator": generate.VERSION, "systems": measured, "claims": claims}


def load(profile: str, data: Path) -> dict[str, Any]:
    """What the runs in the workspace say, where every system of Table 1 was trained twice or more; otherwise what is
    published (of profile lesson). The entry ``from`` says which of the two it is."""
    runs = finished(profile, data)
    if all(len(runs.get(system, [])) > 1 for system in PAPER):
        return {**measure(runs, data), "from": f"{workspace() / 'runs'}, trained here"}
    return {**json.loads(PUBLISHED.read_text(encoding="utf-8")), "from": f"figures/{PUBLISHED.name}, as published"}


def scores(measured: dict[str, Any]) -> pd.DataFrame:
    """Table 1: a row a front-end, ``front-end paper development interval evaluation seeds``, in percent."""
    rows = []
    for system in (name for name in (*PAPER, *BESIDE) if name in measured["systems"]):
        found, row = measured["systems"][system], PAPER.get(system)
        low, high = found["ci95"]
        rows.append({
            "front-end": row.name if row else system.replace("_", " "),
            "paper": f"{row.paper['dev_f1']:.2f}" if row else "",
            "development F1": _spread(found["dev"]), "95 % interval": f"{100 * low:.1f} to {100 * high:.1f}",
            "evaluation F1": _spread(found["eval"]), "trainings": len(found["dev"]),
        })
    return pd.DataFrame(rows)


def by_class(measured: dict[str, Any]) -> pd.DataFrame:
    """Development F1 in percent, a row a class, a column a row of Table 1; sounds that stay come first."""
    order = [*STATIONARY, *(name for name in tables.CLASSES if name not in STATIONARY)]
    return pd.DataFrame({row.name: {name: 100 * measured["systems"][system]["classes"][name] for name in order}
                         for system, row in PAPER.items()})


def drawn(measured: dict[str, Any]) -> dict[str, tuple[float, list[float], tuple[float, float]]]:
    """Table 1's rows as `lesson.plots.front_end_scores` takes them: the paper's F1, ours, the interval, in percent."""
    return {row.name: (row.paper["dev_f1"], [100 * f1 for f1 in measured["systems"][system]["dev"]],
                       tuple(100 * end for end in measured["systems"][system]["ci95"])) for system, row in PAPER.items()}


def claims(measured: dict[str, Any]) -> pd.DataFrame:
    """The paper's sentences: ``paper says``, ``difference here`` in points with its 95 % interval, and ``verdict``."""
    return pd.DataFrame([
        {"the paper says": claim.says, "difference here": _points(found), "verdict": _verdict(claim.sign, found)}
        for claim, found in zip(CLAIMS, measured["claims"])
    ])


def _mean(values: np.ndarray, draws: np.ndarray) -> Interval:
    """Mean over classes, (class,) and (resample, class); classes without events are left out."""
    return interval(pd.Series(values).mean(), pd.DataFrame(draws).mean(axis=1).to_numpy())


def _points(found: dict[str, float]) -> str:
    return "{value:+.1f} ({low:+.1f} to {high:+.1f})".format(**{name: 100 * value for name, value in found.items()})


def _verdict(sign: int, found: dict[str, float]) -> str:
    """What an interval says about a difference; one that holds 0 proves neither a difference nor that there is none."""
    if found["low"] <= 0 <= found["high"]:
        return "no difference seen, as said" if sign == 0 else "not decided by these runs"
    if sign == 0:
        return "does not hold: better here" if found["low"] > 0 else "does not hold: worse here"
    return "holds" if (found["low"] > 0) == (sign > 0) else "does not hold: the opposite here"


def _spread(values: list[float]) -> str:
    percent = 100 * np.array(values)
    spread = f" ± {percent.std(ddof=1):.1f}" if len(percent) > 1 else ""
    return f"{percent.mean():.1f}{spread}" if len(percent) else ""
