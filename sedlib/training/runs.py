"""Run folders: configuration, metrics, checkpoints and weights of one training.

``runs/PROFILE/DATA/SYSTEM/seedN/`` holds ``config.json``, ``versions.json``, ``metrics.csv`` (one row per epoch),
``progress.json``, ``checkpoint.pt`` and ``checkpoint-before.pt`` during training, and at the end ``weights.pt``,
posteriors, predictions and ``results.json``; ``diverged.json`` if training diverged. Files are written whole, one
process at a time trains in a folder, and a checkpoint whose checksums are wrong is replaced by the one before.

Paper section 3; taught in ``notebooks/04_mean_teacher.py``.
"""

from __future__ import annotations

import io
import warnings
import zipfile
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pandas as pd
import torch

from sedlib.config import Config
from sedlib.errors import SedError
from sedlib.files import first_line, is_locked, locked, read_json, reading, whole, write_json, write_output
from sedlib.models import Detector
from sedlib.training.provenance import differences, environment, fingerprint

FORMAT = 3  # of checkpoints and weights; raised when those of older code no longer lead to the same result
WITHOUT_WEIGHTS = "published.json"  # in a folder that has published posteriors, which are scored like others
CHECKPOINTS = ("checkpoint.pt", "checkpoint-before.pt")  # newest first


class Run:
    """The folder of one training, made when it starts."""

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)

    def only_one(self) -> AbstractContextManager[None]:
        """Hold the lock of the training: `SedError` if another process has it."""
        message = f"{self.folder}: another process is training in this folder; wait for it, or give another one"
        return locked(self.folder / "lock", message, wait=False)

    def start(self, config: Config, data: Path, seed: int) -> None:
        """Write configuration and versions, or check that the folder was started with the same ones.

        `SedError` if the folder was started with another configuration, data or seed, or its training diverged. Other
        versions, threads or another device may change the last bits of the weights (on CUDA, any two runs differ in
        them): resuming with these only warns.
        """
        path, fix = self.folder / "config.json", "remove the folder to train again, or give another one"
        stopped = any((self.folder / name).exists() for name in CHECKPOINTS)
        if path.exists():
            if different := "; ".join(self.differences(config, seed, data)[:3]):
                raise SedError(f"{self.folder}: started with another configuration ({different}); {fix}")
        elif stopped or self.finished:
            raise SedError(f"{self.folder}: config.json is missing; {fix}")
        self._refuse_diverged()
        if self.finished:
            return
        if not stopped:
            write_json(self.folder / "versions.json", environment())
            write_json(path, _record(config, seed, data))
        elif changed := "; ".join(differences(read_json(self.folder / "versions.json"), environment())):
            warnings.warn(
                f"{self.folder}: resumed with other versions or another machine ({changed}); the last bits of its "
                "weights may differ from those of an uninterrupted run",
                stacklevel=2,
            )

    def differences(self, config: Config, seed: int, data: Path | None = None) -> list[str]:
        """Compare the folder's configuration and seed, and its data where given, with these; a line each."""
        now, path = _record(config, seed, data), self.folder / "config.json"
        found = read_json(path)
        with reading(path):
            return differences({name: found[name] for name in now}, now)

    @property
    def config(self) -> Config:
        """The configuration that the run was started with."""
        path = self.folder / "config.json"
        if not path.is_file():
            raise SedError(f"{self.folder}: not a run folder (config.json is missing); give one made by `sedlib train`")
        with reading(path):
            return Config.from_dict(read_json(path)["config"], str(path))

    @property
    def finished(self) -> bool:
        """Whether training ended well, here or where the posteriors come from; scores may still be missing."""
        there = any((self.folder / name).exists() for name in ("weights.pt", WITHOUT_WEIGHTS))
        return there and not (self.folder / "diverged.json").exists()

    @property
    def state(self) -> str:
        """``diverged``, ``scored``, ``finished``, ``running`` (a process is training) or ``stopped``."""
        if (self.folder / "diverged.json").exists():
            return "diverged"
        if self.finished:
            return "scored" if (self.folder / "results.json").exists() else "finished"
        return "running" if is_locked(self.folder / "lock") else "stopped"

    @property
    def results(self) -> dict[str, Any]:
        """``results.json``: the scores on the development and evaluation sets."""
        path = self.folder / "results.json"
        if not path.is_file():
            raise SedError(f"{self.folder}: the run has no results yet; `sedlib train` finishes it")
        return read_json(path)

    @property
    def metrics(self) -> pd.DataFrame:
        """``metrics.csv``, one row per epoch; empty before the end of the first."""
        path = self.folder / "metrics.csv"
        if not path.exists():
            return pd.DataFrame()
        with reading(path):
            return pd.read_csv(path).apply(pd.to_numeric)

    def write_metrics(self, rows: list[dict[str, float]]) -> None:
        """Write ``metrics.csv`` with all rows so far."""
        # Fabric's CSVLogger deletes the rows that a resumed run finds, sorts the columns and appends in place.
        write_output(self.folder / "metrics.csv", pd.DataFrame(rows).to_csv(index=False))

    def write_progress(self, step: int, steps: int) -> None:
        """Write how many of all steps are done; with every checkpoint."""
        write_json(self.folder / "progress.json", {"step": step, "steps": steps})

    def save_checkpoint(self, state: dict[str, Any]) -> None:
        """Save tensors and plain values to resume from; the checkpoint before this one is kept."""
        newest, before = (self.folder / name for name in CHECKPOINTS)
        with whole(newest) as partial:
            _save(state, partial)
            if newest.exists():
                newest.replace(before)

    def load_checkpoint(self) -> dict[str, Any] | None:
        """Load the newest whole checkpoint, None without any; only for the process that trains here.

        A damaged checkpoint is warned about and replaced by the one before it; if all are damaged, `SedError`.
        """
        damaged = []
        for path in filter(Path.exists, (self.folder / name for name in CHECKPOINTS)):
            try:
                state = _load(path)
            except SedError as error:
                damaged.append(str(error))
                continue
            for message in damaged:
                warnings.warn(f"{message}; training continues from the one before it, {path.name}", stacklevel=2)
            path.replace(self.folder / CHECKPOINTS[0])
            return state
        if damaged:
            raise SedError(f"{'; '.join(damaged)}; no checkpoint is intact; remove them to train from the beginning")
        return None

    def remove_checkpoints(self) -> None:
        """Remove the checkpoints of a finished training."""
        for name in reversed(CHECKPOINTS):  # so that a kill leaves the newest
            (self.folder / name).unlink(missing_ok=True)

    def diverged(self, step: int, term: str, what: str) -> None:
        """Write ``diverged.json``; before the last good weights, so that a killed run never looks finished."""
        write_json(self.folder / "diverged.json", {"step": step, "term": term, "what": what})

    def save(self, name: str, state: dict[str, Any]) -> None:
        """Save tensors and plain values as ``name``."""
        with whole(self.folder / name) as partial:
            _save(state, partial)

    def load(self, name: str) -> dict[str, Any] | None:
        """Load what `save` saved, None if there is no such file; `SedError` if it is damaged or has another format."""
        path = self.folder / name
        if not path.exists():
            return None
        try:
            return _load(path)
        except SedError as error:
            raise SedError(f"{error}; remove it and train again") from None

    def detector(self, which: str | None = None) -> Detector:
        """Load the trained network, in evaluation mode; `SedError` if the training has not finished.

        Parameters
        ----------
        which : str, optional
            ``teacher`` or ``student`` of the chosen epoch (of a diverged run, the last good ones), or ``last``, the
            student after the last step. Default: ``config.training.tested``.
        """
        config = self.config
        which = which or config.training.tested
        weights = self.load("weights.pt")
        if weights is None and self.finished:
            raise SedError(f"{self.folder}: published posteriors, without weights; remove the folder and train")
        if weights is None:
            self._refuse_diverged()
            raise SedError(
                f"{self.folder}: training has not finished (weights.pt is missing); `sedlib train` resumes it"
            )
        if which not in weights:
            raise SedError(f"{self.folder}: weights.pt has no network {which!r}; train again")
        detector = Detector(config)
        detector.load_state_dict(weights[which])
        return detector.eval()

    def _refuse_diverged(self) -> None:
        path = self.folder / "diverged.json"
        with reading(path):
            if path.exists():
                raise SedError(
                    "{}: the training diverged at step {step}: {what}. Train in another folder with a lower "
                    "learning_rate or another seed, or remove this one".format(self.folder, **read_json(path))
                )


