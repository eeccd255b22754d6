"""Words -> tags (entities, slots, parts of speech) with ``fit`` and ``predict``."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from asr.errors import DataError, ModelError, require
from asr.training.estimator import Estimator, with_training

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from asr.language.data import TaggedSentences
    from asr.language.tagging.encoder import SentenceEncoder
    from asr.language.tagging.network import TagTask
    from asr.language.tagging.training import TagConfig
    from asr.scoring.entities import EntityScore

__all__ = ["Tagger"]

Sentences = Sequence[Sequence[str]]


class Tagger(Estimator):
    """A BiLSTM-CRF tagger.

    Args:
        config: everything that can be set; see :class:`asr.language.tagging.training.TagConfig`.
            The arguments below go over it.
        random_state: seed.
        time_limit_s: seconds that training may take (None: until its epochs are done).
        max_epochs: the learning rate falls over so many.
        validation_fraction: of the sentences, held out to choose the best epoch where ``fit`` gets
            no dev sentences.

    Example:
        >>> tagger = Tagger(max_epochs=30, random_state=0)
        >>> words, tags = [["to", "rome"], ["in", "paris"]] * 20, [["O", "B-city"]] * 40
        >>> tagger.fit(words, tags)  # doctest: +SKIP
        >>> tagger.predict([["to", "paris"]])  # doctest: +SKIP
        [['O', 'B-city']]
    """

    def __init__(
        self,
        config: TagConfig | None = None,
        *,
        random_state: int | None = None,
        time_limit_s: float | None = None,
        max_epochs: int | None = None,
        validation_fraction: float = 0.1,
    ) -> None:
        self.config, self.random_state, self.time_limit_s = config, random_state, time_limit_s
        self.max_epochs, self.validation_fraction = max_epochs, validation_fraction
        self.task_: TagTask | None = None
        self.encoder_: SentenceEncoder | None = None

    def fit(
        self,
        sentences: Sentences,
        tags: Sentences,
        labels: Sequence[str] | None = None,
        dev: tuple[Sentences, Sentences] | tuple[Sentences, Sentences, Sequence[str]] | None = None,
        run_dir: str | Path | None = None,
    ) -> Tagger:
        """Train, and keep the weights with the best entity F1 on held-out sentences.

        Args:
            sentences: words of each.
            tags: one a word.
            labels: one a sentence, learned jointly.
            dev: held-out sentences, tags and labels.
            run_dir: keep the run folder here.

        Raises:
            DataError: there are too few sentences, words and tags differ in number, or tags break
            the BIO scheme.
        """
        require("torch", "train")
        from asr.language.data import TaggedSentences
        from asr.language.tagging.training import fit_tagger

        config = self._config()
        data = TaggedSentences(
            _lists(sentences), _lists(tags), None if labels is None else list(labels)
        )
        _check_counts(data)
        if dev is None:
            data, held_out = _hold_out(data, self.validation_fraction, config.seed)
        else:
            held_out = TaggedSentences(
                _lists(dev[0]), _lists(dev[1]), list(dev[2]) if len(dev) == 3 else None
            )
            _check_counts(held_out)
        with tempfile.TemporaryDirectory() as folder:
            self.task_, self.encoder_ = fit_tagger(
                config, data, held_out, Path(run_dir or folder), resume=False
            )
        self.config = config
        return self

    def _config(self) -> TagConfig:
        from asr.language.tagging.training import TagConfig

        return with_training(
            self.config or TagConfig(), self.random_state, self.time_limit_s, self.max_epochs
        )

    def _fitted(self) -> tuple[TagTask, SentenceEncoder]:
        if self.task_ is None or self.encoder_ is None:
            raise ModelError(
                "This tagger has not been trained.", "Call fit, or Tagger.load(FOLDER)."
            )
        return self.task_, self.encoder_

    @property
    def classes_(self) -> tuple[str, ...]:
        """The tags, in the order of :meth:`predict_proba`'s last axis."""
        return self._fitted()[1].tags

    @property
    def labels_(self) -> tuple[str, ...]:
        """The labels of sentences; none where none were learned."""
        return self._fitted()[1].labels

    @property
    def scheme(self) -> str:
        """The scheme of the tags: ``auto``, ``bio`` or ``none``."""
        return self._config().data.scheme

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
        """Return the tags and, where labels were learned, the labels of sentences in one go."""
        from asr.language.tagging.training import predict_tags

        return predict_tags(*self._fitted(), _lists(sentences))

    def predict_proba(self, sentences: Sentences) -> list[npt.NDArray[np.float32]]:
        """Return for each sentence p(tag | sentence) of each word: arrays (words, tags), rows
        summing to 1.
        """
        from asr.language.tagging.training import tag_marginals

        return tag_marginals(*self._fitted(), _lists(sentences))

    def score(self, sentences: Sentences, tags: Sentences) -> EntityScore:
        """Return precision, recall and F1 of entities; tags that training did not have count as
        missed.
        """
        from asr.scoring.entities import score_entities

        return score_entities(_lists(tags), self.predict(sentences))

    def save(self, folder: str | Path) -> Path:
        """Write the model folder."""
        from asr.language.tagging.training import save_tagger

        save_tagger(*self._fitted(), self._config(), Path(folder))
        return Path(folder)

    @classmethod
    def load(cls, folder: str | Path) -> Tagger:
        """Return the tagger in a model folder (or in a run folder that holds one).

        Raises:
            ModelError: no model there, a damaged one, or one of another task.
        """
        require("torch", "train")
        from asr.language.tagging.training import load_tagger

        tagger = cls()
        tagger.task_, tagger.encoder_, tagger.config = load_tagger(folder)
        return tagger


def _lists(sentences: Any) -> list[list[str]]:
    rows = []
    for number, sentence in enumerate(sentences, 1):
        if isinstance(sentence, str):
            raise DataError(
                f"Sentence {number} is one text, {sentence[:40]!r}.",
                "Give a list of words: text.split().",
            )
        rows.append([str(word) for word in sentence])
    return rows


def _check_counts(data: TaggedSentences) -> None:
    for what, given in (("tag sequences", data.tags), ("labels", data.labels)):
        if given is not None and len(given) != len(data.sentences):
            raise DataError(
                f"There are {len(data.sentences)} sentences and {len(given)} {what}.",
                "Give one each.",
            )
    if not any(data.sentences):
        raise DataError("There are no words to learn from.", "Give sentences with words.")


def _hold_out(
    data: TaggedSentences, share: float, seed: int
) -> tuple[TaggedSentences, TaggedSentences]:
    import numpy as np

    from asr.language.data import TaggedSentences

    total = len(data.sentences)
    order = np.random.default_rng(seed).permutation(total)
    count = max(1, round(share * total))
    if count >= total:
        raise DataError(
            f"{total} sentences are too few to hold some out.", "Give more, or dev sentences."
        )

    def take(numbers: list[int]) -> TaggedSentences:
        assert data.tags is not None
        labels = None if data.labels is None else [data.labels[i] for i in numbers]
        return TaggedSentences(
            [data.sentences[i] for i in numbers], [data.tags[i] for i in numbers], labels
        )

    return take(sorted(order[count:].tolist())), take(sorted(order[:count].tolist()))
