"""Step checks: the right answer passes, every known mistake gets its own hint."""

import functools
import math

import librosa
import numpy as np
import pandas as pd
import pytest
import torch
from scipy import signal, stats
from sklearn.metrics import roc_auc_score

from reproduction.retention import event_contrast
from sedcourse import check, project
from sedcourse.check import lesson_04, lesson_05
from sedlib import features
from sedlib.augment import effects
from sedlib.config import Features
from sedlib.data.encoder import strong_labels
from sedlib.data.tables import CLASSES, EVENT_COLUMNS
from sedlib.features import LogMel
from sedlib.training import adversarial
from sedlib.training.mean_teacher import losses

CHECKS = {name: step for name, step in vars(check).items() if isinstance(step, check.Check)}


def library_comb(x, delay, gain):
    """The library's, which takes milliseconds and has a moving delay."""
    one = torch.ones(1)
    return effects.comb(torch.tensor(x)[None], delay * one / 16, 0 * one, one, gain * one)[0].numpy()


def library_labels(events, frames, frame_s):
    table = pd.DataFrame([("a", *event, "Dog") for event in events], columns=EVENT_COLUMNS)
    return strong_labels(table, ["a"], frames, frame_s)[0, :, CLASSES.index("Dog")]


def rises(scores, half):
    """Frame by frame."""

    def mean(t):
        return sum(scores[i] for i in range(t, t + half) if 0 <= i < len(scores)) / half

    return np.array([mean(t) - mean(t - half) for t in range(len(scores) + 1)])


def rises_within(scores, half):
    """The clip's frames alone, as an average would take them."""

    def mean(of):
        return of.mean() if len(of) else 0.0

    return np.array([mean(scores[t : t + half]) - mean(scores[max(0, t - half) : t]) for t in range(len(scores) + 1)])


def cut_off(events, frames, frame_s):
    labels = np.zeros(frames)
    for onset, offset in events:
        labels[int(onset / frame_s) : int(offset / frame_s)] = 1
    return labels


def filtered(e, s):
    return signal.lfilter([s], [1, s - 1], e, zi=(1 - s) * e[:, :1])[0]


def into_zeros(e, s):
    m = np.zeros_like(e)
    for t in range(1, e.shape[1]):
        m[:, t] = (1 - s) * m[:, t - 1] + s * e[:, t]
    return m


def in_place(x, delay, gain):
    x[:] = library_comb(x, delay, gain)
    return x


def loop_events(active, frame_s):
    events, onset = [], None
    for i, on in enumerate([*active, False]):
        if on and onset is None:
            onset = i
        if not on and onset is not None:
            events.append((onset * frame_s, i * frame_s))
            onset = None
    return events


def by_autograd(c, a, main, domain, weights, alpha):
    """theta_c and theta_a after equations (1) and (2)."""
    (of_c,) = torch.autograd.grad(weights[0] * main(c) - weights[1] * domain(c, a), c)
    (of_a,) = torch.autograd.grad(weights[1] * domain(c, a), a)
    return c - alpha * of_c, a - alpha * of_a


def both_ways(best, log_a, log_b):
    scores, came = [], []
    for to in (0, 1):
        ways = [best[state] + log_a[state, to] for state in (0, 1)]
        scores.append(max(ways) + log_b[to])
        came.append(ways.index(max(ways)))
    return np.array(scores), np.array(came)


def inserted_path(came, last):
    path = [last]
    for before in came[:0:-1]:
        path.insert(0, before[path[0]])
    return np.array(path)


def all_combinations(f1):
    best = [[max(row) for row in of_class] for of_class in f1]
    means = [sum(column) / len(f1) for column in zip(*best, strict=True)]
    silence = means.index(max(means))
    return silence, np.array([list(of_class[silence]).index(max(of_class[silence])) for of_class in f1])


def smallest_first(p, alpha):
    """Over and over the smallest p-value that is left, against alpha over how many are left."""
    stands, left = np.zeros(len(p), bool), list(range(len(p)))
    while left and p[smallest := min(left, key=lambda i: p[i])] <= alpha / len(left):
        stands[smallest] = True
        left.remove(smallest)
    return stands


def overlapping_longest(first, second):
    """By the lesson's own function, on event tables."""
    tables = [pd.DataFrame([("a", *e, "Dog") for e in events], columns=EVENT_COLUMNS) for events in (first, second)]
    return project.onset_differences(*tables)["onset_difference"].to_numpy()


