"""A training step of the mean teacher, batch 24: seconds and clips a second for each profile."""

from __future__ import annotations

import copy
import statistics
import time

import torch

from sedlib.config import PROFILES
from sedlib.model import Detector
from sedlib.training import losses, update_teacher
from sedlib.training.loop import keep_freed_memory


def main(steps: int = 4) -> None:
    """Print the measurements."""
    keep_freed_memory()
    for name in ("lesson", "paper"):
        config = PROFILES[name]
        t = config.training
        student = Detector(config).to(memory_format=torch.channels_last)
        teacher = copy.deepcopy(student)
        optimizer = torch.optim.Adam(student.parameters())
        clips = t.strong + t.weak + t.unlabelled
        features = torch.randn(clips, 1, config.features.n_mels, config.features.frames)
        strong, weak = torch.zeros(t.strong, config.frames, 10), torch.zeros(t.weak, 10)
        times = []
        for step in range(1, steps + 1):
            start = time.perf_counter()
            with torch.no_grad():
                target = teacher(features)
            loss = losses(student(features), target, strong, weak, t.consistency)["total"]
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            update_teacher(teacher, student, step, t.ema)
            times.append(time.perf_counter() - start)
        median = statistics.median(times[1:])
        print(f"  {name}: {median:.3f} s a step of {clips} clips, {clips / median:.0f} clips/s")
