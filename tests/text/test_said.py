"""Written words beside those that are said for them."""

from __future__ import annotations

from asr.text.normalizers import NORMALIZERS, normalize
from asr.text.said import said_words


def test_every_normaliser_says_the_same_as_on_the_whole() -> None:
    text = "“Well — it cost $5.20,” she said.\nIn 1886, 21 of 3 million (7 %) left.\n\n第一 好"
    for name in NORMALIZERS:
        words = said_words(text, name)
        lines = " ".join(normalize(line, name) for line in text.splitlines())
        assert " ".join(part for word in words for part in word.words) == " ".join(lines.split())


def test_words_keep_their_spelling() -> None:
    words = said_words("Well — it is 21.", "librispeech")
    assert [(word.written, word.words) for word in words] == [
        ("Well", ("well",)),
        ("—", ()),
        ("it", ("it",)),
        ("is", ("is",)),
        ("21.", ("twenty", "one")),
    ]
