"""Checks of lesson 05: gradient reversal, the domain loss, the two updates and class weights."""

import math
import types
from typing import Any

import numpy as np
import torch
from torch.nn import functional as F

from sedcourse.check.core import Check, WrongAnswer


def _of_x(returned):
    if not isinstance(returned, tuple) or len(returned) != 2 or returned[1] is not None:
        raise WrongAnswer(
            "backward gives one gradient for each of forward's inputs, x and weight; the weight is a plain number and "
            "has none: return yours for x, and None"
        )
    return returned[0]


reversed_gradient = Check(
    "``backward`` of the gradient reversal layer, whose ``forward(ctx, x, weight)`` kept ``ctx.weight``: from the "
    "gradient of the layer's output those of x and, None, of the weight.",
    cases=[(types.SimpleNamespace(weight=w), torch.tensor([0.5, -4.0, 1.0])) for w in (1.0, 0.3, 0.0)],
    expected=lambda ctx, gradient: (-ctx.weight * gradient, None),
    correct="nothing happens forwards; backwards the gradient changes sign",
    hints={
        "the sign must change, or the CNN helps the classifier": lambda ctx, g: (ctx.weight * g, None),
        "the weight is missing": lambda ctx, g: (-g, None),
        "this is the gradient as it came; flip its sign and weight it": lambda ctx, g: (g, None),
        "the weight is a factor of the gradient; you divide by it": lambda ctx, g: (-g / ctx.weight, None),
        "the weight is a factor of the gradient; you subtract it": lambda ctx, g: (-g - ctx.weight, None),
        "every sign must change; this makes all of them negative": lambda ctx, g: (-ctx.weight * g.abs(), None),
        "1 - weight is the weight of another loss": lambda ctx, g: (-(1 - ctx.weight) * g, None),
        "this stops the gradient: the CNN would not notice the classifier": lambda ctx, g: (0 * g, None),
    },
    value=_of_x,
)

_bce = F.binary_cross_entropy_with_logits
_LOGITS = torch.tensor([2.0, -0.5, 0.3, -1.5, -3.0, 0.8, -0.1, 1.2])


def _labels(x, synthetic):
    return (torch.arange(len(x)) < synthetic).to(x.dtype)


domain_loss = Check(
    "L_adv, the binary cross-entropy of logits (clip,) whose first ``synthetic`` clips have label 1.",
    cases=[(_LOGITS, 2), (_LOGITS, 6), (4 * _LOGITS, 3)],
    expected=lambda logits, synthetic: _bce(logits, _labels(logits, synthetic)),
    correct=f"ln 2 = {math.log(2):.3f} for a classifier that predicts 0.5 for everything",
    hints={
        "1 means synthetic; your labels are the other way round": lambda x, n: _bce(x, 1 - _labels(x, n)),
        "this is the sum over the clips; take their mean": lambda x, n: _bce(x, _labels(x, n), reduction="sum"),
        "the recorded clips are missing: their label is 0, and they count too": lambda x, n: F.softplus(-x[:n]).mean(),
        "the synthetic clips are missing": lambda x, n: F.softplus(x[n:]).mean(),
        "every clip counts the same; you give both domains the same weight": lambda x, n: (
            (F.softplus(-x[:n]).mean() + F.softplus(x[n:]).mean()) / 2
        ),
        "these are logits; this takes the sigmoid twice": lambda x, n: _bce(x.sigmoid(), _labels(x, n)),
        "this is the mean squared error of the probabilities": lambda x, n: F.mse_loss(x.sigmoid(), _labels(x, n)),
        "this is -L; the updates have the signs, the loss has none": lambda x, n: -_bce(x, _labels(x, n)),
        "this takes the logarithm to base 2": lambda x, n: _bce(x, _labels(x, n)) / math.log(2),
    },
)


def _errors(x, synthetic, limit=0.0):
    """Share of wrong answers of either domain."""
    return [float((x[:synthetic] <= limit).float().mean()), float((x[synthetic:] > limit).float().mean())]


def _all_errors(x, synthetic):
    return float(((x > 0) != (torch.arange(len(x)) < synthetic)).float().mean())


_MORE = torch.cat([_LOGITS, torch.tensor([-2.0, -1.0, -4.0])])

balanced_error = Check(
    "The mean of both domains' shares of wrong answers, of logits (clip,) whose first ``synthetic`` clips are "
    "synthetic; a positive logit says synthetic.",
    cases=[(_MORE, 2), (_MORE, 7), (_MORE + 0.25, 3)],
    expected=lambda logits, synthetic: sum(_errors(logits, synthetic)) / 2,
    correct="0 for a perfect classifier, 0.5 for one that guesses, or gives every clip the same answer",
    hints={
        "this is the share of right answers; the error is 1 minus that": lambda x, n: 1 - sum(_errors(x, n)) / 2,
        "every clip counts the same here, so the larger domain decides; average each domain's share": _all_errors,
        "every clip counts the same here, and you count right answers": lambda x, n: 1 - _all_errors(x, n),
        "the classifier decides at a logit of 0, not of 0.5": lambda x, n: sum(_errors(x, n, 0.5)) / 2,
        "the sum of both shares goes up to 2; take their mean": lambda x, n: sum(_errors(x, n)),
        "these are the synthetic clips' errors alone": lambda x, n: _errors(x, n)[0],
        "these are the recorded clips' errors alone": lambda x, n: _errors(x, n)[1],
    },
)

