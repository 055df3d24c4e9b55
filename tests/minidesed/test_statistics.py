"""Statistics: brute force on random tables, and the published numbers of DESED where its tables are at hand."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tries import tries

from minidesed import desed, statistics
from sedlib.data import tables
from sedlib.data.layout import SUBSETS
from sedlib.errors import SedError

SHARED = Path(__file__).parents[3] / "shared" / "desed"
TABLES = {"synthetic": "synthetic_2019_train", "validation": "validation", "public": "public", "weak": "weak"}
MEASURED = {"synthetic": "synthetic_2019_train", "validation": "validation", "public": "public_eval", "weak": "weak"}
with_desed = pytest.mark.skipif(not SHARED.is_dir(), reason="no DESED tables beside the repository")
STRONG = ["synthetic", "validation", "public"]

SMALL = pd.DataFrame(
    [
        ("a.wav", 0.0, 2.0, "Dog"),
        ("a.wav", 3.0, 4.0, "Dog"),
        ("a.wav", 1.0, 9.96, "Speech"),
        ("b.wav", *[np.nan] * 3),
        ("c.wav", 0.0, 10.0, "Speech"),
        ("d.wav", 5.0, 5.5, "Dog"),
    ],
    columns=tables.EVENT_COLUMNS,
)
WEAK = pd.DataFrame({"filename": ["a.wav", "b.wav", "c.wav"], "event_labels": ["Dog,Speech", "", "Speech"]})


def test_a_table_small_enough_to_count_by_hand():
    dog = statistics.per_class(SMALL).loc["Dog"]
    assert (dog["events"], dog["clips"], dog["clip_share"], dog["event_share"]) == (3, 2, 0.5, 0.6)
    assert (dog["duration_50"], dog["events_per_clip"], dog["active_time"]) == (1.0, 1.5, 1.75)
    assert (dog["at_start"], dog["at_end"], dog["whole"]) == (pytest.approx(1 / 3), 0, 0)
    assert statistics.per_class(SMALL).loc["Speech", ["at_start", "at_end", "whole"]].tolist() == [0.5, 1, 0.5]
    cat = statistics.per_class(SMALL).loc["Cat"]
    assert cat[["events", "clips", "clip_share", "event_share"]].eq(0).all() and np.isnan(cat["duration_50"])
    assert statistics.co_occurrence(SMALL).loc["Dog", ["Dog", "Speech", "Cat"]].tolist() == [2, 1, 0]
    # 40 s: Speech 8.96 + 10, Dog 2 + 1 + 0.5, of which 1 + 1 together
    assert statistics.polyphony(SMALL).to_list() == pytest.approx([1 - 20.46 / 40, 18.46 / 40, 2 / 40])


def test_weak_labels_tell_which_classes_come_together():
    assert statistics.co_occurrence(WEAK).loc["Speech", ["Speech", "Dog"]].tolist() == [2, 1]
    facts = statistics.facts(WEAK)
    assert facts["Dog + Speech", "clip_share"] == facts["Dog", "clip_share"] == pytest.approx(1 / 3)
    assert set(facts.index.get_level_values("quantity")) == {"clip_share"}


TENTHS = st.integers(0, 99).flatmap(lambda on: st.tuples(st.just(on), st.integers(on + 1, 101)))
CLIP = st.lists(st.tuples(st.sampled_from(["Cat", "Dog", "Speech"]), TENTHS), max_size=6)


@tries(150)
@given(st.lists(CLIP, min_size=1, max_size=5))
def test_times_are_what_counting_tenths_of_seconds_gives(clips):
    rows = [(f"{i}.wav", on / 10, off / 10, label) for i, clip in enumerate(clips) for label, (on, off) in clip]
    rows += [(f"{i}.wav", np.nan, np.nan, np.nan) for i, clip in enumerate(clips) if not clip]
    table = pd.DataFrame(rows, columns=tables.EVENT_COLUMNS).sample(frac=1, random_state=0)
    at_once = np.zeros(7)
    heard = {}
    for i, clip in enumerate(clips):
        for tenth in range(100):
            at_once[sum(on <= tenth < off for _, (on, off) in clip)] += 1 / (100 * len(clips))
        for label in {label for label, _ in clip}:
            heard[label, f"{i}.wav"] = (
                sum(any(on <= tenth < off for own, (on, off) in clip if own == label) for tenth in range(101)) / 10
            )
    found = statistics.polyphony(table)
    assert np.pad(found, (0, 7 - len(found))) == pytest.approx(at_once)
    assert statistics.active_time(table).to_dict() == pytest.approx(heard)
    assert (statistics.active_time(table) > 0).all()


def read(subset):
    columns = tables.WEAK_COLUMNS if subset == "weak" else tables.EVENT_COLUMNS
    return tables.read(SHARED / "metadata" / f"{TABLES[subset]}.tsv", columns)


@with_desed
@pytest.mark.parametrize("subset", STRONG)
def test_every_class_of_desed_behaves_as_published(subset):
    published = json.loads((SHARED / "statistics.json").read_text())[MEASURED[subset]]["per_class"]
    table = read(subset)
    measured = statistics.per_class(table)
    # Active times were published from a grid of 10 ms, of which every cell counts that an event touches.
    on_grid = statistics.per_class(
        table.assign(
            onset=np.floor(100 * table["onset"] + 1e-6) / 100, offset=np.ceil(100 * table["offset"] - 1e-6) / 100
        )
    )
    assert set(measured.index) == set(published)
    for label, numbers in published.items():
        ours, in_clip = measured.loc[label], numbers["events_per_clip_containing_class"]
        for key in ("events", "clips", "event_share", "clip_share"):
            assert ours[key] == pytest.approx(numbers[key], abs=6e-5)
        for q in statistics.QUANTILES:
            assert ours[f"duration_{q:02d}"] == pytest.approx(numbers["duration_s"][f"p{q:02d}"], abs=6e-4)
        assert ours["events_per_clip"] == in_clip["p50"]
        assert ours["events_per_clip_mean"] == pytest.approx(in_clip["mean"], abs=6e-3)
        for key, q in (("active_time", "p50"), ("active_time_mean", "mean")):
            assert on_grid.loc[label, key] == pytest.approx(numbers["active_time_per_clip_s"][q], abs=0.012)
        for key, share in (
            ("at_start", "share_starting_at_0.02s_or_earlier"),
            ("whole", "share_longer_than_9.5s"),
            ("at_end", "share_ending_at_9.95s_or_later"),
        ):
            assert ours[key] == pytest.approx(numbers[share], abs=6e-5)


@with_desed
@pytest.mark.parametrize("subset", [*STRONG, "weak"])
def test_every_subset_of_desed_is_as_published(subset):
    published = json.loads((SHARED / "statistics.json").read_text())[MEASURED[subset]]
    table = read(subset)
    together = pd.DataFrame(published["class_co_occurrence_clips"])
    pd.testing.assert_frame_equal(statistics.co_occurrence(table), together.loc[[*tables.CLASSES], [*tables.CLASSES]])
    if subset != "weak":
        shares = published["polyphony"]["share_of_time_with_k_events_active"]
        found = statistics.polyphony(table)
        assert found.to_list() == pytest.approx(list(shares.values())[: len(found)], abs=2e-5)
        seconds = statistics.active_time(table).groupby("event_label").sum()
        assert seconds.to_dict() == pytest.approx(published["active_time_by_class_s"], rel=2e-3)


@with_desed
@pytest.mark.parametrize("subset", [*STRONG, "weak"])
def test_the_published_numbers_are_those_of_the_tables(subset):
    table = read(subset)
    assert f"{len(tables.filenames(table))} clips" in desed.SUBSETS[subset]
    found, written = statistics.facts(table), desed.facts(subset)
    assert found[written.index].to_numpy() == pytest.approx(written.to_numpy(), abs=6e-3)
    fine = [quantity not in ("active_time", "events_per_clip_mean") for _, quantity in written.index]
    assert found[written.index][fine].to_numpy() == pytest.approx(written[fine].to_numpy(), abs=6e-4)
    left_out = found.drop(written.index)
    assert left_out.empty or left_out.max() < 0.02  # pairs that are rare


def test_the_published_numbers_have_no_gap():
    for subset in desed.SUBSETS:
        facts = desed.facts(subset)
        assert facts.index.is_unique and facts.notna().all()
        for label in tables.CLASSES:
            assert set(facts[label].index) == set(desed.QUANTITIES[:1] if subset == "weak" else desed.QUANTITIES)


def test_comparison_and_its_table():
    theirs = desed.facts("validation")
    compared = statistics.compare(statistics.facts(SMALL), theirs)
    assert compared.index.equals(theirs.index)
    dog = compared.loc["Dog", "clip_share"]
    assert (dog["ours"], dog["DESED"], dog["ratio"]) == (0.5, 0.137, 0.5 / 0.137)
    assert np.isnan(compared.loc[("Cat", "duration_50"), "ratio"])
    assert compared.loc[("Cat", "clip_share"), "ratio"] == 0
    shown = statistics.table(compared).set_index("class")
    assert shown.loc["Dog"].tolist() == ["50 / 14", "1.5 / 3.6", "1.00 / 0.78", "1.8 / 5.0"]
    assert shown.loc["Cat", "median duration (s)"] == "- / 0.85"
    lacking = statistics.table(statistics.compare(statistics.facts(SMALL.dropna()), theirs)).set_index("class")
    assert lacking.loc["Cat"].tolist() == ["0 / 10", "- / 2.8", "- / 0.85", "- / 3.2"]
    weak = statistics.compare(statistics.facts(WEAK), desed.facts("weak"))
    assert list(statistics.table(weak).columns) == ["class", "clips (%)"]


def test_a_set_without_any_event_can_be_compared():
    compared = statistics.compare(statistics.facts(SMALL[SMALL["event_label"].isna()]), desed.facts("validation"))
    assert compared.loc[("all", ["without_events", "events_0"]), "ours"].tolist() == [1, 1]
    assert statistics.table(compared)["median duration (s)"].str.startswith("- / ").all()


def test_a_folder_is_compared_subset_by_subset(tmp_path):
    for subset, table in (("weak", WEAK), ("validation", SMALL)):
        tables.write(table, tmp_path / SUBSETS[subset].metadata)
        (tmp_path / SUBSETS[subset].audio).mkdir(parents=True)
        (tmp_path / SUBSETS[subset].audio / "a.wav").touch()
    compared = statistics.compare_folder(tmp_path)
    assert list(compared.index.unique("subset")) == ["weak", "validation"]
    pd.testing.assert_frame_equal(
        compared.loc["validation"], statistics.compare(statistics.facts(SMALL), desed.facts("validation"))
    )
    with pytest.raises(SedError, match="no table of synthetic, weak, validation, public; give the folder"):
        statistics.compare_folder(tmp_path / "metadata")
