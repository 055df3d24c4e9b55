"""What augmentation brings a small classifier when sounds get worse, and when they are few. Lesson 02.

`robustness` trains on clean copies or on degraded ones, and tests on sounds that get worse step by step. `scarcity`
trains on a fixed set of mixtures or on new ones each time, from few or many isolated sounds.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import torch
from sklearn.linear_model import Ridge
from sklearn.metrics import f1_score

from minidesed.domains import Recipe, room_response
from sedcourse import players, plots
from sedcourse.demo import Classifier, logmel_statistics, sounds
from sedlib import augment
from sedlib.augment import EFFECTS, Bank, effects
from sedlib.augment.effects import draw_effect
from sedlib.config import RATE, Augment, Features
from sedlib.data import tables
from sedlib.data.tables import CLASSES
from sedlib.features import LogMel

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
    """Remove what is above a frequency in Hz for each clip; nothing is random."""
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


def scarcity(seed: int, worse_tests: bool = False) -> list[dict[str, Any]]:
    """Train on mixtures of few or many isolated sounds, test on mixtures of others: ``sounds trained f1``.

    The fixed set has one mixture for each sound that there is; dynamic mixing makes `MIXTURES` from the same sounds.
    With ``worse_tests`` the sounds of the tests go through effects, too.
    """
    everything, y = sounds(max(PER_CLASS), seed, 3)
    x_test, y_test = mixtures(TESTED, *sounds(SETS[1], seed, 4), np.random.default_rng([seed, 5]), worse_tests)
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


def longest(bank: Bank, label: str) -> torch.Tensor:
    """Return the longest isolated sound of a class, one to three seconds of it, ``(sample,)``."""
    number = max(bank.classes[label], key=lambda i: bank.foregrounds[i].samples)
    sound = bank.waveform(bank.foregrounds[number], samples=3 * RATE)
    return torch.nn.functional.pad(sound, (0, max(0, RATE - len(sound))))


def show_pair(first: str, before: torch.Tensor, second: str, after: torch.Tensor, sees: str) -> None:
    """Show two waveforms ``(sample,)`` as players, which keep their levels, and as spectrograms of the paper's size."""
    pair, sizes = {first: before, second: after}, Features()
    for title, waveform in pair.items():
        players.play(waveform.numpy(), title)
    pictures = {title: LogMel(sizes)(x[None])[0, 0].numpy() for title, x in pair.items()}
    fig = plots.spectrogram_grid(pictures, sizes.hop / RATE, columns=2)
    plots.show(fig, f"Spectrograms, {first} and {second}: {sees}")


def try_on(name: str, waveform: torch.Tensor, sees: str, **values: float) -> torch.Tensor:
    """Apply one of `EFFECTS` to ``(sample,)``, show what it does, and return it."""
    parameters = {key: torch.tensor([float(value)]) for key, value in values.items()}
    after = EFFECTS[name].function(waveform[None], **parameters)[0]
    show_pair("before", waveform, name, after, sees)
    return after


def level_at(waveform: torch.Tensor, hertz: float) -> float:
    """Return the level in a third of an octave around a frequency, dB."""
    energy = torch.fft.rfft(waveform).abs().square()
    octaves = (torch.fft.rfftfreq(len(waveform), 1 / RATE) / hertz).log2()
    return 10 * energy[octaves.abs() < 1 / 6].sum().log10().item()


def diversity(fixed: pd.DataFrame, bank: Bank, settings: Augment, clips: int, seed: int) -> pd.DataFrame:
    """Count what is different in so many clips of a fixed set, taken again and again, and of dynamic mixing.

    Parameters
    ----------
    fixed : event table

    Returns
    -------
    DataFrame
        ``different`` (what is counted), ``fixed set``, ``dynamic mixing``.
    """
    names = tables.filenames(fixed)
    of_clip = {name: [] for name in names}
    for e in tables.events(fixed).itertuples():
        of_clip[e.filename].append((e.onset, e.offset, e.event_label))
    passed = [of_clip[names[i % len(names)]] for i in range(clips)]
    drawn = [augment.draw(np.random.default_rng([seed, 9, i]), bank, settings) for i in range(clips)]
    labelled = [augment.events(mixture, bank) for mixture in drawn]
    rows = [
        ("soundscapes", min(clips, len(names)), len({repr(mixture) for mixture in drawn})),
        ("sets of classes at once", len(_together(passed)), len(_together(labelled))),
        ("isolated sounds", "not listed", len({s.sound for mixture in drawn for s in mixture.sources})),
    ]
    return pd.DataFrame(rows, columns=["different", "fixed set", "dynamic mixing"])


def _together(clips: list[list[tuple[float, float, str]]]) -> set[frozenset[str]]:
    """Return the sets of two classes or more that sound at the same time."""
    active = (frozenset(c for a, b, c in events if a <= t < b) for events in clips for t, _, _ in events)
    return {classes for classes in active if len(classes) > 1}
