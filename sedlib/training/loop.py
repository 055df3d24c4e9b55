"""The training loop, explicit from the first batch to the last; Lightning Fabric only moves it to a GPU.

Every step is a function of (seed, step): clips, noise, dropout. So on a CPU the same configuration, data and seed give
the same weights bit for bit, also after a kill and a resume, with the same machine, number of threads and versions. On
CUDA they do not: backward kernels of convolutions, the GRU and indexing sum in an order that changes from run to run.

Paper section 3; taught in ``notebooks/04_mean_teacher.py``.
"""

from __future__ import annotations

import contextlib
import copy
import ctypes
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch.optim.swa_utils import update_bn
from torch.utils.tensorboard import SummaryWriter
from tqdm.auto import tqdm

from sedlib.augment import views
from sedlib.config import Config
from sedlib.data import layout, tables
from sedlib.decode import Posteriors, median_events
from sedlib.features import ZScore
from sedlib.metrics import event_f1
from sedlib.models import Detector
from sedlib.training.adversarial import DomainAdversarial
from sedlib.training.inputs import Inputs, subsets_of
from sedlib.training.mean_teacher import MeanTeacher
from sedlib.training.runs import Run
from sedlib.training.telemetry import Diverged, Telemetry, write_events

if TYPE_CHECKING:
    from lightning_fabric import Fabric  # whose import takes two seconds

CHECKPOINT_S = 60.0  # at most this much work is lost
RESIDENT = ("cuda",)  # kinds of devices that keep the waveforms of all training clips
OnEpoch = Callable[[dict[str, float], dict[str, torch.nn.Module]], Any]


def train(
    config: Config,
    data: str | Path,
    seed: int,
    folder: str | Path,
    on_epoch: OnEpoch | None = None,
    progress: bool = True,
    workers: int = 1,
) -> Run:
    """Train a mean teacher, or resume a killed training; a finished run is left as it is.

    torch's random generators are restored afterwards.

    Parameters
    ----------
    config : Config
    data : path
        DESED-layout folder with the subsets that the configuration takes clips from.
    seed : int
        Initial weights, order of clips, noise and dropout follow from it.
    folder : path
        Of the run that is returned.
    on_epoch : callable, optional
        Called after every epoch with the row of metrics and the networks, ``student`` and ``teacher``, in evaluation
        mode; twice for an epoch if the process is killed before the next checkpoint.
    progress : bool
    workers : int
        Threads that read waveforms ahead; the result does not depend on it.

    Raises
    ------
    SedError
        For data that cannot be trained on, a folder that was started with another configuration or where another
        process trains, and a training that diverges.
    """
    data, run = Path(data), Run(folder)
    if not run.finished:
        layout.preflight(data, subsets_of(config).values(), config.augment.uses_soundbank)
    with run.only_one():
        run.start(config, data, seed)
        if not run.finished:
            keep_freed_memory()
            try:
                with torch.random.fork_rng([0] if torch.cuda.is_available() else []):
                    _Training(run, config, data, seed, progress).loop(on_epoch or (lambda *epoch: None), workers)
            finally:
                keep_freed_memory(False)
        run.remove_checkpoints()  # also those of a process that was killed after it had finished
    return run


@dataclass
class _State:
    """What a checkpoint holds beside the networks, optimisers and telemetry."""

    step: int = 0  # steps done
    rows: list[dict[str, float]] = field(default_factory=list)  # of metrics, one per epoch
    best: float = -1.0  # validation F1 of the tested network in the epoch that is kept so far
    best_weights: dict[str, Any] | None = None
    seconds: float = 0.0  # of training


