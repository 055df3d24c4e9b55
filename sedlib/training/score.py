"""What a trained detector is worth: its posteriors, events and scores on the development and evaluation sets.

Paper sections 3.4 and 4; taught in ``notebooks/04_mean_teacher.py`` and ``notebooks/06_hmm.py``.
"""

from __future__ import annotations

import functools
import zlib
from pathlib import Path
from typing import Any

import pandas as pd

from sedlib.config import FOREST_CALLS
from sedlib.data import layout, tables
from sedlib.data.store import open_store
from sedlib.decode import Hmm, Posteriors, hmm_events, median_events, median_scores, operating_points, posteriors
from sedlib.decode.tuning import SEARCHES, Objective, forest, halves
from sedlib.errors import SedError
from sedlib.metrics import evaluate, event_f1
from sedlib.metrics.psds import psds_from_operating_points
from sedlib.training.ensemble import Ensemble
from sedlib.training.runs import Run, read_json, results_file, write_json

SUBSETS = ("validation", "public")  # the paper's "dev" and "eval"


def score(run: Run, data: str | Path, progress: bool = True) -> dict[str, Any]:
    """Score a finished run's teacher on the real clips with strong labels; done once, then read.

    PSDS is that of the posteriors after the median filter, as the challenge's baseline has it.
    Writes ``SUBSET.npz`` (posteriors), ``SUBSET.tsv`` (events) and ``results.json`` into the run's folder.

    Returns
    -------
    dict
        For ``validation`` and, where the data has it, ``public``: what `sedlib.metrics.evaluate` returns; ``scored_by``: `scorer`;
        ``posteriors``: checksum of those of ``validation``.
    """
    if is_current(run, "median"):
        return run.results
    config, results = run.config, {}
    for name in write_posteriors(run, data, progress):
        scores = Posteriors.load(run.folder / f"{name}.npz")
        tables.write(median_events(scores, config.decoding, config.features.clip_s), run.folder / f"{name}.tsv")
        reference = Path(data) / layout.SUBSETS[name].metadata
        results[name] = evaluate(reference, run.folder / f"{name}.tsv", scores=median_scores(scores, config.decoding))
    write_json(run.folder / "results.json", results | _made_by(run))
    return run.results


def write_posteriors(run: Run, data: str | Path, progress: bool = True) -> list[str]:
    """Store the posteriors of a finished run, or the averages of an ensemble, where they are not stored yet.

    Returns
    -------
    list of str
        The subsets that there are: an evaluation set is a luxury, a development set is needed.
    """
    subsets = [name for name in SUBSETS if name == "validation" or (Path(data) / layout.SUBSETS[name].metadata).exists()]
    missing = [name for name in subsets if not (run.folder / f"{name}.npz").exists()]
    if missing and isinstance(run, Ensemble):
        run.folder.mkdir(parents=True, exist_ok=True)
        for name in subsets:  # all of them, as a member may have been trained anew
            run.average(name).save(run.folder / f"{name}.npz")
    elif missing:
        detector = run.detector("teacher")
        for name in missing:
            found = posteriors(detector, open_store(data, name, progress=progress), run.config.frame_s, progress)
            found.save(run.folder / f"{name}.npz")
    return subsets


def tune_hmm(run: Run, data: str | Path, search: str = "exact") -> tuple[Hmm, Hmm]:
    """HMMs tuned on either half of the development clips, from stored posteriors; done once, then read.

    Writes ``hmm-SEARCH.json`` (tuned on the first half, which is used as the paper uses its half) and ``hmm-SEARCH-second.json``
    into the run's folder; ``sedlib decode --hmm`` takes either.

    Raises
    ------
    SedError
        For an unknown search, or a run without stored posteriors.
    """
    if search not in SEARCHES:
        raise SedError(f"search {search!r} does not exist; choose one of {', '.join(SEARCHES)}")
    files = [run.folder / f"hmm-{search}{which}.json" for which in ("", "-second")]
    if not all(_is_current(run, file) for file in files):
        if not (run.folder / "validation.npz").exists():
            raise SedError(f"{run.folder}: the run has no results yet; `sedlib train` finishes it")
        scores, reference = Posteriors.load(run.folder / "validation.npz"), layout.load(data, "validation").table
        for path, half in zip(files, halves(reference)):
            objective = Objective(scores, half, run.config.features.clip_s)
            if search == "forest":
                hmm = forest(objective, 0, FOREST_CALLS[run.config.profile], progress=True)
            else:
                hmm = SEARCHES[search](objective, 0)
            write_json(path, {**hmm.to_dict(), "search": search} | _made_by(run))
    first, second = map(Hmm.load, files)
    return first, second


