"""Memory that this process may use, which in a container or a job of a cluster is less than the machine has."""

from __future__ import annotations

from pathlib import Path

import psutil


def available_memory(root: Path = Path("/")) -> int:
    """Return the machine's memory, or the lowest limit of the control groups around this process, in bytes.

    Parameters
    ----------
    root : path
        Where ``proc`` and ``sys`` are, for tests.
    """
    limits = [psutil.virtual_memory().total]  # which knows no control groups, of version 2 or 1
    groups = root / "proc/self/cgroup"  # on Linux
    for line in groups.read_text(encoding="utf-8").splitlines() if groups.exists() else ():
        _, controllers, group = line.split(":", 2)
        if controllers == "":
            top, file = root / "sys/fs/cgroup", "memory.max"
        elif "memory" in controllers.split(","):
            top, file = root / "sys/fs/cgroup/memory", "memory.limit_in_bytes"
        else:
            continue
        own = top / group.lstrip("/")  # in a container it may be the host's, and only the top is there
        for path in (folder / file for folder in (own, *own.parents) if folder.is_relative_to(top)):
            if path.is_file() and (text := path.read_text(encoding="ascii").strip()).isdigit():  # "max": no limit
                limits.append(int(text))
    return min(limits)
