"""What a training reads: the same clips and numbers however they come."""

import dataclasses
import shutil
import threading

import numpy as np
import pytest
import torch

from sedlib.augment import Change, events, views
from sedlib.config import PROFILES
from sedlib.data.encoder import event_labels, strong_labels
from sedlib.errors import SedError
from sedlib.models import Detector
from sedlib.systems import configuration
from sedlib.training import inputs as module
from sedlib.training import loop, train
from sedlib.training.inputs import Inputs, ahead, strong_table

SMOKE = PROFILES["smoke"]
CONFIG = dataclasses.replace(
    SMOKE,
    training=dataclasses.replace(SMOKE.training, steps_per_epoch=3, strong=2, weak=2, unlabelled=4, preload=False),
)
KEEP = ("nothing", "waveforms", "spectrograms")
AUGMENTED = {
    system: dataclasses.replace(CONFIG, augment=configuration(system, "smoke").augment)
    for system in ("augm", "augm_effects")
}


def inputs(data, keep="nothing", config=CONFIG) -> Inputs:
    return Inputs(config, data, 0, Detector(config), keep, progress=False)


def everything(source: Inputs, workers: int, first: int = 2) -> list[torch.Tensor]:
    """Spectrograms and labels of steps 2 to 8, over the ends of two epochs."""
    batches = source.batches(first, 9, workers)
    return [part for batch in batches for part in (source.features(batch), *source.targets(batch))]


@pytest.mark.parametrize("workers", [0, 1, 3])
@pytest.mark.parametrize("keep", KEEP)
def test_a_batch_is_a_function_of_seed_and_step(tiny, keep, workers, monkeypatch):
    monkeypatch.setattr(module, "PIECE", 4)  # so that what is kept comes in several
    expected = everything(inputs(tiny), 0)
    found = everything(inputs(tiny, keep), workers)
    assert len(found) == len(expected) == 7 * 3
    assert all(torch.equal(a, b) for a, b in zip(found, expected))
    assert found[0].shape == (8, 1, 32, SMOKE.features.frames)
    assert found[1].shape == (2, SMOKE.frames, 10) and found[2].shape == (2, 10)


@pytest.mark.parametrize("keep, workers", [("nothing", 2), ("waveforms", 0), ("spectrograms", 1)])
@pytest.mark.parametrize("system", AUGMENTED)
def test_an_augmented_batch_is_one_too(tiny, system, keep, workers):
    """From any step on; spectrograms of other groups of clips differ in their last bits."""
    config = AUGMENTED[system]
    expected = everything(inputs(tiny, config=config), 0)[3 * 4 :]
    source = inputs(tiny, keep, config=config)
    found = everything(source, workers, first=6)
    assert len(found) == len(expected) == 3 * 3
    for a, b in zip(found, expected):
        torch.testing.assert_close(a, b, rtol=0, atol=1e-4)
    assert found[0].shape == (8, 1, 32, SMOKE.features.frames)


@pytest.mark.parametrize("keep", KEEP)
def test_features_of_a_batch_may_be_asked_for_again(tiny, keep):
    source = inputs(tiny, keep, config=AUGMENTED["augm_effects"])
    for batch in source.batches(0, 3):
        assert torch.equal(source.features(batch), source.features(batch))


@pytest.mark.parametrize("ends", ["nearest", "floor"])
def test_mixtures_stand_in_for_strongly_labelled_clips_with_their_own_labels(tiny, ends):
    source, plain = (
        inputs(
            tiny, config=dataclasses.replace(config, training=dataclasses.replace(config.training, label_frames=ends))
        )
        for config in (AUGMENTED["augm"], CONFIG)
    )
    names, table = plain.clips["strong"].filenames, strong_table(tiny, "synthetic")
    expected = strong_labels(table, names, CONFIG.frames, CONFIG.frame_s, ends)
    assert np.array_equal(plain.labels["strong"].numpy(), expected)
    seen = []
    for batch, old in zip(source.batches(0, 6), plain.batches(0, 6)):
        strong, weak = source.targets(batch)
        assert len(batch.mixtures) == 2 and "strong" not in batch.changes
        for labels, mixture in zip(strong, batch.mixtures):
            expected = event_labels(events(mixture, source.bank), CONFIG.frames, CONFIG.frame_s, ends)
            assert np.array_equal(labels.numpy(), expected) and expected.any()
        assert torch.equal(weak, plain.targets(old)[1])
        assert all(not c.effects and c.added for kind in batch.changes.values() for c in kind.values())
        changed = {*batch.changes["weak"], *(2 + i for i in batch.changes["unlabelled"])}
        off = (source.features(batch) - plain.features(old))[2:].abs().amax((1, 2, 3))
        assert all(off[i] > 0.5 if i in changed else off[i] < 1e-4 for i in range(6))
        seen += map(repr, batch.mixtures)
    assert len(set(seen)) == len(seen), "the same mixture came twice"


