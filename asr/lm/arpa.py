"""Read and write ARPA files."""

from __future__ import annotations

import concurrent.futures
import contextlib
import gzip
import re
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, NamedTuple, NoReturn

import numpy as np
import numpy.typing as npt

from asr.errors import LanguageModelError
from asr.files import atomic_path
from asr.lm import arpa_kernels as kernels
from asr.lm.closure import close_prefixes
from asr.lm.model import MAX_ORDER, SPECIAL_WORDS, NgramModel
from asr.lm.sorting import is_sorted, sorted_row_order

__all__ = ["ArpaWriter", "arpa_writer", "read_arpa", "write_arpa"]

_MISSING_UNK_LOG10_PROB = -100.0  # as KenLM assumes if a model does not list <unk>
_BLOCK = 1 << 24  # bytes of text that are written at a time
_COUNT_LINE = re.compile(r"ngram\s+(\d+)\s*=\s*(\d{1,15})")
_IMPOSSIBLE = re.compile(rb"^-inf(?=[ \t])", re.MULTILINE)
_BOM = b"\xef\xbb\xbf"
_REMEDY = "The file is malformed or truncated; create it again."


def read_arpa(path: str | Path) -> NgramModel:
    """Return the model of an ARPA file of order 1-6, plain or gzipped (detected by content).

    All scores equal those of the file. Rows are sorted; missing prefixes of n-grams are added with
    their backed-off probabilities; a missing ``<unk>`` gets log10 probability -100, as in KenLM.
    ``<UNK>`` is read as ``<unk>``. Text before ``\\data\\`` is skipped. A log10 probability of -inf
    becomes -99, as SRILM writes it, and of a ``<s>`` or ``</s>`` that is listed twice the first
    counts, as in KenLM.

    Raises:
        LanguageModelError: the file is missing, damaged or malformed; the message names the line.
    """
    path = Path(path)
    return _Reader(path, _load(path)).read()


def _load(path: Path) -> bytes:
    try:
        text = path.read_bytes()
        if text[:2] == b"\x1f\x8b":
            text = gzip.decompress(text)
    except (OSError, EOFError, zlib.error) as error:
        raise LanguageModelError(f"Cannot read {path}: {error}.") from None
    if text.startswith(b"mmap lm http://kheafield.com/code"):
        raise LanguageModelError(
            f"{path} is a KenLM binary, not ARPA text.", "Give the file that it was built from."
        )
    if text.startswith(b"asr-lm\0"):
        raise LanguageModelError(
            f"{path} is a compiled model, not ARPA text.", "Give the file it was compiled from."
        )
    if text.startswith(b"asr-ngr"):
        raise LanguageModelError(
            f"{path} is a compact model, not ARPA text.", "Read it with read_model."
        )
    text = text.removeprefix(_BOM)
    return _IMPOSSIBLE.sub(b"-99", text) if b"-inf" in text else text


