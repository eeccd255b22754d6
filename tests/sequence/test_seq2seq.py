"""Decoder and beam search against exhaustive search, step-by-step reading, and padding."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from asr.sequence.seq2seq import (
    AttentionDecoder,
    DecoderState,
    Hypothesis,
    beam_search,
    greedy_search,
    smoothed_cross_entropy,
    teacher_inputs,
    valid_steps,
)

V, E, D, H = 4, 6, 5, 7
END = 0
LENS = torch.tensor([6, 3, 1])


@pytest.fixture(params=[1, 2])
def decoder(request: pytest.FixtureRequest) -> AttentionDecoder:
    torch.manual_seed(5)
    made = AttentionDecoder(V, E, D, H, num_layers=request.param).eval()
    for parameter in made.parameters():
        parameter.data *= 2  # decided enough that outputs differ
    return made


@pytest.fixture
def memory() -> Tensor:
    return torch.randn(3, 6, D, generator=torch.Generator().manual_seed(1))


@pytest.fixture
def weight() -> Tensor:
    return torch.randn(V, E, generator=torch.Generator().manual_seed(2))


def log_prob(decoder: AttentionDecoder, state: DecoderState, tokens: tuple[int, ...]) -> float:
    target = torch.tensor([[*tokens, END]])
    outputs, _ = decoder(teacher_inputs(target, END), state)
    log_probs = decoder.logits(outputs, state.weight).log_softmax(-1)
    return float(log_probs.gather(-1, target.unsqueeze(-1)).sum())


def every_output(max_len: int) -> Iterator[tuple[int, ...]]:
    for n in range(max_len + 1):
        yield from itertools.product(range(1, V), repeat=n)


@pytest.mark.parametrize("alpha", [0.0, 0.6, 1.0])
@torch.no_grad()
def test_a_wide_beam_is_exhaustive_search(
    decoder: AttentionDecoder, memory: Tensor, weight: Tensor, alpha: float
) -> None:
    max_len, width = 3, 60  # 1 + 3 + 9 + 27 outputs
    state = decoder.start(memory, LENS, weight, width)
    found = beam_search(decoder.step, state, 3, width, torch.full((3,), max_len), END, END, alpha)
    for b in range(3):
        one = decoder.start(memory[b : b + 1], LENS[b : b + 1], weight)
        scores = {
            t: log_prob(decoder, one, t) / (len(t) + 1) ** alpha for t in every_output(max_len)
        }
        best = max(scores, key=scores.__getitem__)
        assert tuple(found[b][0].tokens) == best
        for hypothesis in found[b]:
            assert hypothesis.score == pytest.approx(scores[tuple(hypothesis.tokens)], abs=1e-5)
            assert hypothesis.finished == (len(hypothesis.tokens) < max_len)


@torch.no_grad()
def greedy_by_hand(decoder: AttentionDecoder, state: DecoderState, max_len: int) -> list[int]:
    tokens: list[int] = []
    last = torch.tensor([[END]])
    while len(tokens) < max_len:
        log_probs, state = decoder.step(last, state)
        last = log_probs.argmax(-1)
        if int(last) == END:
            break
        tokens.append(int(last))
    return tokens


@torch.no_grad()
def test_one_beam_is_greedy_search(
    decoder: AttentionDecoder, memory: Tensor, weight: Tensor
) -> None:
    found = greedy_search(
        decoder.step, decoder.start(memory, LENS, weight), 3, torch.tensor([8, 5, 3]), END, END
    )
    for b, limit in enumerate([8, 5, 3]):
        one = decoder.start(memory[b : b + 1], LENS[b : b + 1], weight)
        assert found[b].tokens == greedy_by_hand(decoder, one, limit)


@torch.no_grad()
def test_neither_batch_nor_padding_changes_an_output(
    decoder: AttentionDecoder, memory: Tensor, weight: Tensor
) -> None:
    limits = torch.tensor([9, 6, 2])
    found = beam_search(
        decoder.step, decoder.start(memory, LENS, weight, 3), 3, 3, limits, END, END
    )
    for b, n in enumerate(LENS.tolist()):
        one = decoder.start(memory[b : b + 1, :n], LENS[b : b + 1], weight, 3)
        (alone,) = beam_search(decoder.step, one, 1, 3, limits[b : b + 1], END, END)
        assert [h.tokens for h in alone] == [h.tokens for h in found[b]]
        assert [h.score for h in alone] == pytest.approx([h.score for h in found[b]], abs=1e-5)
        assert found[b] == sorted(found[b], key=lambda h: -h.score)


@torch.no_grad()
def test_a_length_of_zero_leaves_only_the_end(
    decoder: AttentionDecoder, memory: Tensor, weight: Tensor
) -> None:
    found = beam_search(
        decoder.step,
        decoder.start(memory, LENS, weight, 2),
        3,
        2,
        torch.zeros(3, dtype=torch.long),
        END,
        END,
    )
    assert [[(h.tokens, h.finished) for h in one] for one in found] == [[([], False)]] * 3


@torch.no_grad()
def test_steps_equal_teacher_forcing(
    decoder: AttentionDecoder, memory: Tensor, weight: Tensor
) -> None:
    targets = torch.tensor([[1, 2, 3, 0], [3, 3, 0, 0], [2, 1, 1, 0]])
    state = decoder.start(memory, LENS, weight)
    outputs, weights = decoder(teacher_inputs(targets, END), state)
    whole = decoder.logits(outputs, weight).log_softmax(-1)
    for t, tokens in enumerate(teacher_inputs(targets, END).unbind(1)):
        log_probs, state = decoder.step(tokens.unsqueeze(1), state)
        torch.testing.assert_close(log_probs[:, 0], whole[:, t])
    assert not weights[1, :, 3:].any()
    torch.testing.assert_close(weights.sum(-1), torch.ones(3, 4))


def test_sampling_everything_reads_its_own_guesses(
    decoder: AttentionDecoder, memory: Tensor, weight: Tensor
) -> None:
    with torch.no_grad():
        state = decoder.start(memory, LENS, weight)
        one, _ = decoder(torch.tensor([[0, 1, 2, 3]] * 3), state, 1.0)
        other, _ = decoder(torch.tensor([[0, 3, 1, 1]] * 3), state, 1.0)
        forced, _ = decoder(torch.tensor([[0, 3, 1, 1]] * 3), state)
    torch.testing.assert_close(one, other)
    assert not torch.allclose(other, forced)


def test_sampling_keeps_gradients(
    decoder: AttentionDecoder, memory: Tensor, weight: Tensor
) -> None:
    state = decoder.start(memory.requires_grad_(), LENS, weight.requires_grad_())
    decoder(torch.tensor([[0, 1, 2]] * 3), state, 0.5, torch.Generator().manual_seed(1))[
        0
    ].sum().backward()
    assert memory.grad is not None
    assert weight.grad is not None
    assert not memory.grad[1, 3:].any()


def test_smoothing_equals_the_mixture() -> None:
    logits, targets = torch.randn(5, V), torch.tensor([0, 1, 2, 3, 1])
    log_probs = logits.log_softmax(-1)
    truth = functional.one_hot(targets, V) * 0.9 + 0.1 / V
    torch.testing.assert_close(
        smoothed_cross_entropy(logits, targets, 0.1), -(truth * log_probs).sum()
    )


def test_valid_steps_are_in_order() -> None:
    assert valid_steps(torch.tensor([[1, 2, 0], [3, 0, 0]]), torch.tensor([2, 1])).tolist() == [
        1,
        2,
        3,
    ]


def test_a_search_over_a_table_ends_early_and_drops_sequences() -> None:
    class Table:
        """Counts how many sequences each step sees."""

        def __init__(self, rows: Tensor, seen: list[int]) -> None:
            self.rows, self.seen = rows, seen

        def select(self, sequences: Tensor, beams: Tensor) -> Table:
            return Table(self.rows[sequences], self.seen)

    def step(tokens: Tensor, state: Table) -> tuple[Tensor, Table]:
        state.seen.append(len(state.rows))
        return state.rows.unsqueeze(1).expand(-1, tokens.size(1), -1), state

    rows = torch.tensor([[0.97, 0.02, 0.01], [0.02, 0.97, 0.01]]).log()
    seen: list[int] = []
    found = beam_search(step, Table(rows, seen), 2, 2, torch.tensor([9, 4]), END, END, 0.0)
    assert found[0][0] == Hypothesis([], pytest.approx(rows[0, 0].item()))
    assert [h.tokens for h in found[1]] == [[], [1]]
    assert seen == [2, 1]
