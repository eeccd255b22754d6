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
from asr.language.modelling.batches import StreamLoader
from asr.language.modelling.folder import encode_stream
from asr.language.modelling.network import LanguageModelConfig, LanguageModelTask
from asr.language.modelling.training import LmConfig, LmDataConfig
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
    assert fitted.perplexity(TEXT[:30]).per_word < 6  # 13 words and the end, were all as likely
    good, bad, empty = fitted.score(["the cat sat on the mat", "mat the on sat cat the", ""])
    assert good > bad
    assert empty < 0
    loaded = asr.LanguageModel.load(fitted.save(tmp_path / "lm"))
    assert loaded.score(["a dog ran", "the log"]) == fitted.score(["a dog ran", "the log"])
    assert loaded.generate("the cat", temperature=0) == fitted.generate("the cat", temperature=0)


def test_scores_of_a_batch_are_those_of_each_text(fitted):
    texts = ["the cat", "the dog sat on the log and the mat", "", "a"]
    for text, score in zip(texts, fitted.score(texts), strict=True):
        assert fitted.score([text])[0] == pytest.approx(score, abs=1e-4)


def test_perplexity_adds_up_the_pieces_of_words(fitted):
    lines = ["the cat sat", "a dog ran on the mat"]
    figure = fitted.perplexity(lines, carry=False)
    assert (figure.words, figure.sentences, figure.unknown) == (9, 2, 0)
    assert figure.log_prob == pytest.approx(sum(fitted.score(lines)), abs=1e-4)
    assert figure.per_word == pytest.approx(math.exp(-figure.log_prob / 11))


def test_carried_perplexity_reads_every_token_once(fitted):
    task, pieces = fitted.task_, fitted.pieces_
    tokens = encode_stream(pieces, TEXT[:50])
    rows = 1  # below 128 tokens a single row is read, which can be followed by hand
    short = TEXT[:6]
    ids = torch.from_numpy(encode_stream(pieces, short).astype(np.int64))[None]
    assert ids.size(1) - 1 < 128 * rows
    with torch.inference_mode():
        expected = float(task.log_probs(ids)[0].double().sum())
    assert fitted.perplexity(short).log_prob == pytest.approx(expected, abs=1e-3)
    assert fitted.perplexity(TEXT[:50]).tokens == len(tokens) - 1


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
    assert rescore(n_best, fitted.score, weight=0.5)[0].text == "the cat sat on the mat"
    assert rescore(n_best, fitted.score, weight=0.0)[0].text == "mat the on sat"


def test_chunks_with_carried_state_equal_one_long_sequence():
    torch.manual_seed(0)
    config = LanguageModelConfig(dim=8, hidden_dim=8, num_layers=2, dropout=0.0, forget_share=0.0)
    task = LanguageModelTask(config, 20, 3).train()
    tokens = np.random.default_rng(0).integers(0, 20, 3 * 31)
    loader = StreamLoader(tokens, 3, 7)
    generator = torch.Generator()
    batches = [loader.load(0, i) for i in range(loader.num_batches(0))]
    losses = [task.loss(batch, generator) for batch in batches]
    whole = torch.from_numpy(tokens.reshape(3, 31))
    with torch.no_grad():
        expected = -task.log_probs(whole)[0].sum()
    torch.testing.assert_close(
        torch.stack([loss.total for loss in losses]).sum().detach(), expected
    )
    assert sum(int(loss.count) for loss in losses) == 3 * 30


def test_a_probe_without_generator_moves_no_state():
    task = LanguageModelTask(LanguageModelConfig(dim=4, hidden_dim=4), 9, 2).train()
    loader = StreamLoader(np.arange(40) % 9, 2, 5)
    task.loss(loader.load(0, 0))
    assert not task.carried.any()


