"""Texts -> labels (intents, topics, moods) with ``fit`` and ``predict``."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from asr.errors import DataError, ModelError, require
from asr.training.estimator import Estimator, with_training

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from asr.language.classification.training import TextConfig, TextModel
    from asr.scoring.classification import ClassificationScore

__all__ = ["TextClassifier"]


class TextClassifier(Estimator):
    """A BiLSTM with attention pooling over words or subword pieces.

    Args:
        config: everything that can be set; see
            :class:`asr.language.classification.training.TextConfig`. The arguments below go over
            it.
        random_state: seed.
        time_limit_s: seconds that training may take.
        max_epochs: the learning rate falls over so many.
        embeddings: text file of word vectors, word2vec's or GloVe's.
        threshold: a text whose likeliest label has a lower probability than this gets
            ``out_of_scope`` instead.
        validation_fraction: of the texts of each label, held out where ``fit`` gets no dev texts.

    Example:
        >>> texts, labels = ["great film", "bad film"] * 50, ["good", "bad"] * 50
        >>> model = TextClassifier(random_state=0).fit(texts, labels)  # doctest: +SKIP
        >>> model.predict(["a great one"])  # doctest: +SKIP
        ['good']
    """

    def __init__(
        self,
        config: TextConfig | None = None,
        *,
        random_state: int | None = None,
        time_limit_s: float | None = None,
        max_epochs: int | None = None,
        embeddings: str | None = None,
        threshold: float = 0.0,
        out_of_scope: str = "out_of_scope",
        validation_fraction: float = 0.1,
    ) -> None:
        self.config, self.random_state, self.time_limit_s = config, random_state, time_limit_s
        self.max_epochs, self.embeddings, self.validation_fraction = (
            max_epochs,
            embeddings,
            validation_fraction,
        )
        self.threshold, self.out_of_scope = threshold, out_of_scope
        self.model_: TextModel | None = None

    def fit(
        self,
        texts: Sequence[str],
        labels: Sequence[Any],
        dev: tuple[Sequence[str], Sequence[Any]] | None = None,
        run_dir: str | Path | None = None,
    ) -> TextClassifier:
        """Train, and keep the weights with the best accuracy on held-out texts.

        Raises:
            DataError: texts and labels differ in number, no text has a word, or there are fewer
            than two labels.
        """
        require("torch", "train")
        from asr.language.classification.training import fit_text_classifier
        from asr.language.data import LabelledTexts

        train = LabelledTexts(_texts(texts), _labels(labels, len(texts)))
        if dev is None:
            train, held_out = _hold_out(train, self.validation_fraction, self.random_state or 0)
        else:
            held_out = LabelledTexts(_texts(dev[0]), _labels(dev[1], len(dev[0])))
        if not any(text.strip() for text in train.texts):
            raise DataError("None of the texts has a word.", "Give texts to learn from.")
        self.config = self._config()
        with tempfile.TemporaryDirectory() as folder:
            self.model_ = fit_text_classifier(
                self.config, train, held_out, Path(run_dir or folder), resume=False
            )
        return self

    def _config(self) -> TextConfig:
        from asr.language.classification.training import TextConfig

        config = with_training(
            self.config or TextConfig(), self.random_state, self.time_limit_s, self.max_epochs
        )
        if self.embeddings is not None:
            config = replace(config, data=replace(config.data, embeddings=self.embeddings))
        return config

    def _fitted(self) -> TextModel:
        if self.model_ is None:
            raise ModelError(
                "This classifier has not been trained.", "Call fit, or TextClassifier.load(FOLDER)."
            )
        return self.model_

    @property
    def classes_(self) -> tuple[str, ...]:
        """The labels, in the order of :meth:`predict_proba`'s columns."""
        return self._fitted().classes

    def predict_proba(self, texts: Sequence[str]) -> npt.NDArray[np.float64]:
        """Return p(label | text): (texts, labels)."""
        from asr.language.classification.training import predict_texts

        return predict_texts(self._fitted(), _texts(texts))

    def predict(self, texts: Sequence[str]) -> list[str]:
        """Return a label for each text; ``out_of_scope`` where none reaches the threshold, and for
        empty texts.
        """
        return self.labels_of(self.predict_proba(texts), texts)

    def labels_of(self, probabilities: npt.NDArray[np.float64], texts: Sequence[str]) -> list[str]:
        """Return the labels that :meth:`predict` gives texts with these probabilities."""
        classes, found = self.classes_, []
        for row, text in zip(probabilities, texts, strict=True):
            known = row.max() >= self.threshold and text.strip()
            found.append(classes[int(row.argmax())] if known else self.out_of_scope)
        return found

    def tune_threshold(self, texts: Sequence[str], is_in_scope: Sequence[bool]) -> float:
        """Set and return the threshold that parts texts in scope from others with the fewest
        mistakes.

        Raises:
            DataError: texts and marks differ in number, or are all of one kind.
        """
        import numpy as np

        marks = np.asarray(is_in_scope, bool)
        if len(marks) != len(texts) or marks.all() or not marks.any():
            raise DataError(
                "A threshold is tuned on texts in scope and out of it, with a mark each."
            )
        best = self.predict_proba(texts).max(1)
        candidates = np.unique(
            np.concatenate([[0.0], (np.sort(best)[1:] + np.sort(best)[:-1]) / 2, [1.0]])
        )
        mistakes = [(int(((best >= t) != marks).sum()), float(t)) for t in candidates]
        self.threshold = min(mistakes)[1]
        return self.threshold

    def score(self, texts: Sequence[str], labels: Sequence[Any]) -> ClassificationScore:
        """Return accuracy, F1, AUC and confusions; a label that training did not have is a class of
        its own.
        """
        from asr.language.classification.training import score_texts
        from asr.language.data import LabelledTexts

        return score_texts(
            self._fitted(), LabelledTexts(_texts(texts), _labels(labels, len(texts)))
        )[0]

    def save(self, folder: str | Path) -> Path:
        """Write the model folder."""
        from asr.language.classification.training import save_text_classifier

        save_text_classifier(replace(self._fitted(), threshold=self.threshold), Path(folder))
        return Path(folder)

    @classmethod
    def load(
        cls, folder: str | Path, threshold: float | None = None, out_of_scope: str = "out_of_scope"
    ) -> TextClassifier:
        """Return the classifier in a model folder (or in a run folder that holds one).

        Args:
            folder: its path.
            threshold: instead of the one that was saved.
            out_of_scope: see the class.

        Raises:
            ModelError: no model there, a damaged one, or one of another task.
        """
        require("torch", "train")
        from asr.language.classification.training import load_text_classifier

        classifier = cls(out_of_scope=out_of_scope)
        classifier.model_ = load_text_classifier(folder)
        classifier.threshold = classifier.model_.threshold if threshold is None else threshold
        classifier.config = classifier.model_.config
        return classifier


