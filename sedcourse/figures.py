"""``python -m sedcourse.figures [NAME ...]``: draw the README's pictures, or some of them, anew from finished runs and
from the pages that a browser shows, with their manifest.

``figures/manifest.json`` says of every picture from which lesson, profile, data and seed it comes, which version of
sedlib measured what it shows, by which rule its clip was chosen, and what there is to see.
"""

from __future__ import annotations

import functools
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from matplotlib.figure import Figure

from minidesed import statistics
from reproduction import ledger, retention, shipped, sounds
from reproduction.comparisons import ADVERSARIAL, AUGMENTATION, TABLE1, Comparison
from reproduction.studies import gap, invariance, overfitting
from sedcourse import decoding, plots, screens
from sedlib import __version__
from sedlib.data import layout, tables
from sedlib.data.store import open_store
from sedlib.decode import Posteriors
from sedlib.errors import SedError
from sedlib.training import Run
from sedlib.workspace import dataset, run_folder, workspace

FIGURES = shipped("figures")
Drawn = tuple[Figure | bytes, dict[str, Any]]  # a picture, or a PNG, and its entry in the manifest


def draw(names: Sequence[str] = (), profile: str = "lesson", seed: int = 0) -> None:
    """Write pictures and the manifest from finished runs, from `sedlib gap` and from ``python -m bench cost``.

    Parameters
    ----------
    names : sequence of str
        File names without ``.png``; none: all of them. The others stay as they are.

    Raises
    ------
    SedError
        For a name that is not drawn here; if the baseline's run or that of PPCEN on log-Mel is needed and not finished
        (`sedlib train` finishes it). A comparison or a gap that is not measured here stays as published, and so do the
        costs of devices that are not here. Pictures of the browser need Playwright and Chromium; that of the report
        needs `make reproduce`.
    """
    for name in names:
        if name not in DRAWN:
            raise SedError(f"there is no picture {name!r}; choose from {', '.join(DRAWN)}")
    root = dataset("mini", profile)
    path = FIGURES / "manifest.json"
    manifest = {entry["file"]: entry for entry in json.loads(path.read_text(encoding="utf-8"))}
    for name in names or DRAWN:
        drawn, entry = DRAWN[name](profile, root, seed)
        file = f"{name}.png"
        if isinstance(drawn, Figure):
            drawn.savefig(FIGURES / file, dpi=100, facecolor="white")
        else:
            (FIGURES / file).write_bytes(drawn)
        manifest[file] = {"file": file, "measured_by": __version__, **entry}
    known = [manifest[f"{name}.png"] for name in DRAWN if f"{name}.png" in manifest]
    path.write_text(json.dumps(known, indent=2) + "\n", encoding="utf-8")


def _measured(lesson: str, measured: dict[str, Any], data: str, seed: Any, alt: str) -> dict[str, Any]:
    """The entry of a picture of published numbers."""
    made = {"profile": measured["profile"], "measured_by": measured["measured_by"]}
    return {"lesson": lesson, **made, "data": data, "seed": seed, "alt": alt}


def _detection(profile: str, root: Path, seed: int) -> Drawn:
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
        detector.features(waveform)[0, 0].numpy(),
        config.features.hop / config.features.sample_rate,
        posteriors.scores[posteriors.filenames.index(name)],
        config.frame_s,
        *of_clip,
        title=f"{name}, MiniDESED's development set",
    )
    return figure, {
        "lesson": "04_mean_teacher",
        "profile": profile,
        "data": root.name,
        "system": "baseline",
        "seed": seed,
        "clip": name,
        "rule": "the development clip with the most classes, the first of these by name",
        "alt": "One clip of ten seconds in three rows over the same time axis: log-Mel spectrogram, posteriors of the "
        f"ten classes, and events. Reference: {plots.in_words(of_clip[0])}. Detected: {plots.in_words(of_clip[1])}.",
    }


