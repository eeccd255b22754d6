"""What a punctuation model knows of words: the frequent ones, endings of the others, own forms."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
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
        variants: another form of a known word -> that word: of a simplified character the
            traditional ones.
    """

    FILE = "units.json"

    def __init__(
        self,
        endings: Iterable[str],
        words: Iterable[str],
        own: Mapping[str, str],
        variants: Mapping[str, str] | None = None,
    ) -> None:
        self.endings = ["", *(ending for ending in endings if ending)]
        self.words, self.own, self.variants = list(words), dict(own), dict(variants or {})
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
        variants: Callable[[list[str]], Mapping[str, str]] | None = None,
    ) -> WordUnits:
        """Return the units of a text.

        Args:
            words: distinct ones.
            counts: of each.
            own: see the class.
            sizes: most words, most endings.
            variants: of the known words, to their ``variants``.
        """
        order = sorted(range(len(words)), key=lambda n: (-int(counts[n]), words[n]))
        known, others = order[: sizes[0]], order[sizes[0] :]
        endings: dict[str, int] = {}
        for n in others or known:
            for length in range(1, min(LONGEST_ENDING, len(words[n]) - 1) + 1):
                ending = words[n][-length:]
                endings[ending] = endings.get(ending, 0) + 1
        ranked = sorted(endings, key=lambda ending: (-endings[ending], ending))
        kept = [words[n] for n in known]
        return cls(ranked[: sizes[1]], kept, own, variants(kept) if variants else None)

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
        """The id of the word in its other form or without apostrophes, else of its ending."""
        other = self.variants.get(word, word.strip("'"))
        return self._word_ids.get(other) or self.ending_id(word)

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
        if self.variants:
            content["variants"] = self.variants
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
            variants = content.get("variants")
            return cls(content["endings"], content["words"], content["own"], variants)
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise ModelError(
                f"{path} lists no words: {error}.", "Copy the whole model folder again."
            ) from error
