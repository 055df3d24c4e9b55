"""Log-Mel of a batch of 24 clips beside librosa's, at the paper's size, each in processes of its own.

In one process each would wait for the other's threads, which spin for a while after their work.
"""

from __future__ import annotations

import statistics
import sys

import torch

from bench import processes_take_turns, seconds
from bench.released import logmel
from sedlib.config import PROFILES
from sedlib.features import LogMel
from sedlib.training.loop import keep_freed_memory
from sedlib.training.telemetry import peak_memory


def main(rounds: int = 5) -> None:
    """Print the comparison."""
    contestants = {"librosa, clip by clip, Mel matrix kept": "librosa", "sedlib": "sedlib"}
    processes_take_turns({name: ["bench.frontend", which] for name, which in contestants.items()}, rounds)


if __name__ == "__main__":
    config = PROFILES["paper"]
    ours, waveforms = LogMel(config.features), 0.1 * torch.randn(24, config.features.samples)
    bands = ours.bands.numpy()
    if sys.argv[1] == "sedlib":
        keep_freed_memory()
        times = [seconds(lambda: ours(waveforms)) for _ in range(7)]
    else:
        times = [seconds(lambda: [logmel(w, config, bands) for w in waveforms.numpy()]) for _ in range(7)]
    print(statistics.median(times[2:]), peak_memory(torch.device("cpu"))["memory_mb"])
