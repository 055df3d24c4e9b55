"""The report: descriptions, sounds and formulas survive the export, and nothing is loaded from the network."""

import re
from html.parser import HTMLParser

import nbformat
import numpy as np
import pytest
from nbformat import v4

from sedcourse import html, players, plots
from sedcourse.report import formula, notebook_html, report
from sedlib.errors import SedError


def number(row: str, here: float | None, why: str = "", score: str = "dev_f1") -> dict:
    return {
        "table": 2,
        "row": row,
        "system": "baseline",
        "decoding": "median",
        "score": score,
        "claimed": 34.8,
        "here": here,
        "low": here and here - 2,
        "high": here and here + 2,
        "of_seed": [here] if here else [],
        "difference": here and here - 34.8,
        "why": why,
    }


LEDGER = {
    "profile": "smoke",
    "data": "mini-smoke",
    "seeds": [0, 1],
    "tables": [2],
    "configuration": "0a1b2c3d",
    "generator": 7,
    "made": {"date": "2026-01-02", "torch": "2.x"},
    "failed": {},
    "numbers": [number("Baseline", 12.3), number("+PPCEN", None, "failed: <disk> (train-ppcen_logmel-0)")],
    "claims": [
        {
            "section": "4.2",
            "says": "PPCEN & more",
            "first": "2 +PPCEN",
            "second": "2 Baseline",
            "score": "dev_f1",
            "claimed": 5.13,
            "at_least": 0.0,
            "here": 1.5,
            "low": -0.5,
            "high": 3.5,
            "p": 0.1,
            "verdict": "not decided by these runs",
            "why": "lesson 42",
        }
    ],
    "figures": [
        {"figure": 1, "shows": "the scheme", "lesson": "42_test", "here": "drawn", "verdict": "reproduced"},
        {"figure": 2, "shows": "two layers", "lesson": "03_pcen", "here": "in 9 of 10 clips", "verdict": "in part"},
    ],
    "unseen": [],
    "runs": [
        {
            "system": "baseline",
            "seed": 1,
            "minutes": 2.54,
            "steps": 15,
            "configuration": "deadbeef",
            "versions": {"torch": "2.x"},
        }
    ],
}


class Page(HTMLParser):
    """All tags of a page with their attributes, and those that were opened and not closed."""

    VOID = {"wbr", "meta", "img", "br", "hr", "path", "link", "input", "source"}

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
    widget = v4.new_output(
        "display_data",
        {
            "application/vnd.jupyter.widget-view+json": {"model_id": "abc", "version_major": 2, "version_minor": 0},
            "text/plain": "  0%|   | 0/10",
        },
    )
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
    index = report([tmp_path / "42_test.ipynb"], LEDGER, tmp_path / "report")
    assert index == tmp_path / "report/index.html"
    written = {path.name: path.read_text(encoding="utf-8") for path in (tmp_path / "report").iterdir()}
    assert "mount(" in written.pop("explorer.html")  # which has tests of its own
    return written


def test_pages(pages):
    assert set(pages) == {"index.html", "runs.html", "42_test.html"}
    for name, text in pages.items():
        page = Page(text)
        assert page.open == []
        assert page.all("html") == [{"lang": "en"}]
        assert len(page.all("title")) == len(page.all("main")) == len(page.all("h1")) == 1
        assert any(meta.get("name") == "viewport" for meta in page.all("meta"))
        assert "prefers-color-scheme: dark" in text
        links = [link["href"] for link in page.all("a")]
        assert links[0] == "#main" and page.all("main")[0]["id"] == "main"  # past the list of pages, by keyboard
        assert links[1:5] == ["index.html", "42_test.html", "runs.html", "explorer.html"]
        assert [link["href"] for link in page.all("a") if link.get("aria-current") == "page"] == [name]
        assert {link for link in links if not link.startswith("#")} <= {*pages, "explorer.html"}


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


@pytest.mark.parametrize(
    "bad",
    [
        '<script src="https://x.org/a.js"></script>',
        '<link rel="stylesheet" href="https://x.org/a.css">',
        "<style>@import 'https://x.org/a.css';</style>",
        '<img alt="" src="https://x.org/a.png">',
        "<p style=\"background: url('https://x.org/a.png')\"></p>",
    ],
)
def test_the_test_for_that_can_fail(bad):
    with pytest.raises(AssertionError):
        assert_self_contained(bad)


