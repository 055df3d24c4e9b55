"""HMM scores of a run, from its stored posteriors alone."""

import json
import sys

import numpy as np
import pandas as pd
import pytest

from sedlib import overfitting
from sedlib.data import layout, tables
from sedlib.data.batches import strong_labels
from sedlib.data.tables import CLASSES
from sedlib.decode import Hmm, Posteriors, hmm_events, operating_points, tuning
from sedlib.decode.tuning import SEARCHES, Objective, halves, tune
from sedlib.errors import SedError
from sedlib.metrics import event_f1
from sedlib.systems import ROWS, configuration
from sedlib.training import Run, score, score_hmm, tune_hmm
from sedlib.training.score import is_current
from sedlib.workspace import run_folder

score_module = sys.modules["sedlib.training.score"]  # the package has a function of that name


@pytest.fixture(autouse=True)
def coarse(monkeypatch):
    """Grids and curves of a few points, which take a hundredth of the time."""
    monkeypatch.setattr(score_module, "operating_points",
                        lambda scores, hmm, duration_s: operating_points(scores, hmm, (0.3, 0.5, 0.7), duration_s))
    for name, search in (("exact", tuning.exact), ("robust", tuning.robust)):
        monkeypatch.setitem(SEARCHES, name, lambda objective, seed, search=search: search(objective, 6))


def scored(run: Run, data, system: str = "baseline") -> Run:
    """A run without weights: configuration, results of another code and posteriors that are right up to noise."""
    run.start(configuration(system, "smoke"), data, 0)
    (run.folder / "weights.pt").touch()
    rng = np.random.default_rng(0)
    results = {}
    for subset in ("validation", "public"):
        truth = layout.load(data, subset).table
        clips = tables.filenames(truth)
        active = strong_labels(truth, clips, 157, 0.06375)
        scores = 1 / (1 + np.exp(-(4 * active - 2 + rng.normal(0, 0.8, active.shape))))
        Posteriors(scores.astype(np.float32), clips, CLASSES, 0.06375).save(run.folder / f"{subset}.npz")
        results[subset] = {"event_f1": {"macro": 0.1, "ci95": [0.0, 0.2]}, "psds": {"value": 0.3}}
    (run.folder / "results.json").write_text(json.dumps(results))
    return run


@pytest.mark.parametrize("search", ["exact", "robust"])
def test_scores_come_from_stored_posteriors_without_a_network_and_once(tiny, tmp_path, monkeypatch, search):
    run = scored(Run(tmp_path / "run"), tiny)
    monkeypatch.setattr(Run, "detector", None)
    found = score_hmm(run, tiny, search)
    truth = layout.load(tiny, "validation").table
    posteriors = Posteriors.load(run.folder / "validation.npz")
    (run.folder / "hmm.json").write_text(json.dumps(found["hmm"]))
    events = hmm_events(posteriors, Hmm.load(run.folder / "hmm.json"), 10.0)
    assert found["validation"]["event_f1"]["macro"] == pytest.approx(event_f1(truth, events).macro)
    assert 0 < found["validation"]["psds"]["value"] <= 1 and "public" in found
    seen, unseen = halves(truth)
    own = tune(posteriors, truth, search, duration_s=10.0)
    other = SEARCHES[search](Objective(posteriors, unseen, 10.0), 0)
    assert found["hmm"]["p_event"] == own["p_event"]
    crossed = pd.concat([hmm_events(posteriors.select(tables.filenames(seen)), other, 10.0),
                         events[events["filename"].isin(unseen["filename"])]])
    assert found["unseen_f1"] == event_f1(truth, crossed).macro
    (run.folder / "validation.npz").unlink()
    assert score_hmm(run, tiny, search) == found == run.results_of(search)


def test_mistakes(tiny, tmp_path):
    run = scored(Run(tmp_path / "run"), tiny)
    with pytest.raises(SedError, match="search 'best' does not exist; choose one of forest, exact, robust"):
        score_hmm(run, tiny, "best")
    with pytest.raises(SedError, match="not scored with HMMs by search 'exact' yet"):
        run.results_of("exact")
    (run.folder / "validation.npz").unlink()
    with pytest.raises(SedError, match="has no results yet"):
        score_hmm(run, tiny, "exact")


