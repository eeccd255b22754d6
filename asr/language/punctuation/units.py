"""What a punctuation model knows of words: the frequent ones, endings of the others, own forms."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from asr.errors import ModelError
from asr.files import atomic_write_text
from asr.language.punctuation.marks import SHAPES, capitalized

__all__ = ["PAD", "WordUnits"]

PAD = 0  # beyond either end of the text
LONGEST_ENDING = 3


class WordUnits:
    """Ids of words: padding, the endings, then the words.

    Args:
        endings: of unknown words; the empty one, for all the rest, comes first and is added.
        words: known ones, the most frequent first.
        own: spoken word -> its written form where neither capitals nor small letters give it.
    """

    FILE = "units.json"

    def __init__(
        self, endings: Iterable[str], words: Iterable[str], own: Mapping[str, str]
    ) -> None:
        self.endings = ["", *(ending for ending in endings if ending)]
        self.words, self.own = list(words), dict(own)
        self._ending_ids = {ending: PAD + 1 + n for n, ending in enumerate(self.endings)}
        first = PAD + 1 + len(self.endings)
        self._word_ids = {word: first + n for n, word in enumerate(self.words)}

    def __len__(self) -> int:
        return PAD + 1 + len(self.endings) + len(self.words)

    @classmethod
    def of(
        cls,
        words: Sequence[str],
        counts: npt.NDArray[np.int64],
        own: Mapping[str, str],
        sizes: tuple[int, int],
    ) -> WordUnits:
        """Return the units of a text.

        Args:
            words: distinct ones.
            counts: of each.
            own: see the class.
            sizes: most words, most endings.
        """
        order = sorted(range(len(words)), key=lambda n: (-int(counts[n]), words[n]))
        known, others = order[: sizes[0]], order[sizes[0] :]
        endings: dict[str, int] = {}
        for n in others or known:
            for length in range(1, min(LONGEST_ENDING, len(words[n]) - 1) + 1):
                ending = words[n][-length:]
                endings[ending] = endings.get(ending, 0) + 1
        ranked = sorted(endings, key=lambda ending: (-endings[ending], ending))
        return cls(ranked[: sizes[1]], (words[n] for n in known), own)

    def ending_id(self, word: str) -> int:
        """Return the id of the longest known ending of a word."""
        for length in range(min(LONGEST_ENDING, len(word) - 1), 0, -1):
            number = self._ending_ids.get(word[-length:])
            if number is not None:
                return number
        return PAD + 1

    def encode(self, words: Sequence[str]) -> npt.NDArray[np.int64]:
        """Return the ids (N,) of words in lower case."""
        known = self._word_ids
        return np.array(
            [known[word] if word in known else self._unknown_id(word) for word in words], np.int64
        )

    def _unknown_id(self, word: str) -> int:
        """The id without apostrophes at either end, else that of the ending."""
        return self._word_ids.get(word.strip("'")) or self.ending_id(word)

    def written(self, word: str, shape: int) -> str:
        """Return a word of lower case in a shape, an index in :data:`SHAPES`."""
        name = SHAPES[shape]
        if name == "own" and word in self.own:
            return self.own[word]
        if name == "upper":
            return word.upper()
        return word if name == "lower" else capitalized(word)

    def save(self, folder: Path) -> None:
        """Write them as JSON."""
        content = {"endings": self.endings[1:], "words": self.words, "own": self.own}
        text = json.dumps(content, ensure_ascii=False, separators=(",", ":"))
        atomic_write_text(folder / self.FILE, text + "\n")

    @classmethod
    def load(cls, folder: Path) -> WordUnits:
        """Return what :meth:`save` wrote.

        Raises:
            ModelError: the file is missing or damaged.
        """
        path = folder / cls.FILE
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            return cls(content["endings"], content["words"], content["own"])
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise ModelError(
                f"{path} lists no words: {error}.", "Copy the whole model folder again."
            ) from error
