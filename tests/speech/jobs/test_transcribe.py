"""Many files in, transcripts out: names, failures, standard input, hotwords."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile
from tiny_models import RATE, noise, random_model
from typer.testing import CliRunner

from asr.audio.reading import load_audio
from asr.cli import app
from asr.errors import AudioError, ConfigError
from asr.speech.jobs.transcribe import (
    expand_inputs,
    parse_channel,
    parse_hotwords,
    transcribe_files,
)
from asr.speech.options import ModelOptions


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return random_model(tmp_path_factory.mktemp("models") / "tiny")


def test_folders_mirror_and_failures_are_named(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("in/x/a.wav", "in/b.flac"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(tmp_path / name, noise(0.5), RATE)
    (tmp_path / "in" / "broken.wav").write_text("this is no audio")
    out, options = tmp_path / "out", ModelOptions(model)
    assert (
        transcribe_files([str(tmp_path / "in")], options, output_dir=out, formats=["json", "srt"])
        == 1
    )
    assert sorted(p.relative_to(out).as_posix() for p in out.rglob("*.*")) == [
        "b.json",
        "b.srt",
        "x/a.json",
        "x/a.srt",
    ]
    content = json.loads((out / "b.json").read_text())
    assert load_audio(tmp_path / "in/b.flac").duration_s == content["duration_s"]
    assert content["model"] == "tiny"
    errors = capsys.readouterr().err
    assert "broken.wav" in errors
    assert "2 of 3 transcribed" in errors


def test_command_line(model: Path, tmp_path: Path) -> None:
    for name in ("a.wav", "b.wav"):
        soundfile.write(tmp_path / name, noise(0.5, ord(name[0])), RATE)
    run = CliRunner().invoke
    one = run(app, ["transcribe", str(tmp_path / "a.wav"), "--model", str(model)])
    assert one.exit_code == 0
    several = run(app, ["transcribe", str(tmp_path / "*.wav"), "--model", str(model)])
    assert several.stdout.splitlines()[0] == f"a.wav\t{one.stdout.strip()}"
    missing = [str(tmp_path / "a.wav"), str(tmp_path / "c.wav")]
    assert run(app, ["transcribe", *missing, "--model", str(model)]).exit_code == 1
    assert (
        run(app, ["transcribe", *missing, "--model", str(model), "--max-skipped", "1"]).exit_code
        == 0
    )
    data = (tmp_path / "a.wav").read_bytes()
    assert run(app, ["transcribe", "-", "--model", str(model)], input=data).stdout == one.stdout


def test_rules_of_subtitles_and_numbers(model: Path, tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", noise(3.0), RATE)
    given = ["transcribe", str(tmp_path / "a.wav"), "--model", str(model)]
    run = CliRunner().invoke
    refused = run(app, [*given, "--max-line-width", "20"])
    assert refused.exit_code == 1
    assert "-f srt" in str(refused.exception)
    rules = ["--max-line-width", "9", "--max-line-count", "1", "--max-words-per-line", "1"]
    plain = run(app, [*given, "-f", "srt", *rules])
    content = json.loads(run(app, [*given, "-f", "json", "--numbers"]).stdout)
    lines = [line for line in plain.stdout.split("\n") if line and "-->" not in line]
    assert plain.exit_code == 0
    assert all(len(line.split()) == 1 for line in lines)
    for segment in content["segments"]:
        spans = [range(t["first_word"], t["stop_word"]) for t in segment["written"]["tokens"]]
        assert [n for span in spans for n in span] == list(range(len(segment["words"])))
    assert "written" not in json.loads(run(app, [*given, "-f", "json"]).stdout)
    assert run(app, [*given, "-f", "vtt", "--highlight-words"]).stdout.startswith("WEBVTT")


def test_inputs_that_would_write_one_file_are_refused(tmp_path: Path) -> None:
    for name in ("a.wav", "a.flac"):
        soundfile.write(tmp_path / name, noise(0.1), RATE)
    with pytest.raises(ConfigError, match="both write"):
        expand_inputs([str(tmp_path)])
    assert len(expand_inputs([str(tmp_path)], to_files=False)) == 2
    with pytest.raises(AudioError, match="Nothing matches"):
        expand_inputs([str(tmp_path / "*.mp3")])
    (tmp_path / "empty").mkdir()
    with pytest.raises(AudioError, match="no audio in the folder"):
        expand_inputs([str(tmp_path / "empty")])


def test_hotwords_as_they_are_given(tmp_path: Path) -> None:
    path = tmp_path / "words.txt"
    path.write_text("new york\t3.5\n\nboston\n")
    assert parse_hotwords(["a b, c", f"@{path}"], 2.0) == {
        "a b": 2.0,
        "c": 2.0,
        "new york": 3.5,
        "boston": 2.0,
    }
    path.write_text("new york\tmuch\n")
    with pytest.raises(ConfigError, match="words.txt:1: 'much'"):
        parse_hotwords([f"@{path}"], 2.0)
    with pytest.raises(ConfigError, match="cannot be read"):
        parse_hotwords([f"@{tmp_path}/none"], 2.0)


def test_channels_apart_are_printed_a_segment_a_line(model: Path, tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", np.stack([noise(1.0, 1), noise(1.0, 2)], axis=1), RATE)
    arguments = ["transcribe", str(tmp_path / "a.wav"), "--model", str(model)]
    mixed = CliRunner().invoke(app, arguments).stdout
    apart = CliRunner().invoke(app, [*arguments, "--channels", "all"]).stdout.splitlines()
    assert mixed.count("\n") == 1
    assert sorted(line[:3] for line in apart) == ["0: ", "1: "]


def test_channels_as_they_are_given() -> None:
    assert (parse_channel("mix"), parse_channel("all"), parse_channel("1")) == ("mix", "all", 1)
    with pytest.raises(ConfigError, match="--channels"):
        parse_channel("left")


@pytest.mark.parametrize("further", [[], ["--ray", "local", "-o", "out"]])
def test_n_best_needs_json(further: list[str]) -> None:
    done = CliRunner().invoke(app, ["transcribe", "a.wav", "--n-best", "2", *further])
    assert isinstance(done.exception, ConfigError)
    assert "-f json" in str(done.exception)
