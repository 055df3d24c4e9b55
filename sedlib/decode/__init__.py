"""From posteriors to events (paper section 3.4, lesson 06)."""

from sedlib.decode.hmm import Hmm, hmm_events, state_posteriors
from sedlib.decode.median import filter_frames, frames_to_events, median_events, median_scores, smooth
from sedlib.decode.operating import hmm_scores, operating_points
from sedlib.decode.posteriors import Posteriors, average

__all__ = [
    "Hmm", "Posteriors", "average", "filter_frames", "frames_to_events", "hmm_events", "hmm_scores",
    "median_events", "median_scores", "operating_points", "smooth", "state_posteriors",
]
