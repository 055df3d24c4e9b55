"""numba beside torch: one number of threads for both, which share one OpenMP, and gradients written by hand."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numba


def share_threads() -> None:
    """Have numba use torch's number of threads; call it before every parallel numba function."""
    torch = sys.modules.get("torch")  # `decode` and `metrics` work without
    if torch is None:
        return
    threads = torch.get_num_threads()
    # numba sets what its documentation calls `numba.config` at run time.
    most = numba.config.NUMBA_NUM_THREADS  # pyright: ignore[reportPrivateImportUsage, reportAttributeAccessIssue]
    numba.set_num_threads(min(threads, most))
    if torch.get_num_threads() != threads:  # numba's first parallel call sets torch's number to its own
        torch.set_num_threads(threads)


@contextmanager
def one_thread() -> Iterator[None]:
    """Let torch compute with one thread: faster for networks of a few weights, above all on busy cores."""
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
    """Raise RuntimeError for a second derivative through the ``backward`` of an autograd function that numba computes.

    torch would take what it returns for constants; its own ``once_differentiable`` does not notice that where the
    incoming gradient has no graph, such as that of a sum.
    """

    @functools.wraps(backward)
    def checked(*arguments):
        if sys.modules["torch"].is_grad_enabled():
            raise RuntimeError("this function has no second derivative: leave out create_graph=True")
        return backward(*arguments)

    return checked
