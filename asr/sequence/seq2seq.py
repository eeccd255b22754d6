"""Attention decoder and batched beam search.

B batch, K beams, L target steps, S memory steps, D memory width, E embedding width, H hidden width,
V target vocabulary.

Input feeding: Luong et al. 2015, section 3.3. Scheduled sampling: Bengio et al. 2015. Tied output
embeddings: Press & Wolf 2017. Length normalisation: Wu et al. 2016 (GNMT), section 7, with its
exponent alone: score / length ** alpha.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Protocol, TypeVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from asr.sequence.attention import Attention, AttentionMemory
from asr.sequence.dropout import Dropout
from asr.sequence.lengths import length_mask, mask_padding

__all__ = [
    "AttentionDecoder",
    "DecoderState",
    "Hypothesis",
    "SearchState",
    "beam_search",
    "greedy_search",
]


@dataclass(frozen=True)
class DecoderState:
    """State of K beams of each of B sequences; beams of one sequence share its memory.

    Attributes:
        memory: of the B sequences.
        layers: (h, c) of each layer, each (B * K, H).
        fed: (B, K, E), last attentional output, which is fed to the next step.
        weight: (V, E) embeddings of the target vocabulary.
    """

    memory: AttentionMemory
    layers: tuple[tuple[Tensor, Tensor], ...]
    fed: Tensor
    weight: Tensor

    def select(self, sequences: Tensor, beams: Tensor) -> DecoderState:
        """Return the state of some sequences (N,), of each the beams (N, K') in this order."""
        rows = (sequences.unsqueeze(1) * self.fed.size(1) + beams).flatten()
        # If no sequence has finished since the last step, the memory need not be copied.
        same = sequences.numel() == self.fed.size(0)
        return replace(
            self,
            memory=self.memory if same else self.memory.select(sequences),
            layers=tuple(
                (h.index_select(0, rows), c.index_select(0, rows)) for h, c in self.layers
            ),
            fed=self.fed.flatten(0, 1).index_select(0, rows).view(*beams.shape, -1),
        )


class AttentionDecoder(nn.Module):
    """LSTM decoder with attention and input feeding.

    o_t = tanh(W [h_t; context_t]), p(y_t) = softmax(weight o_t + b), where ``weight`` (V, E) are
    the embeddings of the target vocabulary. Multiplied by sqrt(E) they are also the input
    embeddings (Vaswani et al. 2017, section 3.4). They are an argument of the calls, so that source
    and target can share one table.

    Args:
        vocab_size: V.
        embedding_dim: E.
        memory_dim: D.
        hidden_dim: H.
        num_layers: number of LSTM layers.
        score: ``additive``, ``dot`` or ``general``, see :class:`asr.sequence.attention.Attention`.
        dropout: of embeddings, between layers, and of o_t.
    """

    def __init__(
        self,
        vocab_size: int,
        embedding_dim: int,
        memory_dim: int,
        hidden_dim: int,
        num_layers: int = 1,
        score: str = "general",
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        widths = [2 * embedding_dim] + [hidden_dim] * (num_layers - 1)
        self.cells = nn.ModuleList(nn.LSTMCell(width, hidden_dim) for width in widths)
        self.start_map = nn.Linear(memory_dim, num_layers * hidden_dim)
        self.attention = Attention(hidden_dim, memory_dim, score)
        self.output_map = nn.Linear(hidden_dim + memory_dim, embedding_dim, bias=False)
        self.bias = nn.Parameter(torch.zeros(vocab_size))
        self.dropout = Dropout(dropout)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Initialise with orthogonal recurrent and Xavier input weights and forget-gate bias 1.

        Jozefowicz et al. 2015, section 2.2.
        """
        for cell in self.cells:
            assert isinstance(cell, nn.LSTMCell)
            H = cell.hidden_size
            for block in cell.weight_hh.data.chunk(4):
                nn.init.orthogonal_(block)
            nn.init.xavier_uniform_(cell.weight_ih)
            cell.bias_ih.data.zero_()[H : 2 * H].fill_(1.0)
            cell.bias_hh.data.zero_()
        nn.init.xavier_uniform_(self.output_map.weight)

    def start(
        self, memory: Tensor, memory_lens: Tensor, weight: Tensor, num_beams: int = 1
    ) -> DecoderState:
        """(B, S, D), (B,), (V, E) -> the initial state: h_0 = tanh(W mean(memory)), c_0 = 0."""
        mean = mask_padding(memory, memory_lens).sum(1) / memory_lens.clamp(min=1).unsqueeze(1)
        hidden = torch.tanh(self.start_map(mean)).repeat_interleave(num_beams, dim=0)
        layers = tuple(
            (h.contiguous(), torch.zeros_like(h)) for h in hidden.chunk(len(self.cells), dim=1)
        )
        fed = memory.new_zeros(memory.size(0), num_beams, weight.size(1))
        return DecoderState(self.attention.remember(memory, memory_lens), layers, fed, weight)

    def step(self, tokens: Tensor, state: DecoderState) -> tuple[Tensor, DecoderState]:
        """(B, K) last tokens, state -> log_probs (B, K, V) of the next ones, state."""
        _, state = self._advance(self._embed(tokens, state.weight), state)
        return self.logits(state.fed, state.weight).log_softmax(-1), state

    def logits(self, fed: Tensor, weight: Tensor) -> Tensor:
        """(..., E), (V, E) -> (..., V)."""
        return functional.linear(fed, weight, self.bias)

    @staticmethod
    def _embed(tokens: Tensor, weight: Tensor) -> Tensor:
        return functional.embedding(tokens, weight) * math.sqrt(weight.size(1))

    def _advance(self, embedded: Tensor, state: DecoderState) -> tuple[Tensor, DecoderState]:
        """(B, K, E) -> attention weights (B, K, S), state."""
        x = torch.cat([embedded, state.fed], dim=-1).flatten(0, 1)
        layers: list[tuple[Tensor, Tensor]] = []
        for cell, carried in zip(self.cells, state.layers, strict=True):
            h, c = cell(self.dropout(x) if layers else x, carried)
            layers.append((h, c))
            x = h
        query = x.view(*state.fed.shape[:2], -1)
        context, weights = self.attention(query, state.memory)
        fed = self.dropout(torch.tanh(self.output_map(torch.cat([query, context], dim=-1))))
        return weights, replace(state, layers=tuple(layers), fed=fed)

    def forward(
        self,
        tokens: Tensor,
        state: DecoderState,
        sampling: float = 0.0,
        generator: torch.Generator | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Run with teacher forcing or, if ``sampling`` is not 0, scheduled sampling.

        Args:
            tokens: (B, L), previous tokens; the first one is the begin symbol.
            state: of one beam, see :meth:`start`.
            sampling: probability that a step reads the most probable token of the step before
                instead of the true one.
            generator: of the random numbers for sampling.

        Returns:
            o (B, L, E) for :meth:`logits`, attention weights (B, L, S).
        """
        embedded = self.dropout(self._embed(tokens, state.weight))
        use_own = (
            torch.rand(tokens.shape, generator=generator).to(tokens.device) < sampling
            if sampling
            else None
        )
        outputs: list[Tensor] = []
        weights = []
        for t in range(tokens.size(1)):
            x = embedded[:, t : t + 1]
            if use_own is not None and t:
                x = torch.where(use_own[:, t, None, None], self._own(outputs[-1], state.weight), x)
            looked, state = self._advance(x, state)
            outputs.append(state.fed)
            weights.append(looked)
        return torch.cat(outputs, dim=1), torch.cat(weights, dim=1)

    @torch.no_grad()
    def _own(self, fed: Tensor, weight: Tensor) -> Tensor:
        return self._embed(self.logits(fed, weight).argmax(-1), weight)


State = TypeVar("State", bound="SearchState")


class SearchState(Protocol):
    """Interface of a model's state for the search: select sequences and their beams."""

    def select(self: State, sequences: Tensor, beams: Tensor) -> State:
        """Return the state of some sequences (N,), of each the beams (N, K') in this order."""


@dataclass(frozen=True)
class Hypothesis:
    """A finished output.

    Attributes:
        tokens: without begin and end symbols.
        score: log-probability, with the end symbol, divided by (number of tokens + 1) ** alpha.
        finished: False if the end was forced at the maximum length.
    """

    tokens: list[int]
    score: float
    finished: bool = True


Step = Callable[[Tensor, State], tuple[Tensor, State]]


def greedy_search(
    step: Step[State], state: State, num_sequences: int, max_lens: Tensor, bos_id: int, eos_id: int
) -> list[Hypothesis]:
    """Return the output with the most probable token at every step: beam search with one beam."""
    outputs = beam_search(
        step,
        state,
        num_sequences=num_sequences,
        beam_size=1,
        max_lens=max_lens,
        bos_id=bos_id,
        eos_id=eos_id,
    )
    return [hypotheses[0] for hypotheses in outputs]


def beam_search(
    step: Step[State],
    state: State,
    num_sequences: int,
    beam_size: int,
    max_lens: Tensor,
    bos_id: int,
    eos_id: int,
    alpha: float = 1.0,
) -> list[list[Hypothesis]]:
    """Return up to ``beam_size`` finished outputs of each sequence, best first.

    A sequence is done when ``beam_size`` outputs have ended, or when no continuation of an open
    output could score above the best finished one. Sequences that are done leave the batch.

    Args:
        step: (B, K) last tokens, state -> log_probs (B, K, V), state.
        state: with ``beam_size`` beams per sequence.
        num_sequences: B.
        beam_size: K.
        max_lens: (B,) maximum number of tokens of an output, without the end symbol.
        bos_id: begin symbol.
        eos_id: end symbol.
        alpha: exponent of the length normalisation; 0: none, 1: mean per token.
    """
    device = max_lens.device
    search = _Search(
        B=num_sequences, K=beam_size, max_lens=max_lens, bos_id=bos_id, eos_id=eos_id, alpha=alpha
    )
    tokens = torch.full((num_sequences, beam_size), bos_id, device=device)
    while True:
        log_probs, state = step(tokens, state)
        chosen = search.advance(log_probs)
        if chosen is None:
            return search.results()
        sequences, beams, tokens = chosen
        state = state.select(sequences, beams)


class _Search:
    """Open and finished outputs of a beam search."""

    def __init__(
        self, B: int, K: int, max_lens: Tensor, bos_id: int, eos_id: int, alpha: float
    ) -> None:
        device = max_lens.device
        self.K, self.eos_id, self.alpha, self.length = K, eos_id, alpha, 0
        self.active = torch.arange(B, device=device)  # sequences that are not done
        self.max_lens = max_lens
        self.scores = torch.full((B, K), -torch.inf, device=device)
        self.scores[:, 0] = 0.0  # all beams start equal, so one of them is enough
        self.tokens = torch.zeros((B, K, 0), dtype=torch.long, device=device)
        self.finished: list[list[Hypothesis]] = [[] for _ in range(B)]

    def advance(self, log_probs: Tensor) -> tuple[Tensor, Tensor, Tensor] | None:
        """(B, K, V) -> rows (N,) of the sequences that continue, beams (N, K), tokens (N, K).

        None if all sequences are done.
        """
        forced = self.max_lens <= self.length  # at the maximum length only the end may follow
        if bool(forced.any()):
            not_end = torch.arange(log_probs.size(-1), device=log_probs.device) != self.eos_id
            log_probs = log_probs.masked_fill(forced.view(-1, 1, 1) & not_end, -torch.inf)
        # The best candidates of all beams are among the best ones of each beam.
        best, token = log_probs.float().topk(min(2 * self.K, log_probs.size(-1)), dim=2)
        total = (self.scores.unsqueeze(-1) + best).flatten(1)
        top, place = total.topk(min(2 * self.K, total.size(1)), dim=1)
        beams, tokens = place // best.size(2), token.flatten(1).gather(1, place)
        ends = tokens == self.eos_id
        self._finish(top, beams, ends, forced)
        self.length += 1
        # Each beam ends in at most one way, so of 2 K candidates at least K are no ends.
        scores, order = top.masked_fill(ends, -torch.inf).topk(self.K, dim=1)
        beams, tokens = beams.gather(1, order), tokens.gather(1, order)
        self._extend(scores, beams, tokens)
        return self._drop_done(beams, tokens)

    def _finish(self, top: Tensor, beams: Tensor, ends: Tensor, forced: Tensor) -> None:
        best = ends & torch.isfinite(top)
        best[:, self.K :] = False  # ends beyond the first K would not have survived as beams
        for row, rank in best.nonzero().tolist():
            output = self.tokens[row, beams[row, rank]].tolist()
            score = float(top[row, rank]) / (len(output) + 1) ** self.alpha
            hypothesis = Hypothesis(output, score, not bool(forced[row]))
            self.finished[int(self.active[row])].append(hypothesis)

    def _extend(self, scores: Tensor, beams: Tensor, tokens: Tensor) -> None:
        history = self.tokens.gather(1, beams.unsqueeze(-1).expand(-1, -1, self.tokens.size(-1)))
        self.tokens = torch.cat([history, tokens.unsqueeze(-1)], dim=-1)
        self.scores = scores

    def _drop_done(self, beams: Tensor, tokens: Tensor) -> tuple[Tensor, Tensor, Tensor] | None:
        open_best = self.scores[:, 0].tolist()
        limits = self.max_lens.tolist()
        keep = [
            row
            for row, number in enumerate(self.active.tolist())
            if not self._is_done(self.finished[number], open_best[row], limits[row])
        ]
        if not keep:
            return None
        rows = torch.tensor(keep, device=tokens.device)
        if len(keep) < len(open_best):
            self.active, self.max_lens = self.active[rows], self.max_lens[rows]
            self.scores, self.tokens = self.scores[rows], self.tokens[rows]
        return rows, beams[rows], tokens[rows]

    def _is_done(self, finished: list[Hypothesis], open_best: float, limit: int) -> bool:
        if len(finished) >= self.K or open_best == -torch.inf:
            return True
        # Log-probabilities only fall, and the divisor is largest at the maximum length.
        reachable = open_best / (limit + 1) ** self.alpha
        return bool(finished) and max(h.score for h in finished) >= reachable

    def results(self) -> list[list[Hypothesis]]:
        """Return the finished outputs of each sequence, best first."""
        return [sorted(outputs, key=lambda h: -h.score)[: self.K] for outputs in self.finished]


def teacher_inputs(targets: Tensor, bos_id: int) -> Tensor:
    """(B, L) targets -> (B, L) decoder inputs: the begin symbol, then all targets but the last."""
    return functional.pad(targets[:, :-1], (1, 0), value=bos_id)


def smoothed_cross_entropy(logits: Tensor, targets: Tensor, smoothing: float) -> Tensor:
    """(N, V), (N,) -> summed cross-entropy with label smoothing (Szegedy et al. 2016)."""
    return functional.cross_entropy(
        logits.float(), targets, reduction="sum", label_smoothing=smoothing
    )


def valid_steps(x: Tensor, lens: Tensor) -> Tensor:
    """(B, L, ...), (B,) -> (N, ...): the steps without padding, in order."""
    return x[length_mask(lens, x.size(1))]
