"""Cores and memory: the limits of control groups, from files as the kernel's documentation and proc(5) have them."""

import os
from pathlib import Path

import psutil
import pytest

from reproduction import batch as reproduce
from reproduction.plan import Plan
from sedlib.resources import cores, memory

CORES, MEMORY = len(os.sched_getaffinity(0)), psutil.virtual_memory().total
V2 = "30 23 0:26 / /sys/fs/cgroup rw,nosuid,nodev - cgroup2 cgroup2 rw,nsdelegate\n"
V1 = ("31 23 0:28 {0} /sys/fs/cgroup/memory rw,nosuid shared:9 master:2 - cgroup cgroup rw,memory\n"
      "32 23 0:29 {0} /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n")
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


@pytest.mark.parametrize("groups, mounts, values, expected", [
    # A container with its own view of the groups.
    ("0::/\n", V2, {"memory.max": str(GIB), "cpu.max": "100000 100000"}, (1, GIB)),
    ("0::/\n", V2, {"memory.max": "max", "cpu.max": "max 100000"}, (CORES, MEMORY)),
    ("0::/\n", V2, {"memory.max": str(MEMORY * 2), "cpu.max": "6400000 100000"}, (CORES, MEMORY)),
    ("0::/\n", V2, {"memory.max": str(GIB), "cpu.max": "50000 100000"}, (1, GIB)),
    # A job whose limit is that of a group further out.
    ("0::/slurm/job_7/step_0\n", V2, {"slurm/job_7/memory.max": str(GIB), "slurm/job_7/step_0/memory.max": "max",
                                      "slurm/job_7/cpu.max": "100000 100000"}, (1, GIB)),
    # Version 1: own path on the host; as seen inside Docker, where only the container's part is mounted; hybrid, version 2 without controllers.
    ("4:memory:/a/b\n1:cpu,cpuacct:/a\n", V1.format("/"), {
        "memory/a/memory.limit_in_bytes": str(2 * GIB), "memory/a/b/memory.limit_in_bytes": str(3 * GIB),
        "memory/memory.limit_in_bytes": "9223372036854771712", "cpu,cpuacct/a/cpu.cfs_quota_us": "20000",
        "cpu,cpuacct/a/cpu.cfs_period_us": "100000"}, (1, 2 * GIB)),
    ("4:memory:/docker/f00\n1:cpu,cpuacct:/docker/f00\n", V1.format("/docker/f00"), {
        "memory/memory.limit_in_bytes": str(GIB), "cpu,cpuacct/cpu.cfs_quota_us": "-1", "cpu,cpuacct/cpu.cfs_period_us": "100000"},
     (CORES, GIB)),
    ("4:memory:/docker/f00\n1:cpu,cpuacct:/docker/f00\n", V1.format("/"), {"memory/memory.limit_in_bytes": str(GIB)}, (CORES, GIB)),
    ("4:memory:/a\n0::/\n", V1.format("/") + V2.replace("/sys/fs/cgroup ", "/sys/fs/cgroup/unified "), {
        "memory/a/memory.limit_in_bytes": str(GIB), "unified/cgroup.procs": "1"}, (CORES, GIB)),
    ("", "", {}, (CORES, MEMORY)),
])
def test_limits_of_control_groups_count(tmp_path, groups, mounts, values, expected):
    root = system(tmp_path, groups, mounts, **values)
    assert (cores(root), memory(root)) == expected


def test_a_quota_of_more_than_a_core_is_rounded_up(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(16)), raising=False)
    assert cores(system(tmp_path, "0::/\n", V2, **{"cpu.max": "250000 100000"})) == 3
    assert cores(tmp_path / "nothing") == 16


def test_the_batch_gives_jobs_no_more_than_there_is(workspace, monkeypatch):
    monkeypatch.setattr(reproduce.resources, "memory", lambda: 4 * 10**9)
    call = reproduce.command(Plan("smoke", "mini", (0,)), 2)
    assert "mem_mb=3814" in call
