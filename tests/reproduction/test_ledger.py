"""The ledger: every number, sentence and figure of the paper beside what runs gave, and what README shows of it."""

import json

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

from reproduction import ledger, measure, rows
from reproduction.claims import STATIONARY, Claim
from reproduction.ledger import CLAIMS
from reproduction.measure import RESAMPLES
from reproduction.plan import Plan
from reproduction.published import notice
from reproduction.retention import Retention
from reproduction.rows import ROWS
from sedlib import __version__, systems
from sedlib.data import layout, tables
from sedlib.decode import Posteriors
from sedlib.errors import SedError
from sedlib.metrics import event_f1
from sedlib.models import Detector
from sedlib.systems import configuration, known
from sedlib.training import Run
from sedlib.training.runs import write_json

TABLE1 = [row.system for row in ROWS if row.table == 1]


@pytest.fixture
def data(tmp_path, workspace):
    """Four clips, each with a Dog and a Blender from 1 to 2 s."""
    root = tmp_path / "four"
    place = layout.SUBSETS["validation"]
    (root / place.audio).mkdir(parents=True)
    (root / place.audio / "0.wav").touch()
    tables.write(events({"Dog": "0123", "Blender": "0123"}), root / place.metadata)
    return root


def events(found: dict[str, str], false_alarms: dict[str, str] | None = None) -> pd.DataFrame:
    """Events of classes in clips, by the clips' digits: right ones from 1 to 2 s and false alarms from 7 to 8 s."""
    rows = [
        (f"{clip}.wav", start, start + 1.0, label)
        for start, said in ((1.0, found), (7.0, false_alarms or {}))
        for label, clips in said.items()
        for clip in clips
    ]
    silent = [
        (f"{clip}.wav", np.nan, np.nan, np.nan) for clip in "0123" if not any(row[0] == f"{clip}.wav" for row in rows)
    ]
    return pd.DataFrame(rows + silent, columns=tables.EVENT_COLUMNS)


def run(plan: Plan, system: str, seed: int, said: pd.DataFrame, clips: str = "0123") -> Run:
    """A run that predicted this on the development clips, or on those of them that ``clips`` names by their digits."""
    found = Run(plan.folder(system, seed))
    found.folder.mkdir(parents=True)
    tables.write(said, found.folder / "validation.tsv")
    Posteriors(np.zeros((len(clips), 1, 10)), [f"{clip}.wav" for clip in clips], tables.CLASSES, 10.0).save(
        found.folder / "validation.npz"
    )
    write_json(found.folder / "results.json", {})
    (found.folder / "scored").touch()
    return found


@pytest.fixture
def plan(data) -> Plan:
    return Plan("smoke", str(data), (0, 1, 2), (1,)).checked()


ALL, HALF = events({"Dog": "0123", "Blender": "0123"}), events({"Dog": "01", "Blender": "0123"}, {"Dog": "01"})


def measured(plan: Plan, failed=None) -> dict:
    found = measure.write(plan, failed or {})
    assert found == ledger.read(plan.folder("x", 0).parents[4] / "report" / "ledger.json")
    return found


def by_row(found: dict) -> dict:
    return {n["row"]: n for n in found["numbers"] if n["score"] == "dev_f1"}


def test_numbers_are_those_of_the_event_tables(plan):
    """Half of the Dogs found and as many false alarms: F1 of 50 % for Dog, 100 % for Blender, 75 % of both."""
    for system in TABLE1:
        run(plan, system, 0, ALL if system == "logmel" else HALF)
        for seed in (1, 2):
            run(plan, system, seed, ALL)
    found = measured(plan)
    assert len(found["numbers"]) == 7 and found["tables"] == [1] and found["seeds"] == [0, 1, 2]
    log_mel, fixed = (by_row(found)[name] for name in ("Log-Mel", "Fixed PCEN 1"))
    assert (log_mel["here"], log_mel["low"], log_mel["high"], log_mel["of_seed"]) == (100, 100, 100, [100, 100, 100])
    assert log_mel["claimed"] == 35.93 and log_mel["difference"] == pytest.approx(100 - 35.93)
    assert fixed["of_seed"] == pytest.approx([75, 100, 100]) and fixed["here"] == pytest.approx(275 / 3)
    assert fixed["low"] < 75 and fixed["high"] == 100  # no score is higher
    assert "fewer steps than the paper's" in fixed["why"]


