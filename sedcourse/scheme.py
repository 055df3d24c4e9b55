"""Figure 1 of the paper, drawn from the modules of a configuration while a clip goes through them.

Paper section 3.1; shown in ``notebooks/05_domain_adversarial.py``.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch
from torch import Tensor, nn

from sedcourse.plots.style import BLACK, BLUE, GREEN, VERMILION, figure, styled
from sedlib.config import Config
from sedlib.models import Detector
from sedlib.models.domain import DomainClassifier

# The groups of weights that the updates tell apart.
CNN, RNN, DOMAIN = "CNN and front-end", "RNN and heads", "domain branch"
COLOURS = {CNN: BLUE, RNN: GREEN, DOMAIN: VERMILION}
HALF = 0.82  # of the width of a box, with some room
HATCHES = {CNN: "", RNN: "///", DOMAIN: "..."}


class Box(NamedTuple):
    """A module on the clip's way."""

    name: str  # as the paper calls it
    kind: str  # the module's class
    group: str
    shape: tuple[int, ...]  # that it gives for one clip, without the batch
    parameters: int

    @property
    def text(self) -> str:
        """Return what is written in the box."""
        return f"{self.name}\n{self.kind}\n{' x '.join(map(str, self.shape))}\n{self.parameters:,} parameters"


def boxes(config: Config) -> list[Box]:
    """Return the modules of a configuration in the order of a clip's way; the domain classifier last."""
    detector = Detector(config).eval()
    crnn = detector.crnn
    parts = [
        *([("front-end", detector.pcen, CNN)] if detector.pcen is not None else []),
        ("CNN", crnn.cnn, CNN),
        ("RNN", crnn.rnn, RNN),
        ("strong", crnn.strong, RNN),
        ("weak", crnn.weak, RNN),
    ]
    shapes: dict[nn.Module, tuple[int, ...]] = {}
    for _, module, _ in parts:
        module.register_forward_hook(lambda module, given, out: shapes.update({module: _shape(out)}))
    with torch.no_grad():
        embeddings = detector(torch.full((1, 1, config.features.n_mels, config.features.frames), -40.0)).embeddings
    if config.adversarial.updates != "none":
        domain = DomainClassifier(config.adversarial, embeddings.shape[2])
        parts.append(("domain classifier", domain, DOMAIN))
        with torch.no_grad():
            shapes[domain] = (len(domain(embeddings)),)
    return [
        Box(name, _kind(module), group, shapes[module], sum(p.numel() for p in module.parameters()))
        for name, module, group in parts
    ]


def _kind(module: nn.Module) -> str:
    return f"{len(module)} x {type(module[0]).__name__}" if isinstance(module, nn.Sequential) else type(module).__name__


def _shape(out: Tensor | tuple[Tensor, ...]) -> tuple[int, ...]:
    return tuple((out if isinstance(out, Tensor) else out[0]).shape[1:])


@styled
def scheme(config: Config) -> tuple[Figure, str]:
    """Draw Figure 1 for a configuration, and describe it.

    Solid arrows are the way of a clip, dashed ones that of the gradients, with the weight and sign of each loss.
    """
    found = {box.name: box for box in boxes(config)}
    chain = [box for box in found.values() if box.group == CNN] + [found["RNN"]]
    fig, axes = figure(10, 4.9)
    ax = axes[0, 0]
    ax.set(xlim=(0, 10), ylim=(0, 4.9))
    ax.axis("off")
    step = 7.2 / (len(chain) + 1)
    places = {box.name: (0.55 + step * (i + 1), 3.0) for i, box in enumerate(chain)}
    places |= {"strong": (9.0, 3.75), "weak": (9.0, 2.25), "domain classifier": (places["RNN"][0], 0.75)}
    ax.text(0.02, 3.0, f"log-Mel\n{config.features.n_mels} x {config.features.frames}", va="center", fontsize=10)
    for box in found.values():
        _box(ax, box, places[box.name])
    lefts = [0.95, *(places[box.name][0] + HALF for box in chain)]
    for left, box in zip(lefts, chain, strict=False):
        _arrow(ax, (left, 3.0), (places[box.name][0] - HALF, 3.0))
    x, y = places["RNN"]
    for head in ("strong", "weak"):
        _arrow(ax, (x + HALF, y), (places[head][0] - HALF, places[head][1]))
    words = _losses(ax, config, places)
    groups = list(dict.fromkeys(box.group for box in found.values()))
    handles = [FancyBboxPatch((0, 0), 1, 1, fc="white", **_look(group)) for group in groups]
    legend = {"loc": "upper left", "bbox_to_anchor": (0, 1.02), "ncols": 3, "frameon": False, "fontsize": 10}
    ax.legend(handles=handles, labels=groups, **legend)
    parts = "; ".join(box.text.replace("\n", ", ") for box in found.values())
    return fig, f"The paper's Figure 1 from the code's modules, from left to right: {parts}. {words}"


