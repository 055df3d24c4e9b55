"""Run folders: configuration, metrics, checkpoints and weights of one training, none of them ever half written.

``runs/PROFILE/DATA/SYSTEM/seedN/`` holds ``config.json``, ``versions.json``, ``metrics.csv`` (a row an epoch),
``checkpoint.pt`` while it runs, and at the end ``weights.pt``, posteriors, predictions and ``results.json``.
"""

from __future__ import annotations

import json
import os
import platform
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pandas as pd
import torch

import sedlib
from sedlib.config import Config
from sedlib.errors import SedError
from sedlib.model import Detector


class Run:
    """One training's folder.

    Parameters
    ----------
    folder : path
        Made when it is not there.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)

    def start(self, config: Config, data: Path, seed: int) -> None:
        """Write configuration and versions, or make sure that the folder was started with the same ones."""
        record = {"config": config.to_dict(), "data": data.resolve().name, "data_version": _fingerprint(data), "seed": seed}
        path = self.folder / "config.json"
        if path.exists():
            different = _differences(_read_json(path), record)
            if different:
                raise SedError(
                    f"{self.folder}: started with another configuration ({'; '.join(different[:3])}); "
                    "remove the folder to train anew, or give another one"
                )
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        versions = {name: version(name) for name in ("torch", "torchaudio", "numpy", "librosa")}
        write_json(self.folder / "versions.json", {
            "sedlib": sedlib.__version__, "python": platform.python_version(), **versions,
            "machine": platform.machine(), "threads": torch.get_num_threads(),
        })
        write_json(path, record)

    @property
    def config(self) -> Config:
        """The configuration that the run was started with."""
        path = self.folder / "config.json"
        if not path.is_file():
            raise SedError(f"{self.folder}: not a run folder (config.json is missing); give a folder that `sedlib train` made")
        return Config.from_dict(_read_json(path)["config"])

    @property
    def finished(self) -> bool:
        """Whether the training ended; its scores may still be missing."""
        return (self.folder / "weights.pt").exists()

    @property
    def results(self) -> dict[str, Any]:
        """``results.json``: the scores on the development and evaluation sets."""
        path = self.folder / "results.json"
        if not path.is_file():
            raise SedError(f"{self.folder}: the run has no results yet; `sedlib train` finishes it")
        return _read_json(path)

    @property
    def metrics(self) -> pd.DataFrame:
        """``metrics.csv``, a row an epoch."""
        return pd.read_csv(self.folder / "metrics.csv")

    def write_metrics(self, rows: list[dict[str, float]]) -> None:
        """Write all rows so far."""
        _replace(self.folder / "metrics.csv", lambda path: pd.DataFrame(rows).to_csv(path, index=False))

    def save(self, name: str, state: dict[str, Any]) -> None:
        """Save tensors and plain values as ``name``."""
        _replace(self.folder / name, lambda path: torch.save(state, path))

    def load(self, name: str) -> dict[str, Any] | None:
        """What `save` saved, or None."""
        path = self.folder / name
        if not path.exists():
            return None
        try:
            return torch.load(path, map_location="cpu", weights_only=True)
        except Exception as error:  # torch raises anything from EOFError to UnpicklingError for a damaged file
            raise SedError(f"{path}: damaged or not written by sedlib ({type(error).__name__}); remove it and train again") from None

    def remove(self, name: str) -> None:
        """Remove a file that is no longer needed."""
        (self.folder / name).unlink(missing_ok=True)

    def detector(self, which: str = "teacher") -> Detector:
        """The trained detector, ``teacher`` or ``student``, ready to detect."""
        config = self.config
        weights = self.load("weights.pt")
        if weights is None:
            raise SedError(f"{self.folder}: the training has not finished (weights.pt is missing); run `sedlib train` again to go on with it")
        detector = Detector(config)
        detector.load_state_dict(weights[which])
        return detector.eval()


def write_json(path: Path, values: Any) -> None:
    """Write JSON for people: indented, in one go."""
    _replace(path, lambda partial: partial.write_text(json.dumps(values, indent=2) + "\n", encoding="utf-8"))


def _replace(path: Path, write: Any) -> None:
    partial = path.with_name(path.name + ".partial")
    write(partial)
    with open(partial, "rb") as file:
        os.fsync(file.fileno())
    partial.replace(path)


def _read_json(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except json.JSONDecodeError as error:
        raise SedError(f"{path}: damaged ({error}); remove the folder and train again") from None


def _fingerprint(data: Path) -> Any:
    """What identifies generated data; a folder of anybody's recordings has no such record."""
    path = data / "dataset.json"
    return _read_json(path) if path.exists() else None


def _differences(old: Any, new: Any, name: str = "") -> list[str]:
    if isinstance(old, dict) and isinstance(new, dict):
        return [d for key in sorted({*old, *new}) for d in _differences(old.get(key), new.get(key), f"{name}.{key}".strip("."))]
    return [] if old == new else [f"{name} was {old!r}, is {new!r}"]
