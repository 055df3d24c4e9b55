"""The jobs of the batch that execute lessons and write the report; `reproduction.jobs` has the others."""

from __future__ import annotations

import click

from reproduction.jobs import alone, job, main
from reproduction.ledger import read
from reproduction.plan import Plan
from sedcourse import report as pages
from sedcourse.execute import execute
from sedlib.workspace import workspace


@job.command()
@click.argument("name")
@click.pass_obj
def lesson(plan: Plan, name: str) -> None:
    """Execute a lesson."""
    out = workspace() / "report" / "lessons"
    with alone(out, name):
        execute(name, out, profile=plan.profile, data=plan.data, seed=plan.seeds[0], interactive=False)


@job.command()
@click.pass_obj
def report(plan: Plan) -> None:
    """Write the report."""
    out = workspace() / "report"
    with alone(out, "report"):
        executed = [path for path in (workspace() / file for file in plan.lesson_files()) if path.exists()]
        pages.report(executed, read(out / "ledger.json"), out)


if __name__ == "__main__":
    main()
