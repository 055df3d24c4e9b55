"""Augmentation of log-Mel spectrograms: Gaussian noise and SpecAugment, and what student and teacher see of it.

Paper section 3.2; taught in ``notebooks/02_augmentation.py``.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torchaudio.functional import mask_along_axis_iid

from sedlib.config import Config

MEL, FRAME = 2, 3  # axes


def gaussian_noise(features: Tensor, snr_db: Tensor) -> Tensor:
    """Add white Gaussian noise to spectrograms.

    Parameters
    ----------
    features : (batch, 1, mel, frame) tensor
    snr_db : (batch,) tensor
        Variance of the clip's features over that of the noise; negative: more noise than signal.
    """
    deviation = features.std((1, 2, 3)) * 10 ** (-snr_db / 20)
    return features + deviation[:, None, None, None] * torch.randn_like(features)


def mask(features: Tensor, axis: int, count: int, widest: int) -> Tensor:
    """SpecAugment: ``count`` masks in every clip, filled with the clip's mean.

    Parameters
    ----------
    features : (batch, 1, mel, frame) tensor
    axis : int
        `MEL` or `FRAME`.
    count, widest : int
        Number of masks; their widths are drawn from [0, widest) bands or frames.
    """
    mean = features.mean((1, 2, 3), keepdim=True)
    shape = [size if place in (0, axis) else 1 for place, size in enumerate(features.shape)]
    seen = features.new_ones(shape)  # masking this axis alone is 20 times as fast as masking whole spectrograms
    for _ in range(count):
        seen = mask_along_axis_iid(seen, widest, 0.0, axis)
    return (features - mean) * seen + mean


def augment(features: Tensor, config: Config) -> Tensor:
    """Noise at a random SNR for every clip, then masks, by ``config.augment``; drawn from torch's random generator."""
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
    """What the student and what the teacher sees of spectrograms ``(batch, 1, mel, frame)`` in dB.

    With ``config.augment.teacher`` "own" the teacher has masks and noise of its own, so that the two must agree
    although they see different parts; with "same" it has the student's; with "clean" none.
    """
    student, teacher = augment(features, config), config.augment.teacher
    return student, augment(features, config) if teacher == "own" else student if teacher == "same" else features
