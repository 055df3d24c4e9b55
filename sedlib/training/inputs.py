"""What a training reads: the clips of every step, their spectrograms and labels.

The clips of a step, and how they are mixed or changed, are a function of (seed, step) alone. Reading ahead in any
number of threads, or keeping waveforms or spectrograms on the training's device, changes no number. Paper sections 2
and 3.2; taught in ``notebooks/04_mean_teacher.py``.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import chain
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from sedlib.augment import Bank, Change, Mixture, change, draw, draw_change, events, open_bank, render
from sedlib.config import Config
from sedlib.data import layout, tables
from sedlib.data.encoder import batch_indices, event_labels, strong_labels, weak_labels
from sedlib.data.store import Store, open_store
from sedlib.errors import SedError
from sedlib.models import Detector

CLEAN_STEPS = 40  # whose clips `Inputs.clean` gives
AUGMENTATION = 2  # random stream of mixtures and effects
PIECE = 32  # clips whose spectrograms are computed at once


class Clips:
    """Clips of a subset and their spectrograms.

    Parameters
    ----------
    store : Store
    indices : (clip,) int array
        The clips of the store that take part.
    detector : Detector
        Computes the spectrograms, on its device.
    keep : str
        What stays on that device: ``nothing`` (the store is read each time), ``waveforms`` (16-bit samples: DESED's
        5.9 GB fit on one GPU) or ``spectrograms``.
    """

    def __init__(self, store: Store, indices: np.ndarray, detector: Detector, keep: str = "nothing") -> None:
        self.store, self.indices, self.detector = store, indices, detector
        self.filenames = [store.filenames[int(i)] for i in indices]
        self.device = detector.logmel.window.device
        self.waveforms: Tensor | None = None
        self.spectrograms: Tensor | None = None
        if keep == "waveforms":
            self.waveforms = _kept((self._samples(part) for part in self._parts()), len(self))
        elif keep == "spectrograms":
            self.spectrograms = _kept(self.pieces(), len(self))

    def __len__(self) -> int:
        return len(self.indices)

    def read(self, positions: np.ndarray, changed: Collection[int] = ()) -> np.ndarray | None:
        """Read waveforms ``(batch, sample)`` from the store, if `features` needs them; called in any thread.

        Where spectrograms are kept, only the ``changed`` clips are read (places within ``positions``).
        """
        if self.spectrograms is not None:
            return self.store.waveforms(self.indices[positions[list(changed)]]) if changed else None
        return self.store.waveforms(self.indices[positions]) if self.waveforms is None else None

    def features(
        self,
        positions: Tensor,
        read: np.ndarray | None,
        changes: dict[int, Change] | None = None,
        bank: Bank | None = None,
    ) -> Tensor:
        """Compute log-Mel in dB ``(batch, 1, mel, frame)`` from what `read` returned, ``changes`` by place applied."""
        changed, wanted = list(changes or {}), list((changes or {}).values())
        here = None if read is None else torch.from_numpy(read).to(self.device)
        if self.spectrograms is not None:
            features = self.spectrograms[positions]
            if here is not None:
                features[changed] = self.detector.features(change(here, wanted, bank))
            return features
        waveforms = here if self.waveforms is None else self.waveforms[positions].float() / 32768
        assert waveforms is not None
        if changed:
            waveforms = waveforms.clone()  # the batch keeps what was read
            waveforms[changed] = change(waveforms[changed], wanted, bank)
        return self.detector.features(waveforms)

    def pieces(self) -> Iterator[Tensor]:
        """Yield the spectrograms of all clips in order, `PIECE` at a time."""
        for part in self._parts():
            yield self.features(torch.from_numpy(part).to(self.device), self.read(part))

    def _parts(self) -> Iterator[np.ndarray]:
        return (np.arange(start, min(start + PIECE, len(self))) for start in range(0, len(self), PIECE))

    def _samples(self, part: np.ndarray) -> Tensor:
        waveforms = 32768 * self.store.waveforms(self.indices[part])
        return torch.from_numpy(waveforms.astype(np.int16)).to(self.device)  # exact: the store's samples are 16-bit


def _kept(pieces: Iterator[Tensor], clips: int) -> Tensor:
    """``torch.cat`` without holding everything twice."""
    first = next(pieces)
    kept = first.new_empty((clips, *first.shape[1:]))
    start = 0
    for piece in chain([first], pieces):
        kept[start : start + len(piece)] = piece
        start += len(piece)
    return kept


class Batch(NamedTuple):
    """Clips of one step, by their kind of labels."""

    positions: dict[str, Tensor]  # on the device
    waveforms: dict[str, np.ndarray | None]  # where they are read
    changes: dict[str, dict[int, Change]]  # by place in the batch
    mixtures: list[Mixture]  # in place of the clips with strong labels, for dynamic mixing


class Inputs:
    """Everything that a training reads; ``detector`` and ``keep`` as for `Clips`.

    The clips held out, the order of the others, and augmentation follow from ``seed``. `SedError` where clips are
    missing.

    Attributes
    ----------
    clips : dict of Clips
        By kind of labels, in the order of a batch: ``strong``, ``weak``, ``unlabelled``.
    validation : Clips
        The clips with strong labels that are held out, on which epochs are validated; ``reference`` is their event
        table.
    """

    def __init__(
        self, config: Config, data: Path, seed: int, detector: Detector, keep: str, progress: bool = True
    ) -> None:
        t = config.training
        self.config, self.seed = config, seed
        subsets = subsets_of(config)
        self.sizes = {labels: getattr(t, labels) for labels in subsets}
        stores = {labels: open_store(data, subset, progress=progress) for labels, subset in subsets.items()}
        chosen = {labels: np.arange(len(store)) for labels, store in stores.items()}
        held_out, chosen["strong"] = split(len(stores["strong"]), t.validation_share, seed)
        for labels, indices in {**chosen, "validation": held_out}.items():
            if not len(indices):
                raise SedError(f"{data}: no usable clips for {labels}; `sedlib data check {data}` says what is missing")
        if progress and keep != "nothing":
            print(f"keeping the {keep} of all training clips in memory ...")
        self.clips = {labels: Clips(stores[labels], indices, detector, keep) for labels, indices in chosen.items()}
        self.validation = Clips(stores["strong"], held_out, detector, keep)
        self.detector, self.device = detector, self.validation.device
        self.bank = open_bank(data, progress).to(self.device) if config.augment.uses_soundbank else None
        table = strong_table(data, t.strong_from)
        self.reference = table[table["filename"].isin(self.validation.filenames)]
        strong = strong_labels(table, self.clips["strong"].filenames, config.frames, config.frame_s, t.label_frames)
        weak = np.zeros((0, len(tables.CLASSES)), np.float32)
        if t.weak:
            weak = weak_labels(layout.load(data, "weak").table, self.clips["weak"].filenames)
        self.labels = {k: torch.from_numpy(v).to(self.device) for k, v in {"strong": strong, "weak": weak}.items()}
        scarce = "weak" if t.weak else "strong"  # an epoch is once through these
        self.steps_per_epoch = t.steps_per_epoch or max(1, len(self.clips[scarce]) // self.sizes[scarce])

    def positions(self, step: int) -> dict[str, np.ndarray]:
        """Choose the clips of a step, as positions in `clips`."""
        return {
            labels: batch_indices(step, size, len(self.clips[labels]), self.seed, number)
            for number, (labels, size) in enumerate(self.sizes.items())
        }

    def batches(self, first: int, last: int, workers: int = 1) -> Iterator[Batch]:
        """Yield the batches of steps ``first`` to ``last - 1``, read ahead by ``workers`` threads (0: on demand)."""
        return ahead(self._read, self._schedule(first, last), workers)

    def _schedule(self, first: int, last: int) -> Iterator[tuple[int, dict[str, np.ndarray], dict[str, Tensor]]]:
        """`positions` of each step, here and on the device, where those of an epoch are copied at once."""
        for begin in range(first, last, self.steps_per_epoch):
            steps = [self.positions(step) for step in range(begin, min(begin + self.steps_per_epoch, last))]
            stacked = {labels: np.stack([step[labels] for step in steps]) for labels in self.sizes}
            placed = {labels: torch.from_numpy(positions).to(self.device) for labels, positions in stacked.items()}
            for i, step in enumerate(steps):
                yield begin + i, step, {labels: positions[i] for labels, positions in placed.items()}

    def _read(self, scheduled: tuple[int, dict[str, np.ndarray], dict[str, Tensor]]) -> Batch:
        step, here, placed = scheduled
        settings, batch = self.config.augment, Batch(placed, {}, {}, [])
        for kind, (labels, chosen) in enumerate(here.items()):
            rngs = [np.random.default_rng([self.seed, AUGMENTATION, step, kind, i]) for i in range(len(chosen))]
            if labels == "strong" and settings.mixing:
                assert self.bank is not None
                batch.mixtures.extend(draw(rng, self.bank, settings) for rng in rngs)
                continue
            drawn = [draw_change(rng, self.bank, settings, labels == "strong") for rng in rngs]
            batch.changes[labels] = {i: change for i, change in enumerate(drawn) if change != Change()}
            batch.waveforms[labels] = self.clips[labels].read(chosen, batch.changes[labels])
        return batch

    def clean(self, step: int) -> Iterator[Tensor]:
        """Yield `features` of the last `CLEAN_STEPS` steps before ``step``, of fixed clips unmixed and unchanged."""
        for _, here, placed in self._schedule(max(0, step - CLEAN_STEPS), step):
            waveforms = {labels: self.clips[labels].read(chosen) for labels, chosen in here.items()}
            yield self.features(Batch(placed, waveforms, {labels: {} for labels in here}, []))

    def prior(self) -> Tensor:
        """Compute the log-odds of each class's share of active frames in the fixed clips' strong labels, ``(class,)``.

        Shares lie at least one frame of all from 0 and 1: a class that never or always sounds has finite log-odds.
        """
        strong = self.labels["strong"]
        one = 1 / strong[..., 0].numel()
        return strong.mean((0, 1)).clamp(one, 1 - one).logit()

    def features(self, batch: Batch) -> Tensor:
        """Compute log-Mel in dB of a batch, ``(batch, 1, mel, frame)``."""
        parts = []
        if batch.mixtures:
            assert self.bank is not None
            parts.append(self.detector.features(render(batch.mixtures, self.bank)))
        for labels, changes in batch.changes.items():
            clips, positions, waveforms = self.clips[labels], batch.positions[labels], batch.waveforms[labels]
            parts.append(clips.features(positions, waveforms, changes, self.bank))
        return torch.cat(parts).contiguous(memory_format=torch.channels_last)

    def targets(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Return strong labels ``(strong, frame, class)`` and weak labels ``(weak, class)`` of a batch."""
        none = torch.zeros(0, dtype=torch.long, device=self.device)
        strong, weak = (self.labels[kind][batch.positions.get(kind, none)] for kind in ("strong", "weak"))
        if batch.mixtures:
            assert self.bank is not None
            size = self.config.frames, self.config.frame_s, self.config.training.label_frames
            mixed = [event_labels(events(m, self.bank), *size) for m in batch.mixtures]
            strong = torch.from_numpy(np.stack(mixed)).to(self.device)
        return strong, weak


