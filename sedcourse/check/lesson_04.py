"""Checks of lesson 04: the mean teacher, attention pooling, and from posteriors to events."""

import math

import numpy as np
import torch
from scipy import ndimage
from torch.nn import functional as F

from sedcourse.check.core import Check, WrongAnswer, call
from sedlib.models import Output

_TEACHER, _STUDENT = torch.tensor([1.0, 2.0, -3.0]), torch.tensor([5.0, 0.0, 1.0])


def _student_stays(answer):
    student = _STUDENT.clone()
    call(answer, _TEACHER.clone(), student, 0.9)
    if not torch.equal(student, _STUDENT):
        raise WrongAnswer("your update changes the student's weights in place; only the optimizer may move the student")


ema = Check(
    "The teacher's next weights, ``alpha * teacher + (1 - alpha) * student``.",
    cases=[(_TEACHER, _STUDENT, alpha) for alpha in (0.9, 0.999, 0.0)],
    expected=lambda teacher, student, alpha: alpha * teacher + (1 - alpha) * student,
    correct="the teacher keeps alpha of itself and takes 1 - alpha of the student",
    hints={
        "the weights are swapped: alpha close to 1 must keep most of the teacher": lambda t, s, a: (1 - a) * t + a * s,
        "the student's weights need the factor 1 - alpha, or the teacher grows": lambda t, s, a: a * t + s,
        "the teacher's old weights need the factor alpha": lambda t, s, a: t + (1 - a) * s,
        "this is the plain mean of both; alpha is not used": lambda t, s, a: (t + s) / 2,
        "the teacher stays as it is; mix the student in": lambda t, s, a: t,
        "the teacher becomes the student; keep alpha of its old weights": lambda t, s, a: s,
    },
    first=_student_stays,
)


def _rest(step, steps):
    return 1 - min(step, steps) / steps


rampup = Check(
    "The ramp-up ``exp(-5 (1 - step / R)^2)``, and 1 after R steps.",
    cases=[(step, 100) for step in (0, 25, 50, 100, 130, 250)],
    expected=lambda step, steps: math.exp(-5 * _rest(step, steps) ** 2),
    correct=f"it starts at exp(-5) = {math.exp(-5):.4f} and stays at 1 after R steps",
    hints={
        "the exponent needs a minus: a ramp-up is never above 1": lambda i, n: math.exp(5 * _rest(i, n) ** 2),
        "after R steps the ramp-up stays at 1; yours falls again, because 1 - step / R is squared: clamp step to R": (
            lambda i, n: math.exp(-5 * (1 - i / n) ** 2)
        ),
        "it runs backwards, from 1 down: take 1 - step / R": lambda i, n: math.exp(-5 * (1 - _rest(i, n)) ** 2),
        "square 1 - step / R": lambda i, n: math.exp(-5 * _rest(i, n)),
        "the factor 5 is missing in the exponent": lambda i, n: math.exp(-(_rest(i, n) ** 2)),
        "the 5 is squared too: write 5 * (...) ** 2": lambda i, n: math.exp(-((5 * _rest(i, n)) ** 2)),
        "this grows in a straight line; take exp(-5 (1 - step / R)^2)": lambda i, n: 1 - _rest(i, n),
    },
)

_GENERATOR = torch.Generator().manual_seed(0)


def _rand(*shape):
    return 0.05 + 0.9 * torch.rand(*shape, generator=_GENERATOR)


def _output():
    return Output(_rand(9, 5, 3).logit(), _rand(9, 3).logit(), _rand(9, 5, 2))


_A, _B = 2, 5  # synthetic clips end at _A, weak ones at _B
_BATCH = (
    *(_output(), _output()),
    torch.bernoulli(_rand(_A, 5, 3), generator=_GENERATOR),
    torch.bernoulli(_rand(_B - _A, 3), generator=_GENERATOR),
)
_bce, _mse = F.binary_cross_entropy, F.mse_loss


