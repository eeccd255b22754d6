"""The estimator: words -> tags (entities, slots, parts of speech)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from asr.errors import ModelError, require
from asr.training.estimator import Estimator, config_from

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from asr.language.tagging.config import TagConfig
    from asr.language.tagging.data import Sentences
    from asr.language.tagging.model import FittedTagger
    from asr.model_folder import Bundle
    from asr.scoring.entities import EntityScore

__all__ = ["Tagger"]


class Tagger(Estimator["FittedTagger"]):
    """A BiLSTM-CRF tagger.

    Args:
        config: everything that can be set, as :class:`asr.language.tagging.config.TagConfig` or as
            a mapping of its keys; the arguments below go over it.
        learning_rate: peak learning rate; None: the configuration's.
        validation_share: share of the sentences, set aside to choose the best epoch where ``fit``
            gets no dev sentences.
        max_epochs: passes over the sentences; None: the configuration's.
        random_state: seed; None draws one.
        time_limit_s: seconds that training may take; None: no limit.
        run_dir: folder for curves, checkpoints and model; None: a temporary one.

    Example:
        >>> tagger = Tagger(max_epochs=30, random_state=0)
        >>> words, tags = [["to", "rome"], ["in", "paris"]] * 20, [["O", "B-city"]] * 40
        >>> tagger.fit(words, tags)  # doctest: +SKIP
        >>> tagger.predict([["to", "paris"]])  # doctest: +SKIP
        [['O', 'B-city']]
    """

    model_: FittedTagger

    def __init__(
        self,
        config: TagConfig | Mapping[str, Any] | None = None,
        *,
        learning_rate: float | None = None,
        validation_share: float = 0.1,
        max_epochs: int | None = None,
        random_state: int | np.random.RandomState | np.random.Generator | None = None,
        time_limit_s: float | None = None,
        run_dir: str | Path | None = None,
    ) -> None:
        self.config = config
        self.learning_rate = learning_rate
        self.validation_share = validation_share
        self.max_epochs = max_epochs
        self.random_state = random_state
        self.time_limit_s = time_limit_s
        self.run_dir = run_dir

    def fit(
        self,
        sentences: Sentences,
        tags: Sentences,
        labels: Sequence[str] | None = None,
        *,
        dev: tuple[Sentences, Sentences] | tuple[Sentences, Sentences, Sequence[str]] | None = None,
    ) -> Tagger:
        """Train, and keep the weights with the best entity F1 on the dev sentences.

        Args:
            sentences: words of each.
            tags: one a word.
            labels: one a sentence, learned jointly.
            dev: sentences, tags and perhaps labels to choose the best epoch by.

        Raises:
            DataError: there are too few sentences, words and tags differ in number, or tags break
                the BIO scheme.
            ConfigError: an argument is out of range.
        """
        require("torch", "train")
        from asr.language.tagging.config import TagConfig
        from asr.language.tagging.data import hold_out, make_tagged
        from asr.language.tagging.training import fit_tagger

        config = self._configured(config_from(TagConfig, self.config, "Tagger"))
        train = make_tagged(sentences, tags, labels)
        if dev is None:
            train, judged = hold_out(train, self.validation_share, config.seed)
        else:
            judged = make_tagged(*dev)
        with self._run_folder() as folder:
            self.model_ = fit_tagger(config, train, judged, folder, resume=False)
        self.config_ = config
        return self

    @property
    def classes_(self) -> tuple[str, ...]:
        """The tags, in the order of :meth:`predict_proba`'s last axis."""
        return self._fitted().encoder.tags

    @property
    def labels_(self) -> tuple[str, ...]:
        """The labels of sentences; none where none were learned."""
        return self._fitted().encoder.labels

    def predict(self, sentences: Sentences) -> list[list[str]]:
        """Return a tag for each word; an empty sentence has none."""
        return self.predict_both(sentences)[0]

    def predict_labels(self, sentences: Sentences) -> list[str]:
        """Return a label for each sentence.

        Raises:
            ModelError: the model was trained without labels.
        """
        labels = self.predict_both(sentences)[1]
        if labels is None:
            raise ModelError(
                "This tagger was trained without labels.", "Give fit labels, one a sentence."
            )
        return labels

    def predict_both(self, sentences: Sentences) -> tuple[list[list[str]], list[str] | None]:
        """Return the tags and, where labels were learned, the labels of sentences in one pass."""
        model = self._fitted()
        from asr.language.tagging.data import word_lists

        return model.predict(word_lists(sentences))

    def predict_proba(self, sentences: Sentences) -> list[npt.NDArray[np.float32]]:
        """Return for each sentence p(tag | sentence) of each word: arrays (words, tags), rows
        summing to 1.
        """
        model = self._fitted()
        from asr.language.tagging.data import word_lists

        return model.marginals(word_lists(sentences))

    def score(self, sentences: Sentences, tags: Sentences) -> float:
        """Return the share of right tags, 0 to 1; :meth:`evaluate` has F1 of entities."""
        return self.evaluate(sentences, tags).accuracy

    def evaluate(self, sentences: Sentences, tags: Sentences) -> EntityScore:
        """Return precision, recall and F1 of entities.

        Tags that training did not have count as missed.
        """
        from asr.language.tagging.data import word_lists
        from asr.scoring.entities import score_entities

        return score_entities(word_lists(tags), self.predict(sentences))

    def save(self, folder: str | Path) -> Path:
        """Write the model folder; return its path."""
        return self._fitted().save(folder)

    @classmethod
    def load(cls, folder: str | Path | Bundle) -> Tagger:
        """Return the tagger in a model folder, or in a run folder that holds one.

        Raises:
            ModelError: no model there, a damaged one, or one of another task.
        """
        require("torch", "train")
        from asr.language.tagging.model import FittedTagger

        tagger = cls()
        tagger.model_ = FittedTagger.load(folder)
        return tagger
