"""Subwords: round trips, unknown characters, small vocabularies, damaged files."""

from __future__ import annotations

from pathlib import Path

import pytest

from asr.errors import TokenError
from asr.language.subwords import Subwords

TEXTS = ["Zwei Männer gehen über die Straße.", "Two men are crossing the street."] * 5


def test_round_trip_and_specials(tmp_path: Path) -> None:
    subwords = Subwords.train(TEXTS, 60)
    assert subwords.tokens[:2] == ["<unk>", "</s>"]
    for text in TEXTS[:2]:
        assert subwords.decode([*subwords.encode(text), Subwords.END]) == text
    subwords.save(tmp_path)
    assert Subwords.load(tmp_path).encode(TEXTS[0]) == subwords.encode(TEXTS[0])


def test_words_are_units_and_each_unknown_one_counts() -> None:
    words = Subwords.train(["a cat and a dog", "a dog"], 5, units="words")
    assert words.whole_words
    assert words.tokens[2:4] == ["▁a", "▁dog"]
    assert words.encode("a red tall dog") == [2, 0, 0, 3]
    assert words.num_unknown("red tall") == 2
    assert words.decode(words.encode("a dog")) == "a dog"
    assert not Subwords.train(TEXTS, 60).whole_words
    with pytest.raises(TokenError, match="pieces, words"):
        Subwords.train(TEXTS, 60, units="letters")


def test_unknown_characters_are_counted_not_refused() -> None:
    subwords = Subwords.train(TEXTS, 60)
    assert subwords.num_unknown("Two men.") == 0
    assert subwords.num_unknown("日本 men") == 1
    assert subwords.encode("") == []


def test_lower_case_is_the_models_own() -> None:
    subwords = Subwords.train(TEXTS, 60, lowercase=True)
    assert subwords.decode(subwords.encode("TWO MEN")) == "two men"


def test_more_pieces_than_the_text_holds_are_not_invented() -> None:
    assert len(Subwords.train(["ab ab", "ba"], 4000)) < 30


def test_what_cannot_be_learned_or_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(TokenError, match="No subwords"):
        Subwords.train(["", " "], 60)
    with pytest.raises(TokenError, match="vocab_size"):
        Subwords.train(TEXTS, 5)
    with pytest.raises(TokenError, match=r"no subwords\.model"):
        Subwords.load(tmp_path)
    with pytest.raises(TokenError, match="damaged"):
        Subwords(b"nonsense")
