"""Choose the parameters of decoders for event-based macro F1.

Paper sections 3.4 and 4.3; taught in ``notebooks/06_hmm.py``. Three searches on one `Objective`; those of HMMs:

``forest``  the paper's: 11 probabilities (one of silence for all classes), 200 evaluations guided by a random forest.
``exact``   the best of the same family on a grid. With silence tied, macro F1 is a sum over classes, so for every
            silence probability each class has its own best, and 64 times 10 searches along a line replace one in 11
            dimensions. Ties go to the model that stays most: the highest p_silence, then p_event.
``robust``  for unseen clips: silence not tied, F1 smoothed over neighbouring parameters (the fewer events, the more),
            and uncertain events dropped.

Of the other decoders (``median-exact``, ``boxes-robust``, ...) ``exact`` takes each class's best on a grid, and
``robust`` the top of its smoothed landscape.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from scipy.ndimage import gaussian_filter
from tqdm.auto import tqdm

from sedlib.config import Decoding
from sedlib.data import tables
from sedlib.decode.decoders import METHODS, Decoder, find_events
from sedlib.decode.events import median_events
from sedlib.decode.hmm import Hmm
from sedlib.decode.hsmm import Hsmm
from sedlib.decode.objective import Objective
from sedlib.decode.parameters import log_odds
from sedlib.decode.posteriors import Posteriors
from sedlib.errors import SedError
from sedlib.metrics.clips import composed, missing_text, on_clips
from sedlib.metrics.f1 import event_f1

LOW, HIGH = 0.01, 0.999  # the paper's box
CALLS = 200
POINTS = 64  # of the exact search, for either probability

# Of the robust search. The Gaussian is as wide as an `Axis` says / sqrt(reference events of the class), as the sampling
# error of F1 falls with 1 / sqrt(n).
SMOOTHING = 15.0  # of axes in log-odds or logarithms
SHARED = {"boxes": 4.0}  # weight of the other classes' landscapes, / sqrt(reference events) as well
CONFIDENCES = (0.0, 0.5, 0.8)
ROBUST_POINTS = 24
DROP_S = 0.2  # as the released code: up to 3 frames


class Axis(NamedTuple):
    """Values of a parameter to try, and how far they are smoothed over: points, for one reference event."""

    values: np.ndarray
    width: float


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


def axes(method: str) -> dict[str, Axis]:
    """List the parameters of a method that are searched."""

    def even(values: np.ndarray, steps: np.ndarray, width: float = SMOOTHING) -> Axis:
        return Axis(values, width / float(steps[1] - steps[0]))

    if method == "median":
        seconds, p = np.geomspace(0.1, 10, 14), 1 / (1 + np.exp(-np.linspace(-3.5, 3.5, 22)))
        return {"median_s": even(seconds, np.log(seconds), 8), "threshold": even(p, log_odds(p), 12)}
    if method == "boxes":
        p = np.append(0, 1 / (1 + np.exp(-np.linspace(-3.5, 3.5, 22))))
        return {
            "step_s": Axis(np.array([0.16, 0.32, 0.48, 0.64, 1.0, 1.6, 2.5]), 10),
            "absolute": Axis(np.array([0, 0.05, 0.1, 0.15, 0.2, 0.3, 0.45, 0.7, 1]), 10),
            "relative": Axis(np.array([1, 1.5, 2, 3, 5, 8]), 10),
            "confidence": Axis(p, 30),
        }
    confidence = Axis(np.array(CONFIDENCES), SMOOTHING / 2)
    p = grid(ROBUST_POINTS if method == "hmm" else 13)
    silence = even(p, log_odds(p))
    if method == "hmm":
        return {"p_silence": silence, "p_event": silence, "confidence": confidence}
    seconds, shapes = np.geomspace(0.1, 60, 10), np.array([1, 1.6, 2.5])
    return {
        "p_silence": silence,
        "mean_s": even(seconds, np.log(seconds)),
        "shape": Axis(shapes, SMOOTHING),
        "confidence": confidence,
    }


def best(objective: Objective, method: str, robust: bool = True) -> Decoder:
    """Find the parameters of each class on a grid: the best of all, or those that should hold on unseen clips.

    These are the top of the class's smoothed landscape. Parameters of boxes suit many classes, so what is good for the
    others is added there, much where a class has few reference events. A class without any takes the mean of the
    others' landscapes.

    Parameters
    ----------
    objective : Objective
    method : str
        median, hmm, hsmm or boxes.
    robust : bool
    """
    kind, along = METHODS[method], axes(method)
    names = list(kind.RANGES)
    confidences = along["confidence"].values if "confidence" in along else np.zeros(1)
    mesh = np.meshgrid(*(along[name].values for name in names if name != "confidence"), indexing="ij")
    tried = {name: values.ravel() for name, values in zip(names, mesh, strict=False)}
    if "confidence" in along:
        tried["confidence"] = np.zeros(mesh[0].size)
    drop_s = DROP_S if "p_silence" in along else 0.0
    every = kind(tuple(map(str, range(mesh[0].size))), drop_s=drop_s, **tried)
    f1 = objective.scan(every, confidences.tolist()).reshape(-1, *mesh[0].shape, len(confidences))
    allowed = _stays(every, objective.posteriors.frame_s).reshape(*mesh[0].shape, 1)
    widths = [axis.width for axis in along.values()] + [0.0] * (f1.ndim - 1 - len(along))
    if robust:
        places = smoothed_tops(f1, objective.references, widths, allowed, SHARED.get(method, 0))
    else:
        tops = _last_best(np.nan_to_num(f1).reshape(len(f1), -1))
        places = np.transpose(np.unravel_index(tops, f1.shape[1:]))
    found = {name: along[name].values[at] for name, at in zip(names, np.transpose(places), strict=False)}
    return kind(objective.classes, drop_s=drop_s, **found)


def _stays(every: Decoder, frame_s: float) -> np.ndarray:
    """Whether a model likes to stay more than to switch; a smoother must."""
    if isinstance(every, Hmm):
        return every.p_silence + every.p_event >= 1
    if isinstance(every, Hsmm):
        return every.p_silence >= frame_s / every.mean_s
    return np.ones(len(every.classes), bool)


def smoothed_tops(
    f1: np.ndarray, references: np.ndarray, widths: Sequence[float], allowed: np.ndarray, shared: float
) -> list[tuple]:
    """Find the top of each class's landscape (class, ...) after smoothing, with the others' beside it.

    ``widths`` along the axes are for one reference event; where ``allowed`` is False is no top.
    """
    there = np.flatnonzero(references)
    root = np.sqrt(np.maximum(references, 1))
    smoothed = {k: gaussian_filter(f1[k], [width / root[k] for width in widths], mode="nearest") for k in there}
    smoothed = {k: np.where(allowed, of, -1) for k, of in smoothed.items()}
    below = {k: of - of.max() for k, of in smoothed.items()}
    places = []
    for k in range(len(f1)):
        others = [of for other, of in below.items() if other != k] or [0 * allowed]
        own = smoothed[k] + shared / root[k] * np.mean(others, axis=0) if k in smoothed else np.mean(others, axis=0)
        places.append(np.unravel_index(np.where(allowed, own, -np.inf).argmax(), f1.shape[1:]))
    return places


def robust(objective: Objective) -> Hmm:
    """Find HMMs that should hold on unseen clips, see `best`."""
    found = best(objective, "hmm")
    assert isinstance(found, Hmm)
    return found


Search = Callable[[Objective, int], Decoder]
SEARCHES: dict[str, Search] = {
    "forest": lambda objective, seed: forest(objective, seed, progress=True),
    "exact": lambda objective, seed: exact(objective),
    "robust": lambda objective, seed: robust(objective),
}
SEARCHES |= {
    f"{method}-{search}": lambda objective, _, method=method, search=search: best(objective, method, search == "robust")
    for method in METHODS
    for search in ("exact", "robust")
    if method != "hmm"
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
        raise SedError(f"fraction is {fraction:g}: tune on at least one of the {len(clips)} clips, and at most on all")
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
    """Choose a decoder's parameters on part of the clips, and score them on both parts.

    Parameters
    ----------
    posteriors : Posteriors
    reference : DataFrame
        Event table of the same clips. Those without posteriors are left out, see `on_clips`.
    search : str
        One of `SEARCHES`.
    fraction : float
        Share of the clips to tune on.
    seed : int
        Of the split, and of the forest.
    duration_s : float, optional
        As for `find_events`.

    Returns
    -------
    dict, ready for JSON
        What the decoder's ``to_dict`` gives; ``baseline`` (median filter of 0.45 s, threshold 0.5) and ``tuned``, each
        with ``f1_tuned_half`` and ``f1_other_half`` (fractions; None without other clips); ``seconds`` of the search;
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
    decoder = SEARCHES[search](Objective(posteriors, tuned_half, duration_s), seed)
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
        "tuned": scores(find_events(posteriors, decoder, duration_s)),
        **decoder.to_dict(),
    }


