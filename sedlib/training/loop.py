"""The training loop, explicit from the first batch to the last; Lightning Fabric only moves it to a GPU.

Every step is a function of (seed, step): which clips, which noise, which dropout. So the same configuration and seed
give the same weights, and a run that was killed goes on from its checkpoint to the same weights.
Paper section 3; taught in ``notebooks/04_mean_teacher.py``.
"""

from __future__ import annotations

import copy
import ctypes
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from lightning_fabric import Fabric
from torch import Tensor
from tqdm.auto import tqdm

from sedlib.config import Config
from sedlib.data import generate, layout, tables
from sedlib.data.batches import batch_indices, strong_labels, weak_labels
from sedlib.data.store import Store, open_store
from sedlib.decode import Posteriors, median_events
from sedlib.errors import SedError
from sedlib.metrics import event_f1
from sedlib.model import Detector
from sedlib.training.mean_teacher import add_noise, losses, rampup, update_teacher
from sedlib.training.runs import Run

CHECKPOINT_S = 60.0  # at most this much work is lost


class Clips:
    """Clips of a subset with their spectrograms, computed when asked for or once and for all.

    Parameters
    ----------
    store : Store
    indices : (clip,) int array
        The clips of the store that take part.
    detector : Detector
        Makes the spectrograms.
    preload : bool
        Compute all now and keep them in memory.
    """

    def __init__(self, store: Store, indices: np.ndarray, detector: Detector, preload: bool) -> None:
        self.store, self.indices, self.detector = store, indices, detector
        self.filenames = [store.filenames[i] for i in indices]
        self.kept: Tensor | None = None
        if preload:
            self.kept = torch.cat(list(self.pieces()))

    def __len__(self) -> int:
        return len(self.indices)

    def features(self, positions: np.ndarray) -> Tensor:
        """Log-Mel in dB of the clips at these positions, ``(batch, 1, mel, frame)``."""
        if self.kept is not None:
            return self.kept[torch.from_numpy(positions)]
        device = self.detector.logmel.window.device
        return self.detector.features(torch.from_numpy(self.store.waveforms(self.indices[positions])).to(device))

    def pieces(self, size: int = 32) -> Iterator[Tensor]:
        """The spectrograms of all clips in order, a few at a time."""
        for start in range(0, len(self), size):
            yield self.features(np.arange(start, min(start + size, len(self))))


@dataclass(frozen=True)
class TrainingData:
    """What a training reads: clips by kind of labels in the order of a batch, their labels, and held-out clips."""

    clips: dict[str, Clips]
    strong: Tensor  # (strong clip, frame, class)
    weak: Tensor  # (weak clip, class)
    validation: Clips
    reference: pd.DataFrame  # events of the validation clips


def prepare(config: Config, data: Path, seed: int, detector: Detector, progress: bool) -> TrainingData:
    """Open the stores, hold out validation clips, encode the labels; `SedError` where clips are missing."""
    t = config.training
    subsets = {"strong": t.strong_from, "weak": "weak", "unlabelled": "unlabel_in_domain"}
    subsets = {labels: subset for labels, subset in subsets.items() if getattr(t, labels)}
    stores = {labels: open_store(data, subset, progress=progress) for labels, subset in subsets.items()}
    held_out, kept = split(len(stores["strong"]), t.validation_share, seed)
    chosen = {labels: np.arange(len(store)) for labels, store in stores.items()} | {"strong": kept}
    for labels, indices in {**chosen, "validation": held_out}.items():
        if not len(indices):
            raise SedError(f"{data}: no usable clips for {labels}; `sedlib data check {data}` says what is missing")
    if progress and t.preload:
        print("computing the spectrograms of all training clips ...")
    clips = {labels: Clips(stores[labels], indices, detector, t.preload) for labels, indices in chosen.items()}
    validation = Clips(stores["strong"], held_out, detector, t.preload)
    events = strong_table(data, t.strong_from)
    strong = strong_labels(events, clips["strong"].filenames, config.frames, config.frame_s)
    weak = weak_labels(layout.load(data, "weak").table, clips["weak"].filenames) if t.weak else np.zeros((0, len(tables.CLASSES)))
    reference = events[events["filename"].isin(validation.filenames)]
    return TrainingData(clips, torch.from_numpy(strong), torch.from_numpy(weak), validation, reference)


def strong_table(data: Path, subset: str) -> pd.DataFrame:
    """Event table of a subset with strong labels; of another one, what an oracle knows."""
    if layout.SUBSETS[subset].kind == layout.STRONG:
        return layout.load(data, subset).table
    return generate.hidden_labels(data, subset)


