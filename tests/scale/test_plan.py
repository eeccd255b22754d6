"""The calculator: arithmetic on measured figures; what is not measured stays unknown."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

PLAN = Path(__file__).resolve().parents[2] / "benchmarks" / "scale" / "plan.py"


def plan(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(PLAN), *arguments], capture_output=True, text=True, check=False
    )


def test_amounts_and_unknowns(tmp_path: Path) -> None:
    own = tmp_path / "own.json"
    own.write_text(json.dumps({"train_hours_per_device_hour": {"value": 500, "from": "mine"}}))
    arguments = ["--hours", "1000", "--copies", "2", "--epochs", "10", "--figures", str(own)]
    rows = json.loads(plan(*arguments, "--json").stdout)
    found = {row["what"]: row for step in rows.values() for row in step}
    assert found["features, 2 copies"]["amount"] == 2 * 1000 * 57.6 / 1000
    assert found["device hours, 10 epochs"] == {
        "what": "device hours, 10 epochs",
        "amount": 20.0,
        "unit": "h",
        "source": "mine",
    }
    several = plan(*arguments, "--gpus", "4")  # how they scale was not measured
    assert "run benchmarks/scale/ranks.py" in several.stdout
    assert "torchrun --nproc-per-node 4" in several.stdout
    more = plan(*arguments, "--gpus", "4", "--set", "scaling_of_devices=0.5", "--json")
    days = {row["what"]: row["amount"] for step in json.loads(more.stdout).values() for row in step}
    assert days["days on 4 device(s)"] == 20 / 0.5 / 4 / 24


def test_an_unknown_figure_is_refused() -> None:
    done = plan("--hours", "10", "--set", "speed=3")
    assert done.returncode == 1
    assert "there is no figure speed" in done.stderr
