"""numba beside torch: one number of threads for both, which share one OpenMP, and gradients that are written by hand.

And a single thread for small networks.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numba


def share_threads() -> None:
    """Have numba use torch's number of threads; to be called before every parallel numba function.

    numba's first parallel call sets torch's number to its own, so that is set back.
    """
    torch = sys.modules.get("torch")  # `decode` and `metrics` work without
    if torch is None:
        return
    threads = torch.get_num_threads()
    numba.set_num_threads(min(threads, numba.config.NUMBA_NUM_THREADS))
    if torch.get_num_threads() != threads:
        torch.set_num_threads(threads)


@contextmanager
def one_thread() -> Iterator[None]:
    """Within it torch computes with one thread. Networks of a few weights are slower with more, and many times slower where
    other work keeps the cores busy, for threads wait for each other after every operation."""
    torch = sys.modules.get("torch")
    if torch is None:
        yield
        return
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def only_once(backward: Callable) -> Callable:
    """Refuse a second derivative through the ``backward`` of a `torch.autograd.Function` that numba computes.

    torch would take what it returns for constants. Its own ``once_differentiable`` notices that only where the gradient
    that comes in has itself a graph, which that of a sum has not.

    Raises
    ------
    RuntimeError
        With ``create_graph=True``.
    """

    @functools.wraps(backward)
    def checked(*arguments):
        if sys.modules["torch"].is_grad_enabled():
            raise RuntimeError("this function has no second derivative: leave out create_graph=True")
        return backward(*arguments)

    return checked
