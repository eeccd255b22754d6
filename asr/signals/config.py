"""Configuration of a signal classifier's training."""

from __future__ import annotations

from dataclasses import dataclass, field

from asr.config import check_choice, check_range
from asr.sequence.classifier import ClassifierConfig
from asr.signals.network import AugmentConfig
from asr.training.config import OptimizerConfig, TrainerConfig

__all__ = ["ClassifyConfig", "ClassifyDataConfig"]

MONITORS = ("macro_f1", "accuracy", "loss")


@dataclass(frozen=True)
class ClassifyDataConfig:
    """Files of labelled sequences, and how they are drawn.

    The files are described in :func:`asr.signals.data.read_labelled_npz`.

    Attributes:
        train: .npz file.
        dev: another one; else dev_share of train is set aside, by groups where it has them.
        dev_share: share of train that chooses the epoch.
        test: more files by name, evaluated after training.
        max_batch_size: sequences in a batch.
        balance: 0 draws classes as often as they are, 1 all equally often.
        epoch_size: sequences in an epoch (0: all).
    """

    train: str = ""
    dev: str = ""
    dev_share: float = 0.1
    test: dict[str, str] = field(default_factory=dict)
    max_batch_size: int = 64
    balance: float = 0.0
    epoch_size: int = 0

    def __post_init__(self) -> None:
        check_range("data.dev_share", self.dev_share, 0, 0.9)
        check_range("data.max_batch_size", self.max_batch_size, 1)
        check_range("data.balance", self.balance, 0, 1)
        check_range("data.epoch_size", self.epoch_size, 0)


@dataclass(frozen=True)
class ClassifyConfig:
    """A whole training of a classifier; one section a concern.

    Attributes:
        task: ``classify``.
        seed: of weights, split, batches and augmentation.
        output_dir: the run folder.
        monitor: figure of the dev part that decides which weights are kept: macro_f1, accuracy or
            loss. Where nothing is set aside it is the loss on (2000 of) the sequences trained on.
        class_balance: a class weighs its number of sequences to the power of minus this in the loss
            (0: all the same).
        label_smoothing: see :class:`asr.signals.network.ClassifierTaskConfig`.
        data: files and batches.
        model: shape of the network.
        augment: changes of the signals in training.
        optimizer: what moves the weights.
        trainer: how long, how fast, in what precision.
    """

    task: str = "classify"
    seed: int = 1
    output_dir: str = ""
    monitor: str = "macro_f1"
    class_balance: float = 0.5
    label_smoothing: float = 0.0
    data: ClassifyDataConfig = field(default_factory=ClassifyDataConfig)
    model: ClassifierConfig = field(default_factory=ClassifierConfig)
    augment: AugmentConfig = field(default_factory=AugmentConfig)
    optimizer: OptimizerConfig = field(
        default_factory=lambda: OptimizerConfig(lr=2e-3, second_momentum=0.99)
    )
    trainer: TrainerConfig = field(
        default_factory=lambda: TrainerConfig(max_epochs=30, precision="fp32")
    )

    def __post_init__(self) -> None:
        check_choice("monitor", self.monitor, MONITORS)
        check_range("class_balance", self.class_balance, 0, 1)
