"""Normalisation, GLU, dropout and pooling in one pass: the modules' numbers, and a mask that is as random as it should be."""

import os
import subprocess
import sys

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from tries import tries

from sedlib.config import PROFILES
from sedlib.models import CRNN, fused
from sedlib.models.crnn import Block


def by_modules(block: Block, x: torch.Tensor) -> torch.Tensor:
    return nn.Sequential.forward(block, x)


def with_gradients(function, block: Block, x: torch.Tensor) -> list[torch.Tensor]:
    """The output, and the gradients of the input and of every parameter for a given gradient of the output."""
    x = x.clone().requires_grad_()
    out = function(block, x)
    parameters = [p for p in block.parameters() if p.requires_grad]
    sensitivity = torch.randn(out.shape, generator=torch.Generator().manual_seed(1))
    return [out.detach(), *torch.autograd.grad(out, [x, *parameters], sensitivity)]


@given(
    seed=st.integers(0, 1000),
    batch=st.integers(1, 3),
    outputs=st.integers(1, 9),
    pooling=st.sampled_from([(1, 1), (2, 2), (1, 2), (2, 1), (3, 2)]),
    mels=st.integers(3, 9),
    frames=st.integers(3, 9),
    channels_last=st.booleans(),
    training=st.booleans(),
)
@tries(60)
def test_equals_the_modules_forward_and_backward(seed, batch, outputs, pooling, mels, frames, channels_last, training):
    torch.manual_seed(seed)
    block = Block(2, outputs, pooling, momentum=0.1, dropout=0.0).train(training)
    for values in (block[1].weight, block[1].bias, block[1].running_mean, block[1].running_var):
        nn.init.uniform_(values, 0.5, 1.5)
    x = torch.randn(batch, 2, mels, frames)
    if channels_last:
        block, x = block.to(memory_format=torch.channels_last), x.contiguous(memory_format=torch.channels_last)
    assert fused.possible(x)
    for ours, theirs in zip(with_gradients(Block.forward, block, x), with_gradients(by_modules, block, x)):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("momentum", [0.3, None])
@pytest.mark.parametrize("mean", [0.0, 3.0, -300.0])
def test_running_statistics_are_the_modules_also_far_from_zero(mean, momentum):
    torch.manual_seed(0)
    ours, theirs = (nn.BatchNorm2d(5, eps=1e-3, momentum=momentum) for _ in range(2))
    for _ in range(3):
        y = mean + torch.randn(3, 5, 4, 7) * torch.arange(1.0, 6)[:, None, None]
        fused.norm_glu_dropout_pool(y, ours, nn.Conv2d(5, 5, 1), 0.0, (1, 1))
        theirs(y)
    assert ours.state_dict().keys() == theirs.state_dict().keys()
    for a, b in zip(ours.state_dict().values(), theirs.state_dict().values()):
        torch.testing.assert_close(a, b, rtol=1e-5, atol=1e-6 * (1 + abs(mean)))
    before = ours.running_mean.clone()
    fused.norm_glu_dropout_pool(y, ours.eval(), nn.Conv2d(5, 5, 1), 0.0, (1, 1))
    assert torch.equal(ours.running_mean, before) and ours.num_batches_tracked == 3


def test_one_value_has_no_variance():
    for function in (Block.forward, by_modules):
        with pytest.raises(ValueError, match="more than (1|one) value per channel"):
            function(Block(1, 2, (1, 1), momentum=0.1, dropout=0.0), torch.ones(1, 1, 1, 1))


def test_the_whole_network_equals_its_modules(monkeypatch):
    config = PROFILES["paper"]
    torch.manual_seed(0)
    crnn, x = CRNN(config.model).eval(), torch.randn(2, 1, 128, 628)
    with torch.no_grad():
        ours = crnn(x)
        monkeypatch.setattr(fused, "possible", lambda x: False)
        for a, b in zip(ours, crnn(x)):
            torch.testing.assert_close(a, b, rtol=0, atol=1e-5)


def mask(dropout: float, shape: tuple[int, ...] = (4, 8, 32, 33)) -> torch.Tensor:
    """What is left of ones: with no map, a bias of 2 and a gate of sigmoid(0) = 1/2, only dropout acts."""
    linear = nn.Conv2d(shape[1], shape[1], 1)
    nn.init.zeros_(linear.weight), nn.init.constant_(linear.bias, 2.0)
    normalisation = nn.BatchNorm2d(shape[1]).eval()
    return fused.norm_glu_dropout_pool(torch.zeros(shape), normalisation, linear, dropout, (1, 1)).detach()


