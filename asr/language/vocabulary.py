"""Vocabulary: words or characters <-> ids; id 0 is padding, id 1 the unknown item."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

from asr.errors import TokenError
from asr.files import atomic_write_text

__all__ = ["PAD", "UNK", "ItemVocabulary"]

PAD, UNK = 0, 1
SPECIAL = ("<pad>", "<unk>")


class ItemVocabulary:
    """Known items in a fixed order.

    Args:
        items: in the order of their ids, without the two special ones, which come first.

    Attributes:
        items: item of every id.
        ids: id of every item.

    Example:
        >>> words = ItemVocabulary.of([["a", "b", "a"]])
        >>> words.items, words.encode(["a", "c"])
        (['<pad>', '<unk>', 'a', 'b'], [2, 1])
    """

    def __init__(self, items: Iterable[str]) -> None:
        self.items = [*SPECIAL, *(item for item in items if item not in SPECIAL)]
        self.ids = {item: number for number, item in enumerate(self.items)}
        if len(self.ids) != len(self.items):
            raise TokenError("A vocabulary lists an item twice.", "List each once.")

    def __len__(self) -> int:
        return len(self.items)

    def __contains__(self, item: str) -> bool:
        return self.ids.get(item, PAD) > UNK

    @classmethod
    def of(
        cls, sequences: Iterable[Iterable[str]], min_count: int = 1, max_items: int | None = None
    ) -> ItemVocabulary:
        """Return the vocabulary of sequences of items, the most frequent first.

        Args:
            sequences: such as the words of each sentence.
            min_count: rarer items are unknown.
            max_items: keep so many; None: all.
        """
        counts = Counter(item for sequence in sequences for item in sequence)
        ranked = sorted(
            (item for item, count in counts.items() if count >= min_count),
            key=lambda i: (-counts[i], i),
        )
        return cls(ranked[:max_items])

    def encode(self, items: Iterable[str]) -> list[int]:
        """Return the ids of ``items``; unknown ones get :data:`UNK`."""
        return [self.ids.get(item, UNK) for item in items]

    def unknown_share(self, sequences: Iterable[Sequence[str]]) -> float:
        """Return the share, 0 to 1, of unknown items in running text; 0 where there is none."""
        counts = Counter(item in self for sequence in sequences for item in sequence)
        return counts[False] / max(1, counts.total())

    def save(self, path: str | Path) -> None:
        """Write the items as JSON."""
        atomic_write_text(
            path, json.dumps(self.items[len(SPECIAL) :], ensure_ascii=False, indent=0) + "\n"
        )

    @classmethod
    def load(cls, path: str | Path) -> ItemVocabulary:
        """Return the vocabulary that :meth:`save` wrote.

        Raises:
            TokenError: the file is missing or damaged.
        """
        try:
            items = json.loads(Path(path).read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise TokenError(
                f"{path} is not a vocabulary: {error}.", "Copy the whole model folder again."
            ) from error
        if not isinstance(items, list) or not all(isinstance(item, str) for item in items):
            raise TokenError(
                f"{path} is not a vocabulary: needed a list of texts.",
                "Copy the whole model folder again.",
            )
        return cls(items)
