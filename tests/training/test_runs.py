"""Run folders: killed at any moment, damaged anywhere, used twice at once, started otherwise."""

import dataclasses
import fcntl
import json
import multiprocessing
import os
import random
import shutil
import signal
import threading
import time
import warnings
import zipfile
from itertools import product
from pathlib import Path

import pytest
import torch

from sedlib.config import PROFILES
from sedlib.errors import SedError
from sedlib.files import read_json
from sedlib.models import Detector
from sedlib.training import Run
from sedlib.training import runs as module

CONFIG = PROFILES["smoke"]
FORK = multiprocessing.get_context("fork")


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    """A folder that says how it was generated, all that `start` asks for."""
    folder = tmp_path_factory.mktemp("data") / "made"
    folder.mkdir()
    (folder / "dataset.json").write_text('{"seed": 0}')
    return folder


@pytest.fixture
def run(tmp_path, data) -> Run:
    run = Run(tmp_path / "run")
    run.start(CONFIG, data, 0)
    return run


def state(step: int) -> dict:
    generator = torch.Generator().manual_seed(step)
    return {"step": step, "weight": torch.randn(3, 40, generator=generator), "rows": [{"loss": step / 3}], "none": None}


def equal(one: dict, other: dict) -> bool:
    plain = ("step", "rows", "none")
    return torch.equal(one["weight"], other["weight"]) and all(one[name] == other[name] for name in plain)


