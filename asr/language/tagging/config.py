"""The configuration of a tagger's training: what ``asr train`` reads."""

from __future__ import annotations

from dataclasses import dataclass, field

from asr.config import check_choice, check_range
from asr.language.tagging.network import TagModelConfig
from asr.training.config import OptimizerConfig, TrainerConfig

__all__ = ["TagConfig", "TagDataConfig"]

SCHEMES = ("auto", "bio", "none")


@dataclass(frozen=True)
class TagDataConfig:
    """Files of tagged sentences, how they are read, and the batches.

    See :func:`asr.language.tagging.data.read_tagged` for the formats.

    Attributes:
        train: file of training sentences.
        dev: file that chooses the best epoch.
        test: more files by name, evaluated after training.
        scheme: ``bio``; ``none``: any tag may follow any; or ``auto``: bio where all tags are O,
            B-... or I-...
        repair: an entity that begins with I- gets a B- instead of an error.
        joint: learn the sentences' labels too, where the files have them.
        lower: look words up in lower case.
        min_count: rarer words are unknown.
        embeddings: file of word vectors.
        max_batch_size: sentences in a batch.
        max_batch_tokens: padded words in a batch.
    """

    train: str = ""
    dev: str = ""
    test: dict[str, str] = field(default_factory=dict)
    scheme: str = "auto"
    repair: bool = False
    joint: bool = True
    lower: bool = True
    min_count: int = 1
    embeddings: str | None = None
    max_batch_size: int = 32
    max_batch_tokens: int = 4000

    def __post_init__(self) -> None:
        check_choice("data.scheme", self.scheme, SCHEMES)
        for name in ("min_count", "max_batch_size", "max_batch_tokens"):
            check_range(f"data.{name}", getattr(self, name), 1)


def _optimizer() -> OptimizerConfig:
    return OptimizerConfig(lr=2e-3, second_momentum=0.999)


def _trainer() -> TrainerConfig:
    return TrainerConfig(max_epochs=20, precision="fp32")


@dataclass(frozen=True)
class TagConfig:
    """The training of a tagger, one section a concern.

    Attributes:
        task: ``tag``.
        seed: of weights, batches and dropout.
        output_dir: the run folder.
        data: files and batches.
        model: shape of the network.
        optimizer: see :class:`asr.training.config.OptimizerConfig`.
        trainer: see :class:`asr.training.config.TrainerConfig`.
    """

    task: str = "tag"
    seed: int = 1
    output_dir: str = ""
    data: TagDataConfig = field(default_factory=TagDataConfig)
    model: TagModelConfig = field(default_factory=TagModelConfig)
    optimizer: OptimizerConfig = field(default_factory=_optimizer)
    trainer: TrainerConfig = field(default_factory=_trainer)
