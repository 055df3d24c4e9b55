"""The two-state HMM beside librosa and hmmlearn, an objective of its tuning beside librosa and sed_eval, the searches;
the other decoders beside plain ones.

Decoding takes random sticky posteriors of the size of the development set, and compares the paths. The objective is
event-based macro F1 of one choice of transition probabilities, on a real system's outputs on the real development set
where ../shared/desed is present and on random ones of that size otherwise. The searches tune on one half of these
clips, each once.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from librosa.sequence import transition_loop, viterbi_discriminative

from bench import seconds, take_turns
from bench.metrics import FRAME_S, REAL, event_metrics, random_tables, sed_eval_f1
from bench.plain_decoders import events as plain_events
from sedcourse import hmmlearn_hmm
from sedlib.data import tables
from sedlib.data.encoder import strong_labels
from sedlib.decode import Boxes, Hmm, Hsmm, Medians, Posteriors, find_events, frames_to_events
from sedlib.decode.hmm import emissions, viterbi
from sedlib.decode.tuning import CALLS, SEARCHES, Objective, halves

SHAPE = 1168, 157, len(tables.CLASSES)


def noisy(active: np.ndarray) -> np.ndarray:
    """Posteriors of a network that is sure of most frames and wrong in some."""
    odds = np.where(active, 2.0, -4.0) + 1.5 * np.random.default_rng(1).normal(size=active.shape)
    return (1 / (1 + np.exp(-odds))).astype(np.float32)


def development_set() -> tuple[Posteriors, pd.DataFrame]:
    """Posteriors and reference, real or random."""
    if REAL.is_dir():
        found = Posteriors.load(REAL / "teacher" / "scores.npz")  # percent
        scores = Posteriors(found.scores / 100, found.filenames, found.classes, found.frame_s)
        return scores, tables.read_events(REAL / "validation.tsv")
    truth, predictions = random_tables(SHAPE[0])
    names = tables.filenames(truth)
    scores = noisy(strong_labels(predictions, names, SHAPE[1], FRAME_S) > 0)
    return Posteriors(scores, names, tables.CLASSES, FRAME_S), truth


def by_librosa(scores: np.ndarray, hmm: Hmm, at_once: bool = False) -> np.ndarray:
    """Its paths, class after class: all clips at once, or one after the other as the released code does."""
    paths = np.empty(scores.shape, bool)
    for k, stay in enumerate(zip(hmm.p_silence, hmm.p_event, strict=True)):
        moves, both = transition_loop(2, stay), np.stack([1 - scores[..., k], scores[..., k]], axis=1)
        one_by_one = (viterbi_discriminative(clip, moves) for clip in both)
        paths[..., k] = viterbi_discriminative(both, moves) if at_once else list(one_by_one)
    return paths


def decoding(rounds: int) -> None:
    """Paths of all clips and classes."""
    rng = np.random.default_rng(0)
    hmm = Hmm(tables.CLASSES, *rng.uniform(0.05, 0.99, (2, SHAPE[2])), np.zeros(SHAPE[2]))
    scores = noisy(np.cumsum(rng.random(SHAPE) < 0.02, axis=1) % 2 > 0)
    found, stay = emissions(scores), (hmm.p_silence, hmm.p_event)
    contestants = {
        "librosa, clip by clip and class by class": lambda: by_librosa(scores, hmm),
        "librosa, one call for each class": lambda: by_librosa(scores, hmm, at_once=True),
        "hmmlearn, one call for each class": lambda: hmmlearn_hmm.viterbi(emissions(scores), *stay),
        "sedlib, from posteriors": lambda: viterbi(emissions(scores), *stay),
        "sedlib, from logarithms made once, as in tuning": lambda: viterbi(found, *stay),
    }
    print(f"paths of {' x '.join(map(str, SHAPE))} posteriors")
    take_turns(contestants, rounds)
    first, *others = (decode() for decode in contestants.values())
    different = ", ".join(str((paths != first).sum()) for paths in others)
    print(f"  frames that differ from the first: {different} of {first.size}")


def objective(posteriors: Posteriors, truth: pd.DataFrame, rounds: int) -> None:
    """Macro F1 of one choice of probabilities."""
    hmm, ours, names = Hmm.alike(0.9, 0.8), Objective(posteriors, truth), tables.filenames(truth)

    def peers() -> float:
        events = frames_to_events(by_librosa(posteriors.scores, hmm), posteriors)
        return sed_eval_f1(event_metrics(), truth, events, names)

    print(f"one objective, macro F1: librosa and sed_eval {peers()!r}, sedlib {ours.f1(hmm)!r}")
    take_turns({"librosa one by one, event table, sed_eval": peers, "sedlib": lambda: ours.f1(hmm)}, rounds)


def other_decoders(posteriors: Posteriors, truth: pd.DataFrame, rounds: int) -> None:
    """Events from posteriors, and one objective, of the decoders beside the HMM."""
    ours, names, ten = Objective(posteriors, truth), tables.filenames(truth), np.ones(len(posteriors.classes))
    for decoder in (
        Medians(posteriors.classes, 0.5 * ten, 0.5 * ten),
        Hsmm(posteriors.classes, 0.9 * ten, 2 * ten, 1.6 * ten, 0 * ten),
        Boxes(posteriors.classes, 0.5 * ten, 0.2 * ten, 2 * ten, 0.3 * ten),
    ):
        plain, fast = plain_events(posteriors, decoder), find_events(posteriors, decoder)
        print(f"{decoder.TITLE}: {len(plain)} events plainly, {len(fast)} by sedlib, {len(plain.merge(fast))} the same")

        def peers(decoder: Any = decoder) -> float:
            return sed_eval_f1(event_metrics(), truth, plain_events(posteriors, decoder), names)

        contestants = {
            "plain": lambda decoder=decoder: plain_events(posteriors, decoder),
            "sedlib": lambda decoder=decoder: find_events(posteriors, decoder),
        }
        take_turns(contestants, rounds)
        print(f"  one objective: sed_eval {peers()!r}, sedlib {ours.f1(decoder)!r}")
        take_turns({"plain, sed_eval": peers, "sedlib": lambda decoder=decoder: ours.f1(decoder)}, rounds)


def searches(posteriors: Posteriors, truth: pd.DataFrame) -> None:
    """Seconds of each search on one half, and the objective's share of the forest's."""
    ours, found = Objective(posteriors, halves(truth)[0]), []
    for name, search in SEARCHES.items():
        spent = seconds(lambda search=search: found.append(search(ours, 0)))
        print(f"  {name:<52}{spent:>10.2f} s    macro F1 {100 * ours.f1(found[-1]):.2f} %")
    spent = seconds(lambda: [ours.f1(found[0]) for _ in range(CALLS)])
    print(f"  {f'of the forest: {CALLS} objectives, the rest is scikit-optimize':<52}{spent:>10.2f} s")


def main(rounds: int = 3) -> None:
    """Print the comparisons."""
    decoding(rounds)
    posteriors, truth = development_set()
    size = f"{len(posteriors.filenames)} clips, {len(tables.events(truth))} events"
    print(f"{'real' if REAL.is_dir() else 'random'} data: {size}")
    objective(posteriors, truth, rounds)
    other_decoders(posteriors, truth, rounds)
    print("searches on one half")
    searches(posteriors, truth)
