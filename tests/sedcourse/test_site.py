"""The static site: every link leads somewhere, nothing comes from elsewhere, and axe-core has no objection."""

import re
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import jupytext
import nbformat
import pytest
from axe_playwright_python.sync_playwright import Axe
from nbformat.v4 import new_code_cell, new_output
from playwright.sync_api import sync_playwright
from screens import CHROMIUM_OPTIONS, find_browser

from reproduction.lessons import LESSONS, find
from sedcourse import quiz, site, slides
from sedcourse.execute import read

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore::DeprecationWarning")]
IMAGE = '<img alt="A spectrogram." src="data:image/png;base64,iVBORw0KGgo=">'


class Links(HTMLParser):
    """What a page names, and what it loads or links to."""

    def __init__(self, page: Path) -> None:
        super().__init__()
        self.ids, self.links, self.loads = set(), set(), set()
        self.feed(page.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attrs):
        named = dict(attrs)
        self.ids |= {named[name] for name in ("id", "name") if named.get(name)}
        if tag == "a" and named.get("href"):
            self.links.add(named["href"])
        elif named.get("src") or (tag == "link" and "stylesheet" in (named.get("rel") or "")):
            self.loads.add(named.get("src") or named["href"])


def broken(folder: Path) -> list[str]:
    """Links that lead nowhere within a folder of pages, and what is loaded from elsewhere."""
    pages = {page: Links(page) for page in folder.rglob("*.html")}
    found = []
    for page, read in pages.items():
        name = page.relative_to(folder)
        found += [f"{name} loads {link[:80]}" for link in read.loads if re.match(r"(https?:)?//", link)]
        for link in read.links | {link for link in read.loads if not re.match(r"data:|(https?:)?//", link)}:
            parts = urlsplit(link)
            if parts.scheme or link.startswith("//"):
                continue
            target = (page.parent / unquote(parts.path)).resolve() if parts.path else page
            if not target.exists():
                found.append(f"{name}: {link}: there is no such file")
            elif parts.fragment and target in pages and unquote(parts.fragment) not in pages[target].ids:
                found.append(f"{name}: {link}: there is no such place")
    return found


@pytest.fixture(scope="module")
def pages(tmp_path_factory) -> Path:
    """The site, of which one lesson was executed, with a picture, a sound, a widget and the quiz among its outputs."""
    executed = tmp_path_factory.mktemp("executed")
    notebook = jupytext.read(find("03"))
    data = [
        {"text/html": IMAGE},
        {"text/html": '<audio controls aria-label="a sound" src="data:audio/wav;base64,UklGRg=="></audio>'},
        {"text/html": quiz.show("03").data},
        {"application/vnd.jupyter.widget-view+json": {"model_id": "1"}, "text/plain": "A widget"},
    ]
    outputs = [new_output("display_data", each) for each in data]
    notebook.cells.append(new_code_cell("shown()", outputs=outputs, execution_count=1))
    nbformat.write(notebook, executed / "03_pcen.ipynb")
    out = tmp_path_factory.mktemp("site")
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("GITHUB_REPOSITORY", raising=False)
        patch.setattr(site, "scratch", lambda: tmp_path_factory.mktemp("scratch"))
        site.build(out, executed)
    return out


def test_every_link_leads_somewhere_and_nothing_comes_from_elsewhere(pages):
    assert broken(pages) == []


def test_the_checker_of_links_sees_faults(tmp_path):
    (tmp_path / "a.html").write_text(
        '<p id="here"><a href="#here"><a href="b.html"><a href="a.html#there"><script src="https://cdn.x/y.js">'
    )
    assert sorted(broken(tmp_path)) == [
        "a.html loads https://cdn.x/y.js",
        "a.html: a.html#there: there is no such place",
        "a.html: b.html: there is no such file",
    ]


