"""The command line as a user types it: help, the main job, and one-line errors."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
from disks import read_only
from terminal import sedlib

from sedlib.cli import cli
from sedlib.data import tables
from sedlib.training import Run


def commands() -> list[list[str]]:
    return [["data", name] for name in cli.commands["data"].commands] + [
        [name] for name in cli.commands if name != "data"
    ]


@pytest.mark.parametrize("command", commands(), ids=" ".join)
def test_every_command_has_help_with_examples(command):
    code, out, _ = sedlib(*command, "--help")
    assert code == 0 and "Examples:" in out and f"sedlib {' '.join(command)}" in out


def test_help_answers_without_loading_torch():
    script = "import sys, sedlib.cli; sys.exit('torch' in sys.modules or 'numba' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script]).returncode == 0


@pytest.fixture(scope="module")
def run_folder(tiny, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("cli") / "run"
    os.environ["SEDLIB_WORKSPACE"] = str(folder.parent)
    code, out, err = sedlib("train", "--profile", "smoke", "--data", tiny, "--seed", 3, "--epochs", 1, "--run", folder)
    del os.environ["SEDLIB_WORKSPACE"]
    assert code == 0 and "validation" in out and "macro" in out and str(folder) in out, err
    weights = Run(folder).load("weights.pt")
    weights["teacher"]["crnn.strong.bias"] += 3  # so short a training has not yet left the classes' log-odds
    Run(folder).save("weights.pt", weights)
    return folder


def test_detect_writes_an_event_table_or_audacity_labels(run_folder, tmp_path):
    recording = tmp_path / "kitchen.flac"
    soundfile.write(recording, np.random.default_rng(0).normal(0, 0.1, (44100 * 13, 2)), 44100)
    code, out, _ = sedlib("detect", recording, "--run", run_folder)
    assert code == 0 and out.splitlines()[0] == "filename\tonset\toffset\tevent_label"
    code, _, _ = sedlib("detect", recording, recording, "--run", run_folder, "--out", tmp_path / "new" / "e.tsv")
    assert code == 0
    (tmp_path / "new" / "e.tsv").rename(tmp_path / "e.tsv")
    events = tables.read_events(tmp_path / "e.tsv")
    assert (events["offset"] <= 13.001).all() and set(events["filename"]) <= {"kitchen.flac"}
    code, _, _ = sedlib("detect", recording, "--run", run_folder, "--format", "audacity", "--out", tmp_path / "l.txt")
    assert code == 0 and len((tmp_path / "l.txt").read_text().splitlines()) == len(events)


@pytest.fixture
def recordings(tmp_path, monkeypatch):
    """Recordings of one name in two folders, one whose name begins with a dash, and broken ones; the current folder."""
    monkeypatch.chdir(tmp_path)
    x = np.random.default_rng(0).normal(0, 0.1, 16000 * 3)
    for name in ("garden/1.WAV", "street/1.WAV", "street/2.WAV", "-dJ-9abc_498_508.wav"):
        Path(name).parent.mkdir(exist_ok=True)
        soundfile.write(name, x, 16000)
    Path("empty.wav").touch()
    Path("aac.wav").write_bytes(b"\0\0\0\x20ftypM4A \0\0\0\0" + bytes(range(128, 200)))
    return tmp_path


def test_recordings_of_one_name_stay_two(run_folder, recordings):
    code, out, err = sedlib("detect", "garden/1.WAV", "street/1.WAV", "street/2.WAV", "--run", run_folder)
    assert code == 0, err
    rows = [line.split("\t") for line in out.splitlines()[1:]]
    counts = {name: [row[1:] for row in rows if row[0] == name] for name in sorted({row[0] for row in rows})}
    assert (
        list(counts) == ["garden/1.WAV", "street/1.WAV", "street/2.WAV"]
        and counts["garden/1.WAV"] == counts["street/1.WAV"]
    )
    code, out, _ = sedlib("detect", "garden/1.WAV", "./garden/1.WAV", "street/2.WAV", "--run", run_folder)
    assert {line.split("\t")[0] for line in out.splitlines()[1:]} == {"1.WAV", "2.WAV"} and len(
        out.splitlines()
    ) == 1 + 2 * len(counts["street/1.WAV"])


def test_one_broken_recording_does_not_end_a_batch(run_folder, recordings):
    code, out, err = sedlib(
        "detect", "empty.wav", "street/1.WAV", "aac.wav", "none.wav", "--run", run_folder, "--out", "all.tsv"
    )
    assert code == 1 and set(tables.read_events(Path("all.tsv"))["filename"]) == {"1.WAV"}
    assert [line.split(":")[0] for line in err.splitlines()] == ["all.tsv", "Error", "empty.wav", "aac.wav", "none.wav"]
    assert "3 of 4 recordings could not be read" in err and "an AAC, MP4 or QuickTime file; convert it" in err
    code, out, err = sedlib("detect", "empty.wav", "street/1.WAV", "--run", run_folder)
    assert code == 1 and "1.WAV" in out and "0 bytes" in err
    code, out, err = sedlib("detect", "empty.wav", "none.wav", "--run", run_folder, "--out", "no.tsv")
    assert code == 1 and not Path("no.tsv").exists() and "2 of 2" in err
    code, out, err = sedlib("detect", "empty.wav", "--run", run_folder)
    assert (
        code == 1 and err == "Error: empty.wav: not a readable audio file: it is empty (0 bytes); get the file again\n"
    )


@pytest.mark.parametrize(
    "name, message",
    [
        ("street/1.WAV", "this command also uses street/1.WAV"),
        ("RUN/config.json", "this command also uses"),
        ("street", "street: is a folder"),
        ("empty.wav/e.tsv", "empty.wav: is a file, but a folder is needed"),
    ],
)
def test_detect_refuses_what_it_cannot_write_before_the_work(run_folder, recordings, name, message):
    name = name.replace("RUN", str(run_folder))
    before = Path(name).read_bytes() if Path(name).is_file() else None
    code, out, err = sedlib("detect", "street/1.WAV", "--run", run_folder, "--out", name)
    assert code == 1 and message in err and len(err.splitlines()) == 1
    assert before is None or Path(name).read_bytes() == before


def test_a_read_only_folder_is_one_line(run_folder, recordings, workspace, monkeypatch):
    monkeypatch.setenv("SEDLIB_WORKSPACE", str(recordings / "garden" / "ws"))
    with read_only(recordings / "garden"):
        for arguments in (
            ["detect", "street/1.WAV", "--run", run_folder, "--out", "garden/new/e.tsv"],
            ["stub", "00", "garden/x.ipynb"],
            ["train", "--run", "garden/r"],
            ["data", "mini", "garden/d", "--profile", "smoke"],
            ["train", "--profile", "smoke"],
        ):
            code, _, err = sedlib(*arguments)
            assert code == 1 and "garden" in err and "make it writable" in err and len(err.splitlines()) == 1


def test_a_name_that_begins_with_a_dash(run_folder, recordings):
    code, _, err = sedlib("detect", "-dJ-9abc_498_508.wav", "street/1.WAV", "--run", run_folder)
    assert code == 2 and "whose name begins with a dash, write ./-dJ-9abc_498_508.wav" in err
    code, out, err = sedlib("detect", "./-dJ-9abc_498_508.wav", "--run", run_folder)
    assert code == 0 and "\n-dJ-9abc_498_508.wav\t" in out, err
    code, _, err = sedlib("detect", "street/1.WAV", "-x", "--run", run_folder)
    assert code == 2 and "begins with a dash" not in err


def test_the_home_in_a_path_that_no_shell_has_seen(run_folder, recordings, monkeypatch):
    monkeypatch.setenv("HOME", str(recordings / "street"))
    code, _, err = sedlib("detect", "~/1.WAV", "--run", run_folder, "--out=~/results/e.tsv")
    assert code == 0 and (recordings / "street/results/e.tsv").is_file() and not Path("~").exists(), err


def test_a_run_may_be_shorter_or_longer_than_its_profile(run_folder):
    assert len((run_folder / "metrics.csv").read_text().splitlines()) == 1 + 1


def test_runs_lists_them_with_state_and_scores(run_folder, workspace):
    code, out, err = sedlib("runs", run_folder.parent)
    assert code == 0, err
    header, row = out.splitlines()
    assert header.split()[:3] == ["run", "system", "profile"]
    scores = json.loads((run_folder / "results.json").read_text())
    assert {"run", "baseline", "smoke", "tiny", "3", "scored", "15/15"} <= set(row.split())
    assert row.split()[-3:-1] == [
        f"{100 * scores['public']['event_f1']['macro']:.1f}",
        f"{scores['validation']['psds']['value']:.3f}",
    ]
    for arguments in ([], [workspace]):  # nothing there yet, then a folder without runs
        code, out, err = sedlib("runs", *arguments)
        assert code == 0 and "no runs; `sedlib train` makes one" in out, err


def test_evaluate_prints_a_table_and_writes_fractions(run_folder, tiny, tmp_path):
    reference = tiny / "metadata/validation/validation.tsv"
    code, out, _ = sedlib(
        "evaluate", "--reference", reference, "--predictions", reference, "--json", tmp_path / "s.json"
    )
    assert code == 0 and "100.00" in out
    scores = json.loads((tmp_path / "s.json").read_text())
    assert scores["event_f1"]["macro"] == scores["event_f1"]["micro"] == scores["segment_f1"]["macro"] == 1
    assert set(scores["event_f1"]) >= {"macro", "micro", "ci95", "per_class"}
    code, _, err = sedlib(
        "evaluate",
        "--reference",
        reference,
        "--predictions",
        run_folder / "validation.tsv",
        "--scores",
        run_folder / "validation.npz",
        "--alpha-ct",
        0.5,
        "--json",
        tmp_path / "s.json",
    )
    assert code == 0, err
    assert json.loads((tmp_path / "s.json").read_text())["psds"]["value"] >= 0


def test_check_tells_good_from_broken(tiny, tmp_path):
    code, out, _ = sedlib("data", "check", tiny)
    assert code == 0 and "validation: 6 clips" in out
    folder = tmp_path / "audio" / "validation"
    folder.mkdir(parents=True)
    (folder / "a.wav").write_bytes(b"")
    table = tmp_path / "metadata" / "validation" / "validation.tsv"
    table.parent.mkdir(parents=True)
    table.write_text("filename\tonset\toffset\tevent_label\na.wav\t0\t1\tDogs\n")
    code, out, _ = sedlib("data", "check", tmp_path)
    assert code == 1 and "Dogs" in out and "did you mean 'Dog'?" in out


def test_mini_makes_the_same_data_as_the_library(tmp_path, monkeypatch):
    from minidesed import generate

    monkeypatch.setitem(
        generate.SIZES, "smoke", {"synthetic": 2, "weak": 1, "unlabel_in_domain": 1, "validation": 1, "public": 1}
    )
    for name in ("a", "b"):
        assert sedlib("data", "mini", tmp_path / name, "--profile", "smoke", "--seed", 5)[0] == 0
    one, two = (sorted(p for p in (tmp_path / name).rglob("*") if p.is_file()) for name in ("a", "b"))
    assert len(one) >= 6 + 5 and [p.read_bytes() for p in one] == [p.read_bytes() for p in two]


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["train", "--system", "baselin"], "system 'baselin' does not exist; did you mean 'baseline'?"),
        (
            ["train", "--epochs", "30"],
            "--epochs 30: a run of another length must not be mixed with the profile's; give it a",
        ),
        (["train", "--profile", "papers"], "profile 'papers' does not exist; choose one of paper, lesson, smoke"),
        (["train", "--data", "NOWHERE"], "'NOWHERE': no such folder"),
        (["data", "check", "NOWHERE"], "NOWHERE"),
        (["data", "mini", "x", "--profile", "huge"], "profile 'huge'"),
        (["data", "soundbank", "NOWHERE", "x"], "NOWHERE"),
        (
            ["train", "--system", "ensemble"],
            "system 'ensemble' is an average of others and is not trained itself; train ppcen_logmel",
        ),
        (["reproduce", "--table", "4"], "table 4 does not exist; the paper has tables 1, 2 and 3"),
        (
            ["reproduce", "--cluster", "nimbus"],
            "cluster 'nimbus': neither a profile here (slurm) nor a folder with a config.yaml",
        ),
        (["train", "--profile", "smoke", "--run", "here.tsv"], "here.tsv: is a file, but a folder is needed"),
        (["data", "mini", "here.tsv", "--profile", "smoke"], "here.tsv: is a file, but a folder is needed"),
        (["stub", "00", "."], ".: the name of a notebook must end with .ipynb"),
        (
            ["stub", "00", "here.ipynb"],
            "here.ipynb: exists already, perhaps with work in it; give another name, or --force",
        ),
        (["runs", "NOWHERE"], "NOWHERE: no such folder"),
        (["detect", "none.wav", "--run", "NOWHERE"], "NOWHERE: not a run folder"),
        (["evaluate", "--reference", "r.tsv", "--predictions", "p.tsv"], "r.tsv: no such file"),
    ],
)
def test_a_mistake_is_one_line_and_a_failure(arguments, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("here.tsv", "here.ipynb"):
        Path(name).touch()
    code, _, err = sedlib(*arguments)
    assert code == 1 and message in err
    assert len(err.strip().splitlines()) == 1 and "Traceback" not in err


def test_wrong_tables_are_one_line_errors(tmp_path):
    good = "filename\tonset\toffset\tevent_label\n"
    for content, message in (
        ("file\tonset\toffset\tevent_label\n", "columns are"),
        (good + "a.wav\t0\t1\tdog\n", "line 2: label 'dog' is not one of the 10 classes; did you mean 'Dog'?"),
        (good + "a.wav\t2\t1\tDog\n", "offset 1 lies before onset 2"),
    ):
        (tmp_path / "t.tsv").write_text(content)
        code, _, err = sedlib("evaluate", "--reference", tmp_path / "t.tsv", "--predictions", tmp_path / "t.tsv")
        assert code == 1 and message in err and len(err.strip().splitlines()) == 1
