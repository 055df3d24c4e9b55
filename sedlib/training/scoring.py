"""Posteriors, events and scores of a trained detector on the development and evaluation sets.

Clips without audio are left out of the reference, and results say how many. PSDS, by median filter and by HMM alike,
takes predictions at the challenge's 50 thresholds. Paper sections 3.4 and 4; taught in ``notebooks/04_mean_teacher.py``
and ``notebooks/06_hmm.py``.
"""

from __future__ import annotations

import functools
import warnings
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from sedlib.config import FOREST_CALLS, Decoding
from sedlib.data import layout, tables
from sedlib.data.store import open_store
from sedlib.decode import Hmm, Posteriors, hmm_events, median_events, operating_points
from sedlib.decode.posteriors import check_finite
from sedlib.decode.tuning import SEARCHES, Objective, forest, halves
from sedlib.errors import SedError
from sedlib.files import read_json, write_json
from sedlib.inference import posteriors
from sedlib.metrics import Missing, evaluate, event_f1, on_clips, with_length
from sedlib.training.ensemble import Ensemble
from sedlib.training.runs import Run, results_file

SUBSETS = ("validation", "public")  # the paper's "dev" and "eval"


def score(run: Run, data: str | Path, progress: bool = True) -> dict[str, Any]:
    """Score a finished run's tested network on the real clips with strong labels; done once, then read.

    Writes ``SUBSET.npz`` (posteriors), ``SUBSET.tsv`` (events) and ``results.json``.

    Returns
    -------
    dict
        For ``validation`` and, where the data has it, ``public``: what `sedlib.metrics.evaluate` returns;
        ``scored_by``: `scorer`; ``posteriors``: checksum of those of ``validation``.
    """
    if is_current(run, "median"):
        return run.results
    results = {}
    for name in write_posteriors(run, data, progress):
        events = median_events(_stored(run, name), run.config.decoding, run.config.features.clip_s)
        results[name] = _scored(run, data, name, run.config.decoding, events, f"{name}.tsv")
    write_json(run.folder / "results.json", results | _made_by(run))
    return run.results


def write_posteriors(run: Run, data: str | Path, progress: bool = True) -> list[str]:
    """Store the posteriors of a finished run, or the averages of an ensemble, unless they are stored already.

    Returns
    -------
    list of str
        `subsets_there`.

    Raises
    ------
    SedError
        If no development clip is there, or the network's posteriors are not finite.
    """
    subsets = subsets_there(data)
    missing = [name for name in subsets if not (run.folder / f"{name}.npz").exists()]
    if missing and isinstance(run, Ensemble):
        run.folder.mkdir(parents=True, exist_ok=True)
        for name in subsets:  # all of them, as a member may have been trained anew
            run.average(name).save(run.folder / f"{name}.npz")
    elif missing:
        detector = run.detector()
        for name in missing:
            store = open_store(data, name, progress=progress)
            try:
                found = posteriors(detector, store, run.config.frame_s, progress)
            except SedError as error:
                raise SedError(f"{run.folder}: {error}") from None
            found.save(run.folder / f"{name}.npz")
    return subsets


def subsets_there(data: str | Path) -> list[str]:
    """The subsets to score on: the development set, and the evaluation set unless its audio is missing."""
    if layout.is_there(data, layout.OPTIONAL):
        return list(SUBSETS)
    place = layout.SUBSETS[layout.OPTIONAL]
    if (Path(data) / place.metadata).exists():
        warnings.warn(
            f"{Path(data) / place.audio}: no audio of the evaluation set, so that it is not scored", stacklevel=2
        )
    return [name for name in SUBSETS if name != layout.OPTIONAL]


def reference_of(runs: Sequence[Run], data: str | Path, subset: str) -> tuple[pd.DataFrame, Missing | None]:
    """Reference events with a length, of the clips that all these runs have posteriors of; and what is missing.

    Raises
    ------
    SedError
        If a run has no stored posteriors, or no clip is left.
    """
    clips, *others = (_stored(run, subset).filenames for run in runs)
    for names in map(set, others):
        clips = [name for name in clips if name in names]
    return on_clips(with_length(layout.load(data, subset).table)[0], clips, f"{runs[0].folder / subset}.npz")


