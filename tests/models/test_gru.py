"""The compiled recurrence: nn.GRU's states and gradients, whatever the sizes, the weights and the number of threads."""

import copy

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from tries import tries

from sedlib.models import gru


def torchs(rnn: gru.GRU) -> nn.GRU:
    """torch's own module with the same weights."""
    module = nn.GRU(rnn.input_size, rnn.hidden_size, rnn.num_layers, batch_first=True, bidirectional=True)
    module.load_state_dict(rnn.state_dict())
    return module


def with_gradients(rnn: nn.GRU, x: torch.Tensor) -> list[torch.Tensor]:
    """The states, and the gradients of the input and of every weight for a given gradient of the states."""
    x = x.clone().requires_grad_()
    out = rnn(x)[0]
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
@tries(60)
def test_equals_torch_in_double_precision(seed, batch, frames, features, size, layers, scale):
    torch.manual_seed(seed)
    rnn, x = gru.GRU(features, size, layers), scale * torch.randn(batch, frames, features)
    theirs = with_gradients(torchs(rnn).double(), x.double())
    states, *gradients = with_gradients(rnn, x)
    # Rounding: of a gate's argument, and of 1 - n^2 at n = 1, which the gradient multiplies by the input.
    torch.testing.assert_close(states.double(), theirs[0], rtol=0, atol=1e-6 + 1e-7 * scale)
    for ours, right in zip(gradients, theirs[1:]):
        atol = (2e-5 + 1e-6 * scale) * (1 + right.abs().max().item())
        torch.testing.assert_close(ours.double(), right, rtol=0, atol=atol)


@pytest.mark.parametrize("argument", [-1e30, -200.0, -89.0, -80.0, 0.0, 80.0, 89.0, 200.0, 1e30, torch.inf, torch.nan])
def test_gates_saturate_as_torchs(argument):
    """Zero weights: a bias is the gate's argument, in all frames."""
    for gate in range(3):
        rnn, x = gru.GRU(1, 3), torch.zeros(2, 5, 1)
        for parameter in rnn.parameters():
            nn.init.constant_(parameter, 0.1 if parameter.dim() > 1 else 0.3)
        nn.init.constant_(rnn.bias_ih_l0[3 * gate : 3 * gate + 3], argument)
        theirs = with_gradients(torchs(rnn), x)
        for ours, right in zip(with_gradients(rnn, x), theirs):
            torch.testing.assert_close(ours, right, rtol=1e-5, atol=1e-6, equal_nan=True)


def test_states_within_1e_6_at_the_papers_size():
    torch.manual_seed(0)
    rnn, x = gru.GRU(128, 128, 2), 3 * torch.randn(5, 157, 128)
    with torch.no_grad():
        right = torchs(rnn).double()(x.double())[0]
        torch.testing.assert_close(rnn(x)[0].double(), right, rtol=0, atol=1e-6)


def test_the_number_of_threads_changes_no_bit():
    torch.manual_seed(0)
    rnn, x, results, threads = gru.GRU(8, 16), torch.randn(9, 7, 8), [], torch.get_num_threads()
    try:
        for n in (1, 2):
            torch.set_num_threads(n)
            results.append(with_gradients(rnn, x))
            assert torch.get_num_threads() == n
    finally:
        torch.set_num_threads(threads)
    assert all(map(torch.equal, *results))


def test_clips_do_not_depend_on_each_other():
    torch.manual_seed(0)
    rnn, x = gru.GRU(4, 5), torch.randn(7, 6, 4)
    together = rnn(x)[0]
    torch.testing.assert_close(together, torch.cat([rnn(clip[None])[0] for clip in x]), rtol=0, atol=1e-6)


def test_a_second_derivative_is_refused():
    rnn, x = gru.GRU(2, 3), torch.randn(1, 4, 2, requires_grad=True)
    for loss in (torch.sum, lambda out: out.square().sum()):
        with pytest.raises(RuntimeError, match="second derivative"):
            torch.autograd.grad(loss(rnn(x)[0]), x, create_graph=True)


def test_other_numbers_than_float32_are_left_to_the_module(monkeypatch):
    monkeypatch.setattr(gru._Recurrence, "apply", None)
    rnn = gru.GRU(2, 3)
    assert copy.deepcopy(rnn).double()(torch.zeros(1, 4, 2, dtype=torch.float64))[0].dtype == torch.float64
    with torch.autocast("cpu", torch.bfloat16):
        rnn(torch.zeros(1, 4, 2))
