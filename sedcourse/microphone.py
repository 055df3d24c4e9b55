"""Domain-adversarial training between toy and detector: single sounds whose domains differ only in the microphone.

Both domains have the same kinds of sounds in the same shares, without weak labels. A three-layer network learns the
class from the level and variation of each Mel band; only the response of one microphone separates it from real sounds.
Here the method does what it promises, for many seeds in a minute. Then the complications of a detector can be switched
on: classes that are more frequent in one domain, and a different microphone for every clip. Paper section 3.1; used in
``notebooks/05_domain_adversarial.py``, after `sedcourse.toy`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
from matplotlib.figure import Figure
from scipy import fft
from torch import Tensor, nn
from torch.nn import functional as F

from sedcourse import demo
from sedcourse.plots.style import BLUE, GREEN, LINES, VERMILION, figure, styled
from sedlib.config import RATE
from sedlib.data.tables import CLASSES
from sedlib.errors import SedError
from sedlib.threads import one_thread
from sedlib.training.adversarial import balanced_error, domain_loss, ganin, reverse

STEPS, EVERY, EACH = 300, 30, 64  # of a training: steps, steps between measurements, sounds of either domain in a step
LEARNING_RATE, BETAS = 1e-3, (0.5, 0.999)  # a short memory, as the toy's
TEST = 0.25  # share of the sounds that no training sees
SIZE = 18.0  # dB, how far the response rises and falls
BUMPS = ((250, 1.0), (700, -1.0), (2000, 1.0), (5500, -1.0))  # Hz, and share of the size, of a cheap microphone
FREQUENT = CLASSES[: len(CLASSES) // 2]  # the classes that label shift makes more frequent in real sounds


def response(hertz: np.ndarray, size: float = SIZE, seed: int | None = None) -> np.ndarray:
    """Return the microphone's response in dB: four bumps an octave wide, ``size`` dB high or deep.

    Parameters
    ----------
    hertz : (n,) array
    size : float
        0: a perfect microphone.
    seed : int, optional
        Of another microphone, with bumps of its own; without one it is always the same.
    """
    octaves, level = np.log2(np.maximum(hertz, 20) / 1000), np.zeros(len(hertz))
    signs = [share for _, share in BUMPS] if seed is None else np.random.default_rng(seed).uniform(-1, 1, len(BUMPS))
    for (centre, _), share in zip(BUMPS, signs, strict=True):
        level += size * share * np.exp(-0.5 * ((octaves - np.log2(centre / 1000)) / 0.5) ** 2)
    return level


def through(clips: np.ndarray, size: float = SIZE, *, each_its_own: bool = False) -> np.ndarray:
    """Return clips ``(clip, sample)`` as the microphone records them, or each as its own microphone does."""
    hertz = np.fft.rfftfreq(clips.shape[1], 1 / RATE)
    levels = [response(hertz, size, i if each_its_own else None) for i in range(len(clips) if each_its_own else 1)]
    gains = [10 ** (level / 20).astype(np.float32) for level in levels]
    heard = [fft.irfft(fft.rfft(clip) * gains[i if each_its_own else 0], len(clip)) for i, clip in enumerate(clips)]
    return np.array(heard, dtype=np.float32)


class Sounds(NamedTuple):
    """What a training is given; numbers are `reproduction.studies.gap.band_statistics`."""

    synthetic: np.ndarray  # (sound, number)
    real: np.ndarray  # the same sounds through the microphone
    kinds: np.ndarray  # (sound,) class, as an index; of real sounds no training knows it


class Trained(NamedTuple):
    """A training: its network, and how often it was right on sounds that it never saw."""

    body: nn.Module
    scores: dict[str, float]  # `measure` after the last step
    history: pd.DataFrame  # and every few steps before
    synthetic: Tensor  # embeddings of the synthetic training sounds
    real: Tensor  # and of the real test sounds
    places: dict[str, np.ndarray]  # of both among the sounds
    answers: np.ndarray  # (class,) share of each class among the answers for real training sounds, as often as drawn


def split(sounds: Sounds, seed: int) -> dict[str, np.ndarray]:
    """Draw which sounds are for synthetic training clips, real ones without labels, and the test: no sound twice."""
    order = np.random.default_rng([seed, 0]).permutation(len(sounds.kinds))
    test = round(TEST * len(order))
    half = (len(order) - test) // 2
    return {"synthetic": order[:half], "real": order[half : 2 * half], "test": order[2 * half :]}


def shares(frequent: float) -> np.ndarray:
    """Return the share of each class where the `FREQUENT` half of them has this share together: (class,)."""
    if not 0 < frequent < 1:
        raise SedError(f"share of the frequent classes: {frequent} is not between 0 and 1; 0.5 is balanced")
    of_one = np.where(np.isin(CLASSES, FREQUENT), frequent, 1 - frequent)
    return of_one / of_one.sum()


def step(body, head, adversary, optimizer, x, kinds, target, weight, class_weights):
    """Do one update: the class from synthetic sounds, the domain from both, its gradient reversed for the body."""
    embedded = body(x)
    classes = head(embedded[: len(kinds)])  # synthetic sounds come first; only they have labels
    domains = adversary(reverse(embedded, weight)).flatten()
    main = F.cross_entropy(classes, kinds)
    if class_weights is None:
        loss = domain_loss(domains, target)
    else:
        counts = torch.cat([class_weights[kinds], torch.ones(len(x) - len(kinds))])
        loss = F.binary_cross_entropy_with_logits(domains, target, weight=counts)
    optimizer.zero_grad()
    (main + loss).backward()
    optimizer.step()
    return float(balanced_error(domains.detach(), len(kinds)))


@one_thread()
def train(
    sounds: Sounds,
    weight: float,
    seed: int,
    frequent: float = 0.5,
    class_weights: np.ndarray | None = None,
    own_scale: bool = False,
) -> Trained:
    """Train a small network on labelled synthetic sounds, and against an adversary on both domains.

    Parameters
    ----------
    sounds : Sounds
    weight : float
        Of the reversed gradient, which grows as Ganin et al.'s schedule says; 0: the network ignores the adversary.
    seed : int
        Of the split, the first weights and the batches.
    frequent : float
        Share of the `FREQUENT` classes among the real sounds of a batch; 0.5 is balanced, as synthetic ones are.
    class_weights : (class,) array, optional
        How much a synthetic sound of each class counts in the domain loss.
    own_scale : bool
        Whether real sounds are standardised by the real training sounds; otherwise by the synthetic ones, as these are.
    """
    rng, parts = np.random.default_rng([seed, 1]), split(sounds, seed)
    own, real, test = parts["synthetic"], parts["real"], parts["test"]
    clean = _standardised(sounds.synthetic, sounds.synthetic[own])
    heard = _standardised(sounds.real, sounds.real[real] if own_scale else sounds.synthetic[own])
    kinds, drawn = torch.from_numpy(sounds.kinds), shares(frequent)[sounds.kinds[real]]
    counts = None if class_weights is None else torch.from_numpy(np.asarray(class_weights)).float()
    target = (torch.arange(2 * EACH) < EACH).float()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        body = nn.Sequential(nn.Linear(clean.shape[1], 64), nn.ReLU(), nn.Linear(64, 32), nn.ReLU())
        head, adversary = nn.Linear(32, len(CLASSES)), nn.Sequential(nn.Linear(32, 64), nn.ReLU(), nn.Linear(64, 1))
    every = [*body.parameters(), *head.parameters(), *adversary.parameters()]
    optimizer = torch.optim.Adam(every, lr=LEARNING_RATE, betas=BETAS, fused=True)
    rows, errors = [], []
    for at in range(1, STEPS + 1):
        a, b = rng.choice(own, EACH), rng.choice(real, EACH, p=drawn / drawn.sum())
        x, grown = torch.cat([clean[a], heard[b]]), weight * ganin(at / STEPS)
        errors.append(step(body, head, adversary, optimizer, x, kinds[a], target, grown, counts))
        if at % EVERY == 0:
            with torch.no_grad():
                right = {
                    name: balanced_accuracy(head(body(part[test])).argmax(1).numpy(), sounds.kinds[test])
                    for name, part in (("synthetic", clean), ("real", heard))
                }
            rows.append({"step": at, **right, "adversary": float(np.mean(errors[-EVERY:]))})
    with torch.no_grad():
        embedded = body(clean[own]), body(heard[test])
        answers = np.bincount(head(body(heard[real])).argmax(1).numpy(), drawn / drawn.sum(), len(CLASSES))
    alike = sounds.kinds[own][nearest(*embedded)] == sounds.kinds[test]
    scores = {**rows[-1], "neighbours": float(alike.mean())}
    places = {"synthetic": own, "real": test}
    return Trained(body, scores, pd.DataFrame(rows), *embedded, places, answers)


def _standardised(x: np.ndarray, by: np.ndarray) -> Tensor:
    return torch.from_numpy((x - by.mean(0)) / by.std(0)).float()


def balanced_accuracy(answers: np.ndarray, kinds: np.ndarray) -> float:
    """Return the share of right answers of each class, averaged over the classes."""
    return float(np.mean([(answers[kinds == kind] == kind).mean() for kind in np.unique(kinds)]))


def nearest(synthetic: Tensor, real: Tensor) -> np.ndarray:
    """Return for each real embedding the number of the synthetic one that is nearest: (real,)."""
    return torch.cdist(real, synthetic).argmin(1).numpy()


def moved(before: Trained, after: Trained, kinds: np.ndarray) -> np.ndarray:
    """Return the real test sounds whose nearest synthetic one is of another class before, and of theirs after."""
    own = kinds[before.places["real"]]
    right = [kinds[of.places["synthetic"]][nearest(of.synthetic, of.real)] == own for of in (before, after)]
    return np.flatnonzero(~right[0] & right[1])


def neighbours(
    trained: dict[str, Trained], clean: np.ndarray, kinds: np.ndarray, most: int
) -> Iterator[tuple[str, np.ndarray]]:
    """Yield title and sound of a few real sounds that `moved`, each followed by the nearest synthetic ones.

    Parameters
    ----------
    trained : dict of name to Trained
        Before and after, with the same seed.
    clean : (sound, sample) array
    kinds : (sound,) array
    """
    first, last = trained.values()
    for at in moved(first, last, kinds)[:most]:
        sound = first.places["real"][at]
        yield f"a real sound: {CLASSES[kinds[sound]]}", through(clean[sound : sound + 1])[0]
        for name, of in trained.items():
            near = of.places["synthetic"][nearest(of.synthetic, of.real)[at]]
            yield f"nearest at {name}: {CLASSES[kinds[near]]}", clean[near]


def chosen(trained: Trained) -> str:
    """Say which step synthetic sounds choose, and what that costs on real ones."""
    history = trained.history
    of, best = history.loc[history["synthetic"].idxmax()], history["real"].max()
    return (
        f"synthetic sounds choose step {of['step']:.0f}, right on {100 * of['real']:.0f} % of real ones; the best step "
        f"there is right on {100 * best:.0f} %"
    )


def compare(settings: dict[str, dict], seeds: Iterable[int]) -> pd.DataFrame:
    """Train every setting, which holds arguments of `train`, with every seed: its scores, a row for each training."""
    seeds = list(seeds)
    return pd.DataFrame(
        {"setting": name, "seed": seed, **train(seed=seed, **setting).scores}
        for name, setting in settings.items()
        for seed in seeds
    )


class Interval(NamedTuple):
    """A mean over seeds with its 95 % interval, by Student's t."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:+.1f} points ({self.low:+.1f} to {self.high:+.1f})"


