"""``python -m sedlib.lesson.figures``: draw the README's pictures anew from a finished run, with their manifest.

``figures/manifest.json`` says of every picture from which lesson, profile, data and seed it comes, by which rule its
clip was chosen, and what there is to see.
"""

from __future__ import annotations

import json
from pathlib import Path

import torch
from matplotlib.figure import Figure

from sedlib import gap
from sedlib.data import layout, statistics, tables
from sedlib.data.store import open_store
from sedlib.decode import Posteriors
from sedlib.lesson import plots
from sedlib.training import Run
from sedlib.workspace import dataset, run_folder

FIGURES = Path(__file__).resolve().parents[2] / "figures"


def draw(profile: str = "lesson", seed: int = 0) -> None:
    """Write the pictures and the manifest from the baseline's run, from `sedlib gap` and from ``python -m bench cost``.

    Raises
    ------
    SedError
        If that run is not finished; `sedlib train` finishes it. A gap that is not measured here stays as published, and
        so do the costs of devices that are not here.
    """
    root = dataset("mini", profile)
    FIGURES.mkdir(exist_ok=True)
    manifest = []
    for draw_one in (_detection, _statistics, _domain_gap, _training_cost):
        figure, entry = draw_one(profile, root, seed)
        figure.savefig(FIGURES / entry["file"], dpi=100, facecolor="white")
        manifest.append(entry)
    (FIGURES / "manifest.json").write_text(json.dumps(manifest, indent=2) + "\n", encoding="utf-8")


def _detection(profile: str, root: Path, seed: int) -> tuple[Figure, dict[str, object]]:
    run = Run(run_folder(profile, root, "baseline", seed))
    config, detector = run.config, run.detector()
    reference = layout.load(root, "validation").table
    predictions = tables.read_events(run.folder / "validation.tsv")
    name = tables.events(reference).groupby("filename")["event_label"].nunique().idxmax()
    posteriors = Posteriors.load(run.folder / "validation.npz")
    store = open_store(root, "validation")
    waveform = torch.from_numpy(store.waveforms([store.filenames.index(name)]))
    of_clip = [table[table["filename"] == name] for table in (reference, predictions)]
    figure = plots.detection(
        detector.features(waveform)[0, 0].numpy(), config.features.hop / config.features.sample_rate,
        posteriors.scores[posteriors.filenames.index(name)], config.frame_s, *of_clip, title=f"{name}, MiniDESED's development set",
    )
    return figure, {
        "file": "detection.png", "lesson": "04_mean_teacher", "profile": profile, "data": root.name, "system": "baseline",
        "seed": seed, "clip": name, "rule": "the development clip with the most classes, the first of these by name",
        "alt": f"One clip of ten seconds in three rows over the same time axis: log-Mel spectrogram, posteriors of the ten "
               f"classes, and events. Reference: {plots.in_words(of_clip[0])}. Detected: {plots.in_words(of_clip[1])}.",
    }


def _statistics(profile: str, root: Path, seed: int) -> tuple[Figure, dict[str, object]]:
    compared = statistics.compare_folder(root)
    titles = {"synthetic": "synthetic clips (DESED: its set of 2019)", "validation": "real clips (development set)"}
    durations = compared["ratio"].xs("duration_50", level="quantity").dropna()
    return plots.beside_desed({title: compared.loc[subset] for subset, title in titles.items()}), {
        "file": "statistics.png", "lesson": "01_data", "profile": profile, "data": root.name, "seed": 0,
        "alt": "MiniDESED beside DESED, a row of panels for synthetic and one for real clips: median and quartiles of the "
               "ten classes' durations, share of clips, events per clip, and how many events sound at once. The medians of "
               f"the durations are {durations.min():.2f} to {durations.max():.2f} times DESED's.",
    }


def _domain_gap(profile: str, root: Path, seed: int) -> tuple[Figure, dict[str, object]]:
    measured = gap.load(profile)
    gap.PUBLISHED.write_text(json.dumps({**measured, "from": None}, indent=1) + "\n", encoding="utf-8")
    shares = gap.shares(measured)
    return plots.gap(gap.by_system(measured), shares), {
        "file": "domain_gap.png", "lesson": "01_data", "profile": measured["profile"], "data": root.name,
        "seed": list(range(measured["seeds"])), "alt": gap.text(measured),
    }


def _training_cost(profile: str, root: Path, seed: int) -> tuple[Figure, dict[str, object]]:
    records = json.loads((FIGURES / "training_cost.json").read_text(encoding="utf-8"))
    predicted = []
    for device, record in records.items():
        said, off = record["prediction"], 100 * record["fits"]["step_s"]["worst"]
        predicted.append(
            f"{device}: {said['total_hours']:.1f} hours for {said['epochs']} epochs, {said['memory_mb'] / 1000:.1f} GB "
            f"of memory; the fitted time of a step is off by {off:.0f} % at worst.")
    return plots.training_cost(records), {
        "file": "training_cost.png", "lesson": "04_mean_teacher", "profile": "paper", "data": "noise", "seed": 0,
        "alt": "Time of a training step and its peak of memory against the clips in it and against the channels of the "
               "network, measured points and fitted lines, for clips of all and of half the frames; and what a whole "
               f"training on real DESED is predicted to need. {' '.join(predicted)}",
    }


if __name__ == "__main__":
    draw()
