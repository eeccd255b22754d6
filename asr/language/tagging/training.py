"""Tagging: tagged sentences -> a trained model folder, with entity F1 of the dev split after every
epoch.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from asr.config import build_config, check_choice, check_range, config_yaml
from asr.errors import ConfigError, DataError
from asr.files import atomic_write_text
from asr.language.batches import TokenItems, TokenLoader
from asr.language.data import TaggedSentences, iob1_to_bio, read_tagged
from asr.language.embeddings import read_word_vectors
from asr.language.tagging.encoder import SentenceEncoder
from asr.language.tagging.network import TagModelConfig, TagTask
from asr.model_folder import open_bundle, save_weights, write_bundle
from asr.run_folder import Metric, update_metrics
from asr.sequence.crf import BioRules, LinearChainCrf, bio_rules, first_illegal_step
from asr.training.config import OptimizerConfig, TrainerConfig
from asr.training.experiment import Experiment
from asr.training.loop import fit
from asr.training.task import Task, load_weights

__all__ = [
    "TagConfig",
    "TagDataConfig",
    "check_tags",
    "fit_tagger",
    "paths_of",
    "predict_tags",
    "tag_rules",
    "train_tagger",
]

SCHEMES = ("auto", "bio", "none")


@dataclass(frozen=True)
class TagDataConfig:
    """Files of tagged sentences (see :func:`asr.language.data.read_tagged`) and how they are
    batched.

    Attributes:
        train: files.
        dev: files.
        test: more files by name, evaluated after training.
        scheme: ``bio``, ``none`` (any tag may follow any), or ``auto``: bio where all tags are O,
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


@dataclass(frozen=True)
class TagConfig:
    """A whole training of a tagger; one section a concern."""

    task: str = "tag"
    seed: int = 1
    output_dir: str = ""
    data: TagDataConfig = field(default_factory=TagDataConfig)
    model: TagModelConfig = field(default_factory=TagModelConfig)
    optimizer: OptimizerConfig = field(
        default_factory=lambda: OptimizerConfig(lr=2e-3, second_momentum=0.999)
    )
    trainer: TrainerConfig = field(
        default_factory=lambda: TrainerConfig(max_epochs=20, precision="fp32")
    )


def train_tagger(config: TagConfig, resume: bool = True) -> Path:
    """Train on the files that ``config`` names, evaluate the test files, and return the model
    folder.

    Raises:
        ConfigError: no train or dev file is named. DataError: a file is missing, malformed, or
        breaks the scheme.
    """
    for key in ("train", "dev"):
        if not getattr(config.data, key):
            raise ConfigError(f"data.{key} names no file.", f"Give data.{key}=FILE.jsonl.")
    train, dev = read_tagged(config.data.train), read_tagged(config.data.dev)
    run_dir = Path(config.output_dir)
    task, encoder = fit_tagger(config, train, dev, run_dir, resume)
    for name, path in config.data.test.items():
        evaluate_split(task, encoder, read_tagged(path), run_dir, name)
    return run_dir / "model"


def fit_tagger(
    config: TagConfig,
    train: TaggedSentences,
    dev: TaggedSentences,
    run_dir: Path,
    resume: bool = True,
) -> tuple[TagTask, SentenceEncoder]:
    """Train on sentences in memory; return the network with the best weights, and its vocabularies."""
    from safetensors.torch import load_file

    experiment, task, encoder = build_experiment(config, train, dev)
    fit(experiment, config.trainer, config.optimizer, run_dir, config.seed, resume)
    task.load_state_dict(load_file(run_dir / "model" / "model.safetensors"))
    return task.eval(), encoder


