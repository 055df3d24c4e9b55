"""Measures every number, claim and figure of the paper from the plan's finished runs: ``report/ledger.json``.

Paper section 4; `reproduction.ledger` reads it and shows it.
"""

from __future__ import annotations

import datetime
import json
import platform
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from minidesed import generate
from reproduction import ledger, retention, sounds
from reproduction.claims import Claim, verdict
from reproduction.intervals import Score, difference, estimate, over_trainings, psds_over_trainings
from reproduction.plan import OF_CLAIMS, SCORED_ON, TABLES, TRAINED_ON, Plan
from reproduction.rows import ROWS, Row, scored_as
from reproduction.scoring import reference_of, results_file, results_of, run_of
from sedlib import __version__
from sedlib.data import tables
from sedlib.decode import THRESHOLDS, Posteriors, load_decoder, operating_points
from sedlib.files import read_json, write_json
from sedlib.metrics import Missing, event_f1
from sedlib.metrics.psds import psds_counts
from sedlib.training import Run
from sedlib.training.scoring import scorer, subsets_there
from sedlib.workspace import workspace

FIGURE2_CLIPS = 10
RESAMPLES = 1000
PSDS_METHOD = (
    f"predictions at {len(THRESHOLDS)} thresholds, {THRESHOLDS[0]:g} to {THRESHOLDS[-1]:g}, in every row; a value and "
    "its interval come from the same counts, which give psds_eval's value"
)
FIGURE_1 = {
    "figure": 1,
    "shows": "the training scheme: domain classifier beside the RNN, two updates a step",
    "lesson": "05_domain_adversarial",
    "here": "drawn from the modules that a training has, by sedcourse.scheme",
    "verdict": "a drawing, nothing to measure",
}


