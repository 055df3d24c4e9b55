"""What the plan's finished runs give for every number, claim and figure of the paper: ``report/ledger.json``.

Paper section 4; `reproduction.ledger` reads it and shows it.
"""

from __future__ import annotations

import datetime
import json
import platform
import zlib
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import torch

from minidesed import generate
from reproduction import ledger, retention, sounds
from reproduction.bootstrap import PsdsCounts, over_trainings, psds_counts, psds_over_trainings
from reproduction.claims import Claim, verdict
from reproduction.plan import SCORED_ON, TRAINED_ON, Plan
from reproduction.rows import ROWS, Row
from reproduction.scoring import reference_of, results_file, results_of, run_of
from sedlib import __version__
from sedlib.data import tables
from sedlib.decode import THRESHOLDS, Hmm, Posteriors, operating_points
from sedlib.metrics import Interval, Missing, event_f1, interval
from sedlib.training import Run
from sedlib.training.runs import read_json, write_json
from sedlib.training.scoring import scorer, subsets_there
from sedlib.workspace import workspace

FIGURE2_CLIPS = 10
RESAMPLES = 4000  # p-values down to 0.0005, which Holm's rule needs for so many claims
PSDS_METHOD = (
    f"predictions at {len(THRESHOLDS)} thresholds, {THRESHOLDS[0]:g} to {THRESHOLDS[-1]:g}, in every row; a value and "
    "its interval come from the same counts, those of psds_eval"
)
FIGURE_1 = {
    "figure": 1,
    "shows": "the training scheme: domain classifier beside the RNN, two updates a step",
    "lesson": "05_domain_adversarial",
    "here": "drawn from the modules that a training has, by lesson.scheme",
    "verdict": "a drawing, nothing to measure",
}


class Found(NamedTuple):
    """A score of a row: every training's, the mean over them and its bootstrap draws, by class where it has classes."""

    of_seed: list[float]
    value: np.ndarray  # (class,) or ()
    draws: np.ndarray  # (resample, class) or (resample,)

    def mean(self) -> Interval:
        return interval(*_mean(self.value, self.draws))


def write(plan: Plan, failed: Mapping[str, str]) -> dict[str, Any]:
    """Measure the plan's rows from their runs, and write ``report/ledger.json``.

    Parameters
    ----------
    plan : Plan
    failed : mapping of str to str
        Jobs that failed, and why: rows without a single scored run say so.

    Returns
    -------
    dict
        What `ledger.read` returns.
    """
    found, missing = _found(plan)
    numbers = []
    for row in plan.rows():
        failure = _failed(plan, row, failed)
        for score, claimed in row.paper.items():
            of_row = found.get((row.system, row.decoding, score))
            numbers.append(_number(row, score, claimed, of_row, _otherwise(plan), failure))
    asked = {row.key for row in plan.rows()}
    content = {
        "measured_by": __version__,
        "profile": plan.profile,
        "data": plan.root.name,
        "seeds": list(plan.seeds),
        "tables": list(plan.tables),
        "configuration": ledger.configuration_checksum(plan.profile),
        "generator": generate.VERSION if plan.data == "mini" else None,
        "made": {
            "date": datetime.date.today().isoformat(),
            "python": platform.python_version(),
            "torch": str(torch.__version__),
            "machine": platform.machine(),
            "scored_by": scorer(),
        },
        "failed": dict(failed),
        "numbers": numbers,
        "psds": PSDS_METHOD,
        "missing": missing,
        "claims": [_claim(claim, found) for claim in ledger.CLAIMS if {claim.first, claim.second} <= asked],
        "figures": _figures(plan),
        "unseen": _unseen(plan),
        "runs": _runs(plan),
    }
    path = workspace() / "report" / "ledger.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    write_json(path, json.loads(json.dumps(content, default=float)))
    return ledger.read(path)


