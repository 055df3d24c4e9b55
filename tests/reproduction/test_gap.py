"""The gap: a classifier that hears nothing but the domain, and the bookkeeping of its ingredients."""

import dataclasses
import json

import numpy as np
import pytest
import torch

from minidesed import generate
from minidesed.domains import INGREDIENTS
from reproduction.studies import gap
from sedlib import __version__, config
from sedlib.features import LogMel

LOGMEL = LogMel(config.profile("smoke").features)


def noise(clips, gain=1.0, seed=0):
    return (gain * 0.05 * np.random.default_rng(seed).standard_normal((clips, 160000))).astype(np.float32)


def test_band_statistics_are_mean_and_spread_of_each_band():
    quiet, loud = (gap.band_statistics(noise(2, gain), LOGMEL) for gain in (1, 10))
    assert quiet.shape == (2, 64)
    assert np.allclose(loud[:, :32] - quiet[:, :32], 20, atol=1e-3)  # ten times the amplitude: 20 dB
    assert np.allclose(loud[:, 32:], quiet[:, 32:], atol=1e-3)
    band = LOGMEL(torch.from_numpy(noise(1)))[0, 0].numpy()
    assert np.allclose(quiet[0], np.concatenate([band.mean(1), band.std(1)]), atol=1e-4)


def test_auc_of_the_same_domain_is_chance_and_of_different_ones_is_certain():
    rng = np.random.default_rng(0)
    one, other = rng.standard_normal((200, 8)), rng.standard_normal((200, 8))
    assert gap.domain_auc(one, other) == pytest.approx(0.5, abs=0.1)
    assert gap.domain_auc(one, other + 5) > 0.99
    halfway = gap.domain_auc(one, other + 0.5)
    assert 0.6 < halfway < 0.95


def test_every_ingredient_is_switched_off_once_and_on_once():
    variants = gap.variants()
    assert variants["real"] == () and set(variants["synthetic"]) == set(INGREDIENTS)
    for name in INGREDIENTS:
        assert variants[f"without {name}"] == (name,)
        assert set(variants[f"only {name}"]) == set(INGREDIENTS) - {name}
    assert len(variants) == 2 + 2 * len(INGREDIENTS)


def test_shares_are_paired_differences_of_the_right_sign():
    development = {name: {"f1": [0.2, 0.3], "auc": 0.9} for name in gap.variants()}
    development["synthetic"]["f1"] = [0.5, 0.7]
    development["without rooms"]["f1"] = [0.25, 0.37]
    development["only rooms"]["f1"] = [0.4, 0.5]
    table = gap.shares({"development": development}).set_index("ingredient")
    assert table.loc["rooms"].tolist() == pytest.approx([6, np.sqrt(2), 15, np.sqrt(50), 0.9])
    assert table.loc["codecs", "won_without"] == 0 and table.loc["codecs", "lost_alone"] == pytest.approx(35)


def test_the_published_measurement_is_complete():
    published = json.loads(gap.PUBLISHED.read_text(encoding="utf-8"))
    assert published["generator"] <= generate.VERSION
    names = set(published["development"])
    if published["generator"] == generate.VERSION:
        assert names == set(gap.variants())
    ingredients = {name.removeprefix("only ") for name in names if name.startswith("only ")}
    pairs = {f"{how} {name}" for how in ("only", "without") for name in ingredients}
    assert len(ingredients) >= 10 and names == {"real", "synthetic"} | pairs
    assert set(published["systems"]) == set(gap.SYSTEMS) and set(gap.shares(published)["ingredient"]) == ingredients


def test_an_older_measurement_is_not_shown(workspace, monkeypatch):
    measured = json.loads(gap.PUBLISHED.read_text(encoding="utf-8")) | {
        "generator": generate.VERSION,
        "measured_by": __version__,
        "development": dict.fromkeys(gap.variants()),
    }
    (workspace / "report" / "gap").mkdir(parents=True)
    (workspace / "report" / "gap" / "gap.json").write_text(json.dumps(measured))
    assert "measured here" in gap.load("lesson")["from"] and "published" in gap.load("smoke")["from"]
    for owner, name, value in (
        (generate, "VERSION", generate.VERSION + 1),
        (gap.published.sedlib, "__version__", "99.0.0"),
    ):
        with monkeypatch.context() as changed:
            changed.setattr(owner, name, value)
            assert "published" in gap.load("lesson")["from"]


def test_measured_once_and_kept(workspace, monkeypatch):
    """Everything at a tiny size: three systems, all variants, and nothing done twice."""
    monkeypatch.setitem(
        generate.SIZES, "smoke", {"synthetic": 12, "weak": 6, "unlabel_in_domain": 12, "validation": 5, "public": 2}
    )
    few = ("real", "only rooms", "without rooms", "synthetic")
    everything = gap.variants()
    monkeypatch.setattr(gap, "variants", lambda: {name: everything[name] for name in few})
    smoke = config.PROFILES["smoke"]
    quick = dataclasses.replace(smoke, training=dataclasses.replace(smoke.training, steps_per_epoch=2))
    monkeypatch.setitem(config.PROFILES, "smoke", quick)
    path = gap.measure("smoke", seeds=1, progress=False)
    measured = json.loads(path.read_text())
    assert measured["measured_by"] == __version__
    assert set(measured["development"]) == set(few) and set(measured["systems"]) == set(gap.SYSTEMS)
    # The domain "real" is the development set itself.
    assert measured["development"]["real"]["f1"] == measured["systems"]["synthetic_only"]["validation"]
    assert not any((workspace / "data" / "mini-smoke-gap").iterdir())
    monkeypatch.setattr(gap, "_variant", None)  # would be needed
    assert gap.measure("smoke", seeds=1, progress=False) == path
    with pytest.raises(TypeError):
        gap.measure("smoke", seeds=2, progress=False)  # another measurement begins anew
