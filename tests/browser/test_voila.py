"""The explorer as a page of its own."""

from __future__ import annotations

import re
import sys

import pytest
from driver import ExplorerPage, folders, running, until

from sedcourse.explorer import PRESETS, SOUNDS, State

# Voila was built with other versions of JupyterLab's parts than those of the widgets; the loader says which it takes.
HARMLESS = ("console warning: Unsatisfied version ", "console warning: No satisfying version ")
FIRST = State(sound=next(iter(SOUNDS)), **PRESETS["Fixed 2"].changes)


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    """Where ``python -m sedcourse.page`` serves."""
    root = tmp_path_factory.mktemp("page")
    # Without a choice of port, Voila takes the next free one.
    with running([sys.executable, "-m", "sedcourse.page", "--no-browser"], root / "log", **folders(root)) as server:

        def printed() -> re.Match | None:
            assert server.poll() is None, (root / "log").read_text()
            return re.search(r"http://[\w.]+:\d+/\S*", (root / "log").read_text())

        yield until(printed, 60, "Voila to print its address")[0]


def test_page_shows_the_explorer_which_obeys_a_preset(page, watch, address):
    page.goto(address, timeout=60_000)  # Voila runs the notebook first
    explorer = ExplorerPage(page)
    explorer.shows(FIRST)
    explorer.press("Released")
    explorer.shows(State(sound=FIRST.sound, **PRESETS["Released"].changes))
    assert PRESETS["Released"].note in explorer.status()
