"""Scenes: what is planned can be heard, and what comes out is like DESED."""

from functools import cache

import numpy as np
import pandas as pd
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st
from tries import tries

from minidesed import desed, soundscapes, statistics
from minidesed.recordings import IsolatedSounds
from minidesed.scenes import STATISTICS
from minidesed.voices import Voices
from sedlib.config import CLIP_S
from sedlib.data import scenes, tables
from sedlib.data.layout import SUBSETS
from sedlib.data.scenes import NOTHING, Event, scenario
from sedlib.data.soundbank import CONTINUOUS


@tries(200)
@given(st.integers(0, 2**32), st.sampled_from(sorted(SUBSETS)))
def test_a_scenario_lies_within_the_clip_and_classes_do_not_overlap_themselves(seed, subset):
    events = scenario(np.random.default_rng(seed), STATISTICS[subset])
    assert events or NOTHING in STATISTICS[subset].mix
    assert scenes.polyphony(events) <= STATISTICS[subset].polyphony
    assert events == sorted(events, key=lambda e: e.onset)
    for label in {e.label for e in events}:
        own = [e for e in events if e.label == label]
        for e in own:
            assert 0 <= e.onset and e.onset + e.duration <= CLIP_S + 1e-9 and e.duration >= scenes.SHORTEST_S
        for a, b in zip(own, own[1:]):
            assert b.onset - (a.onset + a.duration) >= scenes.GAP_S - 1e-9


@pytest.mark.parametrize("starts", [0, 1])
@pytest.mark.parametrize("ends", [0, 1])
@pytest.mark.parametrize("more, median", [(0.0001, 2.0), (3.0, 1.0), (3.0, 6.0)])
def test_a_class_begins_and_ends_with_the_clip_where_it_should(starts, ends, more, median):
    """Also where several events were drawn, and no more than one of them fits."""
    expected = scenes.EventStatistics(more, 1.0, median, 0.05, starts, ends)
    counts = []
    for seed in range(300):
        events = scenes._place(expected, np.random.default_rng(seed))
        counts.append(len(events))
        assert (events[0][0] == 0) >= starts and (sum(events[-1]) == pytest.approx(CLIP_S)) >= ends
        assert all(0 <= onset and onset + duration <= CLIP_S + 1e-9 for onset, duration in events)
    assert (max(counts) == 1) == (median == 6.0 or more < 1)


def test_polyphony_counts_what_sounds_at_once():
    assert scenes.polyphony([]) == 0
    assert scenes.polyphony([Event("Dog", 0, 1), Event("Cat", 1, 1)]) == 1
    assert scenes.polyphony([Event("Dog", 0, 5), Event("Cat", 1, 1), Event("Speech", 1.5, 3)]) == 3


def test_overlap_is_the_time_in_which_events_sound_together():
    assert scenes.overlap([]) == scenes.overlap([Event("Dog", 0, 1), Event("Cat", 1, 1)]) == 0
    assert scenes.overlap([Event("Dog", 0, 5), Event("Cat", 1, 1), Event("Speech", 4.5, 3)]) == 1.5


@pytest.mark.parametrize("subset", sorted(SUBSETS))
def test_the_mix_names_classes_and_probabilities(subset):
    for main, scene in STATISTICS[subset].mix.items():
        assert main in (*tables.CLASSES, NOTHING) and scene.clips > 0
        assert set(scene.company) <= set(tables.CLASSES) - {main}
        assert all(0 < probability < 1 for probability in scene.company.values())
    assert sum(scene.clips for scene in STATISTICS[subset].mix.values()) == pytest.approx(1000, abs=3)


def event_table(clips: list[list[Event]]) -> pd.DataFrame:
    rows = [
        (f"{i}.wav", e.onset, min(CLIP_S, e.onset + e.duration), e.label)
        for i, clip in enumerate(clips)
        for e in clip or [Event(np.nan, np.nan, np.nan)]
    ]
    return pd.DataFrame(rows, columns=tables.EVENT_COLUMNS)


