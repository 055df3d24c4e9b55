"""JupyterLab opens, runs lesson 03, and the explorer there shows what its pure function says."""

from __future__ import annotations

import io
from dataclasses import replace

import jupytext
import numpy as np
import pytest
import soundfile
from driver import ExplorerPage, until
from playwright.sync_api import Page

from sedlib.lesson.execute import read
from sedlib.lesson.explorer import PRESETS, SOUNDS, Explorer, State, panels, sound, spectrogram, uploaded, values_at

LESSON = "03"
# After "Run all", JupyterLab scrolls to the last cell and says so when a long run has not got there in 10 s.
HARMLESS = ("did not appear within 10000 ms",)
# Of the notebook as JupyterLab holds it: what is far from the part that is seen need not have been drawn.
CELLS = "jupyterapp.shell.currentWidget.content.model.toJSON().cells.filter((cell) => cell.cell_type == 'code')"
ERRORS = f"{CELLS}.flatMap((cell) => cell.outputs).filter((output) => output.output_type == 'error')"
FIXED_1 = State(sound=next(iter(SOUNDS)), **PRESETS["Fixed 1"].changes)
READY = "Python 3 (ipykernel) | Idle"


@pytest.fixture(scope="module")
def lesson(page, lessons, lab) -> Page:
    """Lesson 03 in JupyterLab, run from top to bottom with profile "smoke"."""
    notebook = read(LESSON)
    parameters = next(cell for cell in notebook.cells if "parameters" in cell.metadata.get("tags", []))
    parameters.source += '\nprofile = "smoke"'
    jupytext.write(notebook, lessons / "lesson.py", fmt="py:percent")
    page.goto(lab)
    page.locator(".jp-DirListing-item", has_text="lesson.py").dblclick()
    # a run before the kernel is there is forgotten by JupyterLab
    page.get_by_text(READY).wait_for(timeout=60_000)
    page.locator("#jp-MainMenu").get_by_text("Run", exact=True).click()
    page.locator("[data-command='runmenu:run-all']").click()
    page.wait_for_function(f"{CELLS}.every((cell) => cell.execution_count) || {ERRORS}.length", polling=500,
                           timeout=300_000)
    page.get_by_text(READY).wait_for(timeout=60_000)
    assert page.evaluate(ERRORS) == []
    return page


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
