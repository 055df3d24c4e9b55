"""The batch on a cluster: the graph with profile slurm on a real SLURM, whose scheduler kills a training at work."""

import re
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest
import torch
from slurm import missing, slurm

from reproduction import batch
from reproduction.batch import command
from reproduction.plan import SCORED_ON, TRAINED_ON, Plan
from sedlib.data.store import open_store
from sedlib.systems import configuration
from sedlib.threads import one_thread
from sedlib.training import Run, train
from sedlib.workspace import workspace as place

# What is asked of the cluster: cores, memory, time.
SMALL = ("1", "2500M", "30:00")
ASKED = [
    ("train", "CANCELLED", "1", "3000M", "1:00:00"),
    ("train", "COMPLETED", "1", "3000M", "1:00:00"),
    ("score", "COMPLETED", *SMALL),
]

pytestmark = pytest.mark.skipif(
    bool(missing()), reason=f"no SLURM ({missing()}); Debian, as root: apt install slurm-wlm"
)


@pytest.fixture
def cluster_folder(tmp_path_factory) -> Path:
    """Not in the workspace, whose path may be too long for a socket."""
    return tmp_path_factory.mktemp("cluster") / "slurm"


def begin(plan: Plan, monkeypatch) -> Plan:
    """Data are there, stores too."""
    monkeypatch.setenv("PYTHONPATH", str(batch.GRAPH.parents[1]))
    for subset in TRAINED_ON + SCORED_ON:
        open_store(plan.root, subset)
    (place() / plan.stores).mkdir(parents=True)
    for mark in (plan.data_made, *plan.made_stores()):
        (place() / mark).touch()
    return plan


def snakemake(plan: Plan, *options: str) -> list[str]:
    """As `sedlib reproduce --cluster slurm` calls it, but for a single scored run."""
    call = command(plan, 1, batch.PROFILES / "slurm")
    at = call.index("--config")
    return [*call[:at], *options, *call[at:], f"{plan.runs}/baseline/seed0/scored"]


@contextmanager
def running(call: list[str], environment: dict[str, str], log: Path) -> Iterator[subprocess.Popen]:
    """A program, until it is not needed any more."""
    with log.open("w") as out:
        process = subprocess.Popen(call, env=environment, stdout=out, stderr=out)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def squeue(environment: dict[str, str], columns: str) -> list[tuple[str, ...]]:
    """All jobs that there were, a rule's name each instead of its comment."""
    said = subprocess.check_output(["squeue", "-h", "-t", "all", "-S", "i", "-o", columns], env=environment, text=True)
    return [tuple(line.split()) for line in said.replace("rule_", "").replace("_wildcards_baseline_0", "").splitlines()]


def until(ready, snake: subprocess.Popen, log: Path):
    """What `ready()` gives as soon as it gives something; asked so often that little is done in between."""
    end = time.monotonic() + 1200
    while not (found := ready()):
        assert snake.poll() is None and time.monotonic() < end, log.read_text()
        time.sleep(0.005)
    return found


def training(folder: Path) -> psutil.Process | None:
    """The process that trains in a workspace."""
    for process in psutil.process_iter(["cmdline", "cwd"]):
        if process.info["cwd"] == str(folder) and {"reproduction.jobs", "train"} <= set(process.info["cmdline"] or ()):
            return process
    return None


def test_a_training_that_the_scheduler_kills_goes_on_and_all_is_scored(tiny, workspace, cluster_folder, monkeypatch):
    plan = begin(Plan("smoke", str(tiny), (0,)), monkeypatch)
    run, log = Run(plan.folder("baseline", 0)), workspace / "snakemake.log"
    with slurm(cluster_folder) as environment:
        with running(snakemake(plan, "--slurm-init-seconds-before-status-checks", "1"), environment, log) as snake:
            process = until(lambda: training(workspace), snake, log)
            until((run.folder / "checkpoint.pt").exists, snake, log)
            process.send_signal(signal.SIGSTOP)  # lest it ends before the scheduler does as it is told
            assert not run.finished
            subprocess.run(["scancel", process.environ()["SLURM_JOB_ID"]], env=environment, check=True)
            assert snake.wait(1200) == 0, log.read_text()
        assert squeue(environment, "%k %T %C %m %l") == ASKED
    assert log.read_text().count("SLURM status is: 'CANCELLED'") == 1
    assert (run.folder / "scored").exists()
    assert (
        int(re.search(r"(\d+)/\d+ \[", (workspace / "report" / "logs" / "train-baseline-0.log").read_text()).group(1))
        > 0
    ), "it began anew"

    with one_thread():
        whole = train(configuration("baseline", "smoke"), tiny, 0, workspace / "whole", progress=False).load(
            "weights.pt"
        )
    weights = run.load("weights.pt")
    assert weights["epoch"] == whole["epoch"]
    for who in ("student", "teacher", "last"):
        assert weights[who].keys() == whole[who].keys()
        assert all(torch.equal(weights[who][name], value) for name, value in whole[who].items())


def test_the_papers_trainings_ask_for_a_gpu(tiny, workspace, cluster_folder, monkeypatch):
    plan = begin(Plan("paper", str(tiny), (0,)), monkeypatch)
    log = workspace / "snakemake.log"
    with slurm(cluster_folder, cpus=8) as environment:
        subprocess.run(
            ["scontrol", "update", "partition=main", "state=down"], env=environment, check=True
        )  # nothing may begin
        with running(snakemake(plan), environment, log) as snake:
            asked = until(lambda: squeue(environment, "%k %T %C %m %l %i"), snake, log)
            said = subprocess.check_output(["scontrol", "show", "job", asked[0][-1]], env=environment, text=True)
    assert [job[:-1] for job in asked] == [("train", "PENDING", "8", "12000M", "2-00:00:00")]
    assert re.search("TresPerJob=gres.gpu:1", said), said
