"""The training loop, explicit from the first batch to the last; Lightning Fabric only moves it to a GPU.

Every step is a function of (seed, step): clips, noise, dropout. So on a CPU the same configuration, data and seed give
the same weights bit for bit, also after a kill and a resume, with the same machine, number of threads and versions. On
CUDA they do not: backward kernels of convolutions, the GRU and indexing sum in an order that changes from run to run.

Paper section 3; taught in ``notebooks/04_mean_teacher.py``.
"""

from __future__ import annotations

import copy
import ctypes
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
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


def train(
    config: Config,
    data: str | Path,
    seed: int,
    folder: str | Path,
    on_epoch: Callable[[dict[str, float]], None] | None = None,
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
            fabric = own_fabric()
            generators = [fabric.device] if fabric.device.type == "cuda" else []
            keep_freed_memory()
            try:
                with torch.random.fork_rng(generators):
                    _train(run, config, data, seed, fabric, on_epoch, progress, workers)
            finally:
                give_back_freed_memory()
        run.remove_checkpoints()  # also those of a process that was killed after it had finished
    return run


def _train(
    run: Run,
    config: Config,
    data: Path,
    seed: int,
    fabric: Fabric,
    on_epoch: Callable | None,
    progress: bool,
    workers: int,
) -> None:
    """As `train`, from the last checkpoint to the weights; one long function, so that the loop reads in order."""
    t = config.training
    torch.manual_seed(seed)
    student = Detector(config)
    student.to(fabric.device, memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]  # documented
    keep = "spectrograms" if t.preload else "waveforms" if fabric.device.type in RESIDENT else "nothing"
    inputs = Inputs(config, data, seed, student, keep, progress)
    checkpoint = run.load_checkpoint()
    if checkpoint is None and isinstance(student.scale, ZScore):
        student.scale.fit(piece for clips in inputs.clips.values() for piece in clips.pieces())
    kind = MeanTeacher if config.adversarial.updates == "none" else DomainAdversarial
    learner, telemetry = kind(student, config, fabric, inputs.steps_per_epoch), Telemetry(fabric.device)
    state: dict[str, Any] = {"step": 0, "rows": [], "best": -1.0, "best_weights": None, "seconds": 0.0}
    if checkpoint is not None:
        learner.load_state_dict(checkpoint["learner"])
        telemetry.load_state_dict(checkpoint["telemetry"])
        state = checkpoint["state"]
    steps = t.epochs * inputs.steps_per_epoch
    run.write_progress(state["step"], steps)
    began, saved = time.perf_counter() - state["seconds"], time.perf_counter()
    logged = int(state["rows"][-1]["step"]) if state["rows"] else 0
    board = SummaryWriter(run.folder / "tensorboard", purge_step=logged + 1)  # hides what a killed process wrote later
    bar = tqdm(
        total=steps,
        initial=state["step"],
        desc=f"training {config.system}, seed {seed}",
        unit="step",
        disable=not progress,
    )
    batches = inputs.batches(state["step"], steps, workers)
    for step in range(state["step"], steps):
        with telemetry.waiting():
            batch = next(batches)
        torch.manual_seed(int(np.random.default_rng([seed, step]).integers(2**62)))
        try:
            terms = learner.step(step, views(inputs.features(batch), config), *inputs.targets(batch))
            state["step"] = step + 1
            bar.update()
            telemetry.add(step + 1, terms, **learner.rates(step))
            epoch, within = divmod(step + 1, inputs.steps_per_epoch)
            if within == 0:
                telemetry.check(student)
                row, each = telemetry.take()
                row = {"epoch": epoch, "step": step + 1, **row, **validation_f1(learner.networks(), inputs, config)}
                row |= learner.teacher.learned()
                row["seconds"] = time.perf_counter() - began
                state["rows"].append(row)
                f1 = row[f"validation_f1_{t.tested}"]
                if not f1 < state["best"]:  # also NaN, where no held-out clip has events
                    state["best"] = f1
                    state["best_weights"] = copy.deepcopy(weights(learner)) | {"epoch": epoch}
                run.write_metrics(state["rows"])
                write_events(board, row, each)
                bar.set_postfix(loss=f"{row['loss_total']:.3f}", F1=f"{100 * f1:.1f}%")
                if message := learner.health(row):
                    bar.write(f"epoch {epoch}: {message}")
                if on_epoch is not None:
                    on_epoch(row)
            if within == 0 or time.perf_counter() - saved > CHECKPOINT_S:
                telemetry.check(student)
                state["seconds"] = time.perf_counter() - began
                run.save_checkpoint(
                    {"learner": learner.state_dict(), "telemetry": telemetry.state_dict(), "state": state}
                )
                run.write_progress(state["step"], steps)
                saved = time.perf_counter()
        except Diverged as error:
            row, each = telemetry.take()
            write_events(board, {"step": error.step, **row}, each)
            run.diverged(error.step, error.term, error.what)
            if (good := run.load_checkpoint()) is not None:
                run.save("weights.pt", {name: good["learner"][name] for name in learner.networks()})
            raise
    bar.close()
    board.close()
    # Also the student after the last step, which the domain classifier was trained against to the end.
    run.save("weights.pt", {**state["best_weights"], "last": weights(learner)["student"]})


def own_fabric(accelerator: str = "") -> Fabric:
    """Lightning's Fabric on one device, ``cpu`` or ``cuda``; by default a GPU where there is one."""
    with warnings.catch_warnings():  # of torchmetrics, which it imports
        warnings.filterwarnings("ignore", message="pkg_resources is deprecated")
        from lightning_fabric import Fabric

    return Fabric(accelerator=accelerator or ("cuda" if torch.cuda.is_available() else "cpu"), devices=1)


def weights(learner: MeanTeacher) -> dict[str, Any]:
    """Weights of student and teacher."""
    return {name: network.state_dict() for name, network in learner.networks().items()}


@torch.no_grad()
def validation_f1(networks: dict[str, torch.nn.Module], inputs: Inputs, config: Config) -> dict[str, float]:
    """Event-based macro F1 of networks, in evaluation mode, on the held-out clips."""
    scores: dict[str, list[np.ndarray]] = {name: [] for name in networks}
    for piece in inputs.validation.pieces():
        for name, network in networks.items():
            scores[name].append(network.eval()(piece).strong.cpu().numpy())
    f1 = {}
    for name, pieces in scores.items():
        posteriors = Posteriors(np.concatenate(pieces), inputs.validation.filenames, tables.CLASSES, config.frame_s)
        f1[f"validation_f1_{name}"] = event_f1(inputs.reference, median_events(posteriors, config.decoding)).macro
    return f1


def keep_freed_memory() -> None:
    """Have glibc keep large freed blocks, for the whole process: page faults cost half of a training step."""
    _set_malloc(mmap_threshold=2**30, trim_threshold=2**31 - 1)


def give_back_freed_memory() -> None:
    """Undo `keep_freed_memory`, to the thresholds of glibc's own adjustment after freeing 32 MiB."""
    if _set_malloc(mmap_threshold=2**25, trim_threshold=2**26):
        ctypes.CDLL(None).malloc_trim(0)


def _set_malloc(mmap_threshold: int, trim_threshold: int) -> bool:
    """Set glibc's thresholds in bytes; False where the C library is another one."""
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):
        return False
    return bool(mallopt(-3, mmap_threshold) and mallopt(-1, trim_threshold))
