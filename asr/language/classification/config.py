"""The configuration of a text classifier's training: what ``asr train`` reads."""

from __future__ import annotations

from dataclasses import dataclass, field

from asr.config import check_choice, check_range
from asr.errors import ConfigError
from asr.language.classification.encoder import UNITS
from asr.language.classification.network import TextClassifierConfig
from asr.training.config import OptimizerConfig, TrainerConfig

__all__ = ["TextConfig", "TextDataConfig"]


@dataclass(frozen=True)
class TextDataConfig:
    """Files of labelled texts (.csv, .tsv, .jsonl), how they are read, and the batches.

    Attributes:
        train: file of training texts.
        dev: file that chooses the best epoch.
        test: more files by name, evaluated after training.
        text: column of the text.
        label: column of the label.
        units: ``words`` or ``bpe``.
        vocab_size: number of pieces of bpe.
        lower: fold the case.
        min_count: rarer words are unknown.
        embeddings: text file of word vectors, for words.
        max_batch_size: texts in a batch.
        max_batch_tokens: padded units in a batch.
    """

    train: str = ""
    dev: str = ""
    test: dict[str, str] = field(default_factory=dict)
    text: str = "text"
    label: str = "label"
    units: str = "words"
    vocab_size: int = 2000
    lower: bool = True
    min_count: int = 1
    embeddings: str | None = None
    max_batch_size: int = 32
    max_batch_tokens: int = 4000

    def __post_init__(self) -> None:
        check_choice("data.units", self.units, UNITS)
        for name in ("vocab_size", "min_count", "max_batch_size", "max_batch_tokens"):
            check_range(f"data.{name}", getattr(self, name), 1)
        if self.embeddings and self.units != "words":
            raise ConfigError(
                "data.embeddings are vectors of words.", "Set data.units=words, or leave them out."
            )


def _optimizer() -> OptimizerConfig:
    return OptimizerConfig(lr=2e-3, second_momentum=0.99)


def _trainer() -> TrainerConfig:
    return TrainerConfig(max_epochs=8, precision="fp32", pictures_every=0)


@dataclass(frozen=True)
class TextConfig:
    """The training of a text classifier, one section a concern.

    Attributes:
        task: ``classify_text``.
        seed: of weights, batches and dropout.
        output_dir: the run folder.
        class_balance: a class has the weight (number of its texts) ** -class_balance in the loss;
            0: all the same.
        data: files and batches.
        model: shape of the network.
        optimizer: see :class:`asr.training.config.OptimizerConfig`.
        trainer: see :class:`asr.training.config.TrainerConfig`.
    """

    task: str = "classify_text"
    seed: int = 1
    output_dir: str = ""
    class_balance: float = 0.0
    data: TextDataConfig = field(default_factory=TextDataConfig)
    model: TextClassifierConfig = field(default_factory=TextClassifierConfig)
    optimizer: OptimizerConfig = field(default_factory=_optimizer)
    trainer: TrainerConfig = field(default_factory=_trainer)

    def __post_init__(self) -> None:
        check_range("class_balance", self.class_balance, 0, 1)