def _found(plan: Plan) -> tuple[dict[tuple[str, str, str], Found], dict[str, Missing]]:
    """Scores by system, decoding and score, of the rows whose runs are there; and what is missing of each subset."""
    runs = {(row.system, row.decoding): _scored(plan, row.system, row.decoding) for row in plan.rows()}
    runs = {of: found for of, found in runs.items() if found}
    found: dict[tuple[str, str, str], Found] = {}
    missing: dict[str, Missing] = {}
    if not runs:
        return found, missing
    references = {}
    for subset in subsets_there(plan.root):
        references[subset], gone = reference_of([run for some in runs.values() for run in some], plan.root, subset)
        missing |= {} if gone is None else {subset: gone}
    for score, subset in (("dev_f1", "validation"), ("eval_f1", "public")):
        if subset not in references:
            continue
        results = {}
        for of, some in runs.items():
            events = [tables.read_events(run.folder / _events_file(subset, of[1])) for run in some]
            results[of] = [event_f1(references[subset], table) for table in events]
        for of, (value, draws) in over_trainings(results, RESAMPLES).items():
            found[*of, score] = Found([100 * result.macro for result in results[of]], 100 * value, 100 * draws)
    with_psds = {(row.system, row.decoding) for row in plan.rows() if "dev_psds" in row.paper} & runs.keys()
    counts = {of: [_psds_counts(run, of[1], references["validation"]) for run in runs[of]] for of in sorted(with_psds)}
    for of, (value, draws) in psds_over_trainings(counts, RESAMPLES).items():
        of_seed = [float(count.score(np.ones(len(count.filenames)))) for count in counts[of]]
        found[*of, "dev_psds"] = Found(of_seed, np.asarray(value), draws)
    return found, missing


def _scored(plan: Plan, system: str, decoding: str) -> list[Run]:
    """The runs of a system that are scored in this way."""
    runs = [run_of(plan.profile, plan.root, system, seed) for seed in plan.seeds]
    return [run for run in runs if (run.folder / "scored").exists() and (run.folder / results_file(decoding)).exists()]


def _trained(run: Run) -> bool:
    """Whether it is a finished run that says what was trained; weights alone may be there because something failed."""
    return run.finished and (run.folder / "config.json").exists()


def _events_file(subset: str, decoding: str) -> str:
    return f"{subset}.tsv" if decoding == "median" else f"{subset}-{decoding}.tsv"


def _psds_counts(run: Run, decoding: str, reference: pd.DataFrame) -> PsdsCounts:
    scores, config = Posteriors.load(run.folder / "validation.npz"), run.config
    decoder = config.decoding if decoding == "median" else Hmm.load(run.folder / f"hmm-{decoding}.json")
    return psds_counts(reference, operating_points(scores, decoder, duration_s=config.features.clip_s).values())


def _mean(value: np.ndarray, draws: np.ndarray, classes: list[int] | None = None) -> tuple[float, np.ndarray]:
    """Over classes, those without events left out; PSDS has no classes here."""
    if np.ndim(value) == 0:
        return float(value), draws
    chosen = slice(None) if classes is None else classes
    return float(pd.Series(value[chosen]).mean()), pd.DataFrame(draws[:, chosen]).mean(axis=1).to_numpy()


def _number(row: Row, score: str, claimed: float, found: Found | None, otherwise: str, failed: str) -> dict[str, Any]:
    entry = {"table": row.table, "row": row.name, "system": row.system, "decoding": row.decoding}
    entry |= {"score": score, "claimed": claimed}
    if found is None:
        nothing = {"here": None, "low": None, "high": None, "of_seed": [], "difference": None}
        return entry | nothing | {"why": failed or "no such clips in this data set"}
    value, low, high = found.mean()
    why = [failed, "" if low <= claimed <= high else otherwise]
    entry |= {"here": value, "low": low, "high": high, "of_seed": found.of_seed, "difference": value - claimed}
    return entry | {"why": "; ".join(filter(None, why))}


def _otherwise(plan: Plan) -> str:
    """What is known to be otherwise than in the paper."""
    smaller = "a smaller network and fewer steps than the paper's"
    return ", ".join(["other data"] * (plan.data == "mini") + [smaller] * (plan.profile != "paper"))


def _failed(plan: Plan, row: Row, failed: Mapping[str, str]) -> str:
    """The first of a row's jobs that failed, where one did."""
    names = ["data", *(f"store-{subset}" for subset in TRAINED_ON + SCORED_ON)]
    names += [
        f"{kind}-{system}-{seed}"
        for seed in plan.seeds
        for system, seed in [*plan.members(row.system, seed), (row.system, seed)]
        for kind in ("train", "score")
    ]
    return next((f"failed: {failed[name]} ({name})" for name in names if name in failed), "")


