"""The training loop, explicit from the first batch to the last; Lightning Fabric only moves it to GPUs.

Every step is a function of (seed, step): which clips, which noise, which dropout. So the same configuration and seed
give the same weights, and a run that was killed goes on from its checkpoint to the same weights.
Paper section 3; taught in ``notebooks/04_mean_teacher.py``.
"""

from __future__ import annotations

import copy
import ctypes
import os
import shutil
import sys
import time
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from tqdm.auto import tqdm

from sedlib.augment import views
from sedlib.config import Config
from sedlib.data import layout, tables
from sedlib.decode import Posteriors, median_events
from sedlib.errors import SedError
from sedlib.metrics import event_f1
from sedlib.model import Detector
from sedlib.training.adversarial import DomainAdversarial
from sedlib.training.inputs import Inputs, subsets_of
from sedlib.training.mean_teacher import MeanTeacher
from sedlib.training.runs import Run
from sedlib.training.telemetry import Diverged, Telemetry, TensorBoard

if TYPE_CHECKING:
    from lightning_fabric import Fabric  # its import takes two seconds, which only a training has to spend

CHECKPOINT_S = 60.0  # at most this much work is lost
COMPILERS = (os.environ.get("CXX", "c++"), "g++", "clang++")  # one of which torch.compile needs
RESIDENT = ("cuda",)  # kinds of devices on which the waveforms of all training clips are kept


def train(
    config: Config,
    data: str | Path,
    seed: int,
    folder: str | Path,
    on_epoch: Callable[[dict[str, float]], None] | None = None,
    progress: bool = True,
    workers: int = 1,
) -> Run:
    """Train a mean teacher, or go on where a killed run stopped; a finished run is not done again.

    Parameters
    ----------
    config : Config
    data : path
        DESED-layout folder with the subsets that the configuration takes clips from.
    seed : int
        Initial weights, order of clips, noise and dropout follow from it.
    folder : path
        Run folder.
    on_epoch : callable, optional
        Called with the row of metrics after every epoch, for live curves.
    progress : bool
        Show a progress bar.
    workers : int
        Threads that read waveforms ahead; the result does not depend on it.

    Returns
    -------
    Run
        To one process; where ``config.training.devices`` made several, the others end here.

    Raises
    ------
    SedError
        For data that cannot be trained on, a folder that was started with another configuration or that another
        process trains in, and a training that diverges.
    """
    data, run, t = Path(data), Run(folder), config.training
    if not run.finished:
        layout.preflight(data, subsets_of(config).values(), config.augment.uses_soundbank)
    if t.compile and not any(map(shutil.which, COMPILERS)):
        raise SedError("training.compile needs a C++ compiler, and there is none; Debian: apt install g++")
    fabric = fabric_for(config)
    fabric.launch()
    first = fabric.is_global_zero  # of several processes the one that writes
    with run.only_one() if first else nullcontext():
        if first:
            run.start(config, data, seed)
        fabric.barrier()
        if not run.finished:
            _train(run, config, data, seed, fabric, on_epoch, progress and first, workers)
        fabric.barrier()
        if first:
            run.remove_checkpoints()  # those of a process that was killed when it had finished, too
    if not first:
        sys.exit()
    return run


