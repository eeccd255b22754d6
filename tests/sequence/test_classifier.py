"""Classification of sequences: padding and embeddings, and settings that are refused."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from asr.errors import ConfigError
from asr.sequence.classifier import ClassifierConfig, ClassifierNetwork

SHAPES = {
    "plain": ClassifierConfig(hidden_dim=6),
    "conv": ClassifierConfig(hidden_dim=6, conv_layers=2, conv_channels=5, pooling="max"),
    "heads": ClassifierConfig(
        hidden_dim=6, num_layers=2, attention_heads=3, pooling="mean", head_dim=7
    ),
    "window": ClassifierConfig(hidden_dim=6, attention_heads=2, attention_window=3),
    "forward": ClassifierConfig(hidden_dim=6, bidirectional=False, cell="gru", pooling="last"),
    "peephole": ClassifierConfig(
        hidden_dim=6, cell="peephole_lstm", pooling="last", projection_dim=4, variational=True
    ),
}


@pytest.mark.parametrize("shape", SHAPES)
def test_padding_and_batch_never_change_a_result(shape: str) -> None:
    torch.manual_seed(0)
    network = ClassifierNetwork(SHAPES[shape], 3, 3, static_dim=2).eval()
    rng = np.random.default_rng(0)
    x_lens = torch.tensor([13, 9, 4, 1])
    x = torch.from_numpy(rng.standard_normal((4, 13, 3)).astype(np.float32))
    static = torch.from_numpy(rng.standard_normal((4, 2)).astype(np.float32))
    together = network(x, x_lens, static)
    assert together.shape == (4, 3)
    for row, n in enumerate(x_lens.tolist()):
        alone = network(x[row : row + 1, :n], x_lens[row : row + 1], static[row : row + 1])
        torch.testing.assert_close(together[row], alone[0], atol=1e-6, rtol=1e-5)


def test_tokens_pass_through_an_embedding() -> None:
    torch.manual_seed(0)
    embedding = nn.Embedding(10, 5, padding_idx=0)
    network = ClassifierNetwork(ClassifierConfig(hidden_dim=6), 5, 3, embedding=embedding).eval()
    tokens, lens = torch.tensor([[3, 4, 9], [2, 0, 0]]), torch.tensor([3, 1])
    scores = network(tokens, lens)
    torch.testing.assert_close(scores[1:], network(tokens[1:, :1], lens[1:]))
    scores.sum().backward()
    assert embedding.weight.grad is not None


@pytest.mark.parametrize(
    "setting", [{"pooling": "middle"}, {"cell": "rnn"}, {"dropout": 1.5}, {"num_layers": 0}]
)
def test_wrong_settings_are_named(setting: dict[str, object]) -> None:
    with pytest.raises(ConfigError, match=f"model.{next(iter(setting))}"):
        ClassifierConfig(**setting)  # type: ignore[arg-type]
