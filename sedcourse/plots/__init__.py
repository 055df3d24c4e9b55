"""Figures of the lessons: functions of arrays and tables that return a matplotlib ``Figure``, and `show`.

No figure depends on colour alone (Okabe-Ito colours come with hatches or line styles), every axis has its unit, and
`show` puts a description beside every picture. Nothing here needs a screen or pyplot's state.
"""

# ruff: noqa: F401

from matplotlib.figure import Figure

from sedcourse.plots.clips import (
    clip,
    decisions,
    detection,
    events_on,
    front_ends,
    in_words,
    labels,
    spectrogram,
    spectrogram_grid,
    stems,
)
from sedcourse.plots.datasets import beside_desed, class_counts, domain_errors, gap
from sedcourse.plots.scores import class_f1, ledger, ledger_text, system_scores
from sedcourse.plots.style import BLACK, BLUE, LINES, OKABE_ITO, ORANGE, SKY, VERMILION, figure, picture, show
from sedcourse.plots.training import curves, pcen_paths
