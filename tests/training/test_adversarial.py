"""Domain-adversarial training against equations (1) and (2), in finite differences; its runs, whole and stopped."""

import copy
import dataclasses
import math

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from lightning_fabric import Fabric
from torch import nn
from torch.testing import assert_close
from torch.utils.flop_counter import FlopCounterMode

from sedlib.config import PROFILES, Config, Model
from sedlib.errors import SedError
from sedlib.models import Detector
from sedlib.systems import configuration
from sedlib.training import MeanTeacher, Run, adversarial, loop, losses, mean_teacher, train
from sedlib.training.adversarial import DomainAdversarial, balanced_error, domain_loss, ganin, reverse
from sedlib.training.mean_teacher import rampup

SYNTHETIC, WEAK, UNLABELLED, FRAMES = 2, 2, 3, 12
# Without dropout, at full rates from the first step, and with gradients as they are.
TRAINING = {"strong": SYNTHETIC, "weak": WEAK, "unlabelled": UNLABELLED, "epochs": 2, "rampup_epochs": 0}
ADVERSARIAL = {
    "updates": "two-step",
    "main_weight": 0.7,
    "domain_weight": 0.4,
    "rampup_epochs": 0,
    "gradient_clip": 1e9,
    "blocks": 2,
    "repeats": 1,
    "bottleneck": 4,
    "hidden": 5,
}
# With weights of 0.01, as the baseline's start, a difference would have to be smaller than rounding allows.
TINY_MODEL = Model(
    filters=(3, 4),
    pooling=((2, 4), (1, 8)),
    batchnorm_momentum=0.1,
    conv_dropout=0.0,
    rnn_units=3,
    rnn_layers=1,
    rnn_dropout=0.0,
    init="torch",
)
UPDATES = ("two-step", "reversal")


def changed(config: Config, **parts: dict) -> Config:
    return dataclasses.replace(
        config, **{name: dataclasses.replace(getattr(config, name), **values) for name, values in parts.items()}
    )


def tiny_config(system: str = "dat", training: dict | None = None, **of_adversarial) -> Config:
    config = changed(
        configuration(system, "smoke"), training=TRAINING | (training or {}), adversarial=ADVERSARIAL | of_adversarial
    )
    return dataclasses.replace(config, model=TINY_MODEL)


def learner(config: Config, steps_per_epoch: int = 5) -> DomainAdversarial:
    torch.manual_seed(0)
    return DomainAdversarial(Detector(config), config, Fabric(accelerator="cpu", devices=1), steps_per_epoch)


