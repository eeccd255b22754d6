"""Long texts in parts: nothing is lost or too long, and sentences stay whole where they can."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from asr.language.translation.parts import split_long


@given(st.text("ab. \n", max_size=80), st.integers(1, 12))
def test_nothing_is_lost_and_nothing_is_too_long(text: str, longest: int) -> None:
    parts = split_long(text, len, longest)
    assert "".join("".join(parts).split()) == "".join(text.split())
    joints = longest  # a joining space a unit is not counted
    assert all(
        len(part.replace(" ", "")) <= longest or len(part) <= longest + joints for part in parts
    )


def test_sentences_stay_whole() -> None:
    def words(text: str) -> int:
        return len(text.split())

    assert split_long("A b c. D e? F g h i j. K.", words, 5) == [
        "A b c.",
        "D e?",
        "F g h i j.",
        "K.",
    ]
    assert split_long("a b c d e f", words, 4) == ["a b c d", "e f"]
    assert split_long("犬が見る。猫が見る。", len, 5) == ["犬が見る。", "猫が見る。"]
    assert split_long("", len, 3) == [""]
