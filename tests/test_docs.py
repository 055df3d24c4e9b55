"""The pages in docs/: code that they name exists, and links between them lead somewhere."""

import importlib
import re
from pathlib import Path

import pytest

from reproduction.lessons import LESSONS

ROOT = Path(__file__).resolve().parents[1]
PAGES = sorted((ROOT / "docs").rglob("*.md"))
NAMED = re.compile(r"`((?:sedlib|minidesed|reproduction|sedcourse)(?:\.\w+)+)`")


def exists(name: str) -> bool:
    """Whether a dotted name is a module, or something in one."""
    parts = name.split(".")
    for length in range(len(parts), 0, -1):
        try:
            found = importlib.import_module(".".join(parts[:length]))
        except ImportError:
            continue
        for part in parts[length:]:
            if not hasattr(found, part):
                return False
            found = getattr(found, part)
        return True
    return False


def test_names_of_code_that_the_glossary_gives_exist():
    named = set(NAMED.findall((ROOT / "docs" / "GLOSSARY.md").read_text(encoding="utf-8")))
    assert len(named) > 30 and not {name for name in named if not exists(name)}
    assert exists("sedlib.features.pcen") and not exists("sedlib.features.nothing") and not exists("sedlib.nothing")


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