def batch(config: Config, seed: int = 0) -> tuple[tuple[torch.Tensor, torch.Tensor], torch.Tensor, torch.Tensor]:
    """Views, strong and weak labels: what a step takes."""
    generator = torch.Generator().manual_seed(seed)
    clips = SYNTHETIC + WEAK + UNLABELLED
    views = 20 * torch.randn(2, clips, 1, config.features.n_mels, FRAMES, generator=generator) - 40
    views[:, :SYNTHETIC, :, :8] += 15  # what tells the domains apart
    labels = torch.rand(SYNTHETIC, FRAMES // 2, 10, generator=generator), torch.rand(WEAK, 10, generator=generator)
    return tuple(views), *((of_kind > 0.5).to(views.dtype) for of_kind in labels)


def weights(network: nn.Module) -> dict[str, torch.Tensor]:
    return {name: value.detach().clone() for name, value in network.named_parameters()}


def networks(training: DomainAdversarial) -> dict[str, dict[str, torch.Tensor]]:
    return {
        **{name: weights(network) for name, network in training.networks().items()},
        "domain": weights(training.domain.module),
    }


def norm(network: nn.Module) -> float:
    return float(torch.stack([p.grad.norm() for p in network.parameters() if p.grad is not None]).norm())


@pytest.fixture
def double(monkeypatch):
    """Everything in float64, PCEN too, which computes in float32 otherwise."""
    torch.set_default_dtype(torch.float64)
    monkeypatch.setattr(torch.Tensor, "float", torch.Tensor.double)
    yield
    torch.set_default_dtype(torch.float32)


@pytest.mark.parametrize(
    "system, of_adversarial, step, share",
    [
        ("ppcen_dat_augm", {"updates": "two-step"}, 0, 1.0),
        ("ppcen_dat_augm", {"updates": "reversal"}, 0, 1.0),
        ("dat", {"updates": "two-step", "schedule": "ganin"}, 0, 0.0),
        ("dat", {"updates": "reversal", "schedule": "ganin"}, 0, 0.0),
        ("dat", {"updates": "two-step", "schedule": "ganin"}, 1, math.tanh(0.5)),
        ("dat", {"updates": "reversal", "schedule": "ganin"}, 1, math.tanh(0.5)),
        ("dat", {"updates": "two-step", "main_weight": 0.1, "domain_weight": 0.9}, 1, 1.0),
        ("dat", {"updates": "reversal", "domain_weight": 0.0}, 1, 1.0),
    ],
)
def test_gradients_are_those_of_the_equations(double, system, of_adversarial, step, share):
    """Every tensor's gradient along a random direction, against central differences of the two losses.

    CNN and front-end: main_weight dL_main - share domain_weight dL_adv; RNN and heads: main_weight dL_main; domain
    classifier: domain_weight dL_adv, of the embeddings and at the weights from before the step.
    """
    config = tiny_config(system, **of_adversarial)
    training, a = learner(config), config.adversarial
    (seen, by_teacher), strong, weak = batch(config)
    student, classifier = copy.deepcopy((training.networks()["student"], training.domain.module))
    for p in (*training.networks()["student"].parameters(), *training.domain.module.parameters()):
        p.grad = torch.ones_like(p) if p.requires_grad else None  # as a step before this one leaves them
    heard = []
    training.teacher.register_forward_hook(lambda _, inputs, output: heard.append(output))
    training.step(step, (seen, by_teacher), strong, weak)
    is_synthetic = np.arange(len(seen)) < SYNTHETIC

    @torch.no_grad()
    def both() -> np.ndarray:
        """L_main, and L_adv as the mean of -log p of the right domain."""
        output = student(seen)
        p = 1 / (1 + np.exp(-classifier(output.embeddings).numpy()))
        main = losses(output, heard[0], strong, weak, config.training.consistency)["total"]
        return np.array([float(main), -np.log(np.where(is_synthetic, p, 1 - p)).mean()])

    generator, h, share_of_domain = torch.Generator().manual_seed(1), 1e-5, []
    for mine, learned in ((student.train(), training.networks()["student"]), (classifier, training.domain.module)):
        for (name, p), q in zip(mine.named_parameters(), learned.parameters(), strict=True):
            if not p.requires_grad:
                assert q.grad is None
                continue
            direction = torch.randn(p.shape, generator=generator)
            start, ends = p.detach().clone(), []
            for sign in (1, -1):
                p.data = start + sign * h * direction
                ends.append(both())
            p.data = start
            main, domain = (ends[0] - ends[1]) / (2 * h)
            if mine is classifier:
                assert main == 0
                expected = a.domain_weight * domain
            elif name.startswith(("crnn.cnn.", "pcen.")):
                expected = a.main_weight * main - share * a.domain_weight * domain
                share_of_domain.append(abs(domain) / (abs(main) + abs(domain)))
            else:
                assert domain == 0 and name.startswith(("crnn.rnn.", "crnn.strong.", "crnn.weak."))
                expected = a.main_weight * main
            assert float((q.grad * direction).sum()) == pytest.approx(expected, rel=1e-5, abs=1e-9), name
    assert max(share_of_domain) > 0.1, "in no tensor does the domain loss count, so nothing was tested"


def test_reversal_and_two_steps_with_the_negated_loss_are_the_same_training(double):
    """With a constant weight the classifier's two uses are of the same weights and embeddings."""
    trainings = [learner(tiny_config(updates=updates)) for updates in UPDATES]
    assert_close(networks(trainings[0]), networks(trainings[1]), rtol=0, atol=0)
    for step in range(4):
        for training in trainings:
            torch.manual_seed(step)
            training.step(step, *batch(training_config(training), seed=step))
        one, other = (
            [
                p.grad
                for network in (t.networks()["student"], t.domain.module)
                for p in network.parameters()
                if p.requires_grad
            ]
            for t in trainings
        )
        assert_close(one, other, rtol=1e-9, atol=1e-14)
    assert_close(networks(trainings[0]), networks(trainings[1]), rtol=1e-8, atol=1e-10)


@pytest.mark.parametrize("updates", UPDATES)
def test_with_its_schedule_it_is_another_training(double, updates):
    constant, scheduled = (learner(tiny_config(updates=updates, schedule=each)) for each in ("constant", "ganin"))
    for training in (constant, scheduled):
        torch.manual_seed(0)
        training.step(0, *batch(training_config(training)))
    ours, theirs = networks(constant), networks(scheduled)
    moved = {name for name in ours["student"] if not torch.equal(ours["student"][name], theirs["student"][name])}
    assert moved and all(name.startswith("crnn.cnn.") for name in moved)
    assert_close(ours["domain"], theirs["domain"], rtol=1e-9, atol=1e-12)
    expected = [0.4 * math.tanh(5 * progress) for progress in (0, 0.5, 1)]
    assert [scheduled.rates(step)["domain_weight"] for step in (0, 5, 10)] == pytest.approx(expected, rel=1e-12)
    assert {constant.rates(step)["domain_weight"] for step in range(10)} == {0.4}


def training_config(training: DomainAdversarial) -> Config:
    return tiny_config(**dataclasses.asdict(training.adversarial))


def test_the_teacher_knows_the_domain_loss_only_from_the_average():
    config = tiny_config()
    training = learner(config)
    plain = MeanTeacher(copy.deepcopy(training.networks()["student"]), config, training.fabric, 5)
    plain.teacher.load_state_dict(training.teacher.state_dict())
    before = weights(training.teacher)
    for each in (training, plain):
        torch.manual_seed(7)
        each.step(2, *batch(config))
    student = weights(training.networks()["student"])
    for name, value in weights(training.teacher).items():
        assert_close(value, 0.75 * before[name] + 0.25 * student[name], rtol=1e-5, atol=1e-7)
    assert all(p.grad is None for p in training.teacher.parameters())
    buffers = dict(plain.teacher.named_buffers())
    assert all(torch.equal(value, buffers[name]) for name, value in training.teacher.named_buffers())
    assert not all(torch.equal(value, student[name]) for name, value in weights(plain.networks()["student"]).items())


@pytest.mark.parametrize("updates", UPDATES)
def test_rates_and_ramps_are_separate(updates):
    config = tiny_config(
        training={"rampup_epochs": 2, "learning_rate": 0.01}, updates=updates, rampup_epochs=4, learning_rate=0.002
    )
    training = learner(config)
    for step in (0, 7, 10, 15, 20, 30):
        rates = training.rates(step)
        assert rates == {
            "learning_rate": 0.01 * rampup(step, 10),
            "consistency_weight": config.training.consistency * rampup(step, 10),
            "domain_learning_rate": 0.002 * rampup(step, 20),
            "domain_weight": 0.4,
        }
        training.step(step, *batch(config))
        assert [group["lr"] for group in training.optimizer.param_groups] == [rates["learning_rate"]]
        assert [group["lr"] for group in training.domain_optimizer.param_groups] == [rates["domain_learning_rate"]]
    assert learner(tiny_config()).rates(0)["domain_learning_rate"] == config.adversarial.learning_rate / 2 == 0.001


@pytest.mark.parametrize("updates", UPDATES)
def test_the_gradient_of_either_network_is_clipped_by_itself(updates):
    free, clipped = learner(tiny_config(updates=updates)), learner(tiny_config(updates=updates, gradient_clip=0.01))
    for training in (free, clipped):
        torch.manual_seed(0)
        training.step(0, *batch(training_config(training)))
    for network, short in (
        (free.networks()["student"], clipped.networks()["student"]),
        (free.domain.module, clipped.domain.module),
    ):
        assert norm(network) > 0.02
        assert norm(short) == pytest.approx(0.01, rel=1e-3)
        for p, q in zip(network.parameters(), short.parameters()):
            if p.grad is not None:
                assert_close(q.grad / 0.01, p.grad / norm(network), rtol=1e-3, atol=1e-5)


@given(st.floats(0, 10), st.integers(1, 4))
def test_a_reversed_gradient_is_minus_the_weight_times_itself(weight, size):
    x = torch.linspace(-1, 1, size, dtype=torch.float64)
    assert torch.equal(reverse(x, weight), x)
    jacobian = torch.autograd.functional.jacobian(lambda x: reverse(x, weight), x)
    assert torch.equal(jacobian, -weight * torch.eye(size, dtype=torch.float64))
    twice = torch.autograd.functional.jacobian(lambda x: reverse(reverse(x), weight), x)
    assert torch.equal(twice, -jacobian)


@given(st.floats(0, 1), st.floats(0, 1))
def test_ganins_schedule(p, q):
    assert ganin(0) == 0 and ganin(1) == pytest.approx(0.99990920)
    assert ganin(p) == pytest.approx(math.tanh(5 * p), abs=1e-15)
    assert (ganin(p) <= ganin(q)) is (p <= q) or ganin(p) == ganin(q)


@given(st.lists(st.floats(-3, 3, width=32), min_size=2, max_size=9), st.data())
def test_balanced_error_against_counting(logits, data):
    synthetic = data.draw(st.integers(1, len(logits) - 1))
    wrong = [(logit > 0) != (clip < synthetic) for clip, logit in enumerate(logits)]
    expected = (np.mean(wrong[:synthetic]) + np.mean(wrong[synthetic:])) / 2
    assert float(balanced_error(torch.tensor(logits), synthetic)) == pytest.approx(expected)
    for constant in (-1.0, 0.0, 1.0):
        assert balanced_error(torch.full((len(logits),), constant), synthetic) == 0.5


def test_domain_loss_is_the_cross_entropy_with_synthetic_as_one():
    logits, is_synthetic = torch.tensor([2.0, -1.0, 0.5]), torch.tensor([1.0, 1.0, 0.0])
    p = 1 / (1 + np.exp(-logits.double().numpy()))
    assert float(domain_loss(logits, is_synthetic)) == pytest.approx(-np.log([p[0], p[1], 1 - p[2]]).mean())
    share = torch.full((24,), math.log(6 / 18))  # the best answer of one that hears nothing
    assert float(domain_loss(share, (torch.arange(24) < 6).float())) == pytest.approx(0.5623, abs=1e-4)


def test_a_step_says_how_the_classifier_does():
    """Of the embeddings that it was given, before it learned from them."""
    config = tiny_config()
    training, data = learner(config), batch(config)
    student, classifier = copy.deepcopy((training.networks()["student"], training.domain.module))
    terms = training.step(0, *data)
    with torch.no_grad():
        logits = classifier(student.train()(data[0][0]).embeddings)
    is_synthetic = (torch.arange(len(logits)) < SYNTHETIC).float()
    assert_close(terms["domain"], domain_loss(logits, is_synthetic))
    assert terms["domain_error"] == balanced_error(logits, SYNTHETIC)
    assert not terms["domain"].requires_grad


@pytest.mark.parametrize(
    "error, said",
    [
        (0.001, "wrong on 0.1% of the clips: the CNN does not move it (saturated)"),
        (0.0199, "saturated"),
        (0.02, ""),
        (0.25, ""),
        (0.48, ""),
        (0.4801, "collapsed"),
        (0.5, "wrong on 50.0% of the clips, no better than chance (collapsed)"),
    ],
)
def test_a_classifier_that_has_won_or_lost_is_told_of(error, said):
    found = learner(tiny_config()).health({"loss_domain_error": error})
    assert said in found and bool(said) == bool(found)


def test_of_a_classifier_that_looks_on_nothing_is_told():
    assert learner(tiny_config(domain_weight=0.0)).health({"loss_domain_error": 0.6}) == ""


@pytest.mark.parametrize("training", [{"weak": 0}, {"unlabelled": 0}])
def test_one_kind_of_recorded_clips_is_enough(training):
    assert learner(tiny_config(training=training))


# Trainings of a few steps.
SMOKE = changed(
    PROFILES["smoke"],
    training={"steps_per_epoch": 3, "strong": 2, "weak": 2, "unlabelled": 2},
    model={"conv_dropout": 0.3, "rnn_dropout": 0.3},  # so that randomness matters
)
DAT = changed(SMOKE, adversarial={"updates": "two-step"})
REVERSAL = changed(SMOKE, adversarial={"updates": "reversal", "schedule": "ganin"})


def same(a: Run, b: Run) -> bool:
    one, two = a.load("weights.pt"), b.load("weights.pt")
    return all(torch.equal(one[who][name], two[who][name]) for who in ("student", "teacher") for name in one[who])


@pytest.fixture(scope="module")
def baseline(tiny, tmp_path_factory) -> Run:
    return train(SMOKE, tiny, 0, tmp_path_factory.mktemp("runs") / "baseline", progress=False)


@pytest.fixture(scope="module")
def finished(tiny, tmp_path_factory) -> Run:
    return train(DAT, tiny, 0, tmp_path_factory.mktemp("runs") / "dat", progress=False)


def test_metrics_tell_of_the_classifier(finished, baseline):
    columns = {"loss_domain", "loss_domain_error", "domain_learning_rate", "domain_weight"}
    assert set(finished.metrics) - set(baseline.metrics) == columns
    metrics = finished.metrics
    assert (metrics["domain_weight"] == 0.1).all() and metrics["loss_domain_error"].between(0, 1).all()
    assert (metrics["loss_domain"] > 0).all()
    assert metrics["domain_learning_rate"].iloc[-1] == DAT.adversarial.learning_rate


def test_a_finished_run_detects_at_the_baselines_cost(finished, baseline):
    """The same tensors, the same modules, as many operations; nothing is left of the classifier."""
    ours, theirs = finished.load("weights.pt"), baseline.load("weights.pt")
    assert ours.keys() == theirs.keys()
    for who in ("student", "teacher"):
        assert {n: v.shape for n, v in ours[who].items()} == {n: v.shape for n, v in theirs[who].items()}
    detectors, operations = [finished.detector(), baseline.detector()], []
    features = torch.randn(2, 1, SMOKE.features.n_mels, SMOKE.features.frames)
    for detector in detectors:
        with FlopCounterMode(display=False) as counter, torch.no_grad():
            detector(features)
        operations.append(counter.get_total_flops())
    assert operations[0] == operations[1] > 0
    ours, theirs = ([type(module) for module in detector.modules()] for detector in detectors)
    assert ours == theirs


@pytest.mark.parametrize("updates", UPDATES)
def test_without_weight_it_is_the_baselines_training_to_the_bit(baseline, tiny, tmp_path, updates):
    """So the student starts from the same weights, and the classifier takes none of the training's chance."""
    config = changed(SMOKE, adversarial={"updates": updates, "domain_weight": 0.0, "gradient_clip": 1e9})
    assert same(train(config, tiny, 0, tmp_path, progress=False), baseline)


def test_with_weight_it_is_not(finished, baseline):
    assert not same(finished, baseline)


@pytest.mark.parametrize("config, at", [(DAT, 2), (DAT, 3), (REVERSAL, 4)])
def test_a_stopped_run_goes_on_to_the_same_state(tiny, tmp_path, monkeypatch, capsys, config, at):
    """Student, teacher, classifier and both optimisers, to the bit."""
    monkeypatch.setattr(loop, "CHECKPOINT_S", 0.0)
    monkeypatch.setattr(adversarial, "COLLAPSED", -1.0)
    save, update, states = Run.save_checkpoint, mean_teacher.update_teacher, {}

    def keep(run: Run, state: dict) -> None:
        states[run.folder.name, state["state"]["step"]] = copy.deepcopy(state["learner"])
        save(run, state)

    def stop(teacher, student, step, ema):
        if step == at:
            raise KeyboardInterrupt
        update(teacher, student, step, ema)

    monkeypatch.setattr(Run, "save_checkpoint", keep)
    whole = train(config, tiny, 0, tmp_path / "whole")
    assert "epoch 1: the domain classifier is wrong on" in "".join(capsys.readouterr())
    monkeypatch.setattr(mean_teacher, "update_teacher", stop)
    with pytest.raises(KeyboardInterrupt):
        train(config, tiny, 0, tmp_path / "stopped", progress=False)
    assert ("stopped", at) not in states
    monkeypatch.setattr(mean_teacher, "update_teacher", update)
    resumed = train(config, tiny, 0, tmp_path / "stopped", progress=False)
    assert same(resumed, whole)
    one, other = states["whole", 6], states["stopped", 6]
    assert one.keys() == {"student", "teacher", "optimizer", "domain", "domain_optimizer"}
    assert_close(other, one, rtol=0, atol=0)
    assert one["domain_optimizer"]["state"] and "domain" not in resumed.load("weights.pt")
    columns = [c for c in whole.metrics if c not in ("seconds", "wait_share", "steps_per_s", "memory_mb")]
    pd.testing.assert_frame_equal(resumed.metrics[columns], whole.metrics[columns])


@pytest.mark.parametrize("bad, what", [(math.nan, r"is nan; learning rate"), (-60.0, r"is \d\d\.\d*, beyond 10")])
def test_a_classifier_that_diverges_stops_the_training_by_name(tiny, tmp_path, monkeypatch, bad, what):
    """A bias that makes every clip nothing, or recorded beyond doubt."""
    update, calls = DomainAdversarial.update, []

    def spoilt(self, *arguments):
        calls.append(1)
        if len(calls) == 5:
            self.domain.module.network.mask_net[-1].bias.data.fill_(bad)
        return update(self, *arguments)

    monkeypatch.setattr(DomainAdversarial, "update", spoilt)
    with pytest.raises(SedError, match=f"diverged at step 5: the loss domain {what}"):
        train(DAT, tiny, 0, tmp_path, progress=False)
    run = Run(tmp_path)
    assert run.state == "diverged" and run.detector()
    assert run.load("weights.pt").keys() == {"student", "teacher", "format"}
