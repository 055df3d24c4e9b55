"""The batch, as ``make reproduce`` runs it: snakemake started on a plan, with estimate, progress and failures.

The graph itself is ``reproduction/Snakefile``; its jobs are `reproduction.jobs`. Finished work is kept, so a batch
resumes after it was stopped or lost power.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import joblib
from tqdm.auto import tqdm

from minidesed import generate
from reproduction import posteriors
from reproduction.keeper import kept, stoppable
from reproduction.memory import available_memory
from reproduction.plan import LEDGER_LESSON, SCORED_ON, TRAINED_ON, Job, Plan
from reproduction.scoring import is_current, run_of
from sedlib.data import layout
from sedlib.errors import SedError
from sedlib.files import FULL, locked, read_json, room_for, write_json
from sedlib.systems import configuration
from sedlib.training import Run
from sedlib.workspace import dataset, handed_on, workspace

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
        Number of one-thread jobs that run at once; default: the cores that this process may use.
    cluster : str, optional
        Name of a folder in ``reproduction/profiles/``, or a path of one: a snakemake profile that says where jobs run.
    say : callable
        Shows a line to the user.

    Returns
    -------
    path
        The report's first page.

    Raises
    ------
    SedError
        For an impossible plan, data that cannot be trained or scored on (`layout.preflight`), runs of another
        configuration, a second batch in the same workspace, or a folder that cannot be written; at the end also if a
        job failed, when all others are done and the report says so.
    Stopped
        At SIGINT, SIGTERM or SIGHUP, when all jobs have ended; on a cluster they are cancelled.
    """
    plan = plan.checked()
    place, cluster_profile = workspace(), _profile(cluster)
    if plan.data != "mini":
        mixes = any(configuration(system, plan.profile).augment.uses_soundbank for system, _ in plan.trainings())
        layout.preflight(plan.root, [*TRAINED_ON, *SCORED_ON], mixes)
    cores = cores or joblib.cpu_count()
    with stoppable(), _alone(place), room_for(place):
        if plan.published:
            _take_published(plan)
        _refuse_older(plan)
        _forget_stale(plan)
        say(_announcement(plan, cores, cluster_profile))
        if status := _snakemake(plan, cores, cluster_profile):
            failed = failures(plan)
            if failed:
                say("Some jobs failed; ledger and report are made from the others.")
                for name in ("report/ledger.json", "report/index.html", f"report/lessons/{LEDGER_LESSON}.ipynb"):
                    (place / name).unlink(missing_ok=True)
                _snakemake(plan._replace(partial=True), cores, cluster_profile)
            _take_room(place / "report")  # on a full disk, jobs and snakemake report all sorts of errors, if any
            failed = failed or failures(plan, of_results=True)
            listed = "".join(f"\n  {name}: {why}" for name, why in failed.items())
            raise SedError(
                f"{len(failed)} jobs failed (logs: {place / 'report' / 'logs'}):{listed}"
                if failed
                else f"snakemake ended with status {status}: {_last_line(place / 'report' / 'snakemake.log')}"
            )
    return place / plan.target()


def failures(plan: Plan, of_results: bool = False) -> dict[str, str]:
    """Return jobs that began and are not done, with the last line of their logs; only while no job runs.

    Ledger and report, which fail when others do, are among them only with ``of_results``.
    """
    logs, later = workspace() / "report" / "logs", ("ledger", "report", f"lesson-{LEDGER_LESSON}")
    return {
        job.name: _last_line(logs / f"{job.name}.log")
        for job in plan.jobs()
        if (of_results or job.name not in later) and not job.done.exists() and (logs / f"{job.name}.log").exists()
    }


def command(plan: Plan, cores: int, cluster_profile: Path | None = None) -> list[str]:
    """Return the call of snakemake; names of files to make may follow, by default the report."""
    call = [sys.executable, *"-m snakemake --nolock --keep-going --rerun-incomplete --nocolor".split()]
    call += ["--rerun-triggers", "mtime", "--snakefile", GRAPH, "--directory", workspace().absolute()]
    if cluster_profile:
        call += ["--workflow-profile", cluster_profile]
    else:
        call += ["--workflow-profile", "none", "--cores", cores, "--scheduler", "greedy"]
        call += ["--resources", f"mem_mb={available_memory() // 2**20}", "gpu=1"]
    return [*map(str, call), "--config", *(f"{name}={value}" for name, value in plan.config().items()), "--"]


