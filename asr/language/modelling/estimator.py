"""The estimator: sentences -> a language model that scores, generates and rescores."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from asr.errors import DataError, require
from asr.training.estimator import Estimator, config_from

if TYPE_CHECKING:
    import numpy as np

    from asr.language.modelling.config import LmConfig
    from asr.language.modelling.model import FittedLanguageModel, TextPerplexity
    from asr.model_folder import Bundle

__all__ = ["LanguageModel"]


class LanguageModel(Estimator["FittedLanguageModel"]):
    """An LSTM language model over pieces of words, or words.

    Args:
        config: everything that can be set, as :class:`asr.language.modelling.config.LmConfig` or as
            a mapping of its keys; the arguments below go over it.
        learning_rate: peak learning rate; None: the configuration's.
        validation_share: share of the sentences, the last ones, set aside to choose the best epoch
            where ``fit`` gets no dev sentences.
        max_epochs: passes over the text; None: the configuration's.
        random_state: seed; None draws one.
        time_limit_s: seconds that training may take; None: no limit.
        run_dir: folder for curves, checkpoints and model; None: a temporary one.

    Example:
        >>> lines = open("novels.txt").read().splitlines()  # doctest: +SKIP
        >>> model = LanguageModel(max_epochs=3).fit(lines)  # doctest: +SKIP
        >>> model.evaluate(["it was a dark night"]).per_word  # doctest: +SKIP
        >>> rescore(hypotheses, model.score_samples, weight=0.4)[0]  # doctest: +SKIP
    """

    _estimator_type = "density_estimator"

    model_: FittedLanguageModel

    def __init__(
        self,
        config: LmConfig | Mapping[str, Any] | None = None,
        *,
        learning_rate: float | None = None,
        validation_share: float = 0.02,
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
        self, texts: Sequence[str], y: None = None, *, dev: Sequence[str] | None = None
    ) -> LanguageModel:
        """Train, and keep the weights with the lowest perplexity of the dev sentences.

        Args:
            texts: sentences in the order of the text.
            y: ignored, as scikit-learn's density estimators do.
            dev: sentences to choose the best epoch by.

        Raises:
            DataError: there is too little text.
            ConfigError: an argument is out of range.
        """
        require("torch", "train")
        from asr.language.data import require_texts
        from asr.language.modelling.config import LmConfig
        from asr.language.modelling.training import fit_language_model

        config = self._configured(config_from(LmConfig, self.config, "LanguageModel"))
        train = [text.strip() for text in require_texts(texts) if text.strip()]
        judged = [text.strip() for text in require_texts(dev or (), "dev") if text.strip()]
        if not judged:
            count = max(1, round(self.validation_share * len(train)))
            train, judged = train[:-count], train[-count:]
        if not train or not judged:
            raise DataError(
                f"{len(train) + len(judged)} sentences are too few to train and to judge on.",
                "Give more text.",
            )
        with self._run_folder() as folder:
            self.model_ = fit_language_model(config, train, judged, folder, resume=False)
        self.config_ = config
        return self

    def score_samples(self, texts: Sequence[str]) -> list[float]:
        """Return the natural log-probability of each sentence, its end included.

        An empty sentence has the probability of its end alone. An unknown token (a word, or a
        character of pieces) is taken to be one of as many as are known.
        """
        model = self._fitted()
        from asr.language.data import require_texts

        return model.ranking_log_probs(require_texts(texts))

    def predict(self, texts: Sequence[str]) -> list[float]:
        """Return :meth:`score_samples`: what ``asr predict`` writes of each sentence."""
        return self.score_samples(texts)

    def score(self, texts: Sequence[str], y: None = None) -> float:
        """Return the mean natural log-probability of a sentence; higher is better.

        :meth:`evaluate` has the perplexity per word, whatever the length of the sentences.

        Raises:
            DataError: there is no sentence.
        """
        log_probs = self.score_samples(texts)
        if not log_probs:
            raise DataError("There is no text to score.", "Give at least one sentence.")
        return sum(log_probs) / len(log_probs)

    def evaluate(self, texts: Sequence[str], *, carry: bool = True) -> TextPerplexity:
        """Return the perplexity of a text.

        Args:
            texts: its sentences.
            carry: read each sentence after the one before it, else each on its own.

        Raises:
            DataError: there is no text.
        """
        model = self._fitted()
        from asr.language.data import require_texts

        return model.perplexity(require_texts(texts), carry)

    def generate(
        self,
        prompt: str = "",
        max_tokens: int = 50,
        *,
        temperature: float = 1.0,
        top_k: int = 0,
        random_state: int = 0,
    ) -> str:
        """Return ``prompt`` continued to the end of the sentence.

        Args:
            prompt: beginning of the text.
            max_tokens: tokens to add at most.
            temperature: 0 takes the likeliest tokens, 1 samples from the model's distribution.
            top_k: sample among so many (0: all).
            random_state: seed of the sampling.

        Raises:
            DataError: the temperature is negative or top_k is.
        """
        model = self._fitted()
        if temperature < 0 or top_k < 0:
            raise DataError(f"temperature is {temperature:g} and top_k {top_k}.", "Give 0 or more.")
        return model.generate(
            prompt, max_tokens, temperature=temperature, top_k=top_k, seed=random_state
        )

    def save(self, folder: str | Path) -> Path:
        """Write the model folder; return its path."""
        return self._fitted().save(folder)

    @classmethod
    def load(cls, folder: str | Path | Bundle) -> LanguageModel:
        """Return the language model in a model folder, or in a run folder that holds one.

        Raises:
            ModelError: no model there, a damaged one, or one of another task.
        """
        require("torch", "train")
        from asr.language.modelling.model import FittedLanguageModel

        model = cls()
        model.model_ = FittedLanguageModel.load(folder)
        return model
