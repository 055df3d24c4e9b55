"""PCEN's smoother and whole layers of it beside their peers, at the paper's size, and what PCEN adds to a training
step."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import torch
import torchaudio
from asteroid_filterbanks.pcen import PCEN as AsteroidPCEN
from torch import Tensor

from bench import take_turns
from bench.training import random_batch
from sedlib.features import PCEN, smooth
from sedlib.models import Detector
from sedlib.systems import configuration
from sedlib.training import MeanTeacher
from sedlib.training.loop import keep_freed_memory, own_fabric

CLIPS, MELS, FRAMES = 24, 128, 628
S = 0.025


def loop(energy: Tensor) -> Tensor:
    """One torch operation after the other, frame by frame, as public PCEN layers have it."""
    m, out = energy[..., 0], []
    for e in energy.unbind(-1):
        m = (1 - S) * m + S * e
        out.append(m)
    return torch.stack(out, -1)


def lfilter(energy: Tensor) -> Tensor:
    """torchaudio's; it starts at 0 instead of E(0)."""
    return torchaudio.functional.lfilter(energy, torch.tensor([1, S - 1]), torch.tensor([S, 0.0]), clamp=False)


def main(rounds: int = 5) -> None:
    """Print the comparisons."""
    keep_freed_memory()
    torch.manual_seed(0)
    energy = torch.rand(CLIPS, 1, MELS, FRAMES)
    print(f"  smoothing ({CLIPS}, {MELS}, {FRAMES}), forward and backward; wanted: x12 of the loop, x2 of lfilter")
    ways = {"loop over frames": loop, "torchaudio lfilter": lfilter, "sedlib": lambda e: smooth(e, S)}
    take_turns({name: forward_and_backward(way, energy[:, 0]) for name, way in ways.items()}, rounds)

    print("  layers of PCEN in which everything learns, forward and backward")
    config = configuration("ppcen_learned_s", "paper")
    peer, ours = AsteroidPCEN(n_channels=2, trainable=True), PCEN(config.pcen, config.features)
    fixed_s = PCEN(dataclasses.replace(config.pcen, learn_s=False), config.features)
    take_turns(
        {
            "asteroid, two layers, one smoother": forward_and_backward(lambda e: peer(e.expand(-1, 2, -1, -1)), energy),
            "sedlib, two layers, two smoothers": forward_and_backward(ours, energy),
            "sedlib, the same, of Mel energies that learn nothing": forward_and_backward(fixed_s, energy, learns=False),
        },
        rounds,
    )

    print("  a training step of 24 clips, profile paper; 1 / its factor is the share of the front-end")
    with_pcen, frontend = step_and_frontend("ppcen_logmel")
    without, _ = step_and_frontend("logmel")
    take_turns(
        {
            "step with two layers of PCEN": with_pcen,
            "their front-ends, of student and teacher": frontend,
            "step without PCEN": without,
        },
        rounds=3,
    )


def forward_and_backward(way: Callable[[Tensor], Tensor], energy: Tensor, learns: bool = True) -> Callable[[], None]:
    """A pass there and back, with the gradient of the energy too where that ``learns``."""
    gradient = torch.randn_like(way(energy))

    def run() -> None:
        way(energy.clone().requires_grad_(learns)).backward(gradient)

    return run


def step_and_frontend(system: str) -> tuple[Callable[[], object], Callable[[], None]]:
    """A training step, and its front-end alone: the student's forward and backward, the teacher's forward."""
    config = configuration(system, "paper")
    learner = MeanTeacher(Detector(config).to(memory_format=torch.channels_last), config, own_fabric(), 1)
    student, teacher = learner.networks().values()
    features, strong, weak = random_batch(config)
    features = features.contiguous(memory_format=torch.channels_last)

    def frontend() -> None:
        seen = student.frontend(features)
        seen.backward(torch.ones_like(seen))
        with torch.no_grad():
            teacher.frontend(features)

    return lambda: learner.step(0, (features, features), strong, weak), frontend
