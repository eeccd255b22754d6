"""Words of a search before any weight is applied: their trie and their ids in the model."""

from __future__ import annotations

import threading
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import repeat
from pathlib import Path
from weakref import WeakValueDictionary

import numpy as np
import numpy.typing as npt

from asr.cache import Arrays, cache_path, cached_arrays
from asr.decoding.automaton import NgramAutomaton
from asr.decoding.kernels.layout import HOMOPHONES
from asr.decoding.language_models import AnyModel
from asr.decoding.lexicon import Lexicon, build_lexicon
from asr.decoding.new_words import ExtendedAutomaton
from asr.decoding.sounds import Sounds
from asr.decoding.vocabulary import Vocabulary
from asr.lm.model import UNK
from asr.text.pronunciations import Pronunciations

__all__ = ["KnownWords", "SpelledSounds", "know_sounds", "know_words", "spell_sounds", "spelling"]

_VERSION = "2"  # of the cached arrays
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
    if parts := _parts(pronunciations):
        return _know_more(parts, pronunciations, vocabulary, lm)
    spelled = spell_sounds(pronunciations, vocabulary)

    def make() -> Arrays:
        known = _know(spelled, lm)
        return {name: getattr(known, name) for name in _NUMBERS}

    numbers = cached_arrays(_place("words", pronunciations, vocabulary, lm), make)
    known = KnownWords(spelled.lexicon, *(numbers[name] for name in _NUMBERS))
    return spelled.sounds, known


@dataclass(frozen=True, eq=False)
class SpelledSounds:
    """The sounds of a dictionary and their trie: what a search knows of its words before the
    language model is there.
    """

    sounds: Sounds
    lexicon: Lexicon


_held: WeakValueDictionary[tuple[str, ...], SpelledSounds] = WeakValueDictionary()
_lock = threading.Lock()  # what two threads ask for is made once


def spell_sounds(pronunciations: Pronunciations, vocabulary: Vocabulary) -> SpelledSounds:
    """Return the sounds of a dictionary; cached as :func:`know_sounds` says, and as long as
    somebody holds it, the same for all who ask.

    Raises:
        DecodingError: there are no words, or a phone is not a token.
    """
    if pronunciations.fingerprint is None:
        return _spell(pronunciations, vocabulary)
    with _lock:
        key = pronunciations.fingerprint, *vocabulary.tokens
        spelled = _held.get(key) or _spell(pronunciations, vocabulary)
        _held[key] = spelled
        return spelled


@contextmanager
def spelling(
    pronunciations: Pronunciations | None, tokens: Sequence[str] | Vocabulary
) -> Iterator[None]:
    """Spell the sounds of a dictionary in a thread, so that a search that is made meanwhile finds
    them; of one that is not cached, do nothing.
    """
    if pronunciations is not None and pronunciations.parts:
        pronunciations = pronunciations.parts[0]
    if pronunciations is None or pronunciations.fingerprint is None:
        yield
        return
    with ThreadPoolExecutor(1) as pool:
        # as long as this is there, so is what it made; its errors come again in the search
        _made = pool.submit(spell_sounds, pronunciations, Vocabulary.of(tokens))
        yield


def _spell(pronunciations: Pronunciations, vocabulary: Vocabulary) -> SpelledSounds:
    made: list[SpelledSounds] = []

    def make() -> Arrays:
        sounds = Sounds.of(pronunciations, vocabulary)
        lexicon = build_lexicon(list(sounds.spellings), sounds.vocabulary)
        made.append(SpelledSounds(sounds, lexicon))
        arrays: Arrays = {name: getattr(lexicon, name) for name in _TRIE}
        return arrays | {
            "sounds": _bytes(lexicon.words),
            "spellings": _bytes(map(sounds.spellings.__getitem__, lexicon.words)),
        }

    arrays = cached_arrays(_place("sounds", pronunciations, vocabulary, None), make)
    if made:
        return made[0]
    words, spellings = _lines(arrays["sounds"]), _lines(arrays["spellings"])
    sounds = Sounds(pronunciations, vocabulary, dict(zip(words, spellings, strict=True)))
    return SpelledSounds(sounds, Lexicon(words, *(arrays[name] for name in _TRIE)))


