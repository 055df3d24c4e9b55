"""What tuned transition probabilities are worth on clips that they were not tuned on.

``python -m reproduction.studies.overfitting`` measures it. Paper section 4.3 and the last two rows of Table 3, which
differ in nothing but these probabilities; taught in ``notebooks/06_hmm.py``. The clips are cut in two at random, one
half tunes, both are scored, many times over.
"""

from __future__ import annotations

import inspect
import json
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import click
import numpy as np
import pandas as pd
from tqdm.auto import tqdm

from reproduction import shipped
from reproduction.published import load, stamp
from reproduction.rows import ROWS
from sedlib.data import layout, tables
from sedlib.decode import Posteriors, tuning
from sedlib.decode.tuning import SEARCHES, tune
from sedlib.errors import SedError
from sedlib.training import score_hmm
from sedlib.training.ensemble import run_of
from sedlib.training.runs import write_json
from sedlib.workspace import dataset, outputs, workspace

PUBLISHED = shipped("figures") / "hmm.json"
SPLITS = 20
SLOW_SPLITS = 4  # of the forest on the systems of this course: it takes a minute a split


class Outputs(NamedTuple):
    """A real system's outputs on real clips."""

    name: str
    reference: pd.DataFrame
    posteriors: Posteriors


def real_outputs() -> Outputs | None:
    """Outputs of a system on real clips, where the user has put some; None otherwise.

    They lie in the folder that ``SEDLIB_OUTPUTS`` names, by default ``data/outputs`` of the workspace:
    ``validation.tsv`` (event table) and ``NAME/scores.npz`` (`Posteriors`; the first of them by name is taken).

    Raises
    ------
    SedError
        If the folder lacks one of the two.
    """
    named = outputs()
    folder = named or workspace() / "data" / "outputs"
    if not named and not folder.is_dir():
        return None
    scores = sorted(folder.glob("*/scores.npz"))
    if not scores or not (folder / "validation.tsv").is_file():
        raise SedError(
            f"{folder}: expected validation.tsv (an event table) and NAME/scores.npz (posteriors of the same clips)"
        )
    return Outputs(scores[0].parent.name, tables.read_events(folder / "validation.tsv"), Posteriors.load(scores[0]))


def gains(
    posteriors: Posteriors,
    reference: pd.DataFrame,
    search: str,
    seeds: Sequence[int] = range(SPLITS),
    duration_s: float | None = None,
    progress: bool = False,
) -> dict[str, list[float]]:
    """Tune on random halves and score both.

    Parameters
    ----------
    posteriors, reference, search, duration_s
        As for `tune`.
    seeds : sequence of int
        A split each.

    Returns
    -------
    dict of lists with a value a split
        ``tuned`` and ``other``: macro F1 over that of the median filter on the same half, in points; ``baseline``: the
        median filter's F1 on the other half, percent; ``seconds``.
    """
    found: dict[str, list[float]] = {name: [] for name in ("tuned", "other", "baseline", "seconds")}
    for seed in tqdm(seeds, desc=search, disable=not progress, leave=False):
        result = tune(posteriors, reference, search, seed=seed, duration_s=duration_s)
        for half in ("tuned", "other"):
            tuned, median = (result[name][f"f1_{half}_half"] for name in ("tuned", "baseline"))
            found[half].append(100 * (tuned - median))
        found["baseline"].append(100 * result["baseline"]["f1_other_half"])
        found["seconds"].append(result["seconds"])
    return found


def study(profile: str = "lesson", splits: int = SPLITS, slow_splits: int = SLOW_SPLITS) -> dict[str, Any]:
    """`gains` of all three searches, of real outputs where there are any and of every system that a "+HMM" row decodes.

    Of a system seed 0 counts, where its run is finished.

    Returns
    -------
    dict
        ``profile generator measured_by`` and ``systems``: by name, by search, what `gains` returns, and a checksum,
        ``scores``, of the scores and of the code of the searches. Each search's are kept in ``report/overfitting.json``
        of the workspace.
    """
    root = dataset("mini", profile)
    cases = []
    if (real := real_outputs()) is not None:
        cases.append((f"real DESED, {real.name}", real.posteriors, real.reference, None))
    reference = layout.load(root, "validation").table
    for system in dict.fromkeys(row.system for row in ROWS if row.decoding != "median"):
        run = run_of(profile, root, system, 0)
        if run.state == "scored":
            cases.append(
                (system, Posteriors.load(run.folder / "validation.npz"), reference, run.config.features.clip_s)
            )
    path = workspace() / "report" / "overfitting.json"
    measured = _read(path)  # what an earlier call has found, so that a study that was stopped goes on
    for name, posteriors, table, clip_s in tqdm(cases, desc="systems"):
        of_system = measured.setdefault(name, {})
        for search in SEARCHES:
            many = min(splits, slow_splits) if search == "forest" and clip_s is not None else splits
            scores = zlib.crc32(
                np.ascontiguousarray(posteriors.scores).tobytes(), zlib.crc32(inspect.getsource(tuning).encode())
            )
            done = of_system.get(search, {})
            if (done.get("scores"), len(done.get("tuned", ()))) != (scores, many):
                of_system[search] = {**gains(posteriors, table, search, range(many), clip_s, True), "scores": scores}
                path.parent.mkdir(parents=True, exist_ok=True)
                write_json(path, measured)
    systems = {name: measured[name] for name, *_ in cases}
    return {**stamp(profile), "systems": systems}


