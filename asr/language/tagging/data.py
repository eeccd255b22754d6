"""Tagged sentences: from JSON lines and CoNLL columns, from callers, and a part held out."""

from __future__ import annotations

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
    its tag a line; blank lines part sentences.

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
    sentences: list[list[str]] = [[]]
    tags: list[list[str]] = [[]]
    for number, line in enumerate(iter_lines(path, NEEDED), 1):
        columns = line.split()
        if not columns:  # a blank line ends the sentence
            if sentences[-1]:
                sentences.append([])
                tags.append([])
        elif columns[0] != "-DOCSTART-":
            if len(columns) < 2:
                raise DataError(
                    f"{path}, line {number}: needed a word and its tag, found {line[:60]!r}."
                )
            sentences[-1].append(columns[0])
            tags[-1].append(columns[-1])
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
