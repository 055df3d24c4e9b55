"""The batch from one call, and the table "paper / here"."""

import dataclasses

from click.testing import CliRunner

from sedlib import config, reproduce, systems
from sedlib.cli import cli


class Scored:
    """A run with the results given."""

    def __init__(self, dev: float, public: float | None, psds: float = 0.25) -> None:
        def f1(value):
            return {"event_f1": {"macro": value, "ci95": [value - 0.02, value + 0.03]}, "psds": {"value": psds}}

        self.results = {"validation": f1(dev)} | ({} if public is None else {"public": f1(public)})
        self.tuned = {"exact": {"validation": f1(dev + 0.1), "public": f1(dev + 0.2), "unseen_f1": dev + 0.05},
                      "robust": {"unseen_f1": dev + 0.07}}

    def results_of(self, decoding: str):
        return self.results if decoding == "median" else self.tuned[decoding]


def rows(runs, system):
    table = reproduce.paper_table(runs)
    return table[table["table"].astype(str) + " " + table["system"] == system].set_index("score")


def test_table_has_every_number_of_the_paper_and_none_where_there_is_no_run():
    table = reproduce.paper_table({})
    assert len(table) == 7 + 9 + 5 * 3 and table["here"].isna().all()
    assert rows({}, "1 PPCEN on log-Mel")["paper"].to_dict() == {"development F1 (%)": "39.34"}
    assert rows({}, "3 DAT+HMM")["paper"].tolist() == ["45.2", "42", "0.68"]


def test_one_seed_shows_its_value_and_interval():
    row = rows({"baseline": [Scored(0.2, 0.3)]}, "2 Baseline").iloc[0]
    assert row["here"] == "20.0" and row["note"] == "1 seed; 95 % interval of seed 0 over clips: 18.0 to 23.0 %"


def test_several_seeds_show_mean_and_standard_deviation():
    runs = {"baseline": [Scored(0.2, None), Scored(0.22, None), Scored(0.24, None)]}
    table = rows(runs, "3 Baseline")
    assert table["here"].tolist() == ["22.0 ± 2.0", "no such clips", "0.250 ± 0.000"]
    assert table["note"].iloc[0].startswith("3 seeds; mean ± standard deviation")


def test_rows_with_an_hmm_say_what_it_was_worth_on_clips_that_did_not_tune_it():
    runs = {"ppcen_logmel": [Scored(0.2, 0.3), Scored(0.22, 0.3)]}
    assert rows(runs, "2 +PPCEN")["here"].tolist() == ["21.0 ± 1.4"]
    assert rows(runs, "3 PPCEN+HMM")["here"].tolist() == ["31.0 ± 1.4", "41.0 ± 1.4", "0.250 ± 0.000"]
    assert rows(runs, "2 +PPCEN+HMM")["note"].iloc[0].endswith(
        "half of these clips tuned the HMM; with that of the other half 26.0 %, by robust tuning 28.0 %")


def test_a_set_without_events_has_no_score():
    run = Scored(0.2, None)
    run.results["validation"] = {"event_f1": {"macro": None, "ci95": [None, None]}, "psds": {"value": None}}
    table = rows({"baseline": [run]}, "3 Baseline")
    assert table["here"].tolist() == ["no score: no event to find", "no such clips", "no score: no event to find"]
    assert table["note"].iloc[0] == "1 seed"


def test_every_system_named_by_a_row_exists():
    assert {row.system for row in systems.ROWS if row.system} <= set(systems.SYSTEMS)
    for name in systems.SYSTEMS:
        assert systems.configuration(name, "paper").system == name


def test_batch_trains_executes_reports_and_does_nothing_twice(workspace, monkeypatch):
    smoke = config.PROFILES["smoke"]
    quick = dataclasses.replace(smoke, training=dataclasses.replace(smoke.training, steps_per_epoch=2))
    monkeypatch.setitem(config.PROFILES, "smoke", quick)
    monkeypatch.setitem(config.SIZES, "smoke", {"synthetic": 10, "weak": 4, "unlabel_in_domain": 4, "validation": 4, "public": 4})
    executed = []

    def no_lesson(lesson, out, **values):
        executed.append((lesson.stem, values))

    monkeypatch.setattr(reproduce, "execute", no_lesson)
    monkeypatch.setattr(reproduce, "report", lambda executed, table, out: table)
    first = reproduce.reproduce("smoke", seeds=2)
    folders = sorted(p.relative_to(workspace) for p in (workspace / "runs").glob("*/*/*/*"))
    trained = sorted({row.system for row in systems.ROWS if row.system})
    assert [str(f) for f in folders] == [f"runs/smoke/mini-smoke/{system}/seed{s}" for system in trained for s in (0, 1)]
    assert executed[0] == ("00_start_here", {"profile": "smoke", "data": "mini", "interactive": False})
    monkeypatch.setattr("sedlib.training.loop.Detector", None)  # a second training would need it
    assert reproduce.reproduce("smoke", seeds=2).equals(first)


def test_a_mistake_is_one_line(workspace):
    result = CliRunner().invoke(cli, ["reproduce", "--profile", "lessons"])
    assert result.exit_code == 1 and "profile 'lessons' does not exist" in result.stderr
    assert CliRunner().invoke(cli, ["reproduce", "--seeds", "0"]).exit_code == 2
