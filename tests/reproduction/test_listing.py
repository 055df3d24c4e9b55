"""The list of runs: states, progress and scores, whatever is damaged."""

import dataclasses
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import HealthCheck, given
from hypothesis import strategies as st
from tries import tries

from reproduction.listing import runs, table
from sedlib.config import PROFILES
from sedlib.errors import SedError
from sedlib.files import write_json
from sedlib.training import Run

CONFIG = PROFILES["smoke"]


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    """A folder that says how it was generated, all that `start` asks for."""
    folder = tmp_path_factory.mktemp("data") / "made"
    folder.mkdir()
    (folder / "dataset.json").write_text('{"seed": 0}')
    return folder


SCORED = {
    "validation": {"event_f1": {"macro": 0.25}, "psds": {"value": 0.6}, "clips": {"missing": None}},
    "public": {"event_f1": {"macro": 0.3}},
}


@pytest.fixture
def three(tmp_path, data) -> Path:
    """A scored run, one that was stopped and one whose training has just begun."""
    folder = tmp_path / "runs"
    for name in ("a/seed0", "a/seed1", "a/deeper/seed2"):
        run = Run(folder / name)
        run.start(CONFIG, data, int(name[-1]))
        if name != "a/deeper/seed2":
            run.write_metrics(
                [
                    {"step": 15, "validation_f1_teacher": 0.5, "seconds": 60.0},
                    {"step": 30, "validation_f1_teacher": 0.4, "seconds": 120.0},
                ]
            )
    run = Run(folder / "a/seed0")
    run.save("weights.pt", {})
    write_json(run.folder / "results.json", SCORED)
    Run(folder / "a/seed1").write_progress(40, 300)
    return folder


def test_runs_are_listed_with_state_progress_and_scores(three):
    found = runs(three)
    assert found["run"].tolist() == ["a/deeper/seed2", "a/seed0", "a/seed1"]
    assert found["state"].tolist() == ["stopped", "scored", "stopped"]
    assert found["seed"].tolist() == [2, 0, 1]
    assert (found[["system", "profile", "data"]] == ["baseline", "smoke", "made"]).all(axis=None)
    assert found["step"].tolist() == [0, 30, 40] and found["steps"].tolist() == [30, 30, 300]
    assert found.loc[1, ["validation_f1", "dev_f1", "eval_f1", "psds", "minutes"]].tolist() == [0.4, 0.25, 0.3, 0.6, 2]
    assert found.loc[2, ["dev_f1", "eval_f1", "psds"]].isna().all()
    (three / "a/seed0/results.json").unlink()
    Run(three / "a/seed1").diverged(41, "total", "the loss total is nan")
    assert runs(three)["state"].tolist() == ["stopped", "finished", "diverged"]
    with Run(three / "a/deeper/seed2").only_one():
        assert runs(three)["state"][0] == "running"
    with pytest.raises(SedError, match="nowhere: no such folder"):
        runs(three / "nowhere")


def test_a_run_that_was_scored_on_evaluation_clips_alone_is_listed(three):
    write_json(three / "a/seed0/results.json", {"public": SCORED["public"]})
    found = runs(three).loc[1]
    assert (found["state"], found["eval_f1"]) == ("scored", 0.3) and found[["dev_f1", "psds"]].isna().all()


@pytest.mark.parametrize("selection, shown", [("best", 0.5), ("last", 0.4)])
def test_the_validation_score_is_that_of_the_epoch_that_is_kept(tmp_path, data, selection, shown):
    run = Run(tmp_path / "run")
    run.start(dataclasses.replace(CONFIG, training=dataclasses.replace(CONFIG.training, selection=selection)), data, 0)
    run.write_metrics([{"step": 15 * i, "validation_f1_teacher": f1, "seconds": 1.0} for i, f1 in ((1, 0.5), (2, 0.4))])
    assert runs(tmp_path)["validation_f1"].tolist() == [shown]


def test_steps_that_depend_on_the_data_are_unknown_until_they_are_noted(tmp_path, data):
    training = dataclasses.replace(CONFIG.training, steps_per_epoch=None)
    run = Run(tmp_path / "run")
    run.start(dataclasses.replace(CONFIG, training=training), data, 0)
    assert runs(tmp_path)["steps"].isna().all() and "0/- " in table(runs(tmp_path))
    run.write_progress(0, 526)
    assert runs(tmp_path)["steps"].tolist() == [526]


@pytest.mark.parametrize(
    "file, content",
    [
        ("config.json", "{}"),
        ("config.json", "[]"),
        ("config.json", '{"config": 3}'),
        ("metrics.csv", ""),
        ("metrics.csv", "step\n1\n"),
        ("metrics.csv", "step,validation_f1_teacher,seconds\n15,x,3\n"),
        ("results.json", "null"),
        ("results.json", '{"validation": {}}'),
        ("progress.json", '{"step": -1, "steps": 3}'),
        ("progress.json", '{"step": 1e99, "steps": "x"}'),
    ],
)
def test_a_damaged_run_is_named_and_hides_no_other(three, file, content):
    before = runs(three)
    (three / "a/seed0" / file).write_text(content)
    found = runs(three)
    assert found.loc[1, "state"].startswith(f"damaged: {three / 'a/seed0' / file}: damaged")
    pd.testing.assert_frame_equal(found.drop(1), before.drop(1))
    lines = table(found).splitlines()
    assert len(lines) == 5 and "damaged" in lines[2] and file in lines[-1]


@tries(30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    file=st.sampled_from(["config.json", "metrics.csv", "results.json", "progress.json"]),
    offset=st.integers(0, 10**4),
    written=st.binary(max_size=3),
    cut=st.booleans(),
)
def test_whatever_happens_to_a_file_the_other_runs_are_listed(three, file, offset, written, cut):
    path = three / "a/seed0" / file
    Run(path.parent).write_progress(30, 30)
    content, before = path.read_bytes(), runs(three)
    offset %= len(content)
    path.write_bytes(content[:offset] + written + (b"" if cut else content[offset + len(written) :]))
    found = runs(three)
    path.write_bytes(content)
    pd.testing.assert_frame_equal(found.drop(1), before.drop(1))
    assert table(found)


def test_the_table_leaves_out_what_the_paths_say(tmp_path, data):
    for seed in (0, 1):
        Run(tmp_path / "smoke" / "made" / "baseline" / f"seed{seed}").start(CONFIG, data, seed)
    header = table(runs(tmp_path)).splitlines()[0].split()
    assert header[:3] == ["run", "state", "step"]
    assert table(runs(tmp_path / "smoke" / "made")).splitlines()[0].split()[:4] == ["run", "profile", "data", "state"]
