from __future__ import annotations

import numpy as np
import pytest
import torch

from asr.language.tagging.encoder import SentenceEncoder
from asr.language.tagging.model import FittedTagger, likeliest_paths, make_network
from asr.language.tagging.network import TagModelConfig
from asr.language.tagging.scheme import iob1_to_bio
from asr.language.words import WordConfig

SENTENCES = [["fly", "to", "rome"], ["weather", "in", "new", "york", "please"]] * 9
TAGS = [["O", "O", "B-city"], ["O", "O", "B-city", "I-city", "O"]] * 9


@pytest.fixture
def model():
    """An untrained tagger with strong opinions."""
    torch.manual_seed(1)
    encoder = SentenceEncoder.of(SENTENCES, TAGS)
    config = TagModelConfig(WordConfig(dim=12, char_dim=6, spelling_dim=8), hidden_dim=12)
    network = make_network(config, encoder)
    network.output.weight.data.mul_(50)
    return FittedTagger(network.eval(), encoder, training="seed: 3\n")


def test_predicted_tags_always_keep_the_rules(model):
    tags, labels = model.predict(SENTENCES)
    assert all(iob1_to_bio(path) == path for path in tags)
    assert labels is None


def test_what_is_loaded_is_what_was_saved(model, tmp_path):
    loaded = FittedTagger.load(model.save(tmp_path / "model"))
    assert loaded.predict(SENTENCES) == model.predict(SENTENCES)
    assert loaded.encoder.words.items == model.encoder.words.items
    assert loaded.scheme == "auto"
    assert loaded.training == "seed: 3\n"
    assert FittedTagger.load(loaded.save(tmp_path / "again")).training == "seed: 3\n"


def test_likeliest_paths_against_every_path():
    rng = np.random.default_rng(0)
    tags = ["B-x", "I-x", "O"]
    tables = [rng.dirichlet(np.ones(3), steps) for steps in (1, 3, 4)]
    for table, path in zip(tables, likeliest_paths(tables, tags), strict=True):
        legal = [p for p in _paths(tags, len(table)) if iob1_to_bio(p) == list(p)]
        products = [
            np.prod([row[tags.index(t)] for row, t in zip(table, p, strict=True)]) for p in legal
        ]
        assert tuple(path) == legal[int(np.argmax(products))]
    assert likeliest_paths([np.zeros((0, 3))], tags) == [[]]


def _paths(tags, length):
    from itertools import product

    return list(product(tags, repeat=length))
