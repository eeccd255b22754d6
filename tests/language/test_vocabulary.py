from __future__ import annotations

import pytest

from asr.errors import TokenError
from asr.language.vocabulary import ItemVocabulary


def test_most_frequent_first_and_unknown_words():
    words = ItemVocabulary.of([["b", "a"], ["a", "c"]], min_count=1)
    assert words.items == ["<pad>", "<unk>", "a", "b", "c"]
    assert words.encode(["c", "d"]) == [4, 1]
    assert ItemVocabulary.of([["b", "a"], ["a"]], min_count=2).items[2:] == ["a"]
    assert words.unknown_share([["a", "x"], ["b", "y"]]) == 0.5
    assert words.unknown_share([]) == 0
    assert "<unk>" not in words
    assert "a" in words


def test_words_that_look_special_in_the_text_are_unknown():
    assert ItemVocabulary.of([["<pad>", "a"]]).items == ["<pad>", "<unk>", "a"]


def test_saved_and_loaded(tmp_path):
    words = ItemVocabulary.of([["ä", "語", "a\nb"]])
    words.save(tmp_path / "words.json")
    assert ItemVocabulary.load(tmp_path / "words.json").items == words.items


@pytest.mark.parametrize("content", ["{}", "[1]", "not json", '["a", "a"]'])
def test_damaged_files_are_refused(tmp_path, content):
    (tmp_path / "words.json").write_text(content)
    with pytest.raises(TokenError):
        ItemVocabulary.load(tmp_path / "words.json")