def text(result: dict[str, Any]) -> str:
    """Print `tune`'s result: F1 in percent, then the parameters by class."""
    n, kind = result["clips"], METHODS[result["method"]]
    lines = [missing_text(result["missing"])] if result.get("missing") else []
    lines.append(
        f"{'event-based macro F1, %':<28}{'tuned half':>12}{'other half':>12}   "
        f"({n['tuned_half']} and {n['other_half']} clips)"
    )
    titles = {
        "baseline": "median 0.45 s, threshold 0.5",
        "tuned": f"{kind.TITLE}, {result['search'].rpartition('-')[2]}",
    }
    for name, title in titles.items():
        f1 = (result[name][half] for half in ("f1_tuned_half", "f1_other_half"))
        cells = ("-" if value is None else f"{100 * value:.2f}" for value in f1)
        lines.append(f"{title:<28}" + "".join(f"{cell:>12}" for cell in cells))
    lines += ["", f"{'class':<28}" + "".join(f"{name:>12}" for name in kind.RANGES)]
    for label in result[next(iter(kind.RANGES))]:
        cells = (f"{result[name][label]:>12.{2 if name == 'confidence' else 4}f}" for name in kind.RANGES)
        lines.append(f"{label:<28}" + "".join(cells))
    lines.append("")
    if result["drop_s"]:
        lines.append(f"Events of up to {result['drop_s']:g} s are dropped.")
    return "\n".join([*lines, f"{result['seconds']:.1f} s"])
