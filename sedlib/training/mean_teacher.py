"""The mean teacher: losses, moving average and ramp-up as equations.

Paper section 3 (the baseline's training, kept by the paper) and Tarvainen and Valpola, 2017. Taught in
``notebooks/04_mean_teacher.py``.
"""

from __future__ import annotations

import copy
import math
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sedlib.config import Config, Features
from sedlib.features import amplitude, decibels
from sedlib.models import Detector, Output

if TYPE_CHECKING:
    from lightning_fabric import Fabric  # its import takes two seconds, which only a training has to spend


class MeanTeacher:
    """Student, teacher and optimiser, and one step of their training.

    The teacher copies the student's scaling; its weights are drawn independently, as in the baseline.
    """

    def __init__(self, student: Detector, config: Config, fabric: Fabric, steps_per_epoch: int) -> None:
        self.settings, self.features = config.training, config.features
        self.fabric, self.steps_per_epoch = fabric, steps_per_epoch
        self.teacher = copy.deepcopy(student)
        self.teacher.crnn.load_state_dict(Detector(config).crnn.state_dict())
        optimizer = torch.optim.Adam(student.parameters(), lr=config.training.learning_rate, fused=True)
        self.student, self.optimizer = fabric.setup(student, optimizer)

    def rates(self, step: int) -> dict[str, float]:
        """Compute the learning rate and the consistency weight of a step.

        Both are scaled by `rampup`, and the rate by `falling`, (1 + cos(pi (p - d) / (1 - d))) / 2, where p is the
        share of all steps that are done and d = ``training.decay_from``; 1 up to p = d.
        """
        t = self.settings
        ramp = rampup(step, t.rampup_epochs * self.steps_per_epoch)
        return {
            "learning_rate": ramp * self.falling(step) * t.learning_rate,
            "consistency_weight": ramp * t.consistency,
        }

    def falling(self, step: int) -> float:
        """Compute the factor of learning rates in a step: 1, then half a cosine to 0 after the last step."""
        begin, p = self.settings.decay_from, min(1.0, step / (self.settings.epochs * self.steps_per_epoch))
        return 1.0 if p <= begin else (1 + math.cos(math.pi * (p - begin) / (1 - begin))) / 2

    def step(self, step: int, views: tuple[Tensor, Tensor], strong: Tensor, weak: Tensor) -> dict[str, Tensor]:
        """Take one step: the teacher predicts, the student learns, the teacher follows.

        Parameters
        ----------
        step : int
            From 0.
        views : two (batch, 1, mel, frame) tensors
            The student's and the teacher's view (`sedlib.augment.views`) of the log-Mel in dB of clips with strong,
            weak and no labels, in this order.
        strong, weak : tensors
            Their labels, as for `losses`.

        Returns
        -------
        dict of scalar tensors
            The terms of `losses` and of `update`.
        """
        t, rates, (seen, seen_by_teacher) = self.settings, self.rates(step), views
        self.student.train()
        self.teacher.train()
        with torch.no_grad(), self.fabric.autocast():
            target = self.teacher(add_noise(seen_by_teacher, t.noise_snr_db, self.features))
        output = self.student(seen)
        terms = losses(output, target, strong, weak, rates["consistency_weight"])
        terms |= self.update(output, terms["total"], len(strong), rates)
        update_teacher(self.teacher, self.student, step + 1, t.ema)
        return terms

    def update(self, output: Output, loss: Tensor, synthetic: int, rates: dict[str, float]) -> dict[str, Tensor]:
        """Update the student; the first clips are ``synthetic``. Return further terms to record, here none."""
        self.optimizer.zero_grad()
        self.fabric.backward(loss)
        descend(self.optimizer, rates["learning_rate"])
        return {}

    def health(self, row: dict[str, float]) -> str:
        """Describe what is wrong with an epoch's metrics, "" for nothing."""
        return ""

    def networks(self) -> dict[str, nn.Module]:
        """Return ``student`` and ``teacher``, which a finished run keeps."""
        return {"student": self.student.module, "teacher": self.teacher}

    def parts(self) -> dict[str, Any]:
        """Return everything that has a state."""
        return {**self.networks(), "optimizer": self.optimizer}

    def state_dict(self) -> dict[str, Any]:
        """Return the state of all `parts`, for a checkpoint."""
        return {name: part.state_dict() for name, part in self.parts().items()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Resume from `state_dict`."""
        for name, part in self.parts().items():
            part.load_state_dict(state[name])


def descend(optimizer: torch.optim.Optimizer, learning_rate: float) -> None:
    """Take one step of an optimiser."""
    for group in optimizer.param_groups:
        group["lr"] = learning_rate
    optimizer.step()


def rampup(step: float, length: float) -> float:
    """Compute exp(-5 (1 - step / length)^2) up to ``length`` steps, then 1."""
    return math.exp(-5 * (1 - min(step, length) / length) ** 2) if length > 0 else 1.0


def losses(
    student: Output, teacher: Output, strong: Tensor, weak: Tensor, consistency_weight: float
) -> dict[str, Tensor]:
    """Compute the loss of a batch ordered by labels: strong, weak, none; a kind without clips adds 0.

    Parameters
    ----------
    student, teacher : Output
        Of the same clips; the teacher's without gradient.
    strong : (strong, frame, class) tensor
        Labels of the first clips.
    weak : (weak, class) tensor
        Labels of the next clips.
    consistency_weight : float
        c, weight of the consistency terms.

    Returns
    -------
    dict of scalar tensors
        ``strong``, ``weak`` (binary cross-entropies), ``consistency_strong``, ``consistency_weak`` (mean squared
        errors of the posteriors, unweighted) and ``total`` = strong + weak + c (consistency_strong + consistency_weak).

    Notes
    -----
    Cross-entropies are computed from logits: exact where a posterior rounds to 0 or 1, and NaN gives NaN instead of a
    device-side assertion on a GPU.
    """
    entropy = F.binary_cross_entropy_with_logits
    a, b = len(strong), len(strong) + len(weak)
    no_clips = student.strong_logits.new_zeros(())
    terms = {
        "strong": entropy(student.strong_logits[:a], strong) if a else no_clips,
        "weak": entropy(student.weak_logits[a:b], weak) if b > a else no_clips,
        "consistency_strong": F.mse_loss(student.strong, teacher.strong.float()),
        "consistency_weak": F.mse_loss(student.weak, teacher.weak.float()),
    }
    consistency = terms["consistency_strong"] + terms["consistency_weak"]
    return {**terms, "total": terms["strong"] + terms["weak"] + consistency_weight * consistency}


@torch.no_grad()
def update_teacher(teacher: nn.Module, student: nn.Module, step: int, ema: float) -> None:
    """Set teacher <- a teacher + (1 - a) student, with a = min(1 - 1 / (step + 1), ema) and steps counted from 1.

    Early on this is the plain average of the teacher's first weights and the students so far. The teacher keeps its own
    running statistics of batch normalisation.
    """
    a = min(1 - 1 / (step + 1), ema)
    lerp = torch._foreach_lerp_  # pyright: ignore[reportPrivateImportUsage]  # no public one does all at once
    lerp(list(teacher.parameters()), list(student.parameters()), 1 - a)


def add_noise(features: Tensor, snr_db: float | None, limits: Features) -> Tensor:
    """Add noise to a view: ``20 log10 |10^(L / 20) + sigma n|`` with white noise n, then `LogMel`'s limits again.

    Parameters
    ----------
    features : (batch, 1, mel, frame) tensor
        Log-Mel L in dB.
    snr_db : float or None
        sigma^2 = mean_t(amplitude^2) 10^(-snr_db / 10), for each band of each clip. None: no noise.
    limits : Features
        Uses ``floor`` and ``range_db``.

    Notes
    -----
    The baseline adds its noise to the Mel amplitudes, before the logarithm and its limits; L has those limits already.
    That concerns the bins at the limit, less than 1 % of MiniDESED's, and changes 0.1 dB (RMS over all bins) of a noise
    of 3 dB.
    """
    if snr_db is None:
        return features
    mel = amplitude(features)
    deviation = mel.square().mean(-1, keepdim=True).sqrt() * 10 ** (-snr_db / 20)
    return decibels((mel + deviation * torch.randn_like(mel)).abs(), limits)
