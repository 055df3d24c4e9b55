"""Speed, beside a peer in the same run where there is one: ``make bench``, or ``python -m bench metrics`` for one part.

Competitors take turns, and ratios are taken within a round, so that other work on the machine hits all of them.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager

import numpy as np
import torch
from threadpoolctl import threadpool_limits


def take_turns(contestants: Mapping[str, Callable[[], object]], rounds: int) -> None:
    """Print the median milliseconds of each, and its ratio to the first (median of the rounds' ratios)."""
    for run in contestants.values():
        run()  # compile, load
    rows = [[1000 * seconds(run) for run in contestants.values()] for _ in range(rounds)]
    for name, spent, ratio in _medians(contestants, rows):
        print(f"  {name:<52}{spent:>10.2f} ms   x{ratio:.2f}")


def processes_take_turns(contestants: Mapping[str, list[str]], rounds: int) -> None:
    """Do the same with new processes: a module and its arguments, printing seconds and the peak of memory in MB."""
    rows, memory = [], {}
    for _ in range(rounds):
        rows.append([])
        for name, arguments in contestants.items():
            command = [sys.executable, "-m", *arguments]
            spent, megabytes = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()
            rows[-1].append(float(spent))
            memory[name] = float(megabytes) / 1e3
    for name, spent, ratio in _medians(contestants, rows):
        print(f"  {name:<52}{spent:>10.3f} s    x{ratio:.2f}   {memory[name]:.1f} GB")


def _medians(names: Iterable[str], rows: list[list[float]]) -> Iterator[tuple[str, float, float]]:
    times = np.array(rows)
    return zip(names, np.median(times, axis=0), np.median(times[:, :1] / times, axis=0), strict=True)


def seconds(function: Callable[[], object]) -> float:
    """Time one call."""
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


@contextmanager
def threads(count: int) -> Iterator[None]:
    """Limit torch, and the matrix products of numpy and scipy."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    with threadpool_limits(count):
        yield
    torch.set_num_threads(before)
