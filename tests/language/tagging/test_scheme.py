from __future__ import annotations

import pytest

from asr.errors import DataError
from asr.language.tagging.data import TaggedSentences
from asr.language.tagging.scheme import check_tags, entities, iob1_to_bio


def test_entities_of_tags():
    spans = entities(["a", "b", "c", "d"], ["B-x", "I-x", "B-x", "I-y"])
    assert [(e["type"], e["text"], e["start"], e["end"]) for e in spans] == [
        ("x", "a b", 0, 2),
        ("x", "c", 2, 3),
        ("y", "d", 3, 4),
    ]


def test_entities_without_b_get_one():
    assert iob1_to_bio(["I-x", "I-y", "I-y", "O", "I-y"]) == ["B-x", "B-y", "I-y", "O", "B-y"]
    assert iob1_to_bio(["B-x", "I-x", "B-x"]) == ["B-x", "I-x", "B-x"]


def test_broken_sequences_are_refused_by_sentence_or_repaired():
    sentences = [["fly", "to", "rome"]] * 6
    tags = [["O", "O", "B-city"]] * 4 + [["I-city", "O", "B-city"], ["O", "O", "B-city"]]
    broken = TaggedSentences(sentences, tags, None)
    with pytest.raises(DataError, match=r"train, sentence 5: I-city at word 1 .*\(1 such"):
        check_tags(broken, "auto", False, "train")
    repaired = check_tags(broken, "auto", True, "train")
    assert repaired.tags == [*tags[:4], ["B-city", "O", "B-city"], tags[5]]


def test_the_scheme_is_told_from_the_tags_or_given():
    nouns = TaggedSentences([["a"]], [["NOUN"]], None)
    with pytest.raises(DataError, match="not O, B-"):
        check_tags(nouns, "bio", False, "train")
    assert check_tags(nouns, "auto", False, "train").tags == [["NOUN"]]
    inside = TaggedSentences([["a"]], [["I-x"]], None)
    assert check_tags(inside, "auto", False, "train") == inside  # no B-: it may be another scheme
    with pytest.raises(DataError, match="sentence 1: I-x"):
        check_tags(inside, "bio", False, "train")
    with pytest.raises(DataError, match="sentence 1: 1 words and 2 tags"):
        check_tags(TaggedSentences([["a"]], [["O", "O"]], None), "auto", False, "train")
    with pytest.raises(DataError, match="has no tags"):
        check_tags(TaggedSentences([["a"]], None, None), "auto", False, "train")
