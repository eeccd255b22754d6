"""Pronouncing dictionaries of texts: from an existing dictionary, or from eSpeak NG."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from asr.decoding import load_lm
from asr.errors import DataError
from asr.g2p.model import G2P, G2P_FILE, learned_g2p
from asr.lm.corpus import Tokenizer
from asr.lm.model import SPECIAL_WORDS
from asr.model_folder import pretrained_folders
from asr.text.pronunciations import Phones, Pronunciations
from data_prep.espeak import phones_of

__all__ = [
    "make_lexicon",
    "own_dictionary",
    "pronounce",
    "say_by_letters",
    "words_of",
    "words_of_lm",
]

_CHOICES = 8  # pronunciations of a word, of which the first that the dictionary's phones can say


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
            Other words are said by their letters, see :func:`say_by_letters`.
        voice: without a dictionary, the voice of eSpeak NG that says the words, in IPA.

    Raises:
        TokenError: the dictionary is missing or malformed.
        MissingDependencyError: there is no dictionary, and espeakng_loader is not installed.
        DataError: there is no such voice, or no word has a pronunciation.
    """
    distinct = list(dict.fromkeys(words))
    if dictionary is None:
        said = {word: (phones,) for word in distinct if (phones := phones_of(word, voice))}
        entries: dict[str, Sequence[Phones]] = dict(said)
    else:
        known = Pronunciations.load(dictionary)
        new = say_by_letters([word for word in distinct if word not in known], known)
        both = {word: known.get(word) or new.get(word) for word in distinct}
        entries = {word: ways for word, ways in both.items() if ways}
    if not entries:
        raise DataError(
            "None of the words has a pronunciation.",
            "Check the text, its normalisation and the voice.",
        )
    if silent := [word for word in distinct if word not in entries]:
        shown = ", ".join(silent[:8]) + (", ..." if len(silent) > 8 else "")
        print(
            f"{len(silent)} words are left out, as they have no pronunciation: {shown}",
            file=sys.stderr,
        )
    return Pronunciations(entries)


def make_lexicon(output: Path, lm: Path, texts: Iterable[Path], dictionary: str | Path) -> None:
    """Write the pronunciations of a language model's words and of the words of texts, unless that
    was done since the model was made.
    """
    if not output.exists() or output.stat().st_mtime < lm.stat().st_mtime:
        pronounce([*words_of_lm(lm), *words_of(texts)], dictionary).save(output)


def say_by_letters(words: Sequence[str], known: Pronunciations) -> Pronunciations:
    """Return the pronunciations of those of ``words`` that letters to sounds can say.

    A dictionary in ARPAbet is helped by the model ``en``, which learned from CMUdict; another one
    teaches itself, if it has a thousand words (:func:`asr.g2p.model.learned_g2p`). It serves where
    a training meets words that its dictionary lacks (:func:`asr.catalogue.train`).
    """
    g2p = (_english(known) or learned_g2p(known)) if words else None
    if g2p is None:
        return Pronunciations({})
    phones = set(known.phones)
    said: dict[str, Sequence[Phones]] = {}
    for word, sayings in zip(words, g2p(words, _CHOICES), strict=True):
        # a small dictionary may lack phones of the language, and the model with it
        ways = [saying.phones for saying in sayings]
        fitting = [way for way in ways if phones.issuperset(way)]
        if ways:
            said[word] = (fitting or ways)[:1]
    return Pronunciations(said)


def _english(known: Pronunciations) -> G2P | None:
    """Return what the model ``en`` learned, where the dictionary has the same phones."""
    folder = pretrained_folders().get("en")
    if folder is None or not (folder / G2P_FILE).is_file():
        return None
    g2p = G2P.load(folder / G2P_FILE, dictionary=known)
    return g2p if set(g2p.phones).issuperset(known.phones) else None
