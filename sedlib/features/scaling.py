"""Scaling of spectrograms: z-score over the data set (the baseline), or min-max per clip (Table 1 of the paper).

PCEN needs input that is not negative. Lessons 01 and 03.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn

from sedlib.config import Features


class ZScore(nn.Module):
    """Every Mel band to mean 0 and deviation 1 over the data set; the statistics are saved with the weights."""

    mean: Tensor
    std: Tensor

    def __init__(self, n_mels: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(n_mels, 1))
        self.register_buffer("std", torch.ones(n_mels, 1))

    def fit(self, batches: Iterable[Tensor]) -> None:
        """Take mean and standard deviation of each band from batches ``(batch, 1, mel, frame)``."""
        count, total = 0, torch.zeros((), dtype=torch.float64)
        squares = total
        for batch in batches:
            values = batch.double()
            count += values.numel() // values.shape[2]
            total = total + values.sum((0, 1, 3))
            squares = squares + values.square().sum((0, 1, 3))
        mean = total / count
        std = (squares / count - mean.square()).clamp_min(0).sqrt()
        self.mean.copy_(mean[:, None])
        self.std.copy_(std[:, None].clamp_min(1e-3))  # a band that never changes stays at 0

    def forward(self, x: Tensor) -> Tensor:
        """Scale ``(batch, 1, mel, frame)``."""
        return (x - self.mean) / self.std


class MinMax(nn.Module):
    """Every clip to [0, 1] by its own smallest and largest value; a constant clip becomes 0."""

    def forward(self, x: Tensor) -> Tensor:
        """Scale ``(batch, 1, mel, frame)``."""
        low, high = x.amin((1, 2, 3), keepdim=True), x.amax((1, 2, 3), keepdim=True)
        return (x - low) / (high - low).clamp_min(1e-12)


def scaling(features: Features) -> nn.Module:
    """Return the module that ``features.scaling`` names."""
    return ZScore(features.n_mels) if features.scaling == "zscore" else MinMax()
