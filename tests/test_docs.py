"""The pages in docs/: links between them lead somewhere; tests/test_package.py looks up the code that they name."""

import re
from pathlib import Path

import pytest

from reproduction.lessons import LESSONS

ROOT = Path(__file__).resolve().parents[1]
PAGES = sorted((ROOT / "docs").rglob("*.md"))


def test_the_glossary_is_sorted_and_explains_each_word_once():
    words = re.findall(r"(?m)^\*\*(.+?)\*\*", (ROOT / "docs" / "GLOSSARY.md").read_text(encoding="utf-8"))
    keys = [re.sub(r"\W", "", word.lower()) for word in words]
    assert len(words) == len(set(keys)) > 50 and keys == sorted(keys)


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.stem)
def test_links_lead_to_files(page):
    links = re.findall(r"\]\((?!https?:|#)([^)#]+)", page.read_text(encoding="utf-8"))
    assert not [link for link in links if not (page.parent / link).exists()]


def test_notes_speak_of_every_lesson():
    notes = (ROOT / "docs" / "teaching" / "notes.md").read_text(encoding="utf-8")
    headings = re.findall(r"(?m)^## (\d\d)", notes)
    assert headings[:8] == [name[:2] for name, _, _ in LESSONS][:8]
