"""The estimator: texts -> labels (intents, topics, moods)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from asr.errors import DataError, require
from asr.training.estimator import Estimator, config_from

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from asr.language.classification.config import TextConfig
    from asr.language.classification.model import FittedTextClassifier
    from asr.model_folder import Bundle
    from asr.scoring.classification import ClassificationScore

__all__ = ["TextClassifier"]


class TextClassifier(Estimator["FittedTextClassifier"]):
    """A BiLSTM with attention pooling over words or subword pieces.

    Args:
        config: everything that can be set, as
            :class:`asr.language.classification.config.TextConfig` or as a mapping of its keys; the
            arguments below go over it.
        embeddings: text file of word vectors, in the format of word2vec or GloVe.
        threshold: a text whose best label has a lower probability gets ``out_of_scope`` instead.
        out_of_scope: the label of such texts, and of empty ones.
        learning_rate: peak learning rate; None: the configuration's.
        validation_share: share of the texts of each label, set aside to choose the best epoch where
            ``fit`` gets no dev texts.
        max_epochs: passes over the texts; None: the configuration's.
        random_state: seed; None draws one.
        time_limit_s: seconds that training may take; None: no limit.
        run_dir: folder for curves, checkpoints and model; None: a temporary one.

    Example:
        >>> texts, labels = ["great film", "bad film"] * 50, ["good", "bad"] * 50
        >>> model = TextClassifier(random_state=0).fit(texts, labels)  # doctest: +SKIP
        >>> model.predict(["a great one"])  # doctest: +SKIP
        ['good']
    """

    _estimator_type = "classifier"

    model_: FittedTextClassifier

    def __init__(
        self,
        config: TextConfig | Mapping[str, Any] | None = None,
        *,
        embeddings: str | None = None,
        threshold: float = 0.0,
        out_of_scope: str = "out_of_scope",
        learning_rate: float | None = None,
        validation_share: float = 0.1,
        max_epochs: int | None = None,
        random_state: int | np.random.RandomState | np.random.Generator | None = None,
        time_limit_s: float | None = None,
        run_dir: str | Path | None = None,
    ) -> None:
        self.config = config
        self.embeddings = embeddings
        self.threshold = threshold
        self.out_of_scope = out_of_scope
        self.learning_rate = learning_rate
        self.validation_share = validation_share
        self.max_epochs = max_epochs
        self.random_state = random_state
        self.time_limit_s = time_limit_s
        self.run_dir = run_dir

    def fit(
        self,
        texts: Iterable[str],
        labels: Iterable[Any],
        *,
        dev: tuple[Sequence[str], Sequence[Any]] | None = None,
    ) -> TextClassifier:
        """Train, and keep the weights with the best accuracy on the dev texts.

        Args:
            texts: any.
            labels: one a text.
            dev: texts and labels to choose the best epoch by.

        Raises:
            DataError: texts and labels differ in number, no text has a word, or there are fewer
                than two labels.
            ConfigError: an argument is out of range.
        """
        require("torch", "train")
        from asr.language.classification.data import hold_out, make_labelled
        from asr.language.classification.training import fit_text_classifier

        config = self._training_config()
        train = make_labelled(texts, labels)
        if dev is None:
            train, judged = hold_out(train, self.validation_share, config.seed)
        else:
            judged = make_labelled(*dev)
        if not any(text.strip() for text in train.texts):
            raise DataError("None of the texts has a word.", "Give texts to learn from.")
        with self._run_folder() as folder:
            self.model_ = fit_text_classifier(config, train, judged, folder, resume=False)
        self.config_ = config
        return self

    def _training_config(self) -> TextConfig:
        from asr.language.classification.config import TextConfig

        config = self._configured(config_from(TextConfig, self.config, "TextClassifier"))
        if self.embeddings is None:
            return config
        return replace(config, data=replace(config.data, embeddings=self.embeddings))

    @property
    def classes_(self) -> tuple[str, ...]:
        """The labels, in the order of :meth:`predict_proba`'s columns."""
        return self._fitted().classes

    def predict_proba(self, texts: Iterable[str]) -> npt.NDArray[np.float64]:
        """Return p(label | text): (texts, labels)."""
        model = self._fitted()
        from asr.language.data import require_texts

        return model.predict(require_texts(texts))

    def predict(self, texts: Iterable[str]) -> list[str]:
        """Return the label of each text, or ``out_of_scope``; see :meth:`labels_of`."""
        from asr.language.data import require_texts

        texts = require_texts(texts)  # once: a generator is then spent
        return self.labels_of(self.predict_proba(texts), texts)

    def labels_of(self, probabilities: npt.NDArray[np.float64], texts: Sequence[str]) -> list[str]:
        """Return the best label of each text.

        It is ``out_of_scope`` where no label reaches the threshold, and for empty texts.

        Args:
            probabilities: (texts, labels), as :meth:`predict_proba` gives them.
            texts: the same texts.
        """
        labels = []
        for row, text in zip(probabilities, texts, strict=True):
            in_scope = row.max() >= self.threshold and text.strip()
            labels.append(self.classes_[int(row.argmax())] if in_scope else self.out_of_scope)
        return labels

    def tune_threshold(self, texts: Sequence[str], is_in_scope: Sequence[bool]) -> float:
        """Set the threshold that separates texts in scope from others with the fewest mistakes.

        Args:
            texts: of both kinds.
            is_in_scope: the kind of each.

        Returns:
            The threshold.

        Raises:
            DataError: texts and marks differ in number, or are all of one kind.
        """
        import numpy as np

        marks = np.asarray(is_in_scope, bool)
        if len(marks) != len(texts) or marks.all() or not marks.any():
            raise DataError(
                "A threshold is tuned on texts in scope and out of it, with a mark each.",
                "Give both kinds.",
            )
        best = self.predict_proba(texts).max(1)
        # Every threshold between two neighbours makes the same mistakes: try the middle.
        middles = (np.sort(best)[1:] + np.sort(best)[:-1]) / 2
        candidates = np.unique(np.concatenate([[0.0], middles, [1.0]]))
        mistakes = [(int(((best >= t) != marks).sum()), float(t)) for t in candidates]
        self.threshold = min(mistakes)[1]
        return self.threshold

    def score(self, texts: Iterable[str], labels: Iterable[Any]) -> float:
        """Return the accuracy, 0 to 1; :meth:`evaluate` has F1, AUC and the confusion matrix."""
        return self.evaluate(texts, labels).accuracy

    def evaluate(self, texts: Iterable[str], labels: Iterable[Any]) -> ClassificationScore:
        """Return accuracy, F1, AUC and the confusion matrix.

        A label that training did not have is a class of its own. The threshold has no part in it.
        """
        from asr.language.classification.data import make_labelled
        from asr.language.classification.model import score_probabilities

        data = make_labelled(texts, labels)
        return score_probabilities(self.predict_proba(data.texts), data, self.classes_)

    def save(self, folder: str | Path) -> Path:
        """Write the model folder, with the threshold; return its path."""
        return replace(self._fitted(), threshold=self.threshold).save(folder)

    @classmethod
    def load(
        cls,
        folder: str | Path | Bundle,
        threshold: float | None = None,
        out_of_scope: str = "out_of_scope",
    ) -> TextClassifier:
        """Return the classifier in a model folder, or in a run folder that holds one.

        Args:
            folder: its path.
            threshold: instead of the one that was saved.
            out_of_scope: see the class.

        Raises:
            ModelError: no model there, a damaged one, or one of another task.
        """
        require("torch", "train")
        from asr.language.classification.model import FittedTextClassifier

        model = FittedTextClassifier.load(folder)
        classifier = cls(
            threshold=model.threshold if threshold is None else threshold, out_of_scope=out_of_scope
        )
        classifier.model_ = model
        return classifier
