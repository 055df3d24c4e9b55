"""From posteriors to events (paper section 3.4, lesson 06)."""

from sedlib.decode.events import filter_frames, frames_to_events, median_events, smooth
from sedlib.decode.hmm import THRESHOLDS, Hmm, hmm_events, operating_points
from sedlib.decode.posteriors import Posteriors, average
