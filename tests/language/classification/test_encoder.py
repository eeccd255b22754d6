from __future__ import annotations

from asr.language.classification.encoder import TextEncoder, split_words


def test_words_and_punctuation_are_parted():
    assert split_words("It's 5 o’clock, isn't it?") == [
        "It's",
        "5",
        "o’clock",
        ",",
        "isn't",
        "it",
        "?",
    ]
    encoder = TextEncoder.of(["A b", "a"], lower=True)
    assert [ids.tolist() for ids in encoder.encode(["a B c", ""])] == [[2, 3, 1], []]
