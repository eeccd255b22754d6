"""Text -> a language model that scores, generates and rescores, with ``fit`` and ``score``."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from asr.errors import DataError, ModelError, require
from asr.training.estimator import Estimator, with_training

if TYPE_CHECKING:
    from asr.language.modelling.folder import TextPerplexity
    from asr.language.modelling.network import LanguageModelTask
    from asr.language.modelling.training import LmConfig
    from asr.language.subwords import Subwords

__all__ = ["LanguageModel"]


class LanguageModel(Estimator):
    """An LSTM language model over pieces of words, or words.

    Args:
        config: everything that can be set; see :class:`asr.language.modelling.training.LmConfig`.
            The arguments below go over it.
        random_state: seed.
        time_limit_s: seconds that training may take.
        max_epochs: the learning rate falls over so many.
        validation_fraction: of the lines, the last ones, held out where ``fit`` gets no dev text.

    Example:
        >>> model = LanguageModel(max_epochs=3).fit(open("novels.txt").read().splitlines())  # doctest: +SKIP
        >>> model.perplexity(["it was a dark night"]).per_word  # doctest: +SKIP
        >>> best = asr.decoding.rescore(hypotheses, model.score, weight=0.4)[0]  # doctest: +SKIP
    """

    def __init__(
        self,
        config: LmConfig | None = None,
        *,
        random_state: int | None = None,
        time_limit_s: float | None = None,
        max_epochs: int | None = None,
        validation_fraction: float = 0.02,
    ) -> None:
        self.config, self.random_state, self.time_limit_s = config, random_state, time_limit_s
        self.max_epochs, self.validation_fraction = max_epochs, validation_fraction
        self.task_: LanguageModelTask | None = None
        self.pieces_: Subwords | None = None

    def fit(
        self,
        texts: Sequence[str],
        dev: Sequence[str] | None = None,
        run_dir: str | Path | None = None,
    ) -> LanguageModel:
        """Train on sentences in the order of the text, and keep the weights with the lowest dev
        perplexity.

        Raises:
            DataError: there is too little text.
        """
        require("torch", "train")
        from asr.language.modelling.training import fit_language_model

        train = [text.strip() for text in _checked(texts) if text.strip()]
        held_out = [text.strip() for text in _checked(dev or ()) if text.strip()]
        if not held_out:
            count = max(1, round(self.validation_fraction * len(train)))
            train, held_out = train[:-count], train[-count:]
        if not train or not held_out:
            raise DataError(
                f"{len(train) + len(held_out)} sentences are too few to train and to judge on."
            )
        self.config = self._config()
        with tempfile.TemporaryDirectory() as folder:
            run = Path(run_dir or folder)
            self.task_, self.pieces_ = fit_language_model(
                self.config, train, held_out, run, resume=False
            )
        return self

    def _config(self) -> LmConfig:
        from asr.language.modelling.training import LmConfig

        return with_training(
            self.config or LmConfig(), self.random_state, self.time_limit_s, self.max_epochs
        )

    def _fitted(self) -> tuple[LanguageModelTask, Subwords]:
        if self.task_ is None or self.pieces_ is None:
            raise ModelError(
                "This language model has not been trained.",
                "Call fit, or LanguageModel.load(FOLDER).",
            )
        return self.task_, self.pieces_

    def score(self, texts: Sequence[str]) -> list[float]:
        """Return the natural log-probability of each sentence, its end included; an empty one has
        its end alone.

        What is unknown (words, or characters of pieces) is taken to be one of as many units as are
        known.
        """
        from asr.language.modelling.folder import rank_log_probs

        return rank_log_probs(*self._fitted(), _checked(texts))

    def perplexity(self, texts: Sequence[str], carry: bool = True) -> TextPerplexity:
        """Return the perplexity of sentences, each read after the one before it (``carry``) or each
        on its own.

        Raises:
            DataError: there is no text.
        """
        from asr.language.modelling.folder import text_perplexity

        return text_perplexity(*self._fitted(), _checked(texts), carry)

    def generate(
        self,
        prompt: str = "",
        max_tokens: int = 50,
        temperature: float = 1.0,
        top_k: int = 0,
        random_state: int = 0,
    ) -> str:
        """Return ``prompt`` continued to the end of the sentence; temperature 0 takes the likeliest
        tokens.

        Raises:
            DataError: the temperature is negative or top_k is.
        """
        from asr.language.modelling.folder import generate

        if temperature < 0 or top_k < 0:
            raise DataError(f"temperature is {temperature:g} and top_k {top_k}.", "Give 0 or more.")
        return generate(*self._fitted(), prompt, max_tokens, temperature, top_k, random_state)

    def save(self, folder: str | Path) -> Path:
        """Write the model folder."""
        from asr.language.modelling.folder import save_language_model

        save_language_model(*self._fitted(), self._config(), Path(folder))
        return Path(folder)

    @classmethod
    def load(cls, folder: str | Path) -> LanguageModel:
        """Return the language model in a model folder (or in a run folder that holds one).

        Raises:
            ModelError: no model there, a damaged one, or one of another task.
        """
        require("torch", "train")
        from asr.language.modelling.folder import load_language_model
        from asr.language.modelling.training import LmConfig

        model = cls()
        model.task_, model.pieces_ = load_language_model(folder)
        model.config = LmConfig(model=model.task_.config)
        return model


def _checked(texts: Sequence[str]) -> list[str]:
    if isinstance(texts, str):
        raise DataError(
            "What was given is one text.", "Give a list of sentences: text.splitlines()."
        )
    for number, text in enumerate(texts):
        if not isinstance(text, str):
            raise DataError(
                f"Item {number} of the sentences is {text!r}, no text.", "Give strings."
            )
    return list(texts)