def subsets_of(config: Config) -> dict[str, str]:
    """Name the subset for each kind of labels that a configuration uses, in the order of a batch."""
    t = config.training
    subsets = {"strong": t.strong_from, "weak": "weak", "unlabelled": "unlabel_in_domain"}
    return {labels: subset for labels, subset in subsets.items() if getattr(t, labels)}


def ahead(function: Callable, items: Iterable, workers: int) -> Iterator:
    """Apply ``map(function, items)`` in order, up to ``workers`` results ahead, in as many threads."""
    if not workers:
        yield from map(function, items)
        return
    with ThreadPoolExecutor(workers) as pool:
        pending: deque = deque()
        try:
            for item in items:
                pending.append(pool.submit(function, item))
                if len(pending) > workers:
                    yield pending.popleft().result()
            while pending:
                yield pending.popleft().result()
        finally:
            for future in pending:
                future.cancel()


def strong_table(data: Path, subset: str) -> pd.DataFrame:
    """Read the event table of a subset with strong labels, or an oracle's of another one."""
    if layout.SUBSETS[subset].kind == layout.STRONG:
        return layout.load(data, subset).table
    return layout.hidden_labels(data, subset)


def split(clips: int, share: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return sorted indices of the clips held out for validation, and of the others."""
    order = np.random.default_rng([seed, 0]).permutation(clips)
    held_out = round(share * clips)
    return np.sort(order[:held_out]), np.sort(order[held_out:])
