"""From networks to posteriors, from posteriors to events."""

from sedlib.decode.detect import audacity_labels, detect, recording_posteriors
from sedlib.decode.median import filter_frames, frames_to_events, median_events, smooth
from sedlib.decode.posteriors import Posteriors, posteriors

__all__ = [
    "Posteriors", "audacity_labels", "detect", "filter_frames", "frames_to_events", "median_events", "posteriors",
    "recording_posteriors", "smooth",
]
