"""Aligned books are cut at pauses, and what does not surely agree is dropped."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from asr.errors import ConfigError
from asr.speech.alignment import (
    AlignedToken,
    AlignedWord,
    ForcedAlignment,
    Stretch,
    UnsaidWord,
)
from asr.text.said import said_words
from data_prep.cutting import (
    DOUBTFUL,
    EDGE,
    LONG,
    OTHER,
    SHORT,
    UNKNOWN,
    UNSAID,
    CuttingConfig,
    Passage,
    cut,
    spoken_words,
)

CONFIG = CuttingConfig(min_s=0.5, max_s=4.0, target_s=2.0)


def book(
    text: str,
    pauses: Sequence[int],
    unsaid: Sequence[int] = (),
    other: Sequence[tuple[float, float]] = (),
    costs: dict[int, float] | None = None,
) -> list[Passage]:
    """Cut a text of which each word takes 0.4 s; ``pauses`` of 0.6 s follow words."""
    words, place, aligned, left_out = said_words(text, "librispeech"), 0.5, [], []
    parts = [part for word in words for part in word.words]
    for number, part in enumerate(parts):
        if number in unsaid:
            left_out.append(UnsaidWord(part, len(aligned)))
            continue
        while any(start <= place < end for start, end in other):
            place = next(end for start, end in other if start <= place < end) + 0.5
        token = AlignedToken("*" if part == "xyz" else part[0], place, place + 0.35, 1.0)
        cost = (costs or {}).get(number, 0.0)
        aligned.append(AlignedWord(part, place, place + 0.35, 1.0, (token,), cost))
        place += 1.0 if number in pauses else 0.4
    stretches = tuple(Stretch(*times) for times in other)
    alignment = ForcedAlignment(
        "", place + 0.5, tuple(aligned), 0.0, "m", unsaid=tuple(left_out), other=stretches
    )
    return cut(spoken_words(words, alignment), alignment, CONFIG)


def kept(passages: Sequence[Passage]) -> list[str]:
    return [passage.text for passage in passages if not passage.reason]


def dropped(passages: Sequence[Passage]) -> list[tuple[str, str]]:
    return [(passage.reason, passage.text) for passage in passages if passage.reason]


def test_sentences_are_cut_at_pauses_with_their_marks() -> None:
    passages = book("“One is 21,” she said. Now — two of us left!", pauses=[5, 6])
    assert kept(passages) == ["“One is 21,” she said.", "Now — two of us left!"]
    first, second = passages
    assert first.end < second.start
    assert first.start == pytest.approx(0.25)


def test_words_that_nobody_says_are_dropped() -> None:
    text = "one two three four. Chapter two. five six seven eight."
    passages = book(text, pauses=[3], unsaid=[4, 5])
    assert kept(passages) == ["one two three four.", "five six seven eight."]
    assert dropped(passages) == [(UNSAID, "Chapter two.")]
    # without a pause there, the words beside it may be only half there
    assert dropped(book(text, pauses=[], unsaid=[4, 5])) == [
        (EDGE, "one two three four."),
        (UNSAID, "Chapter two."),
        (EDGE, "five six seven eight."),
    ]


def test_speech_that_is_not_in_the_text_is_dropped() -> None:
    text = "one two three four. five six seven eight."
    passages = book(text, pauses=[3], other=[(2.5, 4.0)])
    assert kept(passages) == ["one two three four.", "five six seven eight."]
    assert dropped(passages) == [(OTHER, "")]


def test_what_is_doubtful_too_long_or_too_short_is_dropped() -> None:
    text = "one two three four. five six seven eight."
    assert dropped(book(text, pauses=[3], costs={1: 40.0})) == [(DOUBTFUL, "one two three four.")]
    assert dropped(book(text, pauses=[3], costs=dict.fromkeys(range(4), 6.0)))[0][0] == DOUBTFUL
    assert dropped(book("one " * 12, pauses=[])) == [(LONG, " ".join(["one"] * 12))]
    assert dropped(book("yes", pauses=[])) == [(SHORT, "yes")]
    passages = book("one two three. xyz four five six seven.", pauses=[2, 3])
    assert dropped(passages) == [(UNKNOWN, "xyz")]


def test_settings_are_checked() -> None:
    with pytest.raises(ConfigError, match="target_s"):
        CuttingConfig(max_s=5.0)
