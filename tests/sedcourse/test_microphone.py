"""The microphone is all that differs; the adversary wins there, loses under label shift, and weights repair that."""

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from sedcourse import microphone
from sedcourse.microphone import Interval, Sounds
from sedlib.data.tables import CLASSES
from sedlib.errors import SedError


def test_the_microphone_changes_a_tone_by_its_response():
    time = np.arange(16000) / 16000
    for hertz, share in microphone.BUMPS:
        tone = np.sin(2 * np.pi * hertz * time)[None].astype(np.float32)
        heard = microphone.through(tone, 6.0)[0]
        other = sum(s * np.exp(-2 * np.log2(hertz / of) ** 2) for of, s in microphone.BUMPS)
        assert 20 * np.log10(np.std(heard) / np.std(tone)) == pytest.approx(6 * other, abs=0.05)
        assert np.sign(other) == np.sign(share)
    np.testing.assert_allclose(microphone.through(tone, 0.0), tone, atol=1e-5)


def test_each_clip_may_have_a_microphone_of_its_own():
    click = np.zeros((3, 1024), np.float32)
    click[:, 0] = 1
    one, many = microphone.through(click), microphone.through(click, each_its_own=True)
    assert np.array_equal(one[0], one[1]) and not np.allclose(many[0], many[1], atol=1e-3)


def test_no_sound_is_in_two_parts():
    parts = microphone.split(Sounds(np.zeros((40, 2)), np.zeros((40, 2)), np.arange(40) % 10), 3)
    assert sorted(np.concatenate(list(parts.values()))) == sorted(set(np.concatenate(list(parts.values()))))
    assert [len(part) for part in parts.values()] == [15, 15, 10]


def test_shares():
    assert microphone.shares(0.5) == pytest.approx(10 * [0.1])
    frequent = np.isin(CLASSES, microphone.FREQUENT)
    assert microphone.shares(0.9)[frequent] == pytest.approx(5 * [0.18])
    with pytest.raises(SedError, match="1.0 is not between"):
        microphone.shares(1.0)


def test_a_step_is_both_losses_with_the_adversarys_gradient_reversed():
    torch.manual_seed(0)
    body, head, adversary = nn.Linear(3, 4), nn.Linear(4, 10), nn.Linear(4, 1)
    x, kinds, target = torch.randn(6, 3), torch.tensor([1, 2, 3]), (torch.arange(6) < 3).float()
    weights = torch.linspace(0.5, 2, 10)
    counts = torch.cat([weights[kinds], torch.ones(3)])
    embedded = body(x)
    main = F.cross_entropy(head(embedded[:3]), kinds)
    against = F.binary_cross_entropy_with_logits(adversary(embedded).flatten(), target, weight=counts)
    (wanted,) = torch.autograd.grad(main - 0.7 * against, [body.weight], retain_graph=True)
    (of_adversary,) = torch.autograd.grad(against, [adversary.weight])
    every = [*body.parameters(), *head.parameters(), *adversary.parameters()]
    optimizer = torch.optim.SGD(every, lr=1.0)
    before = body.weight.detach().clone(), adversary.weight.detach().clone()
    microphone.step(body, head, adversary, optimizer, x, kinds, target, 0.7, weights)
    torch.testing.assert_close(before[0] - body.weight.detach(), wanted)
    torch.testing.assert_close(before[1] - adversary.weight.detach(), of_adversary)


def test_accuracy_counts_every_class_alike():
    kinds = np.array([0] * 8 + [1] * 2)
    assert microphone.balanced_accuracy(np.zeros(10, int), kinds) == 0.5


def test_interval_is_students():
    found = microphone.interval(np.array([1.0, 2.0, 3.0]))
    assert found == pytest.approx((2.0, 2 - 4.3027 / np.sqrt(3), 2 + 4.3027 / np.sqrt(3)), abs=1e-3)
    assert microphone.interval(np.array([1.0])).high == np.inf
    assert str(Interval(1.0, -0.5, 2.5)) == "+1.0 points (-0.5 to +2.5)"


