"""JupyterLab opens and runs lesson 03, and its explorer, the composer, the adversarial toy and the path of an HMM show
what their pure functions say; in the student's version, work is checked and kept."""

from __future__ import annotations

import urllib.error
import urllib.request

import jupytext
import numpy as np
import pandas as pd
import pytest
from driver import decoded, pixels, until
from nbformat.v4 import new_code_cell
from playwright.sync_api import Locator, Page

from minidesed import generate
from sedcourse import composer, decoding, quiz, toy
from sedcourse.execute import read
from sedcourse.stubs import exercise_notebook
from sedlib.augment import Bank, Mixture, draw, open_bank
from sedlib.data.audio import RATE

LESSON = "03"
# After "Run all", JupyterLab scrolls to the last cell and says so when a long run has not got there in 10 s.
HARMLESS = ("did not appear within 10000 ms", "request failed: blob:")  # the latter: a player that got another sound
# Of the notebook as JupyterLab holds it: what is far from the part that is seen need not have been drawn.
CELLS = "jupyterapp.shell.currentWidget.content.model.toJSON().cells.filter((cell) => cell.cell_type == 'code')"
ERRORS = f"{CELLS}.flatMap((cell) => cell.outputs).filter((output) => output.output_type == 'error')"
READY = "Python 3 (ipykernel) | Idle"


@pytest.fixture(scope="module")
def opened(page, lab) -> Page:
    """JupyterLab; it tells of its address a while before it listens there."""
    until(lambda: listens(lab), 60, "JupyterLab to listen")
    page.goto(lab)
    return page


def listens(url: str) -> bool:
    """Whether anybody answers."""
    try:
        return urllib.request.urlopen(url).status == 200
    except urllib.error.URLError:
        return False


def run_all(page: Page, lesson: str) -> None:
    """Open a lesson and run it from top to bottom."""
    page.locator(".jp-DirListing-item", has_text=lesson).dblclick(timeout=60_000)
    # a run before the kernel is there is forgotten by JupyterLab
    page.get_by_text(READY).wait_for(timeout=60_000)
    page.locator("#jp-MainMenu").get_by_text("Run", exact=True).click()
    page.locator("[data-command='runmenu:run-all']").click()
    page.wait_for_function(
        f"{CELLS}.every((cell) => cell.execution_count) || {ERRORS}.length", polling=500, timeout=300_000
    )
    page.get_by_text(READY).wait_for(timeout=60_000)
    assert page.evaluate(ERRORS) == []


@pytest.fixture(scope="module")
def lesson(opened, lessons) -> Page:
    """Lesson 03 with profile "smoke"."""
    notebook = read(LESSON)
    parameters = next(cell for cell in notebook.cells if "parameters" in cell.metadata.get("tags", []))
    parameters.source += '\nprofile = "smoke"'
    jupytext.write(notebook, lessons / "lesson.py", fmt="py:percent")
    run_all(opened, "lesson.py")
    return opened


def test_lesson_runs_to_the_end_without_an_error(lesson):
    assert lesson.locator("[data-mime-type='application/vnd.jupyter.error']").all_inner_texts() == []  # of widgets
    assert "Error displaying widget" not in lesson.locator(".jp-Notebook").inner_text()


def test_explorer_and_its_traits_follow_each_other(opened, lessons):
    cell = (
        "import ipywidgets\nimport numpy as np\nfrom sedcourse.explorer import explorer\n"
        "made, told = explorer(interactive=True), ipywidgets.Label()\n"
        "made.observe(lambda change: setattr(told, 'value', f'alpha is {change.new:g}'), 'alpha')\n"
        "made.alpha = 0.5\nmade.sound = 0.1 * np.sin(np.arange(16000))\nipywidgets.VBox([made, told])"
    )
    notebook = read(LESSON)
    notebook.cells = [new_code_cell(cell)]
    jupytext.write(notebook, lessons / "explorer.py", fmt="py:percent")
    run_all(opened, "explorer.py")
    panel = opened.locator(".jp-Notebook:visible")
    slider = panel.get_by_label("alpha").first
    until(lambda: slider.count() and slider.get_attribute("aria-valuetext") == "0.5", 60, "the slider at 0.5")
    sound = panel.get_by_role("combobox", name="Sound")
    until(lambda: sound.input_value() == "a sound from Python", 60, "the sound")
    slider.focus()
    opened.keyboard.press("ArrowLeft")
    panel.get_by_text("alpha is 0.49").wait_for()
    panel.get_by_role("button", name="Released", exact=True).click()
    panel.get_by_text("alpha is 0.8187").wait_for()


# ------------------------------------------------------------------------------------------------ the composer


@pytest.fixture(scope="module")
def bank(tmp_path_factory) -> tuple[Bank, str]:
    """Isolated sounds, and where they lie."""
    folder = tmp_path_factory.mktemp("data") / "tiny"
    generate.mini(folder, {"synthetic": 1}, seed=0, progress=False, sounds=2)
    return open_bank(folder, progress=False), str(folder)