def tag_rules(tags: Sequence[str], scheme: str) -> BioRules | None:
    """Return the rules of a scheme for these tags, or None where anything may follow."""
    looks_bio = all(tag == "O" or (tag.startswith(("B-", "I-")) and len(tag) > 2) for tag in tags)
    if scheme == "bio" and not looks_bio:
        odd = next(t for t in tags if t != "O" and not (t.startswith(("B-", "I-")) and len(t) > 2))
        raise DataError(
            f"The tag {odd!r} is not O, B-... or I-....", "Set data.scheme=none for other tags."
        )
    is_bio = scheme == "bio" or (
        scheme == "auto" and looks_bio and any(t.startswith("B-") for t in tags)
    )
    return bio_rules(tags) if is_bio else None


def check_tags(data: TaggedSentences, scheme: str, repair: bool, where: str) -> TaggedSentences:
    """Return ``data`` after a look at every tag sequence.

    Raises:
        DataError: there are no tags, a sentence's words and tags differ in number, or a sequence
        breaks the scheme and
            is not to be repaired; the sentence is named.
    """
    if data.tags is None:
        raise DataError(f"{where} has no tags.", "Give sentences with tags.")
    for number, (words, given) in enumerate(zip(data.sentences, data.tags, strict=True), 1):
        if len(words) != len(given):
            raise DataError(
                f"{where}, sentence {number}: {len(words)} words and {len(given)} tags."
            )
    names = tuple(sorted({tag for tags in data.tags for tag in tags}))
    rules = tag_rules(names, scheme)
    if rules is None:
        return data
    numbers = {name: number for number, name in enumerate(names)}
    steps = [first_illegal_step([numbers[t] for t in tags], rules) for tags in data.tags]
    broken = [number for number, step in enumerate(steps) if step is not None]
    if broken and not repair:
        tags, step = data.tags[broken[0]], steps[broken[0]]
        raise DataError(
            f"{where}, sentence {broken[0] + 1}: {tags[step or 0]} at word {(step or 0) + 1} follows no B- or I- "
            f"of its type ({len(broken)} such sentences).",
            "Set data.repair=true to begin such entities with B-.",
        )
    if broken:
        print(
            f"{where}: {len(broken)} sentences had entities without B-; it was put in",
            file=sys.stderr,
        )
    return TaggedSentences(data.sentences, [iob1_to_bio(tags) for tags in data.tags], data.labels)


def build_experiment(
    config: TagConfig, train: TaggedSentences, dev: TaggedSentences
) -> tuple[Experiment, TagTask, SentenceEncoder]:
    """Check the data, make vocabularies and network."""
    train = check_tags(
        train, config.data.scheme, config.data.repair, config.data.train or "the training data"
    )
    dev = check_tags(dev, config.data.scheme, config.data.repair, config.data.dev or "the dev data")
    encoder = _encoder(config, train, dev)
    torch.manual_seed(config.seed)
    task = make_task(config.model, encoder, config.data.scheme)
    task.words.set_counts(torch.tensor(encoder.counts(train.sentences), dtype=torch.float32))
    if config.data.embeddings:
        _take_vectors(task, encoder, config)
    spelled = config.model.words.spelling != "none"
    items = encoder.items(
        train.sentences, train.tags, train.labels if encoder.labels else None, spelled
    )
    loader = TokenLoader(
        items, config.data.max_batch_size, config.data.max_batch_tokens, config.seed
    )

    def evaluate(trained: Task) -> dict[str, float]:
        assert isinstance(trained, TagTask)
        return tag_figures(dev, *predict_tags(trained, encoder, dev.sentences))

    def save_model(trained: Task, folder: Path) -> None:
        assert isinstance(trained, TagTask)
        save_tagger(trained, encoder, config, folder)

    return (
        Experiment(
            task,
            loader,
            evaluate,
            "error",
            save_model,
            lambda batch: int(batch.lens.sum()),
            "words/s",
        ),
        task,
        encoder,
    )


