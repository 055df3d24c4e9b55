"""Front-ends: from waveforms to what the network sees."""

from sedlib.frontend.logmel import LogMel, amplitude, decibels
from sedlib.frontend.pcen import PCEN, pcen
from sedlib.frontend.scaling import MinMax, ZScore, scaling
from sedlib.frontend.smoother import coefficient, smooth, smooth_zero_phase, time_constant

__all__ = [
    "LogMel", "MinMax", "PCEN", "ZScore", "amplitude", "coefficient", "decibels", "pcen", "scaling", "smooth",
    "smooth_zero_phase", "time_constant",
]
