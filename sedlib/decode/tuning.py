"""Choose the transition probabilities of the HMMs for event-based macro F1.

Paper sections 3.4 and 4.3; taught in ``notebooks/06_hmm.py``. Three searches on one objective, which decodes and scores
all clips in a few milliseconds:

``forest``  the paper's: 11 probabilities (one of silence for all classes), 200 evaluations led by a random forest.
``exact``   the best of the same family on a grid. With silence tied, macro F1 is a sum over classes, so for every
            silence probability each class has its own best, and 64 times 10 searches along a line replace one in 11
            dimensions. Of equally good models the one that stays most is taken: the highest p_silence, then p_event.
``robust``  for clips not seen: silence not tied, F1 smoothed over neighbouring parameters, the more the fewer events it
            was counted on, and unsure events dropped.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
from scipy.ndimage import gaussian_filter
from tqdm.auto import tqdm

from sedlib.compiled import njit, prange
from sedlib.config import Decoding
from sedlib.data import tables
from sedlib.decode.events import median_events, rules, runs
from sedlib.decode.hmm import Hmm, best_paths, emissions, hmm_events, log_odds, transitions
from sedlib.decode.posteriors import Posteriors
from sedlib.errors import SedError
from sedlib.metrics.clips import composed, missing_text, on_clips
from sedlib.metrics.f1 import EventIndex, event_f1, f1_precision_recall, hits_by_cell, index_events
from sedlib.threads import one_thread, share_threads

LOW, HIGH = 0.01, 0.999  # the paper's box
CALLS = 200
POINTS = 64  # of the exact search, for either probability

# Of the robust search. A probability moves in log-odds: a step there is the same factor of the expected duration.
# The Gaussian's width there is SMOOTHING / sqrt(reference events of the class), as the sampling error of F1 falls with
# 1 / sqrt(n); the axis of confidence is smoothed by half as many of its own steps.
SMOOTHING = 15.0
CONFIDENCES = (0.0, 0.5, 0.8)
ROBUST_POINTS = 24
DROP_S = 0.2  # as the released code: up to 3 frames


class Objective:
    """Event-based F1 of HMMs on a set of clips, with all that does not depend on their parameters computed once.

    Parameters
    ----------
    posteriors : Posteriors
    reference : DataFrame
        Event table. Its clips count, as far as there are posteriors of them.
    duration_s : float, optional
        As for `hmm_events`.
    """

    def __init__(self, posteriors: Posteriors, reference: pd.DataFrame, duration_s: float | None = None) -> None:
        names = set(reference["filename"])
        reference, _ = on_clips(reference, [name for name in posteriors.filenames if name in names])
        clips = tables.filenames(reference)
        self.posteriors, self.classes, self.duration_s = posteriors.select(clips), posteriors.classes, duration_s
        self.emissions = emissions(self.posteriors.scores)
        of_class = dict(list(tables.events(reference).groupby("event_label")))
        if unknown := set(of_class).difference(self.classes):
            raise SedError(f"reference: {tables.unknown_label(min(unknown), self.classes)}")
        indexed = [index_events(of_class.get(name, tables.empty_events()), clips, (name,)) for name in self.classes]
        self.references = np.array([len(of.onset) for of in indexed])
        if not self.references.any():
            raise SedError("reference: no events in these clips, so that there is nothing to tune for")
        start = np.append(0, self.references.cumsum()[:-1])
        self.bounds = np.stack([of.bounds + first for of, first in zip(indexed, start, strict=True)])
        self.onset, self.offset = (np.concatenate([of[i] for of in indexed]) for i in (1, 2))

    def counts(self, hmm: Hmm) -> np.ndarray:
        """Count hits, predictions and references of every class, (class, 3)."""
        hmm = hmm.of(self.classes)
        log_a, gates = transitions(hmm.p_silence, hmm.p_event), log_odds(hmm.confidence)[:, None]
        with one_thread():  # threads would wait for each other longer than they work on a busy machine
            return self._counts(np.arange(len(self.classes)), log_a, gates, hmm.drop_s)[:, 0]

    def f1(self, hmm: Hmm) -> float:
        """Compute macro F1; classes without reference events are left out."""
        return float(np.nanmean(f1_precision_recall(self.counts(hmm))[0]))

    def landscape(
        self,
        p_silence: Sequence[float] | np.ndarray,
        p_event: Sequence[float] | np.ndarray,
        confidences: Sequence[float] = (0.0,),
        drop_s: float = 0.0,
    ) -> np.ndarray:
        """Compute F1 of every combination, (class, silence, event, confidence); NaN for a class without references."""
        n_classes = len(self.classes)
        s, e = (grid.ravel() for grid in np.meshgrid(p_silence, p_event, indexing="ij"))
        label = np.repeat(np.arange(n_classes), len(s))
        gates = np.tile(log_odds(np.array(confidences)), (len(label), 1))
        counts = self._counts(label, np.tile(transitions(s, e), (n_classes, 1, 1)), gates, drop_s)
        return f1_precision_recall(counts)[0].reshape(n_classes, len(p_silence), len(p_event), len(confidences))

    def _counts(self, label: np.ndarray, log_a: np.ndarray, gates: np.ndarray, drop_s: float) -> np.ndarray:
        """(task, gate, 3): a task is a class and its transitions, a gate a `Hmm.confidence` in log-odds."""
        share_threads()
        events = self.bounds, self.onset, self.offset
        of_runs = rules(self.posteriors, self.duration_s, drop_s)
        found = _count(*self.emissions, label, log_a, gates, *events, *of_runs)
        references = np.broadcast_to(self.references[label][:, None, None], (*found.shape[:2], 1))
        return np.concatenate([found, references], -1)


@njit(cache=True, parallel=True)
def _count(silence, event, label, log_a, gates, ref_bounds, ref_onset, ref_offset, frame_s, end, drop):
    """Hits and predictions (task, gate, 2), summed over the clips."""
    counts = np.zeros((len(label), gates.shape[1], 2), np.int64)
    for task in prange(len(label)):
        k = label[task]
        states = np.empty(silence.shape[1:], np.uint8)
        best_paths(silence[k], event[k], log_a[task], states)
        for gate in range(gates.shape[1]):
            bounds, onset, offset = runs(states, silence[k], event[k], frame_s, end, drop, gates[task, gate])
            reference = EventIndex(ref_bounds[k], ref_onset, ref_offset)
            hits = hits_by_cell(reference, EventIndex(bounds, onset, offset), 0.2, 0.2, 0.2)
            counts[task, gate, 0], counts[task, gate, 1] = hits.sum(), len(onset)
    return counts


def forest(
    objective: Objective,
    seed: int = 0,
    calls: int = CALLS,
    progress: bool = False,
    watch: Callable[[list[float]], Any] | None = None,
) -> Hmm:
    """Search as the paper does, by scikit-optimize.

    Parameters
    ----------
    objective : Objective
    seed : int
    calls : int
        Evaluations of the objective; the first ten are drawn at random.
    progress : bool
    watch : callable, optional
        Called after each evaluation with the F1 of all so far.
    """
    from skopt import forest_minimize  # here, as it takes a second

    n_classes = len(objective.classes)

    def tied(p: list[float]) -> Hmm:
        return Hmm(objective.classes, np.full(n_classes, p[0]), np.array(p[1:]), np.zeros(n_classes))

    def after(result: Any) -> None:
        bar.update()
        if watch is not None:
            watch([-value for value in result.func_vals])

    with tqdm(total=calls, desc="random forest", disable=not progress, leave=False) as bar:
        result = forest_minimize(
            lambda p: -objective.f1(tied(p)),
            [(LOW, HIGH)] * (1 + n_classes),
            n_calls=calls,
            n_initial_points=min(10, calls),
            base_estimator="RF",
            random_state=seed,
            callback=after,
        )
    return tied(result.x)


def grid(points: int) -> np.ndarray:
    """Space probabilities from 0.01 to 0.999 at equal steps of their log-odds."""
    return 1 / (1 + np.exp(-np.linspace(log_odds(LOW), log_odds(HIGH), points)))


def step(p: np.ndarray) -> float:
    """Measure the log-odds from one point of a `grid` to the next."""
    return float(log_odds(p[1]) - log_odds(p[0]))


def exact(objective: Objective, points: int = POINTS) -> Hmm:
    """Find the best tied parameters on a grid of ``points`` probabilities for silence and for each event."""
    p = grid(points)
    f1 = objective.landscape(p, p)[..., 0]
    # Once silence is fixed, classes have nothing to do with each other.
    silence = int(_last_best(np.nanmean(f1.max(axis=2), axis=0)))
    event = _last_best(np.nan_to_num(f1[:, silence]))
    n_classes = len(objective.classes)
    return Hmm(objective.classes, np.full(n_classes, p[silence]), p[event], np.zeros(n_classes))


def _last_best(f1: np.ndarray) -> np.ndarray:
    """Index of the last of the best values along the last axis; rounding errors are no difference."""
    return f1.shape[-1] - 1 - (f1 >= f1.max(axis=-1, keepdims=True) - 1e-12)[..., ::-1].argmax(axis=-1)


def robust(objective: Objective, points: int = ROBUST_POINTS) -> Hmm:
    """Find parameters that should hold for clips not seen: for each class the top of its smoothed landscape.

    A class without reference events takes the mean of the others' landscapes.
    """
    p = grid(points)
    f1 = objective.landscape(p, p, CONFIDENCES, DROP_S)
    others = np.nanmean(f1, axis=0)
    stays = np.add.outer(p, p)[:, :, None] >= 1  # a smoother must not like to switch
    chosen = []
    for of_class, n in zip(f1, objective.references, strict=True):
        width = SMOOTHING / np.sqrt(max(n, 1))
        widths = (width / step(p), width / step(p), width / 2)  # in points of each axis
        smoothed = gaussian_filter(of_class if n else others, widths, mode="nearest")
        chosen.append(np.unravel_index(np.where(stays, smoothed, -1).argmax(), smoothed.shape))
    silence, event, confidence = np.array(chosen).T
    return Hmm(objective.classes, p[silence], p[event], np.array(CONFIDENCES)[confidence], drop_s=DROP_S)


SEARCHES: dict[str, Callable[[Objective, int], Hmm]] = {
    "forest": lambda objective, seed: forest(objective, seed, progress=True),
    "exact": lambda objective, seed: exact(objective),
    "robust": lambda objective, seed: robust(objective),
}


def halves(reference: pd.DataFrame, fraction: float = 0.5, seed: int = 0) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Split an event table by clips drawn at random: ``fraction`` of them to tune on, and the others.

    Raises
    ------
    SedError
        For a fraction outside (0, 1], or one that leaves nothing to tune on.
    """
    clips = tables.filenames(reference)
    if not 0 < fraction <= 1 or round(fraction * len(clips)) == 0:
        raise SedError(f"fraction is {fraction:g}: of {len(clips)} clips tune on at least one, and no more than all")
    drawn = np.random.default_rng([seed]).permutation(clips)[: round(fraction * len(clips))]
    tuned = reference["filename"].isin(set(drawn))
    return reference[tuned].reset_index(drop=True), reference[~tuned].reset_index(drop=True)


