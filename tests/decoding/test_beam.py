"""T frames, V vocabulary.

Oracles: all alignments by brute force, the reference search, the greedy collapse.
"""

from __future__ import annotations

import itertools
import math
from collections import defaultdict
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reference_decoder import ReferenceDecoder

from asr.decoding import BeamDecoder, Hypothesis, NgramAutomaton, greedy
from asr.errors import AsrError, DecodingError

CHARACTERS = ["<blank>", "▁", "a", "b", "c"]
PIECES = ["<blank>", "▁a", "▁ab", "b", "c", "▁", "▁c", "a", "▁b", "bc"]
EXACT: dict[str, Any] = {
    "beam_size": 100_000,
    "beam_threshold": math.inf,
    "token_min_logp": -math.inf,
    "blank_skip": 1.0,
    "n_best": 100_000,
    "unk_token_score": 0.0,
}
Random = Callable[..., np.ndarray]


def log_add(values: list[float]) -> float:
    high = max(values)
    return high + math.log(sum(math.exp(v - high) for v in values))


def brute_force(
    log_probs: np.ndarray, tokens: list[str], use_max: bool
) -> dict[tuple[int, ...], float]:
    """log p of every token sequence, over all V^T alignments."""
    T, V = log_probs.shape
    paths = defaultdict(list)
    for path in itertools.product(range(V), repeat=T):
        collapsed = tuple(token for token, _ in itertools.groupby(path) if token)
        paths[collapsed].append(float(sum(log_probs[t, v] for t, v in enumerate(path))))
    return {tokens: max(p) if use_max else log_add(p) for tokens, p in paths.items()}


def brute_texts(
    log_probs: np.ndarray,
    lm: NgramAutomaton | None,
    alpha: float,
    beta: float,
    unk: float,
    merge: str,
) -> dict[str, float]:
    merged = defaultdict(list)
    for ids, acoustic in brute_force(log_probs, CHARACTERS, merge == "max").items():
        text = " ".join("".join(CHARACTERS[i] for i in ids).replace("▁", " ").split())
        score = acoustic + beta * len(text.split())
        if lm is not None:
            score += alpha * lm.score(text) + unk * sum(word not in lm for word in text.split())
        merged[text].append(score)
    return {text: max(s) if merge == "max" else log_add(s) for text, s in merged.items()}


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    T=st.integers(1, 5),
    fused=st.booleans(),
    merge=st.sampled_from(["sum", "max"]),
    alpha=st.floats(0, 2),
    beta=st.floats(-2, 2),
)
def test_without_pruning_it_is_brute_force(
    automaton: NgramAutomaton,
    random_log_probs: Random,
    seed: int,
    T: int,
    fused: bool,
    merge: str,
    alpha: float,
    beta: float,
) -> None:
    log_probs = random_log_probs(np.random.default_rng(seed), T, len(CHARACTERS))
    lm = automaton if fused else None
    decoder = BeamDecoder(
        CHARACTERS,
        lm=lm,
        lm_alpha=alpha,
        lm_beta=beta,
        unk_score=-2.0,
        merge=merge,
        **(EXACT | {"beam_size": 5**T + 5}),
    )
    found = {h.text: h.score for h in decoder(log_probs)}
    expected = brute_texts(log_probs, lm, alpha, beta, -2.0, merge)
    assert found.keys() == expected.keys()
    for text, score in expected.items():
        assert found[text] == pytest.approx(score, abs=2e-4), text


@settings(max_examples=150, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    T=st.integers(1, 25),
    V=st.integers(1, 5),
    sharpness=st.sampled_from([0.02, 0.2, 1.0, 50.0]),
)
def test_max_merging_with_a_beam_of_one_is_the_greedy_collapse(
    random_log_probs: Random, seed: int, T: int, V: int, sharpness: float
) -> None:
    log_probs = random_log_probs(np.random.default_rng(seed), T, V, sharpness)
    assert_greedy(log_probs, CHARACTERS[:V])


@settings(max_examples=100, deadline=None)
@given(st.lists(st.lists(st.integers(1, 3), min_size=4, max_size=4), min_size=1, max_size=12))
def test_the_greedy_collapse_also_with_ties(frames: list[list[int]]) -> None:
    counts = np.array(frames, dtype=np.float64)
    assert_greedy(np.log(counts / counts.sum(axis=1, keepdims=True)), CHARACTERS[:4])


