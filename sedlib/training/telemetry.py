"""Losses, rates, times and memory of a training, and the alarm when it diverges.

A step on a GPU must not wait for the host: `Telemetry.add` leaves the losses on the device, and those of all steps
since the last check are copied at once. Paper section 3; the curves are taught in ``notebooks/04_mean_teacher.py``.
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

    def __init__(self, values: dict[str, Any], term: str, what: str) -> None:
        rates = {name: value for name, value in values.items() if not name.startswith(("step", "time", "loss_"))}
        what = "; ".join([what, *(f"{name.replace('_', ' ')} {value:.4g}" for name, value in rates.items())])
        what += ". A smaller learning rate is the usual cure; in the first steps, look for a mistake in the data"
        super().__init__(f"training diverged at step {values['step']}: {what}")
        self.step, self.term, self.what = values["step"], term, what


class Telemetry:
    """Losses, rates and times of the steps since the last row of metrics, of a network on ``device``."""

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self._steps: list[dict[str, Any]] = []  # since the last row: step, time, rates, losses
        self._unread: list[dict[str, Any]] = []  # those whose losses are still on the device
        self._seconds = self._waited = 0.0
        self._began: float | None = None  # start of the steps that are being timed

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """Time the wait for a step's input; first thing in every step."""
        began = time.perf_counter()
        self._began = self._began or began
        yield
        self._waited += time.perf_counter() - began

    def add(self, step: int, terms: dict[str, Tensor], **rates: float) -> None:
        """Keep a step's losses and rates; ``step`` counts from 1, and each step has the same terms and rates."""
        losses = {f"loss_{name}": value.detach() for name, value in terms.items()}
        self._steps.append({"step": step, "time": time.time(), **rates, **losses})
        self._unread.append(self._steps[-1])

    def check(self, network: nn.Module) -> None:
        """Raise `Diverged` unless all steps since the last row are healthy; waits for the device.

        Every term must be finite and at most `EXPLODED`. Of the total, which depends on the weights of the terms, and
        of the network's weights, as a gradient can be NaN where the loss is not, finite values are enough.
        """
        self._read()
        for values in self._steps:
            losses = {name.removeprefix("loss_"): values[name] for name in values if name.startswith("loss_")}
            limits = dict.fromkeys(losses, EXPLODED) | {"total": sys.float_info.max}
            bad = [term for term, value in losses.items() if not abs(value) <= limits[term]]  # NaN is not, either
            if bad:  # what is not finite is to blame first, the total last
                term = min(bad, key=lambda term: (term == "total", math.isfinite(losses[term])))
                beyond = f", beyond {EXPLODED:g}" if math.isfinite(losses[term]) else ""
                raise Diverged(values, term, f"the loss {term} is {losses[term]:.4g}{beyond}")
        weights = {name: value for name, value in network.state_dict().items() if value.is_floating_point()}
        finite = torch.stack([value.isfinite().all() for value in weights.values()]).tolist()
        bad = [name for name, sound in zip(weights, finite, strict=True) if not sound]
        if bad and self._steps:
            what = f"{len(bad)} of {len(weights)} tensors of weights are not finite, first {bad[0]}, but the losses are"
            raise Diverged(self._steps[-1], "weights", what)

    def take(self) -> tuple[dict[str, float], list[dict[str, Any]]]:
        """Summarise the steps since the last row, and start over.

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
        row = {name: value for name, value in steps[-1].items() if name not in ("step", "time")}
        row |= {name: sum(step[name] for step in steps) / len(steps) for name in row if name.startswith("loss_")}
        row |= {"wait_share": self._waited / self._seconds, "steps_per_s": len(steps) / self._seconds}
        self._seconds = self._waited = 0.0
        return row | peak_memory(self.device), steps

    def state_dict(self) -> dict[str, Any]:
        """Return plain values for a checkpoint, so that the means of a resumed epoch are the same."""
        self._read()
        return {"steps": list(self._steps), "seconds": self._seconds, "waited": self._waited}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Resume from `state_dict`."""
        self._steps, self._seconds, self._waited = state["steps"], state["seconds"], state["waited"]

    def _read(self) -> None:
        """Copy the losses from the device; this waits for its steps, so their time ends here."""
        places = [(values, name) for values in self._unread for name in values if name.startswith("loss_")]
        if places:
            arrived = torch.stack([values[name] for values, name in places]).tolist()
            for (values, name), loss in zip(places, arrived, strict=True):
                values[name] = loss
            self._unread = []
        if self._began is not None:
            self._seconds += time.perf_counter() - self._began
            self._began = None


def write_events(board: SummaryWriter, row: dict[str, Any], steps: list[dict[str, Any]]) -> None:
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


def _tag(name: str, suffix: str = "") -> str:
    """Column to grouped name: loss_weak to loss/weak, validation_f1_teacher to f1/teacher, seconds to run/seconds."""
    group, _, rest = name.removeprefix("validation_").partition("_")
    if group in ("loss", "f1"):
        return f"{group}{suffix}/{rest}"
    rate = name.endswith(("learning_rate", "_weight"))
    return f"{'pcen' if name.startswith('pcen') else 'rate' if rate else 'run'}{suffix}/{name}"


def peak_memory(device: torch.device) -> dict[str, float]:
    """Measure this process's peak memory so far in 10^6 bytes: ``memory_mb``, with CUDA ``gpu_memory_mb``."""
    try:  # getrusage's peak begins with that of the parent process
        found = re.search(r"VmHWM:\s*(\d+) kB", STATUS.read_text())
        held = 1024 * int(found[1])  # pyright: ignore[reportOptionalSubscript]  # of None a TypeError, as below
    except (OSError, TypeError):  # macOS has no such file, gVisor no such line
        held = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    peak = {"memory_mb": held / 1e6}
    if device.type == "cuda":
        peak["gpu_memory_mb"] = torch.cuda.max_memory_allocated(device) / 1e6
    return peak
