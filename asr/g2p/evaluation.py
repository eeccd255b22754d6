"""How good pronunciations by letters are, measured on words that were held out."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from random import Random

from asr.decoding.word_errors import word_errors
from asr.errors import DataError
from asr.g2p.model import G2P
from asr.text.pronunciations import Phones

__all__ = ["G2PScore", "hold_out", "score_g2p"]

Dictionary = Mapping[str, Sequence[Phones]]


@dataclass(frozen=True)
class G2PScore:
    """Errors of the best pronunciation of each word, against the nearest one of the dictionary.

    Attributes:
        words: how many.
        wrong: of these, words with an error.
        phones: of the nearest pronunciations.
        phone_errors: substitutions, insertions and deletions among them.
        words_per_s: words a second of processor time.
    """

    words: int
    wrong: int
    phones: int
    phone_errors: int
    words_per_s: float

    @property
    def word_error_rate(self) -> float:
        """Share of words with an error, 0 to 1."""
        return self.wrong / self.words

    @property
    def phone_error_rate(self) -> float:
        """Errors for every phone."""
        return self.phone_errors / self.phones


def hold_out(
    dictionary: Dictionary, share: float = 0.1, seed: int = 0
) -> tuple[Dictionary, Dictionary]:
    """Return a dictionary without a share of its words, and these words.

    Raises:
        DataError: one of the two would be empty.
    """
    words = sorted(dictionary)
    Random(seed).shuffle(words)
    count = round(share * len(words))
    if not 0 < count < len(words):
        raise DataError(
            f"A share of {share:g} of {len(words)} words is {count}.",
            "Give a larger dictionary, or another share.",
        )
    held_out = {word: dictionary[word] for word in sorted(words[:count])}
    return {word: ways for word, ways in dictionary.items() if word not in held_out}, held_out


def score_g2p(g2p: G2P, dictionary: Dictionary) -> G2PScore:
    """Return the errors of the best pronunciations of a dictionary's words.

    Any pronunciation of the dictionary is right; the nearest one counts.
    """
    words = list(dictionary)
    g2p(words[:1])  # the kernels are compiled, or read from the cache
    started = time.process_time()
    best = [sayings[0].phones if sayings else () for sayings in g2p(words)]
    seconds = time.process_time() - started
    errors = [
        min(word_errors(" ".join(way), " ".join(said)) for way in dictionary[word])
        for word, said in zip(words, best, strict=True)
    ]
    return G2PScore(
        words=len(words),
        wrong=sum(count > 0 for count, _ in errors),
        phones=sum(length for _, length in errors),
        phone_errors=sum(count for count, _ in errors),
        words_per_s=len(words) / max(seconds, 1e-9),
    )
