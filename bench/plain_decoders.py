"""The other decoders written plainly, clip by clip and class by class, from their definitions: peers of the bench."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
from scipy.ndimage import median_filter

from sedlib.decode import Boxes, Hsmm, Medians, Posteriors
from sedlib.decode.hsmm import durations

Found = list[tuple[int, int]]


def medians(scores: np.ndarray, decoder: Medians, k: int, frame_s: float) -> Found:
    """SciPy's median filter of decisions."""
    frames = 2 * max(0, round((decoder.median_s[k] / frame_s - 1) / 2)) + 1
    return _runs(median_filter((scores > decoder.threshold[k]).astype(np.uint8), frames))


def boxes(scores: np.ndarray, decoder: Boxes, k: int, frame_s: float) -> Found:
    """Change points where the step filter is steepest, then merging, pair by pair."""
    half = max(1, round(decoder.step_s[k] / 2 / frame_s))
    padded = np.pad(scores, half)
    sums = np.convolve(padded, np.ones(half), "valid")
    steps = sums[half:] - sums[:-half]
    steps[np.abs(steps) < 1e-9] = 0
    ends, sign = [], 0
    for t in np.flatnonzero(steps):
        if np.sign(steps[t]) != sign:
            sign = np.sign(steps[t])
            ends.append(t)
        elif abs(steps[t]) > abs(steps[ends[-1]]) + 1e-9:
            ends[-1] = t
    found = list(zip(ends[::2], ends[1::2], strict=False))
    while True:
        falls = []
        for i, ((a, b), (c, d)) in enumerate(zip(found, found[1:], strict=False)):
            between, higher = scores[b:c].mean(), max(scores[a:b].mean(), scores[c:d].mean())
            if higher - between < decoder.absolute[k] or higher < decoder.relative[k] * between:
                falls.append((higher - between, i))
        if not falls:
            return [(a, b) for a, b in found if scores[a:b].mean() >= decoder.confidence[k]]
        _, i = min(falls)
        found[i : i + 2] = [(found[i][0], found[i + 1][1])]


def segments(scores: np.ndarray, decoder: Hsmm, k: int, frame_s: float) -> Found:
    """Viterbi's algorithm over segments, with numpy over all durations of one that ends at a frame."""
    n = len(scores)
    tiny = np.finfo(float).tiny  # as librosa adds it
    before = np.append(0, np.cumsum(np.log(scores + tiny) - np.log(1 - scores + tiny)))
    exactly, beyond, left, left_beyond = durations(decoder.mean_s[k : k + 1] / frame_s, decoder.shape[k : k + 1], n)[0]
    leave, stay = np.log(1 - decoder.p_silence[k]), np.log(decoder.p_silence[k])
    silence, event, came, quiet = np.full(n + 1, -np.inf), np.full(n + 1, -np.inf), np.zeros(n + 1, int), [True] * 2
    silence[1] = 0.0
    for t in range(1, n + 1):
        if t > 1:
            silence[t] = max(silence[t - 1] + stay, event[t - 1])
            quiet.append(silence[t - 1] + stay >= event[t - 1])
        whole, part = (left, exactly) if t < n else (left_beyond, beyond)
        ways = np.append(whole[t], silence[1:t] + leave - before[1:t] + part[t - 1 : 0 : -1])
        came[t] = ways.argmax()
        event[t] = ways[came[t]] + before[t]
    found, t, sounds = [], n, event[n] > silence[n]
    while t > 0:
        if sounds:
            found.append((came[t], t))
            t, sounds = came[t], False
        else:
            sounds = t > 1 and not quiet[t]
            t -= 1
    return [(a, b) for a, b in reversed(found) if scores[a:b].max() >= decoder.confidence[k]]


PLAIN: dict[type, Callable[..., Found]] = {Medians: medians, Boxes: boxes, Hsmm: segments}


def events(posteriors: Posteriors, decoder: Medians | Boxes | Hsmm) -> pd.DataFrame:
    """Find the events of all clips and classes, one after the other."""
    scores, frame_s, decode = posteriors.scores.astype(float), posteriors.frame_s, PLAIN[type(decoder)]
    rows = [
        (name, a * frame_s, b * frame_s, label)
        for clip, name in zip(scores, posteriors.filenames, strict=True)
        for k, label in enumerate(posteriors.classes)
        for a, b in decode(clip[:, k], decoder, k, frame_s)
    ]
    found = pd.DataFrame(rows, columns=["filename", "onset", "offset", "event_label"])
    return found.sort_values(["filename", "onset", "event_label"], kind="stable", ignore_index=True)


def _runs(active: np.ndarray) -> Found:
    edges = np.flatnonzero(np.diff(np.concatenate([[0], active.astype(np.int8), [0]])))
    return list(zip(edges[::2], edges[1::2], strict=True))
