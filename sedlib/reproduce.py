"""The batch: data, trainings, scores, executed lessons, and the report with the table "paper / here".

What ``make reproduce`` runs. Every part that is finished already is kept, so a batch that was stopped goes on.
"""

from __future__ import annotations

import statistics
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from sedlib.lesson.course import lessons
from sedlib.lesson.execute import execute
from sedlib.lesson.report import report
from sedlib.systems import ROWS, Row, configuration
from sedlib.training import Run, score, score_hmm, train
from sedlib.workspace import dataset, run_folder, workspace


def reproduce(profile_name: str = "lesson", data: str = "mini", seeds: int = 1) -> Path:
    """Train and score every system of the paper's tables with seeds 0, 1, ..., execute all lessons and write the report.

    Parameters
    ----------
    profile_name : str
        smoke, lesson or paper.
    data : str
        As `sedlib.workspace.dataset` takes it.
    seeds : int
        Trainings of each system.

    Returns
    -------
    path of the report's first page
    """
    root = dataset(data, profile_name)
    runs: dict[str, list[Run]] = {}
    for system in dict.fromkeys(row.system for row in ROWS if row.system):
        config = configuration(system, profile_name)
        for seed in range(seeds):
            run = train(config, root, seed, run_folder(profile_name, root, system, seed))
            score(run, root)
            for decoding in dict.fromkeys(row.decoding for row in ROWS if row.system == system and row.decoding != "median"):
                for search in (decoding, "robust"):  # the paper's, and what its parameters could have been
                    score_hmm(run, root, search)
            runs.setdefault(system, []).append(run)
    values = {"profile": profile_name, "data": data, "interactive": False}
    out = workspace() / "report"
    executed = [execute(lesson, out / "lessons", **values) for lesson in lessons()]
    return report(executed, paper_table(runs), out)


def paper_table(runs: dict[str, list[Run]]) -> pd.DataFrame:
    """Every number of Tables 1 to 3 beside ours.

    Parameters
    ----------
    runs : dict of lists of Run
        Scored runs of each system that was trained, a run per seed.

    Returns
    -------
    DataFrame ``table system score paper here note``
        ``here`` is None for what cannot be trained yet.
    """
    rows = []
    for row in ROWS:
        trained = runs.get(row.system, [])
        results = [run.results_of(row.decoding) for run in trained]
        for column, value in row.paper.items():
            score = _SCORES[column]
            rows.append({
                "table": row.table, "system": row.name, "score": score.name, "paper": f"{value:g}",
                "here": _spread(score, results) if results else None,
                "note": _note(row, trained) if trained and column == "dev_f1" else "",
            })
    return pd.DataFrame(rows)


class _Score(NamedTuple):
    """A column of the paper's tables: its name, and where and as what it stands in the results of a run."""

    name: str
    subset: str
    place: tuple[str, str]
    factor: float
    digits: int


_SCORES = {
    "dev_f1": _Score("development F1 (%)", "validation", ("event_f1", "macro"), 100, 1),
    "eval_f1": _Score("evaluation F1 (%)", "public", ("event_f1", "macro"), 100, 1),
    "dev_psds": _Score("development PSDS", "validation", ("psds", "value"), 1, 3),
}


def _spread(score: _Score, results: list[dict]) -> str:
    """Mean and standard deviation over seeds, or the one value there is."""
    part, name = score.place
    found = [result[score.subset][part][name] for result in results if score.subset in result]
    values = [score.factor * value for value in found if value is not None]
    if not values:
        return "no score: no event to find" if found else "no such clips"
    mean = f"{statistics.mean(values):.{score.digits}f}"
    return f"{mean} ± {statistics.stdev(values):.{score.digits}f}" if len(values) > 1 else mean


def _note(row: Row, trained: list[Run]) -> str:
    results = [run.results_of(row.decoding) for run in trained]
    parts = [f"{len(results)} seeds; mean ± standard deviation" if len(results) > 1 else "1 seed"]
    limits = results[0]["validation"]["event_f1"]["ci95"]
    if None not in limits:
        parts.append("95 % interval of seed 0 over clips: {:.1f} to {:.1f} %".format(*(100 * limit for limit in limits)))
    if row.decoding != "median":
        unseen, robust = ([100 * run.results_of(search)["unseen_f1"] for run in trained] for search in (row.decoding, "robust"))
        parts.append(f"half of these clips tuned the HMM; with that of the other half {statistics.mean(unseen):.1f} %, "
                     f"by robust tuning {statistics.mean(robust):.1f} %")
    return "; ".join(parts)