class _Reader:
    """Parses the text of an ARPA file in one pass."""

    def __init__(self, path: Path, text: bytes) -> None:
        self.path, self.text, self.data = path, text, np.frombuffer(text, np.uint8)
        self.position = 0  # start of the next line
        self.start = 0  # start of the last line that was read
        self.dropped = 0  # lines that were taken out before it

    def read(self) -> NgramModel:
        counts = self._header()
        vocabulary, unigrams = self._unigrams(counts[0], len(counts) > 1)
        sections = [unigrams]
        for n, count in enumerate(counts[1:], 2):
            sections.append(self._ngrams(n, count, n < len(counts), vocabulary))
        line = self._next_line()
        if line != "\\end\\":
            self._fail(
                f"expected \\end\\ after the number of n-grams in the header, found {_quoted(line)}"
            )
        return close_prefixes(
            NgramModel(vocabulary.words, *(list(arrays) for arrays in zip(*sections, strict=True)))
        )

    def _fail(self, problem: str, position: int | None = None, lines_on: int = 0) -> NoReturn:
        end = self.start if position is None else position
        line = 1 + self.text.count(b"\n", 0, end) + lines_on + self.dropped
        raise LanguageModelError(f"{self.path}, line {line}: {problem}.", _REMEDY)

    def _line_at(self, position: int) -> tuple[str, int]:
        """Return the stripped line at a position, and the position of the next line."""
        end = self.text.find(b"\n", position)
        end = len(self.text) if end < 0 else end
        return self.text[position:end].strip().decode("utf-8", "replace"), end + 1

    def _next_line(self) -> str | None:
        """Return the next line that is not blank; None at the end."""
        while self.position < len(self.text):
            self.start = self.position
            line, self.position = self._line_at(self.position)
            if line:
                return line
        self.start = len(self.text)
        return None

    def _header(self) -> list[int]:
        line = self._next_line()
        while line is not None and line != "\\data\\":
            line = self._next_line()
        if line is None:
            raise LanguageModelError(
                f"{self.path} is not an ARPA file: it has no line \\data\\.", "Give an ARPA model."
            )
        counts: list[int] = []
        while (line := self._next_line()) is not None and (match := _COUNT_LINE.fullmatch(line)):
            counts.append(int(match[2]))
            if int(match[1]) != len(counts):
                self._fail(f"expected the number of {len(counts)}-grams, found {_quoted(line)}")
        if not 1 <= len(counts) <= MAX_ORDER:
            self._fail(
                f"expected between 1 and {MAX_ORDER} lines 'ngram N=COUNT' after \\data\\, found "
                f"{len(counts)}"
            )
        for n, count in enumerate(counts, 1):
            if count * (2 * n + 1) > len(self.data):
                self._fail(
                    f"the header announces {count} {n}-grams, more than fit into "
                    f"{len(self.text)} bytes"
                )
        self.position = self.start  # the line after the counts begins the first section
        return counts

    def _open_section(self, n: int) -> int:
        line = self._next_line()
        if line != f"\\{n}-grams:":
            self._fail(
                f"expected \\{n}-grams: after the number of n-grams in the header, found "
                f"{_quoted(line)}"
            )
        return self.position

    def _check(self, result: tuple[int, int, int], n: int, count: int) -> None:
        status, read, position = result
        if status == kernels.OK:
            self.position = position
            return
        line, words = _quoted(self._line_at(position)[0]), f"{n} word{'s'[: n > 1]}"
        problems = {
            kernels.END_OF_FILE: f"the file ends after {read} of {count} {n}-grams",
            kernels.BLANK_LINE: f"expected {count} {n}-grams, found {read}",
            kernels.BAD_PROB: f"expected a log10 probability first, found {line}",
            kernels.POSITIVE_PROB: f"a log10 probability is greater than 0: {line}",
            kernels.FEW_WORDS: f"expected {words} behind the log10 probability, found {line}",
            kernels.UNKNOWN_WORD: f"a word is not among the unigrams: {line}",
            kernels.BAD_BACKOFF: f"expected a back-off weight behind {words}, found {line}",
            kernels.EXTRA_FIELD: f"expected nothing more behind {words} (and back-off weight), "
            f"found {line}",
            kernels.REPEATED_WORD: f"this unigram was listed before: {line}",
        }
        self._fail(problems[status], position)

    def _unigrams(self, count: int, has_backoff: bool) -> tuple[_Vocabulary, _Section]:
        start = self._open_section(1)
        while True:
            spans = np.zeros((count, 2), np.int64)
            probs, backoffs = np.empty(count, np.float32), np.empty(count, np.float32)
            table = np.full(1 << max(4, (2 * count).bit_length()), -1, np.int32)
            result = kernels.parse_unigrams(
                self.data,
                start,
                has_backoff=has_backoff,
                spans=spans,
                probs=probs,
                backoffs=backoffs,
                table=table,
            )
            if result[0] != kernels.REPEATED_WORD or not self._drop_end(result[2]):
                break
            count -= 1
        self._check(result, 1, count)
        words, listed = self._special_first(self._decode(spans))
        ids = np.empty(count, np.int32)
        present = listed >= 0
        ids[listed[present]] = np.flatnonzero(present)
        rows = np.arange(len(words), dtype=np.int32)[:, None]
        ordered = np.where(present, probs[listed], np.float32(_MISSING_UNK_LOG10_PROB))
        section = rows, ordered, np.where(present, backoffs[listed], np.float32(0))
        return _Vocabulary(words, spans, table, ids), section

    def _drop_end(self, position: int) -> bool:
        """Take out the line at a position if it lists the end or the start of a sentence."""
        line, after = self._line_at(position)
        if line.split()[1] not in SPECIAL_WORDS[1:]:
            return False
        self.text = self.text[:position] + self.text[after:]
        self.data, self.dropped = np.frombuffer(self.text, np.uint8), self.dropped + 1
        return True

    def _decode(self, spans: npt.NDArray[np.int64]) -> list[str]:
        words: list[str] = []
        try:
            words.extend(self.text[start:end].decode() for start, end in spans.tolist())
        except UnicodeDecodeError:
            self._fail("this unigram is not valid UTF-8", int(spans[len(words), 0]))
        return words

    def _special_first(self, listed: list[str]) -> tuple[list[str], npt.NDArray[np.int64]]:
        """Return the words, the three special ones first, and each word's row in the file.

        -1: the file does not list the word.
        """
        places = {word: row for row, word in enumerate(listed) if word in (*SPECIAL_WORDS, "<UNK>")}
        places.setdefault("<unk>", places.pop("<UNK>", -1))
        for special in SPECIAL_WORDS[1:]:
            if special not in places:
                self._fail(f"there is no unigram {special}")
        front = [places[special] for special in SPECIAL_WORDS]
        rest = np.delete(np.arange(len(listed)), [row for row in front if row >= 0])
        words = [*SPECIAL_WORDS, *(listed[row] for row in rest.tolist())]
        return words, np.concatenate([np.array(front, np.int64), rest])

    def _ngrams(self, n: int, count: int, has_backoff: bool, vocabulary: _Vocabulary) -> _Section:
        start = self._open_section(n)
        rows = np.empty((count, n), np.int32)
        probs, backoffs = np.empty(count, np.float32), np.empty(count, np.float32)
        v = vocabulary
        result = kernels.parse_ngrams(
            self.data,
            start,
            has_backoff=has_backoff,
            spans=v.spans,
            table=v.table,
            row_ids=v.ids,
            rows=rows,
            probs=probs,
            backoffs=backoffs,
        )
        self._check(result, n, count)
        if not is_sorted(rows):
            order = sorted_row_order(rows, max(1, (len(v.words) - 1).bit_length()))
            rows, probs, backoffs = rows[order], probs[order], backoffs[order]
            repeated = np.flatnonzero((rows[1:] == rows[:-1]).all(axis=1))
            if len(repeated):
                self._fail(
                    f"this {n}-gram was listed before",
                    start,
                    lines_on=int(order[repeated + 1].min()),
                )
        return rows, probs, backoffs