def tune_hmm(run: Run, data: str | Path, search: str = "exact") -> tuple[Hmm, Hmm]:
    """HMMs tuned on either half of the development clips, from stored posteriors; done once, then read.

    Writes ``hmm-SEARCH.json`` (tuned on the first half, the paper's) and ``hmm-SEARCH-second.json``.

    Raises
    ------
    SedError
        For an unknown search, or a run without stored posteriors.
    """
    if search not in SEARCHES:
        raise SedError(f"search {search!r} does not exist; choose one of {', '.join(SEARCHES)}")
    files = [run.folder / f"hmm-{search}{which}.json" for which in ("", "-second")]
    if not all(_is_current(run, file) for file in files):
        scores, (reference, _) = _stored(run, "validation"), reference_of([run], data, "validation")
        for path, half in zip(files, halves(reference), strict=True):
            objective = Objective(scores, half, run.config.features.clip_s)
            if search == "forest":
                hmm = forest(objective, 0, FOREST_CALLS[run.config.profile], progress=True)
            else:
                hmm = SEARCHES[search](objective, 0)
            write_json(path, {**hmm.to_dict(), "search": search} | _made_by(run))
    first, second = map(Hmm.load, files)
    return first, second


def score_hmm(run: Run, data: str | Path, search: str = "exact") -> dict[str, Any]:
    """Score the stored posteriors of a run with HMMs instead of the median filter; done once, then read.

    As in the paper, the HMM tuned on one half of the development clips decodes all of them, and the evaluation clips.
    As that half has been seen, each half is also decoded by the HMM of the other. Writes ``hmm-SEARCH.json``
    (`tune_hmm`), ``SUBSET-SEARCH.tsv``, ``unseen-SEARCH.tsv`` (events of the halves decoded by each other's HMM) and
    ``results-SEARCH.json``.

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
        As `score`, and ``unseen_f1``: macro F1 of the development clips, each half decoded by the other's HMM; ``hmm``:
        `Hmm.to_dict` of the first half's.

    Raises
    ------
    SedError
        For an unknown search, or a run that is not scored yet.
    """
    if search in SEARCHES and is_current(run, search):
        return run.results_of(search)
    first, second = tune_hmm(run, data, search)
    clip_s = run.config.features.clip_s
    results: dict[str, Any] = {"hmm": first.to_dict()}
    for name in SUBSETS:
        if (run.folder / f"{name}.npz").exists():
            results[name] = _scored(
                run, data, name, first, hmm_events(_stored(run, name), first, clip_s), f"{name}-{search}.tsv"
            )
    reference, _ = reference_of([run], data, "validation")
    scores = _stored(run, "validation")
    unseen = pd.concat(
        [
            hmm_events(scores.select(tables.filenames(half)), hmm, clip_s)
            for half, hmm in zip(halves(reference), (second, first), strict=True)
        ]
    )
    tables.write(unseen, run.folder / f"unseen-{search}.tsv")
    results["unseen_f1"] = event_f1(reference, unseen).macro
    results |= _made_by(run)
    write_json(run.folder / f"results-{search}.json", results)
    return results


def is_current(run: Run, decoding: str) -> bool:
    """Whether a run was scored by this code, from the posteriors that it has; otherwise it is scored anew."""
    return _is_current(run, run.folder / results_file(decoding))


def _is_current(run: Run, path: Path) -> bool:
    if not (path.is_file() and (run.folder / "validation.npz").is_file()):
        return False
    found, now = read_json(path), _made_by(run)
    return all(found.get(name) == now[name] for name in now)


def _made_by(run: Run) -> dict[str, str]:
    """What a score depends on: the code, and the posteriors."""
    stored = (run.folder / "validation.npz").read_bytes()
    return {"scored_by": scorer(), "posteriors": f"{zlib.crc32(stored):08x}"}


@functools.cache
def scorer() -> str:
    """Checksum of the code that decodes and scores."""
    package = Path(__file__).parents[1]
    files = [Path(__file__), *sorted(package.glob("decode/*.py")), *sorted(package.glob("metrics/*.py"))]
    return f"{zlib.crc32(b''.join(path.read_bytes() for path in files)):08x}"


def _stored(run: Run, subset: str) -> Posteriors:
    """A run's posteriors of a subset, which must be finite."""
    path = run.folder / f"{subset}.npz"
    if not path.exists():
        raise SedError(f"{run.folder}: the run has no results yet; `sedlib train` finishes it")
    scores = Posteriors.load(path)
    check_finite(scores.scores, scores.filenames, str(path))
    return scores


def _scored(
    run: Run, data: str | Path, subset: str, decoder: Hmm | Decoding, events: pd.DataFrame, name: str
) -> dict[str, Any]:
    """Write the events and evaluate them."""
    tables.write(events, run.folder / name)
    scores = _stored(run, subset)
    points = operating_points(scores, decoder, duration_s=run.config.features.clip_s)
    return evaluate(
        Path(data) / layout.SUBSETS[subset].metadata, run.folder / name, operating_points=points, clips=scores.filenames
    )