def _announcement(plan: Plan, cores: int, cluster_profile: Path | None) -> str:
    """Tell what is to be done, and in profile lesson on this machine also how long it takes."""
    jobs = plan.jobs()
    todo = [job for job in jobs if not job.done.exists()]
    where, about = f"on {cores} core{'s' if cores > 1 else ''}", "; the time left is shown while they run"
    if cluster_profile:
        where = f"by cluster profile {cluster_profile.name}"
    elif plan.profile == "lesson":
        about = f": about {_duration(sum(job.seconds for job in todo) / cores)}"
    return (
        f"{len(todo)} of {len(jobs)} jobs to do {where}{about}. {len(plan.trainings())} trainings; profile "
        f"{plan.profile}, data {plan.root.name}, seeds {', '.join(map(str, plan.seeds))}. "
        "You can stop at any moment; the same command continues."
    )


def _profile(cluster: str | None) -> Path | None:
    if cluster is None:
        return None
    for folder in (PROFILES / cluster, Path(cluster).expanduser()):
        if (folder / "config.yaml").is_file():
            return folder
    known = ", ".join(sorted(path.parent.name for path in PROFILES.glob("*/config.yaml")))
    raise SedError(f"cluster {cluster!r}: neither a profile here ({known}) nor a folder with a config.yaml")


@contextmanager
def _alone(place: Path) -> Iterator[None]:
    """One batch at a time in a workspace that can be written."""
    elsewhere, lock = "or give another folder with SEDLIB_WORKSPACE", place / "report" / ".batch.lock"
    try:
        (place / "report" / "logs").mkdir(parents=True, exist_ok=True)
        (place / "runs").mkdir(exist_ok=True)
        for folder in (place, place / "report", place / "runs"):
            _take_room(folder)
        lock.touch()
    except OSError as error:
        fix = "make room" if error.errno in FULL else "make it writable"
        raise SedError(f"{place}: cannot be written ({error.strerror}); {fix}, {elsewhere}") from None
    other = f"another reproduction is running in this folder (process {lock.read_text().strip() or 'unknown'})"
    with locked(lock, f"{place}: {other}; wait for it, stop it, {elsewhere}", wait=False):
        lock.write_text(f"{os.getpid()}\n")
        yield


def _take_room(folder: Path) -> None:
    """`OSError` if there is no room for a few small files in a folder, or it cannot be written."""
    with tempfile.TemporaryFile(dir=folder) as file:
        file.write(bytes(ROOM))
        file.flush()


def _take_published(plan: Plan) -> None:
    """Make the data set, which the scores need, and put published posteriors where trainings would be."""
    dataset(plan.data, plan.profile)
    (workspace() / plan.data_made).parent.mkdir(parents=True, exist_ok=True)
    if not (workspace() / plan.data_made).exists():  # it is older than what depends on it
        (workspace() / plan.data_made).touch()
    for system, seed in plan.trainings():
        posteriors.unpack(posteriors.file_of(system, seed), plan.folder(system, seed))


def _refuse_older(plan: Plan) -> None:
    """`SedError` before anything is done if data or runs are of other code, or runs of other data."""
    data, described = plan.root, plan.root / "dataset.json"
    elsewhere = "or give another folder with SEDLIB_WORKSPACE"
    if plan.data == "mini":
        if described.is_file() and (made := read_json(described).get("generator")) != generate.VERSION:
            raise SedError(
                f"{described}: made by version {made} of the generator, this code has {generate.VERSION}; "
                f"move or remove {plan.root} and {workspace() / plan.runs}, {elsewhere}"
            )
        if not (described.is_file() and (workspace() / plan.data_made).exists()):
            data = None  # to be made
    older = []
    for system, seed in plan.trainings():
        run = Run(plan.folder(system, seed))
        if (run.folder / "config.json").exists():
            different = run.differences(configuration(system, plan.profile), seed, data)
            older += [f"  {run.folder}: {'; '.join(different[:3])}"] if different else []
    if older:
        raise SedError(
            "runs of another configuration, or of other data, are in the way; move or remove their folders (all others "
            f"are kept), {elsewhere}:\n" + "\n".join(older)
        )


