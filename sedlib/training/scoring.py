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

SUBSETS = ("validation", "public")  # the paper's "dev" and "eval"


def score(run: Run, data: str | Path, progress: bool = True) -> dict[str, Any]:
    """Score a finished run's tested network on the real clips with strong labels; done once, then read.

    Writes ``SUBSET.npz`` (posteriors), ``SUBSET.tsv`` (events) and ``results.json``.

    Returns
    -------
    dict
        For ``validation`` and, where the data has it, ``public``: what `sedlib.metrics.evaluate` returns; and
        `made_by`.
    """
    path = run.folder / "results.json"
    if not is_current(run, path):
        subsets = write_posteriors(run, data, progress)
        results = {name: evaluated(run, data, name, run.config.decoding, f"{name}.tsv") for name in subsets}
        write_json(path, results | made_by(run))
    return run.results


def write_posteriors(run: Run, data: str | Path, progress: bool = True) -> list[str]:
    """Store the posteriors of a finished run, unless they are stored already, and return `subsets_there`.

    Raises
    ------
    SedError
        If no development clip is there, or the network's posteriors are not finite.
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
    """List the subsets to score on: the development set, and the evaluation set unless its audio is missing."""
    if layout.is_there(data, layout.OPTIONAL):
        return list(SUBSETS)
    place = layout.SUBSETS[layout.OPTIONAL]
    if (Path(data) / place.metadata).exists():
        warnings.warn(f"{Path(data) / place.audio}: no audio of the evaluation set, so it is not scored", stacklevel=2)
    return [name for name in SUBSETS if name != layout.OPTIONAL]


def stored(run: Run, subset: str) -> Posteriors:
    """Load a run's posteriors of a subset; `SedError` if they are missing or not finite."""
    path = run.folder / f"{subset}.npz"
    if not path.exists():
        raise SedError(f"{run.folder}: the run has no results yet; `sedlib train` finishes it")
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
    if not (path.is_file() and (run.folder / "validation.npz").is_file()):
        return False
    return made_by(run, *more).items() <= read_json(path).items()


def made_by(run: Run, *more: Path) -> dict[str, str]:
    """Checksums of what a score depends on: ``scored_by``, the code, and ``posteriors``, of ``validation``."""
    stored_bytes = (run.folder / "validation.npz").read_bytes()
    return {"scored_by": scorer(*more), "posteriors": f"{zlib.crc32(stored_bytes):08x}"}


@functools.cache
def scorer(*more: Path) -> str:
    """Compute the checksum of the code that decodes and scores, and of ``more`` files."""
    package = Path(__file__).parents[1]
    files = [Path(__file__), *sorted(package.glob("decode/*.py")), *sorted(package.glob("metrics/*.py")), *more]
    return f"{zlib.crc32(b''.join(path.read_bytes() for path in files)):08x}"
