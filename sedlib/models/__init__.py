"""The networks."""

from sedlib.models.crnn import CRNN, Output
from sedlib.models.detector import Detector
