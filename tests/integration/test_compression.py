"""Compression through the ordinary training: zeros that stay, a student beside its teacher."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from asr.catalogue import train
from asr.errors import ConfigError, ModelError
from asr.features.config import FeatureConfig
from asr.model_folder import open_bundle
from asr.speech.export.pruning import prune_units, prune_weights
from data_prep.store import write_store

CONFIG = """
task: ctc
data: {train: TRAIN, dev: DEV, max_batch_size: 2}
model: {hidden_dim: 8, num_layers: 2, conv_channels: 4}
optimizer: {lr: 0.01, weight_decay: 0.1, average_decay: 0.5}
trainer: {max_epochs: 2, precision: fp32, threads: 1, accelerator: cpu, pictures_every: 0}
"""


def items(*named: tuple[str, str, int]) -> list[tuple[str, str, np.ndarray[Any, Any]]]:
    rng = np.random.default_rng(0)
    return [
        (name, text, rng.normal(size=(frames, 80)).astype(np.float32))
        for name, text, frames in named
    ]


@pytest.fixture
def config(tmp_path: Path) -> Path:
    good = items(("s1-a", "ab ba", 80), ("s1-b", "b a", 60), ("s2-c", "aab", 50), ("s2-d", "b", 40))
    write_store(tmp_path / "train", FeatureConfig(), good)
    write_store(tmp_path / "dev", FeatureConfig(), good[:2])
    path = tmp_path / "config.yaml"
    path.write_text(
        CONFIG.replace("TRAIN", str(tmp_path / "train")).replace("DEV", str(tmp_path / "dev"))
    )
    return path


@pytest.fixture
def model(config: Path, tmp_path: Path) -> Path:
    return train(config, [f"output_dir={tmp_path / 'large'}", "trainer.max_epochs=1"])


def test_zeros_stay_zero_and_the_rest_learns(config: Path, model: Path, tmp_path: Path) -> None:
    sparse = prune_weights(model, tmp_path / "sparse", 0.6).folder
    tuned = train(
        config, [f"output_dir={tmp_path / 'tuned'}", f"init_from={sparse}", "keep_zeros=true"]
    )
    before, after = open_bundle(sparse).weights(), open_bundle(tuned).weights()
    matrices = [n for n in before if n.startswith("network.") and before[n].dim() > 1]
    for name in matrices:
        assert torch.equal(before[name] == 0, after[name] == 0), name
        assert not torch.equal(before[name], after[name]), name
    free = open_bundle(
        train(config, [f"output_dir={tmp_path / 'free'}", f"init_from={sparse}"])
    ).weights()
    left, held = (
        sum(int((weights[name] == 0).sum()) for name in matrices) for weights in (free, before)
    )
    assert left < 0.1 * held


def test_pruned_units_are_tuned_as_any_model(config: Path, model: Path, tmp_path: Path) -> None:
    small = prune_units(model, tmp_path / "small", 5).folder
    shape = ["model.hidden_dim=5", "model.projection_dim=16"]
    tuned = train(config, [f"output_dir={tmp_path / 'tuned'}", f"init_from={small}", *shape])
    before, after = open_bundle(small).weights(), open_bundle(tuned).weights()
    assert {n: w.shape for n, w in before.items()} == {n: w.shape for n, w in after.items()}
    name = "network.encoder.projections.0.weight"
    assert not torch.equal(before[name], after[name])


@pytest.mark.parametrize("kind", ["frames", "sequences"])
def test_a_student_learns_beside_its_teacher(
    config: Path, model: Path, tmp_path: Path, kind: str
) -> None:
    distillation = [
        f"distillation.teacher={model}",
        f"distillation.kind={kind}",
        "model.hidden_dim=4",
    ]
    losses = {}
    for weight in (0, 0.9):
        run = tmp_path / f"student{weight}"
        student = train(
            config, [f"output_dir={run}", *distillation, f"distillation.weight={weight}"]
        )
        assert (student / "tokenizer.json").read_bytes() == (model / "tokenizer.json").read_bytes()
        losses[weight] = (run / "log" / "metrics.jsonl").read_text()
    alone = open_bundle(train(config, [f"output_dir={tmp_path / 'alone'}", "model.hidden_dim=4"]))
    taught = open_bundle(tmp_path / "student0.9").weights()
    assert alone.weights().keys() == taught.keys()
    for name, weight in open_bundle(tmp_path / "student0").weights().items():
        assert torch.equal(weight, alone.weights()[name]), (
            name
        )  # a teacher without weight changes nothing
    name = "network.output.weight"
    assert not torch.equal(taught[name], alone.weights()[name])
    assert losses[0] != losses[0.9]


def test_a_stopped_student_goes_on_where_it_was(config: Path, model: Path, tmp_path: Path) -> None:
    options = [f"distillation.teacher={model}", "optimizer.schedule=constant", "optimizer.warmup=0"]
    whole = open_bundle(train(config, [f"output_dir={tmp_path / 'a'}", *options])).weights()
    train(config, [f"output_dir={tmp_path / 'b'}", *options, "trainer.max_epochs=1"])
    resumed = open_bundle(train(config, [f"output_dir={tmp_path / 'b'}", *options])).weights()
    assert all(torch.equal(whole[name], resumed[name]) for name in whole)


def test_what_cannot_be(config: Path, model: Path, tmp_path: Path) -> None:
    out = f"output_dir={tmp_path / 'x'}"
    with pytest.raises(ConfigError, match="keep_zeros needs a model"):
        train(config, [out, "keep_zeros=true"])
    with pytest.raises(ModelError, match="There is no model .nowhere"):
        train(config, [out, "distillation.teacher=nowhere"])
    with pytest.raises(ConfigError, match="model.subsampling is 2"):
        train(config, [out, f"distillation.teacher={model}", "model.subsampling=2"])
    write_store(tmp_path / "train", FeatureConfig(), items(("s1-a", "cd dc", 80)))
    other = train(config, [f"output_dir={tmp_path / 'other'}", "trainer.max_epochs=1"])
    with pytest.raises(ConfigError, match="other tokens than the student"):
        train(config, [out, f"distillation.teacher={model}", f"init_from={other}"])
