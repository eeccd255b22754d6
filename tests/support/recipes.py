"""Recipes as tests use them: loaded from their files, which are in no package, and run with arguments."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

RECIPES = Path(__file__).resolve().parents[2] / "recipes"


def load_recipe(name: str) -> ModuleType:
    """Return ``recipes/NAME/run.py`` as a module, loaded anew."""
    spec = importlib.util.spec_from_file_location(f"{name}_recipe", RECIPES / name / "run.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def run_recipe(name: str, monkeypatch: pytest.MonkeyPatch, *arguments: object) -> None:
    """Call the recipe's ``main`` as its command line would."""
    recipe = load_recipe(name)
    monkeypatch.setattr(sys, "argv", ["run.py", *map(str, arguments)])
    recipe.main()
