"""Recognition with a small random model: batches, formats, bad input, files in and out."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from typer.testing import CliRunner

import asr
from asr.audio import load_audio
from asr.errors import AudioError, ConfigError, ModelError
from asr.tasks.ctc import CtcModelConfig, CtcTask, CtcTaskConfig
from asr.text.tokenizers import CharTokenizer
from asr.training.speech import SpeechConfig, save_speech_model
from asr.transcribing import expand_inputs, transcribe_files

RATE = 16000


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(3)
    tokenizer = CharTokenizer("abcde")
    task = CtcTask(CtcTaskConfig(model=CtcModelConfig(hidden_dim=16, num_layers=2, conv_channels=4)), len(tokenizer))
    task.network.output.weight.data *= 30  # a random network that has opinions
    folder = tmp_path_factory.mktemp("models") / "tiny"
    save_speech_model(task.eval(), tokenizer, SpeechConfig(), folder)
    return folder


def noise(seconds: float, seed: int = 0) -> np.ndarray[tuple[int], np.dtype[np.float32]]:
    return np.random.default_rng(seed).normal(0, 0.1, int(seconds * RATE)).astype(np.float32)


def test_batch_equals_one_by_one(model: Path) -> None:
    recognizer = asr.load_model(model)
    recordings = [noise(1.0, 1), noise(2.3, 2), noise(0.4, 3)]
    together = recognizer.transcribe_batch(recordings, RATE)
    assert together == [recognizer.transcribe(r, RATE) for r in recordings]
    assert len({t.text for t in together}) == 3
    for transcript, recording in zip(together, recordings, strict=True):
        assert transcript.duration_s == pytest.approx(len(recording) / RATE)
        times = [t for word in transcript.words for t in (word.start, word.end)]
        assert times == sorted(times)
        assert max(times, default=0.0) <= transcript.duration_s
        assert all(0 <= word.confidence <= 1 for word in transcript.words)


def test_any_source_gives_the_same(model: Path, tmp_path: Path) -> None:
    recognizer = asr.load_model(model)
    soundfile.write(tmp_path / "a.wav", noise(1.0), RATE, subtype="FLOAT")
    expected = recognizer.transcribe(noise(1.0), RATE)
    assert recognizer.transcribe(tmp_path / "a.wav") == expected
    assert recognizer.transcribe((tmp_path / "a.wav").read_bytes()) == expected
    with (tmp_path / "a.wav").open("rb") as file:
        assert recognizer.transcribe(file) == expected


def test_features_are_those_of_training(model: Path) -> None:
    from asr.features import LogMel
    from data_prep.store import extract_features

    recognizer = asr.load_model(model)
    np.testing.assert_allclose(
        recognizer.features([noise(1.0)])[0],
        extract_features(LogMel(recognizer.feature_config), noise(1.0)),
        atol=1e-5,
    )


def test_bad_recordings(model: Path) -> None:
    recognizer = asr.load_model(model)
    with pytest.raises(AudioError, match="no samples"):
        recognizer.transcribe(noise(0), RATE)
    with pytest.raises(AudioError, match="shorter than one frame"):
        recognizer.transcribe(noise(0.01), RATE)
    with pytest.raises(AudioError, match="without their sample rate"):
        recognizer.transcribe(noise(1.0))
    assert recognizer.transcribe(np.zeros(RATE, np.float32), RATE).duration_s == 1.0


def test_a_model_whose_weights_do_not_fit_is_refused(model: Path, tmp_path: Path) -> None:
    from asr.bundle import add_to_bundle, open_bundle, write_bundle

    def copy(target: Path) -> None:
        for path in model.iterdir():
            (target / path.name).write_bytes(path.read_bytes())

    other = write_bundle(tmp_path / "other", copy)
    network = open_bundle(other).config["network"]
    network["model"]["hidden_dim"] = 8
    add_to_bundle(other, {}, {"network": network})
    with pytest.raises(ModelError, match="do not fit"):
        asr.load_model(other)


def test_folders_mirror_and_failures_are_named(model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("in/x/a.wav", "in/b.flac"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(tmp_path / name, noise(0.5), RATE)
    (tmp_path / "in" / "broken.wav").write_text("this is no audio")
    out = tmp_path / "out"
    assert transcribe_files([str(tmp_path / "in")], str(model), out, ["json", "srt"]) == 1
    assert sorted(p.relative_to(out).as_posix() for p in out.rglob("*.*")) == ["b.json", "b.srt", "x/a.json", "x/a.srt"]
    content = json.loads((out / "b.json").read_text())
    assert load_audio(tmp_path / "in/b.flac").duration_s == content["duration_s"]
    assert content["model"] == "tiny"
    errors = capsys.readouterr().err
    assert "broken.wav" in errors
    assert "2 of 3 transcribed" in errors


def test_command_line(model: Path, tmp_path: Path) -> None:
    from asr.cli import app

    for name in ("a.wav", "b.wav"):
        soundfile.write(tmp_path / name, noise(0.5, ord(name[0])), RATE)
    run = CliRunner().invoke
    one = run(app, ["transcribe", str(tmp_path / "a.wav"), "--model", str(model)])
    assert one.exit_code == 0
    several = run(app, ["transcribe", str(tmp_path / "*.wav"), "--model", str(model)])
    assert several.stdout.splitlines()[0] == f"a.wav\t{one.stdout.strip()}"
    missing = [str(tmp_path / "a.wav"), str(tmp_path / "c.wav")]
    assert run(app, ["transcribe", *missing, "--model", str(model)]).exit_code == 1
    assert run(app, ["transcribe", *missing, "--model", str(model), "--max-skipped", "1"]).exit_code == 0
    data = (tmp_path / "a.wav").read_bytes()
    assert run(app, ["transcribe", "-", "--model", str(model)], input=data).stdout == one.stdout


def test_inputs_that_would_write_one_file_are_refused(tmp_path: Path) -> None:
    for name in ("a.wav", "a.flac"):
        soundfile.write(tmp_path / name, noise(0.1), RATE)
    with pytest.raises(ConfigError, match="both write"):
        expand_inputs([str(tmp_path)])
    with pytest.raises(AudioError, match="Nothing matches"):
        expand_inputs([str(tmp_path / "*.mp3")])
    (tmp_path / "empty").mkdir()
    with pytest.raises(AudioError, match="no audio in the folder"):
        expand_inputs([str(tmp_path / "empty")])