def interval(values: np.ndarray) -> Interval:
    """Return the mean of values, one per seed, and its 95 % interval; infinitely wide for a single one."""
    mean, low, high = demo.interval(values)
    return Interval(mean, low, high) if len(values) > 1 else Interval(mean, -np.inf, np.inf)


def gain(table: pd.DataFrame, one: str, other: str, score: str = "real") -> Interval:
    """Return by how many points the first setting is better, seed by seed, in a table of `compare`."""
    of = table.pivot(index="seed", columns="setting", values=score)
    return interval(100 * (of[one] - of[other]).to_numpy())


def summary(table: pd.DataFrame) -> pd.DataFrame:
    """Tabulate `compare` in percent: mean and standard deviation over seeds."""
    names = {
        "real": "right, real (%)",
        "synthetic": "right, synthetic (%)",
        "adversary": "wrong, adversary (%)",
        "neighbours": "nearest is of its class (%)",
    }
    found = table.groupby("setting", sort=False)[list(names)].agg(
        lambda of: f"{100 * of.mean():.1f} ± {100 * of.std():.1f}"
    )
    return found.rename(columns=names).rename_axis("").reset_index()


@styled
def draw_response(size: float = SIZE) -> tuple[Figure, str]:
    """Draw the microphone's response, and describe it."""
    fig, axes = figure(10, 2.6)
    hertz = np.geomspace(50, 8000, 300)
    axes[0, 0].semilogx(hertz, response(hertz, size), color=BLUE)
    axes[0, 0].set(xlabel="frequency (Hz)", ylabel="level (dB)", title="what the microphone does to a sound")
    axes[0, 0].axhline(0, color="0.6", lw=0.8)
    bumps = ", ".join(f"{centre} Hz {size * share:+.0f} dB" for centre, share in BUMPS)
    return fig, f"Frequency response of a microphone; its bumps: {bumps}."