_DOUBLE: dict[str, Any] = {"dtype": torch.float64}
_X, _Y = torch.linspace(-1, 2, 9, **_DOUBLE), torch.tensor([1, 1, 0, 1, 0, 0, 0, 0, 0], **_DOUBLE)


def main(c):
    """Compute a main loss."""
    return ((c[2] * (c[0] * _X).tanh() + c[1] - 0.3 * _X**2) ** 2).mean()


def domain(c, a):
    """Compute a domain loss; the RNN, c[2], is not on its way."""
    return _bce(a[0] * (c[0] * _X).tanh() + a[1] * c[1], _Y)


def _slope(loss, at, h=1e-5):
    """Gradient by finite differences."""
    return torch.stack([(loss(at + h * e) - loss(at - h * e)) / (2 * h) for e in torch.eye(len(at), **_DOUBLE)])


def _updated(of_main=1, against=-1, learns=1, swapped=False, weighted=True, late=False):
    """Return the two updates; any option is a mistake."""

    def update(c, a, main, domain, weights, alpha):
        c, a = c.detach(), a.detach()
        m, d = weights[::-1] if swapped else weights
        new = c - alpha * (of_main * m * _slope(main, c) + against * d * _slope(lambda c: domain(c, a), c))
        of_a = _slope(lambda a: domain(new if late else c, a), a)
        return new, a - alpha * learns * (d if weighted else 1) * of_a

    return update


def _both(returned):
    if not isinstance(returned, (tuple, list)) or len(returned) != 2:
        raise WrongAnswer("return both, the new theta_c and the new theta_a")
    return torch.cat([torch.as_tensor(new).detach().flatten() for new in returned])


def _parameters(*values):
    return torch.tensor(values, requires_grad=True, **_DOUBLE)


two_updates = Check(
    "theta_c and theta_a after equations (1) and (2). Takes theta_c, theta_a (one-dimensional, their gradients "
    "wanted), the functions ``main(theta_c)`` and ``domain(theta_c, theta_a)``, the two losses' weights, and alpha.",
    cases=[
        (_parameters(0.7, -0.4, 1.1), _parameters(0.9, 1.5), main, domain, weights, alpha)
        for weights, alpha in (((1.0, 0.1), 0.5), ((0.1, 0.9), 1.0), ((0.6, 0.6), 0.8))
    ],
    expected=_updated(),
    correct="as finite differences say; one goes uphill on the domain loss, the other downhill",
    hints={
        "in equation (1) the domain loss has a minus; yours helps the classifier": _updated(against=1),
        "equation (2) goes downhill: the classifier learns its task. Yours unlearns it": _updated(learns=-1),
        "both signs of the domain loss are the wrong way round": _updated(against=1, learns=-1),
        "the main loss goes downhill too: theta_c minus its gradient": _updated(of_main=-1),
        "the two weights are swapped: the first is the main loss's": _updated(swapped=True),
        "equation (2) has the domain loss's weight as well": _updated(weighted=False),
        "theta_a stays where it is: it goes uphill in one step and downhill in the other": _updated(learns=0),
        "theta_c does not depend on the domain loss": _updated(against=0),
        "the main loss is missing in equation (1)": _updated(of_main=0),
        "here theta_a learns from the moved theta_c; take both gradients before you move anything": _updated(late=True),
    },
    value=_both,
)

_BALANCED, _SHIFTED = np.full(4, 0.25), np.array([0.4, 0.3, 0.2, 0.1])

class_weights = Check(
    "How much a synthetic sound of each class counts in the domain loss, from the shares ``real`` and ``synthetic``.",
    cases=[(_SHIFTED, _BALANCED), (_BALANCED, _SHIFTED), (_SHIFTED, _SHIFTED[::-1])],
    expected=lambda real, synthetic: real / synthetic,
    correct="1 for every class where the shares agree; a synthetic sound counts as often as its class is real",
    hints={
        "the other way round: a class that is more frequent in the real domain counts more": lambda r, s: s / r,
        "the synthetic shares count too: if they are unequal this is not enough": lambda r, s: r,
        "this is the difference of the shares; a weight is their ratio": lambda r, s: r - s,
        "this makes the weights add up to 1; then the synthetic half of the loss nearly vanishes": lambda r, s: (
            r / s / (r / s).sum()
        ),
        "shares multiply where they should divide": lambda r, s: r * s,
    },
)

a_distance = Check(
    "The proxy A-distance of a classifier's error, ``2 (1 - 2 error)``.",
    cases=[(0.5,), (0.0,), (0.1,), (0.42,)],
    expected=lambda error: 2 * (1 - 2 * error),
    correct="0 where no classifier does better than chance, 2 where one is always right",
    hints={
        "the error counts twice: chance, 0.5, must give 0": lambda e: 2 * (1 - e),
        "this is 1 - 2 error; the distance is twice that": lambda e: 1 - 2 * e,
        "this is the share of right answers": lambda e: 1 - e,
        "the sign is wrong: the fewer errors, the further apart": lambda e: -2 * (1 - 2 * e),
    },
)
