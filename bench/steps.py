"""Where the time of a training step goes in profile lesson on one thread, as the batch trains: by system and operation.

Every system in turn takes some steps on MiniDESED (made where it is not there yet); then torch's profiler adds up
operations.
"""

from __future__ import annotations

import time
from collections import Counter
from pathlib import Path

import torch
from torch.profiler import ProfilerActivity, profile

from bench.training import detector, learner
from sedlib import workspace
from sedlib.augment import views
from sedlib.systems import configuration
from sedlib.threads import one_thread
from sedlib.training.inputs import Inputs
from sedlib.training.loop import keep_freed_memory

SYSTEMS = ("baseline", "ppcen_logmel", "augm", "dat_augm", "ppcen_dat_augm")
WARM_UP, STEPS, PROFILED = 5, 40, 8
KINDS = {
    "convolutions": ("convolution",),
    "normalisation, gate, dropout, pooling": ("_GatedPooling", "native_batch_norm"),
    "GRU's recurrence": ("_Recurrence",),
    "matrix products": ("aten::mm", "aten::addmm"),
    "PCEN's smoother": ("_Recursion",),
    "Fourier transforms": ("_fft_",),
    "optimiser": ("Optimizer.step", "_foreach_", "_fused_"),
    "everything else (element-wise, losses)": ("",),
}


def main() -> None:
    """Print both."""
    keep_freed_memory()
    root = workspace.dataset("mini", "lesson")
    with one_thread():
        for system in SYSTEMS:
            took, kinds = measure(system, root)
            parts = ", ".join(f"{name} {ms:.0f}" for name, ms in took.items())
            print(f"  {system}: {sum(took.values()):.0f} ms a step, of which {parts}")
            print("    " + ", ".join(f"{name} {share:.0%}" for name, share in kinds.most_common()))


def measure(system: str, root: Path) -> tuple[dict[str, float], Counter[str]]:
    """Milliseconds of the parts of a step, and shares of kinds of operations in it (their own CPU time)."""
    config = configuration(system, "lesson")
    torch.manual_seed(0)
    student = detector(config)
    inputs = Inputs(config, root, 0, student, "spectrograms", progress=False)
    if config.features.scaling == "zscore":
        student.scale.fit(piece for clips in inputs.clips.values() for piece in clips.pieces())
    training = learner(config, student)

    def steps(first: int, count: int) -> dict[str, float]:
        batches, took = inputs.batches(first, first + count), {"input": 0.0, "networks": 0.0}
        for step in range(first, first + count):
            began = time.perf_counter()
            batch = next(batches)
            seen, targets = views(inputs.features(batch), config), inputs.targets(batch)
            ready = time.perf_counter()
            training.step(step, seen, *targets)
            took["input"] += 1000 * (ready - began) / count
            took["networks"] += 1000 * (time.perf_counter() - ready) / count
        return took

    steps(0, WARM_UP)
    took = steps(WARM_UP, STEPS)
    with profile(activities=[ProfilerActivity.CPU]) as profiled:
        steps(WARM_UP + STEPS, PROFILED)
    own = {event.key: event.self_cpu_time_total for event in profiled.key_averages()}
    shares: Counter[str] = Counter()
    for name, microseconds in own.items():
        kind = next(kind for kind, words in KINDS.items() if any(word in name for word in words))
        shares[kind] += microseconds / sum(own.values())
    return took, shares
