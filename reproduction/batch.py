"""The batch: which jobs the paper's tables need, and snakemake started on them, with progress, an estimate and what failed.

What ``make reproduce`` runs. The graph itself is ``reproduction/Snakefile``; its jobs are `reproduction.jobs`. What is finished is kept, so a
batch that was stopped, or lost its power, goes on.
"""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote, unquote

import joblib
from tqdm.auto import tqdm

from minidesed import generate
from reproduction.keeper import kept, stoppable
from reproduction.lessons import find, lessons
from reproduction.memory import available_memory
from reproduction.rows import ROWS, Row
from sedlib.config import profile
from sedlib.data import audit
from sedlib.errors import SedError
from sedlib.files import FULL, locked, room_for
from sedlib.systems import ENSEMBLES, configuration
from sedlib.workspace import handed_on, run_folder, workspace

GRAPH = Path(__file__).with_name("Snakefile")
PROFILES = Path(__file__).with_name("profiles")  # of clusters
TABLES = (1, 2, 3)
LEDGER_LESSON = "07_paper_ledger"  # which reads what all others were run for
# What a training reads, and what is scored.
TRAINED_ON, SCORED_ON = ("synthetic", "weak", "unlabel_in_domain"), ("validation", "public")
# Trainings whose runs a lesson shows; where they are missing it trains them itself.
LESSON_RUNS = {"02_augmentation": ("baseline",), "03_pcen": ("ppcen_logmel",), "04_mean_teacher": ("baseline",),
               "05_domain_adversarial": ("dat_augm", "augm"), "06_hmm": ("baseline",)}
ROOM = 2**16  # bytes without which a batch does not begin
# Seconds of one core that jobs of profile lesson took (see README); the estimate takes only their proportions once some are done.
SECONDS = {"data": 125, "store": 5, "score": 12, "ledger": 15, "lesson": 40, "report": 12}
FOREST_SECONDS, TRAINING_SECONDS, MIXED_TRAINING_SECONDS = 90, 215, 375
LESSON_SECONDS = {"01_data": 65, "05_domain_adversarial": 155, "06_hmm": 145}


class Job(NamedTuple):
    """A job of the batch, for progress: done when its file is there."""

    kind: str
    name: str
    done: Path
    seconds: float


