"""What tuned decoders gain on clips that they were not tuned on: HMMs, and the other decoders for comparison.

``python -m reproduction.studies.postprocessing`` measures it. Paper section 4.3 and the last two rows of Table 3, which
differ only in these probabilities; taught in ``notebooks/06_hmm.py``. The clips are cut in two at random, one
half tunes, both are scored, many times over.
"""

from __future__ import annotations

import time
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import click
import numpy as np
import pandas as pd
from tqdm.auto import tqdm

from reproduction import shipped
from reproduction.plan import BESIDE
from reproduction.published import load, stamp
from reproduction.rows import ROWS
from reproduction.scoring import run_of, score_tuned
from sedlib.config import Decoding
from sedlib.data import layout, tables
from sedlib.decode import Decoder, Posteriors, find_events, operating_points
from sedlib.decode.tuning import SEARCHES, Objective, Search, halves
from sedlib.errors import SedError
from sedlib.files import read_json, write_json
from sedlib.metrics import event_f1, on_clips, psds_from_operating_points
from sedlib.training.scoring import scorer
from sedlib.workspace import dataset, outputs, workspace

PUBLISHED = shipped("figures") / "decoders.json"
RIVALS = {"median by class": "median-robust", "HMM": "robust", "HSMM": "hsmm-robust", "boxes": "boxes-robust"}
SPLITS = 20
SLOW_SPLITS = 4  # of the forest, which takes a minute a split


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
    outputs: Outputs,
    search: str | Search,
    seeds: Sequence[int] = range(SPLITS),
    psds: bool = False,
    progress: bool = False,
) -> dict[str, list]:
    """Tune on random halves and score both, beside the median filter of the paper.

    Parameters
    ----------
    outputs : Outputs
    search : str
        One of `sedlib.decode.tuning.SEARCHES` or such a function, or "median": the paper's filter itself, which tunes
        nothing.
    seeds : sequence of int
        One per split.
    psds : bool
        Whether to compute PSDS on the other halves, which takes longer than everything else.

    Returns
    -------
    dict of lists with a value per split
        ``tuned`` and ``other``: macro F1 over that of the median filter on the same half, in points; ``psds`` of
        the other half (empty if not asked for); ``baseline``: the median filter's F1 there, percent; ``seconds`` of the
        search. And ``by_class``: for each class the mean over splits of its gain on the other half, None without
        events.
    """
    found: dict[str, list] = {name: [] for name in ("tuned", "other", "psds", "baseline", "seconds")}
    by_class = []
    reference, _ = on_clips(outputs.reference, outputs.posteriors.filenames)
    for seed in tqdm(seeds, desc=str(search), disable=not progress, leave=False):
        both = halves(reference, seed=seed)
        start = time.perf_counter()
        decoder: Decoder | Decoding = Decoding()
        if search != "median":
            tune = SEARCHES[search] if isinstance(search, str) else search
            decoder = tune(Objective(outputs.posteriors, both[0], outputs.clip_s), seed)
        found["seconds"].append(time.perf_counter() - start)
        before, after = ([_f1_by_class(outputs, of, half) for half in both] for of in (Decoding(), decoder))
        for name, median, f1 in zip(("tuned", "other"), before, after, strict=True):
            found[name].append(float(np.nanmean(f1) - np.nanmean(median)))
        by_class.append(after[1] - before[1])
        found["baseline"].append(float(np.nanmean(before[1])))
        if psds:
            scores = outputs.posteriors.select(tables.filenames(both[1]))
            points = operating_points(scores, decoder, duration_s=outputs.clip_s)
            found["psds"].append(psds_from_operating_points(both[1], points.values()).value)
    mean = pd.DataFrame(by_class).mean()  # without NaN
    return {**found, "by_class": [None if np.isnan(value) else value for value in mean]}


def _f1_by_class(outputs: Outputs, decoder: Decoder | Decoding, half: pd.DataFrame) -> np.ndarray:
    """F1 of every class on some of the clips, percent; NaN for one without reference events."""
    scores = outputs.posteriors.select(tables.filenames(half))
    counted = event_f1(half, find_events(scores, decoder, outputs.clip_s), classes=scores.classes)
    return np.array([100 * of["f1"] for of in counted.per_class.values()])


def study(profile: str = "lesson", splits: int = SPLITS, psds: bool = True) -> dict[str, Any]:
    """Measure `gains` of all searches, of real outputs where there are any and of every system with a "+HMM" row.

    Only seed 0 of a system counts, if its run is finished.

    Returns
    -------
    dict
        ``profile generator measured_by`` and ``systems``: by name ``seconds``, the median duration of each class's
        events, and ``searches``: by name what `gains` returns, and a checksum, ``scores``, of the code that decodes
        and of the scores. Finished ones are kept in ``report/postprocessing.json`` of the workspace, so that an
        interrupted study resumes.
    """
    path, cases = workspace() / "report" / "postprocessing.json", _cases(profile)
    measured = read_json(path) if path.is_file() else {}
    for case in tqdm(cases, desc="systems"):
        of_system = measured.setdefault(case.name, {"seconds": durations(case), "searches": {}})
        scores = f"{scorer()}-{zlib.crc32(np.ascontiguousarray(case.posteriors.scores).tobytes()):08x}"
        for search in ("median", *SEARCHES):
            many = min(splits, SLOW_SPLITS) if search == "forest" else splits
            done = of_system["searches"].get(search, {})
            if (done.get("scores"), len(done.get("tuned", ())), bool(done.get("psds"))) != (scores, many, psds):
                of_system["searches"][search] = {**gains(case, search, range(many), psds, True), "scores": scores}
                write_json(path, measured)
    return {**stamp(profile), "systems": {one.name: measured[one.name] for one in cases}}


