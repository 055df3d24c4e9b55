"""How long the PCEN explorer takes, in a browser, to follow a slider and the microphone: 10 s, 128 bands, two layers.

A slider has until the next frame of the screen, 16 ms. Medians, and the fastest tenth for a busy machine.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

from playwright.sync_api import sync_playwright

from sedcourse.explorer import write_page

# Of the first layer's slider number i: from its event to all that has changed drawn.
SLIDER = """(i) => {
    const slider = document.querySelectorAll('[data-layer="1"] input')[i], times = [];
    for (let k = 0; k < 40; k++) {
        slider.value = +slider.min + (slider.max - slider.min) * (0.3 + 0.01 * k);
        slider.dispatchEvent(new Event("input"));
        const start = performance.now();
        explorer.redraw();
        times.push(performance.now() - start);
    }
    return times.sort((a, b) => a - b);
}"""
# A column of 255 samples: its spectrum, and ten seconds drawn anew.
COLUMN = """() => {
    const live = explorer.listener(16000), times = [];
    for (let k = 0; k < 60; k++) {
        const chunk = Float32Array.from({ length: 255 }, () => 0.1 * Math.random() - 0.05), start = performance.now();
        live.take(chunk);
        explorer.redraw();
        times.push(performance.now() - start);
    }
    live.stop(false);
    return times.sort((a, b) => a - b);
}"""


def main() -> None:
    """Print them."""
    chromium = os.environ.get("CHROME") or shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None:
        print("  no browser: install Chromium or name one in $CHROME")
        return
    with (
        tempfile.TemporaryDirectory() as folder,
        sync_playwright() as playwright,
        playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"]) as started,
    ):
        page = started.new_page(viewport={"width": 1280, "height": 900})
        write_page(Path(folder) / "explorer.html")
        page.goto((Path(folder) / "explorer.html").as_uri())
        page.evaluate("explorer.ready")
        page.get_by_role("button", name="Figure 2 by hand", exact=True).click()
        page.get_by_role("img", name="PCEN2:").wait_for()
        for name, number in (("alpha", 0), ("T, and M with it", 3)):
            report(f"slider of {name}", page.evaluate(SLIDER, number))
        report("column of the microphone", page.evaluate(COLUMN))


def report(part: str, times: list[float]) -> None:
    print(f"  {part:<34}{times[len(times) // 2]:>7.1f} ms, fastest tenth {times[len(times) // 10]:>6.1f} ms")


if __name__ == "__main__":
    main()
