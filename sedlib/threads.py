"""One number of threads for torch and numba, which share one OpenMP."""

from __future__ import annotations

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
