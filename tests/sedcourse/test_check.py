"""Step checks: the right answer passes, every usual mistake gets its own hint."""

import functools
import math

import librosa
import numpy as np
import pandas as pd
import pytest
import torch
from scipy import ndimage, signal
from sklearn.metrics import roc_auc_score
from torch.nn import functional as F

from sedcourse import check
from sedlib import features
from sedlib.augment import effects
from sedlib.config import Features
from sedlib.data.encoder import strong_labels
from sedlib.data.tables import CLASSES, EVENT_COLUMNS
from sedlib.features import LogMel
from sedlib.training import adversarial
from sedlib.training.mean_teacher import losses

BCE = F.binary_cross_entropy_with_logits
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


def frames_of(events, frames, frame_s, first=round, last=round, shortest=1, beyond=0, latest=-1):
    """Right with its defaults; every other value is a mistake."""
    labels = np.zeros(frames)
    for onset, offset in events:
        start = min(first(onset / frame_s), frames + latest)
        labels[start:max(last(offset / frame_s), start + shortest) + beyond] = 1
    return labels


def overlaps_counted(events, frames, frame_s):
    labels = np.zeros(frames)
    for event in events:
        labels += frames_of([event], frames, frame_s)
    return labels


def zeros_in_the_loop(events, frames, frame_s):
    labels = np.zeros(frames)
    for event in events:
        labels = frames_of([event], frames, frame_s)
    return labels


def return_in_the_loop(events, frames, frame_s):
    for event in events:
        return frames_of([event], frames, frame_s)
    return np.zeros(frames)


def in_db(x, floor, factor=20):
    return factor * np.log10(np.maximum(x, floor))


def down_to(level, range_db, axis=None):
    return np.maximum(level, level.max(axis=axis, keepdims=axis is not None) - range_db)


def pairs(a, b, tie=0.5):
    return np.mean([1.0 if x > y else tie if x == y else 0.0 for x in a for y in b])


def smoothed(e, s, new=None, old=None, start=None):
    """new = s and old = 1 - s, started at E(0), is right."""
    new, old = s if new is None else new, 1 - s if old is None else old
    first = e[:, :1] if start is None else start
    return signal.lfilter([new], [1, -old], e, zi=old * np.broadcast_to(first, (len(e), 1)))[0]


def recursive(step):
    """A loop that starts at the first frame's energy and goes on by step(M(t-1), E(t), E(t-1), s)."""
    def smoother(e, s):
        m = [e[:, 0]]
        for t in range(1, e.shape[1]):
            m.append(step(m[-1], e[:, t], e[:, t - 1], s))
        return np.stack(m, 1)

    return smoother


def right_comb(x, delay, gain):
    """The library's, which takes milliseconds and has a moving delay."""
    one = torch.ones(1)
    return effects.comb(torch.tensor(x)[None], delay * one / 16, 0 * one, one, gain * one)[0].numpy()


def shifted(x, delay):
    return np.concatenate([np.zeros(delay), x])[:len(x)]


def in_seconds(onset, samples, tail, longest=10.0):
    """Right with its default."""
    return onset / 16000, min((onset + samples) / 16000, longest)


def right_loss(s, t, strong, weak, c):
    return losses(s, t, strong, weak, c)["total"]


def labelled(s, strong, weak, term=F.binary_cross_entropy):
    a, b = len(strong), len(strong) + len(weak)
    return term(s.strong[:a], strong) + term(s.weak[a:b], weak)


def apart(s, t, clips=slice(None), term=F.mse_loss):
    return term(s.strong[clips], t.strong[clips]) + term(s.weak[clips], t.weak[clips])


def said(answer):
    """An answer of labels, 1 for the first n clips, as one of n."""
    return lambda x, n: answer(x, (torch.arange(len(x)) < n).to(x.dtype))


def equations(c, a, main, domain, weights, alpha, signs=(1, -1, 1), late=False):
    """Right with its defaults: theta_c and theta_a after equations (1) and (2), by autograd."""
    of_main, against, learns = signs
    of_c, = torch.autograd.grad(of_main * weights[0] * main(c) + against * weights[1] * domain(c, a), c)
    new = c - alpha * of_c
    of_a, = torch.autograd.grad(weights[1] * domain(new.detach() if late else c, a), a)
    return new, a - alpha * learns * of_a


