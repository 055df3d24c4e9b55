"""What the browser tests drive with: the browser of this machine and servers that end, and what a page shows."""

from __future__ import annotations

import base64
import io
from pathlib import Path

import numpy as np
from PIL import Image
from playwright.sync_api import Locator, Page
from screens import CHROMIUM_OPTIONS, NAMES, find_browser, jupyter_folders, running, until  # noqa: F401


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
