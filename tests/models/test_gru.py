"""The compiled recurrence: nn.GRU's states and gradients, whatever the sizes, the weights and the number of threads."""

import copy

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from sedlib.models import gru


def network(features: int, size: int, layers: int = 1) -> nn.GRU:
    return nn.GRU(features, size, layers, batch_first=True, bidirectional=True)


def with_gradients(function, rnn: nn.GRU, x: torch.Tensor) -> list[torch.Tensor]:
    """The states, and the gradients of the input and of every weight for a given gradient of the states."""
    x = x.clone().requires_grad_()
    out = function(rnn, x)
    sensitivity = torch.randn(out.shape, generator=torch.Generator().manual_seed(1)).to(out.dtype)
    return [out.detach(), *torch.autograd.grad(out, [x, *rnn.parameters()], sensitivity)]


@given(
    seed=st.integers(0, 1000),
    batch=st.integers(1, 9),
    frames=st.integers(1, 12),
    features=st.integers(1, 9),
    size=st.integers(1, 19),
    layers=st.integers(1, 2),
    scale=st.sampled_from([0.0, 1.0, 30.0, 300.0]),
)
@settings(max_examples=60, deadline=None)
def test_equals_torch_in_double_precision(seed, batch, frames, features, size, layers, scale):
    torch.manual_seed(seed)
    rnn, x = network(features, size, layers), scale * torch.randn(batch, frames, features)
    theirs = with_gradients(lambda rnn, x: rnn(x)[0], copy.deepcopy(rnn).double(), x.double())
    states, *gradients = with_gradients(gru.states, rnn, x)
    # Rounding: of a gate's argument, and of 1 - n^2 at n = 1, which the gradient multiplies by the input.
    torch.testing.assert_close(states.double(), theirs[0], rtol=0, atol=1e-6 + 1e-7 * scale)
    for ours, right in zip(gradients, theirs[1:]):
        atol = (2e-5 + 1e-6 * scale) * (1 + right.abs().max().item())
        torch.testing.assert_close(ours.double(), right, rtol=0, atol=atol)


@pytest.mark.parametrize("argument", [-1e30, -200.0, -89.0, -80.0, 0.0, 80.0, 89.0, 200.0, 1e30, torch.inf, torch.nan])
def test_gates_saturate_as_torchs(argument):
    """Zero weights: a bias is the gate's argument, in all frames."""
    for gate in range(3):
        rnn, x = network(1, 3), torch.zeros(2, 5, 1)
        for parameter in rnn.parameters():
            nn.init.constant_(parameter, 0.1 if parameter.dim() > 1 else 0.3)
        nn.init.constant_(rnn.bias_ih_l0[3 * gate : 3 * gate + 3], argument)
        theirs = with_gradients(lambda rnn, x: rnn(x)[0], rnn, x)
        for ours, right in zip(with_gradients(gru.states, rnn, x), theirs):
            torch.testing.assert_close(ours, right, rtol=1e-5, atol=1e-6, equal_nan=True)


def test_states_within_1e_6_at_the_papers_size():
    torch.manual_seed(0)
    rnn, x = network(128, 128, 2), 3 * torch.randn(5, 157, 128)
    with torch.no_grad():
        right = copy.deepcopy(rnn).double()(x.double())[0]
        torch.testing.assert_close(gru.states(rnn, x).double(), right, rtol=0, atol=1e-6)


def test_the_number_of_threads_changes_no_bit():
    torch.manual_seed(0)
    rnn, x, results, threads = network(8, 16), torch.randn(9, 7, 8), [], torch.get_num_threads()
    try:
        for n in (1, 2):
            torch.set_num_threads(n)
            results.append(with_gradients(gru.states, rnn, x))
            assert torch.get_num_threads() == n
    finally:
        torch.set_num_threads(threads)
    assert all(map(torch.equal, *results))


def test_clips_do_not_depend_on_each_other():
    torch.manual_seed(0)
    rnn, x = network(4, 5), torch.randn(7, 6, 4)
    together = gru.states(rnn, x)
    torch.testing.assert_close(together, torch.cat([gru.states(rnn, clip[None]) for clip in x]), rtol=0, atol=1e-6)


def test_a_second_derivative_is_refused():
    rnn, x = network(2, 3), torch.randn(1, 4, 2, requires_grad=True)
    for loss in (torch.sum, lambda out: out.square().sum()):
        with pytest.raises(RuntimeError, match="second derivative"):
            torch.autograd.grad(loss(gru.states(rnn, x)), x, create_graph=True)


def test_other_numbers_than_float32_are_left_to_the_module(monkeypatch):
    monkeypatch.setattr(gru._Recurrence, "apply", None)
    rnn = network(2, 3)
    assert gru.states(copy.deepcopy(rnn).double(), torch.zeros(1, 4, 2, dtype=torch.float64)).dtype == torch.float64
    with torch.autocast("cpu", torch.bfloat16):
        gru.states(rnn, torch.zeros(1, 4, 2))
