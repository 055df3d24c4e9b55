"""Decoders beside each other on clips that they were not tuned on: event F1, by class, and PSDS.

``python -m reproduction.studies.postprocessing`` measures them, on the outputs that `real_outputs` finds. The clips are
cut in two at random, one half tunes, the other judges, many times over. Taught in ``notebooks/06_hmm.py``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import click
import numpy as np
import pandas as pd
from tqdm.auto import tqdm

from reproduction.studies.overfitting import Outputs, real_outputs, with_error
from sedlib.config import Decoding
from sedlib.data import tables
from sedlib.decode import find_events, operating_points
from sedlib.decode.tuning import Objective, halves, searches
from sedlib.errors import SedError
from sedlib.files import write_json
from sedlib.metrics import event_f1, on_clips, psds_from_operating_points
from sedlib.workspace import workspace

SPLITS = 20
CASES = (
    ("median", "exact"),
    ("median", "robust"),
    ("hmm", "exact"),
    ("hmm", "robust"),
    ("hsmm", "exact"),
    ("hsmm", "robust"),
    ("boxes", "exact"),
    ("boxes", "robust"),
)


def judged(outputs: Outputs, decoder: Any, half: pd.DataFrame, psds: bool) -> dict[str, Any]:
    """Score a decoder on a half: ``f1`` (class,) in percent, and ``psds`` or None."""
    scores = outputs.posteriors.select(tables.filenames(half))
    counted = event_f1(half, find_events(scores, decoder, outputs.clip_s), classes=scores.classes)
    points = operating_points(scores, decoder, duration_s=outputs.clip_s).values() if psds else None
    return {
        "f1": [100 * of["f1"] for of in counted.per_class.values()],
        "psds": None if points is None else psds_from_operating_points(half, points).value,
    }


def compare(
    outputs: Outputs,
    cases: Sequence[tuple[str, str]] = CASES,
    splits: int = SPLITS,
    psds: bool = True,
    progress: bool = False,
) -> dict[str, Any]:
    """Tune every method and search on random halves and judge them on the other ones.

    Returns
    -------
    dict
        ``classes``; ``seconds``, the median length of their reference events; ``decoders``: by name, "METHOD, SEARCH"
        and "baseline", a list with what `judged` returns for each split.
    """
    reference, _ = on_clips(outputs.reference, outputs.posteriors.filenames)
    length = reference["offset"] - reference["onset"]
    found: dict[str, list] = {name: [] for name in ("baseline", *map(", ".join, cases))}
    for seed in tqdm(range(splits), desc="splits", disable=not progress, leave=False):
        tuned_half, other = halves(reference, seed=seed)
        objective = Objective(outputs.posteriors, tuned_half, outputs.clip_s)
        found["baseline"].append(judged(outputs, Decoding(), other, psds))
        for method, search in cases:
            decoder = searches(method)[search](objective, seed)
            found[f"{method}, {search}"].append(judged(outputs, decoder, other, psds))
    classes = outputs.posteriors.classes
    medians = length.groupby(reference["event_label"]).median()
    return {"classes": list(classes), "seconds": [float(medians.get(c, np.nan)) for c in classes], "decoders": found}


def gains(measured: dict[str, Any]) -> dict[str, np.ndarray]:
    """Compute F1 over the baseline's on the same half, points, by decoder: (split, class)."""
    f1 = {name: np.array([of["f1"] for of in splits]) for name, splits in measured["decoders"].items()}
    return {name: of - f1["baseline"] for name, of in f1.items() if name != "baseline"}


def table(measured: dict[str, Any]) -> pd.DataFrame:
    """Tabulate gains of macro F1 with their standard errors over splits, those by class, and PSDS; rows by decoder."""
    by_length = np.argsort(measured["seconds"])
    rows = []
    for name, of in gains(measured).items():
        psds = [split["psds"] for split in measured["decoders"][name]]
        each = {measured["classes"][k]: f"{np.nanmean(of[:, k]):+.1f}" for k in by_length}
        shown = "" if None in psds else f"{np.mean(psds):.3f}"
        rows.append({"decoder": name, "F1": with_error(np.nanmean(of, axis=1).tolist()), "PSDS": shown, **each})
    return pd.DataFrame(rows)


@click.command()
@click.option("--splits", default=SPLITS, show_default=True, type=click.IntRange(2))
@click.option("--psds/--no-psds", default=True, help="PSDS takes longer than all the rest.")
def main(splits: int, psds: bool) -> None:
    """Compare decoders on halves of the real outputs that did not tune them."""
    try:
        outputs = real_outputs()
        if outputs is None:
            raise SedError("no outputs of a system on real clips; SEDLIB_OUTPUTS names their folder")
        measured = compare(outputs, CASES, splits, psds, progress=True)
    except SedError as error:
        raise click.ClickException(str(error)) from None
    write_json(workspace() / "report" / "postprocessing.json", measured)
    click.echo(table(measured).to_string(index=False))


if __name__ == "__main__":
    main()
