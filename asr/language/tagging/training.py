"""Training of taggers: tagged sentences -> a model folder, chosen by the dev sentences."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import torch

from asr.config import check_files, config_yaml
from asr.language.batches import TokenLoader
from asr.language.embeddings import read_word_vectors
from asr.language.tagging.config import TagConfig
from asr.language.tagging.data import TaggedSentences, read_tagged
from asr.language.tagging.encoder import SentenceEncoder
from asr.language.tagging.model import FittedTagger, make_network
from asr.language.tagging.network import TagTask
from asr.language.tagging.scheme import check_tags
from asr.run_folder import record_split
from asr.scoring.entities import score_entities
from asr.training.experiment import Experiment
from asr.training.loop import fit
from asr.training.task import Task

__all__ = ["build_experiment", "fit_tagger", "tag_figures", "train_tagger"]


def train_tagger(config: TagConfig, resume: bool = True) -> Path:
    """Train on the files that ``config`` names, evaluate the test files, and return the model
    folder.

    Raises:
        ConfigError: no train or dev file is named.
        DataError: a file is missing, malformed, or breaks the scheme.
    """
    check_files(config.data, ("train", "dev"), "FILE.jsonl")
    train, dev = read_tagged(config.data.train), read_tagged(config.data.dev)
    run_dir = Path(config.output_dir)
    model = fit_tagger(config, train, dev, run_dir, resume)
    for name, path in config.data.test.items():
        evaluate_split(model, read_tagged(path), run_dir, name)
    return run_dir / "model"


def fit_tagger(
    config: TagConfig,
    train: TaggedSentences,
    dev: TaggedSentences,
    run_dir: Path,
    resume: bool = True,
) -> FittedTagger:
    """Train on sentences in memory; return the tagger with the weights that were best on dev."""
    experiment = build_experiment(config, train, dev)
    fit(
        experiment,
        config.trainer,
        config.optimizer,
        run_dir,
        seed=config.seed,
        resume=resume,
    )
    return FittedTagger.load(run_dir / "model")


def build_experiment(config: TagConfig, train: TaggedSentences, dev: TaggedSentences) -> Experiment:
    """Check the data; make vocabularies, network and batches."""
    data = config.data
    train = check_tags(train, data.scheme, data.repair, data.train or "the training data")
    dev = check_tags(dev, data.scheme, data.repair, data.dev or "the dev data")
    encoder = _encoder(config, train, dev)
    torch.manual_seed(config.seed)
    network = make_network(config.model, encoder, data.scheme)
    network.words.set_counts(torch.tensor(encoder.counts(train.sentences), dtype=torch.float32))
    if data.embeddings:
        network.words.load_vectors(data.embeddings, encoder.words.items)

    def model_of(trained: Task) -> FittedTagger:
        assert isinstance(trained, TagTask)
        return FittedTagger(trained, encoder, data.scheme, config_yaml(config))

    def save_model(trained: Task, folder: Path) -> None:
        model_of(trained).save(folder)

    return Experiment(
        task=network,
        train=_loader(config, train, encoder),
        evaluate=lambda trained: tag_figures(dev, *model_of(trained).predict(dev.sentences)),
        monitor="error",
        save_model=save_model,
        speed=lambda batch: int(batch.lens.sum()),
        speed_unit="words/s",
    )


def _encoder(config: TagConfig, train: TaggedSentences, dev: TaggedSentences) -> SentenceEncoder:
    """Make the vocabularies, and say which dev tags cannot be learned."""
    assert train.tags is not None
    assert dev.tags is not None
    data = config.data
    extra: list[str] = []
    if data.embeddings:
        # Words that only dev has are of use where they have a vector.
        words = [w.lower() if data.lower else w for s in dev.sentences for w in s]
        extra = read_word_vectors(data.embeddings, words, config.model.words.dim).covered(words)
    encoder = SentenceEncoder.of(
        train.sentences,
        train.tags,
        labels=(train.labels or ()) if data.joint else (),
        lower=data.lower,
        min_count=data.min_count,
        extra_words=extra,
    )
    unseen = sorted({tag for tags in dev.tags for tag in tags} - set(encoder.tags))
    if unseen:
        names = ", ".join(unseen)
        print(
            f"tags that training does not have, so that they count as missed: {names}",
            file=sys.stderr,
        )
    return encoder


def _loader(config: TagConfig, train: TaggedSentences, encoder: SentenceEncoder) -> TokenLoader:
    items = encoder.items(
        train.sentences,
        train.tags,
        labels=train.labels if encoder.labels else None,
        spelled=config.model.words.spelling != "none",
    )
    data = config.data
    return TokenLoader(items, data.max_batch_size, data.max_batch_tokens, seed=config.seed)


def tag_figures(
    data: TaggedSentences, tags: list[list[str]], labels: list[str] | None
) -> dict[str, float]:
    """Return the figures of predictions, 0 to 1.

    ``error`` is 1 - F1 of entities, or 1 - accuracy of tags where there are no entities. With
    labels: their accuracy too. ``sentence_accuracy`` counts sentences with everything right.
    """
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


def evaluate_split(model: FittedTagger, data: TaggedSentences, run_dir: Path, name: str) -> None:
    """Record the predictions and figures of a split in the run folder."""
    tags, labels = model.predict(data.sentences)
    rows: list[dict[str, Any]] = []
    for number, (words, gold, predicted) in enumerate(
        zip(data.sentences, data.tags or [], tags, strict=True)
    ):
        row = {
            "id": str(number + 1),
            "text": " ".join(words),
            "label": gold,
            "prediction": predicted,
        }
        if labels is not None:
            row["sentence_prediction"] = labels[number]
        if data.labels is not None:
            row["sentence_label"] = data.labels[number]
        rows.append(row)
    figures = tag_figures(data, tags, labels)
    record_split(run_dir, name, figures, rows)
    print(
        f"{name}: " + "  ".join(f"{key} {value:.4f}" for key, value in figures.items()),
        file=sys.stderr,
    )
