"""Speed, beside a peer in the same run where there is one: ``make bench``, or ``python -m bench metrics`` for one part.

Competitors take turns, and ratios are taken within a round, so that other work on the machine hits all of them.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from collections.abc import Callable


def take_turns(contestants: dict[str, Callable], rounds: int) -> None:
    """Median milliseconds of each, and how many times faster than the first (median of the rounds' ratios)."""
    for run in contestants.values():
        run()  # compile, load
    times = {name: [] for name in contestants}
    for _ in range(rounds):
        for name, run in contestants.items():
            start = time.perf_counter()
            run()
            times[name].append(1000 * (time.perf_counter() - start))
    first = next(iter(times.values()))
    for name, spent in times.items():
        ratio = statistics.median(a / b for a, b in zip(first, spent, strict=True))
        print(f"  {name:<52}{statistics.median(spent):>10.2f} ms   x{ratio:.2f}")


def processes_take_turns(contestants: dict[str, list[str]], rounds: int) -> None:
    """As `take_turns`, each time in a new process: a module and its arguments, printing seconds and the peak of memory
    in MB."""
    times: dict[str, list[float]] = {name: [] for name in contestants}
    memory: dict[str, float] = {}
    for _ in range(rounds):
        for name, (module, *arguments) in contestants.items():
            command = [sys.executable, "-m", module, *arguments]
            said = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()
            times[name].append(float(said[0]))
            memory[name] = float(said[1]) / 1e3
    first = next(iter(times.values()))
    for name, spent in times.items():
        ratio = statistics.median(a / b for a, b in zip(first, spent, strict=True))
        print(f"  {name:<52}{statistics.median(spent):>10.3f} s    x{ratio:.2f}   {memory[name]:.1f} GB")
