"""Letters to sounds: pronunciations of words outside a dictionary, learned from the dictionary.

A joint-sequence model: the words of the dictionary are divided into chunks of letters and phones,
and an n-gram model predicts each chunk from those before it. The letters of a word are known, so
the search looks for the most probable chunks that spell them. Where there are weights of features
(:mod:`asr.g2p.ranking`), they choose among the best pronunciations.

Source: Bisani & Ney 2008, "Joint-Sequence Models for Grapheme-to-Phoneme Conversion"; chunks as in
Novak et al. 2016, "Phonetisaurus: Exploring Grapheme-to-Phoneme Conversion with Joint N-Gram
Models in the WFST Framework".
"""

from __future__ import annotations

import math
import unicodedata
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from random import Random
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from asr.cache import Arrays, cache_path, cached, cached_arrays
from asr.decoding.automaton import longest_suffixes
from asr.errors import LanguageModelError
from asr.g2p import kernels
from asr.g2p.chunks import divide, parse_chunk, spell_chunk
from asr.g2p.features import Choices, Pieces
from asr.g2p.neighbours import Known, first_ways, known_words, phone_codes, trusted_entries
from asr.g2p.ranking import CHOICES, RANKING_FILE, Lesson, Ranking, learn_ranking
from asr.lm.compact import CompactModel, load_compact, read_compact, write_compact
from asr.lm.estimation import estimate
from asr.lm.model import BOS, EOS, NgramModel
from asr.lm.prune import prune_entropy
from asr.lm.trie import Trie, build_trie
from asr.text.pronunciations import Phones, Pronunciations

__all__ = [
    "G2P",
    "G2P_FILE",
    "Saying",
    "estimate_g2p",
    "estimate_ranking",
    "learned_g2p",
    "ranking_path",
    "train_g2p",
]

G2P_FILE = "g2p.lmz"  # in a model folder
ORDER = 6
MAX_NGRAMS = 1_000_000  # two bytes each
BEAM = kernels.Beam(room=24, threshold=7.0)
PARTS = 4  # of the dictionary, each said by a model of the others
_LEAST_WORDS = 1000  # from which something can be learned
_VERSION = "1"  # of the cached models
_SILENT = frozenset("-.'’·")  # between letters; said only where a dictionary has them


class Saying(NamedTuple):
    """A pronunciation of a word.

    Attributes:
        phones: its phones.
        probability: its share among the pronunciations that were looked at, 0 to 1.
    """

    phones: Phones
    probability: float


def estimate_g2p(
    dictionary: Mapping[str, Sequence[Phones]], order: int = ORDER, max_ngrams: int = MAX_NGRAMS
) -> NgramModel:
    """Return the n-gram model of the chunks of a dictionary.

    Args:
        dictionary: word -> its pronunciations; all of them count.
        order: longest n-grams, in chunks.
        max_ngrams: entropy pruning leaves so many; a file takes about two bytes for each.

    Raises:
        LanguageModelError: no word can be divided into chunks.
    """
    entries = [
        (word, tuple(phones))
        for word, ways in dictionary.items()
        for phones in ways
        if not {"|", "}"} & set(word)
    ]
    divided = divide(entries) if entries else []
    if not divided:
        raise LanguageModelError(
            "No word of the dictionary can be divided into letters and their phones.",
            "Give a dictionary of a language that is written with letters.",
        )
    texts = [[" ".join(map(spell_chunk, chunks)) for chunks in divided]]
    model = estimate(texts, order, notify=lambda _: None)
    if sum(model.counts) <= max(max_ngrams, len(model.words)):
        return model
    return prune_entropy(model, max_ngrams=max_ngrams, contexts=texts)


def estimate_ranking(
    dictionary: Mapping[str, Sequence[Phones]],
    order: int = ORDER,
    max_ngrams: int = MAX_NGRAMS,
    parts: int = PARTS,
) -> Ranking:
    """Return the weights that choose among the best pronunciations of an n-gram model.

    It takes as many n-gram models as there are parts: each says the words that it has not seen.
    Some ten thousand words are needed; of few there are no weights, and nothing is chosen anew.

    Raises:
        LanguageModelError: no word can be divided into chunks.
    """
    words = sorted(dictionary)
    Random(0).shuffle(words)
    lessons = []
    for part in range(parts):
        apart = dict.fromkeys(words[part::parts])
        known = {word: ways for word, ways in dictionary.items() if word not in apart}
        g2p = G2P(estimate_g2p(known, order, max_ngrams), dictionary=known)
        lessons.append(g2p.lesson({word: dictionary[word] for word in apart}))
    return learn_ranking(lessons)


