"""The classifier's task: loss, augmentation, normalisation."""

from __future__ import annotations

import numpy as np
import torch
from torch.nn import functional

from asr.sequence.classifier import ClassifierConfig
from asr.signals.batches import LabelledBatch, LabelledLoader
from asr.signals.network import AugmentConfig, ClassifierTask, ClassifierTaskConfig


def batch(count: int = 4, width: int = 3, static: int = 2) -> LabelledBatch:
    rng = np.random.default_rng(0)
    sequences = [rng.standard_normal((int(n), width)).astype(np.float32) for n in (13, 9, 4, 1)][
        :count
    ]
    labels = np.array([0, 1, 2, 1])[:count]
    statics = rng.standard_normal((count, static)).astype(np.float32)
    return LabelledLoader(sequences, labels, statics, 8, shuffle=False).load(0, 0)


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
