"""The whole detector: log-Mel spectrogram, scaling, PCEN where there is one, CRNN. Lessons 03 and 04."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from sedlib.config import Config
from sedlib.data.tables import CLASSES
from sedlib.features import PCEN, LogMel, amplitude, scaling
from sedlib.models.crnn import CRNN, Output


class Detector(nn.Module):
    """Waveform to posteriors in two steps: `features`, which learn nothing and can be kept, and the rest."""

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
        """Map ``(batch, sample)`` to log-Mel in dB ``(batch, 1, mel, frame)``."""
        return self.logmel(waveform)

    def energy(self, features: Tensor) -> Tensor:
        """Map log-Mel in dB to the input of PCEN, or without PCEN of the network: Mel or log-Mel, scaled."""
        return self.scale(amplitude(features) if self.linear else features)

    def frontend(self, features: Tensor) -> Tensor:
        """Map log-Mel in dB to the input of the network, ``(batch, channel, mel, frame)``."""
        energy = self.energy(features)
        return energy if self.pcen is None else self.pcen(energy)

    def learned(self) -> dict[str, float]:
        """Return the learned parameters of the front-end for a row of metrics; empty where it learns none."""
        return self.pcen.summary() if self.pcen is not None and self.pcen.trainable else {}

    def forward(self, features: Tensor) -> Output:
        """Map log-Mel in dB to logits and embeddings."""
        return self.crnn(self.frontend(features))
