"""Noise and masks on spectrograms: as strong and as wide as said, clip by clip; and who sees them."""

import dataclasses

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from torch.testing import assert_close
from tries import tries

from sedlib.augment import gaussian_noise, mask, views
from sedlib.augment.specaugment import FRAME, MEL, augment
from sedlib.config import Augment, Config, profile
from sedlib.systems import configuration

AUGM = configuration("augm", "smoke")


def spectrograms(clips: int = 4, bands: int = 32, frames: int = 157) -> Tensor:
    """dB, each clip at another level."""
    noise = torch.randn(clips, 1, bands, frames, generator=torch.Generator().manual_seed(0))
    number = torch.arange(clips)[:, None, None, None]
    return (5 + 3 * number) * noise - 40 - 10 * number


def only(**changes: object) -> Config:
    return dataclasses.replace(profile("smoke"), augment=Augment(**changes))


def test_noise_has_its_ratio_in_every_clip():
    torch.manual_seed(0)
    features, snr = spectrograms(4, 64, 628), torch.tensor([-30.0, -7.5, 0.0, 10.0])
    noise = gaussian_noise(features, snr) - features
    found = 10 * torch.log10(features.var((1, 2, 3)) / noise.square().mean((1, 2, 3)))
    assert_close(found, snr, rtol=0, atol=0.1)
    assert noise.mean((1, 2, 3)).abs().lt(0.02 * noise.std((1, 2, 3))).all()
    halves = noise.square().reshape(4, 2, 32, 628).mean((2, 3))
    assert_close(halves[:, 0] / halves[:, 1], torch.ones(4), rtol=0, atol=0.1)
    flat = torch.stack([row / row.std() for row in noise.flatten(1)])
    assert (torch.corrcoef(flat) - torch.eye(4)).abs().max() < 0.03


def test_each_clip_has_a_ratio_of_its_own_from_the_papers_range():
    torch.manual_seed(0)
    features = spectrograms(1).repeat(200, 1, 1, 1)
    noise = augment(features, only(noise_snr_db=(-30.0, 10.0))) - features
    snr = 10 * torch.log10(features.var((1, 2, 3)) / noise.square().mean((1, 2, 3)))
    assert -30.3 < snr.min() < -28 and 8 < snr.max() < 10.3 and abs(snr.mean() + 10) < 2.5


@given(st.integers(0, 2**31), st.sampled_from([MEL, FRAME]), st.integers(1, 4), st.integers(0, 12))
@tries(40)
def test_masks_are_few_narrow_and_filled_with_the_clips_mean(seed, axis, count, widest):
    torch.manual_seed(seed)
    features = spectrograms(3)
    masked = mask(features, axis, count, widest)
    assert masked.shape == features.shape
    for before, after in zip(features[:, 0], masked[:, 0]):
        if axis == FRAME:
            before, after = before.T, after.T
        filled = (after - before.mean()).abs().amax(1) < 1e-4
        assert_close(after[~filled], before[~filled], rtol=0, atol=1e-4)
        edges = torch.nn.functional.pad(filled.int(), (1, 1)).diff()
        first, last = torch.nonzero(edges == 1).flatten(), torch.nonzero(edges == -1).flatten()
        assert len(first) <= count and filled.sum() <= count * widest
        if count == 1:
            assert (last - first <= widest).all()


@pytest.mark.parametrize("axis", [MEL, FRAME])
def test_masks_are_as_wide_as_said_anywhere_and_differ_from_clip_to_clip(axis):
    torch.manual_seed(0)
    features = spectrograms(1).repeat(400, 1, 1, 1)
    filled = ((mask(features, axis, 1, 8) - features).abs() > 1e-3).float().mean(5 - axis)[:, 0] > 0.5
    widths = filled.sum(1)
    assert widths.max() in (7, 8) and len(widths.unique()) >= 7 and abs(widths.float().mean() - 3.5) < 0.5
    assert len(filled.unique(dim=0)) > 100
    assert filled.any(0).float().mean() > 0.9


def test_masks_are_as_wide_as_the_settings_say():
    """Shares of the bands, and seconds: the same in every profile."""
    torch.manual_seed(0)
    features = spectrograms(1).repeat(300, 1, 1, 1)
    changed = (augment(features, only(mel_masks=1, mel_mask=0.25)) - features).abs() > 1e-3
    bands = changed.float().mean(3)[:, 0].gt(0.5).sum(1)
    assert bands.max() in (7, 8)
    changed = (augment(features, only(time_masks=1, time_mask_s=0.64)) - features).abs() > 1e-3
    frames = changed.float().mean(2)[:, 0].gt(0.5).sum(1)
    assert frames.max() in (9, 10)  # of 64 ms


def test_student_and_teacher_see_different_parts():
    torch.manual_seed(0)
    features = spectrograms()
    kept = features.clone()
    seen, seen_by_teacher = views(features, AUGM)
    assert torch.equal(features, kept), "the input was changed"
    assert seen.shape == features.shape and seen.isfinite().all()
    assert not torch.equal(seen, features) and not torch.equal(seen_by_teacher, features)
    assert not torch.equal(seen_by_teacher, seen)
    torch.manual_seed(0)
    assert torch.equal(views(features, AUGM)[0], seen), "the same chance, another view"


def test_without_augmentation_nothing_is_drawn():
    """So that older runs keep their bits."""
    torch.manual_seed(0)
    state, features = torch.get_rng_state(), spectrograms()
    for system in ("baseline", "augm_mixing"):
        assert all(view is features for view in views(features, configuration(system, "smoke")))
    assert torch.equal(torch.get_rng_state(), state)