def test_descriptions_and_sounds_survive(pages):
    page = Page(pages["42_test.html"])
    assert [image["alt"] for image in page.all("img")] == ["An empty figure, on purpose"]
    assert [audio["aria-label"] for audio in page.all("audio")] == ["Silence (0.0 s)"]
    assert [math["alttext"] for math in page.all("math")] == ["x^2 < 3", r"\frac{\partial L}{\partial \theta}"]


def test_solutions_are_folded_and_bars_left_out(pages):
    text = pages["42_test.html"]
    assert text.count("<details><summary>Solution</summary>") == 1
    folded = text.partition("<details><summary>Solution</summary>")[2].partition("</details>")[0]
    assert "answer" in folded and text.count("answer") == folded.count("answer")
    assert "0/10" not in text and "alert" not in text
    assert "a &lt; b" in text


def test_index_shows_numbers_sentences_and_figures(pages):
    text = pages["index.html"].replace("<wbr>", "")
    assert "12.3 (10.3 to 14.3)" in text and "failed: &lt;disk&gt; (train-ppcen_logmel-0)" in text
    assert "PPCEN &amp; more" in text and "+1.5 (-0.5 to +3.5)" in text and "lesson 42" in text
    assert (
        "Of 1 claims and comparisons that the paper makes about these numbers: 1 not decided." in text
        and "seeds 0, 1." in text
    )
    assert (
        '(<a href="42_test.html">A lesson</a>)' in text
        and "Figure 2: two layers. <strong>in part</strong>: in 9 of 10 clips." in text
    )
    page = Page(text)
    assert "Baseline 34.8 and 12.3" in page.all("img")[0]["alt"]
    assert all(
        box.get("tabindex") == "0" and box["aria-label"] for box in page.all("div") if box.get("class") == "wide"
    )
    assert not [box for box in page.all("section") if box.get("role") == "alert"]


def test_what_failed_stands_at_the_top_and_a_ledger_without_numbers_has_no_picture(tmp_path):
    failed = LEDGER | {
        "failed": {"train-augm-0": "no space <left>"},
        "numbers": [number("Baseline", None)],
        "claims": [],
        "runs": [],
    }
    text = report([], failed, tmp_path).read_text(encoding="utf-8")
    page = Page(text)
    assert page.open == [] and page.all("section") == [{"role": "alert", "class": "failed"}] and not page.all("img")
    assert "<strong>train-augm-0</strong>: no space &lt;left&gt;" in text and text.index(
        "Not everything ran"
    ) < text.index("The paper's numbers")
    assert "Nothing was trained." in (tmp_path / "runs.html").read_text(encoding="utf-8")
    assert_self_contained(text)


def test_records_of_the_runs(pages):
    text = pages["runs.html"]
    for said in ("0a1b2c3d", "deadbeef", "2.5", "2026-01-02", "mini-smoke", "0, 1"):
        assert said in text


def test_a_page_is_replaced_in_one_go(tmp_path):
    report([], LEDGER, tmp_path)
    report([], LEDGER | {"data": "other"}, tmp_path)
    assert "other" in (tmp_path / "index.html").read_text(encoding="utf-8") and not list(tmp_path.glob("*.partial"))


def test_a_lesson_without_a_title(tmp_path):
    nbformat.write(v4.new_notebook(cells=[v4.new_code_cell("# no title")]), tmp_path / "x.ipynb")
    with pytest.raises(SedError, match="no title"):
        report([tmp_path / "x.ipynb"], LEDGER, tmp_path / "report")


def test_a_formula_is_mathml():
    assert "<msup><mi>x</mi><mn>2</mn></msup><mo>&#x0003C;</mo>" in formula("x^2 < 3")
    assert 'display="block"' in formula("x", display="block") and "display" not in formula("x").replace(
        'display="inline"', ""
    )


@pytest.mark.parametrize("tex", [r"\nosuchthing{x}", r"x^", r"\left( x"])
def test_a_formula_that_cannot_be_set_is_named(tex):
    with pytest.raises(SedError, match=re.escape(repr(tex))):
        formula(tex)


def test_markdown_math_only_where_it_is_math():
    cell = v4.new_markdown_cell("It costs \\$5; `$x$` is code.")
    text = notebook_html(v4.new_notebook(cells=[cell]))
    assert "<math" not in text and "<code>$x$</code>" in text
    assert html.image(b"", "x", 1).data.startswith("<img")
