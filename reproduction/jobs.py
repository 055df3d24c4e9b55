"""One job of the batch, as a rule of ``Snakefile`` calls it: ``python -m reproduction.jobs --profile P --data D JOB``.

Every job does what is not done yet, and marks its end in its file. Two that would write in one place wait for each
other: a job of a batch that was killed may still run when the next batch begins.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from reproduction.plan import Plan
from reproduction.scoring import Ensemble, run_of, score_tuned
from sedlib.data import layout
from sedlib.data.store import open_store
from sedlib.errors import SedError
from sedlib.files import locked, one_line
from sedlib.systems import configuration
from sedlib.training import score, train, write_posteriors
from sedlib.workspace import dataset, workspace


@contextmanager
def alone(folder: Path, name: str) -> Iterator[None]:
    """Wait until no other process does the same."""
    with locked(folder / f".{name}.lock", f"{folder}: another process is doing the same; waiting for it"):
        yield


@click.group(params=[click.Option([f"--{name}"]) for name in Plan._fields])
@click.pass_context
def job(context: click.Context, **config: str | None) -> None:
    """Do a job of the batch."""
    context.obj = Plan.of({name: value for name, value in config.items() if value is not None})


def _of_a_run(function: Callable[[Plan, str, int], None]) -> click.Command:
    """Make a job of what is to be done with the run of a system and seed."""
    taken = click.argument("system")(click.argument("seed", type=int)(click.pass_obj(function)))
    return job.command(function.__name__.strip("_"))(taken)


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


@_of_a_run
def _train(plan: Plan, system: str, seed: int) -> None:
    """Train, and store the posteriors of what is scored."""
    folder = plan.folder(system, seed)
    with alone(folder, "train"):
        write_posteriors(train(configuration(system, plan.profile), plan.root, seed, folder), plan.root)


@_of_a_run
def _score(plan: Plan, system: str, seed: int) -> None:
    """Score by median filter, tune the other decoders and score by them."""
    run = run_of(plan.profile, plan.root, system, seed)
    with alone(run.folder, "score"):
        if isinstance(run, Ensemble):
            run.write_posteriors(plan.root)
        score(run, plan.root)
        for decoding in plan.decodings(system):
            score_tuned(run, plan.root, decoding)
        (run.folder / "scored").touch()


@job.command()
@click.pass_obj
def ledger(plan: Plan) -> None:
    """Write the ledger."""
    from reproduction import measure  # slow to import, and of no use to the others
    from reproduction.batch import failures

    with alone(workspace() / "report", "ledger"):
        measure.write(plan, failures(plan) if plan.partial else {})


def main() -> None:
    """Run the job; a mistake, or an error of the disk, is one line."""
    try:
        with one_line():
            job()
    except SedError as error:
        sys.exit(f"Error: {error}")


if __name__ == "__main__":
    main()
