"""A student's own recordings, from the phone to a scored detector.

`recordings` reads and judges them, `standins` makes five where there are none, `annotations` has event tables and
Audacity's label tracks, `agreement` compares two annotators, `sounds` makes a data set of what was cut out of the
recordings, `detectors` trains with it. Used in ``notebooks/08_your_own_sounds.py``.
"""

# ruff: noqa: F401

from sedcourse.project.agreement import agreement, onset_differences, unmatched
from sedcourse.project.annotations import annotated, both, in_clips, read_audacity
from sedcourse.project.annotator import annotator
from sedcourse.project.detectors import (
    adapt,
    bands,
    control,
    found_by_gain,
    nearest,
    pooled,
    posteriors,
    scored,
    tuned,
    verdict,
)
from sedcourse.project.pictures import annotators, by_gain, differences, homes
from sedcourse.project.recordings import clips_of, formats, level_row, levels, open_folder, read, split
from sedcourse.project.sounds import alone, beside, cut, isolated, make_set, room_tone, write_bank
from sedcourse.project.standins import Home, annotate, fresh
