"""The text classifier's network: embedded units -> the sequence classifier of ``sequence/``.

Legend: B batch, T units, V vocabulary, C classes.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor, nn
from torch.nn import functional

from asr.config import check_range
from asr.language.batches import TokenBatch
from asr.language.words import WordConfig, WordEncoder
from asr.sequence.classifier import ClassifierConfig, ClassifierNetwork
from asr.training.task import LossSum, Task

__all__ = ["TextClassifierConfig", "TextClassifierTask"]


@dataclass(frozen=True)
class TextClassifierConfig:
    """Shape of a text classifier.

    Attributes:
        words: embedding of the units, with spelling ``none``.
        network: see :class:`asr.sequence.classifier.ClassifierConfig`.
        label_smoothing: share of a label that is spread evenly over all classes (Szegedy et al.
            2016, section 7).
    """

    words: WordConfig = field(default_factory=lambda: WordConfig(dim=128, spelling="none"))
    network: ClassifierConfig = field(
        default_factory=lambda: ClassifierConfig(hidden_dim=128, dropout=0.4)
    )
    label_smoothing: float = 0.05

    def __post_init__(self) -> None:
        check_range("model.label_smoothing", self.label_smoothing, 0, 0.99)


class TextClassifierTask(Task):
    """Embedding, network and weighted cross-entropy.

    Args:
        config: shape.
        num_units: V.
        num_classes: C.
    """

    class_weights: Tensor

    def __init__(self, config: TextClassifierConfig, num_units: int, num_classes: int) -> None:
        super().__init__()
        self.config = config
        self.words = WordEncoder(config.words, num_units)
        self.network = ClassifierNetwork(
            config.network, self.words.output_dim, num_classes, embedding=nn.Identity()
        )
        self.register_buffer("class_weights", torch.ones(num_classes))

    def forward(self, batch: TokenBatch, generator: torch.Generator | None = None) -> Tensor:
        """A batch -> unnormalised scores (B, C); a generator switches the word dropout on."""
        scores: Tensor = self.network(self.words(batch, generator), batch.lens)
        return scores

    def loss(self, batch: TokenBatch, generator: torch.Generator | None = None) -> LossSum:
        """Return the summed weighted cross-entropy and the sum of the weights."""
        assert batch.labels is not None
        total = functional.cross_entropy(
            self(batch, generator),
            batch.labels,
            self.class_weights,
            reduction="sum",
            label_smoothing=self.config.label_smoothing if self.training else 0.0,
        )
        return LossSum(total, self.class_weights[batch.labels].sum())
