"""Language models: text, a sentence a line -> a trained model folder, with the perplexity per word
of the dev text.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch

from asr.config import check_choice, check_range
from asr.errors import ConfigError, DataError
from asr.language.modelling.batches import StreamLoader
from asr.language.modelling.folder import (
    encode_stream,
    load_language_model,
    save_language_model,
    text_perplexity,
)
from asr.language.modelling.network import LanguageModelConfig, LanguageModelTask
from asr.language.subwords import UNITS, Subwords
from asr.run_folder import Metric, update_metrics
from asr.training.config import OptimizerConfig, TrainerConfig
from asr.training.experiment import Experiment
from asr.training.loop import fit
from asr.training.task import Task

__all__ = [
    "LmConfig",
    "LmDataConfig",
    "fit_language_model",
    "perplexities",
    "read_lines",
    "train_language_model",
]

PIECES_FROM_LINES = 200_000  # enough to learn pieces from; spread over the whole text


@dataclass(frozen=True)
class LmDataConfig:
    """Text files, a sentence a line, and how they are read.

    Attributes:
        train: files.
        dev: files.
        test: more files by name, evaluated after training.
        units: ``pieces`` of words, or ``words``, of which all but the most frequent are one
            ``<unk>``.
        vocab_size: number of units.
        batch_size: rows read side by side.
        chunk: steps that a gradient goes back.
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


@dataclass(frozen=True)
class LmConfig:
    """A whole training of a language model; one section a concern."""

    task: str = "language_model"
    seed: int = 1
    output_dir: str = ""
    data: LmDataConfig = field(default_factory=LmDataConfig)
    model: LanguageModelConfig = field(default_factory=LanguageModelConfig)
    optimizer: OptimizerConfig = field(
        default_factory=lambda: OptimizerConfig(
            lr=2e-3, weight_decay=0.0, clip_norm=1.0, second_momentum=0.999
        )
    )
    trainer: TrainerConfig = field(
        default_factory=lambda: TrainerConfig(max_epochs=5, pictures_every=0)
    )


def train_language_model(config: LmConfig, resume: bool = True) -> Path:
    """Train on the files that ``config`` names, evaluate the test files, and return the model
    folder.

    Raises:
        ConfigError: no train or dev file is named. DataError: a file is missing or holds too little
        text.
    """
    for key in ("train", "dev"):
        if not getattr(config.data, key):
            raise ConfigError(f"data.{key} names no file.", f"Give data.{key}=FILE.txt.")
    run_dir = Path(config.output_dir)
    tests = {name: read_lines(path) for name, path in config.data.test.items()}
    task, pieces = fit_language_model(
        config, read_lines(config.data.train), read_lines(config.data.dev), run_dir, resume
    )
    for name, lines in tests.items():
        figures = perplexities(task, pieces, lines)
        update_metrics(
            run_dir, {f"{name}/{key}": Metric(value, name) for key, value in figures.items()}
        )
        print(
            f"{name}: " + "  ".join(f"{key} {value:.2f}" for key, value in figures.items()),
            file=sys.stderr,
        )
    return run_dir / "model"


def perplexities(
    task: LanguageModelTask, pieces: Subwords, lines: Sequence[str]
) -> dict[str, float]:
    """Return the perplexity per word with carried state and of every sentence on its own."""
    return {
        "perplexity": text_perplexity(task, pieces, lines).per_word,
        "perplexity_alone": text_perplexity(task, pieces, lines, carry=False).per_word,
    }


def read_lines(path: str | Path) -> list[str]:
    """Return the lines of a text file that are not blank.

    Raises:
        DataError: the file is missing, empty or not UTF-8.
    """
    try:
        with Path(path).open(encoding="utf-8") as file:
            lines = [line.strip() for line in file if line.strip()]
    except FileNotFoundError:
        raise DataError(
            f"There is no file {path}.", "Give a text file, a sentence a line."
        ) from None
    except UnicodeDecodeError:
        raise DataError(f"{path} is not UTF-8.", "Convert the file to UTF-8.") from None
    if not lines:
        raise DataError(f"{path} holds no text.", "Give a text file, a sentence a line.")
    return lines


def fit_language_model(
    config: LmConfig, train: Sequence[str], dev: Sequence[str], run_dir: Path, resume: bool = True
) -> tuple[LanguageModelTask, Subwords]:
    """Train on lines in memory; return the network with the best weights, and its pieces."""
    pieces = _pieces(config, train, run_dir, resume)
    torch.manual_seed(config.seed)
    tokens = encode_stream(pieces, train)
    counts = torch.from_numpy(np.bincount(tokens, minlength=len(pieces)))
    task = LanguageModelTask(config.model, len(pieces), config.data.batch_size, counts)
    try:
        loader = StreamLoader(tokens, config.data.batch_size, config.data.chunk, config.seed)
    except ValueError as error:
        raise DataError(
            f"The training text is too short: {error}.",
            "Give more text or a lower data.batch_size.",
        ) from None

    def evaluate(trained: Task) -> dict[str, float]:
        assert isinstance(trained, LanguageModelTask)
        return {"perplexity": text_perplexity(trained, pieces, dev).per_word}

    def save_model(trained: Task, folder: Path) -> None:
        assert isinstance(trained, LanguageModelTask)
        save_language_model(trained, pieces, config, folder)

    experiment = Experiment(
        task,
        loader,
        evaluate,
        "perplexity",
        save_model,
        lambda batch: batch.tokens.numel(),
        "tokens/s",
    )
    fit(experiment, config.trainer, config.optimizer, run_dir, config.seed, resume)
    return load_language_model(run_dir / "model")


def _pieces(config: LmConfig, train: Sequence[str], run_dir: Path, resume: bool) -> Subwords:
    if resume and (run_dir / Subwords.FILE).is_file():
        return Subwords.load(run_dir)
    step = max(1, len(train) // PIECES_FROM_LINES) if config.data.units == "pieces" else 1
    pieces = Subwords.train(train[::step], config.data.vocab_size, units=config.data.units)
    pieces.save(run_dir)
    return pieces
