"""Tuning of the HMMs: the objective against the metric, the searches against all there is to find, halves, real
outputs."""

import json
import warnings
from dataclasses import replace
from itertools import product
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import skopt
from hypothesis import given
from hypothesis import strategies as st
from tries import tries

from sedlib.config import Decoding
from sedlib.data import tables
from sedlib.decode import Hmm, Posteriors, find_events, frames_to_events, median_events, tuning
from sedlib.decode.tuning import CONFIDENCES, DROP_S, HIGH, LOW, Objective, exact, forest, grid, halves, robust, tune
from sedlib.errors import SedError
from sedlib.metrics import event_f1
from sedlib.metrics.f1 import f1_precision_recall

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # its dependencies import pkg_resources
    import sed_eval

CLASSES = ("Cat", "Dog", "Speech")


def case(seed: int, clips: int = 8, frames: int = 50, silent_class: bool = False) -> tuple[Posteriors, pd.DataFrame]:
    """Noisy posteriors, and a reference whose onsets are off by about a collar; some of its clips have no events."""
    rng = np.random.default_rng(seed)
    active = np.cumsum(rng.random((clips, frames, 3)) < 0.08, axis=1) % 2 > 0
    active[rng.random(clips) < 0.2] = False
    active[0, 10:20, 0] = True
    noisy = 1 / (1 + np.exp(2 - 4 * active - 2 * rng.normal(size=active.shape)))
    posteriors = Posteriors(noisy, [f"{i}.wav" for i in range(clips)], CLASSES, 0.06375)
    active[..., 2] &= not silent_class
    events = frames_to_events(active, posteriors)
    events["onset"] = (events["onset"] + rng.normal(0, 0.1, len(events))).clip(0, events["offset"])
    silent = pd.DataFrame({"filename": sorted(set(posteriors.filenames) - set(events["filename"]))})
    return posteriors, pd.concat([events, silent], ignore_index=True)


def any_hmm(rng, **options) -> Hmm:
    return Hmm(CLASSES, *rng.uniform(LOW, HIGH, (2, 3)), rng.choice([0, 0.5, 0.8], 3), **options)


@given(st.integers(0, 2**32 - 1), st.booleans(), st.sampled_from([None, 1.5, 10.0]))
@tries(40)
def test_the_objective_is_the_metric(seed, silent_class, duration_s):
    rng = np.random.default_rng(seed)
    posteriors, reference = case(seed, silent_class=silent_class)
    hmm = any_hmm(rng, drop_s=rng.choice([0, 0.1, 0.2]))
    objective = Objective(posteriors, reference, duration_s)
    result = event_f1(reference, find_events(posteriors, hmm, duration_s), classes=CLASSES)
    assert np.array_equal(objective.counts(hmm), result.counts.sum(axis=0))
    assert objective.f1(hmm) == result.macro


def test_the_objective_is_sed_evals_macro_f1():
    posteriors, reference = case(0, clips=30)
    hmm = Hmm(CLASSES, [0.8, 0.6, 0.9], [0.7, 0.6, 0.8], [0.0, 0.8, 0.5], drop_s=0.1)
    metrics = sed_eval.sound_event.EventBasedMetrics(
        list(CLASSES), t_collar=0.2, percentage_of_length=0.2, empty_system_output_handling="zero_score"
    )
    for name in tables.filenames(reference):
        metrics.evaluate(
            *(
                table[table["filename"] == name].to_dict("records")
                for table in (tables.events(reference), find_events(posteriors, hmm))
            )
        )
    value = Objective(posteriors, reference).f1(hmm)
    assert value == metrics.results_class_wise_average_metrics()["f_measure"]["f_measure"]
    assert 0.1 < value < 0.9


def test_only_the_references_clips_count():
    posteriors, reference = case(1)
    some = reference[reference["filename"].isin(["0.wav", "3.wav"])]
    hmm = Hmm.alike(0.8, 0.7, CLASSES)
    events = find_events(posteriors, hmm)
    expected = event_f1(some, events[events["filename"].isin(some["filename"])], classes=CLASSES)
    assert np.array_equal(Objective(posteriors, some).counts(hmm), expected.counts.sum(axis=0))


