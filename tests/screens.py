"""``python -m tests.screens [lab] [explore] [report]``: the README's pictures of the course as it is seen in a browser.

Each is a headless Chromium, driven by Playwright (``pip install -e ".[test]"``), on what this machine serves; nothing
else is asked. Lessons are copied, and the settings of Jupyter and IPython lie in a temporary folder.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil
from PIL import Image

from figures import draw
from figures.draw import Drawn, measured_entry
from reproduction import ledger
from reproduction.keeper import kept
from reproduction.lessons import lessons
from sedcourse.explorer import write_page
from sedlib.errors import SedError
from sedlib.workspace import workspace

if TYPE_CHECKING:
    from playwright.sync_api import Page

# The microphone is Chromium's own for tests; the last five keep it from talking to anybody but the server here.
CHROMIUM_OPTIONS = [
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--use-fake-device-for-media-stream",
    "--use-fake-ui-for-media-stream",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-quic",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE localhost, EXCLUDE 127.0.0.1",
]
NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
PATIENCE = 300  # seconds, on a machine that has other work
# The course's own start, in another folder of lessons.
LAB = "import sys; from sedcourse import lab; lab.NOTEBOOKS = sys.argv[1]; lab.main(['--solved', *sys.argv[2:]])"


def lesson(name: str, cell: str) -> bytes:
    """PNG of a lesson in JupyterLab, run down to the cell that contains ``cell``; its picture is at the lower edge."""
    with tempfile.TemporaryDirectory(prefix="screens-") as folder, browser() as page:
        root = Path(folder)
        (root / "lessons").mkdir()
        for path in lessons():
            shutil.copy(path, root / "lessons")
        command = [
            sys.executable,
            "-c",
            LAB,
            str(root / "lessons"),
            "--no-browser",
            "--allow-root",
            "--expose-app-in-browser",
        ]
        with running(command, root / "log", **jupyter_folders(root)) as server:
            info = until(lambda: _lab_info(root, server), PATIENCE, "JupyterLab to start")
            until(lambda: _opens(page, f"{info['url']}lab?token={info['token']}"), PATIENCE, "JupyterLab to answer")
            page.locator(".jp-DirListing-item", has_text=name).dblclick()
            page.get_by_text("Python 3 (ipykernel) | Idle").wait_for()
            page.evaluate(_RUN, cell)
            page.wait_for_function(_DONE, arg=cell, polling=500)
            page.get_by_text("Python 3 (ipykernel) | Idle").wait_for()
            if failed := page.evaluate(_ERRORS, cell):
                raise SedError(f"lesson {name}: {failed[0]['ename']}: {failed[0]['evalue']}")
            for _ in range(3):  # what comes into view is drawn then, and moves what is below
                page.evaluate(_SHOW, cell)
                time.sleep(1)
            return picture(page)


def explorer(preset: str) -> bytes:
    """PNG of the PCEN explorer's page, as high as it is, with a preset chosen and the mouse in its picture."""
    with tempfile.TemporaryDirectory(prefix="screens-") as folder, browser(1060, 945, scale=1) as page:
        write_page(Path(folder) / "explorer.html")
        page.goto((Path(folder) / "explorer.html").as_uri())
        page.evaluate("explorer.ready")
        page.get_by_role("button", name=preset, exact=True).click()
        box = page.get_by_role("img", name="PCEN1:").bounding_box()
        assert box is not None
        page.mouse.move(box["x"] + 0.5 * box["width"], box["y"] + 0.3 * box["height"])
        time.sleep(2)  # what is at the mouse, in words
        return picture(page)


def document(path: Path) -> bytes:
    """PNG of the upper part of an HTML file."""
    with browser() as page:
        page.goto(path.resolve().as_uri())
        return picture(page)


@contextmanager
def browser(width: int = 1200, height: int = 750, scale: float = 1.5) -> Iterator[Page]:
    """An empty page in a Chromium of its own.

    Parameters
    ----------
    width, height : int
        CSS pixels.
    scale : float
        Pixels of a picture to each of these.

    Raises
    ------
    SedError
        If Playwright or the browser is missing.
    """
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        raise SedError(
            "pictures of the browser need Playwright: pip install playwright, or this package's [test]"
        ) from None
    program = find_browser()
    if program is None:
        raise SedError(
            f"pictures of the browser need Chromium (Debian: apt install chromium), or one that $CHROME names; "
            f"looked for {', '.join(NAMES)}"
        )
    with (
        sync_playwright() as playwright,
        playwright.chromium.launch(executable_path=program, args=CHROMIUM_OPTIONS) as chromium,
    ):
        page = chromium.new_page(
            viewport={"width": width, "height": height}, device_scale_factor=scale, color_scheme="light"
        )
        page.set_default_timeout(1000 * PATIENCE)
        yield page


def picture(page: Page) -> bytes:
    """What a page shows, as a PNG of 256 colours."""
    shot = Image.open(io.BytesIO(page.screenshot())).convert("RGB")
    file = io.BytesIO()
    shot.quantize(256, dither=Image.Dither.NONE).save(file, "PNG", optimize=True)
    return file.getvalue()


def find_browser() -> str | None:
    """Path of Chromium or Chrome: the one that $CHROME names, else the first on the path."""
    if chosen := os.environ.get("CHROME"):
        if not shutil.which(chosen):
            raise SedError(f"CHROME={chosen}: no such program")
        return shutil.which(chosen)
    return next(filter(None, map(shutil.which, NAMES)), None)


