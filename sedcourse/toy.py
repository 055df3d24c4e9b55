"""Domain-adversarial training on points of the plane: small enough to train while you watch.

One axis is what sounds, with noise, the other how it was recorded. Among synthetic points the recording also gives the
class away; among real ones, which lie apart and have no labels, it does not: a classifier trained on the synthetic ones
alone relies on it and fails. Networks of a few weights stand for CNN, RNN and domain classifier, and the CNN's features
are two numbers, so that they can be drawn as they are. Losses, updates and weights are those of equations (1) and (2),
from `sedlib.training.adversarial`. Paper section 3.1; used in ``notebooks/05_domain_adversarial.py``.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
import pandas as pd
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor, nn
from torch.nn import functional as F

from sedcourse.plots.style import BLACK, BLUE, GREEN, LINES, PURPLE, VERMILION, figure, styled
from sedlib.config import Checked, Count, Fraction, Weight
from sedlib.threads import one_thread
from sedlib.training.adversarial import balanced_error, domain_loss, ganin, reverse

POINTS, UNSEEN = 128, 1000  # of each domain: to train with, and to measure with
STEPS, EVERY = 300, 100  # of the training, and from measurement to measurement
WIDTH = 16  # of hidden layers
LEARNING_RATE = 0.02
BETAS = (0.5, 0.999)  # a short memory, as is usual for adversaries: a long one makes them circle each other
PROBE_STEPS = 100
# Half the distance of the classes and deviation along either axis; where the real points lie on the second.
CONTENT, CONTENT_NOISE = 1.0, 0.6
SPURIOUS, RECORDING_NOISE, REAL_RECORDING = 0.5, 0.3, -1.5


@dataclass(frozen=True)
class Setting(Checked):
    """What a training of the toy depends on; `SedError` for values that cannot be.

    Parameters
    ----------
    main_weight, domain_weight, updates, schedule
        As for `sedlib.config.Adversarial`. A domain weight of 0 is training without an adversary.
    real_share : float
        Share of the real points that are dogs, in (0, 1); half of the synthetic ones are.
    seed : int
        Seed of the points and of the networks' first weights.
    gap : float
        How far the domains' recordings are apart, and how much the synthetic one gives away; 0: not at all.
    """

    main_weight: Weight = 1.0
    domain_weight: Weight = 1.0
    updates: Literal["two-step", "reversal"] = "two-step"
    schedule: Literal["constant", "ganin"] = "constant"
    real_share: Fraction = 0.5  # so that there are both classes
    seed: Count = 0
    gap: Weight = 1.0


class Points(NamedTuple):
    """Points of both domains; the first half is synthetic."""

    x: Tensor  # (point, 2): content, recording
    is_dog: Tensor  # (point,) 1 or 0; of real points no training knows it
    is_synthetic: Tensor  # (point,)


def points(setting: Setting, count: int, unseen: bool = False) -> Points:
    """Draw this many points of either domain; ``unseen``: others than those of the training."""
    rng = np.random.default_rng([setting.seed, int(unseen)])
    dogs = np.concatenate([np.arange(count) < share * count for share in (0.5, setting.real_share)])
    side, synthetic = np.where(dogs, 1.0, -1.0), np.arange(2 * count) < count
    content = CONTENT * side + CONTENT_NOISE * rng.normal(size=2 * count)
    recording = setting.gap * np.where(synthetic, SPURIOUS * side, REAL_RECORDING)
    recording = recording + RECORDING_NOISE * rng.normal(size=2 * count)
    x = np.stack([content, recording], 1)
    return Points(*(torch.from_numpy(values).double() for values in (x, dogs, synthetic)))


class Networks(nn.Module):
    """The paper's Figure 1 with a few weights each: extractor (its CNN), head (its RNN), domain classifier."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.extractor = _layers(2, WIDTH, 2)
            self.head = _layers(2, 1)
            self.domain = _layers(2, 2 * WIDTH, 1)

    def is_dog(self, x: Tensor) -> Tensor:
        """``(point, 2)`` to logits ``(point,)``."""
        return self.head(self.extractor(x)).squeeze(1)


def _layers(*sizes: int) -> nn.Sequential:
    layers = [
        layer for a, b in itertools.pairwise(sizes) for layer in (nn.Linear(a, b, dtype=torch.float64), nn.Tanh())
    ]
    return nn.Sequential(*layers[:-1])


def _adam(*networks: nn.Module) -> torch.optim.Adam:
    parameters = [parameter for network in networks for parameter in network.parameters()]
    return torch.optim.Adam(parameters, lr=LEARNING_RATE, betas=BETAS, fused=True)


