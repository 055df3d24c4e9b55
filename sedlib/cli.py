"""The command line: the same functions that the lessons call."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import click

from sedlib.errors import SedError
from sedlib.keeper import Stopped

# Imports that load torch or numba stand inside the commands, so that `sedlib --help` answers at once.

PROFILE = click.option("--profile", "profile_name", default="lesson", show_default=True, help="smoke, lesson or paper.")

DATA = click.option(
    "--data", "data_name", default="mini", show_default=True, help="A DESED-layout folder; 'mini' is the embedded data set."
)


class Commands(click.Group):
    """A group whose commands turn a user's mistake into one line on standard error and exit status 1, and a signal that stopped one into a line
    and 128 plus its number."""

    def invoke(self, context: click.Context):
        try:
            return super().invoke(context)
        except SedError as error:
            raise click.ClickException(str(error)) from None
        except Stopped as stopped:
            click.echo(f"{context.command_path} was {stopped}; the same command goes on where it was", err=True)
            context.exit(stopped.status)


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


@data.command(epilog=examples("sedlib data mini data/mini-lesson", "sedlib data mini data/tiny --profile smoke --without rooms"))
@click.argument("folder", type=click.Path(path_type=Path))
@PROFILE
@click.option("--seed", default=0, show_default=True)
@click.option("--jobs", type=click.IntRange(1), help="Processes; default: all cores. The result does not depend on it.")
@click.option("--without", multiple=True, metavar="INGREDIENT", help="Close the domain gap in one respect, such as rooms or codecs; repeatable.")
def mini(folder: Path, profile_name: str, seed: int, jobs: int | None, without: tuple[str, ...]) -> None:
    """Make MiniDESED in FOLDER: clips mixed from procedural sounds, no recordings needed, and isolated sounds to mix anew."""
    from sedlib.config import SIZES, SOUNDS, profile
    from sedlib.data import generate

    profile(profile_name)
    click.echo(generate.mini(folder, sizes=SIZES[profile_name], seed=seed, jobs=jobs, without=without,
                             sounds=SOUNDS[profile_name]))
    click.echo(f"{folder}: ready; `sedlib data check {folder}` says what it holds")


@data.command(epilog=examples(
    "sedlib data soundbank my_sounds data/mine", "sedlib data soundbank freesound data/mixed --real my_kitchen --profile smoke",
))
@click.argument("sounds", type=click.Path(path_type=Path))
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--real", type=click.Path(path_type=Path), help="Another folder of sounds for the real domain.")
@PROFILE
@click.option("--seed", default=0, show_default=True)
@click.option("--jobs", type=click.IntRange(1), help="Processes; default: all cores. The result does not depend on it.")
def soundbank(sounds: Path, folder: Path, real: Path | None, profile_name: str, seed: int, jobs: int | None) -> None:
    """Mix the recordings in SOUNDS into a data set in FOLDER.

    SOUNDS holds a folder of isolated sounds for every class (directly or in foreground/), and may hold background/
    and rir/.
    """
    from sedlib.config import SIZES, SOUNDS, profile
    from sedlib.data import generate

    profile(profile_name)
    click.echo(generate.from_soundbank(sounds, folder, sizes=SIZES[profile_name], seed=seed, real=real, jobs=jobs,
                                       sounds=SOUNDS[profile_name]))
    click.echo(f"{folder}: ready; `sedlib data check {folder}` says what it holds")


@data.command(epilog=examples("sedlib data check data/mini-lesson", "sedlib data check /data/DESED/dataset"))
@click.argument("folder", type=click.Path(path_type=Path))
def check(folder: Path) -> None:
    """Say what FOLDER holds, what is missing and what is broken.

    Exit status 1 for an error, which would stop a training or its scoring; what is missing or broken besides is left out of both, and
    counted by subset and class.
    """
    from sedlib.data import layout

    report = layout.check(folder)
    click.echo(report.text())
    if not report.ok:
        sys.exit(1)


@data.command(epilog=examples("sedlib data statistics data/mini-lesson"))
@click.argument("folder", type=click.Path(path_type=Path))
def statistics(folder: Path) -> None:
    """Lay the event statistics of FOLDER beside DESED's published ones, class by class."""
    from sedlib.data import statistics

    for subset, comparison in statistics.compare_folder(folder).groupby(level="subset", sort=False):
        click.echo(f"{subset}, here / DESED\n{statistics.table(comparison.droplevel('subset')).to_string(index=False)}\n")


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

    from sedlib.data import layout
    from sedlib.metrics import report
    from sedlib.systems import configuration
    from sedlib.training import score
    from sedlib.training import train as train_run
    from sedlib.training.inputs import subsets_of
    from sedlib.training.score import SUBSETS
    from sedlib.workspace import dataset, run_folder

    if epochs and folder is None:
        raise SedError(f"--epochs {epochs}: a run of another length must not stand among the profile's; give it a folder "
                       "with --run")
    config = configuration(system, profile_name)
    config = replace(config, training=replace(config.training, epochs=epochs or config.training.epochs))
    root = dataset(data_name, profile_name)
    layout.preflight(root, [*subsets_of(config).values(), *layout.EVALUATED], config.augment.uses_soundbank)
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
    from sedlib.training.runs import runs, table
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
    """List the sound events in recordings of any length, sample rate and number of channels."""
    import pandas as pd

    from sedlib.data import tables
    from sedlib.decode import Hmm, audacity_labels
    from sedlib.decode import detect as detect_events
    from sedlib.training import Run

    if kind == "audacity" and len(recordings) > 1:
        raise SedError(f"an Audacity label track belongs to one recording, {len(recordings)} were given; call once for each")
    run, hmm = Run(folder), None if hmm_file is None else Hmm.load(hmm_file)
    detector, config = run.detector(), run.config
    events = pd.concat([detect_events(detector, config, path, hmm) for path in recordings], ignore_index=True)
    if kind == "audacity":
        text = audacity_labels(events)
    else:
        text = events.to_csv(sep="\t", index=False, float_format="%.3f", lineterminator="\n", columns=tables.EVENT_COLUMNS)
    if out is None:
        click.echo(text, nl=False)
    else:
        out.write_text(text, encoding="utf-8")
        click.echo(f"{out}: {len(events)} events", err=True)


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

    result = evaluate_files(reference, predictions, **options)
    click.echo(report(result))
    if json_file is not None:
        json_file.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
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

    truth, _ = with_length(tables.read_events(reference))
    result = tuning.tune(Posteriors.load(scores), truth, search, fraction, seed)
    click.echo(tuning.text(result))  # first, so that nothing that took long is lost
    if json_file is not None:
        try:
            json_file.parent.mkdir(parents=True, exist_ok=True)
            json_file.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
        except OSError as error:
            raise SedError(f"{json_file}: cannot be written ({error.strerror}); the result stands above") from None


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
    found = Posteriors.load(scores)
    check_scores(found.scores)
    decoder = Decoding(threshold, median_s) if hmm_file is None else Hmm.load(hmm_file)
    events = median_events(found, decoder) if hmm_file is None else hmm_events(found, decoder, threshold=threshold)
    silent = pd.DataFrame({"filename": sorted(set(found.filenames) - set(events["filename"]))})
    try:
        if points is not None:
            every = pd.concat([table.assign(threshold=at) for at, table in operating_points(found, decoder).items()])
            if every.empty:
                raise SedError(f"{scores}: no event at any threshold, so that there is nothing to write to {points}; leave --points away")
            points.parent.mkdir(parents=True, exist_ok=True)
            every[["threshold", *tables.EVENT_COLUMNS]].to_csv(points, sep="\t", index=False, float_format="%.6g")
        tables.write(pd.concat([events, silent]).reindex(columns=tables.EVENT_COLUMNS), out)
    except OSError as error:
        raise SedError(f"{error.filename}: cannot be written ({error.strerror})") from None
    click.echo(f"{out}: {len(events)} events in {len(found.filenames)} clips", err=True)


