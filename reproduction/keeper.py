"""A program that ends with the process that started it, and all that it started itself.

`sedlib reproduce` starts snakemake, snakemake starts jobs, a job starts the kernel of a lesson in a session of its own;
the explorer's page starts Voila and that a kernel. A container, a scheduler or ``kill`` sends its signal to the first
of them alone, and a killed process can send none. So between the first process and its program stands a keeper,
``python -m reproduction.keeper PROGRAM ...``:

- It holds the read end of a pipe whose write end only the first process has. However that ends, the operating system
  closes the pipe, and at the end of file the keeper kills everything at once (SIGKILL). That is safe for the batch:
  what is finished is kept.
- SIGINT, SIGTERM and SIGHUP, which `kept` passes on, become one SIGINT to the group of the program, as from Ctrl-C:
  trainings end, snakemake cancels its jobs on a cluster, Voila shuts its kernels down. What is left after `GRACE`
  seconds, or at a second signal, is killed.
- When the program has ended, whatever it left behind is killed. On Linux the keeper adopts orphans
  (PR_SET_CHILD_SUBREAPER), so it finds them in any session. Elsewhere it finds those in the program's group and those
  whose parent still lives.

The keeper and the program have a session and a group of their own: Ctrl-C at the terminal reaches the first process
alone, which passes it on once. Jobs on a cluster are children of its own daemons and none of the keeper's: only Ctrl-C
and the signals above cancel them, through snakemake, while a batch whose first process was killed leaves them to
finish. Nothing helps against SIGKILL to the keeper itself.
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
        before = {
            number: signal.getsignal(number)
            for number in STOPS
            if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN
        }
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
        The keeper, whose exit status is that of the program.

    Notes
    -----
    A `KeyboardInterrupt` inside the block, such as `Stopped`, lets the program end by itself; a second one kills it, as
    the end of the block does if it still runs.
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
    for number in (
        *STOPS,
        signal.SIGCHLD,
    ):  # a handler, unlike SIG_IGN, is not inherited: the program can be interrupted
        signal.signal(number, lambda *_: None)
    program = subprocess.Popen(command, stdin=subprocess.DEVNULL, process_group=0)
    end = None  # of the program's grace
    while (status := program.poll()) is None:
        ready, _, _ = select.select(
            [sys.stdin, signals], [], [], None if end is None else max(0.0, end - time.monotonic())
        )
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
