from __future__ import annotations

import numpy as np
import pytest

import asr
from asr.errors import DataError, ModelError
from asr.language.tagging.config import TagConfig, TagDataConfig
from asr.language.tagging.network import TagModelConfig
from asr.language.words import WordConfig
from asr.training.config import OptimizerConfig, TrainerConfig

CITIES = ["rome", "paris", "new york", "oslo"]
TINY = TagConfig(
    data=TagDataConfig(max_batch_size=6),
    model=TagModelConfig(
        WordConfig(dim=12, char_dim=6, spelling_dim=8), hidden_dim=12, dropout=0.1
    ),
    optimizer=OptimizerConfig(name="adam", lr=0.02),
    trainer=TrainerConfig(max_epochs=12, precision="fp32", pictures_every=0, threads=1),
)


def corpus():
    rng = np.random.default_rng(0)
    sentences, tags, labels = [], [], []
    for _ in range(120):
        city = CITIES[rng.integers(4)].split()
        before, label = [(["fly", "to"], "travel"), (["weather", "in"], "weather")][rng.integers(2)]
        sentences.append([*before, *city, "please"])
        tags.append(["O", "O", "B-city", *["I-city"] * (len(city) - 1), "O"])
        labels.append(label)
    return sentences, tags, labels


@pytest.fixture(scope="module")
def fitted(tmp_path_factory):
    sentences, tags, labels = corpus()
    run = tmp_path_factory.mktemp("run")
    return asr.Tagger(TINY, random_state=3, run_dir=run).fit(sentences, tags, labels), run


def test_learns_tags_and_labels_and_survives_saving(fitted, tmp_path):
    tagger, run = fitted
    queries = [["fly", "to", "new", "york", "please"], [], ["weather", "in", "oslo", "please"]]
    tags = tagger.predict(queries)
    assert tags == [["O", "O", "B-city", "I-city", "O"], [], ["O", "O", "B-city", "O"]]
    assert tagger.predict_labels(queries)[::2] == ["travel", "weather"]
    figures = tagger.evaluate(*corpus()[:2])
    assert figures.f1 > 0.95
    assert tagger.score(*corpus()[:2]) == figures.accuracy > 0.95
    loaded = asr.Tagger.load(tagger.save(tmp_path / "model"))
    assert loaded.predict(queries) == tags
    assert loaded.classes_ == ("B-city", "I-city", "O")
    for ours, theirs in zip(
        tagger.predict_proba(queries), loaded.predict_proba(queries), strict=True
    ):
        np.testing.assert_array_equal(ours, theirs)
        np.testing.assert_allclose(ours.sum(-1), 1, rtol=1e-5)
    assert asr.Tagger.load(run).predict(queries) == tags  # the run folder holds the same model


def test_other_scripts_and_very_long_texts_give_a_tag_a_word(fitted):
    tagger = fitted[0]
    long = ["fly", "to", "語" * 5000, "مرحبا", ""] * 2000
    tags = tagger.predict([long, ["привет", "мир"]])
    assert len(tags[0]) == 10_000
    assert len(tags[1]) == 2


def test_padding_never_changes_tags_or_scores(fitted):
    tagger = fitted[0]
    sentences = [
        ["fly", "to", "rome"],
        ["please"],
        ["weather", "in", "new", "york", "please", "please"],
    ]
    together = tagger.predict_proba(sentences)
    for sentence, expected in zip(sentences, together, strict=True):
        np.testing.assert_allclose(tagger.predict_proba([sentence])[0], expected, atol=1e-6)


def test_bad_training_data_is_refused_by_sentence():
    sentences, tags, labels = corpus()
    broken = [*tags[:4], ["I-city", *tags[4][1:]], *tags[5:]]
    with pytest.raises(DataError, match=r"sentence \d+: I-city at word 1"):
        asr.Tagger(TINY, random_state=3).fit(sentences, broken, dev=(sentences, tags))
    with pytest.raises(DataError, match="sentence 1: 4 words and 1 tags"):
        asr.Tagger(TINY).fit([["fly", "to", "new", "york"]] * 9, [["O"]] * 9)
    with pytest.raises(DataError, match="120 sentences and 3 labels"):
        asr.Tagger(TINY).fit(sentences, tags, labels[:3])
    with pytest.raises(DataError, match="is one text"):
        asr.Tagger(TINY).fit(["fly to rome"], [["O"]])
    with pytest.raises(DataError, match="no words"):
        asr.Tagger(TINY).fit([[]], [[]])


def test_a_tag_or_label_unseen_in_training(fitted):
    tagger = fitted[0]
    score = tagger.evaluate([["fly", "to", "rome"]], [["O", "O", "B-planet"]])
    assert score.f1 == 0
    assert score.entities == 1
    with pytest.raises(DataError, match=r"'B-planet', which training did not have"):
        tagger.model_.encoder.items([["rome"]], [["B-planet"]])
    with pytest.raises(DataError, match="'food' was not in training"):
        tagger.model_.encoder.items([["rome"]], labels=["food"])


def test_not_fitted_and_wrong_folders(tmp_path, fitted):
    with pytest.raises(ModelError, match="not fitted"):
        asr.Tagger().predict([["a"]])
    with pytest.raises(ModelError):
        asr.Tagger.load(tmp_path)


def test_time_limit_leaves_a_model():
    from dataclasses import replace

    sentences, tags, _ = corpus()
    config = replace(TINY, trainer=replace(TINY.trainer, max_epochs=10_000))
    tagger = asr.Tagger(config, time_limit_s=0.5).fit(sentences, tags)
    assert len(tagger.predict([["fly", "to", "rome"]])[0]) == 3
