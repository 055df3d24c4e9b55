"""The ledger: every number, claim and figure of the paper beside what runs here gave, with how certain that is.

Paper section 4; taught in ``notebooks/07_paper_ledger.py``. The batch writes ``report/ledger.json`` from finished runs;
``python -m reproduction.ledger --publish`` makes it ``figures/ledger.json``, which README shows.
"""

from __future__ import annotations

import datetime
import json
import platform
import re
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import click
import numpy as np
import pandas as pd
import torch

from minidesed import generate
from minidesed.generate import SIZES
from reproduction import published, retention, sounds
from reproduction.batch import SCORED_ON, TRAINED_ON, Plan
from reproduction.comparisons import STATIONARY, verdict
from reproduction.rows import ROWS, Row
from reproduction.shipped import shipped
from sedlib import __version__
from sedlib.data import tables
from sedlib.decode import Hmm, Posteriors, operating_points
from sedlib.decode.operating import THRESHOLDS
from sedlib.errors import SedError
from sedlib.metrics import Interval, Missing, PsdsCounts, event_f1, interval, missing_text, over_trainings, psds_counts, psds_over_trainings
from sedlib.systems import ENSEMBLES, configuration
from sedlib.training import Run
from sedlib.training.ensemble import run_of
from sedlib.training.runs import read_json, results_file, write_json
from sedlib.training.scoring import reference_of, scorer, subsets_there
from sedlib.workspace import workspace

PUBLISHED = shipped("figures") / "ledger.json"
README = shipped("README.md")
SCORES = {"dev_f1": "development F1 (%)", "eval_f1": "evaluation F1 (%)", "dev_psds": "development PSDS"}
FIGURE2_CLIPS = 10
PSDS_METHOD = (f"predictions at {len(THRESHOLDS)} thresholds, {THRESHOLDS[0]:g} to {THRESHOLDS[-1]:g}, in every row; "
               "a value and its interval come from the same counts, those of psds_eval")
RESAMPLES = 4000  # p-values down to 0.0005, which Holm's rule needs for so many claims


class Claim(NamedTuple):
    """A sentence of the paper as a difference of two of its rows."""

    section: str
    says: str
    first: str  # `Row.key`
    second: str
    sign: int  # of first - second; 0: the two are alike
    why: str  # what the lessons found of it in profile lesson on MiniDESED; said where the sentence is not confirmed
    score: str = "dev_f1"
    classes: tuple[str, ...] = tables.CLASSES
    at_least: float = 0.0  # in the unit of the score


_SHORT = ("1000 steps of a small network move a front-end little from where it starts, and a few trainings do not resolve a point of F1: "
          "lesson 03.")
_MIXING = ("Effects cost points here, with mixing and without; it may be the time, as 1000 steps pass over the fixed clips six times and over "
           "mixtures not once: lesson 02.")
_DAT = ("Real clips hold other amounts of each class, so what tells classes tells domains, and weak labels have aligned "
        "the domains before DAT does: lesson 05.")
_HMM = ("Most of what is won is the HMM's, which the baseline's row does not have; what PPCEN adds a few trainings do not resolve: "
        "lessons 03 and 06.")
