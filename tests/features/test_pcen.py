"""PCEN against librosa, asteroid and equation (3); what it does at its limits; what its layers learn and may not."""

import dataclasses

import librosa
import numpy as np
import pytest
import torch
from asteroid_filterbanks.pcen import PCEN as AsteroidPCEN
from hypothesis import given
from hypothesis import strategies as st
from torch.testing import assert_close
from tries import tries

from sedlib.config import Features, Pcen
from sedlib.errors import SedError
from sedlib.features import PCEN, pcen, smooth, time_constant
from sedlib.features.pcen import ALPHA, DELTA, PAPER_HOP, R, S, at_hop

FEATURES = Features(n_mels=4)
TWO = Pcen(layers=2, alpha=(0.8, 0.4), delta=(2.0, 5.0), r=(0.5, 0.75), learn_s=True)
HALF_A_MINUTE = 1 + 30 * FEATURES.sample_rate // FEATURES.hop

SEEDS = st.integers(0, 1000)
COEFFICIENTS, GAINS, BIASES, POWERS = st.floats(0.001, 0.999), st.floats(0, 1), st.floats(0.01, 100), st.floats(0.01, 1)


def energies(seed: int, *shape: int) -> torch.Tensor:
    """Float64, over many decades, with silence in it."""
    draw = torch.rand(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return torch.where(draw < 0.1, 0.0, (20 * draw - 12).exp())


def module(settings: Pcen = TWO, features: Features = FEATURES) -> PCEN:
    """With smoothers mixed differently in every band and layer."""
    torch.manual_seed(0)
    made = PCEN(settings, features)
    made.logits.data.normal_()
    return made


@given(seed=SEEDS, s=COEFFICIENTS, alpha=GAINS, delta=BIASES, r=POWERS, scale=st.sampled_from([1e-6, 1, 1e6]))
@tries(80)
def test_equals_librosa(seed, s, alpha, delta, r, scale):
    energy = scale * energies(seed, 3, 50)
    theirs = torch.from_numpy(
        librosa.pcen(energy.numpy(), gain=alpha, bias=delta, power=r, eps=1e-6, b=s, zi=(1 - s) * energy[:, :1].numpy())
    )
    assert_close(pcen(energy, smooth(energy, s), alpha, delta, r), theirs, rtol=1e-9, atol=0)
    single = energy.float()
    ours = pcen(single, smooth(energy, s).float(), alpha, delta, r)
    assert_close(ours.double(), theirs, rtol=1e-5, atol=1e-30)


@given(seed=SEEDS, s=COEFFICIENTS, alpha=GAINS, delta=BIASES, root=st.floats(1, 8))
@tries(40)
def test_equals_asteroid_for_one_smoother(seed, s, alpha, delta, root):
    """Its plain formula cancels where the result is small, so the comparison is of double precision."""
    peer = AsteroidPCEN(alpha=alpha, delta=delta, root=root, floor=1e-6, smooth=s).double()
    # Rounded to float32, which they are there.
    alpha, delta, root, s = (float(p) for p in (peer.alpha, peer.delta, peer.root, peer.ema.weights))
    energy = energies(seed, 2, 4, 30)
    ours = pcen(energy, smooth(energy, s), alpha, delta, 1 / root)
    assert_close(ours, peer(energy), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("smoother", ["causal", "zero-phase"])
def test_the_module_is_equation_3_with_mixed_smoothers(smoother):
    made = module(dataclasses.replace(TWO, smoother=smoother))
    energy = energies(0, 3, 1, 4, 90)
    p = {name: values.detach().double().numpy() for name, values in made.values().items()}
    out, smoothed = made(energy.float()).detach().double(), made.smoothed(energy.float()).detach().double()
    assert out.shape == (3, 2, 4, 90)

    def average(e: np.ndarray, s: float) -> np.ndarray:
        m = [e[..., 0]]
        for now in np.moveaxis(e, -1, 0)[1:]:
            m.append((1 - s) * m[-1] + s * now)
        return np.stack(m, -1)

    e = energy[:, 0].numpy()
    each = [average(e, s) for s in p["s"]]
    if smoother == "zero-phase":
        each = [average(m[..., ::-1], s)[..., ::-1] for m, s in zip(each, p["s"])]
    for layer in range(2):
        m = sum(w[:, None] * one for w, one in zip(p["weights"][layer], each))
        a, d, r = (p[name][layer] for name in ("alpha", "delta", "r"))
        assert_close(smoothed[:, layer], torch.from_numpy(m), rtol=1e-5, atol=1e-7)
        assert_close(out[:, layer], torch.from_numpy((e / (1e-6 + m) ** a + d) ** r - d**r), rtol=3e-5, atol=1e-8)


@given(level=st.floats(1e-6, 1e6), s=COEFFICIENTS, delta=BIASES, r=POWERS)
def test_with_alpha_1_a_constant_loses_its_level(level, s, delta, r):
    energy = torch.full((2, 20), level, dtype=torch.float64)
    expected = torch.full_like(energy, (1 + delta) ** r - delta**r)
    assert_close(pcen(energy, smooth(energy, s), 1.0, delta, r, eps=1e-30), expected, rtol=1e-9, atol=0)


@given(m=st.floats(0, 1e6), alpha=GAINS, delta=BIASES, r=POWERS)
def test_silence_stays_silence_and_more_energy_gives_more(m, alpha, delta, r):
    energy = torch.cat([torch.zeros(1), torch.logspace(-6, 6, 50)]).double()
    out = pcen(energy, torch.tensor(m, dtype=torch.float64), alpha, delta, r)
    assert out[0] == 0 and (out.diff() > 0).all()


def test_layers_are_each_layer_alone():
    settings = Pcen(layers=3, alpha=(0.9, 0.4, 0.1), delta=(2.0, 5.0, 0.5), r=(0.5, 0.75, 0.2))
    together, energy = module(settings), energies(0, 2, 1, 4, 40).float()
    out, m = together(energy), together.smoothed(energy)
    for layer in range(3):
        only = {name: getattr(settings, name)[layer : layer + 1] for name in ("alpha", "delta", "r")}
        alone = PCEN(dataclasses.replace(settings, layers=1, **only), FEATURES)
        alone.logits.data.copy_(together.logits.data[layer : layer + 1])
        assert_close(out[:, layer : layer + 1], alone(energy))
        assert_close(m[:, layer : layer + 1], alone.smoothed(energy))


def test_layers_begin_with_all_smoothers_alike_and_hear_every_clip_and_band_by_itself():
    assert torch.equal(PCEN(TWO, FEATURES).values()["weights"], torch.full((2, 2, 4), 0.5))
    made, energy = module(), energies(1, 2, 1, 4, 40).float()
    louder = energy.clone()
    louder[1, :, 2] += 1
    changed = (made(energy) != made(louder)).any(-1)
    assert changed[1, :, 2].all() and changed.sum() == 2


@pytest.mark.parametrize("s", [0.015, 0.25])
def test_another_hop_keeps_the_time_constants(s):
    fixed = dataclasses.replace(TWO, s=(s,), learn_s=False)
    there = PCEN(fixed, Features(n_mels=4, hop=1024)).values()["s"].item()
    assert time_constant(there, 1024 / 16000) == pytest.approx(time_constant(s, 255 / 16000), rel=1e-4)
    assert at_hop(s, PAPER_HOP) == s
    assert PCEN(fixed, FEATURES).values()["s"].item() == pytest.approx(s, rel=1e-5)


def sounds() -> dict[str, torch.Tensor]:
    click = torch.zeros(4, 60)
    click[:, 30] = 1
    clipped = (torch.rand(4, 60, generator=torch.Generator().manual_seed(0)) > 0.5).float()
    noise = torch.rand(4, HALF_A_MINUTE, generator=torch.Generator().manual_seed(0))
    return {
        "silence": torch.zeros(4, 60),
        "constant": torch.ones(4, 60),
        "click": click,
        "clipped": clipped,
        "one frame": noise[:, :1],
        "one silent frame": torch.zeros(4, 1),
        "half a minute": noise,
    }


@pytest.mark.parametrize("scale", [1e-12, 1e-6, 1.0, 1e9])
@pytest.mark.parametrize("smoother", ["causal", "zero-phase"])
@pytest.mark.parametrize("sound", sounds())
def test_values_and_gradients_are_finite(sound, smoother, scale):
    mild = dataclasses.replace(TWO, smoother=smoother)
    extreme = dataclasses.replace(mild, alpha=(0.999, 0.011), delta=(0.0101, 99.9), r=(0.999, 0.0101))
    for settings in (mild, extreme):
        made, energy = module(settings), (scale * sounds()[sound])[None, None].requires_grad_()
        out = made(energy)
        out.sum().backward()
        assert out.isfinite().all() and (out >= 0).all()
        for name, parameter in [("energy", energy), *made.named_parameters()]:
            assert parameter.grad is not None and parameter.grad.isfinite().all(), name


def test_every_learned_parameter_is_felt():
    made = module()
    made(energies(0, 1, 1, 4, 40).float()).square().sum().backward()
    for name, parameter in made.named_parameters():
        assert (parameter.grad != 0).all(), name


def test_gradients_are_those_of_the_equation():
    """By finite differences, in E and in alpha, delta and r."""
    inputs = [energies(0, 3, 12) + 0.1, *torch.tensor([0.8, 2.0, 0.5], dtype=torch.float64)]
    inputs = [x.detach().requires_grad_() for x in inputs]
    assert torch.autograd.gradcheck(lambda e, alpha, delta, r: pcen(e, smooth(e, 0.2), alpha, delta, r), inputs)


@pytest.mark.parametrize("direction", [1e6, -1e6])
def test_parameters_stay_within_their_bounds_whatever_the_gradient(direction):
    made, energy = module(), energies(0, 1, 1, 4, 20).float()
    optimizer = torch.optim.Adam(made.parameters(), lr=10)
    for _ in range(200):
        optimizer.zero_grad()
        out = made(energy)
        (direction * out).sum().backward()
        optimizer.step()
        assert out.isfinite().all()
    values = made.values()
    for name, (low, high) in {"alpha": ALPHA, "delta": DELTA, "r": R, "s": S}.items():
        assert (values[name] >= low * (1 - 1e-6)).all() and (values[name] <= high * (1 + 1e-6)).all(), name
    assert_close(values["weights"].sum(1), torch.ones(2, 4))


@given(alpha=st.floats(0.011, 0.99), delta=st.floats(0.011, 99), r=st.floats(0.011, 0.99), s=st.floats(0.0011, 0.99))
def test_learning_starts_at_the_given_values(alpha, delta, r, s):
    made = PCEN(Pcen(layers=1, alpha=(alpha,), delta=(delta,), r=(r,), s=(s,)), FEATURES)
    values = {name: value.item() for name, value in made.values().items() if name != "weights"}
    assert values == pytest.approx({"alpha": alpha, "delta": delta, "r": r, "s": s}, rel=1e-4)


def test_the_summary_says_what_the_values_are():
    made = module()
    values, summary = made.values(), made.summary()
    assert set(summary) == {f"pcen{layer}_{name}" for layer in (1, 2) for name in ("alpha", "delta", "r", "fast")}
    for layer in (0, 1):
        for name in ("alpha", "delta", "r"):
            assert summary[f"pcen{layer + 1}_{name}"] == values[name][layer].item()
        of_faster = values["weights"][layer, 1].mean()  # s = 0.25
        assert summary[f"pcen{layer + 1}_fast"] == pytest.approx(of_faster.item())
    assert_close(values["weights"].sum(1), torch.ones(2, 4))


@pytest.mark.parametrize(
    "learn, learned",
    [
        ({"trainable": True, "learn_s": False}, {"_alpha.z", "_delta.z", "_r.z", "logits"}),
        ({"trainable": True, "learn_s": True}, {"_alpha.z", "_delta.z", "_r.z", "logits", "_s.z"}),
        ({"trainable": False, "learn_s": False}, set()),
    ],
)
def test_what_learns(learn, learned):
    made = PCEN(dataclasses.replace(TWO, **learn), FEATURES)
    assert {name for name, parameter in made.named_parameters() if parameter.requires_grad} == learned


def test_every_precision_and_autocast_are_computed_in_float32():
    made, energy = module(), energies(0, 1, 1, 4, 40).bfloat16()
    expected = made(energy.float())
    with torch.autocast("cpu", torch.bfloat16):
        under = made(energy.float())
    for other in (under, made(energy), made(energy.double())):
        assert other.dtype == torch.float32 and torch.equal(other, expected)


@pytest.mark.parametrize(
    "bad, said",
    [(-1e-3, r"between -0.001 and 1\."), (float("nan"), "between nan"), (float("inf"), "between 1 and inf")],
)
def test_energies_that_pcen_cannot_take_are_refused_with_the_way_out(bad, said):
    energy = torch.ones(1, 1, 4, 10)
    energy[0, 0, 2, 5] = bad
    with pytest.raises(SedError, match=f"finite and not negative; here they lie {said}.*minmax"):
        module()(energy)


@pytest.mark.parametrize(
    "change, said",
    [
        ({"alpha": (0.8, 0.001)}, "pcen.alpha is .*between 0.01 and 1$"),
        ({"delta": (1000.0, 2.0)}, "pcen.delta is .*between 0.01 and 100$"),
        ({"r": (0.5, 1.5)}, "pcen.r is .*between 0.01 and 1$"),
        ({"s": (0.015, 0.9999)}, "pcen.s is .*between 0.001 and 0.999$"),
    ],
)
def test_settings_that_cannot_be_are_named(change, said):
    with pytest.raises(SedError, match=said):
        PCEN(dataclasses.replace(TWO, **change), FEATURES)
