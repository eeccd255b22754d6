"""Models exported for sherpa-onnx give the same greedy text there: called as it calls them, and in
the package itself where it is installed.
"""

from __future__ import annotations

import json
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
import pytest
import soundfile
import torch

from asr.audio.synthetic import made_audio
from asr.decoding import greedy
from asr.errors import ConfigError, ModelError
from asr.features.config import FeatureConfig
from asr.model_folder import open_bundle
from asr.speech.acoustics.network import CtcModelConfig, CtcTask, CtcTaskConfig
from asr.speech.acoustics.pytorch import TorchAcoustics
from asr.speech.export.exporting import export_model
from asr.speech.export.sherpa import as_sherpa_calls
from asr.speech.training.config import SpeechConfig
from asr.speech.training.train import save_speech_model
from asr.text.tokenizers import CharTokenizer

RATE = 16000
SMALL = {"hidden_dim": 16, "num_layers": 2, "conv_channels": 4}
# Run apart: the package brings an ONNX Runtime of its own.
IN_SHERPA = """
import json, sys
import soundfile
from sherpa_onnx import OfflineRecognizer

folder, *files = sys.argv[1:]
recognizer = OfflineRecognizer.from_omnilingual_asr_ctc(
    model=f"{folder}/model.onnx", tokens=f"{folder}/tokens.txt", num_threads=1
)
for file in files:
    samples, rate = soundfile.read(file, dtype="float32")
    stream = recognizer.create_stream()
    stream.accept_waveform(rate, samples)
    recognizer.decode_stream(stream)
    print(json.dumps([stream.result.text, stream.result.timestamps]))
"""


def save_tiny(folder: Path, **settings: object) -> Path:
    """Save a random network with the letters a to e, whose features have global statistics."""
    torch.manual_seed(3)
    model = CtcModelConfig(**{**SMALL, **settings.pop("model", {})})  # type: ignore[dict-item]
    task = CtcTask(CtcTaskConfig(model=model, **settings), len(CharTokenizer("abcde")))  # type: ignore[arg-type]
    task.network.output.weight.data *= 30  # a random network that has opinions
    mean = torch.full((task.config.features.num_features,), -6.0)
    task.normalizer.set_statistics(mean, torch.full((1,), 3.0))
    save_speech_model(task.eval(), CharTokenizer("abcde"), SpeechConfig(), folder)
    return folder


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny(tmp_path_factory.mktemp("models") / "tiny")


@pytest.fixture(scope="module")
def exported(model: Path) -> Path:
    return export_model(model, model.parent / "sherpa", "sherpa").folder


def acoustics(model: Path) -> TorchAcoustics:
    return TorchAcoustics(open_bundle(model), CharTokenizer("abcde").tokens)


def heard(seconds: float, level: float, seed: int) -> npt.NDArray[np.float32]:
    """Made-up audio without a mean, its loudest sample at a level."""
    samples = made_audio(seconds, RATE, seed)
    samples = samples - samples.mean()
    return np.asarray(level * samples / np.abs(samples).max(), np.float32)


RECORDINGS = [(1.3, 0.02, 1), (2.0, 0.3, 2), (0.7, 0.9, 3), (5.1, 0.1, 4)]


@pytest.mark.parametrize(("seconds", "level", "seed"), RECORDINGS)
def test_the_level_of_a_recording_comes_back(
    model: Path, exported: Path, seconds: float, level: float, seed: int
) -> None:
    recording = heard(seconds, level, seed)
    (expected,) = acoustics(model).log_probs([recording])
    (given,) = as_sherpa_calls(exported / "model.onnx", 2)([recording])
    assert np.abs(np.exp(given) - np.exp(expected)).max() < 0.02
    (louder,) = acoustics(model).log_probs([2 * recording])
    assert np.abs(np.exp(louder) - np.exp(expected)).max() > 0.1  # so the level does matter


def test_frames_are_given_every_20_ms(tmp_path: Path) -> None:
    source = save_tiny(tmp_path / "source", model={"subsampling": 8})
    folder = export_model(source, tmp_path / "sherpa", "sherpa").folder
    recording = heard(1.0, 0.3, 5)
    (given,) = as_sherpa_calls(folder / "model.onnx", 1)([recording])
    (own,) = acoustics(source).log_probs([recording])
    np.testing.assert_allclose(np.exp(given), np.exp(own).repeat(4, 0), atol=0.02)


def test_files_are_what_sherpa_reads(exported: Path) -> None:
    lines = (exported / "tokens.txt").read_text().splitlines()
    assert lines[:3] == ["<blank> 0", "▁ 1", "a 2"]
    metadata = {p.key: p.value for p in onnx.load(exported / "model.onnx").metadata_props}
    assert metadata["model_type"] == "omnilingual-asr"
    assert metadata["vocab_size"] == str(len(lines))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            {"features": FeatureConfig(sample_rate=8000, n_fft=256, f_max=3800, n_mels=40)},
            "samples at 16000 Hz.*takes 8000",
        ),
        ({"model": {"subsampling": 1}}, "frames of 20 ms.*last 10 ms.*times would be wrong"),
    ],
)
def test_what_sherpa_would_get_wrong_is_refused(
    tmp_path: Path, settings: dict[str, object], message: str
) -> None:
    source = save_tiny(tmp_path / "source", **settings)
    with pytest.raises(ModelError, match=message):
        export_model(source, tmp_path / "out", "sherpa")
    assert not (tmp_path / "out").exists()


def test_a_model_folder_is_not_written_over(model: Path, tmp_path: Path) -> None:
    (tmp_path / "bundle.json").write_text("{}")
    with pytest.raises(ConfigError, match="is a model folder"):
        export_model(model, tmp_path, "sherpa")


@pytest.mark.skipif(find_spec("sherpa_onnx") is None, reason="sherpa-onnx is not installed")
def test_sherpa_hears_the_same_text_at_the_same_times(
    model: Path, exported: Path, tmp_path: Path
) -> None:
    source, expected, files = acoustics(model), [], []
    for seconds, level, seed in RECORDINGS:
        recording = heard(seconds, level, seed)
        files.append(str(tmp_path / f"{seed}.wav"))
        soundfile.write(files[-1], recording, RATE, subtype="FLOAT")
        expected.append(greedy(source.log_probs([recording])[0], source.tokens))
    command = [sys.executable, "-c", IN_SHERPA, str(exported), *files]
    printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    results = [json.loads(line) for line in printed.splitlines()]
    assert [" ".join(text.split()) for text, _ in results] == [best.text for best in expected]
    for (_, times), best in zip(results, expected, strict=True):
        starts = [0.04 * start for start in best.token_frames]
        assert times == pytest.approx(starts, abs=1e-3)
