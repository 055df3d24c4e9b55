"""Operating points of the HMMs: events at many thresholds, as scores of frames, and the PSDS of both."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from psds_oracle import psds_at_every_threshold
from tries import tries

from sedcourse.hmmlearn_hmm import hmm_scores
from sedlib.decode import THRESHOLDS, Hmm, Posteriors, find_events, frames_to_events, operating_points
from sedlib.decode.hmm import emissions, viterbi
from sedlib.errors import SedError
from sedlib.metrics import psds_from_operating_points

CLASSES = ("Cat", "Dog", "Speech")
TEN = tuple(np.linspace(0.05, 0.95, 10).tolist())
STAYING = Hmm(CLASSES, [0.8, 0.9, 0.6], [0.7, 0.8, 0.6], [0.0, 0.0, 0.0])


def case(seed: int, frame_s: float = 0.25) -> tuple[Posteriors, pd.DataFrame]:
    """Noisy posteriors, and the events that they come from."""
    rng = np.random.default_rng(seed)
    active = np.cumsum(rng.random((12, 40, 3)) < 0.08, axis=1) % 2 > 0
    noisy = 1 / (1 + np.exp(2 - 4 * active - 2 * rng.normal(size=active.shape)))
    posteriors = Posteriors(noisy, [f"{i}.wav" for i in range(12)], CLASSES, frame_s)
    return posteriors, frames_to_events(active, posteriors)


def any_hmm(rng) -> Hmm:
    """One that likes to stay, and drops some events."""
    p_event = rng.uniform(0.01, 0.99, 3)
    return Hmm(
        CLASSES, rng.uniform(1 - p_event, 0.999), p_event, rng.choice([0, 0.5, 0.8], 3), drop_s=rng.choice([0, 0.2])
    )


@given(st.integers(0, 2**32 - 1))
@tries(25)
def test_scores_cut_at_a_threshold_are_the_events_there(seed):
    posteriors, _ = case(seed, frame_s=0.06375)
    hmm, thresholds = any_hmm(np.random.default_rng(seed)), (0.9, 0.02, 0.3, 0.5, 0.51)
    scores, points = hmm_scores(posteriors, hmm, thresholds), operating_points(posteriors, hmm, thresholds)
    assert (scores.filenames, scores.classes, scores.frame_s) == (posteriors.filenames, CLASSES, 0.06375)
    assert tuple(points) == thresholds and set(np.unique(scores.scores)) <= {0, *thresholds}
    for threshold in thresholds:
        pd.testing.assert_frame_equal(points[threshold], find_events(posteriors, hmm, threshold=threshold))
        pd.testing.assert_frame_equal(frames_to_events(scores.scores >= threshold, posteriors), points[threshold])


@given(st.integers(0, 2**32 - 1))
@tries(25)
def test_paths_lie_within_those_of_lower_thresholds(seed):
    posteriors, _ = case(seed)
    hmm = any_hmm(np.random.default_rng(seed))
    paths = [viterbi(emissions(posteriors.scores, at), hmm.p_silence, hmm.p_event) for at in THRESHOLDS]
    assert all((low | ~high).all() for low, high in zip(paths, paths[1:]))


def test_where_staying_is_worth_nothing_a_path_is_the_threshold():
    posteriors, _ = case(0)
    for at in (0.1, 0.5, 0.7):
        expected = frames_to_events(posteriors.scores > at, posteriors)
        pd.testing.assert_frame_equal(find_events(posteriors, Hmm.alike(0.5, 0.5, CLASSES), threshold=at), expected)


def test_points_end_with_the_clips():
    points = operating_points(case(0)[0], STAYING, (0.2, 0.7), duration_s=9.5)
    assert all(table["offset"].max() == 9.5 and (table["onset"] < 9.5).all() for table in points.values())


def test_a_model_that_likes_to_switch_has_no_scores():
    posteriors, _ = case(0)
    hmm = Hmm(CLASSES, [0.5, 0.4, 0.3], [0.5, 0.5, 0.2], [0.0] * 3)
    with pytest.raises(SedError, match="p_silence . p_event of Dog is 0.9, less than 1, .* use operating_points"):
        hmm_scores(posteriors, hmm)
    assert list(operating_points(posteriors, hmm, (0.4, 0.6))) == [0.4, 0.6]


@pytest.mark.parametrize(
    "parameters",
    [{}, {"dtc": 0.77, "gtc": 0.23}, {"alpha_st": 1}, {"max_efpr": 40}, {"alpha_ct": 0.5, "max_efpr": 3000}],
)
@pytest.mark.parametrize("seed", [1, 3])
def test_psds_of_the_points_is_psds_of_the_scores(seed, parameters):
    """By sed_scores_eval, which takes scores where psds_eval takes events."""
    posteriors, reference = case(seed)
    durations = dict.fromkeys(posteriors.filenames, 600.0)
    # Criteria that no ratio of whole frames meets exactly, for psds_eval adds rounded ratios and sed_scores_eval
    # divides a sum.
    parameters = {"dtc": 0.49, "gtc": 0.49, "cttc": 0.31, **parameters}
    # And sed_scores_eval has one point more, below the lowest score: every clip one long event of every class.
    everything = frames_to_events(np.ones(posteriors.scores.shape, bool), posteriors)
    points, scores = operating_points(posteriors, STAYING, TEN), hmm_scores(posteriors, STAYING, TEN)
    few = psds_from_operating_points(reference, [*points.values(), everything], durations, **parameters)
    value, per_class = psds_at_every_threshold(
        reference, scores.scores, scores.filenames, scores.frame_s, durations, CLASSES, **parameters
    )
    assert few.value == pytest.approx(value, abs=1e-9) and 0.5 < few.value < 1
    assert few.per_class == pytest.approx(per_class, abs=1e-9)


@pytest.mark.parametrize("seed", range(3))
def test_many_thresholds_are_worth_more_than_one_path_many_times(seed):
    posteriors, reference = case(seed)
    durations = dict.fromkeys(posteriors.filenames, 600.0)
    path = find_events(posteriors, STAYING)
    released, once = (psds_from_operating_points(reference, [path] * times, durations) for times in (len(TEN), 1))
    assert released == once
    here = psds_from_operating_points(reference, operating_points(posteriors, STAYING, (*TEN, 0.5)).values(), durations)
    assert here.value > released.value + 0.03
    assert all(here.per_class[name] >= released.per_class[name] for name in CLASSES)
