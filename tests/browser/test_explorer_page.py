"""The explorer as one HTML file, opened from a disk: what a reader does with it, and what it says of bad sounds."""

from __future__ import annotations

import io

import numpy as np
import pytest
import soundfile
from driver import until
from playwright.sync_api import Page

from sedcourse.explorer import PRESETS, SOUNDS, seen, write_page
from sedcourse.explorer.page import flac
from sedcourse.explorer.sounds import FIGURE_2

OTHER = list(SOUNDS)[1]
HARMLESS = ("request failed: blob:",)  # a player whose page is left


@pytest.fixture(scope="module")
def address(tmp_path_factory) -> str:
    path = tmp_path_factory.mktemp("page") / "explorer.html"
    write_page(path)
    return path.as_uri()


@pytest.fixture
def opened(page, address) -> Page:
    page.goto("about:blank")
    page.goto(address)
    page.evaluate("explorer.ready")
    until(lambda: "#" in link(page), 60, "the link")
    return page


def link(page: Page) -> str:
    """The address as it is now; `page.url` is that of the last event that Playwright saw."""
    return page.evaluate("location.href")


def status(page: Page) -> str:
    return page.get_by_role("status").first.inner_text()


def picture(page: Page, title: str) -> str:
    return page.get_by_role("img", name=f"{title}:").get_attribute("aria-label")


def equation(page: Page) -> str:
    return page.get_by_label("the equation with its numbers").inner_text()


def give(page: Page, name: str, content: bytes) -> None:
    page.get_by_label("your own sound").set_input_files({"name": name, "mimeType": "audio/wav", "buffer": content})


def wav(samples: np.ndarray, rate: int = 16000, subtype: str = "PCM_16") -> bytes:
    file = io.BytesIO()
    soundfile.write(file, samples, rate, format="WAV", subtype=subtype)
    return file.getvalue()


def decoded_here() -> np.ndarray:
    """The page's first sound as Chromium decodes 16 bits: it divides what is positive by 32767, others by 32768."""
    x = soundfile.read(io.BytesIO(flac(SOUNDS[FIGURE_2]())), dtype="int16")[0]
    return (x / np.where(x > 0, 32767, 32768)).astype(np.float32)


def test_a_preset_shows_the_librarys_values(opened):
    opened.get_by_role("button", name="Figure 2 by hand", exact=True).click()
    until(lambda: opened.get_by_role("img", name="PCEN2:").count(), 30, "a second layer")
    for k, out in enumerate(seen(PRESETS["Figure 2 by hand"].settings, decoded_here()), 1):
        made = opened.evaluate(f"[...explorer.shown().pcen[{k - 1}]]")
        assert np.allclose(made, out.ravel(), rtol=1e-5, atol=1e-5)
    assert PRESETS["Figure 2 by hand"].note in status(opened)


def test_a_slider_moves_with_the_keyboard_and_changes_equation_and_picture(opened):
    before = picture(opened, "PCEN1")
    slider = opened.get_by_label("alpha").first
    slider.focus()
    opened.keyboard.press("ArrowLeft")
    until(lambda: picture(opened, "PCEN1") != before, 30, "another picture")
    assert slider.get_attribute("aria-valuetext") == "0.97"
    assert "0.97" in equation(opened)


def test_the_equation_has_the_numbers_of_every_layer_and_smoother(opened):
    opened.get_by_role("button", name="Released", exact=True).click()
    until(lambda: "PCEN2" in equation(opened), 30, "the second layer")
    line = equation(opened).splitlines()[0]
    assert line.startswith("PCEN1 = (E / (0.000001 + M)0.819 + 10.7)0.45 − 10.70.45")
    assert "0.5 of s = 0.015 (T 1.05 s) and 0.5 of s = 0.08 (T 191 ms), forwards and then backwards" in line


def test_two_settings_are_compared(opened):
    opened.get_by_role("button", name="setting B").click()
    opened.get_by_role("button", name="Fixed 3", exact=True).click()
    until(lambda: "M)0.8 " in equation(opened), 30, "setting B")
    opened.get_by_role("button", name="setting A").click()
    until(lambda: "M)0.98 " in equation(opened), 30, "setting A")
    opened.get_by_role("button", name="copy to the other").click()
    opened.get_by_role("button", name="setting B").click()
    until(lambda: "M)0.98 " in equation(opened), 30, "the copy")


def test_the_link_holds_the_whole_state(opened, address):
    opened.get_by_role("combobox", name="Sound").select_option(OTHER)
    opened.get_by_role("button", name="Released", exact=True).click()
    opened.get_by_role("button", name="setting B").click()
    opened.get_by_label("Colours").select_option("cividis")
    opened.get_by_role("button", name="zoom in").click()
    until(lambda: all(part in link(opened) for part in ("on=B", "view=0.25", "cividis")), 30, "the link")
    kept, label = link(opened), picture(opened, "log-Mel, dB")
    opened.goto("about:blank")
    opened.goto(kept)
    opened.evaluate("explorer.ready")
    until(lambda: opened.get_by_role("img", name="log-Mel").get_attribute("aria-label") == label, 30, "the same sound")
    assert opened.get_by_role("button", name="setting B").get_attribute("aria-pressed") == "true"
    opened.get_by_role("button", name="setting A").click()
    until(lambda: opened.get_by_role("img", name="PCEN2:").count(), 30, "both layers of Released")
    until(lambda: link(opened) == kept.replace("on=B", "on=A"), 30, "the same link")


