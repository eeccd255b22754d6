"""The configuration of a translator's training: what ``asr train`` reads."""

from __future__ import annotations

from dataclasses import dataclass, field

from asr.config import check_range
from asr.language.translation.network import SearchConfig, TranslateModelConfig
from asr.training.config import OptimizerConfig, TrainerConfig

__all__ = ["PairDataConfig", "SubwordConfig", "TranslateConfig"]


@dataclass(frozen=True)
class PairDataConfig:
    """Text files, one sentence a line, plain or .gz, and the batches.

    Line n of the source belongs to line n of the target.

    Attributes:
        train_source: training text in the source language.
        train_target: its translation.
        dev_source: text that chooses the best epoch.
        dev_target: its translation.
        max_tokens: in a batch; see :class:`asr.language.translation.batches.PairLoader`.
        max_batch_size: pairs in a batch.
        max_length: pieces of a side; longer training pairs are left out.
    """

    train_source: str = ""
    train_target: str = ""
    dev_source: str = ""
    dev_target: str = ""
    max_tokens: int = 4096
    max_batch_size: int = 64
    max_length: int = 200

    def __post_init__(self) -> None:
        for name in ("max_tokens", "max_batch_size", "max_length"):
            check_range(f"data.{name}", getattr(self, name), 1)


@dataclass(frozen=True)
class SubwordConfig:
    """Pieces that both languages share.

    Attributes:
        vocab_size: number of pieces, at most.
        lowercase: fold the case of all text.
    """

    vocab_size: int = 4000
    lowercase: bool = False

    def __post_init__(self) -> None:
        check_range("tokenizer.vocab_size", self.vocab_size, 8)


@dataclass(frozen=True)
class TranslateConfig:
    """The training of a translator, one section a concern.

    Attributes:
        task: ``translate``.
        seed: of weights, batches and dropout.
        output_dir: the run folder.
        data: files and batches.
        tokenizer: pieces.
        model: shape of the network.
        search: beam search.
        optimizer: see :class:`asr.training.config.OptimizerConfig`.
        trainer: see :class:`asr.training.config.TrainerConfig`.
    """

    task: str = "translate"
    seed: int = 1
    output_dir: str = ""
    data: PairDataConfig = field(default_factory=PairDataConfig)
    tokenizer: SubwordConfig = field(default_factory=SubwordConfig)
    model: TranslateModelConfig = field(default_factory=TranslateModelConfig)
    search: SearchConfig = field(default_factory=SearchConfig)
    optimizer: OptimizerConfig = field(default_factory=OptimizerConfig)
    trainer: TrainerConfig = field(default_factory=TrainerConfig)
