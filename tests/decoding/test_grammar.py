"""Decoding with a grammar. Oracle: the CTC probability of every sentence, by brute force."""

from __future__ import annotations

import math

import numpy as np
import pytest

from asr.decoding import BeamDecoder
from asr.decoding.grammar import GRAMMAR_SETTINGS, GrammarDecoder, compile_grammar
from asr.decoding.joined import JoinedDecoder
from asr.text.grammars import Grammar, parse_grammar

TOKENS = ["<blank>", "▁a", "▁b", "▁c", "a", "b", "c"]
GRAMMAR = "x = a | ab | /2/ b c\n[c] {x} (a | b)\nba {x}\n"


@pytest.fixture
def grammar() -> Grammar:
    return parse_grammar(GRAMMAR)


def sentences() -> list[str]:
    entries = ("a", "ab", "b c")
    first = [f"{c}{x} {y}" for c in ("", "c ") for x in entries for y in "ab"]
    return first + [f"ba {x}" for x in entries]


def decoder(grammar: Grammar, threshold: float = 0.5) -> GrammarDecoder:
    search = BeamDecoder(
        TOKENS,
        compile_grammar(grammar),
        list(grammar.words),
        beam_size=4000,
        blank_skip=1.0,
        **GRAMMAR_SETTINGS,
    )
    return GrammarDecoder(search, grammar, threshold)


def ids(text: str) -> list[int]:
    words = text.split()
    return [TOKENS.index(("" if n else "▁") + c) for word in words for n, c in enumerate(word)]


def ctc(log_probs: np.ndarray, tokens: list[int]) -> float:
    """Return the log-probability of a token sequence (forward algorithm)."""
    states = [0]
    for token in tokens:
        states += [token, 0]
    alpha = np.full(len(states), -np.inf)
    alpha[0], alpha[1] = log_probs[0, 0], log_probs[0, states[1]]
    for frame in log_probs[1:]:
        before = alpha.copy()
        for s, token in enumerate(states):
            ways = [before[s]] + ([before[s - 1]] if s else [])
            if token and s > 1 and token != states[s - 2]:
                ways.append(before[s - 2])
            alpha[s] = np.logaddexp.reduce(ways) + frame[token]
    return float(np.logaddexp(alpha[-1], alpha[-2]))


def text_score(log_probs: np.ndarray, text: str) -> float:
    """Return the log-probability of a text, whose first token needs no mark."""
    first, *others = ids(text)
    unmarked = TOKENS.index(TOKENS[first][1:])
    return float(
        np.logaddexp(ctc(log_probs, [first, *others]), ctc(log_probs, [unmarked, *others]))
    )


def test_the_automaton_has_the_probabilities_of_the_grammar(grammar: Grammar) -> None:
    automaton = compile_grammar(grammar)
    total = 0.0
    for sentence in sentences():
        reading = grammar.read(sentence)
        assert reading is not None
        score = automaton.score(sentence)
        assert score >= reading.log_prob - 1e-5  # a sentence may have several readings
        total += math.exp(score)
    assert total == pytest.approx(1.0, abs=1e-5)
    assert automaton.score("a a a") < -1000
    assert automaton.score("ba") < -1000


@pytest.mark.parametrize("seed", range(6))
def test_the_best_sentence_is_found(grammar: Grammar, seed: int) -> None:
    rng = np.random.default_rng(seed)
    log_probs = np.log(rng.dirichlet(np.full(len(TOKENS), 0.5), 12)).astype(np.float32)
    automaton = compile_grammar(grammar)
    scores = {s: text_score(log_probs, s) + automaton.score(s) for s in sentences()}
    best = max(scores, key=lambda s: scores[s])
    found = decoder(grammar, 0.0)([log_probs])[0][0]
    assert found.text == best
    assert found.score == pytest.approx(scores[best], abs=1e-3)
    assert found.command is not None
    assert found.command.slots == grammar.read(best).slots  # type: ignore[union-attr]


def opened() -> BeamDecoder:
    return BeamDecoder(TOKENS, None, [*"abc", "ab", "ba", "cc"], beam_size=4000, blank_skip=1.0)


@pytest.mark.parametrize("seed", range(4))
def test_joined_with_free_speech_the_better_of_two_searches_counts(
    grammar: Grammar, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    log_probs = np.log(rng.dirichlet(np.full(len(TOKENS), 0.3), 9)).astype(np.float32)
    best = float(log_probs.max(axis=1).sum())
    automaton = compile_grammar(grammar)
    scores = {s: text_score(log_probs, s) for s in sentences()}
    sentence = max(scores, key=lambda s: scores[s] + automaton.score(s))
    tokens = len(sentence.replace(" ", ""))
    confidence = math.exp(min(0.0, (scores[sentence] - best) / tokens))
    for threshold in (confidence - 1e-3, confidence + 1e-3):
        joined = JoinedDecoder(opened(), decoder(grammar, threshold))
        found = joined([log_probs])[0]
        free = opened()([log_probs])[0]
        if threshold < confidence:
            assert found[0].text == sentence
            assert found[0].command is not None
            assert found[0].command.confidence == pytest.approx(confidence, abs=1e-3)
        else:
            assert found[0].text == free[0].text
        stream = joined.stream()
        assert stream.push(log_probs[:4]).command is None
        stream.push(log_probs[4:])
        assert stream.finish()[0] == found[0]


def test_a_sentence_within_free_speech_has_slots(grammar: Grammar) -> None:
    joined = JoinedDecoder(opened(), decoder(grammar), n_best=3)
    whole, within, other = joined([clear("c b c a"), clear("cc b c a cc"), clear("cc cc b")])
    assert whole[0].text == "c b c a"
    assert within[0].text == "cc b c a cc"
    assert within[0].command is not None
    assert within[0].command.sentence == "b c a"
    assert within[0].command.slots == {"x": "b c"}
    spans = within[0].words[1:4]
    mean = sum(span.confidence for span in spans) / 3
    assert within[0].command.confidence == pytest.approx(mean, abs=1e-4)
    assert other[0].text == "cc cc b"
    assert other[0].command is None
    assert len({h.text for h in whole}) == len(whole) <= 3


def clear(text: str) -> np.ndarray:
    rows = []
    for token in ids(text):
        for peak in (token, 0):
            row = np.full(len(TOKENS), 0.02)
            row[peak] = 1 - 0.02 * (len(TOKENS) - 1)
            rows.append(row)
    return np.log(np.array(rows, np.float32))


def test_a_sentence_is_accepted_and_other_speech_rejected(grammar: Grammar) -> None:
    inside, outside = decoder(grammar)([clear("c b c a"), clear("c c c c c c c")])
    assert inside[0].text == "c b c a"
    assert inside[0].command is not None
    assert inside[0].command.slots == {"x": "b c"}
    assert inside[0].command.accepted
    assert outside[0].text == ""
    assert not outside[0].words
    assert outside[0].command is None or not outside[0].command.accepted


def test_a_stream_says_the_same(grammar: Grammar) -> None:
    heard = clear("ba ab")
    stream = decoder(grammar).stream()
    partial = ""
    for frame in heard:
        partial = stream.push(frame[None]).text or partial
    assert partial.startswith("ba")
    assert stream.finish() == decoder(grammar)([heard])[0]
