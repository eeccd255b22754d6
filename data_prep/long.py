"""Recordings of hours and their texts, such as audiobooks: a corpus of utterances.

The recordings are not copied: an utterance is a stretch of its recording.
"""

from __future__ import annotations

import hashlib
import json
import sys
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from asr.audio.shar import file_of
from asr.config import as_dict
from asr.errors import AsrError, DataError
from asr.files import atomic_write_text
from asr.lines import read_text
from asr.model_folder import DEFAULT_MODEL, INDEX, open_model
from asr.speech.aligner import AlignmentConfig
from asr.speech.jobs.align import GREEDY, read_items, say_unknown
from asr.speech.options import ModelOptions
from asr.speech.recognizer import open_recognizer
from asr.text.said import said_words
from data_prep.cutting import CuttingConfig, Passage, cut, spoken_words
from data_prep.pronounce import say_by_letters
from data_prep.splits import split_by_share
from data_prep.store import Utterance
from data_prep.workers import Workers

__all__ = ["LongConfig", "read_long"]

CUT = "long"  # folder of what was cut, so that a run that was stopped goes on
DROPPED = "dropped.tsv"


@dataclass(frozen=True)
class LongConfig:
    """How recordings are aligned and cut.

    Attributes:
        model: name or folder of the speech model.
        normalizer: makes the text what is said.
        cutting: how utterances are cut.
    """

    model: str = DEFAULT_MODEL
    normalizer: str = "librispeech"
    cutting: CuttingConfig = field(default_factory=CuttingConfig)


@dataclass(frozen=True)
class Book:
    """A recording and its text.

    Attributes:
        audio: path.
        text: all of it.
        name: begins the ids of its utterances.
    """

    audio: str
    text: str
    name: str


def read_long(
    source: str | Path,
    text: str | Path | None,
    output_dir: str | Path,
    config: LongConfig | None = None,
    *,
    dev_share: float = 0.0,
    test_share: float = 0.0,
    jobs: int = 0,
) -> dict[str, list[Utterance]]:
    """Return the utterances of long recordings by split; say on standard error what is dropped.

    ``output_dir`` gets ``dropped.tsv`` with every passage that is dropped, and why, and ``long``
    with what was cut, so that a run that was stopped goes on. The name of a recording is the
    speaker of its utterances.

    Args:
        source: a recording, or a table ``path<TAB>text``, whose texts may be paths of .txt files.
        text: of a recording: a path of a .txt file, or the text.
        output_dir: of the corpus.
        config: how recordings are aligned and cut.
        dev_share: see :func:`data_prep.splits.split_by_share`; 0 by default, as an utterance of
            the same book is no test of another one.
        test_share: see :func:`data_prep.splits.split_by_share`.
        jobs: processes, one a recording; 0: one a core.

    Raises:
        DataError: no text, a recording that cannot be aligned with its text, or nothing is kept.
    """
    config, folder = config or LongConfig(), Path(output_dir)
    books = list(_books(Path(source).absolute(), None if text is None else str(text)))
    with Workers(jobs) as workers:
        passages = list(workers.map(partial(_cut_book, config=config, folder=folder), books))
    _report(books, passages, folder / DROPPED)
    kept = [u for book, own in zip(books, passages, strict=True) for u in _utterances(book, own)]
    if not kept:
        raise DataError(
            f"Nothing of {source} is kept; {folder / DROPPED} says why.",
            "Check that text and recording belong together, and the language of the model.",
        )
    if dev_share or test_share:
        return split_by_share(kept, dev_share, test_share)
    return {"train": kept}


def _books(source: Path, text: str | None) -> Iterable[Book]:
    for item in read_items(str(source), text):
        audio, rate = item.load()
        if rate is not None:
            raise DataError(
                f"{source} is a manifest of cuts.", "Give a recording, or a table path<TAB>text."
            )
        given = item.text.strip()
        if text is None and given.lower().endswith(".txt"):
            given = read_text(source.parent / given, "the text of a recording")
        name = item.name.with_suffix("").as_posix().replace("/", "-")
        yield Book(str(audio), given, "_".join(name.split()))


def _cut_book(book: Book, config: LongConfig, folder: Path) -> list[Passage]:
    """Return the passages of a recording; those of an earlier run where nothing has changed."""
    path = folder / CUT / f"{book.name}.json"
    digest = _digest(book, config)
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if content["settings"] == digest:
            return [Passage(**passage) for passage in content["passages"]]
    except (OSError, ValueError, KeyError, TypeError):
        pass  # not cut yet, or by a run that was stopped
    try:
        passages = _align(book, config)
    except AsrError as error:
        raise DataError(f"{book.audio}: {error.message}", error.remedy) from error
    rows: list[dict[str, Any]] = [asdict(passage) for passage in passages]
    content = {"settings": digest, "passages": rows}
    atomic_write_text(path, json.dumps(content, ensure_ascii=False, indent=1) + "\n")
    return passages


def _digest(book: Book, config: LongConfig) -> str:
    stat = file_of(book.audio).stat()
    model = (open_model(config.model, task="ctc").path / INDEX).read_text(encoding="utf-8")
    facts = [book.audio, stat.st_size, stat.st_mtime_ns, book.text, as_dict(config), model]
    return hashlib.sha256(json.dumps(facts, default=str, sort_keys=True).encode()).hexdigest()


def _align(book: Book, config: LongConfig) -> list[Passage]:
    recognizer = open_recognizer(ModelOptions(config.model, decoding=GREEDY, threads=1))
    words = said_words(book.text, config.normalizer)
    say_unknown(recognizer, [part for word in words for part in word.words], say_by_letters)
    partial_text = AlignmentConfig(partial=True)
    alignment = recognizer.align_said(book.audio, words, config=partial_text)
    return cut(spoken_words(words, alignment), alignment, config.cutting)


def _utterances(book: Book, passages: Sequence[Passage]) -> list[Utterance]:
    kept = [passage for passage in passages if not passage.reason]
    return [
        Utterance(
            f"{book.name}-{number:05d}",
            book.audio,
            passage.text,
            book.name,
            start_s=passage.start,
            duration_s=round(passage.end - passage.start, 3),
        )
        for number, passage in enumerate(kept)
    ]


def _report(books: Sequence[Book], passages: Sequence[Sequence[Passage]], path: Path) -> None:
    """Write what is dropped as a table, and its sums on standard error."""
    rows, seconds, counts = ["recording\tstart\tend\treason\ttext\n"], 0.0, Counter[str]()
    words = Counter[str]()
    for book, own in zip(books, passages, strict=True):
        for passage in own:
            words[passage.reason] += len(passage.text.split())
            if not passage.reason:
                seconds += passage.end - passage.start
                continue
            counts[passage.reason] += 1
            times = f"{passage.start:.2f}\t{passage.end:.2f}"
            rows.append(f"{book.name}\t{times}\t{passage.reason}\t{passage.text}\n")
    atomic_write_text(path, "".join(rows))
    print(f"kept: {words['']} words in {seconds / 3600:.2f} h", file=sys.stderr)
    for reason, count in counts.most_common():
        print(f"dropped: {count} passages, {words[reason]} words: {reason}", file=sys.stderr)
