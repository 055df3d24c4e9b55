"""Do the voices sound like their classes? A classifier trained on voices names recordings, and the other way round.

``python -m bench.voices FOLDER`` prints its confusion matrices for a soundbank folder of recordings, and below them how
well one half of the recordings names the other, which is the upper limit.

It is a logistic regression on statistics of the log-Mel spectrum. So that it cannot tell classes by how they were
recorded, it has nothing above 3.5 kHz (one collection of cats was recorded at 8 kHz), nothing 40 dB under the loudest
of a sound (rooms, hiss and coding), no pauses (a recording is one bark, a voice gives a series), no absolute level, and
every training sound a second time through a random microphone, a tilt of up to 4 dB per octave.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import librosa
import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from minidesed.ranges import DOMAINS
from minidesed.recordings import RecordedVoices
from minidesed.soundscapes import Source
from minidesed.voices import Voices
from sedlib.data.audio import RATE
from sedlib.data.tables import CLASSES

HIGHEST = 3500  # Hz
FLOOR, PAUSE = 40, 25  # dB under the loudest of a sound: what is not heard, and frames that are left out
N_FFT, HOP, BANDS = 1024, 512, 40


def confusion(train: Sequence[Source], test: Sequence[Source], per_class: int = 80, seed: int = 0) -> np.ndarray:
    """Train a classifier on sounds of `train`, of 0.5 to 4 s, and name those of `test`: rows are the true classes.

    Both are `Voices` or `RecordedVoices`, with ``per_class`` sounds of each class and source.
    """
    heard, truth = _sounds(train, per_class, seed)
    rng = np.random.default_rng([seed, 2])
    tilt = rng.uniform(-4, 4, (len(heard), 1, 1)) * _octaves()[:, None]
    both = [*heard, *(mel + t for mel, t in zip(heard, tilt, strict=True))]
    model = make_pipeline(StandardScaler(), LogisticRegression(C=0.01, max_iter=1000))
    model.fit(np.stack([_statistics(mel) for mel in both]), np.tile(truth, 2))
    heard, truth = _sounds(test, per_class, seed + 1)
    table = np.zeros((len(CLASSES), len(CLASSES)), int)
    np.add.at(table, (truth, model.predict(np.stack([_statistics(mel) for mel in heard]))), 1)
    return table


def accuracy(table: np.ndarray) -> float:
    """Average over classes the share that was named right."""
    return float(np.mean(np.diag(table) / table.sum(axis=1)))


def _sounds(sources: Sequence[Source], per_class: int, seed: int) -> tuple[list[np.ndarray], np.ndarray]:
    """Log-Mel spectra and classes of random sounds."""
    mels, truth = [], []
    for s, source in enumerate(sources):
        for c, label in enumerate(CLASSES):
            for i in range(per_class):
                rng = np.random.default_rng([seed, s, c, i])
                mels.append(_log_mel(source.event(label, 0.5 * 8 ** rng.random(), rng)))
                truth.append(c)
    return mels, np.array(truth)


@cache
def _filters() -> np.ndarray:
    return librosa.filters.mel(sr=RATE, n_fft=N_FFT, n_mels=BANDS, fmin=60, fmax=HIGHEST)


def _octaves() -> np.ndarray:
    return np.log2(librosa.mel_frequencies(BANDS + 2, fmin=60, fmax=HIGHEST)[1:-1] / 1000)


def _log_mel(sound: np.ndarray) -> np.ndarray:
    """(band, frame) dB."""
    power = np.abs(librosa.stft(np.pad(sound, (0, max(0, N_FFT - len(sound)))), n_fft=N_FFT, hop_length=HOP)) ** 2
    return 10 * np.log10(_filters() @ power + 1e-10)


def _statistics(mel: np.ndarray) -> np.ndarray:
    """Per band the mean, the spread, the mean step from frame to frame, and the loudest and softest tenth."""
    mel = (mel - mel.max()).clip(-FLOOR)
    mel = mel[:, mel.max(axis=0) > -PAUSE]
    low, high = np.percentile(mel, [10, 90], axis=1)
    steps = np.abs(np.diff(mel, axis=1, append=mel[:, -1:])).mean(axis=1)
    return np.concatenate([mel.mean(axis=1), mel.std(axis=1), steps, low, high])


def main(recordings: str = "../shared/real_events") -> None:
    """Print the confusion matrices."""
    if not Path(recordings).is_dir():
        print(f"  {recordings}: no recordings there, so nothing is compared; give a soundbank folder")
        return
    bank, voices = RecordedVoices(recordings), [Voices(domain) for domain in DOMAINS]
    for title, train, test in (
        ("heard recordings, names synthetic voices", [bank], voices[:1]),
        ("heard recordings, names real voices", [bank], voices[1:]),
        ("heard both voices, names recordings", voices, [bank]),
        ("heard half of the recordings, names the other", *([half] for half in bank.split("one", "other"))),
        ("heard synthetic voices, names real voices", voices[:1], voices[1:]),
        ("heard real voices, names other real voices", voices[1:], voices[1:]),
    ):
        table = confusion(train, test)
        print(f"  {title}: balanced accuracy {accuracy(table):.2f}")
        print("    " + " " * 27 + "".join(f"{label[:6]:>7}" for label in CLASSES))
        for label, row in zip(CLASSES, table, strict=True):
            print(f"    {label:<27}" + "".join(f"{count:>7}" for count in row))


if __name__ == "__main__":
    main(*sys.argv[1:])