_Scores = dict[tuple[str, str, str], Score]  # by system, decoding and score; F1 in percent, by class


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
        As `ledger.read`.
    """
    found, missing = _found(plan)
    content = {
        "measured_by": __version__,
        "profile": plan.profile,
        "data": plan.root.name,
        "seeds": list(plan.seeds),
        "tables": list(plan.tables),
        "mixing": plan.mixing,
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
        "numbers": [_number(plan, row, score, found, failed) for row in plan.rows() for score in row.paper],
        "psds": PSDS_METHOD,
        "missing": missing,
        "claims": [_claim(claim, found) for claim in ledger.CLAIMS if _belongs(claim, plan)],
        "figures": _figures(plan),
        "unseen": _unseen(plan),
        "runs": _runs(plan),
    }
    path = workspace() / "report" / "ledger.json"
    write_json(path, json.loads(json.dumps(content, default=float)))
    return ledger.read(path)


def _found(plan: Plan) -> tuple[_Scores, dict[str, Missing]]:
    """Scores of the rows whose runs are there, and what is missing of each subset."""
    found: _Scores = {}
    references, missing = {}, {}
    runs = {(row.system, row.decoding): _scored(plan, row.system, row.decoding) for row in plan.rows()}
    runs |= {(system, "median"): _scored(plan, system, "median", "results.json") for system in OF_CLAIMS}
    runs = {of: some for of, some in runs.items() if some}
    for subset in subsets_there(plan.root) if runs else ():
        references[subset], gone = reference_of([run for some in runs.values() for run in some], plan.root, subset)
        missing |= {} if gone is None else {subset: gone}
    for score, subset in (("dev_f1", "validation"), ("eval_f1", "public")):
        if subset in references:
            results = {
                of: [event_f1(references[subset], tables.read_events(_events(run, subset, of[1]))) for run in some]
                for of, some in runs.items()
            }
            for of, f1 in over_trainings(results, RESAMPLES).items():
                found[*of, score] = Score(100 * f1.of_training, 100 * f1.draws)
    with_psds = {(row.system, row.decoding) for row in plan.rows() if "dev_psds" in row.paper} & runs.keys()
    counts = {}
    for of in sorted(with_psds):
        counts[of] = []
        for run in runs[of]:
            decoder = run.config.decoding if of[1] == "median" else load_decoder(run.folder / f"decoder-{of[1]}.json")
            scores, clip_s = Posteriors.load(run.folder / "validation.npz"), run.config.features.clip_s
            points = operating_points(scores, decoder, duration_s=clip_s)
            counts[of].append(psds_counts(references["validation"], points.values()))
    found |= {(*of, "dev_psds"): psds for of, psds in psds_over_trainings(counts, RESAMPLES).items()}
    return found, missing


def _scored(plan: Plan, system: str, decoding: str, mark: str = "scored") -> list[Run]:
    """Return the runs of a system that are scored in this way, and have a file that says that all is done."""
    runs = [run_of(plan.profile, plan.root, system, seed) for seed in plan.seeds]
    return [run for run in runs if all((run.folder / name).exists() for name in (mark, results_file(decoding)))]


def _trained(plan: Plan, trainings: list[tuple[str, int]]) -> list[tuple[str, int, Run]]:
    """Return the finished ones; weights without a configuration may be there because something failed."""
    runs = [(system, seed, Run(plan.folder(system, seed))) for system, seed in trainings]
    return [one for one in runs if one[2].finished and (one[2].folder / "config.json").exists()]


def _events(run: Run, subset: str, decoding: str) -> Path:
    return run.folder / (f"{subset}.tsv" if decoding == "median" else f"{subset}-{decoding}.tsv")


def _number(plan: Plan, row: Row, score: str, found: _Scores, failed: Mapping[str, str]) -> dict[str, Any]:
    claimed, failure = row.paper[score], _failed(plan, row, failed)
    entry = {"table": row.table, "row": row.name, "system": row.system, "decoding": row.decoding}
    entry |= {"score": score, "claimed": claimed, "here": None, "low": None, "high": None, "of_seed": []}
    if (of_row := found.get((row.system, row.decoding, score))) is None:
        return entry | {"difference": None, "why": failure or "no such clips in this data set"}
    of_row = of_row.mean()
    value, *limits = estimate(of_row)[:3]
    low, high = np.clip(limits, 0, 1 if score == "dev_psds" else 100)
    known = ["other data"] * (plan.data == "mini")  # that is otherwise than in the paper
    known += ["a smaller network and fewer steps than the paper's"] * (plan.profile != "paper")
    why = [failure, "" if low <= claimed <= high else ", ".join(known)]
    entry |= {
        "here": value,
        "low": low,
        "high": high,
        "of_seed": of_row.of_training.tolist(),
        "difference": value - claimed,
    }
    return entry | {"why": "; ".join(filter(None, why))}


def _failed(plan: Plan, row: Row, failed: Mapping[str, str]) -> str:
    """Name the first of a row's jobs that failed, where one did."""
    names = ["data", *(f"store-{subset}" for subset in TRAINED_ON + SCORED_ON)]
    for seed in plan.seeds:
        for system, of in [*plan.members(row.system, seed), (row.system, seed)]:
            names += [f"train-{system}-{of}", f"score-{system}-{of}"]
    return next((f"failed: {failed[name]} ({name})" for name in names if name in failed), "")


def _belongs(claim: Claim, plan: Plan) -> bool:
    """Whether a plan has the rows that a claim is of; one of no row belongs to all tables together."""
    rows = {claim.first, claim.second} & {row.key for row in ROWS}
    return rows <= {row.key for row in plan.rows()} and (bool(rows) or set(plan.tables) == set(TABLES))