class _Training:
    """A training under way, from the last checkpoint to the weights."""

    def __init__(self, run: Run, config: Config, data: Path, seed: int, progress: bool) -> None:
        self.run, self.config, fabric = run, config, own_fabric()
        torch.manual_seed(seed)
        student = Detector(config)
        student.to(fabric.device, memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]  # documented
        on_device = "waveforms" if fabric.device.type in RESIDENT else "nothing"
        keep = "spectrograms" if config.training.preload else on_device
        self.inputs = Inputs(config, data, seed, student, keep, progress)
        checkpoint = run.load_checkpoint()
        if checkpoint is None and isinstance(student.scale, ZScore):
            student.scale.fit(piece for clips in self.inputs.clips.values() for piece in clips.pieces())
        kind = MeanTeacher if config.adversarial.updates == "none" else DomainAdversarial
        self.learner = kind(student, config, fabric, self.inputs.steps_per_epoch)
        if config.training.output_bias == "prior":
            for detector in (student, self.learner.teacher):
                detector.crnn.strong.bias.data.copy_(self.inputs.prior())
        self.telemetry, self.state = Telemetry(fabric.device), _State()
        if checkpoint is not None:
            self.learner.load_state_dict(checkpoint["learner"])
            self.telemetry.load_state_dict(checkpoint["telemetry"])
            self.state = _State(**checkpoint["state"])
        state, self.steps = self.state, config.training.epochs * self.inputs.steps_per_epoch
        run.write_progress(state.step, self.steps)
        self.saved = time.perf_counter()
        self.began = self.saved - state.seconds
        logged = int(state.rows[-1]["step"]) if state.rows else 0  # what a killed process wrote later is hidden
        self.board = SummaryWriter(run.folder / "tensorboard", purge_step=logged + 1)
        title = f"training {config.system}, seed {seed}"
        self.bar = tqdm(total=self.steps, initial=state.step, desc=title, unit="step", disable=not progress)

    def loop(self, on_epoch: OnEpoch, workers: int) -> None:
        """Train from the last checkpoint to the end."""
        state, inputs, learner, telemetry = self.state, self.inputs, self.learner, self.telemetry
        batches = inputs.batches(state.step, self.steps, workers)
        for step in range(state.step, self.steps):
            with telemetry.waiting():
                batch = next(batches)
            torch.manual_seed(int(np.random.default_rng([inputs.seed, step]).integers(2**62)))
            terms = learner.step(step, views(inputs.features(batch), self.config), *inputs.targets(batch))
            telemetry.add(step + 1, terms, **learner.rates(step))
            state.step = step + 1
            self.bar.update()
            ends_epoch = state.step % inputs.steps_per_epoch == 0
            if ends_epoch or time.perf_counter() - self.saved > CHECKPOINT_S:
                self.check()
                if ends_epoch:
                    on_epoch(self.end_epoch(), learner.networks())
                self.save()
        self.finish()

    def check(self) -> None:
        """Raise `Diverged` for a training that diverged, after noting it and saving the last good weights."""
        try:
            self.telemetry.check(self.learner.networks()["student"])
        except Diverged as error:
            row, steps = self.telemetry.take()
            write_events(self.board, {"step": error.step, **row}, steps)
            self.run.diverged(error.step, error.term, error.what)
            if (good := self.run.load_checkpoint()) is not None:
                self.run.save("weights.pt", {name: good["learner"][name] for name in self.learner.networks()})
            raise

    def end_epoch(self) -> dict[str, float]:
        """Validate, keep the weights if selected, and record the epoch; returns its row of metrics.

        With statistics of the teacher's batch normalisation recomputed as plain averages over `Inputs.clean`, because
        its running ones are of noisy views. It is trained with those of its batch, so nothing else changes.
        """
        state, learner, t = self.state, self.learner, self.config.training
        row, steps = self.telemetry.take()
        if t.teacher_statistics == "recomputed":
            update_bn(self.inputs.clean(state.step), learner.teacher)
        epoch = state.step // self.inputs.steps_per_epoch
        scores = validation_f1(learner.networks(), self.inputs, self.config)
        row = {"epoch": epoch, "step": state.step, **row, **scores, **learner.teacher.learned()}
        row["seconds"] = time.perf_counter() - self.began
        state.rows.append(row)
        f1 = row[f"validation_f1_{t.tested}"]
        if t.selection == "last" or not f1 < state.best:  # also NaN, where no validated clip has events
            networks = {name: copy.deepcopy(network.state_dict()) for name, network in learner.networks().items()}
            state.best, state.best_weights = f1, {**networks, "epoch": epoch}
        self.run.write_metrics(state.rows)
        write_events(self.board, row, steps)
        self.bar.set_postfix(loss=f"{row['loss_total']:.3f}", F1=f"{100 * f1:.1f}%")
        if message := learner.health(row):
            self.bar.write(f"epoch {epoch}: {message}")
        return row

    def save(self) -> None:
        """Save a checkpoint."""
        self.state.seconds = time.perf_counter() - self.began
        learner, telemetry = self.learner.state_dict(), self.telemetry.state_dict()
        self.run.save_checkpoint({"learner": learner, "telemetry": telemetry, "state": vars(self.state)})
        self.run.write_progress(self.state.step, self.steps)
        self.saved = time.perf_counter()

    def finish(self) -> None:
        """Save the kept weights, and the student after the last step, which the domain classifier was trained with."""
        self.bar.close()
        self.board.close()
        assert self.state.best_weights is not None
        last = self.learner.networks()["student"].state_dict()
        self.run.save("weights.pt", {**self.state.best_weights, "last": last})


def own_fabric(accelerator: str = "") -> Fabric:
    """Make Lightning's Fabric on one device, ``cpu`` or ``cuda``; by default a GPU where there is one."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="pkg_resources is deprecated")  # of torchmetrics, which it imports
        warnings.filterwarnings("ignore", message="The `srun` command is available")  # one process needs none
        from lightning_fabric import Fabric

        return Fabric(accelerator=accelerator or ("cuda" if torch.cuda.is_available() else "cpu"), devices=1)


@torch.no_grad()
def validation_f1(networks: dict[str, torch.nn.Module], inputs: Inputs, config: Config) -> dict[str, float]:
    """Compute the event-based macro F1 of networks, in evaluation mode, on `Inputs.validation`."""
    scores: dict[str, list[np.ndarray]] = {name: [] for name in networks}
    for piece in inputs.validation.pieces():
        for name, network in networks.items():
            scores[name].append(network.eval()(piece).strong.cpu().numpy())
    f1 = {}
    for name, pieces in scores.items():
        posteriors = Posteriors(np.concatenate(pieces), inputs.validation.filenames, tables.CLASSES, config.frame_s)
        f1[f"validation_f1_{name}"] = event_f1(inputs.reference, median_events(posteriors, config.decoding)).macro
    return f1


def keep_freed_memory(keep: bool = True) -> None:
    """Have glibc keep large freed blocks, for the whole process: page faults cost half of a training step.

    Without ``keep``, give them back from now on, with the thresholds that glibc itself has after freeing 32 MiB.
    """
    with contextlib.suppress(AttributeError, OSError, TypeError):  # another C library
        libc = ctypes.CDLL(None)
        libc.mallopt(-3, 2**30 if keep else 2**25)  # M_MMAP_THRESHOLD
        libc.mallopt(-1, 2**31 - 1 if keep else 2**26)  # M_TRIM_THRESHOLD
        if not keep:
            libc.malloc_trim(0)