def _forget_stale(plan: Plan) -> None:
    """Remove marks of what is not there any more, or was scored by other code; never anything that took long."""
    place = workspace()
    stale = [place / "report" / "ledger.json", place / plan.target(), *(place / "report" / "logs").glob("*.log")]
    if plan.data == "mini" and not (plan.root / "dataset.json").exists():
        stale += [place / plan.data_made, *(place / plan.stores).glob("*.made")]
    for system, seed in dict.fromkeys([*plan.trainings(), *plan.scored()]):
        folder, scored = plan.folder(system, seed), (system, seed) in plan.scored()
        # An ensemble is that of the runs that are there.
        members = [Run(plan.folder(*member)) for member in plan.members(system, seed)]
        if not all(run.finished and (run.folder / "config.json").exists() for run in members):
            stale += [folder / name for name in ("trained", "validation.npz", "public.npz", "scored")]
        elif not (folder / "validation.npz").exists():  # stored by the job that trains
            stale += [folder / "trained", folder / "scored"]
        elif scored:
            run = run_of(plan.profile, plan.root, system, seed)
            if not all(is_current(run, decoding) for decoding in ("median", *plan.decodings(system))):
                stale.append(folder / "scored")
    if plan.lessons():  # executed again with other parameters
        parameters = {"profile": plan.profile, "data": str(plan.root), "seed": plan.seeds[0]}
        last = place / "report" / "lessons.json"
        if not last.exists() or read_json(last) != parameters:
            stale += (place / "report" / "lessons").glob("*.ipynb")
            write_json(last, parameters)
    for path in stale:
        path.unlink(missing_ok=True)


def _snakemake(plan: Plan, cores: int, cluster_profile: Path | None) -> int:
    """Run the graph; its exit status."""
    paths = [str(GRAPH.parents[1]), *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = os.environ | handed_on() | {"PYTHONPATH": os.pathsep.join(paths)}
    with (
        (workspace() / "report" / "snakemake.log").open("a", encoding="utf-8") as log,
        kept(command(plan, cores, cluster_profile), stdout=log, stderr=log, env=environment) as process,
    ):
        _watch(plan, process)
    return process.returncode


def _watch(plan: Plan, process: subprocess.Popen) -> None:
    """Show what is done and how long the rest will take, until snakemake ends."""
    jobs = plan.jobs()
    total, began, start = sum(job.seconds for job in jobs), time.monotonic(), seconds_done(jobs)
    form = "{desc} {percentage:3.0f}%|{bar}| {elapsed}{postfix}"
    with tqdm(total=total, initial=start, bar_format=form, mininterval=0) as bar:
        while True:
            ended, done, passed = process.poll() is not None, seconds_done(jobs), time.monotonic() - began
            bar.n = min(done, total)
            bar.set_description_str(counts(jobs), refresh=False)
            known = done > start and passed > 20 and not ended
            bar.set_postfix_str(f"about {_duration((total - done) * passed / (done - start))} to go" if known else "")
            if ended:
                return
            with suppress(subprocess.TimeoutExpired):
                process.wait(2 if sys.stderr.isatty() else 15)


def seconds_done(jobs: list[Job]) -> float:
    """Return the seconds of work that is done; of a running training, its share of steps."""
    done = 0.0
    for job in jobs:
        if job.done.exists():
            done += job.seconds
        elif job.kind == "train":
            with suppress(OSError, ValueError, KeyError, ZeroDivisionError):
                progress = json.loads((job.done.parent / "progress.json").read_text(encoding="utf-8"))
                done += job.seconds * progress["step"] / progress["steps"]
    return done


def counts(jobs: list[Job]) -> str:
    """Return such as "3/7 trainings, 0/7 scored"."""
    parts = []
    for kind, name in {"train": "trainings", "score": "scored", "lesson": "lessons"}.items():
        if done := [job.done.exists() for job in jobs if job.kind == kind]:
            parts.append(f"{sum(done)}/{len(done)} {name}")
    return ", ".join(parts)


def _duration(seconds: float) -> str:
    """Return a time in minutes or hours."""
    minutes = max(1, round(seconds / 60))
    return f"{minutes} minutes" if minutes < 100 else f"{minutes / 60:.1f} hours"


def _last_line(path: Path) -> str:
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return "no log"
    lines = list(filter(str.strip, text.replace("\r", "\n").splitlines()))
    return lines[-1].strip().removeprefix("Error: ")[:500] if lines else "it ended without a message (killed?)"
