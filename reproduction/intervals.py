"""Intervals, p-values and power of scores over clips and trainings.

A score varies with the clips it is computed on and with the seed of its training. The first variance comes from a
bootstrap over clips, on which all systems are drawn alike; the second from the spread of the trainings, of which there
are few, so that Student's t replaces the normal distribution. ``python -m reproduction.intervals`` simulates how often
the intervals hold the true value. Paper section 4; taught in ``notebooks/07_paper_ledger.py``.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import NamedTuple, TypeVar

import numpy as np
import pandas as pd
from scipy.special import stdtr, stdtrit  # of Student's t; scipy.stats takes as long to import as pandas

from sedlib.metrics.bootstrap import check_alike, resampled, times_drawn
from sedlib.metrics.f1 import F1Result, f1_precision_recall
from sedlib.metrics.psds import PsdsCounts

Name = TypeVar("Name", bound=Hashable)  # of a system
FEWEST = 3  # trainings for a verdict: the spread of two says next to nothing
LEVEL, POWER = 0.95, 0.8


class Score(NamedTuple):
    """A score of a system, of several classes or of none."""

    of_training: np.ndarray  # (training, ...)
    draws: np.ndarray  # (resample, ...): its mean over the trainings, on clips drawn with replacement

    def mean(self, classes: Sequence[int] | slice = slice(None)) -> Score:
        """Average over those of the classes that have events; a score without classes stays as it is."""
        if self.draws.ndim == 1:
            return self
        return Score(*(pd.DataFrame(part[:, classes]).mean(axis=1).to_numpy() for part in self))


class Estimate(NamedTuple):
    """A mean over trainings, or a difference of two, with its 95 % interval."""

    value: float
    low: float
    high: float
    p: float  # of its being as far from what it is asked against, were that the truth
    smallest: float  # difference that would be found in four of five such studies
    trainings: int  # the fewest of a system
    clips: float = float("nan")  # variance that comes from the clips
    seeds: Sequence[float] = ()  # variance over trainings of each system, or of their paired differences

    @property
    def judged(self) -> bool:
        """Whether there are enough trainings for a verdict."""
        return self.trainings >= FEWEST


def over_trainings(systems: Mapping[Name, list[F1Result]], n_resamples: int = 1000, seed: int = 0) -> dict[Name, Score]:
    """Compute F1 by class of systems, ``(training, class)``, and draw clips, the same ones for all.

    Parameters
    ----------
    systems : dict of lists of F1Result
        A result for each training, all on the same clips and classes.
    n_resamples, seed : int
        As for `sedlib.metrics.confidence`.

    Raises
    ------
    SedError
        If clips or classes differ.
    """
    check_alike([result for results in systems.values() for result in results])
    found = {}
    for name, results in systems.items():
        values = np.array([_f1(result, result.counts.sum(axis=0)) for result in results])
        draws = [_f1(result, resampled(result.counts, n_resamples, seed)) for result in results]
        found[name] = Score(values, np.mean(draws, axis=0))
    return found


def psds_over_trainings(
    systems: Mapping[Name, list[PsdsCounts]], n_resamples: int = 1000, seed: int = 0
) -> dict[Name, Score]:
    """Compute PSDS of systems, ``(training,)``, on the draws of clips that `over_trainings` takes."""
    found = {}
    for name, results in systems.items():
        times = times_drawn(len(results[0].filenames), n_resamples, seed)
        values = [float(result.score(np.ones(len(result.filenames)))) for result in results]
        found[name] = Score(np.array(values), np.mean([result.score(times) for result in results], axis=0))
    return found


def _f1(result: F1Result, counts: np.ndarray) -> np.ndarray:
    return f1_precision_recall(counts, result.precision_of_none)[0]


def estimate(score: Score, against: float = 0.0) -> Estimate:
    """Estimate the mean of a score over clips and trainings; one training's interval is over clips alone."""
    return _estimate([score.of_training], score.draws, against)


def difference(first: Score, second: Score, against: float = 0.0, paired: bool = False) -> Estimate:
    """Estimate ``first - second`` on the same clips.

    Parameters
    ----------
    first, second : Score
        Without classes (`Score.mean`).
    against : float
        The difference that the p-value asks about.
    paired : bool
        Training n of the one is, or has a part of, training n of the other: two decodings, an ensemble and its member.
    """
    of_training = [first.of_training, -second.of_training]
    if paired and len(first.of_training) == len(second.of_training):
        of_training = [first.of_training - second.of_training]
    return _estimate(of_training, first.draws - second.draws, against)