def _figure2(profile: str, root: Path, seed: int) -> Drawn:
    run = Run(run_folder(profile, root, "ppcen_logmel", seed))
    config, detector = run.config, run.detector()
    frame_s = config.features.hop / config.features.sample_rate
    waveform, events = sounds.figure2_clip(seed)
    with torch.no_grad():
        features = detector.features(torch.from_numpy(waveform)[None])
        pictures = [detector.energy(features)[0, 0].numpy(), *detector.frontend(features)[0].numpy()]
    kept = [retention.retention(x, frame_s, events[events["event_label"] == "Speech"]) for x in pictures]
    titles = ("(a) log-Mel, scaled to [0, 1]", "(b) PCEN layer 1", "(c) PCEN layer 2")
    numbers = "; ".join(
        f"{title}: stationary share {one.stationary:.2f}, onset contrast {one.onset:.2f}"
        for title, one in zip(titles, kept, strict=True)
    )
    return plots.front_ends(dict(zip(titles, pictures, strict=True)), frame_s, events), {
        "lesson": "03_pcen",
        "profile": profile,
        "data": root.name,
        "system": "ppcen_logmel",
        "seed": seed,
        "clip": f"sounds.figure2_clip({seed})",
        "alt": "The paper's Figure 2 from a training here: ten seconds with a vacuum cleaner throughout and speech "
        f"three times, as log-Mel and as the two parallel PCEN layers give them. {numbers}.",
    }


def _invariance(profile: str, root: Path, seed: int) -> Drawn:
    measured = invariance.load(profile, root)
    figure = plots.domain_errors(invariance.errors(measured), invariance.labels_error(measured))
    seeds = list(range(min(map(len, measured["systems"].values()))))
    return figure, _measured("05_domain_adversarial", measured, root.name, seeds, invariance.text(measured))


def _compared(profile: str, root: Path, seed: int, comparison: Comparison, lesson: str, what: str) -> Drawn:
    """Publishes the numbers, too."""
    measured = comparison.publish(profile, root)
    rows = comparison.scores(measured)[: len(comparison.rows)]
    first, *_ = comparison.rows.values()
    f1 = ", ".join(f"{name} {f1}" for name, f1 in zip(rows[comparison.of], rows["development F1"], strict=True))
    alt = (
        f"{what} on the development clips with 95 % intervals, beside the paper's on DESED; right, by class, what each "
        f"wins or loses against {first}. F1 here in percent: {f1}."
    )
    figure = plots.system_scores(comparison.drawn(measured), comparison.by_class(measured))
    return figure, _measured(lesson, measured, root.name, list(range(int(rows["trainings"].min()))), alt)


def _hmm(profile: str, root: Path, seed: int) -> Drawn:
    measured = overfitting.published()
    return decoding.gains(measured["systems"]), _measured("06_hmm", measured, root.name, 0, overfitting.text(measured))


def _statistics(profile: str, root: Path, seed: int) -> Drawn:
    compared = statistics.compare_folder(root)
    titles = {"synthetic": "synthetic clips (DESED: its set of 2019)", "validation": "real clips (development set)"}
    durations = compared["ratio"].xs("duration_50", level="quantity").dropna()
    return plots.beside_desed({title: compared.loc[subset] for subset, title in titles.items()}), {
        "lesson": "01_data",
        "profile": profile,
        "data": root.name,
        "seed": 0,
        "alt": "MiniDESED beside DESED, a row of panels for synthetic and one for real clips: median and quartiles "
        "of the ten classes' durations, share of clips, events per clip, and how many events sound at once. The "
        f"medians of the durations are {durations.min():.2f} to {durations.max():.2f} times DESED's.",
    }


def _domain_gap(profile: str, root: Path, seed: int) -> Drawn:
    measured = gap.load(profile)
    gap.PUBLISHED.write_text(json.dumps({**measured, "from": None}, indent=1) + "\n", encoding="utf-8")
    seeds = list(range(measured["seeds"]))
    entry = _measured("01_data", measured, root.name, seeds, gap.text(measured))
    return plots.gap(gap.by_system(measured), gap.shares(measured)), entry


