"""Pruning: what is taken, and that the smaller network computes what the larger one does without
it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from asr import load_model
from asr.audio.synthetic import made_audio
from asr.errors import ConfigError, ModelError
from asr.model_folder import open_bundle
from asr.speech.acoustics.network import CtcModelConfig, CtcTask, CtcTaskConfig
from asr.speech.acoustics.pytorch import load_task
from asr.speech.export.exporting import export_model
from asr.speech.export.pruning import prune_units, prune_weights
from asr.speech.training.config import SpeechConfig
from asr.speech.training.train import save_speech_model
from asr.text.tokenizers import CharTokenizer

SHAPES: dict[str, dict[str, Any]] = {
    "default": {},
    "one direction, GRU": {"cell": "gru", "bidirectional": False, "causal": True},
    "projection": {"projection_dim": 6},
    "plain": {"residual": False, "norm": "none"},
    "self-conditioned": {"intermediate_layer": 1, "self_conditioned": True},
}
OLD, NEW = 8, 5
GATES = {"lstm": 4, "gru": 3}


def save_tiny(folder: Path, **shape: Any) -> Path:
    torch.manual_seed(1)
    tokenizer = CharTokenizer("abcde")
    config = CtcModelConfig(**{"hidden_dim": OLD, "num_layers": 2, "conv_channels": 4, **shape})
    task = CtcTask(CtcTaskConfig(model=config), len(tokenizer))
    for parameter in task.network.encoder.parameters():
        parameter.data += 0.3 * torch.randn_like(parameter)  # biases and norms too
    save_speech_model(task.eval(), tokenizer, SpeechConfig(), folder)
    return folder


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES.keys())
def test_fewer_units_compute_what_the_old_network_does_with_the_others_silent(
    tmp_path: Path, shape: dict[str, Any]
) -> None:
    model = save_tiny(tmp_path / "m", **shape)
    report = prune_units(model, tmp_path / "small", NEW)
    old, new = load_model(model).acoustics, load_model(tmp_path / "small").acoustics
    cells = [
        cell
        for layer in old.task.network.encoder.layers
        for cell in (layer.forward_cell, layer.backward_cell)
        if cell
    ]
    smaller = [
        cell
        for layer in new.task.network.encoder.layers
        for cell in (layer.forward_cell, layer.backward_cell)
        if cell
    ]
    for cell, small in zip(cells, smaller, strict=True):
        assert small.hidden_size == NEW
        gates = GATES[new.task.config.model.cell]
        rows = cell.bias_ih_l0.view(gates, OLD)
        kept = [n for n in range(OLD) if (small.bias_ih_l0.view(gates, NEW)[0] == rows[0, n]).any()]
        assert len(kept) == NEW
        silent = [n + gate * OLD for n in range(OLD) if n not in kept for gate in range(gates)]
        for parameter in cell.parameters():  # no input, no memory, no bias: zero at every step
            parameter.data[silent] = 0
    sounds = [made_audio(1.0, seed=1), made_audio(0.6, seed=2)]
    for a, b in zip(old.log_probs(sounds), new.log_probs(sounds), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-5)
    assert report.hidden_dim == NEW
    assert report.parameters == sum(p.numel() for p in new.task.network.parameters()) + _buffers(
        new.task
    )
    assert report.source_parameters == sum(
        p.numel() for p in old.task.network.parameters()
    ) + _buffers(old.task)


def _buffers(task: CtcTask) -> int:
    return sum(b.numel() for b in task.network.buffers())


def test_the_weakest_units_go(tmp_path: Path) -> None:
    model = save_tiny(tmp_path / "m")
    task = load_task(open_bundle(model), len(CharTokenizer("abcde")))
    weak = [1, 4, 6]
    for layer in task.network.encoder.layers:
        for parameter in (*layer.forward_cell.parameters(), *layer.backward_cell.parameters()):
            parameter.data.view(4, OLD, -1)[:, weak] *= 1e-3
            if parameter.dim() > 1 and parameter.size(1) == OLD:
                parameter.data[:, weak] *= 1e-3
    save_speech_model(task, CharTokenizer("abcde"), SpeechConfig(), model)
    prune_units(model, tmp_path / "small", NEW)
    sounds = [made_audio(1.0, seed=1)]
    before, after = (
        load_model(folder).log_probs(sounds)[0] for folder in (model, tmp_path / "small")
    )
    np.testing.assert_allclose(before, after, atol=0.02)


def test_a_pruned_folder_is_an_ordinary_one(tmp_path: Path) -> None:
    small = prune_units(save_tiny(tmp_path / "m"), tmp_path / "small", NEW).folder
    assert export_model(small, tmp_path / "onnx").agreement == 1.0
    assert prune_units(small, tmp_path / "smaller", 3).hidden_dim == 3
    assert prune_weights(small, tmp_path / "sparse", 0.5).hidden_dim == NEW


@pytest.mark.parametrize("sparsity", [0.0, 0.5, 0.9])
def test_the_smallest_weights_become_zero(tmp_path: Path, sparsity: float) -> None:
    model = save_tiny(tmp_path / "m")
    report = prune_weights(model, tmp_path / "sparse", sparsity)
    before, after = open_bundle(model).weights(), open_bundle(tmp_path / "sparse").weights()
    matrices = [n for n in before if n.startswith("network.") and before[n].dim() > 1]
    zeros = sum(int((after[n] == 0).sum()) for n in matrices)
    assert zeros == pytest.approx(sparsity * sum(before[n].numel() for n in matrices), abs=2)
    assert report.parameters - report.nonzero >= zeros
    for name, weight in before.items():
        kept = after[name] != 0
        if name not in matrices:
            assert torch.equal(weight, after[name]), name
            continue
        assert torch.equal(weight[kept], after[name][kept])
        if kept.any() and not kept.all():
            assert float(weight[kept].abs().min()) >= float(weight[~kept].abs().max())


def test_what_cannot_be_pruned(tmp_path: Path) -> None:
    model = save_tiny(tmp_path / "m")
    for count in (0, OLD, 99):
        with pytest.raises(ConfigError, match=f"hidden_dim is {count}, the model has {OLD}"):
            prune_units(model, tmp_path / "x", count)
    with pytest.raises(ConfigError, match="sparsity"):
        prune_weights(model, tmp_path / "x", 1.0)
    with pytest.raises(ModelError, match="peephole_lstm"):
        prune_units(save_tiny(tmp_path / "p", cell="peephole_lstm"), tmp_path / "x", NEW)
    with pytest.raises(ModelError, match="an exported model"):
        prune_weights(export_model(model, tmp_path / "onnx").folder, tmp_path / "x", 0.5)
    assert not (tmp_path / "x").exists()
