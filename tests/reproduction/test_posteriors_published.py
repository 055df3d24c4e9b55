"""Published posteriors: what is packed comes out again, and everything that needs no weights is made of it."""

import json
import zipfile

import numpy as np
import pytest
from click.testing import CliRunner

from reproduction import posteriors
from reproduction.plan import Plan
from sedlib.cli import cli
from sedlib.data import layout, tables
from sedlib.decode import Posteriors, median_events
from sedlib.errors import SedError
from sedlib.metrics import event_f1
from sedlib.systems import configuration
from sedlib.training import Run, train
from sedlib.training.scoring import SUBSETS


def finished(folder, data, system: str, seed: int) -> Run:
    """A run with random posteriors of a data set, that says that it is finished."""
    run, config, rng = Run(folder), configuration(system, "smoke"), np.random.default_rng(seed)
    folder.mkdir(parents=True)
    run.start(config, data, seed)
    run.write_metrics([{"step": 30, "seconds": 60.0}])
    run.save("weights.pt", {})
    for subset in SUBSETS:
        names = layout.load(data, subset).filenames
        scores = rng.random((len(names), config.frames, 10), np.float32) ** 3
        Posteriors(scores, names, tables.CLASSES, config.frame_s).save(folder / f"{subset}.npz")
    return run


@pytest.fixture
def packed(tmp_path, tiny, monkeypatch):
    """The files of two trainings, and their runs."""
    monkeypatch.setattr(posteriors, "FOLDER", tmp_path / "files")
    runs = {system: finished(tmp_path / "there" / system, tiny, system, 0) for system in ("baseline", "ppcen_logmel")}
    for system, run in runs.items():
        posteriors.pack(run, posteriors.file_of(system, 0))
    return runs


def test_what_is_unpacked_is_what_was_packed_in_whole_percent(packed, tmp_path, tiny):
    run, folder = packed["baseline"], tmp_path / "here"
    posteriors.unpack(posteriors.file_of("baseline", 0), folder)
    for subset in SUBSETS:
        before, after = (Posteriors.load(place / f"{subset}.npz") for place in (run.folder, folder))
        assert after.scores.dtype == np.uint8 and np.array_equal(after.scores, np.rint(100 * before.scores))
        assert (after.filenames, after.classes, after.frame_s) == (before.filenames, before.classes, before.frame_s)
    for name in posteriors.RECORDS:
        assert (folder / name).read_bytes() == (run.folder / name).read_bytes()
    here = Run(folder)
    assert here.finished and train(here.config, tiny, 0, folder).folder == folder  # there is nothing to train
    with pytest.raises(SedError, match="without weights; remove the folder and train"):
        here.detector()
    again = tmp_path / "again.zip"
    posteriors.pack(here, again)
    assert again.read_bytes() == posteriors.file_of("baseline", 0).read_bytes()


def test_what_is_finished_is_packed_beside_what_is_published_and_the_rest_is_named(packed, workspace, tiny):
    before = posteriors.file_of("baseline", 0).read_bytes()  # trained on another machine
    finished(Plan("lesson", "mini", (0,)).folder("fixed_pcen_1", 0), tiny, "fixed_pcen_1", 0)
    result = CliRunner().invoke(posteriors.main, ["--seeds", "1"])
    assert result.exit_code == 0, result.output
    assert "1 trainings packed, 3 there" in result.output and posteriors.file_of("fixed_pcen_1", 0).is_file()
    assert posteriors.file_of("baseline", 0).read_bytes() == before
    lacking = result.output.split("Not trained yet: ")[1]
    assert "logmel-seed0" in lacking and "fixed_pcen_1" not in lacking and "ppcen_logmel-seed0" not in lacking


def test_a_training_with_weights_stays(packed):
    run = packed["baseline"]
    before = (run.folder / "validation.npz").read_bytes()
    posteriors.unpack(posteriors.file_of("ppcen_logmel", 0), run.folder)
    assert (run.folder / "validation.npz").read_bytes() == before


def test_what_is_no_such_file_is_refused(packed, tmp_path):
    path = posteriors.file_of("baseline", 0)
    whole = path.read_bytes()
    for content in (
        b"<html>403</html>",
        whole[: len(whole) // 2],
        whole[: (third := len(whole) // 3)] + bytes(64) + whole[third + 64 :],
    ):
        path.write_bytes(content)
        with pytest.raises(
            SedError, match=r"baseline-seed0\.zip: damaged, or no published posteriors .*; get it again"
        ):
            posteriors.unpack(path, tmp_path / "here")
    with zipfile.ZipFile(path, "w") as file:  # of something else
        file.writestr("../escaped", "x")
    with pytest.raises(SedError, match="damaged, or no published posteriors"):
        posteriors.unpack(path, tmp_path / "here")
    assert not (tmp_path / "here").exists() and not (tmp_path / "escaped").exists()
    path.unlink()
    with pytest.raises(SedError, match="missing; without --from-published it is trained"):
        posteriors.unpack(path, tmp_path / "here")


def test_ledger_and_report_come_out_without_a_training(packed, workspace, tiny):
    options = "--profile", "smoke", "--table", "2", "--no-mixing", "--from-published", "--cores", "2"
    result = CliRunner().invoke(cli, ["reproduce", "--data", str(tiny), *options])
    assert result.exit_code == 0, result.output
    plan = Plan("smoke", str(tiny), (0,), (2,), False).checked()
    assert not list((workspace / "runs").rglob("weights.pt")) and not list((workspace / plan.stores).glob("*"))
    ledger = json.loads((workspace / "report" / "ledger.json").read_text())
    assert {(run["system"], run["steps"]) for run in ledger["runs"]} == {(system, 30) for system in packed}
    reference = layout.load(tiny, "validation").table
    for number in ledger["numbers"]:
        if number["decoding"] == "median":
            run = Run(plan.folder(number["system"], 0))
            found = median_events(Posteriors.load(run.folder / "validation.npz"), run.config.decoding, 10.0)
            assert number["here"] == pytest.approx(100 * event_f1(reference, found).macro)
    assert [n["here"] is not None for n in ledger["numbers"]] == [True] * 4
    assert [figure["figure"] for figure in ledger["figures"]] == [1]  # figure 2 needs the weights
