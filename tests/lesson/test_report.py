"""The report: descriptions, sounds and formulas survive the export, and nothing is loaded from the network."""

import re
from html.parser import HTMLParser

import nbformat
import numpy as np
import pandas as pd
import pytest
from nbformat import v4

from sedlib.errors import SedError
from sedlib.lesson import html, players, plots
from sedlib.lesson.report import formula, notebook_html, report

TABLE = pd.DataFrame({
    "system": ["Baseline", "+HMM"], "paper": ["34.80", "37.13"], "here": ["12.3 [10.0, 14.6]", None],
    "note": ["", "later"],
})


class Page(HTMLParser):
    """All tags of a page with their attributes, and those that were opened and not closed."""

    VOID = {"meta", "img", "br", "hr", "path", "link", "input", "source"}

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict]] = []
        self.open: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert tag in self.VOID or self.open.pop() == tag

    def all(self, tag):
        return [attrs for name, attrs in self.tags if name == tag]


def output(shown) -> dict:
    return v4.new_output("display_data", {"text/html": shown.data, "text/plain": repr(shown)})


def notebook() -> nbformat.NotebookNode:
    picture = plots.picture(plots.figure(2, 1)[0], "An empty figure, on purpose")
    player = players.player(np.zeros(160, np.float32), "Silence")
    widget = v4.new_output("display_data", {
        "application/vnd.jupyter.widget-view+json": {"model_id": "abc", "version_major": 2, "version_minor": 0},
        "text/plain": "  0%|   | 0/10",
    })
    script = v4.new_output("display_data", {"application/javascript": "alert(1)"})
    cells = [
        v4.new_markdown_cell("# A lesson\n\n" r"Inline $x^2 < 3$ and" "\n\n" r"$$\frac{\partial L}{\partial \theta}$$"),
        v4.new_code_cell("show()", outputs=[output(picture), output(player), widget, script]),
        v4.new_code_cell("answer = 42", metadata={"jupyter": {"source_hidden": True}, "tags": ["solution"]}),
        v4.new_code_cell("1 / 0", outputs=[v4.new_output("stream", name="stdout", text="a < b\n")]),
    ]
    node = v4.new_notebook(cells=cells)
    node.metadata["widgets"] = {"application/vnd.jupyter.widget-state+json": {"state": {}}}
    node.metadata["papermill"] = {"duration": 75.4}
    return node


@pytest.fixture
def pages(tmp_path) -> dict[str, str]:
    nbformat.write(notebook(), tmp_path / "42_test.ipynb")
    index = report([tmp_path / "42_test.ipynb"], TABLE, tmp_path / "report")
    assert index == tmp_path / "report/index.html"
    return {path.name: path.read_text(encoding="utf-8") for path in (tmp_path / "report").iterdir()}


def test_pages(pages):
    assert set(pages) == {"index.html", "42_test.html"}
    for text in pages.values():
        page = Page(text)
        assert page.open == []
        assert page.all("html") == [{"lang": "en"}]
        assert len(page.all("title")) == len(page.all("main")) == len(page.all("h1")) == 1
        assert any(meta.get("name") == "viewport" for meta in page.all("meta"))
        assert "prefers-color-scheme: dark" in text


def assert_self_contained(text: str) -> None:
    """Nothing but links that a reader clicks on leads away from the page."""
    page = Page(text)
    assert not page.all("script") and not page.all("link") and not page.all("iframe") and not page.all("object")
    for tag, attrs in page.tags:
        for name in ("src", "srcset", "data", "poster", "href" if tag != "a" else "src"):
            assert attrs.get(name, "data:").startswith("data:"), (tag, attrs)
    assert not re.search(r"@import|url\(", text)


def test_nothing_is_loaded_from_anywhere(pages):
    for text in pages.values():
        assert_self_contained(text)


@pytest.mark.parametrize("bad", [
    '<script src="https://x.org/a.js"></script>', '<link rel="stylesheet" href="https://x.org/a.css">',
    "<style>@import 'https://x.org/a.css';</style>", '<img alt="" src="https://x.org/a.png">',
    "<p style=\"background: url('https://x.org/a.png')\"></p>",
])
def test_the_test_for_that_can_fail(bad):
    with pytest.raises(AssertionError):
        assert_self_contained(bad)


def test_descriptions_and_sounds_survive(pages):
    page = Page(pages["42_test.html"])
    assert [image["alt"] for image in page.all("img")] == ["An empty figure, on purpose"]
    assert [audio["aria-label"] for audio in page.all("audio")] == ["Silence (0.0 s)"]
    assert [svg["aria-label"] for svg in page.all("svg")] == ["x^2 < 3", r"\frac{\partial L}{\partial \theta}"]


def test_solutions_are_folded_and_bars_left_out(pages):
    text = pages["42_test.html"]
    assert text.count("<details><summary>Solution</summary>") == 1
    assert text.index("<details>") < text.index("answer") < text.index("</details>")
    assert "0/10" not in text and "alert" not in text
    assert "a &lt; b" in text


def test_index_says_not_yet_and_links_the_lessons(pages):
    text = pages["index.html"]
    assert text.count("not yet") == 1 and "12.3 [10.0, 14.6]" in text
    assert ('<a href="42_test.html">A lesson</a> (75 s)') in text


def test_a_lesson_without_a_title(tmp_path):
    nbformat.write(v4.new_notebook(cells=[v4.new_code_cell("# no title")]), tmp_path / "x.ipynb")
    with pytest.raises(SedError, match="no title"):
        report([tmp_path / "x.ipynb"], TABLE, tmp_path / "report")


def test_a_formula_is_a_drawing_that_grows_with_what_it_says():
    short, long = formula("x"), formula("x + y + z")
    assert "currentColor" in short
    assert float(re.search(r"width:([\d.]+)em", long)[1]) > 2 * float(re.search(r"width:([\d.]+)em", short)[1])
    # what lies below the line hangs below it: the baseline of "y" is not its lowest point
    assert float(re.search(r"vertical-align:(-?[\d.]+)em", formula("y"))[1]) < -0.1


def test_a_formula_that_cannot_be_drawn_is_named():
    with pytest.raises(SedError, match=r"nosuchthing.*cannot be drawn"):
        formula(r"\nosuchthing{x}")


def test_markdown_math_only_where_it_is_math():
    cell = v4.new_markdown_cell("It costs \\$5; `$x$` is code.")
    text = notebook_html(v4.new_notebook(cells=[cell]))
    assert "svg" not in text and "<code>$x$</code>" in text
    assert html.image(b"", "x", 1).data.startswith("<img")