@pytest.mark.parametrize("wrong", ["a=nonsense", "a=mel,causal,1e-6,2048,255,128,200;0.9,0,0.5,0.4:1", "view=9,1"])
def test_a_link_that_cannot_be_is_told(page, address, wrong):
    page.goto("about:blank")
    page.goto(f"{address}#{wrong}")
    page.evaluate("explorer.ready")
    page.get_by_role("img", name="PCEN1:").wait_for()
    if wrong.startswith("a="):
        assert "cannot be" in status(page)
    else:
        assert picture(page, "log-Mel, dB")


def test_keys_read_values_and_zoom(opened):
    opened.get_by_role("img", name="log-Mel").focus()
    opened.keyboard.press("ArrowRight")
    said = opened.locator(".cursor").inner_text()
    frame, band = 315, 64
    settings = PRESETS["Fixed 1"].settings
    assert said.startswith(f"{frame * 255 / 16000:.2f} s")
    assert f"PCEN1 {float(f'{seen(settings, decoded_here())[0, band, frame]:.3g}'):g}" in said


BAD = {
    "no audio": (b"Dear reader, this is a text.", "not audio that this browser can read"),
    "empty": (b"", "not audio that this browser can read"),
    "too short": (wav(np.zeros(100)), "too short"),
    "NaN": (wav(np.array([0.0, np.nan] * 4000), subtype="FLOAT"), "not numbers"),
    "silent": (wav(np.zeros(16000)), "It is silent"),
    "96 kHz": (wav(0.1 * np.sin(np.arange(96000)), 96000), "96000 Hz made 16000 Hz"),
    "eight channels": (wav(np.random.default_rng(0).uniform(-0.1, 0.1, (16000, 8))), "the mean of 8 channels"),
    "ten minutes": (wav(0.01 * np.ones(600 * 8000), 8000), "Only its first 30 s are used"),
}


@pytest.mark.parametrize("content, why", BAD.values(), ids=BAD)
def test_a_file_is_told_of_in_a_sentence(opened, content, why):
    give(opened, "mine.wav", content)
    until(lambda: why in status(opened), 60, f"{why!r}")
    assert "mine.wav" in status(opened)


def test_a_file_of_16_khz_is_taken_bit_for_bit(opened):
    x = (0.1 * np.random.default_rng(0).standard_normal(16000)).astype(np.float32)
    give(opened, "mine.wav", wav(x, subtype="FLOAT"))
    until(lambda: "mine.wav: 1 s" in status(opened), 30, "the file")
    until(lambda: opened.evaluate("explorer.shown().pcen[0].length") == 63 * 128, 30, "its picture")
    made = opened.evaluate("[...explorer.shown().pcen[0]]")
    assert np.allclose(made, seen(PRESETS["Fixed 1"].settings, x).ravel(), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    "without, why",
    [
        ("delete window.OfflineAudioContext", "no WebAudio"),
        ("delete window.AudioWorkletNode", "gives no microphone"),
        (
            "navigator.mediaDevices.getUserMedia = async () => { throw new DOMException('', 'NotAllowedError') }",
            "refused",
        ),
        (
            "navigator.mediaDevices.getUserMedia = async () => { throw new DOMException('', 'NotFoundError') }",
            "no microphone",
        ),
    ],
)
def test_what_a_browser_lacks_is_told(opened, without, why):
    opened.evaluate(f"() => {{ {without} }}")
    if "WebAudio" in why:
        give(opened, "mine.wav", b"RIFF")
    else:
        opened.get_by_role("button", name="Microphone").click()
    until(lambda: why in status(opened), 30, why)


def test_the_microphone_is_seen_live_and_then_kept(opened):
    """Chromium's own microphone for tests: a beep again and again."""
    before = picture(opened, "log-Mel, dB")
    opened.get_by_role("button", name="Microphone").click()
    until(lambda: "Listening" in status(opened), 30, "the microphone")
    until(lambda: picture(opened, "log-Mel, dB") != before, 30, "its picture")
    beep = "explorer.shown().pcen[0].some((value) => value > 0.1)"
    until(lambda: opened.evaluate(beep), 60, "a beep")
    opened.get_by_role("button", name="Stop the microphone").click()
    until(lambda: "The last 10 s" in status(opened), 30, "its sound")
    assert opened.get_by_role("combobox", name="Sound").input_value() == "your microphone"
    assert opened.evaluate(beep)


def test_tasks_are_scored(opened):
    opened.get_by_text("Tasks", exact=True).click()
    tasks = opened.get_by_role("listitem")
    opened.get_by_role("button", name="Figure 2 by hand", exact=True).click()
    until(lambda: "done" in tasks.nth(1).inner_text(), 30, "the second task")
    tasks.nth(1).get_by_role("button", name="start").click()
    until(lambda: "not yet" in tasks.nth(1).inner_text(), 30, "its start")


def test_on_a_phone_nothing_is_wider_than_the_page(opened):
    opened.set_viewport_size({"width": 360, "height": 700})
    try:
        assert opened.evaluate("document.documentElement.scrollWidth") <= 360
    finally:
        opened.set_viewport_size({"width": 1280, "height": 900})
