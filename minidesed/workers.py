"""Processes that make clips, on all cores."""

from __future__ import annotations

import multiprocessing
import os
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing.synchronize import Event
from typing import TypeVar

from sedlib.errors import SedError

Result = TypeVar("Result")


def exit_while_importing() -> None:
    """End a process of the pool that comes here while it imports a script without ``if __name__ == "__main__":``.

    It would wait for a folder held by the process that waits for it; that process raises the error.
    """
    if getattr(multiprocessing.current_process(), "_inheriting", False):  # what multiprocessing itself tests
        sys.exit(1)


def run(function: Callable[..., Result], tasks: list[tuple], jobs: int) -> Iterator[Result]:
    """Yield results of ``function(*task)`` in any order, from ``jobs`` processes; with one job from this process.

    Raises
    ------
    SedError
        If no process can begin, because a script calls this without ``if __name__ == "__main__":``, or one is killed.
    """
    if jobs == 1:
        for task in tasks:
            yield function(*task)
        return
    # Fresh processes ("spawn") behave alike on every system and inherit no lock of a thread of the notebook's.
    spawn = multiprocessing.get_context("spawn")
    begun = spawn.Event()
    with _one_thread_each(), ProcessPoolExecutor(jobs, mp_context=spawn, initializer=_begin, initargs=(begun,)) as pool:
        try:
            for future in as_completed([pool.submit(function, *task) for task in tasks]):
                yield future.result()
        except BrokenProcessPool:
            raise SedError(
                "a process that made clips was killed (out of memory?); run the same again; finished work is kept"
                if begun.is_set()
                else "no process could start making clips: each imports the running script, so a script must call "
                'this under `if __name__ == "__main__":` (or with jobs=1)'
            ) from None
        finally:
            pool.shutdown(cancel_futures=True)


def _begin(begun: Event) -> None:
    """Report that this process could begin, and have it end when the one that started it is killed."""
    begun.set()
    starter = multiprocessing.parent_process()
    assert starter is not None

    def watch() -> None:
        starter.join()
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


@contextmanager
def _one_thread_each() -> Iterator[None]:
    """Give processes started inside one thread for linear algebra: there is one process per core already."""
    names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")
    before = {name: os.environ.get(name) for name in names}
    os.environ.update(dict.fromkeys(names, "1"))
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name) if value is None else os.environ.update({name: value})
