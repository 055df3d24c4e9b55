"""The command line: the same functions that the lessons call."""

from __future__ import annotations

import os
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any

import click

from sedlib.errors import SedError
from sedlib.files import check_folder, check_output, one_line, write_json, write_output
from sedlib.workspace import home_path

# Imports that load torch or numba stand inside the commands, so that `sedlib --help` answers at once.


class _Path(click.Path):
    """A path in which ``~`` stands for the home, also where no shell has replaced it."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Path:
        return home_path(str(super().convert(value, param, ctx)))


PATH = _Path()
PROFILE = click.option("--profile", "profile_name", default="lesson", help="smoke, lesson or paper.")
_DATA_HELP = "A DESED-layout folder; 'mini' is the embedded data set."
DATA = click.option("--data", "data_name", default="mini", help=_DATA_HELP)
SEED = click.option("--seed", default=0, type=click.IntRange(0))
_SCORES = click.argument("scores", metavar="SCORES.npz", type=PATH)
_DECODER_HELP = "File from `sedlib tune --json`, any method; replaces the median filter. --hmm is the same."
_DECODER = click.option("--decoder", "--hmm", "decoder_file", type=PATH, help=_DECODER_HELP)


class Command(click.Command):
    """A command that knows names of files that begin with a dash."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse as click does; of a file taken for an option the error says how to write it."""
        given = list(args)
        try:
            return super().parse_args(ctx, args)
        except click.NoSuchOption as error:
            for name in given:
                if name.startswith(error.option_name) and (os.path.exists(name) or Path(name).suffix[1:].isalpha()):
                    fix = f"For a file whose name begins with a dash, write ./{name}"
                    raise click.UsageError(f"{error.format_message()} {fix}", ctx) from None
            raise


class Commands(click.Group):
    """A group with its own commands and those that packages register as entry points of group "sedlib.commands".

    A dot in the name stands for a group: ``data.mini``.
    """

    command_class = Command
    group_class = type

    def _registered(self) -> dict[str, EntryPoint]:
        own = "data" if self.name == "data" else ""
        points = {point.name.rpartition("."): point for point in entry_points(group="sedlib.commands")}
        return {name: point for (group, _, name), point in points.items() if group == own}

    def list_commands(self, ctx: click.Context) -> list[str]:
        """List the group's own commands and the registered ones."""
        return sorted({*super().list_commands(ctx), *self._registered()})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Find a command; a registered one is imported only now."""
        registered = self._registered()
        return registered[cmd_name].load() if cmd_name in registered else super().get_command(ctx, cmd_name)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; turn what a user can fix into click's one-line errors."""
        try:
            with one_line():
                return super().invoke(ctx)
        except SedError as error:
            raise click.ClickException(str(error)) from None
        except ModuleNotFoundError as error:
            if (error.name or "sedlib").startswith(("sedlib", "minidesed", "reproduction", "sedcourse")):
                raise
            fix = "pip install 'sedlib[reproduction]'"
            raise click.ClickException(f"{error.name} is not installed; {fix}") from None


def check_made(folder: Path | None) -> None:
    """Raise `SedError` if a folder is not there and cannot be made either."""
    if folder is not None and not folder.is_dir():
        check_folder(folder)


def examples(*lines: str) -> str:
    """Return an epilogue with examples, kept as typed."""
    return "\b\nExamples:\n" + "\n".join(f"  {line}" for line in lines)


@click.group(
    cls=Commands,
    context_settings={"show_default": True},
    epilog=examples(
        "sedlib data mini data/mini-lesson",
        "sedlib train --data data/mini-lesson --seed 0",
        "sedlib detect kitchen.wav --run runs/lesson/mini-lesson/baseline/seed0",
    ),
)
@click.version_option(package_name="sedlib")
def cli() -> None:
    """Sound event detection as the course teaches it: make data, train, detect, evaluate, reproduce the paper."""


@cli.group()
def data() -> None:
    """Make data sets in DESED's layout, and check any folder in that layout."""