@pytest.mark.parametrize("subset", ["synthetic", "weak", "validation", "public"])
def test_clips_hold_the_classes_that_desed_holds(subset):
    plans = event_table([scenario(np.random.default_rng([1, i]), STATISTICS[subset]) for i in range(3000)])
    compared = statistics.compare(statistics.facts(plans), desed.facts(subset))
    shares = compared.xs("clip_share", level="quantity")
    classes = shares.loc[list(tables.CLASSES)]
    assert classes[~classes["ratio"].between(1 / 1.2, 1.2)].empty
    frequent = shares[shares.index.str.contains(" + ", regex=False) & (shares["DESED"] > 0.03)]
    assert len(frequent) >= 7
    assert frequent[~frequent["ratio"].between(1 / 1.35, 1.35)].empty


WHOLE_SOUNDS = ("Cat", "Dishes", "Dog")  # calls, strikes and barks are not cut: what sounds varies


@pytest.fixture(scope="module")
def bank(tmp_path_factory) -> IsolatedSounds:
    """Isolated sounds as in profile lesson, where whole ones are taken; of continuous ones any part will do."""
    folder = tmp_path_factory.mktemp("bank")
    for label in tables.CLASSES:
        (folder / "foreground" / label).mkdir(parents=True)
        for index in range(2 if label in CONTINUOUS else 40):
            sound = soundscapes.make_sound(label, Voices("synthetic"), 0, index)
            soundfile.write(folder / "foreground" / label / f"{index:02d}.wav", sound, 16000)
    return IsolatedSounds(folder)


@cache
def sounding(label: str) -> tuple[np.ndarray, np.ndarray]:
    """Planned durations in order, s, and which part of each sounds in the real domain, every one with another voice."""
    planned = np.geomspace(scenes.SHORTEST_S, CLIP_S, 300 if label in WHOLE_SOUNDS else 30)
    rngs = [np.random.default_rng([2, i]) for i in range(len(planned))]
    lengths = [len(Voices("real").of_clip(rng).event(label, s, rng)) / 16000 for rng, s in zip(rngs, planned)]
    return planned, lengths / planned


@pytest.mark.parametrize("subset", ["synthetic", "validation", "public"])
def test_made_events_are_as_long_and_as_many_as_in_desed(subset, bank):
    """What sounds of a real event is drawn from a few sounds made before: to make one for each takes long."""
    rng_sound = np.random.default_rng(3)

    def with_sound(event: Event) -> Event:
        if subset == "synthetic":
            seconds = len(bank.event(event.label, event.duration, rng_sound)) / 16000
        else:
            planned, part = sounding(event.label)
            seconds = event.duration * part[np.abs(np.log(planned / event.duration)).argmin()]
        return event._replace(duration=max(scenes.SHORTEST_S, seconds))

    rng = np.random.default_rng(2)
    clips = [[with_sound(event) for event in scenario(rng, STATISTICS[subset])] for _ in range(1500)]
    compared = statistics.compare(statistics.facts(event_table(clips)), desed.facts(subset))
    quantities = ["duration_50", "events_per_clip_mean", "active_time"]
    medians = compared.loc[pd.IndexSlice[list(tables.CLASSES), quantities], :]
    assert len(medians) == 30
    assert medians[~medians["ratio"].between(1 / 1.5, 1.5)].empty
    count = compared.xs("events_per_clip", level="quantity")
    assert ((count["ours"] - count["DESED"]).abs() <= 1).all(), count
    whole = compared.loc["all"]
    assert whole.loc[["events_per_clip_mean", "events_0", "events_1"], "ratio"].between(1 / 1.25, 1.25).all(), whole
    assert 1 / 1.5 < whole.loc["events_2", "ratio"] < 1.5, whole
    assert abs(whole.loc["without_events", "ours"] - whole.loc["without_events", "DESED"]) < 0.02
