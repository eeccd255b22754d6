"""Ensembles of text classifiers: the mean of their probabilities."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from asr.language.classification.classifier import TextClassifier
from asr.language.labels import check_same_labels

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

__all__ = ["TextClassifierEnsemble"]


class TextClassifierEnsemble:
    """Text classifiers with the same labels; their vocabularies and shapes may differ.

    Args:
        models: fitted classifiers, or model folders. The first one's threshold applies.

    Raises:
        ModelError: there are none, or their labels differ.
    """

    def __init__(self, models: Sequence[TextClassifier | str | Path]) -> None:
        self.models = [TextClassifier.load(m) if isinstance(m, (str, Path)) else m for m in models]
        check_same_labels([set(model.classes_) for model in self.models])

    @property
    def classes_(self) -> tuple[str, ...]:
        """The labels, in the order of :meth:`predict_proba`'s columns."""
        return self.models[0].classes_

    def predict_proba(self, texts: Sequence[str]) -> npt.NDArray[np.float64]:
        """Return the mean of the models' p(label | text): (texts, labels)."""
        import numpy as np

        tables = []
        for model in self.models:
            columns = [model.classes_.index(name) for name in self.classes_]
            tables.append(model.predict_proba(texts)[:, columns])
        mean: npt.NDArray[np.float64] = np.mean(tables, axis=0)
        return mean

    def predict(self, texts: Sequence[str]) -> list[str]:
        """Return a label for each text."""
        return self.labels_of(self.predict_proba(texts), texts)

    def labels_of(self, probabilities: npt.NDArray[np.float64], texts: Sequence[str]) -> list[str]:
        """Return the best label of each text, by the first model's threshold.

        Args:
            probabilities: (texts, labels), as :meth:`predict_proba` gives them.
            texts: the same texts.
        """
        return self.models[0].labels_of(probabilities, texts)