def _encoder(config: TagConfig, train: TaggedSentences, dev: TaggedSentences) -> SentenceEncoder:
    assert train.tags is not None
    assert dev.tags is not None
    joint = config.data.joint and train.labels is not None
    extra = (
        [w.lower() if config.data.lower else w for s in dev.sentences for w in s]
        if config.data.embeddings
        else []
    )
    if config.data.embeddings:  # words that only dev has are of use where they have a vector
        found = read_word_vectors(config.data.embeddings, extra, config.model.words.dim).found
        extra = [word for word, has in zip(extra, found.tolist(), strict=True) if has]
    encoder = SentenceEncoder.of(
        train.sentences,
        train.tags,
        train.labels or () if joint else (),
        config.data.lower,
        config.data.min_count,
        extra,
    )
    unseen = sorted({tag for tags in dev.tags for tag in tags} - set(encoder.tags))
    if unseen:
        print(
            f"tags that training does not have, so that they count as missed: {', '.join(unseen)}",
            file=sys.stderr,
        )
    return encoder


def _take_vectors(task: TagTask, encoder: SentenceEncoder, config: TagConfig) -> None:
    assert config.data.embeddings is not None
    vectors = read_word_vectors(config.data.embeddings, encoder.words.items, config.model.words.dim)
    task.words.set_vectors(torch.from_numpy(vectors.matrix), torch.from_numpy(vectors.found))
    print(
        f"{config.data.embeddings} covers {100 * vectors.coverage:.1f} % of the words",
        file=sys.stderr,
    )


def make_task(model: TagModelConfig, encoder: SentenceEncoder, scheme: str = "auto") -> TagTask:
    """Return an untrained network for an encoder's vocabularies."""
    rules = tag_rules(encoder.tags, scheme)
    return TagTask(
        model, len(encoder.words), len(encoder.chars), len(encoder.tags), len(encoder.labels), rules
    )


@torch.inference_mode()
def predict_tags(
    task: TagTask, encoder: SentenceEncoder, sentences: Sequence[Sequence[str]]
) -> tuple[list[list[str]], list[str] | None]:
    """Return the tags of each sentence, and its label where the network has labels."""
    items: TokenItems = encoder.items(sentences, spelled=task.config.words.spelling != "none")
    loader = TokenLoader(items, 64, 4000, shuffle=False)
    tags: list[list[str]] = [[] for _ in sentences]
    labels = ["" for _ in sentences]
    for position in range(loader.num_batches(0)):
        batch = loader.load(0, position).to(next(task.parameters()).device)
        output = task(batch)
        paths, _ = task.crf.best_paths(output.scores.float(), batch.lens)
        for number, path in zip(batch.items.tolist(), paths, strict=True):
            tags[number] = [encoder.tags[k] for k in path]
        if output.label_log_probs is not None:
            for number, best in zip(
                batch.items.tolist(), output.label_log_probs.argmax(-1).tolist(), strict=True
            ):
                labels[number] = encoder.labels[best]
    return tags, labels if encoder.labels else None


def tag_marginals(
    task: TagTask, encoder: SentenceEncoder, sentences: Sequence[Sequence[str]]
) -> list[npt.NDArray[np.float32]]:
    """Return p(tag | sentence) of each word of each sentence, (words, tags)."""
    items = encoder.items(sentences, spelled=task.config.words.spelling != "none")
    loader = TokenLoader(items, 64, 4000, shuffle=False)
    found = [np.zeros((0, len(encoder.tags)), np.float32) for _ in sentences]
    for position in range(loader.num_batches(0)):
        batch = loader.load(0, position).to(next(task.parameters()).device)
        with torch.no_grad():
            scores = task(batch).scores.float()
        marginals = task.crf.marginals(scores, batch.lens).detach().cpu().numpy()
        for number, array, length in zip(
            batch.items.tolist(), marginals, batch.lens.tolist(), strict=True
        ):
            found[number] = array[:length]
    return found


def paths_of(
    probabilities: Sequence[npt.NDArray[np.floating[Any]]],
    tags: Sequence[str],
    scheme: str = "auto",
) -> list[list[str]]:
    """Return for arrays (words, tags) of p(tag) the likeliest path that keeps the rules of the
    scheme.
    """
    crf = LinearChainCrf(len(tags), tag_rules(tags, scheme))
    found: list[list[str]] = []
    for table in probabilities:
        if not len(table):
            found.append([])
            continue
        scores = torch.from_numpy(np.log(np.maximum(table, 1e-30))).float()[None]
        found.append([tags[k] for k in crf.best_paths(scores, torch.tensor([len(table)]))[0][0]])
    return found