@pytest.mark.parametrize("silent_class", [False, True])
def test_the_landscape_holds_the_f1_of_single_models(silent_class):
    objective = Objective(*case(2, silent_class=silent_class))
    p_silence, p_event, confidences = [0.2, 0.9], [0.3, 0.6, 0.99], [0.0, 0.7]
    found = objective.landscape(p_silence, p_event, confidences, drop_s=0.1)
    assert found.shape == (3, 2, 3, 2)
    for s, e, c in product(range(2), range(3), range(2)):
        hmm = Hmm.alike(p_silence[s], p_event[e], CLASSES, confidence=confidences[c], drop_s=0.1)
        np.testing.assert_array_equal(found[:, s, e, c], f1_precision_recall(objective.counts(hmm))[0])
    assert np.isnan(found[2]).all() == silent_class


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"onset": np.nan, "offset": np.nan, "event_label": np.nan},
            "no events in these clips, so there is nothing to tune",
        ),
        ({"event_label": "dog"}, "label 'dog' is not one of the 3 classes; did you mean 'Dog'"),
        ({"filename": "x.wav"}, "no clip in common with the reference .*'x.wav'"),
    ],
)
def test_references_that_do_not_fit(change, message):
    posteriors, reference = case(0)
    with pytest.raises(SedError, match=message):
        Objective(posteriors, reference.assign(**change))


def test_the_grid_has_equal_steps_of_log_odds():
    p = grid(9)
    assert p[0] == pytest.approx(LOW) and p[-1] == pytest.approx(HIGH)
    np.testing.assert_allclose(np.diff(np.log(p / (1 - p)), n=2), 0, atol=1e-12)


@pytest.mark.parametrize("seed", range(4))
def test_exact_is_the_best_of_all_tied_models(seed):
    objective = Objective(*case(seed, silent_class=seed == 3))
    found = exact(objective, points=4)
    best = max(
        objective.f1(Hmm(CLASSES, np.full(3, silence), np.array(events), np.zeros(3)))
        for silence, *events in product(grid(4), repeat=4)
    )
    assert objective.f1(found) == best
    assert len(set(found.p_silence)) == 1 and set(found.p_silence) | set(found.p_event) <= set(grid(4))
    assert not found.confidence.any() and found.drop_s == 0


def test_forest_keeps_the_best_of_what_it_tried_and_repeats():
    objective, seen = Objective(*case(5)), []
    found = forest(objective, seed=1, calls=12, watch=lambda values: seen.append(list(values)))
    assert [len(values) for values in seen] == list(range(1, 13))
    assert all(values == seen[-1][: len(values)] for values in seen) and len(set(seen[-1])) > 3
    assert objective.f1(found) == max(seen[-1])
    assert len(set(found.p_silence)) == 1 and len(set(found.p_event)) == 3
    for p in (found.p_silence, found.p_event):
        assert (p >= LOW).all() and (p <= HIGH).all()
    assert forest(objective, seed=1, calls=12).to_dict() == found.to_dict()
    assert forest(objective, seed=2, calls=12).to_dict() != found.to_dict()


def test_forest_searches_as_the_paper_does(monkeypatch):
    asked = {}

    def search(function, box, **options):
        asked.update(options, box=box)
        return SimpleNamespace(x=[0.9, 0.1, 0.2, 0.3])

    monkeypatch.setattr(skopt, "forest_minimize", search)
    found = forest(Objective(*case(5)), seed=3)
    assert asked["box"] == [(0.01, 0.999)] * 4
    assert (asked["n_calls"], asked["base_estimator"], asked["random_state"]) == (200, "RF", 3)
    assert (found.p_silence.tolist(), found.p_event.tolist()) == ([0.9] * 3, [0.1, 0.2, 0.3])


@pytest.fixture
def few_points(monkeypatch):
    monkeypatch.setattr(tuning, "ROBUST_POINTS", 8)


