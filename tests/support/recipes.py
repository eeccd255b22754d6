"""Recipes as tests use them: loaded from their files, which are in no package, and run with
arguments.
"""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import soundfile

RECIPES = Path(__file__).resolve().parents[2] / "recipes"
SMALL = {"hidden_dim": 8, "num_layers": 2, "conv_channels": 4, "intermediate_layer": 0}
QUICK = {
    "max_epochs": 1,
    "precision": "fp32",
    "threads": 1,
    "accelerator": "cpu",
    "pictures_every": 0,
}
TINY = [
    *(f"model.{k}={v}" for k, v in SMALL.items()),
    *(f"trainer.{k}={v}" for k, v in QUICK.items()),
]
TEXTS = ("HELLO WORLD", "A WORD'S WORTH", "HELLO AGAIN")


def load_recipe(name: str, script: str = "run") -> ModuleType:
    """Return a script of a folder of recipes as a module, loaded anew."""
    path = RECIPES / name / f"{script}.py"
    spec = importlib.util.spec_from_file_location(f"{name}_{script}_recipe", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    sys.path.insert(0, str(RECIPES / name))  # as Python does for a script
    try:
        spec.loader.exec_module(module)
    finally:
        sys.path.remove(str(RECIPES / name))
    return module


def run_recipe(name: str, monkeypatch: pytest.MonkeyPatch, *arguments: object) -> None:
    """Call the recipe's ``main`` as its command line would."""
    recipe = load_recipe(name)
    monkeypatch.setattr(sys, "argv", ["run.py", *map(str, arguments)])
    recipe.main()


def make_librispeech_part(corpus: Path, part: str, speaker: int) -> None:
    """Write a part of a corpus in LibriSpeech's layout: noise of one speaker, transcribed as
    ``TEXTS``.
    """
    rng = np.random.default_rng(speaker)
    folder = corpus / part / str(speaker) / "1"
    folder.mkdir(parents=True)
    lines = []
    for number, text in enumerate(TEXTS):
        soundfile.write(
            folder / f"{speaker}-1-{number:04}.flac", rng.uniform(-0.3, 0.3, 20000), 16000
        )
        lines.append(f"{speaker}-1-{number:04} {text}\n")
    (folder / f"{speaker}-1.trans.txt").write_text("".join(lines))
