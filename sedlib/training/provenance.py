"""What a run depends on besides its configuration and seed: versions, device and data; and how two records differ."""

from __future__ import annotations

import platform
import zlib
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

import sedlib
from sedlib.config import Config
from sedlib.data import layout
from sedlib.files import read_json


def environment() -> dict[str, Any]:
    """Versions, device and threads, on which the last bits of a result depend."""
    versions = {name: version(name) for name in ("torch", "torchaudio", "numpy", "librosa")}
    cuda = torch.cuda.is_available()
    device = torch.cuda.get_device_name() if cuda else f"CPU, {torch.backends.cpu.get_cpu_capability()}"
    return {"sedlib": sedlib.__version__, "python": platform.python_version(), **versions,
            "machine": platform.machine(), "device": device, "threads": torch.get_num_threads()}  # fmt: skip


def fingerprint(data: Path, config: Config) -> Any:
    """Identity of the data that a configuration trains on.

    For generated data: how they were made. For recordings, by subset: checksum of its table, number and bytes of its
    clips, and the same of isolated sounds. Cheap, and blind to other sound in files of the same names and sizes.
    """
    made, soundbank, t = data / "dataset.json", data / layout.SOUNDBANK, config.training
    isolated = {}
    if config.augment.uses_soundbank:
        described = soundbank / "soundbank.json"
        isolated["soundbank"] = read_json(described) if described.exists() else _sizes(soundbank.rglob("*"))
    if made.exists():
        return read_json(made) | isolated
    subsets = {"weak": t.weak, "unlabel_in_domain": t.unlabelled, t.strong_from: t.strong}
    return {subset: _identity(data, subset) for subset, clips in subsets.items() if clips} | isolated


def differences(old: Any, new: Any) -> list[str]:
    """One line for each value of nested dicts that differs; a missing one equals no value, not even None."""
    old, new = _flat(old), _flat(new)
    shown = [{name: repr(value) for name, value in values.items()} for values in (old, new)]
    return [
        f"{name} was {shown[0].get(name, 'missing')}, is {shown[1].get(name, 'missing')}"
        for name in sorted({*old, *new})
        if (name in old) != (name in new) or old[name] != new[name]
    ]


def _flat(values: Any, name: str = "") -> dict[str, Any]:
    """Values by dotted name."""
    if not isinstance(values, dict):
        return {name: values}
    return {
        inner: value for key, part in values.items() for inner, value in _flat(part, f"{name}.{key}".strip(".")).items()
    }


def _identity(data: Path, subset: str) -> dict[str, int]:
    loaded = layout.load(data, subset)
    checksum = zlib.crc32((data / layout.SUBSETS[subset].metadata).read_bytes())
    sizes = _sizes(loaded.audio_dir / name for name in loaded.filenames)
    return {"table_crc32": checksum, "clips": sizes["files"], "bytes": sizes["bytes"]}


def _sizes(paths: Any) -> dict[str, int]:
    sizes = [path.stat().st_size for path in paths if path.is_file()]
    return {"files": len(sizes), "bytes": sum(sizes)}
