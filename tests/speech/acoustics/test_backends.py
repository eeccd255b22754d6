"""A model folder with trained weights (half precision) and an exported network: each use takes the
one that suits.
"""

from __future__ import annotations

import gzip
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from typer.testing import CliRunner

from asr import load_model
from asr.audio.synthetic import made_audio
from asr.cli import app
from asr.errors import DataError, ModelError
from asr.features.config import FeatureConfig
from asr.lm import estimate
from asr.lm.arpa import write_arpa
from asr.model_folder import Bundle, compact_bundle, open_bundle
from asr.scale import transcribe as bulk
from asr.speech.acoustics.backends import choose_backend
from asr.speech.acoustics.network import CtcModelConfig, CtcTask, CtcTaskConfig
from asr.speech.acoustics.onnx import OnnxStreamingNetwork
from asr.speech.acoustics.protocol import ONNX_FILE
from asr.speech.acoustics.pytorch import TorchStreamingNetwork
from asr.speech.export.exporting import export_model
from asr.speech.export.pruning import prune_weights
from asr.speech.jobs.bench import open_backends
from asr.speech.jobs.evaluate import emissions, evaluate
from asr.speech.options import ModelOptions
from asr.speech.streaming import EndpointConfig, StreamingRecognizer
from asr.speech.training.config import SpeechConfig, SpeechDataConfig
from asr.speech.training.train import build_experiment, save_speech_model
from asr.text.tokenizers import CharTokenizer
from data_prep.store import write_store

RATE = 16000
SHAPE = CtcModelConfig(hidden_dim=16, num_layers=2, conv_channels=4)


def save_tiny(folder: Path, shape: CtcModelConfig) -> Path:
    torch.manual_seed(3)
    tokenizer = CharTokenizer("abcde")
    task = CtcTask(CtcTaskConfig(model=shape), len(tokenizer))
    task.network.output.weight.data *= 30  # a random network that has opinions
    task.normalizer.set_statistics(torch.full((80,), -6.0), torch.full((1,), 3.0))
    save_speech_model(task.eval(), tokenizer, SpeechConfig(), folder)
    return folder


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny(tmp_path_factory.mktemp("models") / "trained", SHAPE)


@pytest.fixture(scope="module")
def exported(trained: Path) -> Path:
    return export_model(trained, trained.parent / "exported").folder


@pytest.fixture(scope="module")
def both(trained: Path, exported: Path) -> Path:
    work = trained.parent
    write_arpa(estimate([["a cab", "a bad cab"]], order=2), work / "lm.arpa")
    (work / "lm.arpa.gz").write_bytes(gzip.compress((work / "lm.arpa").read_bytes()))
    return compact_bundle(
        trained, work / "both", {ONNX_FILE: exported / ONNX_FILE, "lm.arpa.gz": work / "lm.arpa.gz"}
    )