def test_what_older_code_or_other_posteriors_gave_is_done_anew_and_nothing_else(tiny, tmp_path, monkeypatch):
    run = scored(Run(tmp_path / "run"), tiny)
    assert not is_current(run, "median") and not is_current(run, "exact")
    first = {"median": score(run, tiny, progress=False), "exact": score_hmm(run, tiny, "exact")}
    assert first["median"]["validation"]["event_f1"]["macro"] != 0.1  # what `scored` had written as another code's
    assert {"validation", "public", "scored_by"} <= first["median"].keys()
    files = [run.folder / name for name in ("results.json", "results-exact.json", "hmm-exact.json", "hmm-exact-second.json")]

    def times():
        return [file.stat().st_mtime_ns for file in files]

    done = times()
    assert is_current(run, "median") and is_current(run, "exact")
    assert score(run, tiny) == first["median"] and score_hmm(run, tiny, "exact") == first["exact"] and times() == done

    with monkeypatch.context() as changed:  # other code
        changed.setattr(score_module, "scorer", lambda: "other")
        assert not is_current(run, "median") and not is_current(run, "exact")
        assert score(run, tiny, progress=False)["scored_by"] == score_hmm(run, tiny, "exact")["scored_by"] == "other"
        assert all(now > before for now, before in zip(times(), done))

    scores = Posteriors.load(run.folder / "validation.npz")  # a training that was made anew, or a member of an ensemble
    score(run, tiny, progress=False)
    score_hmm(run, tiny, "exact")
    done = times()
    Posteriors(1 - scores.scores, scores.filenames, CLASSES, scores.frame_s).save(run.folder / "validation.npz")
    assert not is_current(run, "median") and not is_current(run, "exact")
    assert score(run, tiny, progress=False)["validation"] != first["median"]["validation"]
    assert score_hmm(run, tiny, "exact")["hmm"] != first["exact"]["hmm"]
    assert all(now > before for now, before in zip(times(), done))


def test_either_half_has_its_hmm_and_a_killed_tuning_goes_on(tiny, tmp_path, monkeypatch):
    run = scored(Run(tmp_path / "run"), tiny)
    first, second = tune_hmm(run, tiny, "exact")
    scores, truth = Posteriors.load(run.folder / "validation.npz"), layout.load(tiny, "validation").table
    for hmm, half in zip((first, second), halves(truth)):
        np.testing.assert_array_equal(hmm.p_event, SEARCHES["exact"](Objective(scores, half, 10.0), 0).p_event)
    (run.folder / "hmm-exact-second.json").unlink()
    again = tune_hmm(run, tiny, "exact")
    np.testing.assert_array_equal(again[1].p_event, second.p_event)
    monkeypatch.setitem(SEARCHES, "exact", None)  # a second search would call it
    np.testing.assert_array_equal(tune_hmm(run, tiny, "exact")[0].p_event, first.p_event)
    with pytest.raises(SedError, match="search 'best' does not exist"):
        tune_hmm(run, tiny, "best")


def test_the_scorer_is_the_code_that_decodes_and_scores(tmp_path, monkeypatch):
    package = tmp_path / "sedlib"
    for room in ("training", "decode", "metrics", "model"):
        (package / room).mkdir(parents=True)
        (package / room / "code.py").write_text("x = 1\n")
    (package / "training" / "score.py").write_text("y = 1\n")
    monkeypatch.setattr(score_module, "__file__", str(package / "training" / "score.py"))

    def sum_of() -> str:
        return score_module.scorer.__wrapped__()

    before = sum_of()
    (package / "model" / "code.py").write_text("x = 2\n")
    (package / "training" / "code.py").write_text("x = 2\n")
    assert sum_of() == before == sum_of()
    for changed in ("decode/code.py", "metrics/code.py", "training/score.py"):
        (package / changed).write_text("x = 3\n")
        assert sum_of() != before
        before = sum_of()


def test_every_row_with_an_hmm_is_filled_from_runs_that_are_there(tiny, workspace):
    for system in ("baseline", "ppcen_logmel"):
        scored(Run(run_folder("smoke", tiny, system, 0)), tiny, system)
    rows = overfitting.rows("smoke", tiny)
    assert rows["row"].tolist() == ["+HMM", "+PPCEN+HMM", "PPCEN+HMM"]
    assert rows["paper, dev"].tolist() == ["37.1", "43.7", "43.7"] and (rows["median, dev"] == "10.0").all()
    assert {row.name for row in ROWS if "HMM" in row.name} == {row.name for row in ROWS if row.decoding != "median"}
    assert {row.decoding for row in ROWS} == {"median", "exact", "forest"}
