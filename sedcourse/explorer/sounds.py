"""The explorer's sounds: made by code, or uploaded."""

from __future__ import annotations

import functools
import tempfile
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np

from minidesed import domains, soundscapes
from minidesed.voices import Voices
from reproduction.comparisons import STATIONARY
from reproduction.sounds import figure2_clip
from sedlib.config import Features
from sedlib.data import audio
from sedlib.data.scenes import Event
from sedlib.data.tables import CLASSES
from sedlib.errors import SedError

LONGEST_S = 30.0  # of a file; what is longer is cut


def _mixed(events: dict[str, tuple], recipe: domains.Recipe = domains.SYNTHETIC) -> np.ndarray:
    """Make a sound of ten seconds from the (onset, duration) of events of each class, and what they sound over."""
    plan = [Event(label, *time) for label, times in events.items() for time in times]
    return soundscapes.mix(plan, Voices("synthetic"), recipe, np.random.default_rng(0))[0]


_CALLS, _LASTING = ((1.0, 1.5), (4.0, 2.0), (7.5, 1.5)), ((1.0, 8.0),)
_NOISY = replace(domains.SYNTHETIC, noise_share=1, noise_level=(-3, -3))
SOUNDS: dict[str, Callable[[], np.ndarray]] = {
    "vacuum cleaner, and speech three times": lambda: figure2_clip(seed=0)[0],
    "frying, and dishes": partial(_mixed, {"Frying": ((0, 10),), "Dishes": ((1, 1), (3.5, 1), (6, 1), (8.5, 1))}),
    "a dog in noise": partial(_mixed, {"Dog": _CALLS}, _NOISY),
    **{
        label.replace("_", " "): partial(_mixed, {label: _LASTING if label in STATIONARY else _CALLS})
        for label in CLASSES
    },
}


@functools.cache
def sound(name: str) -> np.ndarray:
    """Return the (160000,) waveform of one of `SOUNDS`, made by code; always the same."""
    if name not in SOUNDS:
        raise SedError(f"sound {name!r} does not exist; choose one of {', '.join(SOUNDS)}")
    return SOUNDS[name]()


def uploaded(name: str, content: bytes) -> tuple[np.ndarray, str]:
    """Return the waveform of an uploaded file and a description; `SedError` if it is no audio, damaged or too short."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "sound"  # a name of our own: the file's might lead anywhere
        path.write_bytes(content)
        try:
            waveform, info = audio.read(path, LONGEST_S)
        except SedError as error:
            raise SedError(str(error).replace(str(path), name)) from None
    shortest = Features.n_fft // 2 + 1
    if len(waveform) < shortest:
        raise SedError(
            f"{name}: {len(waveform) / audio.RATE:.3f} s is too short for a frame of the spectrogram; "
            f"give at least {shortest / audio.RATE:.3f} s"
        )
    text = f"{name}: {info.duration:.1f} s, {info.rate} Hz, {info.channels} channel{'s' * (info.channels > 1)}"
    if info.duration > LONGEST_S:
        text += f"; only the first {LONGEST_S:.0f} s are used"
    if not waveform.any():
        text += "; it is silent, every sample is 0"
    return waveform, text
