"""Texts -> texts in another language, or answers to questions: ``fit`` on pairs, ``predict`` on
texts.
"""

from __future__ import annotations

import tempfile
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from asr.errors import ConfigError, DataError, ModelError, require
from asr.training.estimator import Estimator

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from asr.language.subwords import Subwords
    from asr.language.translation.network import SearchConfig, TranslateTask
    from asr.language.translation.training import Pairs, TranslateConfig
    from asr.scoring.bleu import Bleu

__all__ = ["Alignment", "Translation", "Translator"]

MOST_DEV_PAIRS = 1000
PIECES_AT_ONCE = 2048


@dataclass(frozen=True)
class Translation:
    """One translation of a text.

    Attributes:
        text: the translation.
        score: log-probability divided by length ** alpha; of a long text the mean of its parts.
    """

    text: str
    score: float


@dataclass(frozen=True)
class Alignment:
    """What the network looked at while it wrote.

    Attributes:
        source: pieces; the last one is the end.
        target: pieces; the last one is the end.
        weights: (L, S), one row a target piece; rows sum to 1.
    """

    source: tuple[str, ...]
    target: tuple[str, ...]
    weights: npt.NDArray[np.float32]

    def plot(self) -> Figure:
        """Return the weights as a picture."""
        from asr import plots

        return plots.attention(self.weights, self.source, self.target)


