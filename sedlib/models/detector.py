"""The whole detector: log-Mel spectrogram, scaling, PCEN where there is one, CRNN.

Taught in ``notebooks/03_pcen.py`` (front-ends) and ``notebooks/04_mean_teacher.py``.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from sedlib.config import Config
from sedlib.data.tables import CLASSES
from sedlib.features import PCEN, LogMel, amplitude, scaling
from sedlib.models.crnn import CRNN, Output


class Detector(nn.Module):
    """Waveform to posteriors in two steps: `features`, which learn nothing and can be kept, and the rest.

    Parameters
    ----------
    config : Config
        Uses ``features``, ``pcen`` and ``model``.

    Raises
    ------
    SedError
        For settings that do not go together.
    """

    def __init__(self, config: Config) -> None:
        super().__init__()
        features, settings = config.features, config.pcen
        self.logmel = LogMel(features)
        self.linear = settings.layers > 0 and settings.energy == "mel"
        self.scale = scaling(features)
        self.pcen = PCEN(settings, features) if settings.layers else None
        self.crnn = CRNN(config.model, features.n_mels, len(CLASSES), channels=max(1, settings.layers))

    @torch.no_grad()
    def features(self, waveform: Tensor) -> Tensor:
        """``(batch, sample)`` to log-Mel in dB ``(batch, 1, mel, frame)``."""
        return self.logmel(waveform)

    def energy(self, features: Tensor) -> Tensor:
        """Log-Mel in dB to what PCEN takes, or without PCEN the network: Mel or log-Mel, scaled."""
        return self.scale(amplitude(features) if self.linear else features)

    def frontend(self, features: Tensor) -> Tensor:
        """Log-Mel in dB to what the network sees, ``(batch, channel, mel, frame)``."""
        energy = self.energy(features)
        return energy if self.pcen is None else self.pcen(energy)

    def learned(self) -> dict[str, float]:
        """What the front-end has learned so far, in numbers for a row of metrics; nothing where it learns nothing."""
        return self.pcen.summary() if self.pcen is not None and self.pcen.trainable else {}

    def forward(self, features: Tensor) -> Output:
        """Log-Mel in dB to logits and embeddings."""
        return self.crnn(self.frontend(features))
