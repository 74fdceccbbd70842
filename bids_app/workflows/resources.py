"""How many processors and how much memory this run may use, in a container or a cluster job too."""

from __future__ import annotations

import os
from pathlib import Path

import psutil

CGROUP_LIMITS = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")
CGROUP_QUOTA = "/sys/fs/cgroup/cpu.max"


def processors() -> int:
    """Return how many processors this process may use (affinity and container quota)."""
    allowed = len(os.sched_getaffinity(0))
    try:
        quota, period = Path(CGROUP_QUOTA).read_text().split()
        return max(1, min(allowed, int(quota) // int(period)))
    except (OSError, ValueError):
        return allowed


def memory_gb() -> float:
    """Return the memory that this run may use, in GB: the container's or job's limit, else the machine's."""
    total = psutil.virtual_memory().total
    for name in CGROUP_LIMITS:
        try:
            total = min(total, int(Path(name).read_text()))
        except (OSError, ValueError):
            continue
    if per_node := os.environ.get("SLURM_MEM_PER_NODE"):
        total = min(total, int(per_node) * 2**20)
    return total / 1e9
