"""The batch on a cluster: workflow/ with profile slurm on a real SLURM, whose scheduler kills a training at work."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
import torch
from slurm import missing, slurm

from sedlib.data.store import open_store
from sedlib.reproduce import SCORED_ON, TRAINED_ON, WORKFLOW, Plan, command
from sedlib.systems import configuration
from sedlib.threads import one_thread
from sedlib.training import train
from sedlib.workspace import dataset

# Every job starts Python twice for snakemake and once for the work, which without compiled modules takes twice as long.
COMPILED = {"PYTHONDONTWRITEBYTECODE": "", "PYTHONPYCACHEPREFIX": str(WORKFLOW.parent / ".pytest_cache" / "pycache")}


def snakemake(plan: Plan, *options: str) -> list[str]:
    """As `sedlib reproduce --cluster slurm` calls it, for a single scored run."""
    call = command(plan, 2, WORKFLOW / "profiles" / "slurm")
    at = call.index("--config")
    return [*call[:at], *options, *call[at:], f"{plan.runs}/baseline/seed0/scored"]


def environment(base: dict[str, str]) -> dict[str, str]:
    return base | (COMPILED if sys.dont_write_bytecode else {}) | {"PYTHONPATH": str(WORKFLOW.parent)}


def until(ready, snake: subprocess.Popen, log: Path, seconds: float = 600):
    """What `ready()` gives as soon as it gives something; looked at so often that little is done in between."""
    end = time.monotonic() + seconds
    while not (found := ready()):
        assert snake.poll() is None and time.monotonic() < end, log.read_text()
        time.sleep(0.005)
    return found


def training(place: Path) -> psutil.Process | None:
    """The process that trains in a workspace."""
    for process in psutil.process_iter(["cmdline", "cwd"]):
        if process.info["cwd"] == str(place) and {"sedlib.jobs", "train"} <= set(process.info["cmdline"] or ()):
            return process


@pytest.mark.skipif(bool(missing()), reason=f"no SLURM ({missing()}); Debian, as root: apt install slurm-wlm")
def test_a_training_that_the_scheduler_kills_goes_on_and_all_is_scored(tiny, workspace, tmp_path_factory):
    plan = Plan("smoke", str(tiny), (0,))
    run, log = plan.folder("baseline", 0), workspace / "snakemake.log"
    (workspace / plan.stores).mkdir(parents=True)
    (workspace / plan.data_made).touch()
    for subset in TRAINED_ON + SCORED_ON:
        open_store(tiny, subset)
        (workspace / plan.stores / f"{subset}.made").touch()
    with slurm(tmp_path_factory.mktemp("slurm") / "slurm", cpus=4, gpus=int(Path("/dev/tty1").exists())) as base, log.open("w") as out:
        call = snakemake(plan, "--slurm-init-seconds-before-status-checks", "1")
        with subprocess.Popen(call, env=environment(base), stdout=out, stderr=out) as snake:
            try:
                process = until(lambda: training(workspace), snake, log)
                until((run / "checkpoint.pt").exists, snake, log)
                process.send_signal(signal.SIGSTOP)  # lest it ends before the scheduler does as it is told
                assert not (run / "weights.pt").exists()
                job = process.environ()["SLURM_JOB_ID"]
                subprocess.run(["scancel", job], env=base, check=True)
                assert snake.wait(600) == 0, log.read_text()
            finally:
                snake.terminate()
        asked = subprocess.run(["squeue", "-h", "-t", "all", "-S", "i", "-o", "%i %k %T %C %m %l %b"], env=base, check=True, capture_output=True,
                               text=True).stdout.splitlines()
    print(*asked, sep="\n")
