"""Training steps, evaluation and log-Mel beside the released architecture and librosa, and the waiting for input.

Every contestant runs in processes of its own, and they take turns: the allocator is set for a whole process, in which
each would also wait for the other's threads, which spin for a while after their work.
"""

from __future__ import annotations

import dataclasses
import statistics
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import torch

from bench import processes_take_turns, seconds
from bench.released import Training, logmel
from minidesed import generate
from sedlib.config import PROFILES, Config
from sedlib.features import LogMel
from sedlib.models import Detector
from sedlib.training import MeanTeacher, train
from sedlib.training.adversarial import DomainAdversarial
from sedlib.training.loop import keep_freed_memory, own_fabric
from sedlib.training.telemetry import peak_memory

CLIPS = 1168  # of DESED's development set
BATCHES = 4  # of 32 clips: what an evaluation is measured on


def random_batch(config: Config) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Spectrograms (channels last), strong and weak labels of a batch."""
    t, f = config.training, config.features
    features = 20 * torch.randn(t.strong + t.weak + t.unlabelled, 1, f.n_mels, f.frames) - 40
    features = features.contiguous(memory_format=torch.channels_last)
    return features, torch.zeros(t.strong, config.frames, 10), torch.zeros(t.weak, 10)


def detector(config: Config) -> Detector:
    return Detector(config).to(memory_format=torch.channels_last)


def learner(config: Config, student: Detector | None = None) -> MeanTeacher:
    """A training as `sedlib.training.train` makes it, of a new network unless one is given."""
    kind = MeanTeacher if config.adversarial.updates == "none" else DomainAdversarial
    return kind(student or detector(config), config, own_fabric(), 1)


def released_step(config: Config) -> Callable[[], object]:
    training, (features, strong, weak) = Training(config), random_batch(config)
    turned = ((features + 40) / 20).transpose(2, 3).contiguous()
    return lambda: training.step(turned, turned + 0.03 * torch.randn_like(turned), strong, weak)


def sedlib_step(config: Config) -> Callable[[], object]:
    keep_freed_memory()
    training, (features, strong, weak), steps = learner(config), random_batch(config), iter(range(10**6))
    return lambda: training.step(next(steps), (features, features), strong, weak)


def released_evaluation(config: Config) -> Callable[[], object]:
    network, bands, waveforms = Training(config).teacher.eval(), Detector(config).logmel.bands.numpy(), noise(config)

    def evaluate() -> None:
        levels = [torch.from_numpy(logmel(waveform, config, bands)) for waveform in waveforms.numpy()]
        network(torch.stack(levels)[:, None].transpose(2, 3))

    return torch.no_grad()(evaluate)


def sedlib_evaluation(config: Config) -> Callable[[], object]:
    keep_freed_memory()
    network, waveforms = detector(config).eval(), noise(config)
    return torch.no_grad()(lambda: network(network.features(waveforms)))


def librosa_logmel(config: Config) -> Callable[[], object]:
    bands, waveforms = LogMel(config.features).bands.numpy(), noise(config, 24).numpy()
    return lambda: [logmel(waveform, config, bands) for waveform in waveforms]


def sedlib_logmel(config: Config) -> Callable[[], object]:
    keep_freed_memory()
    ours, waveforms = LogMel(config.features), noise(config, 24)
    return lambda: ours(waveforms)


def noise(config: Config, clips: int = 32) -> torch.Tensor:
    return 0.1 * torch.randn(clips, config.features.samples)


CONTESTANTS = {
    "step": {"released architecture, plainly": released_step, "sedlib": sedlib_step},
    "evaluation": {"librosa and released architecture": released_evaluation, "sedlib": sedlib_evaluation},
    "log-Mel": {"librosa, clip by clip, Mel matrix kept": librosa_logmel, "sedlib": sedlib_logmel},
}
TITLES = {
    "step": "a training step of 24 clips",
    "evaluation": f"evaluation of {CLIPS} clips from their waveforms (measured on {BATCHES} x 32)",
    "log-Mel": "log-Mel of 24 clips",
}


def main(rounds: int = 3) -> None:
    """Print the comparisons."""
    for what, profile in (("step", "paper"), ("step", "lesson"), ("evaluation", "paper"), ("log-Mel", "paper")):
        print(f"{TITLES[what]}, profile {profile}")
        processes_take_turns({name: ["bench.training", what, name, profile] for name in CONTESTANTS[what]}, rounds)
    waits()


def waits(steps: int = 12) -> None:
    """Train a few steps at paper size from a store, and print what share of the time the loop waited for input."""
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
    what, name, profile = sys.argv[1:]
    run = CONTESTANTS[what][name](PROFILES[profile])
    times = [seconds(run) for _ in range(30 if profile == "lesson" else 2 + BATCHES)][2:]
    spent = statistics.median(times) * (CLIPS / 32 if what == "evaluation" else 1)
    print(spent, peak_memory(torch.device("cpu"))["memory_mb"])
