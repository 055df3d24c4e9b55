"""Where the time of a training step goes in profile lesson on one thread, as the batch trains: by system, and by
operation.

Every system in turn takes some steps on MiniDESED (made where it is not there yet); then torch's profiler adds up
operations.
"""

from __future__ import annotations

import time
from collections import Counter
from pathlib import Path

import torch
from torch.profiler import ProfilerActivity, profile

from sedlib import workspace
from sedlib.augment import views
from sedlib.models import Detector
from sedlib.systems import configuration
from sedlib.threads import one_thread
from sedlib.training import MeanTeacher
from sedlib.training.adversarial import DomainAdversarial
from sedlib.training.inputs import Inputs
from sedlib.training.loop import keep_freed_memory, own_fabric

SYSTEMS = ("baseline", "ppcen_logmel", "augm", "dat_augm", "ppcen_dat_augm")
WARM_UP, STEPS, PROFILED = 5, 40, 8
KINDS = {
    "convolutions": ("convolution",),
    "gate, dropout, pooling": ("_GatedPooling",),
    "batch normalisation": ("native_batch_norm",),
    "PCEN's smoother": ("_Recursion",),
    "Fourier transforms": ("_fft_",),
    "optimiser": ("Optimizer.step", "_foreach_"),
}


def main() -> None:
    """Print both."""
    keep_freed_memory()
    root = workspace.dataset("mini", "lesson")
    with one_thread():
        for system in SYSTEMS:
            took, kinds = measure(system, root)
            total = sum(took.values())
            print(
                f"  {system}: {total:.0f} ms a step, of which "
                + ", ".join(f"{name} {ms:.0f}" for name, ms in took.items())
            )
            print("    " + ", ".join(f"{name} {share:.0%}" for name, share in kinds.most_common()))


def measure(system: str, root: Path) -> tuple[dict[str, float], Counter[str]]:
    """Milliseconds of the parts of a step, and shares of kinds of operations (on the CPU, their own time) in all of
    it."""
    config = configuration(system, "lesson")
    torch.manual_seed(0)
    student = Detector(config).to(memory_format=torch.channels_last)
    inputs = Inputs(config, root, 0, student, "spectrograms", progress=False)
    if config.features.scaling == "zscore":
        student.scale.fit(piece for clips in inputs.clips.values() for piece in clips.pieces())
    kind = MeanTeacher if config.adversarial.updates == "none" else DomainAdversarial
    learner = kind(student, config, own_fabric(), inputs.steps_per_epoch)
    took: Counter[str] = Counter()

    def steps(first: int, last: int) -> None:
        batches = inputs.batches(first, last)
        for step in range(first, last):
            began = time.perf_counter()
            batch = next(batches)
            seen, targets = views(inputs.features(batch), config), inputs.targets(batch)
            ready = time.perf_counter()
            learner.step(step, seen, *targets)
            took["input"] += 1000 * (ready - began) / STEPS
            took["networks"] += 1000 * (time.perf_counter() - ready) / STEPS

    steps(0, WARM_UP)
    took.clear()
    steps(WARM_UP, WARM_UP + STEPS)
    parts = dict(took)
    with profile(activities=[ProfilerActivity.CPU]) as profiled:
        steps(WARM_UP + STEPS, WARM_UP + STEPS + PROFILED)
    own = {event.key: event.self_cpu_time_total for event in profiled.key_averages()}
    shares: Counter[str] = Counter()
    for name, microseconds in own.items():
        found = next(
            (of for of, words in KINDS.items() if any(word in name for word in words)),
            "everything else (GRU, element-wise, losses)",
        )
        shares[found] += microseconds / sum(own.values())
    return parts, shares