def _estimate(of_training: list[np.ndarray], draws: np.ndarray, against: float) -> Estimate:
    counts = [len(values) for values in of_training]
    value = float(sum(values.mean() for values in of_training))
    clips = float(np.nanvar(draws, ddof=1)) if np.isfinite(draws).sum() > 1 else float("nan")
    seeds = [float(values.var(ddof=1)) for values in of_training if len(values) > 1]
    error, freedom = _error(clips, seeds, [n for n in counts if n > 1])
    reach = error * float(stdtrit(freedom, (1 + LEVEL) / 2))
    p = float(2 * stdtr(freedom, -abs(value - against) / error)) if error else float(np.isclose(value, against))
    smallest = _detectable(error, freedom)
    return Estimate(value, value - reach, value + reach, p, smallest, min(counts), clips, seeds)


def _error(clips: float, seeds: Sequence[float], counts: Sequence[int]) -> tuple[float, float]:
    """Add up the variances of clips and trainings (s^2 / n), with Satterthwaite's degrees of freedom."""
    parts = [variance / n for variance, n in zip(seeds, counts, strict=True)]
    variance, spread = clips + sum(parts), sum(part**2 / (n - 1) for part, n in zip(parts, counts, strict=True))
    return variance**0.5, variance**2 / spread if spread else np.inf


def _detectable(error: float, freedom: float) -> float:
    return error * float(stdtrit(freedom, (1 + LEVEL) / 2) + stdtrit(freedom, POWER))


def detectable(clips: float, seeds: Sequence[float], trainings: int) -> float:
    """Compute the difference that four of five studies would find: those of so many trainings of each system.

    Parameters
    ----------
    clips : float
        Variance that comes from the clips; a tenth of `Estimate.clips` with ten times as many.
    seeds : sequence of float
        As of `Estimate`.
    trainings : int
        2 or more.
    """
    return _detectable(*_error(clips, seeds, [trainings] * len(seeds)))


def needed(difference: float, clips: float, seeds: Sequence[float], most: int = 1000) -> int | None:
    """Find how many trainings of each system `detectable` takes for a difference; None if ``most`` are too few."""
    enough = (n for n in range(FEWEST, most + 1) if detectable(clips, seeds, n) <= difference)
    return next(enough, None)


def reach_of_seeds(known: Sequence[float], trainings: int) -> float:
    """Return how far the mean of further trainings may lie from that of known ones, in 95 of 100 cases.

    Parameters
    ----------
    known : sequence of float
        A score of each known training, two or more, on the same clips as the further ones.
    trainings : int
        Number of further trainings.

    Returns
    -------
    float
        Half the prediction interval: t(n - 1) * s * sqrt(1 / n + 1 / trainings).
    """
    n = len(known)
    return float(stdtrit(n - 1, (1 + LEVEL) / 2) * np.std(known, ddof=1) * (1 / n + 1 / trainings) ** 0.5)


def coverage(trainings: int, share_of_seeds: float, studies: int = 4000, clips: int = 200, seed: int = 0) -> float:
    """Simulate studies; return the share of them whose interval of a difference of two systems holds its true value.

    Parameters
    ----------
    trainings : int
        Of either system.
    share_of_seeds : float
        Of the variance of one training's score, what comes from its seed; the rest from the clips.
    studies, clips, seed : int
        A clip's part is that of its own score, of which the two systems share half.
    """
    rng, held = np.random.default_rng(seed), 0
    of_clip, of_seed = np.sqrt((1 - share_of_seeds) * clips), np.sqrt(share_of_seeds)
    times = times_drawn(clips, 200, seed) / clips
    for _ in range(studies):
        common, scores = rng.normal(size=clips), []
        for _ in range(2):
            of_clips = of_clip * (common + rng.normal(size=clips)) / np.sqrt(2)
            seeds = of_seed * rng.normal(size=trainings)
            scores.append(Score(of_clips.mean() + seeds, times @ of_clips + seeds.mean()))
        found = difference(*scores)
        held += found.low <= 0 <= found.high
    return held / studies


def main() -> None:
    """Print how often intervals hold the true value, by trainings and by what part of the variance is the seeds'."""
    shares = (0.1, 0.5, 0.9)
    rows = {n: [f"{100 * coverage(n, share):.1f} %" for share in shares] for n in (3, 5, 10)}
    columns = [f"{share:.0%} of the variance from seeds" for share in shares]
    print(pd.DataFrame.from_dict(rows, orient="index", columns=columns).rename_axis("trainings"))


if __name__ == "__main__":
    main()
