"""The table of differences: complete, and its values are those of the code."""

import re

import pytest

from sedcourse.differences import DECISIVE, decisive, differences
from sedlib.systems import configuration

COLUMNS = ["point", "baseline 2020", "paper", "released code", "here (profile paper)", "here (lesson, smoke)", "why"]
VALUE = re.compile(
    r"(?P<part>features|augment|pcen|model|training|adversarial|decoding)\.(?P<name>\w+) = "
    r"(?P<value>\([\d., ]+\)|[\w.-]+)(?: \(lesson\), (?P<smoke>\([\d., ]+\)|[\w.-]+) \(smoke\))?"
)
OF = {"augment": "augm", "pcen": "ppcen_logmel", "adversarial": "dat_augm"}  # systems that have these parts
ROWS = [(f"{title}: {row['point']}", row) for title, table in differences().items() for _, row in table.iterrows()]


def value(profile: str, part: str, name: str) -> str:
    return str(getattr(getattr(configuration(OF.get(part, "baseline"), profile), part), name))


def test_every_row_is_complete():
    for title, table in differences().items():
        assert list(table) == COLUMNS and table["point"].is_unique, title
        assert table.map(bool).all(axis=None), title


@pytest.mark.parametrize("row", [row for _, row in ROWS], ids=[name for name, _ in ROWS])
def test_options_in_the_table_have_the_codes_values(row):
    paper, short = row["here (profile paper)"], row["here (lesson, smoke)"]
    for found in VALUE.finditer(paper):
        assert value("paper", found["part"], found["name"]) == found["value"], f"{found['part']}.{found['name']}"
        if short.startswith("the same"):
            assert {value(profile, found["part"], found["name"]) for profile in ("lesson", "smoke")} == {found["value"]}
    for found in VALUE.finditer(short):
        values = [value(profile, found["part"], found["name"]) for profile in ("lesson", "smoke")]
        assert values == [found["value"], found["smoke"] or found["value"]], f"{found['part']}.{found['name']}"
    names = [[(found["part"], found["name"]) for found in VALUE.finditer(cell)] for cell in (paper, short)]
    assert short.startswith("the same") or names[0] == names[1], "both cells name the same options"


def test_the_table_names_the_options_that_a_reader_would_ask_for():
    named = {
        f"{found['part']}.{found['name']}" for _, row in ROWS for found in VALUE.finditer(row["here (profile paper)"])
    }
    assert {
        "training.ema",
        "training.noise_snr_db",
        "training.noise_on",
        "training.tested",
        "training.teacher_statistics",
        "training.output_bias",
        "training.label_frames",
        "model.init",
        "training.selection",
        "training.validation",
        "training.validation_share",
        "decoding.median_s",
        "adversarial.domain_weight",
        "augment.noise_snr_db",
        "augment.mel_masks",
        "pcen.alpha",
        "pcen.s",
        "adversarial.blocks",
    } <= named


def test_the_decisive_points_are_rows_of_the_table():
    table = decisive()
    assert list(table) == ["point", "paper", "released code", "here"] and tuple(table["point"]) == DECISIVE
    assert table.map(bool).all(axis=None) and "the same" not in set(table["here"])
