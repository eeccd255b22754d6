"""Classification of texts: labelled texts -> a trained model folder, judged on texts set aside."""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from asr.config import build_config, check_choice, check_range, config_yaml
from asr.errors import ConfigError, DataError
from asr.files import atomic_write_text
from asr.language.batches import TokenItems, TokenLoader
from asr.language.classification.encoder import UNITS, TextEncoder
from asr.language.classification.network import TextClassifierConfig, TextClassifierTask
from asr.language.data import LabelledTexts, read_labelled
from asr.language.embeddings import read_word_vectors
from asr.model_folder import open_bundle, save_weights, write_bundle
from asr.run_folder import Metric, update_metrics
from asr.scoring.classification import ClassificationScore, score_classes
from asr.training.config import OptimizerConfig, TrainerConfig
from asr.training.experiment import Experiment
from asr.training.loop import fit
from asr.training.task import Task, load_weights

__all__ = [
    "TextConfig",
    "TextDataConfig",
    "fit_text_classifier",
    "most_confused",
    "predict_texts",
    "train_texts",
]


@dataclass(frozen=True)
class TextDataConfig:
    """Files of labelled texts (.csv, .tsv, .jsonl) and how they are read.

    Attributes:
        train: files.
        dev: files.
        test: more files by name, evaluated after training.
        text: names of the columns.
        label: names of the columns.
        units: ``words`` or ``bpe`` (vocab_size pieces).
        lower: fold the case.
        min_count: rarer words are unknown.
        embeddings: text file of word vectors, for words.
        max_batch_size: of a batch.
        max_batch_tokens: of a batch.
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


@dataclass(frozen=True)
class TextConfig:
    """A whole training of a text classifier; one section a concern.

    Attributes:
        class_balance: a class weighs its number of texts to the power of minus this in the loss (0:
            all the same).
    """

    task: str = "classify_text"
    seed: int = 1
    output_dir: str = ""
    class_balance: float = 0.0
    data: TextDataConfig = field(default_factory=TextDataConfig)
    model: TextClassifierConfig = field(default_factory=TextClassifierConfig)
    optimizer: OptimizerConfig = field(
        default_factory=lambda: OptimizerConfig(lr=2e-3, second_momentum=0.99)
    )
    trainer: TrainerConfig = field(
        default_factory=lambda: TrainerConfig(max_epochs=8, precision="fp32", pictures_every=0)
    )

    def __post_init__(self) -> None:
        check_range("class_balance", self.class_balance, 0, 1)


@dataclass(frozen=True)
class TextModel:
    """A network with what it reads and says.

    Attributes:
        task: network.
        encoder: of texts.
        classes: names by number.
        config: of the training.
        threshold: lowest probability of a label that is believed.
    """

    task: TextClassifierTask
    encoder: TextEncoder
    classes: tuple[str, ...]
    config: TextConfig
    threshold: float = 0.0


def train_texts(config: TextConfig, resume: bool = True) -> Path:
    """Train on the files that ``config`` names, evaluate the test files, and return the model
    folder.

    Raises:
        ConfigError: no train or dev file is named. DataError: a file is missing, malformed or has
        no labels.
    """
    for key in ("train", "dev"):
        if not getattr(config.data, key):
            raise ConfigError(f"data.{key} names no file.", f"Give data.{key}=FILE.jsonl.")
    train, dev = (
        read_labelled(path, config.data.text, config.data.label)
        for path in (config.data.train, config.data.dev)
    )
    run_dir = Path(config.output_dir)
    model = fit_text_classifier(config, train, dev, run_dir, resume)
    for name, path in config.data.test.items():
        evaluate_split(
            model, read_labelled(path, config.data.text, config.data.label), run_dir, name
        )
    return run_dir / "model"


def fit_text_classifier(
    config: TextConfig, train: LabelledTexts, dev: LabelledTexts, run_dir: Path, resume: bool = True
) -> TextModel:
    """Train on texts in memory; return the model with the weights that were best on dev.

    Raises:
        DataError: labels are missing, or there are fewer than two classes.
    """
    if train.labels is None or dev.labels is None:
        raise DataError("The texts have no labels.", f"Give a column {config.data.label}.")
    classes = tuple(sorted(set(train.labels)))
    if len(classes) < 2:
        raise DataError(
            f"All labels are {classes[0]!r}; a classifier needs two classes.", "Give more labels."
        )
    if unseen := sorted(set(dev.labels) - set(classes)):
        print(
            f"labels that training does not have count as mistaken: {', '.join(unseen)}",
            file=sys.stderr,
        )
    encoder = _encoder(config, train, dev)
    torch.manual_seed(config.seed)
    task = TextClassifierTask(config.model, len(encoder.units), len(classes))
    _set_statistics(task, encoder, train, classes, config)
    numbers = {name: number for number, name in enumerate(classes)}
    labels = np.array([numbers[label] for label in train.labels], np.int64)
    items = TokenItems(encoder.encode(train.texts), _names(train.texts), labels=labels)
    loader = TokenLoader(
        items, config.data.max_batch_size, config.data.max_batch_tokens, config.seed
    )

    def model_of(trained: Task) -> TextModel:
        assert isinstance(trained, TextClassifierTask)
        return TextModel(trained, encoder, classes, config)

    def evaluate(trained: Task) -> dict[str, float]:
        score, _ = score_texts(model_of(trained), dev)
        return {"error": 1 - score.accuracy, "accuracy": score.accuracy, "macro_f1": score.macro_f1}

    experiment = Experiment(
        task,
        loader,
        evaluate,
        "error",
        lambda trained, folder: save_text_classifier(model_of(trained), folder),
        lambda batch: int(batch.lens.sum()),
        "words/s",
    )
    fit(experiment, config.trainer, config.optimizer, run_dir, config.seed, resume)
    return load_text_classifier(run_dir / "model")


def _names(texts: Sequence[str]) -> list[str]:
    return [str(number) for number in range(1, len(texts) + 1)]


def _encoder(config: TextConfig, train: LabelledTexts, dev: LabelledTexts) -> TextEncoder:
    data, extra = config.data, list[str]()
    if data.embeddings:  # words that only dev has are of use where they have a vector
        plain = TextEncoder.of(train.texts, lower=data.lower)
        words = sorted({word for text in dev.texts for word in plain.split(text)})
        found = read_word_vectors(data.embeddings, words, config.model.words.dim).found
        extra = [word for word, has in zip(words, found.tolist(), strict=True) if has]
    return TextEncoder.of(
        train.texts, data.units, data.vocab_size, data.lower, data.min_count, extra
    )


def _set_statistics(
    task: TextClassifierTask,
    encoder: TextEncoder,
    train: LabelledTexts,
    classes: tuple[str, ...],
    config: TextConfig,
) -> None:
    assert train.labels is not None
    seen = Counter(unit for text in train.texts for unit in encoder.split(text))
    task.words.set_counts(torch.tensor([float(seen[unit]) for unit in encoder.units.items]))
    sizes = Counter(train.labels)
    counts = np.array([sizes[name] for name in classes], np.float64)
    weights = counts**-config.class_balance
    weights *= counts.sum() / (weights * counts).sum()  # 1 on average over the texts
    task.class_weights.copy_(torch.from_numpy(weights))
    if config.data.embeddings:
        vectors = read_word_vectors(
            config.data.embeddings, encoder.units.items, config.model.words.dim
        )
        task.words.set_vectors(torch.from_numpy(vectors.matrix), torch.from_numpy(vectors.found))
        print(
            f"{config.data.embeddings} covers {100 * vectors.coverage:.1f} % of the words",
            file=sys.stderr,
        )


@torch.inference_mode()
def predict_texts(model: TextModel, texts: Sequence[str]) -> npt.NDArray[np.float64]:
    """Return the probabilities (texts, classes)."""
    model.task.eval()
    device, items = (
        next(model.task.parameters()).device,
        TokenItems(model.encoder.encode(texts), _names(texts)),
    )
    loader = TokenLoader(items, 128, 16_000, shuffle=False)
    found = np.zeros((len(texts), len(model.classes)))
    for position in range(loader.num_batches(0)):
        batch = loader.load(0, position).to(device)
        found[batch.items] = model.task(batch).double().softmax(-1).cpu().numpy()
    return found


def score_texts(
    model: TextModel, data: LabelledTexts
) -> tuple[ClassificationScore, npt.NDArray[np.float64]]:
    """Return the figures of labelled texts and the probabilities; labels unseen in training are
    classes too.

    Raises:
        DataError: the texts have no labels.
    """
    if data.labels is None:
        raise DataError("The texts have no labels to score against.")
    classes = [*model.classes, *sorted(set(data.labels) - set(model.classes))]
    numbers = {name: number for number, name in enumerate(classes)}
    probabilities = predict_texts(model, data.texts)
    padded = np.pad(probabilities, ((0, 0), (0, len(classes) - len(model.classes))))
    truth = np.array([numbers[label] for label in data.labels], np.int64)
    return score_classes(truth, padded, classes), probabilities


def most_confused(score: ClassificationScore, count: int = 10) -> list[tuple[str, str, int]]:
    """Return (truth, prediction, how often) of the commonest mistakes, the commonest first."""
    names = [row.name for row in score.per_class]
    found = [
        (names[i], names[j], int(n))
        for (i, j), n in np.ndenumerate(score.confusion)
        if i != j and n
    ]
    return sorted(found, key=lambda row: (-row[2], row[:2]))[:count]


def evaluate_split(
    model: TextModel, data: LabelledTexts, run_dir: Path, name: str
) -> ClassificationScore:
    """Write ``NAME/predictions.jsonl``, add the figures to ``metrics.json``, and print them with
    the mistakes.
    """
    score, probabilities = score_texts(model, data)
    rows = []
    for number, (text, label, row) in enumerate(
        zip(data.texts, data.labels or [], probabilities, strict=True), 1
    ):
        best = int(row.argmax())
        entry = {"id": str(number), "text": text, "label": label, "prediction": model.classes[best]}
        rows.append(
            json.dumps({**entry, "probability": round(float(row[best]), 6)}, ensure_ascii=False)
            + "\n"
        )
    atomic_write_text(run_dir / name / "predictions.jsonl", "".join(rows))
    update_metrics(
        run_dir, {f"{name}/{key}": Metric(value, name) for key, value in score.figures().items()}
    )
    unknown = model.encoder.units.unknown_share([model.encoder.split(text) for text in data.texts])
    print(
        f"{name}: {100 * unknown:.2f} % of the running units are unknown\n{score}", file=sys.stderr
    )
    for truth, prediction, times in most_confused(score):
        print(f"{times:6d} x {truth} taken for {prediction}", file=sys.stderr)
    return score


@dataclass(frozen=True)
class SavedConfig:
    """``config.yaml`` of a model folder."""

    task: str = "classify_text"
    classes: list[str] = field(default_factory=list)
    lower: bool = True
    threshold: float = 0.0
    network: TextClassifierConfig = field(default_factory=TextClassifierConfig)


def save_text_classifier(model: TextModel, folder: Path) -> None:
    """Write the model folder: what :class:`asr.TextClassifier` loads."""
    saved = SavedConfig(
        "classify_text",
        list(model.classes),
        model.encoder.lower,
        model.threshold,
        model.task.config,
    )

    def write(target: Path) -> None:
        atomic_write_text(target / "config.yaml", config_yaml(saved))
        atomic_write_text(target / "training.yaml", config_yaml(model.config))
        model.encoder.save(target)
        save_weights(target, model.task.state_dict())

    write_bundle(folder, write)


def load_text_classifier(folder: str | Path) -> TextModel:
    """Return the model in a model folder.

    Raises:
        ModelError: no model there, a damaged one, or one of another task.
    """
    bundle = open_bundle(folder, task="classify_text")
    saved = build_config(SavedConfig, bundle.config, where=str(bundle.path / "config.yaml"))
    encoder = TextEncoder.load(bundle.path, saved.lower)
    task, weights = (
        TextClassifierTask(saved.network, len(encoder.units), len(saved.classes)),
        bundle.weights(),
    )
    load_weights(task, weights, bundle.path)
    return TextModel(
        task.eval(), encoder, tuple(saved.classes), TextConfig(model=saved.network), saved.threshold
    )