@pytest.mark.parametrize("silent_class", [False, True])
def test_robust_models_like_to_stay(few_points, silent_class):
    found = robust(Objective(*case(6, silent_class=silent_class)))
    assert (found.p_silence + found.p_event >= 1).all()
    assert set(found.p_silence) | set(found.p_event) <= set(grid(8)) and set(found.confidence) <= set(CONFIDENCES)
    assert found.drop_s == DROP_S


def test_robust_is_the_top_of_the_landscape_where_nothing_is_smoothed(few_points, monkeypatch):
    monkeypatch.setattr(tuning, "SMOOTHING", 1e-9)
    objective = Objective(*case(13, clips=30))
    found, p = robust(objective), grid(8)
    f1 = objective.landscape(p, p, CONFIDENCES, DROP_S)
    f1[:, np.add.outer(p, p) < 1] = -1
    got = f1_precision_recall(objective.counts(found))[0]
    np.testing.assert_array_equal(got, f1.max(axis=(1, 2, 3)))
    assert len(set(found.p_silence)) > 1


def test_robust_gives_a_class_without_events_what_is_good_for_the_others(few_points, monkeypatch):
    monkeypatch.setattr(tuning, "SMOOTHING", 1e-9)
    objective = Objective(*case(8, silent_class=True))
    found, p = robust(objective), grid(8)
    f1 = objective.landscape(p, p, CONFIDENCES, DROP_S)[:2].mean(axis=0)
    here = (
        *(int(np.argmin(abs(p - of[2]))) for of in (found.p_silence, found.p_event)),
        CONFIDENCES.index(found.confidence[2]),
    )
    assert f1[here] == f1[np.add.outer(p, p) >= 1].max()


def test_robust_smooths_the_more_the_fewer_events_there_are(few_points, monkeypatch):
    objective, widths = Objective(*case(9)), []
    monkeypatch.setattr(tuning, "gaussian_filter", lambda values, sigma, mode: widths.append(sigma) or values)
    objective.references = np.array([400, 25, 1])
    robust(objective)
    step = (tuning.log_odds(HIGH) - tuning.log_odds(LOW)) / 7
    np.testing.assert_allclose([width[0] * step for width in widths], tuning.SMOOTHING / np.array([20, 5, 1]))
    assert all(width[0] == width[1] for width in widths)


@pytest.mark.parametrize(("fraction", "size"), [(0.5, 5), (0.3, 3), (0.06, 1), (1, 10)])
def test_halves_are_disjoint_and_all_there_is(fraction, size):
    reference = pd.DataFrame(
        {
            "filename": [f"{i % 10}.wav" for i in range(30)],
            "onset": np.arange(30.0),
            "offset": np.arange(1.0, 31.0),
            "event_label": "Cat",
        }
    )
    reference.loc[reference["filename"] == "4.wav", ["onset", "offset", "event_label"]] = np.nan
    tuned, other = halves(reference, fraction, seed=3)
    assert len(set(tuned["filename"])) == size and not set(tuned["filename"]) & set(other["filename"])
    pd.testing.assert_frame_equal(
        pd.concat([tuned, other]).sort_values(["filename", "onset"], ignore_index=True),
        reference.sort_values(["filename", "onset"], ignore_index=True),
    )
    pd.testing.assert_frame_equal(halves(reference, fraction, seed=3)[0], tuned)


def test_halves_differ_by_seed():
    reference = pd.DataFrame({"filename": [f"{i}.wav" for i in range(40)]})
    drawn = {tuple(halves(reference, seed=seed)[0]["filename"]) for seed in range(5)}
    assert len(drawn) == 5


@pytest.mark.parametrize("fraction", [0, 0.04, -0.5, 1.01, float("nan"), float("inf")])
def test_a_share_of_the_clips_is_more_than_none_and_no_more_than_all(fraction):
    with pytest.raises(SedError, match=f"fraction is {fraction:g}: tune on at least one of the 8 clips"):
        tune(*case(0), fraction=fraction)


