"""The punctuation network: words -> recurrent stack -> the mark after each word, and its shape.

Tilk & Alumäe 2016 restore marks with a recurrent network in both directions; two outputs, one of
them for capitals, as in Pahuja et al. 2017, "Joint Learning of Correlated Sequence Labelling Tasks
Using Bidirectional Recurrent Neural Networks".

Legend: B windows, T words, V units, D embedding.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from asr.language.punctuation.batches import WindowBatch
from asr.language.punctuation.config import PunctuationConfig
from asr.language.punctuation.marks import MARKS, SHAPES
from asr.language.punctuation.units import PAD
from asr.sequence import Dropout, RecurrentStack
from asr.sequence.lengths import length_mask
from asr.training.task import LossSum, Task

__all__ = ["PunctuationTask"]


class PunctuationTask(Task):
    """Embedding, recurrent stack, two softmax outputs.

    Args:
        config: shape.
        num_units: V.
    """

    def __init__(self, config: PunctuationConfig, num_units: int) -> None:
        super().__init__()
        self.config = config
        self.embedding = nn.Embedding(num_units, config.dim, padding_idx=PAD)
        nn.init.normal_(self.embedding.weight, std=config.dim**-0.5)
        self.embedding.weight.data[PAD] = 0
        self.dropout = Dropout(config.dropout)
        self.encoder = RecurrentStack(
            config.dim,
            config.hidden_dim,
            num_layers=config.num_layers,
            cell=config.cell,
            bidirectional=not config.lookahead,
            dropout=config.dropout,
        )
        self.output = nn.Linear(self.encoder.output_dim, len(MARKS) + len(SHAPES))

    def forward(self, tokens: Tensor, lens: Tensor) -> tuple[Tensor, Tensor]:
        """Ids (B, T), (B,) -> logits of marks (B, T, 4) and of shapes (B, T, 4)."""
        ahead = self.config.lookahead
        if ahead:  # what is said of a word comes so many steps later
            tokens, lens = functional.pad(tokens, (0, ahead), value=PAD), lens + ahead
        x = self.encoder(self.dropout(self.embedding(tokens)), lens)[0][:, ahead:]
        marks, shapes = self.output(x).split([len(MARKS), len(SHAPES)], dim=-1)
        return marks, shapes

    def loss(self, batch: WindowBatch, generator: torch.Generator | None = None) -> LossSum:
        """Return the summed cross-entropy of marks and shapes, and the number of words."""
        tokens = batch.tokens
        if generator is not None and self.config.word_dropout:
            chance = torch.rand(tokens.shape, generator=generator).to(tokens.device)
            tokens = torch.where(chance < self.config.word_dropout, batch.endings, tokens)
        inside = length_mask(batch.lens, tokens.size(1))
        marks, shapes = self(tokens, batch.lens)
        total = torch.zeros((), device=tokens.device)
        for logits, classes in ((marks, batch.marks), (shapes, batch.shapes)):
            total = total + functional.cross_entropy(
                logits.float()[inside], classes[inside], reduction="sum"
            )
        return LossSum(total, inside.sum())
