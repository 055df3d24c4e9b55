"""`sedlib data realdesed`: recordings of any length become clips with DESED's classes, and keep their licences."""

import io
import math

import numpy as np
import pandas as pd
import pytest
import soundfile
from archives import served, wav, zipped
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from tries import tries

from reproduction.desed import realdesed, records
from sedlib.cli import cli
from sedlib.data import audio, layout, tables

COLUMNS = "filename,onset,offset,class"
RAW = f"{COLUMNS},annotator_id,review_status"


def csv(header: str, *rows: tuple) -> bytes:
    return "\n".join([header, *(",".join(map(str, row)) for row in rows), ""]).encode()


def split_files(split: str, recordings: dict[str, bytes], events: list[tuple], raw: list[tuple] | None = None) -> bytes:
    licences = [(name, "CC0" if i % 2 else "CC BY 4.0", "kitchen") for i, name in enumerate(recordings)]
    files = {f"{split}/audio/{name}": content for name, content in recordings.items()}
    files |= {f"{split}/audio/._{name}": b"Mac OS X" for name in recordings}
    files[f"{split}/metadata.csv"] = csv("filename,license,recording_environment", *licences)
    files[f"{split}/annotations.csv"] = csv(COLUMNS, *events)
    if raw is not None:
        files[f"{split}/annotations_raw.csv"] = csv(RAW, *raw)
    return zipped(files)


@pytest.fixture
def record(monkeypatch):
    """Record 20056072: 12 training recordings of 12 s, two of 23.9 and 0.05 s to validate on, one of 10 s to test."""
    with served() as server:
        monkeypatch.setattr(records, "ZENODO", server.url)
        names = [f"home_{i}.wav" for i in range(12)]
        raw = [(name, 9, 11, "running_water", person, "unreviewed") for name in names for person in (1, 2)]
        server.files[20056072] = {
            "train.zip": split_files("train", {name: wav(12, i, 44100, 2) for i, name in enumerate(names)}, [], raw),
            "validation.zip": split_files(
                "validation",
                {"long.wav": wav(23.9, 20), "short.wav": wav(0.05, 21)},
                [
                    ("long.wav", 1, 2, "bell_ringing"),
                    ("long.wav", 8, 21, "vacuum_cleaner"),
                    ("long.wav", 3, 4, "keychain"),
                ],
            ),
            "test.zip": split_files("test", {"t.wav": wav(10, 22)}, [("t.wav", 0.5, 0.55, "cutlery_dishes")]),
        }
        yield server


def get(root, *more):
    done = CliRunner().invoke(cli, ["data", "realdesed", str(root), *map(str, more)])
    assert done.exception is None or isinstance(done.exception, SystemExit), done.output
    return done.exit_code, done.output


def test_recordings_become_clips_that_can_be_trained_and_scored_on(record, tmp_path):
    status, said = get(tmp_path)
    assert status == 0, said
    layout.preflight(tmp_path, layout.SUBSETS)
    subset = layout.load(tmp_path, "validation")
    assert {path.name for path in subset.audio_dir.iterdir()} == set(subset.filenames)
    assert [tuple(row) for row in subset.table.dropna().itertuples(index=False)] == [
        ("long_000.wav", 1, 2, "Alarm_bell_ringing"),
        ("long_000.wav", 8, 10, "Vacuum_cleaner"),
        ("long_010.wav", 0, 10, "Vacuum_cleaner"),
        ("long_020.wav", 0, 1, "Vacuum_cleaner"),
    ]
    assert subset.filenames == ["long_000.wav", "long_010.wav", "long_020.wav", "short_000.wav"]
    joined = np.concatenate([audio.read(subset.audio_dir / name)[0] for name in subset.filenames[:3]])
    given, _ = soundfile.read(io.BytesIO(wav(23.9, 20)), dtype="float32")
    assert np.array_equal(joined, given)
    assert layout.load(tmp_path, "public").table.iloc[0].tolist() == ["t_000.wav", 0.5, 0.55, "Dishes"]

    learned = [layout.load(tmp_path, name) for name in ("synthetic", "weak", "unlabel_in_domain")]
    homes = [{name.rpartition("_")[0] for name in subset.filenames} for subset in learned]
    assert sum(map(len, homes)) == 12 == len(set.union(*homes)) and all(homes)  # no recording in two subsets
    assert set(learned[1].table["event_labels"]) == {"Running_water"}  # 9 to 11 s, in either clip
    licences = pd.read_csv(tmp_path / "metadata/licences.tsv", sep="\t").set_index("filename")
    assert len(licences) == 24 + 4 + 1 and licences.loc["long_010.wav"].tolist() == ["long.wav", "CC BY 4.0"]
    assert licences.loc["short_000.wav", "license"] == "CC0"
    assert (tmp_path / "metadata/realdesed/validation/metadata.csv").is_file()

    asked = len(record.requests)
    assert get(tmp_path)[0] == 0 and len(record.requests) == asked


