"""ONNX Runtime sends no telemetry."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

USE = """
from asr.onnx.sessions import products_saturate
products_saturate()
"""


@pytest.mark.parametrize("allowed", ["", "0"])
def test_there_is_no_telemetry_unless_it_is_allowed(tmp_path: Path, allowed: str) -> None:
    environment = {k: v for k, v in os.environ.items() if k != "ORT_DISABLE_TELEMETRY"}
    environment |= {"HOME": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path / "cache")}
    environment |= {"ORT_DISABLE_TELEMETRY": allowed} if allowed else {}
    told = "import os; print(os.environ['ORT_DISABLE_TELEMETRY'])"
    done = subprocess.run(
        [sys.executable, "-c", USE + told],
        env=environment,
        check=True,
        capture_output=True,
        text=True,
    )
    assert done.stdout.strip() == (allowed or "1")
    if not allowed:  # else an id of the machine and what is to be sent
        assert not list(tmp_path.rglob("*onnxruntime*"))