@styled
def draw_doses(doses: dict[float, pd.DataFrame], label: str) -> tuple[Figure, str]:
    """Draw accuracy on real sounds by dose, a line for each setting of `compare`, and describe it."""
    fig, axes = figure(10, 3.4)
    ax, words = axes[0, 0], []
    whole = pd.concat([table.assign(dose=dose) for dose, table in doses.items()])
    looks = zip((VERMILION, BLUE, GREEN), LINES, "osD", strict=True)
    for (name, of), (colour, line, marker) in zip(whole.groupby("setting", sort=False), looks, strict=False):
        found = [interval(100 * part["real"].to_numpy()) for _, part in of.groupby("dose")]
        x = sorted(of["dose"].unique())
        ax.fill_between(x, [f.low for f in found], [f.high for f in found], color=colour, alpha=0.2)
        ax.plot(x, [f.value for f in found], color=colour, linestyle=line, marker=marker, label=name)
        words.append(f"{name}: " + ", ".join(f"{at:g} {f.value:.0f} %" for at, f in zip(x, found, strict=True)))
    ax.set(xlabel=label, ylabel="right, real sounds (%)", ylim=(0, 100))
    ax.legend(loc="lower left")
    return fig, f"Accuracy on real sounds by {label}, mean over seeds with its 95 % interval. {'; '.join(words)}."


