"""Front-ends: from waveforms to the input of the network."""

from sedlib.features.logmel import LogMel, amplitude, decibels
from sedlib.features.pcen import PCEN, pcen
from sedlib.features.scaling import MinMax, ZScore, scaling
from sedlib.features.smoother import coefficient, smooth, smooth_zero_phase, time_constant
