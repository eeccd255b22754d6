"""Words of a search before any weight is applied: their trie and their ids in the model."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import repeat
from pathlib import Path

import numpy as np
import numpy.typing as npt

from asr.cache import Arrays, cache_path, cached_arrays
from asr.decoding.automaton import NgramAutomaton
from asr.decoding.kernels.layout import HOMOPHONES
from asr.decoding.language_models import AnyModel
from asr.decoding.lexicon import Lexicon, build_lexicon
from asr.decoding.sounds import Sounds
from asr.decoding.vocabulary import Vocabulary
from asr.lm.model import UNK
from asr.text.pronunciations import Pronunciations

__all__ = ["KnownWords", "know_sounds", "know_words"]

_VERSION = "1"  # of the cached arrays
_TRIE = ("parents", "ends", "edge_first", "edges", "masks")
_NUMBERS = ("ids", "unigrams", "homophones")


@dataclass(frozen=True, eq=False)
class KnownWords:
    """W words, or sounds of words, of a search.

    Attributes:
        lexicon: their trie.
        ids: int32 (W,), the model's id of each word (UNK if the model lacks it). If several words
            of the model sound alike, ``HOMOPHONES`` minus the index of their group in
            ``homophones``; see :class:`asr.decoding.kernels.layout.Language`.
        unigrams: float64 (W,), log-probability of each word without context; of words that sound
            alike, the best.
        homophones: int32 (G,), groups of ids, each preceded by its length. Only words of the model
            are listed.
    """

    lexicon: Lexicon
    ids: npt.NDArray[np.int32]
    unigrams: npt.NDArray[np.float64]
    homophones: npt.NDArray[np.int32]


def know_words(lexicon: Lexicon, lm: AnyModel | None) -> KnownWords:
    """Return the words that the tokens spell; without a model over words every word has id 1."""
    words, no_groups = lexicon.words, np.zeros(1, np.int32)
    if lm is None:
        return KnownWords(lexicon, np.ones(len(words), np.int32), np.zeros(len(words)), no_groups)
    ids = _ids_of(words, lm)
    return KnownWords(lexicon, ids, lm.unigrams[ids].astype(np.float64), no_groups)


def know_sounds(
    pronunciations: Mapping[str, Sequence[Sequence[str]]],
    vocabulary: Vocabulary,
    lm: AnyModel | None,
) -> tuple[Sounds, KnownWords]:
    """Return the words that tokens which are phones can say.

    Cached, if the dictionary was read from a file.

    Raises:
        DecodingError: there are no words, or a phone is not a token.
    """
    if not isinstance(pronunciations, Pronunciations):
        pronunciations = Pronunciations(pronunciations)
    made: list[tuple[Sounds, KnownWords]] = []

    def make() -> Arrays:
        sounds = Sounds.of(pronunciations, vocabulary)
        known = _know(sounds, lm)
        made.append((sounds, known))
        arrays: Arrays = {name: getattr(known.lexicon, name) for name in _TRIE}
        arrays.update({name: getattr(known, name) for name in _NUMBERS})
        words = known.lexicon.words
        return arrays | {
            "sounds": _bytes(words),
            "spellings": _bytes(map(sounds.spellings.__getitem__, words)),
        }

    arrays = cached_arrays(_place(pronunciations, vocabulary, lm), make)
    if made:
        return made[0]
    words, spellings = _lines(arrays["sounds"]), _lines(arrays["spellings"])
    sounds = Sounds(pronunciations, vocabulary, dict(zip(words, spellings, strict=True)))
    lexicon = Lexicon(words, *(arrays[name] for name in _TRIE))
    return sounds, KnownWords(lexicon, *(arrays[name] for name in _NUMBERS))


def _place(
    pronunciations: Pronunciations, vocabulary: Vocabulary, lm: AnyModel | None
) -> Path | None:
    if pronunciations.fingerprint is None or not (lm is None or isinstance(lm, NgramAutomaton)):
        return None
    model = (b"", b"") if lm is None else (lm.text.tobytes(), lm.unigrams.tobytes())
    return cache_path(
        "words",
        _VERSION,
        pronunciations.fingerprint,
        "\n".join(vocabulary.tokens),
        *model,
        suffix=".npz",
    )


def _know(sounds: Sounds, lm: AnyModel | None) -> KnownWords:
    known = know_words(build_lexicon(list(sounds.spellings), sounds.vocabulary), None)
    if lm is None:
        return known
    words = known.lexicon.words
    spellings = [sounds.words(sound) for sound in words]
    ids = _ids_of([alike[0] for alike in spellings], lm)
    unigrams, groups = lm.unigrams[ids].astype(np.float64), list[int]()
    for place, alike in enumerate(spellings):
        if len(alike) == 1:
            continue
        known_ids = [lm.ids[word] for word in alike if word in lm.ids]
        if len(known_ids) > 1:
            ids[place] = HOMOPHONES - len(groups)
            groups += [len(known_ids), *known_ids]
        elif known_ids:
            ids[place] = known_ids[0]
        if known_ids:
            unigrams[place] = max(lm.unigrams.item(i) for i in known_ids)
    return KnownWords(known.lexicon, ids, unigrams, np.array(groups or [0], np.int32))


def _ids_of(words: Sequence[str], lm: AnyModel) -> npt.NDArray[np.int32]:
    return np.fromiter(map(lm.ids.get, words, repeat(UNK)), np.int32, len(words))


def _bytes(lines: Iterable[str]) -> npt.NDArray[np.uint8]:
    return np.frombuffer("\n".join(lines).encode(), np.uint8)


def _lines(text: npt.NDArray[np.uint8]) -> list[str]:
    return text.tobytes().decode().split("\n")