@cli.command(epilog=examples(
    "sedlib reproduce", "sedlib reproduce --list", "sedlib reproduce --table 1 --seeds 5 --profile lesson",
    "sedlib reproduce --profile paper --data /data/DESED --cluster slurm",
))
@PROFILE
@DATA
@click.option("--seeds", default=1, show_default=True, type=click.IntRange(1), help="Trainings of each system: seeds 0, 1, ...")
@click.option("--table", "tables", multiple=True, type=int, help="1, 2 or 3, repeatable: only this table of the paper, without lessons.")
@click.option("--cores", type=click.IntRange(1), help="Default: all that this process may use.")
@click.option("--cluster", metavar="PROFILE", help="Run the jobs on a cluster: slurm, or the folder of a snakemake profile.")
@click.option("--list", "only_list", is_flag=True, help="List the rows of the paper's tables, their numbers and systems; do nothing.")
def reproduce(profile_name: str, data_name: str, seeds: int, tables: tuple[int, ...], cores: int | None, cluster: str | None,
              only_list: bool) -> None:
    """Do everything: data, trainings, scores, ledger, executed lessons, report. What is finished is not done again."""
    from sedlib.reproduce import TABLES, Plan
    from sedlib.reproduce import reproduce as run_all

    plan = Plan(profile_name, data_name, tuple(range(seeds)), tuple(dict.fromkeys(tables)) or TABLES).checked()
    if only_list:
        from sedlib.systems import listing

        click.echo(listing(plan.tables).to_string(index=False))
        return
    click.echo(f"report: {run_all(plan, cores, cluster, say=click.echo)}")


@cli.command(epilog=examples("sedlib gap", "sedlib gap --seeds 1 --profile smoke"))
@PROFILE
@click.option("--seeds", default=3, show_default=True, type=click.IntRange(1), help="Trainings of each system.")
def gap(profile_name: str, seeds: int) -> None:
    """Measure MiniDESED's domain gap: what it costs, what the mean teacher wins back, which ingredient costs how much."""
    from sedlib.gap import measure, text

    path = measure(profile_name, seeds)
    click.echo(f"{text(json.loads(path.read_text(encoding='utf-8')))}\n{path}")


@cli.command(epilog=examples("sedlib stub 04 notebooks/my_04.ipynb"))
@click.argument("lesson")
@click.argument("notebook", type=click.Path(path_type=Path))
def stub(lesson: str, notebook: Path) -> None:
    """Write LESSON as a notebook whose exercises are still to be solved."""
    from sedlib.lesson.stubs import exercise_notebook

    click.echo(f"{exercise_notebook(lesson, notebook)}: open it in JupyterLab (`make lab`)")


def main() -> None:
    """Entry point of the command ``sedlib``."""
    cli()


if __name__ == "__main__":
    main()
