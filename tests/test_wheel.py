"""The built wheel, installed where nothing but numpy and numba is."""

import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_the_wheel_decodes_in_an_empty_environment() -> None:
    """Builds in isolation and installs from the package index."""
    script = Path(__file__).parent.parent / "tools" / "check_wheel.py"
    run = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    assert "second run: import" in run.stdout
