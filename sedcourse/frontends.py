"""What a PCEN front-end does on its own: quieter recordings, noise, two layers by hand, layers that diverge. Lesson 03.

`gain` trains a linear classifier on sounds at one level and tests it at others; `noise` measures how Gaussian and how
white front-ends make noise; `by_hand` is one PCEN layer with its parameters set; `part` trains a network of a few
weights that must see two things at once, from one layer or two.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import torch
from matplotlib.figure import Figure
from scipy import stats
from torch import Tensor, nn
from torch.nn import functional as F

from minidesed.signals import coloured, shape, white_noise
from reproduction import retention
from sedcourse.demo import FEATURES, LOGMEL, Classifier, sounds, statistics
from sedcourse.plots.axes import grid
from sedcourse.plots.clips import front_ends, in_words
from sedcourse.plots.style import BLACK, BLUE, LINES, VERMILION, figure, styled
from sedlib import features
from sedlib.config import RATE, Features, Pcen
from sedlib.threads import one_thread

SETS = (15, 10)  # sounds of each class to learn from, and for tests
LEVELS = (0, -10, -20, -30)  # dB
FLOOR_DB = -40.0  # room noise below the sounds that the classifiers learn from
ALPHAS = (0.8, 0.98)
CLIPS, BANDS, FRAMES, STEPS = 32, 8, 80, 300  # of `part`: clips a step, frames of 64 ms
AFTER = 8  # of each onset: frames until the next one at the earliest


def by_hand(energy: np.ndarray, frame_s: float, alpha: float, delta: float, r: float, seconds: float) -> np.ndarray:
    """Apply one PCEN layer with a time constant in seconds to ``(mel, frame)``, which is scaled to [0, 1] first."""
    e = torch.from_numpy((energy - energy.min()) / np.ptp(energy))
    m = features.smooth(e, features.coefficient(seconds, frame_s))
    return features.pcen(e, m, alpha, delta, r).numpy()


def recorded(clean: np.ndarray, level_db: float, noise: str, rng: np.random.Generator) -> np.ndarray:
    """Record sounds at a lower level, and then something loud that is always the same.

    Parameters
    ----------
    clean : (sound, sample) array
        As `demo.sounds` makes them.
    level_db : float
        0 or less.
    noise : {"turned down", "of the room"}
        Whether the recorder is turned down, and the room's noise with it, or the source goes away from it.
    """
    factor, floor = 10 ** (level_db / 20), 0.1 * 10 ** (FLOOR_DB / 20)
    hiss = floor * rng.standard_normal(clean.shape, dtype=np.float32)
    clips = factor * clean + (factor if noise == "turned down" else 1) * hiss
    loud = 0.3 * rng.standard_normal((len(clean), RATE // 4), dtype=np.float32)
    return np.concatenate([clips, loud], 1).astype(np.float32)


def seen(waveforms: np.ndarray) -> dict[str, np.ndarray]:
    """Return the `statistics` of what each front-end makes of all but the loud end of `recorded` clips."""
    found: dict[str, list[np.ndarray]] = {}
    frames = int(2 * RATE / FEATURES.hop) - 1
    for piece in torch.from_numpy(waveforms).split(32):
        mel = LOGMEL.mel(piece)
        low, high = mel.amin((1, 2, 3), keepdim=True), mel.amax((1, 2, 3), keepdim=True)
        level, energy = features.decibels(mel, FEATURES), (mel - low) / (high - low)
        ends = level.amin((1, 2, 3), keepdim=True), level.amax((1, 2, 3), keepdim=True)
        pictures = {"log-Mel": level, "log-Mel in [0, 1]": (level - ends[0]) / (ends[1] - ends[0])}
        m = features.smooth(energy, features.coefficient(0.4, FEATURES.hop / RATE))
        pictures |= {f"PCEN, alpha {alpha:g}": features.pcen(energy, m, alpha, 2.0, 0.5) for alpha in ALPHAS}
        for name, x in pictures.items():
            found.setdefault(name, []).append(statistics(x[..., :frames]))
    return {name: np.concatenate(pieces) for name, pieces in found.items()}


def gain(seed: int) -> list[dict[str, Any]]:
    """Train at 0 dB, test at `LEVELS`: rows ``noise level front-end accuracy``."""
    (clean, y), (unseen, z) = (sounds(count, seed, part) for part, count in enumerate(SETS))
    rows = []
    for noise in ("turned down", "of the room"):
        rng = np.random.default_rng([seed, 2])
        trained = {name: Classifier(x, y) for name, x in seen(recorded(clean, 0, noise, rng)).items()}
        for level in LEVELS:
            found = seen(recorded(unseen, level, noise, rng))
            rows += [
                {"noise": noise, "level": level, "front-end": name, "accuracy": one.accuracy(found[name], z)}
                for name, one in trained.items()
            ]
    return rows


def noisy(seed: int) -> np.ndarray:
    """Make ten seconds of stationary noise of a random colour."""
    rng = np.random.default_rng([seed, 3])
    return 0.1 * shape(white_noise(10 * RATE, rng), coloured(-4, 60, rng, bumps=3))


def of_noise(waveform: np.ndarray) -> dict[str, np.ndarray]:
    """Return the first second onwards of what front-ends make of a waveform, ``(mel, frame)`` each."""
    sizes = Features()
    mel = features.LogMel(sizes).mel(torch.from_numpy(waveform)[None])
    level = features.decibels(mel, sizes)[0, 0].numpy()
    pcen = by_hand(mel[0, 0].numpy(), sizes.hop / RATE, 0.98, 2.0, 0.5, 0.4)
    first = RATE // sizes.hop
    return {"Mel": mel[0, 0].numpy()[:, first:], "log-Mel": level[:, first:], "PCEN": pcen[:, first:]}


def noise(seed: int) -> list[dict[str, Any]]:
    """Measure front-ends on `noisy`: rows ``front-end skewness colour``.

    Skewness is that of a band, mean over the bands; 0 for a Gaussian. Colour is the share of the variance that lies
    between the bands' means; 0 for white noise.
    """
    return [
        {"front-end": name, "skewness": float(stats.skew(x, 1).mean()), "colour": float(x.mean(1).var() / x.var())}
        for name, x in of_noise(noisy(seed)).items()
    ]


@styled
def draw_noise(pictures: dict[str, np.ndarray]) -> tuple[Figure, str]:
    """Draw histogram and Q-Q plot of one band, and the level of all bands, of `of_noise`; describe them."""
    fig, axes = figure(11, 3.4, ncols=3)
    band, words = 40, []
    for (name, x), colour, line in zip(pictures.items(), (BLACK, BLUE, VERMILION), LINES, strict=False):
        z = np.sort((x[band] - x[band].mean()) / x[band].std())
        expected = stats.norm.ppf((np.arange(len(z)) + 0.5) / len(z))
        look = {"color": colour, "linestyle": line, "label": name}
        axes[0, 0].hist(z, np.linspace(-4, 4, 33), density=True, histtype="step", linewidth=1.6, **look)
        axes[0, 1].plot(expected, z, **look)
        means = (x.mean(1) - x.mean()) / x.std()
        axes[0, 2].plot(means, **look)
        words.append(f"{name}: skewness {stats.skew(z):+.2f}, bands' means from {means.min():.1f} to {means.max():.1f}")
    at = np.linspace(-4, 4, 100)
    axes[0, 0].plot(at, stats.norm.pdf(at), color="0.6", lw=1)
    axes[0, 1].plot(at, at, color="0.6", lw=1)
    axes[0, 0].set(xlabel="value of one band (standard deviations)", ylabel="density", title="histogram")
    axes[0, 1].set(xlabel="Gaussian quantile", ylabel="quantile of one band", title="Q-Q")
    axes[0, 2].set(xlabel="Mel band", ylabel="mean (standard deviations)", title="colour")
    axes[0, 2].legend()
    for ax in axes[0]:
        grid(ax)
    return fig, f"Stationary noise by three front-ends; grey, a Gaussian. {'; '.join(words)}."


class Parted(NamedTuple):
    """A training of `part`."""

    pcen: features.PCEN
    path: pd.DataFrame  # a row every ten steps: ``epoch`` (here the step) and the layers' parameters
    lasting: float  # balanced accuracy on new clips, percent: does something last?
    onset: float  # is this frame an onset?

    @property
    def distance(self) -> float:
        """The largest alpha minus the smallest."""
        alpha = self.pcen.values()["alpha"].detach()
        return float(alpha.max() - alpha.min())


def scene(rng: np.random.Generator, clips: int = CLIPS) -> tuple[Tensor, Tensor]:
    """Draw Mel amplitudes: soft noise, in half of the clips something that lasts, in all of them three onsets.

    Returns
    -------
    (clip, 1, mel, frame) tensor
    (clip, 2, frame) tensor
        1 where something lasts, and where an onset is.
    """
    lasts = rng.random(clips) < 0.5
    level = np.where(lasts, 10 ** rng.uniform(-2, -0.3, clips), 0)[:, None, None]
    grain = np.abs(rng.normal(1, 0.25, (clips, BANDS, FRAMES)))
    energy = (0.003 + level * 10 ** rng.uniform(-0.5, 0.5, (clips, BANDS, 1))) * grain
    onset = np.zeros((clips, FRAMES))
    for clip, loudness in enumerate(energy.mean((1, 2))):
        for at in rng.choice(np.arange(AFTER, FRAMES - AFTER), 3, replace=False):
            onset[clip, at] = 1
            decay = loudness * rng.uniform(3, 8) * np.array([1, 0.5, 0.25])
            energy[clip, :, at : at + 3] += decay * grain[clip, :, at : at + 3]
    lasting = np.repeat(lasts[:, None], FRAMES, 1)
    return torch.from_numpy(energy[:, None]).float(), torch.from_numpy(np.stack([lasting, onset], 1)).float()


@one_thread()
def part(layers: int, seed: int, alpha: float = 0.6) -> Parted:
    """Train PCEN layers that start alike, and two logistic regressions on their means over the bands."""
    rng = np.random.default_rng([seed, 4])
    settings = Pcen(layers=layers, energy="mel", alpha=(alpha,) * layers, delta=(1.0,) * layers, r=(0.5,) * layers)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        pcen, readout = features.PCEN(settings, Features(hop=1024, n_mels=BANDS)), nn.Linear(layers, 2)
    scale, path = nn.BatchNorm1d(layers), []
    optimizer = torch.optim.Adam([*pcen.parameters(), *scale.parameters(), *readout.parameters()], lr=0.05)
    for step in range(STEPS + 1):
        energy, active = scene(rng)
        logits = readout(scale(pcen(energy).mean(2)).transpose(1, 2)).transpose(1, 2)
        loss = F.binary_cross_entropy_with_logits(logits, active, pos_weight=torch.tensor([[1.0], [20.0]]))
        if step % 10 == 0:
            path.append({"epoch": step, **pcen.summary()})
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    scale.eval()
    with torch.no_grad():
        energy, active = scene(np.random.default_rng([seed, 5]), 200)
        logits = readout(scale(pcen(energy).mean(2)).transpose(1, 2)).transpose(1, 2)
    lasting, onset = (_balanced(logits[:, k] > 0, active[:, k] > 0) for k in (0, 1))
    return Parted(pcen, pd.DataFrame(path), lasting, onset)


def _balanced(predicted: Tensor, true: Tensor) -> float:
    rates = predicted[true].float().mean(), (~predicted[~true]).float().mean()
    return 100 * float(sum(rates)) / 2


def parted(trainings: dict[int, Sequence[Parted]]) -> pd.DataFrame:
    """Tabulate trainings, by their number of layers: ``seed layers lasting onset both distance``."""
    return pd.DataFrame(
        [
            (seed, layers, one.lasting, one.onset, (one.lasting + one.onset) / 2, one.distance)
            for layers, some in trainings.items()
            for seed, one in enumerate(some)
        ],
        columns=["seed", "layers", "lasting", "onset", "both", "distance"],
    )


@styled
def draw_paths(trainings: Sequence[Parted]) -> tuple[Figure, str]:
    """Draw alpha of the layers of several trainings over their steps, and describe them."""
    fig, axes = figure(9, 3.0)
    for number, one in enumerate(trainings):
        alphas = one.path.filter(like="_alpha").to_numpy()
        order = np.argsort(alphas[-1])
        for layer, colour, line in zip(order, (BLUE, VERMILION), LINES, strict=False):
            name = ("the lower alpha in the end", "the higher")[int(layer == order[-1])]
            axes[0, 0].plot(
                one.path["epoch"], alphas[:, layer], color=colour, linestyle=line, label=None if number else name
            )
    axes[0, 0].set(xlabel="step", ylabel="alpha (no unit)")
    axes[0, 0].legend()
    grid(axes[0, 0])
    ends = "; ".join(
        f"{one.path.filter(like='_alpha').iloc[-1].min():.2f} and {one.path.filter(like='_alpha').iloc[-1].max():.2f}"
        for one in trainings
    )
    return fig, f"Alpha of two layers over the steps, a pair of lines a seed. They end at {ends}."


@styled
def draw_over_time(panels: Sequence[dict[str, np.ndarray]], frame_s: float, labels: Sequence[str]) -> Figure:
    """Draw curves ``(frame,)`` by name over one time axis, a panel for each dict; logarithmic with several curves."""
    fig, axes = figure(10, 0.6 + 1.8 * len(panels), nrows=len(panels), sharex=True)
    for ax, panel, label in zip(axes[:, 0], panels, labels, strict=True):
        for (name, y), colour, line in zip(panel.items(), (BLUE, VERMILION, BLACK), LINES, strict=False):
            ax.plot(frame_s * np.arange(len(y)), y, color=colour, linestyle=line, label=name)
        ax.set(ylabel=label, yscale="log" if len(panel) > 1 else "linear")
        if len(panel) > 1:
            ax.legend(ncols=len(panel), loc="upper left")
        grid(ax)
    axes[-1, 0].set_xlabel("time (s)")
    return fig


def draw_kept(pictures: dict[str, np.ndarray], frame_s: float, events: pd.DataFrame) -> tuple[Figure, str]:
    """Draw what front-ends make of a clip with speech, ``(mel, frame)`` each, titled with `retention`; describe it."""
    speech, titled = events[events["event_label"] == "Speech"], {}
    for name, x in pictures.items():
        kept = retention.retention(x, frame_s, speech)
        title = f"{name}: speech against what lasts {kept.events:.2f}, quick changes {kept.modulation:.2f}"
        titled[title] = x
    return front_ends(titled, frame_s, events), f"Front-ends on one clip, {in_words(events)}. {'; '.join(titled)}."


@styled
def draw_constants(pcen: Callable[..., np.ndarray], usual: dict[str, float]) -> tuple[Figure, str]:
    """Draw ``pcen(energy, m, **constants)`` against the level of M, steady and risen tenfold, and describe it."""
    tried = {"alpha": (0.4, 0.8, 0.98), "delta": (0.1, 2, 10), "r": (0.25, 0.5, 1), "eps": (1e-6, 1e-3, 0.1)}
    level = np.linspace(-100, 0, 200)
    m = 10 ** (level / 20)
    fig, axes = figure(12, 3.6, ncols=len(tried), sharey=True)
    for ax, (name, values) in zip(axes[0], tried.items(), strict=True):
        for value, colour in zip(values, (VERMILION, BLUE, BLACK), strict=True):
            for jump, line in ((1, "-"), (10, "--")):
                label = f"{value:g}" if jump == 1 else None
                ax.plot(level, pcen(jump * m, m, **usual | {name: value}), color=colour, linestyle=line, label=label)
        ax.set(xlabel="level of M (dB)", yscale="log", ylim=(1e-4, 30), title=name)
        ax.legend(loc="lower right")
        grid(ax)
    axes[0, 0].set_ylabel("PCEN (no unit)")
    return fig, (
        "PCEN against level, three values of each constant, steady (solid) and risen tenfold (dashed). A larger alpha "
        "makes the steady line flatter."
    )
