"""``sedlib stub``."""

from __future__ import annotations

from pathlib import Path

import click

from sedlib.cli import PATH, Command, examples


@click.command(cls=Command, epilog=examples("sedlib stub 04 notebooks/my_04.ipynb"))
@click.argument("lesson")
@click.argument("notebook", type=PATH)
@click.option("--force", is_flag=True, help="Overwrite NOTEBOOK if it exists, with all work in it.")
@click.option("--solutions", is_flag=True, help="Put each solution below its exercise, folded.")
def stub(lesson: str, notebook: Path, force: bool, solutions: bool) -> None:
    """Write LESSON as a notebook whose exercises are still to be solved."""
    from sedcourse.stubs import exercise_notebook

    click.echo(f"{exercise_notebook(lesson, notebook, force, solutions)}: open it in JupyterLab (`make lab`)")
