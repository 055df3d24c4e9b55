"""A full disk: a clear error, nothing half written, nothing lost; with room again the same call succeeds."""

import errno
import multiprocessing
import os
import threading
import time

import numpy as np
import pandas as pd
import pytest
import torch
from disks import fill, small_disk

from sedlib import files
from sedlib.data import audio, layout, store, tables
from sedlib.data.tables import CLASSES
from sedlib.decode import Posteriors
from sedlib.errors import SedError
from sedlib.training import Run
from sedlib.training.runs import write_json

NOISE = np.random.default_rng(0)
SCORES = NOISE.random((20, 157, 10)).astype(np.float32)
TABLE = pd.DataFrame(
    {"filename": [f"{i:06d}.wav" for i in range(9000)], "onset": 0.0, "offset": 1.0, "event_label": "Dog"}
)
STATE = {"weights": torch.from_numpy(SCORES)}

WRITERS = {
    "weights.pt": lambda folder: Run(folder).save("weights.pt", STATE),
    "checkpoint.pt": lambda folder: Run(folder).save_checkpoint(STATE),
    "metrics.csv": lambda folder: Run(folder).write_metrics([{"step": i, "loss": 0.25} for i in range(9000)]),
    "results.json": lambda folder: write_json(folder / "results.json", {"x": list(range(9000))}),
    "validation.npz": lambda folder: Posteriors(SCORES, [f"{i}.wav" for i in range(20)], CLASSES, 0.064).save(
        folder / "validation.npz"
    ),
    "validation.tsv": lambda folder: tables.write(TABLE, folder / "validation.tsv"),
    "clip.wav": lambda folder: audio.write(folder / "clip.wav", NOISE.normal(0, 0.1, 160000)),
}


@pytest.mark.parametrize("name", WRITERS)
def test_a_full_disk_is_named_leaves_no_half_file_and_keeps_what_was_there(tmp_path, name):
    with small_disk(tmp_path / "disk", "1m") as disk:
        WRITERS[name](disk)
        before = (disk / name).read_bytes()
        ballast = fill(disk, leave=32768)
        with pytest.raises(SedError, match=f"{name}: No space left on device.*finished work is kept"):
            WRITERS[name](disk)
        assert sorted(path.name for path in disk.iterdir()) == ["ballast", name]
        assert (disk / name).read_bytes() == before
        ballast.unlink()
        WRITERS[name](disk)


def test_a_file_is_on_the_disk_before_it_has_its_name(tmp_path, monkeypatch):
    """After a power cut a name may otherwise stand for an empty file."""
    synced = []
    monkeypatch.setattr(
        os, "fsync", lambda file: synced.append((os.readlink(f"/proc/self/fd/{file}"), (tmp_path / "a.tsv").exists()))
    )
    with files.whole(tmp_path / "a.tsv") as partial:
        partial.write_text("text")
    assert synced == [(str(partial), False)] and (tmp_path / "a.tsv").read_text() == "text"


def test_clips_do_not_wait_for_the_disk(tmp_path, monkeypatch):
    """There are thousands of them, and the generator compares their lengths."""
    synced = []
    monkeypatch.setattr(os, "fsync", synced.append)
    audio.write(tmp_path / "clip.wav", NOISE.normal(0, 0.1, 100))
    assert not synced and os.listdir(tmp_path) == ["clip.wav"]
    audio.write(tmp_path / "sound.wav", NOISE.normal(0, 0.1, 100), sync=True)
    assert len(synced) == 1


