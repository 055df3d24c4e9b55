"""SIGKILL at any moment of a training, again and again: started again, it ends as if nothing had happened.

The trainings run in processes forked from one that has imported everything and computed nothing (the forks of one whose
threads have computed hang): this file, run as a program.
"""

import dataclasses
import json
import multiprocessing
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pandas as pd
import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from torch.utils.tensorboard import SummaryWriter

from sedlib.config import PROFILES
from sedlib.data import store
from sedlib.features import LogMel, ZScore
from sedlib.training import MeanTeacher, Run, inputs, loop, mean_teacher, runs

SMOKE = PROFILES["smoke"]
CONFIG = dataclasses.replace(
    SMOKE,
    training=dataclasses.replace(
        SMOKE.training,
        strong=2,
        weak=2,
        unlabelled=2,
        epochs=5,
        steps_per_epoch=3,
        learning_rate=0.005,  # so that some epoch before the last is the best
        tested="student",
        selection="best",
        output_bias="init",
        preload=False,  # so that threads read waveforms in every step
    ),
    model=dataclasses.replace(SMOKE.model, conv_dropout=0.3, rnn_dropout=0.3),  # so that randomness matters
    decoding=dataclasses.replace(SMOKE.decoding, threshold=0.3),  # so that so short a training detects something
)
STEPS = CONFIG.training.epochs * CONFIG.training.steps_per_epoch
KILLS = 20  # at random moments
FORK = multiprocessing.get_context("fork")

# What a training can be doing when it is killed; of nested ones the innermost counts.
PHASES = {
    "anything else": (loop, "train"),
    "preparing the data": (inputs.Inputs, "__init__"),
    "building a store": (store, "_build"),
    "fitting the scaling": (ZScore, "fit"),
    "a step": (MeanTeacher, "step"),
    "validation": (loop, "validation_f1"),
    "writing a checkpoint": (Run, "save_checkpoint"),
    "writing the weights": (Run, "save"),
    "removing the checkpoints": (Run, "remove_checkpoints"),
}


def always(*_, **__) -> bool:
    return True


def called(name: str):
    """Whether a call is about a file of this name."""
    return lambda *arguments, **_: any(isinstance(argument, Path) and argument.name == name for argument in arguments)


# Moments that chance would miss, in the order in which a training comes to them: just before the first call of a
# function with such arguments; of `runs._save` in its midst, when half of the file is written.
MOMENTS = [
    (Path, "replace", called("versions.json")),
    (Path, "replace", called("config.json")),
    (store, "_decode", called("synthetic_000003.wav")),
    (Path, "replace", called("weak.int16")),
    (inputs, "strong_labels", always),
    (inputs.Clips, "pieces", always),
    (mean_teacher, "update_teacher", lambda *arguments: arguments[2] == 1),
    (runs, "_save", called("checkpoint.pt.partial")),
    (Path, "replace", called("progress.json")),
    (mean_teacher, "update_teacher", lambda *arguments: arguments[2] == 3),
    (loop, "event_f1", always),
    (Path, "replace", called("metrics.csv")),
    (SummaryWriter, "add_scalar", lambda board, tag, *_, **__: tag == "loss/total"),
    (Run, "save_checkpoint", always),  # all is told of an epoch that nobody will remember
    (Path, "replace", called("checkpoint.pt.partial")),  # between the renames
    (Path, "replace", called("checkpoint-before.pt")),  # before them
    (runs, "_save", called("checkpoint.pt.partial")),
    (Run, "write_progress", lambda run, step, steps: step == 6),
    (Run, "write_progress", lambda run, step, steps: step == STEPS),
    (runs, "_save", called("weights.pt.partial")),
    (Path, "replace", called("weights.pt")),
    (Run, "remove_checkpoints", always),
    (Path, "unlink", called("checkpoint.pt")),
]


def program(data: Path, folder: Path) -> None:
    """Train in ``folder``: ``whole`` without a kill, ``moments`` with those of `MOMENTS`, ``random*`` with random ones.

    Prints as JSON how many kills hit which phase.
    """
    phase = FORK.RawArray("c", 100)  # of the process that trains
    for name, (owner, attribute) in PHASES.items():
        setattr(owner, attribute, marked(getattr(owner, attribute), phase, name.encode()))
    attempts, hits = 0, {"moments": Counter(), "random": Counter()}

    def attempt(run: str, moment=None, delay: float | None = None) -> float | None:
        """Train in a process of its own: the seconds until it ended, None if it was killed."""
        nonlocal attempts
        phase.value, attempts = b"", attempts + 1
        began = time.monotonic()
        process = FORK.Process(target=train, args=(data, folder / run, attempts % 2 * 2, moment))
        process.start()
        process.join(delay)
        process.kill()
        process.join()
        assert process.exitcode in (0, -signal.SIGKILL), f"{run}, {phase.value}: ended with {process.exitcode}"
        if phase.value:
            hits.get(run, hits["random"])[phase.value.decode()] += 1
        return None if process.exitcode else time.monotonic() - began

    torch.set_num_threads(1)
    LogMel(CONFIG.features)  # librosa imports most of itself when it is first used
    loop.CHECKPOINT_S = 0.0
    duration = attempt("whole")

    shutil.rmtree(data / "store")
    for number, moment in enumerate(MOMENTS):
        assert attempt("moments", moment) is None, f"moment {number}, {moment[:2]}, did not come"
    attempt("moments")

    chance, run = random.Random(0), 0
    shutil.rmtree(data / "store")
    while hits["random"].total() < KILLS:
        ended = attempt(f"random{run}", delay=chance.uniform(0, duration))
        if ended is not None:
            duration, run = ended, run + 1
            shutil.rmtree(data / "store")
    attempt(f"random{run}")
    print(json.dumps(hits))


