"""Words of a search as a trie with edges by token; kernels/lexicon.py describes the arrays."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from asr.decoding.kernels import lexicon as kernels
from asr.decoding.vocabulary import Vocabulary
from asr.errors import DecodingError

__all__ = ["Lexicon", "build_lexicon", "check_words", "plain_lexicon"]


@dataclass(frozen=True, eq=False)
class Lexicon:
    """Trie of words with edges by token.

    Attributes:
        words: the words that the tokens can spell: sorted, then those that were added later.
        parents: int32 (N,), parent of each node (-1 for the root).
        ends: int32 (N,), index of the word that ends at each node (-1: none).
        edge_first: int32 (N + 1,), first edge of each node.
        edges: int32 (E, 4), token, target, gain (float32 bits), unused.
        masks: uint64 (N,), the tokens of each node modulo 64.
        factors: float64 (N,), look-ahead factor of each node, from :meth:`weighted`.
    """

    words: list[str]
    parents: npt.NDArray[np.int32]
    ends: npt.NDArray[np.int32]
    edge_first: npt.NDArray[np.int32]
    edges: npt.NDArray[np.int32]
    masks: npt.NDArray[np.uint64]
    factors: npt.NDArray[np.float64] = field(default_factory=lambda: np.ones(1))

    def weighted(self, word_scores: npt.NDArray[np.float64]) -> Lexicon:
        """Return a copy with the look-ahead of ``word_scores`` (W,), one weighted score a word."""
        rows = self.edges.copy()
        edges = kernels.Edges(self.edge_first, rows, self.masks)
        gains = rows.view(np.float32)
        factors = np.empty(len(self.parents))
        kernels.look_ahead((self.parents, self.ends), word_scores, edges, gains, factors)
        return replace(self, edges=rows, factors=factors)

    def extended(self, words: Sequence[str], vocabulary: Vocabulary) -> Lexicon:
        """Return a trie with further words; the numbers of nodes and words stay as they are.

        To build the trie of all words anew takes ten times as long.

        Args:
            words: distinct, and not in the trie; all of characters that tokens have.
            vocabulary: tokens of at most one character, as in :class:`asr.decoding.sounds.Sounds`.
        """
        if not words:
            return self
        tokens, V = _Tokens.of(vocabulary), len(vocabulary)
        sources = np.repeat(np.arange(len(self.parents)), np.diff(self.edge_first))
        rows = self.edges[: len(sources)]
        keys = sources * V + rows[:, 0]  # in order, as edges are
        parents, chars, last = _grow((keys, rows[:, 1]), len(self.parents), words, (tokens, V))
        nodes = np.arange(len(self.parents), len(self.parents) + len(parents))
        added = _edges(parents, chars, nodes, tokens)
        new_keys = added[:, 0] * V + added[:, 1]
        new_rows = np.zeros((len(added), 4), np.int32)
        new_rows[:, :2] = added[:, 1:]
        N = len(self.parents) + len(parents)
        counts = np.bincount(np.concatenate([sources, added[:, 0]]), minlength=N)
        masks = np.concatenate([self.masks, np.zeros(len(parents), np.uint64)])
        bits = np.uint64(1) << (added[:, 1] & 63).astype(np.uint64)
        np.bitwise_or.at(masks, added[:, 0], bits)
        ends = np.concatenate([self.ends, np.full(len(parents), -1, np.int32)])
        ends[last] = np.arange(len(self.words), len(self.words) + len(words))
        return Lexicon(
            words=[*self.words, *words],
            parents=np.concatenate([self.parents, parents.astype(np.int32)]),
            ends=ends,
            edge_first=np.concatenate([[0], np.cumsum(counts)]).astype(np.int32),
            edges=np.insert(rows, np.searchsorted(keys, new_keys), new_rows, axis=0),
            masks=masks,
        )


@dataclass(frozen=True)
class _Tokens:
    """Tokens of one character: by the character's code, -1 where there is none.

    Attributes:
        inner: the token that continues a word.
        starting: the token that starts one.
    """

    inner: npt.NDArray[np.int64]
    starting: npt.NDArray[np.int64]

    @classmethod
    def of(cls, vocabulary: Vocabulary) -> _Tokens:
        size = 1 + max(ord(piece) for piece in vocabulary.pieces if piece)
        tokens = cls(np.full(size, -1), np.full(size, -1))
        for token, piece in enumerate(vocabulary.pieces):
            if piece:
                starts = bool(vocabulary.starts_word[token])
                (tokens.starting if starts else tokens.inner)[ord(piece)] = token
        return tokens

    def any(self, chars: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """Return one token of each character."""
        inner: npt.NDArray[np.int64] = self.inner[chars]
        return np.where(inner >= 0, inner, self.starting[chars])


def _grow(
    edges: tuple[npt.NDArray[np.int64], npt.NDArray[np.int32]],
    N: int,
    words: Sequence[str],
    tokens: tuple[_Tokens, int],
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Return what a trie of N nodes needs for ``words``: the parent of each new node and its
    character, and the node at which each word ends.

    All words go down the trie together, a character at a time.

    Args:
        edges: node * V + token of each edge, sorted, and its target.
        N: nodes of the trie.
        words: the words.
        tokens: the tokens, and V, how many there are.
    """
    by_char, V = tokens
    keys, targets = edges
    codes, offsets = _codes(words)
    lengths = np.diff(offsets)
    nodes = np.zeros(len(words), np.int64)
    parents, chars = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)]
    for depth in range(int(lengths.max())):
        (live,) = np.nonzero(lengths > depth)
        here = codes[offsets[live] + depth].astype(np.int64)
        key = nodes[live] * V + by_char.any(here)
        place = np.minimum(np.searchsorted(keys, key), len(keys) - 1)
        is_old = keys[place] == key
        nodes[live[is_old]] = targets[place[is_old]]
        _, first, which = np.unique(key[~is_old], return_index=True, return_inverse=True)
        parents.append(nodes[live[~is_old]][first])
        chars.append(here[~is_old][first])
        nodes[live[~is_old]] = N + which
        N += len(first)
    return np.concatenate(parents), np.concatenate(chars), nodes


