"""The command line: the same functions that the lessons call."""

from __future__ import annotations

import json
import os
import re
import sys
from importlib.metadata import EntryPoint, entry_points, requires
from pathlib import Path
from typing import Any

import click

from sedlib.errors import SedError
from sedlib.files import check_folder, check_output, one_line, write_output
from sedlib.workspace import home_path

# Imports that load torch or numba stand inside the commands, so that `sedlib --help` answers at once.

PROFILE = click.option("--profile", "profile_name", default="lesson", show_default=True, help="smoke, lesson or paper.")

DATA = click.option(
    "--data", "data_name", default="mini", show_default=True, help="A DESED-layout folder; 'mini' is the embedded data set."
)


class Command(click.Command):
    """A command that knows ``~`` in paths where no shell has replaced it, and names that begin with a dash."""

    def parse_args(self, context: click.Context, arguments: list[str]) -> list[str]:
        given = list(arguments)
        try:
            return super().parse_args(context, arguments)
        except click.NoSuchOption as error:
            files = [name for name in given if name.startswith(error.option_name) and (os.path.exists(name) or Path(name).suffix[1:].isalpha())]
            if not files:
                raise
            raise click.UsageError(f"{error.format_message()} Of a file whose name begins with a dash, write ./{files[0]}", context) from None

    def invoke(self, context: click.Context) -> Any:
        context.params = {name: _at_home(value) for name, value in context.params.items()}
        return super().invoke(context)


def _at_home(value: Any) -> Any:
    if isinstance(value, tuple):
        return tuple(map(_at_home, value))
    return home_path(value) if isinstance(value, Path) else value


class Commands(click.Group):
    """A group whose commands turn a user's mistake, and what the disk refuses, into one line on standard error and exit status 1.

    Beside its own commands it has those that other packages register under the entry points of group "sedlib.commands"; a dot in the
    name stands for a group: ``data.mini``.
    """

    command_class = Command
    group_class = type

    def _registered(self) -> dict[str, EntryPoint]:
        prefix = "" if self.name in (None, "cli", "sedlib") else f"{self.name}."
        found = {point.name.removeprefix(prefix): point for point in entry_points(group="sedlib.commands") if point.name.startswith(prefix)}
        return {name: point for name, point in found.items() if "." not in name}

    def list_commands(self, context: click.Context) -> list[str]:
        return sorted({*super().list_commands(context), *self._registered()})

    def get_command(self, context: click.Context, name: str) -> click.Command | None:
        if name in self.commands or name not in self._registered():
            return super().get_command(context, name)
        return self._registered()[name].load()

    def invoke(self, context: click.Context) -> Any:
        try:
            with one_line():
                return super().invoke(context)
        except SedError as error:
            raise click.ClickException(str(error)) from None
        except ModuleNotFoundError as error:
            extra = next((extra for extra in ("reproduction", "course") if _needs(extra, error.name or "")), None)
            if extra is None:
                raise
            raise click.ClickException(f"{error.name} is not installed; pip install 'sedlib[{extra}]'") from None


def _needs(extra: str, module: str) -> bool:
    """Whether a module that is missing belongs to an extra of this distribution."""
    packages = {re.split(r"[^\w-]", requirement)[0].replace("-", "_") for requirement in requires("sedlib") or () if f'extra == "{extra}"' in requirement}
    return module.split(".")[0].replace("-", "_") in packages


def check_made(folder: Path | None) -> None:
    """`SedError` if a folder is not there and cannot be made either."""
    if folder is not None and not folder.is_dir():
        check_folder(folder)


def examples(*lines: str) -> str:
    """Epilogue with examples, kept as typed."""
    return "\b\nExamples:\n" + "\n".join(f"  {line}" for line in lines)


@click.group(cls=Commands, epilog=examples(
    "sedlib data mini data/mini-lesson", "sedlib train --data data/mini-lesson --seed 0",
    "sedlib detect kitchen.wav --run runs/lesson/mini-lesson/baseline/seed0",
))
@click.version_option(package_name="sedlib")
def cli() -> None:
    """Sound event detection as the course teaches it: make data, train, detect, evaluate, reproduce the paper."""


