"""Step checks of the exercises: ``check.NAME(your_function)`` says "correct", or names the likely mistake.

A wrong answer raises `WrongAnswer`, also in a batch run: no lesson can be executed with a wrong solution.
"""

# ruff: noqa: F401

from sedcourse.check.core import Check, WrongAnswer
from sedcourse.check.lesson_00 import event_matches, frame_at, frame_start
from sedcourse.check.lesson_01 import active_frames, auc, decibels, frame_count, weak_from_strong
from sedcourse.check.lesson_02 import at_snr, comb, direct_sound, event_times, highest_background
from sedcourse.check.lesson_03 import coefficient, contrast, left_of_level, pcen, skewness, smoother
from sedcourse.check.lesson_04 import attention_pooling, ema, events_of, mean_teacher_loss, median_filter, rampup
from sedcourse.check.lesson_05 import (
    a_distance,
    balanced_error,
    class_weights,
    domain_loss,
    reversed_gradient,
    two_updates,
)
from sedcourse.check.lesson_06 import expected_frames, step_filter, tied_optimum, viterbi_step, walk_back
from sedcourse.check.lesson_07 import averaged, holm, judged
from sedcourse.check.lesson_08 import alone, noise_floor, onset_differences
