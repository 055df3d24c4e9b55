"""The keeper: whatever signal ends the first process, nothing that it started is left, in whichever session it runs."""

import os
import signal
import subprocess
import sys
import time
import uuid
from pathlib import Path

import psutil
import pytest
from leftovers import marked

from reproduction.keeper import Stopped, kept, stoppable

# A program that ends at SIGINT, its child in another session and a grandchild whose parent has ended, which both ignore
# everything.
PROGRAM = """
import pathlib, subprocess, sys, time
deaf = "import signal, time\\nfor n in (1, 2, 15): signal.signal(n, signal.SIG_IGN)\\ntime.sleep(600)"
subprocess.Popen([sys.executable, "-c", deaf], start_new_session=True)
subprocess.run([sys.executable, "-c", f"import subprocess, sys; subprocess.Popen([sys.executable, '-c', {deaf!r}], start_new_session=True)"])
pathlib.Path(sys.argv[1]).touch()
try:
    time.sleep(600)
except KeyboardInterrupt:
    pathlib.Path(sys.argv[1]).with_name("interrupted").touch()
"""
DEAF = """
import pathlib, signal, sys, time
signal.signal(signal.SIGINT, lambda *_: pathlib.Path(sys.argv[1]).with_name("interrupted").touch())
pathlib.Path(sys.argv[1]).touch()
while True:
    time.sleep(600)
"""
FIRST = """
import sys
from reproduction.keeper import Stopped, kept, stoppable
try:
    with stoppable(), kept([sys.executable, "-c", *sys.argv[1:]]) as process:
        process.wait()
except Stopped as stopped:
    sys.exit(stopped.status)
"""
# A real batch of one job, whose second process has a session of its own and ignores SIGINT, as all that a shell starts
# with &.
WORKFLOW = """
rule job:
    output:
        "report/index.html",
    shell:
        "setsid sleep 600 & touch ready; sleep 600"
"""
BATCH = """
import pathlib, sys
from reproduction import batch
from sedlib.cli import cli
batch.GRAPH = pathlib.Path(sys.argv[1])
cli(["reproduce", "--profile", "smoke", "--table", "3"], prog_name="sedlib")
"""


@pytest.fixture
def mark(monkeypatch):
    """In the environment of a family of processes, of which none may be there at the end."""
    mark = f"family-{uuid.uuid4()}"
    monkeypatch.setenv("SEDLIB_TEST_FAMILY", mark)
    yield mark
    try:
        until(lambda: not family(mark))
    finally:
        for process in family(mark):
            process.kill()


@pytest.fixture
def begin(tmp_path, mark):
    """Starts the first process of a family."""

    def start(program: str, **options) -> subprocess.Popen:
        process = subprocess.Popen([sys.executable, "-c", FIRST, program, tmp_path / "ready"], **options)
        until((tmp_path / "ready").exists)
        return process

    return start


def family(mark: str) -> list[psutil.Process]:
    return [process for process in marked("SEDLIB_TEST_FAMILY", mark) if process.pid != os.getpid()]


def until(condition, seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_to_the_first_process_alone_interrupts_the_program_and_ends_the_rest(begin, mark, tmp_path, how):
    process = begin(PROGRAM)
    assert len(family(mark)) == 5
    process.send_signal(how)
    assert process.wait(60) == 128 + how
    assert (tmp_path / "interrupted").exists()
    assert not family(mark)  # when the first process ends, not later


def test_sigkill_to_the_first_process_ends_all(begin):
    begin(PROGRAM).kill()


def test_a_second_signal_kills_what_does_not_end(begin, tmp_path):
    process = begin(DEAF)
    process.terminate()
    until((tmp_path / "interrupted").exists)
    assert process.poll() is None
    process.terminate()
    assert process.wait(60) == 143


def test_a_program_that_ignores_the_signal_has_its_grace_and_no_more(tmp_path, monkeypatch):
    script = f"import sys, reproduction.keeper as k; k.GRACE = 1; sys.exit(k.main([sys.executable, '-c', {DEAF!r}, {str(tmp_path / 'ready')!r}]))"
    process = subprocess.Popen([sys.executable, "-c", script], stdin=subprocess.PIPE)
    until((tmp_path / "ready").exists)
    process.terminate()
    assert process.wait(60) == 137 and (tmp_path / "interrupted").exists()


def test_in_the_background_of_a_shell_too(begin):
    """Where SIGINT is ignored from the start; the program must be interruptible all the same."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        process = begin(PROGRAM)
    finally:
        signal.signal(signal.SIGINT, before)
    process.send_signal(signal.SIGINT)
    assert process.wait(60) == 130


def test_under_nohup_a_hangup_is_nothing(begin):
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        process = begin(PROGRAM)
    finally:
        signal.signal(signal.SIGHUP, before)
    process.send_signal(signal.SIGHUP)
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(0.5)
    process.terminate()
    assert process.wait(60) == 143


@pytest.mark.parametrize(
    "code, status", [("import sys; sys.exit(3)", 3), ("", 0), ("import os; os.kill(os.getpid(), 15)", 143)]
)
def test_the_status_is_the_programs(code, status):
    with kept([sys.executable, "-c", code]) as process:
        assert process.wait(60) == status


def test_the_end_of_the_block_ends_the_program_and_handlers_are_as_before():
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)]
    with (
        pytest.raises(Stopped, match="stopped by SIGTERM"),
        stoppable(),
        kept([sys.executable, "-c", "import time; time.sleep(600)"]) as process,
    ):
        os.kill(os.getpid(), signal.SIGTERM)
    assert process.returncode is not None
    with pytest.raises(ValueError), kept([sys.executable, "-c", "import time; time.sleep(600)"]) as process:
        raise ValueError
    assert process.returncode == 137
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)] == before


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_a_batch_ends_with_its_first_process(workspace, mark, how):
    (workspace / "Snakefile").write_text(WORKFLOW)
    batch = subprocess.Popen([sys.executable, "-c", BATCH, workspace / "Snakefile"], stderr=subprocess.PIPE, text=True)
    until((workspace / "ready").exists, 300)
    batch.send_signal(how)
    _, err = batch.communicate(timeout=25)  # before the grace is over
    if how == signal.SIGKILL:
        return  # the fixture waits for the others' end
    assert not family(mark) and batch.returncode == 128 + how
    assert (
        err.splitlines()[-1] == f"sedlib reproduce was stopped by {how.name}; the same command continues"
        and "Traceback" not in err
    )


LEAVES = """
import pathlib, subprocess, sys, time
import leftovers
leftovers.watch()
subprocess.Popen(["sleep", "600"], start_new_session=True)
pathlib.Path(sys.argv[1]).touch()
time.sleep(600)
"""


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_nothing_of_a_killed_test_run_is_left(mark, tmp_path, how):
    process = subprocess.Popen(
        [sys.executable, "-c", LEAVES, tmp_path / "ready"],
        stderr=subprocess.DEVNULL,
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[1])},
    )
    until((tmp_path / "ready").exists)
    process.send_signal(how)
    process.wait(60)
