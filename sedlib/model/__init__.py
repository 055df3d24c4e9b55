"""The networks."""

from sedlib.model.crnn import CRNN, Output
from sedlib.model.detector import Detector

__all__ = ["CRNN", "Detector", "Output"]
