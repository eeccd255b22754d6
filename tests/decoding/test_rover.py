from __future__ import annotations

import pytest

from asr.decoding.rover import rover
from asr.errors import DecodingError


def text(*transcripts, **options):
    return " ".join(word for word, _ in rover(transcripts, **options))


def test_votes_of_three_by_frequency():
    # the alignment of figure 3 in Fiscus 1997: a b c d, b z d e, b c d e f
    assert text("a b c d", "b z d e", "b c d e f") == "b c d e"


def test_one_error_in_each_of_three_is_voted_away():
    assert (
        text("the cat sat on a mat", "the cat sat in the mat", "a cat sat on the mat")
        == "the cat sat on the mat"
    )
    assert text("one two three", "one three", "one two two three") == "one two three"


def test_a_single_transcript_and_empty_ones():
    assert text("hello world") == "hello world"
    assert text("", "", "noise") == ""
    assert text("") == ""
    assert rover([[("yes", 0.4)]]) == [("yes", 1.0)]


def test_equal_votes_go_to_the_first_transcript():
    assert text("red", "blue") == "red"
    assert text("blue", "red") == "blue"


def test_confidence_can_outvote_numbers():
    transcripts = [[("cat", 0.2)], [("cat", 0.2)], [("hat", 0.9)]]
    assert [w for w, _ in rover(transcripts, alpha=1.0)] == ["cat"]
    assert [w for w, _ in rover(transcripts, alpha=0.0)] == ["hat"]
    assert rover(transcripts, alpha=0.5)[0] == ("hat", pytest.approx(0.5 / 3 + 0.45))
    low_null = rover([[("a", 0.5)], []], alpha=0.0, null_confidence=0.1)
    assert low_null == [("a", 0.5)]
    assert rover([[("a", 0.5)], []], alpha=0.0, null_confidence=0.6) == []


def test_agreement_of_all_is_never_changed():
    same = "to be or not to be"
    assert text(*[same] * 4) == same


@pytest.mark.parametrize("options", [{"alpha": 1.5}, {"null_confidence": -0.1}])
def test_wrong_numbers(options):
    with pytest.raises(DecodingError):
        rover(["a"], **options)
    with pytest.raises(DecodingError, match="confidence of 'a'"):
        rover([[("a", 2.0)]])
    with pytest.raises(DecodingError, match="no transcripts"):
        rover([])