class Translator(Estimator):
    """BiLSTM encoder, LSTM decoder with attention, byte-pair pieces shared by both languages, beam
    search.

    Args:
        vocab_size: pieces of both languages together, at most; fewer are made where the texts do
            not hold so many.
        lowercase: fold the case of all text.
        embedding_dim: see :class:`asr.language.translation.network.TranslateModelConfig`.
        encoder_dim: see :class:`asr.language.translation.network.TranslateModelConfig`.
        encoder_layers: see :class:`asr.language.translation.network.TranslateModelConfig`.
        decoder_dim: see :class:`asr.language.translation.network.TranslateModelConfig`.
        decoder_layers: see :class:`asr.language.translation.network.TranslateModelConfig`.
        attention: see :class:`asr.language.translation.network.TranslateModelConfig`.
        self_attention: see :class:`asr.language.translation.network.TranslateModelConfig`.
        dropout: see :class:`asr.language.translation.network.TranslateModelConfig`.
        word_dropout: see :class:`asr.language.translation.network.TranslateModelConfig`.
        label_smoothing: see :class:`asr.language.translation.network.TranslateModelConfig`.
        scheduled_sampling: see :class:`asr.language.translation.network.TranslateModelConfig`.
        beam_size: of the search, see :class:`asr.language.translation.network.SearchConfig`.
        alpha: of the search, see :class:`asr.language.translation.network.SearchConfig`.
        max_epochs: of the training.
        batch_size: of the training.
        learning_rate: of the training.
        patience: of the training.
        validation_share: of the pairs (1000 at most), set aside to choose the epoch whose weights
            are kept.
        random_state: of weights, split and batches; None draws one.
        time_limit_s: of the training; None: none.
        run_dir: keeps the run folder (curves, checkpoints, model) there; None: a temporary one.

    Example:
        >>> german, english = ["ein Hund", "eine Katze"] * 50, ["a dog", "a cat"] * 50
        >>> model = Translator(vocab_size=60, max_epochs=10, random_state=0).fit(german, english)  # doctest: +SKIP
        >>> model.predict(["eine Katze"])  # doctest: +SKIP
        ['a cat']
    """

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
        max_epochs: int = 20,
        batch_size: int = 48,
        learning_rate: float = 2e-3,
        patience: int = 0,
        validation_share: float = 0.05,
        random_state: int | None = None,
        time_limit_s: float | None = None,
        run_dir: str | Path | None = None,
    ) -> None:
        self.vocab_size, self.lowercase = vocab_size, lowercase
        self.embedding_dim, self.encoder_dim, self.encoder_layers = (
            embedding_dim,
            encoder_dim,
            encoder_layers,
        )
        self.decoder_dim, self.decoder_layers = decoder_dim, decoder_layers
        self.attention, self.self_attention = attention, self_attention
        self.dropout, self.word_dropout, self.label_smoothing = (
            dropout,
            word_dropout,
            label_smoothing,
        )
        self.scheduled_sampling, self.beam_size, self.alpha = scheduled_sampling, beam_size, alpha
        self.max_epochs, self.batch_size, self.learning_rate = max_epochs, batch_size, learning_rate
        self.patience, self.validation_share = patience, validation_share
        self.random_state, self.time_limit_s, self.run_dir = random_state, time_limit_s, run_dir

    def fit(
        self,
        sources: Sequence[str],
        targets: Sequence[str],
        *,
        dev: tuple[Sequence[str], Sequence[str]] | None = None,
    ) -> Translator:
        """Train on texts and their translations.

        Pairs with an empty side, or with one of more than 200 pieces, are left out and counted on
        standard error.

        Args:
            sources: in the same order.
            targets: in the same order.
            dev: pairs to judge by, in place of a share of the training pairs.

        Raises:
            DataError: the lists do not pair, hold something else than texts, or nothing that can be
            used. ConfigError: a setting is out of range.
        """
        require("torch", "train")
        require("sacrebleu", "train")
        from asr.language.translation.training import Pairs, fit_translator

        if self.time_limit_s is not None and not self.time_limit_s > 0:
            raise ConfigError(
                f"time_limit_s is {self.time_limit_s}, but must be positive.",
                "Give seconds, or None.",
            )
        pairs = Pairs(_texts(sources, "sources"), _texts(targets, "targets"))
        seed = int(np.random.default_rng(self.random_state).integers(1 << 31))
        if dev is not None:
            train, judged = (
                pairs,
                Pairs(_texts(dev[0], "dev sources"), _texts(dev[1], "dev targets")),
            )
        else:
            train, judged = self._split(pairs, seed)
        self.config_ = self._config(seed)
        with tempfile.TemporaryDirectory(prefix="asr-translate-") as temporary:
            folder = Path(self.run_dir) if self.run_dir is not None else Path(temporary)
            self._keep(fit_translator(self.config_, train, judged, folder, resume=False))
        return self

    def _split(self, pairs: Pairs, seed: int) -> tuple[Pairs, Pairs]:
        from asr.language.translation.training import Pairs

        whole = [
            i
            for i in range(len(pairs.sources))
            if pairs.sources[i].strip() and pairs.targets[i].strip()
        ]
        if len(whole) < 2:
            raise DataError(
                f"Of {len(pairs.sources)} pairs {len(whole)} have text on both sides; 2 are needed, thousands help.",
                "Give more pairs.",
            )
        if not 0 < self.validation_share < 1:
            raise ConfigError(
                f"validation_share is {self.validation_share}, but must be between 0 and 1.",
                "Give 0.05, or dev=...",
            )
        size = min(MOST_DEV_PAIRS, max(1, round(self.validation_share * len(whole))))
        judged = set(np.random.default_rng(seed).permutation(whole)[:size].tolist())

        def pick(inside: bool) -> Pairs:
            chosen = [i for i in range(len(pairs.sources)) if (i in judged) == inside]
            return Pairs([pairs.sources[i] for i in chosen], [pairs.targets[i] for i in chosen])

        return pick(False), pick(True)

    def _config(self, seed: int) -> TranslateConfig:
        from asr.language.translation.network import SearchConfig, TranslateModelConfig
        from asr.language.translation.training import PairDataConfig, SubwordConfig, TranslateConfig
        from asr.training.config import OptimizerConfig, TrainerConfig

        same = {
            f: getattr(self, f)
            for f in TranslateModelConfig.__dataclass_fields__
            if hasattr(self, f)
        }
        return TranslateConfig(
            seed=seed,
            data=PairDataConfig(max_batch_size=self.batch_size),
            tokenizer=SubwordConfig(self.vocab_size, self.lowercase),
            model=TranslateModelConfig(**same),
            search=SearchConfig(self.beam_size, self.alpha),
            optimizer=OptimizerConfig(
                lr=self.learning_rate, warmup=0.05, clip_norm=2.0, average_decay=0.998
            ),
            trainer=TrainerConfig(
                max_epochs=self.max_epochs,
                patience=self.patience,
                time_limit_s=self.time_limit_s or 0.0,
                pictures_every=0,
            ),
        )

    def _keep(self, folder: str | Path) -> None:
        from asr.language.translation.training import load_translator

        self.task_, self.subwords_, self.search_ = load_translator(folder)

    def _fitted(self) -> tuple[TranslateTask, Subwords, SearchConfig]:
        if not hasattr(self, "task_"):
            raise ModelError("This Translator is not trained.", "Call fit or load first.")
        return (
            self.task_,
            self.subwords_,
            replace(self.search_, beam_size=self.beam_size, alpha=self.alpha),
        )

    def predict(self, texts: Sequence[str]) -> list[str]:
        """Return the best translation of each text; that of an empty text is empty.

        A text longer than any in training is translated in parts, cut at ends of sentences where
        there are any. A warning counts texts with characters that training did not show.

        Raises:
            ModelError: not trained. DataError: not a list of texts.
        """
        return [found[0].text for found in self.predict_nbest(texts, 1)]

    def predict_nbest(self, texts: Sequence[str], num_best: int) -> list[list[Translation]]:
        """Return up to ``num_best`` translations of each text, best first; at most ``beam_size``.

        A long text that is translated in parts has one: the best of each part.
        """
        from asr.language.translation.parts import split_long

        _, subwords, search = self._fitted()
        texts = _texts(texts, "texts")
        _warn_of_unknown(subwords, texts)
        longest = search.max_source_len - 1  # the end takes one
        parts = [
            split_long(text, lambda part: len(subwords.encode(part)), longest) for text in texts
        ]
        found = iter(self._search([part for one in parts for part in one if part.strip()]))
        results = []
        for one in parts:
            outputs = [next(found) if part.strip() else [Translation("", 0.0)] for part in one]
            results.append(
                outputs[0][:num_best] if len(one) == 1 else [_joined([best[0] for best in outputs])]
            )
        return results

    def _search(self, texts: Sequence[str]) -> list[list[Translation]]:
        import torch

        from asr.language.translation.network import END
        from asr.training.batching.buckets import BucketSampler

        task, subwords, search = self._fitted()
        sources = [[*subwords.encode(text), END] for text in texts]
        lengths = np.array([len(s) for s in sources], np.int64)
        found: list[list[Translation]] = [[] for _ in texts]
        with torch.inference_mode():
            for items in BucketSampler(lengths, PIECES_AT_ONCE, 64, shuffle=False).batches(0):
                for item, outputs in zip(
                    items, task.search([sources[i] for i in items], search), strict=True
                ):
                    found[item] = [Translation(subwords.decode(h.tokens), h.score) for h in outputs]
        return found

    def evaluate(
        self, sources: Sequence[str], targets: Sequence[str], lowercase: bool = False
    ) -> Bleu:
        """Return sacreBLEU and chrF of the translations of ``sources`` against ``targets``."""
        from asr.scoring.bleu import score_bleu

        return score_bleu(_texts(targets, "targets"), self.predict(sources), lowercase)

    def score(self, sources: Sequence[str], targets: Sequence[str]) -> float:
        """Return sacreBLEU, 0 to 100."""
        return self.evaluate(sources, targets).bleu

    def alignment(self, source: str, target: str | None = None) -> Alignment:
        """Return where the network looks while it writes ``target`` (its own translation by
        default).

        Raises:
            DataError: a piece of ``target`` is none that training has seen in a target.
        """
        import torch

        from asr.language.translation.network import END

        task, subwords, search = self._fitted()
        ids = [*subwords.encode(source), END]
        with torch.inference_mode():
            pieces = (
                task.search([ids], search)[0][0].tokens
                if target is None
                else subwords.encode(target)
            )
            if missing := set(pieces) - set(task.target_pieces.tolist()):
                names = ", ".join(subwords.tokens[i] for i in sorted(missing)[:5])
                raise DataError(
                    f"Training has seen no target with {names}.",
                    "Give a text like the training targets.",
                )
            weights = task.alignment(ids, pieces).float().cpu().numpy()
        names_of = subwords.tokens
        return Alignment(
            tuple(names_of[i] for i in ids),
            tuple(names_of[i] for i in [*pieces, END]),
            weights.astype(np.float32),
        )

    def save(self, folder: str | Path) -> Path:
        """Write a model folder and return its path."""
        from asr.language.translation.training import TranslateConfig, save_translator

        task, subwords, search = self._fitted()
        config = replace(
            getattr(self, "config_", TranslateConfig(model=task.config)), search=search
        )
        save_translator(task, subwords, config, Path(folder))
        return Path(folder)

    @classmethod
    def load(cls, folder: str | Path) -> Translator:
        """Return the translator of a model folder or of a run folder that holds one.

        Raises:
            ModelError: the folder is missing or damaged, or holds a model of another task.
        """
        require("torch", "train")
        model = cls()
        model._keep(folder)
        model.beam_size, model.alpha = model.search_.beam_size, model.search_.alpha
        return model


def _joined(parts: Sequence[Translation]) -> Translation:
    text = " ".join(part.text for part in parts if part.text)
    return Translation(text, float(np.mean([part.score for part in parts])))


def _texts(texts: Any, name: str) -> list[str]:
    if isinstance(texts, (str, bytes)):
        raise DataError(
            f"{name} is one text; a list of texts is needed.", "Put it in a list: [text]."
        )
    try:
        given = list(texts)
    except TypeError:
        raise DataError(
            f"{name} is {type(texts).__name__}; a list of texts is needed.", "Give a list."
        ) from None
    for number, text in enumerate(given):
        if not isinstance(text, str):
            raise DataError(
                f"{name}[{number}] is {text!r}, which is no text.",
                "Leave it out, or make it a text.",
            )
    return [str(text) for text in given]


def _warn_of_unknown(subwords: Subwords, texts: Sequence[str]) -> None:
    unknown = [(number, text) for number, text in enumerate(texts) if subwords.num_unknown(text)]
    if unknown:
        number, text = unknown[0]
        warnings.warn(
            f"{len(unknown)} of {len(texts)} texts hold characters that training did not show; the first is text "
            f"{number}: {text[:40]!r}. What they say there is lost to the translation.",
            stacklevel=4,
        )