def _record(config: Config, seed: int, data: Path | None) -> dict[str, Any]:
    """Contents of ``config.json``; without the data's part where no data are given."""
    record = {"config": config.to_dict(), "seed": seed}
    if data is not None:
        record |= {"data": data.resolve().name, "data_version": fingerprint(data, config)}
    return record


def _save(state: dict[str, Any], path: Path) -> None:
    content = io.BytesIO()  # torch, writing a file itself, does not report a full disk
    torch.save({**state, "format": FORMAT}, content)
    path.write_bytes(content.getbuffer())


def _load(path: Path) -> dict[str, Any]:
    try:
        with zipfile.ZipFile(path) as file:  # torch.load compares no checksums
            if name := file.testzip():
                raise zipfile.BadZipFile(f"{name} does not have its checksum")
            if any(entry.external_attr for entry in file.infolist()):  # no checksum covers these; torch.load then
                raise zipfile.BadZipFile("an entry pretends to be a folder")  # returns uninitialised memory
        state = torch.load(path, map_location="cpu", weights_only=True)
        if (number := state.get("format", 1)) != FORMAT:
            raise ValueError(f"has format {number}, this sedlib reads format {FORMAT}")
    except Exception as error:  # anything from EOFError to UnpicklingError
        raise SedError(f"{path}: damaged or not written by this sedlib ({first_line(error)})") from None
    return state