CLAIMS: tuple[Claim, ...] = (
    Claim("4.1", "Fixed PCEN 1 degrades sound classes that are intrinsically stationary", "1 Fixed PCEN 1", "1 Log-Mel", -1,
          "It wins vacuum cleaner and loses frying here, with a large spread over seeds: lesson 03.", classes=STATIONARY),
    Claim("4.1", "Fixed PCEN 2 performs similarly to log-Mel", "1 Fixed PCEN 2", "1 Log-Mel", 0,
          "A few trainings do not resolve a point of F1: lesson 03."),
    Claim("4.1", "Fixed PCEN 3 improves modestly over log-Mel", "1 Fixed PCEN 3", "1 Log-Mel", 1,
          "One frame of this profile lasts 64 ms, longer than the 60 ms of its time constant: lesson 03."),
    Claim("4.1", "Trainable PCEN is slightly better than Fixed PCEN 3", "1 Trainable PCEN", "1 Fixed PCEN 3", 1, _SHORT),
    Claim("4.1", "a second layer brings a little more than 1 % over a single one", "1 PPCEN on Mel", "1 Trainable PCEN", 1, _SHORT),
    Claim("4.1", "PPCEN on log-Mel is better than log-Mel", "1 PPCEN on log-Mel", "1 Log-Mel", 1, _SHORT),
    Claim("4.1", "PPCEN on log-Mel is better than PPCEN on Mel", "1 PPCEN on log-Mel", "1 PPCEN on Mel", 1, _SHORT),
    Claim("4.2", "PPCEN alone brings a substantial improvement", "2 +PPCEN", "2 Baseline", 1, _SHORT),
    Claim("4.2", "mixing and augmentation bring a modest improvement on their own", "2 +Augm", "2 Baseline", 1, _MIXING),
    Claim("4.2", "with DAT they bring significant benefits", "2 +DAT+Augm", "2 Baseline", 1, f"{_MIXING} {_DAT}"),
    Claim("4.2", "DAT is better than augmentation alone", "2 +DAT+Augm", "2 +Augm", 1, _DAT),
    Claim("4.2", "with PPCEN they make it worse", "2 +PPCEN+Augm", "2 +PPCEN", -1, _MIXING),
    Claim("4.2", "HMM smoothing gives at least two points: baseline", "2 +HMM", "2 Baseline", 1, "", at_least=2.0),
    Claim("4.2", "HMM smoothing gives at least two points: PPCEN", "2 +PPCEN+HMM", "2 +PPCEN", 1, "", at_least=2.0),
    Claim("4.2", "HMM smoothing gives at least two points: DAT", "2 +DAT+Augm+HMM", "2 +DAT+Augm", 1, "", at_least=2.0),
    Claim("4.2", "all techniques together improve by more than 10 points over the baseline", "2 +PPCEN+DAT+Augm+HMM", "2 Baseline", 1,
          f"What the HMM wins, augmentation costs. {_MIXING}", at_least=10.0),
    Claim("4.2", "PPCEN on top of DAT improves, if modestly", "2 +PPCEN+DAT+Augm+HMM", "2 +DAT+Augm+HMM", 1, _MIXING),
    Claim("4.3", "PPCEN+HMM improves substantially over the baseline, development set", "3 PPCEN+HMM", "3 Baseline", 1, _HMM),
    Claim("4.3", "DAT+HMM improves substantially over the baseline, development set", "3 DAT+HMM", "3 Baseline", 1, _MIXING),
    Claim("4.3", "PPCEN+HMM improves substantially over the baseline, evaluation set", "3 PPCEN+HMM", "3 Baseline", 1, _HMM, "eval_f1"),
    Claim("4.3", "DAT+HMM improves substantially over the baseline, evaluation set", "3 DAT+HMM", "3 Baseline", 1, _MIXING, "eval_f1"),
    Claim("4.3", "DAT+HMM is the better single system on the development set", "3 DAT+HMM", "3 PPCEN+HMM", 1, f"{_MIXING} {_DAT}"),
    Claim("4.3", "PPCEN+HMM generalises slightly better to the evaluation set", "3 PPCEN+HMM", "3 DAT+HMM", 1,
          "The paper's 0.6 points are far below what these clips and trainings resolve.", "eval_f1"),
    Claim("Table 3", "DAT+HMM has the higher PSDS of the single systems", "3 DAT+HMM", "3 PPCEN+HMM", 1, f"{_MIXING} {_DAT}", "dev_psds"),
    Claim("Table 3", "PPCEN+HMM has a higher PSDS than the baseline", "3 PPCEN+HMM", "3 Baseline", 1,
          "Thresholds shift the log-odds here; the released code decodes one path for all of them, which cannot be compared: lesson 06.", "dev_psds"),
    Claim("Table 3", "the ensemble is better than PPCEN+HMM, its best member in the paper, evaluation set", "3 Ensemble DAT+PPCEN+HMM", "3 PPCEN+HMM", 1,
          "Its HMM is tuned by the paper's forest, which finds less than the exact search that the single systems have: lesson 06.", "eval_f1"),
    Claim("4.3", "the second ensemble scores higher on the development set, which tuned it", "3 Ensemble DAT+PPCEN+HMM 2",
          "3 Ensemble DAT+PPCEN+HMM", 1, ""),
    Claim("4.3", "the second ensemble performs worse on the evaluation set", "3 Ensemble DAT+PPCEN+HMM 2", "3 Ensemble DAT+PPCEN+HMM", -1,
          "The two searches differ here in how well they search; how the paper's two differed is not known: lesson 07.", "eval_f1"),
)


