"""Batch normalisation, GLU, dropout and average pooling in one pass over memory: the modules' results in less time.

On a CPU a training step of the CRNN is bound by memory: these modules read and write the convolutions' output two dozen
times, and drawing dropout's mask takes longer than any convolution. Here the normalised x = scale y + shift is never
written: the GLU's linear map takes it as (W scale) y + (W shift + b), its sigmoid line by line, and the two sums over
all pixels that the gradient of the normalisation needs follow from the linear map's gradient. The mask takes one byte
per element. Lesson 04 shows the modules.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from sedlib.compiled import njit, prange
from sedlib.threads import only_once, share_threads

ZERO, ONE = np.float32(0), np.float32(1)
# exp(r) = 1 + r + r^2 (A[0] + A[1] r + ...) for |r| < ln(2) / 2, the Cephes library's, and ln 2 = LN2[0] + LN2[1].
A = tuple(map(np.float32, (0.5, 1.6666665459e-1, 4.1665795894e-2, 8.3334519073e-3, 1.3981999507e-3, 1.9875691500e-4)))
LN2, PER_LN2, LARGEST = (np.float32(0.693359375), np.float32(-2.12194440e-4)), np.float32(1.44269504), np.float32(87)


def possible(x: Tensor) -> bool:
    """Return whether compiled code can replace the modules: float32 on a CPU, without autocast."""
    return x.device.type == "cpu" and x.dtype == torch.float32 and not torch.is_autocast_enabled("cpu")


def norm_glu_dropout_pool(
    y: Tensor, normalisation: nn.BatchNorm2d, linear: nn.Conv2d, dropout: float, pooling: tuple[int, int]
) -> Tensor:
    """Compute avg_pool(dropout(linear(x) * sigmoid(x))) of x = normalisation(y), ``(batch, channel, mel, frame)``.

    Parameters
    ----------
    y : (batch, channel, mel, frame) float32 tensor
        Any memory format; channels-last is not copied.
    normalisation : BatchNorm2d
        In training its running statistics are updated.
    linear : Conv2d
        The 1x1 convolution of the GLU.
    dropout : float
        Probability of a zero in [0, 1), rounded to 1/256, at most 255/256; the other values are scaled accordingly.
    pooling : (mel, frame)
    """
    y = y.contiguous(memory_format=torch.channels_last)
    mean, variance = _statistics(y.detach(), normalisation)
    seed = int(torch.randint(2**62, ())) if dropout else 0
    count = y.numel() // y.shape[1] if normalisation.training else 0  # pixels that the statistics depend on
    settings = mean, 1 / np.sqrt(variance + np.float32(normalisation.eps)), count, dropout, seed, pooling
    return _GatedPooling.apply(y, normalisation.weight, normalisation.bias, linear.weight, linear.bias, *settings)


def _statistics(y: Tensor, normalisation: nn.BatchNorm2d) -> tuple[np.ndarray, np.ndarray]:
    """Return mean and variance of each channel: the batch's, which update the running ones, or the running ones."""
    assert normalisation.running_mean is not None and normalisation.running_var is not None
    mean, variance = normalisation.running_mean.numpy(), normalisation.running_var.numpy()
    if not normalisation.training:
        return mean, variance
    count, channels = y.numel() // y.shape[1], y.shape[1]
    if count == 1:
        raise ValueError(f"batch normalisation in training needs more than one value per channel, got {y.shape}")
    first, sums = y[0, :, 0, 0].numpy(), np.empty((len(y), 2, channels), np.float32)
    share_threads()
    _sums(_lines(y), np.tile(first, y.shape[3]), sums)
    one, two = sums.sum(0, dtype=np.float64) / count  # moments about the first pixel
    unbiased = count / (count - 1)
    batch = (first + one).astype(np.float32), np.maximum(two - one * one, 0).astype(np.float32)
    assert normalisation.num_batches_tracked is not None
    normalisation.num_batches_tracked += 1
    momentum = normalisation.momentum  # None: the average of all batches
    newest = 1 / int(normalisation.num_batches_tracked) if momentum is None else momentum
    for running, new in ((mean, batch[0]), (variance, unbiased * batch[1])):
        running += np.float32(newest) * (new - running)
    return batch


