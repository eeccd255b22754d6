"""Bulk transcription with real Ray workers, one of which is killed in the middle."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch

from asr.errors import ConfigError, ModelError
from asr.features.config import FeatureConfig
from asr.features.extraction import SpecAugmentConfig
from asr.scale.transcribe import RECORDS, transcribe_on_ray
from asr.speech.acoustics.network import CtcModelConfig, CtcTask, CtcTaskConfig
from asr.speech.jobs.transcribe import transcribe_files
from asr.speech.losses.ctc import CtcLossConfig
from asr.speech.options import ModelOptions
from asr.speech.training.config import SpeechConfig
from asr.speech.training.train import save_speech_model
from asr.text.tokenizers import train_tokenizer
from data_prep.manifests import write_manifest
from data_prep.shar import write_shar
from data_prep.store import Utterance

pytest.importorskip("ray")


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model of random weights and two dozen recordings in two folders."""
    folder = tmp_path_factory.mktemp("bulk")
    torch.manual_seed(0)
    tokenizer = train_tokenizer("characters", ["abc de"], 0)
    model = CtcModelConfig(hidden_dim=32, num_layers=2, conv_channels=4)
    task = CtcTask(
        CtcTaskConfig(FeatureConfig(), "global", SpecAugmentConfig(), model, CtcLossConfig()),
        len(tokenizer),
    )
    save_speech_model(task.eval(), tokenizer, SpeechConfig(), folder / "model")
    rng = np.random.default_rng(0)
    for number in range(24):
        path = folder / "audio" / f"part{number % 2}" / f"{number:02}.wav"
        path.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(path, 0.1 * rng.normal(size=16000 * 8), 16000)
    return folder


def texts(folder: Path) -> dict[str, str]:
    found = sorted(p for p in folder.rglob("*.json") if RECORDS not in p.parts)
    return {p.relative_to(folder).as_posix(): p.read_text() for p in found}


def workers_of(parent: int) -> list[int]:
    """Processes that are at work on a shard for the cluster that ``parent`` started."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            title = (entry / "cmdline").read_bytes()
            environ = (entry / "environ").read_bytes()
        except OSError:
            continue
        if title.startswith(b"ray::piece_of_work") and f"BULK_TEST={parent}".encode() in environ:
            found.append(int(entry.name))
    return found


@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="finds the workers in /proc")
def test_a_killed_worker_changes_nothing(world: Path, tmp_path: Path) -> None:
    options = ModelOptions(world / "model", threads=1)
    plain: dict[str, Any] = {"output_dir": tmp_path / "plain", "formats": ["json"]}
    assert transcribe_files([str(world / "audio")], options, **plain) == 0
    arguments = ["transcribe", str(world / "audio"), "--model", str(world / "model"), "-f", "json"]
    command = [sys.executable, "-c", "from asr.cli import main; main()", *arguments]
    command += ["-o", str(tmp_path / "bulk"), "--ray", "local", "--workers", "1"]
    environ = {
        **os.environ,
        "OMP_NUM_THREADS": "1",
        "BULK_TEST": str(os.getpid()),
        "RAY_worker_niceness": "0",
    }
    run = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environ)
    killed: Sequence[int] = []
    end = time.monotonic() + 120
    while not killed and run.poll() is None and time.monotonic() < end:
        if texts(tmp_path / "bulk"):  # somewhere in the middle
            for pid in (killed := workers_of(os.getpid())):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.005)
    _, said = run.communicate(timeout=120)
    assert run.returncode == 0, said
    assert killed, said
    assert "a worker died" in said
    assert "24 of 24 transcribed (0 before)" in said
    assert texts(tmp_path / "bulk") == texts(tmp_path / "plain")

    # the same line again has nothing to do, and needs no cluster for that; what is missing or new
    # is done
    again = [*command[:-4], "--ray", "nowhere:1"]
    done = subprocess.run(again, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    assert "24 of 24 transcribed (24 before)" in done.stderr
    items = [
        e
        for p in (tmp_path / "bulk" / RECORDS).glob("*.json")
        for e in json.loads(p.read_text())["items"]
    ]
    assert len(items) == len({name for _, name, _ in items}) == 24  # each once


def test_a_shar_folder(world: Path, tmp_path: Path) -> None:
    wavs = sorted((world / "audio" / "part0").iterdir())[:3]
    write_manifest(tmp_path / "split", [Utterance(f"a.{p.stem}", str(p), "abc", "") for p in wavs])
    write_shar(tmp_path / "split", tmp_path / "shar", 2, jobs=1)
    options, shar = ModelOptions(world / "model", threads=1), [str(tmp_path / "shar")]
    files = [str(p) for p in wavs]
    assert transcribe_files(files, options, output_dir=tmp_path / "wav", formats=["json"]) == 0
    assert transcribe_files(shar, options, output_dir=tmp_path / "plain", formats=["json"]) == 0
    plain = texts(tmp_path / "plain")
    assert plain == {
        f"a.{name}": text for name, text in texts(tmp_path / "wav").items()
    }  # FLAC lost nothing
    bulk: dict[str, Any] = {"output_dir": tmp_path / "bulk", "formats": ["json"]}
    assert transcribe_on_ray(shar, options, address="local", workers=1, **bulk) == 0
    assert texts(tmp_path / "bulk") == plain
    # Nothing is left to do, so that no cluster is needed.
    assert transcribe_on_ray(shar, options, address="nowhere:1", **bulk) == 0


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"output_dir": None}, ConfigError, "needs an output folder"),
        ({"formats": ["pdf"]}, ConfigError, "Unknown output format 'pdf'"),
        ({"inputs": ["-"]}, ConfigError, "Standard input"),
        ({"options": ModelOptions("nowhere")}, ModelError, "nowhere"),
        ({"workers": 2}, ConfigError, "only for --ray local"),
    ],
)
def test_refused(
    world: Path, tmp_path: Path, arguments: dict[str, object], error: type[Exception], message: str
) -> None:
    given = {
        "inputs": [str(world / "audio")],
        "options": ModelOptions(world / "model"),
        "output_dir": tmp_path / "out",
        "formats": ["txt"],
        "address": "127.0.0.1:1",
    }
    with pytest.raises(error, match=message):
        transcribe_on_ray(**{**given, **arguments})  # type: ignore[arg-type]
