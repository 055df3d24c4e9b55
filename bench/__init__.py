"""Speed, beside a peer in the same process where there is one: ``make bench``, or ``python -m bench metrics`` for one part.

Competitors take turns, and ratios are taken within a round, so that other work on the machine hits all of them.
"""

from __future__ import annotations

import statistics
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
        ratio = statistics.median(a / b for a, b in zip(first, spent))
        print(f"  {name:<52}{statistics.median(spent):>10.2f} ms   x{ratio:.1f}")