class Plan(NamedTuple):
    """What is to be reproduced; all paths are relative to the workspace."""

    profile: str
    data: str
    seeds: tuple[int, ...]
    tables: tuple[int, ...] = TABLES
    partial: bool = False  # make ledger and report of what there is, because something failed

    @classmethod
    def of(cls, config: Mapping[str, Any]) -> Plan:
        """From text, as snakemake's ``--config`` and `reproduction.jobs` have it; the inverse of `config`."""
        try:
            numbers = {name: tuple(int(part) for part in str(config.get(name, default)).split(","))
                       for name, default in (("seeds", "0"), ("tables", "1,2,3"))}
        except ValueError as error:
            raise SedError(f"seeds and tables are whole numbers with commas between them ({error})") from None
        return cls(str(config.get("profile", "lesson")), unquote(str(config.get("data", "mini"))), numbers["seeds"], numbers["tables"],
                   bool(int(config.get("partial", 0)))).checked()

    def checked(self) -> Plan:
        """Itself, with the whole path of its data; `SedError` for an unknown profile, table or seed, or a data folder that is not there."""
        profile(self.profile)
        for table in self.tables:
            if table not in TABLES:
                raise SedError(f"table {table} does not exist; the paper has tables 1, 2 and 3")
        if not self.seeds or min(self.seeds) < 0 or len(set(self.seeds)) < len(self.seeds):
            raise SedError(f"seeds {', '.join(map(str, self.seeds))}: give different numbers, 0 or more")
        if self.data == "mini":
            return self
        if not Path(self.data).expanduser().is_dir():
            raise SedError(f"data {self.data!r}: no such folder; give a DESED-layout folder, or 'mini' for the embedded data set")
        if set("{}") & set(self.root.name):
            raise SedError(f"data {self.data!r}: a folder's name with braces means something else to snakemake; rename it, or give a link to it")
        return self._replace(data=str(self.root))  # jobs run in another folder, where a relative path would mean something else

    def config(self) -> dict[str, str]:
        """Plain text, without a character that snakemake or a shell would take for more; the inverse of `of`."""
        return {"profile": self.profile, "data": quote(self.data), "seeds": ",".join(map(str, self.seeds)),
                "tables": ",".join(map(str, self.tables)), "partial": str(int(self.partial))}

    def options(self) -> str:
        """The same as options of `reproduction.jobs`."""
        return " ".join(f"--{name} {shlex.quote(value)}" for name, value in self.config().items())

    @property
    def root(self) -> Path:
        """The data set's folder, which may not be made yet."""
        return (workspace() / "data" / f"mini-{self.profile}" if self.data == "mini" else Path(self.data).expanduser()).resolve()

    @property
    def runs(self) -> str:
        return f"runs/{self.profile}/{self.root.name}"

    @property
    def stores(self) -> str:
        return f"{self.runs}/stores"

    @property
    def data_made(self) -> str:
        return f"{self.runs}/data.made"

    def folder(self, system: str, seed: int) -> Path:
        """Of a run."""
        return run_folder(self.profile, self.root, system, seed)

    def rows(self) -> list[Row]:
        """The paper's rows that are asked for."""
        return [row for row in ROWS if row.table in self.tables]

    def systems(self) -> list[str]:
        """What these rows score."""
        return list(dict.fromkeys(row.system for row in self.rows()))

    def searches(self, system: str) -> list[str]:
        """With which HMMs a system is decoded: the rows', and the robust ones beside them, for what they could have been."""
        asked = dict.fromkeys(row.decoding for row in self.rows() if row.system == system and row.decoding != "median")
        return [*asked, "robust"] if asked else []

    def scored(self) -> list[tuple[str, int]]:
        """System and seed of everything that is scored."""
        return [(system, seed) for system in self.systems() for seed in self.seeds]

    def members(self, system: str, seed: int) -> list[tuple[str, int]]:
        """The trainings behind a system: itself, or what an ensemble averages."""
        return [(member, seed + above) for member, above in ENSEMBLES.get(system, ((system, 0),))]

    def trainings(self) -> list[tuple[str, int]]:
        """System and seed of all trainings; those that take longest first."""
        found = dict.fromkeys(member for scored in self.scored() for member in self.members(*scored))
        return sorted(found, key=lambda one: -_seconds(one[0]))

    def lessons(self) -> list[str]:
        """The lessons that are executed: all, or none for some of the tables."""
        return [path.stem for path in lessons()] if set(self.tables) == set(TABLES) else []

    # Files of the graph.
    def made_stores(self) -> list[str]:
        return [f"{self.stores}/{subset}.made" for subset in TRAINED_ON + SCORED_ON]

    def scores_need(self, system: str, seed: int) -> list[str]:
        return [f"{self.runs}/{member}/seed{of}/trained" for member, of in self.members(system, seed)]

    def scored_files(self) -> list[str]:
        return self._there(f"{self.runs}/{system}/seed{seed}/scored" for system, seed in self.scored())

    def lesson_needs(self, lesson: str) -> list[str]:
        source = str(find(lesson))  # a lesson that was changed is executed anew
        if lesson == LEDGER_LESSON:
            return [source, "report/ledger.json"]
        needed = [f"{self.runs}/{system}/seed{self.seeds[0]}/trained" for system in LESSON_RUNS.get(lesson, ())]
        return [source, *self._there(needed or self.made_stores())]

    def lesson_files(self) -> list[str]:
        return self._there(f"report/lessons/{lesson}.ipynb" for lesson in self.lessons())

    def target(self) -> str:
        return "report/index.html"

    def _there(self, files: Iterator[str] | Sequence[str]) -> list[str]:
        """All of them; of a partial reproduction those that there are."""
        return [file for file in files if not self.partial or (workspace() / file).exists() or LEDGER_LESSON in file]

    def jobs(self) -> list[Job]:
        """Every job, for progress."""
        place = workspace()
        found = [Job("data", "data", place / self.data_made, SECONDS["data"])] if self.data == "mini" else []
        found += [Job("store", f"store-{subset}", place / f"{self.stores}/{subset}.made", SECONDS["store"]) for subset in TRAINED_ON + SCORED_ON]
        found += [Job("train", f"train-{system}-{seed}", self.folder(system, seed) / "trained", _seconds(system))
                  for system, seed in self.trainings()]
        for system, seed in self.scored():
            forest = FOREST_SECONDS * ("forest" in self.searches(system))
            found.append(Job("score", f"score-{system}-{seed}", self.folder(system, seed) / "scored", SECONDS["score"] + forest))
        found.append(Job("ledger", "ledger", place / "report/ledger.json", SECONDS["ledger"]))
        found += [Job("lesson", f"lesson-{lesson}", place / f"report/lessons/{lesson}.ipynb", LESSON_SECONDS.get(lesson, SECONDS["lesson"]))
                  for lesson in self.lessons()]
        return [*found, Job("report", "report", place / self.target(), SECONDS["report"])]


