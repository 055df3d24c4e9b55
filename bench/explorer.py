"""How long the PCEN explorer takes to follow a slider: a clip of 10 s at the paper's size, on one core.

From the new state to the PNG and its description, which is all that the kernel does; sending it and showing it come on
top. 150 ms still feel like one movement.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import replace

import numba
import torch

from sedcourse.explorer import PRESETS, SOUNDS, Explorer, State, description, panels, picture, sound, spectrogram


def main(rounds: int = 30) -> None:
    """Print medians and, of the whole change, the 90th percentile too; CPU time beside it, for a busy machine."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    numba.set_num_threads(1)
    try:
        for name in ("Fixed 2", "Released"):
            state = State(sound=next(iter(SOUNDS)), **PRESETS[name].changes)
            logmel = spectrogram(sound(state.sound), state.features)
            shown = panels(state, logmel)
            print(f"  {name}: {len(state.layers)} layer(s), {state.energy}, {state.smoother}")
            for part, run in (
                ("equation (3)", lambda: panels(state, logmel)),
                ("picture as PNG", lambda: picture(state, shown)),
                ("description", lambda: description(state, shown)),
            ):
                _report(part, [_timed(run) for _ in range(rounds)])
            explorer = Explorer()
            explorer.show(state)
            alphas = [0.3 + 0.02 * k for k in range(rounds + 1)]
            changes = [
                replace(state, layers=(replace(state.layers[0], alpha=alpha), *state.layers[1:])) for alpha in alphas
            ]
            explorer.show(changes.pop())
            _report("one change of a slider, all of it", [_timed(lambda: explorer.show(change)) for change in changes])
    finally:
        torch.set_num_threads(threads)
        numba.set_num_threads(threads)


def _timed(run: Callable[[], object]) -> tuple[float, float]:
    wall, cpu = time.perf_counter(), time.process_time()
    run()
    return 1000 * (time.perf_counter() - wall), 1000 * (time.process_time() - cpu)


def _report(part: str, times: list[tuple[float, float]]) -> None:
    wall, cpu = (sorted(values) for values in zip(*times, strict=True))
    print(
        f"    {part:<34}{statistics.median(wall):>7.1f} ms, one in ten over {wall[int(0.9 * len(wall))]:>6.1f} ms;"
        f" CPU {statistics.median(cpu):>6.1f} ms"
    )


if __name__ == "__main__":
    main()