@pytest.mark.parametrize("search", ["exact", "robust"])
def test_tune_chooses_on_one_half_and_scores_both(search, monkeypatch):
    monkeypatch.setitem(tuning.SEARCHES, "exact", lambda objective, seed: exact(objective, points=5))
    monkeypatch.setattr(tuning, "ROBUST_POINTS", 5)
    posteriors, reference = case(10, clips=20)
    result = tune(posteriors, reference, search, fraction=0.4, seed=2)
    assert json.loads(json.dumps(result)) == result
    assert (result["search"], result["fraction"], result["seed"]) == (search, 0.4, 2)
    assert result["clips"] == {"tuned_half": 8, "other_half": 12} and result["seconds"] > 0
    tuned_half, other_half = halves(reference, 0.4, 2)
    hmm = tuning.SEARCHES[search](Objective(posteriors, tuned_half), 2)
    assert {name: result[name] for name in hmm.to_dict()} == hmm.to_dict()
    for name, events in (("baseline", median_events(posteriors, Decoding())), ("tuned", find_events(posteriors, hmm))):
        for key, half in (("f1_tuned_half", tuned_half), ("f1_other_half", other_half)):
            assert (
                result[name][key]
                == event_f1(half, events[events["filename"].isin(half["filename"])], classes=CLASSES).macro
            )


def test_tune_scores_clips_as_long_as_they_are(monkeypatch):
    monkeypatch.setitem(tuning.SEARCHES, "exact", lambda objective, seed: exact(objective, points=3))
    posteriors, reference = case(11)
    reference["offset"] = reference["offset"].clip(upper=2.0)
    reference = reference[~(reference["onset"] >= 2.0)]
    here, without = (tune(posteriors, reference, "exact", duration_s=seconds) for seconds in (2.0, None))
    assert here["baseline"]["f1_tuned_half"] > without["baseline"]["f1_tuned_half"]
    assert here["tuned"]["f1_tuned_half"] > without["tuned"]["f1_tuned_half"]


def test_tuned_on_all_clips_no_other_half_is_scored(monkeypatch):
    monkeypatch.setitem(tuning.SEARCHES, "exact", lambda objective, seed: exact(objective, points=3))
    result = tune(*case(12), search="exact", fraction=1)
    assert result["clips"] == {"tuned_half": 8, "other_half": 0}
    for name in ("baseline", "tuned"):
        assert result[name]["f1_other_half"] is None and 0 < result[name]["f1_tuned_half"] < 1
    lines = tuning.text(result).splitlines()
    assert lines[0].endswith("(8 and 0 clips)") and lines[1].split()[-1] == lines[2].split()[-1] == "-"


def test_the_table_names_every_class_and_its_parameters():
    result = {
        "search": "robust",
        "clips": {"tuned_half": 3, "other_half": 4},
        "seconds": 2.04,
        "baseline": {"f1_tuned_half": 0.4, "f1_other_half": 0.421},
        "tuned": {"f1_tuned_half": 0.5, "f1_other_half": 0.46},
        **Hmm(("Cat", "Dog"), [0.9, 0.8], [0.75, 0.99], [0.0, 0.8], drop_s=0.2).to_dict(),
    }
    rows = [line.split() for line in tuning.text(result).splitlines()]
    assert rows[1][-2:] == ["40.00", "42.10"] and rows[2][-2:] == ["50.00", "46.00"]
    assert ["class", "p_silence", "p_event", "confidence"] in rows
    assert ["Cat", "0.9000", "0.7500", "0.00"] in rows and ["Dog", "0.8000", "0.9900", "0.80"] in rows
    assert "Events of up to 0.2 s are dropped." in tuning.text(result) and rows[-1] == ["2.0", "s"]


def test_an_unknown_search_and_clips_without_scores_are_named():
    posteriors, reference = case(0)
    with pytest.raises(SedError, match="search 'grid' does not exist; choose one of forest, exact, robust"):
        tune(posteriors, reference, "grid")
    with pytest.raises(SedError, match="1 clips are not in the reference, for example '3.wav'"):
        tune(posteriors, reference[reference["filename"] != "3.wav"])
    with pytest.raises(SedError, match="no clip in common with the reference"):
        tune(posteriors, reference.assign(filename="far.wav"))


