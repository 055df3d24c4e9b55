"""``sedlib data mini``, ``soundbank`` and ``statistics``."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import click

from sedlib.cli import PATH, PROFILE, Command, check_made, examples

# Imports that load more stand inside the commands, so that `sedlib --help` answers at once.


_SEED = click.option("--seed", default=0, show_default=True)
_JOBS = click.option(
    "--jobs", type=click.IntRange(1), help="Processes; default: all cores. The result does not depend on it."
)
_WITHOUT = "Close the domain gap in one respect, such as rooms or codecs; repeatable."
_MINI = "sedlib data mini data/mini-lesson", "sedlib data mini data/tiny --profile smoke --without rooms"
_BANK = (
    "sedlib data soundbank my_sounds data/mine",
    "sedlib data soundbank freesound data/mixed --real my_kitchen --profile smoke",
)


@click.command(cls=Command, epilog=examples(*_MINI))
@click.argument("folder", type=PATH)
@PROFILE
@_SEED
@_JOBS
@click.option("--without", multiple=True, metavar="INGREDIENT", help=_WITHOUT)
def mini(folder: Path, profile_name: str, **options: Any) -> None:
    """Make MiniDESED in FOLDER: clips mixed from procedural sounds, and isolated sounds for dynamic mixing."""
    from minidesed import generate

    _make(partial(generate.mini, folder), folder, profile_name, options)


@click.command(cls=Command, epilog=examples(*_BANK))
@click.argument("sounds", type=PATH)
@click.argument("folder", type=PATH)
@click.option("--real", type=PATH, help="Another folder of sounds for the real domain.")
@PROFILE
@_SEED
@_JOBS
def soundbank(sounds: Path, folder: Path, profile_name: str, **options: Any) -> None:
    """Mix the recordings in SOUNDS into a data set in FOLDER.

    SOUNDS has a folder of isolated sounds for each class (directly or in foreground/), and optionally background/
    and rir/.
    """
    from minidesed import generate

    _make(partial(generate.from_soundbank, sounds, folder), folder, profile_name, options)


def _make(maker: Callable[..., str], folder: Path, profile_name: str, options: dict[str, Any]) -> None:
    from minidesed.generate import SIZES, SOUNDS
    from sedlib.config import profile

    profile(profile_name)  # a SedError for another name
    check_made(folder)
    click.echo(maker(SIZES[profile_name], sounds=SOUNDS[profile_name], **options))
    click.echo(f"{folder}: ready; `sedlib data check {folder}` says what it holds")


@click.command(cls=Command, epilog=examples("sedlib data statistics data/mini-lesson"))
@click.argument("folder", type=PATH)
def statistics(folder: Path) -> None:
    """Compare the event statistics of FOLDER with DESED's published ones, class by class."""
    from minidesed import statistics

    for subset, comparison in statistics.compare_folder(folder).groupby(level="subset", sort=False):
        shown = statistics.table(comparison.droplevel("subset")).to_string(index=False)
        click.echo(f"{subset}, here / DESED\n{shown}\n")
