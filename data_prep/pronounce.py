"""Pronouncing dictionaries from an existing one, and from eSpeak NG's rules for other words."""

from __future__ import annotations

import sys
import unicodedata
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from asr.decoding import load_lm
from asr.errors import DataError, MissingDependencyError
from asr.lm.corpus import Tokenizer
from asr.lm.model import SPECIAL_WORDS
from asr.model_folder import pretrained_folders
from asr.text.pronunciations import Phones, Pronunciations
from data_prep.espeak import phones_of

__all__ = [
    "ARPABET_PHONES",
    "arpabet",
    "own_dictionary",
    "pronounce",
    "say_by_rule",
    "words_of",
    "words_of_lm",
]

# The phones of eSpeak NG's en-us in ARPAbet (Shoup 1980), without stress.
_ARPABET = {
    "aɪɚ": "AY ER",
    "aɪə": "AY AH",
    "aɪ": "AY",
    "aʊ": "AW",
    "ɔɪ": "OY",
    "eɪ": "EY",
    "oʊ": "OW",
    "əl": "AH L",
    "n̩": "AH N",
    "iə": "IY AH",
    "ɑːɹ": "AA R",
    "ɔːɹ": "AO R",
    "oːɹ": "AO R",
    "ɛɹ": "EH R",
    "ɪɹ": "IH R",
    "ʊɹ": "UH R",
    "ɜː": "ER",
    "ɚ": "ER",
    "iː": "IY",
    "i": "IY",
    "uː": "UW",
    "u": "UW",
    "ɑː": "AA",
    "ɑ": "AA",
    "ɔː": "AO",
    "ɔ": "AO",
    "o": "OW",
    "e": "EY",
    "ɐ": "AH",
    "ʌ": "AH",
    "ə": "AH",
    "ᵻ": "IH",
    "ɪ": "IH",
    "ɛ": "EH",
    "æ": "AE",
    "a": "AE",
    "ʊ": "UH",
    "tʃ": "CH",
    "dʒ": "JH",
    "b": "B",
    "d": "D",
    "ð": "DH",
    "f": "F",
    "ɡ": "G",
    "h": "HH",
    "k": "K",
    "l": "L",
    "m": "M",
    "n": "N",
    "ŋ": "NG",
    "p": "P",
    "ɹ": "R",
    "r": "R",
    "s": "S",
    "ʃ": "SH",
    "t": "T",
    "ɾ": "T",
    "ʔ": "T",
    "θ": "TH",
    "v": "V",
    "w": "W",
    "j": "Y",
    "z": "Z",
    "ʒ": "ZH",
    "x": "K",
    "ç": "K",
}
ARPABET_PHONES = frozenset(phone for phones in _ARPABET.values() for phone in phones.split())


def arpabet(ipa: Sequence[str]) -> Phones:
    """Return eSpeak NG's American English phones in ARPAbet; empty if one has no equivalent.

    Example:
        >>> arpabet(("s", "p", "iː", "tʃ"))
        ('S', 'P', 'IY', 'CH')
    """
    if not set(ipa) <= _ARPABET.keys():
        return ()
    return tuple(phone for sound in ipa for phone in _ARPABET[sound].split())


def words_of(texts: Iterable[str | Path], max_words: int | None = None) -> list[str]:
    """Return the words of texts by frequency, ties in alphabetical order.

    Args:
        texts: paths; ``-`` is standard input.
        max_words: number of most frequent words to keep; all if None.

    Raises:
        LanguageModelError: a file cannot be read.
        DataError: there are no words.
    """
    tokenizer = Tokenizer(skip_symbols=True)
    for text in texts:
        for _ in tokenizer.read(str(text)):
            pass
    counts = dict(zip(tokenizer.words(), tokenizer.counts.tolist(), strict=True))
    words = sorted(set(counts) - set(SPECIAL_WORDS), key=lambda word: (-counts[word], word))
    if not words:
        raise DataError("The texts have no words.", "Give text with one sentence a line.")
    return words[:max_words]


def words_of_lm(lm: str | Path) -> list[str]:
    """Return the words of an n-gram model, the most probable first.

    Raises:
        LanguageModelError: the model is missing or malformed.
    """
    model = load_lm(lm)
    return [
        model.words[i]
        for i in np.argsort(-model.unigrams, kind="stable")
        if i >= len(SPECIAL_WORDS)
    ]


def own_dictionary() -> Path:
    """Return the American English dictionary of the model ``en`` (CMUdict, and rules).

    Raises:
        DataError: the model is not installed.
    """
    folder = pretrained_folders().get("en")
    if folder is None or not (path := folder / Pronunciations.FILE).is_file():
        raise DataError(
            "There is no pronouncing dictionary.", "Give one, such as CMUdict: --dictionary FILE."
        )
    return path


def pronounce(
    words: Iterable[str], dictionary: str | Path | None = None, voice: str = "en-us"
) -> Pronunciations:
    """Return a pronunciation of each word; words without one are named on standard error.

    Args:
        words: words, the most frequent first: of homophones, greedy decoding takes the first.
        dictionary: existing dictionary in the format of CMUdict or Kaldi, whose entries are kept.
            Other words are pronounced by rule, which needs phones in ARPAbet or of the same voice.
        voice: voice of eSpeak NG for words that are not in the dictionary. Without a dictionary,
            phones are IPA.

    Raises:
        TokenError: the dictionary is missing or malformed.
        MissingDependencyError: espeakng_loader is not installed.
        DataError: there is no such voice, or no word has a pronunciation.
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
        raise DataError(
            "None of the words has a pronunciation.",
            "Check the text, its normalisation and the voice.",
        )
    if silent:
        shown = ", ".join(silent[:8]) + (", ..." if len(silent) > 8 else "")
        print(
            f"{len(silent)} words are left out, as they have no pronunciation: {shown}",
            file=sys.stderr,
        )
    return Pronunciations(entries)


def say_by_rule(
    words: Sequence[str], known: Pronunciations, voice: str = "en-us"
) -> Pronunciations:
    """Return how eSpeak NG says those of ``words`` that it can say with the phones of ``known``.

    It serves where a training meets words that its dictionary lacks (:func:`asr.catalogue.train`):
    where espeakng_loader is not installed, that is said, and no word comes back.
    """
    try:
        said = {word: phones for word in words if (phones := _by_rule(word, known, voice))}
    except MissingDependencyError as error:
        print(
            f"warning: {len(words)} words are not in the dictionary and cannot be said by rule. "
            f"{error}",
            file=sys.stderr,
        )
        return Pronunciations({})
    return Pronunciations({word: (phones,) for word, phones in said.items()})


def _by_rule(word: str, known: Pronunciations | None, voice: str) -> Phones:
    if known is None or not ARPABET_PHONES.issuperset(known.phones):
        phones = phones_of(word, voice)
        return phones if known is None or set(phones).issubset(known.phones) else ()
    # ASCII only: eSpeak NG reads the names of letters of other scripts.
    plain = unicodedata.normalize("NFKD", word).encode("ascii", "ignore")
    return arpabet(phones_of(plain.decode(), voice)) if plain else ()
