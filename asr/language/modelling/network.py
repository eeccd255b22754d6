"""The language model's network: tokens -> LSTM -> next token.

Mikolov et al. 2010; Sundermeyer et al. 2012; tied embeddings: Press & Wolf 2017. Sampling tokens by
a power of their frequencies: Mikolov et al. 2013, "Distributed Representations of Words and Phrases
and their Compositionality".

Legend: B rows, T steps, V vocabulary, D embedding, L layers, H hidden.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from asr.config import check_choice, check_range
from asr.language.modelling.batches import StreamBatch
from asr.sequence import Dropout, RecurrentStack, RecurrentState
from asr.training.task import LossSum, Task

__all__ = ["CARRIED", "LanguageModelConfig", "LanguageModelTask"]

CARRIED = "carried"
CELLS = ("lstm", "gru")
FLATTENED = 0.75  # power of the frequencies that tokens are sampled by (Mikolov 2013, section 2.2)


@dataclass(frozen=True)
class LanguageModelConfig:
    """Shape of a language model.

    Attributes:
        dim: of the token embedding, whose matrix is also the output layer's.
        hidden_dim: of the recurrent layers, each projected to ``dim``.
        num_layers: of the recurrent stack.
        cell: of the recurrent stack: lstm or gru.
        dropout: on embeddings, layers' outputs and before the output layer.
        forget_share: share of the rows that begin a training chunk with a zero state instead of the
            carried one, so that the model can also score sentences on their own.
        sampled: sampled softmax: number of tokens, sampled anew for every chunk, that stand for the
            whole vocabulary in training (0: the full softmax). With tens of thousands of words a
            step costs several times less; figures always use the full softmax.
    """

    dim: int = 256
    hidden_dim: int = 512
    num_layers: int = 1
    cell: str = "lstm"
    dropout: float = 0.1
    forget_share: float = 0.05
    sampled: int = 0

    def __post_init__(self) -> None:
        check_choice("model.cell", self.cell, CELLS)
        check_range("model.dropout", self.dropout, 0, 0.95)
        check_range("model.forget_share", self.forget_share, 0, 1)
        check_range("model.sampled", self.sampled, 0)
        for name in ("dim", "hidden_dim", "num_layers"):
            check_range(f"model.{name}", getattr(self, name), 1)


class LanguageModelTask(Task):
    """Embedding, recurrent stack, tied output layer; truncated back-propagation with carried state.

    The state that training carries from chunk to chunk is a buffer: it is in the checkpoint, so
    that a resumed run continues with it.

    Args:
        config: shape.
        vocab_size: V.
        batch_size: B of training.
        counts: (V,) of the tokens in the training text; the output layer's bias begins with their
            frequencies, and the sampled softmax samples by them.
    """

    carried: Tensor
    proposal: Tensor

    def __init__(
        self,
        config: LanguageModelConfig,
        vocab_size: int,
        batch_size: int = 1,
        counts: Tensor | None = None,
    ) -> None:
        super().__init__()
        self.config = config
        self.embedding = nn.Embedding(vocab_size, config.dim)
        nn.init.normal_(self.embedding.weight, std=config.dim**-0.5)
        self.dropout = Dropout(config.dropout)
        self.encoder = RecurrentStack(
            config.dim,
            config.hidden_dim,
            num_layers=config.num_layers,
            cell=config.cell,
            bidirectional=False,
            norm="none",
            residual=config.num_layers > 1,
            dropout=config.dropout,
            projection_dim=config.dim,
        )
        frequency = torch.ones(vocab_size) if counts is None else counts + 1.0
        self.output_bias = nn.Parameter((frequency / frequency.mean()).log())
        proposal = frequency**FLATTENED
        self.register_buffer("proposal", proposal / proposal.sum(), persistent=False)
        parts = 2 if config.cell == "lstm" else 1
        self.register_buffer(
            CARRIED, torch.zeros(config.num_layers, parts, batch_size, config.hidden_dim)
        )

    def forward(
        self, tokens: Tensor, state: RecurrentState | None = None
    ) -> tuple[Tensor, RecurrentState]:
        """Tokens (B, T), state -> logits of the next token (B, T, V), state after the last step."""
        x, state = self._read(tokens, state)
        return self._logits(x), state

    def _read(self, tokens: Tensor, state: RecurrentState | None) -> tuple[Tensor, RecurrentState]:
        lens = torch.full((tokens.size(0),), tokens.size(1), device=tokens.device)
        x = self.dropout(self.embedding(tokens) * self.config.dim**0.5)
        x, _, state = self.encoder(x, lens, state)
        return x, state

    def _logits(self, x: Tensor) -> Tensor:
        return functional.linear(x, self.embedding.weight, self.output_bias)

    def loss(self, batch: StreamBatch, generator: torch.Generator | None = None) -> LossSum:
        """Return the summed cross-entropy of a chunk's targets and their number.

        In training it also replaces the carried state by the one after the chunk.
        """
        x, after = self._read(batch.tokens[:, :-1], self._before(batch, generator))
        if self.training and generator is not None:
            self.carried = torch.stack([torch.stack(layer) for layer in after]).squeeze(2).detach()
        x, targets = x.flatten(0, 1), batch.tokens[:, 1:].flatten()
        if self.config.sampled and generator is not None:
            total = self._sampled_loss(x, targets, generator)
        else:
            total = functional.cross_entropy(self._logits(x).float(), targets, reduction="sum")
        return LossSum(total, torch.tensor(targets.numel(), device=total.device))

    def _sampled_loss(self, x: Tensor, targets: Tensor, generator: torch.Generator) -> Tensor:
        """Return the summed cross-entropy of targets (N,) at outputs (N, D), by sampled softmax.

        Importance sampling (Bengio & Senecal 2008; Jean et al. 2015, section 3): the softmax's sum
        over the vocabulary is estimated from the target and n sampled tokens. A token with sampling
        probability q counts 1 / (n q) times, and not at all where it is the target itself.
        """
        count = self.config.sampled
        proposal = self.proposal.to(generator.device)
        sampled = torch.multinomial(proposal, count, replacement=True, generator=generator)
        sampled = sampled.to(x.device)
        log_weight = (count * self.proposal[sampled]).log()
        bias = self.output_bias[sampled] - log_weight
        others = functional.linear(x, self.embedding(sampled), bias).float()
        others = others.masked_fill(sampled == targets.unsqueeze(1), -torch.inf)
        target = ((x * self.embedding(targets)).sum(1) + self.output_bias[targets]).float()
        losses: Tensor = torch.cat([target.unsqueeze(1), others], 1).logsumexp(1) - target
        return losses.sum()

    def _before(
        self, batch: StreamBatch, generator: torch.Generator | None
    ) -> RecurrentState | None:
        """Return the state before a chunk: the carried one, zeroed in some rows, or None."""
        if batch.is_first or self.carried.size(2) != len(batch):
            return None
        carried = self.carried.to(self.embedding.weight.dtype)
        if generator is not None and self.config.forget_share:
            kept = torch.rand(len(batch), generator=generator) >= self.config.forget_share
            carried = carried * kept.to(carried).view(1, 1, -1, 1)
        return [tuple(part.unsqueeze(0) for part in layer) for layer in carried]

    def log_probs(
        self, tokens: Tensor, state: RecurrentState | None = None
    ) -> tuple[Tensor, RecurrentState]:
        """Tokens (B, T + 1), state -> log p of each token but the first (B, T), state."""
        logits, state = self(tokens[:, :-1], state)
        return logits.float().log_softmax(-1).gather(2, tokens[:, 1:, None]).squeeze(2), state
