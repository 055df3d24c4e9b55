"""The gain of tuned transition probabilities on clips that they were not tuned on.

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
from reproduction.scoring import run_of, score_hmm
from sedlib.data import layout, tables
from sedlib.decode import Posteriors, tuning
from sedlib.decode.tuning import SEARCHES, tune
from sedlib.errors import SedError
from sedlib.files import write_json
from sedlib.workspace import dataset, outputs, workspace

PUBLISHED = shipped("figures") / "hmm.json"
SPLITS = 20
SLOW_SPLITS = 4  # of the forest on the systems of this course: it takes a minute a split


class Outputs(NamedTuple):
    """Posteriors of a system, and the reference of their clips."""

    name: str
    reference: pd.DataFrame
    posteriors: Posteriors
    clip_s: float | None = None  # where the length of the clips is known


def real_outputs() -> Outputs | None:
    """Read the outputs of a system on real clips that the user has provided; None without any.

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
        needed = "validation.tsv (an event table) and NAME/scores.npz (posteriors of the same clips)"
        raise SedError(f"{folder}: expected {needed}")
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
        One per split.

    Returns
    -------
    dict of lists with a value per split
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


def study(profile: str = "lesson", splits: int = SPLITS) -> dict[str, Any]:
    """Measure `gains` of all searches, of real outputs where there are any and of every system with a "+HMM" row.

    Of a system seed 0 counts, where its run is finished.

    Returns
    -------
    dict
        ``profile generator measured_by`` and ``systems``: by name, by search, what `gains` returns, and a checksum,
        ``scores``, of the scores and of the code of the searches. Finished ones are kept in ``report/overfitting.json``
        of the workspace, so that an interrupted study resumes.
    """
    path, cases = workspace() / "report" / "overfitting.json", _cases(profile)
    measured = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    code = zlib.crc32(inspect.getsource(tuning).encode())
    for name, reference, posteriors, clip_s in tqdm(cases, desc="systems"):
        of_system = measured.setdefault(name, {})
        scores = zlib.crc32(np.ascontiguousarray(posteriors.scores).tobytes(), code)
        for search in SEARCHES:
            many = min(splits, SLOW_SPLITS) if search == "forest" and clip_s is not None else splits
            done = of_system.get(search, {})
            if (done.get("scores"), len(done.get("tuned", ()))) != (scores, many):
                found = gains(posteriors, reference, search, range(many), clip_s, True)
                of_system[search] = {**found, "scores": scores}
                write_json(path, measured)
    return {**stamp(profile), "systems": {case.name: measured[case.name] for case in cases}}


def _cases(profile: str) -> list[Outputs]:
    root = dataset("mini", profile)
    real = real_outputs()
    cases = [] if real is None else [real._replace(name=f"real DESED, {real.name}")]
    reference = layout.load(root, "validation").table
    for system in dict.fromkeys(row.system for row in ROWS if row.decoding != "median"):
        run = run_of(profile, root, system, 0)
        if run.state == "scored":
            posteriors = Posteriors.load(run.folder / "validation.npz")
            cases.append(Outputs(system, reference, posteriors, run.config.features.clip_s))
    return cases


def rows(profile: str, data: Path, seed: int = 0) -> pd.DataFrame:
    """Score the rows of Tables 2 and 3 with an HMM, from the stored posteriors of one training each.

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
            "median, dev": _f1(run.results, "validation"),
            "HMM, dev": _f1(exact, "validation"),
            "HMM, unseen": exact["unseen_f1"],
            "robust, unseen": robust["unseen_f1"],
            "median, eval": _f1(run.results, "public"),
            "HMM, eval": _f1(exact, "public"),
            "robust, eval": _f1(robust, "public"),
        }
        shown = {name: "" if f1 is None else f"{100 * f1:.1f}" for name, f1 in numbers.items()}
        found.append({"table": row.table, "row": row.name, **shown})
    return pd.DataFrame(found)


def _f1(results: dict[str, Any], subset: str) -> float | None:
    return results[subset]["event_f1"]["macro"] if subset in results else None


def published() -> dict[str, Any]:
    """Read the published `study`; ``from`` tells its file and the version that measured it."""
    return load(PUBLISHED)


def table(measured: dict[str, Any]) -> pd.DataFrame:
    """Tabulate per system and search gains in points with the standard error over splits, ``seconds``, ``splits``."""
    rows = []
    for system, searches in measured["systems"].items():
        for search, found in searches.items():
            median, seconds = f"{np.mean(found['baseline']):.1f}", f"{np.median(found['seconds']):.1f}"
            gained = [with_error(found[half]) for half in ("tuned", "other")]
            rows.append([system, median, search, *gained, seconds, len(found["tuned"])])
    gains = ["gain, tuned half", "gain, other half"]
    return pd.DataFrame(rows, columns=["system", "median, other half (%)", "search", *gains, "seconds", "splits"])


def with_error(values: Sequence[float]) -> str:
    """Format mean and standard error, signed, in points."""
    error = f" ± {np.std(values, ddof=1) / np.sqrt(len(values)):.1f}" if len(values) > 1 else ""
    return f"{np.mean(values):+.1f}{error}"


def text(measured: dict[str, Any]) -> str:
    """Describe the picture of what was measured."""
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
    """Measure the gain of each search on halves that did not tune it."""
    try:
        measured = study(profile, splits)
    except SedError as error:
        raise click.ClickException(str(error)) from None
    click.echo(table(measured).to_string(index=False))
    if publish:
        write_json(PUBLISHED, measured)


if __name__ == "__main__":
    main()
