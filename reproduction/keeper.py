"""A program that ends with the process that started it, and with everything that it started itself.

`sedlib reproduce` starts snakemake, snakemake starts jobs, and a job starts a lesson's kernel in a session of its own;
a container, a scheduler or ``kill`` signals the first process alone, and a killed process cannot pass anything on. So
between the first process and its program stands a keeper, ``python -m reproduction.keeper PROGRAM ...``:

- It reads a pipe whose write end only the first process has. However that ends, the operating system closes the pipe,
  and the keeper kills everything at once (SIGKILL). That is safe: what is finished is kept.
- SIGINT, SIGTERM and SIGHUP, which `kept` passes on, become one SIGINT to the program's group, as from Ctrl-C:
  trainings end, snakemake cancels its jobs on a cluster. What is left after `GRACE`
  seconds, or at a second signal, is killed.
- When the program has ended, whatever it left is killed. On Linux the keeper adopts orphans in any session
  (PR_SET_CHILD_SUBREAPER); elsewhere it finds the program's group and children whose parent lives.
- Jobs on a cluster are no children of the keeper: only Ctrl-C and these signals cancel them, through snakemake.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import psutil

GRACE = 30  # seconds to end after SIGINT; cancelling jobs on a cluster may take most of them
STOPS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
SUBREAPER = 36  # PR_SET_CHILD_SUBREAPER of linux/prctl.h


class Stopped(KeyboardInterrupt):
    """SIGINT, SIGTERM or SIGHUP asked this process to end."""

    def __init__(self, number: int):
        self.signal = signal.Signals(number)
        super().__init__(f"stopped by {self.signal.name}")

    @property
    def status(self) -> int:
        """Exit status as a shell reports it: 130 after SIGINT, 143 after SIGTERM."""
        return 128 + self.signal


@contextmanager
def stoppable() -> Iterator[None]:
    """Raise `Stopped` inside the block at SIGINT, SIGTERM and SIGHUP; SIGHUP stays ignored under nohup.

    Only the main thread may set signal handlers; in another one the block runs as it is.
    """

    def stop(number: int, _: object) -> None:
        raise Stopped(number)

    before = {}
    if threading.current_thread() is threading.main_thread():
        before = {number: signal.getsignal(number) for number in STOPS}
        if before[signal.SIGHUP] == signal.SIG_IGN:
            del before[signal.SIGHUP]
    for number in before:
        signal.signal(number, stop)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, signal.SIG_DFL if handler is None else handler)


@contextmanager
def kept(command: Sequence[str | Path], **options) -> Iterator[subprocess.Popen]:
    """Run a program under a keeper; at the end of the block nothing of it is left.

    Parameters
    ----------
    command : sequence of str or path
    **options
        Of `subprocess.Popen`; not ``stdin``, which the program has empty.

    Yields
    ------
    subprocess.Popen
        The keeper, whose exit status is that of the program. A `KeyboardInterrupt` in the block, such as `Stopped`,
        lets the program end by itself; a second one kills it, as does the end of the block.
    """
    keeper = subprocess.Popen(
        [sys.executable, "-m", "reproduction.keeper", *map(str, command)],
        stdin=subprocess.PIPE,
        start_new_session=True,
        **options,
    )
    try:
        yield keeper
    except KeyboardInterrupt:
        keeper.terminate()
        keeper.wait()
        raise
    finally:
        assert keeper.stdin is not None
        keeper.stdin.close()
        keeper.wait()


def main(command: Sequence[str]) -> int:
    """Run the program until it ends, or standard input does; returns its exit status."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(SUBREAPER, 1, 0, 0, 0)
    signals, wakes = os.pipe()
    os.set_blocking(wakes, False)
    signal.set_wakeup_fd(wakes)
    for number in (*STOPS, signal.SIGCHLD):  # unlike SIG_IGN, a handler is not inherited: the program can be stopped
        signal.signal(number, lambda *_: None)
    program = subprocess.Popen(command, stdin=subprocess.DEVNULL, process_group=0)
    end = None  # of the program's grace
    while (status := program.poll()) is None:
        left = None if end is None else max(0.0, end - time.monotonic())
        ready, _, _ = select.select([sys.stdin, signals], [], [], left)
        asked = signals in ready and not set(STOPS).isdisjoint(os.read(signals, 64))
        if sys.stdin in ready or not ready or (asked and end is not None):
            break
        if asked:
            end = time.monotonic() + GRACE
            with contextlib.suppress(ProcessLookupError):
                os.killpg(program.pid, signal.SIGINT)
    _kill_family(program.pid)
    return 128 + signal.SIGKILL if status is None else 128 - status if status < 0 else status


def _kill_family(group: int) -> None:
    """Kill a process group and all descendants of this process, until none is left."""
    with contextlib.suppress(ProcessLookupError, PermissionError):  # macOS refuses where only zombies are left
        os.killpg(group, signal.SIGKILL)
    while True:
        for process in psutil.Process().children(recursive=True):
            with contextlib.suppress(psutil.Error):
                process.kill()
        try:
            while os.waitpid(-1, os.WNOHANG) != (0, 0):
                pass
        except ChildProcessError:  # all are gone
            return
        time.sleep(0.01)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
