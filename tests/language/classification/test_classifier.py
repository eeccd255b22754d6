from __future__ import annotations

import numpy as np
import pytest

import asr
from asr.errors import ConfigError, DataError, ModelError
from asr.language.classification.config import TextConfig, TextDataConfig
from asr.language.classification.network import TextClassifierConfig
from asr.language.words import WordConfig
from asr.sequence.classifier import ClassifierConfig
from asr.training.config import OptimizerConfig, TrainerConfig

NETWORK = ClassifierConfig(hidden_dim=12, dropout=0.1)
TINY = TextConfig(
    data=TextDataConfig(max_batch_size=8),
    model=TextClassifierConfig(WordConfig(dim=12, spelling="none"), NETWORK),
    optimizer=OptimizerConfig(name="adam", lr=0.02),
    trainer=TrainerConfig(max_epochs=4, precision="fp32", pictures_every=0, threads=1),
)


def corpus():
    rng = np.random.default_rng(0)
    words = {"good": ["great", "lovely", "fine"], "bad": ["poor", "awful", "dull"]}
    texts, labels = [], []
    for _ in range(120):
        label = ["good", "bad"][rng.integers(2)]
        texts.append(f"The film was {words[label][rng.integers(3)]}, I think!")
        labels.append(label)
    return texts, labels


@pytest.fixture(scope="module")
def fitted():
    return asr.TextClassifier(TINY, random_state=2).fit(*corpus())


def test_learns_and_survives_saving(fitted, tmp_path):
    queries = ["a LOVELY film", "awful"]
    assert fitted.predict(queries) == ["good", "bad"]
    score = fitted.evaluate(*corpus())
    assert fitted.score(*corpus()) == score.accuracy > 0.95
    assert score.macro_auc > 0.95
    fitted.threshold = 0.25
    loaded = asr.TextClassifier.load(fitted.save(tmp_path / "model"))
    fitted.threshold = 0.0
    assert loaded.threshold == 0.25
    np.testing.assert_array_equal(loaded.predict_proba(queries), fitted.predict_proba(queries))
    np.testing.assert_allclose(fitted.predict_proba(queries).sum(1), 1)


def test_padding_never_changes_a_probability(fitted):
    texts = ["great", "the film was poor , poor , poor", "a"]
    together = fitted.predict_proba(texts)
    for text, row in zip(texts, together, strict=True):
        np.testing.assert_allclose(fitted.predict_proba([text])[0], row, atol=1e-6)


def test_empty_long_and_foreign_texts(fitted):
    long = "great film " * 5000
    labels = fitted.predict(["", "  ", long, "Это был хороший фильм", "好看"])
    assert labels[:3] == ["out_of_scope", "out_of_scope", "good"]
    assert all(label in ("good", "bad") for label in labels[3:])
    assert fitted.predict([]) == []


def test_subword_pieces_cover_unknown_words():
    from dataclasses import replace

    config = replace(TINY, data=TextDataConfig(units="bpe", vocab_size=60, max_batch_size=8))
    model = asr.TextClassifier(config, max_epochs=8).fit(*corpus())
    assert model.predict(["The film was greatly lovely", "The film was dull, I think!"]) == [
        "good",
        "bad",
    ]
    assert model.predict(["好看"])[0] in ("good", "bad")


def test_threshold_is_tuned_on_marked_texts(fitted):
    texts, _ = corpus()
    strange = ["xyz", "q", "good bad", ","] * 3
    threshold = fitted.tune_threshold([*texts[:20], *strange], [True] * 20 + [False] * 12)
    assert 0 <= threshold <= 1
    labels = fitted.predict([*texts[:20], *strange])
    assert "out_of_scope" not in labels[:15]
    fitted.threshold = 1.01
    assert set(fitted.predict(texts[:5])) == {"out_of_scope"}
    fitted.threshold = 0.0
    with pytest.raises(DataError, match="mark each"):
        fitted.tune_threshold(texts, [True] * len(texts))


def test_a_label_unseen_in_training_counts_as_mistaken(fitted):
    score = fitted.evaluate(["great", "awful", "so so"], ["good", "bad", "middling"])
    assert score.accuracy == pytest.approx(2 / 3)
    assert [row.name for row in score.per_class] == ["bad", "good", "middling"]
    [(truth, _, times)] = score.most_confused()
    assert (truth, times) == ("middling", 1)


def test_pretrained_vectors_cover_words_of_dev_and_test(tmp_path, capsys):
    rng = np.random.default_rng(0)
    words = ["great", "lovely", "poor", "awful", "superb"]
    rows = [f"{word} " + " ".join(map(str, rng.normal(size=12).round(3))) for word in words]
    (tmp_path / "vectors.txt").write_text("\n".join(rows) + "\n")
    texts, labels = corpus()
    dev = (["superb film", "poor"], ["good", "bad"])
    model = asr.TextClassifier(TINY, max_epochs=1, embeddings=str(tmp_path / "vectors.txt")).fit(
        texts, labels, dev=dev
    )
    assert "superb" in model.model_.encoder.units
    assert "covers" in capsys.readouterr().err
    (tmp_path / "wrong.txt").write_text("great 1 2 3\n")
    with pytest.raises(DataError, match="vectors of 3 numbers, needed are 12"):
        asr.TextClassifier(TINY, embeddings=str(tmp_path / "wrong.txt")).fit(texts, labels)
    with pytest.raises(ConfigError, match="vectors of words"):
        TextDataConfig(units="bpe", embeddings="x")


@pytest.mark.parametrize(
    ("texts", "labels", "named"),
    [
        ("one text", ["a"], "texts is one text"),
        (["a", "b"], ["x"], "2 texts and 1 labels"),
        (["a", None], ["x", "y"], r"texts\[1\] is None"),
        (["a", "b"], ["x", None], "Text 2 has no label"),
        (["a"] * 20, ["x"] * 20, "needs two classes"),
        (["a", "b"], ["x", "y"], "too few"),
        (["", " "] * 20, ["x", "y"] * 20, "has a word"),
    ],
)
def test_bad_training_data(texts, labels, named):
    with pytest.raises(DataError, match=named):
        asr.TextClassifier(TINY).fit(texts, labels)


def test_not_fitted_and_wrong_folders(fitted, tmp_path):
    with pytest.raises(ModelError, match="not fitted"):
        asr.TextClassifier().predict(["a"])
    fitted.save(tmp_path / "model")
    with pytest.raises(ModelError, match="task"):
        asr.Tagger.load(tmp_path / "model")
