"""Tagged sentences: from JSON lines and CoNLL columns, from callers, and a part held out."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from asr.errors import DataError
from asr.language.data import NEEDED, is_words, labels_of
from asr.lines import iter_lines, read_json_lines

__all__ = ["Sentences", "TaggedSentences", "hold_out", "make_tagged", "read_tagged", "word_lists"]

Sentences = Sequence[Sequence[str]]


@dataclass(frozen=True)
class TaggedSentences:
    """Sentences of words with their tags.

    Attributes:
        sentences: words of each.
        tags: a tag a word, or None where a file has none.
        labels: a label a sentence, or None.
    """

    sentences: list[list[str]]
    tags: list[list[str]] | None
    labels: list[str] | None

    def subset(self, numbers: Sequence[int]) -> TaggedSentences:
        """Return the sentences of these numbers."""
        tags = None if self.tags is None else [self.tags[i] for i in numbers]
        labels = None if self.labels is None else [self.labels[i] for i in numbers]
        return TaggedSentences([self.sentences[i] for i in numbers], tags, labels)


def read_tagged(path: str | Path) -> TaggedSentences:
    """Return the sentences of a .jsonl file or of CoNLL columns.

    JSON lines hold ``tokens``, ``tags`` and perhaps ``label``. CoNLL columns hold a word and, last,
    its tag a line; blank lines part sentences. CoNLL-U holds words in its second of ten columns and
    their tags in its fourth.

    Raises:
        DataError: the file is missing, empty or malformed, or words and tags differ in number; the
            line is named.
    """
    path = Path(path)
    data = _tagged_json(path) if path.suffix in (".jsonl", ".json") else _tagged_columns(path)
    if not data.sentences:
        raise DataError(f"{path} holds no sentences.", "Give at least one.")
    return data


def _tagged_json(path: Path) -> TaggedSentences:
    rows = list(read_json_lines(path, NEEDED))
    for number, row in rows:
        fields: dict[str, Any] = row if isinstance(row, dict) else {}
        tokens, tags = fields.get("tokens"), fields.get("tags")
        if not is_words(tokens) or not (tags is None or is_words(tags)):
            raise DataError(f"{path}, line {number}: needed lists of texts under tokens and tags.")
        if tags is not None and len(tags) != len(tokens):
            raise DataError(
                f"{path}, line {number}: {len(tokens)} tokens and {len(tags)} tags.",
                "Give one tag each.",
            )
    has_tags = any(row.get("tags") is not None for _, row in rows)
    lacking = next((number for number, row in rows if has_tags and row.get("tags") is None), None)
    if lacking is not None:
        raise DataError(f"{path}, line {lacking}: no tags.", "Tag every sentence or none.")
    all_tags = [row["tags"] for _, row in rows] if has_tags else None
    labels = labels_of(path, rows, "label") if rows else None
    return TaggedSentences([row["tokens"] for _, row in rows], all_tags, labels)


def _tagged_columns(path: Path) -> TaggedSentences:
    rows = [(n, _cells(line)) for n, line in enumerate(iter_lines(path, NEEDED), 1)]
    universal = path.name.lower().removesuffix(".gz").endswith((".conllu", ".conllup"))
    if universal or _is_universal([cells for _, cells in rows]):
        rows = [(n, cells) for n, cells in rows if not cells or not cells[0].startswith("#")]
        rows = _word_and_tag(path, rows)
    widths = {len(cells): n for n, cells in reversed(rows) if cells and cells[0] != "-DOCSTART-"}
    if len(widths) > 1 or 1 in widths:
        number = max(widths.values())
        raise DataError(
            f"{path}, line {number}: needed a word and its tag in as many columns as in the line "
            f"before, found {' '.join(dict(rows)[number])[:60]!r}.",
            "Separate columns by tabs, or by blanks where no word holds one.",
        )
    return _sentences([cells for _, cells in rows])


def _cells(line: str) -> list[str]:
    """Return the columns of a line; only tabs part them where there are any.

    A no-break space is part of a word.
    """
    content = line.strip("\t ")
    return content.split("\t") if "\t" in content else re.findall("[^ ]+", content)


def _is_universal(rows: Sequence[list[str]]) -> bool:
    """Whether rows are CoNLL-U: comments, then words by number in ten columns."""
    words = [cells for cells in rows if cells and not cells[0].startswith("#")]
    return bool(words) and all(len(cells) == 10 and cells[0][0].isdigit() for cells in words)


def _word_and_tag(path: Path, rows: Sequence[tuple[int, list[str]]]) -> list[tuple[int, list[str]]]:
    """Return words with their part of speech (UPOS) of CoNLL-U.

    Words in one (``1-2  don't``) and left-out ones (``1.1``) are no words of their own.
    """
    kept: list[tuple[int, list[str]]] = []
    for number, cells in rows:
        if not cells:
            kept.append((number, []))
        elif len(cells) != 10 or not re.fullmatch(r"\d+([-.]\d+)?", cells[0]) or cells[3] == "":
            raise DataError(
                f"{path}, line {number}: needed the ten columns of CoNLL-U, found "
                f"{' '.join(cells)[:60]!r}."
            )
        elif cells[0].isdecimal():
            if cells[3] == "_":
                raise DataError(
                    f"{path}, line {number}: {cells[1]!r} has no part of speech (UPOS).",
                    "Tag every word.",
                )
            kept.append((number, [cells[1], cells[3]]))
    return kept


def _sentences(rows: Sequence[list[str]]) -> TaggedSentences:
    sentences: list[list[str]] = [[]]
    tags: list[list[str]] = [[]]
    for cells in rows:
        if not cells:  # a blank line ends the sentence
            sentences.append([])
            tags.append([])
        elif cells[0] != "-DOCSTART-":
            sentences[-1].append(cells[0])
            tags[-1].append(cells[-1])
    return TaggedSentences([s for s in sentences if s], [t for t in tags if t], None)


def word_lists(sentences: Any) -> list[list[str]]:
    """Return sentences that a caller gave as lists of words.

    Raises:
        DataError: a sentence is one text.
    """
    rows = []
    for number, sentence in enumerate(sentences, 1):
        if isinstance(sentence, str):
            raise DataError(
                f"Sentence {number} is one text, {sentence[:40]!r}.",
                "Give a list of words: text.split().",
            )
        rows.append([str(word) for word in sentence])
    return rows


def make_tagged(
    sentences: Sentences, tags: Sentences, labels: Sequence[str] | None = None
) -> TaggedSentences:
    """Return checked training data.

    Raises:
        DataError: numbers differ, a sentence is one text, or there is no word.
    """
    data = TaggedSentences(
        word_lists(sentences), word_lists(tags), None if labels is None else list(labels)
    )
    for what, given in (("tag sequences", data.tags), ("labels", data.labels)):
        if given is not None and len(given) != len(data.sentences):
            raise DataError(
                f"There are {len(data.sentences)} sentences and {len(given)} {what}.",
                "Give one each.",
            )
    if not any(data.sentences):
        raise DataError("There are no words to learn from.", "Give sentences with words.")
    return data


def hold_out(
    data: TaggedSentences, share: float, seed: int
) -> tuple[TaggedSentences, TaggedSentences]:
    """Return the sentences to train on, and ``share`` of them, one at least, set aside.

    Raises:
        DataError: there are too few to set any aside.
    """
    total = len(data.sentences)
    order = np.random.default_rng(seed).permutation(total)
    count = max(1, round(share * total))
    if count >= total:
        raise DataError(
            f"{total} sentences are too few to hold some out.", "Give more, or dev sentences."
        )
    train, dev = sorted(order[count:].tolist()), sorted(order[:count].tolist())
    return data.subset(train), data.subset(dev)