def damage(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[1000] ^= 0xFF
    path.write_bytes(content)


# Checkpoints


def test_a_checkpoint_comes_back_and_goes_when_it_is_removed(run):
    assert run.load_checkpoint() is None
    for step in (1, 2, 3):
        run.save_checkpoint(state(step))
        loaded = run.load_checkpoint()
        assert equal(loaded, state(step))
    assert loaded["format"] == module.FORMAT
    assert equal(run.load("checkpoint-before.pt"), state(2))
    run.remove_checkpoints()
    assert not list(run.folder.glob("checkpoint*"))


class Killed(BaseException):
    """Nothing after it is done, as after SIGKILL."""


def killed_at(moment: int, monkeypatch, action) -> bool:
    """Stop ``action`` at its ``moment``-th step towards the disk; a file that is being written is left half written."""
    left = [moment]

    def step(original, torn=False):
        def stepped(*arguments):
            left[0] -= 1
            if left[0] == 0:
                if torn:
                    original(*arguments)
                    os.truncate(arguments[0], arguments[0].stat().st_size // 2)
                raise Killed
            return original(*arguments)

        return stepped

    with monkeypatch.context() as patched:
        patched.setattr(Path, "write_bytes", step(Path.write_bytes, torn=True))
        patched.setattr(os, "fsync", step(os.fsync))
        patched.setattr(Path, "replace", step(Path.replace))
        try:
            action()
        except Killed:
            return True
    return False


@pytest.mark.parametrize("moments", list(product(range(1, 6), repeat=2)))
@pytest.mark.parametrize("saved", [0, 1, 2])
def test_killed_at_any_moment_of_two_savings_a_whole_checkpoint_remains(run, monkeypatch, saved, moments):
    for step in range(1, saved + 1):
        run.save_checkpoint(state(step))
    expected = saved
    for moment in moments:
        killed = killed_at(moment, monkeypatch, lambda: run.save_checkpoint(state(expected + 1)))
        if not killed:
            expected += 1
        loaded = run.load_checkpoint()
        assert loaded is None if expected == 0 else equal(loaded, state(expected)), (moment, killed)


@pytest.mark.parametrize("moment", range(1, 4))
def test_killed_in_the_saving_after_a_damage_a_whole_checkpoint_remains(run, monkeypatch, moment):
    run.save_checkpoint(state(1))
    run.save_checkpoint(state(2))
    damage(run.folder / "checkpoint.pt")
    with pytest.warns(UserWarning):
        assert equal(run.load_checkpoint(), state(1))
    killed_at(moment, monkeypatch, lambda: run.save_checkpoint(state(2)))
    assert equal(run.load_checkpoint(), state(1))


def test_killed_in_earnest(run):
    """SIGKILL at random moments: what was saved before is never lost."""
    saved = FORK.Value("i", 0)

    def save_for_ever(first: int) -> None:
        for step in range(first, 10**6):
            run.save_checkpoint(state(step))
            saved.value = step

    chance = random.Random(0)
    for _ in range(15):
        loaded = run.load_checkpoint() or {"step": 0}
        assert loaded["step"] >= saved.value and (loaded["step"] == 0 or equal(loaded, state(loaded["step"])))
        before = saved.value
        process = FORK.Process(target=save_for_ever, args=(loaded["step"] + 1,))
        process.start()
        while saved.value < before + 2:
            assert process.is_alive()
            time.sleep(0.001)
        time.sleep(chance.uniform(0, 0.01))
        os.kill(process.pid, signal.SIGKILL)
        process.join()


def test_a_changed_byte_anywhere_is_noticed_or_changes_nothing(run):
    """Bits all over the file. 0x10 in the attributes of an entry of the zip's directory passes every checksum, and
    torch.load would return memory that nobody wrote."""
    run.save("weights.pt", state(1))
    path = run.folder / "weights.pt"
    content = path.read_bytes()
    with zipfile.ZipFile(path) as file:
        directory = file.start_dir
    changes = [(offset, 1 << offset % 8) for offset in [*range(0, directory, 11), *range(directory, len(content))]]
    changes += [(offset, 0x10) for offset in range(directory, len(content))]
    noticed = 0
    for offset, mask in changes:
        path.write_bytes(content[:offset] + bytes([content[offset] ^ mask]) + content[offset + 1 :])
        try:
            assert equal(run.load("weights.pt"), state(1)), (offset, mask)
        except SedError as error:
            assert f"{path}: damaged" in str(error) and "remove it" in str(error)
            noticed += 1
    assert noticed > len(changes) / 4, "the rest is padding and what is written twice"


def test_a_torn_file_is_noticed(run):
    """Also one whose end is zeros, unless all but the zip's last, redundant record of 22 bytes is there."""
    run.save("weights.pt", state(1))
    path = run.folder / "weights.pt"
    content = path.read_bytes()
    for length in [*range(0, len(content), 61), len(content) - 1]:
        for torn in {content[:length], content[:length] + bytes(len(content) - length)} - {content}:
            path.write_bytes(torn)
            if len(torn) == len(content) and length > len(content) - 22:
                assert equal(run.load("weights.pt"), state(1))
                continue
            with pytest.raises(SedError, match="weights.pt: damaged"):
                run.load("weights.pt")


def test_a_file_that_would_run_code_is_refused(run):
    torch.save({"format": module.FORMAT, "path": Path("a")}, run.folder / "weights.pt")
    with pytest.raises(SedError, match="weights.pt: damaged or not written by this sedlib.*UnpicklingError"):
        run.load("weights.pt")


def test_the_checkpoint_before_a_damaged_one_is_used_and_said(run):
    for step in (1, 2):
        run.save_checkpoint(state(step))
    newest = run.folder / "checkpoint.pt"
    damage(newest)
    with pytest.warns(UserWarning, match=f"{newest}: damaged.*from the one before it, checkpoint-before.pt"):
        assert equal(run.load_checkpoint(), state(1))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert equal(run.load_checkpoint(), state(1))


def test_without_any_whole_checkpoint_all_are_named(run):
    run.save_checkpoint(state(1))
    damage(run.folder / "checkpoint.pt")
    with pytest.raises(SedError, match="checkpoint.pt: damaged.*no checkpoint is intact; remove them"):
        run.load_checkpoint()
    shutil.copy(run.folder / "checkpoint.pt", run.folder / "checkpoint-before.pt")
    with pytest.raises(SedError, match="checkpoint.pt: damaged.*checkpoint-before.pt: damaged.*remove them"):
        run.load_checkpoint()


def test_another_format_is_named(run, monkeypatch):
    run.save_checkpoint(state(1))
    monkeypatch.setattr(module, "FORMAT", 98)
    message = r"checkpoint.pt: damaged or not .* has format \d, this sedlib reads format 98.*remove"
    with pytest.raises(SedError, match=message):
        run.load_checkpoint()
    torch.save({"teacher": {}}, run.folder / "weights.pt")  # as sedlib wrote them before there were numbers
    with pytest.raises(SedError, match=r"weights.pt: damaged or not .* has format 1, this sedlib"):
        run.load("weights.pt")
    monkeypatch.setattr(module, "FORMAT", 1)
    assert run.load("weights.pt") == {"teacher": {}}


# One process at a time


def hold(run: Run, held, until) -> None:
    with run.only_one():
        held.set()
        until.wait(60)


def test_another_process_is_refused_at_once_and_a_killed_one_is_forgotten(run):
    held = FORK.Event()
    process = FORK.Process(target=hold, args=(run, held, FORK.Event()))
    process.start()
    assert held.wait(60) and run.state == "running"
    with pytest.raises(SedError, match="run: another process is training in this folder"), run.only_one():
        pass
    os.kill(process.pid, signal.SIGKILL)
    process.join()
    assert run.state == "stopped"
    with run.only_one():
        assert run.state == "running"
    assert run.state == "stopped"


def test_who_looks_at_the_state_keeps_no_training_from_starting(run):
    (run.folder / "lock").touch()
    with (run.folder / "lock").open() as look:
        fcntl.flock(look, fcntl.LOCK_EX)
        threading.Timer(0.02, look.close).start()
        with run.only_one():
            pass


# Starting again


def test_another_configuration_data_or_seed_is_refused(run, data, tmp_path):
    run.start(CONFIG, data, 0)
    with pytest.raises(SedError, match=r"training.ema was 0.9, is 0.5.*remove the folder"):
        run.start(dataclasses.replace(CONFIG, training=dataclasses.replace(CONFIG.training, ema=0.5)), data, 0)
    with pytest.raises(SedError, match="seed was 0, is 1"):
        run.start(CONFIG, data, 1)
    other = tmp_path / "elsewhere" / data.name
    shutil.copytree(data, other)
    run.start(CONFIG, other, 0)
    (other / "dataset.json").write_text('{"seed": 1}')
    with pytest.raises(SedError, match="data_version.seed was 0, is 1"):
        run.start(CONFIG, other, 0)


def test_a_name_that_is_missing_is_another_configuration(tmp_path, data):
    """Also one whose value is none."""
    run = Run(tmp_path / "other")
    config = dataclasses.replace(CONFIG, training=dataclasses.replace(CONFIG.training, steps_per_epoch=None))
    run.start(config, data, 0)
    record = read_json(run.folder / "config.json")
    del record["config"]["training"]["steps_per_epoch"]
    (run.folder / "config.json").write_text(json.dumps(record))
    with pytest.raises(SedError, match="config.training.steps_per_epoch was missing, is None"):
        run.start(config, data, 0)


def test_recordings_that_changed_are_refused(tiny, tmp_path):
    """Of what a training reads: the tables, and the files' sizes; other files in the folders do not matter."""
    root = tmp_path / "recordings"
    shutil.copytree(tiny, root)
    (root / "dataset.json").unlink()
    run = Run(tmp_path / "run")
    run.start(CONFIG, root, 0)
    (root / "audio/train/weak/.DS_Store").write_text("x")
    (root / "metadata/validation/validation.tsv").unlink()
    run.start(CONFIG, root, 0)
    clip = next((root / "audio/train/weak").glob("*.wav"))
    content = clip.read_bytes()
    clip.unlink()
    with pytest.raises(SedError, match=r"data_version.weak.bytes was \d+, is \d+; data_version.weak.clips was 6, is 5"):
        run.start(CONFIG, root, 0)
    clip.write_bytes(content + b"x")
    with pytest.raises(SedError, match="data_version.weak.bytes"):
        run.start(CONFIG, root, 0)
    clip.write_bytes(content)
    labels = root / "metadata/train/weak.tsv"
    labels.write_text(labels.read_text() + "more.wav\tDog\n")
    with pytest.raises(SedError, match="data_version.weak.table_crc32"):
        run.start(CONFIG, root, 0)
    alone = dataclasses.replace(CONFIG, training=dataclasses.replace(CONFIG.training, weak=0, unlabelled=0))
    shutil.rmtree(root / "audio/train/weak")
    Run(tmp_path / "alone").start(alone, root, 0)


def test_going_on_otherwise_is_warned_about(run, data, monkeypatch):
    def start() -> list[str]:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            run.start(CONFIG, data, 0)
        return [str(warning.message) for warning in caught]

    run.save_checkpoint(state(1))
    assert start() == []
    monkeypatch.setattr(torch, "get_num_threads", lambda: 99)
    (message,) = start()
    assert "threads was" in message and "is 99" in message and "last bits" in message
    run.remove_checkpoints()
    assert start() == [] and json.loads((run.folder / "versions.json").read_text())["threads"] == 99
    monkeypatch.undo()
    run.save("weights.pt", {})
    for leftover in (False, True):
        if leftover:
            run.save_checkpoint(state(1))
        assert start() == [], "a finished training does not go on"
        assert json.loads((run.folder / "versions.json").read_text())["threads"] == 99


def test_a_training_without_its_configuration_is_not_gone_on_with(run, data):
    (run.folder / "config.json").unlink()
    run.start(CONFIG, data, 0)
    run.save_checkpoint(state(1))
    (run.folder / "config.json").unlink()
    with pytest.raises(SedError, match="config.json is missing"):
        run.start(CONFIG, data, 0)


# Divergence


def test_a_diverged_run_says_what_happened_and_detects_with_its_last_good_weights(run, data):
    run.diverged(120, "weak", "the loss weak is nan")
    shown = "run: the training diverged at step 120: the loss weak is nan"
    with pytest.raises(SedError, match=shown):
        run.detector()
    weights = Detector(CONFIG).state_dict()
    run.save("weights.pt", {"student": weights, "teacher": weights})
    assert not run.finished and run.state == "diverged"
    with pytest.raises(SedError, match=shown + ".*lower learning_rate or another seed, or remove"):
        run.start(CONFIG, data, 0)
    run.detector()
    (run.folder / "diverged.json").write_text("{}")
    with pytest.raises(SedError, match="diverged.json: damaged"):
        run.start(CONFIG, data, 0)
