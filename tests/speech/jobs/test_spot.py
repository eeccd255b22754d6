"""`asr spot` and `asr grammar`, with a small random network."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import soundfile
from tiny_models import RATE, noise, random_model
from typer.testing import CliRunner

from asr.cli import app
from asr.errors import ConfigError
from asr.speech.jobs.spot import read_phrases
from asr.speech.recognizer import load_model
from asr.speech.spotting import find_phrases, spell_phrases


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("spot")
    random_model(folder / "model")
    for seed in (1, 2):
        soundfile.write(folder / f"noise{seed}.wav", noise(3.0, seed), RATE)
    return folder


def test_phrases_of_the_transcript_are_found(folder: Path) -> None:
    model = load_model(folder / "model", {"method": "greedy"})
    text = model.transcribe(folder / "noise1.wav").text
    word = max(text.split(), key=len)[:3]
    found, seconds = find_phrases(model, folder / "noise1.wav", spell_phrases(model, [word]), 0.5)
    assert seconds == pytest.approx(3.0, abs=0.2)
    assert found
    assert all(spot.phrase == word and 0 <= spot.start < spot.end <= 3.1 for spot in found)
    run = ["spot", str(folder / "noise1.wav"), "--model", str(folder / "model"), "-p", word]
    plain = CliRunner().invoke(app, run)
    assert plain.exit_code == 0, plain.output
    rows = [line.split("\t") for line in plain.stdout.splitlines()]
    assert [row[4] for row in rows] == [word] * len(found)
    as_json = CliRunner().invoke(app, [*run, "--json"])
    first = json.loads(as_json.stdout.splitlines()[0])
    assert first == {
        "recording": "noise1.wav",
        "phrase": word,
        "start": found[0].start,
        "end": found[0].end,
        "score": found[0].score,
    }


def test_a_threshold_from_background(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    wave, model = str(folder / "noise1.wav"), str(folder / "model")
    run = ["spot", wave, "--model", model, "-p", "ab", "--background", wave]
    none = CliRunner().invoke(app, [*run, "--false-alarms", "0"])
    assert none.exit_code == 0
    assert none.stdout == ""  # the background is the recording: no alarm is let through


def test_recordings_that_fail_are_named(folder: Path) -> None:
    model, missing = str(folder / "model"), str(folder / "none.wav")
    result = CliRunner().invoke(app, ["spot", missing, "--model", model, "-p", "ab"])
    assert result.exit_code == 1
    assert "none.wav" in result.stderr


def test_lists_of_phrases(tmp_path: Path) -> None:
    (tmp_path / "list.txt").write_text("new  york\n\nhey you\n")
    assert read_phrases(["a, b", f"@{tmp_path / 'list.txt'}"]) == ["a", "b", "new york", "hey you"]
    with pytest.raises(ConfigError, match="no phrase"):
        read_phrases([" , "])
    with pytest.raises(ConfigError, match=r"none\.txt"):
        read_phrases([f"@{tmp_path / 'none.txt'}"])


def test_a_grammar_is_drawn_from_and_checked(tmp_path: Path) -> None:
    path = tmp_path / "lights.txt"
    path.write_text("light = lamp | bulb\nturn (on | off) the {light}\n")
    drawn = CliRunner().invoke(app, ["grammar", "sample", str(path), "-n", "4"])
    assert len(drawn.stdout.splitlines()) == 4
    checked = CliRunner().invoke(
        app, ["grammar", "check", str(path), "Turn on the bulb", "turn the bulb"]
    )
    assert checked.exit_code == 1
    assert [json.loads(line)["slots"] for line in checked.stdout.splitlines()] == [
        {"light": "bulb"},
        None,
    ]
    everything = CliRunner().invoke(app, ["grammar", "check", str(path), "-"], input=drawn.stdout)
    assert everything.exit_code == 0


def test_a_recording_of_a_grammar(folder: Path, tmp_path: Path) -> None:
    """Noise is no command: a random network hears none of the sentences well."""
    path = tmp_path / "letters.txt"
    path.write_text("x = abc | dead => dark\nbad {x}\n")
    wave, model = str(folder / "noise1.wav"), str(folder / "model")
    run = ["transcribe", wave, "--model", model, "--grammar", str(path), "-f", "json"]
    result = CliRunner().invoke(app, run)
    assert result.exit_code == 0, result.output
    for segment in json.loads(result.stdout)["segments"]:
        assert segment["slots"].keys() == {"x"}
        assert segment["text"] in ("bad abc", "bad dead")
    path.write_text("bad x\n")
    refused = CliRunner().invoke(app, run)
    assert refused.exit_code == 1
    assert "'x' of the grammar" in str(refused.exception)
