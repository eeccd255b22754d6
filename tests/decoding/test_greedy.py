from __future__ import annotations

import numpy as np
import pytest

from asr.decoding import GreedyDecoder, greedy
from asr.decoding.vocabulary import Vocabulary
from asr.errors import DecodingError

TOKENS = ["<blank>", "▁", "a", "b", "c"]


def path_log_probs(path: list[int], V: int = 5, peak: float = 0.9) -> np.ndarray:
    probs = np.full((len(path), V), (1 - peak) / (V - 1))
    probs[np.arange(len(path)), path] = peak
    return np.log(probs).astype(np.float32)


def test_collapses_repeats_then_blanks_with_times() -> None:
    hypothesis = greedy(path_log_probs([0, 2, 2, 0, 2, 3, 1, 1, 0, 4]), TOKENS)
    assert hypothesis.text == "aab c"
    assert hypothesis.tokens == (2, 2, 3, 1, 4)
    assert hypothesis.token_frames == (1, 4, 5, 6, 9)
    assert [(w.word, w.start_frame, w.end_frame) for w in hypothesis.words] == [
        ("aab", 1, 6),
        ("c", 9, 10),
    ]
    assert hypothesis.words[0].confidence == pytest.approx(0.9**3, rel=1e-5)
    assert hypothesis.score == pytest.approx(10 * np.log(0.9), rel=1e-5)


def test_pieces_start_words_with_the_mark() -> None:
    tokens = ["<blank>", "▁the", "re", "▁is", "▁"]
    assert greedy(path_log_probs([1, 2, 3, 0, 4, 2]), tokens).text == "there is re"


@pytest.mark.parametrize("mark", ["▁", " ", "|"])
def test_lone_marks_are_synonyms_and_runs_of_them_are_one_space(mark: str) -> None:
    tokens = ["<blank>", mark, "a", "b", "c"]
    assert greedy(path_log_probs([1, 2, 1, 0, 1, 3, 1]), tokens).text == "a b"


def test_list_of_utterances_and_single_agree() -> None:
    batch = [path_log_probs([2, 0, 3]), path_log_probs([4])]
    decoder = GreedyDecoder(TOKENS)
    assert decoder(batch) == [decoder(batch[0]), decoder(batch[1])]


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_floating_types_agree(dtype: type) -> None:
    assert greedy(path_log_probs([2, 0, 3]).astype(dtype), TOKENS).tokens == (2, 3)


def spoil(value: float) -> np.ndarray:
    log_probs = path_log_probs([2, 0, 3, 3])
    log_probs[2, 1] = value
    return log_probs


@pytest.mark.parametrize(
    ("log_probs", "message"),
    [
        (spoil(np.nan), "NaN at frame 2, token 1"),
        (spoil(np.inf), r"\+inf at frame 2, token 1"),
        (spoil(0.5), "positive value 0.5 at frame 2, token 1"),
        (spoil(-0.1), "not normalised: frame 2"),
        (np.full((3, 5), -np.inf), "not normalised: frame 0"),
        (np.exp(path_log_probs([2, 0])), "look like probabilities"),
        (path_log_probs([2, 0])[:, :4], "4 columns but there are 5 tokens"),
        (np.zeros((0, 5)), "zero frames"),
        (np.zeros((1, 1, 2, 5)), "two axes"),
        (np.zeros((2, 5), dtype=np.int64), "dtype int64"),
        ("abc", "dtype"),
        ([[0.0], [0.0, 1.0]], "columns|axes|array"),
    ],
)
def test_bad_log_probs(log_probs: object, message: str) -> None:
    with pytest.raises(DecodingError, match=message):
        GreedyDecoder(TOKENS)(log_probs)  # type: ignore[call-overload]


def test_minus_infinity_is_legal() -> None:
    log_probs = np.full((2, 5), -np.inf)
    log_probs[[0, 1], [2, 0]] = 0.0
    assert greedy(log_probs, TOKENS).text == "a"


@pytest.mark.parametrize(
    ("tokens", "message"),
    [
        ([], "tokens\\[0\\]"),
        (["a", "<blank>"], "tokens\\[0\\]"),
        (["<blank>", "a", "a"], "twice, at 1 and 2"),
        (["<blank>", ""], "empty string"),
        (["<blank>", "▁a▁b"], "word boundary inside"),
        ("<blank>", "list of strings"),
    ],
)
def test_bad_tokens(tokens: list[str], message: str) -> None:
    with pytest.raises(DecodingError, match=message):
        Vocabulary(tokens)


def test_a_stream_ends_as_the_whole() -> None:
    log_probs = path_log_probs([0, 2, 2, 0, 2, 3, 1, 1, 0, 4])
    decoder = GreedyDecoder(TOKENS)
    stream = decoder.stream()
    texts = [stream.push(chunk).text for chunk in np.split(log_probs, [0, 1, 2, 5, 9])]
    assert texts == ["", "", "a", "aa", "aab", "aab c"]
    assert stream.finish() == decoder(log_probs)
    assert decoder.stream().finish()[0].text == ""
