"""What lesson 07 says about a ledger: what was learned, the paper's own spread, what would decide it; a clip to hear.

Every sentence is computed from the ledger, so that it stays true whatever a study gives.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from reproduction import intervals, ledger
from reproduction.intervals import FEWEST
from reproduction.rows import ROWS
from reproduction.scoring import results_file, results_of, run_of
from sedcourse.plots.axes import stacked
from sedcourse.plots.clips import events_on, in_words
from sedlib.data import layout, tables
from sedlib.data.store import open_store
from sedlib.metrics import event_f1
from sedlib.models import CRNN
from sedlib.systems import configuration

Ledger = Mapping[str, Any]


def summary(found: Ledger) -> list[str]:
    """Say in a few sentences what a ledger found."""
    counts = {name: count for name, count in ledger.verdicts(found).items() if count}
    said = [f"Of {len(found['claims'])} comparisons that the paper makes: {_listed(counts)}."]
    for begins, title in (("holds", "The clearest that holds"), ("does not", "The clearest that does not")):
        decided = [c for c in found["claims"] if c["verdict"].startswith(begins) and c["score"] != "dev_psds"]
        if decided:
            clearest = max(decided, key=lambda c: abs(c["here"] - c["at_least"]))
            paper = f"; paper {ledger.in_paper(clearest)}" if clearest["claimed"] is not None else ""
            said.append(f"{title}: {clearest['says']} ({clearest['here']:+.1f} points{paper}).")
    best = {
        who: max((n for n in found["numbers"] if n["score"] == "dev_f1" and n[who] is not None), key=lambda n: n[who])
        for who in ("claimed", "here")
    }
    said.append(
        f"The best row here is {best['here']['row']} ({best['here']['here']:.1f} %), the paper's best is "
        f"{best['claimed']['row']} ({best['claimed']['claimed']:g} %, on DESED); development F1."
    )
    if len(found["seeds"]) < FEWEST:
        said.append(f"{_trainings(len(found['seeds']))} of each system: from {FEWEST} on there are verdicts.")
    return said


def _listed(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {name}" for name, count in counts.items())


def _trainings(count: int) -> str:
    return f"{count} training{'' if count == 1 else 's'}"


def decided(found: Ledger) -> pd.DataFrame:
    """Tabulate the paper's sentences that are decided, those that hold first: ``verdict sentence paper here``."""
    table = ledger.claims_table(found)
    table = table[table["verdict"].str.startswith(("holds", "does not"))].sort_values(
        "verdict", ascending=False, kind="stable"
    )
    return table[["verdict", "sentence", "paper", "here"]]