def test_drawn_tokens_stand_for_the_whole_vocabulary():
    torch.manual_seed(0)
    counts = torch.tensor([50, 20, 9, 9, 5, 2, 1, 0])
    shape = {"dim": 6, "hidden_dim": 8, "dropout": 0.0, "forget_share": 0.0}
    exact = LanguageModelTask(LanguageModelConfig(**shape), 8, 3, counts).train()
    sampled = LanguageModelTask(LanguageModelConfig(**shape, sampled=200_000), 8, 3, counts).train()
    sampled.load_state_dict(exact.state_dict())
    batch, gradients = StreamLoader(np.arange(60) % 8, 3, 10).load(0, 0), []
    for task in (exact, sampled):
        loss = task.loss(batch, torch.Generator().manual_seed(5))
        loss.total.backward()
        gradients.append([loss.total.detach(), *(p.grad for p in task.parameters())])
    for expected, found in zip(*gradients, strict=True):
        torch.testing.assert_close(
            found, expected, rtol=0.02, atol=0.02 * float(expected.abs().max())
        )
    judged = [task.eval().loss(batch).total for task in (exact, sampled)]
    torch.testing.assert_close(*judged)  # figures are of the whole vocabulary


def test_the_output_layer_begins_with_the_frequencies_of_the_text():
    task = LanguageModelTask(
        LanguageModelConfig(dim=4, hidden_dim=4), 4, counts=torch.tensor([7, 0, 2, 3])
    )
    torch.testing.assert_close(task.output_bias.softmax(0), torch.tensor([8.0, 1, 3, 4]) / 16)


def test_a_model_of_words(tmp_path):
    config = dataclasses.replace(
        TINY,
        data=LmDataConfig(
            units="words", vocab_size=8, batch_size=6, chunk=10
        ),  # <unk>, </s> and six
        model=dataclasses.replace(TINY.model, sampled=6),
    )
    fitted = asr.LanguageModel(config, random_state=1).fit(TEXT)
    assert fitted.pieces_.tokens[2] == "▁the"
    assert set(fitted.pieces_.tokens[3:]) == {"▁on", "▁sat", "▁dog", "▁cat", "▁a"}
    figure = fitted.perplexity(["the cat sat on the log", "a bird ran"])
    assert (figure.tokens, figure.unknown) == (11, 3)  # log, bird, ran
    assert fitted.perplexity(TEXT[:30]).per_word < 6
    alone = fitted.perplexity(["a bird ran"], carry=False).log_prob
    assert fitted.score(["a bird ran"])[0] == pytest.approx(
        alone - 2 * math.log(8)
    )  # each is one of as many as known
    loaded = asr.LanguageModel.load(fitted.save(tmp_path / "lm"))
    assert loaded.score(TEXT[:3]) == fitted.score(TEXT[:3])
    assert "⁇" not in fitted.generate("the", random_state=3)


def test_stream_covers_the_text_and_ranks_share_it():
    tokens = np.arange(103)
    loader = StreamLoader(tokens, 4, 6, seed=3)
    for epoch in (0, 1):
        seen = [
            int(t)
            for i in range(loader.num_batches(epoch))
            for t in loader.load(epoch, i).tokens[:, 1:].flatten()
        ]
        assert len(seen) == len(set(seen))
        assert len(seen) >= 103 - 4 - 6 - 4
    ranks = [loader.for_rank(r, 2) for r in range(2)]
    parts = [{int(t) for t in rank.load(0, 0).tokens.flatten()} for rank in ranks]
    assert not parts[0] & parts[1]
    with pytest.raises(ValueError, match="too few"):
        StreamLoader(tokens, 60, 6)


def test_bad_input(fitted, tmp_path):
    with pytest.raises(DataError, match="no text"):
        fitted.perplexity(["", " "])
    with pytest.raises(DataError, match="one text"):
        asr.LanguageModel(TINY).fit("the cat sat")
    with pytest.raises(DataError, match="too few"):
        asr.LanguageModel(TINY).fit(["one"])
    with pytest.raises(DataError, match="too short"):
        asr.LanguageModel(TINY).fit(["the cat sat on the mat", "a dog"])
    with pytest.raises(ModelError, match="not been trained"):
        asr.LanguageModel().score(["a"])
    with pytest.raises(ModelError):
        asr.LanguageModel.load(tmp_path)
    unknown = fitted.perplexity(["猫 the"])
    assert unknown.unknown >= 1
    assert math.isfinite(unknown.per_word)
    long = " ".join(["the cat"] * 5000)
    assert math.isfinite(fitted.score([long, "a"])[0])