def assert_greedy(log_probs: np.ndarray, tokens: list[str]) -> None:
    (found,) = BeamDecoder(tokens, beam_size=1, lm_beta=0.0, merge="max", blank_skip=1.0)(log_probs)
    assert found.tokens == greedy(log_probs, tokens).tokens
    assert found.score == pytest.approx(greedy(log_probs, tokens).score, abs=1e-3)


MODES = ["plain", "word", "closed", "lexicon", "lexicon+word", "lexicon+open", "token"]


@settings(max_examples=120, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    mode=st.sampled_from(MODES),
    pieces=st.booleans(),
    T=st.integers(1, 6),
    hot=st.booleans(),
    merge=st.sampled_from(["sum", "max"]),
    beam_size=st.sampled_from([1, 2, 5, 20, 3000]),
    numbers=st.fixed_dictionaries(
        {
            "lm_alpha": st.sampled_from([0.0, 0.5, 1.3]),
            "lm_beta": st.sampled_from([-1.0, 0.0, 1.5]),
            "unk_score": st.sampled_from([0.0, -2.0, -10.0]),
            "unk_token_score": st.sampled_from([0.0, -1.5]),
            "beam_threshold": st.sampled_from([2.0, 8.0, math.inf]),
            "alike_threshold": st.sampled_from([0.0, 1.0, math.inf]),
            "token_min_logp": st.sampled_from([-2.0, -5.0, -math.inf]),
            "blank_skip": st.sampled_from([0.6, 1.0]),
        }
    ),
)
def test_the_fast_search_equals_the_reference(
    automaton: NgramAutomaton,
    token_automaton: NgramAutomaton,
    random_log_probs: Random,
    seed: int,
    mode: str,
    pieces: bool,
    T: int,
    hot: bool,
    merge: str,
    beam_size: int,
    numbers: dict[str, float],
) -> None:
    tokens = PIECES if pieces else CHARACTERS
    lexicon = ["a", "ab", "abc", "c", "ba"]
    known = [word for word in automaton.words if not word.startswith("<")]
    fast, slow = {
        "plain": ({}, {}),
        "word": ({"lm": automaton}, {"lm": automaton, "words": known}),
        "closed": (
            {"lm": automaton, "open_vocabulary": False},
            {"lm": automaton, "words": known, "closed": True},
        ),
        "lexicon": ({"lexicon": lexicon}, {"words": lexicon, "closed": True}),
        "lexicon+word": (
            {"lm": automaton, "lexicon": lexicon},
            {"lm": automaton, "words": lexicon, "closed": True},
        ),
        "lexicon+open": (
            {"lm": automaton, "lexicon": lexicon, "open_vocabulary": True},
            {"lm": automaton, "words": lexicon + known},
        ),
        "token": (
            {"lm": token_automaton, "lm_unit": "token"},
            {"lm": token_automaton, "unit": "token"},
        ),
    }[mode]
    both: dict[str, Any] = {
        **numbers,
        "beam_size": beam_size,
        "merge": merge,
        "hotwords": {"ab": 2.0, "a b": 1.0, "ab ca": 3.0} if hot else {},
    }
    log_probs = random_log_probs(np.random.default_rng(seed), T, len(tokens))
    found = BeamDecoder(tokens, n_best=10**6, **fast, **both)(log_probs)
    expected = ReferenceDecoder(tokens, **slow, **both)(log_probs)
    # no word of the lexicon is complete: only the fast search falls back to what was complete
    # before
    if not expected:
        assert len(found) == 1
        return
    assert [h.score for h in found] == pytest.approx([h.score for h in expected], abs=1e-4)
    assert {h.text for h in found} == {h.text for h in expected}


def test_scores_add_up(automaton: NgramAutomaton, random_log_probs: Random) -> None:
    decoder = BeamDecoder(
        CHARACTERS,
        lm=automaton,
        lm_alpha=0.7,
        lm_beta=0.3,
        unk_score=-1.5,
        unk_token_score=0.0,
        n_best=20,
    )
    for h in decoder(random_log_probs(np.random.default_rng(3), 12, 5)):
        assert h.lm_score == pytest.approx(automaton.score(h.text), abs=1e-4)
        unknown = sum(word not in automaton for word in h.text.split())
        total = h.acoustic_score + 0.7 * h.lm_score + 0.3 * len(h.words) - 1.5 * unknown
        assert h.score == pytest.approx(total, abs=1e-4)


