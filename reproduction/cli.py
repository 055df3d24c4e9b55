"""``sedlib reproduce``, ``sedlib gap``, ``sedlib data check`` and ``sedlib runs``."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import click

from sedlib.cli import DATA, PATH, PROFILE, Command, examples

# Imports that load more stand inside the commands, so that `sedlib --help` answers at once.

_SEEDS, _TABLES = (
    "Number of trainings per system, with seeds 0, 1, ...",
    "1, 2 or 3, repeatable: only these tables, and no lessons.",
)
_MIXING = "With or without the rows of dynamic mixing and augmentation, which take longest; default: with."
_CLUSTER = "Run the jobs on a cluster: slurm, or the folder of a snakemake profile."
_LESSONS = "A lesson's number, repeatable: execute only these, and the ledger's."
_PUBLISHED = "Score the published posteriors (figures/posteriors/) instead of training."
_LIST = "List the rows of the paper's tables, their numbers and systems; do nothing."
_EXAMPLES = examples(
    "sedlib reproduce",
    "sedlib reproduce --list",
    "sedlib reproduce --table 1 --seeds 5 --profile lesson",
    "sedlib reproduce --profile paper --data /data/DESED --cluster slurm",
)


@click.command(cls=Command, epilog=_EXAMPLES)
@PROFILE
@DATA
@click.option("--seeds", default=1, show_default=True, type=click.IntRange(1), help=_SEEDS)
@click.option("--table", "tables", multiple=True, type=int, help=_TABLES)
@click.option("--mixing/--no-mixing", default=True, help=_MIXING)
@click.option("--lesson", "chosen", multiple=True, metavar="NN", help=_LESSONS)
@click.option("--from-published", "published", is_flag=True, help=_PUBLISHED)
@click.option("--cores", type=click.IntRange(1), help="Default: all that this process may use.")
@click.option("--cluster", metavar="PROFILE", help=_CLUSTER)
@click.option("--list", "only_list", is_flag=True, help=_LIST)
def reproduce(
    profile_name: str,
    data_name: str,
    seeds: int,
    tables: tuple,
    mixing: bool,
    chosen: tuple,
    published: bool,
    cores: int | None,
    cluster: str | None,
    only_list: bool,
) -> None:
    """Do everything: data, trainings, scores, ledger, executed lessons, report. Finished work is not repeated."""
    from reproduction.lessons import find
    from reproduction.plan import TABLES, Plan

    shown = tuple(dict.fromkeys(tables)) or TABLES
    names = tuple(dict.fromkeys(find(name).stem for name in chosen))
    plan = Plan(
        profile_name, data_name, tuple(range(seeds)), shown, mixing, chosen=names, published=published
    ).checked()
    if only_list:
        from reproduction.rows import listing

        click.echo(listing(plan.rows()).to_string(index=False))
        return
    from reproduction.batch import reproduce as run_all
    from reproduction.keeper import Stopped

    try:
        click.echo(f"report: {run_all(plan, cores, cluster, say=click.echo)}")
    except Stopped as stopped:
        context = click.get_current_context()
        click.echo(f"{context.command_path} was {stopped}; the same command continues", err=True)
        context.exit(stopped.status)


@click.command(cls=Command, epilog=examples("sedlib gap", "sedlib gap --seeds 1 --profile smoke"))
@PROFILE
@click.option("--seeds", default=3, show_default=True, type=click.IntRange(1), help="Trainings of each system.")
def gap(profile_name: str, seeds: int) -> None:
    """Measure MiniDESED's domain gap: its cost, what the mean teacher recovers, and each ingredient's share."""
    from reproduction.studies.gap import measure, text

    path = measure(profile_name, seeds)
    click.echo(f"{text(json.loads(path.read_text(encoding='utf-8')))}\n{path}")


@click.command(
    cls=Command, epilog=examples("sedlib data check data/mini-lesson", "sedlib data check /data/DESED/dataset")
)
@click.argument("folder", type=PATH)
def check(folder: Path) -> None:
    """Say what FOLDER holds, what is missing and what is broken.

    The exit status is 1 for an error that would stop a training or its scoring; other missing or broken clips are left
    out of both, and counted by subset and class.
    """
    from reproduction import audit

    report = audit.check(folder)
    click.echo(report.text())
    if not report.ok:
        sys.exit(1)


@click.command(cls=Command, epilog=examples("sedlib runs", "sedlib runs runs/lesson"))
@click.argument("folder", required=False, type=PATH)
def runs(folder: Path | None) -> None:
    """List all runs beneath FOLDER, by default the workspace's, with their state and scores."""
    from reproduction.listing import runs, table
    from sedlib.workspace import workspace

    place = folder or workspace() / "runs"
    found = runs(place) if folder or place.is_dir() else ()
    click.echo(table(found) if len(found) else f"{place}: no runs; `sedlib train` makes one")