@cli.group()
def data() -> None:
    """Make data sets in DESED's layout, and check any folder in that layout."""


@data.command(epilog=examples("sedlib data check data/mini-lesson", "sedlib data check /data/DESED/dataset"))
@click.argument("folder", type=click.Path(path_type=Path))
def check(folder: Path) -> None:
    """Say what FOLDER holds, what is missing and what is broken.

    Exit status 1 for an error, which would stop a training or its scoring; what is missing or broken besides is left out of both, and
    counted by subset and class.
    """
    from sedlib.data import audit

    report = audit.check(folder)
    click.echo(report.text())
    if not report.ok:
        sys.exit(1)


@cli.command(epilog=examples(
    "sedlib train --data data/mini-lesson --seed 0", "sedlib train --system baseline --profile paper --data /data/DESED --seed 1",
))
@click.option("--system", default="baseline", show_default=True, help="A row of the paper's tables.")
@PROFILE
@DATA
@click.option("--seed", default=0, show_default=True, type=click.IntRange(0))
@click.option("--run", "folder", type=click.Path(path_type=Path), help="Run folder; default: runs/PROFILE/DATA/SYSTEM/seedN.")
@click.option("--epochs", type=click.IntRange(1), help="Instead of the profile's; such a run needs a --run folder of its own.")
@click.option("--workers", default=1, show_default=True, type=click.IntRange(0), help="Threads that read ahead. The result does not depend on it.")
def train(system: str, profile_name: str, data_name: str, seed: int, folder: Path | None, epochs: int | None, workers: int) -> None:
    """Train a system, or go on with a run that was stopped, then score it on the development and evaluation sets."""
    from dataclasses import replace

    from sedlib.data import audit, layout
    from sedlib.metrics import report
    from sedlib.systems import configuration
    from sedlib.training import score
    from sedlib.training import train as train_run
    from sedlib.training.inputs import subsets_of
    from sedlib.training.scoring import SUBSETS
    from sedlib.workspace import dataset, run_folder

    if epochs and folder is None:
        raise SedError(f"--epochs {epochs}: a run of another length must not stand among the profile's; give it a folder "
                       "with --run")
    check_made(folder)
    config = configuration(system, profile_name)
    config = replace(config, training=replace(config.training, epochs=epochs or config.training.epochs))
    root = dataset(data_name, profile_name)
    audit.preflight(root, [*subsets_of(config).values(), *layout.EVALUATED], config.augment.uses_soundbank)
    run = train_run(config, root, seed, folder or run_folder(profile_name, root, system, seed), workers=workers)
    results = score(run, root)
    for name in SUBSETS:
        if name in results:
            click.echo(f"\n{name}\n{report(results[name])}")
    click.echo(f"\nrun: {run.folder}")


@cli.command(epilog=examples("sedlib runs", "sedlib runs runs/lesson"))
@click.argument("folder", required=False, type=click.Path(path_type=Path))
def runs(folder: Path | None) -> None:
    """List all runs beneath FOLDER, by default the workspace's, with their state and scores."""
    from sedlib.training.listing import runs, table
    from sedlib.workspace import workspace

    place = folder or workspace() / "runs"
    found = runs(place) if folder or place.is_dir() else ()
    click.echo(table(found) if len(found) else f"{place}: no runs; `sedlib train` makes one")


