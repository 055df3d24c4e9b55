"""A headless Chromium, and JupyterLab as ``make lab`` starts it: what a reader sees is tested where a reader sees it.

The tests are skipped where there is no browser. Nothing of the user's is touched: lessons are copied, and the
workspace and the settings of Jupyter and IPython lie in temporary folders.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from driver import CHROMIUM_OPTIONS, NAMES, Watch, find_browser, folders, running, until
from playwright.sync_api import Page, sync_playwright

# The course's own start, in another folder of lessons.
LAB = "import sys; from sedcourse import lab; lab.NOTEBOOKS = sys.argv[1]; lab.main(['--solved', *sys.argv[2:]])"


# All fixtures live as long as one file: Playwright's event loop must not run beside other tests' own.
@pytest.fixture(scope="module", autouse=True)
def page() -> Iterator[Page]:
    """An empty page, 1280 by 900, in a Chromium of its own."""
    browser = find_browser()
    if browser is None:
        pytest.skip(
            f"no browser: install Chromium (Debian: apt install chromium) or name one in $CHROME; "
            f"looked for {', '.join(NAMES)}"
        )
    with (
        sync_playwright() as playwright,
        playwright.chromium.launch(executable_path=browser, args=CHROMIUM_OPTIONS) as b,
    ):
        page = b.new_page(viewport={"width": 1280, "height": 900})
        page.set_default_timeout(20_000)
        yield page


@pytest.fixture(scope="module", autouse=True)  # from the first page on
def watch(page, request) -> Watch:
    """What the page complains of, but for what the test file lists as HARMLESS."""
    return Watch(page, getattr(request.module, "HARMLESS", ()))


@pytest.fixture(autouse=True)
def no_complaints(watch) -> Iterator[None]:
    """Every test fails for what the page complains of while it runs, or before."""
    yield
    complaints, watch.complaints = watch.complaints, []
    assert not complaints, "the page complained:\n" + "\n".join(complaints)


@pytest.fixture(scope="module")
def lessons(tmp_path_factory) -> Path:
    """The folder that JupyterLab shows; a test file puts lessons there."""
    return tmp_path_factory.mktemp("lessons")


@pytest.fixture(scope="module")
def lab(lessons, tmp_path_factory) -> Iterator[str]:
    """Address of a JupyterLab."""
    root = tmp_path_factory.mktemp("lab")
    # Without a choice of port, JupyterLab takes the next free one.
    command = [sys.executable, "-c", LAB, str(lessons), "--no-browser", "--allow-root", "--expose-app-in-browser"]
    with running(command, root / "log", **folders(root)) as server:

        def started() -> dict | None:
            assert server.poll() is None, (root / "log").read_text()
            try:
                (file,) = (root / "jupyter_runtime_dir").glob("jpserver-*.json")
                return json.loads(file.read_text())
            except ValueError:  # not there, or not yet whole
                return None

        info = until(started, 60, "JupyterLab to start")
        yield f"{info['url']}lab?token={info['token']}"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    """A failure shows what was on the page."""
    report = yield
    if report.failed and call.when != "teardown" and (page := item.funcargs.get("page")):
        picture = item.config._tmp_path_factory.mktemp("screenshot") / f"{item.name}.png"
        page.screenshot(path=picture)
        report.sections.append(("on the page", f"{picture}\n{page.locator('body').inner_text()[-3000:]}"))
    return report
