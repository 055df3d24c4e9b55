"""What augmentation buys a small classifier: sounds that get worse, and sounds that are few. Lesson 02.

`robustness` trains on clean copies or on degraded ones, and tests on sounds that get worse step by step. `scarcity`
trains on a fixed set of mixtures or on new ones each time, from few or many isolated sounds.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import torch
from sklearn.linear_model import Ridge
from sklearn.metrics import f1_score

from minidesed.domains import Recipe, room_response
from sedcourse.demo import Classifier, logmel_statistics, sounds
from sedlib.augment import EFFECTS, effects
from sedlib.augment.effects import draw_effect
from sedlib.config import RATE
from sedlib.data.tables import CLASSES

SETS = (15, 10)  # sounds of each class to learn from, and for tests
QUIET_DB = 40.0  # SNR of sounds that nobody has degraded yet
COPIES = 2  # degraded ones of each sound, of each kind
PER_CLASS = (2, 4, 8, 16)  # isolated sounds from which mixtures are made
MIXTURES, TESTED = 300, 150


class Degradation(NamedTuple):
    """A way in which a sound gets worse, and how far, from hardly to badly."""

    apply: Callable[[np.ndarray, np.ndarray, np.random.Generator], np.ndarray]  # waveforms and an amount for each
    amounts: tuple[float, ...]
    unit: str


def with_noise(waveforms: np.ndarray, snr_db: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Add white noise at an SNR for each clip ``(clip, sample)``: energy of the sound over that of the noise."""
    noise = rng.standard_normal(waveforms.shape, dtype=np.float32)
    ratio = (waveforms**2).sum(1) / (noise**2).sum(1)
    return waveforms + noise * np.sqrt(ratio * 10 ** (-snr_db / 10)).astype(np.float32)[:, None]