def test_without_mixing_strongly_labelled_clips_keep_their_labels_under_effects(tiny):
    source, plain = (inputs(tiny, config=config) for config in (AUGMENTED["augm_effects"], CONFIG))
    changed = 0
    for batch, old in zip(source.batches(0, 6), plain.batches(0, 6)):
        assert all(torch.equal(a, b) for a, b in zip(source.targets(batch), plain.targets(old)))
        assert not batch.mixtures and all(c.effects and not c.added for c in batch.changes["strong"].values())
        changed += len(batch.changes["strong"])
    assert 0 < changed < 12 and all(c != Change() for c in batch.changes["strong"].values())


def test_mixing_without_isolated_sounds_is_refused(tiny, tmp_path):
    bare = shutil.copytree(tiny, tmp_path / "tiny", ignore=shutil.ignore_patterns("soundbank*"))
    with pytest.raises(SedError, match="soundbank: no such folder, and dynamic mixing needs isolated sounds"):
        inputs(bare, config=AUGMENTED["augm"])


def changed(**training):
    return dataclasses.replace(CONFIG, training=dataclasses.replace(CONFIG.training, **training))


@pytest.mark.parametrize("config", [CONFIG, AUGMENTED["augm"]], ids=["", "mixing"])
def test_the_prior_is_the_log_odds_of_each_classs_share_of_active_frames(tiny, config):
    """As if one frame of all were active of a class that never sounds, and inactive of one that always does."""
    source = inputs(tiny, config=config)
    strong, frames = source.labels["strong"], 10 * SMOKE.frames  # of 12 clips 2 are held out
    strong[..., 3], strong[..., 7] = 0, 1
    active = strong.numpy().sum((0, 1), np.float64).clip(1, frames - 1)
    assert len(set(active)) > 3
    np.testing.assert_allclose(source.prior().numpy(), np.log(active / (frames - active)), rtol=2e-4)


@pytest.mark.parametrize("keep", KEEP)
def test_clean_batches_are_the_fixed_clips_of_the_last_steps(tiny, monkeypatch, keep):
    """Also where they are mixed or changed in training."""
    monkeypatch.setattr(module, "CLEAN_STEPS", 4)
    plain = inputs(tiny)
    expected = [plain.features(batch) for batch in plain.batches(0, 7)]
    for config in AUGMENTED.values():
        source = inputs(tiny, keep, config=config)
        for step, steps in ((7, range(3, 7)), (2, range(2))):
            found = list(source.clean(step))
            torch.testing.assert_close(found, [expected[of] for of in steps], rtol=0, atol=1e-4)


def test_labels_are_those_of_the_clips(tiny):
    source = inputs(tiny)
    for batch in source.batches(0, 3):
        strong, weak = source.targets(batch)
        assert torch.equal(strong, source.labels["strong"][batch.positions["strong"]])
        assert torch.equal(weak, source.labels["weak"][batch.positions["weak"]])
        waveforms = source.clips["weak"].store.waveforms(source.clips["weak"].indices[batch.positions["weak"].numpy()])
        assert np.array_equal(batch.waveforms["weak"], waveforms)


def test_reading_ahead_keeps_the_order_and_its_distance():
    started = []

    def read(item: int) -> int:
        started.append(item)
        return item * item

    for n, result in enumerate(ahead(read, iter(range(20)), 3)):
        assert result == n * n
        assert max(started) <= n + 3
    assert sorted(started) == list(range(20))


def test_an_error_while_reading_ahead_comes_out_and_the_threads_end():
    def read(item: int) -> int:
        if item == 2:
            raise SedError("row 2 is damaged")
        return item

    found, before = [], threading.active_count()
    with pytest.raises(SedError, match="row 2"):
        found.extend(ahead(read, range(10), 2))
    for _ in zip(range(3), ahead(lambda item: item, range(10**9), 2)):
        pass  # abandoned
    assert threading.active_count() == before


@pytest.mark.parametrize("workers, resident", [(0, ()), (3, ()), (1, ("cpu",))])
def test_weights_depend_neither_on_the_threads_that_read_nor_on_where_waveforms_are_kept(
    tiny, tmp_path, monkeypatch, workers, resident
):
    expected = train(CONFIG, tiny, 0, tmp_path / "one", progress=False).load("weights.pt")["teacher"]
    monkeypatch.setattr(loop, "RESIDENT", resident)
    found = train(CONFIG, tiny, 0, tmp_path / "other", progress=False, workers=workers).load("weights.pt")["teacher"]
    assert all(torch.equal(value, expected[name]) for name, value in found.items())


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_on_a_gpu_a_step_never_waits_for_the_host(tiny):
    from sedlib.training import MeanTeacher
    from sedlib.training.telemetry import Telemetry

    fabric = loop.own_fabric()
    detector = Detector(CONFIG).to(fabric.device)
    source = Inputs(CONFIG, tiny, 0, detector, "waveforms", progress=False)
    learner, telemetry = MeanTeacher(detector, CONFIG, fabric, 3), Telemetry(fabric.device)
    for step, batch in enumerate(source.batches(0, 3)):
        torch.cuda.set_sync_debug_mode("error" if step else "default")  # the first one compiles and allocates
        telemetry.add(step + 1, learner.step(step, views(source.features(batch), CONFIG), *source.targets(batch)))
    torch.cuda.set_sync_debug_mode("default")
