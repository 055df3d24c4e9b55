"""Known answers: clips are what their condition says, the channel is all that differs, an adversary narrows a gap."""

import json

import numpy as np
import pytest
import torch

from minidesed import domains
from reproduction.studies import known
from reproduction.studies.known import NORMAL, Balance, clips
from sedlib.data.tables import CLASSES
from sedlib.features import LogMel
from sedlib.systems import configuration


def rms(x: np.ndarray) -> float:
    return float(20 * np.log10(np.sqrt(np.mean(np.square(x, dtype=np.float64)))))


def test_a_clip_has_the_level_and_noise_of_its_condition():
    noisy, labels = clips(1, ((-20, -20), (10, 10), (0, 0)), 3)
    clean, _ = clips(1, ((-20, -20), (300, 300), (0, 0)), 3)
    assert labels.tolist() == list(range(len(CLASSES))) and noisy.shape == (10, 48000)
    assert [rms(noise) for noise in noisy - clean] == pytest.approx(10 * [-30], abs=0.01)
    heard = [np.flatnonzero(np.abs(clip) > 1e-6) for clip in clean]
    sounding = [clip[at[0] : at[-1] + 1] for clip, at in zip(clean, heard, strict=True)]
    assert [rms(event) for event in sounding] == pytest.approx(10 * [-20], abs=0.1)


def test_noise_has_the_slope_of_its_condition():
    of = {slope: clips(1, ((-30, -30), (-60, -60), (slope, slope)), 0)[0] for slope in (0, -6)}
    frequency = np.fft.rfftfreq(48000, 1 / 16000)
    octaves = [(frequency >= f) & (frequency < 2 * f) for f in (500, 2000)]
    for slope, waveforms in of.items():
        power = (np.abs(np.fft.rfft(waveforms)) ** 2).mean(0)
        fall = 10 * np.log10(power[octaves[1]].mean() / power[octaves[0]].mean())
        assert fall == pytest.approx(2 * slope, abs=0.5)


def test_what_a_gain_does_to_each_front_end():
    logmel = LogMel(configuration("baseline", "lesson").features)
    waveforms = torch.from_numpy(clips(1, NORMAL, 0)[0])
    soft, loud = (known.front_ends(logmel.mel(waveforms * gain), "lesson") for gain in (1, 10))
    change = {name: float((loud[name] - soft[name]).abs().max()) for name in soft}
    assert float((loud["log-Mel"] - soft["log-Mel"]).mean()) == pytest.approx(20, abs=1e-3)
    invariant = [name for name, largest in change.items() if largest < 1e-3]
    assert sorted(invariant) == sorted([n for n in change if "scaled" in n or "removed" in n])
    # alpha = 0.98 leaves 20 dB (1 - 0.98) = 0.4 dB of the gain, a tenth of what lasting sound comes out as at most.
    assert change["PCEN 0.98, 400 ms"] < 0.1 * float(soft["PCEN 0.98, 400 ms"].max())


def test_the_classifier_meets_what_it_has_not_learned(monkeypatch):
    kept = ("as trained", "gain within 40 dB", "all of it")
    monkeypatch.setattr(known, "CONDITIONS", {name: known.CONDITIONS[name] for name in kept})
    found = known.gain_and_noise("smoke", 0, per_class=8)
    assert all(list(of) == ["front-end", *kept, "all of it, trained so"] for of in found)
    rows = {row["front-end"]: row for row in found}
    logmel, removed = rows["log-Mel"], rows["log-Mel, mean of the clip removed"]
    assert logmel["as trained"] > 0.5 and logmel["gain within 40 dB"] < logmel["as trained"]
    assert removed["gain within 40 dB"] == removed["as trained"]


def test_domains_differ_by_the_channel_alone(monkeypatch):
    recipes = []
    monkeypatch.setattr(known, "apply_channel", lambda clip, recipe, rng: recipes.append(recipe) or clip)
    parts = known.domains("smoke", 0, per_class=1)
    assert torch.equal(parts["real"][0], parts["synthetic events"][0])
    changed = {
        name for name in vars(domains.SYNTHETIC) if getattr(recipes[0], name) != getattr(domains.SYNTHETIC, name)
    }
    assert changed == {entry for name in known.CHANNEL for entry in domains.INGREDIENTS[name]}


def test_domains_share_their_events_and_not_their_scale():
    parts = known.domains("smoke", 0, per_class=2)
    assert all(x.shape == (20, 64) and y.tolist() == 2 * list(range(10)) for x, y in parts.values())
    assert not torch.allclose(parts["real"][0], parts["synthetic events"][0], atol=0.1)
    means = {name: float(parts[name][0][:, :32].mean(0).abs().max()) for name in parts}
    assert means["synthetic"] < 1e-3 < means["unlabelled"]


@pytest.fixture
def shifted():
    """Ten classes on two circles: a small one that both domains share, and a large one that is elsewhere when real."""
    rng = np.random.default_rng(0)

    def part(real: bool) -> tuple[torch.Tensor, torch.Tensor]:
        y = np.arange(400) % 10
        circle = np.c_[np.cos(y * np.pi / 5), np.sin(y * np.pi / 5)]
        x = np.c_[circle, 3 * circle, np.zeros((400, 4))] + rng.normal(0, 0.15, (400, 8))
        x[:, 2:4] += 4.0 * real
        return torch.from_numpy(x.astype(np.float32)), torch.from_numpy(y)

    parts = {name: part(real) for name, real in [("synthetic", False), ("unlabelled", True), ("labelled", True)]}
    return parts | {"real": part(True), "synthetic events": part(False), "real, own scale": part(False)}


def test_an_adversary_narrows_a_gap_and_is_fooled(shifted):
    alone, against, oracle = (
        known.adapt(shifted, Balance(weight), 0, learned)
        for weight, learned in ((0.0, "synthetic"), (3.0, "synthetic"), (0.0, "labelled"))
    )
    assert alone["error"] < 0.1 < 0.2 < against["error"] < 0.6
    assert alone["real"] + 0.15 < against["real"] and oracle["real"] > 0.95
    assert min(alone["synthetic events"], against["synthetic events"], alone["real, own scale"]) > 0.95
    assert known.adapt(shifted, Balance(3.0), 0, "synthetic") == against


def test_more_steps_make_a_better_adversary(shifted, monkeypatch):
    monkeypatch.setattr(known, "STEPS", 150)
    one, five = (known.adapt(shifted, Balance(3.0, steps=steps), 0, "synthetic")["error"] for steps in (1, 5))
    assert five < one - 0.1


def test_tables_and_words():
    accuracies = [{"front-end": name, "as trained": 0.9, "white noise": 0.5} for name in ("log-Mel", "PCEN")]
    row = {"learned": "synthetic", **Balance(3.0)._asdict(), "real": 0.3, "error": 0.25}
    measured = {"gain_and_noise": 2 * accuracies, "channel": [row, row | {"real": 0.5}]}
    assert known.table(measured, "gain_and_noise").loc["PCEN", "white noise"] == "50.0 ± 0.0"
    assert known.table(measured, "channel").loc[("synthetic", 3.0, 1e-3, 1)].tolist() == ["40.0 ± 14.1", "25.0 ± 0.0"]
    assert "40.0 ± 14.1" in known.text(measured) and "PCEN" in known.text(measured)


def test_published():
    measured = json.loads(known.PUBLISHED.read_text(encoding="utf-8"))
    assert measured["profile"] == "lesson" and len(measured["channel"]) == 3 * (len(known.BALANCES) + 1)
    assert set(known.CONDITIONS) < set(measured["gain_and_noise"][0])