def _read(path: Path) -> dict[str, Any]:
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}


def rows(profile: str, data: Path, seed: int = 0) -> pd.DataFrame:
    """The rows of Tables 2 and 3 with an HMM, from the stored posteriors of one training each, without any network.

    Returns
    -------
    DataFrame
        Event-based macro F1 in percent, as text: the paper's; here on the development clips by median filter, by HMM as
        in the paper (half of the clips tuned it), by the HMM of the half that a clip is not in (``unseen``), by robust
        tuning in the same way; and on the evaluation clips. Rows whose system is not trained are left out.
    """
    found = []
    for row in ROWS:
        run = run_of(profile, data, row.system, seed)
        if row.decoding == "median" or run.state != "scored":
            continue
        exact, robust = (score_hmm(run, data, search) for search in (row.decoding, "robust"))
        numbers = {
            "paper, dev": row.paper["dev_f1"] / 100,
            "median, dev": f1_of(run.results, "validation"),
            "HMM, dev": f1_of(exact, "validation"),
            "HMM, unseen": exact["unseen_f1"],
            "robust, unseen": robust["unseen_f1"],
            "median, eval": f1_of(run.results, "public"),
            "HMM, eval": f1_of(exact, "public"),
            "robust, eval": f1_of(robust, "public"),
        }
        shown = {name: "" if f1 is None else f"{100 * f1:.1f}" for name, f1 in numbers.items()}
        found.append({"table": row.table, "row": row.name, **shown})
    return pd.DataFrame(found)


def f1_of(results: dict[str, Any], subset: str) -> float | None:
    """Macro F1 of a subset in the results of a run, None where there is none."""
    return results[subset]["event_f1"]["macro"] if subset in results else None


def published() -> dict[str, Any]:
    """What `study` found when it was last published; ``from`` says where that stands and which version measured it."""
    return load(PUBLISHED)


def table(measured: dict[str, Any]) -> pd.DataFrame:
    """A row a system and search: gains in points with the standard error over splits, ``seconds``, ``splits``."""
    rows = []
    for system, searches in measured["systems"].items():
        for search, found in searches.items():
            median, seconds = f"{np.mean(found['baseline']):.1f}", f"{np.median(found['seconds']):.1f}"
            gained = [with_error(found[half]) for half in ("tuned", "other")]
            rows.append([system, median, search, *gained, seconds, len(found["tuned"])])
    gains = ["gain, tuned half", "gain, other half"]
    return pd.DataFrame(rows, columns=["system", "median, other half (%)", "search", *gains, "seconds", "splits"])


def with_error(values: Sequence[float]) -> str:
    """Mean and standard error, signed, in points."""
    error = f" ± {np.std(values, ddof=1) / np.sqrt(len(values)):.1f}" if len(values) > 1 else ""
    return f"{np.mean(values):+.1f}{error}"


def text(measured: dict[str, Any]) -> str:
    """What was measured, for people: describes the picture."""
    rows = [f"{row.system}, {row.search}: {row[4]} and {row[5]}" for row in table(measured).itertuples()]
    return (
        "Macro F1 over the median filter in points, on the half that was tuned on and on the other one, mean over "
        f"splits with standard error. {'; '.join(rows)}."
    )


@click.command()
@click.option("--profile", default="lesson", show_default=True)
@click.option("--splits", default=SPLITS, show_default=True, type=click.IntRange(2))
@click.option("--publish", is_flag=True, help="Write figures/hmm.json.")
def main(profile: str, splits: int, publish: bool) -> None:
    """Measure what each search is worth on halves that it has not seen."""
    try:
        measured = study(profile, splits)
    except SedError as error:
        raise click.ClickException(str(error)) from None
    click.echo(table(measured).to_string(index=False))
    if publish:
        write_json(PUBLISHED, measured)


if __name__ == "__main__":
    main()
