"""Tables: what is written comes back, and what is wrong is named with file, line, value and fix."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sedlib.data import tables
from sedlib.errors import SedError

NAMES = st.from_regex(r"[A-Za-z0-9_-]{1,12}\.wav", fullmatch=True)
MS = st.integers(0, 10_000)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """One folder for all examples of a property."""
    return tmp_path_factory.mktemp("tables")


def tsv(tmp_path, text, name="t.tsv"):
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    return path


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(NAMES, MS, MS, st.sampled_from(tables.CLASSES) | st.none()), max_size=20))
def test_events_come_back_as_written(folder, rows):
    table = pd.DataFrame([(n, min(a, b) / 1000, max(a, b) / 1000, c) if c else (n, np.nan, np.nan, np.nan)
                          for n, a, b, c in rows], columns=tables.EVENT_COLUMNS)
    path = folder / "t.tsv"
    tables.write(table, path)
    back = tables.read_events(path)
    assert back["filename"].tolist() == table["filename"].tolist()
    for time in ("onset", "offset"):
        assert np.array_equal(back[time].to_numpy(float), table[time].to_numpy(float), equal_nan=True)
    assert back["event_label"].fillna("").tolist() == table["event_label"].fillna("").tolist()
    assert len(tables.events(back)) == sum(c is not None for *_, c in rows)
    assert tables.problems(path, tables.EVENT_COLUMNS) == []


@settings(max_examples=40, deadline=None)
@given(st.dictionaries(NAMES, st.sets(st.sampled_from(tables.CLASSES))))
def test_weak_labels_come_back_as_written(folder, clips):
    path = folder / "t.tsv"
    tables.write(pd.DataFrame([(n, ",".join(sorted(c))) for n, c in clips.items()], columns=tables.WEAK_COLUMNS), path)
    back = tables.read_weak(path)
    assert {row.filename: set(filter(None, row.event_labels.split(","))) for row in back.itertuples()} == clips


HEAD = "filename\tonset\toffset\tevent_label\n"


@pytest.mark.parametrize(("text", "words"), [
    ("file\tonset\toffset\tevent_label\n", ["columns", "filename"]),
    ("filename,onset,offset,event_label\n", ["tab separated"]),
    ("", ["empty", "filename onset offset event_label"]),
    (HEAD + "a.wav\t0\t1\tDogs\n", ["line 2", "'Dogs'", "'Dog'"]),
    (HEAD + "b.wav\t0\t1\tDog\na.wav\t2\t1.5\tDog\n", ["line 3", "offset 1.5", "onset 2", "swap"]),
    (HEAD + "a.wav\tone\t1\tDog\n", ["line 2", "'one'"]),
    (HEAD + "a.wav\t-1\t1\tDog\n", ["line 2", "'-1'"]),
    (HEAD + "a.wav\t0\tinf\tDog\n", ["line 2", "'inf'"]),
    (HEAD + "a.wav\tnan\t1\tDog\n", ["line 2", "'nan'"]),
    (HEAD + "a.wav\t0\t1\t\n", ["line 2", "needs onset, offset and event_label"]),
    (HEAD + "a.wav\t0\n", ["line 2", "needs onset, offset and event_label"]),
    (HEAD + "a.wav\t0\t1\tDog\tmore\n", ["fields"]),
    (HEAD + "\t0\t1\tDog\n", ["line 2", "filename is empty"]),
])
def test_a_wrong_strong_table_is_named(tmp_path, text, words):
    path = tsv(tmp_path, text)
    with pytest.raises(SedError) as error:
        tables.read_events(path)
    assert all(word in str(error.value) for word in [str(path), *words]), error.value
    assert str(error.value) == tables.problems(path, tables.EVENT_COLUMNS)[0]


def test_all_problems_are_listed_not_just_the_first(tmp_path):
    path = tsv(tmp_path, HEAD + "a.wav\t2\t1\tDog\nb.wav\t0\t1\tDog\nc.wav\t0\t1\tKat\n")
    swapped, unknown = tables.problems(path, tables.EVENT_COLUMNS)
    assert "line 2" in swapped and "line 4" in unknown


@pytest.mark.parametrize(("text", "words"), [
    ("filename\tevent_labels\na.wav\tDog,Cow\n", ["line 2", "'Cow'"]),
    ("filename\tevent_labels\na.wav\tDog\na.wav\tCat\n", ["line 3", "'a.wav'", "listed before"]),
    ("filename\tevent_label\n", ["event_labels"]),
])
def test_a_wrong_weak_table_is_named(tmp_path, text, words):
    with pytest.raises(SedError) as error:
        tables.read_weak(tsv(tmp_path, text))
    assert all(word in str(error.value) for word in words), error.value


def test_a_missing_table_and_a_binary_one_are_named(tmp_path):
    with pytest.raises(SedError, match="no such file"):
        tables.read_unlabelled(tmp_path / "no.tsv")
    (tmp_path / "b.tsv").write_bytes(b"\xff\xfe\x00\x81" * 10)
    with pytest.raises(SedError, match="not a tab separated UTF-8 table"):
        tables.read_unlabelled(tmp_path / "b.tsv")


def test_a_byte_order_mark_and_windows_line_ends_are_read(tmp_path):
    path = tmp_path / "t.tsv"
    path.write_bytes(b"\xef\xbb\xbffilename\tevent_labels\r\na.wav\tDog\r\n")
    assert tables.read_weak(path).values.tolist() == [["a.wav", "Dog"]]


@pytest.mark.parametrize("label", ["dog", "DOG", "Dgo", "Speach", "vacuum_cleaner"])
def test_the_likely_class_is_proposed(label):
    meant = {"dog": "Dog", "DOG": "Dog", "Dgo": "Dog", "Speach": "Speech", "vacuum_cleaner": "Vacuum_cleaner"}[label]
    assert f"did you mean {meant!r}" in tables.unknown_label(label)


def test_columns_may_come_in_any_order(tmp_path):
    (tmp_path / "t.tsv").write_text("event_label\tonset\toffset\tfilename\nDog\t1\t2\ta.wav\n")
    assert tables.read_events(tmp_path / "t.tsv").to_dict("records") == [
        {"filename": "a.wav", "onset": 1.0, "offset": 2.0, "event_label": "Dog"}
    ]
