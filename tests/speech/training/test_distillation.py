"""Distillation: the divergence against torch's own; a student that equals its teacher."""

from __future__ import annotations

import copy
import itertools
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import functional

from asr.errors import ConfigError
from asr.features.config import FeatureConfig
from asr.features.extraction import SpecAugmentConfig
from asr.speech.acoustics.network import CtcModelConfig, CtcTask, CtcTaskConfig, ctc_loss
from asr.speech.data.batches import SpeechBatch, collate_speech
from asr.speech.losses.ctc import CtcLossConfig
from asr.speech.training.distillation import (
    DistillationConfig,
    DistillTask,
    frame_divergence,
    hypotheses,
    sequence_loss,
)

NO_MASKS = SpecAugmentConfig(freq_masks=0, time_masks=0)
SHAPE = CtcModelConfig(hidden_dim=8, num_layers=2, conv_channels=4, dropout=0.0, conv_norm="layer")
CONFIG = CtcTaskConfig(model=SHAPE, specaugment=NO_MASKS)


def random_log_probs(seed: int, *shape: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed)).log_softmax(-1)


def batch() -> SpeechBatch:
    rng = np.random.default_rng(0)
    features = [rng.normal(size=(n, 80)).astype(np.float32) for n in (97, 61, 40)]
    return collate_speech(features, [rng.integers(1, 5, 3) for _ in features], ["a", "b", "c"])


def teacher(seed: int = 1, config: CtcTaskConfig = CONFIG) -> CtcTask:
    torch.manual_seed(seed)
    task = CtcTask(config, 5)
    task.network.output.weight.data *= 10  # certain enough to spell something
    return task


def pupil(of: CtcTask, config: CtcTaskConfig = CONFIG, **settings: Any) -> DistillTask:
    torch.manual_seed(2)
    return DistillTask(config, 5, of, DistillationConfig(teacher="x", **settings))


def train_loss(task: CtcTask) -> torch.Tensor:
    return task.train().loss(batch(), torch.Generator().manual_seed(0)).total


@pytest.mark.parametrize("temperature", [1.0, 2.5])
def test_divergence_is_torchs_on_valid_frames(temperature: float) -> None:
    output, target = random_log_probs(1, 2, 6, 5), random_log_probs(2, 2, 6, 5)
    expected = torch.zeros(())
    for o, t, n in zip(output, target, (6, 4), strict=True):
        o, t = (x[:n].div(temperature).softmax(-1) for x in (o, t))
        expected += torch.distributions.kl_divergence(
            torch.distributions.Categorical(t), torch.distributions.Categorical(o)
        ).sum()
    found = frame_divergence(output, target, torch.tensor([6, 4]), temperature)
    torch.testing.assert_close(found, temperature**2 * expected)


def test_hypotheses_are_the_collapsed_best_path() -> None:
    log_probs, lens = random_log_probs(3, 3, 40, 4), torch.tensor([40, 25, 1])
    labels, counts = hypotheses(log_probs, lens)
    expected = [
        [t for t, _ in itertools.groupby(x[:n].argmax(-1).tolist()) if t]
        for x, n in zip(log_probs, lens, strict=True)
    ]
    assert counts.tolist() == [len(e) for e in expected]
    assert labels.tolist() == list(itertools.chain(*expected))


def test_sequence_loss_is_ctc_and_forgives_what_does_not_fit() -> None:
    log_probs, lens = random_log_probs(4, 2, 5, 4), torch.tensor([5, 2])
    labels = torch.tensor([[1, 2, 3], [1, 1, 0]])  # the second needs three frames
    found = sequence_loss(log_probs, lens, torch.tensor([1, 2, 3, 1, 1]), torch.tensor([3, 2]))
    torch.testing.assert_close(
        found, ctc_loss(log_probs[:1], lens[:1], labels[:1], torch.tensor([3]))
    )


def test_an_equal_student_has_nothing_to_learn() -> None:
    master = teacher()
    student = pupil(copy.deepcopy(master), weight=1.0)
    assert float(train_loss(student).detach()) > 1
    student.load_state_dict(master.state_dict())
    loss = train_loss(student)
    loss.backward()
    assert float(loss.detach()) == pytest.approx(0, abs=1e-3)
    assert max(float(p.grad.abs().max()) for p in student.parameters() if p.grad is not None) < 1e-4


@pytest.mark.parametrize("views", [1, 2])
@pytest.mark.parametrize("kind", ["frames", "sequences"])
def test_weight_is_the_teachers_share(kind: str, views: int) -> None:
    # two equal views agree, so that two must give the loss of one
    config = replace(CONFIG, loss=CtcLossConfig(consistency=0.2 if views == 2 else 0.0))
    master, data = teacher(), batch()
    student = pupil(master, config, kind=kind, weight=0.3, temperature=2.0)
    output, lens = student.eval()(data.features, data.feature_lens)
    target, _ = master.eval()(data.features, data.feature_lens)
    if kind == "frames":
        taught = frame_divergence(output, target, lens, 2.0)
    else:
        labels, counts = hypotheses(target, lens)
        assert int(counts.min()) > 0
        rows = [
            functional.ctc_loss(o[:n, None], w[None], n[None], c[None], reduction="sum")
            for o, n, w, c in zip(output, lens, labels.split(counts.tolist()), counts, strict=True)
        ]
        taught = torch.stack(rows).sum()
    spelled = student.loss(data).total
    torch.testing.assert_close(train_loss(student), 0.7 * spelled + 0.3 * taught)
    torch.testing.assert_close(student.eval().loss(data).total, spelled)  # a teacher only teaches


def test_the_teacher_is_no_part_of_the_student() -> None:
    master = teacher()
    student = pupil(master)
    assert student.state_dict().keys() == CtcTask(CONFIG, 5).state_dict().keys()
    before = copy.deepcopy(master.state_dict())
    train_loss(student).backward()
    assert not master.training
    assert all(p.grad is None for p in master.parameters())
    assert all(torch.equal(before[n], t) for n, t in master.state_dict().items())


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (
            replace(CONFIG, model=replace(SHAPE, subsampling=2)),
            "model.subsampling is 2, the teacher's is 4",
        ),
        (replace(CONFIG, specaugment=SpecAugmentConfig(time_warp=5)), "time_warp"),
        (replace(CONFIG, features=FeatureConfig(n_mels=40)), "different features"),
    ],
)
def test_students_that_do_not_fit(config: CtcTaskConfig, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        pupil(teacher(), config)
    if "features" not in message:
        assert float(train_loss(pupil(teacher(), config, kind="sequences")).detach()) > 0


@pytest.mark.parametrize("wrong", [{"kind": "words"}, {"weight": 1.5}, {"temperature": 0.0}])
def test_impossible_settings(wrong: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=f"distillation.{next(iter(wrong))}"):
        DistillationConfig(**wrong)
