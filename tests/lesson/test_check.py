"""Step checks: the right answer passes, every usual mistake gets its own hint."""

import math

import numpy as np
import pytest
import torch
from scipy import ndimage
from torch.nn import functional as F

from sedlib.lesson import check
from sedlib.training.mean_teacher import losses

S = 4 * 255 / 16000


def right_events(active, frame_s):
    edges = np.flatnonzero(np.diff(np.concatenate([[0], active.astype(int), [0]])))
    return [(a * frame_s, b * frame_s) for a, b in edges.reshape(-1, 2)]


def loop_events(active, frame_s):
    """The usual loop, without what closes an event at the end of the clip."""
    events, onset = [], None
    for i, on in enumerate(active):
        if on and onset is None:
            onset = i
        if not on and onset is not None:
            events.append((onset * frame_s, i * frame_s))
            onset = None
    return events


def right_match(r, p):
    return abs(p[0] - r[0]) <= 0.2 and abs(p[1] - r[1]) <= max(0.2, 0.2 * (r[1] - r[0]))


def right_pool(strong, logits):
    att = logits.softmax(-1).clamp(1e-7, 1)
    return (strong * att).sum(1) / att.sum(1)


def right_loss(s, t, strong, weak, c):
    return losses(s, t, strong, weak, c)["total"]


def labelled(s, strong, weak, term=F.binary_cross_entropy):
    a, b = len(strong), len(strong) + len(weak)
    return term(s.strong[:a], strong) + term(s.weak[a:b], weak)


def apart(s, t, clips=slice(None), term=F.mse_loss):
    return term(s.strong[clips], t.strong[clips]) + term(s.weak[clips], t.weak[clips])


RIGHT = {
    check.frame_start: lambda frame: frame * S,
    check.frame_at: lambda second: math.floor(second * 16000 / 1020),
    check.event_matches: right_match,
    check.ema: lambda t, s, a: torch.lerp(s, t, a),
    check.rampup: lambda step, steps: math.exp(-5 * (1 - min(step / steps, 1)) ** 2),
    check.mean_teacher_loss: right_loss,
    check.attention_pooling: right_pool,
    check.median_filter: lambda x, size: ndimage.median_filter(x, size, mode="constant"),
    check.events_of: right_events,
}


@pytest.mark.parametrize("step", RIGHT, ids=lambda f: f.__name__)
def test_right_answers_pass(step, capsys):
    step(RIGHT[step])
    assert capsys.readouterr().out.startswith("correct: ")


def into_student(teacher, student, alpha):
    student.mul_(1 - alpha).add_(alpha * teacher)
    return student


