"""The annotator in a browser, with a model of its own in place of Python's: mouse, keyboard, and what is told."""

import io
import json

import numpy as np
import pytest
import soundfile
from PIL import Image

from sedcourse.project.annotator import Strip

PAGE = """<!doctype html><title>annotator</title><main id="place" style="width:1000px"></main>
<script type="module">
SCRIPT
const values = { events: [[1, 2, "Dog"]], duration: 10, classes: ["Cat", "Dog", "Running_water"], label: "Cat",
  alt: "a recording", png: new Uint8Array(PNG), wav: new Uint8Array(WAV) };
const heard = {};
window.model = { get: (name) => values[name], save_changes: () => { window.saved = (window.saved ?? 0) + 1; },
  set: (name, value) => { values[name] = value; (heard[`change:${name}`] ?? []).forEach((f) => f()); },
  on: (name, f) => { (heard[name] ??= []).push(f); } };
widget.render({ model: window.model, el: document.getElementById("place") });
</script>"""


@pytest.fixture(autouse=True)
def annotator(page):
    png = io.BytesIO()
    Image.fromarray(np.zeros((4, 100, 3), np.uint8)).save(png, "PNG")
    wav = io.BytesIO()
    soundfile.write(wav, np.zeros(8000), 8000, format="WAV")
    script = str(Strip._esm).replace("export default {", "const widget = {")
    filled = PAGE.replace("SCRIPT", script)
    for name, file in (("PNG", png), ("WAV", wav)):
        filled = filled.replace(name, json.dumps(list(file.getvalue())))
    page.set_content(filled)
    page.wait_for_function("document.querySelector('[role=listitem]')")
    return page


def events(page) -> list:
    return page.evaluate("model.get('events')")


def test_a_drag_makes_an_event(annotator):
    box = annotator.get_by_alt_text("a recording").bounding_box()
    left, width, middle = box["x"], box["width"], box["y"] + box["height"] / 2
    annotator.mouse.move(left + 0.7 * width, middle)
    annotator.mouse.down()
    annotator.mouse.move(left + 0.5 * width, middle, steps=4)  # backwards as well
    annotator.mouse.up()
    (_, made) = events(annotator)
    assert made[:2] == pytest.approx([5, 7], abs=0.05) and made[2] == "Cat"
    assert annotator.evaluate("saved") >= 1
    annotator.mouse.click(left + 0.2 * width, middle)  # a click makes none
    assert len(events(annotator)) == 2


def test_everything_works_by_keyboard(annotator):
    annotator.get_by_role("button", name="Add an event").focus()
    annotator.keyboard.press("Enter")
    assert events(annotator)[1] == [0, 1, "Cat"]
    focused = "document.activeElement.getAttribute('aria-label')"
    assert annotator.evaluate(focused) == "class of event 2"
    annotator.keyboard.press("R")  # the first class with this letter
    assert events(annotator)[1][2] == "Running_water"
    annotator.keyboard.press("Tab")
    assert annotator.evaluate(focused) == "onset of event 2, seconds"
    annotator.keyboard.press("ArrowUp")
    assert events(annotator)[1][0] == pytest.approx(0.05)
    annotator.keyboard.press("Tab")
    annotator.keyboard.type("3.4")
    annotator.keyboard.press("Tab")
    assert events(annotator)[1] == [0.05, 3.4, "Running_water"]
    annotator.keyboard.press("Tab")
    annotator.keyboard.press("Enter")  # Remove
    assert events(annotator) == [[1, 2, "Dog"]]


def test_an_event_that_would_end_before_it_begins_stays_as_it_was(annotator):
    onset = annotator.get_by_label("onset of event 1, seconds")
    onset.fill("2.5")
    onset.press("Enter")
    assert events(annotator) == [[1, 2, "Dog"]] and onset.input_value() == "1"


def test_what_python_sets_is_shown(annotator):
    annotator.evaluate("model.set('events', [[0, 5, 'Cat'], [6, 7, 'Dog']])")
    assert annotator.get_by_role("listitem").count() == 2
    bars = annotator.locator(".annotator-bar")
    assert bars.count() == 2 and bars.first.evaluate("bar => bar.style.width") == "50%"