class Trained(NamedTuple):
    """A training and its course."""

    setting: Setting
    networks: Networks
    history: pd.DataFrame  # a row for every measurement, as from `measure`, with its ``step``


@functools.lru_cache(64)
@one_thread()
def train(setting: Setting) -> Trained:
    """Train the toy; the same setting gives the same numbers, at once if it was trained before."""
    networks, seen = Networks(setting.seed), points(setting, POINTS)
    optimizers = _adam(networks.extractor, networks.head), _adam(networks.domain)
    rows = []
    for step in range(STEPS + 1):
        if step % EVERY == 0:
            rows.append({"step": step, **measure(networks, setting)})
        if step < STEPS:
            share = ganin(step / STEPS) if setting.schedule == "ganin" else 1.0
            update(networks, optimizers, seen, setting, share)
    return Trained(setting, networks, pd.DataFrame(rows))


def update(networks: Networks, optimizers: Sequence, seen: Points, setting: Setting, share: float) -> None:
    """Do equation (1), then (2), or both at once with the gradient reversed on its way back to the extractor.

    ``share`` of the domain's weight is in force for the extractor.
    """

    def of_domain(features: Tensor) -> Tensor:
        return setting.domain_weight * domain_loss(networks.domain(features).squeeze(1), seen.is_synthetic)

    count = len(seen.x) // 2  # the synthetic ones, which have labels
    embeddings = networks.extractor(seen.x)
    loss = F.binary_cross_entropy_with_logits(networks.head(embeddings[:count]).squeeze(1), seen.is_dog[:count])
    main, adversary = optimizers
    main.zero_grad()
    if setting.updates == "two-step":
        (setting.main_weight * loss - share * of_domain(embeddings)).backward()
        main.step()
        adversary.zero_grad()
        of_domain(embeddings.detach()).backward()
    else:
        adversary.zero_grad()
        (setting.main_weight * loss + of_domain(reverse(embeddings, share))).backward()
        main.step()
    adversary.step()


def measure(networks: Networks, setting: Setting) -> dict[str, float]:
    """Measure a training on points that it does not learn from.

    Returns
    -------
    dict
        ``synthetic_accuracy`` and ``real_accuracy``; ``domain_error``, the balanced error of the training's own
        adversary, NaN where there is none, and ``probe_error``, that of a new classifier that learns from the
        features as they stand. 0.5 is chance for both.
    """
    seen, unseen = points(setting, POINTS), points(setting, UNSEEN, unseen=True)
    with torch.no_grad():
        features, new_features = networks.extractor(seen.x), networks.extractor(unseen.x)
        right = ((networks.is_dog(unseen.x) > 0) == (unseen.is_dog > 0)).double()
        domain_error = float(balanced_error(networks.domain(new_features).squeeze(1), UNSEEN))
    probe = Networks(setting.seed + 1).domain
    optimizer = _adam(probe)
    for _ in range(PROBE_STEPS):
        optimizer.zero_grad()
        domain_loss(probe(features).squeeze(1), seen.is_synthetic).backward()
        optimizer.step()
    with torch.no_grad():
        probe_error = float(balanced_error(probe(new_features).squeeze(1), UNSEEN))
    return {
        "synthetic_accuracy": float(right[:UNSEEN].mean()),
        "real_accuracy": float(right[UNSEEN:].mean()),
        "domain_error": domain_error if setting.domain_weight else float("nan"),
        "probe_error": probe_error,
    }


def sweep(weights: Sequence[float], seeds: Sequence[int], real_share: float = 0.5, gap: float = 1.0) -> pd.DataFrame:
    """Return the last `measure` of a training for every domain weight and seed, with ``domain_weight`` and ``seed``."""
    settings = [
        Setting(domain_weight=weight, real_share=real_share, seed=seed, gap=gap) for weight in weights for seed in seeds
    ]
    return pd.DataFrame(
        [{"domain_weight": s.domain_weight, "seed": s.seed, **train(s).history.iloc[-1]} for s in settings]
    )


