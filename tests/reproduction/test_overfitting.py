"""Gains on both halves, over many splits, kept when the study is stopped; a user's real outputs."""

import numpy as np
import pytest

from reproduction.studies import overfitting
from sedlib import __version__
from sedlib.data import layout, tables
from sedlib.data.encoder import strong_labels
from sedlib.data.tables import CLASSES
from sedlib.decode import Posteriors
from sedlib.decode.tuning import tune
from sedlib.errors import SedError


@pytest.fixture(scope="module")
def case(tiny):
    """A reference of 16 clips and noisy posteriors of it."""
    truth = layout.load(tiny, "synthetic").table
    clips = tables.filenames(truth)
    active = strong_labels(truth, clips, 157, 0.06375)
    noise = np.random.default_rng(0).normal(0, 2, active.shape)
    return Posteriors(1 / (1 + np.exp(-(4 * active - 2 + noise))), clips, CLASSES, 0.06375), truth


def test_gains_are_those_of_tune(case):
    found = overfitting.gains(*case, "robust", range(3), 10.0)
    one = tune(*case, "robust", seed=2, duration_s=10.0)
    assert found["other"][2] == pytest.approx(100 * (one["tuned"]["f1_other_half"] - one["baseline"]["f1_other_half"]))
    assert found["tuned"][2] == pytest.approx(100 * (one["tuned"]["f1_tuned_half"] - one["baseline"]["f1_tuned_half"]))
    assert {len(values) for values in found.values()} == {3}


def test_exact_tuning_overfits(case):
    found = overfitting.gains(*case, "exact", range(6), 10.0)
    assert np.mean(found["tuned"]) > np.mean(found["other"])


def outputs(folder, case):
    posteriors, truth = case
    (folder / "teacher").mkdir(parents=True)
    tables.write(truth, folder / "validation.tsv")
    posteriors.save(folder / "teacher" / "scores.npz")
    return folder


def test_real_outputs_are_found_where_they_are_put_and_nowhere_else(case, workspace, monkeypatch, tmp_path):
    monkeypatch.delenv("SEDLIB_OUTPUTS", raising=False)
    assert overfitting.real_outputs() is None
    outputs(workspace / "data" / "outputs", case)
    found = overfitting.real_outputs()
    assert found.name == "teacher" and len(found.reference) == len(case[1])
    np.testing.assert_array_equal(found.posteriors.scores, case[0].scores)
    monkeypatch.setenv("SEDLIB_OUTPUTS", str(tmp_path / "nowhere"))
    with pytest.raises(SedError, match="nowhere: expected validation.tsv"):
        overfitting.real_outputs()


def test_a_study_goes_on_where_it_was_stopped_and_sees_new_scores(case, workspace, tiny, monkeypatch):
    monkeypatch.delenv("SEDLIB_OUTPUTS", raising=False)
    monkeypatch.setattr(overfitting, "dataset", lambda *_: tiny)
    folder = outputs(workspace / "data" / "outputs", case)
    calls = []
    real = overfitting.gains

    def counted(posteriors, reference, search, *rest):
        calls.append(search)
        if search == "robust" and len(calls) == 3:
            raise KeyboardInterrupt
        return real(posteriors, reference, "exact", *rest)

    monkeypatch.setattr(overfitting, "gains", counted)
    with pytest.raises(KeyboardInterrupt):
        overfitting.study("smoke", splits=2)
    assert calls == ["forest", "exact", "robust"]
    measured = overfitting.study("smoke", splits=2)
    assert (
        calls[3:] == ["robust"]
        and list(measured["systems"]) == ["real DESED, teacher"]
        and measured["measured_by"] == __version__
    )
    assert overfitting.study("smoke", splits=2) == measured and len(calls) == 4
    shown = overfitting.table(measured)
    assert shown["search"].tolist() == ["forest", "exact", "robust"] and (shown["splits"] == 2).all()
    assert overfitting.text(measured).count("real DESED, teacher") == 3
    Posteriors(case[0].scores * 0.9, case[0].filenames, CLASSES, 0.06375).save(folder / "teacher" / "scores.npz")
    overfitting.study("smoke", splits=2)
    assert len(calls) == 7
    with monkeypatch.context() as changed:
        changed.setattr(overfitting.inspect, "getsource", lambda module: "other code")
        overfitting.study("smoke", splits=2)
    assert len(calls) == 10


def test_mean_and_error_are_signed():
    assert overfitting.with_error([1.0, 2.0, 3.0]) == "+2.0 ± 0.6" and overfitting.with_error([-1.0]) == "-1.0"
