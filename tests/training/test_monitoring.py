"""What TensorBoard gets: norms of the gradient by layer with the healthy band, the alignment of a
dev utterance.
"""

from __future__ import annotations

import io
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from matplotlib.image import imread
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from torch import nn

from asr.catalogue import train
from asr.features.config import FeatureConfig
from asr.speech.data.store import FeatureStore
from asr.speech.training.config import SpeechConfig, SpeechDataConfig
from asr.speech.training.train import build_experiment
from asr.training import monitoring
from asr.training.monitoring import GradientMonitor, layer_name
from data_prep.store import write_store

CONFIG = """
task: ctc
data: {train: SPLIT, dev: SPLIT, max_batch_size: 1}
model: {hidden_dim: 8, num_layers: 2, conv_channels: 4}
trainer: {max_epochs: 4, precision: fp32, threads: 1, accelerator: cpu, pictures_every: 3}
"""


@pytest.fixture
def split(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    items = [
        (f"s-{n}", "ab ba", rng.normal(size=(n, 80)).astype(np.float32)) for n in (900, 490, 60)
    ]
    write_store(tmp_path / "split", FeatureConfig(), items)
    return tmp_path / "split"


def test_norms_are_those_of_each_layer_s_matrices() -> None:
    module = nn.Sequential(nn.Linear(2, 2), nn.ReLU(), nn.Linear(2, 1))
    monitor = GradientMonitor(module)
    for number, parameter in enumerate(module.parameters()):
        parameter.grad = torch.full_like(parameter, float(number + 1))
    assert monitor.record(0) == pytest.approx(
        {"0": 2.0, "2": 3.0 * math.sqrt(2)}
    )  # biases are left out
    module[2].weight.grad = None
    assert monitor.record(1)["2"] == 0.0
    assert monitor.norms == {"0": [2.0, 2.0], "2": [pytest.approx(3.0 * math.sqrt(2)), 0.0]}


def test_layers_by_name() -> None:
    names = [
        "network.encoder.layers.3.forward_cell.weight_ih_l0",
        "network.output.weight",
        "network.conv.convs.0.bias",
    ]
    assert [layer_name(n) for n in names] == [
        "network.encoder.layers.3",
        "network.output",
        "network.conv.convs.0",
    ]


def test_the_healthy_band_is_drawn_where_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(monitoring, "MOST", 8)
    module = nn.Linear(2, 2)
    monitor = GradientMonitor(module, clip_norm=2.0)
    for step in range(0, 500, monitoring.EVERY):
        if monitor.is_due(step):
            module.weight.grad = torch.full_like(module.weight, step / 2)
            monitor.record(step)
    axes = monitor.draw().axes[0]
    (band,) = axes.patches
    assert (band.get_y(), band.get_y() + band.get_height()) == pytest.approx((1e-3, 2.0))
    (line,) = axes.lines
    assert line.get_xydata().tolist() == [[s, pytest.approx(s)] for s in monitor.steps]
    assert len(monitor.steps) <= 8
    assert monitor.steps[-1] >= 400
    assert GradientMonitor(module).band == (1e-3, 10.0)


def test_pictures_and_norms_reach_tensorboard(
    split: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(monitoring, "EVERY", 2)
    (tmp_path / "config.yaml").write_text(CONFIG.replace("SPLIT", str(split)))
    train(tmp_path / "config.yaml", [f"output_dir={tmp_path / 'run'}"])
    events = EventAccumulator(str(tmp_path / "run" / "log"), size_guidance={"images": 0})
    events.Reload()
    assert set(events.Tags()["images"]) == {"dev utterance", "gradient norms"}
    assert [e.step for e in events.Images("dev utterance")] == [
        3,
        9,
    ]  # after epochs 1 and 3 of three steps each
    assert [e.step for e in events.Scalars("gradients/network.output")] == [0, 2, 4, 6, 8, 10]
    assert all(e.value > 0 for e in events.Scalars("gradients/network.encoder.layers.1"))
    first, last = (
        imread(io.BytesIO(e.encoded_image_string)) for e in events.Images("dev utterance")
    )
    assert first.shape == last.shape
    assert not np.array_equal(first, last)  # the network has learnt in between


def test_no_pictures_where_none_are_wanted(split: Path, tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text(CONFIG.replace("SPLIT", str(split)))
    train(tmp_path / "config.yaml", [f"output_dir={tmp_path / 'run'}", "trainer.pictures_every=0"])
    events = EventAccumulator(str(tmp_path / "run" / "log"))
    events.Reload()
    assert events.Tags()["images"] == []
    assert not [tag for tag in events.Tags()["scalars"] if tag.startswith("gradients/")]


def test_the_alignment_is_that_of_the_utterance_nearest_to_five_seconds(
    split: Path, tmp_path: Path
) -> None:
    config = SpeechConfig(data=SpeechDataConfig(str(split), str(split)))
    experiment = build_experiment(config, tmp_path)
    assert experiment.pictures is not None
    with torch.inference_mode():
        figure = experiment.pictures(experiment.task.eval())["dev utterance"]
    above, below = figure.axes
    shown: Any = above.images[0].get_array()
    np.testing.assert_allclose(shown, FeatureStore.open(split).features(1).T)
    assert below.get_xlim() == pytest.approx((0, 4.9))
