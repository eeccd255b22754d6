"""The text classifier's network: embedded units -> the sequence classifier of ``sequence/``.

Beside it stands a linear model of n-grams, which is better where texts are few; dev texts decide
how much each of the two counts.

Legend: B batch, T units, V vocabulary, C classes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn
from torch.nn import functional

from asr.config import check_range
from asr.language.batches import TokenBatch
from asr.language.classification.ngrams import NgramConfig, NgramScores
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
        ngrams: scored linearly beside the network, see
            :mod:`asr.language.classification.ngrams`.
        label_smoothing: share of a label that is spread evenly over all classes (Szegedy et al.
            2016, section 7).
    """

    words: WordConfig = field(default_factory=lambda: WordConfig(dim=128, spelling="none"))
    network: ClassifierConfig = field(
        default_factory=lambda: ClassifierConfig(hidden_dim=128, dropout=0.4)
    )
    ngrams: NgramConfig = field(default_factory=NgramConfig)
    label_smoothing: float = 0.05

    def __post_init__(self) -> None:
        check_range("model.label_smoothing", self.label_smoothing, 0, 0.99)


class TextClassifierTask(Task):
    """Embedding, network and weighted cross-entropy.

    Args:
        config: shape.
        num_units: V.
        num_classes: C.
        num_ngrams: known n-grams; 0: none are scored.
    """

    class_weights: Tensor
    share: Tensor

    def __init__(
        self, config: TextClassifierConfig, num_units: int, num_classes: int, num_ngrams: int = 0
    ) -> None:
        super().__init__()
        self.config = config
        self.words = WordEncoder(config.words, num_units)
        self.network = ClassifierNetwork(
            config.network, self.words.output_dim, num_classes, embedding=nn.Identity()
        )
        self.ngrams: NgramScores | None = None
        if num_ngrams:
            self.ngrams = NgramScores(config.ngrams, num_ngrams, num_classes)
            self.register_buffer("share", torch.tensor(0.5))  # of the recurrent network
        self.register_buffer("class_weights", torch.ones(num_classes))

    def forward(self, batch: TokenBatch, generator: torch.Generator | None = None) -> Tensor:
        """A batch -> unnormalised scores (B, C); a generator switches the word dropout on."""
        return self.mixed(self.parts(batch, generator))

    def parts(self, batch: TokenBatch, generator: torch.Generator | None = None) -> list[Tensor]:
        """Return the scores (B, C) of the recurrent network, and of the n-grams if there are."""
        scores = [self.network(self.words(batch, generator), batch.lens)]
        if self.ngrams is not None:
            assert batch.ngrams is not None
            scores.append(self.ngrams(batch.ngrams, generator))
        return scores

    def mixed(self, parts: Sequence[Tensor]) -> Tensor:
        """Return the weighted mean of the parts' log-probabilities (B, C)."""
        if len(parts) == 1:
            return parts[0]
        recurrent, ngrams = (part.log_softmax(-1) for part in parts)
        return self.share * recurrent + (1 - self.share) * ngrams

    def loss(self, batch: TokenBatch, generator: torch.Generator | None = None) -> LossSum:
        """Return the weighted cross-entropy, summed over texts and parts, and the weights' sum.

        Each part learns by itself: what one knows by heart, the other has to learn all the same.
        """
        labels = batch.labels
        assert labels is not None
        losses = [
            functional.cross_entropy(
                scores,
                labels,
                self.class_weights,
                reduction="sum",
                label_smoothing=self.config.label_smoothing if self.training else 0.0,
            )
            for scores in self.parts(batch, generator)
        ]
        return LossSum(torch.stack(losses).sum(), self.class_weights[labels].sum())