class _Vocabulary(NamedTuple):
    words: list[str]
    spans: npt.NDArray[
        np.int64
    ]  # (unigrams in the file, 2), start and end of each word in the text
    table: npt.NDArray[np.int32]  # hash table of the file's unigrams
    ids: npt.NDArray[np.int32]  # word id of the file's unigrams


_Section = tuple[npt.NDArray[np.int32], npt.NDArray[np.float32], npt.NDArray[np.float32]]


def _quoted(line: str | None) -> str:
    if line is None:
        return "the end of the file"
    return repr(line if len(line) <= 80 else line[:77] + "...")


def write_arpa(model: NgramModel, path: str | Path, decimals: int = 7) -> None:
    """Write a model as ARPA text, atomically; gzipped if ``path`` ends in ``.gz``.

    Seven decimals keep float32 to within 5e-8. Three make a gzipped file a third smaller and do not
    change recognition results.

    Raises:
        LanguageModelError: the file cannot be written.
    """
    with arpa_writer(path, model.words, model.counts, decimals) as writer:
        for n in range(1, model.order + 1):
            writer.add(
                n, model.ngrams[n - 1], model.log10_probs[n - 1], model.log10_backoffs[n - 1]
            )


@contextlib.contextmanager
def arpa_writer(
    path: str | Path, words: Sequence[str], counts: Sequence[int], decimals: int = 7
) -> Iterator[ArpaWriter]:
    """Context manager: a writer of an ARPA file, which has written the header.

    The file appears when the block ends without an error.
    """
    try:
        with (
            atomic_path(path) as temporary,
            temporary.open("wb") as raw,
            contextlib.ExitStack() as stack,
        ):
            file: IO[bytes] | gzip.GzipFile = raw
            if str(path).endswith(".gz"):
                # Without name and time in the gzip header, equal models give equal files.
                file = stack.enter_context(gzip.GzipFile("", "wb", 6, raw, mtime=0))
            writer = stack.enter_context(ArpaWriter(file, words, len(counts), decimals))
            file.write(
                b"\\data\\\n"
                + b"".join(b"ngram %d=%d\n" % pair for pair in enumerate(counts, 1))
                + b"\n"
            )
            yield writer
            writer.close()
    except OSError as error:
        raise LanguageModelError(f"Cannot write {path}: {error}.") from None


