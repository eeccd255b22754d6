"""Made sentences: splits apart, every rule of the grammar used, the same for the same seed."""

from __future__ import annotations

import random
import re

import pytest

from asr.errors import DataError
from data_prep.sentences import GRAMMAR, Sentences, all_words, make_sentences


def test_sentences_of_the_splits_differ_and_test_words_are_trained() -> None:
    splits = make_sentences(2000, 80, 120, seed=5)
    everything = [*splits.train, *splits.dev, *splits.test]
    assert len(set(everything)) == 2200
    assert all_words([*splits.dev, *splits.test]) <= all_words(splits.train)
    assert len(all_words(splits.train)) >= 320
    assert all(
        3 <= len(s.split()) <= 9 and re.fullmatch(r"[a-z']+( [a-z']+)*", s) for s in everything
    )


def test_language_model_sentences_leave_dev_and_test_out() -> None:
    splits = make_sentences(500, 40, 60, seed=1)
    further = splits.lm_sentences(20_000)
    assert len(set(further)) == 20_000
    assert not set(further) & {*splits.dev, *splits.test}


def test_sentences_follow_the_seed() -> None:
    assert make_sentences(50, 5, 5, seed=1) == make_sentences(50, 5, 5, seed=1)
    assert make_sentences(50, 5, 5, seed=1).train != make_sentences(50, 5, 5, seed=2).train


def test_every_rule_of_the_grammar_is_used() -> None:
    used = {token for text in GRAMMAR.values() for token in text.replace("|", " ").split()}
    assert set(GRAMMAR) - {"SENTENCE"} == {token for token in used if token.isupper()}


def test_a_trigram_model_knows_more_than_words_alone() -> None:
    splits = make_sentences(2000, 80, 120)
    text = [*splits.train, *splits.lm_sentences(5000)]
    seen = {tuple(words[i : i + 3]) for words in map(framed, text) for i in range(len(words) - 2)}
    tested = [
        tuple(words[i : i + 3]) for words in map(framed, splits.test) for i in range(len(words) - 2)
    ]
    assert sum(gram in seen for gram in tested) / len(tested) > 0.7
    shuffled = [random.Random(0).sample(s.split(), len(s.split())) for s in splits.test]
    wrong = [
        tuple(w[i : i + 3]) for w in ([*"^^", *s, "$"] for s in shuffled) for i in range(len(w) - 2)
    ]
    assert sum(gram in seen for gram in wrong) / len(wrong) < 0.3


def framed(sentence: str) -> list[str]:
    return ["^", "^", *sentence.split(), "$"]


@pytest.mark.parametrize(("train", "dev", "test"), [(0, 1, 1), (10, -1, 1), (1, 5, 5)])
def test_impossible_numbers_of_sentences_are_refused(train: int, dev: int, test: int) -> None:
    with pytest.raises(DataError):
        make_sentences(train, dev, test)


def test_a_source_that_is_empty_says_so() -> None:
    with pytest.raises(DataError, match="fewer than"):
        Sentences(0).take(1, words=["the"])
