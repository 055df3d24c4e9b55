"""Domain-adversarial training: equations (1) and (2), in two steps or with the gradient reversed.

A classifier learns from the CNN's embeddings whether a clip is synthetic or recorded, and the CNN learns to remove
whatever gives the domain away. Paper section 3.1 and Figure 1; Ganin et al., 2016. Taught in
``notebooks/05_domain_adversarial.py``.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.nn import functional as F

from sedlib.config import Config
from sedlib.models import Detector, Output
from sedlib.models.domain import DomainClassifier
from sedlib.training.mean_teacher import MeanTeacher, descend, rampup

if TYPE_CHECKING:
    from lightning_fabric import Fabric  # whose import takes two seconds

# Error of the classifier below which the CNN gets hardly a gradient, and above which (0.5 is chance) a meaningless one.
SATURATED, COLLAPSED = 0.02, 0.48


class DomainAdversarial(MeanTeacher):
    """A mean teacher whose student also learns against a domain classifier; parameters as `MeanTeacher`."""

    def __init__(self, student: Detector, config: Config, fabric: Fabric, steps_per_epoch: int) -> None:
        super().__init__(student, config, fabric, steps_per_epoch)
        self.adversarial = a = config.adversarial
        domain = DomainClassifier(a, config.model.filters[-1]).to(fabric.device)
        optimizer = torch.optim.Adam(domain.parameters(), lr=a.learning_rate, fused=True)
        self.domain, self.domain_optimizer = fabric.setup(domain, optimizer)

    def rates(self, step: int) -> dict[str, float]:
        """Add to the mean teacher's the classifier's learning rate and the CNN's weight of the domain loss.

        The classifier's rate falls with the CNN's: it follows a CNN that moves less and less, and must not win over it.
        """
        a, t = self.adversarial, self.settings
        share = ganin(step / (t.epochs * self.steps_per_epoch)) if a.schedule == "ganin" else 1.0
        ramp = rampup(step, a.rampup_epochs * self.steps_per_epoch)
        return {
            **super().rates(step),
            "domain_learning_rate": ramp * self.falling(step) * a.learning_rate,
            "domain_weight": share * a.domain_weight,
        }

    def update(self, output: Output, loss: Tensor, synthetic: int, rates: dict[str, float]) -> dict[str, Tensor]:
        """Apply equations (1) and (2); return the classifier's ``domain`` and `balanced_error` ``domain_error``."""
        embeddings = output.embeddings
        is_synthetic = (torch.arange(len(embeddings), device=embeddings.device) < synthetic).to(embeddings.dtype)
        self.optimizer.zero_grad()
        self.domain_optimizer.zero_grad()
        steps = self.two_steps if self.adversarial.updates == "two-step" else self.one_step
        logits = steps(loss, embeddings, is_synthetic, rates)
        return {"domain": domain_loss(logits, is_synthetic), "domain_error": balanced_error(logits, synthetic)}

    def two_steps(self, loss: Tensor, embeddings: Tensor, is_synthetic: Tensor, rates: dict[str, float]) -> Tensor:
        """Apply equation (1), the CRNN against the frozen classifier, and (2), the classifier on fixed embeddings."""
        a, weights = self.adversarial, list(self.domain.parameters())
        logits = self.domain(embeddings)
        # Both have L_adv at these weights and embeddings, so one pass gives the gradients of both.
        to_embeddings, *to_weights = torch.autograd.grad(domain_loss(logits, is_synthetic), [embeddings, *weights])

        against = (to_embeddings * embeddings).sum()  # its gradient, for the CNN, is that of L_adv
        self.fabric.backward(a.main_weight * loss - rates["domain_weight"] * against)
        self._descend(self.student, self.optimizer, rates["learning_rate"])

        for weight, gradient in zip(weights, to_weights, strict=True):
            weight.grad = a.domain_weight * gradient
        self._descend(self.domain, self.domain_optimizer, rates["domain_learning_rate"])
        return logits.detach()

    def one_step(self, loss: Tensor, embeddings: Tensor, is_synthetic: Tensor, rates: dict[str, float]) -> Tensor:
        """Apply the same gradients in one pass, reversed between classifier and CNN."""
        a = self.adversarial
        logits = self.domain(reverse(embeddings, rates["domain_weight"] / a.domain_weight if a.domain_weight else 0.0))
        self.fabric.backward(a.main_weight * loss + a.domain_weight * domain_loss(logits, is_synthetic))
        self._descend(self.student, self.optimizer, rates["learning_rate"])
        self._descend(self.domain, self.domain_optimizer, rates["domain_learning_rate"])
        return logits.detach()

    def _descend(self, network: Any, optimizer: Any, learning_rate: float) -> None:
        self.fabric.clip_gradients(
            network, optimizer, max_norm=self.adversarial.gradient_clip, error_if_nonfinite=False
        )
        descend(optimizer, learning_rate)

    def health(self, row: dict[str, float]) -> str:
        """Describe a classifier that is saturated or has collapsed; with weight 0 it never learns."""
        error = row["loss_domain_error"]
        if not self.adversarial.domain_weight or SATURATED <= error <= COLLAPSED:
            return ""
        what = ": the CNN does not move it (saturated)" if error < SATURATED else ", no better than chance (collapsed)"
        return f"the domain classifier is wrong on {error:.1%} of the clips{what}"

    def parts(self) -> dict[str, Any]:
        """Add the classifier, which a finished run does not keep."""
        return {**super().parts(), "domain": self.domain.module, "domain_optimizer": self.domain_optimizer}


class _Reverse(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x: Tensor, weight: float) -> Tensor:
        ctx.weight = weight
        return x.view_as(x)

    # One gradient, because `forward` returns one tensor.
    @staticmethod
    def backward(ctx, gradient: Tensor) -> tuple[Tensor, None]:  # pyright: ignore[reportIncompatibleMethodOverride]
        return -ctx.weight * gradient, None


def reverse(x: Tensor, weight: float = 1.0) -> Tensor:
    """Apply the gradient reversal layer of Ganin et al.: the identity, whose gradient is multiplied by ``-weight``."""
    return _Reverse.apply(x, weight)


def ganin(progress: float) -> float:
    """Compute 2 / (1 + exp(-10 p)) - 1, which rises from 0 to nearly 1 with the progress p from 0 to 1."""
    return 2 / (1 + math.exp(-10 * progress)) - 1


def domain_loss(logits: Tensor, is_synthetic: Tensor) -> Tensor:
    """Compute L_adv, the binary cross-entropy of ``(clip,)`` logits; 1 means synthetic."""
    return F.binary_cross_entropy_with_logits(logits, is_synthetic)


def balanced_error(logits: Tensor, synthetic: int) -> Tensor:
    """Average both domains' shares of wrong predictions (0.5 is chance); the first clips are ``synthetic``."""
    missed, mistaken = (logits[:synthetic] <= 0).float().mean(), (logits[synthetic:] > 0).float().mean()
    return (missed + mistaken) / 2
