"""A small soundbank of noise, written by hand, whose sounds begin and end at once."""

from pathlib import Path

import numpy as np
import pytest
import soundfile

from sedlib.augment import Bank, open_bank
from sedlib.data.audio import RATE
from sedlib.data.layout import SOUNDBANK
from sedlib.data.soundbank import CONTINUOUS
from sedlib.data.tables import CLASSES


def noise(seconds: float, seed: int) -> np.ndarray:
    return 0.2 * np.random.default_rng(seed).uniform(-1, 1, round(seconds * RATE))


def response(seconds: float, seed: int) -> np.ndarray:
    """A room's: 10 ms of silence, the direct sound, an exponential tail 30 dB softer, at once."""
    tail = noise(seconds, seed) * np.exp(-6.9 * np.linspace(0, 1, round(seconds * RATE)))
    return np.concatenate([np.zeros(160), [0.9], 0.15 * tail])


def write_sounds(root: Path) -> Path:
    """Of each class a short sound and a longer one, two backgrounds, two rooms; the soundbank's folder."""
    folder = root / SOUNDBANK
    for number, label in enumerate(CLASSES):
        for i, seconds in enumerate((0.3, 12.0 if label in CONTINUOUS else 1.5)):
            write(folder / "foreground" / label / f"{i}.wav", noise(seconds, 10 * number + i))
    for i, seconds in enumerate((10.0, 12.0)):
        write(folder / "background" / f"{i}.wav", noise(seconds, 1000 + i))
    for i, seconds in enumerate((0.2, 0.4)):
        write(folder / "rir" / f"{i}.wav", response(seconds, 2000 + i))
    return folder


def write(path: Path, waveform: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, waveform, RATE)


@pytest.fixture
def sounds(tmp_path) -> Path:
    """The folder of a soundbank, in a data set ``tmp_path``."""
    return write_sounds(tmp_path)


@pytest.fixture(scope="session")
def bank(tmp_path_factory) -> Bank:
    root = tmp_path_factory.mktemp("bank")
    write_sounds(root)
    return open_bank(root, progress=False)
