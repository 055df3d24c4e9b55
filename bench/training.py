"""Training steps and evaluation beside the released architecture, and how long a training waits for its input.

The allocator is set for a whole process, so that every contestant runs in processes of its own, and they take turns.
"""

from __future__ import annotations

import dataclasses
import statistics
import sys
import tempfile
import time
from pathlib import Path

import torch

from bench import processes_take_turns
from bench.released import Training, logmel
from minidesed import generate
from sedlib.config import PROFILES, Config
from sedlib.models import Detector
from sedlib.training import MeanTeacher, add_noise, train
from sedlib.training.loop import keep_freed_memory, own_fabric
from sedlib.training.telemetry import peak_memory

CLIPS = 1168  # of DESED's development set
BATCHES = 4  # of 32 clips: what an evaluation is measured on


def random_batch(config: Config) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Spectrograms, strong and weak labels of a batch."""
    t, f = config.training, config.features
    features = 20 * torch.randn(t.strong + t.weak + t.unlabelled, 1, f.n_mels, f.frames) - 40
    return features, torch.zeros(t.strong, config.frames, 10), torch.zeros(t.weak, 10)


def released_step(config: Config, steps: int) -> list[float]:
    training, (features, strong, weak) = Training(config), random_batch(config)
    turned = ((features + 40) / 20).transpose(2, 3).contiguous()
    return [_time(lambda: training.step(turned, add_noise(turned, 30), strong, weak)) for _ in range(steps)]


def sedlib_step(config: Config, steps: int) -> list[float]:
    keep_freed_memory()
    learner = MeanTeacher(Detector(config).to(memory_format=torch.channels_last), config, own_fabric(), 1)
    features, strong, weak = random_batch(config)
    features = features.contiguous(memory_format=torch.channels_last)
    return [_time(lambda: learner.step(step, (features, features), strong, weak)) for step in range(steps)]


def released_evaluation(config: Config) -> float:
    network, bands = Training(config).teacher.eval(), Detector(config).logmel.bands.numpy()
    waveforms = 0.1 * torch.randn(32, config.features.samples)

    @torch.no_grad()
    def evaluate() -> None:
        levels = torch.stack([torch.from_numpy(logmel(waveform, config, bands)) for waveform in waveforms.numpy()])
        network(levels[:, None].transpose(2, 3))

    evaluate()
    return CLIPS / 32 * statistics.median(_time(evaluate) for _ in range(BATCHES))


def sedlib_evaluation(config: Config) -> float:
    keep_freed_memory()
    detector = Detector(config).to(memory_format=torch.channels_last).eval()
    waveforms = 0.1 * torch.randn(32, config.features.samples)

    @torch.no_grad()
    def evaluate() -> None:
        detector(detector.features(waveforms))

    evaluate()
    return CLIPS / 32 * statistics.median(_time(evaluate) for _ in range(BATCHES))


def _time(function) -> float:
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


CONTESTANTS = {"released": released_step, "sedlib": sedlib_step}


def main(rounds: int = 3) -> None:
    """Print the comparisons."""
    for profile in ("paper", "lesson"):
        print(f"a training step of 24 clips, profile {profile}")
        processes_take_turns(
            {
                "released architecture, plainly": ["bench.training", "released", profile],
                "sedlib": ["bench.training", "sedlib", profile],
            },
            rounds,
        )
    print(f"evaluation of {CLIPS} clips from their waveforms (measured on {BATCHES} x 32), profile paper")
    processes_take_turns(
        {
            "librosa and released architecture": ["bench.training", "released", "evaluation"],
            "sedlib": ["bench.training", "sedlib", "evaluation"],
        },
        rounds,
    )
    waits()


def waits(steps: int = 12) -> None:
    """Train a few steps at paper size from a store, and say what share of the time the loop waited for input."""
    paper = PROFILES["paper"]
    config = dataclasses.replace(paper, training=dataclasses.replace(paper.training, epochs=1, steps_per_epoch=steps))
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder) / "data"
        generate.mini(data, {"synthetic": 40, "weak": 40, "unlabel_in_domain": 80}, seed=0, progress=False)
        row = train(config, data, 0, Path(folder) / "run", progress=False).metrics.iloc[-1]
    print(
        f"  paper size, waveforms from the store: {100 * row['wait_share']:.2f} % of the steps' time is waiting "
        f"for input, {1 / row['steps_per_s']:.2f} s a step with its spectrograms"
    )


if __name__ == "__main__":
    contestant, what = sys.argv[1:]
    if what == "evaluation":
        seconds = {"released": released_evaluation, "sedlib": sedlib_evaluation}[contestant](PROFILES["paper"])
    else:
        times = CONTESTANTS[contestant](PROFILES[what], 6 if what == "paper" else 30)
        seconds = statistics.median(times[2:])
    print(seconds, peak_memory(torch.device("cpu"))["memory_mb"])