def _claim(claim: Claim, found: _Scores) -> dict[str, Any]:
    first, second = scored_as(claim.first), scored_as(claim.second)
    entry = {"section": claim.section, "says": claim.says, "first": claim.first, "second": claim.second}
    both = claim.score in first.paper.keys() & second.paper.keys()
    entry |= {"score": claim.score, "claimed": first.paper[claim.score] - second.paper[claim.score] if both else None}
    entry |= {"at_least": claim.at_least, "here": None, "low": None, "high": None, "p": None, "smallest": None}
    entry |= {"clips": None, "seeds": []}
    entry |= {"verdict": claim.elsewhere or "not measured", "why": ""}
    scores = [found.get((row.system, row.decoding, claim.score)) for row in (first, second)]
    if claim.elsewhere or None in scores:
        return entry
    chosen = [tables.CLASSES.index(name) for name in claim.classes]
    a, b = (score.mean(chosen) for score in scores if score)
    paired = bool({first.system, *first.members} & {second.system, *second.members})
    measured = difference(a, b, claim.at_least, paired)
    if np.isnan(measured.value):
        return entry  # the data have no event of these classes
    decision = verdict(claim, measured)
    why = "" if decision.startswith(("holds", "no difference")) else claim.why
    known = {name: of for name, of in measured._asdict().items() if name in entry}
    return entry | {"here": measured.value, **known, "verdict": decision, "why": why}


def _figures(plan: Plan) -> list[dict[str, Any]]:
    runs = _trained(plan, [("ppcen_logmel", seed) for seed in plan.seeds])
    runs = [one for one in runs if (one[2].folder / "weights.pt").exists()]
    divided, clips = 0, FIGURE2_CLIPS * len(runs)
    for _, _, run in runs:
        detector, features = run.detector(), run.config.features
        for clip in range(FIGURE2_CLIPS):
            waveform, events = sounds.figure2_clip(clip)
            speech = events[events["event_label"] == "Speech"]
            layers = sounds.seen(detector, waveform)
            kept = [retention.retention(layer, features.hop / features.sample_rate, speech) for layer in layers]
            divided += retention.divided(kept)
    decision = "reproduced" if divided > 0.9 * clips else "in part"
    if divided < 0.1 * clips:
        decision = "not reproduced"
    where = f"in {divided} of {clips} clips ({len(runs)} training{'s' if len(runs) > 1 else ''})"
    figure_2 = {
        "figure": 2,
        "shows": "one PCEN layer keeps what lasts, the other what begins",
        "lesson": "03_pcen",
        "here": f"{where} the lasting sound is the stronger pattern in one layer, speech in the other",
        "verdict": decision,
    }
    return [FIGURE_1, figure_2] if runs else [FIGURE_1]


def _unseen(plan: Plan) -> list[dict[str, Any]]:
    """F1 (percent) and PSDS of tuned decoders; F1 also on the halves of the development clips that tuned nothing."""
    found = []
    for system, decoding in [(name, decoding) for name in plan.systems() for decoding in plan.decodings(name)]:
        if runs := _scored(plan, system, decoding):
            median, results = [run.results for run in runs], [results_of(run, decoding) for run in runs]
            entry = {"system": system, "search": decoding}
            entry |= {"median": _percent(median, "validation"), "median_eval": _percent(median, "public")}
            entry |= {"dev": _percent(results, "validation"), "unseen": [100 * one["unseen_f1"] for one in results]}
            entry |= {"eval": _percent(results, "public")}
            found.append(entry | {"psds": [one["validation"]["psds"]["value"] for one in results]})
    return found


def _percent(results: list[dict[str, Any]], subset: str) -> list[float]:
    return [100 * result[subset]["event_f1"]["macro"] for result in results if subset in result]


def _runs(plan: Plan) -> list[dict[str, Any]]:
    """List what was trained: system, seed, minutes, steps, and the versions that were noted then."""
    found = []
    for system, seed, run in _trained(plan, plan.trainings()):
        minutes, steps = None, None
        if len(run.metrics):
            minutes, steps = float(run.metrics["seconds"].iloc[-1]) / 60, int(run.metrics["step"].iloc[-1])
        checksum = f"{zlib.crc32(json.dumps(run.config.to_dict(), sort_keys=True).encode()):08x}"
        versions = read_json(run.folder / "versions.json") if (run.folder / "versions.json").exists() else {}
        entry = {"system": system, "seed": seed, "minutes": minutes, "steps": steps}
        found.append(entry | {"configuration": checksum, "versions": versions})
    return found