def test_everything_is_there(pages):
    for page in [
        "index",
        "search",
        "explorer",
        "docs/GLOSSARY",
        "docs/RESULTS",
        "docs/teaching/notes",
        "api/sedlib.features",
    ]:
        assert (pages / f"{page}.html").is_file()
    for name, _, _ in LESSONS:
        assert (pages / "notebooks" / f"{name}.html").is_file() and (pages / "slides" / f"{name}.html").is_file()
    lesson = (pages / "notebooks/03_pcen.html").read_text()
    assert IMAGE.split(" src")[0] in lesson and "<audio" in lesson and "<math" in lesson and "widget-view" not in lesson
    assert lesson.count('<details name="quiz-03-1">') == 4 and "Solution" in lesson
    assert re.search(r'class="nf">pcen</span>', lesson) and "mybinder" not in lesson
    assert "Bounded" in (pages / "api/sedlib.features.html").read_text()
    assert "smoother" in (pages / "searchindex.js").read_text()


def test_links_that_open_the_lesson_elsewhere(monkeypatch):
    monkeypatch.setenv("GITHUB_REPOSITORY", "someone/course")
    assert "mybinder.org/v2/gh/someone/course/HEAD?urlpath=lab/tree/lessons/03_pcen.ipynb" in site._launch("03_pcen")


def test_slides(tmp_path):
    slides.write_slides(find("03"), tmp_path / "03_pcen.html")
    page = (tmp_path / "03_pcen.html").read_text()
    assert page.count("<section") > 30 and page.count("<h1") == 1 and "<script" not in page
    assert page.count("<strong>Right.") == len(quiz.questions("03")) and "Predict" in page and "def smoother" in page


def test_slides_of_an_executed_lesson(tmp_path):
    """Each slide has more than its heading, formulas stand with their words, and results are there."""
    sound, table = "<audio controls src='data:audio/wav;base64,'></audio>", "<table><tr><td>59</td></tr></table>"
    shown = {
        "teacher.training_clips": [new_output("execute_result", {"text/html": table})],
        "metrics.paired_difference": [new_output("stream", name="stdout", text="student: 1 < 2\n")],
        "mistakes.worst": [new_output("display_data", {"text/html": html}) for html in (IMAGE, sound) * 2],
        "check.ema": [new_output("stream", name="stdout", text="correct: it is known now\n")],
    }
    notebook = read("04")
    for cell in (cell for cell in notebook.cells if cell.cell_type == "code"):
        cell.outputs = next((outputs for words, outputs in shown.items() if words in cell.source), [])
    nbformat.write(notebook, tmp_path / "04_mean_teacher.ipynb")
    slides.write_slides(tmp_path / "04_mean_teacher.ipynb", tmp_path / "04.html")
    page = Links(tmp_path / "04.html")
    found = re.findall("<section[^>]*>(.*?)</section>", (tmp_path / "04.html").read_text(), re.DOTALL)

    def of(words: str) -> str:
        return next(slide for slide in found if words in slide)

    assert not [slide for slide in found if re.fullmatch(r"\s*<h2.*</h2>\s*", slide)]
    assert "<math" in of("It has four terms") and "<math" in of("A softmax turns numbers into shares")
    assert "<h2>What can each clip teach?" in of(table)
    assert "student: 1 &lt; 2" in of("Those were synthetic clips") and "correct: it is" not in "".join(found)
    assert sum(IMAGE in slide and sound in slide for slide in found) == 2
    places = {link.removeprefix("#") for link in page.links if link.startswith("#")}
    assert len(places) > 10 and places <= page.ids
    assert "<h2>Look and listen" in found[int(re.search(r"#slide-(\d+)'><p>Look", of("Contents"))[1]) - 1]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_has_no_objection(pages, scheme):
    browser = find_browser()
    if browser is None:
        pytest.skip("no browser: `make browser` installs Chromium")
    with (
        sync_playwright() as playwright,
        playwright.chromium.launch(executable_path=browser, args=CHROMIUM_OPTIONS) as chromium,
    ):
        page = chromium.new_page(viewport={"width": 390, "height": 844}, color_scheme=scheme)
        found = []
        for name in ("index", "notebooks/03_pcen", "docs/GLOSSARY", "docs/teaching/notes", "slides/03_pcen"):
            page.goto((pages / f"{name}.html").as_uri())
            rules = {"runOnly": {"type": "tag", "values": ["wcag2a", "wcag2aa"]}}
            violations = Axe().run(page, options=rules).response["violations"]
            found += [f"{name}: {v['id']}: {v['nodes'][0]['html'][:150]}" for v in violations]
            found += [f"{name}: wider than a phone"] * (page.evaluate("document.documentElement.scrollWidth") > 390)
        assert found == []
