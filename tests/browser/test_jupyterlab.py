"""JupyterLab opens and runs lesson 03, and its explorer, the composer, the adversarial toy and the path of an HMM show
what their pure functions say."""

from __future__ import annotations

import io
import urllib.error
import urllib.request
from dataclasses import replace

import jupytext
import numpy as np
import pandas as pd
import pytest
import soundfile
from driver import ExplorerPage, decoded, pixels, until
from nbformat.v4 import new_code_cell
from playwright.sync_api import Locator, Page

from minidesed import generate
from sedcourse import composer, decoding, toy
from sedcourse.execute import read
from sedcourse.explorer import PRESETS, SOUNDS, Explorer, State, panels, sound, spectrogram, uploaded, values_at
from sedlib.augment import Bank, Mixture, draw, open_bank
from sedlib.data.audio import RATE

LESSON = "03"
# After "Run all", JupyterLab scrolls to the last cell and says so when a long run has not got there in 10 s.
HARMLESS = ("did not appear within 10000 ms",)
# Of the notebook as JupyterLab holds it: what is far from the part that is seen need not have been drawn.
CELLS = "jupyterapp.shell.currentWidget.content.model.toJSON().cells.filter((cell) => cell.cell_type == 'code')"
ERRORS = f"{CELLS}.flatMap((cell) => cell.outputs).filter((output) => output.output_type == 'error')"
FIXED_1 = State(sound=next(iter(SOUNDS)), **PRESETS["Fixed 1"].changes)
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


@pytest.fixture
def explorer(lesson) -> ExplorerPage:
    """The lesson's explorer, with its first sound and the preset "Fixed 1"."""
    found = ExplorerPage(lesson)
    # at once, without waiting for the first: JupyterLab may run the two in two threads
    found.choose("sound", FIXED_1.sound)
    found.press("Fixed 1")
    found.shows(FIXED_1)
    return found


def test_lesson_runs_to_the_end_without_an_error(lesson):
    assert lesson.locator("[data-mime-type='application/vnd.jupyter.error']").all_inner_texts() == []  # of widgets
    assert "Error displaying widget" not in lesson.locator(".jp-Notebook").inner_text()


@pytest.mark.parametrize("preset", ["Fixed 3", "Released"])
def test_preset(explorer, preset):
    explorer.press(preset)
    explorer.shows(replace(FIXED_1, **PRESETS[preset].changes))
    assert PRESETS[preset].note in explorer.status()


def test_slider_moves_with_the_keyboard(explorer):
    explorer.slider("alpha").focus()
    explorer.page.keyboard.press("ArrowLeft")
    layer = FIXED_1.layers[0]
    explorer.shows(replace(FIXED_1, layers=(replace(layer, alpha=0.97),)))


def test_upload_of_a_sound(explorer):
    time = np.arange(2 * 44100) / 44100
    left = 0.3 * np.sin(2 * np.pi * 440 * time) * (time > 1)
    file = io.BytesIO()
    soundfile.write(file, np.stack([left, np.zeros_like(left)], 1), 44100, format="WAV")
    explorer.upload("tone.wav", file.getvalue())
    waveform, said = uploaded("your tone.wav", file.getvalue())
    explorer.shows(replace(FIXED_1, sound="your tone.wav"), waveform)
    assert said in explorer.status()


def test_upload_that_is_no_sound_leaves_the_picture(explorer):
    explorer.upload("notes.wav", b"this is no sound\n" * 100)
    until(lambda: "notes.wav" in explorer.status(), 20, "a message about notes.wav")
    assert "Not possible" in explorer.status()
    explorer.shows(FIXED_1)
    explorer.press("Fixed 3")
    explorer.shows(replace(FIXED_1, **PRESETS["Fixed 3"].changes))


@pytest.mark.parametrize("panel", [0, 1, 2], ids=["log-Mel", "M", "PCEN"])
def test_mouse_reads_the_arrays(explorer, panel):
    reference = Explorer().picture
    shown = panels(FIXED_1, spectrogram(sound(FIXED_1.sound), FIXED_1.features))
    (frames, bands), (left, top, width, height) = reference.grid, reference.panels[panel]
    frame, band = 400 + 20 * panel, 37 + panel
    explorer.point_at(left + width * (frame + 0.5) / frames, top + height * (1 - (band + 0.5) / bands))
    # a pixel of the page is wider than a frame
    near = [values_at(FIXED_1, shown, f, b) for f in range(frame - 3, frame + 4) for b in (band - 1, band, band + 1)]
    until(lambda: explorer.at_cursor() in near, 20, f"values near frame {frame} of band {band}")


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
    notebook.cells = [new_code_cell(f"from sedcourse import explore, toy\ninteractive = True\n{cell.source}")]
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