def right_step(best, log_a, log_b):
    """Both ways to each state, written out."""
    scores, came = [], []
    for to in (0, 1):
        ways = [best[state] + log_a[state, to] for state in (0, 1)]
        scores.append(max(ways) + log_b[to])
        came.append(ways.index(max(ways)))
    return np.array(scores), np.array(came)


def right_path(came, last):
    path = [last]
    for before in came[:0:-1]:
        path.insert(0, before[path[0]])
    return np.array(path)


def right_tied(f1):
    """Every combination of one silence with each class's events."""
    best = [[max(row) for row in of_class] for of_class in f1]
    means = [sum(column) / len(f1) for column in zip(*best)]
    silence = means.index(max(means))
    return silence, np.array([list(of_class[silence]).index(max(of_class[silence])) for of_class in f1])


def right_holm(p, alpha):
    """Over and over the smallest p-value that is left, against alpha over how many are left."""
    stands, left = np.zeros(len(p), bool), list(range(len(p)))
    while left and p[smallest := min(left, key=lambda i: p[i])] <= alpha / len(left):
        stands[smallest] = True
        left.remove(smallest)
    return stands


RIGHT = {
    check.frame_start: lambda frame: frame * S,
    check.frame_at: lambda second: math.floor(second * 16000 / 1020),
    check.event_matches: right_match,
    check.weak_from_strong: lambda x: x.any(axis=1),
    check.active_frames: lambda events, frames, frame_s: strong_labels(
        pd.DataFrame([("a", *event, "Dog") for event in events], columns=EVENT_COLUMNS), ["a"], frames, frame_s
    )[0, :, CLASSES.index("Dog")],
    check.frame_count: lambda samples, n_fft, hop: LogMel(Features(n_fft=n_fft, hop=hop, n_mels=8))(
        torch.zeros(1, samples)).shape[-1],
    check.decibels: lambda x, floor, r: librosa.amplitude_to_db(x, ref=1.0, amin=floor, top_db=r),
    check.auc: lambda a, b: roc_auc_score([1] * len(a) + [0] * len(b), np.concatenate([a, b])),
    check.comb: right_comb,
    check.direct_sound: lambda h: h[np.argmax(h**2):],
    check.at_level: lambda x, db: x / np.abs(x).max() * 10 ** (db / 20),
    check.highest_background: lambda levels: sorted(levels)[0] + 5,
    check.event_times: in_seconds,
    check.smoother: smoothed,
    check.pcen: lambda e, m, a, d, r, eps: features.pcen(torch.tensor(e), torch.tensor(m), a, d, r, eps).numpy(),
    check.coefficient: features.coefficient,
    check.ema: lambda t, s, a: torch.lerp(s, t, a),
    check.rampup: lambda step, steps: math.exp(-5 * (1 - min(step / steps, 1)) ** 2),
    check.mean_teacher_loss: right_loss,
    check.attention_pooling: right_pool,
    check.median_filter: lambda x, size: ndimage.median_filter(x, size),
    check.events_of: right_events,
    check.reversed_gradient: lambda ctx, g: (g * -ctx.weight, None),
    check.domain_loss: said(adversarial.domain_loss),
    check.balanced_error: adversarial.balanced_error,
    check.two_updates: equations,
    check.ganin: adversarial.ganin,
    check.a_distance: lambda error: 2 - 4 * error,
    check.expected_frames: lambda p: sum(p**n for n in range(3000)),
    check.viterbi_step: right_step,
    check.walk_back: right_path,
    check.tied_optimum: right_tied,
    check.judged: lambda low, high, sign: int(sign * low > 0 and sign * high > 0) - int(sign * low < 0 and sign * high < 0),
    check.holm: right_holm,
    check.averaged: lambda members: np.mean([m * (0.01 if m.dtype == np.uint8 else 1.0) for m in members], axis=0),
}


@pytest.mark.parametrize("step", RIGHT, ids=lambda f: f.__name__)
def test_right_answers_pass(step, capsys):
    step(RIGHT[step])
    assert capsys.readouterr().out.startswith("correct: ")


