"""How many processor cores this process may use."""

from __future__ import annotations

import math
import os
from pathlib import Path

__all__ = ["usable_cores"]

CGROUPS = Path("/sys/fs/cgroup")


def usable_cores(cgroups: Path = CGROUPS) -> int:
    """Return the number of cores: those that the process is bound to, or fewer where a container
    has a quota of processor time (Docker's ``--cpus``, Kubernetes' limits).

    Args:
        cgroups: where Linux shows its control groups.
    """
    bound = getattr(os, "sched_getaffinity", None)
    cores = len(bound(0)) if bound else os.cpu_count() or 1
    return max(1, math.ceil(min(cores, _quota(cgroups))))


def _quota(cgroups: Path) -> float:
    """Return the cores' worth of time that the control group allows, infinity without a limit."""
    for names in (("cpu.max",), ("cpu/cpu.cfs_quota_us", "cpu/cpu.cfs_period_us")):  # v2, v1
        try:
            quota, period = " ".join((cgroups / name).read_text() for name in names).split()
            if quota not in ("max", "-1"):
                return int(quota) / int(period)
        except (OSError, ValueError):
            continue
    return math.inf
