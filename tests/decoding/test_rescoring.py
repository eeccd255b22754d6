from __future__ import annotations

import numpy as np
import pytest

from asr.decoding import BeamDecoder
from asr.decoding.rescoring import RescoringDecoder, rescore, tune_rescoring
from asr.decoding.types import Hypothesis
from asr.errors import DecodingError


def n_best(*pairs):
    return [Hypothesis(text, score, score, 0.0, (), (), ()) for text, score in pairs]


SCORES = {"a b": -1.0, "a c": -5.0, "a": -0.5, "d": -2.0, "e": -9.0}


def scorer(texts):
    return [SCORES[text] for text in texts]


def test_scores_add_up_and_order_follows():
    found = rescore(n_best(("a c", -3.0), ("a b", -4.0)), scorer, weight=0.5, word_bonus=0.25)
    assert [(h.text, h.score) for h in found] == [("a b", -4.0), ("a c", -5.0)]
    assert found[0].acoustic_score == -4.0
    kept = rescore(
        n_best(("a c", -3.0), ("a b", -4.0)), lambda texts: [float("-inf")] * 2, weight=0.0
    )
    assert [h.text for h in kept] == ["a c", "a b"]


def test_a_bonus_a_word_prefers_longer_texts():
    lists = n_best(("a", -3.0), ("a b", -3.2))
    assert rescore(lists, scorer, weight=0.0)[0].text == "a"
    assert rescore(lists, scorer, weight=0.0, word_bonus=0.5)[0].text == "a b"


def test_the_tuned_weight_has_the_fewest_errors():
    lists = [n_best(("a c", -3.0), ("a b", -4.0)), n_best(("e", -1.0), ("d", -2.0))]
    tuned = tune_rescoring(lists, ["a b", "d"], scorer)
    assert (tuned.wer_before, tuned.wer, tuned.oracle) == (2 / 3, 0.0, 0.0)
    best = [
        rescore(h, scorer, weight=tuned.weight, word_bonus=tuned.word_bonus)[0].text for h in lists
    ]
    assert best == ["a b", "d"]
    useless = tune_rescoring(lists, ["a c", "e"], scorer)
    assert (useless.weight, useless.word_bonus, useless.wer) == (0.0, 0.0, 0.0)


def test_bad_input():
    with pytest.raises(DecodingError, match="word_bonus"):
        rescore(n_best(("a", 0.0)), scorer, word_bonus=float("nan"))
    with pytest.raises(DecodingError, match="NaN"):
        rescore(n_best(("a", 0.0)), lambda texts: [float("nan")])
    with pytest.raises(DecodingError, match="2 scores for 1"):
        rescore(n_best(("a", 0.0)), lambda texts: [0.0, 0.0])
    with pytest.raises(DecodingError, match="1 N-best lists and 2"):
        tune_rescoring([n_best(("a", 0.0))], ["a", "b"], scorer)
    with pytest.raises(DecodingError, match="no words"):
        tune_rescoring([n_best(("a", 0.0))], [""], scorer)


def test_a_search_with_a_second_pass():
    tokens = ["<blank>", "▁a", "▁b"]
    log_probs = np.log(np.array([[0.1, 0.6, 0.3], [0.9, 0.05, 0.05]]))
    search = BeamDecoder(tokens, beam_size=8, n_best=2)
    assert search([log_probs])[0][0].text == "a"
    wants_b = RescoringDecoder(
        search, lambda texts: [5.0 * (text == "b") for text in texts], weight=1.0
    )
    found = wants_b([log_probs, log_probs])
    assert [hypotheses[0].text for hypotheses in found] == ["b", "b"]
    assert len(found[0]) == 2
