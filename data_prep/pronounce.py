"""Pronouncing dictionaries for the words of a text: from one that exists, and by eSpeak NG's rules for other words."""

from __future__ import annotations

import gzip
import sys
import unicodedata
import zlib
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

from asr.errors import DataError
from asr.text.pronunciations import Phones, Pronunciations
from data_prep.espeak import phones_of

__all__ = ["ARPABET_PHONES", "arpabet", "pronounce", "words_of"]

# The phones of eSpeak NG's en-us in ARPAbet (Shoup 1980), stress left out.
_ARPABET = {
    "aɪɚ": "AY ER", "aɪə": "AY AH", "aɪ": "AY", "aʊ": "AW", "ɔɪ": "OY", "eɪ": "EY", "oʊ": "OW", "əl": "AH L",
    "n̩": "AH N", "iə": "IY AH", "ɑːɹ": "AA R", "ɔːɹ": "AO R", "oːɹ": "AO R", "ɛɹ": "EH R", "ɪɹ": "IH R", "ʊɹ": "UH R",
    "ɜː": "ER", "ɚ": "ER", "iː": "IY", "i": "IY", "uː": "UW", "u": "UW", "ɑː": "AA", "ɑ": "AA", "ɔː": "AO", "ɔ": "AO",
    "o": "OW", "e": "EY", "ɐ": "AH", "ʌ": "AH", "ə": "AH", "ᵻ": "IH", "ɪ": "IH", "ɛ": "EH", "æ": "AE", "a": "AE",
    "ʊ": "UH", "tʃ": "CH", "dʒ": "JH", "b": "B", "d": "D", "ð": "DH", "f": "F", "ɡ": "G", "h": "HH", "k": "K",
    "l": "L", "m": "M", "n": "N", "ŋ": "NG", "p": "P", "ɹ": "R", "r": "R", "s": "S", "ʃ": "SH", "t": "T", "ɾ": "T",
    "ʔ": "T", "θ": "TH", "v": "V", "w": "W", "j": "Y", "z": "Z", "ʒ": "ZH", "x": "K",
}  # fmt: skip
ARPABET_PHONES = frozenset(phone for phones in _ARPABET.values() for phone in phones.split())


def arpabet(ipa: Sequence[str]) -> Phones:
    """Return American English phones, as eSpeak NG writes them, in ARPAbet; none if one has no counterpart.

    Example:
        >>> arpabet(("s", "p", "iː", "tʃ"))
        ('S', 'P', 'IY', 'CH')
    """
    if not set(ipa) <= _ARPABET.keys():
        return ()
    return tuple(phone for sound in ipa for phone in _ARPABET[sound].split())


def words_of(texts: Iterable[str | Path], max_words: int | None = None) -> list[str]:
    """Return the words of text files (``.gz`` ones too), the most frequent first, words of one frequency by name.

    Raises:
        DataError: a file cannot be read, or there are no words.
    """
    counts = Counter[str]()
    for path in map(Path, texts):
        try:
            with (
                gzip.open(path, "rt", encoding="utf-8")
                if path.suffix == ".gz"
                else path.open(encoding="utf-8") as lines
            ):
                for line in lines:
                    counts.update(line.split())
        except (OSError, EOFError, zlib.error, UnicodeDecodeError) as error:
            raise DataError(f"Cannot read {path}: {error}.", "Give a text file in UTF-8, plain or gzipped.") from None
    if not counts:
        raise DataError("The texts have no words.", "Give text with one sentence a line.")
    return [word for word, _ in sorted(counts.items(), key=lambda item: (-item[1], item[0]))][:max_words]


def pronounce(words: Iterable[str], dictionary: str | Path | None = None, voice: str = "en-us") -> Pronunciations:
    """Return how each of ``words`` is said; what nobody can say is named on standard error and left out.

    Args:
        words: any words, the most usual first: of words that sound alike greedy decoding takes the first.
        dictionary: existing one, in the format of CMUdict or Kaldi, whose entries are kept. Words that it lacks are
            said by rule, which is possible where its phones are ARPAbet's or were made by the same voice.
        voice: of eSpeak NG, for the words that the dictionary lacks, or for all; without a dictionary phones are IPA.

    Raises:
        TokenError: the dictionary is missing or malformed. MissingDependencyError: espeakng_loader is not installed.
        DataError: no such voice, or no word can be said.
    """
    known = Pronunciations.load(dictionary) if dictionary else None
    entries: dict[str, Sequence[Phones]] = {}
    silent: list[str] = []
    for word in dict.fromkeys(words):
        if known is not None and word in known:
            entries[word] = known[word]
        elif phones := _by_rule(word, known, voice):
            entries[word] = (phones,)
        else:
            silent.append(word)
    if not entries:
        raise DataError("None of the words can be said.", "Check the text, its normalisation and the voice.")
    if silent:
        shown = ", ".join(silent[:8]) + (", ..." if len(silent) > 8 else "")
        print(f"{len(silent)} words are left out, since no way to say them is known: {shown}", file=sys.stderr)
    return Pronunciations(entries)


def _by_rule(word: str, known: Pronunciations | None, voice: str) -> Phones:
    if known is None or not ARPABET_PHONES.issuperset(known.phones):
        phones = phones_of(word, voice)
        return phones if known is None or set(phones).issubset(known.phones) else ()
    plain = unicodedata.normalize("NFKD", word).encode("ascii", "ignore")  # of other scripts eSpeak NG says the name
    return arpabet(phones_of(plain.decode(), voice)) if plain else ()