def test_another_form_of_the_tables_is_named_and_the_archive_kept(record, tmp_path):
    files = {"test/audio/t.wav": wav(10), "test/metadata.csv": csv("filename,license", ("t.wav", "CC0"))}
    record.files[20056072]["test.zip"] = zipped(
        files | {"test/annotations.csv": csv("file,start,end", ("t.wav", 1, 2))}
    )
    status, said = get(tmp_path)
    assert status == 1 and "annotations.csv: not in the form of 2026, with columns filename onset" in said
    assert (tmp_path / ".downloads/test.zip").is_file() and not (tmp_path / ".downloads/train.zip").exists()


def test_a_folder_holds_one_of_the_two_data_sets(record, tmp_path):
    get(tmp_path)
    done = CliRunner().invoke(cli, ["data", "desed", str(tmp_path)])
    assert done.exit_code == 1 and "holds RealDESED; give DESED a folder of its own" in done.output


@tries(50)
@given(
    st.lists(st.tuples(st.integers(0, 300), st.integers(1, 200), st.sampled_from("ab")), max_size=8), st.integers(1, 4)
)
def test_events_keep_their_time_through_the_cut(events, clips):
    """In tenths of a second: every active tenth of a recording is active in the clip that holds it, and no other."""
    classes = {"a": "running_water", "b": "keychain"}
    rows = [("r.wav", onset / 10, (onset + length) / 10, classes[label]) for onset, length, label in events]
    table = pd.DataFrame(rows, columns=COLUMNS.split(","))
    found = realdesed.clip_events(table, [f"r_{10 * i:03d}.wav" for i in range(clips)])
    expected = {
        t for onset, length, label in events if label == "a" for t in range(onset, onset + length) if t < 100 * clips
    }
    active = set()
    for name, onset, offset, label in tables.events(found).itertuples(index=False):
        assert 0 <= onset < offset <= 10 and label == "Running_water"
        start = int(name[2:5])
        active |= set(range(round(10 * (start + onset)), round(10 * (start + offset))))
    assert active == expected
    assert tables.filenames(found) == [f"r_{10 * i:03d}.wav" for i in range(clips)]


@tries(50)
@given(st.lists(st.lists(st.tuples(st.integers(0, 50), st.integers(1, 30)), max_size=3), min_size=1, max_size=4))
def test_half_of_the_annotators_make_a_majority(annotators):
    """Counted tenth by tenth."""
    rows = [
        ("r.wav", onset / 10, (onset + length) / 10, "footsteps", person, "unreviewed")
        for person, events in enumerate(annotators)
        for onset, length in events
    ]
    found = realdesed.majority(pd.DataFrame(rows, columns=RAW.split(",")))
    asked = [events for events in annotators if events]
    for tenth in range(100):
        votes = sum(any(onset <= tenth < onset + length for onset, length in events) for events in asked)
        there = ((found["onset"] * 10 <= tenth + 0.5) & (found["offset"] * 10 > tenth + 0.5)).any()
        assert there == (bool(asked) and votes > 0 and votes >= math.ceil(len(asked) / 2))


def test_rejected_annotations_do_not_count_and_accepted_ones_count_alone():
    rows = [
        ("a.wav", 0, 1, "footsteps", 1, "rejected"),
        ("a.wav", 2, 3, "footsteps", 2, "unreviewed"),
        ("b.wav", 4, 5, "footsteps", 1, "Accepted"),
        ("b.wav", 6, 7, "footsteps", 2, "unreviewed"),
    ]
    found = realdesed.majority(pd.DataFrame(rows, columns=RAW.split(",")))
    assert found["onset"].tolist() == [2, 4]
