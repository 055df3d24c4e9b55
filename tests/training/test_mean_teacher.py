"""Losses, moving average and ramp-up against their equations; batches against what they promise."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from lightning_fabric import Fabric
from torch import nn

from sedlib.config import profile
from sedlib.data.batches import batch_indices, weak_labels
from sedlib.model import Detector, Output
from sedlib.training import MeanTeacher, add_noise, losses, rampup, update_teacher


def output(seed: int, clips: int = 6) -> Output:
    g = torch.Generator().manual_seed(seed)
    return Output(torch.rand(clips, 5, 10, generator=g), torch.rand(clips, 10, generator=g), torch.zeros(clips, 5, 3))


def test_rampup():
    assert rampup(0, 50) == pytest.approx(math.exp(-5))
    assert rampup(25, 50) == pytest.approx(math.exp(-1.25))
    assert rampup(50, 50) == rampup(5000, 50) == rampup(0, 0) == 1
    values = [rampup(s, 50) for s in range(60)]
    assert values == sorted(values)


def test_a_step_takes_its_rates_from_the_ramp():
    config = profile("smoke")
    t = config.training
    learner = MeanTeacher(Detector(config), config, Fabric(accelerator="cpu", devices=1), 8)
    batch = 2 * [torch.randn(t.strong + t.weak + t.unlabelled, 1, config.features.n_mels, config.features.frames)]
    for step, ramp in ((0, math.exp(-5)), (4, math.exp(-1.25)), (8, 1), (80, 1)):  # an epoch long
        rates = learner.rates(step)
        assert rates == pytest.approx({"learning_rate": ramp * t.learning_rate, "consistency_weight": ramp * t.consistency})
        terms = learner.step(step, batch, torch.ones(t.strong, config.frames, 10), torch.ones(t.weak, 10))
        assert [group["lr"] for group in learner.optimizer.param_groups] == [rates["learning_rate"]]
        consistency = terms["consistency_strong"] + terms["consistency_weak"]
        assert float(terms["total"]) == pytest.approx(
            float(terms["strong"] + terms["weak"] + rates["consistency_weight"] * consistency), rel=1e-6)


def test_losses_against_numpy():
    student, teacher = output(0), output(1)
    strong, weak = (torch.rand(2, 5, 10) > 0.5).float(), (torch.rand(1, 10) > 0.5).float()
    terms = losses(student, teacher, strong, weak, consistency_weight=1.7)

    def entropy(p, y):
        p, y = p.double().numpy(), y.double().numpy()
        return -(y * np.log(p) + (1 - y) * np.log(1 - p)).mean()

    assert float(terms["strong"]) == pytest.approx(entropy(student.strong[:2], strong), rel=1e-5)
    assert float(terms["weak"]) == pytest.approx(entropy(student.weak[2:3], weak), rel=1e-5)
    squared = ((student.strong - teacher.strong) ** 2).mean(), ((student.weak - teacher.weak) ** 2).mean()
    assert [float(terms["consistency_strong"]), float(terms["consistency_weak"])] == pytest.approx([float(s) for s in squared])
    assert float(terms["total"]) == pytest.approx(float(terms["strong"] + terms["weak"] + 1.7 * sum(squared)), rel=1e-6)


def test_a_kind_of_labels_without_clips_adds_nothing():
    student, teacher = output(0), output(1)
    strong = (torch.rand(6, 5, 10) > 0.5).float()
    terms = losses(student, teacher, strong, torch.zeros(0, 10), 0.0)
    assert terms["weak"] == 0 and terms["total"] == terms["strong"] > 0
    assert losses(student, teacher, torch.zeros(0, 5, 10), torch.ones(6, 10), 0.0)["strong"] == 0


def test_labels_of_one_kind_leave_the_other_clips_alone():
    """The gradient of the strong term is zero on weak and unlabelled clips, that of the weak term elsewhere."""
    student = Output(*(t.requires_grad_() for t in output(0)))
    terms = losses(student, output(1), torch.ones(2, 5, 10), torch.ones(1, 10), 1.0)
    strong, = torch.autograd.grad(terms["strong"], student.strong, retain_graph=True)
    weak, = torch.autograd.grad(terms["weak"], student.weak, retain_graph=True)
    assert strong[:2].all() and not strong[2:].any()
    assert weak[2].all() and not weak[:2].any() and not weak[3:].any()
    consistency, = torch.autograd.grad(terms["consistency_strong"], student.strong)
    assert consistency.all()


def test_teacher_is_the_closed_form_average():
    """Plain average of all students while 1 - 1/(step + 1) < ema, exponential afterwards."""
    teacher, student, values = nn.Linear(1, 1, bias=False), nn.Linear(1, 1, bias=False), []
    start = teacher.weight.item()
    for step in range(1, 41):
        student.weight.data.fill_(math.sin(step))
        values.append(math.sin(step))
        update_teacher(teacher, student, step, ema=0.9)
        if step <= 9:
            expected = (start + sum(values)) / (step + 1)
        else:
            expected = 0.9 * expected + 0.1 * values[-1]
        assert teacher.weight.item() == pytest.approx(expected, abs=1e-6)
    assert student.weight.item() == pytest.approx(math.sin(40))


def test_noise_has_the_signal_to_noise_ratio_in_every_band():
    torch.manual_seed(0)
    x = torch.linspace(-90, -5, 8)[None, None, :, None] + torch.randn(2, 1, 8, 20000)
    noise = add_noise(x, 30.0) - x
    snr = 10 * torch.log10(x.square().mean(-1) / noise.square().mean(-1))
    torch.testing.assert_close(snr, torch.full_like(snr, 30.0), atol=0.3, rtol=0)


def test_student_and_teacher_each_see_their_view():
    torch.manual_seed(0)
    config = profile("smoke")
    t, seen = config.training, {}
    learner = MeanTeacher(Detector(config), config, Fabric(accelerator="cpu", devices=1), 1)
    for name, network in learner.networks().items():
        network.register_forward_pre_hook(lambda _, inputs, name=name: seen.update({name: inputs[0]}))
    views = torch.randn(2, t.strong + t.weak + t.unlabelled, 1, config.features.n_mels, config.features.frames)
    learner.step(0, tuple(views), torch.ones(t.strong, config.frames, 10), torch.ones(t.weak, 10))
    assert torch.equal(seen["student"], views[0])
    noise = seen["teacher"] - views[1]
    assert noise.any() and noise.std() < 0.1  # of add_noise


@given(st.integers(1, 9), st.integers(1, 20), st.integers(0, 5))
@settings(max_examples=60, deadline=None)
def test_every_clip_comes_once_in_each_pass(size, clips, seed):
    sequence = np.concatenate([batch_indices(step, size, clips, seed, 1) for step in range(3 * clips)])
    for start in range(0, len(sequence) - clips + 1, clips):
        assert sorted(sequence[start : start + clips]) == list(range(clips))


def test_every_pass_has_a_new_order():
    passes = [batch_indices(step, 50, 50, 0, 1).tolist() for step in range(4)]
    assert len(set(map(tuple, passes))) == 4


def test_batches_depend_on_seed_and_kind_only():
    first = batch_indices(7, 6, 100, 0, 1)
    assert np.array_equal(first, batch_indices(7, 6, 100, 0, 1))
    assert not np.array_equal(first, batch_indices(7, 6, 100, 1, 1))
    assert not np.array_equal(first, batch_indices(7, 6, 100, 0, 2))


def test_weak_labels():
    import pandas as pd

    table = pd.DataFrame({"filename": ["a.wav", "b.wav", "c.wav"], "event_labels": ["Dog,Speech", "Cat", ""]})
    labels = weak_labels(table, ["c.wav", "a.wav"])
    assert labels.sum(1).tolist() == [0, 2] and labels[1, 4] == labels[1, 8] == 1