def _claim(claim: Claim, found: Mapping[tuple[str, str, str], Found]) -> dict[str, Any]:
    rows = {row.key: row for row in ROWS}
    first, second = rows[claim.first], rows[claim.second]
    entry = {"section": claim.section, "says": claim.says, "first": claim.first, "second": claim.second}
    entry |= {"score": claim.score, "claimed": first.paper[claim.score] - second.paper[claim.score]}
    entry |= {"at_least": claim.at_least, "here": None, "low": None, "high": None, "p": None}
    entry |= {"verdict": "not measured", "why": ""}
    a, b = (found.get((row.system, row.decoding, claim.score)) for row in (first, second))
    if a is None or b is None:
        return entry
    chosen = [tables.CLASSES.index(name) for name in claim.classes]
    value, draws = _mean(a.value - b.value, a.draws - b.draws, chosen)
    if np.isnan(value):
        return entry  # the data have no event of these classes
    difference = interval(value, draws)
    beyond = Interval(*(end - claim.at_least for end in difference))
    decision = verdict(claim.sign, beyond._asdict())
    if claim.at_least and decision.startswith("does not hold") and difference.high > 0:
        decision = "does not hold: less here"
    draws = draws[~np.isnan(draws)]
    p = min(1.0, 2 * (1 + min((draws <= claim.at_least).sum(), (draws >= claim.at_least).sum())) / (1 + len(draws)))
    why = "" if decision.startswith(("holds", "no difference")) else claim.why
    entry |= {**difference._asdict(), "here": difference.value, "p": p}
    return entry | {"verdict": decision, "why": why}


def _figures(plan: Plan) -> list[dict[str, Any]]:
    runs = [run for seed in plan.seeds if _trained(run := Run(plan.folder("ppcen_logmel", seed)))]
    if not runs:
        return [FIGURE_1]
    divided, clips = 0, 0
    for run in runs:
        detector, config = run.detector(), run.config
        frame_s = config.features.hop / config.features.sample_rate
        for clip in range(FIGURE2_CLIPS):
            waveform, events = sounds.figure2_clip(clip)
            with torch.no_grad():
                layers = detector.frontend(detector.features(torch.from_numpy(waveform)[None]))[0].numpy()
            kept = [retention.retention(layer, frame_s, events[events["event_label"] == "Speech"]) for layer in layers]
            slow, fast = sorted(kept, key=lambda one: -one.stationary)[:2]
            divided, clips = divided + (fast.onset > slow.onset), clips + 1
    if divided > 0.9 * clips:
        decision = "reproduced"
    else:
        decision = "not reproduced: one layer does both better" if divided < 0.1 * clips else "in part"
    where = f"in {divided} of {clips} clips ({len(runs)} training{'s' if len(runs) > 1 else ''})"
    figure_2 = {
        "figure": 2,
        "shows": "one PCEN layer keeps what lasts, the other what begins",
        "lesson": "03_pcen",
        "here": f"{where} the layer that keeps less of the lasting sound shows onsets more clearly",
        "verdict": decision,
    }
    return [FIGURE_1, figure_2]


def _unseen(plan: Plan) -> list[dict[str, Any]]:
    """F1 (percent) of the systems with an HMM, also on the halves of the development clips that did not tune it."""
    found = []
    for system, search in [(name, search) for name in plan.systems() for search in plan.searches(name)]:
        if runs := _scored(plan, system, search):
            median, results = [run.results for run in runs], [results_of(run, search) for run in runs]
            entry = {"system": system, "search": search}
            entry |= {"median": _percent(median, "validation"), "median_eval": _percent(median, "public")}
            entry |= {"dev": _percent(results, "validation"), "unseen": [100 * one["unseen_f1"] for one in results]}
            found.append(entry | {"eval": _percent(results, "public")})
    return found


def _percent(results: list[dict[str, Any]], subset: str) -> list[float]:
    return [100 * result[subset]["event_f1"]["macro"] for result in results if subset in result]


def _runs(plan: Plan) -> list[dict[str, Any]]:
    """What was trained: system, seed, minutes, steps, and the versions that were noted then."""
    found = []
    for system, seed in plan.trainings():
        run = Run(plan.folder(system, seed))
        if not _trained(run):
            continue
        last = run.metrics.iloc[-1] if len(run.metrics) else None
        minutes, steps = (None, None) if last is None else (float(last["seconds"]) / 60, int(last["step"]))
        checksum = f"{zlib.crc32(json.dumps(run.config.to_dict(), sort_keys=True).encode()):08x}"
        versions = read_json(run.folder / "versions.json") if (run.folder / "versions.json").exists() else {}
        entry = {"system": system, "seed": seed, "minutes": minutes, "steps": steps}
        found.append(entry | {"configuration": checksum, "versions": versions})
    return found
