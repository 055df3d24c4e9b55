"""Gains on both halves, over many splits and by class, kept when the study is stopped; a user's real outputs."""

import numpy as np
import pytest

from reproduction.studies import postprocessing
from reproduction.studies.postprocessing import Outputs
from sedlib import __version__
from sedlib.data import layout, tables
from sedlib.data.encoder import strong_labels
from sedlib.data.tables import CLASSES
from sedlib.decode import Posteriors
from sedlib.decode.tuning import SEARCHES, tune
from sedlib.errors import SedError


@pytest.fixture(scope="module")
def case(tiny):
    """A reference of 16 clips and noisy posteriors of it."""
    truth = layout.load(tiny, "synthetic").table
    clips = tables.filenames(truth)
    active = strong_labels(truth, clips, 157, 0.06375)
    noise = np.random.default_rng(0).normal(0, 2, active.shape)
    return Posteriors(1 / (1 + np.exp(-(4 * active - 2 + noise))), clips, CLASSES, 0.06375), truth


@pytest.mark.parametrize("search", ["robust", "median-exact"])
def test_gains_are_those_of_tune(case, search):
    posteriors, truth = case
    found = postprocessing.gains(Outputs("tiny", truth, posteriors, 10.0), search, range(3), psds=True)
    one = tune(*case, search, seed=2, duration_s=10.0)
    assert found["other"][2] == pytest.approx(100 * (one["tuned"]["f1_other_half"] - one["baseline"]["f1_other_half"]))
    assert found["tuned"][2] == pytest.approx(100 * (one["tuned"]["f1_tuned_half"] - one["baseline"]["f1_tuned_half"]))
    assert {len(values) for name, values in found.items() if name != "by_class"} == {3}
    assert all(0 < psds <= 1 for psds in found["psds"])
    first = postprocessing.gains(Outputs("tiny", truth, posteriors, 10.0), search, range(1))
    assert np.nanmean(np.array(first["by_class"], float)) == pytest.approx(first["other"][0])


def test_exact_tuning_overfits_and_the_papers_filter_wins_nothing_over_itself(case):
    posteriors, truth = case
    found = postprocessing.gains(Outputs("tiny", truth, posteriors, 10.0), "exact", range(6))
    assert np.mean(found["tuned"]) > np.mean(found["other"]) and found["psds"] == []
    median = postprocessing.gains(Outputs("tiny", truth, posteriors, 10.0), "median", range(2))
    assert median["tuned"] == median["other"] == [0, 0]


def outputs(folder, case):
    posteriors, truth = case
    (folder / "teacher").mkdir(parents=True)
    tables.write(truth, folder / "validation.tsv")
    posteriors.save(folder / "teacher" / "scores.npz")
    return folder


def test_real_outputs_are_found_where_they_are_put_and_nowhere_else(case, workspace, monkeypatch, tmp_path):
    monkeypatch.delenv("SEDLIB_OUTPUTS", raising=False)
    assert postprocessing.real_outputs() is None
    outputs(workspace / "data" / "outputs", case)
    found = postprocessing.real_outputs()
    assert found.name == "teacher" and len(found.reference) == len(case[1])
    np.testing.assert_array_equal(found.posteriors.scores, case[0].scores)
    monkeypatch.setenv("SEDLIB_OUTPUTS", str(tmp_path / "nowhere"))
    with pytest.raises(SedError, match="nowhere: expected validation.tsv"):
        postprocessing.real_outputs()


def test_a_study_goes_on_where_it_was_stopped_and_sees_new_scores(case, workspace, tiny, monkeypatch):
    monkeypatch.delenv("SEDLIB_OUTPUTS", raising=False)
    monkeypatch.setattr(postprocessing, "dataset", lambda *_: tiny)
    folder = outputs(workspace / "data" / "outputs", case)
    calls = []
    real = postprocessing.gains

    def counted(outputs, search, *rest):
        calls.append(search)
        if search == "robust" and len(calls) == 4:
            raise KeyboardInterrupt
        return real(outputs, "median", *rest)

    monkeypatch.setattr(postprocessing, "gains", counted)
    with pytest.raises(KeyboardInterrupt):
        postprocessing.study("smoke", splits=2)
    assert calls == ["median", "forest", "exact", "robust"]
    measured = postprocessing.study("smoke", splits=2)
    every = ["median", *SEARCHES]
    assert calls[4:] == every[3:] and measured["measured_by"] == __version__
    assert list(measured["systems"]) == ["real DESED, teacher"]
    assert postprocessing.study("smoke", splits=2) == measured and len(calls) == len(every) + 1
    shown = postprocessing.table(measured)
    assert shown["search"].tolist() == every and (shown["splits"] == 2).all()
    searches = measured["systems"]["real DESED, teacher"]["searches"]
    assert postprocessing.text({"real": searches}).count("; real, ") == len(every) - 1
    of_classes = postprocessing.by_class(measured["systems"]["real DESED, teacher"])
    assert set(of_classes["class"]) == set(CLASSES) and of_classes["seconds"].dropna().is_monotonic_increasing
    assert postprocessing.class_text("it", of_classes).count("; ") == 9
    Posteriors(case[0].scores * 0.9, case[0].filenames, CLASSES, 0.06375).save(folder / "teacher" / "scores.npz")
    postprocessing.study("smoke", splits=2)
    assert len(calls) == 2 * len(every) + 1
    monkeypatch.setattr(postprocessing, "scorer", lambda: "other code")
    postprocessing.study("smoke", splits=2)
    assert len(calls) == 3 * len(every) + 1


def test_mean_and_error_are_signed():
    assert postprocessing.with_error([1.0, 2.0, 3.0]) == "+2.0 ± 0.6" and postprocessing.with_error([-1.0]) == "-1.0"
