"""The step of domain-adversarial training beside the mean teacher's, and the classifier beside asteroid's own network.

At the paper's size.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import torch
from asteroid.masknn import TDConvNet

from bench import take_turns
from bench.training import sedlib_step
from sedlib.config import PROFILES, Config
from sedlib.models.domain import DomainClassifier
from sedlib.training.adversarial import domain_loss
from sedlib.training.loop import keep_freed_memory


def main(rounds: int = 5) -> None:
    """Print the comparisons."""
    keep_freed_memory()
    torch.manual_seed(0)
    paper = PROFILES["paper"]
    print(f"  a training step, {torch.get_num_threads()} threads; wanted: two steps, at least x0.80 (1 / 1.25)")
    steps = {"mean teacher": sedlib_step(paper)}
    for updates in ("two-step", "reversal"):
        adversarial = dataclasses.replace(paper.adversarial, updates=updates)
        steps[f"domain-adversarial, {updates}"] = sedlib_step(dataclasses.replace(paper, adversarial=adversarial))
    take_turns(steps, rounds)
    print("  of it the classifier, forward and backward on a batch of embeddings")
    ours = DomainClassifier(paper.adversarial, paper.model.filters[-1])
    networks = {"asteroid's TDConvNet with its own global layer norm": peer(paper), "sedlib": ours}
    take_turns({name: classified(network, paper) for name, network in networks.items()}, rounds)


class Peer(TDConvNet):
    """The same shape as published."""

    def forward(self, embeddings: torch.Tensor) -> torch.Tensor:
        return super().forward(embeddings.transpose(1, 2)).mean(-1).flatten()


def peer(config: Config) -> Peer:
    a = config.adversarial
    sizes = {"n_blocks": a.blocks, "n_repeats": a.repeats, "bn_chan": a.bottleneck, "hid_chan": a.hidden}
    return Peer(config.model.filters[-1], n_src=1, out_chan=1, skip_chan=0, norm_type="gLN", mask_act="linear", **sizes)


def classified(network: torch.nn.Module, config: Config) -> Callable[[], None]:
    """Its domain loss, and the gradients of weights and embeddings."""
    t = config.training
    clips = t.strong + t.weak + t.unlabelled
    embeddings = torch.randn(clips, config.frames, config.model.filters[-1], requires_grad=True)
    is_synthetic = (torch.arange(clips) < t.strong).float()
    return lambda: domain_loss(network(embeddings), is_synthetic).backward()
