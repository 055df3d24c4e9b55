"""The batch: its plan, the whole graph at a small size, and what happens when something is in the way.

What a real batch leaves is test_batch's.
"""

import errno
import json
import os
import re
import shlex
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from click.testing import CliRunner
from disks import fill, read_only, small_disk
from snakemake.cli import parse_config
from terminal import sedlib

from reproduction import batch as reproduce
from reproduction.plan import BESIDE, Plan, seconds_of
from reproduction.rows import ROWS
from sedlib import systems
from sedlib.cli import cli
from sedlib.decode.decoders import METHODS
from sedlib.decode.tuning import SEARCHES
from sedlib.errors import SedError
from sedlib.systems import configuration
from sedlib.training import Run, scoring
from sedlib.training.runs import write_json

PLAN = Plan("smoke", "mini", (0,), (3,))
COMMAND = ("reproduce", "--profile", "smoke", "--table", "3", "--cores", "2")
RUNS = "runs/smoke/mini-smoke"
PATIENCE = 3600  # seconds; other work may have the machine


# The plan.
def test_every_system_named_by_a_row_exists_and_every_row_has_a_name_of_its_own():
    assert {row.system for row in ROWS} <= set(systems.SYSTEMS) | set(systems.ENSEMBLES)
    assert len({row.key for row in ROWS}) == len(ROWS) == 21
    for name in systems.known():
        assert configuration(name, "paper").system == name


def test_list_prints_every_row_with_the_papers_numbers_and_does_nothing(workspace):
    code, out, _ = sedlib("reproduce", "--list")
    assert code == 0 and len(out.splitlines()) == 1 + 21 and not any(workspace.iterdir())
    shown = Counter(out.split())
    numbers = Counter(f"{number:g}" for row in ROWS for number in row.paper.values())
    assert not numbers - shown
    assert sum("average of ppcen_logmel, dat_augm, dat_augm" in line for line in out.splitlines()) == 2
    code, out, _ = sedlib("reproduce", "--list", "--table", "1", "--table", "1")
    assert code == 0 and len(out.splitlines()) == 1 + 7 and "Ensemble" not in out


def test_a_plan_holds_the_rows_of_its_tables_and_trains_what_they_need_once():
    plan = Plan("lesson", "mini", (0, 1, 2))
    assert plan.rows() == list(ROWS)
    trained = {system for system in plan.systems() if system not in systems.ENSEMBLES}
    expected = {(system, seed) for system in trained for seed in (0, 1, 2)}
    expected |= {("dat_augm", 3)}  # the ensemble's second DAT model
    of_claims = {"dat", "dat_reversal", "ppcen_three_layers"}  # which have no row
    assert of_claims < trained and not of_claims & {row.system for row in ROWS}
    assert len(plan.trainings()) == len(expected) and set(plan.trainings()) == expected
    costs = [seconds_of(system) for system, _ in plan.trainings()]
    assert costs == sorted(costs, reverse=True)
    assert PLAN.trainings() == [("dat_augm", 0), ("dat_augm", 1), ("baseline", 0), ("ppcen_logmel", 0)]
    assert Plan("smoke", "mini", (4,), (1,)).systems() == [row.system for row in ROWS if row.table == 1]
    without = plan._replace(mixing=False)
    kept = ["logmel", "fixed_pcen_1", "fixed_pcen_2", "fixed_pcen_3", "trainable_pcen", "ppcen_mel", "ppcen_logmel"]
    assert without.systems() == [*kept, "baseline", *sorted(of_claims)] and [
        row.name for row in without.rows() if row.table == 3
    ] == ["Baseline", "PPCEN+HMM"]
    assert {system for system, _ in without.trainings()} == set(without.systems())
    one = plan._replace(seeds=(0,))  # too few for verdicts; lesson 05 shows one
    assert {system for system, _ in one.trainings()} == trained - of_claims | {"dat"}
    assert PLAN.members("ensemble", 5) == [("ppcen_logmel", 5), ("dat_augm", 5), ("dat_augm", 6)]


