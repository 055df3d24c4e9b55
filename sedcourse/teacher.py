"""Tables and pictures of lesson 04: settings, the first batch, shapes, what a teacher is and what it is worth."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import torch
from matplotlib.figure import Figure
from torch import Tensor, nn

from reproduction import published
from reproduction.rows import ROWS
from reproduction.studies import schedule
from sedcourse.plots.axes import legend_above, stacked
from sedcourse.plots.clips import decisions, events_on
from sedcourse.plots.scores import class_f1
from sedcourse.plots.style import BLACK, BLUE, SKY, VERMILION, figure, styled
from sedlib.config import Config, Training
from sedlib.data import encoder, layout, tables
from sedlib.data.store import Store, open_store
from sedlib.decode import Posteriors
from sedlib.metrics.f1 import F1Result, f1_precision_recall
from sedlib.models import CRNN
from sedlib.training import rampup

KINDS = ("synthetic", "weak", "unlabel_in_domain")


def changed(ours: Config, theirs: Config) -> pd.DataFrame:
    """Tabulate the settings in which two configurations differ: ``what paper here``."""

    def settings(config: Config) -> dict[str, str]:
        parts = [(part, values) for part, values in config.to_dict().items() if isinstance(values, dict)]
        return {f"{part}.{name}": str(value) for part, values in parts for name, value in values.items()}

    here, paper = settings(ours), settings(theirs)
    rows = [(name, paper[name], here[name]) for name in here if here[name] != paper[name]]
    return pd.DataFrame(rows, columns=["what", "paper", "here"])


def training_clips(root: Path) -> pd.DataFrame:
    """Tabulate what a data set holds to train on: ``subset labels domain clips``."""
    parts = {kind: layout.load(root, kind) for kind in KINDS}
    rows = [(kind, part.kind, layout.SUBSETS[kind].domain, len(part.filenames)) for kind, part in parts.items()]
    return pd.DataFrame(rows, columns=["subset", "labels", "domain", "clips"])


class Batch(NamedTuple):
    """Clips of all three kinds, in the order of `KINDS`."""

    waveforms: np.ndarray  # (batch, sample)
    strong: Tensor  # (synthetic clip, frame, class)
    weak: Tensor  # (weak clip, class)
    ends: list[int]  # of each kind in the batch


def first_batch(root: Path, config: Config, seed: int) -> Batch:
    """Read the clips and labels that a training takes first."""
    t = config.training
    stores = {kind: open_store(root, kind, progress=False) for kind in KINDS}
    counts = dict(zip(KINDS, (t.strong, t.weak, t.unlabelled), strict=True))
    taken = {kind: encoder.batch_indices(0, count, len(stores[kind]), seed) for kind, count in counts.items()}
    names = {kind: [str(stores[kind].filenames[i]) for i in taken[kind]] for kind in KINDS}
    events, classes = (layout.load(root, kind).table for kind in KINDS[:2])
    strong = encoder.strong_labels(events, names["synthetic"], config.frames, config.frame_s, t.label_frames)
    weak = encoder.weak_labels(classes, names["weak"])
    waveforms = np.concatenate([stores[kind].waveforms(taken[kind]) for kind in KINDS])
    ends = np.cumsum(list(counts.values())).tolist()
    return Batch(waveforms, torch.from_numpy(strong), torch.from_numpy(weak), ends)


@torch.no_grad()
def shapes(config: Config) -> pd.DataFrame:
    """Tabulate the shape after each part of a configuration's network, and the part's parameters."""
    crnn = CRNN(config.model, config.features.n_mels).eval()
    x = torch.zeros(1, 1, config.features.n_mels, config.features.frames)
    rows: list[tuple[str, Tensor, nn.Module | None]] = [("input", x, None)]
    for number, block in enumerate(crnn.cnn, 1):
        x = block(x)
        rows.append((f"block {number}", x, block))
    states, _ = crnn.rnn(x.squeeze(2).transpose(1, 2))
    strong = crnn.strong(states)
    rows += [("GRU: (batch, frame, feature)", states, crnn.rnn), ("strong: (batch, frame, class)", strong, crnn.strong)]
    rows.append(("weak: (batch, class)", crnn.weak(states, strong), crnn.weak))
    counted = [(name, tuple(values.shape), 0 if part is None else parameters(part)) for name, values, part in rows]
    return pd.DataFrame(counted, columns=["part", "shape", "parameters"])


def parameters(part: nn.Module) -> int:
    """Count the parameters of a module."""
    return sum(p.numel() for p in part.parameters())


@styled
def followed(alpha: float) -> tuple[Figure, str]:
    """Draw a student's noisy weight over 600 steps, and its teacher's, and describe them."""
    noise = np.random.default_rng(0).normal(scale=0.25, size=600)
    student = 1 - np.exp(-np.arange(600) / 60) + noise
    teacher = [student[0]]
    for step, weight in enumerate(student[1:], 1):
        a = min(1 - 1 / (step + 1), alpha)
        teacher.append(a * teacher[-1] + (1 - a) * weight)
    fig, axes = figure(10, 2.8)
    ax = axes[0, 0]
    ax.plot(student, color=SKY, linewidth=0.8, label="student")
    ax.plot(teacher, color=VERMILION, linestyle="--", linewidth=2, label="teacher")
    ax.legend(loc="lower right", ncols=2)
    words = f"alpha {alpha}: half forgotten after {math.log(0.5, alpha):.0f} steps"
    ax.set(xlabel="step", ylabel="one weight (no unit)", ylim=(-0.8, 1.9), title=words)
    return fig, f"A student's noisy weight, and its teacher's, smoother and later; {words}."


@styled
def ramps(t: Training) -> tuple[Figure, str]:
    """Draw the two curves that the ramp-up gives in a training, and describe them."""
    epochs = np.linspace(0, t.epochs, 200)
    factor = np.array([rampup(epoch, t.rampup_epochs) for epoch in epochs])
    fig, axes = figure(10, 2.8, ncols=2)
    tops = {"weight c": t.consistency, "learning rate": t.learning_rate}
    for ax, (name, top) in zip(axes[0], tops.items(), strict=True):
        ax.plot(epochs, top * factor, color=BLUE)
        ax.axvline(t.rampup_epochs, color="0.5", linestyle=":")
        ax.set(xlabel="epoch", ylabel=f"{name} (no unit)")
    words = " and ".join(f"the {name} to {top:g}" for name, top in tops.items())
    return fig, (
        f"Two curves over {t.epochs} epochs: in an S {words} within {t.rampup_epochs} epochs (dotted line), "
        "then they stay."
    )


@styled
def ahead(history: pd.DataFrame) -> tuple[Figure, str]:
    """Draw by how much the teacher's F1 on held-out clips leads the student's, epoch by epoch, and describe it."""
    points = 100 * (history["validation_f1_teacher"] - history["validation_f1_student"])
    fig, axes = figure(10, 2.6)
    ax = axes[0, 0]
    ax.bar(history["epoch"], points, color=BLUE)
    ax.axhline(0, color="black", linewidth=0.8)
    ax.set(xlabel="epoch", ylabel="F1 (points)", title="Teacher minus student, held-out synthetic clips")
    ax.xaxis.get_major_locator().set_params(integer=True)  # pyright: ignore[reportCallIssue]  # by default a MaxNLocator
    return fig, f"Teacher's minus student's F1 in points, epoch by epoch: {', '.join(f'{d:+.1f}' for d in points)}"


def liveliest(student: np.ndarray, teacher: np.ndarray) -> tuple[int, int]:
    """Return clip and class in which a student's posterior, (clip, frame, class), moves most beyond its teacher's."""
    restless = [np.abs(np.diff(scores.astype(float), axis=1)).sum(axis=1) for scores in (student, teacher)]
    clip, k = np.unravel_index((restless[0] - restless[1]).argmax(), restless[0].shape)
    return int(clip), int(k)


@styled
def both(networks: dict[str, np.ndarray], frame_s: float, reference: pd.DataFrame, title: str) -> tuple[Figure, str]:
    """Draw the posteriors of one class in one clip by student and teacher, with the reference, and describe them.

    Parameters
    ----------
    networks : dict of name to (frame,) array
        Student and teacher.
    reference : event table of this clip and class
    """
    fig, (above, below) = stacked([2.4, 0.7], more=0.6)
    for (name, scores), colour, line in zip(networks.items(), (SKY, VERMILION), ("-", "--"), strict=True):
        above.stairs(
            scores,
            np.arange(len(scores) + 1) * frame_s,
            baseline=None,
            color=colour,
            linestyle=line,
            lw=1.8,
            label=name,
        )
    above.axhline(0.5, color=BLACK, lw=0.8, linestyle=":")
    above.set(ylabel="posterior", ylim=(0, 1.02), title=title)
    legend_above(above)
    events_on(below, reference)
    below.set_xlim(0, max(map(len, networks.values())) * frame_s)
    moved = ", ".join(f"{name} {np.abs(np.diff(scores)).sum():.1f}" for name, scores in networks.items())
    return (
        fig,
        f"{title}: posteriors of student and teacher over the reference events. Way up and down, summed: {moved}.",
    )


def worth(curves: Sequence[dict[str, Any]]) -> pd.DataFrame:
    """Tabulate what the teacher scores above its student, by the number of steps, over all trainings of a study.

    Parameters
    ----------
    curves : sequence of dict
        As ``figures/schedule.json`` has them: ``step``, and of ``student`` and ``teacher`` ``median_f1`` and ``psds``.

    Returns
    -------
    DataFrame
        ``steps trainings``; mean, smallest and largest lead in event F1, points; mean lead in PSDS.
    """
    leads = pd.DataFrame(
        {
            "steps": curve["step"],
            "f1": 100 * (curve["teacher"]["median_f1"] - curve["student"]["median_f1"]),
            "psds": curve["teacher"]["psds"] - curve["student"]["psds"],
        }
        for curve in curves
    ).groupby("steps")
    f1, psds = leads["f1"], leads["psds"].mean()
    return pd.DataFrame(
        {
            "trainings": f1.size(),
            "F1, mean (points)": f1.mean().map("{:+.1f}".format),
            "smallest": f1.min().map("{:+.1f}".format),
            "largest": f1.max().map("{:+.1f}".format),
            "PSDS, mean": psds.map("{:+.3f}".format),
        }
    ).reset_index()


def development(root: Path) -> tuple[Store, pd.DataFrame]:
    """Open the development clips, and read the reference of those that have audio."""
    waves, reference = open_store(root, "validation", progress=False), layout.load(root, "validation").table
    return waves, reference[reference["filename"].isin(waves.filenames)]


def study() -> dict[str, Any]:
    """Read the published study of how long a training has to be; ``from`` names its file and version."""
    return published.load(schedule.PUBLISHED)


def by_chance(predicted: pd.DataFrame, filenames: Sequence[str], rng: np.random.Generator) -> pd.DataFrame:
    """Give each clip the events that were predicted for another one, drawn at random: a detector that is deaf."""
    other = dict(zip(filenames, rng.permutation(filenames), strict=True))
    return tables.events(predicted).assign(filename=lambda table: table["filename"].map(other))


def baseline_row(results: dict[str, Any], deaf: Sequence[F1Result]) -> pd.DataFrame:
    """Tabulate the baseline's scores beside the paper's, and those of a detector that is deaf.

    Parameters
    ----------
    results : dict
        As `sedlib.training.score` returns it.
    deaf : sequence of F1Result
        Of `by_chance`, one per draw.
    """
    paper = next(row.paper for row in ROWS if row.key == "3 Baseline")
    f1, public = results["validation"]["event_f1"], results.get("public", {}).get("event_f1", {"macro": None})
    psds = results["validation"]["psds"]["value"]
    here = [_percent(f1["macro"]), _percent(public["macro"]), "" if psds is None else f"{psds:.2f}"]
    names = ["development F1 (%)", "evaluation F1 (%)", "development PSDS", "deaf detector, development F1 (%)"]
    return pd.DataFrame(
        {
            "score": names,
            "paper": [*(f"{paper[name]:g}" for name in ("dev_f1", "eval_f1", "dev_psds")), ""],
            "here": [*here, _percent(float(np.mean([result.macro for result in deaf])))],
            "95 % interval over clips": [_interval(f1), _interval(public), "", ""],
        }
    )


def _percent(fraction: float | None) -> str:
    return "" if fraction is None else f"{100 * fraction:.1f}"


def _interval(f1: dict[str, Any]) -> str:
    ends = f1.get("ci95", [None])
    return "" if None in ends else " to ".join(map(_percent, ends))


def by_class(results: dict[str, Any], deaf: Sequence[F1Result]) -> tuple[Figure, str]:
    """Draw F1 by class beside that of a deaf detector, and describe it."""
    per_class = results["validation"]["event_f1"]["per_class"]
    luck = np.mean([f1_precision_recall(result.counts.sum(axis=0))[0] for result in deaf], axis=0)
    words = [f"{name} {_percent(of['f1']) or '-'} %" for name, of in per_class.items()]
    return class_f1(per_class, luck), f"F1 of each class beside that of a deaf detector: {', '.join(words)}"


def most_changed(scores: Posteriors, active: np.ndarray, smoothed: np.ndarray) -> tuple[Figure, str]:
    """Draw clip and class in which a filter changes most frames of ``active``, (clip, frame, class); describe it."""
    changed_frames = (active != smoothed).sum(axis=1)
    i, k = np.unravel_index(changed_frames.argmax(), changed_frames.shape)
    where = f"{scores.classes[k]} in {scores.filenames[i]}"
    decided = {"threshold alone": active[i, :, k], "and median": smoothed[i, :, k]}
    fig = decisions(scores.scores[i, :, k], 0.5, decided, scores.frame_s, where)
    return fig, (
        f"Posterior of {where}; below it the active frames without and with the filter, which changes "
        f"{changed_frames.max()} of {active.shape[1]} frames."
    )
