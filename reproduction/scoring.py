"""Scores as in the paper: decoders tuned on half of the development clips, and ensembles of several trainings.

Paper sections 3.4 and 4.3; taught in ``notebooks/06_hmm.py`` and ``notebooks/07_paper_ledger.py``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from sedlib.config import Config
from sedlib.data import layout, tables
from sedlib.decode import Decoder, Posteriors, find_events, load_decoder
from sedlib.decode.tuning import SEARCHES, Objective, forest, halves
from sedlib.errors import SedError
from sedlib.files import read_json, write_json
from sedlib.metrics import Missing, event_f1, on_clips, with_length
from sedlib.systems import ENSEMBLES
from sedlib.training import Run, scoring
from sedlib.training.scoring import SUBSETS, evaluated, stored, subsets_there
from sedlib.workspace import run_folder

CODE = Path(__file__)
# Evaluations of the random forest that searches HMMs (section 3.4); with 20 it only shows that it runs.
FOREST_CALLS: dict[str, int] = {"paper": 200, "lesson": 200, "smoke": 20}


class Ensemble(Run):
    """Several trainings as one system: the average of their posteriors, scored like a run.

    "To obtain emission probabilities we simply averaged the outputs of the different models" (paper section 4.3).

    Parameters
    ----------
    folder : path
        Of its posteriors, events and scores.
    members : sequence of Run
    """

    def __init__(self, folder: str | Path, members: Sequence[Run]) -> None:
        super().__init__(folder)
        self.members = list(members)

    @property
    def finished(self) -> bool:
        """Whether all members are."""
        return all(member.finished for member in self.members)

    @property
    def config(self) -> Config:
        """The first member's."""
        return self.members[0].config

    def average(self, subset: str) -> Posteriors:
        """Average the members' posteriors of a subset.

        Raises
        ------
        SedError
            If a member has not stored its posteriors, or they are of other clips, classes or frames.
        """
        paths = [member.folder / f"{subset}.npz" for member in self.members]
        for path in paths:
            if not path.exists():
                raise SedError(f"{path}: missing, and an ensemble averages all its members; score that run first")
        return average([Posteriors.load(path) for path in paths])

    def write_posteriors(self, data: str | Path) -> None:
        """Store the averages unless they are stored; if one is missing, all, as a member may have been retrained."""
        paths = {subset: self.folder / f"{subset}.npz" for subset in subsets_there(data)}
        if not all(path.exists() for path in paths.values()):
            self.folder.mkdir(parents=True, exist_ok=True)
            for subset, path in paths.items():
                self.average(subset).save(path)


def average(members: Sequence[Posteriors]) -> Posteriors:
    """Average several systems' posteriors of the same clips, in the first one's order.

    Raises
    ------
    SedError
        If clips, classes or frames differ.
    """
    first = members[0]
    total = np.zeros(first.scores.shape, np.float64)
    for member in members:
        of_both = [(one.classes, one.frame_s, one.scores.shape[1], set(one.filenames)) for one in (first, member)]
        for what, *both in zip(("classes", "seconds of a frame", "frames", "clips"), *of_both, strict=True):
            if both[0] != both[1]:
                raise SedError(f"posteriors to be averaged differ in their {what}; all must cover the same clips")
        total += member.select(first.filenames).scores / (100 if member.scores.dtype == np.uint8 else 1)
    return replace(first, scores=(total / len(members)).astype(np.float32))


def run_of(profile_name: str, data: Path, system: str, seed: int) -> Run:
    """Return a system's run of the workspace; an ensemble with its members, whose seeds are relative to its own."""
    folder = run_folder(profile_name, data, system, seed)
    if system not in ENSEMBLES:
        return Run(folder)
    return Ensemble(folder, [run_of(profile_name, data, member, seed + above) for member, above in ENSEMBLES[system]])


def reference_of(runs: Sequence[Run], data: str | Path, subset: str) -> tuple[pd.DataFrame, Missing | None]:
    """Read the reference events with a length, of the clips that all these runs have posteriors of.

    Returns
    -------
    events : DataFrame
    missing : Missing or None
        What of the data set's reference is left out.

    Raises
    ------
    SedError
        If a run has no stored posteriors, or no clip is left.
    """
    clips, *others = (stored(run, subset).filenames for run in runs)
    for names in map(set, others):
        clips = [name for name in clips if name in names]
    return on_clips(with_length(layout.load(data, subset).table)[0], clips, f"{runs[0].folder / subset}.npz")