@cli.command(
    epilog=examples(
        "sedlib train --data data/mini-lesson --seed 0",
        "sedlib train --system baseline --profile paper --data /data/DESED --seed 1",
    )
)
@click.option("--system", default="baseline", help="A row of the paper's tables.")
@PROFILE
@DATA
@SEED
@click.option("--run", "folder", type=PATH, help="Run folder; default: runs/PROFILE/DATA/SYSTEM/seedN.")
@click.option("--epochs", type=click.IntRange(1), help="Instead of the profile's; needs a --run folder of its own.")
@click.option("--workers", default=1, type=click.IntRange(0), help="Threads that only read ahead.")
def train(
    system: str, profile_name: str, data_name: str, seed: int, folder: Path | None, epochs: int | None, workers: int
) -> None:
    """Train a system, or resume a stopped run, then score it on the development and evaluation sets."""
    from dataclasses import replace

    from sedlib import metrics, systems, training, workspace
    from sedlib.data import layout
    from sedlib.training.inputs import subsets_of
    from sedlib.training.scoring import SUBSETS, subsets_there

    if epochs and folder is None:
        raise SedError(
            f"--epochs {epochs}: a run of another length must not be mixed with the profile's; give it a --run folder"
        )
    check_made(folder)
    config = systems.configuration(system, profile_name)
    config = replace(config, training=replace(config.training, epochs=epochs or config.training.epochs))
    root = workspace.dataset(data_name, profile_name)
    layout.preflight(root, [*subsets_of(config).values(), *subsets_there(root)], config.augment.uses_soundbank)
    folder = folder or workspace.run_folder(profile_name, root, system, seed)
    run = training.train(config, root, seed, folder, workers=workers)
    results = training.score(run, root)
    for name in SUBSETS:
        if name in results:
            click.echo(f"\n{name}\n{metrics.report(results[name])}")
    click.echo(f"\nrun: {run.folder}")


@cli.command(
    epilog=examples(
        "sedlib detect kitchen.wav --run runs/lesson/mini-lesson/baseline/seed0",
        "sedlib detect a.flac b.ogg --run RUN --out events.tsv",
        "sedlib detect kitchen.wav --run RUN --format audacity --out labels.txt",
    )
)
@click.argument("recordings", metavar="AUDIO...", nargs=-1, required=True, type=PATH)
@click.option("--run", "folder", required=True, type=PATH, help="A finished run.")
@click.option("--format", "kind", type=click.Choice(["tsv", "audacity"]), default="tsv")
@_DECODER
@click.option("--out", type=PATH, help="File to write; default: standard output.")
def detect(recordings: tuple[Path, ...], folder: Path, kind: str, decoder_file: Path | None, out: Path | None) -> None:
    """List the sound events in recordings of any length, sample rate and number of channels.

    Recordings with the same name in different folders are listed under their paths as given. Unreadable ones are
    listed at the end, with exit status 1; the others are still written.
    """
    import pandas as pd

    from sedlib import inference
    from sedlib.data import tables
    from sedlib.decode import load_decoder
    from sedlib.training import Run

    recordings = tuple(dict.fromkeys(recordings))
    n = len(recordings)
    if kind == "audacity" and n > 1:
        raise SedError(f"an Audacity label track describes one recording, but {n} were given; run once for each")
    check_output(out, folder, decoder_file, *recordings)
    run, decoder = Run(folder), None if decoder_file is None else load_decoder(decoder_file)
    detector, config = run.detector(), run.config
    found, unread = [], []
    bare = len({path.name for path in recordings}) == n
    for path in recordings:
        try:
            found.append(inference.detect(detector, config, path, decoder, path.name if bare else str(path)))
        except SedError as error:
            unread.append(str(error))
    if found:
        events = pd.concat(found, ignore_index=True)
        if kind == "audacity":
            text = inference.audacity_labels(events)
        else:
            text = events[tables.EVENT_COLUMNS].to_csv(sep="\t", index=False, float_format="%.3f", lineterminator="\n")
        if out is None:
            click.echo(text, nl=False)
        else:
            write_output(out, text)
            click.echo(f"{out}: {len(events)} events", err=True)
    if unread:
        title = [f"{len(unread)} of {n} recordings could not be read:"] if n > 1 else []
        raise SedError("\n".join([*title, *unread]))


@cli.command(
    epilog=examples(
        "sedlib evaluate --reference validation.tsv --predictions mine.tsv",
        "sedlib evaluate --reference validation.tsv --predictions mine.tsv --scores mine.npz --json scores.json",
    )
)
@click.option("--reference", required=True, type=PATH, help="Event table (TSV) with the reference.")
@click.option("--predictions", required=True, type=PATH, help="Event table (TSV) with the predictions.")
@click.option("--operating-points", type=PATH, help="Event tables at several thresholds, for PSDS.")
@click.option("--scores", type=PATH, help="Posteriors (.npz), for PSDS: cut at the challenge's 50 thresholds.")
@click.option("--durations", type=PATH, help="TSV filename, duration; default: 10 s each.")
@click.option("--max-efpr", default=100.0, help="PSDS: largest effective false positive rate per hour.")
@click.option("--alpha-st", default=0.0, help="PSDS: cost of instability across classes.")
@click.option("--alpha-ct", default=0.0, help="PSDS: cost of cross-triggers.")
@click.option("--cttc", default=0.3, help="PSDS: cross-trigger tolerance.")
@click.option("--gtc", default=0.5, help="PSDS: ground truth intersection.")
@click.option("--dtc", default=0.5, help="PSDS: detection tolerance.")
@click.option("--json", "json_file", type=PATH, help="Write all numbers here, as fractions.")
def evaluate(reference: Path, predictions: Path, json_file: Path | None, **options) -> None:
    """Score any DCASE output: event-based and segment-based F1 with confidence intervals, and PSDS.

    If PSDS cannot be computed, the rest is still printed, with the reason, and the exit status is 1.
    """
    from sedlib import metrics

    check_output(json_file, reference, predictions, *(path for path in options.values() if isinstance(path, Path)))
    result = metrics.evaluate(reference, predictions, **options)
    click.echo(metrics.report(result))
    if json_file is not None:
        write_json(json_file, result)
    if "error" in result.get("psds", {}):
        raise SedError(f"PSDS cannot be computed: {result['psds']['error']}")


