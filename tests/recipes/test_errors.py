"""Errors of recipes: one line on standard error and exit status 1, no traceback."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

RECIPES = Path(__file__).parents[2] / "recipes"
SCRIPTS = [p for p in sorted(RECIPES.glob("*/*.py")) if "__main__" in p.read_text("utf-8")]


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda p: f"{p.parent.name}/{p.name}")
def test_scripts_are_guarded(script: Path) -> None:
    assert script.read_text("utf-8").endswith('if __name__ == "__main__":\n    run_script(main)\n')


@pytest.mark.parametrize("recipe", ["an4", "sp500"])
def test_a_missing_corpus_is_one_line(recipe: str, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, str(RECIPES / recipe / "run.py"), str(tmp_path / "none")],
        capture_output=True,
        text=True,
        cwd=tmp_path,
    )
    assert done.returncode == 1
    assert done.stderr.startswith("error: ")
    assert str(tmp_path / "none") in done.stderr
    assert done.stderr.count("\n") == 1