def tag_figures(
    data: TaggedSentences, tags: list[list[str]], labels: list[str] | None
) -> dict[str, float]:
    """Return F1 of entities, or accuracy of tags where there are none; ``error`` is what is missing
    to 1.

    With labels: their accuracy too, and the share of sentences with everything right.
    """
    from asr.scoring.entities import score_entities

    assert data.tags is not None
    score = score_entities(data.tags, tags)
    main = score.f1 if score.entities else score.accuracy
    figures = {"error": 1 - main, "f1": score.f1, "accuracy": score.accuracy}
    right = [ours == theirs for ours, theirs in zip(tags, data.tags, strict=True)]
    if labels is not None and data.labels is not None:
        hits = [ours == theirs for ours, theirs in zip(labels, data.labels, strict=True)]
        figures["label_accuracy"] = sum(hits) / len(hits)
        right = [a and b for a, b in zip(right, hits, strict=True)]
    return figures | {"sentence_accuracy": sum(right) / max(1, len(right))}


def evaluate_split(
    task: TagTask, encoder: SentenceEncoder, data: TaggedSentences, run_dir: Path, name: str
) -> None:
    """Write ``NAME/predictions.jsonl`` and add the figures of a split to ``metrics.json``."""
    tags, labels = predict_tags(task, encoder, data.sentences)
    figures = tag_figures(data, tags, labels)
    rows = []
    for number, (words, gold, found) in enumerate(
        zip(data.sentences, data.tags or [], tags, strict=True), 1
    ):
        row: dict[str, object] = {
            "id": str(number),
            "text": " ".join(words),
            "label": gold,
            "prediction": found,
        }
        if labels is not None:
            row |= {"sentence_prediction": labels[number - 1]}
        if data.labels is not None:
            row |= {"sentence_label": data.labels[number - 1]}
        rows.append(json.dumps(row, ensure_ascii=False) + "\n")
    atomic_write_text(run_dir / name / "predictions.jsonl", "".join(rows))
    update_metrics(
        run_dir, {f"{name}/{key}": Metric(value, name) for key, value in figures.items()}
    )
    print(
        f"{name}: " + "  ".join(f"{key} {value:.4f}" for key, value in figures.items()),
        file=sys.stderr,
    )


@dataclass(frozen=True)
class SavedConfig:
    """``config.yaml`` of a model folder."""

    task: str = "tag"
    scheme: str = "auto"
    network: TagModelConfig = field(default_factory=TagModelConfig)


def load_tagger(folder: str | Path) -> tuple[TagTask, SentenceEncoder, TagConfig]:
    """Return network, vocabularies and configuration of a model folder.

    Raises:
        ModelError: no model there, a damaged one, or one of another task.
    """
    bundle = open_bundle(folder, task="tag")
    saved = build_config(SavedConfig, bundle.config, where=str(bundle.path / "config.yaml"))
    encoder = SentenceEncoder.load(bundle.path)
    task, weights = make_task(saved.network, encoder, saved.scheme), bundle.weights()
    load_weights(task, weights, bundle.path)
    return (
        task.eval(),
        encoder,
        TagConfig(data=TagDataConfig(scheme=saved.scheme), model=saved.network),
    )


def save_tagger(task: TagTask, encoder: SentenceEncoder, config: TagConfig, folder: Path) -> None:
    """Write the model folder: what :class:`asr.Tagger` loads."""

    def write(target: Path) -> None:
        atomic_write_text(
            target / "config.yaml", config_yaml(SavedConfig("tag", config.data.scheme, task.config))
        )
        atomic_write_text(target / "training.yaml", config_yaml(config))
        encoder.save(target)
        save_weights(target, task.state_dict())

    write_bundle(folder, write)
