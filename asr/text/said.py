"""The words of a written text, each beside the words that are said for it."""

from __future__ import annotations

from dataclasses import dataclass

from asr.text.normalizers import get_normalizer

__all__ = ["SaidWord", "said_words"]


@dataclass(frozen=True)
class SaidWord:
    """A word as it is written.

    Attributes:
        written: with its case and marks.
        words: what is said for it, normalised; nothing for a dash, several for a number.
    """

    written: str
    words: tuple[str, ...]


def said_words(text: str, normalizer: str) -> list[SaidWord]:
    """Return the words of a text.

    Where the normaliser reads several words together, as it does in "5 million $", the words of
    that line are its own.

    Args:
        text: of one or several lines.
        normalizer: key of :data:`asr.text.normalizers.NORMALIZERS`.

    Raises:
        ConfigError: there is no such normaliser.

    Example:
        >>> [word.words for word in said_words("Dad, 21 cabs!", "librispeech")]
        [('dad',), ('twenty', 'one'), ('cabs',)]
    """
    normal = get_normalizer(normalizer)
    known: dict[str, tuple[str, ...]] = {}
    result: list[SaidWord] = []
    for line in text.splitlines():
        written, whole = line.split(), normal(line).split()
        for word in written:
            if word not in known:
                known[word] = tuple(normal(word).split())
        if [part for word in written for part in known[word]] == whole:
            result += [SaidWord(word, known[word]) for word in written]
        elif len(written) == len(whole):
            pairs = zip(written, whole, strict=True)
            result += [SaidWord(word, (part,)) for word, part in pairs]
        else:
            result += [SaidWord(part, (part,)) for part in whole]
    return result
