"""Pronouncing dictionaries and the phone tokenizer: round trips, spelling, bad input."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from asr.errors import TokenError
from asr.text.pronunciations import Pronunciations
from asr.text.tokenizers import BLANK, PhoneTokenizer, load_tokenizer, train_tokenizer

ENTRIES = {
    "the": [("DH", "AH"), ("DH", "IY")],
    "there": [("DH", "EH", "R")],
    "their": [("DH", "EH", "R")],
}


def test_file_round_trip(tmp_path: Path) -> None:
    for name in ("lexicon.txt", "lexicon.txt.gz"):
        Pronunciations(ENTRIES).save(tmp_path / name)
        loaded = Pronunciations.load(tmp_path / name)
        assert dict(loaded) == {word: tuple(ways) for word, ways in ENTRIES.items()}
        assert loaded.phones == ("AH", "DH", "EH", "IY", "R")
    assert (
        gzip.decompress((tmp_path / "lexicon.txt.gz").read_bytes())
        == (tmp_path / "lexicon.txt").read_bytes()
    )


def test_stress_and_variants(tmp_path: Path) -> None:
    (tmp_path / "dict").write_text(
        ";;; head\nREAD  R EH1 D\nREAD(2)  R IY1 D # present\n:)  S M AY1 L\n"
    )
    assert dict(Pronunciations.load(tmp_path / "dict")) == {
        "read": (("R", "EH", "D"), ("R", "IY", "D")),
        ":)": (("S", "M", "AY", "L"),),
    }
    assert Pronunciations.load(tmp_path / "dict", stress=True)["read"][0] == ("R", "EH1", "D")


def test_tokenizer_round_trip(tmp_path: Path) -> None:
    Pronunciations(ENTRIES).save(tmp_path / "dict.txt")
    tokenizer = train_tokenizer("phones", ["the"], 0, tmp_path / "dict.txt")
    assert tokenizer.tokens == [
        BLANK,
        "▁AH",
        "▁DH",
        "▁EH",
        "▁IY",
        "▁R",
        "AH",
        "DH",
        "EH",
        "IY",
        "R",
    ]
    ids = tokenizer.encode("the  their")
    assert [tokenizer.tokens[i] for i in ids] == ["▁DH", "AH", "▁DH", "EH", "R"]
    assert tokenizer.decode([0, *ids, 0]) == "the there"  # the first of those that sound alike
    assert tokenizer.decode([2, 10, 9]) == "dhriy"  # no word sounds so
    (tmp_path / "model").mkdir()
    tokenizer.save(tmp_path / "model")
    loaded = load_tokenizer(tmp_path / "model")
    assert isinstance(loaded, PhoneTokenizer)
    assert (loaded.tokens, dict(loaded.lexicon)) == (
        tokenizer.tokens,
        dict(tokenizer.lexicon or {}),
    )


def test_bad_input(tmp_path: Path) -> None:
    with pytest.raises(TokenError, match="'cat' in 'the cat' is not in the pronouncing dictionary"):
        PhoneTokenizer(Pronunciations(ENTRIES)).encode("the cat")
    with pytest.raises(TokenError, match="tokenizer.lexicon=FILE"):
        train_tokenizer("phones", ["the"], 0)
    with pytest.raises(TokenError, match="has no pronunciation"):
        Pronunciations({"a": []})
    with pytest.raises(TokenError, match="cannot be a phone"):
        Pronunciations({"a": [("▁A",)]})
    for content, message in (
        (b"the DH AH\ncat\n", "line 2: 'cat' has no phones"),
        (b"\n", "has no words"),
        (b"\xff", "not UTF-8"),
    ):
        (tmp_path / "bad").write_bytes(content)
        with pytest.raises(TokenError, match=message):
            Pronunciations.load(tmp_path / "bad")
    (tmp_path / "bad.gz").write_bytes(gzip.compress(b"the DH AH\n" * 99)[:20])
    with pytest.raises(TokenError, match="not a whole gzip file"):
        Pronunciations.load(tmp_path / "bad.gz")
    (tmp_path / "bad.gz").write_bytes(b"the DH AH\n")
    assert list(Pronunciations.load(tmp_path / "bad.gz")) == ["the"]  # told by content
    with pytest.raises(TokenError, match="no file"):
        Pronunciations.load(tmp_path / "none")


def test_byte_order_mark_wide_spaces_and_composed_form(tmp_path: Path) -> None:
    text = "\ufeffhello\u00a0HH AH L OW\r\ncafe\u0301\u3000K AE F EY\r\n"
    (tmp_path / "d.txt").write_bytes(text.encode())
    said = Pronunciations.load(tmp_path / "d.txt")
    assert dict(said) == {
        "hello": (("HH", "AH", "L", "OW"),),
        "caf\u00e9": (("K", "AE", "F", "EY"),),
    }
    (tmp_path / "e.txt").write_bytes("hello HH AH\n".encode("utf-16"))
    assert list(Pronunciations.load(tmp_path / "e.txt")) == ["hello"]
