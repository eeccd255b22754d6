"""Text -> n-gram model: interpolated modified Kneser-Ney.

Counts and conventions are those of KenLM's lmplz (Heafield et al. 2013, "Scalable Modified
Kneser-Ney Language Model Estimation"), so that scores agree; the algorithm is not. See
asr/lm/counting.py for the steps. With bounded memory the same steps run over slices of sorted runs
on disk, and give the same bytes.
"""

from __future__ import annotations

import concurrent.futures
import logging
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

from asr.errors import LanguageModelError
from asr.lines import nfc, read_words
from asr.lm import counting
from asr.lm.arpa import arpa_writer
from asr.lm.config import BuildSummary, EstimateConfig
from asr.lm.corpus import Text, Tokenizer, as_texts
from asr.lm.discounts import discounts_from_counts
from asr.lm.memory import available_memory
from asr.lm.model import BOS, EOS, MAX_ORDER, SPECIAL_WORDS, UNK, NgramModel
from asr.lm.sorting import Records, key_width, sort_records
from asr.lm.storage import RecordStore, TokenStore, Workspace, slices

__all__ = ["BuildSummary", "EstimateConfig", "build_arpa", "estimate"]

_LOG = logging.getLogger(__name__)
_Section = tuple[int, npt.NDArray[np.int32], npt.NDArray[np.float32], npt.NDArray[np.float32]]


def estimate(
    texts: str | os.PathLike[str] | Sequence[Text],
    order: int = 3,
    *,
    memory: str | int | None = None,
    temp_folder: str | Path | None = None,
    notify: Callable[[str], None] | None = None,
    **options: object,
) -> NgramModel:
    """The modified Kneser-Ney model of some texts.

    Args:
        texts: a path, or a sequence of texts, each a path (plain or gzipped; one sentence a line,
            UTF-8) or an iterable of sentences.
        order: longest n-grams, 1-6; lowered, with a note, where no sentence is that long.
        memory: bound for this process while it counts, such as ``"4GB"``; beyond it sorted runs go
            to temporary files. The model itself, about 8 + 4n bytes for every n-gram of n words,
            comes on top.
        temp_folder: where the temporary files go; by default the system's folder for them.
        notify: receives notes such as "discounts of 3-grams fell back"; by default they are logged
            as warnings.
        options: further fields of :class:`EstimateConfig`.

    Raises:
        LanguageModelError: no words, unreadable text, reserved symbols in the text, settings out of
            range.

    Source: Chen & Goodman 1998, "An Empirical Study of Smoothing Techniques for Language Modeling",
    section 4.1.6.

    Example:
        >>> texts = [["the cat sat", "the dog sat"]]
        >>> model = estimate(texts, order=2, notify=print)  # doctest: +ELLIPSIS
        Too few ...
        >>> model.counts
        (7, 6)
    """
    config = EstimateConfig(order, **options)  # type: ignore[arg-type]
    limit = None if memory is None else available_memory(memory, _load_kernels)
    try:
        with Workspace(limit, temp_folder) as workspace:
            job = _Estimation(texts, config, workspace, notify or _LOG.warning)
            parts: list[list[_Section]] = [[] for _ in range(job.order)]
            for section in job.sections():
                parts[section[0] - 1].append(section)
    except OSError as error:
        raise LanguageModelError(
            f"Cannot write temporary files: {error}.", "Give another folder for them."
        ) from None
    columns = [
        [np.concatenate(list(arrays)) for arrays in list(zip(*part, strict=True))[1:]]
        for part in parts
    ]
    return NgramModel(job.words, *(list(arrays) for arrays in zip(*columns, strict=True)))


def build_arpa(
    texts: str | os.PathLike[str] | Sequence[Text],
    path: str | Path,
    order: int = 3,
    *,
    memory: str | int | None = None,
    temp_folder: str | Path | None = None,
    notify: Callable[[str], None] | None = None,
    **options: object,
) -> BuildSummary:
    """Write the modified Kneser-Ney model of some texts as an ARPA file (gzipped if it ends in
    ``.gz``).

    Args:
        memory: bound for the memory of this process, such as ``"500MB"``; beyond it sorted runs go
            to temporary files. The file is the same to the byte. The vocabulary always stays in
            memory.
        temp_folder: where the temporary files go; by default the system's folder for them.
        **options: as for :func:`estimate`.

    Raises:
        LanguageModelError: as for :func:`estimate`; the bound is too small; a file cannot be
            written.
    """
    config = EstimateConfig(order, **options)  # type: ignore[arg-type]
    limit = None if memory is None else available_memory(memory, _load_kernels)
    try:
        with Workspace(limit, temp_folder) as workspace:
            job = _Estimation(texts, config, workspace, notify or _LOG.warning)
            with arpa_writer(path, job.words, job.counts) as writer:
                for section in job.sections():
                    writer.add(*section)
                    del section  # before the next one is made
            return job.summary()
    except OSError as error:
        raise LanguageModelError(
            f"Cannot write temporary files: {error}.", "Give another folder for them."
        ) from None