def train_g2p(
    dictionary: Mapping[str, Sequence[Phones]],
    path: str | Path,
    order: int = ORDER,
    max_ngrams: int = MAX_NGRAMS,
    *,
    ranked: bool = False,
    lexicon: Mapping[str, Sequence[Phones]] | None = None,
) -> None:
    """Write the model of a dictionary, such as ``g2p.lmz`` of a model folder.

    Args:
        dictionary: word -> its pronunciations.
        path: of the n-gram model.
        order: see :func:`estimate_g2p`.
        max_ngrams: see :func:`estimate_g2p`.
        ranked: write weights too, beside it (:func:`ranking_path`); takes five times as long.
        lexicon: of the model folder, if that is another dictionary; the weights follow the words
            that it has with a pronunciation of ``dictionary``.

    Raises:
        LanguageModelError: see :func:`estimate_g2p`; or the file cannot be written.
    """
    write_compact(estimate_g2p(dictionary, order, max_ngrams), path)
    ranking_path(path).unlink(missing_ok=True)  # of another model
    if ranked:
        ranking = estimate_ranking(dictionary, order, max_ngrams)
        if lexicon is not None:
            both = [(word, way) for word, way in first_ways(lexicon) if word in dictionary]
            same = [(w, way) for w, way in both if way in map(" ".join, dictionary[w])]
            ranking = replace(ranking, trusted=trusted_entries(same))
        ranking.save(ranking_path(path))


def ranking_path(path: str | Path) -> Path:
    """Return where the weights of an n-gram model's file are: ``g2p.ranking.npz``."""
    return Path(path).with_name(Path(path).stem + RANKING_FILE.removeprefix("g2p"))


def learned_g2p(dictionary: Pronunciations) -> G2P | None:
    """Return what a dictionary teaches; None where it is too small.

    It takes half a minute for 200,000 words; where the dictionary was read from a file, the result
    is cached.
    """
    if len(dictionary) < _LEAST_WORDS:
        return None
    mark = dictionary.fingerprint
    place = None if mark is None else cache_path("g2p", _VERSION, mark, suffix=".lmz")

    def make() -> NgramModel:
        return estimate_g2p(dictionary)

    return G2P(cached(place, read_compact, make, write_compact, (LanguageModelError,)))


