from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
import torch

import asr
from asr.decoding import Hypothesis
from asr.decoding.rescoring import rescore
from asr.errors import DataError, ModelError
from asr.language.modelling.config import LmConfig, LmDataConfig
from asr.language.modelling.data import encode_stream
from asr.language.modelling.network import LanguageModelConfig
from asr.training.config import OptimizerConfig, TrainerConfig

TEXT = ["the cat sat on the mat", "the dog sat on the log", "a cat and a dog ran"] * 60
TINY = LmConfig(
    data=LmDataConfig(vocab_size=45, batch_size=6, chunk=10),
    model=LanguageModelConfig(dim=16, hidden_dim=24, dropout=0.0),
    optimizer=OptimizerConfig(name="adam", lr=0.02),
    trainer=TrainerConfig(max_epochs=4, precision="fp32", pictures_every=0, threads=1),
)


@pytest.fixture(scope="module")
def fitted():
    return asr.LanguageModel(TINY, random_state=1).fit(TEXT)


def test_learns_scores_and_survives_saving(fitted, tmp_path):
    assert fitted.evaluate(TEXT[:30]).per_word < 6  # 13 words and the end, were all as likely
    good, bad, empty = fitted.score_samples(
        ["the cat sat on the mat", "mat the on sat cat the", ""]
    )
    assert good > bad
    assert empty < 0
    assert fitted.score(["a dog", "ran"]) == pytest.approx(
        sum(fitted.score_samples(["a dog", "ran"])) / 2
    )
    assert fitted.predict(["a dog"]) == fitted.score_samples(["a dog"])
    loaded = asr.LanguageModel.load(fitted.save(tmp_path / "lm"))
    assert loaded.score_samples(["a dog ran", "the log"]) == fitted.score_samples(
        ["a dog ran", "the log"]
    )
    assert loaded.generate("the cat", temperature=0) == fitted.generate("the cat", temperature=0)


def test_scores_of_a_batch_are_those_of_each_text(fitted):
    texts = ["the cat", "the dog sat on the log and the mat", "", "a"]
    for text, score in zip(texts, fitted.score_samples(texts), strict=True):
        assert fitted.score_samples([text])[0] == pytest.approx(score, abs=1e-4)


def test_perplexity_adds_up_the_pieces_of_words(fitted):
    lines = ["the cat sat", "a dog ran on the mat"]
    figure = fitted.evaluate(lines, carry=False)
    assert (figure.words, figure.sentences, figure.unknown) == (9, 2, 0)
    assert figure.log_prob == pytest.approx(sum(fitted.score_samples(lines)), abs=1e-4)
    assert figure.per_word == pytest.approx(math.exp(-figure.log_prob / 11))


def test_carried_perplexity_reads_every_token_once(fitted):
    task, pieces = fitted.model_.network, fitted.model_.pieces
    tokens = encode_stream(pieces, TEXT[:50])
    rows = 1  # below 128 tokens a single row is read, which can be followed by hand
    short = TEXT[:6]
    ids = torch.from_numpy(encode_stream(pieces, short).astype(np.int64))[None]
    assert ids.size(1) - 1 < 128 * rows
    with torch.inference_mode():
        expected = float(task.log_probs(ids)[0].double().sum())
    assert fitted.evaluate(short).log_prob == pytest.approx(expected, abs=1e-3)
    assert fitted.evaluate(TEXT[:50]).tokens == len(tokens) - 1


def test_generation_is_repeatable_and_ends(fitted):
    first = fitted.generate("the", top_k=5, random_state=7)
    assert first == fitted.generate("the", top_k=5, random_state=7)
    assert first.startswith("the")
    assert len({fitted.generate("", random_state=i) for i in range(8)}) > 1
    assert fitted.generate("the cat", max_tokens=0) == "the cat"
    with pytest.raises(DataError, match="temperature"):
        fitted.generate("a", temperature=-1)


def test_rescoring_takes_the_text_that_the_model_prefers(fitted):
    n_best = [
        Hypothesis("mat the on sat", -10.0, -10.0, 0.0, (), (), ()),
        Hypothesis("the cat sat on the mat", -10.5, -10.5, 0.0, (), (), ()),
    ]
    assert rescore(n_best, fitted.score_samples, weight=0.5)[0].text == "the cat sat on the mat"
    assert rescore(n_best, fitted.score_samples, weight=0.0)[0].text == "mat the on sat"


def test_a_model_of_words(tmp_path):
    config = dataclasses.replace(
        TINY,
        data=LmDataConfig(
            units="words", vocab_size=8, batch_size=6, chunk=10
        ),  # <unk>, </s> and six
        model=dataclasses.replace(TINY.model, sampled=6),
    )
    fitted = asr.LanguageModel(config, random_state=1).fit(TEXT)
    assert fitted.model_.pieces.tokens[2] == "▁the"
    assert set(fitted.model_.pieces.tokens[3:]) == {"▁on", "▁sat", "▁dog", "▁cat", "▁a"}
    figure = fitted.evaluate(["the cat sat on the log", "a bird ran"])
    assert (figure.tokens, figure.unknown) == (11, 3)  # log, bird, ran
    assert fitted.evaluate(TEXT[:30]).per_word < 6
    alone = fitted.evaluate(["a bird ran"], carry=False).log_prob
    assert fitted.score_samples(["a bird ran"])[0] == pytest.approx(
        alone - 2 * math.log(8)
    )  # each is one of as many as known
    loaded = asr.LanguageModel.load(fitted.save(tmp_path / "lm"))
    assert loaded.score_samples(TEXT[:3]) == fitted.score_samples(TEXT[:3])
    assert "⁇" not in fitted.generate("the", random_state=3)


def test_bad_input(fitted, tmp_path):
    with pytest.raises(DataError, match="no text"):
        fitted.evaluate(["", " "])
    with pytest.raises(DataError, match="one text"):
        asr.LanguageModel(TINY).fit("the cat sat")
    with pytest.raises(DataError, match="too few"):
        asr.LanguageModel(TINY).fit(["one"])
    with pytest.raises(DataError, match="too short"):
        asr.LanguageModel(TINY).fit(["the cat sat on the mat", "a dog"])
    with pytest.raises(ModelError, match="not fitted"):
        asr.LanguageModel().score_samples(["a"])
    with pytest.raises(ModelError):
        asr.LanguageModel.load(tmp_path)
    unknown = fitted.evaluate(["猫 the"])
    assert unknown.unknown >= 1
    assert math.isfinite(unknown.per_word)
    long = " ".join(["the cat"] * 5000)
    assert math.isfinite(fitted.score_samples([long, "a"])[0])
