"""What a whole batch leaves, on DESED's real tables where there are any: see `batch.run` and `desed.build`."""

import json
import os
import shutil
import subprocess
import sys
from collections import Counter
from contextlib import ExitStack
from pathlib import Path

import nbformat
import numpy as np
import pytest
import torch
from batch import LESSONS
from desed import Desed
from disks import may_mount, resize, small_disk
from terminal import sedlib

from reproduction.plan import BESIDE, LEDGER_LESSON
from reproduction.rows import ROWS
from reproduction.scoring import results_of
from sedlib.data import layout, tables
from sedlib.decode import Posteriors
from sedlib.training import Run

PATIENCE = 3600  # seconds; other work may have the machine


def unchanged(folder: Path) -> dict[str, tuple[int, int]]:
    return {
        str(path): (path.stat().st_mtime_ns, path.stat().st_size)
        for path in sorted((folder / "runs").rglob("*"))
        if path.is_file()
    }


# The real graph.
@pytest.fixture
def copied(batch, workspace) -> Path:
    """A workspace with the same runs; the data, which nothing changes, are the same files."""
    if batch.plan.data == "mini":
        (workspace / "data").symlink_to(batch.workspace / "data")
    for name in ("runs", "report"):
        shutil.copytree(batch.workspace / name, workspace / name)
    return workspace


def same_weights(one: Path, other: Path) -> bool:
    a, b = (Run(folder).load("weights.pt") for folder in (one, other))
    return all(
        torch.equal(a[which][name], b[which][name]) for which in ("teacher", "student", "last") for name in a[which]
    )


def test_the_report_and_every_number_of_table_3_are_there(batch):
    folder, runs = batch.workspace, batch.workspace / batch.plan.runs
    ledger = json.loads((folder / "report" / "ledger.json").read_text())
    assert (ledger["profile"], ledger["data"], ledger["seeds"], ledger["tables"]) == (
        "smoke",
        batch.plan.root.name,
        [0],
        [1, 2, 3],
    )
    assert (
        not ledger["failed"] and len(ledger["numbers"]) == 31 and all(n["here"] is not None for n in ledger["numbers"])
    )
    assert {(run["system"], run["seed"]) for run in ledger["runs"]} == set(batch.plan.trainings())
    assert {one["search"] for one in ledger["unseen"] if one["system"] == "ensemble"} == {"forest", "exact", *BESIDE}
    rows = {row.key for row in ROWS}  # systems without a row are not trained
    assert len(ledger["claims"]) == 36 and "not measured" not in {
        claim["verdict"]
        for claim in ledger["claims"]
        if claim["section"] != "4.1" and {claim["first"], claim["second"]} <= rows
    }
    index = (folder / "report" / "index.html").read_text(encoding="utf-8")
    assert "Ensemble DAT+PPCEN+HMM 2" in index and "Not everything ran" not in index
    for row in ROWS:
        if row.table == 3:
            results = results_of(Run(runs / row.system / "seed0"), row.decoding)
            shown = {n["score"]: n["here"] for n in ledger["numbers"] if (n["table"], n["row"]) == (3, row.name)}
            assert shown["dev_f1"] == pytest.approx(100 * results["validation"]["event_f1"]["macro"])
            assert shown["eval_f1"] == pytest.approx(100 * results["public"]["event_f1"]["macro"])
            assert shown["dev_psds"] == pytest.approx(results["validation"]["psds"]["value"])
    members = [
        Posteriors.load(runs / run / "public.npz").scores
        for run in ("ppcen_logmel/seed0", "dat_augm/seed0", "dat_augm/seed1")
    ]
    averaged = Posteriors.load(runs / "ensemble" / "seed0" / "public.npz").scores
    torch.testing.assert_close(torch.from_numpy(averaged), torch.from_numpy(sum(members) / 3))
    assert not list((folder / "runs").rglob("*.partial"))


