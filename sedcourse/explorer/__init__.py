"""The PCEN explorer: what every constant of equation (3) does to a sound, seen and heard while sliders move.

It computes in the browser: ``pcen.js`` has the numbers, ``front.js`` what is seen. Python gives it sounds and presets,
writes it as one HTML file (`write_page`), or shows it in a notebook (`Explorer`). Paper section 3.3; lesson 03.
"""

# ruff: noqa: F401

from sedcourse.explorer.page import script, write_page
from sedcourse.explorer.presets import NO_RUN, PRESETS, last_run
from sedcourse.explorer.sounds import SOUNDS, sound
from sedcourse.explorer.widget import Explorer, explorer, seen
