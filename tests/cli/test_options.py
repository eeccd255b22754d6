"""Options that several verbs have."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
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
from pathlib import Path
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


def test_transcription_waits_for_nothing_that_it_does_not_use(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).normal(scale=0.1, size=16000)
    soundfile.write(tmp_path / "noise.wav", noise, 16000)
    program = f"""
import sys
from pathlib import Path
sys.argv = ["asr", "transcribe", {str(tmp_path / "noise.wav")!r}, "--model", "an4"]
from asr.cli import main
try:
    main()
except SystemExit as stop:
    assert not stop.code, stop.code
unused = "asr.g2p asr.lm.estimation asr.speakers asr.speech.aligner numpy.ma scipy torch"
print(*(name for name in unused.split() if name in sys.modules))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert (done.returncode, done.stdout.splitlines()[-1]) == (0, ""), done.stderr