class Found(NamedTuple):
    """A score of a row: every training's, the mean's interval, and its bootstrap draws by class where it has classes."""

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
        What `read` returns.
    """
    found, missing = _found(plan)
    numbers = [_number(row, score, claimed, found.get((row.system, row.decoding, score)),
                       _otherwise(plan), _failed(plan, row, failed))
               for row in plan.rows() for score, claimed in row.paper.items()]
    asked = {row.key for row in plan.rows()}
    ledger = {
        "measured_by": __version__, "profile": plan.profile, "data": plan.root.name, "seeds": list(plan.seeds), "tables": list(plan.tables),
        "configuration": configuration_checksum(plan.profile), "generator": generate.VERSION if plan.data == "mini" else None,
        "made": {"date": datetime.date.today().isoformat(), "python": platform.python_version(), "torch": str(torch.__version__),
                 "machine": platform.machine(), "scored_by": scorer()},
        "failed": dict(failed), "numbers": numbers, "psds": PSDS_METHOD, "missing": missing,
        "claims": [_claim(claim, found) for claim in CLAIMS if {claim.first, claim.second} <= asked],
        "figures": _figures(plan), "unseen": _unseen(plan), "runs": _runs(plan),
    }
    path = workspace() / "report" / "ledger.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    write_json(path, json.loads(json.dumps(ledger, default=float)))
    return read(path)


def read(path: Path) -> dict[str, Any]:
    """A ledger: ``measured_by profile data seeds tables configuration made failed``, and

    ``numbers``: per number of the paper ``table row system decoding score claimed here low high of_seed difference why`` (F1 in percent;
    ``here`` is None where no run gave it); ``claims``: ``section says first second score claimed here low high p verdict why``;
    ``figures``: ``figure shows here verdict lesson``; ``unseen``: F1 of HMM rows on clips that did not tune them; ``runs``: what was trained;
    and, from version 0.2.0 on, ``psds``: how it was computed, and ``missing``: by subset, what of its reference had no audio (`Missing`).
    """
    if not path.is_file():
        raise SedError(f"{path}: no such file; `sedlib reproduce` writes a ledger")
    found = read_json(path)
    if not isinstance(found, dict) or not {"numbers", "claims", "figures", "configuration"} <= found.keys():
        raise SedError(f"{path}: not a ledger; `sedlib reproduce` writes one")
    return found


def load() -> tuple[dict[str, Any], str]:
    """The workspace's ledger where this version has written one of all tables, otherwise the published one; and which it is."""
    own = workspace() / "report" / "ledger.json"
    if own.is_file() and (ledger := read(own))["tables"] == [1, 2, 3] and published.present(ledger):
        return ledger, f"{own}, from the runs of this workspace"
    known = read(PUBLISHED)
    return known, published.source(PUBLISHED, known["measured_by"])


def configuration_checksum(profile_name: str) -> str:
    """Of all that a ledger's numbers depend on besides the code: rows, configurations, the generator's version and clips."""
    systems = dict.fromkeys(member for row in ROWS for member, _ in ENSEMBLES.get(row.system, ((row.system, 0),)))
    parts = [[list(row.__dict__.values()) for row in ROWS], ENSEMBLES, [configuration(system, profile_name).to_dict() for system in systems],
             generate.VERSION, SIZES[profile_name], [list(claim)[:5] + list(claim)[6:] for claim in CLAIMS]]
    return f"{zlib.crc32(json.dumps(parts).encode()):08x}"


def numbers_table(ledger: Mapping[str, Any]) -> pd.DataFrame:
    """Every number of the paper for people: ``table row score paper here`` with its interval, ``difference seeds note``."""
    return pd.DataFrame([
        {"table": n["table"], "row": n["row"], "score": SCORES[n["score"]], "paper": f"{n['claimed']:g}",
         "here": "" if n["here"] is None else _shown(n), "difference": "" if n["here"] is None else f"{n['difference']:+.{_digits(n)}f}",
         "seeds": len(n["of_seed"]), "note": n["why"]}
        for n in ledger["numbers"]])


def claims_table(ledger: Mapping[str, Any]) -> pd.DataFrame:
    """The paper's sentences for people: ``section sentence paper here`` with its interval, ``verdict why``."""
    return pd.DataFrame([
        {"section": c["section"], "sentence": c["says"], "paper": f"{c['claimed']:+.{_digits(c)}f}",
         "here": "" if c["here"] is None else _shown(c, "+"), "verdict": c["verdict"], "why": c["why"]}
        for c in ledger["claims"]])


