"""How many processor cores this process may use, and how many numpy takes."""

from __future__ import annotations

import math
import os
from pathlib import Path

__all__ = ["usable_cores", "use_one_blas_thread"]

CGROUPS = Path("/sys/fs/cgroup")
BLAS_THREADS = "OPENBLAS_NUM_THREADS"


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


def use_one_blas_thread() -> None:
    """Have numpy's matrix products use one thread, unless a user has chosen: for our programs.

    Their threads are those of networks and searches. OpenBLAS's wait for each other in every
    product, turning idly as soon as another program takes a core. It reads this as it is loaded.
    """
    if not {BLAS_THREADS, "OMP_NUM_THREADS"} & os.environ.keys():
        os.environ[BLAS_THREADS] = "1"