class G2P:
    """Pronunciations of words by their letters.

    Args:
        model: n-gram model of chunks, from :func:`estimate_g2p` or a file of :func:`train_g2p`.
        ranking: weights that choose among its best pronunciations; None: the most probable one.
        dictionary: words whose pronunciations the weights follow where a word begins or ends alike.

    Attributes:
        phones: the phones that it knows, sorted.

    Raises:
        LanguageModelError: its words are not chunks of letters and phones.

    Example:
        >>> says = G2P(estimate_g2p({"tea": [("T", "IY")], "fee": [("F", "IY")]}))
        >>> says(["feta"])[0][0].phones  # doctest: +SKIP
        ('F', 'IY', 'T')
    """

    def __init__(
        self,
        model: NgramModel | CompactModel,
        ranking: Ranking | None = None,
        dictionary: Mapping[str, Sequence[Phones]] | None = None,
    ) -> None:
        if isinstance(model, NgramModel):
            model = CompactModel(model.words, build_trie(model))
        try:
            chunks = [parse_chunk(word) for word in model.words[EOS + 1 :]]
        except ValueError as error:
            raise LanguageModelError(
                f"This is no model of letters and sounds: {error}.",
                "Give a file that `asr g2p train` wrote.",
            ) from None
        letters = sorted({letter for spelled, _ in chunks for letter in spelled})
        self.phones = tuple(sorted({phone for _, said in chunks for phone in said}))
        self._letters = {letter: i for i, letter in enumerate(letters)}
        self._chunks = self._compiled(model, chunks)
        self._codes = np.array([*map(ord, letters)], np.int32)
        self._ranking, self._pieces = ranking, _pieces(chunks)
        self._dictionary = {} if dictionary is None else dictionary

    @classmethod
    def load(
        cls,
        path: str | Path,
        ranked: bool = True,
        dictionary: Mapping[str, Sequence[Phones]] | None = None,
    ) -> G2P:
        """Return the model of a file.

        Args:
            path: of the n-gram model.
            ranked: use the weights beside it, if there are any.
            dictionary: of the model folder; see :class:`G2P`.

        Raises:
            LanguageModelError: a file is missing, damaged or of another kind.
        """
        beside = ranking_path(path)
        ranking = Ranking.load(beside) if ranked and beside.is_file() else None
        return cls(load_compact(path), ranking, dictionary)

    def __call__(self, words: Sequence[str], n_best: int = 1) -> list[list[Saying]]:
        """Return the pronunciations of each word, best first; none of a word that cannot be said.

        Letters that the model lacks lose their accents, and signs between letters are silent.

        Args:
            words: in the letter case of the dictionary, without blanks.
            n_best: pronunciations of each word, fewer where there are no more.
        """
        spelled = [self._spelled(word) for word in words]
        choices = self._choices(spelled, max(n_best, CHOICES) if self._ranking else n_best)
        scores, probs = choices.log_probs, np.exp(choices.log_probs)
        if self._ranking is not None:
            scores = self._ranking.scores(choices, self._pieces, self._known)
            probs = _shares(scores)
        best = np.argsort(-scores, axis=1, kind="stable")[:, :n_best].tolist()
        return [
            self._sayings(choices, w, best[w], probs) if spelled[w] else []
            for w in range(len(words))
        ]

    def lesson(self, dictionary: Mapping[str, Sequence[Phones]]) -> Lesson:
        """Return the words of a dictionary with what this model takes for their pronunciations."""
        words = [word for word in dictionary if self._spelled(word)]
        choices = self._choices([self._spelled(word) for word in words], CHOICES)
        right = np.zeros(choices.lengths.shape, np.uint8)
        for w, word in enumerate(words):
            ways = set(map(tuple, dictionary[word]))
            for n, length in enumerate(choices.lengths[w].tolist()):
                right[w, n] = self._said(choices.chunks[w, n, : max(length, 0)]) in ways
        return Lesson(choices, self._pieces, self._known, right)

    @cached_property
    def _known(self) -> Known:
        """The dictionary as features see it; that of a file is cached."""
        trusted = self._ranking.trusted if self._ranking else None
        mark = getattr(self._dictionary, "fingerprint", None)
        key = b"" if trusted is None else trusted.tobytes()
        place = mark and cache_path("near", _VERSION, mark, key, suffix=".npz")

        def make() -> Arrays:
            return known_words(self._dictionary, trusted)._asdict()

        return Known(**cached_arrays(place or None, make))

    def _choices(self, spelled: Sequence[Sequence[int]], n_best: int) -> Choices:
        """Return the best pronunciations by the n-gram model."""
        first = np.cumsum([0, *map(len, spelled)]).astype(np.int64)
        letters = np.array([letter for word in spelled for letter in word], np.int32)
        longest = max(map(len, spelled), default=0)
        shape = (len(spelled), n_best)
        sayings = kernels.Sayings(
            chunks=np.zeros((*shape, max(longest, 1)), np.int32),
            lengths=np.zeros(shape, np.int32),
            probs=np.zeros(shape),
        )
        room = BEAM.hypotheses(longest, len(self._chunks.phones))
        kernels.say(letters, first, self._chunks, room, (BEAM, sayings))
        there = sayings.lengths >= 0
        log_probs = np.full(shape, -np.inf)
        log_probs[there] = np.log(sayings.probs[there])
        codes = self._codes[letters]
        return Choices(codes, first, sayings.chunks, sayings.lengths, log_probs)

    def _sayings(
        self, choices: Choices, w: int, best: Sequence[int], probs: npt.NDArray[np.float64]
    ) -> list[Saying]:
        lengths = choices.lengths[w].tolist()
        said = [(n, self._said(choices.chunks[w, n, : max(lengths[n], 0)])) for n in best]
        return [Saying(phones, float(probs[w, n])) for n, phones in said if phones]

    def _said(self, chunks: npt.NDArray[np.int32]) -> Phones:
        said = self._chunks.phones[chunks].ravel().tolist()
        return tuple(self.phones[phone] for phone in said if phone >= 0)

    def _spelled(self, word: str) -> list[int]:
        """Return the letters of a word as numbers; empty if it has one that nothing stands for."""
        known, numbers = self._letters, list[int]()
        for letter in word:
            if letter in known:
                numbers.append(known[letter])
                continue
            plain = [
                c for c in unicodedata.normalize("NFKD", letter) if not unicodedata.combining(c)
            ]
            if not all(c in known or c in _SILENT for c in plain):
                return []
            numbers += [known[c] for c in plain if c in known]
        return numbers

    def _compiled(
        self, model: CompactModel, chunks: Iterable[tuple[str, Phones]]
    ) -> kernels.Chunks:
        words, trie = model
        A, W = len(self._letters), len(words)
        number = {phone: i for i, phone in enumerate(self.phones)}
        keys = np.full(W, -1, np.int32)
        keys[EOS] = kernels.key_of(A, -1, A)
        phones = np.full((W, 2), -1, np.int32)
        for i, (spelled, said) in enumerate(chunks, EOS + 1):
            first, second = self._letters[spelled[0]], -1
            if len(spelled) > 1:
                second = self._letters[spelled[1]]
            keys[i] = kernels.key_of(first, second, A)
            phones[i, : len(said)] = [number[phone] for phone in said]
        return _sorted_entries(trie, keys, phones, A)


