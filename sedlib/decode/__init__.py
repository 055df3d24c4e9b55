"""From networks to posteriors, from posteriors to events."""

from sedlib.decode.detect import audacity_labels, detect, recording_posteriors
from sedlib.decode.hmm import Hmm, hmm_events, state_posteriors
from sedlib.decode.median import filter_frames, frames_to_events, median_events, median_scores, smooth
from sedlib.decode.operating import hmm_scores, operating_points
from sedlib.decode.posteriors import Posteriors, posteriors

__all__ = [
    "Hmm", "Posteriors", "audacity_labels", "detect", "filter_frames", "frames_to_events", "hmm_events", "hmm_scores",
    "median_events", "median_scores", "operating_points", "posteriors", "recording_posteriors", "smooth", "state_posteriors",
]