class _GatedPooling(torch.autograd.Function):
    @staticmethod
    def forward(ctx, y, gamma, beta, weight, bias, mean, inverse, count, dropout, seed, pooling) -> Tensor:
        batch, channels, mels, frames = y.shape
        gamma, beta, w, b = (
            t.detach().numpy() for t in (gamma, beta, weight.flatten(1), bias)
        )  # small: numpy starts sooner
        scale = gamma * inverse
        shift = beta - mean * scale
        offset = np.tile(b + (w * shift).sum(1), frames)
        mapped = nn.functional.conv2d(y, torch.from_numpy(w * scale).view_as(weight))
        mapped = mapped.contiguous(memory_format=torch.channels_last)
        below = min(round(256 * dropout), 255)  # at least one of 256 stays, so that its scale is finite
        share_threads()
        kept = np.empty((batch, mels, frames * channels), np.uint8) if below else None
        if kept is not None:
            _keep(kept.reshape(-1), np.uint64(seed), np.uint8(below))
        ctx.sizes = *pooling, np.float32(256 / (256 - below) / (pooling[0] * pooling[1]))
        gate = torch.empty_like(y) if any(ctx.needs_input_grad) else y[:0]
        ctx.save_for_backward(y, weight, mapped, gate)
        ctx.arrays, ctx.count = (mean, inverse, scale, shift, offset, kept), count
        out = torch.empty((batch, mels // pooling[0], frames // pooling[1], channels))
        lines = np.tile(scale, frames), np.tile(shift, frames), _lines(mapped), offset, _lines(gate), kept
        down, along, factor = ctx.sizes
        _forward(_lines(y), *lines, out.numpy(), down, along, factor)
        return out.permute(0, 3, 1, 2)

    @staticmethod
    @only_once
    def backward(ctx, gradient: Tensor) -> tuple[Tensor | None, ...]:
        (y, weight, mapped, gate), (mean, inverse, scale, shift, offset, kept) = ctx.saved_tensors, ctx.arrays
        rows = gradient.contiguous(memory_format=torch.channels_last).permute(0, 2, 3, 1).numpy()
        to_mapped, to_y, w = torch.empty_like(y), torch.empty_like(y), weight.detach().flatten(1)
        sums = np.empty((len(y), 3, y.shape[1]), np.float32)
        share_threads()
        inputs = _lines(y), _lines(mapped), offset, _lines(gate), kept
        _backward(rows, *inputs, _lines(to_mapped), _lines(to_y), sums, *ctx.sizes)
        product = (_pixels(to_mapped).t() @ _pixels(y)).numpy()
        _pixels(to_y).addmm_(_pixels(to_mapped), w)  # the gradient of x
        to_bias, one, two = sums.sum(0)
        # Sums over all pixels of the gradient of x, and of that times y.
        to_beta, two = one + (to_bias[:, None] * w.numpy()).sum(0), two + (w.numpy() * product).sum(0)
        to_gamma = (two - mean * to_beta) * inverse
        slope = scale * inverse * to_gamma / np.float32(ctx.count or np.inf)
        level = scale * to_beta / np.float32(ctx.count or np.inf) - slope * mean
        _through_normalisation(_lines(to_y), _lines(y), *(np.tile(a, y.shape[3]) for a in (scale, slope, level)))
        to_weight = product * scale + to_bias[:, None] * shift
        arrays = to_gamma, to_beta, to_weight.reshape(weight.shape), to_bias
        return to_y, *map(torch.from_numpy, arrays), *[None] * 6


def _pixels(x: Tensor) -> Tensor:
    """View a channels-last tensor as (pixel, channel)."""
    return x.detach().permute(0, 2, 3, 1).reshape(-1, x.shape[1])


def _lines(x: Tensor) -> np.ndarray:
    """Return the array of a channels-last tensor as in memory, (batch, mel, frame x channel)."""
    return x.detach().permute(0, 2, 3, 1).reshape(len(x), x.shape[2], x.shape[3] * x.shape[1]).numpy()


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


@njit(cache=True, fastmath={"contract"}, error_model="numpy")
def sigmoid(x, power):
    """Set x to 1 / (1 + exp(-x)), exp(y) = 2^k exp(r), in loops that the compiler vectorises; NaN stays NaN."""
    bits = power.view(np.int32)
    for i in range(len(x)):
        y = LARGEST if x[i] < -LARGEST else -x[i]
        y = -LARGEST if y < -LARGEST else y
        k = np.floor(y * PER_LN2 + A[0])
        r = y - k * LN2[0] - k * LN2[1]
        bits[i] = (np.int32(k) + np.int32(127)) << np.int32(23)  # 2^k
        p = ((((A[5] * r + A[4]) * r + A[3]) * r + A[2]) * r + A[1]) * r + A[0]
        x[i] = p * r * r + r + ONE
    for i in range(len(x)):
        x[i] = ONE / (ONE + x[i] * power[i])


@njit(cache=True)
def _add_frames(line, out):
    """Set ``out``, for each channel, to the sum of a line."""
    for c in range(len(out)):
        out[c] = ZERO
    for t in range(0, len(line), len(out)):
        for c in range(len(out)):
            out[c] += line[t + c]


@njit(parallel=True, cache=True, fastmath={"contract"})
def _sums(y, first, sums):
    for n in prange(len(y)):
        one, two = np.zeros_like(first), np.zeros_like(first)
        for i in range(y.shape[1]):
            line = y[n, i]
            for k in range(len(line)):
                d = line[k] - first[k]
                one[k] += d
                two[k] += d * d
        _add_frames(one, sums[n, 0])
        _add_frames(two, sums[n, 1])


@njit(parallel=True, cache=True, fastmath={"contract"})
def _forward(y, scale, shift, mapped, offset, gate, kept, out, down, along, factor):
    batch, mels, frames, channels = out.shape
    for row in prange(batch * mels):
        n, m = row // mels, row % mels
        total, scratch, power = np.zeros_like(scale), np.empty_like(scale), np.empty_like(scale)
        for i in range(m * down, (m + 1) * down):
            s = gate[n, i] if len(gate) else scratch
            x, a = y[n, i], mapped[n, i]
            for k in range(len(s)):
                s[k] = scale[k] * x[k] + shift[k]
            sigmoid(s, power)
            if kept is None:
                for k in range(len(s)):
                    total[k] += (a[k] + offset[k]) * s[k]
            else:
                d = kept[n, i]
                for k in range(len(s)):
                    total[k] += (a[k] + offset[k]) * s[k] * np.float32(d[k])
        for t in range(frames):
            for c in range(channels):
                pooled = ZERO
                for j in range(along):
                    pooled += total[(t * along + j) * channels + c]
                out[n, m, t, c] = pooled * factor


@njit(parallel=True, cache=True, fastmath={"contract"})
def _backward(gradient, y, mapped, offset, gate, kept, to_mapped, to_x, sums, down, along, factor):
    batch, mels, frames, channels = gradient.shape
    for n in prange(batch):
        spread = np.zeros_like(offset)  # the pooled gradient, and zeros for frames that pooling leaves out
        one, two, three = np.zeros_like(offset), np.zeros_like(offset), np.zeros_like(offset)
        for i in range(y.shape[1]):
            m = i // down
            for t in range(frames * along if m < mels and i % down == 0 else 0):
                for c in range(channels):
                    spread[t * channels + c] = gradient[n, m, t // along, c] * factor
            da, dx, a, s, x = to_mapped[n, i], to_x[n, i], mapped[n, i], gate[n, i], y[n, i]
            if m >= mels:  # bands that pooling leaves out
                for k in range(len(da)):
                    da[k] = dx[k] = ZERO
                continue
            for k in range(len(da)):
                da[k] = spread[k] * s[k]
            if kept is not None:
                d = kept[n, i]
                for k in range(len(da)):
                    da[k] *= np.float32(d[k])
            for k in range(len(da)):
                dx[k] = da[k] * (a[k] + offset[k]) * (ONE - s[k])
            for k in range(len(da)):
                one[k] += da[k]
            for k in range(len(da)):
                two[k] += dx[k]
                three[k] += dx[k] * x[k]
        _add_frames(one, sums[n, 0])
        _add_frames(two, sums[n, 1])
        _add_frames(three, sums[n, 2])


@njit(parallel=True, cache=True, fastmath={"contract"})
def _through_normalisation(to_y, y, scale, slope, level):
    batch, mels, _ = y.shape
    for row in prange(batch * mels):
        d, x = to_y[row // mels, row % mels], y[row // mels, row % mels]
        for k in range(len(d)):
            d[k] = scale[k] * d[k] - level[k] - slope[k] * x[k]
