"""The smoother of PCEN, M(t) = (1 - s) M(t-1) + s E(t): causal as in the paper, or zero-phase as in its released code.

On a CPU numba computes the recursion; other devices use torchaudio's ``lfilter``. Paper section 3.3; lesson 03.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor
from torchaudio.functional import lfilter

from sedlib.compiled import njit, prange
from sedlib.errors import SedError
from sedlib.threads import only_once, share_threads


def coefficient(seconds: float, frame_s: float) -> float:
    """Return the s of a time constant T in frames, (sqrt(1 + 4 T^2) - 1) / (2 T^2), as librosa does.

    Both arguments are in seconds, ``frame_s`` from frame to frame; a `SedError` if either is not positive.

    Examples
    --------
    >>> round(coefficient(0.4, 255 / 16000), 4)
    0.0391
    """
    if not (seconds > 0 and frame_s > 0):
        raise SedError(f"a time constant of {seconds} s at {frame_s} s per frame: both must be positive")
    return 2 / (math.sqrt(1 + 4 * (seconds / frame_s) ** 2) + 1)  # equal, without a difference of close numbers


def time_constant(s: float, frame_s: float) -> float:
    """Return T = sqrt(1 - s) / s frames in seconds, the inverse of `coefficient`; a `SedError` unless 0 < s < 1."""
    _check(torch.as_tensor(s, dtype=torch.float64))
    return math.sqrt(1 - s) / s * frame_s


def smooth(energy: Tensor, s: Tensor | float, start: Tensor | None = None) -> Tensor:
    """Smooth energies by M(t) = (1 - s) M(t-1) + s E(t), the denominator of PCEN.

    Differentiable in all three arguments. Half precision, also under autocast, is computed in float32.

    Parameters
    ----------
    energy : (..., frame) tensor
        E.
    s : float, () or (k,) tensor
        Smoothing coefficients in (0, 1); librosa's ``b``.
    start : (...) or (k, ...) tensor, optional
        M before the first frame: ``M[..., -1]`` of the piece before, to continue it. Default: E(0), as asteroid has it
        (librosa: 1), so that a constant is its own average.

    Returns
    -------
    (..., frame) or (k, ..., frame) tensor
        M for each s; float32, or float64 for such input.

    Raises
    ------
    SedError
        If an s is outside (0, 1), or there is no frame.
    """
    if energy.shape[-1] == 0:
        raise SedError(f"an energy of shape {tuple(energy.shape)} has no frame to smooth")
    if energy.dtype != torch.float64:
        energy = energy.float()
    s = torch.as_tensor(s, dtype=energy.dtype, device=energy.device)
    _check(s)
    shape = (*s.shape, *energy.shape[:-1])
    start = (energy[..., 0] if start is None else start.to(energy.dtype)).expand(shape)
    rows = energy.reshape(-1, energy.shape[-1])
    recursion = _Recursion.apply if energy.device.type == "cpu" else _by_lfilter
    with torch.autocast(energy.device.type, enabled=False):
        smoothed = recursion(rows, s.reshape(-1), start.reshape(s.numel(), len(rows)))
    return smoothed.reshape(*shape, energy.shape[-1])


def smooth_zero_phase(energy: Tensor, s: Tensor | float) -> Tensor:
    """Smooth forwards, then backwards in time, as the released code does: no delay, but M depends on the future.

    Parameters, returned tensor and errors as for `smooth`. Each pass starts from its first value, as
    ``scipy.signal.filtfilt`` without padding.
    """
    there = smooth(energy, s).flip(-1)
    s = torch.as_tensor(s, dtype=there.dtype, device=energy.device)
    back = smooth(there, s) if s.ndim == 0 else torch.stack([smooth(m, one) for m, one in zip(there, s, strict=True)])
    return back.flip(-1)


def _check(s: Tensor) -> None:
    if s.device.type == "cpu" and not bool(((s > 0) & (s < 1)).all()):  # a GPU would make the host wait
        raise SedError(f"smoothing coefficients must lie between 0 and 1, not {s.tolist()}")


class _Recursion(torch.autograd.Function):
    """``(row, frame)``, ``(k,)``, ``(k, row)`` to ``(k, row, frame)``."""

    @staticmethod
    def forward(ctx, energy: Tensor, s: Tensor, start: Tensor) -> Tensor:
        smoothed = energy.new_empty((*start.shape, energy.shape[1]))
        share_threads()
        _forward(energy.detach().numpy(), s.detach().numpy(), start.detach().numpy(), smoothed.numpy())
        ctx.save_for_backward(energy, s, start, smoothed)
        return smoothed

    @staticmethod
    @only_once
    def backward(ctx, gradient: Tensor) -> tuple[Tensor, ...]:
        """a(t) = dL/dM(t) + (1 - s) a(t+1); dL/dE = s a, dL/ds = sum a(t) (E(t) - M(t-1)), dL/dM(-1) = (1 - s) a(0)."""
        energy, s, start, smoothed = (saved.detach().numpy() for saved in ctx.saved_tensors)
        to_energy, to_s, to_start = np.zeros_like(energy), np.zeros(start.shape), np.empty_like(start)
        share_threads()
        _backward(gradient.contiguous().numpy(), energy, s, start, smoothed, to_energy, to_s, to_start)
        return tuple(map(torch.from_numpy, (to_energy, to_s.sum(1).astype(s.dtype), to_start)))


@njit(parallel=True, cache=True, fastmath={"contract"})
def _forward(energy, s, start, smoothed):
    for row in prange(len(energy)):
        for k in range(len(s)):
            m = start[k, row]
            for t in range(energy.shape[1]):
                m += s[k] * (energy[row, t] - m)
                smoothed[k, row, t] = m


@njit(parallel=True, cache=True, fastmath={"contract"})
def _backward(gradient, energy, s, start, smoothed, to_energy, to_s, to_start):
    for row in prange(len(energy)):
        for k in range(len(s)):
            a, keep = energy.dtype.type(0), energy.dtype.type(1) - s[k]
            for t in range(energy.shape[1] - 1, -1, -1):
                a = gradient[k, row, t] + keep * a
                to_energy[row, t] += s[k] * a
                before = smoothed[k, row, t - 1] if t else start[k, row]
                to_s[k, row] += a * (energy[row, t] - before)
            to_start[k, row] = keep * a


def _by_lfilter(energy: Tensor, s: Tensor, start: Tensor) -> Tensor:
    """As `_Recursion`; the recursion of E - M(-1) starts at 0, as ``lfilter`` does."""
    start = start.T[..., None]  # (row, k, 1)
    a, b = torch.stack([torch.ones_like(s), s - 1], 1), torch.stack([s, torch.zeros_like(s)], 1)
    return (start + lfilter(energy[:, None] - start, a, b, clamp=False)).transpose(0, 1)