def _sorted_entries(
    trie: Trie, keys: npt.NDArray[np.int32], phones: npt.NDArray[np.int32], num_letters: int
) -> kernels.Chunks:
    """Return a trie of n-grams with the n-grams of each context sorted by the keys of chunks."""
    W, contexts = len(keys), len(trie.first_child) - 1
    suffix = longest_suffixes(trie)
    follows = np.repeat(np.arange(contexts), np.diff(trie.first_child))
    order = np.lexsort((keys[trie.last_words], np.concatenate([np.full(W, -1), follows])))
    after = np.arange(len(suffix), dtype=np.int32)  # the longest n-grams have nothing behind them
    after[contexts:] = suffix[contexts:]
    last_key = kernels.key_of(num_letters, -1, num_letters)
    # no matter which context, but one for all: equal pronunciations meet at the end
    after = np.where(keys[trie.last_words] == last_key, BOS, after).astype(np.int32)
    return kernels.Chunks(
        phones=phones,
        keys=keys[trie.last_words][order],
        lasts=trie.last_words[order],
        log_probs=_natural(trie.log10_probs)[order],
        after=after[order],
        first=trie.first_child,
        root_first=np.searchsorted(keys[order[:W]], np.arange(last_key + 2)).astype(np.int32),
        backoffs=_natural(trie.log10_backoffs[:contexts]),
        shorter=suffix[:contexts],
        num_letters=num_letters,
        start=BOS,
    )


def _pieces(chunks: Sequence[tuple[str, Phones]]) -> Pieces:
    """Return chunks as features see them; the first ones of a model are no chunks."""
    size = EOS + 1 + len(chunks)
    pieces = Pieces(
        np.zeros(size, np.int64), np.full((size, 2), -1, np.int64), np.ones(size, np.int32)
    )
    for i, chunk in enumerate(chunks, EOS + 1):
        letters, phones = chunk
        pieces.codes[i] = zlib.crc32(spell_chunk(chunk).encode())
        pieces.sizes[i] = len(letters)
        pieces.phones[i, : len(phones)] = phone_codes(phones)
    return pieces


def _shares(scores: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return probabilities of each row's logarithms; they sum to one where they are all kept."""
    best = scores.max(1, initial=-np.inf, keepdims=True)
    shares: npt.NDArray[np.float64] = np.exp(scores - np.where(np.isfinite(best), best, 0.0))
    return shares / np.maximum(shares.sum(1, keepdims=True), 1e-300)


def _natural(log10: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    return (log10.astype(np.float64) * math.log(10)).astype(np.float32)
