from __future__ import annotations

import numpy as np
import torch

from asr.language.modelling.batches import StreamLoader
from asr.language.modelling.network import LanguageModelConfig, LanguageModelTask


def test_chunks_with_carried_state_equal_one_long_sequence():
    torch.manual_seed(0)
    config = LanguageModelConfig(dim=8, hidden_dim=8, num_layers=2, dropout=0.0, forget_share=0.0)
    task = LanguageModelTask(config, 20, 3).train()
    tokens = np.random.default_rng(0).integers(0, 20, 3 * 31)
    loader = StreamLoader(tokens, 3, 7)
    generator = torch.Generator()
    batches = [loader.load(0, i) for i in range(loader.num_batches(0))]
    losses = [task.loss(batch, generator) for batch in batches]
    whole = torch.from_numpy(tokens.reshape(3, 31))
    with torch.no_grad():
        expected = -task.log_probs(whole)[0].sum()
    torch.testing.assert_close(
        torch.stack([loss.total for loss in losses]).sum().detach(), expected
    )
    assert sum(int(loss.count) for loss in losses) == 3 * 30


def test_a_probe_without_generator_moves_no_state():
    task = LanguageModelTask(LanguageModelConfig(dim=4, hidden_dim=4), 9, 2).train()
    loader = StreamLoader(np.arange(40) % 9, 2, 5)
    task.loss(loader.load(0, 0))
    assert not task.carried.any()


def test_drawn_tokens_stand_for_the_whole_vocabulary():
    torch.manual_seed(0)
    counts = torch.tensor([50, 20, 9, 9, 5, 2, 1, 0])
    shape = {"dim": 6, "hidden_dim": 8, "dropout": 0.0, "forget_share": 0.0}
    exact = LanguageModelTask(LanguageModelConfig(**shape), 8, 3, counts).train()
    sampled = LanguageModelTask(LanguageModelConfig(**shape, sampled=200_000), 8, 3, counts).train()
    sampled.load_state_dict(exact.state_dict())
    batch, gradients = StreamLoader(np.arange(60) % 8, 3, 10).load(0, 0), []
    for task in (exact, sampled):
        loss = task.loss(batch, torch.Generator().manual_seed(5))
        loss.total.backward()
        gradients.append([loss.total.detach(), *(p.grad for p in task.parameters())])
    for expected, found in zip(*gradients, strict=True):
        torch.testing.assert_close(
            found, expected, rtol=0.02, atol=0.02 * float(expected.abs().max())
        )
    judged = [task.eval().loss(batch).total for task in (exact, sampled)]
    torch.testing.assert_close(*judged)  # figures are of the whole vocabulary


def test_the_output_layer_begins_with_the_frequencies_of_the_text():
    task = LanguageModelTask(
        LanguageModelConfig(dim=4, hidden_dim=4), 4, counts=torch.tensor([7, 0, 2, 3])
    )
    torch.testing.assert_close(task.output_bias.softmax(0), torch.tensor([8.0, 1, 3, 4]) / 16)
