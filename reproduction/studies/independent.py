"""PSDS that is independent of the post-processing, which separates a worse network from a worse operating point.

miPSDS (Ebbers, Haeb-Umbach and Serizel, DCASE Workshop 2023, arXiv:2306.15440) takes, for each class and each number of
false alarms, the best of several median filters, at every threshold. sed_scores_eval computes it; here is what it
needs. ``python -m reproduction.studies.independent [PROFILE [DATA]]`` lists it for the trainings of the workspace.
Taught in ``notebooks/06_hmm.py``.
"""

from __future__ import annotations

import sys
import warnings
from typing import Any

import numpy as np
import pandas as pd
from tqdm.auto import tqdm

from sedlib.data import layout
from sedlib.decode import Posteriors
from sedlib.metrics import on_clips
from sedlib.metrics.psds import assumed_durations, merge_overlaps
from sedlib.training import Run
from sedlib.training.scoring import stored
from sedlib.workspace import dataset, run_folder

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # it imports pkg_resources
    from sed_scores_eval.base_modules.scores import create_score_dataframe
    from sed_scores_eval.intersection_based.pipsds import median_filter_independent_psds

LENGTHS = (0.0, 0.2, 0.45, 0.9, 1.9, 3.9)  # seconds of the median filters


def sed_scores(
    posteriors: Posteriors, reference: pd.DataFrame
) -> tuple[dict[str, pd.DataFrame], dict[str, list[tuple[float, float, str]]], dict[str, float]]:
    """Give scores, reference events and durations of the clips as sed_scores_eval takes them.

    Classes without reference events are left out. Overlapping events of a class are merged, as for the tables.
    """
    truth, _ = merge_overlaps(reference)
    scored = [name for name in posteriors.classes if name in set(truth["event_label"])]
    columns = [posteriors.classes.index(name) for name in scored]
    times = np.arange(posteriors.scores.shape[1] + 1) * posteriors.frame_s
    clips = zip(posteriors.filenames, posteriors.scores, strict=True)
    frames = {name: create_score_dataframe(clip[:, columns].astype(float), times, scored) for name, clip in clips}
    # Touching events of a class a rounding error apart: sed_scores_eval refuses events that overlap.
    of = ["filename", "event_label"]
    touching = (truth["onset"] == truth["offset"].shift()) & (truth[of] == truth[of].shift()).all(axis=1)
    truth = truth.assign(onset=truth["onset"].mask(touching, np.nextafter(truth["onset"], np.inf)))
    events: dict[str, list[tuple[float, float, str]]] = {name: [] for name in posteriors.filenames}
    for name, onset, offset, label in truth.itertuples(index=False):
        events[name].append((onset, offset, label))
    return frames, events, assumed_durations(reference)


def independent_psds(posteriors: Posteriors, reference: pd.DataFrame, lengths: tuple[float, ...] = LENGTHS) -> float:
    """Compute miPSDS over median filters of these lengths, seconds; tolerance criteria as of the tables' PSDS."""
    frames, events, durations = sed_scores(posteriors, reference)
    options: dict[str, Any] = {"dtc_threshold": 0.5, "gtc_threshold": 0.5, "alpha_ct": 0.0, "alpha_st": 0.0}
    found = median_filter_independent_psds(
        frames, events, durations, median_filter_lengths_in_sec=list(lengths), max_efpr=100.0, **options
    )
    return float(found[0])


def table(profile: str = "lesson", data: str = "mini") -> pd.DataFrame:
    """Tabulate PSDS by the paper's median filter, and miPSDS, of the development clips, for each scored training."""
    root, rows = dataset(data, profile), []
    truth = layout.load(root, "validation").table
    scored = run_folder(profile, root, "system", 0).parents[1].glob("*/seed*/results.json")
    for run in tqdm([Run(path.parent) for path in sorted(scored)], leave=False):
        scores = stored(run, "validation")
        independent = independent_psds(scores, on_clips(truth, scores.filenames)[0])
        psds = run.results["validation"]["psds"]["value"]
        rows.append([run.folder.parent.name, run.folder.name, round(psds, 3), round(independent, 3)])
    return pd.DataFrame(rows, columns=["system", "seed", "PSDS", "miPSDS"])


if __name__ == "__main__":
    print(table(*sys.argv[1:]).to_string(index=False))
