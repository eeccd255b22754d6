"""Training of punctuation: written text -> a model folder, chosen by the dev text."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import torch

from asr.config import check_files, config_yaml
from asr.language.punctuation.batches import EncodedText, WindowLoader
from asr.language.punctuation.chinese import traditional_variants
from asr.language.punctuation.config import PunctuateConfig
from asr.language.punctuation.data import OWN, MarkedText, own_forms, read_marked
from asr.language.punctuation.model import FittedPunctuation
from asr.language.punctuation.network import PunctuationTask
from asr.language.punctuation.scoring import mark_figures
from asr.language.punctuation.units import WordUnits
from asr.run_folder import record_split
from asr.training.experiment import Experiment
from asr.training.loop import fit
from asr.training.task import Task

__all__ = ["encode_text", "evaluate_text", "fit_punctuation", "train_punctuation"]


def train_punctuation(config: PunctuateConfig, resume: bool = True) -> Path:
    """Train on the files that ``config`` names, evaluate the test files, and return the model
    folder.

    Raises:
        ConfigError: no train or dev file is named.
        DataError: a file is missing or holds too little text.
    """
    check_files(config.data, ("train", "dev"), "FILE.txt")
    run_dir = Path(config.output_dir)
    # The short files first, so that a missing one is named before the long one is read.
    data = config.data
    tests = {name: read_marked(path, data.language) for name, path in data.test.items()}
    dev, train = (read_marked(path, data.language) for path in (data.dev, data.train))
    model = fit_punctuation(config, train, dev, run_dir, resume)
    for name, text in tests.items():
        figures = evaluate_text(model, text)
        record_split(run_dir, name, figures)
        shown = "  ".join(f"{key} {value:.4f}" for key, value in figures.items())
        print(f"{name}: {shown}", file=sys.stderr)
    return run_dir / "model"


def evaluate_text(model: FittedPunctuation, text: MarkedText) -> dict[str, float]:
    """Return the figures of :func:`asr.language.punctuation.scoring.mark_figures` on a text."""
    marks, shapes = model.predict(text.spoken)
    return mark_figures(text.marks, text.shapes, marks, shapes)


def fit_punctuation(
    config: PunctuateConfig,
    train: MarkedText,
    dev: MarkedText,
    run_dir: Path,
    resume: bool = True,
) -> FittedPunctuation:
    """Train on texts in memory; return the model with the weights that were best on dev.

    Raises:
        DataError: there is too little text.
    """
    experiment = build_experiment(config, train, dev)
    fit(experiment, config.trainer, config.optimizer, run_dir, seed=config.seed, resume=resume)
    return FittedPunctuation.load(run_dir / "model")


def build_experiment(config: PunctuateConfig, train: MarkedText, dev: MarkedText) -> Experiment:
    """Make words, network and batches.

    Raises:
        DataError: there is too little text.
    """
    data = config.data
    sizes = (data.vocab_size, data.endings)
    variants = traditional_variants if data.language == "zh" else None
    units = WordUnits.of(train.vocabulary, train.counts(), own_forms(train), sizes, variants)
    torch.manual_seed(config.seed)
    network = PunctuationTask(config.model, len(units))
    loader = WindowLoader(
        encode_text(train, units),
        (data.shortest, data.longest),
        max_batch_words=data.max_batch_words,
        words_per_epoch=data.words_per_epoch,
        seed=config.seed,
    )

    def model_of(trained: Task) -> FittedPunctuation:
        assert isinstance(trained, PunctuationTask)
        return FittedPunctuation(trained, units, data.language, config_yaml(config))

    def save_model(trained: Task, folder: Path) -> None:
        model_of(trained).save(folder)

    return Experiment(
        task=network,
        train=loader,
        evaluate=lambda trained: evaluate_text(model_of(trained), dev),
        monitor="error",
        save_model=save_model,
        speed=lambda batch: int(batch.lens.sum()),
        speed_unit="words/s",
    )


def encode_text(text: MarkedText, units: WordUnits) -> EncodedText:
    """Return a text as the network reads it; own forms that are not kept count as capitals."""
    tokens = units.encode(text.vocabulary).astype(np.int32)
    endings = np.array([units.ending_id(word) for word in text.vocabulary], np.int32)
    kept = np.array([word in units.own for word in text.vocabulary])
    shapes = np.where((text.shapes == OWN) & ~kept[text.words], 1, text.shapes)
    return EncodedText(tokens[text.words], endings[text.words], text.marks, shapes)