def test_killed_and_stopped_it_has_the_weights_of_a_training_that_was_not(batch, tmp_path):
    if batch.plan.data == "mini":
        (tmp_path / "data").symlink_to(batch.workspace / "data")
    system, seed = batch.hit.parent.name, batch.hit.name.removeprefix("seed")
    subprocess.run(
        [
            sys.executable,
            "-m",
            "reproduction.jobs",
            *batch.plan.options().replace("'", "").split(),
            "train",
            system,
            seed,
        ],
        check=True,
        env=os.environ | {"SEDLIB_WORKSPACE": str(tmp_path), "OMP_NUM_THREADS": "1"},
        timeout=PATIENCE,
        capture_output=True,
    )
    assert same_weights(batch.hit, tmp_path / batch.plan.runs / system / f"seed{seed}")
    assert batch.began_at > 0, "it began anew"


def test_a_second_call_makes_the_ledger_and_the_report_and_nothing_else(copied, batch):
    before, page = unchanged(copied), (copied / "report" / "index.html").stat().st_mtime_ns
    code, out, err = sedlib(*batch.command())
    assert code == 0, err
    assert (
        f"2 of {len(batch.table_3.jobs())} jobs to do on 2 cores" in out
        and f"report: {copied / 'report' / 'index.html'}" in out
    )
    after = unchanged(copied)
    assert {name: value for name, value in after.items() if not name.endswith(".lock")} == {
        name: value for name, value in before.items() if not name.endswith(".lock")
    }
    assert (copied / "report" / "index.html").stat().st_mtime_ns > page


def test_what_fails_is_named_and_the_rest_is_done_and_then_the_same_command_finishes(copied, batch):
    """A run that nobody knows anything of, and (where a test may mount one) a disk that is full in the middle of a
    training."""
    runs, good = copied / batch.plan.runs, batch.workspace / batch.plan.runs
    unknown, full, other = runs / "dat_augm" / "seed1", runs / "baseline" / "seed0", runs / "ppcen_logmel" / "seed0"
    (unknown / "config.json").unlink()
    (other / "scored").unlink()
    with ExitStack() as mounted:
        if may_mount():
            shutil.rmtree(full)
            mounted.enter_context(small_disk(full, "64k"))
        code, _, err = sedlib(*batch.command())
        assert (
            code == 1
            and "train-dat_augm-1: " in err
            and "config.json is missing; remove the folder to train again" in err
        )
        ledger = json.loads((copied / "report" / "ledger.json").read_text())
        why = {n["row"]: n["why"] for n in ledger["numbers"] if n["here"] is None}
        expected = {"Ensemble DAT+PPCEN+HMM", "Ensemble DAT+PPCEN+HMM 2"} | ({"Baseline"} if may_mount() else set())
        assert set(why) == expected and all(text.startswith("failed: ") for text in why.values())
        assert "config.json is missing" in why["Ensemble DAT+PPCEN+HMM"]
        if may_mount():
            assert (
                "train-baseline-0: " in err
                and "No space left on device" in err
                and "No space left on device" in why["Baseline"]
            )
            assert (
                not list(full.glob("*.partial"))
                and not (full / "weights.pt").exists()
                and not (full / "trained").exists()
            )
        assert (other / "scored").exists()
        assert "Not everything ran" in (copied / "report" / "index.html").read_text(encoding="utf-8")

        shutil.copy2(good / "dat_augm" / "seed1" / "config.json", unknown)
        if may_mount():
            resize(full, "64m")
        code, _, err = sedlib(*batch.command())
        assert code == 0, err
        ledger = json.loads((copied / "report" / "ledger.json").read_text())
        assert not ledger["failed"] and all(n["here"] is not None for n in ledger["numbers"])
        for run in ("baseline/seed0", "dat_augm/seed1"):
            assert same_weights(runs / run, good / run)
        before = json.loads((batch.workspace / "report" / "ledger.json").read_text())["numbers"]
        assert ledger["numbers"] == [number for number in before if number["table"] == 3]


