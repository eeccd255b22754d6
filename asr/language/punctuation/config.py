"""The configuration of a punctuation model's training: what ``asr train`` reads."""

from __future__ import annotations

from dataclasses import dataclass, field

from asr.config import check_choice, check_range
from asr.errors import ConfigError
from asr.training.config import OptimizerConfig, TrainerConfig

LANGUAGES = ("en", "zh")

__all__ = ["LANGUAGES", "PunctuateConfig", "PunctuateDataConfig", "PunctuationConfig"]


@dataclass(frozen=True)
class PunctuationConfig:
    """Shape of the network.

    Attributes:
        dim: of the word embedding.
        hidden_dim: of the recurrent layers, per direction.
        num_layers: of the recurrent stack.
        cell: of the recurrent stack: lstm or gru.
        dropout: on the embedding and each layer's output.
        word_dropout: share of words that training replaces by their ending, so that the network
            learns what to do with unknown ones.
        lookahead: 0: read in both directions; otherwise read forward only, and decide on a word
            after so many further words, for streams.
    """

    dim: int = 96
    hidden_dim: int = 160
    num_layers: int = 2
    cell: str = "lstm"
    dropout: float = 0.1
    word_dropout: float = 0.02
    lookahead: int = 0

    def __post_init__(self) -> None:
        check_choice("model.cell", self.cell, ("lstm", "gru"))
        check_range("model.dropout", self.dropout, 0, 0.95)
        check_range("model.word_dropout", self.word_dropout, 0, 0.95)
        check_range("model.lookahead", self.lookahead, 0, 64)
        for name in ("dim", "hidden_dim", "num_layers"):
            check_range(f"model.{name}", getattr(self, name), 1)


@dataclass(frozen=True)
class PunctuateDataConfig:
    """Text files as people write, a paragraph a line, and the windows that training reads.

    A recogniser's text has no borders: windows begin and end anywhere in running text.

    Attributes:
        train: training text.
        dev: text that chooses the best epoch.
        language: ``en``, or ``zh``: characters instead of words, marks of full width.
        test: more files by name, evaluated after training.
        vocab_size: most words; rarer ones are known by their ending.
        endings: most endings.
        shortest: words in a window, at least.
        longest: and at most.
        max_batch_words: padded words in a batch.
        words_per_epoch: words after which dev is evaluated; a pass over the text is then several
            epochs (0: an epoch is a pass).
    """

    train: str = ""
    dev: str = ""
    language: str = "en"
    test: dict[str, str] = field(default_factory=dict)
    vocab_size: int = 32_000
    endings: int = 500
    shortest: int = 20
    longest: int = 200
    max_batch_words: int = 8000
    words_per_epoch: int = 2_000_000

    def __post_init__(self) -> None:
        check_choice("data.language", self.language, LANGUAGES)
        for name in ("vocab_size", "endings", "shortest", "longest", "max_batch_words"):
            check_range(f"data.{name}", getattr(self, name), 1)
        check_range("data.words_per_epoch", self.words_per_epoch, 0)
        if self.shortest > self.longest:
            raise ConfigError(
                f"data.shortest is {self.shortest}, above data.longest, {self.longest}.",
                "Give a window's least and greatest length.",
            )


def _optimizer() -> OptimizerConfig:
    return OptimizerConfig(lr=3e-3, weight_decay=0.0, clip_norm=1.0, second_momentum=0.999)


def _trainer() -> TrainerConfig:
    return TrainerConfig(max_epochs=20, pictures_every=0)


@dataclass(frozen=True)
class PunctuateConfig:
    """The training of a punctuation model, one section a concern.

    Attributes:
        task: ``punctuate``.
        seed: of weights, windows and dropout.
        output_dir: the run folder.
        data: files and windows.
        model: shape of the network.
        optimizer: see :class:`asr.training.config.OptimizerConfig`.
        trainer: see :class:`asr.training.config.TrainerConfig`.
    """

    task: str = "punctuate"
    seed: int = 1
    output_dir: str = ""
    data: PunctuateDataConfig = field(default_factory=PunctuateDataConfig)
    model: PunctuationConfig = field(default_factory=PunctuationConfig)
    optimizer: OptimizerConfig = field(default_factory=_optimizer)
    trainer: TrainerConfig = field(default_factory=_trainer)
