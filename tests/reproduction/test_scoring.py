"""HMM scores of a run, from its stored posteriors alone."""

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from reproduction import measure
from reproduction import scoring as hmms
from reproduction.listing import runs
from reproduction.listing import table as runs_table
from reproduction.plan import Plan
from reproduction.rows import ROWS
from reproduction.scoring import is_current, results_of, run_of, score_tuned, tuned
from reproduction.studies import postprocessing
from sedlib.data import layout, tables
from sedlib.data.encoder import strong_labels
from sedlib.data.tables import CLASSES
from sedlib.decode import Hmm, Posteriors, find_events, operating_points, tuning
from sedlib.decode.tuning import SEARCHES, Objective, halves, tune
from sedlib.errors import SedError
from sedlib.metrics import event_f1
from sedlib.models import Detector
from sedlib.systems import configuration
from sedlib.training import Run, score, write_posteriors
from sedlib.training import scoring as module
from sedlib.workspace import run_folder


@pytest.fixture(autouse=True)
def coarse(monkeypatch):
    """Grids and curves of a few points, which take a hundredth of the time."""
    monkeypatch.setattr(
        module,
        "operating_points",
        lambda scores, decoder, duration_s: operating_points(scores, decoder, (0.3, 0.5, 0.7), duration_s),
    )
    monkeypatch.setattr(tuning, "ROBUST_POINTS", 6)
    monkeypatch.setitem(SEARCHES, "exact", lambda objective, seed: tuning.exact(objective, 6))


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
    found = score_tuned(run, tiny, search)
    truth = layout.load(tiny, "validation").table
    posteriors = Posteriors.load(run.folder / "validation.npz")
    (run.folder / "hmm.json").write_text(json.dumps(found["decoder"]))
    events = find_events(posteriors, Hmm.load(run.folder / "hmm.json"), 10.0)
    assert found["validation"]["event_f1"]["macro"] == pytest.approx(event_f1(truth, events).macro)
    assert 0 < found["validation"]["psds"]["value"] <= 1 and "public" in found
    seen, unseen = halves(truth)
    own = tune(posteriors, truth, search, duration_s=10.0)
    other = SEARCHES[search](Objective(posteriors, unseen, 10.0), 0)
    assert found["decoder"]["p_event"] == own["p_event"]
    crossed = pd.concat(
        [
            find_events(posteriors.select(tables.filenames(seen)), other, 10.0),
            events[events["filename"].isin(unseen["filename"])],
        ]
    )
    assert found["unseen_f1"] == event_f1(truth, crossed).macro
    monkeypatch.setattr(hmms, "tuned", None)
    assert score_tuned(run, tiny, search) == found == results_of(run, search)


def test_mistakes(tiny, tmp_path):
    run = scored(Run(tmp_path / "run"), tiny)
    with pytest.raises(SedError, match="decoding 'best' does not exist; choose one of median, forest, exact, robust"):
        score_tuned(run, tiny, "best")
    with pytest.raises(SedError, match="not scored by decoding 'exact' yet"):
        results_of(run, "exact")
    (run.folder / "validation.npz").unlink()
    with pytest.raises(SedError, match="has no results of 'validation' yet"):
        score_tuned(run, tiny, "exact")


