"""From posteriors to events (paper section 3.4, lesson 06)."""

from sedlib.decode.events import frames_to_events
from sedlib.decode.hmm import Hmm, hmm_events, state_posteriors
from sedlib.decode.median import filter_frames, median_events, smooth
from sedlib.decode.operating import hmm_scores, operating_points
from sedlib.decode.posteriors import Posteriors, average
