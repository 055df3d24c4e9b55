"""Front-ends: from waveforms to what the network sees."""

from sedlib.features.logmel import LogMel, amplitude, decibels
from sedlib.features.pcen import PCEN, pcen
from sedlib.features.scaling import MinMax, ZScore, scaling
from sedlib.features.smoother import coefficient, smooth, smooth_zero_phase, time_constant

__all__ = [
    "LogMel",
    "MinMax",
    "PCEN",
    "ZScore",
    "amplitude",
    "coefficient",
    "decibels",
    "pcen",
    "scaling",
    "smooth",
    "smooth_zero_phase",
    "time_constant",
]
