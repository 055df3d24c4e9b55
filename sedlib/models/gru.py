"""A bidirectional GRU's recurrence in one compiled pass, forward and backward, with `torch.nn.GRU`'s results.

On a CPU, torch runs a dozen small operations per frame and direction, which cost more to start than to compute. Here
one loop computes all frames of a few clips in one direction; clips and directions are shared out between threads, which
changes no number. Matrix products that do not wait for the previous frame stay torch's.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sedlib.compiled import njit, prange
from sedlib.models import fused
from sedlib.models.fused import sigmoid
from sedlib.threads import only_once, share_threads

CLIPS = 4  # computed at once: their states and the weights fit in a core's cache
UNROLLED = 8  # terms of a sum of products added at once
ONE, TWO = np.float32(1), np.float32(2)


class GRU(nn.GRU):
    """torch's GRU, bidirectional, ``batch_first``, no dropout between layers; compiled where that is possible."""

    def __init__(self, inputs: int, units: int, layers: int = 1) -> None:
        super().__init__(inputs, units, layers, batch_first=True, bidirectional=True)

    def forward(self, input: Tensor) -> tuple[Tensor, None]:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Map ``(batch, frame, feature)`` to the states of both directions ``(batch, frame, 2 state)``, and None."""
        if not fused.possible(input):
            return super().forward(input)[0], None
        x = input
        for layer in range(self.num_layers):
            w_input, w_state, b_input, b_state = (
                torch.stack([getattr(self, f"{name}_l{layer}{direction}") for direction in ("", "_reverse")])
                for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
            )
            x = _Recurrence.apply(F.linear(x, w_input.flatten(0, 1), b_input.flatten()), w_state, b_state)
        return x, None


class _Recurrence(torch.autograd.Function):
    """States from ``x``, the input's part of the gates: (batch, frame, direction x gate x state), gates r, z, n.

    r = sigmoid(x_r + W_r h + b_r), z = sigmoid(x_z + W_z h + b_z), n = tanh(x_n + r (W_n h + b_n)),
    h <- n + z (h - n), as in `torch.nn.GRU`; ``weight`` is (direction, gate x state, state).
    """

    @staticmethod
    def forward(ctx, x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        size = weight.shape[2]
        gates = x.detach().view(*x.shape[:2], 2, 3 * size)  # r, z, n replace their inputs, which nobody else needs
        mapped = torch.empty((*x.shape[:2], 2, size))  # W_n h + b_n
        out = torch.empty_like(mapped)
        share_threads()
        _forward(gates.numpy(), _padded(weight.transpose(1, 2)), bias.detach().numpy(), mapped.numpy(), out.numpy())
        ctx.save_for_backward(weight, gates, mapped, out)
        return out.flatten(2)

    @staticmethod
    @only_once
    def backward(ctx, gradient: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        weight, gates, mapped, out = ctx.saved_tensors
        to_x, to_mapped = torch.empty_like(gates), torch.empty_like(gates)
        share_threads()
        inputs = gradient.contiguous().view(out.shape), gates, mapped, out, to_x, to_mapped
        _backward(_padded(weight), *(t.detach().numpy() for t in inputs))
        before = F.pad(out[:, :-1, 0], (0, 0, 1, 0)), F.pad(out[:, 1:, 1], (0, 0, 0, 1))
        of = to_mapped.flatten(0, 1)
        to_weight = torch.stack([of[:, i].t() @ state.flatten(0, 1) for i, state in enumerate(before)])
        return to_x.flatten(2), to_weight, of.sum(0)


def _padded(weight: Tensor) -> np.ndarray:
    """Copy a matrix for each direction, with rows of zeros to a multiple of `UNROLLED`."""
    return F.pad(weight.detach(), (0, 0, 0, -weight.shape[1] % UNROLLED)).contiguous().numpy()


@njit(cache=True, fastmath={"contract"})
def _add_product(a, b, out):
    """Add a b to ``out``; columns of a and rows of b are a multiple of `UNROLLED`."""
    for k in range(0, len(b), UNROLLED):
        b0, b1, b2, b3, b4, b5, b6, b7 = b[k], b[k + 1], b[k + 2], b[k + 3], b[k + 4], b[k + 5], b[k + 6], b[k + 7]
        for i in range(len(out)):
            a0, a1, a2, a3 = a[i, k], a[i, k + 1], a[i, k + 2], a[i, k + 3]
            a4, a5, a6, a7 = a[i, k + 4], a[i, k + 5], a[i, k + 6], a[i, k + 7]
            to = out[i]
            for j in range(len(to)):
                first = a0 * b0[j] + a1 * b1[j] + a2 * b2[j] + a3 * b3[j]
                to[j] += first + a4 * b4[j] + a5 * b5[j] + a6 * b6[j] + a7 * b7[j]


@njit(parallel=True, cache=True, fastmath={"contract"}, error_model="numpy")
def _forward(gates, weight, bias, mapped, out):
    batch, frames, _, size = out.shape
    groups = (batch + CLIPS - 1) // CLIPS
    for item in prange(2 * groups):
        way, first = item // groups, item % groups * CLIPS
        clips = min(CLIPS, batch - first)
        h, of_h = np.zeros((clips, weight.shape[1]), np.float32), np.empty((clips, 3 * size), np.float32)
        power = np.empty(2 * size, np.float32)
        for step in range(frames):
            t = frames - 1 - step if way else step
            of_h[:] = bias[way]
            _add_product(h, weight[way], of_h)
            for i in range(clips):
                at = first + i, t, way
                g, m, o, a, b = gates[at], mapped[at], out[at], of_h[i], h[i]
                r, z, n = g[:size], g[size : 2 * size], g[2 * size :]
                for j in range(2 * size):
                    g[j] += a[j]
                sigmoid(g[: 2 * size], power)
                for j in range(size):
                    m[j] = a[2 * size + j]
                    n[j] = TWO * (n[j] + r[j] * m[j])
                sigmoid(n, power)
                for j in range(size):
                    n[j] = TWO * n[j] - ONE  # tanh(x) = 2 sigmoid(2 x) - 1
                    o[j] = n[j] + z[j] * (b[j] - n[j])
                for j in range(size):
                    b[j] = o[j]


@njit(parallel=True, cache=True, fastmath={"contract"})
def _backward(weight, gradient, gates, mapped, out, to_x, to_mapped):
    batch, frames, _, size = out.shape
    groups = (batch + CLIPS - 1) // CLIPS
    for item in prange(2 * groups):
        way, first = item // groups, item % groups * CLIPS
        clips = min(CLIPS, batch - first)
        to_h, start = np.zeros((clips, size), np.float32), np.zeros(size, np.float32)
        to_gates = np.zeros((clips, weight.shape[1]), np.float32)
        for step in range(frames):
            t = step if way else frames - 1 - step
            for i in range(clips):
                at = first + i, t, way
                d, g, m, to, into = gradient[at], gates[at], mapped[at], to_x[at], to_mapped[at]
                p, dh = to_gates[i], to_h[i]
                before = start if step == frames - 1 else out[first + i, t + 1 if way else t - 1, way]
                for j in range(size):
                    r, z, n = g[j], g[size + j], g[2 * size + j]
                    dh[j] += d[j]
                    dn = dh[j] * (ONE - z) * (ONE - n * n)
                    to[j] = dn * m[j] * r * (ONE - r)
                    to[size + j] = dh[j] * (before[j] - n) * z * (ONE - z)
                    to[2 * size + j] = dn
                    dh[j] *= z
                for j in range(2 * size):
                    p[j] = to[j]
                for j in range(2 * size, 3 * size):
                    p[j] = to[j] * g[j - 2 * size]
                for j in range(3 * size):
                    into[j] = p[j]
            _add_product(to_gates, weight[way], to_h)
