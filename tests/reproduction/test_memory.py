"""Memory: the limits of control groups, from files as the kernel's documentation and proc(5) have them."""

from pathlib import Path

import psutil
import pytest

from reproduction import batch as reproduce
from reproduction.memory import available_memory
from reproduction.plan import Plan

MEMORY = psutil.virtual_memory().total
V2 = "30 23 0:26 / /sys/fs/cgroup rw,nosuid,nodev - cgroup2 cgroup2 rw,nsdelegate\n"
V1 = (
    "31 23 0:28 {0} /sys/fs/cgroup/memory rw,nosuid shared:9 master:2 - cgroup cgroup rw,memory\n"
    "32 23 0:29 {0} /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n"
)
GIB = 2**30


def system(root: Path, groups: str, mounts: str, **values: str) -> Path:
    """A /proc and /sys with settings of control groups by their path."""
    (root / "proc/self").mkdir(parents=True)
    (root / "proc/self/cgroup").write_text(groups)
    (root / "proc/self/mountinfo").write_text(f"22 1 8:1 / / rw,relatime - ext4 /dev/root rw\n{mounts}")
    for name, text in values.items():
        path = root / "sys/fs/cgroup" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{text}\n")
    return root


@pytest.mark.parametrize(
    "groups, mounts, values, expected",
    [
        # A container with its own view of the groups.
        ("0::/\n", V2, {"memory.max": str(GIB)}, GIB),
        ("0::/\n", V2, {"memory.max": "max"}, MEMORY),
        ("0::/\n", V2, {"memory.max": str(MEMORY * 2)}, MEMORY),
        # A job whose limit is that of a group further out.
        (
            "0::/slurm/job_7/step_0\n",
            V2,
            {"slurm/job_7/memory.max": str(GIB), "slurm/job_7/step_0/memory.max": "max"},
            GIB,
        ),
        # Version 1: own path on the host; as seen inside Docker, where only the container's part is mounted; hybrid,
        # version 2 without controllers.
        (
            "4:memory:/a/b\n1:cpu,cpuacct:/a\n",
            V1.format("/"),
            {
                "memory/a/memory.limit_in_bytes": str(2 * GIB),
                "memory/a/b/memory.limit_in_bytes": str(3 * GIB),
                "memory/memory.limit_in_bytes": "9223372036854771712",
            },
            2 * GIB,
        ),
        (
            "4:memory:/docker/f00\n1:cpu,cpuacct:/docker/f00\n",
            V1.format("/docker/f00"),
            {"memory/memory.limit_in_bytes": str(GIB)},
            GIB,
        ),
        (
            "4:memory:/a\n0::/\n",
            V1.format("/") + V2.replace("/sys/fs/cgroup ", "/sys/fs/cgroup/unified "),
            {"memory/a/memory.limit_in_bytes": str(GIB), "unified/cgroup.procs": "1"},
            GIB,
        ),
        ("", "", {}, MEMORY),
    ],
)
def test_limits_of_control_groups_count(tmp_path, groups, mounts, values, expected):
    root = system(tmp_path, groups, mounts, **values)
    assert available_memory(root) == expected


def test_the_batch_gives_jobs_no_more_than_there_is(workspace, monkeypatch):
    monkeypatch.setattr(reproduce, "available_memory", lambda: 4 * 10**9)
    call = reproduce.command(Plan("smoke", "mini", (0,)), 2)
    assert "mem_mb=3814" in call
