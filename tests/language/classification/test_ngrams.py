"""N-grams and their weights, held to scikit-learn's."""

from __future__ import annotations

import numpy as np
import torch

from asr.language.batches import TokenItems, collate_tokens
from asr.language.classification.config import TextConfig
from asr.language.classification.data import make_labelled
from asr.language.classification.ngrams import NgramConfig, NgramEncoder, NgramScores, ngrams
from asr.language.classification.training import build_experiment

TEXTS = ["play a waltz", "play the waltz again", "is it cold", "cold cold rain", "rain"]


def test_weights_are_those_of_scikit_learn():
    from sklearn.feature_extraction.text import TfidfVectorizer

    config = NgramConfig(words=2, letters=0, dropout=0)
    encoder, weights = NgramEncoder.of([text.split() for text in TEXTS], config)
    vectorizer = TfidfVectorizer(ngram_range=(1, 2), binary=True, token_pattern=r"\S+")
    expected = vectorizer.fit_transform(TEXTS).toarray()
    assert sorted(encoder.items.items[2:]) == list(vectorizer.get_feature_names_out())

    scores = NgramScores(config, len(encoder.items), num_classes=len(encoder.items))
    scores.weights.copy_(weights)
    torch.nn.init.eye_(scores.matrix.weight)  # the scores are then ten times the weighted n-grams
    ids = [encoder.encode(text.split()) for text in TEXTS]
    items = TokenItems(ids, [""] * len(ids), ngrams=ids)
    batch = collate_tokens(items, np.arange(len(ids)))
    with torch.inference_mode():
        found = scores(batch.ngrams).numpy() / 10
    columns = [encoder.items.ids[name] for name in vectorizer.get_feature_names_out()]
    np.testing.assert_allclose(found[:, columns], expected, atol=1e-6)


def test_letters_stay_within_a_word_and_a_new_word_has_known_ones():
    config = NgramConfig(words=1, letters=4)
    encoder, _ = NgramEncoder.of([text.split() for text in TEXTS], config)
    known = {encoder.items.items[number] for number in encoder.encode(["raining"])}
    assert known == {"#<r", "#ra", "#ai", "#in", "#<ra", "#rai", "#ain", "#<rai", "#rain"}
    assert not len(encoder.encode(["xyq"]))
    assert all(" " not in item for item in ngrams(["a", "bc"], config))


def test_the_most_frequent_n_grams_are_kept():
    config = NgramConfig(words=1, letters=0, max_items=2)
    encoder, _ = NgramEncoder.of([text.split() for text in TEXTS], config)
    assert encoder.items.items[2:] == ["cold", "play"]


def test_few_texts_are_repeated_within_an_epoch():
    train = make_labelled(TEXTS, ["music", "music", "weather", "weather", "weather"])
    loader = build_experiment(TextConfig(), train, train).train
    numbers = np.concatenate([loader.load(0, at).items for at in range(loader.num_batches(0))])
    assert 60 <= loader.num_batches(0) <= 70
    assert np.ptp(np.bincount(numbers)) == 0  # each as often as the others


def test_without_n_grams_the_network_is_alone():
    config = TextConfig()
    model = {"ngrams": {"words": 0}}
    from asr.config import build_config

    alone = build_config(TextConfig, {"model": model}, where="test")
    train = make_labelled(TEXTS, ["music", "music", "weather", "weather", "weather"])
    assert build_experiment(alone, train, train).task.ngrams is None
    assert build_experiment(config, train, train).task.ngrams is not None
