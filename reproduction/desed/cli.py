"""``sedlib data desed`` and ``sedlib data realdesed``."""

from __future__ import annotations

from pathlib import Path

import click

from reproduction.desed.records import DEFAULT, PARTS, REAL
from sedlib.cli import PATH, Command, check_made, examples
from sedlib.errors import SedError
from sedlib.files import locked

# Imports that load more stand inside the commands, so that `sedlib --help` answers at once.

NAMES = (*PARTS, *REAL, "real")
_PARTS = f"Separated by commas: {', '.join(NAMES)}; real is {', '.join(REAL)}, which come from a video site."
_FROM = "A folder or an archive to take files from instead of the network; repeatable."
_PAUSE = "Seconds between two clips of the video site, on average."
_AGAIN = "Try clips again that missing.tsv lists as gone from the site."
_RATE = "Store 16000 Hz mono, 16 bits, which all computations use, or the files as they are."
_EXAMPLES = examples(
    "sedlib data desed data/DESED",
    "sedlib data desed data/DESED --parts soundbank,fuss,tut",
    "sedlib data desed data/DESED --parts real --from /data/mirror --from weak.tar.gz",
    "sedlib data desed data/DESED --parts validation --pause 20",
)


def _named(context: click.Context, option: click.Parameter, value: str) -> tuple[str, ...]:
    names = tuple(dict.fromkeys(name.strip() for name in value.split(",")))
    if unknown := [name for name in names if name not in NAMES]:
        raise click.BadParameter(f"{unknown[0]!r} is not one of {', '.join(NAMES)}")
    return tuple(dict.fromkeys(n for name in names for n in (REAL if name == "real" else (name,))))


@click.command(cls=Command, epilog=_EXAMPLES)
@click.argument("folder", type=PATH)
@click.option("--parts", default=",".join(DEFAULT), show_default=True, callback=_named, help=_PARTS)
@click.option("--rate", type=click.Choice(["16000", "original"]), default="16000", show_default=True, help=_RATE)
@click.option("--from", "sources", multiple=True, type=PATH, help=_FROM)
@click.option("--retry-missing", is_flag=True, help=_AGAIN)
@click.option("--pause", "pause_s", default=10.0, type=click.FloatRange(0), show_default=True, help=_PAUSE)
def desed(
    folder: Path, parts: tuple[str, ...], rate: str, sources: tuple[Path, ...], retry_missing: bool, pause_s: float
) -> None:
    """Download DESED into FOLDER, or resume a stopped download; finished work is not repeated.

    Archives are resumed, compared with their record's checksum, unpacked, checked, and then removed. Clips of the video
    site are fetched one by one; FOLDER/missing.tsv says why clips are missing.
    """
    from reproduction.desed import clips, get

    _check(folder, sources)
    with _alone(folder):
        got = get.Folder(folder, sources, click.echo)
        get.desed(got, [name for name in parts if name not in REAL], rate == "original")
        if real := [name for name in parts if name in REAL]:
            clips.real(got, real, rate == "original", pause_s, retry_missing)
    click.echo(f"{folder}: `sedlib data check {folder}` says what it holds")


@click.command(cls=Command, epilog=examples("sedlib data realdesed data/RealDESED"))
@click.argument("folder", type=PATH)
@click.option("--from", "sources", multiple=True, type=PATH, help=_FROM)
def realdesed(folder: Path, sources: tuple[Path, ...]) -> None:
    """Download RealDESED, home recordings of 2026, into FOLDER, cut into clips in DESED's layout.

    Four of the ten classes are annotated in it. The licence of each clip is in metadata/licences.tsv.
    """
    from reproduction.desed import realdesed as real
    from reproduction.desed.get import Folder

    _check(folder, sources)
    with _alone(folder):
        real.get(Folder(folder, sources, click.echo, "RealDESED"))
    click.echo(f"{folder}: `sedlib data check {folder}` says what it holds")


def _check(folder: Path, sources: tuple[Path, ...]) -> None:
    check_made(folder)
    for source in sources:
        if not source.exists():
            raise SedError(f"{source}: no such file or folder; give one with clips, or an archive")


def _alone(folder: Path):
    message = f"{folder}: another process is working in it; wait until it ends"
    return locked(folder / ".downloads" / "lock", message, wait=False)
