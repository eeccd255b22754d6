"""The CTC task: the loss against brute force over all alignments, padding, batch size, shapes."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import torch

from asr.errors import ConfigError
from asr.features.config import FeatureConfig
from asr.speech.acoustics.frames import min_output_frames
from asr.speech.acoustics.network import CtcModelConfig, CtcTask, CtcTaskConfig, ctc_loss
from asr.speech.data.batches import SpeechBatch, collate_speech


def collapse(path: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(token for token, _ in itertools.groupby(path) if token)


def brute_force(log_probs: torch.Tensor, labels: tuple[int, ...]) -> float:
    T, V = log_probs.shape
    paths = (p for p in itertools.product(range(V), repeat=T) if collapse(p) == labels)
    return -math.log(
        sum(math.exp(sum(float(log_probs[t, v]) for t, v in enumerate(p))) for p in paths)
    )


@pytest.mark.parametrize("labels", [(1,), (1, 2), (1, 1), (2, 1, 2)])
def test_loss_equals_brute_force(labels: tuple[int, ...]) -> None:
    log_probs = torch.randn(2, 5, 3, generator=torch.Generator().manual_seed(1)).log_softmax(-1)
    both = torch.tensor([labels, labels])
    lens = torch.tensor([5, 4])
    loss = ctc_loss(log_probs, lens, both, torch.tensor([len(labels)] * 2))
    expected = brute_force(log_probs[0], labels) + brute_force(log_probs[1, :4], labels)
    assert float(loss) == pytest.approx(expected, rel=1e-5)


def test_fewest_frames_and_infinite_loss_below_them() -> None:
    assert [
        min_output_frames(np.array(x, np.int64)) for x in ([1, 1, 2, 2], [1, 2, 1], [3], [])
    ] == [6, 3, 1, 0]
    labels, lens = torch.tensor([[1, 1, 2, 2]]), torch.tensor([4])
    log_probs = torch.zeros(1, 6, 3).log_softmax(-1)
    assert math.isfinite(float(ctc_loss(log_probs, torch.tensor([6]), labels, lens)))
    assert math.isinf(float(ctc_loss(log_probs[:, :5], torch.tensor([5]), labels, lens)))


CONFIGS = {
    "default": CtcModelConfig(hidden_dim=8, conv_channels=4),
    "projection": CtcModelConfig(hidden_dim=8, conv_channels=4, projection_dim=6, subsampling=2),
    "one direction": CtcModelConfig(
        hidden_dim=8, conv_channels=4, bidirectional=False, causal=True, subsampling=8
    ),
    "gru, batch norm, plain": CtcModelConfig(
        hidden_dim=8, conv_channels=4, cell="gru", norm="batch", residual=False
    ),
    "layer-normed CNN": CtcModelConfig(
        hidden_dim=8, conv_channels=4, conv_norm="layer", norm="none"
    ),
    "self-conditioned": CtcModelConfig(
        hidden_dim=8, conv_channels=4, intermediate_layer=3, self_conditioned=True
    ),
}


def utterances(*lengths: int) -> SpeechBatch:
    rng = np.random.default_rng(0)
    features = [rng.normal(size=(n, 80)).astype(np.float32) for n in lengths]
    labels = [rng.integers(1, 5, 3) for _ in lengths]
    return collate_speech(features, labels, [f"u{n}" for n in lengths])


@pytest.mark.parametrize("normalization", ["global", "utterance", "none"])
@pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS.keys())
def test_padding_and_batch_size_never_change_a_result(
    config: CtcModelConfig, normalization: str
) -> None:
    torch.manual_seed(0)
    task = CtcTask(CtcTaskConfig(FeatureConfig(), normalization, model=config), vocab_size=5).eval()
    batch = utterances(97, 61, 40)
    with torch.inference_mode():
        together, lens = task(batch.features, batch.feature_lens)
        total = task.loss(batch).total
        alone = [task.loss(utterance) for utterance in split(batch)]
        for row, n in enumerate(batch.feature_lens.tolist()):
            single, single_len = task(
                batch.features[row : row + 1, :n], batch.feature_lens[row : row + 1]
            )
            assert (
                int(single_len)
                == int(lens[row])
                == int(task.output_lengths(batch.feature_lens[row]))
            )
            torch.testing.assert_close(
                together[row, : int(single_len)], single[0], atol=2e-5, rtol=1e-4
            )
    torch.testing.assert_close(
        total, torch.stack([a.total for a in alone]).sum(), rtol=1e-4, atol=1e-3
    )
    torch.testing.assert_close(together.exp().sum(-1), torch.ones(3, together.size(1)))


def split(batch: SpeechBatch) -> list[SpeechBatch]:
    return [
        collate_speech(
            [batch.features[i, :n].numpy()],
            [batch.labels[i, : batch.label_lens[i]].numpy()],
            [batch.ids[i]],
        )
        for i, n in enumerate(batch.feature_lens.tolist())
    ]


def test_log_probs_by_id() -> None:
    task = CtcTask(CtcTaskConfig(model=CONFIGS["default"]), vocab_size=5).eval()
    with torch.inference_mode():
        found = task.log_probs_by_id(utterances(97, 40))
    assert {name: array.shape for name, array in found.items()} == {"u97": (25, 5), "u40": (10, 5)}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"subsampling": 3}, "1, 2, 4, 8"),
        ({"cell": "rnn"}, "lstm, gru"),
        ({"dropout": 1.5}, "between 0 and 0.95"),
        ({"norm": "group"}, "layer, batch, none"),
        ({"num_layers": 0}, "at least 1"),
        ({"self_conditioned": True}, "intermediate_layer"),
    ],
)
def test_impossible_shapes_are_refused(change: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        CtcModelConfig(**change)


def test_intermediate_loss_is_the_weighted_mean_of_both() -> None:
    torch.manual_seed(0)
    shape = {
        "hidden_dim": 8,
        "conv_channels": 4,
        "num_layers": 3,
        "dropout": 0.0,
        "conv_norm": "layer",
    }
    plain = CtcTask(CtcTaskConfig(model=CtcModelConfig(**shape)), 5).train()
    tapped = CtcTask(
        CtcTaskConfig(
            model=CtcModelConfig(**shape, intermediate_layer=1, intermediate_weight=0.25)
        ),
        5,
    ).train()
    shallow = CtcTask(CtcTaskConfig(model=CtcModelConfig(**{**shape, "num_layers": 1})), 5).train()
    tapped.load_state_dict(plain.state_dict())
    shallow.load_state_dict(
        {k: v for k, v in plain.state_dict().items() if k in shallow.state_dict()}
    )
    batch = utterances(97, 61)
    expected = 0.75 * plain.loss(batch).total + 0.25 * shallow.loss(batch).total
    torch.testing.assert_close(tapped.loss(batch).total, expected)
    torch.testing.assert_close(tapped.eval().loss(batch).total, plain.eval().loss(batch).total)


def test_self_conditioning_is_the_map_of_the_intermediate_labels() -> None:
    torch.manual_seed(0)
    shape = {
        "hidden_dim": 8,
        "conv_channels": 4,
        "num_layers": 3,
        "conv_norm": "layer",
        "intermediate_layer": 2,
    }
    task = CtcTask(CtcTaskConfig(model=CtcModelConfig(**shape, self_conditioned=True)), 5).eval()
    network, batch = task.network, utterances(97)
    with torch.inference_mode():
        x, lens = network.conv(
            task.normalizer(batch.features, batch.feature_lens), batch.feature_lens
        )
        x = network.input_projection(x)
        stack = network.encoder
        for number, (norm, layer) in enumerate(zip(stack.norms, stack.layers, strict=True)):
            both = torch.nn.LSTM(
                16, 8, bidirectional=True, batch_first=True
            )  # torch's own, with the layer's weights
            for name, value in layer.state_dict().items():
                cell, parameter = name.split(".")
                both.get_parameter(
                    parameter + ("_reverse" if cell == "backward_cell" else "")
                ).copy_(value)
            x = x + both(norm(x, lens))[0]
            if number + 1 == 2:
                labels = network.output(stack.output_norm(x, lens)).softmax(-1)
                x = (
                    x
                    + labels @ network.conditioning.projection.weight.t()
                    + network.conditioning.projection.bias
                )
        expected = network.output(stack.output_norm(x, lens)).log_softmax(-1)
        found, _ = task(batch.features, batch.feature_lens)
    torch.testing.assert_close(found, expected)
    plain = CtcTask(CtcTaskConfig(model=CtcModelConfig(**shape)), 5).eval()
    plain.load_state_dict(task.state_dict(), strict=False)
    with torch.inference_mode():
        assert (plain(batch.features, batch.feature_lens)[0] - found).abs().max() > 1e-3


def test_what_the_intermediate_layer_spells_is_not_fed_to_itself() -> None:
    torch.manual_seed(0)
    shape = {
        "hidden_dim": 8,
        "conv_channels": 4,
        "num_layers": 3,
        "conv_norm": "layer",
        "intermediate_layer": 2,
    }
    tasks = [
        CtcTask(CtcTaskConfig(model=CtcModelConfig(**shape, self_conditioned=c)), 5).eval()
        for c in (True, False)
    ]
    tasks[1].load_state_dict(tasks[0].state_dict(), strict=False)
    batch, taps = utterances(97, 61), [{2: torch.empty(0)}, {2: torch.empty(0)}]
    for task, tapped in zip(tasks, taps, strict=True):
        task.network(batch.features, batch.feature_lens, tapped)
    torch.testing.assert_close(taps[0][2], taps[1][2])