def _texts(texts: Any) -> list[str]:
    if isinstance(texts, str):
        raise DataError(f"One text was given, {texts[:40]!r}.", "Give a list of texts.")
    rows = list(texts)
    for number, text in enumerate(rows, 1):
        if not isinstance(text, str):
            raise DataError(
                f"Text {number} is {text!r}, which is no text.", "Give a list of texts."
            )
    return rows


def _labels(labels: Sequence[Any], count: int) -> list[str]:
    if len(labels) != count:
        raise DataError(
            f"There are {count} texts and {len(labels)} labels.", "Give one label each."
        )
    missing = next(
        (n for n, label in enumerate(labels, 1) if label is None or label != label or label == ""),
        None,
    )
    if missing is not None:
        raise DataError(f"Text {missing} has no label.", "Leave out texts without a label.")
    return [str(label) for label in labels]


def _hold_out(data: Any, share: float, seed: int) -> tuple[Any, Any]:
    import numpy as np

    from asr.language.data import LabelledTexts

    labels = np.array(data.labels)
    apart, rng = np.zeros(len(labels), bool), np.random.default_rng((seed, 2))
    for name in dict.fromkeys(data.labels):
        items = rng.permutation(np.flatnonzero(labels == name))
        apart[items[: round(share * len(items))]] = True
    if not apart.any():
        raise DataError(
            f"{len(labels)} texts are too few to hold some out.", "Give more, or dev texts."
        )

    def take(chosen: Any) -> LabelledTexts:
        numbers = np.flatnonzero(chosen).tolist()
        return LabelledTexts([data.texts[i] for i in numbers], [data.labels[i] for i in numbers])

    return take(~apart), take(apart)