def test_decodings_are_those_of_the_rows_and_others_beside_them():
    assert PLAN.decodings("ensemble") == ["forest", "exact", *BESIDE] and PLAN.decodings("baseline") == []
    whole = PLAN._replace(tables=(1, 2, 3))
    assert whole.decodings("baseline") == ["exact", *BESIDE] and whole.decodings("augm") == []
    assert set(BESIDE) == {"robust"} | {f"{method}-robust" for method in METHODS if method != "hmm"} < set(SEARCHES)


def test_files_lie_in_the_workspace(workspace):
    assert PLAN.root == workspace / "data" / "mini-smoke" and PLAN.folder("x", 3) == workspace / RUNS / "x" / "seed3"
    assert PLAN.made_stores() == [
        f"{RUNS}/stores/{name}.made" for name in ("synthetic", "weak", "unlabel_in_domain", "validation", "public")
    ]
    assert PLAN.scores_need("baseline", 0) == [f"{RUNS}/baseline/seed0/trained"]
    assert PLAN.scores_need("ensemble", 0) == [
        f"{RUNS}/{run}/trained" for run in ("ppcen_logmel/seed0", "dat_augm/seed0", "dat_augm/seed1")
    ]
    assert PLAN.scored_files() == [
        f"{RUNS}/{system}/seed0/scored" for system in ("baseline", "ppcen_logmel", "dat_augm", "ensemble")
    ]
    assert PLAN.lessons() == [] and PLAN._replace(tables=(3, 1, 2)).lessons()[0] == "00_start_here"
    whole = PLAN._replace(tables=(1, 2, 3))
    assert whole._replace(chosen=("04_mean_teacher",)).lessons() == ["04_mean_teacher", "07_paper_ledger"]
    assert whole._replace(published=True).lessons() == ["06_hmm", "07_paper_ledger"]


def test_a_partial_plan_is_made_of_what_there_is(workspace):
    made = workspace / RUNS / "dat_augm" / "seed0" / "scored"
    made.parent.mkdir(parents=True)
    made.touch()
    assert PLAN._replace(partial=True).scored_files() == [f"{RUNS}/dat_augm/seed0/scored"]
    assert PLAN._replace(partial=True, tables=(1, 2, 3)).lesson_files() == [
        name for name in PLAN._replace(tables=(1, 2, 3)).lesson_files() if "07" in name
    ]


@pytest.mark.parametrize(
    "plan",
    [
        PLAN,
        Plan("lesson", "mini", (0, 1, 2)),
        Plan("paper", "DATA", (7,), (1, 3), False, True, ("05_domain_adversarial", "06_hmm"), True),
        *(
            Plan("paper", f"DATA/{name}", (7,))
            for name in ("a #2", "a: b", "it's", '"quoted"', "a,b=c", "100%", "%20", "äöü $HOME")
        ),
    ],
)
def test_a_plan_survives_as_text(plan, tmp_path):
    plan = plan._replace(data=plan.data.replace("DATA", str(tmp_path)))
    if plan.data != "mini":
        Path(plan.data).mkdir(exist_ok=True)
    assert Plan.of(plan.config()) == plan
    assert (
        Plan.of(parse_config([f"{name}={value}" for name, value in plan.config().items()])) == plan
    )  # as snakemake reads it
    words = shlex.split(plan.options())
    assert Plan.of(dict(zip((word.removeprefix("--") for word in words[::2]), words[1::2]))) == plan


def test_braces_in_the_name_of_a_data_folder_are_refused(tmp_path):
    (tmp_path / "a{b}").mkdir()
    with pytest.raises(SedError, match="a{b}': snakemake gives braces"):
        Plan("smoke", str(tmp_path / "a{b}"), (0,)).checked()


def test_a_relative_data_folder_is_the_same_for_jobs_which_run_elsewhere(tmp_path, monkeypatch):
    (tmp_path / "DESED").mkdir()
    monkeypatch.chdir(tmp_path)
    assert Plan("smoke", "DESED", (0,)).checked().data == str(tmp_path / "DESED")


