"""The mean teacher: losses, moving average and ramp-up as equations.

Paper section 3 (the baseline's training, kept by the paper) and Tarvainen and Valpola, 2017. Taught in
``notebooks/04_mean_teacher.py``.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sedlib.model import Output


def rampup(step: float, length: float) -> float:
    """exp(-5 (1 - step / length)^2) up to ``length`` steps, then 1."""
    return math.exp(-5 * (1 - min(step, length) / length) ** 2) if length > 0 else 1.0


def losses(
    student: Output, teacher: Output, strong: Tensor, weak: Tensor, consistency_weight: float
) -> dict[str, Tensor]:
    """The terms of the loss of a batch ordered by labels: strong, weak, none; a kind without clips adds nothing.

    Parameters
    ----------
    student, teacher : Output
        Posteriors of the same clips; the teacher's carry no gradient.
    strong : (strong, frame, class) tensor
        Labels of the strongly labelled (synthetic) clips, which come first.
    weak : (weak, class) tensor
        Labels of the weakly labelled clips, which come next.
    consistency_weight : float
        c, weight of the consistency terms.

    Returns
    -------
    dict of scalar tensors
        ``strong``, ``weak`` (binary cross-entropies), ``consistency_strong``, ``consistency_weak`` (mean squared
        errors, unweighted) and ``total`` = strong + weak + c (consistency_strong + consistency_weak).
    """
    a, b = len(strong), len(strong) + len(weak)
    no_clips = student.strong.new_zeros(())
    terms = {
        "strong": F.binary_cross_entropy(student.strong[:a], strong) if a else no_clips,
        "weak": F.binary_cross_entropy(student.weak[a:b], weak) if b > a else no_clips,
        "consistency_strong": F.mse_loss(student.strong, teacher.strong),
        "consistency_weak": F.mse_loss(student.weak, teacher.weak),
    }
    consistency = terms["consistency_strong"] + terms["consistency_weak"]
    return {**terms, "total": terms["strong"] + terms["weak"] + consistency_weight * consistency}


@torch.no_grad()
def update_teacher(teacher: nn.Module, student: nn.Module, step: int, ema: float) -> None:
    """teacher <- a teacher + (1 - a) student, with a = min(1 - 1 / (step + 1), ema).

    Early on this is the plain average of the students so far. The running statistics of batch normalisation are not
    averaged: the teacher takes its own, from its own forward passes.

    Parameters
    ----------
    step : int
        Number of the update, from 1.
    """
    a = min(1 - 1 / (step + 1), ema)
    torch._foreach_lerp_(list(teacher.parameters()), list(student.parameters()), 1 - a)


def add_noise(features: Tensor, snr_db: float) -> Tensor:
    """The teacher's noisy copy: white noise on the log-Mel spectrogram, ``snr_db`` below each band's RMS value."""
    deviation = features.square().mean(-1, keepdim=True).sqrt() * 10 ** (-snr_db / 20)
    return features + deviation * torch.randn_like(features)
