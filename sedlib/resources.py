"""What this process may use: cores and memory, in a container or a job of a cluster less than the machine has.

Containers limit both by control groups (version 1 or 2), of which neither `os.cpu_count` nor psutil knows.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from pathlib import Path

import psutil


def cores(root: Path = Path("/")) -> int:
    """Cores: those of the affinity mask, and not more than the quota of CPU time, rounded up.

    Parameters
    ----------
    root : path
        Where ``proc`` and ``sys`` are.
    """
    count = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min([count, *(max(1, math.ceil(quota / period)) for quota, period in _cpu_quotas(root))])


def memory(root: Path = Path("/")) -> int:
    """Memory in bytes: the machine's, and not more than the limit of any control group around this process. As for `cores`."""
    limits = [int(text) for kind, file in (("memory", "memory.limit_in_bytes"), ("", "memory.max")) for text, in _values(root, kind, file)
              if text.isdigit()]  # "max" is no limit
    return min([psutil.virtual_memory().total, *limits])


def _cpu_quotas(root: Path) -> Iterator[tuple[int, int]]:
    """Microseconds of CPU time, and of the period in which they may be used."""
    for text, in _values(root, "", "cpu.max"):
        quota, period = text.split()
        if quota != "max":
            yield int(quota), int(period)
    for quota, period in _values(root, "cpu", "cpu.cfs_quota_us", "cpu.cfs_period_us"):
        if int(quota) > 0:  # -1 is no limit
            yield int(quota), int(period)


def _values(root: Path, kind: str, *files: str) -> Iterator[list[str]]:
    """Settings in all control groups around this process that have them; ``kind`` is the controller, "" for version 2."""
    for folder in _groups(root, kind):
        try:
            yield [(folder / file).read_text(encoding="ascii").strip() for file in files]
        except OSError:  # the root has no limits, and some groups can't be read
            pass


def _groups(root: Path, kind: str) -> list[Path]:
    """Folders of the control groups around this process, from its own up to the root of what is mounted.

    In a container the path in /proc/self/cgroup may be the host's, of which only the end, or nothing, is mounted.
    """
    try:
        groups = [line.split(":", 2) for line in (root / "proc/self/cgroup").read_text(encoding="utf-8").splitlines()]
        mounts = [line.split() for line in (root / "proc/self/mountinfo").read_text(encoding="utf-8").splitlines()]
    except OSError:  # not Linux
        return []
    found = []
    for _, kinds, path in groups:
        if kind not in kinds.split(","):
            continue
        for mount in mounts:  # proc_pid_mountinfo(5): ID, parent, device, root, mount point, options, ..., -, type, source, options of the file system
            system, options = mount[mount.index("-") + 1], mount[-1].split(",")
            if system != ("cgroup" if kind else "cgroup2") or (kind and kind not in options):
                continue
            place = root / mount[4].lstrip("/")
            inside = os.path.relpath(path, mount[3])
            own = place / inside if not inside.startswith("..") and (place / inside).is_dir() else place
            found += [folder for folder in (own, *own.parents) if folder.is_relative_to(place)]
    return found