@pytest.mark.parametrize(
    "config, message",
    [
        ({"profile": "lessons"}, "profile 'lessons' does not exist"),
        ({"tables": "1,4"}, "table 4 does not exist; the paper has tables 1, 2 and 3"),
        ({"seeds": "0,x"}, "seeds and tables are whole numbers"),
        ({"seeds": "-1"}, "give different numbers, 0 or more"),
        ({"seeds": "1,1"}, "seeds 1, 1: give different numbers"),
        ({"data": "/nowhere"}, "data '/nowhere': no such folder"),
    ],
)
def test_a_plan_that_cannot_be_is_refused(config, message):
    with pytest.raises(SedError, match=message):
        Plan.of(config)


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["--profile", "lessons"], "profile 'lessons' does not exist"),
        (["--table", "4"], "table 4 does not exist"),
        (["--data", "/nowhere"], "'/nowhere': no such folder"),
        (["--cluster", "nimbus"], "cluster 'nimbus': neither a profile here (slurm) nor a"),
    ],
)
def test_a_mistake_is_one_line_and_leaves_nothing(workspace, arguments, message):
    code, _, err = sedlib("reproduce", *arguments)
    assert code == 1 and message in err and len(err.strip().splitlines()) == 1
    assert not any(workspace.iterdir())
    assert CliRunner().invoke(cli, ["reproduce", "--seeds", "0"]).exit_code == 2


def test_the_graph_of_everything_has_the_jobs_of_the_plan(workspace):
    plan = Plan("lesson", "mini", (0, 1))
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "snakemake",
            "--snakefile",
            reproduce.GRAPH,
            "--directory",
            workspace,
            "--dry-run",
            "--cores",
            "1",
            "--config",
            *(f"{name}={value}" for name, value in plan.config().items()),
        ],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        env=os.environ | {"PYTHONPATH": str(reproduce.GRAPH.parents[1])},
    )
    assert done.returncode == 0, done.stderr
    table = (done.stdout + done.stderr).partition("Job stats:")[2].partition("total")[0]
    counts = {
        line.split()[0]: int(line.split()[1])
        for line in table.splitlines()
        if line.split()[1:2] and line.split()[1].isdigit()
    }
    assert counts == Counter(job.kind for job in plan.jobs()) | {"all": 1}


def test_what_others_read_is_no_output_which_snakemake_removes_before_a_job():
    """Lesson 06 once read posteriors while snakemake had removed them for a job that stored them again."""
    outputs = re.findall(r"output:\n\s+(.+)", reproduce.GRAPH.read_text(encoding="utf-8"))
    assert len(outputs) == 7  # marks; what a run leaves at its end
    assert all("touch(" in output or "/scored" in output or '"report/' in output for output in outputs), outputs


# What is in the way is told before anything is done.
def unchanged(folder: Path) -> dict[str, tuple[int, int]]:
    return {
        str(path): (path.stat().st_mtime_ns, path.stat().st_size)
        for path in sorted((folder / "runs").rglob("*"))
        if path.is_file()
    }


def run_of_older_code(workspace: Path) -> Run:
    run = Run(workspace / RUNS / "baseline" / "seed0")
    run.folder.mkdir(parents=True)
    config = configuration("baseline", "smoke").to_dict()
    config["training"]["epochs"] += 1
    write_json(run.folder / "config.json", {"config": config, "data": "mini-smoke", "seed": 0})
    for name in ("weights.pt", "trained", "scored"):
        (run.folder / name).touch()
    return run


def test_runs_of_an_older_configuration_are_refused_by_name_and_difference(workspace):
    run = run_of_older_code(workspace)
    before = unchanged(workspace)
    code, _, err = sedlib(*COMMAND)
    epochs = configuration("baseline", "smoke").training.epochs
    assert (
        code == 1
        and f"{run.folder}: config.training.epochs was {epochs + 1}, is {epochs}" in err
        and "move or remove" in err
    )
    assert (
        unchanged(workspace) == before
        and not (workspace / "data").exists()
        and not (workspace / "report" / "snakemake.log").exists()
    )


@pytest.fixture
def nothing_begins(monkeypatch):
    """A plan that is not refused fails the test at once instead of being run."""
    monkeypatch.setattr(reproduce, "_snakemake", lambda *_: pytest.fail("it was not refused"))


