"""The configuration of a language model's training: what ``asr train`` reads."""

from __future__ import annotations

from dataclasses import dataclass, field

from asr.config import check_choice, check_range
from asr.language.modelling.network import LanguageModelConfig
from asr.language.subwords import UNITS
from asr.training.config import OptimizerConfig, TrainerConfig

__all__ = ["LmConfig", "LmDataConfig"]


@dataclass(frozen=True)
class LmDataConfig:
    """Text files, a sentence a line, how they are read, and the batches.

    Attributes:
        train: training text, in order.
        dev: text that chooses the best epoch.
        test: more files by name, evaluated after training.
        units: ``pieces`` of words; or ``words``, of which all but the most frequent are one
            ``<unk>``.
        vocab_size: number of units.
        batch_size: rows of the text that are read side by side.
        chunk: steps of truncated back-propagation.
    """

    train: str = ""
    dev: str = ""
    test: dict[str, str] = field(default_factory=dict)
    units: str = "pieces"
    vocab_size: int = 2000
    batch_size: int = 32
    chunk: int = 32

    def __post_init__(self) -> None:
        check_choice("data.units", self.units, list(UNITS))
        for name in ("vocab_size", "batch_size", "chunk"):
            check_range(f"data.{name}", getattr(self, name), 1)


def _optimizer() -> OptimizerConfig:
    return OptimizerConfig(lr=2e-3, weight_decay=0.0, clip_norm=1.0, second_momentum=0.999)


def _trainer() -> TrainerConfig:
    return TrainerConfig(max_epochs=5, pictures_every=0)


@dataclass(frozen=True)
class LmConfig:
    """The training of a language model, one section a concern.

    Attributes:
        task: ``language_model``.
        seed: of weights, offsets and dropout.
        output_dir: the run folder.
        data: files and batches.
        model: shape of the network.
        optimizer: see :class:`asr.training.config.OptimizerConfig`.
        trainer: see :class:`asr.training.config.TrainerConfig`.
    """

    task: str = "language_model"
    seed: int = 1
    output_dir: str = ""
    data: LmDataConfig = field(default_factory=LmDataConfig)
    model: LanguageModelConfig = field(default_factory=LanguageModelConfig)
    optimizer: OptimizerConfig = field(default_factory=_optimizer)
    trainer: TrainerConfig = field(default_factory=_trainer)