def how_measured(ledger: Mapping[str, Any]) -> list[str]:
    """Sentences on how PSDS was computed and on what is missing; none for a ledger that does not say."""
    psds = [f"PSDS: {ledger['psds']}."] if "psds" in ledger else []
    return psds + [f"{subset}: {missing_text(gone)}." for subset, gone in ledger.get("missing", {}).items()]


def figures_table(ledger: Mapping[str, Any]) -> pd.DataFrame:
    """The paper's figures: ``figure what it shows here verdict lesson``."""
    return pd.DataFrame(ledger["figures"]).rename(columns={"shows": "what it shows"})


def verdicts(ledger: Mapping[str, Any]) -> dict[str, int]:
    """How many of the paper's sentences hold, how many do not, and how many these runs do not decide.

    That two systems are alike can be contradicted, not shown; a sentence that says so does not count among those that hold.
    """
    begins = {"hold": "holds", "do not hold": "does not", "not contradicted": "no difference", "not decided": "not decided",
              "not measured": "not measured"}
    return {name: sum(c["verdict"].startswith(begin) for c in ledger["claims"]) for name, begin in begins.items()}


def holm(p: np.ndarray, alpha: float = 0.05) -> np.ndarray:
    """Which of the p-values stand when all are asked at once (Holm, 1979; lesson 07): the smallest at alpha / m, the next at
    alpha / (m - 1), and so on until one fails."""
    order, stands = np.argsort(p), np.zeros(len(p), bool)
    stands[order] = np.logical_and.accumulate(np.sort(p) <= alpha / np.arange(len(p), 0, -1))
    return stands


def _found(plan: Plan) -> tuple[dict[tuple[str, str, str], Found], dict[str, Missing]]:
    """Scores by system, decoding and name of the score, of the rows whose runs are there; and what is missing of each subset."""
    runs = {(row.system, row.decoding): [run for seed in plan.seeds if _scored(run := run_of(plan.profile, plan.root, row.system, seed), row.decoding)]
            for row in plan.rows()}
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
        results = {of: [event_f1(references[subset], tables.read_events(run.folder / _events_file(subset, of[1]))) for run in some]
                   for of, some in runs.items()}
        for of, (value, draws) in over_trainings(results, RESAMPLES).items():
            found[*of, score] = Found([100 * result.macro for result in results[of]], 100 * value, 100 * draws)
    with_psds = {(row.system, row.decoding) for row in plan.rows() if "dev_psds" in row.paper} & runs.keys()
    counts = {of: [_psds_counts(run, of[1], references["validation"]) for run in runs[of]] for of in sorted(with_psds)}
    for of, (value, draws) in psds_over_trainings(counts, RESAMPLES).items():
        found[*of, "dev_psds"] = Found([float(of_run.score(np.ones(len(of_run.filenames)))) for of_run in counts[of]], np.asarray(value), draws)
    return found, missing


def _scored(run: Run, decoding: str) -> bool:
    return (run.folder / "scored").exists() and (run.folder / results_file(decoding)).exists()


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
    entry = {"table": row.table, "row": row.name, "system": row.system, "decoding": row.decoding, "score": score, "claimed": claimed,
             "here": None, "low": None, "high": None, "of_seed": [], "difference": None, "why": failed or "no such clips in this data set"}
    if found is None:
        return entry
    value, low, high = found.mean()
    inside = low <= claimed <= high
    return entry | {"here": value, "low": low, "high": high, "of_seed": found.of_seed, "difference": value - claimed,
                    "why": "; ".join(filter(None, [failed, "" if inside else otherwise]))}


def _otherwise(plan: Plan) -> str:
    """What is known to be otherwise than in the paper."""
    parts = ["other data"] * (plan.data == "mini") + ["a smaller network and fewer steps than the paper's"] * (plan.profile != "paper")
    return ", ".join(parts)


def _failed(plan: Plan, row: Row, failed: Mapping[str, str]) -> str:
    """The first of a row's jobs that failed, where one did."""
    names = ["data", *(f"store-{subset}" for subset in TRAINED_ON + SCORED_ON)]
    names += [f"{kind}-{system}-{seed}" for seed in plan.seeds for system, seed in [*plan.members(row.system, seed), (row.system, seed)]
             for kind in ("train", "score")]
    return next((f"failed: {failed[name]} ({name})" for name in names if name in failed), "")