def test_runs_on_other_data_are_refused(workspace, tiny, nothing_begins):
    """Two folders may have one name, and what is in a folder may change."""
    plan = Plan("smoke", str(tiny), (0,), (3,)).checked()
    run = Run(plan.folder("baseline", 0))
    run.start(configuration("baseline", "smoke"), tiny, 0)
    reproduce._refuse_older(plan)
    record = json.loads((run.folder / "config.json").read_text())
    record["data_version"]["seed"] = 99
    write_json(run.folder / "config.json", record)
    code, _, err = sedlib(*COMMAND, "--data", tiny)
    assert code == 1 and f"{run.folder}: data_version.seed was 99, is " in err and "move or remove" in err


def test_data_of_an_older_generator_are_refused(workspace, nothing_begins):
    PLAN.root.mkdir(parents=True)
    older = reproduce.generate.VERSION - 1
    (PLAN.root / "dataset.json").write_text(json.dumps({"generator": older}))
    code, _, err = sedlib(*COMMAND)
    assert (
        code == 1
        and f"dataset.json: made by version {older} of the generator" in err
        and f"move or remove {PLAN.root}" in err
    )


def test_lessons_are_executed_anew_with_other_parameters_and_kept_where_none_are_asked_for(workspace):
    executed = workspace / "report" / "lessons" / "01_data.ipynb"
    executed.parent.mkdir(parents=True)
    everything = PLAN._replace(tables=(1, 2, 3))
    for plan, kept in (
        (everything, False),
        (everything, True),
        (PLAN, True),
        (PLAN._replace(seeds=(5,)), True),
        (everything._replace(seeds=(5,)), False),
    ):
        executed.touch()
        reproduce._forget_stale(plan)
        assert executed.exists() == kept, plan


def test_a_half_written_run_folder_is_named(workspace):
    run = run_of_older_code(workspace)
    (run.folder / "config.json").write_text((run.folder / "config.json").read_text()[:100])
    before = unchanged(workspace)
    code, _, err = sedlib(*COMMAND)
    assert code == 1 and f"{run.folder / 'config.json'}: damaged" in err and "remove the folder" in err
    assert unchanged(workspace) == before and not (workspace / "data").exists()


def test_two_at_once_in_one_folder(workspace):
    with reproduce._alone(workspace):
        code, _, err = sedlib(*COMMAND)
    assert (
        code == 1
        and f"another reproduction is running in this folder (process {os.getpid()})" in err
        and "SEDLIB_WORKSPACE" in err
    )
    with reproduce._alone(workspace):  # free again when the other one has ended
        pass


@pytest.mark.parametrize("made", [False, True])
def test_a_read_only_workspace(workspace, made):
    place = workspace / "place"
    (place / "report" / "logs" if made else place).mkdir(parents=True)
    (place / "runs").mkdir(exist_ok=made)
    with read_only(place), pytest.MonkeyPatch.context() as patch:
        patch.setenv("SEDLIB_WORKSPACE", str(place))
        code, _, err = sedlib(*COMMAND)
    assert (
        code == 1
        and f"{place}: cannot be written" in err
        and "SEDLIB_WORKSPACE" in err
        and len(err.strip().splitlines()) == 1
    )


def test_a_workspace_that_cannot_be_written_though_its_folders_can(workspace, nothing_begins, monkeypatch):
    """A user's right to write: root, whom some machines test as, always has it."""
    take_room = reproduce._take_room

    def refused(folder: Path) -> None:
        if folder == workspace:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(folder))
        take_room(folder)

    monkeypatch.setattr(reproduce, "_take_room", refused)
    code, _, err = sedlib(*COMMAND)
    assert code == 1 and f"{workspace}: cannot be written (Permission denied); make it writable" in err


def test_a_disk_that_is_full_at_the_start(workspace, monkeypatch):
    with small_disk(workspace / "disk", "1m") as disk:
        monkeypatch.setenv("SEDLIB_WORKSPACE", str(disk))
        fill(disk, leave=4096)
        code, _, err = sedlib(*COMMAND)
        assert code == 1 and f"{disk}: cannot be written (No space left on device); make room" in err


