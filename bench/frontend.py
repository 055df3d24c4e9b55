"""Log-Mel of a batch of 24 clips beside librosa's, at the paper's size."""

from __future__ import annotations

import librosa
import numpy as np
import torch

from bench import take_turns
from sedlib.config import Features
from sedlib.frontend import LogMel
from sedlib.training.loop import keep_freed_memory


def main() -> None:
    """Print the comparison."""
    keep_freed_memory()
    f = Features()
    logmel, waveform = LogMel(f), 0.1 * torch.randn(24, f.samples)
    bands = logmel.bands.numpy()

    def by_librosa() -> list[np.ndarray]:
        magnitudes = (np.abs(librosa.stft(w - w.mean(), n_fft=f.n_fft, hop_length=f.hop, window="hamming")) for w in waveform.numpy())
        return [librosa.amplitude_to_db(bands @ m, ref=1.0, amin=f.floor, top_db=f.range_db) for m in magnitudes]

    take_turns({"librosa, clip by clip, Mel matrix kept": by_librosa, "sedlib": lambda: logmel(waveform)}, rounds=5)
