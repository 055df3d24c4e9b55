"""Augmentation of log-Mel spectrograms: Gaussian noise and SpecAugment. Paper section 3.2; lesson 02."""

from __future__ import annotations

import torch
from torch import Tensor
from torchaudio.functional import mask_along_axis_iid

from sedlib.config import Config

MEL, FRAME = 2, 3  # axes


def gaussian_noise(features: Tensor, snr_db: Tensor) -> Tensor:
    """Add white Gaussian noise to spectrograms ``(batch, 1, mel, frame)``.

    ``snr_db`` (batch,) is the variance of a clip's features over that of the noise; negative: more noise than signal.
    """
    deviation = features.std((1, 2, 3)) * 10 ** (-snr_db / 20)
    return features + deviation[:, None, None, None] * torch.randn_like(features)


def mask(features: Tensor, axis: int, count: int, widest: int) -> Tensor:
    """Mask spectrograms ``(batch, 1, mel, frame)`` by SpecAugment, ``count`` times along an axis, `MEL` or `FRAME`.

    The widths are drawn from [0, ``widest``) bands or frames; masks are filled with the clip's mean.
    """
    mean = features.mean((1, 2, 3), keepdim=True)
    shape = [size if place in (0, axis) else 1 for place, size in enumerate(features.shape)]
    seen = features.new_ones(shape)  # masking this axis alone is 20 times as fast as masking whole spectrograms
    for _ in range(count):
        seen = mask_along_axis_iid(seen, widest, 0.0, axis)
    return (features - mean) * seen + mean


def augment(features: Tensor, config: Config) -> Tensor:
    """Add noise at a random SNR for every clip, then masks, by ``config.augment`` and torch's random generator."""
    settings = config.augment
    if settings.noise_snr_db:
        low, high = settings.noise_snr_db
        features = gaussian_noise(features, low + (high - low) * torch.rand(len(features), device=features.device))
    if settings.mel_masks:
        features = mask(features, MEL, settings.mel_masks, round(settings.mel_mask * config.features.n_mels))
    if settings.time_masks:
        frames = round(settings.time_mask_s * config.features.sample_rate / config.features.hop)
        features = mask(features, FRAME, settings.time_masks, frames)
    return features


def views(features: Tensor, config: Config) -> tuple[Tensor, Tensor]:
    """Return the student's and the teacher's view of spectrograms ``(batch, 1, mel, frame)`` in dB.

    Each has masks and noise of its own, so that the two must agree although they see different parts.
    """
    return augment(features, config), augment(features, config)
