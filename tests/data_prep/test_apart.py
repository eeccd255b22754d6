"""What is trained on is apart from what is held out."""

from __future__ import annotations

import pytest

from asr.errors import DataError
from data_prep.apart import check_speakers, without_sentences
from data_prep.store import Utterance


def said(name: str, text: str, speaker: str = "") -> Utterance:
    return Utterance(name, f"{name}.wav", text, speaker)


def test_speakers_of_a_held_out_part_are_refused() -> None:
    train = [said("a", "x", "anna"), said("b", "y", ""), said("c", "z", "carl")]
    check_speakers(train, {"dev": [said("d", "x", "dora"), said("e", "x", "")]})
    with pytest.raises(DataError, match="1 speakers of the training are in test too, such as carl"):
        check_speakers(train, {"dev": [said("d", "x", "dora")], "test": [said("f", "x", "carl")]})


def test_held_out_sentences_are_left_out_however_they_are_written() -> None:
    train = [
        said("a", "It's 2 o'clock, Sir!"),
        said("b", "thank you"),
        said("c", "it is two o'clock sir"),
    ]
    held_out = [said("d", "it's two o'clock sir"), said("e", "Thank you.")]
    kept, left_out = without_sentences(train, held_out, "librispeech")
    assert [u.id for u in kept] == ["b", "c"]
    assert [u.id for u in left_out] == ["a"]
