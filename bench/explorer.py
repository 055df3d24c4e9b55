"""How long the PCEN explorer takes to follow a slider: a clip of 10 s at the paper's size, on one core.

From the new state to the PNG and its description, which is all that the kernel does; sending it and showing it come on
top. 150 ms still feel like one movement.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace

import numba
import numpy as np

from bench import threads
from sedcourse.explorer import PRESETS, SOUNDS, Explorer, State, description, panels, picture, sound, spectrogram


def main(rounds: int = 30) -> None:
    """Print medians and the 90th percentile; CPU time beside them, for a busy machine."""
    numba.set_num_threads(1)
    with threads(1):
        for name in ("Fixed 2", "Released"):
            state = State(sound=next(iter(SOUNDS)), **PRESETS[name].changes)
            logmel = spectrogram(sound(state.sound), state.features)
            shown = panels(state, logmel)
            print(f"  {name}: {len(state.layers)} layer(s), {state.energy}, {state.smoother}")
            report("equation (3)", [lambda: panels(state, logmel)] * rounds)
            report("picture as PNG", [lambda: picture(state, shown)] * rounds)
            report("description", [lambda: description(state, shown)] * rounds)
            explorer, first, rest = Explorer(), state.layers[0], state.layers[1:]
            explorer.show(state)
            alphas = [0.3 + 0.02 * k for k in range(rounds)]
            changes = [replace(state, layers=(replace(first, alpha=alpha), *rest)) for alpha in alphas]
            explorer.show(replace(state, layers=(replace(first, alpha=0.3 + 0.02 * rounds), *rest)))
            changed = [lambda change=change: explorer.show(change) for change in changes]
            report("one change of a slider, all of it", changed)


def report(part: str, runs: list[Callable[[], object]]) -> None:
    times = []
    for run in runs:
        wall, cpu = time.perf_counter(), time.process_time()
        run()
        times.append((1000 * (time.perf_counter() - wall), 1000 * (time.process_time() - cpu)))
    (wall, cpu), slow = np.median(times, axis=0), np.quantile(times, 0.9, axis=0)[0]
    print(f"    {part:<34}{wall:>7.1f} ms, one in ten over {slow:>6.1f} ms; CPU {cpu:>6.1f} ms")


if __name__ == "__main__":
    main()
