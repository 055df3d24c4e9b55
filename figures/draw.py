"""``python -m figures.draw [NAME ...]``: draw the README's pictures, or some of them, anew from finished runs.

``figures/manifest.json`` lists for every picture its lesson, profile, data and seed, the version of sedlib that
measured it, the rule by which its clip was chosen, and a description. ``python -m tests.screens`` adds the browser's.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from minidesed import statistics
from reproduction import ledger, retention, sounds
from reproduction.comparisons import ADVERSARIAL, AUGMENTATION, TABLE1, Comparison
from reproduction.studies import doses, gap, invariance, postprocessing
from sedcourse import decoding, plots
from sedcourse.plots.axes import grid, in_rows
from sedcourse.plots.style import BLUE, GREEN, LINES, VERMILION, figure, styled
from sedlib import __version__
from sedlib.data import layout, tables
from sedlib.data.store import open_store
from sedlib.decode import Posteriors
from sedlib.errors import SedError
from sedlib.metrics import event_f1
from sedlib.training import Run
from sedlib.workspace import dataset, run_folder

FIGURES = Path(__file__).parent
Drawn = tuple[Figure | bytes, dict[str, Any]]  # a picture, or a PNG, and its entry in the manifest
Pictures = Mapping[str, Callable[[str, Path, int], Drawn]]  # by name, from profile, data set and seed


def draw(names: Sequence[str] = (), profile: str = "lesson", seed: int = 0, pictures: Pictures | None = None) -> None:
    """Write pictures and their entries in the manifest, from finished runs, `sedlib gap` and ``python -m bench cost``.

    Parameters
    ----------
    names : sequence of str
        File names without ``.png``; none: all. The others stay as they are.
    pictures : mapping, optional
        What can be drawn; default: `DRAWN`.

    Raises
    ------
    SedError
        For an unknown name, or if the baseline's or PPCEN's run is needed and not finished (`sedlib train` finishes
        it). A comparison, gap or device that is not measured here stays as published.
    """
    pictures = DRAWN if pictures is None else pictures
    for name in names:
        if name not in pictures:
            raise SedError(f"there is no picture {name!r}; choose from {', '.join(pictures)}")
    root = dataset("mini", profile)
    path = FIGURES / "manifest.json"
    manifest = {entry["file"]: entry for entry in json.loads(path.read_text(encoding="utf-8"))}
    for name in names or pictures:
        drawn, entry = pictures[name](profile, root, seed)
        file = f"{name}.png"
        if isinstance(drawn, Figure):
            drawn.savefig(FIGURES / file, dpi=100, facecolor="white")
        else:
            (FIGURES / file).write_bytes(drawn)
        manifest[file] = {"file": file, "measured_by": __version__, **entry}
    known = [entry for file, entry in manifest.items() if (FIGURES / file).exists()]
    path.write_text(json.dumps(known, indent=2) + "\n", encoding="utf-8")


def measured_entry(lesson: str, measured: dict[str, Any], data: str, seed: Any, alt: str) -> dict[str, Any]:
    """Entry of a picture of published numbers."""
    made = {"profile": measured["profile"], "measured_by": measured["measured_by"]}
    return {"lesson": lesson, **made, "data": data, "seed": seed, "alt": alt}


def _entry(lesson: str, profile: str, root: Path, seed: int, alt: str, **more: str) -> dict[str, Any]:
    return {"lesson": lesson, "profile": profile, "data": root.name, "seed": seed, **more, "alt": alt}


def _detection(profile: str, root: Path, seed: int, missed: bool = False) -> Drawn:
    """Draw the clip of at least three classes that the robust HMM gets best, or worst, tuned on the other half."""
    run = Run(run_folder(profile, root, "baseline", seed))
    config, detector = run.config, run.detector()
    reference = layout.load(root, "validation").table
    predictions = tables.read_events(run.folder / "unseen-robust.tsv")
    result = event_f1(reference, predictions)
    hits, predicted, right = result.counts.sum(axis=1).T
    f1 = 2 * hits / np.maximum(predicted + right, 1)
    several = np.flatnonzero(np.count_nonzero(result.counts[..., 2], axis=1) >= 3)
    order = sorted(several, key=lambda i: (-f1[i], -right[i], result.filenames[i]))
    chosen = order[-1 if missed else 0]
    name, alike = result.filenames[chosen], np.count_nonzero(f1[several] == f1[chosen])
    posteriors = Posteriors.load(run.folder / "validation.npz")
    store = open_store(root, "validation")
    logmel = detector.features(torch.from_numpy(store.waveforms([store.filenames.index(name)])))[0, 0].numpy()
    scores = posteriors.scores[posteriors.filenames.index(name)]
    of_clip = [table[table["filename"] == name] for table in (reference, predictions)]
    hop_s, which = config.features.hop / config.features.sample_rate, "worst" if missed else "best"
    title = f"F1 of {100 * f1[chosen]:.0f} %, as {alike} of {len(order)} clips with three classes or more: {name}"
    alt = (
        "One clip of ten seconds in three rows over the same time axis: log-Mel spectrogram, posteriors of the "
        f"ten classes, and events. Reference: {plots.in_words(of_clip[0])}. Detected: {plots.in_words(of_clip[1])}."
    )
    rule = f"of the development clips with three classes or more the one with the {which} F1, then the most events"
    entry = _entry("04_mean_teacher", profile, root, seed, alt, system="baseline, robust HMM", clip=name, rule=rule)
    return plots.detection(logmel, hop_s, scores, config.frame_s, *of_clip, title=title), entry


def _figure2(profile: str, root: Path, seed: int) -> Drawn:
    run = Run(run_folder(profile, root, "ppcen_logmel", seed))
    config, detector = run.config, run.detector()
    frame_s = config.features.hop / config.features.sample_rate
    waveform, events = sounds.figure2_clip(seed)
    with torch.no_grad():
        features = detector.features(torch.from_numpy(waveform)[None])
        pictures = [detector.energy(features)[0, 0].numpy(), *detector.frontend(features)[0].numpy()]
    panels = dict(zip(("(a) log-Mel, scaled to [0, 1]", "(b) PCEN layer 1", "(c) PCEN layer 2"), pictures, strict=True))
    speech = events[events["event_label"] == "Speech"]
    kept = {title: retention.retention(x, frame_s, speech) for title, x in panels.items()}
    numbers = "; ".join(
        f"{title}: stationary share {one.stationary:.2f}, speech against lasting {one.events:.2f}"
        for title, one in kept.items()
    )
    alt = (
        "The paper's Figure 2 from a training here: ten seconds with a vacuum cleaner throughout and speech three "
        f"times, as log-Mel and as the two parallel PCEN layers give them. {numbers}."
    )
    more = {"system": "ppcen_logmel", "clip": f"sounds.figure2_clip({seed})"}
    return plots.front_ends(panels, frame_s, events), _entry("03_pcen", profile, root, seed, alt, **more)


def _invariance(profile: str, root: Path, seed: int) -> Drawn:
    measured = invariance.load(profile)
    figure = plots.domain_errors(invariance.errors(measured), invariance.labels_error(measured))
    seeds = list(range(min(map(len, measured["systems"].values()))))
    return figure, measured_entry("05_domain_adversarial", measured, root.name, seeds, invariance.text(measured))


def _compared(profile: str, root: Path, seed: int, comparison: Comparison, lesson: str, what: str) -> Drawn:
    """Publish the numbers, and draw them."""
    measured = comparison.publish(profile, root)
    rows = comparison.scores(measured)[: len(comparison.rows)]
    first, *_ = comparison.rows.values()
    f1 = ", ".join(f"{name} {f1}" for name, f1 in zip(rows[comparison.of], rows["development F1"], strict=True))
    alt = (
        f"{what} on the development clips with 95 % intervals, beside the paper's on DESED; right, by class, what each "
        f"wins or loses against {first}. F1 here in percent: {f1}."
    )
    figure = plots.system_scores(comparison.drawn(measured), comparison.by_class(measured))
    return figure, measured_entry(lesson, measured, root.name, list(range(int(rows["trainings"].min()))), alt)


def _hmm(profile: str, root: Path, seed: int) -> Drawn:
    measured = postprocessing.published()
    title, of = next(iter(measured["systems"].items()))
    gains = postprocessing.by_class(of)
    entry = measured_entry("06_hmm", measured, root.name, 0, postprocessing.class_text(title, gains))
    return decoding.by_class(gains), entry


def _statistics(profile: str, root: Path, seed: int) -> Drawn:
    compared = statistics.compare_folder(root)
    titles = {"synthetic": "synthetic clips (DESED: its set of 2019)", "validation": "real clips (development set)"}
    durations = compared["ratio"].xs("duration_50", level="quantity").dropna()
    alt = (
        "MiniDESED beside DESED, a row of panels for synthetic and one for real clips: median and quartiles of the ten "
        "classes' durations, share of clips, events per clip, and how many events sound at once. The medians of the "
        f"durations are {durations.min():.2f} to {durations.max():.2f} times DESED's."
    )
    figure = plots.beside_desed({title: compared.loc[subset] for subset, title in titles.items()})
    return figure, _entry("01_data", profile, root, 0, alt)


def _domain_gap(profile: str, root: Path, seed: int) -> Drawn:
    measured = gap.load(profile)
    gap.PUBLISHED.write_text(json.dumps({**measured, "from": None}, indent=1) + "\n", encoding="utf-8")
    seeds = list(range(measured["seeds"]))
    entry = measured_entry("05_domain_adversarial", measured, root.name, seeds, gap.text(measured))
    return plots.gap(gap.by_system(measured), gap.shares(measured)), entry


def _doses(profile: str, root: Path, seed: int) -> Drawn:
    measured = {name: found for name in doses.DOSES if (found := doses.load(name))}
    said = []
    for name, found in measured.items():
        rows = doses.table(found)
        said.append(f"{doses.TITLES[name]}: {', '.join(rows['dose'] + ' ' + rows['difference'])}")
    alt = f"What a technique wins in points of event F1, with 95 % intervals, at each dose. {'; '.join(said)}."
    first = next(iter(measured.values()))
    entry = measured_entry("05_domain_adversarial", first, root.name, list(range(first["seeds"])), alt)
    return doses_drawn(measured), entry


@styled
def doses_drawn(measured: Mapping[str, dict[str, Any]]) -> Figure:
    """Draw what techniques win at their doses (`reproduction.studies.doses`), a panel for each technique."""
    sizes = [len(found["doses"]) for found in measured.values()]
    height = sum(0.7 + 0.4 * size for size in sizes) + 0.7
    fig, axes = figure(10, height, nrows=len(sizes), sharex=True, height_ratios=sizes)
    for ax, (name, found) in zip(axes[:, 0], measured.items(), strict=True):
        won = [[100 * of["difference"][part] for part in ("value", "low", "high")] for of in found["doses"].values()]
        value, low, high = np.array(won).T
        ax.errorbar(value, range(len(won)), xerr=[value - low, high - value], fmt="o", color=BLUE, capsize=3)
        ax.axvline(0, color="black", linewidth=1)
        ax.set_title(doses.TITLES[name], loc="left")
        in_rows(ax, list(found["doses"]))
    axes[-1, 0].set_xlabel("won by the technique (points of event F1), 95 % interval")
    return fig


def _training_cost(profile: str, root: Path, seed: int) -> Drawn:
    records = json.loads((FIGURES / "training_cost.json").read_text(encoding="utf-8"))
    predicted = []
    for device, record in records.items():
        said, off = record["prediction"], 100 * record["fits"]["step_s"]["worst"]
        predicted.append(
            f"{device}: {said['total_hours']:.1f} hours for {said['epochs']} epochs, {said['memory_mb'] / 1000:.1f} GB "
            f"of memory; the fitted time of a step is off by {off:.0f} % at worst."
        )
    alt = (
        "Time of a training step and its peak of memory against the clips in it and against the channels of the "
        "network, measured points and fitted lines, for clips of all and of half the frames; and what a whole training "
        f"on real DESED is predicted to need. {' '.join(predicted)}"
    )
    versions = ", ".join(sorted({record["measured_by"] for record in records.values()}))
    measured = {"profile": "paper", "measured_by": versions}
    return training_cost(records), measured_entry("04_mean_teacher", measured, "noise", 0, alt)


@styled
def training_cost(records: dict[str, dict[str, Any]]) -> Figure:
    """Draw what a training costs: time and memory of a step against clips and width, and the whole on real DESED.

    Parameters
    ----------
    records : dict of device to record
        As ``python -m bench cost`` keeps them. Points are measured (bars: from the fastest to the slowest step), lines
        are fitted to all of a device's points at once.
    """
    fig, axes = figure(12, 6.4, nrows=2, ncols=3)
    devices = list(zip(records, (BLUE, VERMILION, GREEN), "oDs", strict=False))
    for number, (device, colour, marker) in enumerate(devices):
        look = {"color": colour, "marker": marker}
        _device_on(axes, device, records[device], number / len(records), look)
    predicted = records[devices[-1][0]]["prediction"]
    labels = "clips in a step", f"channels, times the paper's ({predicted['batch']} clips)"
    for column, label in enumerate(labels):
        axes[0, column].set(xlabel=label, ylabel="time of a step (s)")
        axes[1, column].set(xlabel=label, ylabel="peak of memory (GB)")
    for ax in axes[:, :2].flat:
        ax.set_xlim(left=0)
        if ax in axes[0] and len(records) > 1:  # a GPU's line would lie on the axis
            ax.set_yscale("log")
        else:
            ax.set_ylim(bottom=0)
    axes[0, 2].set(xlabel=f"training on DESED, {predicted['epochs']} epochs (hours)", xscale="log")
    axes[1, 2].set(xlabel="needed for DESED (GB)", xlim=(0, None))
    for ax in axes.flat:
        grid(ax)
    handles = axes[0, 0].get_legend_handles_labels()
    title = "points measured, lines fitted"
    fig.legend(*handles, loc="outside upper center", ncols=2, frameon=False, title=title)
    return fig


def _device_on(axes: np.ndarray, device: str, record: dict[str, Any], shift: float, look: dict[str, str]) -> None:
    """Draw one device in all six panels."""
    cases, predicted = pd.DataFrame(record["cases"]), record["prediction"]
    cases["fitted_s"], cases["fitted_mb"] = (record["fits"][kind]["fitted"] for kind in ("step_s", "memory_mb"))
    by_clips = cases[cases["width"] == 1].groupby("frames", sort=False)
    for (frames, of_length), line, face in zip(by_clips, LINES, (look["color"], "white"), strict=False):
        name = f"{device}, {frames} frames a clip"
        _cost_on(axes[:, 0], of_length, "clips", line, label=name, markerfacecolor=face, **look)
    full = cases["frames"] == cases["frames"].max()
    _cost_on(axes[:, 1], cases[full & (cases["clips"] == predicted["batch"])], "width", LINES[0], **look)
    hours = {**predicted["hours"], "all": predicted["total_hours"]}
    _values_on(axes[0, 2], hours, [_duration(value) for value in hours.values()], shift, **look)
    gigabytes = {
        "memory": predicted["memory_mb"] / 1000,
        "waveforms, on disk": predicted["store_mb"] / 1000,
        "spectrograms, if kept": predicted["spectrograms_mb"] / 1000,
    }
    _values_on(axes[1, 2], gigabytes, [f"{value:.1f} GB" for value in gigabytes.values()], shift, **look)


def _cost_on(axes: np.ndarray, cases: pd.DataFrame, x: str, line: Any, **look: Any) -> None:
    """Draw measured and fitted seconds on the first of two axes, gigabytes on the second."""
    cases = cases.sort_values(x)
    kinds = ("step_s", "fitted_s", 1), ("memory_mb", "fitted_mb", 1e-3)
    for ax, (measured, fitted, scale) in zip(axes, kinds, strict=True):
        ax.plot(cases[x], scale * cases[fitted], linestyle=line, color=look["color"])
        ax.plot(cases[x], scale * cases[measured], linestyle="", zorder=3, **look)
    axes[0].vlines(cases[x], cases["range_s"].str[0], cases["range_s"].str[1], color=look["color"])


def _values_on(ax: Axes, values: dict[str, float], texts: list[str], shift: float, **look: Any) -> None:
    """Draw a row for every value, and its text at the end of the row."""
    rows = np.arange(len(values)) + shift
    ax.plot(list(values.values()), rows, linestyle="", **look)
    for row, text in zip(rows, texts, strict=True):
        ax.text(1.02, row, text, transform=ax.get_yaxis_transform(), color=look["color"], va="center")
    in_rows(ax, list(values))
    ax.set_ylim(len(values) - 0.2, -0.5)


def _duration(hours: float) -> str:
    """Return hours in words, in the unit that fits."""
    for unit, size in (("days", 24), ("h", 1), ("min", 1 / 60)):
        if hours >= 2 * size:
            return f"{hours / size:.1f} {unit}"
    return f"{3600 * hours:.1f} s"


def _ledger(profile: str, root: Path, seed: int) -> Drawn:
    published = ledger.read(ledger.PUBLISHED)
    numbers, lesson = published["numbers"], "07_paper_ledger"
    entry = measured_entry(lesson, published, published["data"], published["seeds"], plots.ledger_text(numbers))
    return plots.ledger(numbers), entry


def _of(comparison: Comparison, lesson: str, what: str) -> partial:
    return partial(_compared, comparison=comparison, lesson=lesson, what=f"{what}: left, event-based macro F1")


_ADVERSARIAL = "Domain-adversarial training with and without augmentation"
_TABLE1 = "Table 1 as a picture: left, event-based macro F1 of the seven front-ends"
DRAWN: dict[str, Callable[[str, Path, int], Drawn]] = {
    "detection": _detection,
    "detection_missed": partial(_detection, missed=True),
    "ppcen": _figure2,
    "augmentation": _of(AUGMENTATION, "02_augmentation", "What mixing and augmentation bring"),
    "adversarial": _of(ADVERSARIAL, "05_domain_adversarial", _ADVERSARIAL),
    "invariance": _invariance,
    "hmm": _hmm,
    "table1": partial(_compared, comparison=TABLE1, lesson="03_pcen", what=_TABLE1),
    "statistics": _statistics,
    "domain_gap": _domain_gap,
    "doses": _doses,
    "training_cost": _training_cost,
    "ledger": _ledger,
}


def main(names: Sequence[str], pictures: Pictures | None = None) -> None:
    """Draw, or exit with one line that says what is missing."""
    try:
        draw(names, pictures=pictures)
    except SedError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main(sys.argv[1:])
