"""The smoother of PCEN, M(t) = (1 - s) M(t-1) + s E(t): causal as in the paper, or zero-phase as in its released code.

On a CPU numba computes the recursion and its gradient; other devices use torchaudio's ``lfilter``. Paper section 3.3;
taught in ``notebooks/03_pcen.py``.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torchaudio.functional import lfilter

from sedlib.compiled import njit, prange
from sedlib.errors import SedError
from sedlib.threads import only_once, share_threads

_TOGETHER = 16  # rows that a thread smooths side by side: each step of one recursion waits for the step before


def coefficient(seconds: float, frame_s: float) -> float:
    """Smoothing coefficient of a time constant: s = (sqrt(1 + 4 T^2) - 1) / (2 T^2), T in frames; librosa's formula.

    Parameters
    ----------
    seconds, frame_s : float
        Time constant T; seconds from frame to frame (the hop).

    Raises
    ------
    SedError
        If either is not positive.
    """
    if not (seconds > 0 and frame_s > 0):
        raise SedError(f"a time constant of {seconds} s at {frame_s} s a frame: both must be positive")
    frames = seconds / frame_s
    return 2 / (np.sqrt(1 + 4 * frames**2) + 1)  # equal, without the difference of two close numbers


def time_constant(s: float, frame_s: float) -> float:
    """The inverse of `coefficient`: T = sqrt(1 - s) / s frames, in seconds."""
    _check(torch.as_tensor(s, dtype=torch.float64))
    return float(np.sqrt(1 - s) / s * frame_s)


def smooth(energy: Tensor, s: Tensor | float, start: Tensor | None = None) -> Tensor:
    """First-order smoother M(t) = (1 - s) M(t-1) + s E(t), the denominator of PCEN.

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
    rows, coefficients = energy.reshape(-1, energy.shape[-1]), s.reshape(-1)
    begin = None if start is None else start.to(energy.dtype).expand(shape).reshape(len(coefficients), len(rows))
    with torch.autocast(energy.device.type, enabled=False):
        recursion = _Recursion.apply if energy.device.type == "cpu" else _by_lfilter
        smoothed = recursion(rows, coefficients, begin)
    return smoothed.reshape(*shape, energy.shape[-1])


def smooth_zero_phase(energy: Tensor, s: Tensor | float) -> Tensor:
    """`smooth` forwards, then backwards in time, as the released code does: no delay, but M depends on the future.

    Parameters, returned tensor and errors as of `smooth`. Each pass starts from its first value, as
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
    """``(row, frame)``, ``(k,)``, ``(k, row)`` or None to ``(k, row, frame)``."""

    @staticmethod
    def forward(ctx, energy: Tensor, s: Tensor, start: Tensor | None) -> Tensor:
        ctx.at_first = start is None  # torch's own gradient of energy[:, 0] would take as long as all the rest
        energy = energy.contiguous()
        start = (energy[:, 0].expand(len(s), -1) if start is None else start).contiguous()
        smoothed = energy.new_empty((len(s), *energy.shape))
        share_threads()
        _forward(energy.detach().numpy(), s.detach().numpy(), start.detach().numpy(), smoothed.numpy())
        ctx.save_for_backward(energy, s, start, smoothed)
        return smoothed

    @staticmethod
    @only_once
    def backward(ctx, gradient: Tensor) -> tuple[Tensor, Tensor | None, Tensor | None]:
        """With a(t) = dL/dM(t) + (1 - s) a(t+1): dL/dE = s a, dL/ds = sum a(t) (E(t) - M(t-1)),
        dL/dM(-1) = (1 - s) a(0)."""
        energy, s, start, smoothed = ctx.saved_tensors
        to_energy, to_start = torch.empty_like(energy), torch.empty_like(start)
        to_s = torch.empty_like(start, dtype=torch.float64)  # by row
        learns = ctx.needs_input_grad[1]
        share_threads()
        _backward(
            gradient.contiguous().numpy(),
            energy.detach().numpy(),
            s.detach().numpy(),
            start.detach().numpy(),
            smoothed.detach().numpy(),
            to_energy.numpy(),
            to_s.numpy(),
            to_start.numpy(),
            learns,
        )
        if ctx.at_first:
            to_energy[:, 0] += to_start.sum(0)
        return to_energy, to_s.sum(1).to(s.dtype) if learns else None, None if ctx.at_first else to_start


@njit(parallel=True, cache=True, fastmath={"contract"})
def _forward(energy, s, start, smoothed):
    rows = len(energy)
    for block in prange((rows + _TOGETHER - 1) // _TOGETHER):
        first = block * _TOGETHER
        if first + _TOGETHER <= rows:
            _forward_rows(energy, s, start, smoothed, first, _TOGETHER)  # a constant width is twice as fast
        else:
            _forward_rows(energy, s, start, smoothed, first, rows - first)


@njit(inline="always", fastmath={"contract"})
def _forward_rows(energy, s, start, smoothed, first, wide):
    m = np.empty(_TOGETHER, energy.dtype)
    for k in range(len(s)):
        for i in range(wide):
            m[i] = start[k, first + i]
        for t in range(energy.shape[1]):
            for i in range(wide):
                m[i] += s[k] * (energy[first + i, t] - m[i])
                smoothed[k, first + i, t] = m[i]


@njit(parallel=True, cache=True, fastmath={"contract"})
def _backward(gradient, energy, s, start, smoothed, to_energy, to_s, to_start, learns):
    rows, frames = energy.shape
    for block in prange((rows + _TOGETHER - 1) // _TOGETHER):
        first = block * _TOGETHER
        wide = min(_TOGETHER, rows - first)
        a = np.empty(_TOGETHER, energy.dtype)
        slope = np.empty(_TOGETHER, np.float64)
        to_energy[first : first + wide] = 0
        for k in range(len(s)):
            keep = energy.dtype.type(1) - s[k]
            a[:] = 0
            slope[:] = 0
            for t in range(frames - 1, 0, -1):
                for i in range(wide):
                    a[i] = gradient[k, first + i, t] + keep * a[i]
                    to_energy[first + i, t] += s[k] * a[i]
                if learns:
                    for i in range(wide):
                        slope[i] += a[i] * (energy[first + i, t] - smoothed[k, first + i, t - 1])
            for i in range(wide):
                a[i] = gradient[k, first + i, 0] + keep * a[i]
                to_energy[first + i, 0] += s[k] * a[i]
                to_s[k, first + i] = slope[i] + a[i] * (energy[first + i, 0] - start[k, first + i])
                to_start[k, first + i] = keep * a[i]


def _by_lfilter(energy: Tensor, s: Tensor, start: Tensor | None) -> Tensor:
    """As `_Recursion`; the recursion of E - M(-1) starts at 0, as ``lfilter`` does."""
    begin = (energy[None, :, :1] if start is None else start[..., None]).transpose(0, 1)  # (row, k or 1, 1)
    a, b = torch.stack([torch.ones_like(s), s - 1], 1), torch.stack([s, torch.zeros_like(s)], 1)
    difference = (energy[:, None] - begin).expand(-1, len(s), -1)
    return (begin + lfilter(difference, a, b, clamp=False)).transpose(0, 1)
