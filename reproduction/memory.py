"""Memory that this process may use, which in a container or a job of a cluster is less than the machine has.

Control groups (version 1 or 2) limit it, and psutil does not look at them.
"""

from __future__ import annotations

from pathlib import Path

import psutil


def available_memory(root: Path = Path("/")) -> int:
    """Memory in bytes: the machine's, or the lowest limit of the control groups around this process.

    Parameters
    ----------
    root : path
        Where ``proc`` and ``sys`` are, for tests.
    """
    limits = [psutil.virtual_memory().total]
    try:
        lines = (root / "proc/self/cgroup").read_text(encoding="utf-8").splitlines()
    except OSError:  # not Linux
        lines = []
    for line in lines:
        _, controllers, group = line.split(":", 2)
        if controllers == "":
            top, file = root / "sys/fs/cgroup", "memory.max"
        elif "memory" in controllers.split(","):
            top, file = root / "sys/fs/cgroup/memory", "memory.limit_in_bytes"
        else:
            continue
        # In a container the path may be the host's, of which only the top is mounted.
        own = top / group.lstrip("/")
        for folder in (own, *own.parents):
            path = folder / file
            if (
                folder.is_relative_to(top)
                and path.is_file()
                and (text := path.read_text(encoding="ascii").strip()).isdigit()
            ):
                limits.append(int(text))  # "max" is no limit
    return min(limits)
