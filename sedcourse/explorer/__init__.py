"""The PCEN explorer: what alpha, delta, r, T and eps do to a sound, seen and heard while sliders move.

Everything that is seen or heard is a pure function of a `State` and a sound: `panels` computes, `picture` draws,
`resynthesised` makes it audible. `Explorer` only puts controls around them, and a batch run draws the same pictures one
below the other. Paper section 3.3; used in ``notebooks/03_pcen.py`` and, as a page of its own, by ``sedcourse.page``.
"""

# ruff: noqa: F401

from sedcourse.explorer.drawing import picture
from sedcourse.explorer.model import (
    FEATURES,
    Layer,
    Panels,
    State,
    description,
    in_words,
    panels,
    resynthesised,
    skewness,
    spectrogram,
    values_at,
)
from sedcourse.explorer.presets import PRESETS, last_run
from sedcourse.explorer.sounds import SOUNDS, sound, uploaded
from sedcourse.explorer.widget import ALPHA, DELTA, EPS, SECONDS, Explorer, R, explorer
