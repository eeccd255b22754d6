"""The network: padding, loudness, its exported form."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from asr.features.front_end import FrontEnd
from asr.sequence.pooling import AttentiveStatistics
from asr.speakers.config import EmbeddingConfig, front_end
from asr.speakers.graph import EmbeddingGraph
from asr.speakers.network import EmbeddingNetwork

SMALL = EmbeddingConfig(conv_channels=12, hidden_dim=10, attention_dim=6, dim=8)


def network(config: EmbeddingConfig = SMALL) -> EmbeddingNetwork:
    torch.manual_seed(0)
    made = EmbeddingNetwork(config, 16)
    made.set_statistics(np.full(16, -3.0), np.full(16, 2.0))
    for name, buffer in made.named_buffers():
        if name.endswith("running_var"):
            buffer.uniform_(0.5, 2)
    return made.eval()


@pytest.mark.parametrize("front", ["time", "residual"])
def test_padding_and_loudness_change_nothing(front: str) -> None:
    made, x = network(replace(SMALL, front=front)), torch.randn(1, 90, 16)
    alone = made(x, torch.tensor([90]))
    padded = made(torch.cat([x + 4, torch.full((1, 30, 16), 9.0)], 1), torch.tensor([90]))
    assert torch.allclose(alone, padded, atol=1e-5)
    assert torch.allclose(alone.norm(dim=-1), torch.ones(1))


def test_the_graph_is_the_network() -> None:
    deep = EmbeddingConfig(12, (2, 1), 3, "gru", 6, 2, True, 4, 8, overlap_dim=5)
    residual = EmbeddingConfig(8, hidden_dim=6, attention_dim=4, dim=8, front="residual")
    for config in (SMALL, residual, deep):
        made, x = network(config), torch.randn(3, 77, 16)
        graph = EmbeddingGraph(made).eval()
        steps = -(-77 // math.prod(config.conv_strides))
        windows = torch.kron(torch.eye(3), torch.ones(1, steps))
        lens = torch.full((3,), 77)
        embeddings, *overlap = graph(x, windows)
        assert torch.allclose(embeddings, made(x, lens), atol=1e-5)
        assert len(overlap) == (config.overlap_dim > 0)
    assert made.overlap is not None
    both = made.overlap(*made.convolved(x, lens)).sigmoid()
    assert both.shape == (3, steps)
    assert torch.allclose(overlap[0], both, atol=1e-5)


def test_attentive_statistics_are_weighted_moments() -> None:
    torch.manual_seed(0)
    pooling, x = AttentiveStatistics(5), torch.randn(1, 7, 5)
    weights = pooling.attention.weights(x, torch.tensor([7]))[0].detach().numpy()
    mean = np.average(x[0].numpy(), axis=0, weights=weights)
    variance = np.average((x[0].numpy() - mean) ** 2, axis=0, weights=weights)
    pooled = pooling(x, torch.tensor([7]))[0].detach().numpy()
    assert np.allclose(pooled, np.r_[mean, np.sqrt(np.maximum(variance, 1e-4))], atol=1e-5)


def test_a_copy_at_another_speed_is_the_sound_at_another_rate() -> None:
    from asr.audio.perturbation import change_speed

    rng = np.random.default_rng(0)
    time_s = np.arange(16000) / 16000
    sound = sum(np.sin(2 * np.pi * 150 * k * time_s) / k for k in range(1, 20))
    sound = (0.1 * sound + 0.01 * rng.standard_normal(16000)).astype(np.float32)
    features: FrontEnd = front_end()
    ours = replace(features, sample_rate=round(16000 * 1.1))(sound)
    theirs = features(change_speed(sound, 16000, 1.1))
    count = min(len(ours), len(theirs)) - 2
    assert abs(len(ours) - len(theirs)) <= 1
    difference = ours[2:count, :56] - theirs[2:count, :56]
    assert abs(np.median(difference) - 2 * np.log(1.1)) < 0.15  # the window has more samples
    assert np.abs(difference - np.median(difference)).mean() < 0.2
