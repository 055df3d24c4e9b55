"""PSDS whatever the post-processing: of one filter it is PSDS, of several no less, and flicker costs nothing."""

import numpy as np
import pytest
from psds_oracle import psds_at_every_threshold

from reproduction.studies.independent import independent_psds, table
from sedlib.data import layout, tables
from sedlib.data.encoder import strong_labels
from sedlib.data.tables import CLASSES
from sedlib.decode import Posteriors
from sedlib.training import Run
from sedlib.workspace import run_folder


def noisy(folder, subset: str, flicker: float = 0.0) -> tuple[Posteriors, object]:
    """Posteriors that know the events up to noise, with some frames inverted; and the reference."""
    truth = layout.load(folder, subset).table
    clips, rng = tables.filenames(truth), np.random.default_rng(0)
    active = strong_labels(truth, clips, 157, 0.06375)
    scores = 1 / (1 + np.exp(2 - 4 * active - rng.normal(size=active.shape)))
    scores = np.where(rng.random(active.shape) < flicker, 1 - scores, scores)
    return Posteriors(scores.astype(np.float32), clips, CLASSES, 0.06375), truth


def test_of_one_filter_it_is_psds_and_of_several_no_less(tiny):
    scores, truth = noisy(tiny, "synthetic")
    plain, _ = psds_at_every_threshold(truth, scores.scores, scores.filenames, scores.frame_s, classes=CLASSES)
    assert independent_psds(scores, truth, (0.0,)) == pytest.approx(plain)
    assert independent_psds(scores, truth, (0.0, 0.45, 1.9)) >= plain


def test_flicker_is_an_operating_points_fault_and_noise_is_not(tiny):
    """A filter mends single wrong frames; what a network does not know no filter brings back."""
    clean, flickers = (noisy(tiny, "synthetic", share) for share in (0.0, 0.05))
    loss = [
        independent_psds(*clean, lengths) - independent_psds(*flickers, lengths) for lengths in ((0.0,), (0.0, 0.45))
    ]
    assert loss[0] > 0.1 and loss[1] < loss[0] / 2


def test_trainings_are_listed(tiny, workspace):
    folder = run_folder("smoke", tiny, "baseline", 3)
    folder.mkdir(parents=True)
    scores, truth = noisy(tiny, "validation")
    scores.save(folder / "validation.npz")
    (folder / "results.json").write_text('{"validation": {"psds": {"value": 0.25}}}')
    assert Run(folder).results["validation"]["psds"]["value"] == 0.25
    (row,) = table("smoke", str(tiny)).values.tolist()
    assert row == ["baseline", "seed3", 0.25, round(independent_psds(scores, truth), 3)]