def test_an_interval_that_holds_the_papers_number_needs_no_reason(plan):
    run(plan, "logmel", 0, events({"Dog": "01"}, {"Blender": "0"}))
    entry = by_row(measured(plan._replace(seeds=(0,))))["Log-Mel"]
    assert entry["low"] < 35.93 < entry["high"] and entry["why"] == ""


def test_intervals_of_one_training_are_over_clips_and_differences_are_paired(plan, data):
    plan = plan._replace(seeds=(0,))
    said = {
        "logmel": events({"Dog": "012", "Blender": "13"}, {"Dog": "3"}),
        "fixed_pcen_2": events({"Dog": "02", "Blender": "012"}),
    }
    for system, table in said.items():
        run(plan, system, 0, table)
    found, reference = measured(plan), layout.load(data, "validation").table
    results = {system: event_f1(reference, table) for system, table in said.items()}
    times = np.random.default_rng([0]).multinomial(4, np.full(4, 1 / 4), size=RESAMPLES)
    f1 = {}
    for system, result in results.items():
        hits, n_sys, n_ref = np.moveaxis(np.tensordot(times, result.counts, 1), -1, 0)
        with np.errstate(invalid="ignore"):
            of_class = np.where(n_sys + n_ref, 2 * hits / (n_sys + n_ref), np.nan)
        f1[system] = np.nanmean(of_class, axis=1)
    for system, name in (("logmel", "Log-Mel"), ("fixed_pcen_2", "Fixed PCEN 2")):
        value, reach = 100 * results[system].macro, 100 * 1.96 * f1[system].std()
        expected = [value, max(0, value - reach), min(100, value + reach)]
        assert [by_row(found)[name][key] for key in ("here", "low", "high")] == pytest.approx(expected, rel=1e-3)
    claim = next(c for c in found["claims"] if c["says"].startswith("Fixed PCEN 2"))
    value = 100 * (results["fixed_pcen_2"].macro - results["logmel"].macro)
    reach = 196 * (f1["fixed_pcen_2"] - f1["logmel"]).std()
    assert [claim[key] for key in ("here", "low", "high")] == pytest.approx(
        [value, value - reach, value + reach], rel=2e-3
    )
    assert claim["verdict"].startswith("not judged") and claim["claimed"] == pytest.approx(35.42 - 35.93)


def test_a_claim_of_some_classes_looks_at_these_alone(plan):
    for seed in plan.seeds:
        run(plan, "logmel", seed, ALL)
        run(plan, "fixed_pcen_1", seed, HALF)  # Blender is stationary and all found, Dog is not
    claim = measured(plan)["claims"][0]
    assert claim["says"].endswith("intrinsically stationary") and "Blender" in STATIONARY
    assert (claim["here"], claim["low"], claim["high"], claim["p"]) == (0, 0, 0, 1)
    assert claim["verdict"] == "not decided by these runs" and claim["why"]


@pytest.mark.parametrize(
    "sign, at_least, verdict, p",
    [
        (1, 0.0, "holds", 0),
        (1, 24.0, "holds", 0),
        (1, 25.0, "not decided by these runs", 1),
        (1, 26.0, "does not hold: less here", 0),
        (-1, 0.0, "does not hold: the opposite here", 0),
        (0, 0.0, "does not hold: better here", 0),
    ],
)
def test_verdict_p_and_why(plan, monkeypatch, sign, at_least, verdict, p):
    """In every clip Dog is found by one and never by the other, of whose two classes one is found: 50 points, without
    chance."""
    claim = Claim("4.1", "says", "1 Fixed PCEN 1", "1 Log-Mel", sign, "because", at_least=2 * at_least)
    monkeypatch.setattr(ledger, "CLAIMS", (claim,))
    for seed in plan.seeds:
        run(plan, "fixed_pcen_1", seed, ALL)
        run(plan, "logmel", seed, events({"Blender": "0123"}))
    (found,) = measured(plan)["claims"]
    assert (found["here"], found["low"], found["high"]) == (50, 50, 50)
    assert found["verdict"] == verdict and found["p"] == pytest.approx(p)
    assert found["why"] == ("" if verdict == "holds" else "because") and found["at_least"] == 2 * at_least


