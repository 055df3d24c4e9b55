"""Front-ends: from waveforms to what the network sees."""

from sedlib.frontend.logmel import LogMel
from sedlib.frontend.scaling import MinMax, ZScore, scaling

__all__ = ["LogMel", "MinMax", "ZScore", "scaling"]
