"""Systems beside each other, from finished runs: means, intervals, and the paper's sentences against them.

`TABLE1` compares front-ends (paper section 4.1, ``notebooks/03_pcen.py``), `AUGMENTATION` the parts of dynamic mixing
and augmentation (section 4.2, ``notebooks/02_augmentation.py``), `ADVERSARIAL` domain-adversarial training with and
without them (sections 3.1 and 4.2, ``notebooks/05_domain_adversarial.py``), `ADAPTATION` and `LONGER`
the studies of when it helps.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from minidesed import generate
from reproduction import published
from reproduction.rows import ROWS
from reproduction.shipped import shipped
from sedlib import __version__
from sedlib.data import tables
from sedlib.metrics import Interval, event_f1, interval, over_trainings
from sedlib.training import Run
from sedlib.training.scoring import reference_of
from sedlib.workspace import run_folder, workspace

FIGURES = shipped("figures")
PAPER = {row.system: row.paper["dev_f1"] for row in ROWS if row.decoding == "median"}
# Sounds that stay as they are once they have begun. The paper names vacuum cleaner and blender as examples.
STATIONARY = ("Blender", "Electric_shaver_toothbrush", "Frying", "Running_water", "Vacuum_cleaner")


class Claim(NamedTuple):
    """A sentence as a difference of two systems, averaged over some classes."""

    says: str
    first: str
    second: str
    sign: int  # of first - second; 0: the two are alike
    classes: tuple[str, ...] = tables.CLASSES


class Comparison(NamedTuple):
    """Systems that belong beside each other."""

    of: str  # what differs: heads the column of names
    rows: dict[str, str]  # system: name; the first one is what the others are held against
    beside: dict[str, str]  # more of them, shown where they were trained
    claims: tuple[Claim, ...]
    published: Path

    def finished(self, profile: str, data: Path) -> dict[str, list[Run]]:
        """The scored runs of these systems in the workspace, seeds 0, 1, ... as far as they go."""
        found: dict[str, list[Run]] = {}
        for system in (*self.rows, *self.beside):
            seed = 0
            while (run := Run(run_folder(profile, data, system, seed))).state == "scored":
                found.setdefault(system, []).append(run)
                seed += 1
        return found

    def measure(self, runs: dict[str, list[Run]], data: Path) -> dict[str, Any]:
        """What the runs scored on the development clips, as plain values.

        Returns
        -------
        dict
            ``profile generator measured_by``; ``systems``: per system ``dev`` and ``eval`` (event macro F1 of every seed), ``ci95``
            (of the mean of ``dev``, over clips and trainings), ``classes`` (F1 by class, mean over the trainings) and
            ``learned`` (a dict a seed: what PCEN and the domain classifier had come to after the last epoch); ``claims``: per claim
            ``value low high`` of its difference. Fractions.
        """
        reference, _ = reference_of([run for of_system in runs.values() for run in of_system], data, "validation")
        results = {system: [event_f1(reference, tables.read_events(run.folder / "validation.tsv")) for run in of_system]
                   for system, of_system in runs.items()}
        over = over_trainings(results)
        first = next(iter(self.rows))
        classes = results[first][0].classes
        measured = {}
        for system, of_system in runs.items():
            value, draws = over[system]
            measured[system] = {
                "dev": [result.macro for result in results[system]],
                "eval": [run.results["public"]["event_f1"]["macro"] for run in of_system if "public" in run.results],
                "ci95": _mean(value, draws)[1:],
                "classes": dict(zip(classes, value.tolist())),
                "learned": [_learned(run) for run in of_system],
            }
        claims = []
        for claim in self.claims:
            chosen = [classes.index(name) for name in claim.classes]
            (a, a_draws), (b, b_draws) = over[claim.first], over[claim.second]
            difference, draws = a - b, a_draws - b_draws
            claims.append(_mean(difference[chosen], draws[:, chosen])._asdict())
        config = runs[first][0].config
        return {"profile": config.profile, "generator": generate.VERSION, "measured_by": __version__, "systems": measured,
                "claims": claims}

    def load(self, profile: str, data: Path) -> dict[str, Any]:
        """What the runs in the workspace say, where every system in ``rows`` was trained twice or more; otherwise what is
        published (of profile lesson). The entry ``from`` says which of the two it is."""
        runs = self.finished(profile, data)
        if all(len(runs.get(system, [])) > 1 for system in self.rows):
            return {**self.measure(runs, data), "from": f"{workspace() / 'runs'}, trained here"}
        known = json.loads(self.published.read_text(encoding="utf-8"))
        return {**known, "from": published.source(self.published, known["measured_by"])}

    def publish(self, profile: str, data: Path) -> dict[str, Any]:
        """What `load` gives, which is then what is published."""
        measured = self.load(profile, data)
        self.published.write_text(json.dumps({**measured, "from": None}, indent=1) + "\n", encoding="utf-8")
        return measured

    def scores(self, measured: dict[str, Any]) -> pd.DataFrame:
        """A row a system: its name under the heading ``of``, ``paper``, ``development F1``, ``95 % interval``,
        ``evaluation F1``, ``trainings``; in percent."""
        rows = []
        for system, name in self._named(measured):
            found = measured["systems"][system]
            low, high = found["ci95"]
            rows.append({
                self.of: name, "paper": f"{PAPER[system]:.2f}" if system in PAPER else "",
                "development F1": spread(found["dev"]), "95 % interval": f"{100 * low:.1f} to {100 * high:.1f}",
                "evaluation F1": spread(found["eval"]), "trainings": len(found["dev"]),
            })
        return pd.DataFrame(rows)

    def by_class(self, measured: dict[str, Any]) -> pd.DataFrame:
        """Development F1 in percent, a row a class, a column a system of ``rows``; sounds that stay come first."""
        order = [*STATIONARY, *(name for name in tables.CLASSES if name not in STATIONARY)]
        return pd.DataFrame({name: {label: 100 * measured["systems"][system]["classes"][label] for label in order}
                             for system, name in self.rows.items()})

    def drawn(self, measured: dict[str, Any]) -> dict[str, tuple[float, list[float], tuple[float, float]]]:
        """The ``rows`` as `lesson.plots.system_scores` takes them: the paper's F1 (NaN where it has none), ours, the
        interval, in percent."""
        return {name: (PAPER.get(system, float("nan")), [100 * f1 for f1 in measured["systems"][system]["dev"]],
                       tuple(100 * end for end in measured["systems"][system]["ci95"]))
                for system, name in self.rows.items()}

    def verdicts(self, measured: dict[str, Any]) -> pd.DataFrame:
        """The claims: ``sentence``, ``difference here`` in points with its 95 % interval, and ``verdict``."""
        return pd.DataFrame([
            {"sentence": claim.says, "difference here": _points(found), "verdict": verdict(claim.sign, found)}
            for claim, found in zip(self.claims, measured["claims"])
        ])

    def _named(self, measured: dict[str, Any]) -> list[tuple[str, str]]:
        return [(system, name) for system, name in (self.rows | self.beside).items() if system in measured["systems"]]


TABLE1 = Comparison(
    "front-end", {row.system: row.name for row in ROWS if row.table == 1},
    {"ppcen_zero_phase": "ppcen zero phase", "ppcen_learned_s": "ppcen learned s"},
    (
        Claim("Fixed PCEN 1 degrades sound classes that are intrinsically stationary",
              "fixed_pcen_1", "logmel", -1, STATIONARY),
        Claim("Fixed PCEN 2 no longer does: its performance is similar to log-Mel", "fixed_pcen_2", "logmel", 0),
        Claim("Fixed PCEN 3 brings a modest improvement over log-Mel", "fixed_pcen_3", "logmel", 1),
        Claim("Trainable PCEN is slightly better than Fixed PCEN 3", "trainable_pcen", "fixed_pcen_3", 1),
        Claim("a second layer brings a little more than 1 % over a single one", "ppcen_mel", "trainable_pcen", 1),
        Claim("PPCEN on log-Mel is the best: 3.41 % over log-Mel", "ppcen_logmel", "logmel", 1),
    ),
    FIGURES / "table1.json",
)
AUGMENTATION = Comparison(
    "trained with", {"baseline": "none (baseline)", "augm_mixing": "mixing only", "augm_effects": "effects only",
                     "augm": "both: +Augm", "ppcen_logmel": "+PPCEN", "ppcen_augm": "+PPCEN+Augm"},
    {"augm_literal": "both, noise at -30 to 10 dB SNR"},
    (
        Claim("the paper: mixing and augmentation bring a modest improvement on their own", "augm", "baseline", 1),
        Claim("the paper: with PPCEN they make it worse", "ppcen_augm", "ppcen_logmel", -1),
        Claim("mixing alone is better than none", "augm_mixing", "baseline", 1),
        Claim("effects alone are better than none", "augm_effects", "baseline", 1),
        Claim("both are better than mixing alone", "augm", "augm_mixing", 1),
    ),
    FIGURES / "augmentation.json",
)

ADVERSARIAL = Comparison(
    "trained with", {"baseline": "none (baseline)", "dat": "DAT", "augm": "+Augm", "dat_augm": "+DAT+Augm",
                     "ppcen_logmel": "+PPCEN", "ppcen_augm": "+PPCEN+Augm", "ppcen_dat_augm": "+PPCEN+DAT+Augm",
                     "dat_reversal": "DAT by reversal, scheduled", "dat_paper_lambda": "DAT, lambda as the paper words it"},
    {"dat_weight_0.03": "DAT, weight 0.03", "dat_weight_0.3": "DAT, weight 0.3", "dat_weight_1": "DAT, weight 1"},
    (
        Claim("the paper: augmentation brings significant benefits when it is coupled with DAT", "dat_augm", "baseline", 1),
        Claim("the paper: with augmentation, DAT is better than none", "dat_augm", "augm", 1),
        Claim("the paper: PPCEN on top of DAT leads only to a modest improvement", "ppcen_dat_augm", "dat_augm", 1),
        Claim("the paper: DAT makes up for part of what augmentation costs PPCEN", "ppcen_dat_augm", "ppcen_augm", 1),
        Claim("the paper: two steps are better than gradient reversal", "dat", "dat_reversal", 1),
        Claim("DAT helps without augmentation too", "dat", "baseline", 1),
        Claim("weights 1 and 0.1 are better than 0.1 and 0.9", "dat", "dat_paper_lambda", 1),
    ),
    FIGURES / "adversarial.json",
)
# What it was made for, beside what the mean teacher leaves it to do; on all of the gap, and on the part of it that lies in
# how clips were recorded (``sedlib data mini FOLDER --without scenes --without voices``).
ADAPTATION = Comparison(
    "trained with", {"uda_weight_0": "synthetic labels alone", "uda_weight_0.1": "the same and DAT",
                     "baseline": "weak labels and a teacher too (baseline)", "dat": "the same and DAT"},
    {},
    (
        Claim("DAT helps where labels are synthetic alone", "uda_weight_0.1", "uda_weight_0", 1),
        Claim("DAT helps beside weak labels and a teacher", "dat", "baseline", 1),
    ),
    FIGURES / "adaptation.json",
)
ADAPTATION_ACOUSTIC = ADAPTATION._replace(published=FIGURES / "adaptation_acoustic.json")
LONGER = Comparison(
    "trained with", {"baseline": "baseline, 10 epochs", "dat": "DAT, 10 epochs",
                     "baseline_30_epochs": "baseline, 30 epochs", "dat_30_epochs": "DAT, 30 epochs"},
    {},
    (
        Claim("DAT helps in 10 epochs", "dat", "baseline", 1),
        Claim("DAT helps in 30 epochs", "dat_30_epochs", "baseline_30_epochs", 1),
    ),
    FIGURES / "longer.json",
)


def verdict(sign: int, found: dict[str, float]) -> str:
    """What an interval says about a difference; one that holds 0 proves neither a difference nor that there is none."""
    if found["low"] <= 0 <= found["high"]:
        return "no difference seen, as said" if sign == 0 else "not decided by these runs"
    if sign == 0:
        return "does not hold: better here" if found["low"] > 0 else "does not hold: worse here"
    return "holds" if (found["low"] > 0) == (sign > 0) else "does not hold: the opposite here"


def _mean(values: np.ndarray, draws: np.ndarray) -> Interval:
    """Mean over classes, (class,) and (resample, class); classes without events are left out."""
    return interval(pd.Series(values).mean(), pd.DataFrame(draws).mean(axis=1).to_numpy())


def _points(found: dict[str, float]) -> str:
    return "{value:+.1f} ({low:+.1f} to {high:+.1f})".format(**{name: 100 * value for name, value in found.items()})


def _learned(run: Run) -> dict[str, float]:
    # With weight 0 a domain classifier looks on and does not learn.
    learners = ("pcen", "loss_domain") if run.config.adversarial.domain_weight else ("pcen",)
    return {name: value for name, value in run.metrics.iloc[-1].items() if name.startswith(learners)}


def spread(values: list[float]) -> str:
    """Fractions as their mean ± standard deviation in percent; empty without any."""
    percent = 100 * np.array(values)
    deviation = f" ± {percent.std(ddof=1):.1f}" if len(percent) > 1 else ""
    return f"{percent.mean():.1f}{deviation}" if len(percent) else ""