def low_passed(waveforms: np.ndarray, cutoff: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Take away what lies above a frequency in Hz for each clip; nothing is random."""
    return effects.low_pass(torch.from_numpy(waveforms), torch.from_numpy(cutoff).float()).numpy()


def in_room(waveforms: np.ndarray, seconds: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Put each clip into a random room with this reverberation time, reflections as strong as the direct sound."""
    recipes = (Recipe(rt60=(float(s), float(s)), direct_to_reverberant=(-3, -3)) for s in seconds)
    responses = [torch.from_numpy(room_response(recipe, rng)) for recipe in recipes]
    return torch.stack(effects.reverberate(torch.from_numpy(waveforms), responses)).numpy()


DEGRADATIONS = {
    "noise": Degradation(with_noise, (30, 20, 10, 5, 0), "SNR (dB)"),
    "low-pass": Degradation(low_passed, (8000, 4000, 2000, 1000, 500), "cut-off (Hz)"),
    "room": Degradation(in_room, (0.05, 0.2, 0.4, 0.8), "reverberation time (s)"),
}


def degraded(kind: str, waveforms: np.ndarray, amount: float | None, rng: np.random.Generator) -> np.ndarray:
    """Degrade clips by an amount, or each by its own, drawn between the ends (evenly, in octaves for a cut-off)."""
    apply, amounts, _ = DEGRADATIONS[kind]
    if amount is not None:
        drawn = np.full(len(waveforms), float(amount))
    elif kind == "noise":
        drawn = rng.uniform(min(amounts), max(amounts), len(waveforms))
    else:
        drawn = np.exp(rng.uniform(np.log(min(amounts)), np.log(0.9 * max(amounts)), len(waveforms)))
    return apply(waveforms, drawn, rng)


def robustness(seed: int) -> list[dict[str, Any]]:
    """Train without and with degraded copies, test on sounds that get worse: ``kind amount trained accuracy``."""
    (clean, y), (unseen, z) = (sounds(count, seed, part) for part, count in enumerate(SETS))
    rng = np.random.default_rng([seed, 2])
    clean, unseen = (with_noise(x, np.full(len(x), QUIET_DB), rng) for x in (clean, unseen))
    without = logmel_statistics(clean)
    copies = {
        kind: [logmel_statistics(degraded(kind, clean, None, rng)) for _ in range(COPIES)] for kind in DEGRADATIONS
    }
    rest = [copy for of_kind in copies.values() for copy in of_kind]
    trained = {
        "without": Classifier(without, y),
        "with noise alone": Classifier(np.concatenate([without, *copies["noise"]]), np.tile(y, 1 + COPIES)),
        "with all three": Classifier(np.concatenate([without, *rest]), np.tile(y, 1 + len(rest))),
    }
    rows = []
    for kind, (_, amounts, _) in DEGRADATIONS.items():
        for amount in amounts:
            x = logmel_statistics(degraded(kind, unseen, amount, rng))
            rows += [
                {"kind": kind, "amount": amount, "trained": name, "accuracy": one.accuracy(x, z)}
                for name, one in trained.items()
            ]
    return rows


def mixture(
    isolated: np.ndarray, labels: np.ndarray, rng: np.random.Generator, with_effects: bool = False
) -> tuple[np.ndarray, np.ndarray]:
    """Mix one to three isolated sounds at random levels, each shifted in time, over soft noise.

    Returns
    -------
    (sample,) float32 array
    (class,) array
        Which classes sound.
    """
    chosen = rng.choice(len(isolated), int(rng.integers(1, 4)), replace=False)
    mixed = 0.001 * rng.standard_normal(isolated.shape[1], dtype=np.float32)
    for number in chosen:
        sound = np.roll(isolated[number], -int(rng.integers(RATE // 2)))
        if with_effects:
            name = str(rng.choice(["low-pass", "high-pass", "comb", "compression"]))
            values = {of: torch.tensor([value]) for of, value in draw_effect(rng, name, 1.5).items()}
            sound = EFFECTS[name].function(torch.from_numpy(sound)[None], **values)[0].numpy()
        mixed += sound * np.float32(10 ** (rng.uniform(-15, 0) / 20))
    return mixed, np.isin(np.arange(len(CLASSES)), labels[chosen])


def mixtures(
    count: int, isolated: np.ndarray, labels: np.ndarray, rng: np.random.Generator, with_effects: bool = False
) -> tuple[np.ndarray, np.ndarray]:
    """Return log-Mel `statistics` of so many mixtures, and which classes sound in each."""
    clips, active = zip(*(mixture(isolated, labels, rng, with_effects) for _ in range(count)), strict=True)
    return logmel_statistics(np.stack(clips)), np.stack(active)


def scarcity(seed: int) -> list[dict[str, Any]]:
    """Train on mixtures of few or many isolated sounds, test on mixtures of others: ``sounds trained f1``.

    The fixed set has one mixture for each sound that there is; dynamic mixing makes `MIXTURES` from the same sounds.
    """
    everything, y = sounds(max(PER_CLASS), seed, 3)
    x_test, y_test = mixtures(TESTED, *sounds(SETS[1], seed, 4), np.random.default_rng([seed, 5]))
    rows = []
    for count in PER_CLASS:
        some, labels = everything[: count * len(CLASSES)], y[: count * len(CLASSES)]
        kinds = {
            "fixed set": (len(some), False),
            "mixed anew": (MIXTURES, False),
            "mixed anew, with effects": (MIXTURES, True),
        }
        for name, (clips, with_effects) in kinds.items():
            x, active = mixtures(clips, some, labels, np.random.default_rng([seed, 6, count]), with_effects)
            rows.append({"sounds": count, "trained": name, "f1": _f1(x, active, x_test, y_test)})
    return rows


def _f1(x: np.ndarray, active: np.ndarray, x_test: np.ndarray, y_test: np.ndarray) -> float:
    """Macro F1 in percent of a linear regression of each class, with a threshold of one half."""
    mean, deviation = x.mean(0), x.std(0) + 1e-9
    fitted = Ridge(alpha=10.0).fit((x - mean) / deviation, active)
    return 100 * float(f1_score(y_test, fitted.predict((x_test - mean) / deviation) > 0.5, average="macro"))