def until(condition: Callable[[], Any], seconds: float, what: str) -> Any:
    """The first true value of a condition; TimeoutError when there is none in time."""
    end = time.monotonic() + seconds
    while not (value := condition()):
        if time.monotonic() > end:
            raise TimeoutError(f"waited {seconds:g} s for {what}")
        time.sleep(0.05)
    return value


@contextmanager
def running(command: list[str], log: Path, **environment: str) -> Iterator[subprocess.Popen]:
    """A server that is gone at the end, with all that it started."""
    with (
        open(log, "wb") as out,
        kept(command, env={**os.environ, **environment}, stdout=out, stderr=subprocess.STDOUT) as server,
    ):
        try:
            yield server
        finally:  # lest it leaves files behind
            with contextlib.suppress(psutil.Error, subprocess.TimeoutExpired):
                for program in psutil.Process(server.pid).children():
                    program.terminate()
                server.wait(15)


def jupyter_folders(root: Path) -> dict[str, str]:
    """Environment in which Jupyter and IPython keep everything below ``root``."""
    names = ("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR", "IPYTHONDIR")
    return {name: str(root / name.lower()) for name in names}


def _alive(server: subprocess.Popen, log: Path) -> None:
    if server.poll() is not None:
        raise SedError(f"the server did not start: {log.read_text(encoding='utf-8')[-2000:]}")


def _lab_info(root: Path, server: subprocess.Popen) -> dict[str, Any] | None:
    _alive(server, root / "log")
    with contextlib.suppress(ValueError):  # not there, or not yet whole
        (info,) = (root / "jupyter_runtime_dir").glob("jpserver-*.json")
        return json.loads(info.read_text(encoding="utf-8"))


def _opens(page: Page, url: str) -> bool:
    """JupyterLab tells of its address a while before it listens there."""
    from playwright.sync_api import Error

    try:
        answer = page.goto(url)
    except Error:
        return False
    assert answer is not None
    return answer.ok


# In the page, of the open notebook; ``last`` is the index of the cell that contains a text.
_NOTEBOOK = """const notebook = jupyterapp.shell.currentWidget.content, cells = notebook.model.sharedModel.cells;
    const last = cells.findIndex((cell) => cell.cell_type == 'code' && cell.source.includes(text));
    const run = cells.slice(0, last + 1).filter((cell) => cell.cell_type == 'code');
    const errors = run.flatMap((cell) => cell.outputs).filter((output) => output.output_type == 'error');"""
_RUN = f"""(text) => {{
    {_NOTEBOOK}
    notebook.activeCellIndex = last + 1;
    jupyterapp.commands.execute('notebook:run-all-above');
}}"""
_DONE = f"(text) => {{ {_NOTEBOOK} return errors.length || run.every((cell) => cell.execution_count); }}"
_ERRORS = f"(text) => {{ {_NOTEBOOK} return errors; }}"
_SHOW = f"""(text) => {{
    {_NOTEBOOK}
    notebook.activeCellIndex = last;
    notebook.activeCell.node.querySelector('img').scrollIntoView({{block: 'end'}});
}}"""


def _lab(profile: str, root: Path, seed: int) -> Drawn:
    return lesson("03_pcen.py", "energy = mel / mel.max()"), {
        "lesson": "03_pcen",
        "profile": profile,
        "data": "none: these cells make their own sound",
        "seed": seed,
        "clip": "a far bark and a near one, of the lesson",
        "rule": "the first picture of the lesson",
        "alt": "Lesson 03 open in JupyterLab: on the left the list of lessons, on the right the notebook after "
        "its first cells ran. A player with the sound of a far and a near bark, a question to the reader, the code "
        "that takes one Mel band, and below it the picture it drew: energy over ten seconds, the near bark high, the "
        "far one hardly to be seen.",
    }


def _explore(profile: str, root: Path, seed: int) -> Drawn:
    return explorer("Fixed 3"), {
        "lesson": "03_pcen",
        "profile": "paper",
        "data": "none: the page makes its own sounds",
        "seed": 0,
        "clip": "vacuum cleaner, and speech three times",
        "rule": "the page's first sound, with the preset Fixed 3",
        "alt": "The page of the PCEN explorer: a choice of sounds, presets of the paper's Table 1, sliders for "
        "alpha, delta, r and T, and below them log-Mel, the smoothed energy M and PCEN of ten seconds with a vacuum "
        "cleaner and speech, with a cursor at the same place in all three. PCEN has darkened the vacuum cleaner, and "
        "the syllables stand out.",
    }


def _report(profile: str, root: Path, seed: int) -> Drawn:
    page = workspace() / "report" / "index.html"
    if not page.exists():
        raise SedError(f"{page}: no report; `make reproduce` writes it")
    made = ledger.read(page.with_name("ledger.json"))
    counted = ", ".join(f"{count} {verdict}" for verdict, count in ledger.verdicts(made).items() if count)
    alt = (
        "The first page of the report: links to all pages, with which data and how many trainings it was made, "
        f"how many of the paper's sentences hold here ({counted}), and the paper's numbers drawn beside those "
        "measured here."
    )
    return document(page), measured_entry("07_paper_ledger", made, made["data"], made["seeds"], alt)


PICTURES = {"lab": _lab, "explore": _explore, "report": _report}

if __name__ == "__main__":
    draw.main(sys.argv[1:], PICTURES)