def test_a_claim_may_be_of_a_system_without_a_row_and_of_no_numbers(plan, monkeypatch):
    asked = Claim("4.1", "says", "ppcen_three_layers", "1 PPCEN on log-Mel", 0)
    alone = asked._replace(first="dat", second="dat_reversal", sign=1)
    other = Claim("3.3", "says", elsewhere="lesson 03 measures it")
    monkeypatch.setattr(ledger, "CLAIMS", (asked, alone, other))
    for seed in plan.seeds:
        run(plan, "ppcen_logmel", seed, HALF)
        (run(plan, "ppcen_three_layers", seed, ALL).folder / "scored").unlink()  # `sedlib train` makes no such mark
    (found,) = measured(plan)["claims"]  # the others are of no table
    assert found["here"] == 25 and found["claimed"] is None and found["verdict"] == "does not hold: better here"
    assert ledger.claims_table({"claims": [found]})["paper"].tolist() == [""]
    claims = measured(plan._replace(tables=(1, 2, 3)))
    assert [c["verdict"] for c in claims["claims"][1:]] == ["not measured", "lesson 03 measures it"]
    assert ledger.verdicts(claims)["asked elsewhere"] == 1


def test_what_was_not_run_says_so(plan):
    run(plan, "logmel", 0, ALL)
    found = measured(plan, {"train-fixed_pcen_1-1": "the training diverged at step 3"})
    rows = by_row(found)
    assert rows["Log-Mel"]["of_seed"] == [100] and rows["Log-Mel"]["here"] == 100  # of the seed that is there
    assert rows["Fixed PCEN 1"]["why"] == "failed: the training diverged at step 3 (train-fixed_pcen_1-1)"
    assert rows["Fixed PCEN 1"]["here"] is None and rows["Fixed PCEN 1"]["of_seed"] == []
    assert {c["verdict"] for c in found["claims"]} == {"not measured"} and len(found["claims"]) == 8
    assert ledger.verdicts(found) == {
        "hold": 0,
        "do not hold": 0,
        "not contradicted": 0,
        "not decided": 0,
        "not judged": 0,
        "not measured": 8,
        "asked elsewhere": 0,
    }
    assert ledger.numbers_table(found)["here"].tolist() == ["100.0 (100.0 to 100.0)", *[""] * 6]


def test_a_member_that_failed_is_why_its_ensemble_has_no_number(plan):
    found = measured(plan._replace(tables=(3,)), {"train-dat_augm-2": "disk"})
    assert {n["why"] for n in found["numbers"] if n["row"].startswith("Ensemble")} == {
        "failed: disk (train-dat_augm-2)"
    }
    assert {n["why"] for n in found["numbers"] if n["row"] == "Baseline"} == {"no such clips in this data set"}


def test_a_row_says_which_of_its_trainings_failed_and_what_all_rows_need(plan):
    run(plan, "logmel", 0, ALL)
    rows = by_row(measured(plan, {"train-logmel-1": "diverged"}))
    assert rows["Log-Mel"]["here"] == 100 and rows["Log-Mel"]["why"].startswith("failed: diverged (train-logmel-1); ")
    rows = by_row(measured(plan, {"store-weak": "no clip can be read"}))
    assert rows["Fixed PCEN 1"]["why"] == "failed: no clip can be read (store-weak)"


def test_a_claim_of_classes_that_the_data_do_not_have_is_not_measured(plan, monkeypatch):
    monkeypatch.setattr(
        ledger, "CLAIMS", (Claim("4.1", "says", "1 Fixed PCEN 1", "1 Log-Mel", -1, "because", classes=("Cat",)),)
    )
    for system in ("logmel", "fixed_pcen_1"):
        run(plan, system, 0, ALL)
    (found,) = measured(plan)["claims"]
    assert found["verdict"] == "not measured" and found["p"] is None


