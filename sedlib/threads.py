"""One number of threads for torch and numba, which share one OpenMP; and a single one for small networks."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numba
import torch


def share_threads() -> None:
    """Have numba use torch's number of threads; to be called before every parallel numba function.

    numba's first parallel call sets torch's number to its own, so that is set back.
    """
    threads = torch.get_num_threads()
    numba.set_num_threads(min(threads, numba.config.NUMBA_NUM_THREADS))
    if torch.get_num_threads() != threads:
        torch.set_num_threads(threads)


@contextmanager
def one_thread() -> Iterator[None]:
    """Within it torch computes with one thread. Networks of a few weights are slower with more, and many times slower where
    other work keeps the cores busy, for threads wait for each other after every operation."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
