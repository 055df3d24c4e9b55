"""Losses, moving average and ramp-up against their equations; batches against what they promise."""

import dataclasses
import math

import librosa
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from lightning_fabric import Fabric
from torch import nn
from tries import tries

from sedlib.config import Features, profile
from sedlib.data.encoder import batch_indices, weak_labels
from sedlib.models import Detector, Output
from sedlib.systems import configuration
from sedlib.training import MeanTeacher, add_noise, losses, rampup, update_teacher
from sedlib.training.adversarial import DomainAdversarial

LIMITS = Features()


def output(seed: int, clips: int = 6) -> Output:
    g = torch.Generator().manual_seed(seed)
    return Output(
        3 * torch.randn(clips, 5, 10, generator=g), 3 * torch.randn(clips, 10, generator=g), torch.zeros(clips, 5, 3)
    )


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
        assert rates == pytest.approx(
            {"learning_rate": ramp * t.learning_rate, "consistency_weight": ramp * t.consistency}
        )
        terms = learner.step(step, batch, torch.ones(t.strong, config.frames, 10), torch.ones(t.weak, 10))
        assert [group["lr"] for group in learner.optimizer.param_groups] == [rates["learning_rate"]]
        consistency = terms["consistency_strong"] + terms["consistency_weak"]
        assert float(terms["total"]) == pytest.approx(
            float(terms["strong"] + terms["weak"] + rates["consistency_weight"] * consistency), rel=1e-6
        )


@pytest.mark.parametrize("begin", [0.0, 0.3, 1.0])
def test_the_learning_rates_fall_as_half_a_cosine_and_the_consistency_weight_stays(begin):
    """From a share of the 5 epochs of 4 steps on, half way down in the middle of what is left."""
    config = configuration("dat", "smoke")
    t, a = (dataclasses.replace(part, rampup_epochs=0) for part in (config.training, config.adversarial))
    t = dataclasses.replace(t, decay_from=begin, epochs=5)
    config = dataclasses.replace(config, training=t, adversarial=a)
    learner = DomainAdversarial(Detector(config), config, Fabric(accelerator="cpu", devices=1), 4)
    for step in range(20):
        done = (step / 20 - begin) / (1 - begin) if step / 20 > begin else 0
        expected, rates = 0.5 + 0.5 * math.cos(math.pi * done), learner.rates(step)
        assert rates["learning_rate"] == pytest.approx(expected * t.learning_rate)
        assert rates["domain_learning_rate"] == pytest.approx(expected * a.learning_rate)
        assert rates["consistency_weight"] == t.consistency
    assert learner.rates(20)["learning_rate"] == pytest.approx(0 if begin < 1 else t.learning_rate)
    if begin == 0.3:
        assert learner.rates(13)["learning_rate"] == pytest.approx(t.learning_rate / 2)


def test_losses_against_numpy():
    student, teacher = output(0), output(1)
    strong, weak = (torch.rand(2, 5, 10) > 0.5).float(), (torch.rand(1, 10) > 0.5).float()
    terms = losses(student, teacher, strong, weak, consistency_weight=1.7)

    def posterior(logits):
        return 1 / (1 + np.exp(-logits.double().numpy()))

    def entropy(logits, y):
        p, y = posterior(logits), y.double().numpy()
        return -(y * np.log(p) + (1 - y) * np.log(1 - p)).mean()

    assert float(terms["strong"]) == pytest.approx(entropy(student.strong_logits[:2], strong), rel=1e-5)
    assert float(terms["weak"]) == pytest.approx(entropy(student.weak_logits[2:3], weak), rel=1e-5)
    squared = [
        ((posterior(getattr(student, name)) - posterior(getattr(teacher, name))) ** 2).mean()
        for name in ("strong_logits", "weak_logits")
    ]
    assert [float(terms["consistency_strong"]), float(terms["consistency_weak"])] == pytest.approx(
        [float(s) for s in squared]
    )
    assert float(terms["total"]) == pytest.approx(float(terms["strong"] + terms["weak"] + 1.7 * sum(squared)), rel=1e-6)


