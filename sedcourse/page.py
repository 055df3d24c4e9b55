"""``python -m sedcourse.page [FILE] [--no-browser]``: write the PCEN explorer as one HTML file, and open it.

Without a name it is ``report/explorer.html`` of the workspace.
"""

from __future__ import annotations

import sys
import webbrowser
from pathlib import Path

from sedcourse.explorer import write_page
from sedlib.workspace import workspace


def main(options: list[str]) -> None:
    """Write the page, print where it is, and open it."""
    names = [option for option in options if option != "--no-browser"]
    path = Path(names[0]) if names else workspace() / "report" / "explorer.html"
    write_page(path)
    print(path)
    if "--no-browser" not in options:
        webbrowser.open(path.resolve().as_uri())


if __name__ == "__main__":
    main(sys.argv[1:])
