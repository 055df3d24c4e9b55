"""Tables: what is written comes back, and what is wrong is named with file, line, value and fix."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tries import tries

from sedlib.data import tables
from sedlib.errors import SedError

NAMES = st.from_regex(r"[A-Za-z0-9_-]{1,12}\.wav", fullmatch=True)
MS = st.integers(0, 10_000)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """One folder for all examples of a property."""
    return tmp_path_factory.mktemp("tables")


def problems(path, columns):
    """All that is wrong in a table; where it cannot be read at all, that."""
    try:
        return list(tables.problems(tables.read_table(path, columns), path))
    except SedError as error:
        return [str(error)]


def tsv(tmp_path, text, name="t.tsv"):
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    return path


@tries(40)
@given(st.lists(st.tuples(NAMES, MS, MS, st.sampled_from(tables.CLASSES) | st.none()), max_size=20))
def test_events_come_back_as_written(folder, rows):
    table = pd.DataFrame(
        [(n, min(a, b) / 1000, max(a, b) / 1000, c) if c else (n, np.nan, np.nan, np.nan) for n, a, b, c in rows],
        columns=tables.EVENT_COLUMNS,
    )
    path = folder / "t.tsv"
    tables.write(table, path)
    back = tables.read_events(path)
    assert back["filename"].tolist() == table["filename"].tolist()
    for time in ("onset", "offset"):
        assert np.array_equal(back[time].to_numpy(float), table[time].to_numpy(float), equal_nan=True)
    assert back["event_label"].fillna("").tolist() == table["event_label"].fillna("").tolist()
    assert len(tables.events(back)) == sum(c is not None for *_, c in rows)
    assert problems(path, tables.EVENT_COLUMNS) == []


EVENT_ROWS = st.lists(st.tuples(NAMES, MS, MS, st.sampled_from(tables.CLASSES)), min_size=1, max_size=12)
ANY_NAME = st.text(st.characters(exclude_characters='"/\\', exclude_categories=["Cc", "Cs", "Zl", "Zp"]), min_size=1)


@tries(60)
@given(st.lists(ANY_NAME | st.text(min_size=1), min_size=1, max_size=5, unique=True))
def test_every_name_comes_back_or_is_refused_when_written(folder, names):
    path = folder / "names.tsv"
    path.unlink(missing_ok=True)
    try:
        tables.write(pd.DataFrame({"filename": names}), path)
    except SedError as error:
        assert not path.exists() and any(repr(name) in str(error) for name in names)
    else:
        assert tables.read(path, tables.UNLABELLED_COLUMNS)["filename"].tolist() == names


@pytest.mark.parametrize(
    "name", ["a\nb.wav", "a\r.wav", "a\tb.wav", '"a".wav', " a.wav", "a.wav ", "\0", "\udce9.wav", "\x85", "a\u2028b"]
)
def test_names_that_would_tear_a_table_are_not_written(tmp_path, name):
    with pytest.raises(SedError, match=r"t.tsv: filename .* is not allowed in a table") as error:
        tables.write(pd.DataFrame({"filename": ["ok.wav", name]}), tmp_path / "t.tsv")
    assert repr(name) in str(error.value) and list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["", None, np.nan])
def test_an_empty_name_is_not_written(tmp_path, name):
    with pytest.raises(SedError, match="a filename is empty"):
        tables.write(pd.DataFrame({"filename": ["ok.wav", name]}), tmp_path / "t.tsv")


@tries(40)
@given(st.dictionaries(NAMES, st.sets(st.sampled_from(tables.CLASSES))))
def test_weak_labels_come_back_as_written(folder, clips):
    path = folder / "t.tsv"
    tables.write(pd.DataFrame([(n, ",".join(sorted(c))) for n, c in clips.items()], columns=tables.WEAK_COLUMNS), path)
    back = tables.read(path, tables.WEAK_COLUMNS)
    assert {row.filename: set(filter(None, row.event_labels.split(","))) for row in back.itertuples()} == clips


HEAD = "filename\tonset\toffset\tevent_label\n"


@pytest.mark.parametrize(
    ("text", "words"),
    [
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
        (HEAD + "a.wav\t0\t1\tDog\tmore\n", ["line 2", "5 fields", "more"]),
        (HEAD + "\t0\t1\tDog\n", ["line 2", "filename is empty"]),
        (HEAD + "a.wav\t0\t1\tDog\n\nb.wav\t0\t1\tDog\n", ["line 3", "filename is empty"]),
        (HEAD + "a.wav \t0\t1\tDog\n", ["line 2", "'a.wav '", "space"]),
        (HEAD + 'a.wav\t0\t1\tDog\n"b\nc.wav"\t0\t1\tDog\n', ["line 3", "quotation marks"]),
        (HEAD + "a.wav\t0\t1\tDog\nb\x00.wav\t0\t1\tDog\n", ["line 3", "'\\x00'"]),
        (HEAD + "a\u2028.wav\t0\t1\tDog\n", ["line 2", "'\\u2028'"]),
        (HEAD + "a.wav\t0,5\t1\tDog\n", ["line 2", "onset '0,5'"]),
        ("filename\tonset\tonset\tevent_label\n", ["columns are ['filename', 'onset', 'onset', 'event_label']"]),
        ("\n\n", ["empty"]),
    ],
)
def test_a_wrong_strong_table_is_named(tmp_path, text, words):
    path = tsv(tmp_path, text)
    with pytest.raises(SedError) as error:
        tables.read_events(path)
    assert all(word in str(error.value) for word in [str(path), *words]), error.value
    assert str(error.value) == problems(path, tables.EVENT_COLUMNS)[0]


BAD_ROWS = {  # a row: what its sentence must name
    "a.wav\t2\t1\tDog": "offset 1",
    "a.wav\t0\t1\tDogs": "'Dogs'",
    "a.wav\tx\t1\tDog": "'x'",
    "a.wav\t0\t-1\tDog": "'-1'",
    "a.wav\t0\t1\t": "needs onset",
    "a.wav\t0\t1\tDog\tmore": "'a.wav\\t0\\t1\\tDog\\tmore'",
    "\t0\t1\tDog": "filename is empty",
    "": "filename is empty",
    " a.wav\t0\t1\tDog": "' a.wav'",
    'a".wav\t0\t1\tDog': "quotation marks",
    "a\x1b.wav\t0\t1\tDog": "'\\x1b'",
    "\xe9.wav\t0\t1\tDog": "'\xe9.wav",
}


@tries(60)
@given(
    EVENT_ROWS, st.sampled_from(sorted(BAD_ROWS)), st.integers(0, 11), st.sampled_from(["\n", "\r\n"]), st.booleans()
)
def test_one_bad_row_is_named_with_its_line(folder, rows, bad, position, end, mark):
    path = folder / "bad.tsv"
    lines = [HEAD.rstrip(), *(f"{n}\t{min(a, b) / 1000}\t{max(a, b) / 1000}\t{c}" for n, a, b, c in rows)]
    line = 1 + min(position, len(rows) - 1)
    text = end.join([*lines[:line], bad, *lines[line:], ""])
    path.write_bytes(b"\xef\xbb\xbf" * mark + text.encode("latin-1"))
    with pytest.raises(SedError) as error:
        tables.read_events(path)
    assert f"line {line + 1}" in str(error.value) and BAD_ROWS[bad] in str(error.value)


TEXT = st.text(st.sampled_from('\t\n\r",.-0123456789eninfaDog \x00\u00e9\u2028') | st.characters(), max_size=60)


@tries(150)
@given(
    st.sampled_from(["", HEAD, "filename\tevent_labels\n", "filename\n"]),
    TEXT | st.binary(max_size=60),
    st.sampled_from(["utf-8", "latin-1", "utf-16"]),
    st.sampled_from(["t.tsv", "t.tsv.gz"]),
)
def test_whatever_a_table_holds_it_is_read_or_refused(folder, head, body, encoding, name):
    path = folder / name
    path.write_bytes(head.encode() + (body if isinstance(body, bytes) else body.encode(encoding, "replace")))
    for columns in (tables.EVENT_COLUMNS, tables.WEAK_COLUMNS, tables.UNLABELLED_COLUMNS):
        try:
            table = tables.read(path, columns)
        except SedError as error:
            assert str(path) in str(error) and "\n" not in str(error)
            assert problems(path, columns)[0] == str(error)
        else:
            assert list(table.columns) == columns and problems(path, columns) == []
            if columns == tables.EVENT_COLUMNS:
                events = tables.events(table)
                assert events[["onset", "offset"]].dtypes.eq(float).all()
                assert (events["onset"] <= events["offset"]).all() and events["event_label"].isin(tables.CLASSES).all()


def test_a_table_in_latin_1_or_utf_16_is_named_with_its_line(tmp_path):
    text = "filename\tevent_labels\na.wav\tDog\nMénage.wav\tCat\n"
    for encoding, line in (("latin-1", 3), ("utf-16", 1), ("utf-16-le", 3)):
        (tmp_path / "t.tsv").write_bytes(text.encode(encoding))
        with pytest.raises(SedError, match=f"line {line}.* save (it as|the table as plain) UTF-8"):
            tables.read(tmp_path / "t.tsv", tables.WEAK_COLUMNS)
    (tmp_path / "t.tsv").write_text(text, encoding="utf-8")
    assert tables.read(tmp_path / "t.tsv", tables.WEAK_COLUMNS)["filename"][1] == "Ménage.wav"


def test_a_header_alone_and_empty_lines_at_the_end_are_fine(tmp_path):
    assert tables.read_events(tsv(tmp_path, HEAD)).empty
    assert len(tables.read_events(tsv(tmp_path, HEAD + "a.wav\t0\t1\tDog\n\n\r\n"))) == 1


def test_many_rows_each_with_a_fault_are_all_listed(tmp_path):
    rows = [f"{i}.wav\t{i}\t{i + 1 if i % 1000 else i - 1}\tDog\n" for i in range(1, 100_001)]
    path = tsv(tmp_path, HEAD + "".join(rows))
    found = problems(path, tables.EVENT_COLUMNS)
    assert len(found) == 100 and f"{path}, line 1001: offset 999 lies before onset 1000" in found[0]
    assert "line 100001" in found[-1]


def test_all_problems_are_listed_not_just_the_first(tmp_path):
    path = tsv(tmp_path, HEAD + "a.wav\t2\t1\tDog\nb.wav\t0\t1\tDog\nc.wav\t0\t1\tKat\n")
    swapped, unknown = problems(path, tables.EVENT_COLUMNS)
    assert "line 2" in swapped and "line 4" in unknown


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("filename\tevent_labels\na.wav\tDog,Cow\n", ["line 2", "'Cow'"]),
        ("filename\tevent_labels\na.wav\tDog\na.wav\tCat\n", ["line 3", "'a.wav'", "listed already"]),
        ("filename\tevent_label\n", ["event_labels"]),
    ],
)
def test_a_wrong_weak_table_is_named(tmp_path, text, words):
    with pytest.raises(SedError) as error:
        tables.read(tsv(tmp_path, text), tables.WEAK_COLUMNS)
    assert all(word in str(error.value) for word in words), error.value


def test_a_missing_table_and_a_binary_one_are_named(tmp_path):
    with pytest.raises(SedError, match="no such file"):
        tables.read(tmp_path / "no.tsv", tables.UNLABELLED_COLUMNS)
    (tmp_path / "b.tsv").write_bytes(b"\xff\xfe\x00\x81" * 10)
    with pytest.raises(SedError, match="not a tab separated UTF-8 table"):
        tables.read(tmp_path / "b.tsv", tables.UNLABELLED_COLUMNS)


def test_a_byte_order_mark_and_windows_line_ends_are_read(tmp_path):
    path = tmp_path / "t.tsv"
    path.write_bytes(b"\xef\xbb\xbffilename\tevent_labels\r\na.wav\tDog\r\n")
    assert tables.read(path, tables.WEAK_COLUMNS).values.tolist() == [["a.wav", "Dog"]]


@pytest.mark.parametrize("label", ["dog", "DOG", "Dgo", "Speach", "vacuum_cleaner"])
def test_the_likely_class_is_proposed(label):
    meant = {"dog": "Dog", "DOG": "Dog", "Dgo": "Dog", "Speach": "Speech", "vacuum_cleaner": "Vacuum_cleaner"}[label]
    assert f"did you mean {meant!r}" in tables.unknown_label(label)


def test_columns_may_come_in_any_order(tmp_path):
    (tmp_path / "t.tsv").write_text("event_label\tonset\toffset\tfilename\nDog\t1\t2\ta.wav\n")
    assert tables.read_events(tmp_path / "t.tsv").to_dict("records") == [
        {"filename": "a.wav", "onset": 1.0, "offset": 2.0, "event_label": "Dog"}
    ]
