"""Conv-TasNet's separator frame by frame in memory: the results of asteroid's modules in a fraction of their time.

On a CPU the separator's 1x1 convolutions take little time; norms, slopes and depthwise convolutions read and write
their small tensors dozens of times. Here channels lie side by side, 1x1 convolutions are matrix products, and
everything between two of them is one pass over clips, each of which stays in the processor's cache. Lesson 05 shows the
modules.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sedlib.compiled import njit, prange
from sedlib.threads import only_once, share_threads

if TYPE_CHECKING:
    from asteroid.masknn import TDConvNet

_SUMS = 10  # gradients that are sums over frames: both slopes, both norms' gains and biases, three taps and a bias


def separate(network: TDConvNet, x: Tensor) -> Tensor:
    """Compute what a non-causal ``TDConvNet`` without skip connections does: (batch, frame, feature or output).

    Its kernels have 3 frames, its norms are ``GroupNorm(1)``, and its output is linear.
    """
    norm, bottleneck = network.bottleneck
    shape = x.shape[1:]
    x = F.layer_norm(x, shape, norm.weight.expand(shape), norm.bias.expand(shape), norm.eps)
    x = _pointwise(bottleneck, x)
    for block in network.TCN:
        first, slope, norm, depthwise, slope2, norm2 = block.shared_block
        hidden = _pointwise(first, x)
        weights = slope.weight, norm.weight, norm.bias, depthwise.weight, depthwise.bias
        hidden = _Between.apply(
            hidden, *weights, slope2.weight, norm2.weight, norm2.bias, depthwise.dilation[0], norm.eps
        )
        x = x + _pointwise(block.res_conv, hidden)
    slope, last = network.mask_net
    return _pointwise(last, slope(x))


def _pointwise(convolution: nn.Conv1d, x: Tensor) -> Tensor:
    return F.linear(x, convolution.weight[..., 0], convolution.bias)


class _Between(torch.autograd.Function):
    """PReLU, norm, depthwise convolution, PReLU, norm of ``(batch, frame, channel)``."""

    @staticmethod
    def forward(ctx, x: Tensor, *arguments) -> Tensor:
        *weights, ctx.dilation, eps = arguments
        x = x.contiguous()
        ctx.save_for_backward(x, *weights)
        ctx.moments = np.empty((len(x), 4), np.float32)  # mean and 1 / deviation of the first norm, and of the second
        out = torch.empty_like(x)
        share_threads()
        _forward(x.detach().numpy(), _table(weights), ctx.dilation, np.float32(eps), ctx.moments, out.numpy())
        return out

    @staticmethod
    @only_once
    def backward(ctx, gradient: Tensor) -> tuple[Tensor | None, ...]:
        x, *weights = ctx.saved_tensors
        to_x, sums = torch.empty_like(x), torch.zeros((len(x), _SUMS, x.shape[2]))
        gradient = gradient.contiguous()
        share_threads()
        arrays = gradient.numpy(), x.detach().numpy(), _table(weights), ctx.dilation, ctx.moments
        _backward(*arrays, to_x.numpy(), sums.numpy())
        total = sums.sum(0)
        slope, gain, bias, taps, offset, slope2, gain2, bias2 = total.split((1, 1, 1, 3, 1, 1, 1, 1))
        to_weights = slope.sum(1), gain[0], bias[0], taps.T[:, None], offset[0], slope2.sum(1), gain2[0], bias2[0]
        return to_x, *to_weights, None, None


def _table(weights: list[Tensor]) -> np.ndarray:
    """Return (10, channel) in the order of the sums, slopes repeated."""
    slope, gain, bias, taps, offset, slope2, gain2, bias2 = weights
    rows = [slope.expand_as(gain), gain, bias, *taps[:, 0].T, offset, slope2.expand_as(gain), gain2, bias2]
    return torch.stack(rows).detach().numpy()


# Rows of weights, and of their gradients, are passed as one array: LLVM vectorises no loop over many that may overlap.
_FIRST, _TAPS, _OFFSET, _SECOND = slice(0, 3), slice(3, 6), 6, slice(7, 10)


@njit(inline="always")
def _rectified(x, slope):
    return max(x, np.float32(0)) + slope * min(x, np.float32(0))


@njit(cache=True, fastmath={"contract"})
def _measure(x, w, eps, total, moments):
    """Set mean and 1 / deviation of prelu(x), (frame, channel)."""
    frames, channels = x.shape
    total[:] = np.float32(0)
    for t in range(frames):
        for c in range(channels):
            total[c] += _rectified(x[t, c], w[0, c])
    mean = total.sum() / np.float32(x.size)
    total[:] = np.float32(0)
    for t in range(frames):
        for c in range(channels):
            total[c] += (_rectified(x[t, c], w[0, c]) - mean) ** 2
    moments[0], moments[1] = mean, np.float32(1) / np.sqrt(total.sum() / np.float32(x.size) + eps)


@njit(cache=True, fastmath={"contract"})
def _normalise(x, w, moments, out):
    mean, scale = moments[0], moments[1]
    for t in range(x.shape[0]):
        for c in range(x.shape[1]):
            out[t, c] = (_rectified(x[t, c], w[0, c]) - mean) * scale * w[1, c] + w[2, c]


@njit(cache=True, fastmath={"contract"})
def _convolve(padded, taps, d, out):
    for t in range(out.shape[0]):
        for c in range(out.shape[1]):
            y = padded[t, c] * taps[0, c] + padded[t + d, c] * taps[1, c]
            out[t, c] = y + padded[t + 2 * d, c] * taps[2, c]


@njit(parallel=True, cache=True, fastmath={"contract"})
def _forward(x, weights, d, eps, moments, out):
    batch, frames, channels = x.shape
    for n in prange(batch):
        padded, total = np.zeros((frames + 2 * d, channels), np.float32), np.empty(channels, np.float32)
        _measure(x[n], weights[_FIRST], eps, total, moments[n, :2])
        _normalise(x[n], weights[_FIRST], moments[n, :2], padded[d : d + frames])
        _convolve(padded, weights[_TAPS], d, out[n])
        out[n] += weights[_OFFSET]
        _measure(out[n], weights[_SECOND], eps, total, moments[n, 2:])
        _normalise(out[n], weights[_SECOND], moments[n, 2:], out[n])


@njit(cache=True, fastmath={"contract"})
def _through_norm(gradient, x, w, moments, sums, out):
    """Set the gradient of x from that of norm(prelu(x)), and add those of the weights."""
    frames, channels = x.shape
    mean, scale = moments[0], moments[1]
    for t in range(frames):
        for c in range(channels):
            sums[1, c] += gradient[t, c] * ((_rectified(x[t, c], w[0, c]) - mean) * scale)
            sums[2, c] += gradient[t, c]
    by_mean, by_scale = (w[1] * sums[2]).sum() / np.float32(x.size), (w[1] * sums[1]).sum() / np.float32(x.size)
    for t in range(frames):
        for c in range(channels):
            normal = (_rectified(x[t, c], w[0, c]) - mean) * scale
            to_y = scale * (gradient[t, c] * w[1, c] - by_mean - normal * by_scale)
            sums[0, c] += to_y * min(x[t, c], np.float32(0))
            out[t, c] = to_y * (np.float32(1) if x[t, c] > 0 else w[0, c])


@njit(parallel=True, cache=True, fastmath={"contract"})
def _backward(gradient, x, weights, d, moments, to_x, sums):
    batch, frames, channels = x.shape
    for n in prange(batch):
        padded = np.zeros((frames + 2 * d, channels), np.float32)
        to_padded, y = np.zeros_like(padded), np.empty((frames, channels), np.float32)
        to_y, to_weights = to_padded[d : d + frames], sums[n]
        _normalise(x[n], weights[_FIRST], moments[n, :2], padded[d : d + frames])
        _convolve(padded, weights[_TAPS], d, y)
        y += weights[_OFFSET]
        _through_norm(gradient[n], y, weights[_SECOND], moments[n, 2:], to_weights[_SECOND], to_y)
        for t in range(frames):
            for c in range(channels):
                to_weights[3, c] += to_y[t, c] * padded[t, c]
                to_weights[4, c] += to_y[t, c] * padded[t + d, c]
                to_weights[5, c] += to_y[t, c] * padded[t + 2 * d, c]
                to_weights[6, c] += to_y[t, c]
        to_normal = y
        _convolve(to_padded, weights[_TAPS][::-1], d, to_normal)
        _through_norm(to_normal, x[n], weights[_FIRST], moments[n, :2], to_weights[_FIRST], to_x[n])
