"""The loop: repeatable, resumable, never done twice, and never resumed by mistake."""

import copy
import dataclasses
import json
import math
import platform
import shutil
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
import torch

from reproduction.listing import runs
from sedlib.config import PROFILES
from sedlib.data import tables
from sedlib.data.store import open_store
from sedlib.decode import Posteriors
from sedlib.errors import SedError
from sedlib.files import read_json
from sedlib.inference import posteriors
from sedlib.systems import configuration
from sedlib.training import Run, inputs, loop, mean_teacher, score, train

CONFIG = dataclasses.replace(
    PROFILES["smoke"],
    training=dataclasses.replace(PROFILES["smoke"].training, steps_per_epoch=3, strong=2, weak=2, unlabelled=2),
    model=dataclasses.replace(PROFILES["smoke"].model, conv_dropout=0.3, rnn_dropout=0.3),  # so that randomness matters
)


def same(a: Run, b: Run) -> bool:
    one, two = a.load("weights.pt"), b.load("weights.pt")
    return all(torch.equal(one[who][name], two[who][name]) for who in ("student", "teacher") for name in one[who])


@pytest.fixture(scope="module")
def finished(tiny, tmp_path_factory) -> Run:
    return train(CONFIG, tiny, 0, tmp_path_factory.mktemp("runs") / "seed0", progress=False)


def test_same_seed_same_weights_another_seed_others(finished, tiny, tmp_path):
    assert same(finished, train(CONFIG, tiny, 0, tmp_path / "again", progress=False))
    assert not same(finished, train(CONFIG, tiny, 1, tmp_path / "other", progress=False))


@pytest.mark.parametrize("at", [1, 3, 5])
def test_a_stopped_run_goes_on_to_the_same_weights(finished, tiny, tmp_path, monkeypatch, at):
    """Stopped inside an epoch, at its end, and after it; a checkpoint is written at every step."""
    monkeypatch.setattr(loop, "CHECKPOINT_S", 0.0)
    update, calls = mean_teacher.update_teacher, []

    def stop(*arguments):
        calls.append(1)
        if len(calls) == at + 1:
            raise KeyboardInterrupt
        update(*arguments)

    monkeypatch.setattr(mean_teacher, "update_teacher", stop)
    with pytest.raises(KeyboardInterrupt):
        train(CONFIG, tiny, 0, tmp_path, progress=False)
    monkeypatch.setattr(mean_teacher, "update_teacher", lambda *a: (calls.append(1), update(*a)))
    run = train(CONFIG, tiny, 0, tmp_path, progress=False)
    assert len(calls) == 6 + 1, "the steps before the stop were done again"
    assert same(finished, run)
    columns = [c for c in run.metrics if c not in ("seconds", "wait_share", "steps_per_s", "memory_mb")]
    pd.testing.assert_frame_equal(run.metrics[columns], finished.metrics[columns])


OPTIONS = {"decay_from": 0.3, "output_bias": "prior", "teacher_statistics": "recomputed", "selection": "last"}


def changed(config=CONFIG, **training):
    return dataclasses.replace(config, training=dataclasses.replace(config.training, **training))


@pytest.mark.parametrize("options", [{}, OPTIONS], ids=["", "and every option"])
def test_an_augmented_training_goes_on_to_the_same_weights(tiny, tmp_path, monkeypatch, options):
    """Mixtures, effects, added backgrounds, noise and masks again, whatever the threads."""
    config = changed(dataclasses.replace(CONFIG, augment=configuration("augm", "smoke").augment), **options)
    expected = train(config, tiny, 0, tmp_path / "whole", progress=False)
    monkeypatch.setattr(loop, "CHECKPOINT_S", 0.0)
    update = mean_teacher.update_teacher

    def stop(teacher, student, step, ema):
        if step == 5:
            raise KeyboardInterrupt
        update(teacher, student, step, ema)

    monkeypatch.setattr(mean_teacher, "update_teacher", stop)
    with pytest.raises(KeyboardInterrupt):
        train(config, tiny, 0, tmp_path / "stopped", progress=False, workers=3)
    monkeypatch.setattr(mean_teacher, "update_teacher", update)
    assert same(train(config, tiny, 0, tmp_path / "stopped", progress=False, workers=0), expected)


