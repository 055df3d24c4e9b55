"""Training: the mean teacher, the loop, run folders."""

from sedlib.training.loop import train
from sedlib.training.mean_teacher import MeanTeacher, add_noise, losses, rampup, update_teacher
from sedlib.training.runs import Run
from sedlib.training.scoring import score, write_posteriors