def _claim(claim: Claim, found: Mapping[tuple[str, str, str], Found]) -> dict[str, Any]:
    rows = {row.key: row for row in ROWS}
    first, second = rows[claim.first], rows[claim.second]
    entry = {"section": claim.section, "says": claim.says, "first": claim.first, "second": claim.second, "score": claim.score,
             "claimed": first.paper[claim.score] - second.paper[claim.score], "at_least": claim.at_least,
             "here": None, "low": None, "high": None, "p": None, "verdict": "not measured", "why": ""}
    a, b = (found.get((row.system, row.decoding, claim.score)) for row in (first, second))
    if a is None or b is None:
        return entry
    chosen = [tables.CLASSES.index(name) for name in claim.classes]
    value, draws = _mean(a.value - b.value, a.draws - b.draws, chosen)
    if np.isnan(value):
        return entry  # the data have no event of these classes
    difference = interval(value, draws)
    beyond = Interval(*(end - claim.at_least for end in difference))
    said = verdict(claim.sign, beyond._asdict())
    if claim.at_least and said.startswith("does not hold") and difference.high > 0:
        said = "does not hold: less here"
    draws = draws[~np.isnan(draws)]
    p = min(1.0, 2 * (1 + min((draws <= claim.at_least).sum(), (draws >= claim.at_least).sum())) / (1 + len(draws)))
    confirmed = said.startswith(("holds", "no difference"))
    return entry | {**difference._asdict(), "here": difference.value, "p": p, "verdict": said, "why": "" if confirmed else claim.why}


def _figures(plan: Plan) -> list[dict[str, Any]]:
    figures = [{"figure": 1, "shows": "the training scheme: domain classifier beside the RNN, two updates a step", "lesson": "05_domain_adversarial",
                "here": "drawn from the modules that a training has, by lesson.scheme", "verdict": "a drawing, nothing to measure"}]
    runs = [run for seed in plan.seeds if _trained(run := Run(plan.folder("ppcen_logmel", seed)))]
    if not runs:
        return figures
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
    verdict_here = "reproduced" if divided > 0.9 * clips else "not reproduced: one layer does both better" if divided < 0.1 * clips else "in part"
    trainings = f"{len(runs)} training{'s' if len(runs) > 1 else ''}"
    here = f"in {divided} of {clips} clips ({trainings}) the layer that keeps less of the lasting sound shows onsets more clearly"
    return [*figures, {"figure": 2, "shows": "one PCEN layer keeps what lasts, the other what begins", "lesson": "03_pcen",
                       "here": here, "verdict": verdict_here}]


def _unseen(plan: Plan) -> list[dict[str, Any]]:
    """F1 (percent) of the systems with an HMM on the development set, on halves that did not tune it, and on the evaluation set."""
    found = []
    for system in plan.systems():
        for search in plan.searches(system):
            runs = [run for seed in plan.seeds if _scored(run := run_of(plan.profile, plan.root, system, seed), search)]
            if runs:
                results = [run.results_of(search) for run in runs]
                median = [run.results for run in runs]
                found.append({"system": system, "search": search, "median": _percent(median, "validation"), "median_eval": _percent(median, "public"),
                              "dev": _percent(results, "validation"), "unseen": [100 * result["unseen_f1"] for result in results],
                              "eval": _percent(results, "public")})
    return found


def _percent(results: list[dict[str, Any]], subset: str) -> list[float]:
    return [100 * result[subset]["event_f1"]["macro"] for result in results if subset in result]


def _runs(plan: Plan) -> list[dict[str, Any]]:
    """What was trained: system, seed, minutes, steps, and the versions that were noted then."""
    found = []
    for system, seed in plan.trainings():
        run = Run(plan.folder(system, seed))
        if _trained(run):
            last = run.metrics.iloc[-1] if len(run.metrics) else None
            versions = read_json(run.folder / "versions.json") if (run.folder / "versions.json").exists() else {}
            found.append({"system": system, "seed": seed, "minutes": None if last is None else float(last["seconds"]) / 60,
                          "steps": None if last is None else int(last["step"]),
                          "configuration": f"{zlib.crc32(json.dumps(run.config.to_dict(), sort_keys=True).encode()):08x}", "versions": versions})
    return found


def _shown(entry: Mapping[str, Any], sign: str = "") -> str:
    digits = _digits(entry)
    value, low, high = (f"{entry[name]:{sign}.{digits}f}" for name in ("here", "low", "high"))
    return f"{value} ({low} to {high})"