@pytest.mark.parametrize("divided, verdict", [(0, "not reproduced"), (1, "in part"), (2, "reproduced")])
def test_figure_2_is_measured_with_every_training_that_is_there(plan, monkeypatch, divided, verdict):
    """In so many of two clips the events are stronger than what lasts in one layer alone."""
    layers = (
        Retention(stationary=0.5, events=events, modulation=0.1 + 0.1 * i)
        for clip in range(2)
        for i, events in enumerate((0.3, 2.0 if clip < divided else 0.9))
    )
    monkeypatch.setattr(measure.retention, "retention", lambda *_: next(layers))
    monkeypatch.setattr(measure, "FIGURE2_CLIPS", 2)
    config = configuration("ppcen_logmel", "smoke")
    found = Run(plan.folder("ppcen_logmel", 1))
    found.folder.mkdir(parents=True)
    write_json(found.folder / "config.json", {"config": config.to_dict(), "seed": 1})
    found.save("weights.pt", {config.training.tested: Detector(config).state_dict()})
    found.write_metrics([{"step": 15, "seconds": 90.0}])
    written = measured(plan)
    assert [(one["system"], one["seed"], one["minutes"], one["steps"]) for one in written["runs"]] == [
        ("ppcen_logmel", 1, 1.5, 15)
    ]
    figures = written["figures"]
    assert [f["figure"] for f in figures] == [1, 2] and "of 2 clips (1 training)" in figures[1]["here"]
    assert figures[1]["here"].startswith(f"in {divided} of 2") and figures[1]["verdict"] == verdict


def test_every_claim_is_of_numbers_that_the_paper_gives():
    rows = {row.key: row for row in ROWS}
    assert len(rows) == len(ROWS) == 21
    for claim in CLAIMS:
        if not {claim.first, claim.second} <= rows.keys():
            systems = {name for name in (claim.first, claim.second) if name not in rows}
            assert claim.elsewhere if systems == {""} else systems <= known().keys()
            continue
        assert claim.score in rows[claim.first].paper.keys() & rows[claim.second].paper.keys()
        assert claim.sign in (-1, 0, 1) and set(claim.classes) <= set(tables.CLASSES)
        claimed = rows[claim.first].paper[claim.score] - rows[claim.second].paper[claim.score]
        if claim.sign and claim.classes == tables.CLASSES:
            assert claimed * claim.sign > claim.at_least  # the paper's own numbers say what it says


def test_the_checksum_follows_rows_configurations_and_claims(monkeypatch):
    before = ledger.configuration_checksum("lesson")
    assert ledger.configuration_checksum("lesson") == before != ledger.configuration_checksum("smoke")
    one = CLAIMS[0]
    changes = [
        (
            ledger,
            "ROWS",
            (*ROWS[:-1], rows.Row(3, ROWS[-1].name, ROWS[-1].paper | {"dev_f1": 47.45}, "ensemble", "exact")),
        ),
        (ledger, "ROWS", (*ROWS[:-1], rows.Row(3, ROWS[-1].name, ROWS[-1].paper, "ensemble", "forest"))),
        (ledger, "CLAIMS", (one._replace(at_least=1.0), *CLAIMS[1:])),
        (ledger, "CLAIMS", (one._replace(sign=1), *CLAIMS[1:])),
        (ledger, "CLAIMS", CLAIMS[1:]),
        (ledger, "ENSEMBLES", {"ensemble": (("ppcen_logmel", 0), ("dat_augm", 0), ("dat_augm", 2))}),
        (ledger.generate, "VERSION", ledger.generate.VERSION + 1),
        (systems, "SYSTEMS", systems.SYSTEMS | {"baseline": systems.System("", training={"epochs": 11})}),
    ]
    for owner, name, value in changes:
        with monkeypatch.context() as changed:
            changed.setattr(owner, name, value)
            assert ledger.configuration_checksum("lesson") != before, (name, value)
    with (
        monkeypatch.context() as changed
    ):  # why the course thinks that a sentence does not hold here is not a measurement
        changed.setattr(ledger, "CLAIMS", (one._replace(why="other words"), *CLAIMS[1:]))
        assert ledger.configuration_checksum("lesson") == before


def test_how_it_was_measured_names_its_scale():
    """The baseline: 200 epochs of 1578 // 6 = 263 steps."""
    found = complete() | {"psds": "at 50 thresholds", "runs": [{"steps": 3000}, {"steps": None}]}
    assert ledger.how_measured(found)[0] == (
        "Scale of every number and verdict: trainings of 3,000 steps on mini-lesson, 1/18 of the baseline's 52,600 on DESED."
    )
    del found["psds"]
    assert ledger.how_measured(found) == []