def test_metrics_have_a_row_an_epoch_and_every_term(finished):
    assert finished.metrics["epoch"].tolist() == [1, 2]
    terms = {
        "loss_strong",
        "loss_weak",
        "loss_consistency_strong",
        "loss_consistency_weak",
        "loss_total",
        "validation_f1_student",
        "validation_f1_teacher",
        "learning_rate",
        "consistency_weight",
        "seconds",
    }
    assert terms <= set(finished.metrics.columns)
    assert not (finished.folder / "checkpoint.pt").exists()


def test_on_epoch_gets_the_rows_and_networks_that_are_not_training(tiny, tmp_path):
    rows, networks = [], []

    def on_epoch(row, of_epoch):
        rows.append(row["epoch"])
        networks.append({name: network.training for name, network in of_epoch.items()})

    run = train(CONFIG, tiny, 0, tmp_path, on_epoch, progress=False)
    assert rows == run.metrics["epoch"].tolist()
    assert networks == 2 * [{"student": False, "teacher": False}]


def test_a_finished_run_is_not_done_again(finished, tiny, monkeypatch):
    monkeypatch.setattr(loop, "Detector", None)  # would be needed
    assert train(CONFIG, tiny, 0, finished.folder, progress=False).folder == finished.folder


def test_another_configuration_never_resumes(finished, tiny):
    other = dataclasses.replace(CONFIG, training=dataclasses.replace(CONFIG.training, ema=0.5))
    with pytest.raises(SedError, match=r"training.ema was 0.9, is 0.5.*remove the folder"):
        train(other, tiny, 0, finished.folder, progress=False)
    with pytest.raises(SedError, match="seed was 0, is 1"):
        train(CONFIG, tiny, 1, finished.folder, progress=False)


def test_score_writes_posteriors_events_and_results(finished, tiny):
    results = score(finished, tiny, progress=False)
    assert set(results) == {"validation", "public", "scored_by", "posteriors"}
    assert results == json.loads((finished.folder / "results.json").read_text())
    assert 0 <= results["validation"]["event_f1"]["macro"] <= 1
    assert Posteriors.load(finished.folder / "validation.npz").scores.shape == (6, CONFIG.frames, 10)
    tables.read_events(finished.folder / "validation.tsv")


def test_score_takes_the_subsets_that_are_there_and_adds_those_that_come(finished, tiny, tmp_path):
    data, run = tmp_path / "data", Run(tmp_path / "run")
    shutil.copytree(tiny, data)
    shutil.copytree(finished.folder, run.folder, ignore=shutil.ignore_patterns("*.npz", "results.json"))
    (data / "audio/validation").rename(data / "aside")
    with pytest.warns(UserWarning, match="'validation' is not scored: audio/validation/ has no clips"):
        found = score(run, data, progress=False)
    assert set(found) == {"public", "scored_by", "posteriors"} and not (run.folder / "validation.npz").exists()
    (data / "aside").rename(data / "audio/validation")
    both = score(run, data, progress=False)
    assert both["public"] == found["public"] and "validation" in both
    for name in ("validation", "eval/public"):
        shutil.rmtree(data / "audio" / name)
    (run.folder / "validation.npz").unlink()
    with pytest.raises(SedError, match="audio/validation: no such folder"):
        score(run, data, progress=False)


