"""The step of domain-adversarial training beside the mean teacher's, and the classifier beside asteroid's own network;
at the paper's size.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import torch
from asteroid.masknn import TDConvNet

from bench import take_turns
from bench.training import random_batch
from sedlib.config import PROFILES, Config
from sedlib.models import Detector
from sedlib.models.domain import DomainClassifier
from sedlib.training import MeanTeacher
from sedlib.training.adversarial import DomainAdversarial, domain_loss
from sedlib.training.loop import keep_freed_memory, own_fabric


def main(rounds: int = 5) -> None:
    """Print the comparisons."""
    keep_freed_memory()
    torch.manual_seed(0)
    paper = PROFILES["paper"]
    print(f"  a training step, {torch.get_num_threads()} threads; wanted: two steps, at least x0.80 (1 / 1.25)")
    take_turns(
        {
            "mean teacher": step(paper),
            **{
                f"domain-adversarial, {updates}": step(adversarial(paper, updates))
                for updates in ("two-step", "reversal")
            },
        },
        rounds,
    )
    print("  of it the classifier, forward and backward on a batch of embeddings")
    take_turns(
        {
            "asteroid's TDConvNet with its own global layer norm": classified(peer(paper), paper),
            "sedlib": classified(DomainClassifier(paper.adversarial, paper.model.filters[-1]), paper),
        },
        rounds,
    )


def adversarial(config: Config, updates: str) -> Config:
    return dataclasses.replace(config, adversarial=dataclasses.replace(config.adversarial, updates=updates))


def step(config: Config) -> Callable[[], object]:
    """A training step, its input ready."""
    kind = MeanTeacher if config.adversarial.updates == "none" else DomainAdversarial
    learner = kind(Detector(config).to(memory_format=torch.channels_last), config, own_fabric(), 1)
    features, strong, weak = random_batch(config)
    features = features.contiguous(memory_format=torch.channels_last)
    return lambda: learner.step(0, (features, features), strong, weak)


class Peer(TDConvNet):
    """The same shape as published."""

    def forward(self, embeddings: torch.Tensor) -> torch.Tensor:
        return super().forward(embeddings.transpose(1, 2)).mean(-1).flatten()


def peer(config: Config) -> Peer:
    a = config.adversarial
    return Peer(
        config.model.filters[-1],
        n_src=1,
        out_chan=1,
        n_blocks=a.blocks,
        n_repeats=a.repeats,
        bn_chan=a.bottleneck,
        hid_chan=a.hidden,
        skip_chan=0,
        norm_type="gLN",
        mask_act="linear",
    )


def classified(network: torch.nn.Module, config: Config) -> Callable[[], None]:
    """Its domain loss, and the gradients of weights and embeddings."""
    t = config.training
    clips = t.strong + t.weak + t.unlabelled
    embeddings = torch.randn(clips, config.frames, config.model.filters[-1], requires_grad=True)
    is_synthetic = (torch.arange(clips) < t.strong).float()
    return lambda: domain_loss(network(embeddings), is_synthetic).backward()
