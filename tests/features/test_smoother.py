"""The smoother of PCEN against scipy's filters, both of its forms against each other, pieces against the whole."""

import os
import subprocess
import sys

import librosa
import numpy as np
import pytest
import scipy.signal
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.testing import assert_close
from tries import tries

from sedlib.errors import SedError
from sedlib.features import coefficient, smooth, smooth_zero_phase, smoother, time_constant

FRAMES = (1, 2, 1900)  # half a minute at the paper's hop is 1883
COEFFICIENTS = st.floats(0.001, 0.999)
cuda = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")


def energies(seed: int, *shape: int, dtype: torch.dtype = torch.float64) -> torch.Tensor:
    """Energies over many decades."""
    draw = torch.rand(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return (10 * draw - 8).exp().to(dtype)


def by_scipy(energy: torch.Tensor, s: float) -> torch.Tensor:
    energy = energy.double().numpy()
    return torch.from_numpy(scipy.signal.lfilter([s], [1, s - 1], energy, zi=(1 - s) * energy[..., :1])[0])


def with_gradients(function, energy: torch.Tensor, s: torch.Tensor, start: torch.Tensor) -> list[torch.Tensor]:
    """M, and the gradients of E, s and the start for a given gradient of M."""
    inputs = [x.detach().clone().requires_grad_() for x in (energy, s, start)]
    m = function(*inputs)
    sensitivity = torch.randn(m.shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    return [m.detach(), *torch.autograd.grad(m, inputs, sensitivity.to(m))]


@pytest.fixture
def by_lfilter(monkeypatch):
    """`smooth` computes as on a GPU."""
    monkeypatch.setattr(smoother._Recursion, "apply", smoother._by_lfilter)


@given(seed=st.integers(0, 1000), s=COEFFICIENTS, rows=st.integers(1, 40), frames=st.integers(1, 200))
@tries(50)
def test_equals_scipys_filter_started_at_the_first_energy(seed, s, rows, frames):
    energy = energies(seed, rows, frames)
    assert_close(smooth(energy, s), by_scipy(energy, s), rtol=1e-12, atol=0)
    energy = energy.float()  # rounds relative to what came before
    assert_close(smooth(energy, s).double(), by_scipy(energy, s), rtol=1e-5, atol=1e-7 * float(energy.max()))


@pytest.mark.parametrize("frames", FRAMES)
def test_lfilter_equals_scipys_filter(frames, by_lfilter):
    energy, s = energies(0, 3, 5, frames), torch.tensor([0.001, 0.015, 0.25, 0.999], dtype=torch.float64)
    expected = torch.stack([by_scipy(energy, float(one)) for one in s])
    assert_close(smooth(energy, s), expected, rtol=1e-11, atol=0)


@pytest.mark.parametrize("way", ["recursion", "lfilter"])
@pytest.mark.parametrize("shape", [(), (3,), (2, 1, 20), (0, 4)])
def test_several_coefficients_and_any_leading_shape(way, shape, request):
    if way == "lfilter":
        request.getfixturevalue("by_lfilter")
    energy, s, start = energies(2, *shape, 30), torch.tensor([0.3, 0.01, 0.7]), energies(3, *shape)
    together, begun = smooth(energy, s), smooth(energy, s, start)
    assert together.shape == (3, *shape, 30) and smooth(energy, 0.3).shape == (*shape, 30)
    for one, m, m_begun in zip(s, together, begun):
        assert_close(m, smooth(energy, one))
        assert_close(m_begun, smooth(energy, one, start))
    own = torch.stack([start, 2 * start, 3 * start])
    for one, begin, m in zip(s, own, smooth(energy, s, own)):
        assert_close(m, smooth(energy, one, begin))
        assert_close(m[..., 0], (1 - one.double()) * begin + one.double() * energy[..., 0])


@pytest.mark.parametrize("way", ["recursion", "lfilter"])
@pytest.mark.parametrize("frames", [1, 2, 66])
def test_gradients_in_energy_coefficients_and_start(way, frames, request):
    if way == "lfilter":
        request.getfixturevalue("by_lfilter")
    torch.manual_seed(0)
    energy, start = torch.rand(2, frames, dtype=torch.float64), torch.rand(2, 2, dtype=torch.float64)
    s = torch.tensor([0.05, 0.6], dtype=torch.float64)
    inputs = [x.requires_grad_() for x in (energy, s, start)]
    assert torch.autograd.gradcheck(smooth, inputs)
    assert torch.autograd.gradcheck(lambda e, s: smooth(e, s), inputs[:2])  # started at E(0)
    assert torch.autograd.gradcheck(smooth_zero_phase, inputs[:2])


def test_a_second_derivative_is_refused():
    energy = torch.rand(2, 9, requires_grad=True)
    for loss in (torch.sum, lambda m: m.square().sum()):
        with pytest.raises(RuntimeError, match="second derivative"):
            torch.autograd.grad(loss(smooth(energy, 0.1)), energy, create_graph=True)


def test_each_gradient_can_be_had_without_the_others():
    inputs = torch.rand(2, 9), torch.tensor([0.05, 0.6]), torch.rand(2, 2)
    _, *together = with_gradients(smooth, *inputs)
    for i, expected in enumerate(together):
        alone = [x.clone().requires_grad_(i == j) for j, x in enumerate(inputs)]
        m = smooth(*alone)
        sensitivity = torch.randn(m.shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
        assert torch.equal(torch.autograd.grad(m, alone[i], sensitivity.to(m))[0], expected)


@pytest.mark.parametrize("frames", FRAMES)
@pytest.mark.parametrize("dtype, rtol", [(torch.float32, 2e-4), (torch.float64, 1e-11)])
def test_recursion_and_lfilter_are_the_same_function(frames, dtype, rtol):
    torch.manual_seed(0)
    energy, start = torch.rand(37, frames, dtype=dtype), torch.rand(3, 37, dtype=dtype)
    s = torch.tensor([0.015, 0.25, 0.9], dtype=dtype)
    recursion = with_gradients(smoother._Recursion.apply, energy, s, start)
    for ours, theirs in zip(recursion, with_gradients(smoother._by_lfilter, energy, s, start)):
        assert_close(ours, theirs, rtol=rtol, atol=rtol * float(theirs.abs().max()))


@given(
    seed=st.integers(0, 1000),
    frames=st.integers(1, 300),
    cuts=st.lists(st.integers(0, 300), max_size=4),
    dtype=st.sampled_from([torch.float32, torch.float64]),
)
@tries(50)
def test_pieces_are_the_whole_bit_for_bit(seed, frames, cuts, dtype):
    energy, s = energies(seed, 2, 9, frames, dtype=dtype), torch.tensor([0.015, 0.25])
    cuts = sorted({cut for cut in cuts if 0 < cut < frames})

    def in_pieces(energy, s, start):
        out, m = [], start
        for piece in energy.tensor_split(cuts, dim=-1):
            out.append(smooth(piece, s, m))
            m = out[-1][..., -1]
        return torch.cat(out, -1)

    assert torch.equal(in_pieces(energy, s, None), smooth(energy, s))
    start = energies(seed + 1, 2, 2, 9, dtype=dtype)
    rtol = 1e-4 if dtype == torch.float32 else 1e-6  # s is float32, and so is its gradient
    for pieces, whole in zip(with_gradients(in_pieces, energy, s, start), with_gradients(smooth, energy, s, start)):
        assert_close(pieces, whole, rtol=rtol, atol=rtol * float(whole.abs().max()))


@given(value=st.floats(0, 2**100, width=32), s=COEFFICIENTS, frames=st.integers(1, 100))
def test_a_constant_is_its_own_average(value, s, frames):
    energy = torch.full((2, frames), value)
    assert torch.equal(smooth(energy, s), energy) and torch.equal(smooth_zero_phase(energy, s), energy)


@given(seed=st.integers(0, 1000), frames=st.integers(1, 200), s=st.lists(COEFFICIENTS, min_size=1, max_size=3))
@tries(50)
def test_zero_phase_is_scipys_filtfilt(seed, frames, s):
    energy = energies(seed, 3, frames)
    theirs = torch.stack(
        [torch.from_numpy(scipy.signal.filtfilt([one], [1, one - 1], energy.numpy(), padtype=None).copy()) for one in s]
    )
    ours = smooth_zero_phase(energy, torch.tensor(s, dtype=torch.float64))
    assert_close(ours, theirs, rtol=1e-10, atol=0)
    assert_close(smooth_zero_phase(energy, s[0]), theirs[0], rtol=1e-10, atol=0)


def test_zero_phase_delays_nothing_and_the_causal_smoother_does():
    """Far from both ends, so that no start is felt: time reversal changes nothing, and a click stays where it was."""
    energy = torch.zeros(401, dtype=torch.float64)
    energy[180:221] = energies(0, 41)
    m = smooth_zero_phase(energy, 0.25)
    assert_close(m.flip(-1), smooth_zero_phase(energy.flip(-1), 0.25), rtol=0, atol=1e-12)
    assert not torch.allclose(smooth(energy, 0.25).flip(-1), smooth(energy.flip(-1), 0.25), rtol=0, atol=1e-3)
    click = torch.zeros(401)
    click[200] = 1
    assert_close(smooth_zero_phase(click, 0.25), smooth_zero_phase(click, 0.25).flip(-1))
    assert (smooth(click, 0.25)[:200] == 0).all() and (smooth_zero_phase(click, 0.25)[150:200] > 0).all()


@pytest.mark.parametrize("way", ["recursion", "lfilter"])
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_and_autocast_are_computed_in_float32(way, dtype, request):
    if way == "lfilter":
        request.getfixturevalue("by_lfilter")
    energy, s = torch.rand(5, 100).to(dtype), torch.tensor([0.015, 0.25])
    expected = smooth(energy.float(), s)
    assert expected.dtype == torch.float32
    with torch.autocast("cpu", torch.bfloat16):
        under = smooth(energy.float(), s)
    assert torch.equal(smooth(energy, s), expected) and torch.equal(under, expected)


def test_the_number_of_threads_does_not_change_a_bit():
    energy, s, start = energies(0, 70, 200, dtype=torch.float32), torch.tensor([0.015, 0.25]), torch.ones(70)
    threads, results = torch.get_num_threads(), []
    try:
        for n in (1, 2):
            torch.set_num_threads(n)
            results.append(with_gradients(smooth, energy, s, start))
    finally:
        torch.set_num_threads(threads)
    assert all(torch.equal(one, two) for one, two in zip(*results))


def test_the_number_of_threads_that_torch_uses_stays_as_it_was():
    code = """
import torch
from sedlib.features import smooth
energy = torch.ones(40, 9, requires_grad=True)
smooth(energy, 0.1).sum().backward()
print(torch.get_num_threads())
"""
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    said = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert said.stdout.split() == ["1"]


@pytest.mark.parametrize("s", [0.0, 1.0, -0.1, 1.5, float("nan"), [0.2, 1.0]])
@pytest.mark.parametrize("function", [smooth, smooth_zero_phase])
def test_coefficients_outside_0_to_1_are_refused(function, s):
    with pytest.raises(SedError, match="between 0 and 1, not"):
        function(torch.ones(2, 3), torch.tensor(s))


@pytest.mark.parametrize("function", [smooth, smooth_zero_phase])
def test_nothing_to_smooth_is_refused(function):
    with pytest.raises(SedError, match=r"\(2, 0\) has no frame"):
        function(torch.ones(2, 0), 0.1)


@given(seconds=st.floats(1e-3, 100), frame_s=st.floats(1e-3, 1))
def test_coefficient_is_librosas_and_time_constant_its_inverse(seconds, frame_s):
    """What `librosa.pcen` makes of a step from silence tells which coefficient it took: E / M = 1 / b."""
    b = coefficient(seconds, frame_s)
    divided = librosa.pcen(
        np.array([[0.0, 1.0]]),
        sr=1 / frame_s,
        hop_length=1,
        time_constant=seconds,
        gain=1,
        bias=1,
        power=1,
        eps=1e-300,
        zi=[[0.0]],
    )
    assert b == pytest.approx(1 / divided[0, 1], rel=1e-6)
    assert time_constant(b, frame_s) == pytest.approx(seconds, rel=1e-6) or b > 0.999


@pytest.mark.parametrize(
    "seconds, frame_s", [(0, 0.01), (0.4, 0), (-1, 0.01), (float("nan"), 0.01), (0.4, float("nan"))]
)
def test_time_constants_must_be_positive(seconds, frame_s):
    with pytest.raises(SedError, match="must be positive"):
        coefficient(seconds, frame_s)


@pytest.mark.parametrize("s", [0.0, 1.0, float("nan")])
def test_a_time_constant_needs_a_coefficient_between_0_and_1(s):
    with pytest.raises(SedError, match="between 0 and 1"):
        time_constant(s, 0.016)


@cuda
@pytest.mark.parametrize("frames", FRAMES)
def test_on_cuda_it_is_the_same_function(frames):
    energy, s, start = energies(0, 3, 5, frames, dtype=torch.float32), torch.tensor([0.015, 0.25]), torch.ones(3, 5)
    there = with_gradients(smooth, energy.cuda(), s.cuda(), start.cuda())
    for ours, theirs in zip(there, with_gradients(smooth, energy, s, start)):
        assert_close(ours.cpu(), theirs, rtol=2e-4, atol=2e-4 * float(theirs.abs().max()))
    with torch.autocast("cuda", torch.bfloat16):
        assert torch.equal(smooth(energy.cuda(), s.cuda(), start.cuda()), there[0])