@pytest.fixture
def split(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    items = [(f"s{n}", "a cab", rng.normal(size=(60, 80)).astype(np.float32)) for n in range(3)]
    write_store(tmp_path / "split", FeatureConfig(), items)
    return tmp_path / "split"


@pytest.mark.parametrize(
    ("files", "device", "chosen"),
    [
        ("both", "cpu", "onnxruntime"),
        ("both", "auto", "onnxruntime"),
        ("both", "tensorrt", "onnxruntime"),
        ("both", "cuda", "torch"),
        ("both", "cuda:1", "torch"),
        ("weights", "cpu", "torch"),
        ("onnx", "cuda", "onnxruntime"),
    ],
)
def test_the_device_decides(files: str, device: str, chosen: str) -> None:
    names = {
        "both": ("model.safetensors", ONNX_FILE),
        "weights": ("model.safetensors",),
        "onnx": (ONNX_FILE,),
    }[files]
    bundle = Bundle(Path("m"), {}, names)
    assert choose_backend(bundle, device=device) == chosen
    if files == "both":
        assert {choose_backend(bundle, name, device) for name in ("torch", "onnxruntime")} == {
            "torch",
            "onnxruntime",
        }


def test_both_networks_hear_the_same_and_half_precision_weights_are_used_as_fp32(
    both: Path,
) -> None:
    onnx, weights = load_model(both), load_model(both, backend="torch")
    assert (onnx.backend, weights.backend) == ("onnxruntime", "torch")
    assert {w.dtype for w in open_bundle(both).weights().values() if w.is_floating_point()} == {
        torch.float16
    }
    assert {p.dtype for p in weights.acoustics.task.parameters()} == {torch.float32}
    sound = made_audio(1.5, RATE, 1)
    a, b = (model.log_probs([sound])[0] for model in (onnx, weights))
    assert (a.argmax(1) == b.argmax(1)).mean() > 0.9
    with pytest.raises(ModelError, match="backend='torch'"):
        onnx.features([sound])


def test_transcribing_on_the_processor_needs_no_torch(both: Path, tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", made_audio(1.0, RATE, 5), RATE, subtype="FLOAT")
    program = (
        "import sys; sys.modules['torch'] = None; from asr.cli import main; main(sys.argv[1:])"
    )
    arguments = ["transcribe", str(tmp_path / "a.wav"), "--model", str(both), "--threads", "1"]
    run = subprocess.run(
        [sys.executable, "-c", program, *arguments], capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stderr
    assert run.stdout.strip() == load_model(both, threads=1).transcribe(tmp_path / "a.wav").text
    forced = subprocess.run(
        [sys.executable, "-c", program, *arguments, "--backend", "torch"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert forced.returncode == 1
    assert "asr[train]" in forced.stderr


def test_a_back_end_that_cannot_be_had_is_refused(trained: Path) -> None:
    missing = CliRunner().invoke(
        app, ["transcribe", "a.wav", "--model", str(trained), "--backend", "onnxruntime"]
    )
    assert missing.exit_code == 1
    assert "holds no model.onnx" in str(missing.exception)


def test_workers_get_the_back_end(both: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[ModelOptions] = []

    def transcribe(inputs: list[str], options: ModelOptions, **others: object) -> int:
        given.append(options)
        return 0

    monkeypatch.setattr(bulk, "transcribe_on_ray", transcribe)
    options = ["--model", "x", "--backend", "torch", "--ray", "local", "-o", "texts"]
    assert CliRunner().invoke(app, ["transcribe", "a.wav", *options]).exit_code == 0
    assert given[-1].backend == "torch"
    keys = {
        bulk._settings_key(bulk.BulkConfig(str(both), "o", ("txt",), backend=name))
        for name in ("auto", "torch")
    }
    assert len(keys) == 2  # what one of them wrote is not taken for what the other would


def test_evaluation_takes_the_weights(
    both: Path, exported: Path, split: Path, tmp_path: Path
) -> None:
    (split / "cuts.jsonl.gz").touch()
    table = evaluate(
        ModelOptions(both),
        [split / "cuts.jsonl.gz"],
        tmp_path / "out",
        tune_on=split / "cuts.jsonl.gz",
    )
    assert (tmp_path / "out" / "split" / "hypotheses.tsv").is_file()
    assert "greedy" in table
    assert "beam+lm" in table
    # an exported network takes samples: it wants the recordings that the manifest names
    with pytest.raises(DataError, match="lacks the utterance"):
        evaluate(ModelOptions(exported), [split], tmp_path / "out")
    with pytest.raises(DataError, match="lacks the utterance"):
        emissions(load_model(both), split)


def test_fine_tuning_starts_from_the_weights(
    both: Path, trained: Path, exported: Path, split: Path
) -> None:
    config = SpeechConfig(
        data=SpeechDataConfig(str(split), str(split)), model=SHAPE, init_from=str(both)
    )
    state = build_experiment(config, split.parent / "run").task.state_dict()
    for name, weight in open_bundle(trained).weights().items():
        assert state[name].dtype == weight.dtype
        torch.testing.assert_close(state[name], weight.half().to(weight.dtype), rtol=0, atol=0)
    with pytest.raises(ModelError, match=r"holds no model\.safetensors, only an exported network"):
        build_experiment(replace(config, init_from=str(exported)), split.parent / "run")


def test_what_is_made_from_the_weights_holds_no_old_network(both: Path, tmp_path: Path) -> None:
    report = export_model(both, tmp_path / "onnx")
    assert all(check.equal_texts == len(check.clips_s) for check in report.checks)
    assert "model.safetensors" not in open_bundle(report.folder).files
    pruned = open_bundle(prune_weights(both, tmp_path / "pruned", 0.5).folder)
    assert {"model.safetensors", "lm.arpa.gz"} <= set(pruned.files)
    assert ONNX_FILE not in pruned.files
    program = export_model(both, tmp_path / "program", "torch-export")
    assert ONNX_FILE not in open_bundle(program.folder).files


def test_both_can_be_measured(both: Path, trained: Path) -> None:
    assert {name: b.path for name, b in open_backends(both).items()} == {
        "torch": both,
        "onnx": both,
    }
    assert {name: b.path for name, b in open_backends(trained).items()} == {"torch": trained}


@pytest.mark.parametrize("backend", ["auto", "torch"])
def test_the_service_says_which_it_runs(both: Path, backend: str) -> None:
    pytest.importorskip("fastapi")
    from asr.serve.config import ServeConfig
    from asr.serve.metrics import ServiceMetrics
    from asr.serve.models import Fleet

    (described,) = Fleet([both], ServeConfig(backend=backend), ServiceMetrics()).describe()
    assert described["backend"] == {"auto": "onnxruntime", "torch": "torch"}[backend]
    assert described["streaming"] is False


@pytest.mark.parametrize("conditioned", [False, True])
def test_streams_take_what_the_folder_has_for_them(tmp_path: Path, conditioned: bool) -> None:
    shape = replace(
        SHAPE, bidirectional=False, causal=True, intermediate_layer=1, self_conditioned=conditioned
    )
    source = save_tiny(tmp_path / "source", shape)
    made = export_model(source, tmp_path / "exported").folder
    whole_only = compact_bundle(source, tmp_path / "a", {ONNX_FILE: made / ONNX_FILE})
    with_stream = compact_bundle(
        source, tmp_path / "b", {n: made / n for n in (ONNX_FILE, "stream.onnx")}
    )
    kinds, texts = [], []
    for folder in (whole_only, with_stream):
        recognizer = StreamingRecognizer(load_model(folder), EndpointConfig(silence_s=0))
        kinds.append(type(recognizer.network))
        texts.append([result.text for result in recognizer.transcribe(made_audio(1.0, RATE, 1))])
    assert kinds == [TorchStreamingNetwork, OnnxStreamingNetwork]
    assert texts[0]
    assert texts[0][0][:3] == texts[1][0][:3]