def _train(run: Run, config: Config, data: Path, seed: int, fabric: Fabric, on_epoch: Callable | None, progress: bool,
           workers: int) -> None:
    """From the last checkpoint to the weights; as `train`, in each of its processes."""
    first, t = fabric.is_global_zero, config.training
    keep_freed_memory()
    torch.manual_seed(seed)
    student = Detector(config).to(fabric.device, memory_format=torch.channels_last)
    keep = "spectrograms" if t.preload else "waveforms" if fabric.device.type in RESIDENT else "nothing"
    inputs = Inputs(config, data, seed, student, keep, fabric.global_rank, fabric.world_size, progress)
    checkpoint = fabric.broadcast(run.load_checkpoint() if first else None)
    if checkpoint is None and config.features.scaling == "zscore":
        student.scale.fit(piece for clips in inputs.clips.values() for piece in clips.pieces())
    kind = MeanTeacher if config.adversarial.updates == "none" else DomainAdversarial
    learner, telemetry = kind(student, config, fabric, inputs.steps_per_epoch), Telemetry(fabric.device)
    state: dict[str, Any] = {"step": 0, "rows": [], "best": -1.0, "best_weights": None, "seconds": 0.0}
    if checkpoint is not None:
        learner.load_state_dict(checkpoint["learner"])
        telemetry.load_state_dict(checkpoint["telemetry"])
        state = checkpoint["state"]
    steps = t.epochs * inputs.steps_per_epoch
    if first:
        run.write_progress(state["step"], steps)
    began, saved = time.perf_counter() - state["seconds"], time.perf_counter()

    def save() -> None:
        telemetry.check(student)
        state["seconds"] = time.perf_counter() - began
        run.save_checkpoint({"learner": learner.state_dict(), "telemetry": telemetry.state_dict(), "state": state})
        run.write_progress(state["step"], steps)

    board = TensorBoard(run.folder / "tensorboard", after=int(state["rows"][-1]["step"]) if state["rows"] else 0)
    bar = tqdm(total=steps, initial=state["step"], desc=f"training {config.system}, seed {seed}", unit="step",
               disable=not progress)
    batches = inputs.batches(state["step"], steps, workers)
    for step in range(state["step"], steps):
        with telemetry.waiting():
            batch = next(batches)
        torch.manual_seed(int(np.random.default_rng([seed, step, fabric.global_rank]).integers(2**62)))
        try:
            terms = learner.step(step, views(inputs.features(batch), config), *inputs.targets(batch))
            state["step"] = step + 1
            bar.update()
            if not first:
                continue
            telemetry.add(step + 1, terms, **learner.rates(step))
            epoch, into = divmod(step + 1, inputs.steps_per_epoch)
            if into == 0:
                telemetry.check(student)
                row, each = telemetry.take()
                row = {"epoch": epoch, "step": step + 1, **row, **validation_f1(learner.networks(), inputs, config)}
                row |= learner.teacher.learned()
                row["seconds"] = time.perf_counter() - began
                state["rows"].append(row)
                f1 = row[f"validation_f1_{t.tested}"]
                if not f1 < state["best"]:  # also without any score: NaN, held-out clips without events
                    state["best"] = f1
                    state["best_weights"] = copy.deepcopy(weights(learner)) | {"epoch": epoch}
                run.write_metrics(state["rows"])
                board.write(row, each)
                bar.set_postfix(loss=f"{row['loss_total']:.3f}", F1=f"{100 * f1:.1f}%")
                if said := learner.health(row):
                    bar.write(f"epoch {epoch}: {said}")
                if on_epoch is not None:
                    on_epoch(row)
            if into == 0 or time.perf_counter() - saved > CHECKPOINT_S:
                save()
                saved = time.perf_counter()
        except Diverged as error:
            row, each = telemetry.take()
            board.write({"step": error.step, **row}, each)
            run.diverged(error.step, error.term, error.what)
            if (good := run.load_checkpoint()) is not None:
                run.save("weights.pt", {name: good["learner"][name] for name in learner.networks()})
            raise
    bar.close()
    board.close()
    if first:
        # The student after the last step, too: what a domain classifier was up against to the end.
        run.save("weights.pt", {**state["best_weights"], "last": weights(learner)["student"]})


def fabric_for(config: Config) -> Fabric:
    """Device, precision and processes of a training."""
    from lightning_fabric import Fabric

    t = config.training
    return Fabric(accelerator="cuda" if torch.cuda.is_available() else "cpu", devices=t.devices,
                  strategy="ddp" if t.devices > 1 else "auto", precision=t.precision)


def weights(learner: MeanTeacher) -> dict[str, Any]:
    """Weights of student and teacher."""
    return {name: network.state_dict() for name, network in learner.networks().items()}


@torch.no_grad()
def validation_f1(networks: dict[str, torch.nn.Module], inputs: Inputs, config: Config) -> dict[str, float]:
    """Event-based macro F1 of networks on the held-out clips; batch normalisation and dropout as in use."""
    scores: dict[str, list[np.ndarray]] = {name: [] for name in networks}
    for piece in inputs.validation.pieces():
        for name, network in networks.items():
            scores[name].append(network.eval()(piece).strong.cpu().numpy())
    said = {name: Posteriors(np.concatenate(pieces), inputs.validation.filenames, tables.CLASSES, config.frame_s)
            for name, pieces in scores.items()}
    return {f"validation_f1_{name}": event_f1(inputs.reference, median_events(posteriors, config.decoding)).macro
            for name, posteriors in said.items()}


def keep_freed_memory() -> None:
    """Have glibc keep large freed blocks instead of giving them back: page faults cost half of a training step.

    Does nothing where the C library is another one.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):
        return
    mmap_threshold, trim_threshold = -3, -1
    mallopt(mmap_threshold, 2**30)
    mallopt(trim_threshold, 2**31 - 1)
