"""Training of language models: sentences -> a model folder, chosen by the dev perplexity."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from asr.config import check_files, config_yaml
from asr.language.modelling.batches import StreamLoader
from asr.language.modelling.config import LmConfig
from asr.language.modelling.data import encode_stream, read_sentences
from asr.language.modelling.model import FittedLanguageModel
from asr.language.modelling.network import LanguageModelTask
from asr.language.subwords import Subwords
from asr.run_folder import record_split
from asr.training.experiment import Experiment
from asr.training.loop import fit
from asr.training.task import Task

__all__ = ["build_experiment", "fit_language_model", "perplexities", "train_language_model"]

PIECES_FROM_LINES = 200_000  # enough to learn pieces from; taken from the whole text


def train_language_model(config: LmConfig, resume: bool = True) -> Path:
    """Train on the files that ``config`` names, evaluate the test files, and return the model
    folder.

    Raises:
        ConfigError: no train or dev file is named.
        DataError: a file is missing or holds too little text.
    """
    check_files(config.data, ("train", "dev"), "FILE.txt")
    run_dir = Path(config.output_dir)
    # Read at once, so that a missing test file is named before the training and not after it.
    tests = {name: read_sentences(path) for name, path in config.data.test.items()}
    train, dev = read_sentences(config.data.train), read_sentences(config.data.dev)
    model = fit_language_model(config, train, dev, run_dir, resume)
    for name, lines in tests.items():
        figures = perplexities(model, lines)
        record_split(run_dir, name, figures)
        shown = "  ".join(f"{key} {value:.2f}" for key, value in figures.items())
        print(f"{name}: {shown}", file=sys.stderr)
    return run_dir / "model"


def perplexities(model: FittedLanguageModel, lines: Sequence[str]) -> dict[str, float]:
    """Return the perplexity per word with carried state, and of every sentence on its own."""
    return {
        "perplexity": model.perplexity(lines).per_word,
        "perplexity_alone": model.perplexity(lines, carry=False).per_word,
    }


def fit_language_model(
    config: LmConfig, train: Sequence[str], dev: Sequence[str], run_dir: Path, resume: bool = True
) -> FittedLanguageModel:
    """Train on sentences in memory; return the model with the weights that were best on dev.

    Raises:
        DataError: there is too little text.
    """
    pieces = _pieces(config, train, run_dir, resume)
    experiment = build_experiment(config, train, dev, pieces)
    fit(experiment, config.trainer, config.optimizer, run_dir, seed=config.seed, resume=resume)
    return FittedLanguageModel.load(run_dir / "model")


def _pieces(config: LmConfig, train: Sequence[str], run_dir: Path, resume: bool) -> Subwords:
    """Learn the pieces, or read those that the run to resume has learned."""
    if resume and (run_dir / Subwords.FILE).is_file():
        return Subwords.load(run_dir)
    data = config.data
    step = max(1, len(train) // PIECES_FROM_LINES) if data.units == "pieces" else 1
    pieces = Subwords.train(train[::step], data.vocab_size, units=data.units)
    pieces.save(run_dir)
    return pieces


def build_experiment(
    config: LmConfig, train: Sequence[str], dev: Sequence[str], pieces: Subwords
) -> Experiment:
    """Make network and batches.

    Raises:
        DataError: there is too little text.
    """
    torch.manual_seed(config.seed)
    tokens = encode_stream(pieces, train)
    counts = torch.from_numpy(np.bincount(tokens, minlength=len(pieces)))
    data = config.data
    network = LanguageModelTask(config.model, len(pieces), data.batch_size, counts)
    loader = StreamLoader(tokens, data.batch_size, data.chunk, seed=config.seed)

    def model_of(trained: Task) -> FittedLanguageModel:
        assert isinstance(trained, LanguageModelTask)
        return FittedLanguageModel(trained, pieces, config_yaml(config))

    def save_model(trained: Task, folder: Path) -> None:
        model_of(trained).save(folder)

    return Experiment(
        task=network,
        train=loader,
        evaluate=lambda trained: {"perplexity": model_of(trained).perplexity(dev).per_word},
        monitor="perplexity",
        save_model=save_model,
        speed=lambda batch: batch.tokens.numel(),
        speed_unit="tokens/s",
    )
