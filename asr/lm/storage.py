"""Sorted records in memory or, if memory is limited, in temporary files."""

from __future__ import annotations

import itertools
import re
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from asr.errors import LanguageModelError
from asr.kernels import kernel
from asr.lm.sorting import Records, sort_records

__all__ = ["RecordStore", "TokenStore", "Workspace", "parse_memory", "slices"]

_SAMPLE_STEP = 1024  # records between two sampled keys of a run on disk
_MOST = np.uint64(2**64 - 1)
_UNITS = {
    "": 1,
    "k": 10**3,
    "m": 10**6,
    "g": 10**9,
    "t": 10**12,
    "ki": 2**10,
    "mi": 2**20,
    "gi": 2**30,
    "ti": 2**40,
}


def parse_memory(text: str | int) -> int:
    """Return the bytes of a size such as ``500MB``, ``2G``, ``1.5GiB`` or a plain number.

    Raises:
        LanguageModelError: the text is not a size.
    """
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([kmgt]i?)?b?\s*", str(text).lower())
    if match is None:
        raise LanguageModelError(
            f"{text!r} is not a memory size.", "Give a number with a unit, such as 500MB or 2GB."
        )
    return int(float(match[1]) * _UNITS[match[2] or ""])


class Workspace:
    """Memory limit of the n-gram tables, and a folder for tables that exceed it.

    Attributes:
        limit: bytes, or None for no limit.
        spills: whether tables are on disk; decided once the number of tokens is known.
    """

    def __init__(self, limit: int | None, folder: str | Path | None = None) -> None:
        self.limit, self.spills = limit, False
        self._parent, self._files = folder, 0
        self._folder: tempfile.TemporaryDirectory[str] | None = None

    def __enter__(self) -> Workspace:
        return self

    def __exit__(self, *_: object) -> None:
        if self._folder is not None:
            self._folder.cleanup()

    def new_file(self) -> Path:
        """Return the path of a new temporary file; all are deleted when the workspace closes."""
        if self._folder is None:
            self._folder = tempfile.TemporaryDirectory(prefix="asr-lm-", dir=self._parent)
        self._files += 1
        return Path(self._folder.name) / str(self._files)


class TokenStore:
    """Word ids of the whole text, in blocks of whole sentences."""

    def __init__(self, workspace: Workspace) -> None:
        self.count = 0
        self._workspace, self._held = workspace, 0
        self._blocks: list[npt.NDArray[np.int32]] = []
        self._file: Path | None = None
        self._bounds = [0]

    def add(self, ids: npt.NDArray[np.int32]) -> None:
        """Append one block."""
        self.count += len(ids)
        self._blocks.append(ids.copy())  # a view would keep the caller's larger array
        self._held += len(ids)
        limit = self._workspace.limit
        if limit is not None and (self._file is not None or 16 * self._held > limit):
            self._flush()

    def _flush(self) -> None:
        self._file = self._file or self._workspace.new_file()
        with self._file.open("ab") as file:
            for block in self._blocks:
                block.tofile(file)
                self._bounds.append(self._bounds[-1] + len(block))
        self._blocks, self._held = [], 0

    def __iter__(self) -> Iterator[npt.NDArray[np.int32]]:
        if self._file is not None:
            for start, end in itertools.pairwise(self._bounds):
                yield np.fromfile(self._file, np.int32, end - start, offset=4 * start)
        yield from self._blocks


@kernel
def _lower_bound(records: Records, first: np.uint64) -> int:
    """Return the number of records whose first key word is less than ``first``."""
    low, high = 0, len(records)
    while low < high:
        middle = (low + high) >> 1
        if records[middle, 0] < first:
            low = middle + 1
        else:
            high = middle
    return low