@pytest.mark.parametrize("tested, epoch", [("student", 1), ("teacher", 2)])
def test_the_tested_network_chooses_the_epoch_and_is_scored(tiny, tmp_path, monkeypatch, tested, epoch):
    rows = iter(
        [
            {"validation_f1_student": 0.5, "validation_f1_teacher": 0.3},
            {"validation_f1_student": 0.4, "validation_f1_teacher": 0.6},
        ]
    )
    monkeypatch.setattr(loop, "validation_f1", lambda *arguments: next(rows))
    run = train(
        dataclasses.replace(CONFIG, training=dataclasses.replace(CONFIG.training, tested=tested, selection="best")),
        tiny,
        0,
        tmp_path / "seed0",
        progress=False,
    )
    weights = run.load("weights.pt")
    assert weights["epoch"] == epoch
    assert all(torch.equal(value, weights[tested][name]) for name, value in run.detector().state_dict().items())
    assert not run.detector().training
    assert runs(tmp_path)["validation_f1"].tolist() == [{"student": 0.5, "teacher": 0.6}[tested]]
    score(run, tiny, progress=False)
    store = open_store(tiny, "validation", progress=False)
    expected = posteriors(run.detector(tested), store, CONFIG.frame_s, progress=False)
    assert np.array_equal(Posteriors.load(run.folder / "validation.npz").scores, expected.scores)


def test_an_older_runs_lack_of_the_last_student_is_named(finished, tmp_path):
    run = Run(tmp_path)
    (tmp_path / "config.json").write_bytes((finished.folder / "config.json").read_bytes())
    run.save("weights.pt", {"student": finished.detector().state_dict()})
    with pytest.raises(SedError, match="has no network 'last'.*train again"):
        run.detector("last")


def test_the_teacher_sees_the_students_scaling(finished):
    weights = finished.load("weights.pt")
    assert weights["teacher"]["scale.mean"].abs().sum() > 0
    assert torch.equal(weights["teacher"]["scale.mean"], weights["student"]["scale.mean"])


def test_data_that_cannot_be_trained_on_is_named(tiny, tmp_path):
    copy = tmp_path / "data"
    shutil.copytree(tiny, copy)
    shutil.rmtree(copy / "audio" / "train" / "weak")
    with pytest.raises(SedError, match="weak.*no such folder"):
        train(CONFIG, copy, 0, tmp_path / "run", progress=False)
    with pytest.raises(SedError, match="nowhere"):
        train(CONFIG, tmp_path / "nowhere", 0, tmp_path / "run2", progress=False)


def test_damaged_files_of_a_run_are_named(finished, tiny, tmp_path):
    folder = tmp_path / "run"
    shutil.copytree(finished.folder, folder)
    (folder / "weights.pt").write_bytes(b"torn")
    with pytest.raises(SedError, match="weights.pt: damaged"):
        Run(folder).detector()
    (folder / "config.json").write_text("{")
    with pytest.raises(SedError, match="config.json: damaged"):
        train(CONFIG, tiny, 0, folder, progress=False)
    with pytest.raises(SedError, match="not a run folder"):
        Run(tmp_path / "none").config
    (folder / "weights.pt").unlink()
    shutil.copy(finished.folder / "config.json", folder)
    with pytest.raises(SedError, match="has not finished"):
        Run(folder).detector()


def test_a_configuration_that_was_changed_is_named_with_its_file(finished, tmp_path):
    record = json.loads((finished.folder / "config.json").read_text())
    del record["config"]["training"]["ema"]
    (tmp_path / "config.json").write_text(json.dumps(record))
    with pytest.raises(SedError, match=f"{tmp_path}/config.json: training.ema is missing.*train the run again"):
        Run(tmp_path).config


def alone(**values):
    return dataclasses.replace(CONFIG, training=dataclasses.replace(CONFIG.training, weak=0, unlabelled=0, **values))