# Everything.
@pytest.fixture
def ran(real, batch) -> Path:
    """The batch's workspace."""
    assert batch.plan.data == str(real.root)
    return batch.workspace


def test_the_batch_ends_green_with_a_report_a_ledger_and_the_lessons_that_were_asked_for(ran):
    assert (ran / "report" / "index.html").exists() and (ran / "report" / "ledger.json").exists()
    executed = sorted(path.name for path in (ran / "report" / "lessons").glob("*.ipynb"))
    assert executed == [f"{name}.ipynb" for name in (*LESSONS, LEDGER_LESSON)]


def test_lessons_show_the_real_folder_and_say_what_only_made_data_have(ran):
    text = {}
    for path in (ran / "report" / "lessons").glob("*.ipynb"):
        cells = [cell for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code"]
        assert all(cell.execution_count for cell in cells)
        text[path.stem] = "\n".join(output.get("text", "") for cell in cells for output in cell.outputs)
    assert "keep the hidden labels of their clips" in text["01_data"]


def counted(missing: dict, real: Desed, subset: str) -> bool:
    """Whether what results or a ledger say is missing of a subset is what was left out of the folder, in clips and
    events of each class."""
    lost, events = real.left_out(subset), tables.events(real.table(subset))
    gone, listed = (Counter(part["event_label"]) for part in (events[events["filename"].isin(lost)], events))
    assert (missing["clips"], missing["of"]) == (len(lost), len(tables.filenames(real.table(subset))))
    found = {label: n for label, n in missing["events"].items() if n["missing"]}
    assert {label: (n["missing"], n["of"]) for label, n in found.items()} == {
        label: (n, listed[label]) for label, n in gone.items()
    }
    assert {label: n["share"] for label, n in found.items()} == pytest.approx(
        {label: n / listed[label] for label, n in gone.items()}
    )
    return True


def test_every_row_has_scores_and_results_count_the_missing_clips(ran, real):
    found = sorted((ran / "runs/smoke/DESED").rglob("results*.json"))
    assert {path.parent.parent.name for path in found} >= {row.system for row in ROWS}
    for path in found:
        result = json.loads(path.read_text())
        for subset in layout.EVALUATED:
            clips = result[subset]["clips"]
            assert (
                counted(clips["missing"], real, subset)
                and clips["evaluated"] == clips["missing"]["of"] - clips["missing"]["clips"]
            )
            assert 0 <= result[subset]["event_f1"]["macro"] <= 1
        assert 0 <= result["validation"]["psds"]["value"] <= 1
        assert result["validation"]["psds"]["merged"]["reference"] > 0


def test_tune_and_evaluate_run_on_what_was_trained(ran, real, tmp_path):
    run, reference = ran / "runs/smoke/DESED/baseline/seed0", real.root / layout.SUBSETS["validation"].metadata
    code, out, err = sedlib(
        "tune", run / "validation.npz", "--reference", reference, "--search", "robust", "--json", tmp_path / "hmm.json"
    )
    assert code == 0, out + err
    code, out, err = sedlib(
        "evaluate",
        "--reference",
        reference,
        "--predictions",
        run / "validation.tsv",
        "--scores",
        run / "validation.npz",
        "--json",
        tmp_path / "scores.json",
    )
    assert code == 0 and "PSDS" in out, out + err
    assert np.isfinite(json.loads((tmp_path / "scores.json").read_text())["psds"]["value"])


def test_ledger_and_report_say_what_is_missing_by_subset_and_class(ran, real):
    ledger = json.loads((ran / "report" / "ledger.json").read_text())
    assert set(ledger["missing"]) == set(layout.EVALUATED) and not ledger["failed"]
    assert all(counted(missing, real, subset) for subset, missing in ledger["missing"].items())
    page = (ran / "report" / "index.html").read_text()
    for subset, missing in ledger["missing"].items():
        assert f"{missing['clips']} of" in page and subset in page
