"""The estimator: texts -> texts in another language, or answers to questions."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from asr.errors import require
from asr.training.estimator import Estimator

if TYPE_CHECKING:
    import numpy as np

    from asr.language.translation.config import TranslateConfig
    from asr.language.translation.model import AttentionMap, FittedTranslator, Translation
    from asr.model_folder import Bundle
    from asr.scoring.bleu import Bleu

__all__ = ["Translator"]


class Translator(Estimator["FittedTranslator"]):
    """BiLSTM encoder, LSTM decoder with attention, byte-pair pieces shared by both languages, beam
    search.

    Args:
        vocab_size: pieces of both languages together, at most; fewer are made where the texts do
            not hold so many.
        lowercase: fold the case of all text.
        embedding_dim: width of the embedding that source, target and output share.
        encoder_dim: width of the BiLSTM in each direction.
        encoder_layers: layers of the BiLSTM.
        decoder_dim: width of the decoder's LSTM.
        decoder_layers: layers of the decoder.
        attention: additive, dot or general.
        self_attention: add a layer of it after the BiLSTM.
        dropout: on embeddings, between layers, on outputs.
        word_dropout: share of source pieces made unknown in training.
        label_smoothing: share of a target spread over the vocabulary.
        scheduled_sampling: greatest share of steps that read the network's own last guess in
            training; see :class:`asr.language.translation.network.TranslateModelConfig`.
        beam_size: outputs that the beam search keeps at each step.
        alpha: exponent of the length that scores are divided by.
        batch_size: pairs in a batch.
        patience: end the training after so many epochs without a better dev figure (0: never).
        learning_rate: peak learning rate.
        validation_share: share of the pairs (1000 at most), set aside to choose the best epoch
            where ``fit`` gets no dev pairs.
        max_epochs: passes over the pairs.
        random_state: seed; None draws one.
        time_limit_s: seconds that training may take; None: no limit.
        run_dir: folder for curves, checkpoints and model; None: a temporary one.

    Example:
        >>> german, english = ["ein Hund", "eine Katze"] * 50, ["a dog", "a cat"] * 50
        >>> model = Translator(vocab_size=60, max_epochs=10, random_state=0)
        >>> model.fit(german, english)  # doctest: +SKIP
        >>> model.predict(["eine Katze"])  # doctest: +SKIP
        ['a cat']
    """

    model_: FittedTranslator

    def __init__(
        self,
        *,
        vocab_size: int = 4000,
        lowercase: bool = False,
        embedding_dim: int = 256,
        encoder_dim: int = 256,
        encoder_layers: int = 1,
        decoder_dim: int = 256,
        decoder_layers: int = 1,
        attention: str = "general",
        self_attention: bool = False,
        dropout: float = 0.3,
        word_dropout: float = 0.03,
        label_smoothing: float = 0.1,
        scheduled_sampling: float = 0.0,
        beam_size: int = 5,
        alpha: float = 1.0,
        batch_size: int = 48,
        patience: int = 0,
        learning_rate: float | None = 2e-3,
        validation_share: float = 0.05,
        max_epochs: int | None = 20,
        random_state: int | np.random.RandomState | np.random.Generator | None = None,
        time_limit_s: float | None = None,
        run_dir: str | Path | None = None,
    ) -> None:
        self.vocab_size = vocab_size
        self.lowercase = lowercase
        self.embedding_dim = embedding_dim
        self.encoder_dim = encoder_dim
        self.encoder_layers = encoder_layers
        self.decoder_dim = decoder_dim
        self.decoder_layers = decoder_layers
        self.attention = attention
        self.self_attention = self_attention
        self.dropout = dropout
        self.word_dropout = word_dropout
        self.label_smoothing = label_smoothing
        self.scheduled_sampling = scheduled_sampling
        self.beam_size = beam_size
        self.alpha = alpha
        self.batch_size = batch_size
        self.patience = patience
        self.learning_rate = learning_rate
        self.validation_share = validation_share
        self.max_epochs = max_epochs
        self.random_state = random_state
        self.time_limit_s = time_limit_s
        self.run_dir = run_dir

    def fit(
        self,
        sources: Sequence[str],
        targets: Sequence[str],
        *,
        dev: tuple[Sequence[str], Sequence[str]] | None = None,
    ) -> Translator:
        """Train, and keep the weights with the best BLEU of the dev pairs.

        Pairs with an empty side, or with one of more than 200 pieces, are left out and counted on
        standard error.

        Args:
            sources: texts.
            targets: their translations, in the same order.
            dev: sources and targets to choose the best epoch by.

        Raises:
            DataError: the lists do not pair, hold something else than texts, or nothing that can be
                used.
            ConfigError: an argument is out of range.
        """
        require("torch", "train")
        require("sacrebleu", "train")
        from asr.language.translation.data import hold_out, make_pairs
        from asr.language.translation.training import fit_translator

        config = self._training_config()
        train = make_pairs(sources, targets)
        if dev is None:
            train, judged = hold_out(train, self.validation_share, config.seed)
        else:
            judged = make_pairs(*dev, prefix="dev ")
        with self._run_folder() as folder:
            self.model_ = fit_translator(config, train, judged, folder, resume=False)
        self.config_ = config
        return self

    def _training_config(self) -> TranslateConfig:
        from asr.language.translation.config import PairDataConfig, SubwordConfig, TranslateConfig
        from asr.language.translation.network import SearchConfig, TranslateModelConfig
        from asr.training.config import OptimizerConfig, TrainerConfig

        # The network's settings have the same names here; the others keep their defaults.
        shape = {
            name: getattr(self, name)
            for name in TranslateModelConfig.__dataclass_fields__
            if name in self.get_params()
        }
        return self._configured(
            TranslateConfig(
                data=PairDataConfig(max_batch_size=self.batch_size),
                tokenizer=SubwordConfig(self.vocab_size, self.lowercase),
                model=TranslateModelConfig(**shape),
                search=SearchConfig(self.beam_size, self.alpha),
                optimizer=OptimizerConfig(warmup=0.05, clip_norm=2.0, average_decay=0.998),
                trainer=TrainerConfig(patience=self.patience, pictures_every=0),
            )
        )

    def _fitted(self) -> FittedTranslator:
        """Return the model with the search settings of now: they may change after the training."""
        return super()._fitted().with_search(self.beam_size, self.alpha)

    def predict(self, texts: Sequence[str]) -> list[str]:
        """Return the best translation of each text; that of an empty text is empty.

        A text longer than any in training is translated in parts, cut at ends of sentences where
        there are any. A warning counts texts with characters that training did not show.

        Raises:
            NotFittedError: the translator is not trained.
            DataError: what is given is not a list of texts.
        """
        return [nbest[0].text for nbest in self.predict_nbest(texts, 1)]

    def predict_nbest(self, texts: Sequence[str], num_best: int) -> list[list[Translation]]:
        """Return up to ``num_best`` translations of each text, best first; at most ``beam_size``.

        A long text that is translated in parts has one: the best of each part.
        """
        model = self._fitted()
        from asr.language.data import require_texts

        return model.translate(require_texts(texts), num_best)

    def score(self, sources: Sequence[str], targets: Sequence[str]) -> float:
        """Return sacreBLEU of the translations as a fraction, 0 to 1."""
        return self.evaluate(sources, targets).bleu / 100

    def evaluate(
        self, sources: Sequence[str], targets: Sequence[str], *, lowercase: bool = False
    ) -> Bleu:
        """Return sacreBLEU (0 to 100) and chrF of the translations of ``sources``.

        Args:
            sources: texts.
            targets: reference translations.
            lowercase: compare without case.
        """
        from asr.language.data import require_texts
        from asr.scoring.bleu import score_bleu

        return score_bleu(require_texts(targets, "targets"), self.predict(sources), lowercase)

    def attention_map(self, source: str, target: str | None = None) -> AttentionMap:
        """Return what the network attends to while it writes ``target``.

        Args:
            source: a text.
            target: a translation; None: the network's own.

        Raises:
            DataError: a piece of ``target`` is in no target of the training.
        """
        return self._fitted().attention(source, target)

    def save(self, folder: str | Path) -> Path:
        """Write the model folder, with the search settings; return its path."""
        return self._fitted().save(folder)

    @classmethod
    def load(cls, folder: str | Path | Bundle) -> Translator:
        """Return the translator in a model folder, or in a run folder that holds one.

        Raises:
            ModelError: no model there, a damaged one, or one of another task.
        """
        require("torch", "train")
        from asr.language.translation.model import FittedTranslator

        model = FittedTranslator.load(folder)
        translator = cls(beam_size=model.search.beam_size, alpha=model.search.alpha)
        translator.model_ = model
        return translator
