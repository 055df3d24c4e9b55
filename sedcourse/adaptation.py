"""What lesson 05 shows about the domain gap and trainings against it, besides the toy and `sedcourse.microphone`.

The gap's ingredients by ear and by a classifier, which epoch a selection on synthetic clips takes, and what published
studies say. Paper sections 3.1 and 4.2.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import cycle
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from matplotlib.figure import Figure
from torch import Tensor
from tqdm.auto import tqdm

from minidesed import domains, soundscapes
from reproduction import ledger, published
from reproduction.studies import doses, gap, invariance, known, schedule
from sedcourse.microphone import Interval, interval
from sedcourse.plots.style import BLUE, GREEN, ORANGE, VERMILION, figure, styled
from sedlib.config import RATE, Config
from sedlib.data import layout, tables
from sedlib.features import LogMel
from sedlib.models import Detector
from sedlib.training.adversarial import DomainAdversarial
from sedlib.training.loop import own_fabric

SAME = ("scenes", "voices", "boundaries")  # ingredients that change the events themselves
CLEAN_DB, TAILS_DB = 15.0, 2.0  # events over pauses in a clean clip, and what a room's tails take from that
STEPS = (  # of the staircase: what is taken away one after another
    (),
    ("microphones", "band limits", "noise", "codecs", "clipping"),
    ("rooms", "loudness", "foregrounds", "gain controls"),
    ("voices", "backgrounds"),
    ("scenes", "boundaries"),
)


def versions(seed: int) -> dict[str, np.ndarray]:
    """Make one real-domain clip dry and clean, with a single ingredient, and with all that happens on the way."""
    acoustics = [name for name in domains.INGREDIENTS if name not in SAME]
    added = {"with rooms": ["rooms"], "with codecs": ["codecs"], "with all": acoustics}

    def clip(index: int, there: Sequence[str]) -> tuple[np.ndarray, list]:
        recipe = soundscapes.mini_recipe("validation", [name for name in acoustics if name not in there])
        return soundscapes.make_clip("validation", recipe, seed, index)

    for index in range(2000):  # until one has quiet pauses, tails that fill them, and a codec
        dry, events = clip(index, ())
        if not 1 < sum(offset - onset for onset, offset, _ in events) < 5 or _above_pauses(dry, events) < CLEAN_DB:
            continue
        others = {name: clip(index, there)[0] for name, there in added.items()}
        if np.array_equal(dry, others["with codecs"]):
            continue
        if _above_pauses(dry, events) - _above_pauses(others["with rooms"], events) > TAILS_DB:
            return {"dry and clean": dry, **others}
    raise AssertionError("no clip of 2000 has tails in quiet pauses, and a codec")


def _above_pauses(waveform: np.ndarray, events: Sequence[tuple[float, float, str]]) -> float:
    """Return by how many dB a clip is louder while something sounds than in its pauses."""
    sounding = np.zeros(len(waveform), bool)
    for onset, offset, _ in events:
        sounding[round(onset * RATE) : round(offset * RATE)] = True
    power = [np.mean(np.square(waveform[part], dtype=float)) + 1e-12 for part in (sounding, ~sounding)]
    return float(10 * np.log10(power[0] / power[1]))


def staircase(logmel: LogMel, seed: int, draws: int, clips: int, progress: bool = False) -> pd.DataFrame:
    """Ask a classifier of domains after each of `STEPS`, for several draws of clips: ``step draw auc``."""

    def made(subset: str, without: Sequence[str], draw: int) -> np.ndarray:
        recipe = soundscapes.mini_recipe(subset, without)
        waveforms = [soundscapes.make_clip(subset, recipe, seed + 1 + draw, i)[0] for i in range(clips)]
        return gap.band_statistics(waveforms, logmel)

    rows, gone = [], ()
    studio = [made("synthetic", (), draw) for draw in range(draws)]
    for step in tqdm(STEPS, disable=not progress, desc="ingredients taken away"):
        gone += step
        for draw in range(draws):
            auc = gap.domain_auc(studio[draw], made("validation", gone, draw))
            rows.append(("minus " + ", ".join(step) if step else "real domain", draw, auc))
    return pd.DataFrame(rows, columns=["step", "draw", "auc"])


@styled
def draw_staircase(found: pd.DataFrame) -> tuple[Figure, str]:
    """Draw `staircase`: mean AUC with its 95 % interval over draws, and describe it."""
    fig, axes = figure(10, 2.9)
    steps = {str(name): interval(of["auc"].to_numpy()) for name, of in found.groupby("step", sort=False)}
    ax, rows = axes[0, 0], np.arange(len(steps))
    means = np.array([of.value for of in steps.values()])
    ends = np.clip([[of.low, of.high] for of in steps.values()], 0, 1)
    ax.barh(rows, means - 0.5, left=0.5, color=BLUE)
    ax.errorbar(means, rows, xerr=np.abs(ends.T - means), fmt="none", ecolor="black", capsize=3)
    ax.axvline(0.5, color="black", linewidth=1)
    ax.set_yticks(rows, list(steps))
    ax.set(xlabel="AUC, real-domain against synthetic clips", xlim=(0.2, 1.0))
    ax.invert_yaxis()
    words = "; ".join(
        f"{name} {of.value:.2f} ({max(of.low, 0):.2f} to {min(of.high, 1):.2f})" for name, of in steps.items()
    )
    return fig, f"AUC after each step, from 0.5, which is chance: {words}."


def curves() -> dict[str, pd.DataFrame]:
    """Read F1 by step from the published study of schedules: on held-out synthetic clips, and on real ones.

    Returns
    -------
    dict of system to DataFrame ``step synthetic real``
        Fractions, seed 0; the teacher's. Systems of which there is no curve are left out.
    """
    variants = {"rate_0.0025": "baseline", "dat": "dat", "augm": "augm", "dat_augm": "dat_augm"}
    found: dict[str, list[tuple]] = {}
    for line in published.load(schedule.PUBLISHED)["curves"]:
        if line["variant"] in variants and line["seed"] == 0:
            row = line["step"], line["validation_f1"], line["teacher"]["median_f1"]
            found.setdefault(variants[line["variant"]], []).append(row)
    return {name: pd.DataFrame(sorted(rows), columns=["step", "synthetic", "real"]) for name, rows in found.items()}


def chosen(curve: pd.DataFrame) -> str:
    """Say which step of a curve held-out synthetic clips choose, and what that costs on real ones."""
    of = curve.loc[curve["synthetic"].idxmax()]
    best = curve.loc[curve["real"].idxmax()]
    cost = 100 * (best["real"] - of["real"])
    return (
        f"synthetic clips choose step {of['step']:.0f}, with {100 * of['real']:.1f} % on real clips; the best there, "
        f"{100 * best['real']:.1f} %, is step {best['step']:.0f}: the choice costs {cost:.1f} points"
    )


@styled
def draw_curves(of: Mapping[str, pd.DataFrame]) -> tuple[Figure, str]:
    """Draw `curves`, a panel for each system, with the step that synthetic clips choose, and describe them."""
    fig, axes = figure(10, 3.0, ncols=len(of), sharey=True)
    for ax, (name, curve) in zip(axes[0], of.items(), strict=True):
        for column, colour, line in (("synthetic", BLUE, "-"), ("real", VERMILION, "--")):
            ax.plot(curve["step"], 100 * curve[column], line, marker="o", color=colour, label=f"{column} clips")
        ax.axvline(curve.loc[curve["synthetic"].idxmax(), "step"], color="0.4", linestyle=":", label="chosen")
        ax.set(xlabel="step", title=name, ylim=(0, 100))
    axes[0, 0].set_ylabel("event F1 (%)")
    axes[0, 0].legend(loc="upper left", fontsize=9)
    return fig, " ".join(f"{name}: {chosen(curve)}." for name, curve in of.items())


@styled
def draw_errors(history: pd.DataFrame) -> tuple[Figure, str]:
    """Draw the domain classifier's balanced error by epoch, of a run's ``metrics``, and describe it."""
    fig, axes = figure(10, 2.8)
    ax, error = axes[0, 0], history["loss_domain_error"]
    ax.plot(history["epoch"], error, "o-", color=BLUE, label="domain classifier")
    ax.axhline(0.5, color="0.5", linestyle="--", label="chance")
    ax.set(xlabel="epoch", ylabel="balanced error", ylim=(0, 0.6))
    ax.xaxis.get_major_locator().set_params(integer=True)
    ax.legend(loc="lower left", ncols=2)
    words = ", ".join(f"{value:.2f}" for value in error)
    return fig, f"The domain classifier's balanced error by epoch: {words}; chance is 0.5."


def gradients(updates: str, config: Config, seed: int) -> dict[str, dict[str, Tensor]]:
    """Return the gradients of one step by group of weights, of the same random network and batch for both updates."""
    torch.manual_seed(seed)
    how = replace(config.adversarial, updates=updates, schedule="constant")
    learner = DomainAdversarial(Detector(config), replace(config, adversarial=how), own_fabric("cpu"), 1)
    output = learner.student(20 * torch.randn(8, 1, config.features.n_mels, 64) - 40)
    learner.update(output, output.strong.mean(), 2, learner.rates(10**6))
    crnn = learner.student.crnn
    groups = {"CNN": crnn.cnn, "RNN": crnn.rnn, "strong head": crnn.strong, "domain classifier": learner.domain}
    return {name: {n: p.grad for n, p in of.named_parameters() if p.grad is not None} for name, of in groups.items()}


def channel() -> Interval:
    """Return what an adversary gains where noise, microphone, band limit and codec differ, from ``figures/known.json``.

    Points of accuracy on real single sounds: weight 1, the same settings as weight 0, seed by seed.
    """
    rows = pd.DataFrame(published.load(known.PUBLISHED)["channel"])
    usual = rows[(rows["learned"] == "synthetic") & (rows["rate"] == known.RATE_OF_NETWORK) & (rows["steps"] == 1)]
    right = {weight: usual.loc[usual["weight"] == weight, "real"].to_numpy() for weight in (0, 1)}
    return interval(100 * (right[1] - right[0]))


def verdicts() -> tuple[str, pd.DataFrame]:
    """Return where the course's one study of the paper's tables is from, and its claims about DAT.

    Columns ``the paper says``, ``paper``, ``here``, ``verdict``; differences in points of F1, or of PSDS.
    """
    found, source = ledger.load()
    about = [one for one in found["claims"] if "DAT" in one["says"] or one["first"] == "dat"]
    about = [one for one in about if one["here"] is not None]
    table = ledger.claims_table({"claims": about})[["sentence", "paper", "here", "verdict"]]
    return source, table.rename(columns={"sentence": "the paper says"})


def detector() -> dict[str, Interval]:
    """Return what DAT adds to augmentation in the published study, points of F1; nothing where it has no such row."""
    found, _ = ledger.load()
    wanted = {"first": "2 +DAT+Augm", "second": "2 +Augm"}
    claims = [claim for claim in found["claims"] if wanted.items() <= claim.items() and claim["here"] is not None]
    if not claims:
        return {}
    return {"the detector (F1)": Interval(*(claims[0][name] for name in ("here", "low", "high")))}


def in_a_sentence(rows: pd.DataFrame) -> str:
    """Sum `verdicts` up."""
    if rows.empty:
        return "This study has no row with DAT."
    held = int((rows["verdict"] == "holds").sum())
    against = int(rows["verdict"].str.startswith("does not hold").sum())
    left = len(rows) - held - against
    return f"{len(rows)} sentences about DAT: {held} confirmed, {against} contradicted, {left} open."


def lambdas(results: Mapping[str, Any]) -> pd.DataFrame:
    """Tabulate F1 and the adversary's last error by the weight of the domain loss, of `comparisons.ADVERSARIAL`."""
    weights, rows = {"baseline": 0, "dat": 0.1, "dat_weight_1": 1, "dat_paper_lambda": 9}, []
    for name, weight in weights.items():
        found = results["systems"].get(name)
        if found is None:
            continue
        errors = ", ".join(f"{one['loss_domain_error']:.2f}" for one in found["learned"] if weight)
        rows.append((name, f"{weight:g}", ", ".join(f"{100 * f1:.1f}" for f1 in found["dev"]), errors))
    return pd.DataFrame(rows, columns=["system", "domain / main weight", "development F1 (%)", "classifier's error"])