def test_a_kind_of_labels_without_clips_adds_nothing():
    student, teacher = output(0), output(1)
    strong = (torch.rand(6, 5, 10) > 0.5).float()
    terms = losses(student, teacher, strong, torch.zeros(0, 10), 0.0)
    assert terms["weak"] == 0 and terms["total"] == terms["strong"] > 0
    assert losses(student, teacher, torch.zeros(0, 5, 10), torch.ones(6, 10), 0.0)["strong"] == 0


def test_a_network_that_is_sure_and_wrong_has_a_finite_loss_and_learns():
    """Where float32 posteriors are exactly 0 and 1: the cross-entropy of logit z and label y is log(1 + e^z) - y z."""
    sure = Output(torch.full((1, 5, 10), 80.0), torch.full((1, 10), -90.0), torch.zeros(1, 5, 3))
    assert (sure.strong == 1).all() and (sure.weak == 0).all()
    strong = sure.strong_logits.requires_grad_()
    terms = losses(sure, sure, torch.zeros(1, 5, 10), torch.zeros(0, 10), 1.0)
    assert float(terms["strong"]) == 80
    (gradient,) = torch.autograd.grad(terms["total"], strong)
    torch.testing.assert_close(gradient, torch.full_like(gradient, 1 / 50))
    assert float(losses(sure, sure, torch.zeros(0, 5, 10), torch.ones(1, 10), 1.0)["weak"]) == 90


def test_nan_gives_nan_and_no_posterior_is_handed_to_a_cross_entropy(monkeypatch):
    """A GPU's kernel asserts that posteriors lie in [0, 1]; after that, nothing on the device can be read or saved any
    more."""

    def asserts(*arguments, **options):
        raise AssertionError("device-side assert")

    monkeypatch.setattr(nn.functional, "binary_cross_entropy", asserts)
    nothing = Output(*(torch.full_like(t, math.nan) for t in output(0)))
    terms = losses(nothing, output(1), torch.ones(2, 5, 10), torch.ones(1, 10), 1.0)
    assert all(value.isnan() for value in terms.values())


def test_labels_of_one_kind_leave_the_other_clips_alone():
    """The gradient of the strong term is zero on weak and unlabelled clips, that of the weak term elsewhere."""
    student = Output(*(t.requires_grad_() for t in output(0)))
    terms = losses(student, output(1), torch.ones(2, 5, 10), torch.ones(1, 10), 1.0)
    (strong,) = torch.autograd.grad(terms["strong"], student.strong_logits, retain_graph=True)
    (weak,) = torch.autograd.grad(terms["weak"], student.weak_logits, retain_graph=True)
    assert strong[:2].all() and not strong[2:].any()
    assert weak[2].all() and not weak[:2].any() and not weak[3:].any()
    (consistency,) = torch.autograd.grad(terms["consistency_strong"], student.strong_logits)
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


def test_the_teacher_starts_with_weights_of_its_own():
    """And after the first update they are averaged half and half: a = min(1 - 1/(step + 1), ema) with the step from
    1."""
    config = profile("smoke")
    config = dataclasses.replace(config, training=dataclasses.replace(config.training, ema=0.999))
    t, features = config.training, config.features
    student = Detector(config)
    student.scale.mean.fill_(-30.0)
    learner = MeanTeacher(student, config, Fabric(accelerator="cpu", devices=1), 8)
    matrices = [(a, b) for a, b in zip(student.crnn.parameters(), learner.teacher.crnn.parameters()) if a.dim() > 1]
    assert not any(torch.equal(a, b) for a, b in matrices)
    assert torch.equal(learner.teacher.scale.mean, student.scale.mean)
    before = [p.detach().clone() for p in learner.teacher.parameters()]
    batch = 2 * [torch.randn(t.strong + t.weak + t.unlabelled, 1, features.n_mels, features.frames)]
    learner.step(0, batch, torch.ones(t.strong, config.frames, 10), torch.ones(t.weak, 10))
    for old, new, learned in zip(before, learner.teacher.parameters(), student.parameters()):
        torch.testing.assert_close(new, 0.5 * old + 0.5 * learned)


