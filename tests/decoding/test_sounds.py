"""Words known by their sound.

Oracles: the reference search, and every way to write a sequence of sounds.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reference_decoder import ReferenceDecoder

from asr.decoding import BeamDecoder, GreedyDecoder, NgramAutomaton
from asr.decoding.sounds import Sounds, Speller
from asr.decoding.vocabulary import Vocabulary
from asr.errors import DecodingError
from asr.text.pronunciations import Pronunciations

TOKENS = ["<blank>", "▁AH", "▁BB", "▁K", "AH", "BB", "K"]
# a and ab sound alike, as do b, abc and a word that the model lacks; ca is said in two ways, one of
# which is b's.
LEXICON = {
    "a": [("AH",)],
    "ab": [("AH",), ("AH", "BB")],
    "b": [("BB",)],
    "abc": [("BB", "K")],
    "zz": [("BB", "K"), ("K", "K")],
    "ca": [("K", "AH"), ("BB",)],
}
Random = Callable[..., np.ndarray]


def sounds() -> Sounds:
    return Sounds.of(LEXICON, Vocabulary(TOKENS))


ALIKE = {sound: sounds().words(sound) for sound in sounds().spellings}


@settings(max_examples=120, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    T=st.integers(1, 6),
    fused=st.booleans(),
    merge=st.sampled_from(["sum", "max"]),
    beam_size=st.sampled_from([1, 3, 20, 3000]),
    lm_alpha=st.sampled_from([0.5, 1.3]),
    beam_threshold=st.sampled_from([3.0, math.inf]),
    lookahead=st.just(True),
)
def test_the_fast_search_equals_the_reference(
    automaton: NgramAutomaton, random_log_probs: Random, seed: int, T: int, fused: bool, **both: Any
) -> None:
    log_probs = random_log_probs(np.random.default_rng(seed), T, len(TOKENS))
    lm = automaton if fused else None
    both |= {"blank_skip": 1.0, "token_min_logp": -math.inf}
    fast = BeamDecoder(TOKENS, lm=lm, lexicon=LEXICON, n_best=10**6, **both)
    del both["lookahead"]
    expected = ReferenceDecoder(list(sounds().vocabulary.tokens), lm, ALIKE, closed=True, **both)(
        log_probs
    )
    found = fast(log_probs)
    if not expected:
        assert len(found) == 1
        return
    speller, best = Speller(sounds(), lm), dict[str, float]()
    for h in expected:  # texts that are written alike: the best one
        best.setdefault(" ".join(speller(h.text.split())), h.score)
    assert {h.text: h.score for h in found} == pytest.approx(best, abs=1e-4)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.sampled_from(sorted(ALIKE)), min_size=1, max_size=5))
def test_the_speller_writes_the_likeliest_words(
    automaton: NgramAutomaton, sequence: list[str]
) -> None:
    known = [
        [word for word in ALIKE[sound] if word in automaton] or ALIKE[sound][:1]
        for sound in sequence
    ]
    best = max(automaton.score(words) for words in itertools.product(*known))
    assert automaton.score(Speller(sounds(), automaton)(sequence)) == pytest.approx(best, abs=1e-5)


def frames(*tokens: str, peak: float = 0.9) -> np.ndarray:
    probs = []
    for token in tokens:
        frame = np.full(len(TOKENS), (1 - peak) / (len(TOKENS) - 1))
        frame[TOKENS.index(token)] = peak
        probs += [frame, np.eye(len(TOKENS))[0] * 0.9 + 0.1 / len(TOKENS)]
    return np.log(np.array(probs) / np.array(probs).sum(axis=1, keepdims=True))


def test_without_a_model_the_first_word_of_a_sound_is_written() -> None:
    log_probs = frames("▁AH", "▁BB", "K", "▁K", "AH")
    assert BeamDecoder(TOKENS, lexicon=LEXICON)(log_probs)[0].text == "a abc ca"
    greedy = GreedyDecoder(TOKENS, LEXICON)(log_probs)[0]
    assert greedy.text == "a abc ca" == " ".join(word.word for word in greedy.words)
    assert (
        GreedyDecoder(TOKENS, LEXICON)(frames("▁K", "▁AH"))[0].text == "k a"
    )  # nothing is said so


def test_the_model_chooses_among_words_that_sound_alike(automaton: NgramAutomaton) -> None:
    texts = {
        h.text
        for h in BeamDecoder(TOKENS, lm=automaton, lexicon=LEXICON, n_best=50)(frames("▁AH", "▁BB"))
    }
    assert "a b" in texts or "a ca" in texts
    for text in texts:
        assert set(text.split()) <= set(LEXICON)


def test_hotwords_are_heard_by_their_sound(automaton: NgramAutomaton) -> None:
    log_probs = frames("▁BB", "K", "▁AH")
    plain = BeamDecoder(TOKENS, lm=automaton, lexicon=LEXICON)
    assert "zz" not in plain(log_probs)[0].text  # the model lacks it, and abc sounds alike
    assert plain.replace(hotwords={"zz": 12.0})(log_probs)[0].text.startswith("zz")
    far = plain.replace(hotwords={"zz a": 250.0})(frames("▁AH", "▁AH"))[0]
    assert far.score > plain(frames("▁AH", "▁AH"))[0].score
    with pytest.raises(DecodingError, match="pronunciation of 'zebra'"):
        plain.replace(hotwords=["zebra"])


def test_a_stream_ends_in_the_offline_result(
    automaton: NgramAutomaton, random_log_probs: Random
) -> None:
    log_probs = random_log_probs(np.random.default_rng(4), 40, len(TOKENS), 0.2)
    decoder = BeamDecoder(TOKENS, lm=automaton, lexicon=LEXICON, n_best=4)
    stream = decoder.stream()
    for chunk in np.split(log_probs, [3, 17, 18, 30]):
        partial = stream.push(chunk)
        assert set(partial.text.split()) <= set(LEXICON)
    assert stream.finish() == decoder(log_probs)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"lexicon": {}}, "lexicon is empty"),
        ({"lexicon": {"a": [("EH",)]}}, "the phone 'EH', which is not a token"),
        ({"lexicon": LEXICON, "open_vocabulary": True}, "cannot be written"),
        ({"lexicon": LEXICON, "tokens": ["<blank>", "AH", "BB", "K"]}, "No token starts a word"),
    ],
)
def test_bad_arguments(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(DecodingError, match=message):
        BeamDecoder(**{"tokens": TOKENS} | arguments)


def test_what_is_known_of_a_dictionary_is_kept(
    automaton: NgramAutomaton,
    random_log_probs: Random,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("ASR_CACHE_DIR", str(tmp_path / "cache"))
    Pronunciations(LEXICON).save(tmp_path / "lexicon.txt.gz")
    log_probs = random_log_probs(np.random.default_rng(7), 30, len(TOKENS), 0.2)

    def found(lm: NgramAutomaton | None) -> Any:
        lexicon = Pronunciations.load(tmp_path / "lexicon.txt.gz", stress=True)
        return BeamDecoder(TOKENS, lm=lm, lexicon=lexicon, n_best=30)(log_probs)

    expected = BeamDecoder(TOKENS, lm=automaton, lexicon=LEXICON, n_best=30)(log_probs)
    assert not (tmp_path / "cache").exists()  # words that were given are not kept
    first = found(automaton)
    (kept,) = (tmp_path / "cache" / "words").iterdir()
    with monkeypatch.context() as patched:
        patched.setattr(Sounds, "of", None)  # not asked again
        assert expected == first == found(automaton)
    kept.write_bytes(kept.read_bytes()[:-200] + bytes(200))
    assert found(automaton) == expected
    assert found(None) == BeamDecoder(TOKENS, lexicon=LEXICON, n_best=30)(log_probs)
    assert (
        len(list((tmp_path / "cache" / "words").iterdir())) == 2
    )  # each model has its own numbers of the words