def _digits(entry: Mapping[str, Any]) -> int:
    return 3 if entry["score"] == "dev_psds" else 1


def markdown(table: pd.DataFrame) -> str:
    """A table as README has it."""
    lines = ["| " + " | ".join(table.columns) + " |", "| " + " | ".join("---" for _ in table.columns) + " |"]
    return "\n".join([*lines, *("| " + " | ".join(map(str, row)) + " |" for row in table.itertuples(index=False))])


def readme_part(ledger: Mapping[str, Any]) -> str:
    """README's tables of results."""
    numbers, claims = numbers_table(ledger), claims_table(ledger)
    rows = []
    for (table, row), of_row in numbers.groupby(["table", "row"], sort=False):
        said = of_row.set_index("score")
        cells = [f"{said.loc[title, 'paper']} / **{said.loc[title, 'here'] or '-'}**" if title in said.index else "" for title in SCORES.values()]
        rows.append([f"{table}", row, *cells, max(of_row["seeds"])])
    counted = ", ".join(f"{count} {name}" for name, count in verdicts(ledger).items() if count)
    asked = [c for c in ledger["claims"] if c["p"] is not None]
    decided = [c | {"stands": stands} for c, stands in zip(asked, holm(np.array([c["p"] for c in asked])))
               if c["verdict"].startswith(("holds", "does not"))]
    fallen = "; ".join(c["says"] for c in decided if not c["stands"]) or "none"
    notice = published.notice(ledger["measured_by"])
    return "\n\n".join([
        *([f"**{notice}**"] if notice else []),
        f"Paper (on DESED) / **here** (on {ledger['data']}, profile `{ledger['profile']}`; mean with its 95 % interval over clips and "
        "trainings). F1 is event-based macro F1 in percent.",
        markdown(pd.DataFrame(rows, columns=["table", "row", *SCORES.values(), "trainings"])),
        *how_measured(ledger),
        f"Of {len(claims)} sentences and comparisons that the paper makes of these numbers, {counted}:",
        markdown(claims.drop(columns="why")),
        f"Each interval is asked by itself. Asked all at once (Holm's rule, 5 %), {sum(c['stands'] for c in decided)} of the {len(decided)} decided ones "
        f"stand; those that do not: {fallen}.",
        *(f"Figure {figure['figure']}: {figure['here']} ({figure['verdict']})." for figure in ledger["figures"]),
    ])


def publish() -> None:
    """Make the workspace's ledger the published one, and write it into README.

    Raises
    ------
    SedError
        If there is none, it is not of all tables in profile lesson, something failed, or another configuration or version made it.
    """
    path = workspace() / "report" / "ledger.json"
    if not path.is_file():
        raise SedError(f"{path}: no such file; `sedlib reproduce` writes it")
    ledger = read(path)
    if ledger["tables"] != [1, 2, 3] or ledger["profile"] != "lesson" or ledger["failed"] or any(n["here"] is None for n in ledger["numbers"]):
        raise SedError(f"{path}: only a whole reproduction in profile lesson is published; run `sedlib reproduce` without --table")
    if ledger["configuration"] != configuration_checksum("lesson") or not published.present(ledger):
        raise SedError(f"{path}: made by another configuration or version; run `sedlib reproduce` again")
    text = README.read_text(encoding="utf-8")
    part = f"<!-- ledger -->\n{readme_part(ledger)}\n<!-- end of ledger -->"
    changed, times = re.subn(r"<!-- ledger -->.*<!-- end of ledger -->", lambda _: part, text, flags=re.DOTALL)
    if times != 1:
        raise SedError(f"{README}: expected one place between <!-- ledger --> and <!-- end of ledger -->")
    write_json(PUBLISHED, ledger)
    README.write_text(changed, encoding="utf-8")


@click.command()
@click.option("--publish", "do_publish", is_flag=True, help="Write figures/ledger.json and README's tables.")
def main(do_publish: bool) -> None:
    """Show the ledger."""
    try:
        if do_publish:
            publish()
        ledger, source = load()
    except SedError as error:
        raise click.ClickException(str(error)) from None
    click.echo("\n".join([source, *how_measured(ledger)]))
    click.echo(f"\n{numbers_table(ledger).to_string(index=False)}\n\n{claims_table(ledger).drop(columns='why').to_string(index=False)}")


if __name__ == "__main__":
    main()