def test_strong_labels_alone_need_no_other_clips(tiny, tmp_path):
    copy = tmp_path / "data"
    shutil.copytree(tiny, copy)
    for subset in ("weak", "unlabel_in_domain"):
        shutil.rmtree(copy / "audio" / "train" / subset)
    run = train(alone(strong=6), copy, 0, tmp_path / "run", progress=False)
    assert (run.metrics["loss_weak"] == 0).all() and (run.metrics["loss_strong"] > 0).all()
    epoch = dataclasses.replace(CONFIG.training, strong=5, weak=0, unlabelled=0, steps_per_epoch=None, epochs=1)
    once = train(dataclasses.replace(CONFIG, training=epoch), copy, 0, tmp_path / "epoch", progress=False)
    assert once.metrics["step"].tolist() == [2], "10 of the 12 synthetic clips are trained on, 5 a step"


def test_an_oracle_learns_from_hidden_labels_of_real_clips(tiny, tmp_path, monkeypatch):
    seen = []
    encode = inputs.strong_labels
    monkeypatch.setattr(
        inputs, "strong_labels", lambda table, names, *sizes: seen.append(names) or encode(table, names, *sizes)
    )
    oracle = alone(strong=4, strong_from="unlabel_in_domain")
    run = train(oracle, tiny, 0, tmp_path / "run", progress=False)
    assert len(seen[0]) == 5 and all(name.startswith("unlabel_in_domain") for name in seen[0])
    assert (run.metrics["loss_strong"] > 0).all()
    copy = tmp_path / "recordings"
    shutil.copytree(tiny, copy)
    shutil.rmtree(copy / "metadata" / "hidden")
    with pytest.raises(SedError, match="hidden labels"):
        train(oracle, copy, 0, tmp_path / "other", progress=False)


def test_the_papers_configuration_trains_with_spectrograms_made_on_the_way(tiny, tmp_path):
    """An epoch through the weak clips at full size, without and with the spectrograms kept."""
    paper = PROFILES["paper"]
    training = dataclasses.replace(paper.training, strong=1, weak=3, unlabelled=1, epochs=1)
    runs = [
        train(
            dataclasses.replace(paper, training=dataclasses.replace(training, preload=preload)),
            tiny,
            0,
            tmp_path / str(preload),
            progress=False,
        )
        for preload in (False, True)
    ]
    assert runs[0].metrics["step"].tolist() == [2], "an epoch is once through the 6 weak clips"
    assert same(*runs)


def test_without_a_validation_score_the_last_epoch_is_kept(tiny, tmp_path, monkeypatch):
    nan = {"validation_f1_student": float("nan"), "validation_f1_teacher": float("nan")}
    monkeypatch.setattr(loop, "validation_f1", lambda *arguments: nan)
    run = train(CONFIG, tiny, 0, tmp_path, progress=False)
    assert run.load("weights.pt")["epoch"] == 2


@pytest.mark.parametrize(
    "bad, what", [(float("nan"), "is nan"), (float("-inf"), "is -inf"), (11.0, "is 11, beyond 10")]
)
def test_a_diverging_training_stops_with_its_last_good_weights_and_names_the_term(
    tiny, tmp_path, monkeypatch, bad, what
):
    terms, calls = mean_teacher.losses, []

    def spoilt(*arguments):
        calls.append(1)
        found = terms(*arguments)
        if len(calls) < 5:
            return found
        weak = found["weak"] * 0 + bad
        return {**found, "weak": weak, "total": found["total"] + weak}

    good = {}
    save = Run.save_checkpoint
    monkeypatch.setattr(
        Run, "save_checkpoint", lambda run, state: (good.update(copy.deepcopy(state["learner"])), save(run, state))
    )
    monkeypatch.setattr(mean_teacher, "losses", spoilt)
    with pytest.raises(SedError, match=f"diverged at step 5: the loss weak {what}"):
        train(CONFIG, tiny, 0, tmp_path, progress=False)
    run = Run(tmp_path)
    assert run.state == "diverged" and not run.finished
    kept = run.load("weights.pt")
    assert all(
        torch.equal(value, good[who][name]) for who in ("student", "teacher") for name, value in kept[who].items()
    )
    assert all(value.isfinite().all() for value in run.detector().state_dict().values())
    with pytest.raises(SedError, match="diverged at step 5.*lower learning_rate"):
        train(CONFIG, tiny, 0, tmp_path, progress=False)