class ArpaWriter:
    """Writes n-grams by ascending order, each order in any number of parts; see `arpa_writer`."""

    def __init__(
        self, file: IO[bytes] | gzip.GzipFile, words: Sequence[str], order: int, decimals: int
    ) -> None:
        encoded = [word.encode() for word in words]
        self._file, self._order, self._n, self._decimals = file, order, 0, decimals
        self._text = np.frombuffer(b"".join(encoded), np.uint8)
        self._starts = np.concatenate([[0], np.cumsum([len(word) for word in encoded])]).astype(
            np.int64
        )
        size = _BLOCK + order * max(map(len, encoded))
        # Two blocks: one is filled while the other is written by the thread.
        self._blocks = [np.empty(size, np.uint8), np.empty(size, np.uint8)]
        self._pool = concurrent.futures.ThreadPoolExecutor(1)
        self._pending: concurrent.futures.Future[int] | None = None

    def __enter__(self) -> ArpaWriter:
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.shutdown()

    def _write(self, data: bytes | memoryview) -> None:
        """Pass data to the writing thread, once the previous write has succeeded."""
        if self._pending is not None:
            self._pending.result()
        self._pending = self._pool.submit(self._file.write, data)

    def add(
        self,
        n: int,
        rows: npt.NDArray[np.int32],
        log10_probs: npt.NDArray[np.float32],
        log10_backoffs: npt.NDArray[np.float32],
    ) -> None:
        """Write n-grams (count, n); orders must ascend.

        Back-off weights of the highest order are not written.
        """
        if n > self._n:
            self._write(b"\n" * (n > 1) + b"\\%d-grams:\n" % n)
            self._n = n
        done = 0
        while done < len(rows):
            self._blocks.reverse()
            block = self._blocks[0]
            done, used = kernels.print_ngrams(
                rows,
                log10_probs,
                log10_backoffs,
                has_backoff=n < self._order,
                text=self._text,
                text_starts=self._starts,
                decimals=self._decimals,
                first=done,
                out=block,
            )
            self._write(block[:used].data)

    def close(self) -> None:
        """Write the end mark; raises the error of a failed write."""
        self._write(b"\n\\end\\\n")
        assert self._pending is not None
        self._pending.result()