def test_times_are_monotonic_and_confidences_probabilities(
    automaton: NgramAutomaton, random_log_probs: Random
) -> None:
    decoder = BeamDecoder(CHARACTERS, lm=automaton, n_best=10)
    for seed in range(15):
        T = 30
        for h in decoder(random_log_probs(np.random.default_rng(seed), T, 5, 0.2)):
            assert h.text == " ".join(w.word for w in h.words)
            assert list(h.token_frames) == sorted(set(h.token_frames))
            edges = [edge for w in h.words for edge in (w.start_frame, w.end_frame)]
            assert all(w.start_frame < w.end_frame for w in h.words)
            assert edges == sorted(edges)
            assert all(0 <= edge <= T for edge in edges)
            assert all(0 <= w.confidence <= 1 for w in h.words)


def test_confidence_is_high_where_it_is_sure_and_low_where_not() -> None:
    probs = np.full((9, 5), 0.001)
    for t, v in enumerate([2, 2, 0, 1, 0, 3, 3, 1, 1]):
        probs[t, v] = 0.996
    probs[5:7] = [0.001, 0.001, 0.001, 0.5, 0.497]
    h = BeamDecoder(CHARACTERS)(np.log(probs))[0]
    assert h.words[0].word == "a"
    assert h.words[0].confidence > 0.95 > 0.6 > h.words[1].confidence
    flat = BeamDecoder(CHARACTERS, confidence_power=3.0)(np.log(probs))[0]
    assert flat.words[1].confidence == pytest.approx(h.words[1].confidence ** 3, rel=1e-5)


def same(a: list[Hypothesis], b: list[Hypothesis]) -> bool:
    return a == b


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    cuts=st.lists(st.integers(0, 40), max_size=8),
    mode=st.sampled_from(["word", "plain", "hot"]),
)
def test_a_stream_ends_in_the_offline_result(
    automaton: NgramAutomaton, random_log_probs: Random, seed: int, cuts: list[int], mode: str
) -> None:
    log_probs = random_log_probs(np.random.default_rng(seed), 40, 5, 0.2)
    decoder = BeamDecoder(
        CHARACTERS,
        lm=None if mode == "plain" else automaton,
        n_best=5,
        beam_size=16,
        blank_skip=0.8,
        hotwords=["ab ca"] if mode == "hot" else None,
    )
    stream = decoder.stream()
    for chunk in np.split(log_probs, sorted(cuts)):
        partial = stream.push(chunk)
    assert partial.tokens
    assert same(stream.finish(), decoder(log_probs))
    with pytest.raises(DecodingError, match="finished"):
        stream.push(log_probs)


def test_a_stream_without_frames_is_the_empty_hypothesis() -> None:
    (h,) = BeamDecoder(CHARACTERS).stream().finish()
    assert (h.text, h.tokens, h.words) == ("", (), ())


def test_long_input_reuses_the_arena(random_log_probs: Random) -> None:
    log_probs = random_log_probs(np.random.default_rng(0), 6000, 5, 0.3)
    decoder = BeamDecoder(CHARACTERS, beam_size=4)
    h = decoder(log_probs)[0]
    assert len(h.tokens) > 2000
    assert decoder._spaces[0].space.arena.shape[0] < 40_000


def test_threads_and_order_do_not_change_results(
    automaton: NgramAutomaton, random_log_probs: Random
) -> None:
    rng = np.random.default_rng(0)
    batch = [random_log_probs(rng, int(T), 5, 0.2) for T in rng.integers(1, 60, 24)]
    one = BeamDecoder(CHARACTERS, lm=automaton, n_best=3)
    expected = one(batch)
    assert one.replace(threads=2)(batch) == expected
    assert one(batch[::-1]) == expected[::-1]
    assert [one(item) for item in batch] == expected


def peaked(
    text: str, tokens: list[str], peak: float = 0.8, rivals: dict[int, str] | None = None
) -> np.ndarray:
    """Frames that spell a text, a blank between them; ``rivals`` gives the second choice at a
    position.
    """
    V = len(tokens)
    frames = []
    for position, character in enumerate(text):
        frame = np.full(V, (1 - peak) / (V - 1))
        frame[tokens.index(character)] = peak
        if rivals and position in rivals:
            frame[:] = 0.01 / (V - 2)
            frame[tokens.index(character)], frame[tokens.index(rivals[position])] = 0.6, 0.39
        frames += [frame, np.eye(V)[0] * 0.99 + 0.01 / V]
    probs = np.array(frames)
    return np.log(probs / probs.sum(axis=1, keepdims=True))


