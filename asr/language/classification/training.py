"""Training of text classifiers: labelled texts -> a model folder, chosen by the dev texts."""

from __future__ import annotations

import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional

from asr.config import check_files, config_yaml
from asr.errors import DataError
from asr.language.batches import TokenLoader
from asr.language.classification.config import TextConfig
from asr.language.classification.data import LabelledTexts, read_labelled
from asr.language.classification.encoder import TextEncoder
from asr.language.classification.model import FittedTextClassifier, score_probabilities
from asr.language.classification.network import TextClassifierTask
from asr.language.classification.ngrams import NgramEncoder
from asr.language.embeddings import read_word_vectors
from asr.run_folder import record_split
from asr.scoring.classification import ClassificationScore, best_classes
from asr.training.experiment import Experiment
from asr.training.loop import fit
from asr.training.task import Task

__all__ = ["build_experiment", "evaluate_split", "fit_text_classifier", "train_texts"]

SHARES = (0.2, 0.35, 0.5, 0.65, 0.8)  # of the recurrent network, beside the n-grams
FEWEST_BATCHES = 64  # in an epoch, about: few texts are repeated, else they are hardly learned


def train_texts(config: TextConfig, resume: bool = True) -> Path:
    """Train on the files that ``config`` names, evaluate the test files, and return the model
    folder.

    Raises:
        ConfigError: no train or dev file is named.
        DataError: a file is missing, malformed or has no labels.
    """
    check_files(config.data, ("train", "dev"), "FILE.jsonl")
    columns = {"text": config.data.text, "label": config.data.label}
    train = read_labelled(config.data.train, **columns)
    dev = read_labelled(config.data.dev, **columns)
    run_dir = Path(config.output_dir)
    model = fit_text_classifier(config, train, dev, run_dir, resume)
    for name, path in config.data.test.items():
        evaluate_split(model, read_labelled(path, **columns), run_dir, name)
    return run_dir / "model"


def fit_text_classifier(
    config: TextConfig, train: LabelledTexts, dev: LabelledTexts, run_dir: Path, resume: bool = True
) -> FittedTextClassifier:
    """Train on texts in memory; return the classifier with the weights that were best on dev.

    Raises:
        DataError: labels are missing, or there are fewer than two classes.
    """
    experiment = build_experiment(config, train, dev)
    fit(
        experiment,
        config.trainer,
        config.optimizer,
        run_dir,
        seed=config.seed,
        resume=resume,
    )
    model = FittedTextClassifier.load(run_dir / "model")
    if model.network.ngrams is not None:
        _choose_share(model, dev)
        model.save(run_dir / "model")
    return model


def _choose_share(model: FittedTextClassifier, dev: LabelledTexts) -> None:
    """Set the weight of the recurrent network beside the n-grams: least cross-entropy on dev."""
    known = [at for at, label in enumerate(dev.labels or []) if label in model.classes]
    if not known:
        return
    parts = [part[known] for part in model.part_scores(dev.texts)]
    numbers = [model.classes.index((dev.labels or [])[at]) for at in known]
    labels, losses = torch.tensor(numbers, device=parts[0].device), []
    for share in SHARES:
        model.network.share.fill_(share)
        losses.append(float(functional.cross_entropy(model.network.mixed(parts), labels)))
    model.network.share.fill_(SHARES[int(np.argmin(losses))])


def build_experiment(config: TextConfig, train: LabelledTexts, dev: LabelledTexts) -> Experiment:
    """Check the labels; make vocabulary, network and batches.

    Raises:
        DataError: labels are missing, or there are fewer than two classes.
    """
    classes = _classes(train, dev, config.data.label)
    encoder = _encoder(config, train, dev)
    network, encoder = _network(config, encoder, train, len(classes))
    _set_statistics(network, encoder, train, classes, config)

    def model_of(trained: Task) -> FittedTextClassifier:
        assert isinstance(trained, TextClassifierTask)
        return FittedTextClassifier(trained, encoder, classes, training=config_yaml(config))

    def save_model(trained: Task, folder: Path) -> None:
        model_of(trained).save(folder)

    def evaluate(trained: Task) -> dict[str, float]:
        score = score_probabilities(model_of(trained).predict(dev.texts), dev, classes)
        return {"error": 1 - score.accuracy, "accuracy": score.accuracy, "macro_f1": score.macro_f1}

    return Experiment(
        task=network,
        train=_loader(config, train, encoder, classes),
        evaluate=evaluate,
        monitor="error",
        save_model=save_model,
        speed=lambda batch: int(batch.lens.sum()),
        speed_unit="words/s",
    )