def _loss(s, t, strong, weak, c, weights=lambda c: (1, 1, c, c), first=0, weak_first=_A, labelled=_bce, compared=_mse):
    terms = (
        labelled(s.strong[:_A], strong),
        labelled(s.weak[weak_first : weak_first + _B - _A], weak),
        compared(s.strong[first:], t.strong[first:]),
        compared(s.weak[first:], t.weak[first:]),
    )
    return sum(weight * term for weight, term in zip(weights(c), terms, strict=True))


mean_teacher_loss = Check(
    "``strong + weak + c (consistency_strong + consistency_weak)`` of a batch synthetic, weak, unlabelled, from the "
    "outputs of student and teacher, the strong labels of the first clips, the weak labels of the next ones, and c.",
    cases=[(*_BATCH, c) for c in (0.0, 0.5, 2.0)],
    expected=_loss,
    correct="labels where there are any, the teacher everywhere",
    hints={
        "student and teacher are compared on all clips, not only on the unlabelled ones": {"first": _B},
        "student and teacher are compared on all clips, the synthetic ones too": {"first": _A},
        "the weak labels belong to the clips that follow the synthetic ones, not to the first clips": {"weak_first": 0},
        "c is not used; it weights the consistency terms": {"weights": lambda c: (1, 1, 1, 1)},
        "c weights consistency, not the labels": {"weights": lambda c: (c, c, 1, 1)},
        "c weights consistency, not the whole loss": {"weights": lambda c: (c, c, c, c)},
        "c weights both consistency terms; put them in brackets": {"weights": lambda c: (1, 1, c, 1)},
        "the weak posteriors are compared too": {"weights": lambda c: (1, 1, c, 0)},
        "the strong posteriors are compared too": {"weights": lambda c: (1, 1, 0, c)},
        "the consistency terms are missing": {"weights": lambda c: (1, 1, 0, 0)},
        "the term of the weak labels is missing": {"weights": lambda c: (1, 0, c, c)},
        "the strong labels' term is missing": {"weights": lambda c: (0, 1, c, c)},
        "student and teacher are compared by their mean squared error; cross-entropy is for labels": {"compared": _bce},
        "labels take binary cross-entropy; the mean squared error is for the teacher": {"labelled": _mse},
        "F.binary_cross_entropy takes the posteriors first and the labels second": {
            "labelled": lambda p, y: _bce(y, p)
        },
        "this compares the labels with the teacher; it is the student that learns": lambda s, t, *of: _loss(t, s, *of),
    },
)


def _pool(strong, att, axis=1):
    return (strong * att).sum(axis) / att.sum(axis)


_pooled = torch.Generator().manual_seed(0)

attention_pooling = Check(
    "Weak from strong posteriors, ``sum_t(strong * att) / sum_t(att)``, att a softmax of the ``logits`` over the "
    "classes; ``strong`` and ``logits`` are (batch, frame, class), the result is (batch, class).",
    cases=[(torch.rand(2, 5, 3, generator=_pooled), 2 * torch.randn(2, 5, 3, generator=_pooled))],
    expected=lambda strong, logits: _pool(strong, logits.softmax(-1)),
    correct="one posterior per clip and class, an average of the frames weighted by attention",
    hints={
        "the softmax runs over the frames; it must run over the classes": lambda s, x: _pool(s, x.softmax(1)),
        "the softmax runs over the batch; it must run over the classes": lambda s, x: _pool(s, x.softmax(0)),
        "divide by sum_t(att), or longer clips become more probable": lambda s, x: (s * x.softmax(-1)).sum(1),
        "divide by the sum of the attention, not by the number of frames": lambda s, x: (s * x.softmax(-1)).mean(1),
        "the sum runs over the classes; it must run over the frames, axis 1": lambda s, x: _pool(s, x.softmax(-1), -1),
        "this is the plain mean over the frames; weight each frame by its attention": lambda s, x: s.mean(1),
        "this is the maximum over the frames; weight each frame by its attention": lambda s, x: s.amax(1),
        "the attention needs a softmax over the classes; you use its logits": _pool,
        "the attention is a softmax over the classes, not a sigmoid": lambda s, x: _pool(s, x.sigmoid()),
        "divide by sum_t(att), not by sum_t(strong)": lambda s, x: (s * x.softmax(-1)).sum(1) / s.sum(1),
    },
)


