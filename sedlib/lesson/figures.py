"""``python -m sedlib.lesson.figures``: draw the README's pictures anew from a finished run, with their manifest.

``figures/manifest.json`` says of every picture from which lesson, profile, data and seed it comes, by which rule its
clip was chosen, and what there is to see.
"""

from __future__ import annotations

import json
from pathlib import Path

import torch

from sedlib.data import layout, tables
from sedlib.data.store import open_store
from sedlib.decode import Posteriors
from sedlib.lesson import plots
from sedlib.training import Run
from sedlib.workspace import dataset, run_folder

FIGURES = Path(__file__).resolve().parents[2] / "figures"


def draw(profile: str = "lesson", seed: int = 0) -> None:
    """Write ``figures/detection.png`` and the manifest from the baseline's run on MiniDESED.

    Raises
    ------
    SedError
        If that run is not finished; `sedlib train` makes it.
    """
    root = dataset("mini", profile)
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
    FIGURES.mkdir(exist_ok=True)
    figure.savefig(FIGURES / "detection.png", dpi=100, facecolor="white")
    manifest = [{
        "file": "detection.png", "lesson": "04_mean_teacher", "profile": profile, "data": root.name, "system": "baseline",
        "seed": seed, "clip": name, "rule": "the development clip with the most classes, the first of these by name",
        "alt": f"One clip of ten seconds in three rows over the same time axis: log-Mel spectrogram, posteriors of the ten "
               f"classes, and events. Reference: {plots.in_words(of_clip[0])}. Detected: {plots.in_words(of_clip[1])}.",
    }]
    (FIGURES / "manifest.json").write_text(json.dumps(manifest, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    draw()
