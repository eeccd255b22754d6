"""Sentences of numbers and letters.

Oracle: the normalisers, which leave them as they are and read them as digits.
"""

from __future__ import annotations

import re

from asr.text.normalizers import normalize
from data_prep.dictation import dictated

SENTENCES = list(dictated(["cat", "dog"], 2000))


def test_every_sentence_is_written_as_transcripts_are() -> None:
    assert len(SENTENCES) == 2000
    assert [normalize(sentence, "librispeech") for sentence in SENTENCES] == SENTENCES
    assert all(sentence and not re.search(r"[^a-z ]", sentence) for sentence in SENTENCES)


def test_numbers_dates_letters_and_spelled_words_are_all_there() -> None:
    read = [normalize(sentence, "english") for sentence in SENTENCES]
    assert sum(bool(re.fullmatch(r"\d+( (\d+|oh))*", text)) for text in read) > 600
    assert sum(text.startswith("february ") for text in read) > 5
    assert 400 < SENTENCES.count("c a t") + SENTENCES.count("d o g") < 600
    assert (
        sum(bool(re.fullmatch(r"[a-z]( [a-z])*( .+)?", sentence)) for sentence in SENTENCES) > 700
    )


def test_a_seed_gives_the_same_sentences() -> None:
    assert list(dictated(["cat", "dog"], 2000)) == SENTENCES
    assert list(dictated(["cat", "dog"], 2000, seed=2)) != SENTENCES