def test_noise_is_the_baselines_white_noise_on_mel_amplitudes():
    """Against the definition with NumPy and librosa: standard deviation sqrt(mean_t(mel^2) 10^(-SNR/10)) for each clip
    and band, added before the logarithm; amplitude to dB keeps 1e-5 and the loudest 80 dB."""
    generator = np.random.default_rng(0)
    level = generator.uniform(-70, 5, (2, 1, 8, 50)).astype(np.float32)
    level[1] -= 25  # a quiet clip, with some bins below the smallest amplitude
    mel = 10 ** (level / 20)
    features = np.stack([librosa.amplitude_to_db(clip, ref=1.0, amin=1e-5, top_db=80) for clip in mel])
    mel = 10 ** (features.astype(np.float64) / 20)
    torch.manual_seed(3)
    normal = torch.randn(mel.shape).numpy()
    deviation = np.sqrt((mel**2).mean(-1, keepdims=True) * 10 ** (-20 / 10))
    expected = np.stack(
        [librosa.amplitude_to_db(clip, ref=1.0, amin=1e-5, top_db=80) for clip in mel + deviation * normal]
    )
    torch.manual_seed(3)
    ours = add_noise(torch.from_numpy(features), 20.0, LIMITS).numpy()
    np.testing.assert_allclose(ours, expected, atol=2e-3)


@pytest.mark.parametrize("gain_db", [-40.0, 40.0])
def test_noise_does_not_depend_on_the_recording_gain(gain_db):
    level = torch.empty(2, 1, 4, 30).uniform_(-50, 0, generator=torch.Generator().manual_seed(0))
    torch.manual_seed(0)
    plain = add_noise(level, 30.0, LIMITS)
    torch.manual_seed(0)
    torch.testing.assert_close(add_noise(level + gain_db, 30.0, LIMITS), plain + gain_db, atol=1e-3, rtol=0)


def test_noise_raises_the_floor_beneath_an_event_and_leaves_the_event_and_other_bands_alone():
    """An event of 20 dB in a fifth of the frames, silence of -60 dB: noise 30 dB below the band's power of 13 dB. In
    silence only noise is left: its level 20 log10 |sigma n| has the mean 20 log10 sigma - 5.52 dB."""
    torch.manual_seed(0)
    level = torch.full((1, 1, 2, 50000), -60.0)
    level[:, :, 0, :10000] = 20
    noisy = add_noise(level, 30.0, dataclasses.replace(LIMITS, range_db=200.0))[0, 0]
    assert float(noisy[0, 10000:].mean()) == pytest.approx(20 + 10 * math.log10(0.2) - 30 - 5.52, abs=0.1)
    assert float((noisy[0, :10000] - 20).std()) == pytest.approx(0.12, abs=0.01)
    assert float((noisy[1] + 60).std()) == pytest.approx(0.27, abs=0.01)


def test_without_a_ratio_there_is_no_noise():
    level = torch.randn(1, 1, 4, 30)
    assert torch.equal(add_noise(level, None, LIMITS), level)


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
    of_view, of_seen = (10 ** (x.double() / 20) for x in (views[1], seen["teacher"]))
    noise = of_seen - of_view
    snr = 10 * math.log10(float(of_view.square().mean() / noise.square().mean()))
    assert snr == pytest.approx(t.noise_snr_db, abs=0.3)


@given(st.integers(1, 9), st.integers(1, 20), st.integers(0, 5))
@tries(60)
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