def _place(
    kind: str, pronunciations: Pronunciations, vocabulary: Vocabulary, lm: AnyModel | None
) -> Path | None:
    if pronunciations.fingerprint is None or not (lm is None or isinstance(lm, NgramAutomaton)):
        return None
    model = (b"", b"") if lm is None else (lm.text.tobytes(), lm.unigrams.tobytes())
    return cache_path(
        kind,
        _VERSION,
        pronunciations.fingerprint,
        "\n".join(vocabulary.tokens),
        *model,
        suffix=".npz",
    )


def _know(spelled: SpelledSounds, lm: AnyModel | None) -> KnownWords:
    if lm is None:
        return know_words(spelled.lexicon, None)
    groups, spellings = list[int](), spelled.sounds.spellings
    ids, unigrams = _numbers([spellings[sound] for sound in spelled.lexicon.words], lm, groups)
    return KnownWords(spelled.lexicon, ids, unigrams, np.array(groups or [0], np.int32))


def _numbers(
    spellings: Sequence[str], lm: AnyModel, groups: list[int]
) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.float64]]:
    """Return ids and unigrams of sounds, given as their words with spaces in between; groups of
    words that sound alike are appended.
    """
    several = [place for place, words in enumerate(spellings) if " " in words]
    ids = _ids_of(spellings, lm)
    ids[several] = _ids_of([spellings[place].partition(" ")[0] for place in several], lm)
    unigrams = lm.unigrams[ids].astype(np.float64)
    for place in several:
        known_ids = [lm.ids[word] for word in spellings[place].split(" ") if word in lm.ids]
        if len(known_ids) > 1:
            ids[place] = HOMOPHONES - len(groups)
            groups += [len(known_ids), *known_ids]
        elif known_ids:
            ids[place] = known_ids[0]
        if known_ids:
            unigrams[place] = max(lm.unigrams.item(i) for i in known_ids)
    return ids, unigrams


def _parts(pronunciations: Pronunciations) -> tuple[Pronunciations, Pronunciations] | None:
    """Return the known dictionary and the further words of which one was joined, if it was so that
    the first one's words can be used again.
    """
    if pronunciations.fingerprint or not pronunciations.parts:
        return None
    base, more = pronunciations.parts
    kept = all(set(base[word]) <= set(more[word]) for word in more if word in base)
    return (base, more) if base.fingerprint and kept else None


def _know_more(
    parts: tuple[Pronunciations, Pronunciations],
    pronunciations: Pronunciations,
    vocabulary: Vocabulary,
    lm: AnyModel | None,
) -> tuple[Sounds, KnownWords]:
    """Return the words of a dictionary that was joined of ``parts``.

    Only what the second part changes is computed: all takes seconds for 200,000 words.
    """
    base = lm.base if isinstance(lm, ExtendedAutomaton) else lm
    first, known = know_sounds(parts[0], vocabulary, base)
    sounds, changed = first.with_more(pronunciations, parts[1])
    fresh = [sound for sound in changed if sound not in first.spellings]
    old, count = known.lexicon.words, len(known.ids)
    lexicon = known.lexicon.extended(fresh, sounds.vocabulary)
    place = {sound: count + i for i, sound in enumerate(fresh)}
    ids = np.concatenate([known.ids, np.ones(len(fresh), np.int32)])
    unigrams = np.concatenate([known.unigrams, np.zeros(len(fresh))])
    groups = known.homophones.tolist()
    if lm is not None:
        # those of the known dictionary are sorted
        new = [place[s] if s in place else bisect_left(old, s) for s in changed]
        spellings = [sounds.spellings[sound] for sound in changed]
        ids[new], unigrams[new] = _numbers(spellings, lm, groups)
    return sounds, KnownWords(lexicon, ids, unigrams, np.array(groups, np.int32))


def _ids_of(words: Sequence[str], lm: AnyModel) -> npt.NDArray[np.int32]:
    return np.fromiter(map(lm.ids.get, words, repeat(UNK)), np.int32, len(words))


def _bytes(lines: Iterable[str]) -> npt.NDArray[np.uint8]:
    return np.frombuffer("\n".join(lines).encode(), np.uint8)


def _lines(text: npt.NDArray[np.uint8]) -> list[str]:
    return text.tobytes().decode().split("\n")
