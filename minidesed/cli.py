"""``sedlib data mini``, ``soundbank`` and ``statistics``."""

from __future__ import annotations

from pathlib import Path

import click

from sedlib.cli import PATH, PROFILE, Command, check_made, examples

# Imports that load more stand inside the commands, so that `sedlib --help` answers at once.


@click.command(
    cls=Command,
    epilog=examples("sedlib data mini data/mini-lesson", "sedlib data mini data/tiny --profile smoke --without rooms"),
)
@click.argument("folder", type=PATH)
@PROFILE
@click.option("--seed", default=0, show_default=True)
@click.option("--jobs", type=click.IntRange(1), help="Processes; default: all cores. The result does not depend on it.")
@click.option(
    "--without",
    multiple=True,
    metavar="INGREDIENT",
    help="Close the domain gap in one respect, such as rooms or codecs; repeatable.",
)
def mini(folder: Path, profile_name: str, seed: int, jobs: int | None, without: tuple[str, ...]) -> None:
    """Make MiniDESED in FOLDER: clips mixed from procedural sounds, and isolated sounds to mix anew."""
    from minidesed import generate
    from minidesed.generate import SIZES, SOUNDS
    from sedlib.config import profile

    profile(profile_name)
    check_made(folder)
    size = {"sizes": SIZES[profile_name], "sounds": SOUNDS[profile_name]}
    click.echo(generate.mini(folder, seed=seed, jobs=jobs, without=without, **size))
    click.echo(f"{folder}: ready; `sedlib data check {folder}` says what it holds")


@click.command(
    cls=Command,
    epilog=examples(
        "sedlib data soundbank my_sounds data/mine",
        "sedlib data soundbank freesound data/mixed --real my_kitchen --profile smoke",
    ),
)
@click.argument("sounds", type=PATH)
@click.argument("folder", type=PATH)
@click.option("--real", type=PATH, help="Another folder of sounds for the real domain.")
@PROFILE
@click.option("--seed", default=0, show_default=True)
@click.option("--jobs", type=click.IntRange(1), help="Processes; default: all cores. The result does not depend on it.")
def soundbank(sounds: Path, folder: Path, real: Path | None, profile_name: str, seed: int, jobs: int | None) -> None:
    """Mix the recordings in SOUNDS into a data set in FOLDER.

    SOUNDS holds a folder of isolated sounds for every class (directly or in foreground/), and may hold background/
    and rir/.
    """
    from minidesed import generate
    from minidesed.generate import SIZES, SOUNDS
    from sedlib.config import profile

    profile(profile_name)
    check_made(folder)
    size = {"sizes": SIZES[profile_name], "sounds": SOUNDS[profile_name]}
    click.echo(generate.from_soundbank(sounds, folder, seed=seed, real=real, jobs=jobs, **size))
    click.echo(f"{folder}: ready; `sedlib data check {folder}` says what it holds")


@click.command(cls=Command, epilog=examples("sedlib data statistics data/mini-lesson"))
@click.argument("folder", type=PATH)
def statistics(folder: Path) -> None:
    """Lay the event statistics of FOLDER beside DESED's published ones, class by class."""
    from minidesed import statistics

    for subset, comparison in statistics.compare_folder(folder).groupby(level="subset", sort=False):
        shown = statistics.table(comparison.droplevel("subset")).to_string(index=False)
        click.echo(f"{subset}, here / DESED\n{shown}\n")