@pytest.fixture(scope="module")
def mixing(opened, lessons, bank) -> Locator:
    """The composer, by the one call of lesson 02, in a notebook of its own."""
    notebook = read(LESSON)
    notebook.cells = [
        new_code_cell(
            "from sedlib.augment import open_bank\nfrom sedcourse import composer\n"
            f"composer.composer(open_bank({bank[1]!r}, progress=False), interactive=True)"
        )
    ]
    jupytext.write(notebook, lessons / "composer.py", fmt="py:percent")
    run_all(opened, "composer.py")
    return opened.locator(".mixture-composer")


def shows(mixing: Locator, mixture: Mixture, bank: Bank) -> None:
    """Wait until the picture is, pixel by pixel, that of a mixture whose first foreground is being edited."""
    composed = composer.compose(mixture, bank)
    expected = decoded(composer.picture(composed, bank, 0))
    image = mixing.locator(".pcen-picture")
    until(lambda: np.array_equal(pixels(image), expected), 30, f"the picture of {mixture}; {mixing.inner_text()}")
    assert image.get_attribute("alt") == composer.description(composed, bank)
    assert mixing.locator("audio").count() == 1


def test_composer_draws_and_follows_keyboard_and_choices(mixing, bank):
    bank, _ = bank
    drawn = draw(np.random.default_rng([5]), bank, composer.SETTINGS)
    first = drawn.sources[0]
    mixing.get_by_label("seed").fill("5")
    mixing.page.keyboard.press("Tab")
    mixing.get_by_role("button", name="Draw one").click()
    shows(mixing, drawn, bank)
    mixing.locator(".widget-slider", has_text="onset").get_by_role("slider").focus()
    mixing.page.keyboard.press("ArrowRight")
    moved = first._replace(onset=round((round(first.onset / RATE, 2) + 0.01) * RATE))
    shows(mixing, drawn._replace(sources=(moved, *drawn.sources[1:])), bank)
    mixing.get_by_label("class").select_option("Cat")
    cat = composer.with_sound(moved, bank.classes["Cat"][0], bank)
    shows(mixing, drawn._replace(sources=(cat, *drawn.sources[1:])), bank)


def test_composer_tells_of_a_background_beyond_the_rule_and_puts_it_back(mixing, bank):
    mixing.locator(".widget-slider", has_text="peak").last.get_by_role("slider").focus()
    mixing.page.keyboard.press("End")
    alert = mixing.get_by_role("alert")
    alert.wait_for()
    assert "beyond the paper's limit" in alert.inner_text()
    mixing.get_by_role("button", name="Put it 5 dB over").click()
    alert.wait_for(state="detached")
    assert "5.0 dB over the quietest foreground, within" in mixing.inner_text()


# ------------------------------------------------------------------------------------------------ the adversarial toy


def test_toy_is_trained_anew_when_a_slider_moves(opened, lessons):
    cell = next(cell for cell in read("05").cells if "explore.explore(toy.draw" in cell.source)
    notebook = read(LESSON)
    notebook.cells = [new_code_cell(f"from sedcourse import explore, show, toy\ninteractive = True\n{cell.source}")]
    jupytext.write(notebook, lessons / "toy.py", fmt="py:percent")
    run_all(opened, "toy.py")
    panel = opened.locator(".jp-Notebook:visible")
    for key, (weight, share) in ((None, (0, 0.5)), ("ArrowRight", (0.3, 0.5)), ("End", (0.3, 0.9))):
        if key:
            panel.get_by_role("slider").nth(int(key == "End")).focus()
            opened.keyboard.press(key)
        said = toy.draw(domain_weight=weight, real_share=share)[1]
        image = panel.locator("img")
        until(lambda: image.count() == 1 and image.get_attribute("alt") == said, 30, f"the picture of {said!r}")


# ------------------------------------------------------------------------------------------------ the path of an HMM


def test_path_follows_both_probabilities(opened, lessons):
    cell = next(cell for cell in read("06").cells if "explore.explore(draw" in cell.source)
    scores = np.array([0.05, 0.3, 0.8, 0.9, 0.35, 0.3, 0.85, 0.9, 0.2, 0.1])
    given = (
        f"import types\nimport numpy as np\nimport pandas as pd\nfrom sedcourse import decoding, explore\ninteractive = True\n"
        f"chosen, posteriors, label = np.array({scores.tolist()}), types.SimpleNamespace(frame_s=0.1), 'Dog'\n"
        "of_clip = pd.DataFrame({'onset': [0.2], 'offset': [0.8]})\n"
    )
    notebook = read(LESSON)
    notebook.cells = [new_code_cell(given + cell.source[cell.source.index("levels =") :])]
    jupytext.write(notebook, lessons / "path.py", fmt="py:percent")
    run_all(opened, "path.py")
    panel = opened.locator(".jp-Notebook:visible")
    reference = pd.DataFrame({"onset": [0.2], "offset": [0.8]})
    for key, slider, (silence, event) in (
        (None, 0, (0.5, 0.5)),
        ("ArrowRight", 0, (0.7, 0.5)),
        ("End", 1, (0.7, 0.999)),
    ):
        if key:
            panel.get_by_role("slider").nth(slider).focus()
            opened.keyboard.press(key)
        said = decoding.draw_path(scores, 0.1, reference, silence, event, "Dog: ")[1]
        image = panel.locator("img")
        until(lambda: image.count() == 1 and image.get_attribute("alt") == said, 30, f"the picture of {said!r}")


