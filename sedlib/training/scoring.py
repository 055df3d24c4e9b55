"""Posteriors, events and scores of a trained detector on the development and evaluation sets.

Clips without audio are left out of the reference, and results say how many. PSDS takes predictions at the challenge's
50 thresholds. Paper section 4; taught in ``notebooks/04_mean_teacher.py``.
"""

from __future__ import annotations

import functools
import warnings
import zlib
from pathlib import Path
from typing import Any

from sedlib.config import Decoding
from sedlib.data import layout, tables
from sedlib.data.store import open_store
from sedlib.decode import Decoder, Posteriors, find_events, operating_points
from sedlib.decode.posteriors import check_finite
from sedlib.errors import SedError
from sedlib.files import read_json, write_json
from sedlib.inference import posteriors
from sedlib.metrics import evaluate
from sedlib.training.runs import Run

SUBSETS = layout.EVALUATED  # the paper's "dev" and "eval"


def score(run: Run, data: str | Path, progress: bool = True) -> dict[str, Any]:
    """Score a finished run's tested network on the real clips with strong labels; done once, then read.

    Writes ``SUBSET.npz`` (posteriors), ``SUBSET.tsv`` (events) and ``results.json``, which is returned: for each of
    `subsets_there` what `sedlib.metrics.evaluate` returns; and `made_by`.
    """
    path, subsets = run.folder / "results.json", subsets_there(data)
    if not (is_current(run, path) and run.results.keys() >= {*subsets}):
        write_posteriors(run, data, progress)
        results = {name: evaluated(run, data, name, run.config.decoding, f"{name}.tsv") for name in subsets}
        write_json(path, results | made_by(run))
    return run.results


def write_posteriors(run: Run, data: str | Path, progress: bool = True) -> list[str]:
    """Store the posteriors of a finished run, unless they are stored already, and return `subsets_there`.

    `SedError` if no clip with strong labels is there, or the network's posteriors are not finite.
    """
    subsets = subsets_there(data)
    missing = [name for name in subsets if not (run.folder / f"{name}.npz").exists()]
    if missing:
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
    """List the subsets to score on, those whose clips are there; the development set if neither is, for its error."""
    there = [name for name in SUBSETS if layout.is_there(data, name)] or [SUBSETS[0]]
    for name in set(SUBSETS) - {*there}:
        place = layout.SUBSETS[name]
        if name != layout.OPTIONAL or (Path(data) / place.metadata).exists():
            text = f"{data}: {name!r} is not scored: {place.audio}/ has no clips, or {place.metadata} is missing"
            warnings.warn(text, stacklevel=1)  # of this line, so that it is said once
    return there


def stored(run: Run, subset: str) -> Posteriors:
    """Load a run's posteriors of a subset; `SedError` if they are missing or not finite."""
    path = run.folder / f"{subset}.npz"
    if not path.exists():
        raise SedError(
            f"{run.folder}: the run has no results of {subset!r} yet; `sedlib train` scores what the data has"
        )
    scores = Posteriors.load(path)
    check_finite(scores.scores, scores.filenames, str(path))
    return scores


def evaluated(run: Run, data: str | Path, subset: str, decoder: Decoder | Decoding, name: str) -> dict[str, Any]:
    """Decode a run's stored posteriors of a subset, write the events as ``name``, and evaluate them."""
    scores, clip_s = stored(run, subset), run.config.features.clip_s
    tables.write(find_events(scores, decoder, clip_s), run.folder / name)
    points = operating_points(scores, decoder, duration_s=clip_s)
    reference = Path(data) / layout.SUBSETS[subset].metadata
    return evaluate(reference, run.folder / name, operating_points=points, clips=scores.filenames)


def is_current(run: Run, path: Path, *more: Path) -> bool:
    """Whether a file of scores was `made_by` this code and ``more``, from the posteriors that the run has."""
    return path.is_file() and _scored_on(run).is_file() and made_by(run, *more).items() <= read_json(path).items()


def made_by(run: Run, *more: Path) -> dict[str, str]:
    """Checksums of what a score depends on: ``scored_by``, the code, and ``posteriors``, of the first of `SUBSETS`."""
    return {"scored_by": scorer(*more), "posteriors": f"{zlib.crc32(_scored_on(run).read_bytes()):08x}"}


def _scored_on(run: Run) -> Path:
    """Return the stored posteriors of the development set, or of the evaluation set where those are the only ones."""
    development, evaluation = (run.folder / f"{name}.npz" for name in SUBSETS)
    return evaluation if evaluation.is_file() and not development.is_file() else development


@functools.cache
def scorer(*more: Path) -> str:
    """Compute the checksum of the code that decodes and scores, and of ``more`` files."""
    package = Path(__file__).parents[1]
    files = [Path(__file__), *sorted(package.glob("decode/*.py")), *sorted(package.glob("metrics/*.py")), *more]
    return f"{zlib.crc32(b''.join(path.read_bytes() for path in files)):08x}"
