from __future__ import annotations

from dataclasses import dataclass, field

from asr.training.config import OptimizerConfig, TrainerConfig


@dataclass(frozen=True)
class ToyConfig:
    task: str = "toy"
    seed: int = 1
    output_dir: str = ""
    train: str = ""
    unit: str = "words"
    optimizer: OptimizerConfig = field(default_factory=OptimizerConfig)
    trainer: TrainerConfig = field(default_factory=TrainerConfig)