LETTERS = ["<blank>", "▁", *"abcdefghijklmnopqrstuvwxyz"]


def test_hotwords_bias_inside_the_beam_and_are_refunded() -> None:
    log_probs = peaked("call▁jon▁smyth▁now", LETTERS, rivals={11: "i"})
    plain = BeamDecoder(LETTERS)
    biased = plain.replace(hotwords={"jon smith": 8.0})
    assert plain(log_probs)[0].text == "call jon smyth now"
    assert biased(log_probs)[0].text == "call jon smith now"
    # Partial matches keep nothing: the scores of the search without hotwords, up to what pruning
    # cuts off.
    for phrase in ("jon smithson", "ll jon", "call jonas", "now or never"):
        partial = plain.replace(hotwords={phrase: 3.0})(log_probs)[0]
        assert partial.text == "call jon smyth now"
        assert partial.score == pytest.approx(plain(log_probs)[0].score, abs=0.01), phrase
    whole = plain.replace(hotwords={"call": 2.0, "now": 3.0})(log_probs)[0]
    assert whole.score == pytest.approx(plain(log_probs)[0].score + 5.0, abs=0.01)


def test_the_open_vocabulary_lets_new_words_through_and_the_lexicon_does_not(
    automaton: NgramAutomaton,
) -> None:
    log_probs = peaked("ab▁cab▁ca", CHARACTERS, 0.97)
    assert (
        BeamDecoder(CHARACTERS, lm=automaton, unk_score=-1.0, unk_token_score=-0.5)(log_probs)[
            0
        ].text
        == "ab cab ca"
    )
    closed = BeamDecoder(CHARACTERS, lm=automaton, lexicon=["ab", "ca", "b"])(log_probs)[0]
    assert set(closed.text.split()) <= {"ab", "ca", "b"}


def test_a_word_cut_off_by_the_end_is_left_out_under_a_lexicon() -> None:
    (h,) = BeamDecoder(CHARACTERS, lexicon=["ab", "abc"], beam_size=1)(
        peaked("ab▁a", CHARACTERS, 0.95)
    )
    assert h.text == "ab"
    assert [w.word for w in h.words] == ["ab"]


def test_no_possible_hypothesis_is_an_error() -> None:
    log_probs = np.full((2, 5), -np.inf)
    log_probs[:, 4] = 0.0
    with pytest.raises(DecodingError, match="frame 0"):
        BeamDecoder(CHARACTERS, lexicon=["ab"])(log_probs)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_types(dtype: type) -> None:
    assert BeamDecoder(CHARACTERS)(peaked("ab", CHARACTERS).astype(dtype))[0].text == "ab"