def test_a_store_on_a_full_disk(tmp_path):
    root = tmp_path / "disk"
    with small_disk(root, "2m"):
        (root / layout.SUBSETS["validation"].audio).mkdir(parents=True)
        for clip in "abc":
            audio.write(root / layout.SUBSETS["validation"].audio / f"{clip}.wav", NOISE.normal(0, 0.1, 160000))
        tables.write(
            TABLE.iloc[:3].assign(filename=["a.wav", "b.wav", "c.wav"]), root / layout.SUBSETS["validation"].metadata
        )
        ballast = fill(root, leave=500_000)
        with pytest.raises(SedError, match="validation.int16: No space left.*make room"):
            store.open_store(root, "validation", progress=False)
        assert not list((root / "store").glob("*.int16*"))
        ballast.unlink()
        assert len(store.open_store(root, "validation", progress=False)) == 3


def test_a_checkpoint_that_does_not_fit_leaves_the_two_before_it(tmp_path):
    with small_disk(tmp_path / "disk", "1m") as disk:
        run = Run(disk)
        for step in (1, 2):
            run.save_checkpoint({"step": step, **STATE})
        fill(disk, leave=32768)
        with pytest.raises(SedError, match="checkpoint.pt: No space left"):
            run.save_checkpoint({"step": 3, **STATE})
        assert run.load_checkpoint()["step"] == 2
        (disk / "checkpoint.pt").unlink()
        assert run.load_checkpoint()["step"] == 1


def test_other_errors_are_not_called_a_full_disk(tmp_path):
    with pytest.raises(PermissionError), files.whole(tmp_path / "x") as partial:
        partial.write_text("half")
        raise PermissionError(errno.EACCES, "no")
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize(
    "error, fix",
    [
        (errno.ENOSPC, "make room there"),
        (errno.EROFS, "make it writable"),
        (errno.EACCES, "make it writable"),
        (errno.EEXIST, "give another name"),
        (errno.ENAMETOOLONG, "give a shorter name"),
    ],
)
def test_what_the_disk_refuses_is_one_line(tmp_path, workspace, monkeypatch, error, fix):
    for place, elsewhere in ((tmp_path / "a", True), ("/elsewhere/a", False), (None, True)):
        with (
            pytest.raises(SedError, match=f"^{place or workspace}: {os.strerror(error)}; {fix}") as raised,
            files.one_line(),
        ):
            raise OSError(error, os.strerror(error), place)
        assert ("SEDLIB_WORKSPACE" in str(raised.value)) == elsewhere


def test_errors_of_the_program_itself_stay_what_they_are():
    for error in (
        BrokenPipeError(errno.EPIPE, "no"),
        ConnectionRefusedError(errno.ECONNREFUSED, "no"),
        OSError("no number"),
    ):
        with pytest.raises(type(error)), files.one_line():
            raise error


FORK = multiprocessing.get_context("fork")


def hold(path, held) -> None:
    with files.locked(path):
        held.set()
        time.sleep(60)


@pytest.mark.parametrize("name", ["folder", "lock", "new/lock"])
def test_a_lock_is_refused_or_waited_for_and_goes_with_a_killed_process(tmp_path, capsys, name):
    (tmp_path / "folder").mkdir()
    path, held = tmp_path / name, FORK.Event()
    holder = FORK.Process(target=hold, args=(path, held))
    holder.start()
    assert held.wait(60)
    with pytest.raises(SedError, match="somebody is at it"), files.locked(path, "somebody is at it", wait=False):
        pass
    threading.Timer(0.2, holder.kill).start()
    with files.locked(path, "waiting"):
        assert capsys.readouterr().err == "waiting\n" and not holder.is_alive()
        if path.is_file():
            assert files.is_locked(path)
    with files.locked(path, "nobody is at it", wait=False):
        pass
    assert not files.is_locked(path) and not files.is_locked(tmp_path / "none")
    assert [*(tmp_path / "folder").iterdir()] == []


def test_a_pipe_is_written_to_as_it_is(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    reader = os.open(tmp_path / "pipe", os.O_RDONLY | os.O_NONBLOCK)
    files.check_output(tmp_path / "pipe")
    files.write_output(tmp_path / "pipe", "text")
    assert os.read(reader, 100) == b"text" and os.listdir(tmp_path) == ["pipe"]
    os.close(reader)