def lasting(root: Path) -> pd.DataFrame:
    """Tabulate how many seconds of each class a synthetic and a real clip have on average, and their ratio."""
    seconds = {}
    for name, subset in (("synthetic", "synthetic"), ("real", "validation")):
        table = layout.load(root, subset).table
        seconds[f"{name} (s)"] = invariance.class_seconds(table, tables.filenames(table)).mean(0)
    of = pd.DataFrame(seconds, index=tables.CLASSES)
    of["real / synthetic"] = of["real (s)"] / of["synthetic (s)"]
    return of.map("{:.2f}".format).rename_axis("class").reset_index()


def when_of_use() -> tuple[list[str], pd.DataFrame]:
    """Say where the doses of DAT are from, and tabulate them: with and without a teacher, by how the domains differ."""
    trained = {"gap": "synthetic labels alone", "teacher": "weak labels and a teacher too"}
    measured = {name: found for name in trained if (found := doses.load(name))}
    parts = [doses.table(found).assign(trained=trained[name]) for name, found in measured.items()]
    names = {"trained": "trained with", "dose": "domains differ by", "F1 without": "F1", "F1 with it": "F1 with DAT"}
    table = pd.concat(parts).rename(columns=names)[[*names.values(), "difference"]]
    return [f"{trained[name]}: {found['from']}" for name, found in measured.items()], table


@styled
def draw_ladder(rungs: Mapping[str, Interval]) -> tuple[Figure, str]:
    """Draw what the method gains on each rung, from toy to detector, and describe it."""
    fig, axes = figure(10, 0.9 + 0.45 * len(rungs))
    ax, rows = axes[0, 0], np.arange(len(rungs))[::-1]
    looks = cycle(zip((GREEN, BLUE, ORANGE, VERMILION), "osD^", strict=True))
    for row, of, (colour, marker) in zip(rows, rungs.values(), looks, strict=False):
        off = [[min(of.value - of.low, 100)], [min(of.high - of.value, 100)]]
        ax.errorbar(of.value, row, xerr=off, fmt=marker, color=colour, ecolor=colour, capsize=3)
    ax.axvline(0, color="black", linewidth=1)
    ax.set_yticks(rows, list(rungs))
    ax.set(xlabel="gained by domain-adversarial training (points), 95 % interval", ylim=(-0.6, len(rungs) - 0.4))
    words = "; ".join(f"{name}: {of}" for name, of in rungs.items())
    return fig, f"What domain-adversarial training gains. {words}."
