"""GLU, dropout and average pooling in one pass over memory: the modules' numbers in a fraction of their time.

On a CPU a training step of the CRNN is bound by memory: these modules read and write the convolutions' output a dozen
times, and drawing dropout's mask takes longer than any convolution. Here, after the sigmoid, all of it is one pass
forward and one backward, and the mask is a byte an element. Lesson 04 shows the modules.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from sedlib.compiled import njit, prange
from sedlib.threads import only_once, share_threads


def possible(x: Tensor) -> bool:
    """Return whether `glu_dropout_pool` can replace the modules: float32 on a CPU, without autocast."""
    return x.device.type == "cpu" and x.dtype == torch.float32 and not torch.is_autocast_enabled("cpu")


def glu_dropout_pool(x: Tensor, linear: nn.Conv2d, dropout: float, pooling: tuple[int, int]) -> Tensor:
    """Compute avg_pool(dropout(linear(x) * sigmoid(x))) of ``(batch, channel, mel, frame)``, channels-last.

    Parameters
    ----------
    x : (batch, channel, mel, frame) float32 tensor
        Any memory format; channels-last is not copied.
    linear : Conv2d
        The 1x1 convolution of the GLU.
    dropout : float
        Probability of a zero in [0, 1), rounded to 1/256, at most 255/256; the other values are scaled accordingly.
    pooling : (mel, frame)
    """
    mapped = nn.functional.conv2d(x, linear.weight)  # the bias comes with the gate, its gradient too
    seed = int(torch.randint(2**62, ())) if dropout else 0
    return _GatedPooling.apply(mapped, linear.bias, x, dropout, seed, pooling)


class _GatedPooling(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx, mapped: Tensor, bias: Tensor, x: Tensor, dropout: float, seed: int, pooling: tuple[int, int]
    ) -> Tensor:
        mapped, gate = (t.contiguous(memory_format=torch.channels_last) for t in (mapped, x.sigmoid()))
        batch, channels, mels, frames = x.shape
        below = min(round(256 * dropout), 255)  # at least one of 256 stays, so that its scale is finite
        share_threads()
        kept = np.empty((batch, mels, frames, channels), np.uint8) if below else None
        if kept is not None:
            _keep(kept.reshape(-1), np.uint64(seed), np.uint8(below))
        scale = np.float32(256 / (256 - below) / (pooling[0] * pooling[1]))
        ctx.kept, ctx.sizes = kept, (*pooling, scale)
        ctx.save_for_backward(mapped, bias, gate)
        out = torch.empty((batch, mels // pooling[0], frames // pooling[1], channels))
        _forward(_rows(mapped), bias.detach().numpy(), _rows(gate), kept, out.numpy(), *ctx.sizes)
        return out.permute(0, 3, 1, 2)

    @staticmethod
    @only_once
    def backward(ctx, gradient: Tensor) -> tuple[Tensor | None, ...]:
        mapped, bias, gate = ctx.saved_tensors
        to_mapped, to_x = torch.empty_like(mapped), torch.empty_like(gate)
        rows = _rows(gradient.contiguous(memory_format=torch.channels_last))
        to_bias = torch.zeros((len(rows), mapped.shape[1]))
        share_threads()
        inputs = rows, _rows(mapped), bias.detach().numpy(), _rows(gate), ctx.kept
        _backward(*inputs, _rows(to_mapped), _rows(to_x), to_bias.numpy(), *ctx.sizes)
        return to_mapped, to_bias.sum(0), to_x, None, None, None


def _rows(x: Tensor) -> np.ndarray:
    """Return the array of a channels-last tensor as in memory, (batch, mel, frame, channel)."""
    return x.detach().permute(0, 2, 3, 1).numpy()


@njit(parallel=True, cache=True)
def _keep(kept: np.ndarray, seed: np.uint64, below: np.uint8) -> None:
    """Set 1 where a byte of random words is not below ``below``, else 0.

    Word i is splitmix64's output for the counter seed + i, so it does not depend on the number of threads.
    """
    for i in prange((kept.size + 7) // 8):
        z = seed + np.uint64(i + 1) * np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        z = z ^ (z >> np.uint64(31))
        for j in range(min(8, kept.size - 8 * i)):
            kept[8 * i + j] = np.uint8(z >> np.uint64(8 * j)) >= below


@njit(parallel=True, cache=True, fastmath={"contract"})
def _forward(mapped, bias, gate, kept, out, down, along, scale):
    batch, mels, frames, channels = out.shape
    for row in prange(batch * mels):
        n, m = row // mels, row % mels
        for t in range(frames):
            to = out[n, m, t]
            to[:] = np.float32(0)
            for i in range(m * down, (m + 1) * down):
                for j in range(t * along, (t + 1) * along):
                    a, s = mapped[n, i, j], gate[n, i, j]
                    if kept is None:
                        for c in range(channels):
                            to[c] += (a[c] + bias[c]) * s[c]
                    else:
                        k = kept[n, i, j]
                        for c in range(channels):
                            to[c] += (a[c] + bias[c]) * s[c] * np.float32(k[c])
            for c in range(channels):
                to[c] *= scale


@njit(parallel=True, cache=True, fastmath={"contract"})
def _backward(gradient, mapped, bias, gate, kept, to_mapped, to_x, to_bias, down, along, scale):
    batch, mels, frames, channels = gradient.shape
    for n in prange(batch):
        to_mapped[n, mels * down :] = np.float32(0)  # bands and frames that pooling leaves out
        to_x[n, mels * down :] = np.float32(0)
        to_mapped[n, :, frames * along :] = np.float32(0)
        to_x[n, :, frames * along :] = np.float32(0)
        total = to_bias[n]
        for i in range(mels * down):
            for j in range(frames * along):
                g, a, s = gradient[n, i // down, j // along], mapped[n, i, j], gate[n, i, j]
                da, dx = to_mapped[n, i, j], to_x[n, i, j]
                for c in range(channels):
                    da[c] = g[c] * scale * s[c]
                if kept is not None:
                    k = kept[n, i, j]
                    for c in range(channels):
                        da[c] *= np.float32(k[c])
                for c in range(channels):
                    dx[c] = da[c] * (a[c] + bias[c]) * (np.float32(1) - s[c])
                    total[c] += da[c]