def test_what_older_code_or_other_posteriors_gave_is_done_anew_and_nothing_else(tiny, tmp_path, monkeypatch):
    run = scored(Run(tmp_path / "run"), tiny)
    assert not is_current(run, "median") and not is_current(run, "exact")
    first = {"median": score(run, tiny, progress=False), "exact": score_tuned(run, tiny, "exact")}
    assert first["median"]["validation"]["event_f1"]["macro"] != 0.1  # what `scored` had written as another code's
    assert {"validation", "public", "scored_by"} <= first["median"].keys()
    files = [
        run.folder / name
        for name in ("results.json", "results-exact.json", "decoder-exact.json", "decoder-exact-second.json")
    ]

    def times():
        return [file.stat().st_mtime_ns for file in files]

    done = times()
    assert is_current(run, "median") and is_current(run, "exact")
    assert score(run, tiny) == first["median"] and score_tuned(run, tiny, "exact") == first["exact"] and times() == done

    with monkeypatch.context() as changed:  # another protocol of tuning
        changed.setattr(hmms, "CODE", Path(tables.__file__))
        assert is_current(run, "median") and not is_current(run, "exact")

    with monkeypatch.context() as changed:  # other code
        changed.setattr(module, "scorer", lambda *_: "other")
        assert not is_current(run, "median") and not is_current(run, "exact")
        assert score(run, tiny, progress=False)["scored_by"] == score_tuned(run, tiny, "exact")["scored_by"] == "other"
        assert all(now > before for now, before in zip(times(), done))

    scores = Posteriors.load(run.folder / "validation.npz")  # a training that was made anew, or a member of an ensemble
    score(run, tiny, progress=False)
    score_tuned(run, tiny, "exact")
    done = times()
    Posteriors(1 - scores.scores, scores.filenames, CLASSES, scores.frame_s).save(run.folder / "validation.npz")
    assert not is_current(run, "median") and not is_current(run, "exact")
    assert score(run, tiny, progress=False)["validation"] != first["median"]["validation"]
    assert score_tuned(run, tiny, "exact")["decoder"] != first["exact"]["decoder"]
    assert all(now > before for now, before in zip(times(), done))

    (run.folder / "validation.npz").unlink()  # what the ledger and the lessons read beside the scores
    assert not is_current(run, "median") and not is_current(run, "exact")


def test_either_half_has_its_hmm_and_a_killed_tuning_goes_on(tiny, tmp_path, monkeypatch):
    run = scored(Run(tmp_path / "run"), tiny)
    first, second = tuned(run, tiny, "exact")
    scores, truth = Posteriors.load(run.folder / "validation.npz"), layout.load(tiny, "validation").table
    for hmm, half in zip((first, second), halves(truth)):
        np.testing.assert_array_equal(hmm.p_event, SEARCHES["exact"](Objective(scores, half, 10.0), 0).p_event)
    (run.folder / "decoder-exact-second.json").unlink()
    again = tuned(run, tiny, "exact")
    np.testing.assert_array_equal(again[1].p_event, second.p_event)
    monkeypatch.setitem(SEARCHES, "exact", None)  # a second search would call it
    np.testing.assert_array_equal(tuned(run, tiny, "exact")[0].p_event, first.p_event)
    with pytest.raises(SedError, match="decoding 'best' does not exist"):
        tuned(run, tiny, "best")


def test_the_scorer_is_the_code_that_decodes_and_scores(tmp_path, monkeypatch):
    package = tmp_path / "sedlib"
    for room in ("training", "decode", "metrics", "model"):
        (package / room).mkdir(parents=True)
        (package / room / "code.py").write_text("x = 1\n")
    (package / "training" / "scoring.py").write_text("y = 1\n")
    monkeypatch.setattr(module, "__file__", str(package / "training" / "scoring.py"))

    def sum_of() -> str:
        return module.scorer.__wrapped__()

    before = sum_of()
    (package / "model" / "code.py").write_text("x = 2\n")
    (package / "training" / "code.py").write_text("x = 2\n")
    assert sum_of() == before == sum_of()
    for changed in ("decode/code.py", "metrics/code.py", "training/scoring.py"):
        (package / changed).write_text("x = 3\n")
        assert sum_of() != before
        before = sum_of()


def without(run: Run, data, subset: str, gone: list[str]) -> None:
    """Take clips out of a run's posteriors, as if they had had no audio."""
    scores = Posteriors.load(run.folder / f"{subset}.npz")
    scores.select([name for name in scores.filenames if name not in gone]).save(run.folder / f"{subset}.npz")