# From the library or another definition, so that no check is right by its own word alone.
RIGHT = {
    "frame_start": lambda frame: frame * 1020 / 16000,
    "frame_at": lambda second: math.floor(second * 16000 / 1020),
    "event_matches": lambda r, p: max(abs(p[0] - r[0]), abs(p[1] - r[1]) - max(0, 0.2 * (r[1] - r[0]) - 0.2)) <= 0.2,
    "weak_from_strong": lambda x: x.any(axis=1),
    "active_frames": library_labels,
    "frame_count": lambda n, n_fft, hop: LogMel(Features(n_fft=n_fft, hop=hop, n_mels=8))(torch.zeros(1, n)).shape[-1],
    "decibels": lambda x, floor, r: librosa.amplitude_to_db(x, ref=1.0, amin=floor, top_db=r),
    "auc": lambda a, b: roc_auc_score([1] * len(a) + [0] * len(b), np.concatenate([a, b])),
    "comb": library_comb,
    "direct_sound": lambda h: h[np.argmax(h**2) :],
    "at_snr": lambda x, n, snr: x + n * np.linalg.norm(x) / np.linalg.norm(n) * librosa.db_to_amplitude(-snr),
    "highest_background": lambda levels: sorted(levels)[0] + 5,
    "event_times": lambda o, n, t: (o / 16000, min(o + n, 160000) / 16000),
    "smoother": filtered,
    "pcen": lambda e, m, a, d, r, eps: features.pcen(torch.tensor(e), torch.tensor(m), a, d, r, eps).numpy(),
    "coefficient": features.coefficient,
    "left_of_level": lambda a, db: librosa.amplitude_to_db(
        librosa.db_to_amplitude(np.array([0, db])) ** (1 - a), top_db=None
    )[1],
    "skewness": stats.skew,
    "contrast": lambda x, on: event_contrast(
        x, 1.0, pd.DataFrame({"onset": np.flatnonzero(on), "offset": np.flatnonzero(on) + 1})
    ),
    "ema": lambda t, s, a: torch.lerp(s, t, a),
    "rampup": lambda step, steps: math.exp(-5 * (1 - min(step / steps, 1)) ** 2),
    "mean_teacher_loss": lambda s, t, strong, weak, c: losses(s, t, strong, weak, c)["total"],
    "attention_pooling": lambda strong, x: torch.einsum("btc,btc->bc", strong, x.softmax(-1)) / x.softmax(-1).sum(1),
    "median_filter": lambda x, n: np.array(
        [np.median(w) for w in np.lib.stride_tricks.sliding_window_view(np.pad(x, n // 2, mode="symmetric"), n)]
    ),
    "events_of": loop_events,
    "reversed_gradient": lambda ctx, g: (g * -ctx.weight, None),
    "domain_loss": lambda x, n: adversarial.domain_loss(x, (torch.arange(len(x)) < n).to(x.dtype)),
    "balanced_error": adversarial.balanced_error,
    "two_updates": by_autograd,
    "class_weights": np.divide,
    "a_distance": lambda error: 2 - 4 * error,
    "expected_frames": lambda p: sum(p**n for n in range(3000)),
    "viterbi_step": both_ways,
    "walk_back": inserted_path,
    "tied_optimum": all_combinations,
    "step_filter": rises,
    "judged": lambda low, high, sign: int(sign * low > 0 < sign * high) - int(sign * low < 0 > sign * high),
    "holm": smallest_first,
    "noise_floor": lambda level: np.percentile(level, 10),
    "onset_differences": overlapping_longest,
    "alone": lambda events: [
        i for i, e in enumerate(events) if sum(max(e[0], a) < min(e[1], b) for a, b in events) == 1
    ],
    "averaged": lambda members: np.mean([m * (0.01 if m.dtype == np.uint8 else 1.0) for m in members], axis=0),
}


@pytest.mark.parametrize("name", CHECKS)
def test_the_right_answer_passes(name, capsys):
    CHECKS[name](RIGHT[name])
    assert capsys.readouterr().out.startswith("correct: ")


@pytest.mark.parametrize(
    "answer",
    [
        lambda low, high, sign: np.sign(low) * sign * (low * high > 0),
        lambda low, high, sign: 0 if low <= 0 <= high else math.copysign(1, low * sign),
    ],
)
def test_a_sign_may_be_any_number(answer):
    check.judged(answer)


MISTAKES = [(name, step, hint) for name, step in CHECKS.items() for hint in step.hints]
MISTAKES += [("median_filter", lesson_04._median_inside, hint) for hint in lesson_04._median_inside.hints]


@pytest.mark.parametrize(("name", "step", "hint"), MISTAKES, ids=[f"{name}: {hint}" for name, _, hint in MISTAKES])
def test_every_mistake_gets_its_own_hint(name, step, hint):
    with pytest.raises(check.WrongAnswer) as error:
        CHECKS[name](step.hints[hint])
    assert str(error.value) == hint


def into_student(teacher, student, alpha):
    return student.mul_(1 - alpha).add_(alpha * teacher)


# What no list of hints holds: another form of an answer, or no known mistake.
OTHERS = [
    ("frame_start", lambda f: f * 1020 / 16000 + 0.01, r"<lambda>\(0\) gives 0.01; it should give 0"),
    ("frame_start", lambda f: [f * 1020 / 16000], r"shape \(1,\); it should have \(\)"),
    ("weak_from_strong", lambda x: x[:, 0], r"array of shape \(3, 6, 4\)\)\[0, 1\] gives 0; it should give 1"),
    ("active_frames", lambda e, n, s: np.flatnonzero(library_labels(e, n, s)), r"shape \(4,\); it should have \(12,\)"),
    ("active_frames", cut_off, "rounding down makes events early, or vanish"),
    ("step_filter", rises_within, "scores of 0 that count in the mean"),
    ("left_of_level", lambda alpha, db: db ** (1 - alpha), "dB of E stay dB"),
    ("skewness", lambda x: np.mean(x**3), "before you take the cube"),
    ("skewness", lambda x: np.mean((x - np.mean(x)) ** 3) / np.std(x), "before you take the cube"),
    ("pcen", lambda e, m, a, d, r, eps: (e / (eps + m) * a + d) ** r - d**r, "you multiply by it"),
    ("smoother", into_zeros, "M of your first frame is 0"),
    ("comb", lambda x, d, g: x, r"array of shape \(40,\), 7, 0.5\)\[7\] gives"),
    ("comb", in_place, "in_place changes what it was given; work on a copy"),
    ("smoother", lambda e, s: filtered(e, s)[:, -1], r"shape \(5,\); it should have \(5, 12\)"),
    ("ema", into_student, "student's weights in place"),
    ("attention_pooling", lambda s, x: s, r"shape \(2, 5, 3\); it should have \(2, 3\)"),
    (
        "mean_teacher_loss",
        lambda s, t, *others: losses(s, t, *others)["total"] + 1,
        r"\(Output of 9 clips, Output of 9 clips, Tensor of shape \(2, 5, 3\), .* 0\) gives",
    ),
    ("reversed_gradient", lambda ctx, g: -ctx.weight * g, "one gradient for each of forward's inputs"),
    ("two_updates", lambda *given: by_autograd(*given)[0], "return both"),
    ("two_updates", lambda c, a, *others: (c, a), r"main, domain, \(1, 0.1\), 0.5\) gives"),
    ("viterbi_step", lambda m, a, b: both_ways(m, a, b)[0], "return two arrays"),
    ("viterbi_step", lambda m, a, b: (m[:, None] + a + b, np.zeros(2)), "one entry per state"),
    ("tied_optimum", lambda f1: f1.max(2).argmax(1), "number of the one silence"),
    ("judged", lambda low, high, sign: 0 if low <= 0 < high else 1 if (low > 0) == (sign > 0) else -1, "gives"),
    ("holm", lambda p, alpha: np.array([x <= alpha / (p >= x).sum() for x in p]), "stop at the first"),
    (
        "averaged",
        lambda members: np.mean([m / 100 if m.max() > 1 else m for m in members], axis=0),
        r"\(\[\[\[\[0, 1\]\]\], \[\[\[0.5, 0.5\]\]\]\]\) gives",
    ),
    ("averaged", lambda members: np.mean([m if m.dtype == np.float64 else m / 100 for m in members], axis=0), "gives"),
]


@pytest.mark.parametrize(("name", "answer", "message"), OTHERS, ids=[f"{name}: {text}" for name, _, text in OTHERS])
def test_other_wrong_answers(name, answer, message):
    with pytest.raises(check.WrongAnswer, match=message):
        CHECKS[name](answer)


def test_the_same_mistake_written_otherwise_gets_the_hint():
    with pytest.raises(check.WrongAnswer, match="helps the classifier"):
        check.two_updates(
            lambda c, a, m, d, w, alpha: (
                by_autograd(c, a, m, d, (w[0], -w[1]), alpha)[:1] + (by_autograd(c, a, m, d, w, alpha)[1],)
            )
        )
    with pytest.raises(check.WrongAnswer, match="both domains the same"):
        check.domain_loss(
            lambda x, n: (
                functools.reduce(
                    torch.add, (lesson_05._bce(x[:n], torch.ones(n)), lesson_05._bce(x[n:], torch.zeros(len(x) - n)))
                )
                / 2
            )
        )


@pytest.mark.parametrize("name", CHECKS)
def test_an_empty_stub_is_told_that_it_is_empty(name):
    def stub(*arguments): ...

    with pytest.raises(check.WrongAnswer, match="stub returns nothing yet"):
        CHECKS[name](stub)
    with pytest.raises(check.WrongAnswer, match="nothing here yet"):
        CHECKS[name](...)


def test_a_value_instead_of_a_function():
    with pytest.raises(check.WrongAnswer, match="give the function itself"):
        check.rampup(0.5)


def test_a_hint_is_shown_without_a_traceback():
    assert check.WrongAnswer("try again")._render_traceback_() == ["not yet: try again"]
