"""What a run depends on besides its configuration and seed: versions, device, data; and how two records differ."""

from __future__ import annotations

import platform
import zlib
from collections.abc import Iterable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

import sedlib
from sedlib.config import Config
from sedlib.data import layout
from sedlib.files import read_json


def environment() -> dict[str, Any]:
    """List versions, device and threads, on which the last bits of a result depend."""
    versions = {name: version(name) for name in ("torch", "torchaudio", "numpy", "librosa")}
    cuda = torch.cuda.is_available()
    device = torch.cuda.get_device_name() if cuda else f"CPU, {torch.backends.cpu.get_cpu_capability()}"
    return {"sedlib": sedlib.__version__, "python": platform.python_version(), **versions,
            "machine": platform.machine(), "device": device, "threads": torch.get_num_threads()}  # fmt: skip


def fingerprint(data: Path, config: Config) -> Any:
    """Identify the data that a configuration trains on.

    Generated data by how they were made. Recordings, by subset, by the checksum of the table, number and bytes of the
    clips, and the same of isolated sounds: cheap, but blind to changed sound in files of the same names and sizes.
    """
    made, t = data / "dataset.json", config.training
    if made.exists():
        return read_json(made)
    found: dict[str, Any] = {}
    if config.augment.uses_soundbank:
        found["soundbank"] = _sizes((data / layout.SOUNDBANK).rglob("*"), "files")
    for subset, clips in {"weak": t.weak, "unlabel_in_domain": t.unlabelled, t.strong_from: t.strong}.items():
        if clips:
            loaded = layout.load(data, subset)
            checksum = zlib.crc32((data / layout.SUBSETS[subset].metadata).read_bytes())
            sizes = _sizes((loaded.audio_dir / name for name in loaded.filenames), "clips")
            found[subset] = {"table_crc32": checksum, **sizes}
    return found


def _sizes(paths: Iterable[Path], what: str) -> dict[str, int]:
    sizes = [path.stat().st_size for path in paths if path.is_file()]
    return {what: len(sizes), "bytes": sum(sizes)}


def differences(old: Any, new: Any) -> list[str]:
    """Describe each value of nested dicts that differs, in a line; a missing one equals no value, not even None."""
    old, new = _flat(old), _flat(new)
    shown = [{name: repr(value) for name, value in values.items()} for values in (old, new)]
    return [
        f"{name} was {shown[0].get(name, 'missing')}, is {shown[1].get(name, 'missing')}"
        for name in sorted({*old, *new})
        if (name in old) != (name in new) or old[name] != new[name]
    ]


def _flat(values: Any, prefix: str = "") -> dict[str, Any]:
    """Values by dotted name."""
    if not isinstance(values, dict):
        return {prefix: values}
    parts = [_flat(part, f"{prefix}.{key}".strip(".")) for key, part in values.items()]
    return {name: value for part in parts for name, value in part.items()}