def tune(
    posteriors: Posteriors,
    reference: pd.DataFrame,
    search: str = "robust",
    fraction: float = 0.5,
    seed: int = 0,
    duration_s: float | None = None,
) -> dict[str, Any]:
    """Choose transition probabilities on part of the clips, and score them on both parts.

    Parameters
    ----------
    posteriors : Posteriors
    reference : DataFrame
        Event table of the same clips. Those without posteriors are left out, see `on_clips`.
    search : str
        forest, exact or robust.
    fraction : float
        Share of the clips to tune on.
    seed : int
        Of the split, and of the forest.
    duration_s : float, optional
        As for `hmm_events`.

    Returns
    -------
    dict, ready for JSON
        What `Hmm.to_dict` gives; ``baseline`` (median filter of 0.45 s, threshold 0.5) and ``tuned``, each with
        ``f1_tuned_half`` and ``f1_other_half`` (fractions; None without other clips); ``seconds`` of the search;
        ``search fraction seed``, ``clips`` in either half, and what of the reference is ``missing`` (or None).

    Raises
    ------
    SedError
        For an unknown search, a fraction out of its range, and clips, classes or scores that do not fit.
    """
    if search not in SEARCHES:
        raise SedError(f"search {search!r} does not exist; choose one of {', '.join(SEARCHES)}")
    posteriors = replace(posteriors, filenames=composed(posteriors.filenames))
    reference = reference.assign(filename=composed(reference["filename"]))
    reference, missing = on_clips(reference, posteriors.filenames)
    tuned_half, other_half = halves(reference, fraction, seed)
    start = time.perf_counter()
    hmm = SEARCHES[search](Objective(posteriors, tuned_half, duration_s), seed)
    seconds = time.perf_counter() - start

    def macro(half: pd.DataFrame, events: pd.DataFrame) -> float | None:
        if tables.events(half).empty:
            return None
        return event_f1(half, events[events["filename"].isin(half["filename"])], classes=posteriors.classes).macro

    def scores(events: pd.DataFrame) -> dict[str, float | None]:
        return {"f1_tuned_half": macro(tuned_half, events), "f1_other_half": macro(other_half, events)}

    return {
        "search": search,
        "fraction": fraction,
        "seed": seed,
        "seconds": seconds,
        "clips": {"tuned_half": len(tables.filenames(tuned_half)), "other_half": len(tables.filenames(other_half))},
        "missing": missing,
        "baseline": scores(median_events(posteriors, Decoding(), duration_s)),
        "tuned": scores(hmm_events(posteriors, hmm, duration_s)),
        **hmm.to_dict(),
    }


