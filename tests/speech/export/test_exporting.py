"""Exported models compute what the trained ones compute, at any length and padding, and run without
torch.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch
from typer.testing import CliRunner

from asr import load_model
from asr.audio.reading import load_audio
from asr.audio.synthetic import made_audio
from asr.errors import AudioError, ConfigError, ModelError
from asr.features.config import FeatureConfig
from asr.features.extraction import LogMel
from asr.model_folder import open_bundle
from asr.onnx.sessions import providers
from asr.speech.acoustics.graph_layers import GraphLogMel
from asr.speech.acoustics.graphs import OfflineGraph
from asr.speech.acoustics.network import CtcModelConfig, CtcTask, CtcTaskConfig
from asr.speech.acoustics.onnx import OnnxAcoustics
from asr.speech.acoustics.pytorch import load_task
from asr.speech.acoustics.ranges import Ranges, lstm_in_range, measured, with_ends
from asr.speech.export.exporting import compare, export_model
from asr.speech.streaming import StreamingRecognizer
from asr.speech.training.config import SpeechConfig
from asr.speech.training.train import save_speech_model
from asr.text.tokenizers import CharTokenizer

RATE = 16000
SMALL = {"hidden_dim": 16, "num_layers": 2, "conv_channels": 4}


def save_tiny(folder: Path, config: CtcTaskConfig) -> Path:
    torch.manual_seed(3)
    tokenizer = CharTokenizer("abcde")
    task = CtcTask(config, len(tokenizer))
    task.network.output.weight.data *= 30  # a random network that has opinions
    task.normalizer.set_statistics(
        torch.full((config.features.num_features,), -6.0), torch.full((1,), 3.0)
    )
    for (
        name,
        buffer,
    ) in task.named_buffers():  # statistics that batch normalisation would have gathered
        if name.endswith(("running_mean", "running_var")):
            buffer.copy_(torch.rand_like(buffer) + 0.3)
    save_speech_model(task.eval(), tokenizer, SpeechConfig(), folder)
    return folder


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny(
        tmp_path_factory.mktemp("models") / "tiny", CtcTaskConfig(model=CtcModelConfig(**SMALL))
    )


@pytest.fixture(scope="module")
def exported(model: Path) -> Path:
    return export_model(model, model.parent / "tiny-onnx").folder


VARIANTS = {
    "gru, layer norm, projection": CtcTaskConfig(
        model=CtcModelConfig(**SMALL, cell="gru", conv_norm="layer", projection_dim=12)
    ),
    "causal, utterance norm": CtcTaskConfig(
        normalization="utterance", model=CtcModelConfig(**SMALL, causal=True, bidirectional=False)
    ),
    "mfcc, no norm, subsampling 8": CtcTaskConfig(
        features=FeatureConfig(kind="mfcc", n_mfcc=13),
        normalization="none",
        model=CtcModelConfig(
            **SMALL, conv_norm="none", norm="batch", subsampling=8, residual=False
        ),
    ),
    "self-conditioned": CtcTaskConfig(
        model=CtcModelConfig(**SMALL, intermediate_layer=1, self_conditioned=True)
    ),
    "long frames": CtcTaskConfig(
        features=FeatureConfig(frame_length_ms=32.0), model=CtcModelConfig(**SMALL)
    ),
    "8 kHz": CtcTaskConfig(
        features=FeatureConfig(sample_rate=8000, n_fft=256, f_max=3800, n_mels=40),
        model=CtcModelConfig(**SMALL),
    ),
}


@pytest.mark.parametrize("name", VARIANTS)
def test_every_kind_of_model_is_equal_after_export(name: str, tmp_path: Path) -> None:
    source = save_tiny(tmp_path / "source", VARIANTS[name])
    report = export_model(source, tmp_path / "out")
    assert (
        max(check.max_difference for check in report.checks) < 3e-3
    )  # of logits thirty times too large
    assert all(check.equal_texts == len(check.clips_s) for check in report.checks)


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"kind": "mfcc"},
        {"frame_length_ms": 32.0},
        {"sample_rate": 8000, "f_max": 3800.0, "n_fft": 256},
        {"sample_rate": 11025, "f_max": 5000.0},
        {"sample_rate": 22050, "n_fft": 1024},  # windows of 551 samples
        {"frame_length_ms": 20.0625, "frame_shift_ms": 7.9375},  # of 321, every 127
    ],
)
def test_features_in_the_graph_are_those_of_training(settings: dict[str, Any]) -> None:
    config = FeatureConfig(**settings)
    extractor = LogMel(config)
    graph = GraphLogMel(extractor)
    for count in (config.frame_length, config.frame_length + 1, 5000, 16001):
        samples = 0.1 * torch.randn(2, count, generator=torch.Generator().manual_seed(count))
        lens = torch.tensor([count, count])
        expected, expected_lens = extractor(samples, lens)
        assert torch.equal(graph.frame_lens(lens), expected_lens)
        torch.testing.assert_close(graph(samples), expected, atol=1e-4, rtol=0)


def test_padding_changes_nothing(exported: Path) -> None:
    model = load_model(exported)
    recordings = [made_audio(s, RATE, n) for n, s in enumerate((0.1, 2.0, 0.73))]
    together = model.log_probs(recordings)
    for array, recording in zip(together, recordings, strict=True):
        np.testing.assert_allclose(array, model.log_probs([recording])[0], atol=1e-4)


def test_large_batches_are_computed_in_parts(
    exported: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = OnnxAcoustics(open_bundle(exported), CharTokenizer("abcde").tokens)
    recordings = [made_audio(s, RATE, n) for n, s in enumerate((0.5, 0.2, 1.5, 0.3, 0.3))]
    whole = model.log_probs(recordings)
    monkeypatch.setattr("asr.speech.acoustics.onnx.MAX_BATCH_S", 1)
    for a, b in zip(model.log_probs(recordings), whole, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-4)
    assert model.log_probs([]) == []


def test_transcripts_are_those_of_the_trained_model(model: Path, exported: Path) -> None:
    recordings = [made_audio(s, RATE, 7 + n) for n, s in enumerate((1.0, 2.5))]
    trained, deployed = load_model(model), load_model(exported)
    assert (trained.backend, deployed.backend) == ("torch", "onnxruntime")
    for a, b in zip(
        trained.transcribe_batch(recordings, RATE),
        deployed.transcribe_batch(recordings, RATE),
        strict=True,
    ):
        assert a.text == b.text
        assert a.text


def test_the_base_install_transcribes(exported: Path, tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", made_audio(1.0, RATE, 5), RATE, subtype="FLOAT")
    program = (
        "import sys\n"
        "for name in ('torch', 'torchaudio', 'lhotse', 'lightning', 'jiwer', 'onnx'):\n"
        "    sys.modules[name] = None\n"
        "from asr.cli import main\n"
        "main(sys.argv[1:])\n"
    )
    arguments = [
        "transcribe",
        str(tmp_path / "a.wav"),
        "--model",
        str(exported),
        "-f",
        "json",
        "--threads",
        "1",
    ]
    run = subprocess.run(
        [sys.executable, "-c", program, *arguments], capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stderr
    samples = load_audio(tmp_path / "a.wav").samples
    assert json.loads(run.stdout)["text"] == load_model(exported).transcribe(samples, RATE).text


def test_int8_is_small_and_close(tmp_path: Path) -> None:
    source = save_tiny(
        tmp_path / "source",
        CtcTaskConfig(model=CtcModelConfig(hidden_dim=96, num_layers=3, conv_channels=4)),
    )
    report = export_model(source, tmp_path / "int8", "onnx-int8")
    assert (
        report.network_bytes < 0.45 * report.source_bytes
    )  # tiny: what is not quantised weighs more than usually
    assert report.agreement >= 0.98
    assert load_model(tmp_path / "int8").transcribe(made_audio(1.0, RATE), RATE).text
    assert open_bundle(tmp_path / "int8").config["export"] == {
        "format": "onnx-int8",
        "model": "source",
    }


WITH_RANGES = {
    "two directions": CtcTaskConfig(normalization="utterance", model=CtcModelConfig(**SMALL)),
    "projected, told": CtcTaskConfig(
        model=CtcModelConfig(
            **SMALL, projection_dim=12, intermediate_layer=1, self_conditioned=True
        )
    ),
    "gru": CtcTaskConfig(model=CtcModelConfig(**SMALL, cell="gru")),
    "one direction": CtcTaskConfig(model=CtcModelConfig(**SMALL, bidirectional=False, causal=True)),
}


@pytest.mark.parametrize("name", WITH_RANGES)
def test_with_fixed_ranges_company_does_not_matter(tmp_path: Path, name: str) -> None:
    source = save_tiny(tmp_path / "source", WITH_RANGES[name])
    report = export_model(source, tmp_path / "int8", "onnx-int8", fixed_ranges=True)
    assert report.agreement >= 0.98
    assert open_bundle(tmp_path / "int8").config["export"]["fixed_ranges"] is True
    network = load_model(tmp_path / "int8").log_probs
    recording, loud, other = (
        made_audio(s, RATE, seed) for s, seed in ((1.3, 1), (2.0, 2), (0.7, 3))
    )
    in_company = network([recording, other, np.clip(40 * loud, -1, 1), recording])
    np.testing.assert_allclose(in_company[0], in_company[3], atol=1e-6)
    np.testing.assert_allclose(in_company[0], network([other, recording, other])[1], atol=1e-6)
    assert in_company[0].argmax(1).tolist() == network([recording])[0].argmax(1).tolist()
    if report.streams:
        heard = StreamingRecognizer(load_model(tmp_path / "int8")).transcribe(recording, RATE)
        assert "".join(part.text for part in heard if part.final)


@pytest.mark.parametrize("name", WITH_RANGES)
def test_ranges_change_nothing_but_what_lies_outside(tmp_path: Path, name: str) -> None:
    folder = save_tiny(tmp_path / "source", WITH_RANGES[name])
    task = load_task(open_bundle(folder), len(CharTokenizer("abcde")))
    samples = torch.from_numpy(np.stack([made_audio(1.0, RATE, seed) for seed in range(2)]))
    lens = torch.tensor([RATE, RATE // 2])
    with torch.no_grad():
        expected, _ = OfflineGraph(task)(samples, lens)
        with measured(task.network) as ranges:
            task(*(LogMel(task.config.features)(samples, lens)))
        assert all(low < 0 < high for low, high in ranges.layers)
        found, _ = OfflineGraph(task, ranges)(samples, lens)
        torch.testing.assert_close(found, expected, atol=1e-4, rtol=1e-4)
        narrow = Ranges(ranges.projected, [(low / 20, high / 20) for low, high in ranges.layers])
        assert (
            OfflineGraph(task, narrow)(samples, lens)[0] - expected
        ).abs().max() > 0.01 or name == "gru"


def test_the_ends_of_an_lstm_lead_its_outputs() -> None:
    torch.manual_seed(0)
    lstm = torch.nn.LSTM(3, 5)
    lstm.weight_hh_l0.data *= 9
    x = 20 * torch.randn(9, 2, 3)
    outputs, _ = lstm_in_range(lstm)(with_ends(x, (-90.0, 90.0)))
    torch.testing.assert_close(outputs[..., :5], lstm(x)[0])
    steps = torch.arange(1.0, 10.0).tanh().view(-1, 1).expand(-1, 2)
    torch.testing.assert_close(outputs[..., 5], steps)
    torch.testing.assert_close(outputs[..., 6], -steps)
    assert (outputs.abs().amax(-1) <= steps + 1e-6).all()


@pytest.mark.parametrize("conditioned", [False, True])
def test_torch_export(tmp_path: Path, conditioned: bool) -> None:
    shape = CtcModelConfig(**SMALL, intermediate_layer=1, self_conditioned=conditioned)
    model = save_tiny(tmp_path / "model", CtcTaskConfig(model=shape))
    report = export_model(model, tmp_path / "program", "torch-export")
    assert all(check.equal_texts == len(check.clips_s) for check in report.checks)
    with pytest.raises(ModelError, match="holds no model.onnx"):
        load_model(tmp_path / "program")


def test_nothing_is_written_where_the_parity_check_fails(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("asr.speech.export.exporting.MAX_DIFFERENCE", -1.0)
    with pytest.raises(ModelError, match="differs from the trained one"):
        export_model(model, tmp_path / "out" / "model")
    assert list((tmp_path / "out").iterdir()) == []


@pytest.mark.parametrize("saturates", [False, True])
def test_too_coarse_weights_are_refused(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, saturates: bool
) -> None:
    monkeypatch.setattr("asr.speech.export.exporting.MIN_AGREEMENT", 1.01)
    monkeypatch.setattr("asr.speech.export.exporting.products_saturate", lambda: saturates)
    with pytest.raises(ModelError, match="keep their best token") as error:
        export_model(model, tmp_path / "out" / "model", "onnx-int8")
    assert ("no VNNI" in str(error.value)) == saturates
    assert list((tmp_path / "out").iterdir()) == []


def test_parity_check_sees_a_difference(model: Path) -> None:
    source = load_model(model)
    checks = compare(
        source, lambda recordings: [array[:, ::-1] for array in source.log_probs(recordings)]
    )
    assert min(check.agreement for check in checks) < 0.5
    with pytest.raises(ModelError, match="gives"):
        compare(source, lambda recordings: [array[1:] for array in source.log_probs(recordings)])


def test_bad_input(model: Path, exported: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="Unknown export format"):
        export_model(model, tmp_path / "x", "tflite")
    with pytest.raises(ConfigError, match="no ranges to fix"):
        export_model(model, tmp_path / "x", "onnx", fixed_ranges=True)
    with pytest.raises(ModelError, match=r"holds no model\.safetensors"):
        export_model(exported, tmp_path / "x")
    with pytest.raises(ModelError, match="holds no model.onnx"):
        load_model(model, backend="onnxruntime")
    with pytest.raises(ConfigError, match="Unknown back end"):
        load_model(model, backend="tensorflow")
    with pytest.raises(AudioError, match="shorter than one frame"):
        load_model(exported).log_probs([np.zeros(10, np.float32)])
    with pytest.raises(ModelError, match="hands out no features"):
        load_model(exported).features([np.zeros(RATE, np.float32)])
    assert not (tmp_path / "x").exists()
    with pytest.raises(ConfigError, match="is the model itself"):
        export_model(model, model.parent / "." / model.name)
    assert open_bundle(model).file("model.safetensors").is_file()


def test_a_damaged_network_is_named(exported: Path, tmp_path: Path) -> None:
    from asr.model_folder import add_to_bundle, write_bundle

    def copy(target: Path) -> None:
        for path in exported.iterdir():
            (target / path.name).write_bytes(path.read_bytes())

    (tmp_path / "junk").write_bytes(b"no network")
    add_to_bundle(write_bundle(tmp_path / "other", copy), {"model.onnx": tmp_path / "junk"})
    with pytest.raises(ModelError, match="cannot load"):
        load_model(tmp_path / "other")


def test_devices_go_to_providers() -> None:
    cpu, cuda, tensorrt = (
        "CPUExecutionProvider",
        "CUDAExecutionProvider",
        "TensorrtExecutionProvider",
    )
    assert providers("cpu", [cpu]) == [cpu]
    assert providers("cuda:0", [cpu, cuda]) == [cuda, cpu]
    assert providers("tensorrt", [cpu, cuda, tensorrt]) == [tensorrt, cuda, cpu]
    assert providers("auto", [cpu, cuda, tensorrt]) == [tensorrt, cuda, cpu]
    assert providers("auto", [cpu]) == [cpu]
    with pytest.raises(ConfigError, match="has no CUDAExecutionProvider"):
        providers("cuda", [cpu])
    with pytest.raises(ConfigError, match="Unknown device"):
        providers("mps", [cpu])


def test_command_line(model: Path, tmp_path: Path) -> None:
    from asr.cli import app

    result = CliRunner().invoke(
        app, ["export", str(model), "-o", str(tmp_path / "out"), "--format", "onnx"]
    )
    assert result.exit_code == 0, result.output
    assert "wrote" in result.stdout
    assert "texts equal" in result.stderr
