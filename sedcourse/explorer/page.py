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

from sedcourse.explorer.presets import PRESETS, Preset
from sedcourse.explorer.sounds import SOUNDS, events_of, sound
from sedlib.config import RATE
from sedlib.files import write_output

FEW = 4  # sounds of the page; all of them would make it larger than 3 MB
_FOLDER = Path(__file__).parent
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


def script() -> str:
    """Return the front end as one ES module, without comments and unneeded white space."""
    joined = "\n".join((_FOLDER / name).read_text(encoding="utf-8") for name in ("pcen.js", "front.js"))
    joined = re.sub(r"^(?:import .*|\s*//.*)?\n|^[ ]+|^export (?!default)|(?<=[;{]) // .*$", "", joined, flags=re.M)
    tight = r"(\"(?:[^\"\\\n]|\\.)*\"|`[^`]*`)|[ ]*([!=*/<>{}(),;:?|&]+)[ ]*|[ ]([+-]=?)[ ](?![+-])"  # strings stay
    return re.sub(tight, lambda found: found[1] or found[2] or found[3], joined)


def flac(waveform: np.ndarray) -> bytes:
    """Return a (sample,) waveform at 16 kHz as a FLAC file of 16 bits, which every browser reads."""
    file = io.BytesIO()
    soundfile.write(file, waveform, RATE, format="FLAC", subtype="PCM_16", compression_level=1.0)
    return file.getvalue()


def given(presets: dict[str, Preset], names: list[str]) -> dict[str, list[dict[str, Any]]]:
    """Return what the front end is given: presets by name, and sounds with the times of their speech."""
    return {
        "sounds": [{"name": name, "flac": flac(sound(name)), "events": events_of(name)} for name in names],
        "presets": [{"name": name, **preset._asdict()} for name, preset in presets.items()],
    }


def write_page(path: Path) -> None:
    """Write the explorer as a page of about 1.3 MB."""
    content = given(PRESETS, list(SOUNDS)[:FEW])
    text = json.dumps(content, default=lambda data: base64.b64encode(data).decode("ascii"))
    write_output(path, _PAGE.format(script=script(), given=text.replace("<", "\\u003c")))