def text(result: dict[str, Any]) -> str:
    """Print `tune`'s result: F1 in percent, then the probabilities and how long they expect an event to last."""
    n = result["clips"]
    lines = [missing_text(result["missing"])] if result.get("missing") else []
    lines.append(
        f"{'event-based macro F1, %':<28}{'tuned half':>12}{'other half':>12}   "
        f"({n['tuned_half']} and {n['other_half']} clips)"
    )
    for name, title in (("baseline", "median 0.45 s, threshold 0.5"), ("tuned", f"HMM, {result['search']}")):
        f1 = (result[name][half] for half in ("f1_tuned_half", "f1_other_half"))
        cells = ("-" if value is None else f"{100 * value:.2f}" for value in f1)
        lines.append(f"{title:<28}" + "".join(f"{cell:>12}" for cell in cells))
    lines += ["", f"{'class':<28}{'p_silence':>10}{'p_event':>10}{'frames':>9}{'confidence':>12}"]
    for name, stay in result["p_event"].items():
        silence, confidence = result["p_silence"][name], result["confidence"][name]
        lines.append(f"{name:<28}{silence:>10.4f}{stay:>10.4f}{1 / (1 - stay):>9.1f}{confidence:>12.2f}")
    lines += [
        "",
        "frames: how long an event is expected to last, 1 / (1 - p_event). Confidence: the posterior that one frame of "
        "an event must reach.",
    ]
    if result["drop_s"]:
        lines.append(f"Events of up to {result['drop_s']:g} s are dropped.")
    return "\n".join([*lines, f"{result['seconds']:.1f} s"])