# ------------------------------------------------------------------------------------------------ the student's version

GO = """([text, kind]) => {
    const notebook = jupyterapp.shell.currentWidget.content;
    const cells = notebook.model.sharedModel.cells;
    notebook.activeCellIndex = cells.findIndex((cell) => cell.cell_type === kind && cell.source.includes(text));
    return notebook.scrollToItem(notebook.activeCellIndex, 'start');
}"""
SOURCES = "jupyterapp.shell.currentWidget.content.model.toJSON().cells.map((cell) => [].concat(cell.source).join(''))"


def at(page: Page, text: str, kind: str = "code") -> Locator:
    """Go to the first cell of a kind that holds a text."""
    page.evaluate(GO, [text, kind])
    return page.locator(".jp-Notebook:visible .jp-Cell.jp-mod-active")


def write(cell: Locator, text: str) -> None:
    """Replace what a cell holds, and run it."""
    cell.locator(".cm-content").click()
    cell.page.keyboard.press("ControlOrMeta+a")
    cell.page.keyboard.insert_text(text)
    cell.page.keyboard.press("Shift+Enter")


def test_a_student_finds_everything_again(opened, lessons):
    page, own = opened, "def judged(low, high, sign):\n    return 0 if low * high <= 0 else int(np.sign(low) * sign)"
    path = exercise_notebook("07", lessons / "student.ipynb", solutions=True)
    page.locator(".jp-DirListing-item", has_text="student.ipynb").dblclick(timeout=60_000)
    page.get_by_text(READY).wait_for(timeout=60_000)
    panel = page.locator(".jp-Notebook:visible")

    at(page, "found, source = ledger.load()")
    page.evaluate("jupyterapp.commands.execute('notebook:run-all-above')")
    write(at(page, "found, source = ledger.load()"), "found, source = ledger.load()\nprint('the ledger is', 'read')")
    panel.get_by_text("the ledger is read", exact=True).wait_for()

    for cell in ("def judged", "check.judged"):  # without an answer
        at(page, cell).locator(".cm-content").click()
        page.keyboard.press("Shift+Enter")
    panel.get_by_text("not yet").wait_for()
    write(at(page, "def judged"), own)
    at(page, "check.judged").locator(".cm-content").click()
    page.keyboard.press("Shift+Enter")
    panel.get_by_text("correct: the whole interval").wait_for()
    solution = at(page, "<summary>Solution</summary>", "markdown").locator("details")
    assert solution.get_attribute("open") is None
    solution.locator("summary").click()
    solution.get_by_text("if low <= 0 <= high").wait_for()

    prediction = at(page, "My prediction", "markdown")
    prediction.dblclick()
    write(prediction, "> **My prediction**: the HMM")
    panel.get_by_text("My prediction: the HMM").wait_for()

    asked = quiz.questions("07")
    at(page, "quiz.show").locator(".cm-content").click()
    page.keyboard.press("Shift+Enter")
    options = panel.locator("details[name='quiz-07-1']")
    for option, verdict in ((options.nth(asked[0].right - 1), "No."), (options.nth(asked[0].right), "Right.")):
        option.locator("summary").click()
        option.get_by_text(verdict, exact=True).wait_for()
    letters = "".join(quiz.LETTERS[question.right] for question in asked)
    write(at(page, "quiz.show"), f'quiz.show("07", answers="{letters}")')
    result = f"{len(asked)} of {len(asked)} right"
    panel.get_by_text(result).wait_for()

    page.evaluate("jupyterapp.commands.execute('docmanager:save')")
    until(lambda: result in path.read_text(encoding="utf-8"), 20, "the work on disk")
    page.evaluate("jupyterapp.commands.execute('application:close')")
    page.locator("[role=tab]", has_text="student.ipynb").wait_for(state="detached")
    page.locator(".jp-DirListing-item", has_text="student.ipynb").dblclick()
    page.get_by_text(READY).wait_for()
    sources = page.evaluate(SOURCES)
    assert own in sources and "> **My prediction**: the HMM" in sources
    at(page, "check.judged")
    panel.get_by_text("correct: the whole interval").wait_for()