_RNG = np.random.default_rng(0)
_QUIET = np.zeros(8)
_SCORES = np.concatenate([_QUIET, _RNG.random(40), _QUIET])
_CUT = np.concatenate([[0.7, 0.9, 0.8], _QUIET, _RNG.random(9)])


def _filtered(x, size, late=0, mode="reflect"):
    return np.roll(ndimage.median_filter(x, size, mode=mode), late * (size // 2))


_median_inside = Check(
    "The filter on scores that are 0 at both ends, so that nothing depends on what is assumed beyond them.",
    cases=[(_SCORES, 7), (np.concatenate([_QUIET, [1.0], _QUIET]), 7), (_SCORES, 3)],
    expected=_filtered,
    correct="",
    hints={
        "this is the mean; a median removes a short burst entirely and keeps edges sharp": (
            lambda x, size: np.convolve(x, np.ones(size) / size, "same")
        ),
        "this is the maximum of the window, not its median": lambda x, size: ndimage.maximum_filter(x, size),
        "the window ends at the frame, so events come out late; centre it on the frame": {"late": 1},
        "the window starts at the frame, so events come out early; centre it on the frame": {"late": -1},
        "the scores come back unfiltered": lambda x, size: x,
    },
)

median_filter = Check(
    "The median of ``size`` frames centred on each frame; ``size`` is odd. The frames are mirrored at both ends.",
    cases=[(_CUT, 7), (_CUT[::-1].copy(), 7)],
    expected=_filtered,
    correct="bursts and gaps shorter than half the window are gone, longer events keep their edges",
    hints={
        "zeros beyond the ends delete an event that the clip cuts off; mirror the frames there": {"mode": "constant"},
        "at the ends the last frame is repeated; mirror them": {"mode": "nearest"},
        "your mirror leaves out the outermost frame; SciPy's repeats it (np.pad's 'symmetric')": {"mode": "mirror"},
    },
    first=_median_inside.judge,
)


def _runs(active, frame_s, end=0):
    edges = np.flatnonzero(np.diff(np.concatenate([[0], np.asarray(active, int), [0]])))
    return [(on * frame_s, (off + end) * frame_s) for on, off in edges.reshape(-1, 2)]


events_of = Check(
    "The events ``[(onset, offset), ...]`` in seconds of active frames, (frame,) bool.",
    cases=[(np.array([*map(int, frames)], bool), 0.5) for frames in ("011010", "0011", "1001110", "000", "11")],
    expected=_runs,
    correct="every run of active frames is one event, from the start of its first frame to the end of its last",
    hints={
        "an event ends where its last frame ends: one frame later than you say": {"end": -1},
        "an event that is still active in the last frame is lost; close it at the end of the clip": lambda a, s: (
            [e for e in _runs(a, s) if e[1] < len(a) * s]
        ),
        "an event that is active from the first frame on is lost": lambda a, s: [e for e in _runs(a, s) if e[0] > 0],
        "events that touch an end of the clip are lost; put an inactive frame before and after": lambda a, s: (
            [e for e in _runs(a, s) if 0 < e[0] and e[1] < len(a) * s]
        ),
        "these are frames; event tables are in seconds": lambda a, s: _runs(a, 1),
        "this is one event from the first to the last active frame; a pause ends an event": lambda a, s: (
            [(_runs(a, s)[0][0], _runs(a, s)[-1][1])] if a.any() else []
        ),
        "this is one event per active frame; neighbouring active frames are one event": lambda a, s: (
            [(i * s, (i + 1) * s) for i in np.flatnonzero(a)]
        ),
    },
)