def test_numbers_beside_the_published_study():
    """t(2) = 4.303; three seeds 1 apart: s = 1, and a single training lies within 4.303 * sqrt(4 / 3) = 4.97."""
    study, one = complete(), complete()
    for entry in study["numbers"]:
        entry |= {"of_seed": [39.0, 40.0, 41.0], "here": 40.0}
    for entry in one["numbers"]:
        entry |= {"of_seed": [44.9], "here": 44.9}
    total = len(ROWS) + 5 * 2
    assert ledger.beside_published(one, study).startswith(f"{total} of {total} numbers lie where")
    one["numbers"][1] |= {"of_seed": [45.1], "here": 45.1}
    said = ledger.beside_published(one, study)
    assert said.startswith(f"{total - 1} of {total} numbers")
    assert "not: Fixed PCEN 1, development F1 (%): 45.1 here, 40.0 +- 5.0 there." in said
    assert ledger.beside_published(one | {"configuration": "0"}, study) == ""
    study["numbers"] = [n for n in study["numbers"] if "Augm" not in n["row"]]  # a study without the rows that mix
    assert ledger.beside_published(one, study).startswith(f"{total - 6} of {total - 5} numbers")
    assert ledger.beside_published(one, study | {"seeds": [0, 1]}) == ""


def test_what_is_no_ledger_is_refused(tmp_path):
    for text, message in (("{}", "not a ledger; `sedlib reproduce` writes one"), ('{"numbers": [', "damaged")):
        (tmp_path / "ledger.json").write_text(text)
        with pytest.raises(SedError, match=message):
            ledger.read(tmp_path / "ledger.json")


def complete() -> dict:
    """A ledger of everything, in which each number is the paper's."""
    numbers = [
        {
            "table": row.table,
            "row": row.name,
            "system": row.system,
            "decoding": row.decoding,
            "score": score,
            "claimed": claimed,
            "here": claimed,
            "low": claimed - 0.01,
            "high": claimed + 0.01,
            "of_seed": [claimed],
            "difference": 0.0,
            "why": "",
        }
        for row in ROWS
        for score, claimed in row.paper.items()
    ]
    claims = [
        {
            "section": c.section,
            "says": c.says,
            "first": c.first,
            "second": c.second,
            "score": c.score,
            "claimed": 1.0,
            "at_least": c.at_least,
            "here": 1.0,
            "low": 0.5,
            "high": 1.5,
            "p": 0.002,
            "verdict": "holds",
            "why": "",
        }
        for c in CLAIMS
    ]
    return {
        "measured_by": __version__,
        "profile": "lesson",
        "data": "mini-lesson",
        "seeds": [0, 1, 2],
        "tables": [1, 2, 3],
        "generator": ledger.generate.VERSION,
        "configuration": ledger.configuration_checksum("lesson"),
        "made": {},
        "failed": {},
        "numbers": numbers,
        "claims": claims,
        "figures": [],
        "unseen": [],
        "runs": [],
    }


@pytest.fixture
def places(workspace, tmp_path, monkeypatch):
    """Somewhere else to publish."""
    for name, file in (("README", "README.md"), ("PAGE", "LEDGER.md")):
        (tmp_path / file).write_text("# Before\n<!-- ledger -->\nold\n<!-- end of ledger -->\nafter\n")
        monkeypatch.setattr(ledger, name, tmp_path / file)
    monkeypatch.setattr(ledger, "PUBLISHED", tmp_path / "published.json")
    (workspace / "report").mkdir()
    return tmp_path


def test_publishing_writes_the_ledger_and_readmes_part_and_twice_is_once(places):
    write_json(places / "report" / "ledger.json", complete())
    ledger.publish()
    first, readme = ((places / file).read_text() for file in ("LEDGER.md", "README.md"))
    assert json.loads((places / "published.json").read_text()) == complete()
    assert first == f"# Before\n<!-- ledger -->\n{ledger.page_part(complete())}\n<!-- end of ledger -->\nafter\n"
    assert (
        f"its numbers, on mini-lesson: {len(CLAIMS)} hold. The best row here is Ensemble DAT+PPCEN+HMM 2, with an event-based macro F1 of 47.4"
        in readme
    )
    assert (
        "| 3 | Ensemble DAT+PPCEN+HMM | 46.17 / **46.2 (46.2 to 46.2)** | 44.4 / **44.4 (44.4 to 44.4)** | 0.69 / **0.690"
        in first
    )
    assert (
        f"Of {len(CLAIMS)} claims and comparisons that the paper makes about these numbers, {len(CLAIMS)} hold:"
        in first
    )
    ledger.publish()
    assert [(places / file).read_text() for file in ("LEDGER.md", "README.md")] == [first, readme]


