"""The tagger's network: words -> bidirectional LSTM -> linear-chain CRF.

Optionally it also learns a label of the whole sentence. Huang et al. 2015; Lample et al. 2016;
joint: Liu & Lane 2016.

Legend: B batch, T words, K tags, N labels.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor, nn
from torch.nn import functional

from asr.config import check_choice, check_range
from asr.language.batches import TokenBatch
from asr.language.words import WordConfig, WordEncoder
from asr.sequence import Dropout, RecurrentStack
from asr.sequence.crf import BioRules, LinearChainCrf
from asr.sequence.lengths import length_mask
from asr.sequence.pooling import Pooling
from asr.sequence.recurrent import CELLS
from asr.training.task import LossSum, Task

__all__ = ["TagModelConfig", "TagOutput", "TagTask"]


@dataclass(frozen=True)
class TagModelConfig:
    """Shape of a tagger.

    Attributes:
        words: word vectors; see :class:`asr.language.words.WordConfig`.
        hidden_dim: width of the recurrent layers, per direction.
        num_layers: of the recurrent stack.
        cell: of the recurrent stack: lstm, gru, ...
        dropout: on the word vectors and after each layer.
        crf: train on whole tag sequences (else on each tag by itself).
        label_weight: share of the sentence's label in the loss, where there are labels.
    """

    words: WordConfig = field(default_factory=WordConfig)
    hidden_dim: int = 200
    num_layers: int = 1
    cell: str = "lstm"
    dropout: float = 0.5
    crf: bool = True
    label_weight: float = 0.5

    def __post_init__(self) -> None:
        check_choice("model.cell", self.cell, CELLS)
        check_range("model.dropout", self.dropout, 0, 0.95)
        check_range("model.label_weight", self.label_weight, 0, 1)
        for name in ("hidden_dim", "num_layers"):
            check_range(f"model.{name}", getattr(self, name), 1)


@dataclass(frozen=True)
class TagOutput:
    """The output for a batch.

    Attributes:
        scores: (B, T, K) of each tag, before the CRF.
        label_log_probs: (B, N), or None without labels.
    """

    scores: Tensor
    label_log_probs: Tensor | None


class TagTask(Task):
    """Word encoder, recurrent stack, tag scores with a CRF, and a label from attention pooling.

    Args:
        config: shape.
        num_words: size of the vocabulary.
        num_chars: size of the alphabet.
        num_tags: K.
        num_labels: N; 0: no label is predicted.
        rules: which tag may follow which; see :func:`asr.sequence.crf.bio_rules`.
    """

    def __init__(
        self,
        config: TagModelConfig,
        num_words: int,
        num_chars: int,
        num_tags: int,
        num_labels: int = 0,
        rules: BioRules | None = None,
    ) -> None:
        super().__init__()
        self.config = config
        self.words = WordEncoder(config.words, num_words, num_chars)
        self.dropout = Dropout(config.dropout)
        self.encoder = RecurrentStack(
            self.words.output_dim,
            config.hidden_dim,
            num_layers=config.num_layers,
            cell=config.cell,
            norm="none",
            residual=config.num_layers > 1,
            dropout=config.dropout,
        )
        width = self.encoder.output_dim
        self.output = nn.Linear(width, num_tags)
        self.crf = LinearChainCrf(num_tags, rules)
        if not config.crf:  # its transitions stay 0, but its rules still hold in the search
            self.crf.requires_grad_(False)
        self.pooling = Pooling("attention", width) if num_labels else None
        self.label_output = nn.Linear(width, num_labels) if num_labels else None

    def forward(self, batch: TokenBatch, generator: torch.Generator | None = None) -> TagOutput:
        """Return the scores of a batch."""
        x, _, _ = self.encoder(self.dropout(self.words(batch, generator)), batch.lens)
        labels = None
        if self.pooling is not None and self.label_output is not None:
            labels = self.label_output(self.pooling(x, batch.lens)).float().log_softmax(-1)
        return TagOutput(self.output(x), labels)

    def loss(self, batch: TokenBatch, generator: torch.Generator | None = None) -> LossSum:
        """Summed negative log-likelihood of the tags (and labels) and the number of sentences."""
        assert batch.tags is not None
        output = self(batch, generator)
        if self.config.crf:
            total = self.crf.loss(output.scores, batch.tags, batch.lens).sum()
        else:
            inside = length_mask(batch.lens, batch.tags.size(1))
            total = functional.cross_entropy(
                output.scores[inside].float(), batch.tags[inside], reduction="sum"
            )
        if output.label_log_probs is not None:
            assert batch.labels is not None
            weight = self.config.label_weight
            labels = functional.nll_loss(output.label_log_probs, batch.labels, reduction="sum")
            total = (1 - weight) * total + weight * labels
        return LossSum(total, torch.tensor(len(batch), device=total.device))
