"""The toy follows equations (1) and (2), and shows what the lesson says it shows."""

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from sedcourse import toy
from sedcourse.toy import Networks, Setting, points
from sedlib.errors import SedError


def stepped(setting: Setting, steps: int = 3) -> Networks:
    networks = Networks(setting.seed)
    optimizers = [
        torch.optim.SGD(p, lr=0.1)
        for p in ([*networks.extractor.parameters(), *networks.head.parameters()], networks.domain.parameters())
    ]
    for _ in range(steps):
        toy.update(networks, optimizers, points(setting, 32), setting, 0.5)
    return networks


@pytest.fixture
def short(monkeypatch):
    monkeypatch.setattr(toy, "STEPS", 40)
    monkeypatch.setattr(toy, "EVERY", 20)
    monkeypatch.setattr(toy, "PROBE_STEPS", 10)
    toy.train.cache_clear()
    yield
    toy.train.cache_clear()


def test_points_are_as_said():
    found = points(Setting(real_share=0.25), 4000)
    synthetic = found.is_synthetic > 0
    assert synthetic[:4000].all() and not synthetic[4000:].any()
    assert (
        float(found.is_dog[synthetic].double().mean()) == 0.5
        and float(found.is_dog[~synthetic].double().mean()) == 0.25
    )
    content, recording = found.x.T
    for domain in (synthetic, ~synthetic):
        assert float(content[domain & (found.is_dog > 0)].mean()) == pytest.approx(toy.CONTENT, abs=0.06)
    for dog, side in ((1, 1), (0, -1)):
        assert float(recording[synthetic & (found.is_dog == dog)].mean()) == pytest.approx(
            side * toy.SPURIOUS, abs=0.03
        )
        assert float(recording[~synthetic & (found.is_dog == dog)].mean()) == pytest.approx(
            toy.REAL_RECORDING, abs=0.03
        )


def test_unseen_points_are_others():
    assert not torch.equal(points(Setting(), 16).x, points(Setting(), 16, unseen=True).x)


def test_two_steps_and_reversal_are_one():
    one, other = (
        stepped(Setting(domain_weight=0.7, main_weight=0.4, updates=updates)) for updates in ("two-step", "reversal")
    )
    moved = 0.0
    # Reversal gives half of the share to the extractor, as two steps do; the classifier learns with all of its weight.
    for a, b, begun in zip(one.parameters(), other.parameters(), Networks(0).parameters()):
        torch.testing.assert_close(a, b)
        moved += float((a - begun).detach().abs().max())
    assert moved > 0.01


def test_weight_0_looks_on():
    with_it, without = stepped(Setting(domain_weight=0.0)), Networks(0)
    x, is_dog, _ = points(Setting(), 32)
    optimizer = torch.optim.SGD([*without.extractor.parameters(), *without.head.parameters()], lr=0.1)
    for _ in range(3):
        optimizer.zero_grad()
        F.binary_cross_entropy_with_logits(without.is_dog(x[:32]), is_dog[:32]).backward()
        optimizer.step()
    torch.testing.assert_close(with_it.is_dog(x), without.is_dog(x))


def test_same_setting_same_numbers(short):
    first = toy.train(Setting(seed=3))
    toy.train.cache_clear()
    again = toy.train(Setting(seed=3))
    assert first is not again and first.history.equals(again.history)
    assert list(first.history["step"]) == [0, 20, 40]
    assert not first.history.equals(toy.train(Setting(seed=4)).history)


def test_what_the_lesson_shows():
    """Invariance helps where recordings differ, and cannot be had without harm where the classes' shares do."""
    swept = {
        share: toy.sweep([0, 10], [0], share).groupby("domain_weight")["real_accuracy"].mean() for share in (0.5, 0.1)
    }
    assert swept[0.5][0] < 0.65 and swept[0.5][10] > 0.85
    assert swept[0.1][10] < swept[0.1][0] - 0.05
    assert toy.sweep([0], [0], gap=0)["real_accuracy"].item() > 0.9  # nothing to win where there is no gap


@pytest.mark.parametrize(
    "wrong, said",
    [
        ({"updates": "both"}, "'both'"),
        ({"schedule": "linear"}, "'linear'"),
        ({"domain_weight": -1.0}, "-1.0"),
        ({"main_weight": float("nan")}, "nan"),
        ({"real_share": 1.0}, "1.0"),
    ],
)
def test_settings_that_cannot_be(wrong, said):
    with pytest.raises(SedError, match=said):
        Setting(**wrong)


@pytest.mark.parametrize(
    "controls", [{"domain_weight": 0.0}, {"updates": "reversal", "schedule": "ganin"}, {"real_share": 0.1}]
)
def test_a_picture_and_its_words(short, controls):
    figure, said = toy.draw(**controls)
    assert all(ax.get_xlabel() and ax.get_ylabel() for ax in figure.axes)
    last = toy.train(Setting(**controls)).history.iloc[-1]
    assert f"{last['real_accuracy']:.0%} of new real points" in said
    assert ("looks on" in said) == (controls.get("domain_weight") == 0)
    lines = {line.get_label(): line.get_ydata() for line in figure.axes[2].lines}
    np.testing.assert_allclose(lines["right, real"][-1], 100 * last["real_accuracy"])


def test_a_sweep_and_its_words(short):
    swept = toy.sweep([0, 1], [0, 1])
    assert list(zip(swept["domain_weight"], swept["seed"])) == [(0, 0), (0, 1), (1, 0), (1, 1)]
    figure, said = toy.draw_sweep({"one": swept, "other": swept})
    assert len(figure.axes) == 2
    mean = 100 * swept.groupby("domain_weight")["real_accuracy"].mean()
    for weight, value in mean.items():
        assert f"{weight:g} {value:.0f} %" in said
