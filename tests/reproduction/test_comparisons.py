"""Table 1 from finished runs: means, intervals, and verdicts on the paper's sentences."""

import json

import numpy as np
import pandas as pd
import pytest

from reproduction import comparisons
from reproduction.claims import Claim
from reproduction.comparisons import ADVERSARIAL, AUGMENTATION, STATIONARY, TABLE1
from reproduction.intervals import Estimate
from reproduction.published import source
from sedlib import __version__, systems
from sedlib.data import layout, tables
from sedlib.decode import Posteriors
from sedlib.training.runs import write_json
from sedlib.workspace import run_folder


@pytest.fixture
def runs(workspace, tiny):
    """Three scored "trainings" of every front-end: all of the reference, without two classes for Fixed PCEN 1."""
    reference = layout.load(tiny, "validation").table
    for system in TABLE1.rows:
        for seed in (0, 1, 2):
            folder = run_folder("smoke", tiny, system, seed)
            folder.mkdir(parents=True)
            said = reference
            if system == "fixed_pcen_1":
                said = reference[~reference["event_label"].isin(STATIONARY)]
            tables.write(said, folder / "validation.tsv")
            clips = tables.filenames(reference)
            Posteriors(np.zeros((len(clips), 1, 10)), clips, tables.CLASSES, 10.0).save(folder / "validation.npz")
            write_json(folder / "config.json", {"config": systems.configuration(system, "smoke").to_dict()})
            write_json(folder / "results.json", {"public": {"event_f1": {"macro": 0.3 + 0.1 * seed}}})
            pd.DataFrame({"epoch": [1, 2], "pcen1_alpha": [0.8, 0.7 + 0.1 * seed]}).to_csv(
                folder / "metrics.csv", index=False
            )
            (folder / "weights.pt").touch()
    return TABLE1.finished("smoke", tiny)


def test_measured_from_the_events_of_every_run(runs, tiny):
    measured = TABLE1.measure(runs, tiny)
    assert list(measured["systems"]) == list(TABLE1.rows)
    logmel, fixed = (measured["systems"][name] for name in ("logmel", "fixed_pcen_1"))
    assert logmel["dev"] == [1, 1, 1] and tuple(logmel["ci95"]) == (1, 1) and logmel["eval"] == [0.3, 0.4, 0.5]
    assert [found["pcen1_alpha"] for found in logmel["learned"]] == pytest.approx([0.7, 0.8, 0.9])
    assert 0 < fixed["dev"][0] < 1
    assert {name for name, f1 in fixed["classes"].items() if f1 == 0} <= set(STATIONARY)
    assert json.loads(json.dumps(measured))["systems"]["fixed_pcen_1"]["dev"] == fixed["dev"]


def test_claims_follow_the_differences(runs, tiny):
    measured = TABLE1.measure(runs, tiny)
    assert measured["claims"][0]["value"] == -1
    said = TABLE1.verdicts(measured)
    assert said["verdict"].tolist() == ["holds", "no difference seen, as said"] + 4 * ["not decided by these runs"]
    assert said["difference here"][0] == "-100.0 (-100.0 to -100.0)"


@pytest.mark.parametrize(
    "sign, low, high, verdict",
    [
        (1, 0.01, 0.03, "holds"),
        (1, -0.03, -0.01, "does not hold: the opposite here"),
        (-1, -0.03, -0.01, "holds"),
        (-1, 0.01, 0.03, "does not hold: the opposite here"),
        (1, -0.01, 0.03, "not decided by these runs"),
        (0, -0.01, 0.03, "no difference seen, as said"),
        (0, 0.01, 0.03, "does not hold: better here"),
        (0, -0.03, -0.01, "does not hold: worse here"),
    ],
)
def test_verdicts(sign, low, high, verdict):
    claim = Claim("", "", "a", "b", sign)
    assert comparisons.verdict(claim, Estimate(0.0, low, high, 0.5, 0.1, trainings=3)) == verdict
    assert comparisons.verdict(claim, Estimate(0.0, low, high, 0.5, 0.1, trainings=2)).startswith("not judged: fewer")


def test_a_claim_of_a_size_can_fall_short_of_it():
    claim = Claim("", "", "a", "b", 1, at_least=2.0)
    some = [
        comparisons.verdict(claim, Estimate(0.0, *ends, 0.5, 0.1, 3)) for ends in ((2.1, 4), (1, 3), (1, 1.9), (-3, -1))
    ]
    assert some == [
        "holds",
        "not decided by these runs",
        "does not hold: less here",
        "does not hold: the opposite here",
    ]


def test_loaded_from_here_when_every_front_end_was_trained_twice(runs, tiny):
    assert TABLE1.load("smoke", tiny)["from"].endswith("trained here")
    (run_folder("smoke", tiny, "ppcen_mel", 1) / "results.json").unlink()
    published = TABLE1.load("smoke", tiny)
    assert published["from"] == source(TABLE1.published, published["measured_by"]) and published["profile"] == "lesson"


def test_what_is_published_is_what_was_loaded(runs, tiny, tmp_path):
    comparison = TABLE1._replace(published=tmp_path / "table1.json")
    measured = comparison.publish("smoke", tiny)
    assert comparison.published.read_text(encoding="utf-8") == json.dumps({**measured, "from": None}, indent=1) + "\n"
    assert measured["from"].endswith("trained here") and measured["measured_by"] == __version__


@pytest.mark.parametrize(
    "comparison", [TABLE1, AUGMENTATION, ADVERSARIAL], ids=lambda comparison: comparison.published.stem
)
def test_published_study_is_complete(comparison):
    published = json.loads(comparison.published.read_text(encoding="utf-8"))
    assert (
        set(comparison.rows)
        <= set(published["systems"])
        <= set(comparison.rows | comparison.beside)
        <= set(systems.known())
    )
    assert len(published["claims"]) == len(comparison.claims)
    shown = comparison.scores(published)
    assert (shown["trainings"][: len(comparison.rows)] >= 2).all()
    assert list(comparison.by_class(published).index[:5]) == list(STATIONARY)


def test_published_table_1_has_the_papers_numbers():
    published = json.loads(TABLE1.published.read_text(encoding="utf-8"))
    shown = TABLE1.scores(published).set_index("front-end")
    assert shown.loc["Log-Mel", "paper"] == "35.93" and (shown.loc[shown["paper"] != "", "trainings"] >= 3).all()
    assert shown.loc["PPCEN on log-Mel", "paper"] == "39.34"  # 39.93 in Table 2
