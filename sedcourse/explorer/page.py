"""The explorer as one HTML file: it opens from a disk or any web server, without Python and without a network."""

from __future__ import annotations

import base64
import io
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from sedcourse.explorer.presets import Preset, presets
from sedcourse.explorer.sounds import SOUNDS, events_of, sound
from sedlib.config import RATE
from sedlib.files import write_output

FEW = 4  # sounds of the page; all of them would make it larger than 3 MB
_FOLDER = Path(__file__).parent
_MODULES = ("pcen.js", "view.js", "sounds.js", "parts.js", "front.js")  # each after those that it imports
_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<link rel="icon" href="data:,">
<title>PCEN explorer</title>
<style>:root {{color-scheme: light dark}} body {{margin: 1em auto; padding: 0 1em; max-width: 1400px}}
h1 {{font: 1.5em system-ui}}</style>
</head>
<body>
<h1>PCEN explorer</h1>
<main id="explorer"></main>
<noscript>The explorer computes in the browser: allow this page its script.</noscript>
<script type="module">
{script}
window.explorer = mount(document.getElementById("explorer"), {{ ...{given}, link: true }});
</script>
</body>
</html>
"""


# What one pass over the joined modules shortens; strings stay.
_STRING = r"(?P<string>\"(?:[^\"\\\n]|\\.)*\"|`[^`]*`)"
_TIGHT = (
    rf"{_STRING}|\s*(?P<sign>[!=*/<>{{}}(),;:?|&]+)\s*|[ ](?P<sum>[+-]=?)\s+(?![+-])|(?<![\w.])0(?P<point>\.)(?=\d)"
)
_SHORT = rf"{_STRING}|(?P<let>\b)const\b|(?<!\w)\((?P<one>\w+)\)(?==>)"

_LETS = r"let [^;{}\"`]*(?:;let [^;{}\"`]*)+;"


def script() -> str:
    """Return the front end as one ES module, without comments and unneeded white space."""
    joined = "\n".join((_FOLDER / name).read_text(encoding="utf-8") for name in _MODULES)
    joined = re.sub(
        r"^(?:import .*|export \{.*|\s*//.*)?\n|^[ ]+|^export (?!default)|(?<=[;{]) // .*$", "", joined, flags=re.M
    )
    for pattern in (_TIGHT, _SHORT):
        joined = re.sub(
            pattern, lambda found: "let" if found.lastgroup == "let" else found[found.lastgroup or 0], joined
        )
    return re.sub(_LETS, lambda found: found[0].replace(";let ", ","), joined).replace("\n", "")


def flac(waveform: np.ndarray) -> bytes:
    """Return a (sample,) waveform at 16 kHz as a FLAC file of 16 bits, which every browser reads."""
    file = io.BytesIO()
    soundfile.write(file, waveform, RATE, format="FLAC", subtype="PCM_16", compression_level=1.0)
    return file.getvalue()


def given(buttons: dict[str, Preset], names: list[str]) -> dict[str, list[dict[str, Any]]]:
    """Return what the front end is given: presets by name, and sounds with the times of their speech."""
    return {
        "sounds": [{"name": name, "flac": flac(sound(name)), "events": events_of(name)} for name in names],
        "presets": [{"name": name, **preset._asdict()} for name, preset in buttons.items()],
    }


def write_page(path: Path) -> None:
    """Write the explorer as a page of about 1.3 MB, with the workspace's last trained PCEN among its presets."""
    content = given(presets(), list(SOUNDS)[:FEW])
    text = json.dumps(content, default=lambda data: base64.b64encode(data).decode("ascii"))
    write_output(path, _PAGE.format(script=script(), given=text.replace("<", "\\u003c")))