@pytest.fixture
def incomplete(tiny, tmp_path):
    """A run of a data set of whose development set one clip, and of whose evaluation set another, has no audio; and
    their names."""
    run, gone = scored(Run(tmp_path / "run"), tiny), {}
    for subset in ("validation", "public"):
        gone[subset] = tables.events(layout.load(tiny, subset).table)["filename"].iloc[0]
        without(run, tiny, subset, [gone[subset]])
    return run, gone


def test_scores_are_those_of_the_clips_that_are_there(incomplete, tiny, tmp_path):
    run, gone = incomplete
    results = {"median": score(run, tiny, progress=False), "exact": score_tuned(run, tiny, "exact")}
    for subset in ("validation", "public"):
        table = layout.load(tiny, subset).table
        there = table[table["filename"] != gone[subset]]
        for decoding, found in results.items():
            missing = found[subset]["clips"]["missing"]
            events = tables.read_events(run.folder / f"{subset}{'' if decoding == 'median' else '-exact'}.tsv")
            assert (missing["clips"], missing["of"], missing["example"]) == (
                1,
                table["filename"].nunique(),
                gone[subset],
            )
            assert {
                label: n["of"] - n["missing"] for label, n in missing["events"].items() if n["of"] > n["missing"]
            } == dict(tables.events(there)["event_label"].value_counts())
            assert sum(n["missing"] for n in missing["events"].values()) == (table["filename"] == gone[subset]).sum()
            assert found[subset]["event_f1"]["macro"] == pytest.approx(event_f1(there, events).macro)
            assert found[subset]["psds"]["method"] == "predictions at 3 thresholds"
    table = layout.load(tiny, "validation").table
    first, second = halves(table[table["filename"] != gone["validation"]])
    scores = Posteriors.load(run.folder / "validation.npz")
    for hmm, half in zip(tuned(run, tiny, "exact"), (first, second)):
        np.testing.assert_array_equal(hmm.p_event, SEARCHES["exact"](Objective(scores, half, 10.0), 0).p_event)
    (found,) = runs(run.folder.parent).to_dict("records")
    assert found["missing"] == 1 and "run: 1 development clip without audio is in no score" in runs_table(
        runs(run.folder.parent)
    )


def test_a_complete_data_set_has_nothing_missing(tiny, tmp_path):
    run = scored(Run(tmp_path / "run"), tiny)
    assert score(run, tiny, progress=False)["validation"]["clips"]["missing"] is None
    assert runs(tmp_path)["missing"].tolist() == [0] and "without audio" not in runs_table(runs(tmp_path))


def test_no_development_clip_is_an_error_and_an_evaluation_set_without_audio_is_not(tiny, tmp_path):
    run = scored(Run(tmp_path / "run"), tiny)
    scores = Posteriors.load(run.folder / "validation.npz")
    Posteriors(scores.scores[:1], ["other.wav"], CLASSES, scores.frame_s).save(run.folder / "validation.npz")
    with pytest.raises(SedError, match="no clip in common with the reference .*'other.wav'"):
        tuned(run, tiny, "exact")
    data = tmp_path / "data"
    shutil.copytree(tiny, data)
    shutil.rmtree(data / layout.SUBSETS["public"].audio)
    again = scored(Run(tmp_path / "again"), tiny)
    with pytest.warns(UserWarning, match="'public' is not scored"):
        assert "public" not in score(again, data, progress=False)


def test_posteriors_that_are_no_numbers_name_the_run_and_the_clip(tiny, tmp_path):
    run = scored(Run(tmp_path / "run"), tiny)
    scores = Posteriors.load(run.folder / "validation.npz")
    scores.scores[2, 3, 1] = np.nan
    named = f"validation.npz: 1 of 6 clips have posteriors that are not numbers, the first '{scores.filenames[2]}'.* train it again"
    with pytest.raises(SedError, match=named):
        scores.save(run.folder / "validation.npz")
    np.savez(
        run.folder / "validation.npz",
        **{name: getattr(scores, name) for name in ("scores", "filenames", "classes", "frame_s")},
    )
    for scoring in (lambda: score(run, tiny, progress=False), lambda: tuned(run, tiny), lambda: score_tuned(run, tiny)):
        with pytest.raises(SedError, match=f"run/validation.npz: 1 of 6 clips .* '{scores.filenames[2]}'"):
            scoring()


