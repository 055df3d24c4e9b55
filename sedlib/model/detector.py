"""The whole detector: log-Mel spectrogram, scaling, CRNN.

Taught in ``notebooks/04_mean_teacher.py``.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from sedlib.config import Config
from sedlib.data.tables import CLASSES
from sedlib.frontend import LogMel, scaling
from sedlib.model.crnn import CRNN, Output


class Detector(nn.Module):
    """Waveform to posteriors in two steps: `features`, which learn nothing and can be kept, and the rest.

    Parameters
    ----------
    config : Config
        Uses ``features`` and ``model``.
    """

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.logmel = LogMel(config.features)
        self.scale = scaling(config.features)
        self.crnn = CRNN(config.model, config.features.n_mels, len(CLASSES))

    @torch.no_grad()
    def features(self, waveform: Tensor) -> Tensor:
        """``(batch, sample)`` to log-Mel in dB ``(batch, 1, mel, frame)``."""
        return self.logmel(waveform)

    def forward(self, features: Tensor) -> Output:
        """Log-Mel in dB to posteriors and embeddings."""
        return self.crnn(self.scale(features))
