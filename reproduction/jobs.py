"""One job of the batch: what a rule of ``Snakefile`` calls, ``python -m reproduction.jobs --profile P --data D JOB
...``.

Every job does what is not done yet, and says so in its file when it has ended. Two that would write in one place wait
for each other: a job of a batch that was killed may still be at work when the next batch begins.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from reproduction.batch import failures
from reproduction.plan import Plan
from reproduction.scoring import Ensemble, run_of, score_hmm
from sedlib.data import layout
from sedlib.data.store import open_store
from sedlib.errors import SedError
from sedlib.files import locked, one_line
from sedlib.systems import configuration
from sedlib.training import score, train, write_posteriors
from sedlib.workspace import dataset, workspace

# What takes long to import and few jobs need stands inside them.


@contextmanager
def alone(folder: Path, name: str) -> Iterator[None]:
    """Wait until no other process does the same."""
    with locked(folder / f".{name}.lock", f"{folder}: another process is at the same; waiting for it"):
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
    taken = click.argument("system")(click.argument("seed", type=int)(click.pass_obj(function)))
    return job.command(function.__name__.rstrip("_"))(taken)


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
    """Train, and store the posteriors of what is scored."""
    folder = plan.folder(system, seed)
    with alone(folder, "train"):
        write_posteriors(train(configuration(system, plan.profile), plan.root, seed, folder), plan.root)


@of_a_run
def score_(plan: Plan, system: str, seed: int) -> None:
    """Tune the HMMs, and score by median filter and HMMs."""
    run = run_of(plan.profile, plan.root, system, seed)
    with alone(run.folder, "score"):
        if isinstance(run, Ensemble):
            run.write_posteriors(plan.root)
        score(run, plan.root)
        for search in plan.searches(system):
            score_hmm(run, plan.root, search)
        (run.folder / "scored").touch()


@job.command()
@click.pass_obj
def ledger(plan: Plan) -> None:
    """Write the ledger."""
    from reproduction import measure

    with alone(workspace() / "report", "ledger"):
        measure.write(plan, failures(plan) if plan.partial else {})


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
