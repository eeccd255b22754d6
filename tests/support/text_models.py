"""Untrained models of the text tasks: their opinions are random, their behaviour is not."""

from __future__ import annotations

from pathlib import Path

import torch

from asr.language.classification.encoder import TextEncoder
from asr.language.classification.model import FittedTextClassifier
from asr.language.classification.network import TextClassifierConfig, TextClassifierTask
from asr.language.modelling.model import FittedLanguageModel
from asr.language.modelling.network import LanguageModelConfig, LanguageModelTask
from asr.language.subwords import Subwords
from asr.language.tagging.encoder import SentenceEncoder
from asr.language.tagging.model import FittedTagger, make_network
from asr.language.tagging.network import TagModelConfig
from asr.language.words import WordConfig
from asr.sequence.classifier import ClassifierConfig

SENTENCES = [["fly", "to", "rome"], ["in", "new", "york"]]
TAGS = [["O", "O", "B-city"], ["O", "B-city", "I-city"]]


def save_tagger(folder: Path, seed: int = 0, tags: list[list[str]] = TAGS) -> Path:
    """A tagger that also labels sentences."""
    encoder = SentenceEncoder.of(SENTENCES, tags, ["travel", "weather"])
    torch.manual_seed(seed)
    config = TagModelConfig(WordConfig(dim=6, char_dim=4, spelling_dim=4), hidden_dim=5)
    network = make_network(config, encoder)
    network.output.weight.data.mul_(20)
    return FittedTagger(network.eval(), encoder).save(folder)


def save_classifier(folder: Path, seed: int = 0, texts: tuple[str, ...] = ("a b c", "d e")) -> Path:
    """A classifier of the labels x, y and z."""
    encoder = TextEncoder.of(list(texts))
    torch.manual_seed(seed)
    config = TextClassifierConfig(
        WordConfig(dim=6, spelling="none"), ClassifierConfig(hidden_dim=5)
    )
    network = TextClassifierTask(config, len(encoder.units), 3).eval()
    return FittedTextClassifier(network, encoder, ("x", "y", "z")).save(folder)


def save_language_model(folder: Path, seed: int = 0) -> Path:
    """A language model of a few pieces."""
    torch.manual_seed(seed)
    pieces = Subwords.train(["the cat sat", "a dog"] * 9, 30)
    network = LanguageModelTask(LanguageModelConfig(dim=4, hidden_dim=5), len(pieces)).eval()
    return FittedLanguageModel(network, pieces).save(folder)
