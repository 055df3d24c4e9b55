"""What a trained detector is worth: its posteriors, events and scores on the development and evaluation sets.

Paper section 4; taught in ``notebooks/04_mean_teacher.py``.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sedlib.data import layout, tables
from sedlib.data.store import open_store
from sedlib.decode import median_events, posteriors
from sedlib.metrics import evaluate
from sedlib.training.runs import Run, write_json

SUBSETS = ("validation", "public")  # the paper's "dev" and "eval"


def score(run: Run, data: str | Path, progress: bool = True) -> dict[str, Any]:
    """Score a finished run's teacher on the real clips with strong labels; done once, then read.

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
        results[name] = evaluate(reference, run.folder / f"{name}.tsv", scores=run.folder / f"{name}.npz")
    write_json(run.folder / "results.json", results)
    return results