def _edges(
    parents: npt.NDArray[np.int64],
    chars: npt.NDArray[np.int64],
    nodes: npt.NDArray[np.int64],
    tokens: _Tokens,
) -> npt.NDArray[np.int64]:
    """Return the edges to nodes, sorted: source, token, target; tokens that start a word lead from
    the root alone.
    """
    inner = np.stack([parents, tokens.inner[chars], nodes], axis=1)
    starting = np.stack([parents, tokens.starting[chars], nodes], axis=1)[parents == 0]
    rows = np.concatenate([inner, starting])
    rows = rows[rows[:, 1] >= 0]
    ordered: npt.NDArray[np.int64] = rows[np.lexsort((rows[:, 1], rows[:, 0]))]
    return ordered


def check_words(words: Iterable[str]) -> list[str]:
    """Return the words of a lexicon as a list, checked.

    Raises:
        DecodingError: no word at all, an empty or repeated word, or white space in a word.
    """
    if isinstance(words, str):
        raise DecodingError("lexicon is a string.", "Pass a list of words.")
    listed, seen = list(words), set[str]()
    if not listed:
        raise DecodingError(
            "The lexicon is empty.",
            "Give at least one word, or lexicon=None for an open vocabulary.",
        )
    for index, word in enumerate(listed):
        if not isinstance(word, str) or not word or word.split() != [word]:
            raise DecodingError(
                f"lexicon[{index}] = {word!r} is not a word.", "Give words without white space."
            )
        if word in seen:
            raise DecodingError(
                f"The word {word!r} is in the lexicon twice.", "List every word once."
            )
        seen.add(word)
    return listed


