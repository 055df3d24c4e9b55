"""The batch, as ``make reproduce`` runs it: snakemake started on a plan, with an estimate and what failed.

The graph itself is ``reproduction/Snakefile``; its jobs are `reproduction.jobs`. What is finished is kept, so a batch
that was stopped, or lost its power, goes on.
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import joblib

from minidesed import generate
from reproduction.keeper import kept, stoppable
from reproduction.memory import available_memory
from reproduction.plan import LEDGER_LESSON, SCORED_ON, TRAINED_ON, Plan
from reproduction.progress import duration, watch
from sedlib.data import layout
from sedlib.errors import SedError
from sedlib.files import FULL, locked, room_for
from sedlib.systems import configuration
from sedlib.workspace import handed_on, workspace

GRAPH = Path(__file__).with_name("Snakefile")
PROFILES = Path(__file__).with_name("profiles")  # of clusters
ROOM = 2**16  # bytes without which a batch does not begin


def reproduce(
    plan: Plan, cores: int | None = None, cluster: str | None = None, say: Callable[[str], Any] = print
) -> Path:
    """Do all jobs of a plan that are not done.

    Parameters
    ----------
    plan : Plan
    cores : int, optional
        How many jobs of one thread run at once; default: the cores that this process may use.
    cluster : str, optional
        Name of a folder in ``reproduction/profiles/``, or a path of one: a snakemake profile that says where jobs run.
    say : callable
        Told what a person at the screen should know.

    Returns
    -------
    path of the report's first page

    Raises
    ------
    SedError
        For a plan that cannot be, data that cannot be trained or scored on (`layout.preflight`), runs of an older
        configuration, a second batch in the same workspace, a folder that cannot be written; and at the end if a job
        failed, when all others are done and the report says so.
    Stopped
        At SIGINT, SIGTERM or SIGHUP, when all jobs have ended; on a cluster they are cancelled.
    """
    plan = plan.checked()
    place, profile_folder = workspace(), _profile(cluster)
    if plan.data != "mini":
        mixes = any(configuration(system, plan.profile).augment.uses_soundbank for system, _ in plan.trainings())
        layout.preflight(plan.root, [*TRAINED_ON, *SCORED_ON], mixes)
    cores = cores or joblib.cpu_count()
    with stoppable(), _alone(place), room_for(place):
        _refuse_older(plan)
        _forget_stale(plan)
        todo = [job for job in plan.jobs() if not job.done.exists()]
        seconds = sum(job.seconds for job in todo)
        where = (
            f"by cluster profile {profile_folder.name}"
            if profile_folder
            else f"on {cores} core{'s' if cores > 1 else ''}"
        )
        about = (
            duration(seconds / cores)
            if not profile_folder and plan.profile == "lesson"
            else "a time that is told as it goes"
        )
        say(
            f"{len(todo)} of {len(plan.jobs())} jobs to do {where}: about {about}. "
            f"{len(plan.trainings())} trainings; profile {plan.profile}, data {plan.root.name}, "
            f"seeds {', '.join(map(str, plan.seeds))}. "
            "Stop at any moment; the same command goes on."
        )
        status = _snakemake(plan, cores, profile_folder)
        failed = failures(plan)
        if status and failed and not plan.partial:
            say("Some jobs failed; ledger and report are made of the others.")
            for name in ("report/ledger.json", "report/index.html", f"report/lessons/{LEDGER_LESSON}.ipynb"):
                (place / name).unlink(missing_ok=True)
            _snakemake(plan._replace(partial=True), cores, profile_folder)
        if status:
            with room_for(place):  # of a full disk jobs and snakemake say all sorts of things, if they still can
                _take_room(place / "report")
            failed = failed or failures(plan, of_results=True)
            told = "\n".join(f"  {name}: {why}" for name, why in failed.items())
            raise SedError(
                f"{len(failed)} jobs failed (logs: {place / 'report' / 'logs'}):\n{told}"
                if failed
                else f"snakemake ended with status {status}: {_last_line(place / 'report' / 'snakemake.log')}"
            )
    return place / plan.target()


def failures(plan: Plan, of_results: bool = False) -> dict[str, str]:
    """Jobs that are not done though they were begun, and the last line of their logs; to be asked when none is at work.

    What is made of the others' results, and fails when they do, is among them only ``of_results``.
    """
    logs, later = workspace() / "report" / "logs", ("ledger", "report", f"lesson-{LEDGER_LESSON}")
    return {
        job.name: _last_line(logs / f"{job.name}.log")
        for job in plan.jobs()
        if (of_results or job.name not in later) and not job.done.exists() and (logs / f"{job.name}.log").exists()
    }


def _profile(cluster: str | None) -> Path | None:
    if cluster is None:
        return None
    for folder in (PROFILES / cluster, Path(cluster).expanduser()):
        if (folder / "config.yaml").is_file():
            return folder
    known = ", ".join(sorted(path.parent.name for path in (PROFILES).glob("*/config.yaml")))
    raise SedError(f"cluster {cluster!r}: neither a profile here ({known}) nor a folder with a config.yaml")


@contextmanager
def _alone(place: Path) -> Iterator[None]:
    """One batch at a time in a workspace that can be written."""
    try:
        (place / "report" / "logs").mkdir(parents=True, exist_ok=True)
        (place / "runs").mkdir(exist_ok=True)
        for folder in (place, place / "report", place / "runs"):
            _take_room(folder)
        lock = place / "report" / ".batch.lock"
        lock.touch()
    except OSError as error:
        fix = "make room" if error.errno in FULL else "make it writable"
        raise SedError(
            f"{place}: cannot be written ({error.strerror}); {fix}, or give another folder with SEDLIB_WORKSPACE"
        ) from None
    with locked(
        lock,
        f"{place}: another reproduction is at work in this folder (process "
        f"{lock.read_text().strip() or 'unknown'}); wait for it, "
        "stop it, or give another folder with SEDLIB_WORKSPACE",
        wait=False,
    ):
        lock.write_text(f"{os.getpid()}\n")
        yield


def _take_room(folder: Path) -> None:
    """`OSError` if there is no room for a few small files in a folder, or it cannot be written."""
    with tempfile.TemporaryFile(dir=folder) as file:
        file.write(bytes(ROOM))
        file.flush()


def _refuse_older(plan: Plan) -> None:
    """`SedError` if data or runs were made by another version or configuration than this code's, or from other data,
    before anything is done."""
    from sedlib.training import Run
    from sedlib.training.runs import read_json

    data, described = plan.root, plan.root / "dataset.json"
    if plan.data == "mini":
        if described.is_file() and (made := read_json(described).get("generator")) != generate.VERSION:
            raise SedError(
                f"{described}: made by version {made} of the generator, this code has {generate.VERSION}; "
                f"move or remove {plan.root} and "
                f"{workspace() / plan.runs}, or give another folder with SEDLIB_WORKSPACE"
            )
        if not (described.is_file() and (workspace() / plan.data_made).exists()):
            data = None  # to be made
    older = []
    for system, seed in plan.trainings():
        run = Run(plan.folder(system, seed))
        if (run.folder / "config.json").exists() and (
            different := run.differences(configuration(system, plan.profile), seed, data)
        ):
            older.append(f"  {run.folder}: {'; '.join(different[:3])}")
    if older:
        raise SedError(
            "runs of another configuration, or of other data, are in the way; move or remove their folders "
            "(all others are kept), "
            "or give another folder with SEDLIB_WORKSPACE:\n" + "\n".join(older)
        )


def _forget_stale(plan: Plan) -> None:
    """Remove marks of what is not there any more, or was scored by other code; never anything that took long."""
    from reproduction.scoring import is_current, run_of
    from sedlib.training import Run
    from sedlib.training.runs import read_json, write_json

    place = workspace()
    if plan.data == "mini" and not (plan.root / "dataset.json").exists():
        for mark in [place / plan.data_made, *(place / plan.stores).glob("*.made")]:
            mark.unlink(missing_ok=True)
    # An ensemble is that of the runs that are there.
    for system, seed in dict.fromkeys([*plan.trainings(), *plan.scored()]):
        members = [Run(plan.folder(*member)) for member in plan.members(system, seed)]
        if not all(run.finished and (run.folder / "config.json").exists() for run in members):
            for name in ("trained", "validation.npz", "public.npz", "scored"):
                (plan.folder(system, seed) / name).unlink(missing_ok=True)
    for system, seed in plan.trainings():
        folder = plan.folder(system, seed)
        if not (folder / "validation.npz").exists():  # which the same job stores
            (folder / "trained").unlink(missing_ok=True)
    for system, seed in plan.scored():
        run = run_of(plan.profile, plan.root, system, seed)
        if not all(is_current(run, decoding) for decoding in ("median", *plan.searches(system))):
            (run.folder / "scored").unlink(missing_ok=True)
    # What is made of all of it is made anew each time, from whatever this plan asks for; lessons that ran with other
    # parameters, too.
    if plan.lessons():
        parameters = {"profile": plan.profile, "data": str(plan.root), "seed": plan.seeds[0]}
        last = place / "report" / "lessons.json"
        if not last.exists() or read_json(last) != parameters:
            for path in (place / "report" / "lessons").glob("*.ipynb"):
                path.unlink()
            write_json(last, parameters)
    for name in ("report/ledger.json", plan.target()):
        (place / name).unlink(missing_ok=True)
    for log in (place / "report" / "logs").glob("*.log"):
        log.unlink()


def command(plan: Plan, cores: int, profile_folder: Path | None = None) -> list[str]:
    """How snakemake is called; names of files to make may follow, by default the report."""
    call = [
        sys.executable,
        "-m",
        "snakemake",
        "--snakefile",
        GRAPH,
        "--directory",
        workspace().absolute(),
        "--nolock",
        "--keep-going",
        "--rerun-incomplete",
        "--rerun-triggers",
        "mtime",
        "--nocolor",
    ]
    if profile_folder:
        call += ["--workflow-profile", profile_folder]
    else:
        call += [
            "--cores",
            cores,
            "--scheduler",
            "greedy",
            "--resources",
            f"mem_mb={available_memory() // 2**20}",
            "gpu=1",
            "--workflow-profile",
            "none",
        ]
    return [*map(str, call), "--config", *(f"{name}={value}" for name, value in plan.config().items()), "--"]


def _snakemake(plan: Plan, cores: int, profile_folder: Path | None) -> int:
    """Run the graph; its exit status."""
    place = workspace().absolute()
    environment = (
        os.environ
        | handed_on()
        | {"PYTHONPATH": os.pathsep.join([str(GRAPH.parents[1]), *filter(None, [os.environ.get("PYTHONPATH")])])}
    )
    with (
        (place / "report" / "snakemake.log").open("a", encoding="utf-8") as log,
        kept(command(plan, cores, profile_folder), stdout=log, stderr=log, env=environment) as process,
    ):
        watch(plan, process)
    return process.returncode


def _last_line(path: Path) -> str:
    try:
        lines = [
            line.strip()
            for line in path.read_text(encoding="utf-8", errors="replace").replace("\r", "\n").splitlines()
            if line.strip()
        ]
    except OSError:
        return "no log"
    return lines[-1].removeprefix("Error: ")[:500] if lines else "it ended without a word (killed?)"