class RecordStore:
    """Runs of sorted records (count, width); among equal records, earlier runs come first."""

    def __init__(self, workspace: Workspace, width: int) -> None:
        self.width, self.count = width, 0
        self._runs: list[Records] = []
        # First key word of every _SAMPLE_STEP-th record, per run on disk.
        self._samples: list[npt.NDArray[np.uint64]] = []
        self._file = workspace.new_file() if workspace.spills else None
        self._bounds = [0]

    def add(self, records: Records) -> None:
        """Append a sorted run; the store takes ownership of the array."""
        self.count += len(records)
        if self._file is None:
            self._runs.append(records)
        elif len(records):
            with self._file.open("ab") as file:
                records.tofile(file)
            self._bounds.append(self._bounds[-1] + len(records))
            self._samples.append(records[::_SAMPLE_STEP, 0].copy())

    def find(self, first: int | np.uint64) -> list[int]:
        """Return, for each run, the number of records whose first key word is below ``first``."""
        key = np.uint64(first)
        if self._file is None or not self._samples:
            return [_lower_bound(run, key) for run in self._runs]
        mapped = np.memmap(self._file, np.uint64, "r").reshape(-1, self.width)
        return [
            self._find_on_disk(mapped[a:b], sample, key)
            for (a, b), sample in zip(itertools.pairwise(self._bounds), self._samples, strict=True)
        ]

    @staticmethod
    def _find_on_disk(run: Records, sample: npt.NDArray[np.uint64], key: np.uint64) -> int:
        """Return _lower_bound of a mapped run, reading few pages: they count as our memory."""
        end = int(np.searchsorted(sample, key)) * _SAMPLE_STEP
        start = max(0, end - _SAMPLE_STEP)
        return start + _lower_bound(run[start:end], key)

    def ends(self) -> list[int]:
        """Return the number of records in each run."""
        if self._file is None:
            return [len(run) for run in self._runs]
        lengths: list[int] = np.diff(self._bounds).tolist()
        return lengths

    def load(self, starts: Sequence[int], ends: Sequence[int]) -> list[Records]:
        """Return the given part of each run, in memory."""
        if self._file is None:
            return [run[a:b] for run, a, b in zip(self._runs, starts, ends, strict=True)]
        return [
            self._read(bound + a, b - a)
            for bound, a, b in zip(self._bounds, starts, ends, strict=False)
        ]

    def _read(self, start: int, count: int) -> Records:
        assert self._file is not None
        flat = np.fromfile(self._file, np.uint64, count * self.width, offset=8 * start * self.width)
        return flat.reshape(-1, self.width)

    def between(self, first: np.uint64, last: np.uint64) -> Records:
        """Return records with ``first <= first key word <= last``; all runs together are sorted."""
        ends = self.ends() if last == _MOST else self.find(last + np.uint64(1))
        parts = self.load(self.find(first), ends)
        if len(parts) == 1:
            return parts[0]
        return np.concatenate([np.empty((0, self.width), np.uint64), *parts])

    def runs(self) -> list[Records]:
        """Return all runs in memory, not copied; discard the store before changing them."""
        return self._runs

    def discard(self) -> None:
        """Free the records."""
        self._runs, self._bounds, self._samples = [], [0], []
        if self._file is not None:
            self._file.unlink(missing_ok=True)


def slices(
    stores: Sequence[RecordStore],
    columns: Sequence[int],
    bits: int,
    limit: int | None,
    threads: int = 1,
    whole: int = 1,
) -> Iterator[list[Records]]:
    """Split all stores at the same keys; yield, in ascending order, each store's sorted part.

    Each part is sorted by the first ``columns`` fields, stably across runs. Without a limit there
    is one part. With a limit, the parts of all stores take at most ``limit`` bytes together, and
    records that agree in the first ``whole`` fields (1 or 2) are in the same part.

    Raises:
        LanguageModelError: records that must be in the same part exceed the limit.
    """
    if limit is None:
        yield [
            _merge(list(s.runs()), s.width, c, bits, threads)
            for s, c in zip(stores, columns, strict=True)
        ]
        return
    shift, last = bits * (64 // bits - whole), 1 << (whole * bits)
    low, starts = 0, [store.find(0) for store in stores]
    while low < last:
        low, ends = _next_cut(stores, starts, low=low, last=last, shift=shift, limit=limit)
        yield [
            _merge(store.load(a, b), store.width, c, bits, threads)
            for store, c, a, b in zip(stores, columns, starts, ends, strict=True)
        ]
        starts = ends


def _next_cut(
    stores: Sequence[RecordStore],
    starts: list[list[int]],
    low: int,
    last: int,
    shift: int,
    limit: int,
) -> tuple[int, list[list[int]]]:
    """Return the highest cut up to which the records fit into the limit, and its place per run."""

    def measure(high: int) -> tuple[int, list[list[int]]]:
        ends = [store.find(high << shift) if high < last else store.ends() for store in stores]
        counts = [sum(e) - sum(s) for s, e in zip(starts, ends, strict=True)]
        return sum(
            8 * store.width * count for store, count in zip(stores, counts, strict=True)
        ), ends

    needed, ends = measure(last)
    if needed <= limit:
        return last, ends
    fits, over = low, last
    while over - fits > 1:
        middle = (fits + over) // 2
        if measure(middle)[0] <= limit:
            fits = middle
        else:
            over = middle
    if fits == low:
        raise LanguageModelError(
            "The memory limit is too small: n-grams that are processed together take "
            f"{measure(over)[0] / 1e6:.1f} MB, and {limit / 1e6:.1f} MB are left for them.",
            "Give more memory.",
        )
    return fits, measure(fits)[1]


def _merge(runs: list[Records], width: int, columns: int, bits: int, threads: int) -> Records:
    """Return one sorted array; ``runs`` is emptied, so that at most two copies exist at a time."""
    if not runs:
        return np.empty((0, width), np.uint64)
    if len(runs) == 1:
        return runs[0]
    merged = np.concatenate(runs)
    runs.clear()
    return sort_records(merged, columns, bits, threads) if columns else merged