def test_clips_without_posteriors_are_left_out_and_counted():
    posteriors, reference = case(0)
    reference.loc[len(reference)] = ["far.wav", 0.0, 1.0, "Cat"]
    cats = (reference["event_label"] == "Cat").sum()
    objective, hmm = Objective(posteriors, reference), Hmm.alike(0.8, 0.7, CLASSES)
    assert np.array_equal(objective.counts(hmm), Objective(posteriors, reference[:-1]).counts(hmm))
    found, expected = tune(posteriors, reference), tune(posteriors, reference[:-1])
    assert "1 of the reference's 9 clips are missing, for example far.wav" in tuning.text(found)
    missing = found.pop("missing")
    assert missing["clips"] == 1 and expected.pop("missing") is None
    assert missing["events"]["Cat"] == {"missing": 1, "of": cats, "share": 1 / cats}
    assert found | {"seconds": 0} == expected | {"seconds": 0}


def test_posteriors_named_with_accents_apart_are_of_the_same_clips():
    posteriors, reference = case(0)
    apart = replace(posteriors, filenames=[name.replace("0", "o\u0308") for name in posteriors.filenames])
    composed = reference.assign(filename=reference["filename"].str.replace("0", "\u00f6"))
    assert tune(apart, composed, fraction=1)["tuned"] == tune(posteriors, reference, fraction=1)["tuned"]


@pytest.mark.parametrize("level", [0.0, 0.5])
def test_of_equally_good_models_exact_takes_the_one_that_stays_most(level):
    """Scores that tell nothing, of 3.2 s; single frames and whole clips, which is all that models find there, are as
    wrong as silence."""
    posteriors, _ = case(0)
    posteriors = replace(posteriors, scores=np.full(posteriors.scores.shape, level))
    reference = pd.DataFrame([(name, 1.0, 2.5, "Dog") for name in posteriors.filenames], columns=tables.EVENT_COLUMNS)
    found = exact(Objective(posteriors, reference))
    assert set(found.p_silence) == set(found.p_event) == {grid(tuning.POINTS)[-1]}
    assert find_events(posteriors, found).empty


@pytest.mark.parametrize("seed", range(4))
def test_exacts_choice_among_equals_by_brute_force(seed):
    objective = Objective(*case(seed, silent_class=seed == 3))
    found, every = exact(objective, points=4), list(product(grid(4), repeat=4))
    values = [
        objective.f1(Hmm(CLASSES, np.full(3, silence), np.array(events), np.zeros(3))) for silence, *events in every
    ]
    assert tuple([found.p_silence[0], *found.p_event]) == max(
        of for of, value in zip(every, values) if value >= max(values) - 1e-12
    )


@pytest.fixture(scope="module")
def real(shared):
    folder = shared / "desed" / "baseline2021"
    if not folder.is_dir():
        pytest.skip("needs ../shared/desed")
    return Posteriors.load(folder / "teacher" / "scores.npz"), tables.read_events(folder / "validation.tsv")


def test_of_a_real_system_the_median_filter_scores_what_was_published(real):
    """Published are 42.13 %; these posteriors are rebuilt from predictions at 50 thresholds, after a median filter of
    the system's own."""
    posteriors, reference = real
    assert 100 * event_f1(reference, median_events(posteriors, Decoding())).macro == pytest.approx(42.13, abs=0.1)


def test_tuning_a_real_system_helps_on_clips_not_seen(real):
    result = tune(*real, search="robust", seed=0)
    gain = {
        half: 100 * (result["tuned"][half] - result["baseline"][half]) for half in ("f1_tuned_half", "f1_other_half")
    }
    assert gain["f1_other_half"] > 2.5 and gain["f1_tuned_half"] > 4


def test_exact_search_gains_on_the_clips_of_a_real_system_that_it_saw(real):
    posteriors, reference = real
    tuned_half, _ = halves(reference)
    events = median_events(posteriors.select(tables.filenames(tuned_half)), Decoding())
    objective = Objective(posteriors, tuned_half)
    assert objective.f1(exact(objective, points=16)) - event_f1(tuned_half, events).macro > 0.03
