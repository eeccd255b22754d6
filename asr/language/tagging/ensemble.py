"""Ensembles of taggers: the mean of their probabilities."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from asr.language.labels import check_same_labels
from asr.language.tagging.tagger import Tagger

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

__all__ = ["TaggerEnsemble"]


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
        self.models = [Tagger.load(m) if isinstance(m, (str, Path)) else m for m in models]
        check_same_labels([set(model.classes_) for model in self.models])

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

    def predict_both(
        self, sentences: Sequence[Sequence[str]]
    ) -> tuple[list[list[str]], list[str] | None]:
        """Return the tags and, where all models learned labels, the commonest label of each."""
        tags = self.predict(sentences)
        votes = [model.predict_both(sentences)[1] for model in self.models]
        labels = [given for given in votes if given is not None]
        if len(labels) < len(votes):
            return tags, None
        return tags, [Counter(each).most_common(1)[0][0] for each in zip(*labels, strict=True)]