def _classes(train: LabelledTexts, dev: LabelledTexts, column: str) -> tuple[str, ...]:
    """Return the classes in order, and say which dev labels cannot be learned."""
    if train.labels is None or dev.labels is None:
        raise DataError("The texts have no labels.", f"Give a column {column}.")
    classes = tuple(sorted(set(train.labels)))
    if len(classes) < 2:
        raise DataError(
            f"All labels are {classes[0]!r}; a classifier needs two classes.", "Give more labels."
        )
    if unseen := sorted(set(dev.labels) - set(classes)):
        names = ", ".join(unseen)
        print(f"labels that training does not have count as mistaken: {names}", file=sys.stderr)
    return classes


def _encoder(config: TextConfig, train: LabelledTexts, dev: LabelledTexts) -> TextEncoder:
    data, extra = config.data, list[str]()
    if data.embeddings:
        # Words that only dev has are of use where they have a vector.
        plain = TextEncoder.of(train.texts, lower=data.lower)
        words = sorted({word for text in dev.texts for word in plain.split(text)})
        extra = read_word_vectors(data.embeddings, words, config.model.words.dim).covered(words)
    return TextEncoder.of(
        train.texts,
        kind=data.units,
        vocab_size=data.vocab_size,
        lower=data.lower,
        min_count=data.min_count,
        extra=extra,
    )


def _network(
    config: TextConfig, encoder: TextEncoder, train: LabelledTexts, num_classes: int
) -> tuple[TextClassifierTask, TextEncoder]:
    """Return the untrained network, and the encoder with the n-grams that it scores."""
    weights = None
    if config.model.ngrams.words:
        split = (encoder.split(text) for text in train.texts)
        ngrams, weights = NgramEncoder.of(split, config.model.ngrams)
        encoder = replace(encoder, ngrams=ngrams)
    torch.manual_seed(config.seed)
    num_units, num_ngrams = len(encoder.units), encoder.num_ngrams
    network = TextClassifierTask(config.model, num_units, num_classes, num_ngrams)
    if network.ngrams is not None and weights is not None:
        network.ngrams.weights.copy_(weights)
    return network, encoder


def _set_statistics(
    network: TextClassifierTask,
    encoder: TextEncoder,
    train: LabelledTexts,
    classes: tuple[str, ...],
    config: TextConfig,
) -> None:
    """Give the network the counts of the words, the weights of the classes, and word vectors."""
    assert train.labels is not None
    seen = Counter(unit for text in train.texts for unit in encoder.split(text))
    network.words.set_counts(torch.tensor([float(seen[unit]) for unit in encoder.units.items]))
    sizes = Counter(train.labels)
    counts = np.array([sizes[name] for name in classes], np.float64)
    weights = counts**-config.class_balance
    weights *= counts.sum() / (weights * counts).sum()  # 1 on average over the texts
    network.class_weights.copy_(torch.from_numpy(weights))
    if config.data.embeddings:
        network.words.load_vectors(config.data.embeddings, encoder.units.items)


def _loader(
    config: TextConfig, train: LabelledTexts, encoder: TextEncoder, classes: tuple[str, ...]
) -> TokenLoader:
    assert train.labels is not None
    numbers = {name: number for number, name in enumerate(classes)}
    labels = np.array([numbers[label] for label in train.labels], np.int64)
    items = encoder.items(train.texts, labels)
    data = config.data
    return TokenLoader(
        items,
        data.max_batch_size,
        data.max_batch_tokens,
        seed=config.seed,
        repeats=max(1, FEWEST_BATCHES * data.max_batch_size // len(items)),
    )


def evaluate_split(
    model: FittedTextClassifier, data: LabelledTexts, run_dir: Path, name: str
) -> ClassificationScore:
    """Record the predictions and figures of a split in the run folder, and print them with the
    commonest mistakes.
    """
    probabilities = model.predict(data.texts)
    score = score_probabilities(probabilities, data, model.classes)
    best = best_classes(probabilities, model.classes)
    rows = [
        {
            "id": str(number),
            "text": text,
            "label": label,
            "prediction": prediction,
            "probability": probability,
        }
        for number, (text, label, (prediction, probability)) in enumerate(
            zip(data.texts, data.labels or [], best, strict=True), 1
        )
    ]
    record_split(run_dir, name, score.figures(), rows)
    unknown = model.encoder.units.unknown_share([model.encoder.split(text) for text in data.texts])
    print(f"{name}: {100 * unknown:.2f} % of the running units are unknown", file=sys.stderr)
    print(score, file=sys.stderr)
    for truth, prediction, times in score.most_confused():
        print(f"{times:6d} x {truth} taken for {prediction}", file=sys.stderr)
    return score