def test_marks_of_what_is_not_there_any_more_are_removed_and_nothing_else(workspace, monkeypatch):
    monkeypatch.setattr(scoring, "scorer", lambda *_: "now")
    marks = ("trained", "validation.npz", "public.npz", "scored")
    runs = {(system, seed): PLAN.folder(system, seed) for system, seed in [*PLAN.trainings(), ("ensemble", 0)]}

    def everything_there():
        for (system, _), folder in runs.items():
            folder.mkdir(parents=True, exist_ok=True)
            for name in (*marks, *(("config.json", "weights.pt") if system != "ensemble" else ())):
                (folder / name).write_text("")
            for search in ("results", *(f"results-{search}" for search in PLAN.decodings(system))):
                write_json(folder / f"{search}.json", {"scored_by": "now", "posteriors": "00000000"})
        PLAN.root.mkdir(parents=True, exist_ok=True)
        (PLAN.root / "dataset.json").touch()
        (workspace / PLAN.stores).mkdir(exist_ok=True)
        for made in (PLAN.data_made, f"{PLAN.stores}/weak.made"):
            (workspace / made).touch()
        (workspace / "report" / "logs").mkdir(parents=True, exist_ok=True)

    def lost() -> set[str]:
        reproduce._forget_stale(PLAN)
        gone = {
            str(Path(system, name))
            for (system, _), folder in runs.items()
            for name in marks
            if not (folder / name).exists()
        }
        return gone | {name for name in (PLAN.data_made, f"{PLAN.stores}/weak.made") if not (workspace / name).exists()}

    everything_there()
    assert lost() == set()
    of_run = {f"baseline/{name}" for name in marks}
    for name in ("weights.pt", "config.json"):
        everything_there()
        (runs["baseline", 0] / name).unlink()
        assert lost() == of_run, name
    everything_there()
    (runs["baseline", 0] / "diverged.json").write_text("{}")
    assert lost() == of_run
    (runs["baseline", 0] / "diverged.json").unlink()
    everything_there()
    (runs["dat_augm", 1] / "weights.pt").unlink()  # a member: the ensemble is not that of the runs that are there
    assert lost() == {f"{system}/{name}" for system in ("dat_augm", "ensemble") for name in marks}
    everything_there()
    write_json(runs["ppcen_logmel", 0] / "results-robust.json", {"scored_by": "then", "posteriors": "00000000"})
    assert lost() == {"ppcen_logmel/scored"}
    everything_there()
    (runs["ppcen_logmel", 0] / "validation.npz").unlink()
    # The job stores it anew, and a score without its posteriors is not current.
    assert lost() == {f"ppcen_logmel/{name}" for name in ("trained", "validation.npz", "scored")}
    everything_there()
    (PLAN.root / "dataset.json").unlink()
    assert lost() == {PLAN.data_made, f"{PLAN.stores}/weak.made"}


def test_jobs_that_were_begun_and_are_not_done_have_failed(workspace):
    logs = workspace / "report" / "logs"
    logs.mkdir(parents=True)
    for name, text in {
        "train-baseline-0": "training\r 10%\rError: the reason\n\n",
        "train-dat_augm-0": "",
        "data": "fine\n",
    }.items():
        (logs / f"{name}.log").write_text(text)
    (workspace / RUNS).mkdir(parents=True)
    (workspace / PLAN.data_made).touch()
    assert reproduce.failures(PLAN) == {
        "train-baseline-0": "the reason",
        "train-dat_augm-0": "it ended without a message (killed?)",
    }


def test_progress_counts_steps_of_trainings_that_run(workspace):
    jobs = PLAN.jobs()
    assert reproduce.seconds_done(jobs) == 0
    folder = PLAN.folder("baseline", 0)
    folder.mkdir(parents=True)
    write_json(folder / "progress.json", {"step": 5, "steps": 20})
    of_run = next(job for job in jobs if job.name == "train-baseline-0")
    assert reproduce.seconds_done(jobs) == pytest.approx(of_run.seconds / 4)
    (folder / "trained").touch()
    assert reproduce.seconds_done(jobs) == of_run.seconds and reproduce.counts(jobs) == "1/4 trainings, 0/4 scored"
