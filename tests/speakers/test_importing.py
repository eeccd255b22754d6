"""Speaker embeddings in ONNX that another toolkit trained: small graphs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from asr.cli import main
from asr.errors import ConfigError, ModelError
from asr.speakers.embedder import SpeakerEmbedder
from asr.speakers.importing import import_speakers

onnx = pytest.importorskip("onnx")
helper, TENSOR = onnx.helper, onnx.TensorProto
RATE = 16000


def graph(path: Path, shape: list[str | int], node: str = "ReduceMean") -> Path:
    """Write a network whose embedding is the mean over time, or what else the node gives."""
    inputs = [helper.make_tensor_value_info("x", TENSOR.FLOAT, shape)]
    output = helper.make_tensor_value_info("y", TENSOR.FLOAT, None)
    given = {"axes": [1], "keepdims": 0} if node == "ReduceMean" else {}
    made = helper.make_graph([helper.make_node(node, ["x"], ["y"], **given)], "g", inputs, [output])
    model = helper.make_model(made, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    onnx.save(model, str(path))
    return path


def tone(hz: float) -> np.ndarray:
    time_s = np.arange(3 * RATE) / RATE
    beat = 1 + np.sin(2 * np.pi * 4 * time_s)
    return (0.1 * np.sin(2 * np.pi * hz * time_s) * beat).astype(np.float32)


@pytest.mark.parametrize("shape", [["B", "T", 24], [1, "T", 24], ["B", 160, 24]])
def test_a_foreign_network_embeds_voices(shape: list[str | int], tmp_path: Path) -> None:
    folder = tmp_path / "voices"
    with pytest.raises(SystemExit) as done:
        main(
            [
                *("import", str(graph(tmp_path / "a.onnx", shape)), "--speakers"),
                *("--features", "icefall", "--feature", "n_mels=24", "-o", str(folder)),
            ]
        )
    assert not done.value.code
    embedder = SpeakerEmbedder.load(folder)
    low, again, high = (embedder.voice(tone(hz), RATE).embedding for hz in (300, 310, 3000))
    assert low.shape == (24,)
    assert low @ again > 0.9 > low @ high
    frames = embedder.frames(tone(300))
    length = shape[1] if isinstance(shape[1], int) else 150
    found = embedder.embed_stretches([frames], 1.5, 0.5)[0]
    middles, rows = found.middles, found.embeddings
    mean = frames[:length].mean(0)
    assert np.allclose(rows[0], mean / np.linalg.norm(mean), atol=1e-5)
    assert middles[0] == pytest.approx(length / 200)


def test_the_mean_of_each_window_is_taken_away(tmp_path: Path) -> None:
    path = graph(tmp_path / "a.onnx", ["B", "T", 80])
    with pytest.raises(ModelError, match="embeddings"):
        import_speakers(graph(tmp_path / "b.onnx", ["B", "T", 80], "Identity"), tmp_path / "no")
    made = import_speakers(path, tmp_path / "voices")
    assert made.centred
    assert made.dim == 80
    rows = SpeakerEmbedder.load(made.folder).embed_windows(np.ones((1, 150, 80), np.float32))
    assert np.allclose(rows, 0)


def test_a_network_of_samples(tmp_path: Path) -> None:
    path = graph(tmp_path / "a.onnx", ["B", "N"], "Identity")
    embedder = SpeakerEmbedder.load(import_speakers(path, tmp_path / "v", "samples").folder)
    found = embedder.embed_stretches([tone(300)], 1.5, 0.5)[0]
    middles, rows = found.middles, found.embeddings
    assert rows.shape == (4, 1.5 * RATE)
    assert np.allclose(middles, [0.75, 1.25, 1.75, 2.25])


def test_what_cannot_be_imported(tmp_path: Path) -> None:
    path = graph(tmp_path / "a.onnx", ["B", "T", 24])
    with pytest.raises(ModelError, match="does not take"):
        import_speakers(path, tmp_path / "v")
    with pytest.raises(ModelError, match="needed is one, samples"):
        import_speakers(path, tmp_path / "v", "samples")
    with pytest.raises(ConfigError, match="unknown"):
        import_speakers(path, tmp_path / "v", "mine")
    with pytest.raises(ModelError, match="no file"):
        import_speakers(tmp_path / "none.onnx", tmp_path / "v")
    assert not (tmp_path / "v").exists()