def test_readme_says_which_sentences_stand_when_all_are_asked_at_once():
    """Of m = 28 (0.05 / 28 = 0.00179, 0.05 / 27 = 0.00185): two that are decided with p 0.0005 and 0.0018, and one with
    0.04."""
    found = complete()
    del found["claims"][28:]
    for claim, p in zip(found["claims"], (0.04, 0.0018, 0.0005)):
        claim["p"] = p
    for claim in found["claims"][3:]:
        claim |= {"p": 0.5, "verdict": "not decided by these runs"}
    assert len(found["claims"]) == 28
    assert f"2 of the 3 decided ones stand; those that do not: {CLAIMS[0].says}." in ledger.page_part(found)
    found["claims"][0] |= {"p": 0.5, "verdict": "no difference seen, as said"}
    assert "2 of the 2 decided ones stand; those that do not: none." in ledger.page_part(found)
    assert ledger.verdicts(found) == {
        "hold": 2,
        "do not hold": 0,
        "not contradicted": 1,
        "not decided": 25,
        "not judged": 0,
        "not measured": 0,
        "asked elsewhere": 0,
    }


@pytest.mark.parametrize(
    "p, stands",
    [
        ([0.03, 0.001, 0.02, 0.9], [False, True, False, False]),
        ([0.012, 0.04, 0.011, 0.0125], [True] * 4),
        ([0.02, 0.04, 0.03], [False] * 3),
        ([], []),
    ],
)
def test_holm(p, stands):
    assert ledger.holm(np.array(p)).tolist() == stands


@pytest.mark.parametrize(
    "change, message",
    [
        ({"tables": [3]}, "only all tables in profile lesson"),
        ({"profile": "smoke"}, "only all tables"),
        ({"seeds": [0, 1]}, "with 3 trainings, are published; run `sedlib reproduce --seeds 3`"),
        ({"failed": {"train-augm-0": "diverged"}}, "only all tables"),
        ({"numbers": [*complete()["numbers"][:-1], complete()["numbers"][-1] | {"here": None}]}, "only all tables"),
        ({"configuration": "00000000"}, "another configuration"),
        ({"measured_by": "0.1.0"}, "another configuration or version"),
    ],
)
def test_nothing_partial_foreign_or_stale_is_published(places, change, message):
    write_json(places / "report" / "ledger.json", complete() | change)
    with pytest.raises(SedError, match=message):
        ledger.publish()
    assert not (places / "published.json").exists()
    assert all("old" in (places / file).read_text() for file in ("LEDGER.md", "README.md"))


def test_a_study_without_mixing_is_published_and_says_so_but_replaces_none_that_has_it(places):
    without = complete() | {"mixing": False, "numbers": [n for n in complete()["numbers"] if "Augm" not in n["row"]]}
    write_json(places / "report" / "ledger.json", without)
    ledger.publish()
    for file in ("README.md", "LEDGER.md"):
        assert "Rows with dynamic mixing and augmentation are left out here" in (places / file).read_text()
    write_json(places / "report" / "ledger.json", complete())
    ledger.publish()
    write_json(places / "report" / "ledger.json", without)
    with pytest.raises(SedError, match="would replace a study that has; run it without --no-mixing"):
        ledger.publish()
    assert json.loads((places / "published.json").read_text()) == complete()


def test_publishing_without_a_ledger_or_a_place_in_readme(places):
    with pytest.raises(SedError, match="ledger.json: no such file; `sedlib reproduce` writes it"):
        ledger.publish()
    write_json(places / "report" / "ledger.json", complete())
    (places / "LEDGER.md").write_text("nothing")
    with pytest.raises(SedError, match="LEDGER.md: expected one place between"):
        ledger.publish()
    assert not (places / "published.json").exists() and "old" in (places / "README.md").read_text()