_METHOD_HELP = "Median filter per class, two-state HMMs, HMMs with durations, or bounding boxes."
_SEARCH_HELP = "The paper's random forest (HMMs only), the best on a grid, or the one that should hold on other clips."


@cli.command(
    epilog=examples(
        "sedlib tune validation.npz --reference validation.tsv --search robust --json hmm.json",
        "sedlib tune validation.npz --reference validation.tsv --method boxes --json boxes.json",
        "sedlib tune validation.npz --reference validation.tsv --search forest --fraction 0.5 --seed 3",
    )
)
@_SCORES
@click.option("--reference", required=True, type=PATH, help="Event table (TSV) of the same clips.")
@click.option("--method", type=click.Choice(["median", "hmm", "hsmm", "boxes"]), default="hmm", help=_METHOD_HELP)
@click.option("--search", type=click.Choice(["forest", "exact", "robust"]), default="robust", help=_SEARCH_HELP)
@click.option("--fraction", default=0.5, help="Share of the clips to tune on; the others are scored.")
@SEED
@click.option("--json", "json_file", type=PATH, help="Write parameters and scores here, for `sedlib decode`.")
def tune(
    scores: Path, reference: Path, method: str, search: str, fraction: float, seed: int, json_file: Path | None
) -> None:
    """Tune a decoder on posteriors, for event-based macro F1; --seed is for the split and the forest."""
    from sedlib.data import tables
    from sedlib.decode import Posteriors, tuning
    from sedlib.metrics import with_length

    check_output(json_file, scores, reference)
    truth, _ = with_length(tables.read_events(reference))
    name = search if method == "hmm" else f"{method}-{search}"
    result = tuning.tune(Posteriors.load(scores), truth, name, fraction, seed)
    click.echo(tuning.text(result))  # first, so that nothing that took long is lost
    if json_file is not None:
        write_json(json_file, result)


@cli.command(
    epilog=examples(
        "sedlib decode validation.npz --decoder boxes.json -o events.tsv",
        "sedlib decode validation.npz --median 0.45 --threshold 0.5 -o events.tsv",
        "sedlib decode validation.npz --decoder hmm.json --points points.tsv -o events.tsv",
    )
)
@_SCORES
@_DECODER
@click.option("--median", "median_s", type=click.FloatRange(0), help="Length of a median filter, seconds.")
@click.option("--threshold", type=click.FloatRange(0, 1, min_open=True, max_open=True), default=0.5)
@click.option("-o", "--out", required=True, type=PATH, help="Event table to write.")
@click.option("--points", type=PATH, help="Also write events at 50 thresholds: `sedlib evaluate --operating-points`.")
def decode(
    scores: Path, decoder_file: Path | None, median_s: float | None, threshold: float, out: Path, points: Path | None
) -> None:
    """Turn posteriors into an event table, with a decoder from `sedlib tune` or with median filter and threshold."""
    import pandas as pd

    from sedlib.config import Decoding
    from sedlib.data import tables
    from sedlib.decode import Posteriors, find_events, load_decoder, operating_points
    from sedlib.decode.posteriors import check_scores

    if (decoder_file is None) == (median_s is None):
        raise SedError("give either --decoder FILE or --median SECONDS")
    check_output(out, scores, decoder_file, points)
    check_output(points, scores, decoder_file)
    found = Posteriors.load(scores)
    check_scores(found.scores)
    decoder = Decoding(threshold, median_s or 0) if decoder_file is None else load_decoder(decoder_file)
    events = find_events(found, decoder, threshold=threshold)
    if points is not None:
        every = pd.concat([table.assign(threshold=at) for at, table in operating_points(found, decoder).items()])
        if every.empty:
            raise SedError(f"{scores}: no event at any threshold, so nothing to write to {points}; omit --points")
        columns = ["threshold", *tables.EVENT_COLUMNS]
        write_output(points, every[columns].to_csv(sep="\t", index=False, float_format="%.6g"))
    silent = pd.DataFrame({"filename": sorted(set(found.filenames) - set(events["filename"]))})
    tables.write(pd.concat([events, silent]).reindex(columns=tables.EVENT_COLUMNS), out)
    click.echo(f"{out}: {len(events)} events in {len(found.filenames)} clips", err=True)


if __name__ == "__main__":
    cli()
