"""Published numbers say which version measured them, and readers are told as long as a later one would measure
others."""

import json
import re
from pathlib import Path

import pytest

from reproduction import published
from reproduction.published import CHANGED, notice, present, source
from sedlib import __version__

ROOT = Path(__file__).resolve().parents[2]
FILES = sorted((ROOT / "figures").glob("*.json"))


def measured_by(path: Path) -> set[str | None]:
    """By the file's own ``measured_by``, or that of each of its records; None for one without."""
    content = json.loads(path.read_text(encoding="utf-8"))
    if isinstance(content, dict) and "measured_by" in content:
        return {content["measured_by"]}
    return {record.get("measured_by") for record in (content.values() if isinstance(content, dict) else content)}


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_every_published_file_says_who_measured_it(path):
    for found in measured_by(path):
        assert found and re.fullmatch(r"\d+\.\d+\.\d+(, \d+\.\d+\.\d+)*", found), (
            f"{path.name}: measured_by is {found!r}"
        )


@pytest.mark.parametrize("page", ["README.md", "docs/LEDGER.md", "docs/RESULTS.md"])
def test_pages_with_published_numbers_say_so_too(page):
    text = " ".join((ROOT / page).read_text(encoding="utf-8").split())
    files = FILES if page.endswith("RESULTS.md") else [ROOT / "figures" / "ledger.json"]
    notices = {notice(one) for path in files for of in measured_by(path) for one in of.split(", ")}
    assert all(said in text for said in notices)
    assert any(notices) or "to be measured again" not in text


def test_a_notice_names_what_changed_since_and_nothing_before(monkeypatch):
    monkeypatch.setattr(published, "CHANGED", {"0.2.0": "noise", "0.10.0": "labels"})
    assert (
        notice("0.1.0")
        == "Measured with sedlib 0.1.0; version 0.2.0 changed noise; version 0.10.0 changed labels: to be measured again."
    )
    assert notice("0.9.1") == "Measured with sedlib 0.9.1; version 0.10.0 changed labels: to be measured again."
    assert notice("0.10.0") == notice("1.0.0") == ""
    assert source(Path("a/b.json"), "0.2.0").startswith(
        "figures/b.json, as published. Measured with sedlib 0.2.0; version 0.10.0"
    )
    assert source(Path("b.json"), "0.10.0") == "figures/b.json, as published."


def test_what_this_version_measures_needs_no_notice():
    assert notice(__version__) == "" and CHANGED
    assert present({"measured_by": __version__}) and not present({"measured_by": "0.1.0"}) and not present({})


def test_one_version_everywhere():
    citation = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    assert re.search(r"^version: (.*)$", citation, re.M)[1] == __version__
    assert 'version = {attr = "sedlib.__version__"}' in (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    assert f"## {__version__}" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
