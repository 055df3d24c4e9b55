"""What a trained detector is worth: its posteriors, events and scores on the development and evaluation sets.

Paper sections 3.4 and 4; taught in ``notebooks/04_mean_teacher.py`` and ``notebooks/06_hmm.py``.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from sedlib.data import layout, tables
from sedlib.data.store import open_store
from sedlib.decode import Hmm, Posteriors, hmm_events, median_events, median_scores, operating_points, posteriors
from sedlib.decode.tuning import SEARCHES, Objective, halves
from sedlib.errors import SedError
from sedlib.metrics import evaluate, event_f1
from sedlib.metrics.psds import psds_from_operating_points
from sedlib.training.runs import Run, write_json

SUBSETS = ("validation", "public")  # the paper's "dev" and "eval"


def score(run: Run, data: str | Path, progress: bool = True) -> dict[str, Any]:
    """Score a finished run's teacher on the real clips with strong labels; done once, then read.

    PSDS is that of the posteriors after the median filter, as the challenge's baseline has it.
    Writes ``SUBSET.npz`` (posteriors), ``SUBSET.tsv`` (events) and ``results.json`` into the run's folder.

    Returns
    -------
    dict
        For ``validation`` and, where the data has it, ``public``: what `sedlib.metrics.evaluate` returns.
    """
    if (run.folder / "results.json").exists():
        return run.results
    config, detector = run.config, run.detector("teacher")
    results = {}
    for name in SUBSETS:
        place = layout.SUBSETS[name]
        reference = Path(data) / place.metadata
        if name != "validation" and not reference.exists():
            continue  # an evaluation set is a luxury; a development set is needed
        scores = posteriors(detector, open_store(data, name, progress=progress), config.frame_s, progress)
        scores.save(run.folder / f"{name}.npz")
        tables.write(median_events(scores, config.decoding, config.features.clip_s), run.folder / f"{name}.tsv")
        results[name] = evaluate(reference, run.folder / f"{name}.tsv", scores=median_scores(scores, config.decoding))
    write_json(run.folder / "results.json", results)
    return results


def score_hmm(run: Run, data: str | Path, search: str = "exact") -> dict[str, Any]:
    """Score the stored posteriors of a scored run with HMMs instead of the median filter; no network is needed, and done once.

    As in the paper, transition probabilities are tuned on one half of the development clips and used for all of them, and for
    the evaluation clips. As that half has been seen, each half is also decoded with what was tuned on the other one.
    Writes ``SUBSET-SEARCH.tsv`` (events) and ``results-SEARCH.json`` into the run's folder.

    Parameters
    ----------
    run : Run
    data : path
        The data set that it was trained on.
    search : str
        forest, exact (the paper's family at its best) or robust.

    Returns
    -------
    dict
        ``validation`` and, where the run has it, ``public``: as of `score`; PSDS of the former alone, which is the paper's, from 50
        operating points. ``unseen_f1``: macro F1 of the development clips, each half decoded by the other's HMM; ``hmm``:
        `Hmm.to_dict` of the first half's.

    Raises
    ------
    SedError
        For an unknown search, or a run that is not scored yet.
    """
    if search not in SEARCHES:
        raise SedError(f"search {search!r} does not exist; choose one of {', '.join(SEARCHES)}")
    path = run.folder / f"results-{search}.json"
    if path.exists():
        return run.results_of(search)
    clip_s = run.config.features.clip_s
    subsets = [name for name in SUBSETS if name in run.results]
    scores = {name: Posteriors.load(run.folder / f"{name}.npz") for name in subsets}
    reference = layout.load(data, "validation").table
    both = halves(reference)
    first, second = (SEARCHES[search](Objective(scores["validation"], half, clip_s), 0) for half in both)
    results: dict[str, Any] = {"hmm": first.to_dict()}
    for name in subsets:
        results[name] = _scored(run, name, scores[name], first, Path(data) / layout.SUBSETS[name].metadata, search)
    unseen = [hmm_events(scores["validation"].select(tables.filenames(half)), hmm, clip_s)
              for half, hmm in zip(both, (second, first))]
    results["unseen_f1"] = event_f1(reference, pd.concat(unseen)).macro
    write_json(path, results)
    return results


def _scored(run: Run, name: str, scores: Posteriors, hmm: Hmm, reference: Path, search: str) -> dict[str, Any]:
    clip_s, events = run.config.features.clip_s, run.folder / f"{name}-{search}.tsv"
    tables.write(hmm_events(scores, hmm, clip_s), events)
    result = evaluate(reference, events)
    if name == "validation":
        points = operating_points(scores, hmm, duration_s=clip_s)
        psds = psds_from_operating_points(tables.read_events(reference), points.values())
        result["psds"] = {"value": psds.value, "per_class": psds.per_class, "method": f"psds_eval, {len(points)} thresholds"}
    return result
