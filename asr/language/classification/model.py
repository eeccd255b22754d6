"""A trained text classifier: prediction, figures, and the model folder.

Legend: N texts, C classes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from asr.config import build_config
from asr.errors import DataError
from asr.language.batches import TokenLoader
from asr.language.classification.data import LabelledTexts
from asr.language.classification.encoder import TextEncoder
from asr.language.classification.network import TextClassifierConfig, TextClassifierTask
from asr.language.folders import training_of, write_text_model
from asr.model_folder import Bundle, open_model
from asr.scoring.classification import ClassificationScore, score_classes
from asr.training.task import load_weights

__all__ = ["FittedTextClassifier", "score_probabilities"]

BATCH_SIZE, BATCH_TOKENS = 128, 16_000  # of predictions
Probabilities = npt.NDArray[np.float64]


@dataclass(frozen=True)
class SavedConfig:
    """``config.yaml`` of a model folder."""

    task: str = "classify_text"
    classes: list[str] = field(default_factory=list)
    lower: bool = True
    threshold: float = 0.0
    network: TextClassifierConfig = field(default_factory=TextClassifierConfig)


@dataclass(frozen=True)
class FittedTextClassifier:
    """A network with its vocabulary and classes: the content of a model folder.

    Attributes:
        network: the network.
        encoder: texts to ids.
        classes: names by number.
        threshold: a text whose best class is less probable is out of scope.
        training: the configuration of its training, as YAML.
    """

    network: TextClassifierTask
    encoder: TextEncoder
    classes: tuple[str, ...]
    threshold: float = 0.0
    training: str = ""

    def predict(self, texts: Sequence[str]) -> Probabilities:
        """Return p(class | text): (N, C)."""
        probabilities = self.network.mixed(self.part_scores(texts)).softmax(-1)
        return np.asarray(probabilities.cpu().numpy())

    @torch.inference_mode()
    def part_scores(self, texts: Sequence[str]) -> list[Tensor]:
        """Return the scores (N, C) of each part of the network, in double precision."""
        self.network.eval()
        device = next(self.network.parameters()).device
        loader = TokenLoader(self.encoder.items(texts), BATCH_SIZE, BATCH_TOKENS, shuffle=False)
        count = 1 if self.network.ngrams is None else 2
        shape = (len(texts), len(self.classes))
        scores = [torch.zeros(shape, dtype=torch.float64, device=device) for _ in range(count)]
        for position in range(loader.num_batches(0)):
            batch = loader.load(0, position).to(device)
            for whole, part in zip(scores, self.network.parts(batch), strict=True):
                whole[torch.from_numpy(batch.items).to(device)] = part.double()
        return scores

    def save(self, folder: str | Path) -> Path:
        """Write the model folder; return its path."""
        config = SavedConfig(
            classes=list(self.classes),
            lower=self.encoder.lower,
            threshold=self.threshold,
            network=self.network.config,
        )
        weights = self.network.state_dict()
        return write_text_model(folder, config, self.encoder, weights, training=self.training)

    @classmethod
    def load(cls, folder: str | Path | Bundle) -> FittedTextClassifier:
        """Return the classifier of a model folder.

        Raises:
            ModelError: no model there, a damaged one, or one of another task.
        """
        bundle = open_model(folder, task="classify_text")
        saved = build_config(SavedConfig, bundle.config, where=str(bundle.path / "config.yaml"))
        encoder = TextEncoder.load(bundle.path, saved.lower, saved.network.ngrams)
        network = TextClassifierTask(
            saved.network, len(encoder.units), len(saved.classes), encoder.num_ngrams
        )
        load_weights(network, bundle.weights(), bundle.path)
        classes = tuple(saved.classes)
        return cls(network.eval(), encoder, classes, saved.threshold, training_of(bundle))


def score_probabilities(
    probabilities: Probabilities, data: LabelledTexts, classes: Sequence[str]
) -> ClassificationScore:
    """Return the figures of predictions; labels unseen in training count as classes of their own.

    Args:
        probabilities: (N, C).
        data: the texts with their labels.
        classes: names of the C classes.

    Raises:
        DataError: the texts have no labels.
    """
    if data.labels is None:
        raise DataError("The texts have no labels to score against.", "Give labels.")
    names = [*classes, *sorted(set(data.labels) - set(classes))]
    numbers = {name: number for number, name in enumerate(names)}
    truth = np.array([numbers[label] for label in data.labels], np.int64)
    padded = np.pad(probabilities, ((0, 0), (0, len(names) - len(classes))))
    return score_classes(truth, padded, names)
