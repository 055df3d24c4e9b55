"""The domain classifier: Conv-TasNet's separator as configured, averaged over time; no detector needs it."""

import copy
import subprocess
import sys
from dataclasses import replace

import pytest
import torch
from asteroid.masknn import TDConvNet
from torch.testing import assert_close

from sedlib.config import PROFILES, Adversarial
from sedlib.models.domain import DomainClassifier

SMALL = Adversarial(blocks=2, repeats=2, bottleneck=5, hidden=7)


def embeddings(clips: int = 3, frames: int = 20, features: int = 6) -> torch.Tensor:
    return torch.randn(clips, frames, features, generator=torch.Generator().manual_seed(0))


def shaken(network: torch.nn.Module) -> torch.nn.Module:
    """With gains, biases and slopes that are not those of a fresh network."""
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(0.3 * torch.rand_like(parameter))
    return network


def test_equals_asteroids_own_network_averaged_over_time():
    """With asteroid's global layer norm in place of torch's, and the same weights by order."""
    ours = shaken(DomainClassifier(replace(SMALL, blocks=3), 6))
    theirs = TDConvNet(
        6,
        n_src=1,
        out_chan=1,
        n_blocks=3,
        n_repeats=2,
        bn_chan=5,
        hid_chan=7,
        skip_chan=0,
        norm_type="gLN",
        mask_act="linear",
    )
    theirs.load_state_dict(dict(zip(theirs.state_dict(), ours.state_dict().values(), strict=True)))
    x = 10 * embeddings()
    with torch.no_grad():
        logits, frames = ours(x), theirs(x.transpose(1, 2))
    assert logits.shape == (3,) and frames.shape == (3, 1, 1, 20) and frames.std() > 0.01
    assert_close(logits, frames[:, 0, 0].mean(-1), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("frames", [1, 6, 157])
def test_logits_and_gradients_are_those_of_the_modules_in_float64(frames):
    """Also where a convolution's neighbours lie outside of the clip, 8 frames away."""
    classifier = shaken(DomainClassifier(replace(SMALL, blocks=4), 6))
    exact, x = copy.deepcopy(classifier).double(), 10 * embeddings(frames=frames) + 3
    results = []
    for network, given in ((classifier, x), (exact, x.double())):  # in float64 it is the modules
        logits = network(given.requires_grad_())
        wanted = [given, *network.parameters()]
        results.append([logits, *torch.autograd.grad(logits @ logits.new_tensor([1.0, -2.0, 3.0]), wanted)])
    for found, expected in zip(*results, strict=True):
        assert_close(found.double(), expected, rtol=1e-3, atol=1e-5 * max(1.0, float(expected.abs().max())))


def test_there_is_no_second_derivative():
    classifier, x = DomainClassifier(SMALL, 6), embeddings().requires_grad_()
    with pytest.raises(RuntimeError, match="no second derivative"):
        torch.autograd.grad(classifier(x).sum(), x, create_graph=True)


def test_a_clip_is_judged_by_itself():
    classifier, x = shaken(DomainClassifier(SMALL, 6)), embeddings()
    with torch.no_grad():
        assert_close(classifier(x), torch.cat([classifier(clip[None]) for clip in x]), rtol=1e-5, atol=1e-6)


def test_the_mean_over_time_knows_no_order_but_the_convolutions_do():
    x = embeddings()
    again, backwards = x.repeat(1, 2, 1), x.flip(1)
    of_frames, of_neighbours = (shaken(DomainClassifier(SMALL, 6)) for _ in range(2))
    with torch.no_grad():
        for module in of_frames.modules():
            if isinstance(module, torch.nn.Conv1d) and module.groups > 1:
                module.weight[..., [0, 2]] = 0  # it no longer sees a frame's neighbours
        for other in (again, backwards):
            assert_close(of_frames(other), of_frames(x), rtol=1e-5, atol=1e-6)
            assert (of_neighbours(other) - of_neighbours(x)).abs().max() > 1e-4


@pytest.mark.parametrize("frames", [1, 20, 157])
def test_frames_keep_their_number(frames):
    classifier = DomainClassifier(replace(SMALL, blocks=4), 6)
    assert classifier.network(embeddings(frames=frames).transpose(1, 2)).shape == (3, 1, 1, frames)


def size(features: int, blocks: int, bottleneck: int, hidden: int) -> int:
    """Number of parameters: norm and bottleneck, blocks of two 1x1 and one depthwise convolution, one output."""
    start = 2 * features + (features + 1) * bottleneck
    one = (bottleneck + 1) * hidden + (3 + 1) * hidden + (hidden + 1) * bottleneck + 2 * (2 * hidden + 1)
    return start + blocks * one + 1 + bottleneck + 1


@pytest.mark.parametrize(
    "settings, features, parameters",
    [
        (Adversarial(), 128, 149_394),
        (Adversarial(), 128, size(128, 8, 64, 128)),
        (PROFILES["lesson"].adversarial, 64, size(64, 8, 32, 64)),
        (Adversarial(blocks=3, repeats=1, bottleneck=2, hidden=4), 7, size(7, 3, 2, 4)),
    ],
)
def test_depth_and_width_are_those_of_the_configuration(settings, features, parameters):
    classifier = DomainClassifier(settings, features)
    assert sum(p.numel() for p in classifier.parameters()) == parameters
    convolutions = [module for module in classifier.modules() if isinstance(module, torch.nn.Conv1d)]
    dilations = [module.dilation[0] for module in convolutions if module.groups > 1]
    assert dilations == [2**block for block in range(settings.blocks)] * settings.repeats


def test_the_defaults_are_the_released_codes():
    a = PROFILES["paper"].adversarial
    assert (a.blocks, a.repeats, a.bottleneck, a.hidden) == (4, 2, 64, 128)


def test_detecting_needs_no_asteroid():
    code = "import sys, sedlib.models, sedlib.decode; sys.exit('asteroid' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
