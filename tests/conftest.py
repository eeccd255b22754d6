"""Settings for every test."""

from __future__ import annotations

import os

os.environ.setdefault(
    "OMP_NUM_THREADS", "1"
)  # two test processes share two cores; results must not depend on threads

from hypothesis import settings

# No deadline: a first call may compile. Derandomised: the same examples on every machine.
settings.register_profile("asr", deadline=None, derandomize=True)
settings.load_profile("asr")