def _look(group: str) -> dict[str, Any]:
    return {"ec": COLOURS[group], "hatch": HATCHES[group], "lw": 1.6}


def _box(ax: Axes, box: Box, at: tuple[float, float]) -> None:
    x, y = at
    corner = x - 0.78, y - 0.55
    look: dict[str, Any] = {"boxstyle": "round,pad=0.03"} | _look(box.group)
    ax.add_patch(FancyBboxPatch(corner, 1.56, 1.1, fc="white", gid=box.name, alpha=0.35, **look))
    look["hatch"] = ""
    ax.add_patch(FancyBboxPatch(corner, 1.56, 1.1, fc="none", **look))
    behind = {"fc": "white", "ec": "none", "alpha": 0.85, "pad": 1.5}
    ax.text(x, y, box.text, ha="center", va="center", fontsize=8.5, linespacing=1.35, bbox=behind)


def _arrow(ax: Axes, start: tuple[float, float], end: tuple[float, float], **look: Any) -> None:
    look = {"arrowstyle": "-|>", "color": BLACK, "lw": 1.4, "shrinkA": 0, "shrinkB": 0} | look
    ax.annotate("", end, start, arrowprops=look)


def _losses(ax: Axes, config: Config, places: dict[str, tuple[float, float]]) -> str:
    """Draw the losses' way back, and describe it."""
    a = config.adversarial
    main = f"{a.main_weight:g} $L_m$" if a.updates != "none" else "$L_m$"
    back = {"color": GREEN, "linestyle": "--"}
    (x, _), (cnn, _) = places["RNN"], places["CNN"]
    first, _ = places.get("front-end", places["CNN"])
    _arrow(ax, (places["strong"][0] - HALF, 4.15), (first, 3.62), connectionstyle="arc3,rad=0.12", **back)
    ax.text((x + cnn) / 2 + 0.4, 4.38, f"down: {main}", color=GREEN, ha="center", fontsize=10)
    if a.updates == "none":
        return "The main loss goes downhill in all of them."
    domain = f"{a.domain_weight:g} $L_a$"
    _arrow(ax, (cnn + 0.35, 2.38), (x - HALF, 0.95))
    _arrow(ax, (x - HALF, 0.6), (cnn - 0.2, 2.38), color=VERMILION, linestyle="--")
    if first != cnn:
        _arrow(ax, (cnn - 0.45, 2.38), (first, 2.38), color=VERMILION, linestyle="--", connectionstyle="arc3,rad=-0.3")
    middle = (x - HALF + cnn) / 2 - 0.35
    ax.text(middle - 0.1, 1.15, f"up: {domain}\n(equation 1)", color=VERMILION, ha="right", va="center", fontsize=10)
    ax.text(x + HALF + 0.1, 0.75, f"down: {domain}\n(equation 2)", color=VERMILION, va="center", fontsize=10)
    return (
        f"Equation (1) moves {CNN} downhill on {a.main_weight:g} times the main loss and uphill on "
        f"{a.domain_weight:g} times the domain loss, and {RNN} on the main loss alone; equation (2) moves the "
        f"{DOMAIN} downhill on {a.domain_weight:g} times the domain loss."
    )
