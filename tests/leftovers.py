"""No test run leaves processes behind, however it ends: batches, servers, browsers, clusters and their daemons.

They run in sessions of their own and outlive whoever was killed. All have inherited a mark in their environment, and a
watch, which waits for the end of the test run, kills what bears it. (What the run has forked without starting a program
has no such mark, and ends by itself.)
"""

import contextlib
import os
import subprocess
import sys
import time
import uuid

import psutil

MARK = "SEDLIB_TEST_RUN"


def watch() -> None:
    """Mark all programs that this process starts from now on; when it has ended, they are killed."""
    mark = str(uuid.uuid4())
    environment = {name: value for name, value in os.environ.items() if name != MARK}
    watch.process = subprocess.Popen(
        [sys.executable, __file__, mark, str(os.getpid())],
        env=environment,
        start_new_session=True,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
    )  # whoever reads this one's output waits for its end alone
    os.environ[MARK] = mark


def marked(name: str, value: str) -> list[psutil.Process]:
    """Processes that began with a value in their environment."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if process.environ().get(name) == value and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
    return found


if __name__ == "__main__":
    with contextlib.suppress(psutil.NoSuchProcess):
        psutil.Process(int(sys.argv[2])).wait()
    while left := marked(MARK, sys.argv[1]):
        for process in left:
            with contextlib.suppress(psutil.Error):
                process.kill()
        time.sleep(0.05)