@pytest.mark.parametrize("answer", [lambda low, high, sign: np.sign(low) * sign * (low * high > 0),
                                    lambda low, high, sign: 0 if low <= 0 <= high else math.copysign(1, low * sign)])
def test_a_sign_may_be_any_number(answer):
    check.judged(answer)


def into_student(teacher, student, alpha):
    student.mul_(1 - alpha).add_(alpha * teacher)
    return student


WRONG = [
    (check.judged, lambda low, high, sign: 0 if low <= 0 <= high else 1 if low > 0 else -1, "look at the sign"),
    (check.judged, lambda low, high, sign: 1 if (low + high) * sign > 0 else -1, "middle of the interval decides nothing"),
    (check.judged, lambda low, high, sign: int(sign * low > 0 and sign * high > 0), "shows the opposite"),
    (check.judged, lambda low, high, sign: 0 if low < 0 < high else 1 if (low >= 0) == (sign > 0) else -1, "begins or ends at 0"),
    (check.judged, lambda low, high, sign: 0 if low <= 0 < high else 1 if (low > 0) == (sign > 0) else -1, "gives"),
    (check.holm, lambda p, alpha: right_holm(p, 0.05), "need not be 0.05"),
    (check.holm, lambda p, alpha: p <= alpha, "pays for nothing"),
    (check.holm, lambda p, alpha: p <= alpha / len(p), "Bonferroni"),
    (check.holm, lambda p, alpha: np.array([x <= alpha / (p >= x).sum() for x in p]), "stop at the first"),
    (check.holm, lambda p, alpha: np.array([all(y <= alpha / (1 + (p < y).sum()) for y in p if y <= x) for x in p]), "strictest threshold"),
    (check.holm, lambda p, alpha: right_holm(np.sort(p), alpha), "in the order in which they were given"),
    (check.averaged, lambda members: np.mean([m.astype(float) for m in members], axis=0), "percent"),
    (check.averaged, lambda members: np.mean([m / 100 if m.max() > 1 else m for m in members], axis=0), "gives"),
    (check.averaged, lambda members: np.mean([m if m.dtype == np.float64 else m / 100 for m in members], axis=0), "gives"),
    (check.averaged, lambda members: sum(m / (100 if m.dtype == np.uint8 else 1) for m in members), "this is the sum"),
    (check.averaged, lambda members: sum(m / (100 if m.dtype == np.uint8 else 1) for m in members) / 3, "need not be three"),
    (check.averaged, lambda members: np.max([m / (100 if m.dtype == np.uint8 else 1) for m in members], axis=0), "the largest"),
    (check.averaged, lambda members: np.mean([m / (100 if m.dtype == np.uint8 else 1) > 0.5 for m in members], axis=0), "a vote"),
    (check.averaged, lambda members: np.mean([m / (100 if m.dtype == np.uint8 else 1) for m in members]), "over the members only"),
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
    (check.weak_from_strong, lambda x: x.mean(1), "share of frames"),
    (check.weak_from_strong, lambda x: x.sum(1), "counts the frames"),
    (check.weak_from_strong, lambda x: np.median(x, axis=1) > 0.5, "in most frames"),
    (check.weak_from_strong, lambda x: x.all(1), "in every frame"),
    (check.weak_from_strong, lambda x: x.max(-1), "runs over the classes"),
    (check.weak_from_strong, lambda x: x.max(0), "runs over the clips"),
    (check.weak_from_strong, lambda x: x.reshape(3, -1).max(1), "all classes together"),
    (check.weak_from_strong, lambda x: x[:, 0], r"array of shape \(3, 6, 4\)\) gives"),
    (check.active_frames, lambda e, n, s: frames_of(e, n, s, int, int), "rounding down makes"),
    (check.active_frames, lambda e, n, s: frames_of(e, n, s, math.floor, math.ceil), "rounding outwards"),
    (check.active_frames, lambda e, n, s: frames_of(e, n, s, math.ceil, math.ceil), "rounding up makes"),
    (check.active_frames, lambda e, n, s: frames_of(e, n, s, shortest=0), "may vanish"),
    (check.active_frames, lambda e, n, s: frames_of(e, n, s, latest=5), "give it the last one"),
    (check.active_frames, lambda e, n, s: frames_of(e, n, s, shortest=0, latest=5), "give each of them"),
    (check.active_frames, lambda e, n, s: frames_of(e, n, s, beyond=1), r"labels\[first:last\]"),
    (check.active_frames, overlaps_counted, "you count 2"),
    (check.active_frames, lambda e, n, s: frames_of(e, n, 1), "divide by frame_s"),
    (check.active_frames, zeros_in_the_loop, "before the loop"),
    (check.active_frames, return_in_the_loop, "after the loop"),
    (check.active_frames, lambda e, n, s: np.flatnonzero(frames_of(e, n, s)), r"shape \(4,\); it should have \(12,\)"),
    (check.frame_count, lambda n, n_fft, hop: n // hop, "sample 0 as well"),
    (check.frame_count, lambda n, n_fft, hop: math.ceil(n / hop), "does not divide"),
    (check.frame_count, lambda n, n_fft, hop: round(n / hop) + 1, "only by luck"),
    (check.frame_count, lambda n, n_fft, hop: (n - n_fft) // hop + 1, "wholly within"),
    (check.frame_count, lambda n, n_fft, hop: (n + 2 * (n_fft // 2)) // hop + 1, "n_fft cancels"),
    (check.frame_count, lambda n, n_fft, hop: n // n_fft + 1, "how long each"),
    (check.frame_count, lambda n, n_fft, hop: n / hop + 1, "use //"),
    (check.frame_count, lambda n, n_fft, hop: np.floor(n / hop) + 1, "yours is a float"),
    (check.decibels, lambda x, floor, r: down_to(in_db(x, floor, 10), r), "for powers"),
    (check.decibels, lambda x, floor, r: down_to(20 * np.log(np.maximum(x, floor)), r), "natural"),
    (check.decibels, lambda x, floor, r: down_to(in_db(x, 1e-99), r), "the floor is missing"),
    (check.decibels, lambda x, floor, r: down_to(20 * np.log10(x + floor), r), "you add it"),
    (check.decibels, lambda x, floor, r: down_to(np.maximum(in_db(x, 1e-99), floor), r), "before the logarithm"),
    (check.decibels, lambda x, floor, r: in_db(x, floor), "the range is missing"),
    (check.decibels, lambda x, floor, r: np.maximum(in_db(x, floor), -r), "not from 0 dB"),
    (check.decibels, lambda x, floor, r: down_to(in_db(x, floor), r, 0), "not of each frame"),
    (check.decibels, lambda x, floor, r: down_to(in_db(x, floor), r, 1), "not of each band"),
    (check.decibels, lambda x, floor, r: librosa.amplitude_to_db(x, ref=np.max, amin=floor, top_db=r), "dB re 1"),
    (check.auc, lambda a, b: pairs(b, a), "other way round"),
    (check.auc, lambda a, b: pairs(a, b, 0), "them as lost"),
    (check.auc, lambda a, b: pairs(a, b, 1), "them as won"),
    (check.auc, lambda a, b: np.mean((a > b) + 0.5 * (a == b)), "at the same place$"),
    (check.auc, lambda a, b: np.mean(a > b), "at the same place; and"),
    (check.auc, lambda a, b: pairs(a, b) * len(a) ** 2, "divide by how many"),
    (check.auc, lambda a, b: float(np.mean(a) > np.mean(b)), "not only the means"),
    (check.auc, lambda a, b: np.mean(a) - np.mean(b), "depends on the unit"),
    (check.comb, lambda x, d, g: x + g * np.concatenate([x[d:], np.zeros(d)]), "this looks ahead"),
    (check.comb, lambda x, d, g: x + g * np.roll(x, d), "as np.roll has it"),
    (check.comb, lambda x, d, g: signal.lfilter([1], [1, *np.zeros(d - 1), -g], x), "feeds the output back"),
    (check.comb, lambda x, d, g: x + shifted(x, d), "the gain is missing"),
    (check.comb, lambda x, d, g: x - g * shifted(x, d), "added, not subtracted"),
    (check.comb, lambda x, d, g: g * shifted(x, d), r"x\(n\) itself is missing"),
    (check.comb, lambda x, d, g: g * x + g * shifted(x, d), "delayed sound alone"),
    (check.comb, lambda x, d, g: np.convolve(x, [1, *np.zeros(d - 1), g]), "must keep its length"),
    (check.comb, lambda x, d, g: x, r"array of shape \(40,\), 7, 0.5\) gives"),
    (check.direct_sound, lambda h: h, "comes back as it is"),
    (check.direct_sound, lambda h: h[np.argmax(h):], "may be negative"),
    (check.direct_sound, lambda h: np.trim_zeros(h, "f"), "may be noise"),
    (check.direct_sound, lambda h: h[np.argmax(h**2) + 1:], "not after it"),
    (check.direct_sound, lambda h: h[:np.argmax(h**2)], "what lies before"),
    (check.direct_sound, lambda h: np.roll(h, -np.argmax(h**2)), "moves the tail's end"),
    (check.direct_sound, lambda h: np.argmax(h**2), "give the response from there on"),
    (check.at_level, lambda x, db: x / np.sqrt(np.mean(x * x)) * 10 ** (db / 20), "sets the RMS"),
    (check.at_level, lambda x, db: x / x.max() * 10 ** (db / 20), "may be negative"),
    (check.at_level, lambda x, db: x / np.abs(x).max() * 10 ** (db / 10), "is for energies"),
    (check.at_level, lambda x, db: x * 10 ** (db / 20), "changes the level by"),
    (check.at_level, lambda x, db: x / np.abs(x).max(), "whatever the level"),
    (check.at_level, lambda x, db: x / np.abs(x).max() * db, "are no factor"),
    (check.at_level, lambda x, db: x / np.abs(x).max() / 10 ** (db / 20), "without another minus"),
    (check.highest_background, lambda levels: max(levels) + 5, "you take the loudest"),
    (check.highest_background, lambda levels: np.mean(levels) + 5, "you take the mean"),
    (check.highest_background, lambda levels: levels[0] + 5, "you take the first"),
    (check.highest_background, lambda levels: min(levels) - 5, "must be 5 dB under"),
    (check.highest_background, min, "not only as loud"),
    (check.highest_background, lambda levels: min(levels) * 5, "is not 5 times"),
    (check.highest_background, lambda levels: 20 * np.log10(10 ** (min(levels) / 20) + 5), "add 5"),
    (check.highest_background, lambda levels: min(0, min(levels) + 5), "no limit at 0 dB"),
    (check.event_times, lambda o, n, t: (o / 16000, (o + n) / 16000), "after 10 s"),
    (check.event_times, lambda o, n, t: in_seconds(o, n + t, 0), "tail is no part of the event: its"),
    (check.event_times, lambda o, n, t: (o / 16000, (o + n + t) / 16000), "tail is no part of the event, and"),
    (check.event_times, lambda o, n, t: (o / 16000, in_seconds(o, n, t)[1] - o / 16000), "not the duration$"),
    (check.event_times, lambda o, n, t: (o / 16000, n / 16000), "not the duration; and"),
    (check.event_times, lambda o, n, t: (o, min(o + n, 160000)), "these are samples"),
    (check.event_times, lambda o, n, t: (o / 16, min((o + n) / 16, 10000)), "these are milliseconds"),
    (check.event_times, lambda o, n, t: (0.0, in_seconds(o, n, t)[1]), "not with the clip"),
    (check.smoother, lambda e, s: np.fliplr(smoothed(np.fliplr(e), s)), "backwards in time"),
    (check.smoother, lambda e, s: signal.lfilter([s], [1, s - 1], e), "starts at 0"),
    (check.smoother, lambda e, s: smoothed(e, s, start=np.ones((1, 1))), "starts at 1, as librosa"),
    (check.smoother, lambda e, s: smoothed(e, 1 - s), "swapped"),
    (check.smoother, recursive(lambda m, new, old, s: (1 - s) * m + s * old), "one frame late"),
    (check.smoother, recursive(lambda m, new, old, s: (1 - s) * old + s * new), "remembers all frames"),
    (check.smoother, lambda e, s: e[:, :1] + s * e.cumsum(1), "grows without limit"),
    (check.smoother, recursive(lambda m, new, old, s: (1 - s) * m + new), "not its own average"),
    (check.smoother, lambda e, s: smoothed(e.T, s).T, "along the Mel bands"),
    (check.smoother, lambda e, s: np.fliplr(smoothed(np.fliplr(smoothed(e, s)), s)), "zero phase"),
    (check.smoother, lambda e, s: np.stack([e[:, : t + 1].mean(1) for t in range(e.shape[1])], 1), "forgets old"),
    (check.smoother, lambda e, s: e, "come back as they are"),
    (check.smoother, lambda e, s: smoothed(e, s)[:, -1], r"shape \(5,\); it should have \(5, 12\)"),
    (check.pcen, lambda e, m, a, d, r, eps: (e / (eps + m) ** a + d) ** r, "silence must give 0"),
    (check.pcen, lambda e, m, a, d, r, eps: (e / (eps + m) ** a + d) ** r - d, "you subtract delta"),
    (check.pcen, lambda e, m, a, d, r, eps: (e / (eps + m**a) + d) ** r - d**r, "belongs into the brackets"),
    (check.pcen, lambda e, m, a, d, r, eps: (e / m**a + d) ** r - d**r, "eps is not used"),
    (check.pcen, lambda e, m, a, d, r, eps: (e / (eps + m) + d) ** r - d**r, "you divide by eps"),
    (check.pcen, lambda e, m, a, d, r, eps: (e / (a * (eps + m)) + d) ** r - d**r, "alpha is an exponent"),
    (check.pcen, lambda e, m, a, d, r, eps: ((e / (eps + m)) ** a + d) ** r - d**r, "whole fraction"),
    (check.pcen, lambda e, m, a, d, r, eps: (e * (eps + m) ** a + d) ** r - d**r, "not multiplied"),
    (check.pcen, lambda e, m, a, d, r, eps: (e / ((eps + m) ** a + d)) ** r - d**r, "added to the fraction, not"),
    (check.pcen, lambda e, m, a, d, r, eps: (e / (eps + m) ** a) ** r + d - d**r, "exponent of the sum"),
    (check.pcen, lambda e, m, a, d, r, eps: (e / (eps + m) ** a) ** r - d**r, "delta is not added"),
    (check.pcen, lambda e, m, a, d, r, eps: e / (eps + m) ** a, "compression is missing"),
    (check.pcen, lambda e, m, a, d, r, eps: (e / (eps + m) ** a + d) * r - d * r, "r is an exponent"),
    (check.pcen, lambda e, m, a, d, r, eps: (e / (eps + m) ** r + d) ** a - d**a, "alpha and r are swapped"),
    (check.pcen, lambda e, m, a, d, r, eps: (m / (eps + e) ** a + d) ** r - d**r, "E and M are swapped"),
    (check.coefficient, lambda t, h: features.coefficient(t, 1), "divide the seconds"),
    (check.coefficient, lambda t, h: features.coefficient(t * h, 1), "you multiply"),
    (check.coefficient, lambda t, h: features.coefficient(h, t), "other way round"),
    (check.coefficient, lambda t, h: 1 - features.coefficient(t, h), "this is 1 - s"),
    (check.coefficient, lambda t, h: (np.sqrt(1 + 4 * (t / h) ** 2) - 1) / 2 * (t / h) ** 2, "put it in brackets"),
    (check.coefficient, lambda t, h: (np.sqrt(1 + 4 * (t / h) ** 2) - 1) / (2 * (t / h)) ** 2, "not the 2"),
    (check.coefficient, lambda t, h: (np.sqrt(1 + 4 * t / h) - 1) / (2 * (t / h) ** 2), "squared under the root"),
    (check.coefficient, lambda t, h: (np.sqrt(1 + 4 * (t / h) ** 2) - 1) / (2 * t / h), "squared below the line"),
    (check.coefficient, lambda t, h: (np.sqrt(1 + (t / h) ** 2) - 1) / (2 * (t / h) ** 2), "it is 4 T"),
    (check.coefficient, lambda t, h: np.sqrt(1 + 4 * (t / h) ** 2) / (2 * (t / h) ** 2), "- 1 is missing"),
    (check.coefficient, lambda t, h: 1 - np.exp(-h / t), "1/e is left"),
    (check.coefficient, lambda t, h: h / t, "this is 1 / T"),
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
    (check.median_filter, lambda x, n: ndimage.median_filter(x, n, mode="constant"), "zeros beyond the ends"),
    (check.median_filter, lambda x, n: ndimage.median_filter(x, n, mode="nearest"), "outermost frame is repeated"),
    (check.median_filter, lambda x, n: ndimage.median_filter(x, n, mode="mirror"), "leaves out the outermost"),
    (check.events_of, lambda a, s: [(on, off - s) for on, off in right_events(a, s)], "one frame later"),
    (check.events_of, loop_events, "close it at the end"),
    (check.events_of, lambda a, s: [e for e in right_events(a, s) if e[0] > 0], "from the first frame on"),
    (check.events_of, lambda a, s: right_events(a, 1), "are in seconds"),
    (check.events_of, lambda a, s: [(np.argmax(a) * s, (len(a) - np.argmax(a[::-1])) * s)] if a.any() else [],
     "a pause ends"),
    (check.events_of, lambda a, s: [(i * s, (i + 1) * s) for i in range(len(a)) if a[i]], "one event per active frame"),
    (check.reversed_gradient, lambda ctx, g: -ctx.weight * g, "one gradient for each of forward's inputs"),
    (check.reversed_gradient, lambda ctx, g: (ctx.weight * g, None), "sign must change"),
    (check.reversed_gradient, lambda ctx, g: (-g, None), "weight is missing"),
    (check.reversed_gradient, lambda ctx, g: (g, None), "as it came"),
    (check.reversed_gradient, lambda ctx, g: (-g - ctx.weight, None), "you subtract it"),
    (check.reversed_gradient, lambda ctx, g: (-ctx.weight * g.abs(), None), "makes all of them negative"),
    (check.reversed_gradient, lambda ctx, g: ((ctx.weight - 1) * g, None), "another loss"),
    (check.reversed_gradient, lambda ctx, g: (torch.zeros_like(g), None), "stops the gradient"),
    (check.domain_loss, said(lambda x, y: BCE(x, 1 - y)), "other way round"),
    (check.domain_loss, said(lambda x, y: BCE(x, y, reduction="sum")), "take their mean"),
    (check.domain_loss, lambda x, n: F.softplus(-x[:n]).mean(), "recorded clips are missing"),
    (check.domain_loss, lambda x, n: F.softplus(x[n:]).mean(), "synthetic clips are missing"),
    (check.domain_loss, lambda x, n: (F.softplus(-x[:n]).mean() + F.softplus(x[n:]).mean()) / 2, "both domains the same"),
    (check.domain_loss, said(lambda x, y: BCE(x.sigmoid(), y)), "sigmoid twice"),
    (check.domain_loss, said(lambda x, y: (x.sigmoid() - y).square().mean()), "mean squared error"),
    (check.domain_loss, said(lambda x, y: -BCE(x, y)), "the loss has none"),
    (check.domain_loss, said(lambda x, y: BCE(x, y) / np.log(2)), "base 2"),
    (check.balanced_error, lambda x, n: 1 - adversarial.balanced_error(x, n), "share of right answers"),
    (check.balanced_error, said(lambda x, y: ((x > 0) != y.bool()).double().mean()), "each domain's share"),
    (check.balanced_error, said(lambda x, y: ((x > 0) == y.bool()).double().mean()), "right answers that you count"),
    (check.balanced_error, lambda x, n: adversarial.balanced_error(x - 0.5, n), "not of 0.5"),
    (check.balanced_error, lambda x, n: 2 * adversarial.balanced_error(x, n), "sum of both"),
    (check.balanced_error, lambda x, n: (x[:n] < 0).double().mean(), "synthetic clips' errors alone"),
    (check.balanced_error, lambda x, n: (x[n:] > 0).double().mean(), "recorded clips' errors alone"),
    (check.two_updates, functools.partial(equations, signs=(1, 1, 1)), "helps the classifier"),
    (check.two_updates, functools.partial(equations, signs=(1, -1, -1)), "unlearns"),
    (check.two_updates, functools.partial(equations, signs=(1, 1, -1)), "both signs"),
    (check.two_updates, functools.partial(equations, signs=(-1, -1, 1)), "main loss goes downhill too"),
    (check.two_updates, lambda c, a, m, d, w, alpha: equations(c, a, m, d, w[::-1], alpha), "weights are swapped"),
    (check.two_updates, lambda c, a, m, d, w, alpha: (equations(c, a, m, d, w, alpha)[0],
                                                      equations(c, a, m, d, (1, 1), alpha)[1]), "weight as well"),
    (check.two_updates, lambda *given: (equations(*given)[0], given[1]), "uphill in your first step"),
    (check.two_updates, functools.partial(equations, signs=(1, 0, 1)), "does not hear"),
    (check.two_updates, functools.partial(equations, signs=(0, -1, 1)), "main loss is missing"),
    (check.two_updates, functools.partial(equations, late=True), "before you move anything"),
    (check.two_updates, lambda *given: equations(*given)[0], "return both"),
    (check.ganin, lambda p: adversarial.ganin(p) + 1, "it must start at 0"),
    (check.ganin, lambda p: -adversarial.ganin(p), "needs a minus"),
    (check.ganin, lambda p: adversarial.ganin(p / 10), "factor 10"),
    (check.ganin, lambda p: (adversarial.ganin(p) + 1) / 2, "this is the sigmoid"),
    (check.ganin, lambda p: adversarial.ganin(p) / 2, "half as much"),
    (check.ganin, lambda p: 2 / (np.exp(-10 * p) - 1 + 1), "behind the fraction"),
    (check.ganin, lambda p: p, "straight line"),
    (check.a_distance, lambda e: 2 - 2 * e, "chance, 0.5, must give 0"),
    (check.a_distance, lambda e: 1 - 2 * e, "twice that"),
    (check.a_distance, lambda e: 1 - e, "share of right answers"),
    (check.a_distance, lambda e: 4 * e - 2, "sign is wrong"),
    (check.expected_frames, lambda p: p / (1 - p), "first frame is there for certain"),
    (check.expected_frames, lambda p: 1 / p if p else np.inf, "ends with probability 1 - p"),
    (check.expected_frames, lambda p: np.log(0.5) / np.log(p) if p else 0.0, "median duration"),
    (check.expected_frames, lambda p: -1 / np.log(p) if p else 0.0, "counted one by one"),
    (check.viterbi_step, lambda m, a, b: ((m[:, None] + a).max(0), (m[:, None] + a).argmax(0)), "emissions of the new frame"),
    (check.viterbi_step, lambda m, a, b: (m.max() + b, np.full(2, m.argmax())), "switching would be free"),
    (check.viterbi_step, lambda m, a, b: ((m[:, None] + a.T).max(0) + b, (m[:, None] + a.T).argmax(0)), "other way round"),
    (check.viterbi_step, lambda m, a, b: (np.logaddexp(*(m[:, None] + a)) + b, (m[:, None] + a).argmax(0)), "adds up all ways"),
    (check.viterbi_step, lambda m, a, b: (right_step(m, a, b)[0], np.zeros(2)), "first state"),
    (check.viterbi_step, lambda m, a, b: (right_step(m, a, b)[0], np.arange(2)), "where it is"),
    (check.viterbi_step, lambda m, a, b: ((m[:, None] + a).min(0) + b, (m[:, None] + a).argmin(0)), "larger logarithm"),
    (check.viterbi_step, lambda m, a, b: right_step(m, a, b)[0], "return two arrays"),
    (check.viterbi_step, lambda m, a, b: (m[:, None] + a + b, np.zeros(2)), "an entry a state"),
    (check.walk_back, lambda came, last: right_path(came, last)[::-1], "backwards"),
    (check.walk_back, lambda came, last: right_path(np.vstack([came[:1], came[:-1]]), last), "came\\[t - 1\\]"),
    (check.walk_back, lambda came, last: np.append(came[1:, last], last), "not along the last one"),
    (check.walk_back, lambda came, last: right_path(came, last)[:-1], "last frame is missing"),
    (check.tied_optimum, lambda f1: ((best := np.unravel_index(f1.mean(0).argmax(), f1.shape[1:]))[0],
                                     np.full(len(f1), best[1])), "share the event probability"),
    (check.tied_optimum, lambda f1: ((best := f1.mean((0, 2)).argmax()), f1[:, best].argmax(1)), "take the maximum"),
    (check.tied_optimum, lambda f1: ((best := f1.max((0, 2)).argmax()), f1[:, best].argmax(1)), "single best class"),
    (check.tied_optimum, lambda f1: f1.max(2).argmax(1), "number of the one silence"),
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