def test_one_frame_and_a_vocabulary_of_blanks() -> None:
    assert BeamDecoder(CHARACTERS)(peaked("a", CHARACTERS)[:1])[0].text == "a"
    assert BeamDecoder(["<blank>"])(np.zeros((3, 1)))[0].text == ""


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"lm_alpha": math.nan}, "lm_alpha is nan"),
        ({"lm_alpha": -1.0}, "lm_alpha is -1"),
        ({"lm_beta": math.inf}, "lm_beta is inf"),
        ({"beam_size": 0}, "beam_size is 0"),
        ({"beam_size": 2.5}, "beam_size is 2.5"),
        ({"beam_threshold": 0}, "beam_threshold"),
        ({"unk_token_score": 1.0}, "unk_token_score"),
        ({"token_min_logp": math.nan}, "token_min_logp"),
        ({"blank_skip": 0.0}, "blank_skip"),
        ({"merge": "mean"}, "merge"),
        ({"beem_size": 3}, "no decoder setting 'beem_size'"),
        ({"lm_unit": "phone"}, "lm_unit"),
        ({"n_best": 0}, "n_best"),
        ({"threads": 0}, "threads"),
        ({"lexicon": []}, "lexicon is empty"),
        ({"lexicon": ["a", "b", "a"]}, "'a' is in the lexicon twice"),
        ({"lexicon": ["a b"]}, "not a word"),
        ({"lexicon": "abc"}, "lexicon is a string"),
        ({"lexicon": ["XYZ"]}, "can spell none"),
        ({"open_vocabulary": False}, "needs words"),
        ({"hotwords": [""]}, "no characters"),
        ({"hotwords": {"a": math.nan}}, "weight nan"),
        ({"hotwords": {"a": 301}}, "weight 301"),
        ({"hotwords": ["Q"]}, "no token can write"),
        ({"hotwords": "abc"}, "hotwords is a string"),
        ({"confidence_power": 0.0}, "confidence_power"),
        ({"lm": "/nowhere/lm.arpa"}, "Cannot read"),
        ({"lm": 7}, "lm is a int"),
    ],
)
def test_bad_arguments(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(AsrError, match=message):
        BeamDecoder(CHARACTERS, **arguments)


def test_a_word_model_needs_word_boundaries(automaton: NgramAutomaton) -> None:
    with pytest.raises(DecodingError, match="No token starts a word"):
        BeamDecoder(["<blank>", "a", "b"], lm=automaton)


def fuzz_inputs(lm: NgramAutomaton, n: int) -> None:
    """Random arrays, good and bad: hypotheses or an AsrError."""
    rng = np.random.default_rng(5)
    decoders = [
        BeamDecoder(CHARACTERS, lm=lm, beam_size=8),
        BeamDecoder(CHARACTERS, lexicon=["ab", "c"], beam_size=3),
    ]
    values = np.array([np.nan, np.inf, -np.inf, 0.0, 1.0, -1e30, 1e-30, -0.5])
    for i in range(n):
        T, V = int(rng.integers(0, 8)), int(rng.choice([5, 5, 5, 4, 6]))
        array = np.log(rng.dirichlet(np.full(V, 0.3), T) + 1e-12) if T else np.zeros((0, V))
        if i % 3 and T:
            for _ in range(rng.integers(1, 4)):
                array[rng.integers(T), rng.integers(V)] = rng.choice(values)
        try:
            (decoders[i % 2])(array.astype(rng.choice(["f2", "f4", "f8"])))
        except AsrError:
            continue


@pytest.mark.filterwarnings("ignore:overflow encountered in cast")
def test_odd_inputs(automaton: NgramAutomaton) -> None:
    fuzz_inputs(automaton, 400)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:overflow encountered in cast")
def test_ten_thousand_odd_inputs(automaton: NgramAutomaton) -> None:
    fuzz_inputs(automaton, 10_000)


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10**6), T=st.integers(1, 25), penalty=st.sampled_from([0.5, 2.0, 8.0]))
def test_a_penalty_of_the_blank_is_one_of_the_frames(
    automaton: NgramAutomaton, random_log_probs: Random, seed: int, T: int, penalty: float
) -> None:
    log_probs = random_log_probs(np.random.default_rng(seed), T, 5, 0.3)
    probs = np.exp(log_probs.astype(np.float64))
    probs[:, 0] *= math.exp(-penalty)
    penalised = np.log(probs / probs.sum(axis=1, keepdims=True))
    plain = BeamDecoder(CHARACTERS, lm=automaton, n_best=5, blank_skip=1.0)
    decoder = plain.replace(blank_penalty=penalty)
    expected, found = plain(penalised), decoder(log_probs)
    assert [h.text for h in found] == [h.text for h in expected]
    assert [h.score for h in found] == pytest.approx([h.score for h in expected], abs=1e-4)
    stream = decoder.stream()
    for chunk in np.array_split(log_probs, 3):
        stream.push(chunk)
    assert stream.finish() == found


def test_a_penalty_of_the_blank_skips_the_same_frames() -> None:
    log_probs = np.log([[0.9995, 0.0002, 0.0001, 0.0001, 0.0001], [0.2, 0.1, 0.5, 0.1, 0.1]] * 3)
    decoder = BeamDecoder(CHARACTERS, token_min_logp=-math.inf)
    (plain,), (penalised,) = (
        decoder.replace(blank_penalty=penalty)(log_probs) for penalty in (0.0, 3.0)
    )
    assert (plain.text, penalised.text) == ("aa", "aaa")
    (searched,) = decoder.replace(blank_penalty=3.0, blank_skip=1.0)(log_probs)
    assert (
        searched.score > penalised.score + 1e-3
    )  # the first frame was skipped, though its blank fell below 0.999
    with pytest.raises(DecodingError, match="blank_penalty"):
        decoder.replace(blank_penalty=-1.0)


def test_whole_numbers_are_weights_too() -> None:
    log_probs = np.log(np.array([[0.2, 0.7, 0.1], [0.2, 0.1, 0.7]], np.float32))
    texts = []
    for zero in (0, 0.0):
        decoder = BeamDecoder(["<blank>", "▁a", "b"], lexicon=["ab", "a"], lm_beta=zero)
        texts.append(decoder(log_probs)[0].text)
    assert texts == ["ab", "ab"]