def reproduce(plan: Plan, cores: int | None = None, cluster: str | None = None, say: Callable[[str], Any] = print) -> Path:
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
        For a plan that cannot be, data that cannot be trained or scored on (`audit.preflight`), runs of an older configuration, a second batch in the same workspace, a folder that cannot be
        written; and at the end if a job failed, when all others are done and the report says so.
    Stopped
        At SIGINT, SIGTERM or SIGHUP, when all jobs have ended; on a cluster they are cancelled.
    """
    plan = plan.checked()
    place, profile_folder = workspace(), _profile(cluster)
    if plan.data != "mini":
        mixes = any(configuration(system, plan.profile).augment.uses_soundbank for system, _ in plan.trainings())
        audit.preflight(plan.root, [*TRAINED_ON, *SCORED_ON], mixes)
    cores = cores or joblib.cpu_count()
    with stoppable(), _alone(place), room_for(place):
        _refuse_older(plan)
        _forget_stale(plan)
        todo = [job for job in plan.jobs() if not job.done.exists()]
        seconds = sum(job.seconds for job in todo)
        where = f"by cluster profile {profile_folder.name}" if profile_folder else f"on {cores} core{'s' if cores > 1 else ''}"
        about = _duration(seconds / cores) if not profile_folder and plan.profile == "lesson" else "a time that is told as it goes"
        say(f"{len(todo)} of {len(plan.jobs())} jobs to do {where}: about {about}. {len(plan.trainings())} trainings; profile {plan.profile}, "
            f"data {plan.root.name}, seeds {', '.join(map(str, plan.seeds))}. Stop at any moment; the same command goes on.")
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
            raise SedError(f"{len(failed)} jobs failed (logs: {place / 'report' / 'logs'}):\n{told}" if failed else
                           f"snakemake ended with status {status}: {_last_line(place / 'report' / 'snakemake.log')}")
    return place / plan.target()


def failures(plan: Plan, of_results: bool = False) -> dict[str, str]:
    """Jobs that are not done though they were begun, and the last line of their logs; to be asked when none is at work.

    What is made of the others' results, and fails when they do, is among them only ``of_results``.
    """
    logs, later = workspace() / "report" / "logs", ("ledger", "report", f"lesson-{LEDGER_LESSON}")
    return {job.name: _last_line(logs / f"{job.name}.log") for job in plan.jobs()
            if (of_results or job.name not in later) and not job.done.exists() and (logs / f"{job.name}.log").exists()}


def _seconds(system: str) -> float:
    return MIXED_TRAINING_SECONDS if "augm" in system else TRAINING_SECONDS


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
        raise SedError(f"{place}: cannot be written ({error.strerror}); {fix}, or give another folder with SEDLIB_WORKSPACE") from None
    with locked(lock, f"{place}: another reproduction is at work in this folder (process {lock.read_text().strip() or 'unknown'}); wait for it, "
                "stop it, or give another folder with SEDLIB_WORKSPACE", wait=False):
        lock.write_text(f"{os.getpid()}\n")
        yield


def _take_room(folder: Path) -> None:
    """`OSError` if there is no room for a few small files in a folder, or it cannot be written."""
    with tempfile.TemporaryFile(dir=folder) as file:
        file.write(bytes(ROOM))
        file.flush()


def _refuse_older(plan: Plan) -> None:
    """`SedError` if data or runs were made by another version or configuration than this code's, or from other data, before
    anything is done."""
    from sedlib.training import Run
    from sedlib.training.runs import read_json

    data, described = plan.root, plan.root / "dataset.json"
    if plan.data == "mini":
        if described.is_file() and (made := read_json(described).get("generator")) != generate.VERSION:
            raise SedError(f"{described}: made by version {made} of the generator, this code has {generate.VERSION}; move or remove {plan.root} and "
                           f"{workspace() / plan.runs}, or give another folder with SEDLIB_WORKSPACE")
        if not (described.is_file() and (workspace() / plan.data_made).exists()):
            data = None  # to be made
    older = []
    for system, seed in plan.trainings():
        run = Run(plan.folder(system, seed))
        if (run.folder / "config.json").exists() and (different := run.differences(configuration(system, plan.profile), seed, data)):
            older.append(f"  {run.folder}: {'; '.join(different[:3])}")
    if older:
        raise SedError("runs of another configuration, or of other data, are in the way; move or remove their folders (all others are kept), "
                       "or give another folder with SEDLIB_WORKSPACE:\n" + "\n".join(older))


def _forget_stale(plan: Plan) -> None:
    """Remove marks of what is not there any more, or was scored by other code; never anything that took long."""
    from sedlib.training import Run
    from sedlib.training.ensemble import run_of
    from sedlib.training.runs import read_json, write_json
    from sedlib.training.scoring import is_current

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
    # What is made of all of it is made anew each time, from whatever this plan asks for; lessons that ran with other parameters, too.
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
    call = [sys.executable, "-m", "snakemake", "--snakefile", GRAPH, "--directory", workspace().absolute(), "--nolock",
            "--keep-going", "--rerun-incomplete", "--rerun-triggers", "mtime", "--nocolor"]
    if profile_folder:
        call += ["--workflow-profile", profile_folder]
    else:
        call += ["--cores", cores, "--scheduler", "greedy", "--resources", f"mem_mb={available_memory() // 2**20}", "gpu=1", "--workflow-profile", "none"]
    return [*map(str, call), "--config", *(f"{name}={value}" for name, value in plan.config().items()), "--"]


def _snakemake(plan: Plan, cores: int, profile_folder: Path | None) -> int:
    """Run the graph; its exit status."""
    place = workspace().absolute()
    environment = os.environ | handed_on() | {"PYTHONPATH": os.pathsep.join(
        [str(GRAPH.parents[1]), *filter(None, [os.environ.get("PYTHONPATH")])])}
    with (place / "report" / "snakemake.log").open("a", encoding="utf-8") as log, kept(
            command(plan, cores, profile_folder), stdout=log, stderr=log, env=environment) as process:
        _watch(plan, process)
    return process.returncode


def _watch(plan: Plan, process: subprocess.Popen) -> None:
    """Show how far the jobs are until snakemake ends."""
    jobs = plan.jobs()
    total, began = sum(job.seconds for job in jobs), time.monotonic()
    start = _done(jobs)
    form = "{desc} {percentage:3.0f}%|{bar}| {elapsed}{postfix}"
    with tqdm(total=total, initial=start, bar_format=form, mininterval=0) as bar:
        while True:
            ended = process.poll() is not None
            done = _done(jobs)
            bar.n = min(done, total)
            bar.set_description_str(_counts(jobs), refresh=False)
            passed = time.monotonic() - began
            left = (total - done) * passed / (done - start) if done > start and passed > 20 else None
            bar.set_postfix_str("" if ended else f"about {_duration(left)} to go" if left is not None else "", refresh=False)
            bar.refresh()
            if ended:
                return
            try:
                process.wait(2 if sys.stderr.isatty() else 15)
            except subprocess.TimeoutExpired:
                pass


def _done(jobs: list[Job]) -> float:
    """Seconds of work that is done; of a training that runs, its share of steps."""
    done = 0.0
    for job in jobs:
        if job.done.exists():
            done += job.seconds
        elif job.kind == "train":
            try:
                progress = json.loads((job.done.parent / "progress.json").read_text(encoding="utf-8"))
                done += job.seconds * progress["step"] / progress["steps"]
            except (OSError, ValueError, KeyError, ZeroDivisionError):
                pass
    return done


def _counts(jobs: list[Job]) -> str:
    kinds = {"train": "trainings", "score": "scored", "lesson": "lessons"}
    return ", ".join(f"{sum(job.done.exists() for job in jobs if job.kind == kind)}/{sum(job.kind == kind for job in jobs)} {name}"
                     for kind, name in kinds.items() if any(job.kind == kind for job in jobs))


def _last_line(path: Path) -> str:
    try:
        lines = [line.strip() for line in path.read_text(encoding="utf-8", errors="replace").replace("\r", "\n").splitlines() if line.strip()]
    except OSError:
        return "no log"
    return lines[-1].removeprefix("Error: ")[:500] if lines else "it ended without a word (killed?)"


def _duration(seconds: float) -> str:
    minutes = max(1, round(seconds / 60))
    return f"{minutes} minutes" if minutes < 100 else f"{minutes / 60:.1f} hours"