@styled
def draw_history(trainings: dict[str, Trained]) -> tuple[Figure, str]:
    """Draw both domains' accuracy by step, a panel for each training, and mark the step of the best synthetic one."""
    fig, axes = figure(10, 3.2, ncols=len(trainings), sharey=True)
    words = []
    for ax, (name, trained) in zip(axes[0], trainings.items(), strict=True):
        history = trained.history
        for column, colour, line in (("synthetic", BLUE, "-"), ("real", VERMILION, "--")):
            ax.plot(history["step"], 100 * history[column], line, color=colour, marker=".", label=f"{column} sounds")
        ax.axvline(history.loc[history["synthetic"].idxmax(), "step"], color="0.4", linestyle=":", label="chosen")
        ax.set(xlabel="step", title=name, ylim=(0, 100))
        words.append(f"{name}: {chosen(trained)}.")
    axes[0, 0].set_ylabel("right (%)")
    axes[0, 0].legend(loc="lower left")
    return fig, f"Accuracy by step. {' '.join(words)}"


def verdict(won: Interval) -> str:
    """Say in words whether an interval shows a gain, a loss, or neither."""
    if won.low > 0:
        return "a gain" if won.low < 5 else "a clear gain"
    if won.high < 0:
        return "a loss"
    return "neither a gain nor a loss is shown: more seeds or sounds would have to decide"
