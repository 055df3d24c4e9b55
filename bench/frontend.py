"""Log-Mel of a batch of 24 clips beside librosa's, at the paper's size, each in processes of its own.

In one process each would wait for the other's threads, which spin for a while after their work.
"""

from __future__ import annotations

import statistics
import sys
import time

import torch

from bench import processes_take_turns
from bench.released import logmel
from sedlib.config import PROFILES
from sedlib.features import LogMel
from sedlib.training.loop import keep_freed_memory
from sedlib.training.telemetry import peak_memory


def main(rounds: int = 5) -> None:
    """Print the comparison."""
    processes_take_turns(
        {
            "librosa, clip by clip, Mel matrix kept": ["bench.frontend", "librosa"],
            "sedlib": ["bench.frontend", "sedlib"],
        },
        rounds,
    )


if __name__ == "__main__":
    config = PROFILES["paper"]
    ours, waveforms = LogMel(config.features), 0.1 * torch.randn(24, config.features.samples)
    if sys.argv[1] == "sedlib":
        keep_freed_memory()
    times = []
    for _ in range(7):
        start = time.perf_counter()
        if sys.argv[1] == "sedlib":
            ours(waveforms)
        else:
            for waveform in waveforms.numpy():
                logmel(waveform, config, ours.bands.numpy())
        times.append(time.perf_counter() - start)
    print(statistics.median(times[2:]), peak_memory(torch.device("cpu"))["memory_mb"])