def train(
    config: Config,
    data: str | Path,
    seed: int,
    folder: str | Path,
    on_epoch: Callable[[dict[str, float]], None] | None = None,
    progress: bool = True,
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

    Returns
    -------
    Run

    Raises
    ------
    SedError
        For data that cannot be trained on, or a folder that was started with another configuration.
    """
    data = Path(data)
    run = Run(folder)
    run.start(config, data, seed)
    if run.finished:
        return run
    keep_freed_memory()
    t = config.training
    fabric = Fabric(accelerator="cuda" if torch.cuda.is_available() else "cpu", devices=1)

    torch.manual_seed(seed)
    student = Detector(config).to(memory_format=torch.channels_last)
    student.to(fabric.device)
    train_on = prepare(config, data, seed, student, progress)
    clips, strong, weak = train_on.clips, train_on.strong, train_on.weak
    checkpoint = run.load("checkpoint.pt")
    if checkpoint is None and config.features.scaling == "zscore":
        student.scale.fit(piece for part in clips.values() for piece in part.pieces())
    teacher = copy.deepcopy(student)
    optimizer = torch.optim.Adam(student.parameters(), lr=t.learning_rate)
    student, optimizer = fabric.setup(student, optimizer)
    scarce = "weak" if t.weak else "strong"  # an epoch is once through these
    steps_per_epoch = t.steps_per_epoch or max(1, len(clips[scarce]) // getattr(t, scarce))

    state: dict[str, Any] = {"step": 0, "rows": [], "sums": {}, "best": -1.0, "best_weights": None, "seconds": 0.0}
    if checkpoint is not None:
        student.load_state_dict(checkpoint["student"])
        teacher.load_state_dict(checkpoint["teacher"])
        optimizer.load_state_dict(checkpoint["optimizer"])
        state = checkpoint["state"]
    began, saved = time.perf_counter() - state["seconds"], time.perf_counter()

    def save() -> None:
        state["seconds"] = time.perf_counter() - began
        run.save("checkpoint.pt", {
            "student": student.state_dict(), "teacher": teacher.state_dict(),
            "optimizer": optimizer.state_dict(), "state": state,
        })

    total = t.epochs * steps_per_epoch
    bar = tqdm(total=total, initial=state["step"], desc=f"training {config.system}, seed {seed}", unit="step", disable=not progress)
    for step in range(state["step"], total):
        torch.manual_seed(int(np.random.default_rng([seed, step]).integers(2**62)))
        chosen = {
            labels: batch_indices(step, getattr(t, labels), len(part), seed, number)
            for number, (labels, part) in enumerate(clips.items())
        }
        features = torch.cat([clips[labels].features(positions) for labels, positions in chosen.items()]).to(fabric.device)
        features = features.contiguous(memory_format=torch.channels_last)
        ramp = rampup(step, t.rampup_epochs * steps_per_epoch)
        for group in optimizer.param_groups:
            group["lr"] = ramp * t.learning_rate

        student.train(), teacher.train()
        with torch.no_grad():
            target = teacher(add_noise(features, t.teacher_noise_snr_db))
        terms = losses(
            student(features), target,
            strong[chosen["strong"]].to(fabric.device), weak[chosen.get("weak", [])].to(fabric.device), ramp * t.consistency,
        )
        optimizer.zero_grad()
        fabric.backward(terms["total"])
        optimizer.step()
        update_teacher(teacher, student, step + 1, t.ema)

        state["step"] = step + 1
        for name, value in terms.items():
            state["sums"][name] = state["sums"].get(name, 0.0) + float(value.detach())
        bar.update()
        if (step + 1) % steps_per_epoch == 0:
            row = {"epoch": (step + 1) // steps_per_epoch, "step": step + 1, "learning_rate": ramp * t.learning_rate,
                   "consistency_weight": ramp * t.consistency}
            row |= {f"loss_{name}": value / steps_per_epoch for name, value in state["sums"].items()}
            for name, network in (("student", student), ("teacher", teacher)):
                row[f"validation_f1_{name}"] = validation_f1(network, train_on.validation, train_on.reference, config)
            row["seconds"] = time.perf_counter() - began
            state["rows"].append(row)
            state["sums"] = {}
            if not row["validation_f1_teacher"] < state["best"]:  # also without any score: NaN, held-out clips without events
                state["best"] = row["validation_f1_teacher"]
                state["best_weights"] = {
                    "student": copy.deepcopy(student.state_dict()), "teacher": copy.deepcopy(teacher.state_dict()), "epoch": row["epoch"],
                }
            run.write_metrics(state["rows"])
            bar.set_postfix(loss=f"{row['loss_total']:.3f}", F1=f"{100 * row['validation_f1_teacher']:.1f}%")
            if on_epoch is not None:
                on_epoch(row)
        if (step + 1) % steps_per_epoch == 0 or time.perf_counter() - saved > CHECKPOINT_S:
            save()
            saved = time.perf_counter()
    bar.close()
    run.save("weights.pt", state["best_weights"])
    run.remove("checkpoint.pt")
    return run


def split(clips: int, share: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Indices of the clips held out for validation, and of the others; both sorted."""
    order = np.random.default_rng([seed, 0]).permutation(clips)
    held_out = round(share * clips)
    return np.sort(order[:held_out]), np.sort(order[held_out:])


@torch.no_grad()
def validation_f1(network: torch.nn.Module, clips: Clips, reference: pd.DataFrame, config: Config) -> float:
    """Event-based macro F1 of a network on held-out clips; batch normalisation and dropout as in use."""
    network.eval()
    device = next(network.parameters()).device
    scores = torch.cat([network(piece.to(device)).strong.cpu() for piece in clips.pieces()])
    posteriors = Posteriors(scores.numpy(), clips.filenames, tables.CLASSES, config.frame_s)
    return event_f1(reference, median_events(posteriors, config.decoding)).macro


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
