"""Small experiments on single sounds: a linear classifier, many seeds, intervals; for lessons 02 and 03.

A technique is first seen at work here, where little else can interfere, before any detector is trained. Each experiment
is a function of a seed that returns rows; `intervals` are over seeds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
import pandas as pd
import torch
from matplotlib.figure import Figure
from scipy.stats import t as student
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from torch import Tensor
from tqdm.auto import tqdm

from minidesed.signals import unit_rms
from minidesed.voices import Voices
from reproduction import ledger
from sedcourse.plots.axes import grid
from sedcourse.plots.style import BLACK, BLUE, GREEN, LINES, ORANGE, VERMILION, figure, styled
from sedlib.config import RATE, Features
from sedlib.data.tables import CLASSES
from sedlib.features import LogMel

FEATURES = Features(n_fft=1024, hop=512, n_mels=40)  # coarse, so that many seeds take seconds
SECONDS, FIRST_S = 2.0, 0.5  # of a clip; where its sound begins
LONGEST_S = SECONDS - FIRST_S
LOGMEL = LogMel(FEATURES)


def sounds(per_class: int, *seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Make isolated sounds of all classes, each from another individual.

    Returns
    -------
    (sound, 32000) float32 array
        RMS 0.1 while they sound, which begins after half a second; silence around them.
    (sound,) array
        Indices of their classes.
    """
    labels, start = np.arange(per_class * len(CLASSES)) % len(CLASSES), round(FIRST_S * RATE)
    clips = np.zeros((len(labels), round(SECONDS * RATE)), np.float32)
    for index, label in enumerate(labels):
        rng = np.random.default_rng([*seed, index])
        sound = Voices("synthetic").of_clip(rng).event(CLASSES[label], LONGEST_S, rng)[: clips.shape[1] - start]
        clips[index, start : start + len(sound)] = 0.1 * unit_rms(sound)
    return clips, labels


def statistics(x: Tensor) -> np.ndarray:
    """Return mean and standard deviation over time of each band: ``(clip, 1, mel, frame)`` to ``(clip, 2 * mel)``."""
    return torch.cat([x.mean(-1), x.std(-1)], -1).flatten(1).numpy()


def logmel_statistics(waveforms: np.ndarray) -> np.ndarray:
    """Return the `statistics` of the log-Mel spectrograms of waveforms ``(clip, sample)``."""
    pieces = torch.from_numpy(np.asarray(waveforms, np.float32)).split(32)  # which stay in the cache
    return np.concatenate([statistics(LOGMEL(piece)) for piece in pieces])


class Classifier:
    """A linear discriminant analysis of standardised features: no steps, no learning rate, the same every time."""

    def __init__(self, x: np.ndarray, labels: np.ndarray) -> None:
        self.mean, self.deviation = x.mean(0), x.std(0) + 1e-9
        self.lda = LinearDiscriminantAnalysis(solver="lsqr", shrinkage="auto").fit(self._scaled(x), labels)

    def accuracy(self, x: np.ndarray, labels: np.ndarray) -> float:
        """Return the share of right answers, in percent."""
        return 100 * float(self.lda.score(self._scaled(x), labels))

    def _scaled(self, x: np.ndarray) -> np.ndarray:
        return (x - self.mean) / self.deviation


def over_seeds(
    experiment: Callable[[int], Iterable[dict[str, Any]]], seeds: Sequence[int], progress: bool
) -> pd.DataFrame:
    """Run an experiment with several seeds: its rows, with an entry ``seed``."""
    bar = tqdm(seeds, desc=getattr(experiment, "__name__", "experiment"), unit="seed", disable=not progress)
    return pd.DataFrame([{"seed": seed, **row} for seed in bar for row in experiment(seed)])


def interval(values: Iterable[float]) -> tuple[float, float, float]:
    """Return mean, and lower and upper end of its 95 % interval by Student's t; NaN for the ends of a single value."""
    found = np.array(list(values), float)
    half = np.nan
    if len(found) > 1:
        half = student.ppf(0.975, len(found) - 1) * found.std(ddof=1) / np.sqrt(len(found))
    return float(found.mean()), float(found.mean() - half), float(found.mean() + half)


