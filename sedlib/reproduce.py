"""The batch: data, trainings, scores, executed lessons, and the report with the table "paper / here".

What ``make reproduce`` runs. Every part that is finished already is kept, so a batch that was stopped goes on.
"""

from __future__ import annotations

import statistics
from pathlib import Path

import pandas as pd

from sedlib.lesson.course import lessons
from sedlib.lesson.execute import execute
from sedlib.lesson.report import report
from sedlib.systems import ROWS, SYSTEMS, configuration
from sedlib.training import Run, score, train
from sedlib.workspace import dataset, run_folder, workspace


def reproduce(profile_name: str = "lesson", data: str = "mini", seeds: int = 1) -> Path:
    """Train and score every system with seeds 0, 1, ..., execute all lessons and write the report.

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
    for system in SYSTEMS:
        config = configuration(system, profile_name)
        for seed in range(seeds):
            run = train(config, root, seed, run_folder(profile_name, root, system, seed))
            score(run, root)
            runs.setdefault(system, []).append(run)
    values = {"profile": profile_name, "data": data, "interactive": False}
    out = workspace() / "report"
    executed = [execute(lesson, out / "lessons", **values) for lesson in lessons()]
    return report(executed, paper_table(runs), out)


def paper_table(runs: dict[str, list[Run]]) -> pd.DataFrame:
    """The rows of Tables 1 to 3, each with the paper's numbers and ours.

    Parameters
    ----------
    runs : dict of lists of Run
        Scored runs of each system that was trained, a run per seed.

    Returns
    -------
    DataFrame ``system paper here note``
        ``here`` is None for what cannot be trained yet.
    """
    rows = []
    for row in ROWS:
        results = [run.results for run in runs.get(row.system, [])]
        columns = [column for column in _COLUMNS if column in row.paper]
        rows.append({
            "system": f"Table {row.table}: {row.name}",
            "paper": "; ".join(_TITLES[c].format(f"{row.paper[c]:g} %" if c != "dev_psds" else row.paper[c]) for c in columns),
            "here": "; ".join(_TITLES[c].format(_spread(c, results)) for c in columns) if results else None,
            "note": _note(results) if results else "",
        })
    return pd.DataFrame(rows)


_COLUMNS = {  # of the paper's tables: subset, place in the results, factor, form
    "dev_f1": ("validation", ("event_f1", "macro"), 100, "{:.1f} %"),
    "eval_f1": ("public", ("event_f1", "macro"), 100, "{:.1f} %"),
    "dev_psds": ("validation", ("psds", "value"), 1, "{:.3f}"),
}
_TITLES = {"dev_f1": "development F1 {}", "eval_f1": "evaluation F1 {}", "dev_psds": "development PSDS {}"}


def _spread(column: str, results: list[dict]) -> str:
    """Mean and standard deviation over seeds, or the one value there is."""
    subset, (part, name), factor, form = _COLUMNS[column]
    values = [factor * result[subset][part][name] for result in results if subset in result]
    if not values:
        return "(no such clips)"
    mean = form.format(statistics.mean(values))
    return f"{mean} ± {form.format(statistics.stdev(values))}" if len(values) > 1 else mean


def _note(results: list[dict]) -> str:
    low, high = (100 * limit for limit in results[0]["validation"]["event_f1"]["ci95"])
    spread = "mean ± standard deviation; " if len(results) > 1 else ""
    return f"{len(results)} seed{'s' * (len(results) > 1)}; {spread}95 % interval of seed 0 over clips: {low:.1f} to {high:.1f} %"