def score_hmm(run: Run, data: str | Path, search: str = "exact") -> dict[str, Any]:
    """Score the stored posteriors of a scored run with HMMs instead of the median filter; no network is needed, and done once.

    As in the paper, transition probabilities are tuned on one half of the development clips and used for all of them, and for
    the evaluation clips. As that half has been seen, each half is also decoded with what was tuned on the other one.
    Writes ``hmm-SEARCH.json`` (`tune_hmm`), ``SUBSET-SEARCH.tsv`` (events; ``unseen-SEARCH.tsv`` of the halves decoded by each
    other's HMM) and ``results-SEARCH.json`` into the run's folder.

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
        `Hmm.to_dict` of the first half's; ``scored_by`` and ``posteriors`` as of `score`.

    Raises
    ------
    SedError
        For an unknown search, or a run that is not scored yet.
    """
    if search in SEARCHES and is_current(run, search):
        return run.results_of(search)
    first, second = tune_hmm(run, data, search)
    clip_s = run.config.features.clip_s
    scores = {name: Posteriors.load(run.folder / f"{name}.npz") for name in SUBSETS if (run.folder / f"{name}.npz").exists()}
    reference = layout.load(data, "validation").table
    results: dict[str, Any] = {"hmm": first.to_dict()}
    for name in scores:
        results[name] = _scored(run, name, scores[name], first, Path(data) / layout.SUBSETS[name].metadata, search)
    unseen = pd.concat([hmm_events(scores["validation"].select(tables.filenames(half)), hmm, clip_s)
                        for half, hmm in zip(halves(reference), (second, first))])
    tables.write(unseen, run.folder / f"unseen-{search}.tsv")
    results["unseen_f1"] = event_f1(reference, unseen).macro
    results |= _made_by(run)
    write_json(run.folder / f"results-{search}.json", results)
    return results


def is_current(run: Run, decoding: str) -> bool:
    """Whether the run was scored by this version of the code, from the posteriors that it has; otherwise it is scored anew."""
    return _is_current(run, run.folder / results_file(decoding))


def _is_current(run: Run, path: Path) -> bool:
    if not path.is_file():
        return False
    found, now = read_json(path), _made_by(run)
    return all(found.get(name) == now[name] for name in now)


def _made_by(run: Run) -> dict[str, str]:
    """What a score depends on: the code, and the posteriors where they are still there."""
    stored = run.folder / "validation.npz"
    return {"scored_by": scorer()} | ({"posteriors": f"{zlib.crc32(stored.read_bytes()):08x}"} if stored.exists() else {})


@functools.cache
def scorer() -> str:
    """A checksum of the code that decodes and scores, so that scores of another version are known as such."""
    rooms = (Path(__file__).parents[1] / name for name in ("decode", "metrics"))
    files = [Path(__file__), *(path for room in rooms for path in sorted(room.glob("*.py")))]
    return f"{zlib.crc32(b''.join(path.read_bytes() for path in files)):08x}"


def _scored(run: Run, name: str, scores: Posteriors, hmm: Hmm, reference: Path, search: str) -> dict[str, Any]:
    clip_s, events = run.config.features.clip_s, run.folder / f"{name}-{search}.tsv"
    tables.write(hmm_events(scores, hmm, clip_s), events)
    result = evaluate(reference, events)
    if name == "validation":
        points = operating_points(scores, hmm, duration_s=clip_s)
        psds = psds_from_operating_points(tables.read_events(reference), points.values())
        result["psds"] = {"value": psds.value, "per_class": psds.per_class, "method": f"psds_eval, {len(points)} thresholds"}
    return result