@pytest.mark.parametrize("dropout", [0.5, 0.2, 0.9, 255 / 256])
def test_dropout_drops_its_share_keeps_the_mean_and_has_no_pattern(dropout):
    torch.manual_seed(0)
    kept = mask(dropout)
    probability = 1 - round(256 * dropout) / 256
    values = kept.unique()
    torch.testing.assert_close(values, torch.tensor([0.0, 1 / probability]))
    z = ((kept > 0).float() - probability) / (probability * (1 - probability)) ** 0.5
    assert abs(z.mean()) * z.numel() ** 0.5 < 4
    flat = z.permute(0, 2, 3, 1).flatten()  # as it lies in memory
    for lag in (1, 2, 7, 8, 9, 8 * 33, 64):
        assert abs((flat[lag:] * flat[:-lag]).mean()) * flat.numel() ** 0.5 < 4, f"elements {lag} apart are alike"
    other = mask(dropout)
    torch.testing.assert_close(
        ((other > 0) & (kept > 0)).float().mean(), torch.tensor(probability**2), rtol=0, atol=0.02
    )


def test_the_seed_decides_the_mask_and_the_number_of_threads_does_not():
    threads, masks = torch.get_num_threads(), []
    try:
        for n in (1, 2, 1):
            torch.set_num_threads(n)
            torch.manual_seed(3)
            masks.append(mask(0.5))
    finally:
        torch.set_num_threads(threads)
    assert torch.equal(masks[0], masks[1]) and torch.equal(masks[0], masks[2])
    torch.manual_seed(4)
    assert not torch.equal(masks[0], mask(0.5))


def test_the_number_of_threads_that_torch_uses_stays_as_it_was():
    code = """
import torch
from torch import nn
from sedlib.models import fused
fused.norm_glu_dropout_pool(torch.zeros(1, 2, 4, 4), nn.BatchNorm2d(2), nn.Conv2d(2, 2, 1), 0.5, (2, 2))
print(torch.get_num_threads())
"""
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    said = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert said.stdout.split() == ["1"]


def test_what_was_dropped_has_no_gradient():
    """One channel: the gradient of a pixel depends on nothing else where the statistics are fixed."""
    x = torch.randn(2, 1, 16, 17, requires_grad=True)
    out = fused.norm_glu_dropout_pool(x, nn.BatchNorm2d(1).eval(), nn.Conv2d(1, 1, 1), 0.5, (1, 1))
    out.sum().backward()
    dropped = out == 0
    assert 0 < dropped.sum() < dropped.numel()
    assert (x.grad[dropped] == 0).all() and (x.grad[~dropped] != 0).all()


@pytest.mark.parametrize("dropout", [0.998, 0.9981, 0.999, 1 - 1e-9])
def test_the_largest_dropout_keeps_one_in_256(dropout):
    """255 / 256 = 0.9961 and 256 / 256 lie on either side of 0.998; a scale by 1 / 0 would be infinite."""
    kept = mask(dropout)
    assert set(kept.unique().tolist()) == {0.0, 256.0}
    assert (kept > 0).float().mean().item() == pytest.approx(1 / 256, rel=0.3)


def test_a_second_derivative_is_refused():
    """The backward pass is numba's, so torch would take its result for a constant."""
    modules, x = (nn.BatchNorm2d(3), nn.Conv2d(3, 3, 1)), torch.randn(1, 3, 4, 4, requires_grad=True)
    for loss in (torch.sum, lambda out: out.square().sum()):
        with pytest.raises(RuntimeError, match="second derivative"):
            torch.autograd.grad(loss(fused.norm_glu_dropout_pool(x, *modules, 0.0, (1, 1))), x, create_graph=True)


def test_a_block_drops_in_training_and_not_in_use():
    block, x = Block(1, 6, (1, 1), momentum=0.1, dropout=0.5), torch.randn(2, 1, 16, 16)
    assert 0.4 < (block.train()(x) == 0).float().mean() < 0.6
    assert (block.eval()(x) != 0).all()


def test_every_element_gets_a_byte_whatever_the_size():
    for size in range(1, 40):
        kept = np.full(size, 7, np.uint8)
        fused._keep(kept, np.uint64(2**62 - 1), np.uint8(128))
        assert set(kept) <= {0, 1}
        longer = np.empty(64, np.uint8)
        fused._keep(longer, np.uint64(2**62 - 1), np.uint8(128))
        assert (longer[:size] == kept).all()


def test_the_convolutions_bias_has_no_gradient_because_normalisation_takes_it_away(monkeypatch):
    torch.manual_seed(0)
    block = Block(2, 6, (2, 2), momentum=0.1, dropout=0.0)
    assert not block[0].bias.requires_grad
    block[0].bias.requires_grad_(True)
    block(torch.randn(4, 2, 16, 16)).square().sum().backward()
    assert block[0].bias.grad.abs().max() < 1e-4 * block[0].weight.grad.abs().max()


def test_other_numbers_than_float32_are_left_to_the_modules():
    assert not fused.possible(torch.zeros(1, dtype=torch.float64))
    assert not fused.possible(torch.zeros(1, device="meta"))
    with torch.autocast("cpu", torch.bfloat16):
        assert not fused.possible(torch.zeros(1))
        out = Block(1, 4, (2, 2), momentum=0.1, dropout=0.5)(torch.randn(1, 1, 8, 8))
    assert out.dtype == torch.bfloat16
