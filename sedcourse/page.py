"""``python -m sedcourse.page [option of Voila]...``: the PCEN explorer as a page of its own, for a lecture.

Voila shows what a notebook of one cell displays, at this machine's own address (127.0.0.1) alone, with this interpreter
as its kernel and nothing asked of the network, until Ctrl-C. ``--no-browser`` opens none, ``--port`` takes another port
than the first free one from 8866 on.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
import tempfile
from pathlib import Path

import nbformat

from reproduction.keeper import Stopped, kept, stoppable
from sedlib.workspace import handed_on

CELL = "from sedcourse.explorer import explorer\n\nexplorer(interactive=True)"
_EXTENSIONS = ["@voila-dashboards/widgets-manager8", "@jupyter-widgets/jupyterlab-manager", "anywidget"]
SETTINGS = {
    "Voila": {
        "ip": "127.0.0.1",
        # bytes; an uploaded file is one message, and the usual 10 MB are less than 30 s of studio sound
        "tornado_settings": {"websocket_max_message_size": 1 << 28},
    },
    "VoilaConfiguration": {
        "show_tracebacks": True,
        "template": "explorer",
        "extension_allowlist": _EXTENSIONS,  # others want a whole JupyterLab
    },
}
# Voila's own page asks another server for icons, which nothing here needs.
TEMPLATE = """{%- extends 'voila/templates/lab/index.html.j2' -%}
{%- block notebook_css -%}
{{ super() | replace('rel="stylesheet" href="https:', 'rel="unused" href="https:') }}
{%- endblock notebook_css -%}
"""


def write_page(folder: Path) -> Path:
    """Write the notebook of the page, and beside it what Voila is to read; return the notebook's path."""
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    cells = [nbformat.v4.new_markdown_cell("# PCEN explorer"), nbformat.v4.new_code_cell(CELL)]
    metadata = {"kernelspec": kernel, "title": "PCEN explorer"}
    path = folder / "explorer.ipynb"
    nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata=metadata), path)
    (folder / "voila.json").write_text(json.dumps(SETTINGS), encoding="utf-8")  # it looks in the folder where it runs
    template = folder / "voila" / "templates" / "explorer"
    template.mkdir(parents=True)
    (template / "conf.json").write_text('{"base_template": "lab"}', encoding="utf-8")
    (template / "index.html.j2").write_text(TEMPLATE, encoding="utf-8")
    return path


def main(options: list[str]) -> int:
    """Serve the page until Ctrl-C (or SIGTERM, SIGHUP), which is its ordinary end: 0; or else Voila's exit status."""
    with contextlib.suppress(Stopped), stoppable(), tempfile.TemporaryDirectory(prefix="pcen-explorer-") as folder:
        notebook = write_page(Path(folder))
        environment = {
            **os.environ,
            "JUPYTER_PREFER_ENV_PATH": "1",  # a "python3" kernel of the user's home must not win over this one's
            "JUPYTER_PATH": os.pathsep.join(filter(None, [folder, os.environ.get("JUPYTER_PATH")])),
            **handed_on(),
        }
        with kept([sys.executable, "-m", "voila", notebook, *options], env=environment, cwd=folder) as page:
            return page.wait()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