def build_lexicon(words: Sequence[str], vocabulary: Vocabulary) -> Lexicon:
    """Return the trie of those ``words`` (distinct) that some sequence of tokens can spell.

    Raises:
        DecodingError: no word can be spelled.
    """
    pieces: dict[str, list[int]] = {}
    for token, piece in enumerate(vocabulary.pieces):
        if piece:
            pieces.setdefault(piece, [-1, -1])[bool(vocabulary.starts_word[token])] = token
    characters = set("".join(pieces))
    spelled = sorted(map(vocabulary.spell, words))
    if not characters.issuperset("".join(spelled)):  # rare: most lexicons fit
        spelled = [word for word in spelled if characters.issuperset(word)]
    if not spelled:
        raise _misfit(words, characters)
    parents, chars, ends = _trie(spelled)
    names = sorted(pieces)
    piece_parents, piece_chars, piece_ends = _trie(names)
    by_name = np.array([pieces[name] for name in names], dtype=np.int32)
    inner = np.where(piece_ends >= 0, by_name[piece_ends, 0], -1).astype(np.int32)
    starting = np.where(piece_ends >= 0, by_name[piece_ends, 1], -1).astype(np.int32)
    edge_first = np.zeros(len(parents) + 1, np.int32)
    edges = np.zeros((0, 4), np.int32)
    tries = _children(parents, chars), _children(piece_parents, piece_chars)
    stack = np.empty((len(chars) + 1, 2), np.int32)
    for _ in range(2):  # first count, then fill
        n_edges = kernels.link_tokens(*tries, (inner, starting), (edge_first, edges), stack)
        edges = np.zeros((max(n_edges, 1), 4), np.int32) if len(edges) == 0 else edges
    masks = np.empty(len(parents), np.uint64)
    kernels.fill_masks(edge_first, edges, masks)
    return Lexicon(
        words=list(map(vocabulary.write, spelled)),
        parents=parents,
        ends=ends,
        edge_first=edge_first,
        edges=edges,
        masks=masks,
    )


def _misfit(words: Sequence[str], characters: set[str]) -> DecodingError:
    """Return the error for words none of which can be spelled."""
    remedy = "Words and tokens must agree in letter case and characters."
    for case, change in (("lower", str.lower), ("upper", str.upper)):
        if any({change(c) for c in characters}.issuperset(word) for word in words[:1000]):
            remedy = f"Their letter case differs: give Vocabulary.read(labels, case={case!r})."
    return DecodingError(
        f"The tokens can spell none of the {len(words)} words (such as "
        f"{', '.join(map(repr, words[:3]))}).",
        remedy,
    )


def _trie(
    words: list[str],
) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int32], npt.NDArray[np.int32]]:
    codes, offsets = _codes(words)
    parents, chars, ends = (np.empty(len(codes) + 1, np.int32) for _ in range(3))
    path = np.zeros(max(map(len, words), default=0) + 1, np.int32)
    N = kernels.build_trie(codes, offsets, (parents, chars, ends), path)
    return parents[:N].copy(), chars[:N].copy(), ends[:N].copy()


def _codes(words: Sequence[str]) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int64]]:
    """Return the characters of all words, and where those of each word begin, (W + 1,)."""
    offsets = np.zeros(len(words) + 1, np.int64)
    np.cumsum(np.fromiter(map(len, words), np.int64, len(words)), out=offsets[1:])
    return np.frombuffer("".join(words).encode("utf-32-le"), np.int32), offsets


def _children(parents: npt.NDArray[np.int32], chars: npt.NDArray[np.int32]) -> kernels.Children:
    """Return the trie with the children of each node, in order of their numbers."""
    first = np.zeros(len(parents) + 1, np.int32)
    np.cumsum(np.bincount(parents[1:], minlength=len(parents)), out=first[1:])
    nodes = np.argsort(parents[1:], kind="stable").astype(np.int32) + np.int32(1)
    return kernels.Children(first, nodes, chars)


def plain_lexicon() -> Lexicon:
    """Return a lexicon without words, in which every open word is unknown."""
    none = np.full(1, -1, np.int32)
    return Lexicon(
        words=[],
        parents=none,
        ends=none,
        edge_first=np.zeros(2, np.int32),
        edges=np.zeros((1, 4), np.int32),
        masks=np.zeros(1, np.uint64),
    )
