"""Tokenizers: text there and back, unknown characters named, files checked."""

from __future__ import annotations

from pathlib import Path

import pytest

from asr.errors import TokenError
from asr.text.tokenizers import (
    BLANK,
    SPACE,
    CharTokenizer,
    Tokenizer,
    load_tokenizer,
    train_tokenizer,
)

TEXTS = ["the cat sat on the mat", "a dog's day", "hello there"] * 20


@pytest.fixture(params=["characters", "unigram", "bpe"])
def tokenizer(request: pytest.FixtureRequest) -> Tokenizer:
    return train_tokenizer(request.param, TEXTS, 32)


def test_round_trip_and_file(tokenizer: Tokenizer, tmp_path: Path) -> None:
    tokenizer.save(tmp_path)
    loaded = load_tokenizer(tmp_path)
    assert loaded.tokens == tokenizer.tokens
    assert tokenizer.tokens[0] == BLANK
    for text in TEXTS[:3]:
        ids = loaded.encode(text)
        assert 0 not in ids
        assert loaded.decode([0, *ids, 0]) == text
        assert "".join(loaded.tokens[i] for i in ids).replace(SPACE, " ").strip() == text


def test_unknown_character_is_named(tokenizer: Tokenizer) -> None:
    with pytest.raises(TokenError, match="'ß'"):
        tokenizer.encode("the straße")


def test_spaces_are_folded() -> None:
    tokenizer = CharTokenizer("ab")
    assert tokenizer.encode("  a \t b ") == tokenizer.encode("a b")


def test_bad_input(tmp_path: Path) -> None:
    with pytest.raises(TokenError, match="no text"):
        train_tokenizer("characters", ["", " "], 0)
    with pytest.raises(TokenError, match="Choose one of"):
        train_tokenizer("words", TEXTS, 0)
    with pytest.raises(TokenError, match="no tokenizer in"):
        load_tokenizer(tmp_path)
    (tmp_path / "tokenizer.json").write_text("[]")
    with pytest.raises(TokenError, match="not a tokenizer"):
        load_tokenizer(tmp_path)
    (tmp_path / "tokenizer.model").write_bytes(b"junk")
    with pytest.raises(TokenError, match="damaged"):
        load_tokenizer(tmp_path)
