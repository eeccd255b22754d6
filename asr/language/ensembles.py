"""Ensembles of text models: the mean of their probabilities.

For transcripts see :func:`asr.decoding.rover.rover`.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from asr.errors import ModelError

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from asr.language.classification.classifier import TextClassifier
    from asr.language.tagging.tagger import Tagger

__all__ = ["TaggerEnsemble", "TextClassifierEnsemble"]


class TextClassifierEnsemble:
    """Text classifiers with the same labels; their vocabularies and shapes may differ.

    Args:
        models: fitted classifiers, or model folders. The first one's threshold applies.

    Raises:
        ModelError: there are none, or their labels differ.
    """

    def __init__(self, models: Sequence[TextClassifier | str | Path]) -> None:
        from asr.language.classification.classifier import TextClassifier

        self.models = [TextClassifier.load(m) if isinstance(m, (str, Path)) else m for m in models]
        _check_alike([set(model.classes_) for model in self.models])

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
        return self.models[0].labels_of(self.predict_proba(texts), texts)


class TaggerEnsemble:
    """Taggers with the same tags; their vocabularies and shapes may differ.

    The p(tag | sentence) of each word is averaged over the models. The result are the tags with the
    largest product of these means that keep the scheme's rules (posterior decoding).

    Args:
        models: fitted taggers, or model folders.

    Raises:
        ModelError: there are none, or their tags differ.
    """

    def __init__(self, models: Sequence[Tagger | str | Path]) -> None:
        from asr.language.tagging.tagger import Tagger

        self.models = [Tagger.load(m) if isinstance(m, (str, Path)) else m for m in models]
        _check_alike([set(model.classes_) for model in self.models])

    @property
    def classes_(self) -> tuple[str, ...]:
        """The tags, in the order of :meth:`predict_proba`'s last axis."""
        return self.models[0].classes_

    def predict_proba(self, sentences: Sequence[Sequence[str]]) -> list[npt.NDArray[np.float32]]:
        """Return the mean p(tag | sentence) of each word: an array (words, tags) a sentence."""
        import numpy as np

        tables = []
        for model in self.models:
            columns = [model.classes_.index(name) for name in self.classes_]
            tables.append([table[:, columns] for table in model.predict_proba(sentences)])
        return [np.mean(rows, axis=0) for rows in zip(*tables, strict=True)]

    def predict(self, sentences: Sequence[Sequence[str]]) -> list[list[str]]:
        """Return a tag for each word."""
        from asr.language.tagging.model import likeliest_paths

        scheme = self.models[0].model_.scheme
        return likeliest_paths(self.predict_proba(sentences), self.classes_, scheme)


def _check_alike(names: list[set[str]]) -> None:
    """Refuse an ensemble of no models, or of models with different labels."""
    if not names:
        raise ModelError("An ensemble of no models was asked for.", "Give at least one.")
    for number, other in enumerate(names[1:], 2):
        if odd := names[0] ^ other:
            raise ModelError(
                f"Model {number} and the first one differ in {', '.join(sorted(odd))}.",
                "Train them with the same labels.",
            )
