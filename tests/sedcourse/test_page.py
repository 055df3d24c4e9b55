"""The explorer's own page: what Voila is given, and that it starts, asks for no token, and ends."""

import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.request
import uuid
from pathlib import Path

import nbformat
import pytest
from leftovers import marked

from sedcourse import page


def test_the_page_is_one_cell_that_shows_the_explorer(tmp_path):
    path = page.write_page(tmp_path)
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    (code,) = (cell.source for cell in notebook.cells if cell.cell_type == "code")
    assert "explorer(interactive=True)" in code
    settings = json.loads((tmp_path / "voila.json").read_text())
    assert settings["Voila"]["ip"] == "127.0.0.1"
    assert (tmp_path / "voila" / "templates" / settings["VoilaConfiguration"]["template"] / "index.html.j2").is_file()


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_the_server_prints_its_address_and_ends_cleanly(how, tmp_path):
    mark = str(uuid.uuid4())
    environment = {**os.environ, "TMPDIR": str(tmp_path), "PYTHONUNBUFFERED": "1", "SEDLIB_TEST_FAMILY": mark}
    server = subprocess.Popen(
        [sys.executable, "-m", "sedcourse.page", "--no-browser"],
        env=environment,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    try:
        said = ""
        while not (address := re.search(r"http://127\.0\.0\.1:\d+/", said)):
            line = server.stdout.readline()
            assert line, said
            said += line
        with urllib.request.urlopen(address[0] + "voila/static/voila.js", timeout=60) as answer:
            assert answer.status == 200
        with urllib.request.urlopen(address[0], timeout=60) as answer:  # which starts a kernel
            answer.read(1000)
        assert any("ipykernel_launcher" in process.cmdline() for process in marked("SEDLIB_TEST_FAMILY", mark))
        assert [path.name for path in tmp_path.glob("pcen-explorer-*/*.ipynb")] == ["explorer.ipynb"]
        server.send_signal(how)
        rest, _ = server.communicate(timeout=60)  # to the end of everything that can print
        if how != signal.SIGKILL:
            assert server.returncode == 0 and "Traceback" not in said
            assert (
                "page.py" not in rest and "keeper.py" not in rest
            )  # a kernel that has just begun has a traceback of its own
            assert not list(Path(tmp_path).glob("pcen-explorer-*"))
            assert not marked("SEDLIB_TEST_FAMILY", mark)
        until = time.monotonic() + 10
        while time.monotonic() < until and marked("SEDLIB_TEST_FAMILY", mark):
            time.sleep(0.1)
        assert not marked("SEDLIB_TEST_FAMILY", mark)
    finally:
        for process in marked("SEDLIB_TEST_FAMILY", mark):
            process.kill()
