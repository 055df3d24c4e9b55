"""One job of the batch: what a rule of ``workflow/Snakefile`` calls, ``python -m sedlib.jobs --profile P --data D JOB ...``.

Every job does what is not done yet, and says so in its file when it has ended. Two that would write in one place wait for each other:
a job of a batch that was killed may still be at work when the next batch begins.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from sedlib.data import layout
from sedlib.data.lock import wait_for
from sedlib.data.store import open_store
from sedlib.errors import SedError
from sedlib.files import one_line
from sedlib.reproduce import Plan, failures
from sedlib.systems import configuration
from sedlib.training import score, score_hmm, train, tune_hmm, write_posteriors
from sedlib.training.ensemble import run_of
from sedlib.workspace import dataset, workspace

# What takes long to import and few jobs need stands inside them.


@contextmanager
def alone(folder: Path, name: str) -> Iterator[None]:
    """Wait until no other process does the same."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / f".{name}.lock").open("a") as lock:
        wait_for(lock, f"{folder}: another process is at the same; waiting for it")
        yield


@click.group()
@click.option("--profile", default="lesson")
@click.option("--data", default="mini")
@click.option("--seeds", default="0")
@click.option("--tables", default="1,2,3")
@click.option("--partial", default=0)
@click.pass_context
def job(context: click.Context, **config) -> None:
    """A job of the batch."""
    context.obj = Plan.of(config)


def of_a_run(function: Callable[[Plan, str, int], None]) -> click.Command:
    """Make a job of what is to be done with the run of a system and seed."""
    for part in (click.pass_obj, click.argument("seed", type=int), click.argument("system"), job.command(function.__name__.rstrip("_"))):
        function = part(function)
    return function


@job.command()
@click.pass_obj
def data(plan: Plan) -> None:
    """Make MiniDESED."""
    dataset(plan.data, plan.profile)


@job.command()
@click.argument("subset")
@click.pass_obj
def store(plan: Plan, subset: str) -> None:
    """Decode a subset."""
    if subset != layout.OPTIONAL or layout.is_there(plan.root, subset):
        open_store(plan.root, subset)


@of_a_run
def train_(plan: Plan, system: str, seed: int) -> None:
    """Train."""
    folder = plan.folder(system, seed)
    with alone(folder, "train"):
        train(configuration(system, plan.profile), plan.root, seed, folder)


@of_a_run
def posteriors_(plan: Plan, system: str, seed: int) -> None:
    """Store posteriors."""
    with alone(plan.folder(system, seed), "posteriors"):
        write_posteriors(run_of(plan.profile, plan.root, system, seed), plan.root)


@of_a_run
def tune(plan: Plan, system: str, seed: int) -> None:
    """Tune the HMMs."""
    run = run_of(plan.profile, plan.root, system, seed)
    with alone(run.folder, "tune"):
        for search in plan.searches(system):
            tune_hmm(run, plan.root, search)
        (run.folder / "tuned").touch()


@of_a_run
def score_(plan: Plan, system: str, seed: int) -> None:
    """Score by median filter and HMMs."""
    run = run_of(plan.profile, plan.root, system, seed)
    with alone(run.folder, "score"):
        score(run, plan.root)
        for search in plan.searches(system):
            score_hmm(run, plan.root, search)
        (run.folder / "scored").touch()


@job.command()
@click.pass_obj
def ledger(plan: Plan) -> None:
    """Write the ledger."""
    from sedlib import ledger

    with alone(workspace() / "report", "ledger"):
        ledger.write(plan, failures(plan) if plan.partial else {})


@job.command()
@click.argument("name")
@click.pass_obj
def lesson(plan: Plan, name: str) -> None:
    """Execute a lesson."""
    from sedlib.lesson.execute import execute

    out = workspace() / "report" / "lessons"
    with alone(out, name):
        execute(name, out, profile=plan.profile, data=plan.data, seed=plan.seeds[0], interactive=False)


@job.command()
@click.pass_obj
def report(plan: Plan) -> None:
    """Write the report."""
    from sedlib.ledger import read
    from sedlib.lesson.report import report

    out = workspace() / "report"
    with alone(out, "report"):
        executed = [path for path in (workspace() / file for file in plan.lesson_files()) if path.exists()]
        report(executed, read(out / "ledger.json"), out)


def main() -> None:
    """A mistake, and what the disk refuses, are one line."""
    try:
        with one_line():
            job(standalone_mode=False)
    except click.exceptions.Abort:
        sys.exit(130)
    except (SedError, click.ClickException) as error:
        sys.exit(f"Error: {error if isinstance(error, SedError) else error.format_message()}")


if __name__ == "__main__":
    main()
