"""Log-Mel spectrogram in torch, batched, on any device; equal to librosa's.

Paper section 4.1 ("Log-Mel"), the baseline's features; lesson 01.
"""

from __future__ import annotations

import math

import librosa
import torch
from torch import Tensor, nn

from sedlib.config import Features


class LogMel(nn.Module):
    """Waveform to Mel spectrogram in dB: DC removed, magnitude STFT, Slaney Mel bands, 20 log10."""

    window: Tensor
    bands: Tensor

    def __init__(self, features: Features) -> None:
        super().__init__()
        self.features = features
        # Float64 until the magnitude, as in librosa: a float32 FFT is off by 2e-3 dB near the floor.
        self.register_buffer("window", torch.hamming_window(features.n_fft, dtype=torch.float64), persistent=False)
        bands = librosa.filters.mel(
            sr=features.sample_rate,
            n_fft=features.n_fft,
            n_mels=features.n_mels,
            fmin=features.f_min,
            fmax=features.f_max,
            htk=False,
            norm=None,
        )
        self.register_buffer("bands", torch.from_numpy(bands), persistent=False)

    def mel(self, waveform: Tensor) -> Tensor:
        """Return the Mel spectrogram in linear amplitude: ``(batch, sample)`` to ``(batch, 1, mel, frame)``."""
        waveform = waveform.double()
        waveform = waveform - waveform.mean(-1, keepdim=True)
        n_fft, hop = self.features.n_fft, self.features.hop
        spectrum = torch.stft(waveform, n_fft, hop, window=self.window, return_complex=True)
        # |X|; spectrum.abs() takes three times as long on a CPU.
        real, imaginary = spectrum.real.float(), spectrum.imag.float()
        return (self.bands @ real.square_().addcmul_(imaginary, imaginary).sqrt_()).unsqueeze(1)

    def forward(self, waveform: Tensor) -> Tensor:
        """Return the `decibels` of `mel`: ``(batch, sample)``, ``n_fft // 2 + 1`` samples or more, as there."""
        return decibels(self.mel(waveform), self.features)


def decibels(mel: Tensor, limits: Features) -> Tensor:
    """Convert Mel amplitudes ``(batch, 1, mel, frame)`` to dB re 1, as ``librosa.amplitude_to_db(ref=1)`` does.

    Nothing lies below ``limits.floor`` or more than ``limits.range_db`` below the loudest bin of its clip.
    """
    level = 20 * torch.log10(mel.clamp_min(limits.floor))
    return level.maximum(level.amax((-3, -2, -1), keepdim=True) - limits.range_db)


def amplitude(level: Tensor) -> Tensor:
    """Convert dB to linear amplitude, 10^(L / 20): a log-Mel spectrogram to its Mel spectrogram."""
    return torch.exp(level * (math.log(10) / 20))