def intervals(table: pd.DataFrame, value: str, by: Sequence[str]) -> pd.DataFrame:
    """Return ``mean low high`` over the seeds of an `over_seeds` table, a row for each combination of ``by``."""
    found = table.groupby(list(by), sort=False)[value].agg(lambda of: interval(of))
    return pd.DataFrame(found.tolist(), index=found.index, columns=["mean", "low", "high"]).reset_index()


def lead(table: pd.DataFrame, value: str, first: dict[str, Any], second: dict[str, Any], unit: str = "points") -> str:
    """Say by how much one kind of row leads another: the mean of the differences seed by seed, and its interval."""

    def chosen(which: dict[str, Any]) -> pd.Series:
        rows = table[np.logical_and.reduce([table[name] == wanted for name, wanted in which.items()])]
        return rows.set_index("seed")[value]

    mean, low, high = interval(chosen(first) - chosen(second))
    return f"{mean:+.1f} {unit} ({low:+.1f} to {high:+.1f})"


@styled
def curves(
    table: pd.DataFrame, x: str, value: str, of: str, panels: str | None = None, **labels: Any
) -> tuple[Figure, str]:
    """Draw means with intervals over seeds against ``x``, a line for each value of ``of``; describe them.

    Parameters
    ----------
    table : DataFrame
        As from `over_seeds`.
    x, value, of, panels : str
        Columns: horizontal axis (in the order of its values, evenly spaced), vertical axis, lines, panels.
    **labels
        ``xlabel`` and ``ylabel``; of several panels, ``xlabel`` is a dict by panel. With "%" in ``ylabel`` values
        are shares, and intervals are drawn from 0 to 100 only: of two seeds they reach far beyond.
    """
    possible = (0, 100) if "%" in labels["ylabel"] else (-np.inf, np.inf)
    groups = {"": table} if panels is None else dict(list(table.groupby(panels, sort=False)))
    fig, axes = figure(10 if len(groups) > 1 else 7, 3.4, ncols=len(groups), sharey=True)
    words = []
    for ax, (title, group) in zip(axes[0], groups.items(), strict=True):
        found = intervals(group, value, [of, x])
        places = {at: place for place, at in enumerate(found[x].unique())}
        looks = zip((BLACK, BLUE, VERMILION, GREEN, ORANGE), LINES, "osD^v", strict=False)
        for (name, line), (colour, style, marker) in zip(found.groupby(of, sort=False), looks, strict=False):
            at = [places[one] for one in line[x]]
            ends = (line[end].clip(*possible) for end in ("low", "high"))
            ax.fill_between(at, *ends, color=colour, alpha=0.15, linewidth=0)
            ax.plot(at, line["mean"], color=colour, linestyle=style, marker=marker, label=name)
            ends = f"{line['mean'].iloc[0]:.0f} to {line['mean'].iloc[-1]:.0f}"
            words.append(f"{title} {name}: {ends}".strip())
        ax.set_xticks(list(places.values()), [f"{at:g}" for at in places])
        label = labels["xlabel"]
        ax.set(xlabel=label[title] if isinstance(label, dict) else label, title=title)
        grid(ax)
    axes[0, 0].set_ylabel(labels["ylabel"])
    fig.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside upper center", ncols=4, frameon=False)
    return fig, f"{labels['ylabel']}, from left to right, mean over seeds with intervals: {'; '.join(words)}."


def of_detectors(section: str, says: str) -> list[str]:
    """Say what the ledger's study found for the sentences of a section of the paper, and for one of them in numbers."""
    found, source = ledger.load()
    asked = [c for c in found["claims"] if c["section"] == section]
    counts = {name: count for name, count in ledger.verdicts({"claims": asked}).items() if count}
    one = next((c for c in asked if c["says"] == says and c["here"] is not None), None)
    measured = "not measured in this study"
    if one is not None:
        here = f"{one['here']:+.1f} points here ({one['low']:+.1f} to {one['high']:+.1f}): {one['verdict']}"
        measured = f"{ledger.in_paper(one) or 'no'} points in the paper, {here}"
    return [
        f"Full detectors, {source}",
        f"{len(asked)} sentences of section {section}: {', '.join(f'{n} {name}' for name, n in counts.items())}.",
        f"{says}: {measured}.",
    ]