def tuned(run: Run, data: str | Path, decoding: str = "exact") -> tuple[Decoder, Decoder]:
    """Tune a decoder on either half of the development clips, from stored posteriors; done once, then read.

    Writes ``decoder-DECODING.json`` (tuned on the first half, the paper's) and ``decoder-DECODING-second.json``.

    Raises
    ------
    SedError
        For an unknown decoding, or a run without stored posteriors.
    """
    if decoding not in SEARCHES:
        raise SedError(f"decoding {decoding!r} does not exist; choose one of median, {', '.join(SEARCHES)}")
    files = [run.folder / f"decoder-{decoding}{which}.json" for which in ("", "-second")]
    if not all(scoring.is_current(run, file, CODE) for file in files):
        scores, (reference, _) = stored(run, "validation"), reference_of([run], data, "validation")
        for path, half in zip(files, halves(reference), strict=True):
            objective = Objective(scores, half, run.config.features.clip_s)
            if decoding == "forest":
                decoder: Decoder = forest(objective, 0, FOREST_CALLS[run.config.profile], progress=True)
            else:
                decoder = SEARCHES[decoding](objective, 0)
            write_json(path, {**decoder.to_dict(), "decoding": decoding} | scoring.made_by(run, CODE))
    first, second = map(load_decoder, files)
    return first, second


def score_tuned(run: Run, data: str | Path, decoding: str = "exact") -> dict[str, Any]:
    """Score a run's stored posteriors with a tuned decoder instead of the median filter; done once, then read.

    As in the paper, the decoder tuned on one half of the development clips decodes all of them, and the evaluation
    clips. As it has seen that half, each half is also decoded with the decoder tuned on the other. Writes the files of
    `tuned`,
    ``SUBSET-DECODING.tsv``, ``unseen-DECODING.tsv`` (events of the halves, each decoded as the other tuned) and
    ``results-DECODING.json``.

    Parameters
    ----------
    run : Run
    data : path
        The data set that it was trained on.
    decoding : str
        One of `sedlib.decode.tuning.SEARCHES`: of HMMs forest, exact (the paper's family at its best) or robust; of the
        other decoders METHOD-exact or METHOD-robust.

    Returns
    -------
    dict
        As `sedlib.training.score`, and ``unseen_f1``: macro F1 of the development clips, each half decoded by what the
        other tuned; ``decoder``: the first half's, as its ``to_dict`` gives it.

    Raises
    ------
    SedError
        For an unknown decoding, or a run that is not scored yet.
    """
    if decoding in SEARCHES and is_current(run, decoding):
        return results_of(run, decoding)
    first, second = tuned(run, data, decoding)
    there = [name for name in SUBSETS if (run.folder / f"{name}.npz").exists()]
    results: dict[str, Any] = {"decoder": first.to_dict()}
    results |= {name: evaluated(run, data, name, first, f"{name}-{decoding}.tsv") for name in there}
    reference, _ = reference_of([run], data, "validation")
    scores, clip_s = stored(run, "validation"), run.config.features.clip_s
    crossed = zip(halves(reference), (second, first), strict=True)
    unseen = pd.concat([find_events(scores.select(tables.filenames(half)), other, clip_s) for half, other in crossed])
    tables.write(unseen, run.folder / f"unseen-{decoding}.tsv")
    results["unseen_f1"] = event_f1(reference, unseen).macro
    results |= scoring.made_by(run, CODE)
    write_json(run.folder / results_file(decoding), results)
    return results


def results_file(decoding: str) -> str:
    """Name the file with the scores by ``median`` filter, or by a tuned decoder."""
    return "results.json" if decoding == "median" else f"results-{decoding}.json"


def results_of(run: Run, decoding: str) -> dict[str, Any]:
    """Read the scores by ``median`` filter, or by a tuned decoder."""
    path = run.folder / results_file(decoding)
    if decoding == "median":
        return run.results
    if not path.is_file():
        raise SedError(f"{run.folder}: not scored by decoding {decoding!r} yet; call `score_tuned`")
    return read_json(path)


def is_current(run: Run, decoding: str) -> bool:
    """Whether this code scored a run in this way, from its present posteriors; otherwise it is scored again."""
    return scoring.is_current(run, run.folder / results_file(decoding), *(() if decoding == "median" else (CODE,)))
