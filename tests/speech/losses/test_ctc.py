"""What is added to the CTC loss, against the formulas written out, and its place in the task."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from torch.distributions import Categorical, kl_divergence
from torch.nn import functional

from asr.errors import ConfigError
from asr.features.extraction import SpecAugmentConfig
from asr.speech.acoustics.network import CtcModelConfig, CtcTask, CtcTaskConfig
from asr.speech.data.batches import SpeechBatch, collate_speech
from asr.speech.losses.ctc import CtcLossConfig, consistency, ctc_loss, smoothing

SHAPE = CtcModelConfig(hidden_dim=8, conv_channels=4, num_layers=2, dropout=0.0, conv_norm="layer")
NO_MASKS = SpecAugmentConfig(freq_masks=0, time_masks=0)
MASKS = SpecAugmentConfig(freq_masks=2, freq_width=20, time_masks=2, time_width=20)


def random_log_probs(*shape: int) -> torch.Tensor:
    return (2 * torch.randn(*shape, generator=torch.Generator().manual_seed(3))).log_softmax(-1)


def utterances() -> SpeechBatch:
    rng = np.random.default_rng(0)
    features = [rng.normal(size=(n, 80)).astype(np.float32) for n in (97, 61)]
    return collate_speech(features, [rng.integers(1, 5, 3) for _ in features], ["a", "b"])


def task(
    specaugment: SpecAugmentConfig = MASKS, model: CtcModelConfig = SHAPE, **loss: Any
) -> CtcTask:
    torch.manual_seed(0)
    return CtcTask(
        CtcTaskConfig(specaugment=specaugment, model=model, loss=CtcLossConfig(**loss)), 5
    ).train()


def seeded(seed: int = 4) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_smoothing_is_the_divergence_from_uniform_over_valid_frames() -> None:
    log_probs, lens = random_log_probs(2, 6, 5), torch.tensor([6, 4])
    uniform = Categorical(logits=torch.zeros(5))
    frames = [
        Categorical(logits=log_probs[b, t]) for b, n in enumerate(lens.tolist()) for t in range(n)
    ]
    for kind, expected in (
        ("uniform", sum(float(kl_divergence(uniform, p)) for p in frames)),
        ("entropy", sum(math.log(5) - float(p.entropy()) for p in frames)),
    ):
        assert float(smoothing(kind, log_probs, lens)) == pytest.approx(expected, rel=1e-5)


def test_consistency_is_half_of_both_divergences() -> None:
    log_probs, lens = random_log_probs(4, 6, 5), torch.tensor([6, 4, 6, 4])
    expected = 0.0
    for utterance, n in enumerate([6, 4]):
        for t in range(n):
            a, b = (Categorical(logits=log_probs[row, t]) for row in (utterance, utterance + 2))
            expected += 0.5 * float(kl_divergence(a, b) + kl_divergence(b, a))
    assert float(consistency(log_probs, lens)) == pytest.approx(expected, rel=1e-5)
    assert float(consistency(torch.cat([log_probs[:2]] * 2), lens)) == pytest.approx(0.0, abs=1e-6)


def test_each_view_learns_from_the_other_as_a_fixed_target() -> None:
    logits = random_log_probs(2, 1, 5).requires_grad_()
    consistency(logits.log_softmax(-1), torch.tensor([1, 1])).backward()
    p, q = logits.detach().exp()[:, 0]
    assert logits.grad is not None
    # the gradient of KL(fixed q, softmax(a)) with respect to a is softmax(a) - q; without the stop
    # it would be another
    torch.testing.assert_close(logits.grad[0, 0], 0.5 * (p - q))
    torch.testing.assert_close(logits.grad[1, 0], 0.5 * (q - p))


@pytest.mark.parametrize("layer", [0, 1])
def test_two_equal_views_cost_what_one_does(layer: int) -> None:
    model = CtcModelConfig(**{**vars(SHAPE), "intermediate_layer": layer})
    one = task(NO_MASKS, model).loss(utterances(), seeded())
    two = task(NO_MASKS, model, consistency=0.2).loss(utterances(), seeded())
    torch.testing.assert_close(two.total, one.total)
    assert int(two.count) == int(one.count) == 6


def test_two_views_are_the_mean_of_their_losses_and_their_agreement() -> None:
    batch, trained = utterances(), task(consistency=0.3)
    x = trained.normalizer(batch.features, batch.feature_lens)
    generator = seeded()
    views = [trained.specaugment(x, batch.feature_lens, generator) for _ in range(2)]
    assert not torch.equal(*views)
    outputs = [trained.network(view, batch.feature_lens) for view in views]
    losses = [
        ctc_loss(log_probs, lens, batch.labels, batch.label_lens) for log_probs, lens in outputs
    ]
    together = consistency(torch.cat([o[0] for o in outputs]), outputs[0][1].repeat(2))
    expected = (losses[0] + losses[1]) / 2 + 0.3 * together
    torch.testing.assert_close(trained.loss(batch, seeded()).total, expected)
    assert together.item() > 1e-3


def test_views_share_their_warp() -> None:
    augment = task(SpecAugmentConfig(freq_masks=0, time_masks=0, time_warp=20)).specaugment
    x = torch.randn(2, 100, 80, generator=seeded())
    a, b = augment(x, torch.tensor([100, 60]), seeded(), views=2).chunk(2)
    assert torch.equal(a, b)
    assert not torch.equal(a, x)


@pytest.mark.parametrize("kind", ["uniform", "entropy"])
@pytest.mark.parametrize("agreement", [0.0, 0.2])
def test_smoothing_has_its_share_of_the_loss(kind: str, agreement: float) -> None:
    batch, plain = utterances(), task(NO_MASKS, consistency=agreement)
    smooth = task(NO_MASKS, smoothing=kind, smoothing_weight=0.25, consistency=agreement)
    log_probs, lens = plain(batch.features, batch.feature_lens)
    expected = 0.75 * plain.loss(batch, seeded()).total + 0.25 * smoothing(kind, log_probs, lens)
    torch.testing.assert_close(smooth.loss(batch, seeded()).total, expected)


def test_nothing_is_added_outside_of_training() -> None:
    batch = utterances()
    everything = task(consistency=0.2, smoothing_weight=0.2)
    torch.testing.assert_close(everything.eval().loss(batch).total, task().eval().loss(batch).total)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"consistency": -1}, "loss.consistency"),
        ({"smoothing_weight": 1}, "0 and 0.99"),
        ({"smoothing": "x"}, "uniform, entropy"),
    ],
)
def test_settings_out_of_range_are_refused(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        CtcLossConfig(**change)


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize(
    ("frames", "label_lens"),
    [
        ([40, 31, 25], [9, 12, 1]),
        ([40, 40, 7], [19, 0, 7]),  # no labels; as many labels as frames
        ([1, 1], [1, 0]),
        ([900], [440]),  # probabilities far below the smallest number
        ([300], [299]),  # nearly all paths end too early
        ([300, 40], [120, 9]),  # labels hardly probable in any frame
    ],
)
def test_ctc_on_processors_is_torchs_in_double_precision(
    frames: list[int], label_lens: list[int], threads: int
) -> None:
    random, before = torch.Generator().manual_seed(5), torch.get_num_threads()
    logits = 4 * torch.randn(len(frames), max(frames), 7, generator=random)
    labels = torch.cat([torch.arange(n) % 6 + 1 for n in label_lens])
    if frames == [40, 31, 25]:
        labels[3:6] = 2  # the same label in a row
    if frames == [300, 40]:
        logits[0, :, 0] += 14.0
    lens, label_counts = torch.tensor(frames), torch.tensor(label_lens)
    found = []
    torch.set_num_threads(threads)
    for double in (True, False):
        x = (logits.double() if double else logits.clone()).requires_grad_()
        log_probs = x.log_softmax(-1)
        if double:
            time_major = log_probs.transpose(0, 1)
            loss = functional.ctc_loss(time_major, labels, lens, label_counts, reduction="sum")
        else:
            loss = ctc_loss(log_probs, lens, labels, label_counts)
        (0.5 * loss).backward()
        found.append((loss.item(), x.grad.double()))
    torch.set_num_threads(before)
    (expected, expected_gradient), (loss, gradient) = found
    assert math.isfinite(expected)
    assert loss == pytest.approx(expected, rel=1e-5)
    torch.testing.assert_close(gradient, expected_gradient, atol=2e-5, rtol=1e-4)


def test_ctc_refuses_what_lies_outside() -> None:
    log_probs, one = random_log_probs(1, 6, 5), torch.tensor([1])
    with pytest.raises(ValueError, match="7 of 6 frames"):
        ctc_loss(log_probs, torch.tensor([7]), one, one)
    with pytest.raises(ValueError, match="labels up to 5 of 5"):
        ctc_loss(log_probs, torch.tensor([6]), torch.tensor([5]), one)


@pytest.mark.parametrize("case", ["too few frames", "not a number"])
def test_ctc_without_a_path_is_what_torch_says(case: str) -> None:
    log_probs, labels = random_log_probs(2, 6, 5), torch.tensor([1, 2, 2, 3, 3, 4, 1])
    if case == "not a number":
        log_probs[0, 1] = math.nan
    lens, label_lens = torch.tensor([6, 4]), torch.tensor([3, 4])  # 3, 3, 4, 1 need five frames
    loss = float(ctc_loss(log_probs, lens, labels, label_lens))
    assert math.isnan(loss) if case == "not a number" else loss == math.inf