def test_the_workspaces_ledger_goes_before_the_published_one_if_it_is_whole(places):
    write_json(places / "published.json", complete() | {"data": "published"})
    assert ledger.load()[0]["data"] == "published"
    write_json(places / "report" / "ledger.json", complete() | {"tables": [3]})
    assert ledger.load()[0]["data"] == "published"
    write_json(places / "report" / "ledger.json", complete() | {"measured_by": "0.1.0"})
    assert ledger.load()[0]["data"] == "published"
    write_json(places / "report" / "ledger.json", complete())
    found, source = ledger.load()
    assert found == complete() and "of this workspace" in source
    shown = CliRunner().invoke(ledger.main)
    assert shown.exit_code == 0 and "47.44" in shown.output and "PPCEN on top of DAT" in shown.output


def test_what_is_missing_is_in_no_number_and_said_by_subset_and_class(plan, data):
    """Clip 3, in which Fixed PCEN 1 misses the Dog, was not there for one of the trainings."""
    three = events({"Dog": "012", "Blender": "0123"})
    run(plan, "logmel", 0, ALL, "0123")
    run(plan, "logmel", 1, ALL, "012")
    run(plan, "fixed_pcen_1", 0, three)
    found = measured(plan)
    assert found["missing"] == {
        "validation": {
            "clips": 1,
            "of": 4,
            "example": "3.wav",
            "events": {label: {"missing": 1, "of": 4, "share": 0.25} for label in ("Blender", "Dog")},
        }
    }
    rows = by_row(found)
    assert rows["Fixed PCEN 1"]["here"] == 100 and rows["Log-Mel"]["of_seed"] == [100, 100]
    assert "1 of the reference's 4 clips are missing, for example 3.wav" in ledger.page_part(found | {"figures": []})
    assert "Blender 25.0 % (1 of 4), Dog 25.0 % (1 of 4)" in ledger.page_part(found)


def test_nothing_is_said_where_nothing_is_missing_or_an_older_ledger_does_not_know(plan):
    run(plan, "logmel", 0, ALL)
    found = measured(plan)
    assert found["missing"] == {} and ledger.how_measured(found) == [f"PSDS: {found['psds']}."]
    del found["missing"], found["psds"]
    assert ledger.how_measured(found) == []


def test_a_class_without_any_event_is_left_out_of_every_row(plan, recwarn):
    """The reference has two of ten classes, and false alarms of a third change no macro F1."""
    run(plan, "logmel", 0, events({"Dog": "0123", "Blender": "0123"}, {"Cat": "01"}))
    assert by_row(measured(plan))["Log-Mel"]["here"] == 100
    assert not [w for w in recwarn if w.category is RuntimeWarning]


# What is published.
def test_the_published_ledger_is_of_this_code_or_says_which_version_measured_it():
    published = ledger.read(ledger.PUBLISHED)
    same = published["configuration"] == ledger.configuration_checksum("lesson")
    assert same if published["measured_by"] == __version__ else notice(published["measured_by"])


def test_the_published_ledger_has_every_number_and_sentence_of_the_paper():
    published = ledger.read(ledger.PUBLISHED)
    rows = Plan("lesson", "mini", (0,), mixing=published["mixing"]).rows()
    expected = [(row.table, row.name, score, claimed) for row in rows for score, claimed in row.paper.items()]
    assert [(n["table"], n["row"], n["score"], n["claimed"]) for n in published["numbers"]] == expected
    assert all(n["here"] is not None and n["low"] <= n["here"] <= n["high"] for n in published["numbers"])
    left_out = {row.key for row in ROWS} - {row.key for row in rows}
    asked = [c for c in CLAIMS if not {c.first, c.second} & left_out]
    assert [c["says"] for c in published["claims"]] == [c.says for c in asked]
    decided = [c for c in published["claims"] if c["here"] is not None]
    assert all(c["why"] for c in decided if not c["verdict"].startswith(("holds", "no difference")))
    assert not published["failed"] and [f["figure"] for f in published["figures"]] == [1, 2]


def test_readme_and_docs_show_the_published_ledger():
    for page, expected in ((ledger.README, ledger.readme_part), (ledger.PAGE, ledger.page_part)):
        text = page.read_text(encoding="utf-8")
        part = text.partition("<!-- ledger -->\n")[2].partition("\n<!-- end of ledger -->")[0]
        assert part == expected(ledger.read(ledger.PUBLISHED))