@styled
def draw(
    domain_weight: float = 1.0,
    real_share: float = 0.5,
    updates: Literal["two-step", "reversal"] = "two-step",
    schedule: Literal["constant", "ganin"] = "constant",
    seed: int = 0,
) -> tuple[Figure, str]:
    """Draw a `Setting`'s training in three panels (points, features, curves), and describe it."""
    trained = train(Setting(1.0, domain_weight, updates, schedule, real_share, seed))
    shown, last = points(trained.setting, POINTS), trained.history.iloc[-1]
    with torch.no_grad():
        features = trained.networks.extractor(shown.x)
    fig, axes = figure(10, 3.9, ncols=3, width_ratios=[1, 1, 1.1])
    given, learned, curves = axes[0]
    _scatter(given, shown.x, shown, trained.networks.is_dog)
    given.set(xlabel="content (no unit)", ylabel="recording (no unit)", title="points")
    _scatter(learned, features, shown, lambda x: trained.networks.head(x).squeeze(1))
    learned.set(xlabel="feature 1 (no unit)", ylabel="feature 2 (no unit)", title="what the extractor makes of them")
    fig.legend(*given.get_legend_handles_labels(), loc="outside lower left", ncols=5, frameon=False)
    _curves(curves, trained.history)
    own = "looks on" if not domain_weight else f"is wrong on {last['domain_error']:.0%}"
    return fig, (
        f"domain weight {domain_weight:g}, {real_share:.0%} of the real points are dogs, {updates}, {schedule}: in the "
        f"end {last['synthetic_accuracy']:.0%} of new synthetic and {last['real_accuracy']:.0%} of new real points are "
        f"classified correctly; the adversary {own}, a fresh probe is wrong on {last['probe_error']:.0%}."
    )


def _scatter(ax: Axes, at: Tensor, shown: Points, is_dog: Callable[[Tensor], Tensor]) -> None:
    """Points of both domains and classes, over the line where the classifier changes its mind."""
    for synthetic, colour, domain in ((1, BLUE, "synthetic"), (0, VERMILION, "real")):
        for dog, marker, label in ((0, "o", "cat"), (1, "^", "dog")):
            chosen = (shown.is_synthetic == synthetic) & (shown.is_dog == dog)
            face = colour if synthetic else "none"
            look = {"ms": 5, "mew": 1.1, "mec": colour, "color": colour, "mfc": face, "alpha": 0.8}
            ax.plot(*at[chosen].T, marker, label=f"{label}, {domain}", **look)
    axes = [torch.linspace(*limits, 80, dtype=torch.float64) for limits in (ax.get_xlim(), ax.get_ylim())]
    x, y = torch.meshgrid(*axes, indexing="xy")
    with torch.no_grad():
        logits = is_dog(torch.stack([x.ravel(), y.ravel()], 1)).reshape(x.shape)
    ax.contour(x, y, logits, [0.0], colors=BLACK, linestyles="--")
    ax.plot([], [], "--", color=BLACK, label="cat or dog?")


def _curves(ax: Axes, history: pd.DataFrame) -> None:
    names = ("right, real", "right, synthetic", "wrong, adversary", "wrong, fresh probe")
    columns = ("real_accuracy", "synthetic_accuracy", "domain_error", "probe_error")
    for column, name, colour, line in zip(columns, names, (VERMILION, BLUE, PURPLE, GREEN), LINES, strict=False):
        ax.plot(history["step"], 100 * history[column], color=colour, linestyle=line, marker=".", label=name)
    ax.axhline(50, color="0.6", lw=0.8)
    ax.set(xlabel="step", ylabel="new points (%)", ylim=(0, 100), title="how it went")
    ax.legend(loc="upper center", bbox_to_anchor=(0.5, -0.2), ncols=2, frameon=False)


@styled
def draw_sweep(swept: dict[str, pd.DataFrame]) -> tuple[Figure, str]:
    """Draw what real points gain by the domain weight, one panel for each `sweep`, and describe it."""
    fig, axes = figure(10, 3.3, ncols=len(swept), sharey=True)
    measures = (
        ("real_accuracy", "right, real points", VERMILION, "o-"),
        ("domain_error", "wrong, adversary", PURPLE, "^:"),
        ("probe_error", "wrong, fresh probe", GREEN, "s--"),
    )
    words = []
    for ax, (title, table) in zip(axes[0], swept.items(), strict=True):
        found = table.groupby("domain_weight")
        places = np.arange(found.ngroups)
        for column, name, colour, line in measures:
            low, middle, high = (100 * found[column].agg(how) for how in ("min", "mean", "max"))
            ax.fill_between(places, low, high, color=colour, alpha=0.2)
            ax.plot(places, middle, line, color=colour, label=name)
        ax.set_xticks(places, [f"{weight:g}" for weight in found.groups])
        ax.set(xlabel="weight of the domain loss", ylim=(0, 100), title=title)
        means = (100 * found["real_accuracy"].mean()).round()
        words.append(f"{title}: " + ", ".join(f"{weight:g} {value:.0f} %" for weight, value in means.items()))
    axes[0, 0].set_ylabel("new points (%)")
    fig.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside upper center", ncols=3, frameon=False)
    return fig, f"Accuracy on real points by domain weight, mean over seeds. {'; '.join(words)}."