def train(data: Path, folder: Path, workers: int, moment) -> None:
    """Train until that moment."""
    if moment is not None:
        owner, attribute, come = moment
        setattr(owner, attribute, deadly(getattr(owner, attribute), come))
    loop.train(CONFIG, data, 0, folder, progress=False, workers=workers)


def marked(function, phase, name: bytes):
    """The function, which says in ``phase`` that it runs."""

    def run(*arguments, **named):
        outer, phase.value = phase.value, name
        result = function(*arguments, **named)
        phase.value = outer
        return result

    return run


def deadly(function, come):
    """The function, which kills its process when its moment has come."""
    writes = function is runs._save

    def run(*arguments, **named):
        if come(*arguments, **named):
            if writes:
                function(*arguments)
                os.truncate(arguments[1], arguments[1].stat().st_size // 2)
            os.kill(os.getpid(), signal.SIGKILL)
        return function(*arguments, **named)

    return run


@pytest.fixture(scope="module")
def trained(tiny, tmp_path_factory) -> tuple[Path, dict[str, dict[str, int]]]:
    """The folder of `program` and what it printed."""
    folder = tmp_path_factory.mktemp("killed")
    data = folder / "data"
    shutil.copytree(tiny, data, ignore=shutil.ignore_patterns("store"))
    done = subprocess.run([sys.executable, __file__, data, folder], capture_output=True, text=True, timeout=1800)
    assert done.returncode == 0, done.stderr[-3000:]
    return folder, json.loads(done.stdout)


@pytest.fixture(scope="module")
def whole(trained) -> Run:
    """The training that nobody killed."""
    return Run(trained[0] / "whole")


@pytest.fixture(scope="module")
def killed(trained) -> list[Run]:
    """The others."""
    found = [Run(folder) for name in ("moments", "random*") for folder in sorted(trained[0].glob(name))]
    assert len(found) >= 2
    return found


def test_the_kills_hit_trainings_in_every_phase(trained):
    hits = trained[1]
    assert sum(hits["moments"].values()) == len(MOMENTS) and sum(hits["random"].values()) == KILLS
    assert set(hits["moments"]) == set(PHASES), hits


def test_the_weights_are_the_same(whole, killed):
    expected = whole.load("weights.pt")
    assert expected["student"].keys() == expected["teacher"].keys() and len(expected["student"]) > 10
    assert expected["epoch"] < CONFIG.training.epochs, "only then the best weights so far must outlive a kill"
    for run in killed:
        weights = run.load("weights.pt")
        assert weights["epoch"] == expected["epoch"], run.folder
        for who in ("student", "teacher", "last"):
            assert weights[who].keys() == expected[who].keys()
            assert all(torch.equal(weights[who][name], value) for name, value in expected[who].items()), run.folder


def test_the_metrics_are_the_same(whole, killed):
    measured = {"seconds", "wait_share", "steps_per_s", "memory_mb", "gpu_memory_mb"}
    expected = whole.metrics.drop(columns=measured & {*whole.metrics})
    assert expected["epoch"].tolist() == list(range(1, CONFIG.training.epochs + 1))
    for run in killed:
        pd.testing.assert_frame_equal(run.metrics.drop(columns=measured & {*run.metrics}), expected, check_exact=True)


def test_nothing_is_left_over_and_nothing_is_missing(trained, whole, killed):
    for run in killed:
        assert {path.name for path in run.folder.iterdir()} == {path.name for path in whole.folder.iterdir()}
        for name in ("config.json", "versions.json", "progress.json"):
            assert (run.folder / name).read_text() == (whole.folder / name).read_text(), run.folder
    assert not [*trained[0].rglob("*.partial"), *trained[0].rglob("checkpoint*")]


def test_tensorboard_shows_every_step_once(whole, killed):
    expected = shown(whole)
    assert [step for step, _ in expected["loss_step/total"]] == list(range(1, STEPS + 1))
    assert [step for step, _ in expected["f1/teacher"]] == list(range(3, STEPS + 1, 3))
    for run in killed:
        assert shown(run) == expected, run.folder


def shown(run: Run) -> dict[str, list[tuple[int, float]]]:
    """Step and value of every point of TensorBoard's curves, but for those of time and memory."""
    events = EventAccumulator(str(run.folder / "tensorboard"), size_guidance={"scalars": 0}).Reload()
    return {
        tag: [(event.step, event.value) for event in events.Scalars(tag)]
        for tag in events.Tags()["scalars"]
        if not tag.startswith("run/")
    }


if __name__ == "__main__":
    program(Path(sys.argv[1]), Path(sys.argv[2]))
