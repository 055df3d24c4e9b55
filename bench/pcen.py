"""PCEN's smoother and layers beside their peers, and what PCEN adds to a training step; at the paper's size."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import torch
import torchaudio
from asteroid_filterbanks.pcen import PCEN as AsteroidPCEN
from torch import Tensor

from bench import take_turns
from bench.training import learner, random_batch
from sedlib.features import PCEN, smooth
from sedlib.systems import configuration
from sedlib.training.loop import keep_freed_memory

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
    layers = {
        "asteroid, two layers, one smoother": forward_and_backward(lambda e: peer(e.expand(-1, 2, -1, -1)), energy),
        "sedlib, two layers, two smoothers": forward_and_backward(ours, energy),
        "sedlib, the same, of Mel energies that learn nothing": forward_and_backward(fixed_s, energy, learns=False),
    }
    take_turns(layers, rounds)

    print("  a training step of 24 clips, profile paper; 1 / its factor is the share of the front-end")
    step, frontend = step_and_frontend("ppcen_logmel")
    name, without = "their front-ends, of student and teacher", step_and_frontend("logmel")[0]
    take_turns({"step with two layers of PCEN": step, name: frontend, "step without PCEN": without}, rounds=3)


def forward_and_backward(way: Callable[[Tensor], Tensor], energy: Tensor, learns: bool = True) -> Callable[[], None]:
    """A pass forward and back, with the gradient of the energy too where that ``learns``."""
    gradient = torch.randn_like(way(energy))
    return lambda: way(energy.clone().requires_grad_(learns)).backward(gradient)


def step_and_frontend(system: str) -> tuple[Callable[[], object], Callable[[], None]]:
    """A training step, and its front-end alone: the student's forward and backward, the teacher's forward."""
    config = configuration(system, "paper")
    training, (features, strong, weak) = learner(config), random_batch(config)
    student, teacher = training.networks().values()

    def frontend() -> None:
        seen = student.frontend(features)
        seen.backward(torch.ones_like(seen))
        with torch.no_grad():
            teacher.frontend(features)

    return lambda: training.step(0, (features, features), strong, weak), frontend