@dataclass
class _Estimation:
    """One estimation; its steps run in the order of the methods and leave tables for the next."""

    texts: str | os.PathLike[str] | Sequence[Text]
    config: EstimateConfig
    workspace: Workspace
    notify: Callable[[str], None]
    order: int = field(init=False)
    words: list[str] = field(init=False)
    counts: tuple[int, ...] = field(init=False)

    def __post_init__(self) -> None:
        self.order = self.config.order
        tokens, id_map = self._read()
        self._plan(tokens.count)
        counted = self._count(tokens, id_map)
        del tokens
        adjusted = self._adjust(counted)
        self._store = self._interpolate(adjusted)
        while not self._store[-1].count:
            self.notify(f"Pruning left no {self.order}-grams: the order is {self.order - 1}.")
            self._store.pop()
            self.order -= 1
        self.counts = tuple(store.count for store in self._store)

    def summary(self) -> BuildSummary:
        """What was built."""
        return BuildSummary(
            self.counts,
            tuple(self._discounts),
            self._sentences,
            self._running,
            self.workspace.spills,
        )

    def _read(self) -> tuple[TokenStore, npt.NDArray[np.int32]]:
        tokenizer, tokens = (
            Tokenizer(skip_symbols=self.config.skip_symbols),
            TokenStore(self.workspace),
        )
        for text in as_texts(self.texts):
            for ids in tokenizer.read(text):
                tokens.add(ids)
        self._sentences = int(tokenizer.counts[EOS])
        self._running = tokens.count - self._sentences
        if self._running == 0:
            raise LanguageModelError(
                "The text holds no words.", "Give text with one sentence on each line."
            )
        listed = tokenizer.words()
        kept = _kept_words(listed, tokenizer.counts, self.config)
        id_map = np.where(kept, np.cumsum(kept) - 1, UNK).astype(np.int32)
        self.words = [word for word, keep in zip(listed, kept.tolist(), strict=True) if keep]
        return tokens, id_map

    def _plan(self, tokens: int) -> None:
        self._bits = max(1, (len(self.words) - 1).bit_length())
        widths = [key_width(n, self._bits) + 1 for n in range(1, self.order + 1)]
        # At worst every n-gram is new: the tables of all orders, and a copy of the largest while it
        # is sorted.
        self._bytes_each = 8 * (sum(widths) + 2 * widths[-1]) + 4
        limit = self.workspace.limit
        self.workspace.spills = limit is not None and tokens * self._bytes_each > limit
        self._limit = limit if self.workspace.spills else None

    def _stores(self) -> list[RecordStore]:
        return [
            RecordStore(self.workspace, key_width(n, self._bits) + 1)
            for n in range(1, self.order + 1)
        ]

    def _share(self, copies: int) -> int | None:
        return None if self._limit is None else self._limit // copies

    def _count(self, tokens: TokenStore, id_map: npt.NDArray[np.int32]) -> RecordStore:
        """Counted n-grams of the highest order, in suffix order."""
        width = key_width(self.order, self._bits)
        store = RecordStore(self.workspace, width + 1)
        size = (
            tokens.count
            if self._limit is None
            else max(1 << 12, self._limit // (8 * (2 * width + 2)))
        )
        context = np.full(self.order - 1, BOS, np.int64)
        keys, used = np.empty((min(size, tokens.count), width), np.uint64), 0
        for block in tokens:
            for start in range(0, len(block), max(1, len(keys))):
                part = block[start : start + len(keys)]
                if used + len(part) > len(keys):
                    store.add(self._counted(keys[:used]))
                    used = 0
                counting.fill_keys(part, id_map, self._bits, context, keys[used : used + len(part)])
                used += len(part)
        store.add(self._counted(keys[:used]))
        return store

    def _counted(self, keys: Records) -> Records:
        sort_records(keys, self.order, self._bits, self.config.thread_count)
        return self._summed(keys)

    def _summed(self, records: Records) -> Records:
        masks = counting.prefix_masks(self.order, self._bits)
        out = np.empty((len(records), len(masks) + 1), np.uint64)
        return _trimmed(out, counting.count_keys(records, masks, out))

    def _adjust(self, counted: RecordStore) -> list[RecordStore]:
        """n-grams of each order with adjusted counts, in context order; and the discounts."""
        stores = self._stores()
        statistics = np.zeros((self.order, 5), np.int64)
        whole = min(self.order, 2)  # cut between bigrams: counts of unigrams add up over parts
        for parts in slices(
            [counted],
            [self.order],
            bits=self._bits,
            limit=self._share(5),
            threads=self._threads,
            whole=whole,
        ):
            summed = parts.pop() if self._limit is None else self._summed(parts.pop())

            def adjust(n: int, summed: Records = summed) -> Records:
                width = key_width(n, self._bits)
                masks, longer = (
                    counting.prefix_masks(min(m, self.order), self._bits) for m in (n, n + 1)
                )
                out = np.empty((len(summed), width + 1), np.uint64)
                settings = self.order, n, self._bits, masks, longer, self.config.prune_limit(n)
                out = _trimmed(out, counting.adjust(summed, *settings, out, statistics[n - 1]))
                return sort_records(out, n - 1, self._bits) if n > 1 else out

            for n, adjusted in self._each_order(adjust):
                stores[n - 1].add(adjusted)
                del adjusted  # before the next one is made
            del summed, adjust
        counted.discard()
        self._unigram_counts = self._collect_unigrams(stores[0])
        statistics[0] = np.bincount(np.minimum(self._unigram_counts, 5), minlength=6)[:5]
        self.order = max(n for n in range(1, self.order + 1) if stores[n - 1].count)
        if self.order < self.config.order:
            self.notify(
                f"No sentence has {self.config.order} words with its ends: the order is "
                f"{self.order}."
            )
        self._discounts = [
            discounts_from_counts(n, statistics[n - 1], self.config.discount_fallback, self.notify)
            for n in range(1, self.order + 1)
        ]
        return stores[: self.order]

    @property
    def _threads(self) -> int:
        return self.config.thread_count

    def _each_order(self, step: Callable[[int], Records]) -> Iterator[tuple[int, Records]]:
        """Results of a step for the orders, the highest first since it takes longest; side by side
        while in memory.
        """
        orders = range(self.order, 0, -1)
        if self._limit is not None or self._threads == 1:
            yield from ((n, step(n)) for n in orders)
            return
        with concurrent.futures.ThreadPoolExecutor(self._threads) as pool:
            yield from zip(orders, pool.map(step, orders), strict=True)

    def _collect_unigrams(self, adjusted: RecordStore) -> npt.NDArray[np.int64]:
        counts = np.zeros(len(self.words), np.int64)
        top = np.uint64(self._bits * (64 // self._bits - 1))
        for (records,) in slices([adjusted], [1], self._bits, self._share(5)):
            words, values = (records[:, 0] >> top).astype(np.int64), records[:, 1] >> np.uint64(1)
            np.add.at(counts, words, values.astype(np.int64))
        return counts

    def _interpolate(self, adjusted: list[RecordStore]) -> list[RecordStore]:
        """n-grams of each order with probability and context's back-off weight, in reading order.

        Bigrams go first and by themselves: what follows one word is never large, and higher orders
        can then be cut between contexts of two words.
        """
        stores = self._stores()[: self.order]
        unigrams, probs = self._unigrams()
        stores[0].add(unigrams)
        if self.order == 1:
            return stores
        for parts in slices([adjusted[1]], [1], self._bits, self._share(4), self._threads):
            stores[1].add(self._interpolated(2, parts.pop(), unigrams, probs))
        columns = list(range(2, self.order))
        for parts in slices(
            adjusted[2:], columns, self._bits, self._share(4), self._threads, whole=2
        ):
            self._interpolate_part(parts, stores, probs)
        for store in adjusted:
            store.discard()
        return stores

    def _interpolate_part(
        self, parts: list[Records], stores: list[RecordStore], probs: npt.NDArray[np.float32]
    ) -> None:
        """Orders 3 and above of n-grams whose contexts end alike."""
        if not any(len(part) for part in parts):
            return
        shift = np.uint64(self._bits * (64 // self._bits - 1))
        first = min(part[0, 0] >> shift for part in parts if len(part))
        last = max(part[-1, 0] >> shift for part in parts if len(part))
        parents = stores[1].between(
            first << shift, last << shift | (np.uint64(1) << shift) - np.uint64(1)
        )
        for n, records in enumerate(parts, 3):
            parts[n - 3] = parents = self._interpolated(n, records, parents, probs)
            del records

        def reorder(n: int) -> Records:
            if n < 3:
                return np.empty((0, 2), np.uint64)
            counting.to_reading_order(parts[n - 3], n, self._bits)
            return sort_records(parts[n - 3], n - 2, self._bits)

        for n, records in self._each_order(reorder):
            if n > 2:
                stores[n - 1].add(records)
            del records

    def _unigrams(self) -> tuple[Records, npt.NDArray[np.float32]]:
        """Records of all words in id order, and their probabilities."""
        counts = self._unigram_counts
        discount = np.array(self._discounts[0])[np.minimum(counts, 3)]
        total = counts.sum()
        weight = discount.sum() / total
        probs = (counts - discount) / total
        if self.config.interpolate_unigrams:
            probs += weight / (len(counts) - 1)  # <s> is never predicted
        else:
            probs[UNK] += weight
        probs[BOS] = 1.0  # by lmplz's convention
        records = np.zeros((len(counts), 2), np.uint64)
        records[:, 0] = np.arange(len(counts), dtype=np.uint64) << np.uint64(
            self._bits * (64 // self._bits - 1)
        )
        records.view(np.float32)[:, 2] = probs
        return records, probs.astype(np.float32)

    def _interpolated(
        self, n: int, records: Records, parents: Records, unigram_probs: npt.NDArray[np.float32]
    ) -> Records:
        lower = unigram_probs if n == 2 else np.zeros(len(self.words), np.float32)
        kept = counting.interpolate(
            records=records,
            floats=records.view(np.float32),
            n=n,
            bits=self._bits,
            context_masks=counting.prefix_masks(n - 1, self._bits),
            discounts=np.array(self._discounts[n - 1]),
            parents=parents,
            parent_floats=parents.view(np.float32),
            parent_masks=counting.prefix_masks(max(n - 2, 1), self._bits),
            lower=lower,
        )
        return records[:kept]

    def sections(self) -> Iterator[_Section]:
        """(order, ids, log10 probabilities, log10 back-offs) of all n-grams, in the order of an
        ARPA file.
        """
        empty = RecordStore(
            self.workspace, key_width(min(self.order + 1, MAX_ORDER), self._bits) + 1
        )
        for n in range(1, self.order + 1):
            pair = [self._store[n - 1], self._store[n] if n < self.order else empty]
            columns = [max(0, n - 2), max(0, n - 1)]
            for parts in slices(
                pair, columns, self._bits, self._share(4), self._threads, whole=min(n, 2)
            ):
                yield self._finished(n, *parts)
                del parts[:]

    def _finished(self, n: int, records: Records, longer: Records) -> _Section:
        rows, probs = np.empty((len(records), n), np.int32), np.empty(len(records), np.float32)
        backoffs = np.empty(len(records), np.float32)
        masks = counting.prefix_masks(n, self._bits)
        floats = records.view(np.float32), longer.view(np.float32)
        counting.finish(
            records=records,
            floats=floats[0],
            n=n,
            bits=self._bits,
            masks=masks,
            longer=longer,
            longer_floats=floats[1],
            rows=rows,
            log10_probs=probs,
            log10_backoffs=backoffs,
        )
        return n, rows, probs, backoffs


def _load_kernels() -> None:
    """Compile or load every kernel by estimating a tiny model."""
    estimate([["a b c"]], 3, notify=lambda note: None)


def _trimmed(records: Records, used: int) -> Records:
    """The used part. Pages behind it were never touched and cost nothing."""
    return records[:used]


def _kept_words(
    words: list[str], counts: npt.NDArray[np.int64], config: EstimateConfig
) -> npt.NDArray[np.bool_]:
    kept = np.ones(len(words), np.bool_)
    if config.vocabulary is not None:
        allowed = _read_vocabulary(config.vocabulary)
        kept = np.fromiter((word in allowed for word in words), np.bool_, len(words))
        if not kept.any():
            raise LanguageModelError(
                "No word of the vocabulary occurs in the text.", "Compare their spelling and case."
            )
    if config.max_words is not None:
        ranked = np.argsort(np.where(kept, -counts, 1)[3:], kind="stable") + 3
        kept[ranked[config.max_words :]] = False
    kept[: len(SPECIAL_WORDS)] = True
    return kept


def _read_vocabulary(vocabulary: str | os.PathLike[str] | Iterable[str]) -> set[str]:
    if not isinstance(vocabulary, (str, os.PathLike)):
        return set(map(nfc, vocabulary))
    return set(read_words(Path(vocabulary), "a file of words"))