@pytest.mark.parametrize(
    "device",
    ["cpu", pytest.param("cuda", marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU"))],
)
def test_a_network_whose_weights_are_nan_is_named_with_its_run_on_any_device(tiny, tmp_path, monkeypatch, device):
    run = scored(Run(tmp_path / "run"), tiny)
    (run.folder / "validation.npz").unlink()
    detector = Detector(run.config).to(device).eval()
    next(iter(detector.crnn.parameters())).data.fill_(np.nan)
    monkeypatch.setattr(Run, "detector", lambda *_: detector)
    with pytest.raises(
        SedError, match="tmp.*run: .* clips have posteriors that are not numbers, the first 'validation_000000.wav'"
    ):
        write_posteriors(run, tiny, progress=False)
    assert not (run.folder / "validation.npz").exists()


def test_median_and_hmm_rows_have_one_psds_and_their_intervals_the_same(tiny, workspace, monkeypatch):
    plan = Plan("smoke", str(tiny), (0,), (3,))
    for system in ("baseline", "ppcen_logmel"):
        run = scored(Run(plan.folder(system, 0)), tiny, system)
        score(run, tiny, progress=False)
        score_tuned(run, tiny, "exact")
        (run.folder / "scored").touch()
    monkeypatch.setattr(measure, "operating_points", module.operating_points)
    monkeypatch.setattr(measure, "_figures", lambda plan: [])  # these runs have no weights
    rows = {row.key: row for row in ROWS}
    found = measure.write(plan, {})
    values = {n["row"]: n for n in found["numbers"] if n["score"] == "dev_psds" and n["here"] is not None}
    assert values.keys() == {"Baseline", "PPCEN+HMM"}
    methods = set()
    for name, number in values.items():
        row = rows[f"3 {name}"]
        psds = results_of(Run(plan.folder(row.system, 0)), row.decoding)["validation"]["psds"]
        methods.add(psds["method"])
        assert number["here"] == number["of_seed"][0] == pytest.approx(psds["value"], abs=1e-9)
        assert number["low"] <= number["here"] <= number["high"]
    assert methods == {"predictions at 3 thresholds"} and "50 thresholds, 0.01 to 0.99" in found["psds"]


def test_every_row_with_an_hmm_is_filled_from_runs_that_are_there(tiny, workspace, monkeypatch):
    for system in ("baseline", "ppcen_logmel"):
        scored(Run(run_folder("smoke", tiny, system, 0)), tiny, system)
    rows = postprocessing.rows("smoke", tiny)
    assert rows["row"].tolist() == ["+HMM", "+PPCEN+HMM", "PPCEN+HMM"]
    assert rows["paper, dev"].tolist() == ["37.1", "43.7", "43.7"] and (rows["median, dev"] == "10.0").all()
    scored(Run(run_folder("smoke", tiny, "dat_augm", 0)), tiny, "dat_augm")
    scored(Run(run_folder("smoke", tiny, "dat_augm", 1)), tiny, "dat_augm")
    ensemble = run_of("smoke", tiny, "ensemble", 0)
    ensemble.write_posteriors(tiny)
    score(ensemble, tiny, progress=False)
    monkeypatch.setitem(SEARCHES, "forest", SEARCHES["exact"])
    monkeypatch.setattr(hmms, "forest", lambda objective, *_, **__: SEARCHES["exact"](objective, 0))
    assert postprocessing.rows("smoke", tiny)["row"].tolist() == [
        row.name
        for row in ROWS
        if row.decoding != "median" and row.system in ("baseline", "ppcen_logmel", "dat_augm", "ensemble")
    ]
    assert {row.name for row in ROWS if "HMM" in row.name} == {row.name for row in ROWS if row.decoding != "median"}
    assert {row.decoding for row in ROWS} == {"median", "exact", "forest"}
