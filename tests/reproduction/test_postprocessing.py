"""Decoders beside each other on tiny data: halves that did not tune, gains over the baseline."""

import numpy as np
import pytest

from reproduction.studies import postprocessing
from reproduction.studies.overfitting import Outputs
from sedlib.data import layout, tables
from sedlib.data.encoder import strong_labels
from sedlib.data.tables import CLASSES
from sedlib.decode import Posteriors
from sedlib.decode.tuning import tune


def test_gains_are_those_of_tune(tiny):
    truth = layout.load(tiny, "synthetic").table
    clips = tables.filenames(truth)
    active = strong_labels(truth, clips, 157, 0.06375)
    noise = np.random.default_rng(0).normal(0, 2, active.shape)
    scores = Posteriors(1 / (1 + np.exp(-(4 * active - 2 + noise))), clips, CLASSES, 0.06375)
    measured = postprocessing.compare(Outputs("tiny", truth, scores, 10.0), [("median", "exact")], 2, psds=False)
    found = np.nanmean(postprocessing.gains(measured)["median, exact"], axis=1)
    for seed in range(2):
        one = tune(scores, truth, "exact", seed=seed, duration_s=10.0, method="median")
        f1 = one["tuned"]["f1_other_half"] - one["baseline"]["f1_other_half"]
        assert found[seed] == pytest.approx(100 * f1)
    assert postprocessing.table(measured)["decoder"].tolist() == ["median, exact"]