def durations(outputs: Outputs) -> list[float | None]:
    """Compute the median duration of each class's reference events, seconds; None without any."""
    events = tables.events(outputs.reference)
    medians = (events["offset"] - events["onset"]).groupby(events["event_label"]).median()
    return [medians.get(name) for name in outputs.posteriors.classes]


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
        tuning and the other decoders in the same way; and on the evaluation clips. Rows whose system
        is not trained are left out.
    """
    found = []
    for row in ROWS:
        run = run_of(profile, data, row.system, seed)
        if row.decoding == "median" or run.state != "scored":
            continue
        exact, robust, *others = (score_tuned(run, data, search) for search in (row.decoding, *BESIDE))
        numbers = {
            "paper, dev": row.paper["dev_f1"] / 100,
            "median, dev": _f1(run.results, "validation"),
            "HMM, dev": _f1(exact, "validation"),
            "HMM, unseen": exact["unseen_f1"],
            "robust, unseen": robust["unseen_f1"],
            **{f"{name}, unseen": of["unseen_f1"] for name, of in zip(BESIDE[1:], others, strict=True)},
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
    """Tabulate per system and search: gains in points with the standard error over splits, PSDS, ``seconds``."""
    rows = []
    for system, of in measured["systems"].items():
        for search, found in of["searches"].items():
            median, seconds = f"{np.mean(found['baseline']):.1f}", f"{np.median(found['seconds']):.1f}"
            gained = [with_error(found[half]) for half in ("tuned", "other")]
            psds = f"{np.mean(found['psds']):.3f}" if found["psds"] else ""
            rows.append([system, median, search, *gained, psds, seconds, len(found["tuned"])])
    gains = ["gain, tuned half", "gain, other half", "PSDS, other half"]
    return pd.DataFrame(rows, columns=["system", "median, other half (%)", "search", *gains, "seconds", "splits"])


def by_class(of_system: dict[str, Any]) -> pd.DataFrame:
    """Tabulate gains of `RIVALS` on the other half by class, the shortest events first: ``class seconds``, theirs."""
    found = {name: np.array(of_system["searches"][search]["by_class"], float) for name, search in RIVALS.items()}
    every = pd.DataFrame({"class": tables.CLASSES, "seconds": np.array(of_system["seconds"], float), **found})
    return every.sort_values("seconds", ignore_index=True)


def with_error(values: Sequence[float]) -> str:
    """Format mean and standard error, signed, in points."""
    error = f" ± {np.std(values, ddof=1) / np.sqrt(len(values)):.1f}" if len(values) > 1 else ""
    return f"{np.mean(values):+.1f}{error}"


def text(drawn: dict[str, dict[str, dict[str, list]]]) -> str:
    """Describe the picture of gains: by system and search."""
    said = [
        f"{system}, {search}: {with_error(found['tuned'])} and {with_error(found['other'])}"
        for system, searches in drawn.items()
        for search, found in searches.items()
    ]
    return (
        "Macro F1 over the median filter in points, on the half that was tuned on and on the other one, mean over "
        f"splits with standard error. {'; '.join(said)}."
    )


def class_text(system: str, gains: pd.DataFrame) -> str:
    """Describe the picture of `by_class`."""
    decoders = gains.columns[2:]
    said = [f"{of['class']} {', '.join(f'{of[name]:+.1f}' for name in decoders)}" for _, of in gains.iterrows()]
    return (
        f"{system}: points of event F1 over the median filter on clips that did not tune, by class, the shortest "
        f"events first, for {', '.join(decoders)}: {'; '.join(said)}."
    )


@click.command()
@click.option("--profile", default="lesson", show_default=True)
@click.option("--splits", default=SPLITS, show_default=True, type=click.IntRange(2))
@click.option("--psds/--no-psds", default=True, help="PSDS takes longer than all the rest.")
@click.option("--publish", is_flag=True, help="Write figures/decoders.json.")
def main(profile: str, splits: int, psds: bool, publish: bool) -> None:
    """Measure the gain of each search on halves that did not tune it."""
    try:
        measured = study(profile, splits, psds)
    except SedError as error:
        raise click.ClickException(str(error)) from None
    click.echo(table(measured).to_string(index=False))
    for name, of in measured["systems"].items():
        click.echo(f"\n{name}, gains on the other half by class\n")
        click.echo(by_class(of).round(1).to_string(index=False))
    if publish:
        write_json(PUBLISHED, measured)


if __name__ == "__main__":
    main()