def _training_cost(profile: str, root: Path, seed: int) -> Drawn:
    records = json.loads((FIGURES / "training_cost.json").read_text(encoding="utf-8"))
    predicted = []
    for device, record in records.items():
        said, off = record["prediction"], 100 * record["fits"]["step_s"]["worst"]
        predicted.append(
            f"{device}: {said['total_hours']:.1f} hours for {said['epochs']} epochs, {said['memory_mb'] / 1000:.1f} GB "
            f"of memory; the fitted time of a step is off by {off:.0f} % at worst."
        )
    return plots.training_cost(records), {
        "lesson": "04_mean_teacher",
        "profile": "paper",
        "data": "noise",
        "seed": 0,
        "measured_by": ", ".join(sorted({record["measured_by"] for record in records.values()})),
        "alt": "Time of a training step and its peak of memory against the clips in it and against the channels of the "
        "network, measured points and fitted lines, for clips of all and of half the frames; and what a whole "
        f"training on real DESED is predicted to need. {' '.join(predicted)}",
    }


def _lab(profile: str, root: Path, seed: int) -> Drawn:
    return screens.lesson("03_pcen.py", "energy = mel / mel.max()"), {
        "lesson": "03_pcen",
        "profile": profile,
        "data": "none: these cells make their own sound",
        "seed": seed,
        "clip": "a far bark and a near one, of the lesson",
        "rule": "the first picture of the lesson",
        "alt": "Lesson 03 open in JupyterLab: on the left the list of lessons, on the right the notebook after "
        "its first cells ran. A player with the sound of a far and a near bark, a question to the reader, the code "
        "that takes one Mel band, and below it the picture it drew: energy over ten seconds, the near bark high, the "
        "far one "
        "hardly to be seen.",
    }


def _explore(profile: str, root: Path, seed: int) -> Drawn:
    return screens.explorer("Fixed 3"), {
        "lesson": "03_pcen",
        "profile": "paper",
        "data": "none: the page makes its own sounds",
        "seed": 0,
        "clip": "vacuum cleaner, and speech three times",
        "rule": "the page's first sound, with the preset Fixed 3",
        "alt": "The page of the PCEN explorer: a choice of sounds, presets of the paper's Table 1, sliders for "
        "alpha, delta, r and T, and below them log-Mel, the smoothed energy M and PCEN of ten seconds with a vacuum "
        "cleaner and speech, with a cursor at the same place in all three. PCEN has darkened the vacuum cleaner, and "
        "the syllables stand out.",
    }


def _ledger(profile: str, root: Path, seed: int) -> Drawn:
    published = ledger.read(ledger.PUBLISHED)
    numbers, lesson = published["numbers"], "07_paper_ledger"
    entry = _measured(lesson, published, published["data"], published["seeds"], plots.ledger_text(numbers))
    return plots.ledger(numbers), entry


def _report(profile: str, root: Path, seed: int) -> Drawn:
    page = workspace() / "report" / "index.html"
    if not page.exists():
        raise SedError(f"{page}: no report; `make reproduce` writes it")
    made = ledger.read(page.with_name("ledger.json"))
    counted = ", ".join(f"{count} {verdict}" for verdict, count in ledger.verdicts(made).items() if count)
    alt = (
        "The first page of the report: links to all pages, with which data and how many trainings it was made, "
        f"how many of the paper's sentences hold here ({counted}), and the paper's numbers drawn beside those "
        "measured here."
    )
    return screens.document(page), _measured("07_paper_ledger", made, made["data"], made["seeds"], alt)


def _of(comparison: Comparison, lesson: str, what: str) -> functools.partial:
    return functools.partial(
        _compared, comparison=comparison, lesson=lesson, what=f"{what}: left, event-based macro F1"
    )


DRAWN = {
    "detection": _detection,
    "ppcen": _figure2,
    "augmentation": _of(AUGMENTATION, "02_augmentation", "What mixing and augmentation bring"),
    "adversarial": _of(
        ADVERSARIAL, "05_domain_adversarial", "Domain-adversarial training with and without augmentation"
    ),
    "invariance": _invariance,
    "hmm": _hmm,
    "table1": functools.partial(
        _compared,
        comparison=TABLE1,
        lesson="03_pcen",
        what="Table 1 as a picture: left, event-based macro F1 of the seven front-ends",
    ),
    "statistics": _statistics,
    "domain_gap": _domain_gap,
    "training_cost": _training_cost,
    "ledger": _ledger,
    "lab": _lab,
    "explore": _explore,
    "report": _report,
}


if __name__ == "__main__":
    try:
        draw(sys.argv[1:])
    except SedError as error:
        sys.exit(str(error))
