from __future__ import annotations

import gzip
import math
import unicodedata
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asr.errors import LanguageModelError
from asr.lm import corpus, estimate
from asr.lm.corpus import Tokenizer
from asr.lm.model import SPECIAL_WORDS


def words_of(tokenizer: Tokenizer, text: object) -> list[str]:
    names = tokenizer.words
    ids = [int(i) for block in tokenizer.read(text) for i in block]  # type: ignore[arg-type]
    return [names()[i] for i in ids]


WORDS = st.text(
    st.characters(codec="utf-8", exclude_categories=["C", "Z"]), min_size=1, max_size=5
).filter(lambda word: word not in SPECIAL_WORDS)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.lists(WORDS)))
def test_words_are_those_of_split(sentences: list[list[str]]) -> None:
    composed = [[unicodedata.normalize("NFC", word) for word in words] for words in sentences]
    expected = [word for words in composed for word in [*words, "</s>"]]
    assert words_of(Tokenizer(), [" \t ".join(sentence) for sentence in sentences]) == expected


def test_any_block_size_gives_the_same_ids(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = "\ufeffthe cat\r\n\nsat  on\tthe\vmat über\n last line without end"
    (tmp_path / "a.txt").write_bytes(text.encode())
    with gzip.open(tmp_path / "a.txt.gz", "wb") as file:
        file.write(text.encode())
    expected = ["the", "cat", "</s>", "</s>", "sat", "on", "the", "mat", "über", "</s>"]
    expected += ["last", "line", "without", "end", "</s>"]
    for size in (3, 5, 17, 1 << 22):
        monkeypatch.setattr(corpus, "_BLOCK", size)
        assert words_of(Tokenizer(), tmp_path / "a.txt") == expected
        assert words_of(Tokenizer(), tmp_path / "a.txt.gz") == expected


def test_large_vocabulary_grows_every_table() -> None:
    lines = [f"w{i}" for i in range(100_000)]
    tokenizer = Tokenizer()
    ids = np.concatenate(list(tokenizer.read(lines)))
    assert ids[::2].tolist() == list(range(3, 100_003))
    assert tokenizer.words()[3:] == lines
    assert tokenizer.counts.tolist() == [0, 0, 100_000] + [1] * 100_000


def test_given_vocabulary_makes_other_words_unknown() -> None:
    tokenizer = Tokenizer(["<unk>", "<s>", "</s>", "a", "b"])
    assert [block.tolist() for block in tokenizer.read(["b c a"])] == [[4, 0, 3, 2]]


@pytest.mark.parametrize("vocabulary", [None, ["<unk>", "<s>", "</s>", "a"]])
@pytest.mark.parametrize(
    ("content", "line", "problem"),
    [
        (b"a b\nc \xff d\n", 2, "byte 0xff is not valid UTF-8"),
        (b"a\n\n<s> b\n", 3, "the text contains <s>"),
        (b"a\nb </s>", 2, "the text contains </s>"),
        (b"<unk>\n", 1, "the text contains <unk>"),
        (b"a\nb\0c\n", 2, "a byte 0 is in the text"),
        ("a b\n".encode("utf-16"), 1, "is not valid UTF-8"),
        ("é\n".encode("latin-1"), 1, "not valid UTF-8"),
    ],
)
def test_bad_text_names_the_line(
    tmp_path: Path, content: bytes, line: int, problem: str, vocabulary: list[str] | None
) -> None:
    (tmp_path / "bad.txt").write_bytes(content)
    with pytest.raises(LanguageModelError) as caught:
        list(Tokenizer(vocabulary).read(tmp_path / "bad.txt"))
    assert f"bad.txt, line {line}: " in str(caught.value)
    assert problem in str(caught.value)


def test_symbols_can_be_skipped() -> None:
    assert words_of(Tokenizer(skip_symbols=True), ["<s> a <unk> b </s>", "<s>"]) == [
        "a",
        "b",
        "</s>",
        "</s>",
    ]


def test_unreadable_files(tmp_path: Path) -> None:
    (tmp_path / "cut.gz").write_bytes(gzip.compress(b"a b c\n" * 100)[:20])
    for path in (tmp_path / "none.txt", tmp_path, tmp_path / "cut.gz"):
        with pytest.raises(LanguageModelError, match="Cannot read the text"):
            list(Tokenizer().read(path))
    with pytest.raises(LanguageModelError, match="line break"):
        list(Tokenizer().read(["a\nb"]))


def test_spaces_of_any_kind_part_words_in_composed_form(tmp_path: Path) -> None:
    text = "bonjour\u00a0monde\nsalut\u3000cafe\u0301\u2003x\u2028y\n"
    (tmp_path / "a.txt").write_text(text, encoding="utf-8")
    expected = ["bonjour", "monde", "</s>", "salut", "caf\u00e9", "x", "y", "</s>"]
    assert words_of(Tokenizer(), tmp_path / "a.txt") == expected
    assert words_of(Tokenizer(), text.split("\n")[:1]) == expected[:3]
    with pytest.raises(LanguageModelError, match="half a character"):
        words_of(Tokenizer(), ["a \ud800"])


def test_a_vocabulary_with_a_byte_order_mark_and_wide_spaces(tmp_path: Path) -> None:
    (tmp_path / "v.txt").write_bytes("\ufeffhello\r\nworld\u3000cafe\u0301\r\n".encode())
    text = ["hello world", "caf\u00e9 other", "hello"] * 9
    model = estimate([text], 2, vocabulary=tmp_path / "v.txt", notify=lambda note: None)
    assert set(model.words[3:]) == {"hello", "world", "caf\u00e9"}


@pytest.mark.parametrize("given", [(math.nan, 1, 1), (5, 6, 7), (0.5, 1, math.inf), (-1, 1, 1)])
def test_discounts_that_are_none(given: tuple[float, float, float]) -> None:
    with pytest.raises(LanguageModelError, match="are no discounts"):
        estimate([["a b"]], 2, discount_fallback=given, notify=lambda note: None)
