"""What the browser tests drive with: the browser of this machine and servers that end, and what a page shows."""

from __future__ import annotations

import base64
import io
from pathlib import Path

import numpy as np
from PIL import Image
from playwright.sync_api import Locator, Page
from screens import CHROMIUM_OPTIONS, NAMES, find_browser, jupyter_folders, running, until  # noqa: F401

from sedcourse.explorer import State, panels, picture, sound, spectrogram


def folders(root: Path) -> dict[str, str]:
    """Environment in which Jupyter, IPython and the course keep everything below ``root``."""
    return {**jupyter_folders(root), "SEDLIB_WORKSPACE": str(root / "workspace")}


class Watch:
    """Everything a page complained of: its console, exceptions, failed requests, and requests to other machines."""

    def __init__(self, page: Page, harmless: tuple[str, ...]) -> None:
        self.complaints: list[str] = []
        self.harmless = harmless
        page.on("console", lambda m: m.type in ("error", "warning") and self.note(f"console {m.type}: {m.text}"))
        page.on("pageerror", lambda error: self.note(f"exception: {error}"))
        page.on("response", lambda r: r.status >= 400 and self.note(f"HTTP {r.status}: {r.url}"))
        page.on("requestfailed", lambda r: self.note(f"request failed: {r.url} {r.failure}"))
        page.on("request", lambda r: self.note(f"asks another machine: {r.url}") if is_elsewhere(r.url) else None)

    def note(self, complaint: str) -> None:
        if not any(part in complaint for part in self.harmless):
            self.complaints.append(complaint)


def is_elsewhere(url: str) -> bool:
    """Whether a URL leaves this machine."""
    return not url.startswith(("file:", "about:", "http://localhost:", "http://127.0.0.1:", "data:", "blob:"))


def pixels(image: Locator) -> np.ndarray:
    """The picture in an <img>, (row, column, channel) bytes, decoded from what the page was sent."""
    encoded = image.evaluate("""async (image) => {
        const bytes = new Uint8Array(await (await fetch(image.src)).arrayBuffer());
        return btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(""));
    }""")
    return decoded(base64.b64decode(encoded))


def decoded(png: bytes) -> np.ndarray:
    """(row, column, channel) bytes of a PNG."""
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGBA"))


def drawn(state: State, waveform: np.ndarray | None = None) -> np.ndarray:
    """What the explorer's pure function draws."""
    waveform = sound(state.sound) if waveform is None else waveform
    return decoded(picture(state, panels(state, spectrogram(waveform, state.features))))


class ExplorerPage:
    """The PCEN explorer as somebody uses it, wherever it is shown."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.root = page.locator(".pcen-explorer")
        self.image = self.root.locator(".pcen-picture")
        self.image.wait_for()

    def press(self, button: str) -> None:
        self.root.get_by_role("button", name=button, exact=True).click()

    def choose(self, name: str, option: str) -> None:
        self.root.get_by_label(name, exact=True).select_option(option)

    def slider(self, name: str) -> Locator:
        return self.root.locator(".widget-slider:visible", has_text=name).first.get_by_role("slider")

    def upload(self, name: str, content: bytes) -> None:
        file = {"name": name, "mimeType": "audio/wav", "buffer": content}
        with self.page.expect_file_chooser() as chooser:
            self.root.get_by_role("button", name="your own sound").click()
        chooser.value.set_files(file)

    def status(self) -> str:
        return self.root.locator(".pcen-status").inner_text()

    def at_cursor(self) -> str:
        return self.root.locator(".pcen-cursor").inner_text()

    def point_at(self, x: float, y: float) -> None:
        """Move the mouse to a place in the picture; fractions, from its upper left corner."""
        self.image.scroll_into_view_if_needed()
        box = self.image.bounding_box()
        self.page.mouse.move(box["x"] + x * box["width"], box["y"] + y * box["height"])

    def shows(self, state: State, waveform: np.ndarray | None = None) -> None:
        """Wait until the picture is, pixel by pixel, that of a state."""
        expected = drawn(state, waveform)
        try:
            until(lambda: np.array_equal(pixels(self.image), expected), 20, "the picture")
        except TimeoutError:
            found = pixels(self.image)
            differ = (
                "other sizes" if found.shape != expected.shape else f"{(found != expected).any(2).sum()} pixels differ"
            )
            raise AssertionError(f"not the picture of {state}: {differ}; status: {self.status()!r}") from None
