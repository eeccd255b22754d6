"""Options that several verbs have."""

from __future__ import annotations

import subprocess
import sys

import pytest
import typer

from asr import model_folder
from asr.cli.options import DEFAULT_MODEL, given, numbers


def test_the_default_model_is_that_of_the_model_folders() -> None:
    assert DEFAULT_MODEL == model_folder.DEFAULT_MODEL


def test_only_what_was_given_is_passed_on() -> None:
    assert given(beam_size=None, lm_alpha=0.0, method="beam") == {"lm_alpha": 0.0, "method": "beam"}


def test_lists_of_numbers_have_commas_or_spaces() -> None:
    assert numbers("0.9,1, 1.1", "--speeds", float) == (0.9, 1.0, 1.1)
    assert numbers("0 1", "--prune", int) == (0, 1)
    assert numbers("", "--split", float) == ()
    with pytest.raises(typer.BadParameter, match="is not a list of whole numbers") as caught:
        numbers("1,2.5", "--prune", int)
    assert caught.value.param_hint == "--prune"


def test_help_waits_for_nothing_heavy() -> None:
    program = """
import sys
from asr.cli import make_app
make_app()
print(*sorted({name.partition(".")[0] for name in sys.modules}))
print(*sorted(name for name in sys.modules if name.startswith("asr.")))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    packages, own = (line.split() for line in done.stdout.splitlines())
    assert not {"numpy", "torch", "omegaconf", "soundfile", "onnxruntime"} & set(packages)
    assert all(name.startswith("asr.cli") or name in ("asr.lazy", "asr.errors") for name in own), (
        own
    )
