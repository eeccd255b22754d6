"""8-bit models give the same on processors without 8-bit dot products (VNNI), also emulated."""

from __future__ import annotations

import json
import platform
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnxruntime
import pytest
import torch

from asr import load_model
from asr.audio.synthetic import made_audio
from asr.model_folder import open_model
from asr.onnx import sessions as runtime
from asr.onnx.sessions import products_saturate
from asr.speech.acoustics.network import CtcModelConfig, CtcTask, CtcTaskConfig
from asr.speech.acoustics.onnx import onnx_session
from asr.speech.acoustics.protocol import ONNX_FILE, STREAM_FILE
from asr.speech.export.exporting import export_model
from asr.speech.training.config import SpeechConfig
from asr.speech.training.train import save_speech_model
from asr.text.tokenizers import CharTokenizer

RATE = 16000
SHAPE: dict[str, Any] = {"hidden_dim": 16, "num_layers": 2, "conv_channels": 4}
MODELS: dict[str, dict[str, Any]] = {
    "two directions": {},
    "projected, told": {"projection_dim": 12, "intermediate_layer": 1, "self_conditioned": True},
    "one direction": {"bidirectional": False, "causal": True},
}
QEMU = "qemu-x86_64"  # Debian and Ubuntu: apt-get install qemu-user
PROGRAM = """
import json, sys
import numpy as np
from pathlib import Path
from asr.model_folder import open_model
from asr.onnx import sessions as runtime
from asr.speech.acoustics.onnx import OnnxAcoustics
from asr.text.tokenizers import load_tokenizer

folders, recordings, target = json.loads(sys.argv[1]), np.load(sys.argv[2]), Path(sys.argv[3])
saturates, found = runtime.products_saturate(), {}
for exact in (True, False):
    runtime.products_saturate = lambda: exact and saturates
    for name, folder in folders.items():
        bundle = open_model(folder)
        tokens = load_tokenizer(bundle.path).tokens
        network = OnnxAcoustics(bundle, tokens, threads=1)
        arrays = network.log_probs(list(recordings))
        found |= {f"{exact} {name} {n}": array for n, array in enumerate(arrays)}
np.savez(target, saturates=saturates, **found)
"""


def emulator() -> str | None:
    """Return the emulator's path where it can stand for a processor with AVX2 (from version 7.2
    on).
    """
    path = shutil.which(QEMU)
    if path is None or platform.machine() != "x86_64":
        return None
    text = subprocess.run([path, "--version"], capture_output=True, text=True, check=True).stdout
    version = re.search(r"version (\d+)\.(\d+)", text)
    return path if version and tuple(map(int, version.groups())) >= (7, 2) else None


def save_tiny(folder: Path, model: dict[str, Any]) -> Path:
    torch.manual_seed(3)
    tokenizer = CharTokenizer("abcde")
    task = CtcTask(CtcTaskConfig(model=CtcModelConfig(**SHAPE, **model)), len(tokenizer))
    task.network.output.weight.data *= 30  # a random network that has opinions
    task.normalizer.set_statistics(torch.full((80,), -6.0), torch.full((1,), 3.0))
    save_speech_model(task.eval(), tokenizer, SpeechConfig(), folder)
    return folder


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """8-bit models, by name; the trained ones lie beside them."""
    folder = tmp_path_factory.mktemp("models")
    found = {}
    for number, (name, model) in enumerate(MODELS.items()):
        source = save_tiny(folder / f"trained{number}", model)
        found[name] = export_model(
            source, folder / f"int8-{number}", "onnx-int8", fixed_ranges=True
        ).folder
    return found


@pytest.mark.skipif(
    emulator() is None, reason=f"{QEMU} from 7.2 on emulates the other processor; it is not here"
)
def test_an_emulated_processor_without_vnni_names_the_same_tokens(
    models: dict[str, Path], tmp_path: Path
) -> None:
    recordings = np.stack([made_audio(1.5, RATE, seed) for seed in range(2)])
    np.save(tmp_path / "recordings.npy", recordings)
    folders = json.dumps({name: str(folder) for name, folder in models.items()})
    given = [folders, str(tmp_path / "recordings.npy"), str(tmp_path / "found.npz")]
    command = [emulator(), "-cpu", "Haswell-v4", sys.executable, "-c", PROGRAM, *given]
    subprocess.run(command, check=True, capture_output=True, timeout=800)
    without = []
    with np.load(tmp_path / "found.npz") as found:
        assert found["saturates"]
        for name, folder in models.items():
            source = folder.with_name(folder.name.replace("int8-", "trained"))
            trained = load_model(source, backend="torch").log_probs(list(recordings))
            here = load_model(folder).log_probs(list(recordings))
            exact, plain = ([found[f"{e} {name} {n}"] for n in range(2)] for e in (True, False))
            assert agreement(exact, here) >= 0.99  # what stays in fp32 rounds otherwise there
            assert agreement(exact, trained) >= 0.98
            without.append(agreement(plain, trained))
    assert min(without) < 0.9  # what the exact products are for


def agreement(given: list[npt.NDArray[Any]], expected: list[npt.NDArray[Any]]) -> float:
    pairs = zip(given, expected, strict=True)
    return float(np.mean(np.concatenate([a.argmax(1) == b.argmax(1) for a, b in pairs])))


@pytest.mark.parametrize("saturates", [False, True])
def test_sessions_multiply_exactly_where_they_have_to(
    models: dict[str, Path], monkeypatch: pytest.MonkeyPatch, saturates: bool
) -> None:
    monkeypatch.setattr(runtime, "products_saturate", lambda: saturates)
    entries: list[tuple[str, str]] = []

    class Options(onnxruntime.SessionOptions):  # type: ignore[misc]
        def add_session_config_entry(self, key: str, value: str) -> None:
            entries.append((key, value))
            super().add_session_config_entry(key, value)

    monkeypatch.setattr(onnxruntime, "SessionOptions", Options)
    bundle = open_model(models["one direction"])
    for number, file in enumerate((ONNX_FILE, STREAM_FILE), 1):
        onnx_session(bundle, file)
        assert entries.count(runtime.EXACT_PRODUCTS) == saturates * number


def test_exact_products_are_the_same_wherever_products_do_not_saturate(
    models: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    recording = made_audio(1.5, RATE, 1)
    if products_saturate():
        pytest.skip(
            "products saturate here: the test with the emulator runs on this processor itself"
        )
    plain = {name: load_model(folder).log_probs([recording])[0] for name, folder in models.items()}
    monkeypatch.setattr(runtime, "products_saturate", lambda: True)
    for name, folder in models.items():
        np.testing.assert_allclose(
            load_model(folder).log_probs([recording])[0], plain[name], atol=1e-5
        )


def test_the_trial_multiplies_the_largest_numbers() -> None:
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    weights = numpy_helper.from_array(np.full((4, 1), 127, np.int8), "w")
    x = helper.make_tensor_value_info("x", TensorProto.UINT8, [1, 4])
    y = helper.make_tensor_value_info("y", TensorProto.INT32, [1, 1])
    graph = helper.make_graph(
        [helper.make_node("MatMulInteger", ["x", "w"], ["y"])], "g", [x], [y], [weights]
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    assert onnx.load_from_string(runtime.MULTIPLIES) == model
