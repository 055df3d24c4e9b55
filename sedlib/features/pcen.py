"""Per-channel energy normalisation, equation (3) of the paper: fixed, trainable, and several in parallel.

PCEN(t,f) = (E(t,f) / (eps + M(t,f))^alpha + delta)^r - delta^r: each Mel band is divided by its own recent past and
then compressed. Paper section 3.3 and Table 1; lesson 03.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from sedlib.config import Features, Pcen
from sedlib.errors import SedError
from sedlib.features.smoother import coefficient, smooth, smooth_zero_phase, time_constant

SMOOTHERS = {"causal": smooth, "zero-phase": smooth_zero_phase}
PAPER_HOP = 255  # samples; the paper's smoothing coefficients are per frame of this length
ALPHA, R, DELTA, S = (0.01, 1.0), (0.01, 1.0), (0.01, 100.0), (1e-3, 0.999)  # bounds of what is learned


def pcen(
    energy: Tensor, m: Tensor, alpha: Tensor | float, delta: Tensor | float, r: Tensor | float, eps: float = 1e-6
) -> Tensor:
    """Compute equation (3), (E / (eps + M)^alpha + delta)^r - delta^r.

    Parameters
    ----------
    energy, m : tensors
        E, not negative, and its smoothed M; shapes broadcast.
    alpha : float or tensor
        Gain: how much of the level is removed, 0 to 1.
    delta : float or tensor
        Bias, positive: below it there is hardly any compression.
    r : float or tensor
        Power of the compression, above 0.
    eps : float
        Positive; keeps silence from being divided by zero.

    Notes
    -----
    Written as delta^r (exp(r log(1 + G / delta)) - 1) with G = E / (eps + M)^alpha, as in librosa, so that small
    values do not drown in the difference of two large ones.

    Examples
    --------
    A sound 100 times louder, once it has lasted (M = E), comes out only a little stronger:

    >>> steady = torch.tensor([0.01, 1.0])
    >>> [round(value, 3) for value in pcen(steady, steady, alpha=0.98, delta=2.0, r=0.5).tolist()]
    [0.292, 0.318]
    """
    gained = energy * torch.exp(-alpha * torch.log(m + eps))
    return delta**r * torch.expm1(r * torch.log1p(gained / delta))


class Bounded(nn.Module):
    """Parameters that stay within their bounds while they learn: low (high / low)^sigmoid(z), z learned."""

    def __init__(self, name: str, values: Tensor, bounds: tuple[float, float], learn: bool) -> None:
        super().__init__()
        low, high = bounds
        if not bool(((values > low) & (values < high)).all()):
            raise SedError(f"pcen.{name} is {values.tolist()}; it must lie between {low:g} and {high:g}")
        self.low, self.ratio = low, high / low
        self.z = nn.Parameter(torch.logit(torch.log(values.double() / low) / math.log(self.ratio)).float(), learn)

    def forward(self) -> Tensor:
        """Return the values of now."""
        return self.low * self.ratio ** self.z.sigmoid()


class PCEN(nn.Module):
    """PCEN layers in parallel, each with its own alpha, delta and r; the layers are channels of the output.

    Every layer divides by a mixture of smoothers, M = sum_k w_k M_k, whose weights w are a softmax in each Mel band.

    Parameters
    ----------
    settings : Pcen
        Initial values, and what learns; a `SedError` names a value outside its bounds.
    features : Features
        For another hop than the paper's 255 samples, s is changed so that the time constants stay.
    """

    def __init__(self, settings: Pcen, features: Features) -> None:
        super().__init__()
        learn = settings.trainable
        self.smoother, self.eps, self.trainable = SMOOTHERS[settings.smoother], settings.eps, learn
        self._alpha = Bounded("alpha", torch.tensor(settings.alpha), ALPHA, learn)
        self._delta = Bounded("delta", torch.tensor(settings.delta), DELTA, learn)
        self._r = Bounded("r", torch.tensor(settings.r), R, learn)
        s = torch.tensor([at_hop(s, features.hop) for s in settings.s], dtype=torch.float64)
        self._s = Bounded("s", s, S, settings.learn_s)
        self.logits = nn.Parameter(torch.zeros(settings.layers, len(s), features.n_mels), learn)

    def values(self) -> dict[str, Tensor]:
        """Return ``alpha delta r`` (layer,), ``weights`` (layer, smoother, mel) that add up to 1, and ``s``."""
        values = {"alpha": self._alpha(), "delta": self._delta(), "r": self._r()}
        return values | {"weights": self.logits.softmax(1), "s": self._s()}

    def smoothed(self, energy: Tensor) -> Tensor:
        """Return M of every layer: ``(batch, 1, mel, frame)`` to ``(batch, layer, mel, frame)``."""
        weights = self.logits.softmax(1)
        each = self.smoother(energy[:, 0], self._s())  # (smoother, batch, mel, frame)
        return torch.einsum("lkm, kbmt -> blmt", weights, each)

    def forward(self, energy: Tensor) -> Tensor:
        """Map ``(batch, 1, mel, frame)``, finite and not negative, to ``(batch, layer, mel, frame)``."""
        _check(energy)
        with torch.autocast(energy.device.type, enabled=False):
            energy = energy.float()
            alpha, delta, r = (of_layers()[:, None, None] for of_layers in (self._alpha, self._delta, self._r))
            return pcen(energy, self.smoothed(energy), alpha, delta, r, self.eps)

    @torch.no_grad()
    def summary(self) -> dict[str, float]:
        """Return ``alpha delta r`` of every layer and ``fast``, the mean weight of its faster smoother, as a row."""
        values = self.values()
        fast = values["weights"][:, int(values["s"].argmax())].mean(-1)
        by_name = {name: values[name] for name in ("alpha", "delta", "r")} | {"fast": fast}
        return {f"pcen{i}_{name}": float(value) for name, row in by_name.items() for i, value in enumerate(row, 1)}


def at_hop(s: float, hop: int) -> float:
    """Return the coefficient that has, with frames of ``hop`` samples, the time constant of ``s`` with 255."""
    return s if hop == PAPER_HOP else coefficient(time_constant(s, PAPER_HOP), hop)


def _check(energy: Tensor) -> None:
    if energy.device.type != "cpu":  # the host would have to wait for a GPU
        return
    low, high = (float(end) for end in energy.detach().aminmax())
    if not (low >= 0 and high < math.inf):  # NaN too
        raise SedError(
            f"PCEN takes energies that are finite and not negative; here they lie between {low:.4g} and {high:.4g}. "
            "Scale log-Mel in dB to [0, 1] first (features.scaling 'minmax')"
        )