@cli.command(epilog=examples(
    "sedlib detect kitchen.wav --run runs/lesson/mini-lesson/baseline/seed0",
    "sedlib detect a.flac b.ogg --run RUN --out events.tsv", "sedlib detect kitchen.wav --run RUN --format audacity --out labels.txt",
))
@click.argument("recordings", metavar="AUDIO...", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--run", "folder", required=True, type=click.Path(path_type=Path), help="A finished run.")
@click.option("--format", "kind", type=click.Choice(["tsv", "audacity"]), default="tsv", show_default=True)
@click.option("--hmm", "hmm_file", type=click.Path(path_type=Path), help="What `sedlib tune --json` wrote, instead of the median filter.")
@click.option("--out", type=click.Path(path_type=Path), help="File to write; default: standard output.")
def detect(recordings: tuple[Path, ...], folder: Path, kind: str, hmm_file: Path | None, out: Path | None) -> None:
    """List the sound events in recordings of any length, sample rate and number of channels.

    Recordings of one name in different folders are listed as they are given here. What cannot be read is listed at the end, with
    exit status 1; the others are written.
    """
    import pandas as pd

    from sedlib.data import tables
    from sedlib.decode import Hmm
    from sedlib.inference import audacity_labels
    from sedlib.inference import detect as detect_events
    from sedlib.training import Run

    recordings = tuple(dict.fromkeys(recordings))
    if kind == "audacity" and len(recordings) > 1:
        raise SedError(f"an Audacity label track belongs to one recording, {len(recordings)} were given; call once for each")
    check_output(out, folder, hmm_file, *recordings)
    run, hmm = Run(folder), None if hmm_file is None else Hmm.load(hmm_file)
    detector, config = run.detector(), run.config
    found, unread = [], []
    bare = len({path.name for path in recordings}) == len(recordings)
    for path in recordings:
        try:
            found.append(detect_events(detector, config, path, hmm, path.name if bare else str(path)))
        except SedError as error:
            unread.append(str(error))
    told = f"{len(unread)} of {len(recordings)} recordings could not be read:\n" * (len(recordings) > 1) + "\n".join(unread)
    if not found:
        raise SedError(told)
    events = pd.concat(found, ignore_index=True)
    if kind == "audacity":
        text = audacity_labels(events)
    else:
        text = events.to_csv(sep="\t", index=False, float_format="%.3f", lineterminator="\n", columns=tables.EVENT_COLUMNS)
    if out is None:
        click.echo(text, nl=False)
    else:
        write_output(out, text)
        click.echo(f"{out}: {len(events)} events", err=True)
    if unread:
        raise SedError(told)


@cli.command(epilog=examples(
    "sedlib evaluate --reference validation.tsv --predictions mine.tsv",
    "sedlib evaluate --reference validation.tsv --predictions mine.tsv --scores mine.npz --json scores.json",
))
@click.option("--reference", required=True, type=click.Path(path_type=Path), help="Event table (TSV) of the truth.")
@click.option("--predictions", required=True, type=click.Path(path_type=Path), help="Event table (TSV) of the system.")
@click.option("--operating-points", type=click.Path(path_type=Path), help="Event tables at several thresholds, for PSDS.")
@click.option("--scores", type=click.Path(path_type=Path), help="Posteriors (.npz), for PSDS at every threshold.")
@click.option("--durations", type=click.Path(path_type=Path), help="TSV filename, duration; default: 10 s each.")
@click.option("--dtc", default=0.5, show_default=True, help="PSDS: detection tolerance.")
@click.option("--gtc", default=0.5, show_default=True, help="PSDS: ground truth intersection.")
@click.option("--cttc", default=0.3, show_default=True, help="PSDS: cross-trigger tolerance.")
@click.option("--alpha-ct", default=0.0, show_default=True, help="PSDS: cost of cross-triggers.")
@click.option("--alpha-st", default=0.0, show_default=True, help="PSDS: cost of instability across classes.")
@click.option("--max-efpr", default=100.0, show_default=True, help="PSDS: largest effective false positive rate per hour.")
@click.option("--json", "json_file", type=click.Path(path_type=Path), help="Write all numbers here, as fractions.")
def evaluate(reference: Path, predictions: Path, json_file: Path | None, **options) -> None:
    """Score anybody's DCASE output: event-based and segment-based F1 with confidence intervals, and PSDS.

    Where PSDS cannot be computed, the rest is printed all the same, with the reason, and the exit status is 1.
    """
    from sedlib.metrics import evaluate as evaluate_files
    from sedlib.metrics import report

    check_output(json_file, reference, predictions, *(path for path in options.values() if isinstance(path, Path)))
    result = evaluate_files(reference, predictions, **options)
    click.echo(report(result))
    if json_file is not None:
        write_output(json_file, json.dumps(result, indent=2) + "\n")
    if "error" in result.get("psds", {}):
        raise SedError(f"PSDS cannot be computed: {result['psds']['error']}")


SCORES = click.argument("scores", metavar="SCORES.npz", type=click.Path(path_type=Path))


@cli.command(epilog=examples(
    "sedlib tune validation.npz --reference validation.tsv --search robust --json hmm.json",
    "sedlib tune validation.npz --reference validation.tsv --search forest --fraction 0.5 --seed 3",
))
@SCORES
@click.option("--reference", required=True, type=click.Path(path_type=Path), help="Event table (TSV) of the same clips.")
@click.option("--search", type=click.Choice(["forest", "exact", "robust"]), default="robust", show_default=True,
              help="The paper's random forest, the best of the same family, or one that holds on other clips.")
@click.option("--fraction", default=0.5, show_default=True, help="Share of the clips to tune on; the others judge.")
@click.option("--seed", default=0, show_default=True, type=click.IntRange(0), help="Of the split, and of the forest.")
@click.option("--json", "json_file", type=click.Path(path_type=Path), help="Write parameters and scores here, for `sedlib decode`.")
def tune(scores: Path, reference: Path, search: str, fraction: float, seed: int, json_file: Path | None) -> None:
    """Tune the two-state HMMs on posteriors, for event-based macro F1."""
    from sedlib.data import tables
    from sedlib.decode import Posteriors, tuning
    from sedlib.metrics import with_length

    check_output(json_file, scores, reference)
    truth, _ = with_length(tables.read_events(reference))
    result = tuning.tune(Posteriors.load(scores), truth, search, fraction, seed)
    click.echo(tuning.text(result))  # first, so that nothing that took long is lost
    if json_file is not None:
        write_output(json_file, json.dumps(result, indent=1) + "\n")


@cli.command(epilog=examples(
    "sedlib decode validation.npz --hmm hmm.json -o events.tsv",
    "sedlib decode validation.npz --median 0.45 --threshold 0.5 -o events.tsv",
    "sedlib decode validation.npz --hmm hmm.json --points points.tsv -o events.tsv",
))
@SCORES
@click.option("--hmm", "hmm_file", type=click.Path(path_type=Path), help="What `sedlib tune --json` wrote.")
@click.option("--median", "median_s", type=click.FloatRange(0), help="Length of a median filter, seconds.")
@click.option("--threshold", type=click.FloatRange(0, 1, min_open=True, max_open=True), default=0.5, show_default=True)
@click.option("-o", "--out", required=True, type=click.Path(path_type=Path), help="Event table to write.")
@click.option("--points", type=click.Path(path_type=Path), help="Also write events at 50 thresholds, for "
              "`sedlib evaluate --operating-points`.")
def decode(scores: Path, hmm_file: Path | None, median_s: float | None, threshold: float, out: Path, points: Path | None) -> None:
    """Turn posteriors into an event table, by HMM or by median filter and threshold."""
    import pandas as pd

    from sedlib.config import Decoding
    from sedlib.data import tables
    from sedlib.decode import Hmm, Posteriors, hmm_events, median_events, operating_points
    from sedlib.decode.posteriors import check_scores

    if (hmm_file is None) == (median_s is None):
        raise SedError("give --hmm FILE or --median SECONDS, one of the two")
    check_output(out, scores, hmm_file, points)
    check_output(points, scores, hmm_file)
    found = Posteriors.load(scores)
    check_scores(found.scores)
    decoder = Decoding(threshold, median_s) if hmm_file is None else Hmm.load(hmm_file)
    events = median_events(found, decoder) if hmm_file is None else hmm_events(found, decoder, threshold=threshold)
    silent = pd.DataFrame({"filename": sorted(set(found.filenames) - set(events["filename"]))})
    if points is not None:
        every = pd.concat([table.assign(threshold=at) for at, table in operating_points(found, decoder).items()])
        if every.empty:
            raise SedError(f"{scores}: no event at any threshold, so that there is nothing to write to {points}; leave --points away")
        write_output(points, every[["threshold", *tables.EVENT_COLUMNS]].to_csv(sep="\t", index=False, float_format="%.6g"))
    tables.write(pd.concat([events, silent]).reindex(columns=tables.EVENT_COLUMNS), out)
    click.echo(f"{out}: {len(events)} events in {len(found.filenames)} clips", err=True)


def main() -> None:
    """Entry point of the command ``sedlib``."""
    cli()


if __name__ == "__main__":
    main()