def test_a_gain_is_paired_by_seed():
    table = pd.DataFrame(
        {"setting": ["a", "b"] * 3, "seed": [0, 0, 1, 1, 2, 2], "real": [0.5, 0.6, 0.7, 0.8, 0.2, 0.3]}
    )
    gain = microphone.gain(table, "b", "a")
    assert gain == pytest.approx((10, 10, 10))


@pytest.fixture(scope="module")
def made() -> Sounds:
    """Ten classes in twelve numbers, and a real domain that shifts them all: known, fast, and fatal without help."""
    rng = np.random.default_rng(0)
    kinds = np.arange(600) % 10
    x = 1.0 * rng.normal(size=(10, 12))[kinds] * 2 + 0.5 * rng.normal(size=(600, 12))
    return Sounds(x, x + 3.0 * rng.choice([-1, 1], 12), kinds)


def test_what_the_lesson_shows(made):
    settings = {
        "without": {"sounds": made, "weight": 0},
        "with": {"sounds": made, "weight": 1},
        "own": {"sounds": made, "weight": 0, "own_scale": True},
    }
    found = microphone.compare(settings, range(3))
    assert microphone.gain(found, "with", "without").low > 5
    means = found.groupby("setting")["real"].mean()
    assert means["own"] > 0.95 > means["without"]
    assert len(microphone.summary(found)) == 3
    _, words = microphone.draw_doses({1.0: found}, "dose")
    assert f"with: 1 {100 * means['with']:.0f} %" in words


def test_same_seed_same_numbers(made):
    one, other = (microphone.train(made, 1, 5) for _ in range(2))
    assert one.scores == other.scores and one.history.equals(other.history)
    assert one.answers.sum() == pytest.approx(1) and (one.answers == other.answers).all()
    assert one.scores != microphone.train(made, 1, 6).scores


def test_neighbours_that_moved():
    """Two synthetic sounds, of classes 0 and 1; two real ones of class 1, whose nearest ones are told by hand."""
    kinds, places = np.array([0, 1, 1, 1]), {"synthetic": np.array([0, 1]), "real": np.array([2, 3])}
    synthetic = torch.tensor([[0.0], [1.0]])

    def trained(*real: float) -> microphone.Trained:
        real = torch.tensor(real)[:, None]
        return microphone.Trained(nn.Identity(), {}, pd.DataFrame(), synthetic, real, places, np.zeros(10))

    before, after = trained(0.1, 0.9), trained(0.8, 0.9)  # the first one comes to its class
    assert microphone.moved(before, after, kinds).tolist() == [0]
    assert microphone.moved(after, before, kinds).tolist() == []

    clean = np.eye(4, 8, dtype=np.float32)
    titles, sounds = zip(*microphone.neighbours({"0": before, "1": after}, clean, kinds, most=3), strict=True)
    first, second = CLASSES[:2]
    assert titles == (f"a real sound: {second}", f"nearest at 0: {first}", f"nearest at 1: {second}")
    np.testing.assert_array_equal(sounds[0], microphone.through(clean[2:3])[0])
    np.testing.assert_array_equal(sounds[1:], clean[:2])


def test_what_synthetic_sounds_choose():
    history = pd.DataFrame({"step": [30, 60, 90], "synthetic": [0.5, 0.9, 0.8], "real": [0.1, 0.2, 0.4]})
    empty = torch.zeros(0, 1)
    trained = microphone.Trained(nn.Identity(), {}, history, empty, empty, {}, np.zeros(10))
    words = "synthetic sounds choose step 60, right on 20 % of real ones; the best step there is right on 40 %"
    assert microphone.chosen(trained) == words
    figure, said = microphone.draw_history({"weight 0": trained})
    assert words in said and len(figure.axes) == 1


def test_verdicts_are_the_intervals():
    verdicts = [microphone.verdict(Interval(0, low, high)) for low, high in ((6, 9), (1, 9), (-1, 9), (-9, -1))]
    assert [verdict.split(" ")[1] for verdict in verdicts] == ["clear", "gain", "a", "loss"]
