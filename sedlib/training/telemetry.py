"""Losses, rates, times and memory of a training, and the alarm when it diverges.

A step on a GPU must not wait for the host: `Telemetry.add` leaves the losses on the device, and those of all steps
since the last look are copied at once. Paper section 3; the curves are taught in ``notebooks/04_mean_teacher.py``.
"""

from __future__ import annotations

import math
import re
import resource
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.tensorboard import SummaryWriter

from sedlib.errors import SedError

# Largest loss of a healthy step: predicting 0.5 everywhere costs 0.69; trainings with a learning rate 1000 times too
# large cost 15 to 90 (torch's limit is 100).
EXPLODED = 10.0
STATUS = Path("/proc/self/status")


class Diverged(SedError):
    """A loss or a weight is not finite, or a loss exploded: ``step``, ``term`` of the loss or "weights", ``what``."""

    def __init__(self, step: int, term: str, what: str) -> None:
        super().__init__(f"training diverged at step {step}: {what}")
        self.step, self.term, self.what = step, term, what


class Telemetry:
    """Losses, rates and times of the steps since the last row of metrics.

    Parameters
    ----------
    device : torch.device
        Where the network is trained.

    Examples
    --------
    >>> with telemetry.waiting():
    ...     batch = next(batches)
    >>> telemetry.add(step, terms, learning_rate=0.001, consistency_weight=2.0)
    >>> telemetry.check(student)           # at the end of an epoch, and before a checkpoint
    >>> row, steps = telemetry.take()      # at the end of an epoch
    """

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self._steps: list[dict[str, float]] = []  # since the last row: step, time, rates, losses
        self._unread: list[tuple[dict[str, float], list[str], Tensor]] = []  # losses that are still on the device
        self._seconds = self._waited = 0.0
        self._began: float | None = None  # start of the steps that are being timed

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """Time the wait for a step's input; first thing in every step."""
        began = time.perf_counter()
        if self._began is None:
            self._began = began
        yield
        self._waited += time.perf_counter() - began

    def add(self, step: int, terms: dict[str, Tensor], **rates: float) -> None:
        """Keep a step's losses, on the device and without waiting for it.

        Parameters
        ----------
        step : int
            From 1, as in ``metrics.csv``.
        terms : dict of scalar tensors
            The terms of the loss, unweighted, and their weighted sum ``total``.
        **rates : float
            ``learning_rate`` and others, and weights of terms as ``TERM_weight``.
        """
        self._steps.append({"step": step, "time": time.time(), **rates})
        self._unread.append((self._steps[-1], list(terms), torch.stack([value.detach() for value in terms.values()])))

    def check(self, network: nn.Module) -> None:
        """Raise `Diverged` unless all steps since the last row are healthy; waits for the device.

        Every term must be finite and at most `EXPLODED`. Of the total, which depends on the weights of the terms, and
        of the network's weights, as a gradient can be NaN where the loss is not, finite values are enough.
        """
        self._read()
        for values in self._steps:
            bad = [name for name, value in values.items() if name.startswith("loss_") and not _sound(name, value)]
            if bad:  # what is not finite is to blame first, the total last
                name = min(bad, key=lambda name: (name == "loss_total", math.isfinite(values[name])))
                term = name.removeprefix("loss_")
                beyond = f", beyond {EXPLODED:g}" if math.isfinite(values[name]) else ""
                raise _diverged(values, term, f"the loss {term} is {values[name]:.4g}{beyond}")
        weights = {name: value for name, value in network.state_dict().items() if value.is_floating_point()}
        finite = torch.stack([value.isfinite().all() for value in weights.values()]).tolist()
        bad = [name for name, sound in zip(weights, finite, strict=True) if not sound]
        if bad and self._steps:
            what = f"{len(bad)} of {len(weights)} tensors of weights are not finite, first {bad[0]}, but the losses are"
            raise _diverged(self._steps[-1], "weights", what)

    def take(self) -> tuple[dict[str, float], list[dict[str, float]]]:
        """Summarise the steps since the last row, and start anew.

        Returns
        -------
        row : dict
            Rates of the last step; the mean of every ``loss_TERM`` over the steps; ``wait_share``, the share of the
            steps' time that the host waited for input; ``steps_per_s``; and `peak_memory`. The steps' time excludes
            what lies between `check` and the next `waiting`: validation, checkpoints.
        steps : list of dict
            ``step``, ``time`` (seconds since 1970), rates and ``loss_TERM`` of every step.
        """
        self._read()
        steps, self._steps = self._steps, []
        columns: dict[str, list[float]] = {}
        for values in steps:
            for name, value in values.items():
                columns.setdefault(name, []).append(value)
        del columns["step"], columns["time"]
        row = {
            name: sum(values) / len(values) if name.startswith("loss_") else values[-1]
            for name, values in columns.items()
        }
        row |= {"wait_share": self._waited / self._seconds, "steps_per_s": len(steps) / self._seconds}
        self._seconds = self._waited = 0.0
        return row | peak_memory(self.device), steps

    def state_dict(self) -> dict[str, Any]:
        """Plain values for a checkpoint, so that the means of a resumed epoch are the same."""
        self._read()
        return {"steps": list(self._steps), "seconds": self._seconds, "waited": self._waited}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Resume from `state_dict`."""
        self._steps, self._seconds, self._waited = state["steps"], state["seconds"], state["waited"]

    def _read(self) -> None:
        """Copy the losses from the device; this waits for its steps, so their time ends here."""
        if self._unread:
            arrived = iter(torch.cat([losses for _, _, losses in self._unread]).tolist())
            for values, names, _ in self._unread:
                values |= {f"loss_{name}": next(arrived) for name in names}
            self._unread = []
        if self._began is not None:
            self._seconds += time.perf_counter() - self._began
            self._began = None


def write_events(board: SummaryWriter, row: dict[str, float], steps: list[dict[str, float]]) -> None:
    """Write a row of ``metrics.csv`` and its steps (`Telemetry.take`) for TensorBoard, to disk.

    Names are grouped: ``loss/strong`` is a mean over an epoch, ``loss_step/strong`` the value of a step. Fabric's
    TensorBoardLogger would give all steps of an epoch the time when they are written.
    """
    for values in steps:
        for name in values.keys() - {"step", "time"}:
            board.add_scalar(_tag(name, "_step"), values[name], values["step"], walltime=values["time"])
    for name in row.keys() - {"step"}:
        board.add_scalar(_tag(name), row[name], row["step"])
    board.flush()


def peak_memory(device: torch.device) -> dict[str, float]:
    """Peak memory of this process so far in 10^6 bytes: ``memory_mb``, with CUDA ``gpu_memory_mb``."""
    try:  # getrusage's peak begins with that of the parent process
        found = re.search(r"VmHWM:\s*(\d+) kB", STATUS.read_text())
        held = 1024 * int(found[1])  # pyright: ignore[reportOptionalSubscript]  # of None a TypeError, as below
    except (OSError, TypeError):  # macOS has no such file, gVisor no such line
        held = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    peak = {"memory_mb": held / 1e6}
    if device.type == "cuda":
        peak["gpu_memory_mb"] = torch.cuda.max_memory_allocated(device) / 1e6
    return peak


def _sound(name: str, value: float) -> bool:
    return math.isfinite(value) and (name == "loss_total" or abs(value) <= EXPLODED)


def _diverged(values: dict[str, float], term: str, what: str) -> Diverged:
    rates = [
        f"{name.replace('_', ' ')} {value:.4g}"
        for name, value in values.items()
        if name not in ("step", "time") and not name.startswith("loss_")
    ]
    fix = "A smaller learning rate is the usual cure; at the first steps, look for a mistake in the data"
    return Diverged(int(values["step"]), term, f"{'; '.join([what, *rates])}. {fix}")


def _tag(name: str, suffix: str = "") -> str:
    """Column to grouped name: loss_weak to loss/weak, validation_f1_teacher to f1/teacher, seconds to run/seconds."""
    for prefix, group in (("loss_", "loss"), ("validation_f1_", "f1")):
        if name.startswith(prefix):
            return f"{group}{suffix}/{name.removeprefix(prefix)}"
    if name.startswith("pcen"):
        return f"pcen/{name}"
    group = "rate" if name.endswith(("learning_rate", "_weight")) else "run"
    return f"{group}{suffix}/{name}"
