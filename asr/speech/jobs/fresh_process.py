"""A measurement in a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

from asr.errors import ModelError

__all__ = ["in_fresh_process"]


def in_fresh_process(module: str, order: dict[str, Any], threads: int, what: str) -> str:
    """Run a module of this package with an order as JSON; return the last line that it prints.

    Args:
        module: such as ``asr.speech.jobs.bench_process``.
        order: what it reads from standard input.
        threads: of OpenMP in it; 0: its default.
        what: is measured, for errors.

    Raises:
        ModelError: it failed; the error has the last line of its standard error.
    """
    environment = os.environ | ({"OMP_NUM_THREADS": str(threads)} if threads else {})
    done = subprocess.run(
        [sys.executable, "-m", module],
        input=json.dumps(order),
        capture_output=True,
        text=True,
        env=environment,
    )
    lines = done.stdout.splitlines()
    if done.returncode or not lines:
        last = (done.stderr.strip().splitlines() or [f"status {done.returncode}"])[-1]
        raise ModelError(f"Measuring {what} failed: {last}")
    return lines[-1]
