"""From posteriors to events (paper section 3.4, lesson 06)."""

from sedlib.decode.boxes import Boxes
from sedlib.decode.decoders import METHODS, THRESHOLDS, Decoder, find_events, load_decoder, operating_points
from sedlib.decode.events import filter_frames, frames_to_events, median_events, smooth
from sedlib.decode.hmm import Hmm
from sedlib.decode.hsmm import Hsmm
from sedlib.decode.medians import Medians
from sedlib.decode.posteriors import Posteriors
