"""A whole batch that was killed and stopped on its way: what the tests of the batch, of real data and of the report
look at.

Jobs are processes of their own, which nothing that a test patches reaches. So one real batch is made, and every test
that changes something works with a copy.
"""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

from reproduction.batch import Plan

LESSONS = ("01_data", "04_mean_teacher")  # that say most about the data; test_notebooks executes all
PATIENCE = 3600  # seconds; other work may have the machine


class Batch(NamedTuple):
    """A finished reproduction of all tables in profile smoke."""

    workspace: Path
    plan: Plan
    hit: Path  # the run folder that the first kill hit
    began_at: int  # the step from which that training went on
    said: str

    @property
    def table_3(self) -> Plan:
        return self.plan._replace(tables=(3,))

    def command(self) -> list[str]:
        """Table 3 alone of the same."""
        return ["reproduce", "--profile", "smoke", "--data", self.plan.data, "--table", "3", "--cores", "2"]


def run(data: str, workspace: Path) -> Batch:
    """Reproduce everything; kill it at its first checkpoint as a power cut does, then stop it as a scheduler does, then
    let it finish."""
    plan, processes = Plan("smoke", data, (0,), chosen=LESSONS), []
    try:
        processes.append(_start(plan, workspace))
        hit = _until_a_checkpoint(workspace, processes[-1])
        os.killpg(processes[-1].pid, signal.SIGKILL)
        processes[-1].wait()
        _log_of(workspace, hit).unlink()
        processes.append(_start(plan, workspace))
        began_at = _first_step(workspace, hit, processes[-1])
        _until_a_checkpoint(workspace, processes[-1])
        processes[-1].terminate()  # what it started must not stand in the way
        assert processes[-1].wait(60) == 143 and "stopped by SIGTERM" in _said(workspace)
        processes.append(_start(plan, workspace))
        assert processes[-1].wait(PATIENCE) == 0, _said(workspace)[-5000:]
    finally:
        for process in processes:
            try:
                os.killpg(process.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
            process.wait()
    return Batch(workspace, plan, hit, began_at, _said(workspace))


def _start(plan: Plan, workspace: Path) -> subprocess.Popen:
    with (workspace / "said.log").open("a") as log:
        return subprocess.Popen(
            [
                sys.executable,
                "-m",
                "sedlib.cli",
                "reproduce",
                "--profile",
                plan.profile,
                "--data",
                plan.data,
                "--cores",
                "2",
                *(part for name in plan.chosen for part in ("--lesson", name[:2])),
            ],
            stdout=log,
            stderr=log,
            start_new_session=True,
            env=os.environ | {"SEDLIB_WORKSPACE": str(workspace)},
        )


def _said(workspace: Path) -> str:
    return (workspace / "said.log").read_text()


def _until_a_checkpoint(workspace: Path, process: subprocess.Popen) -> Path:
    """A run folder in which a training that is not finished has just saved one."""
    began, end = time.time(), time.monotonic() + PATIENCE
    while time.monotonic() < end:
        for path in (workspace / "runs").glob("*/*/*/seed*/checkpoint.pt"):
            if path.exists() and path.stat().st_mtime > began and not (path.parent / "weights.pt").exists():
                return path.parent
        assert process.poll() is None, _said(workspace)
        time.sleep(0.02)
    raise AssertionError("no training saved a checkpoint")


def _log_of(workspace: Path, run: Path) -> Path:
    return workspace / "report" / "logs" / f"train-{run.parent.name}-{run.name.removeprefix('seed')}.log"


def _first_step(workspace: Path, run: Path, process: subprocess.Popen) -> int:
    """The step from which a training went on, as its progress bar says."""
    log, end = _log_of(workspace, run), time.monotonic() + PATIENCE
    while time.monotonic() < end:
        if log.exists() and (bar := re.search(r"\b(\d+)/\d+ \[", log.read_text())):
            return int(bar[1])
        assert process.poll() is None, _said(workspace)
        time.sleep(0.02)
    raise AssertionError(f"{log} shows no training")
