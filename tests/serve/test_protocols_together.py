"""All protocols at once, as the benchmark asks them, in small."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_mixed_requests_over_all_protocols(streaming_model: Path) -> None:
    script = str(ROOT / "benchmarks" / "deploy" / "protocols.py")
    asked = ["--model", str(streaming_model), "--requests", "200", "--clients", "8"]
    ran = subprocess.run(
        [sys.executable, script, *asked, "--hotwords", "abba, dead:5"],
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "all as it should be" in ran.stdout