def sizes(profile: str) -> str:
    """Compare the network and the training of a profile with the paper's."""
    ours, theirs = (configuration("baseline", name) for name in (profile, "paper"))

    def parameters(config) -> int:
        return sum(p.numel() for p in CRNN(config.model, config.features.n_mels).parameters())

    steps = ours.training.epochs * (ours.training.steps_per_epoch or 0)
    whole = theirs.training.epochs * -(-1578 // theirs.training.weak)  # DESED's weakly labelled clips
    return (
        f"The paper's network has {parameters(theirs) / parameters(ours):.0f} times the parameters of profile "
        f"{profile}, and the baseline trains {whole / steps:.0f} times as many steps."
    )


def own_spread() -> pd.DataFrame:
    """Tabulate what the paper reports twice, or nearly: ``what, one number, where, another, where, difference``."""
    of = {row.key: row.paper["dev_f1"] for row in ROWS}
    pairs = [
        ("the same system, PPCEN on log-Mel", "1 PPCEN on log-Mel", "2 +PPCEN"),
        ("log-Mel, scaled to [0, 1] or to z-scores", "1 Log-Mel", "2 Baseline"),
        ("two names for one system, DAT+HMM", "2 +DAT+Augm+HMM", "3 DAT+HMM"),
        ("best single system and first ensemble", "2 +PPCEN+DAT+Augm+HMM", "3 Ensemble DAT+PPCEN+HMM"),
    ]
    rows = [(what, a, f"{of[a]:g}", b, f"{of[b]:g}", f"{of[b] - of[a]:+.2f}") for what, a, b in pairs]
    columns = ["what", "table and row", "F1 (%)", "other table and row", "its F1 (%)", "difference"]
    return pd.DataFrame(rows, columns=columns)


def power(found: Ledger) -> pd.DataFrame:
    """Tabulate how many trainings would decide the paper's sentences, if the paper's differences were the true ones.

    Returns
    -------
    DataFrame
        ``sentence, paper's difference, could be seen`` (with the trainings that were run), and the trainings needed
        with these clips and with ten times as many. Empty with a single training, whose spread is not known, and of
        version 0.1.0's ledger. Sentences on some classes alone, or of two systems that are alike, are left out.
    """
    some_classes = {claim.says for claim in ledger.CLAIMS if len(claim.classes) < len(tables.CLASSES) or not claim.sign}
    table = []
    trainings = len(found["seeds"])
    for c in found["claims"]:
        if c["claimed"] is None or c["says"] in some_classes or not c.get("seeds"):
            continue
        seen, digits = intervals.detectable(c["clips"], c["seeds"], trainings), 3 if c["score"] == "dev_psds" else 1
        asked = abs(c["claimed"] - c["at_least"])
        fewest = [intervals.needed(asked, c["clips"] / times, c["seeds"]) for times in (1, 10)]
        table.append(
            {
                "sentence": c["says"],
                "paper's difference": f"{c['claimed']:+.{digits}f}",
                "held against": f"{c['at_least']:g}",
                f"could be seen, {_trainings(trainings)}": f"{seen:.{digits}f}",
                "trainings needed": "none is enough" if fewest[0] is None else fewest[0],
                "with 10 times the clips": "none is enough" if fewest[1] is None else fewest[1],
            }
        )
    return pd.DataFrame(table)


def of_power(table: pd.DataFrame, trainings: int) -> str:
    """Say how much of `power`'s table a study of so many trainings could have decided."""
    if table.empty:
        return "This ledger does not show how far scores vary, so the number that would be enough is unknown."
    counts = [table[name].map(lambda n: isinstance(n, int) and n <= trainings).sum() for name in table.columns[-2:]]
    never = (table["trainings needed"] == "none is enough").sum()
    return (
        f"If the paper's differences were the true ones, {_trainings(trainings)} would decide {counts[0]} of "
        f"{len(table)} sentences, {counts[1]} with ten times the clips. For {never} no number of trainings is enough "
        "with these clips."
    )


def unseen_means(found: Ledger) -> pd.DataFrame:
    """Tabulate decoders on clips that tuned them and on others: mean F1 over trainings, percent, one row per search."""
    names = {
        "median": "median filter, dev",
        "dev": "tuned, dev",
        "unseen": "tuned, unseen halves",
        "median_eval": "median filter, eval",
        "eval": "tuned, eval",
    }
    rows = []
    for one in found["unseen"]:
        means = {title: f"{np.mean(one[name]):.1f}" if one[name] else "" for name, title in names.items()}
        psds = {"PSDS": f"{np.mean(one['psds']):.3f}"} if one.get("psds") else {}
        rows.append({"system": one["system"], "search": one["search"], **means, **psds})
    return pd.DataFrame(rows)


def memory(found: Ledger) -> pd.DataFrame:
    """Take apart what HMMs gain over the median filter: as the paper counts, kept on unseen halves, and the rest."""
    rows = []
    for one in found["unseen"]:
        claimed, kept = (np.mean(one[name]) - np.mean(one["median"]) for name in ("dev", "unseen"))
        rows.append((one["system"], one["search"], claimed, kept, claimed - kept))
    table = pd.DataFrame(rows, columns=["system", "search", "claimed", "kept", "memory"]).round(1)
    return table[table["search"].isin(["forest", "exact", "robust"])]


def of_robust(found: Ledger) -> str:
    """Say for which systems robust tuning keeps more on unseen halves than exact tuning, and for which less."""
    of = {(one["system"], one["search"]): np.mean(one["unseen"]) for one in found["unseen"]}
    leads = {
        system: of[system, "robust"] - exact
        for (system, search), exact in of.items()
        if search == "exact" and (system, "robust") in of
    }
    groups = {
        "more": [f"{name} ({lead:+.1f})" for name, lead in leads.items() if lead >= 1],
        "about as much": [f"{name} ({lead:+.1f})" for name, lead in leads.items() if abs(lead) < 1],
        "less": [f"{name} ({lead:+.1f})" for name, lead in leads.items() if lead <= -1],
    }
    words = [f"{how} for {', '.join(names)}" for how, names in groups.items() if names]
    return f"Against exact tuning, robust tuning keeps on unseen halves {'; '.join(words) or 'nothing to compare'}."


def ensembles_lead(found: Ledger) -> tuple[pd.DataFrame, str]:
    """Tabulate by how much the second ensemble leads the first, on tuned, unseen and evaluation clips, and say it."""
    of = {one["search"]: one for one in found["unseen"] if one["system"] == "ensemble"}
    sets = {"dev": "development, half of it tuned", "unseen": "unseen halves", "eval": "evaluation"}
    if not {"exact", "forest"} <= of.keys():
        return pd.DataFrame(columns=["clips", "second - first"]), "The ensembles have not been run here."
    lead = {
        title: np.mean(of["exact"][name]) - np.mean(of["forest"][name])
        for name, title in sets.items()
        if of["exact"][name] and of["forest"][name]
    }
    table = pd.DataFrame(
        [(title, f"{points:+.1f}") for title, points in lead.items()], columns=["clips", "second - first"]
    )
    first, *others = lead.values()
    stays = first > 0 and all(points > first / 2 for points in others)
    words = "More than half of the lead stays on other clips" if stays else "The lead does not stay on all other clips"
    return table, f"{words}; in the paper it turns into a loss of 1.2 points on the evaluation set."


class Duel(NamedTuple):
    """One clip on which the best system here and the baseline differ most."""

    best: str  # the row
    filename: str
    waveform: np.ndarray
    reference: pd.DataFrame
    events: dict[str, pd.DataFrame]  # by system, of this clip
    errors: dict[str, int]  # misses and false alarms in it


def duel(profile: str, root: Path, seed: int) -> Duel | None:
    """Find the development clip in which the best row that is scored here makes fewest errors beside the baseline.

    Returns
    -------
    Duel or None
        None where the baseline, or any better row, has not been trained and scored in this workspace.
    """
    scored = {}
    for row in ROWS:
        run = run_of(profile, root, row.system, seed)
        if run.state == "scored" and (run.folder / results_file(row.decoding)).exists():
            name = "validation" if row.decoding == "median" else f"validation-{row.decoding}"
            f1 = results_of(run, row.decoding)["validation"]["event_f1"]["macro"]
            scored[row.name, row.table] = f1, run.folder / f"{name}.tsv"
    baseline = "Baseline", 2
    winner = max(scored, key=lambda key: scored[key][0], default=baseline)
    if baseline not in scored or scored[winner][0] <= scored[baseline][0]:
        return None
    best = f"{winner[0]} (Table {winner[1]})"
    waves, reference = open_store(root, "validation", progress=False), layout.load(root, "validation").table
    reference = reference[reference["filename"].isin(waves.filenames)]
    both = {
        name: tables.events(tables.read_events(scored[key][1]))
        for name, key in (("baseline", baseline), (best, winner))
    }
    results = {name: event_f1(reference, events) for name, events in both.items()}
    wrong = {
        name: (of.counts[..., 1] + of.counts[..., 2] - 2 * of.counts[..., 0]).sum(1) for name, of in results.items()
    }
    clip = int((wrong["baseline"] - wrong[best]).argmax())
    name = results["baseline"].filenames[clip]
    return Duel(
        best,
        name,
        waves.waveforms([waves.filenames.index(name)])[0],
        tables.events(reference[reference["filename"] == name]),
        {system: events[events["filename"] == name] for system, events in both.items()},
        {system: int(of[clip]) for system, of in wrong.items()},
    )


def draw(one: Duel, clip_s: float) -> tuple[Figure, str]:
    """Draw the events of both systems of a `Duel` beside the reference, and describe it."""
    classes = sorted({label for table in (one.reference, *one.events.values()) for label in table["event_label"]})
    fig, axes = stacked([0.5 + 0.4 * len(classes)] * 2, more=1.0)
    for ax, (name, events) in zip(axes, one.events.items(), strict=True):
        events_on(ax, one.reference, events, classes)
        ax.set_title(f"{name}: {one.errors[name]} errors", loc="left")
        ax.set_xlim(0, clip_s)
    said = "; ".join(f"{name}: {in_words(events)}" for name, events in one.events.items())
    return fig, f"{one.filename}. Reference: {in_words(one.reference)}. Predicted, {said}."