WRONG = [
    (check.frame_start, lambda f: f * 255 / 16000, "one frame in four"),
    (check.frame_start, lambda f: f * 255 / 4 / 16000, "you divide"),
    (check.frame_start, lambda f: f * 63.75, "milliseconds"),
    (check.frame_start, lambda f: f * 1020, "samples; divide"),
    (check.frame_start, lambda f: f * 1024 / 16000, "255 samples, not 256"),
    (check.frame_start, lambda f: f / S, "other way round"),
    (check.frame_start, lambda f: (f + 1) * S, "where the frame ends"),
    (check.frame_start, lambda f: f * S + 0.01, r"<lambda>\(0\) gives 0.01; it should give 0"),
    (check.frame_start, lambda f: [f * S], r"shape \(1,\); it should have \(\)"),
    (check.frame_at, lambda s: round(s / S), "not to the nearest"),
    (check.frame_at, lambda s: s / S, "whole number: round down"),
    (check.frame_at, lambda s: s // S, "yours is a float"),
    (check.frame_at, lambda s: math.ceil(s / S), "not up"),
    (check.frame_at, lambda s: int(s * 16000 / 255), "one in four"),
    (check.frame_at, lambda s: s * S, "other way round"),
    (check.event_matches, lambda r, p: abs(p[0] - r[0]) <= 0.2 and abs(p[1] - r[1]) <= 0.2, "20 % of its length"),
    (check.event_matches, lambda r, p: abs(p[0] - r[0]) <= 0.2 and abs(p[1] - r[1]) <= 0.2 * (r[1] - r[0]),
     "take the larger"),
    (check.event_matches, lambda r, p: abs(p[0] - r[0]) <= 0.2 and abs(p[1] - r[1]) <= min(0.2, 0.2 * (r[1] - r[0])),
     "you take the smaller"),
    (check.event_matches, lambda r, p: abs(p[0] - r[0]) <= 0.2 and abs(p[1] - r[1]) <= max(0.2, 0.2 * (p[1] - p[0])),
     "not of the predicted"),
    (check.event_matches, lambda r, p: abs(p[1] - r[1]) <= max(0.2, 0.2 * (r[1] - r[0])), "the onset counts"),
    (check.event_matches, lambda r, p: abs(p[0] - r[0]) <= 0.2, "the offset counts"),
    (check.event_matches, lambda r, p: all(abs(p[i] - r[i]) <= max(0.2, 0.2 * (r[1] - r[0])) for i in (0, 1)),
     "onset's collar is always 200 ms"),
    (check.event_matches, lambda r, p: p[0] - r[0] <= 0.2 and p[1] - r[1] <= max(0.2, 0.2 * (r[1] - r[0])),
     "absolute difference"),
    (check.event_matches, lambda r, p: abs(p[0] - r[0]) <= 0.2 or abs(p[1] - r[1]) <= max(0.2, 0.2 * (r[1] - r[0])),
     "both ends"),
    (check.ema, lambda t, s, a: (1 - a) * t + a * s, "swapped"),
    (check.ema, into_student, "student's weights in place"),
    (check.ema, lambda t, s, a: a * t + s, "factor 1 - alpha"),
    (check.ema, lambda t, s, a: t + (1 - a) * s, "need the factor alpha"),
    (check.ema, lambda t, s, a: (t + s) / 2, "plain mean"),
    (check.ema, lambda t, s, a: t, "teacher stays"),
    (check.ema, lambda t, s, a: s, "becomes the student"),
    (check.rampup, lambda i, n: math.exp(5 * (1 - min(i, n) / n) ** 2), "needs a minus"),
    (check.rampup, lambda i, n: math.exp(-5 * (1 - i / n) ** 2), "clamp"),
    (check.rampup, lambda i, n: math.exp(-5 * (min(i, n) / n) ** 2), "backwards"),
    (check.rampup, lambda i, n: math.exp(-5 * (1 - min(i, n) / n)), "squared"),
    (check.rampup, lambda i, n: math.exp(-((1 - min(i, n) / n) ** 2)), "factor 5"),
    (check.rampup, lambda i, n: math.exp(-((5 * (1 - min(i, n) / n)) ** 2)), "5 is squared too"),
    (check.rampup, lambda i, n: min(i, n) / n, "straight line"),
    (check.attention_pooling, lambda s, x: (s * x.softmax(1)).sum(1), "runs over the frames"),
    (check.attention_pooling, lambda s, x: (s * x.softmax(0)).sum(1) / x.softmax(0).sum(1), "over the batch"),
    (check.attention_pooling, lambda s, x: (s * x.softmax(-1)).sum(1), r"divide by sum_t\(att\), or"),
    (check.attention_pooling, lambda s, x: (s * x.softmax(-1)).mean(1), "not by the number of frames"),
    (check.attention_pooling, lambda s, x: (s * x.softmax(-1)).sum(2) / x.softmax(-1).sum(2),
     "over the frames, axis 1"),
    (check.attention_pooling, lambda s, x: s.mean(1), "plain mean"),
    (check.attention_pooling, lambda s, x: s.max(1).values, "maximum"),
    (check.attention_pooling, lambda s, x: (s * x).sum(1) / x.sum(1), "needs a softmax"),
    (check.attention_pooling, lambda s, x: (s * x.sigmoid()).sum(1) / x.sigmoid().sum(1), "not a sigmoid"),
    (check.attention_pooling, lambda s, x: (s * x.softmax(-1)).sum(1) / s.sum(1), r"not by sum_t\(strong\)"),
    (check.attention_pooling, lambda s, x: s, r"shape \(2, 5, 3\); it should have \(2, 3\)"),
    (check.mean_teacher_loss, lambda s, t, y, z, c: labelled(s, y, z) + c * apart(s, t, slice(5, 9)),
     "on all clips, not on the unlabelled"),
    (check.mean_teacher_loss, lambda s, t, y, z, c: labelled(s, y, z) + c * apart(s, t, slice(2, 9)),
     "the synthetic ones too"),
    (check.mean_teacher_loss,
     lambda s, t, y, z, c: right_loss(s, t, y, z, c) + F.binary_cross_entropy(s.weak[:3], z)
     - F.binary_cross_entropy(s.weak[2:5], z), "not to the first clips"),
    (check.mean_teacher_loss, lambda s, t, y, z, c: right_loss(s, t, y, z, 1), "c is not used"),
    (check.mean_teacher_loss, lambda s, t, y, z, c: c * labelled(s, y, z) + apart(s, t), "not those with labels"),
    (check.mean_teacher_loss, lambda s, t, y, z, c: c * right_loss(s, t, y, z, 1), "not the whole loss"),
    (check.mean_teacher_loss,
     lambda s, t, y, z, c: labelled(s, y, z) + c * F.mse_loss(s.strong, t.strong) + F.mse_loss(s.weak, t.weak),
     "put them in brackets"),
    (check.mean_teacher_loss, lambda s, t, y, z, c: labelled(s, y, z) + c * F.mse_loss(s.strong, t.strong),
     "the weak posteriors"),
    (check.mean_teacher_loss, lambda s, t, y, z, c: labelled(s, y, z) + c * F.mse_loss(s.weak, t.weak),
     "the strong posteriors"),
    (check.mean_teacher_loss, lambda s, t, y, z, c: labelled(s, y, z), "consistency terms are missing"),
    (check.mean_teacher_loss, lambda s, t, y, z, c: F.binary_cross_entropy(s.strong[:2], y) + c * apart(s, t),
     "the weak labels is missing"),
    (check.mean_teacher_loss, lambda s, t, y, z, c: F.binary_cross_entropy(s.weak[2:5], z) + c * apart(s, t),
     "the strong labels is missing"),
    (check.mean_teacher_loss,
     lambda s, t, y, z, c: labelled(s, y, z) + c * apart(s, t, term=F.binary_cross_entropy), "is for labels"),
    (check.mean_teacher_loss, lambda s, t, y, z, c: labelled(s, y, z, F.mse_loss) + c * apart(s, t),
     "is for the teacher"),
    (check.mean_teacher_loss,
     lambda s, t, y, z, c: labelled(s, y, z, lambda p, q: F.binary_cross_entropy(q, p)) + c * apart(s, t),
     "posteriors first"),
    (check.mean_teacher_loss, lambda s, t, y, z, c: labelled(t, y, z) + c * apart(s, t), "the student that learns"),
    (check.mean_teacher_loss, lambda s, t, y, z, c: right_loss(s, t, y, z, c) + 1,
     r"\(Output of 9 clips, Output of 9 clips, Tensor of shape \(2, 5, 3\), .* 0\) gives"),
    (check.median_filter, lambda x, n: np.convolve(x, np.ones(n) / n, "same"), "this is the mean"),
    (check.median_filter, lambda x, n: ndimage.maximum_filter(x, n), "this is the maximum"),
    (check.median_filter, lambda x, n: np.array([np.median(x[max(0, i - n + 1):i + 1]) for i in range(len(x))]),
     "come out late"),
    (check.median_filter, lambda x, n: np.array([np.median(x[i:i + n]) for i in range(len(x))]), "come out early"),
    (check.median_filter, lambda x, n: x, "unfiltered"),
    (check.events_of, lambda a, s: [(on, off - s) for on, off in right_events(a, s)], "one frame later"),
    (check.events_of, loop_events, "close it at the end"),
    (check.events_of, lambda a, s: [e for e in right_events(a, s) if e[0] > 0], "from the first frame on"),
    (check.events_of, lambda a, s: right_events(a, 1), "are in seconds"),
    (check.events_of, lambda a, s: [(np.argmax(a) * s, (len(a) - np.argmax(a[::-1])) * s)] if a.any() else [],
     "a pause ends"),
    (check.events_of, lambda a, s: [(i * s, (i + 1) * s) for i in range(len(a)) if a[i]], "one event per active frame"),
]


@pytest.mark.parametrize(("step", "answer", "hint"), WRONG, ids=[f"{s.__name__}: {h}" for s, _, h in WRONG])
def test_wrong_answers_get_their_hint(step, answer, hint):
    with pytest.raises(check.WrongAnswer, match=hint):
        step(answer)


def test_every_check_is_tested():
    steps = {f for name, f in vars(check).items() if callable(f) and getattr(f, "__module__", "") == check.__name__
             and not name.startswith("_") and name[0].islower()}
    assert steps == set(RIGHT) == {step for step, _, _ in WRONG}


@pytest.mark.parametrize("step", RIGHT, ids=lambda f: f.__name__)
def test_an_empty_stub_is_told_that_it_is_empty(step):
    def stub(*arguments):
        ...

    with pytest.raises(check.WrongAnswer, match="stub returns nothing yet"):
        step(stub)
    with pytest.raises(check.WrongAnswer, match="nothing here yet"):
        step(...)


def test_a_value_instead_of_a_function():
    with pytest.raises(check.WrongAnswer, match="give the function itself"):
        check.rampup(0.5)


def test_a_hint_is_shown_without_a_traceback():
    assert check.WrongAnswer("try again")._render_traceback_() == ["not yet: try again"]
