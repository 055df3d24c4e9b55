"""Probes of embeddings: chance where there is nothing, certainty where everything tells; and the study of a run."""

import dataclasses
import json

import numpy as np
import pytest
import torch

from minidesed import generate
from reproduction.studies import invariance
from reproduction.studies.invariance import Probe, _network_probe, linear_probe, statistics
from sedlib import __version__, systems
from sedlib.config import Adversarial
from sedlib.data import layout, tables
from sedlib.data.store import open_store
from sedlib.errors import SedError
from sedlib.systems import configuration
from sedlib.training import Run, score, train
from sedlib.workspace import run_folder

SMALL = Adversarial(blocks=2, repeats=1, bottleneck=6, hidden=8)


def clips(count: int, shift: float, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Noise as embeddings (clip, frame, feature); in one feature the synthetic ones lie higher."""
    is_synthetic = np.arange(count) < count // 2
    x = np.random.default_rng(seed).normal(size=(count, 12, 5)).astype(np.float32)
    x[is_synthetic, :, 2] += shift
    return x, is_synthetic


@pytest.fixture
def quick(monkeypatch):
    monkeypatch.setattr(invariance, "STEPS", 30)


def test_chance_without_a_difference(quick):
    x, is_synthetic = clips(400, 0.0)
    for probe in (linear_probe(statistics(x), is_synthetic), _network_probe(x, is_synthetic, SMALL)):
        assert probe.error == pytest.approx(0.5, abs=0.08)
        assert probe.low < 0.5 < probe.high and probe.a_distance == pytest.approx(0, abs=0.32)


def test_certain_of_a_large_one():
    x, is_synthetic = clips(60, 6.0)
    probe = linear_probe(statistics(x), is_synthetic)
    assert probe == Probe(0, 0, 0) and probe.a_distance == 2
    assert _network_probe(x, is_synthetic, SMALL).error < 0.1


def test_the_network_hears_what_statistics_do_not(monkeypatch):
    """The order of the frames: synthetic clips alternate from frame to frame, the others go up and down slowly."""
    monkeypatch.setattr(invariance, "STEPS", 150)
    x, is_synthetic = clips(60, 0.0)
    x *= 0.1
    x[is_synthetic, :, 0] += np.tile([1, -1], 6)
    x[~is_synthetic, :, 0] += np.repeat([1, -1], 6)
    assert linear_probe(statistics(x), is_synthetic).error > 0.3
    assert _network_probe(x, is_synthetic, SMALL).error < 0.15


def test_no_clip_is_asked_of_a_probe_that_learned_from_it(monkeypatch):
    asked = []

    def fitted(train, test):
        assert not set(train) & set(test)
        asked.extend(test)
        return np.ones(len(test), bool)

    probe = invariance._cross_fitted(fitted, np.arange(30) < 6, folds=3, seed=0)
    assert sorted(asked) == list(range(30))
    assert probe.error == 0.5 and probe.low == probe.high == 0.5  # "synthetic" to every clip: balanced, that is chance


def test_interval_is_that_of_resampled_clips():
    is_synthetic, rng = np.arange(300) < 100, np.random.default_rng(1)
    wrong = rng.random(300) < np.where(is_synthetic, 0.3, 0.1)

    def shares(chosen: np.ndarray) -> float:
        return (wrong[chosen][is_synthetic[chosen]].mean() + wrong[chosen][~is_synthetic[chosen]].mean()) / 2

    probe = invariance._cross_fitted(lambda train, test: is_synthetic[test] ^ wrong[test], is_synthetic, 3, 0)
    draws = [shares(np.r_[rng.integers(0, 100, 100), rng.integers(100, 300, 200)]) for _ in range(2000)]
    assert probe.error == pytest.approx(shares(np.arange(300)))
    assert [probe.low, probe.high] == pytest.approx(np.quantile(draws, [0.025, 0.975]), abs=0.012)


def test_too_few_clips():
    with pytest.raises(SedError, match="2 synthetic and 8 recorded clips are too few"):
        linear_probe(np.zeros((10, 3)), np.arange(10) < 2)


def test_seconds_of_each_class(tiny):
    table = layout.load(tiny, "validation").table
    names = open_store(tiny, "validation", progress=False).filenames
    seconds = invariance.class_seconds(table, names)
    events = tables.events(table)
    assert seconds.shape == (len(names), len(tables.CLASSES))
    assert seconds.sum() == pytest.approx((events["offset"] - events["onset"]).sum())
    first = events.iloc[0]
    alike = events[(events["filename"] == first["filename"]) & (events["event_label"] == first["event_label"])]
    place = names.index(first["filename"]), tables.CLASSES.index(first["event_label"])
    assert seconds[place] == pytest.approx((alike["offset"] - alike["onset"]).sum())


@pytest.fixture(scope="module")
def run(tiny, tmp_path_factory):
    config = configuration("dat", "smoke")
    t = dataclasses.replace(config.training, epochs=1, steps_per_epoch=2, validation_share=0.5)
    return train(
        dataclasses.replace(config, training=t), tiny, 0, tmp_path_factory.mktemp("runs") / "dat", progress=False
    )


def test_what_a_detector_hears(run, tiny):
    heard = invariance.hear(run.detector(), run.config, tiny, 0)
    assert heard.is_synthetic.tolist() == 6 * [True] + 6 * [False]
    assert heard.embeddings.shape == (12, run.config.frames, run.config.model.filters[-1])
    store = open_store(tiny, "validation", progress=False)
    detector = run.detector()
    with torch.no_grad():
        last = detector(detector.features(torch.from_numpy(store.waveforms([5])))).embeddings[0]
    np.testing.assert_allclose(heard.embeddings[-1], last, atol=1e-5)
    assert set(heard.classes) == {"synthetic", "real"} and set(heard.classes["real"]) == set(tables.CLASSES)


def test_measured_before_and_after(run, tiny, quick):
    after, before = (invariance.measure(run, tiny, 0, untrained=untrained) for untrained in (False, True))
    assert after["adversary"] == run.metrics["loss_domain_error"].iloc[-1] and before["adversary"] is None
    assert after["labels"] == before["labels"]
    assert json.loads(json.dumps(after)) == after
    weights = [invariance.as_begun(run.detector(), run.config, 0).state_dict(), run.detector().state_dict()]
    assert all(torch.equal(weights[0][n], weights[1][n]) for n in weights[0] if n.startswith("scale."))
    assert not all(torch.equal(weights[0][n], weights[1][n]) for n in weights[0])


def measured(error: float, f1: float) -> dict:
    probe = [error, error, error]
    return {
        "linear": probe,
        "network": [0.5, 0.5, 0.5],
        "labels": probe,
        "adversary": None,
        "classes": {domain: dict.fromkeys(tables.CLASSES, f1) for domain in ("synthetic", "real")},
    }


def test_tables_of_a_study():
    study = {"systems": {"a": [measured(0.2, 0.5), measured(0.3, 0.7)], "b": [measured(0.1, 0.4)]}}
    study["systems"]["b"][0]["adversary"] = 0.25
    study["systems"]["b"][0]["classes"]["real"]["Dog"] = None
    shown = invariance.table(study).set_index("trained as")
    assert shown.loc["a", "linear probe"] == "25.0 ± 7.1" and shown.loc["b", "its own classifier"] == "25.0"
    assert shown.loc["a", "its own classifier"] == "" and shown.loc["b", "A-distance (linear)"] == "1.60"
    changes = invariance.class_changes(study, "a", "b")  # of the seed that both have
    assert changes.loc["Cat", "real"] == pytest.approx(10) and np.isnan(changes.loc["Dog", "real"])


def test_errors_in_numbers_and_words():
    study = {
        "systems": {"a": [measured(0.2, 0.5), measured(0.3, 0.7)], "b": [measured(0.1, 0.4) | {"adversary": 0.25}]}
    }
    errors = invariance.errors(study)
    assert errors["a"]["its own classifier"] == [] and errors["b"]["its own classifier"] == [0.25]
    assert errors["a"]["linear probe"] == pytest.approx([0.2, 0.3]) and errors["a"]["network probe"] == [0.5, 0.5]
    assert invariance.labels_error(study) == pytest.approx(0.2)
    said = invariance.text(study)
    assert "labels alone give 20.0" in said and "a: linear probe 25.0 ± 7.1, network probe 50.0 ± 0.0;" in said
    assert "b: its own classifier 25.0, linear probe 10.0, network probe 50.0." in said


@pytest.fixture
def trained(workspace, tiny, monkeypatch):
    """Finished runs of two systems, seed 0, in the workspace, and of one of them seed 2."""
    monkeypatch.setattr(invariance, "SYSTEMS", ("baseline", "dat"))
    monkeypatch.setattr(invariance, "STEPS", 2)
    for system, seed in (("baseline", 0), ("dat", 0), ("dat", 2)):
        config = configuration(system, "smoke")
        t = dataclasses.replace(config.training, epochs=1, steps_per_epoch=1, validation_share=0.5)
        run = train(
            dataclasses.replace(config, training=t), tiny, seed, run_folder("smoke", tiny, system, seed), progress=False
        )
        score(run, tiny, progress=False)
    return tiny


def test_a_study_reads_the_finished_runs_seed_by_seed(trained):
    found = invariance.study("smoke", trained, progress=False)
    assert {system: len(of) for system, of in found["systems"].items()} == {"untrained": 1, "baseline": 1, "dat": 1}
    assert (found["profile"], found["generator"], found["measured_by"]) == ("smoke", generate.VERSION, __version__)
    assert found["systems"]["dat"] == [invariance.measure(Run(run_folder("smoke", trained, "dat", 0)), trained, 0)]
    assert found["systems"]["untrained"][0]["labels"] == found["systems"]["baseline"][0]["labels"]


def test_what_is_measured_here_is_loaded_before_what_is_published(trained, monkeypatch, tmp_path):
    monkeypatch.setattr(invariance, "dataset", lambda *_: trained)
    monkeypatch.setattr(invariance, "PUBLISHED", tmp_path / "published.json")
    invariance.publish("smoke", progress=False)
    assert not invariance.PUBLISHED.exists()  # of profile lesson alone
    assert invariance.load("smoke")["from"] == "report/invariance/invariance.json, measured here"
    monkeypatch.undo()
    assert invariance.load("lesson")["from"].startswith("figures/invariance.json, as published")


def test_nothing_is_published_of_no_runs(workspace, tiny, monkeypatch, tmp_path):
    monkeypatch.setattr(invariance, "dataset", lambda *_: tiny)
    monkeypatch.setattr(invariance, "PUBLISHED", tmp_path / "published.json")
    with pytest.raises(SedError, match="no finished run on .* among baseline, dat"):
        invariance.publish("lesson", progress=False)
    assert not list(tmp_path.glob("*.json"))


def test_what_is_published_of_profile_lesson(workspace, tiny, monkeypatch, tmp_path):
    of_study = {"profile": "lesson", "generator": 0, "systems": {"baseline": []}}
    monkeypatch.setattr(invariance, "dataset", lambda *_: tiny)
    monkeypatch.setattr(invariance, "study", lambda profile, data, progress: of_study)
    monkeypatch.setattr(invariance, "PUBLISHED", tmp_path / "published.json")
    invariance.publish("lesson", progress=False)
    assert json.loads(invariance.PUBLISHED.read_text(encoding="utf-8")) == of_study


def test_published_study(workspace):
    found = invariance.load("lesson")
    assert found["profile"] == "lesson" and {"untrained", "baseline", "dat"} <= set(found["systems"])
    assert all(one["adversary"] is not None for one in found["systems"]["dat"])


def test_published_systems_exist():
    assert set(invariance.SYSTEMS) <= set(systems.known())