@pytest.mark.parametrize("name", ["crnn.cnn.0.0.weight", "crnn.rnn.weight_hh_l0", "crnn.strong.bias"])
@pytest.mark.parametrize("at", [1, 4])
def test_weights_that_become_nan_are_recorded_on_any_device(tiny, tmp_path, monkeypatch, name, at):
    """In the first epoch, before anything was saved, and in the second. No posterior may be handed to a cross-entropy:
    a GPU's kernel asserts that it lies in [0, 1], and nothing can be recorded after that."""

    def asserts(*arguments, **options):
        raise AssertionError("device-side assert")

    monkeypatch.setattr(torch.nn.functional, "binary_cross_entropy", asserts)
    update = mean_teacher.update_teacher

    def spoil(teacher, student, step, ema):
        update(teacher, student, step, ema)
        if step == at:
            with torch.no_grad():
                student.get_parameter(name).view(-1)[0] = math.nan

    monkeypatch.setattr(mean_teacher, "update_teacher", spoil)
    with pytest.raises(SedError, match=f"diverged at step {at + 1}: the loss strong is nan"):
        train(CONFIG, tiny, 0, tmp_path, progress=False)
    run = Run(tmp_path)
    assert (
        run.state == "diverged"
        and read_json(tmp_path / "diverged.json").items() >= {"step": at + 1, "term": "strong"}.items()
    )
    if at == 1:
        with pytest.raises(SedError, match="diverged at step 2"):
            run.detector()
    else:
        kept = run.load("weights.pt")
        assert all(value.isfinite().all() for who in ("student", "teacher") for value in kept[who].values())
    with pytest.raises(SedError, match=f"diverged at step {at + 1}: the loss strong is nan"):
        train(CONFIG, tiny, 0, tmp_path, progress=False)


def test_a_learning_rate_that_is_far_too_large_is_noticed(tiny, tmp_path):
    wild = dataclasses.replace(
        CONFIG, training=dataclasses.replace(CONFIG.training, learning_rate=1e4, rampup_epochs=0, epochs=5)
    )
    with pytest.raises(SedError, match=r"diverged at step \d+: .*learning rate 1e\+04"):
        train(wild, tiny, 0, tmp_path, progress=False)


def test_torchs_generator_is_afterwards_as_it_was(finished, tiny, tmp_path):
    torch.manual_seed(5)
    state = torch.get_rng_state()
    run = train(CONFIG, tiny, 0, tmp_path, progress=False)
    assert torch.equal(torch.get_rng_state(), state) and same(run, finished)
    monday = dataclasses.replace(CONFIG, training=dataclasses.replace(CONFIG.training, validation_share=0.01))
    with pytest.raises(SedError, match="no usable clips for validation"):
        train(monday, tiny, 0, tmp_path / "failed", progress=False)
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="the C library is another one")
def test_freed_memory_is_kept_while_training_and_given_back_afterwards():
    code = """
import ctypes
from sedlib.training.loop import keep_freed_memory
malloc, free = ctypes.CDLL(None).malloc, ctypes.CDLL(None).free
malloc.restype, free.argtypes = ctypes.c_void_p, [ctypes.c_void_p]
def held():
    return int(open("/proc/self/statm").read().split()[1]) * 4096 / 2**20
def use():
    block = malloc(2**28)
    ctypes.memset(block, 1, 2**28)
    free(block)
start = held()
use(); plain = held() - start
keep_freed_memory(); use(); kept = held() - start
keep_freed_memory(False); after = held() - start
use(); again = held() - start
print(plain, kept, after, again)
"""
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    plain, kept, after, again = map(float, said.split())
    assert kept > 250 and max(plain, after, again) < 50, said
