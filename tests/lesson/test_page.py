"""The explorer's own page: what Voila is given, and that it starts, asks for no token, and ends."""

import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import nbformat
import pytest

from sedlib.lesson import page


def test_the_page_is_one_cell_that_shows_the_explorer(tmp_path):
    path = page.write_page(tmp_path)
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    code, = (cell.source for cell in notebook.cells if cell.cell_type == "code")
    assert "explorer(interactive=True)" in code
    settings = json.loads((tmp_path / "voila.json").read_text())
    assert settings["Voila"]["ip"] == "127.0.0.1"
    assert (tmp_path / "voila" / "templates" / settings["VoilaConfiguration"]["template"] / "index.html.j2").is_file()


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_the_server_prints_its_address_and_ends_cleanly(how, tmp_path):
    environment = {**os.environ, "TMPDIR": str(tmp_path), "PYTHONUNBUFFERED": "1"}
    server = subprocess.Popen([sys.executable, "-m", "sedlib.lesson.page", "--no-browser"], env=environment, text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True,
                              preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))  # a shell's background job ignores it
    try:
        said = ""
        while not (address := re.search(r"http://127\.0\.0\.1:\d+/", said)):
            line = server.stdout.readline()
            assert line, said
            said += line
        with urllib.request.urlopen(address[0] + "voila/static/voila.js", timeout=60) as answer:
            assert answer.status == 200
        assert [path.name for path in tmp_path.glob("pcen-explorer-*/*.ipynb")] == ["explorer.ipynb"]
        # Ctrl-C reaches the whole group, a plain kill the first process alone
        os.killpg(server.pid, how) if how == signal.SIGINT else os.kill(server.pid, how)
        rest, _ = server.communicate(timeout=60)
        assert "Traceback" not in said + rest
        assert not list(Path(tmp_path).glob("pcen-explorer-*"))
        until = time.monotonic() + 10
        while time.monotonic() < until and _alive(server.pid):
            time.sleep(0.1)
        assert not _alive(server.pid)
    finally:
        if _alive(server.pid):
            os.killpg(server.pid, signal.SIGKILL)


def _alive(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True
