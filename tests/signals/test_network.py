"""The classifier: padding, loss, and that it learns what only order or only a static feature tells."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from asr.errors import ConfigError
from asr.sequence.classifier import ClassifierConfig, ClassifierNetwork
from asr.signals.batches import LabelledBatch, LabelledLoader
from asr.signals.network import AugmentConfig, ClassifierTask, ClassifierTaskConfig

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


def batch(count: int = 4, width: int = 3, static: int = 2) -> LabelledBatch:
    rng = np.random.default_rng(0)
    sequences = [rng.standard_normal((int(n), width)).astype(np.float32) for n in (13, 9, 4, 1)][
        :count
    ]
    labels = np.array([0, 1, 2, 1])[:count]
    statics = rng.standard_normal((count, static)).astype(np.float32)
    return LabelledLoader(sequences, labels, statics, 8, shuffle=False).load(0, 0)


@pytest.mark.parametrize("shape", SHAPES)
def test_padding_and_batch_never_change_a_result(shape: str) -> None:
    torch.manual_seed(0)
    network = ClassifierNetwork(SHAPES[shape], 3, 3, static_dim=2).eval()
    b = batch()
    together = network(b.x, b.x_lens, b.static)
    assert together.shape == (4, 3)
    for row, n in enumerate(b.x_lens.tolist()):
        alone = network(b.x[row : row + 1, :n], b.x_lens[row : row + 1], b.static[row : row + 1])
        torch.testing.assert_close(together[row], alone[0], atol=1e-6, rtol=1e-5)


def test_tokens_pass_through_an_embedding() -> None:
    torch.manual_seed(0)
    config = ClassifierTaskConfig(ClassifierConfig(hidden_dim=6), AugmentConfig(noise=1.0))
    task = ClassifierTask(config, 5, 3, embedding=nn.Embedding(10, 5, padding_idx=0)).eval()
    tokens, lens = torch.tensor([[3, 4, 9], [2, 0, 0]]), torch.tensor([3, 1])
    scores = task(tokens, lens)
    torch.testing.assert_close(scores[1:], task(tokens[1:, :1], lens[1:]))
    b = LabelledBatch(tokens, lens, torch.zeros(2, 0), torch.tensor([0, 2]), ("0", "1"))
    task.loss(b, torch.Generator()).total.backward()
    assert task.network.embedding.weight.grad is not None


def test_loss_is_the_weighted_mean_of_torch() -> None:
    torch.manual_seed(0)
    task = ClassifierTask(
        ClassifierTaskConfig(ClassifierConfig(hidden_dim=6, dropout=0.0)), 3, 3, 2
    )
    task.set_statistics(
        mean=[1.0, 0, 0], std=[2.0, 1, 1], class_weights=[0.5, 2.0, 1.0], static_mean=[1.0, 0]
    )
    b = batch()
    loss = task.loss(b)
    scores = task.network(
        (b.x - torch.tensor([1.0, 0, 0])) / torch.tensor([2.0, 1, 1]),
        b.x_lens,
        b.static - torch.tensor([1.0, 0]),
    )
    expected = functional.cross_entropy(scores, b.labels, torch.tensor([0.5, 2.0, 1.0]))
    torch.testing.assert_close(loss.total / loss.count, expected)


def test_smoothing_is_for_training_only() -> None:
    torch.manual_seed(0)
    config = ClassifierTaskConfig(ClassifierConfig(hidden_dim=6, dropout=0.0), label_smoothing=0.2)
    task = ClassifierTask(config, 3, 3, 2)
    b = batch()
    scores = task(b.x, b.x_lens, b.static)
    for training, smoothing in ((True, 0.2), (False, 0.0)):
        expected = functional.cross_entropy(
            scores, b.labels, reduction="sum", label_smoothing=smoothing
        )
        torch.testing.assert_close(task.train(training).loss(b).total, expected)


def test_augmentation_is_for_training_only_and_follows_the_generator() -> None:
    torch.manual_seed(0)
    config = ClassifierTaskConfig(
        ClassifierConfig(hidden_dim=6, dropout=0.0), AugmentConfig(noise=0.5, time_masks=1)
    )
    task, b = ClassifierTask(config, 3, 3, 2), batch()
    first, again, other = (task.loss(b, torch.Generator().manual_seed(s)).total for s in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert torch.equal(task.loss(b).total, task.loss(b).total)


def test_statistics_travel_with_the_weights() -> None:
    config = ClassifierTaskConfig(ClassifierConfig(hidden_dim=6))
    task, other = ClassifierTask(config, 3, 3, 2), ClassifierTask(config, 3, 3, 2)
    task.set_statistics(mean=[1.0, 2, 3], std=[4.0, 5, 6])
    other.load_state_dict(task.state_dict())
    assert other.std.tolist() == [4, 5, 6]


@pytest.mark.parametrize(
    "setting", [{"pooling": "middle"}, {"cell": "rnn"}, {"dropout": 1.5}, {"num_layers": 0}]
)
def test_wrong_settings_are_named(setting: dict[str, object]) -> None:
    with pytest.raises(ConfigError, match=f"model.{next(iter(setting))}"):
        ClassifierConfig(**setting)  # type: ignore[arg-type]
