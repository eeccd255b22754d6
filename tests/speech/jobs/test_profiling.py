"""Where the time goes: one small model in fresh processes, its table, JSON and pictures."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import run_folder_maker as maker
import typer
from typer.testing import CliRunner

from asr.cli.bench import bench as bench_command
from asr.errors import ConfigError, ModelError
from asr.speech.export.exporting import export_model
from asr.speech.jobs.profiling import RECORDING, START_UP, Part, ProfileConfig, profile
from asr.speech.jobs.profiling_report import draw_profile, profile_table

APP = typer.Typer()
APP.command()(bench_command)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return maker.tiny_model(tmp_path_factory.mktemp("trained") / "model")


@pytest.mark.parametrize("backend", ["torch", "onnx"])
def test_every_part_is_told(model: Path, tmp_path: Path, backend: str) -> None:
    if backend == "onnx":
        model = export_model(model, tmp_path / "exported").folder
    options = ["--profile", "--clip-s", "0.5,1", "--repeats", "3", "--threads", "1"]
    targets = ["-o", str(tmp_path / "profile.json"), "--picture", str(tmp_path / "profile.svg")]
    done = CliRunner().invoke(APP, [str(model), *options, *targets])
    assert done.exit_code == 0, done.output
    content = json.loads((tmp_path / "profile.json").read_text())
    parts = [Part(**entry) for entry in content["parts"]]
    phases = {phase: [p.name for p in parts if p.phase == phase] for phase in ("start-up", "1 s")}
    assert phases["start-up"] == list(START_UP)
    assert phases["1 s"] == list(RECORDING)
    assert all(part.seconds >= 0 and part.processor_s >= 0 for part in parts)
    assert all(name in done.stdout for name in (*START_UP, *RECORDING))
    assert "language model" in (tmp_path / "profile.svg").read_text()


def test_the_shares_of_a_phase_add_up() -> None:
    parts = [Part("5 s", "features", 0.001, 0.002), Part("5 s", "network", 0.003, 0.006)]
    rows = [line.split() for line in profile_table(parts).splitlines()]
    assert rows[1:] == [
        ["5", "s", "features", "1.0", "2.0", "25"],
        ["5", "s", "network", "3.0", "6.0", "75"],
        ["5", "s", "all", "4.0", "8.0", "100"],
    ]


def test_what_cannot_be_is_refused(model: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="at least 0.1 s"):
        ProfileConfig(clips_s=(0.01,))
    with pytest.raises(ConfigError, match="starts must be at least 1"):
        ProfileConfig(starts=0)
    with pytest.raises(ConfigError, match=r"ends in \.svg or \.png"):
        draw_profile([Part("5 s", "network", 1.0, 1.0)], tmp_path / "profile.pdf")
    assert "--profile" in CliRunner().invoke(APP, [str(model), "--picture", "a.svg"]).output
    two = [str(model), "--profile", "--backend", "torch,onnx"]
    assert "one model folder" in CliRunner().invoke(APP, two).output


def test_a_failing_process_says_why(tmp_path: Path) -> None:
    config = ProfileConfig((0.5,), repeats=1, starts=1)
    from asr.audio.synthetic import made_audio

    with pytest.raises(ModelError, match="There is no model"):
        profile(str(tmp_path / "nothing"), [made_audio(1.0, 16000)], 16000, config)
