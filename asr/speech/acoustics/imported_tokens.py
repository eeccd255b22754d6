"""The labels of an imported network: tokens that the search works with, and the outputs they are.

V outputs of the network, N tokens.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

from asr.decoding.label_files import labels_of
from asr.decoding.vocabulary import Vocabulary
from asr.errors import TokenError
from asr.files import atomic_write_text
from asr.text.tokenizers import Tokenizer, load_tokenizer

__all__ = ["ImportedTokenizer", "open_tokenizer"]

KIND = "labels"  # type of the tokenizer in its file
LABELS = "labels"  # stem of the file in the model folder that has them as they were given
SENTENCEPIECE = ".model"


class ImportedTokenizer(Tokenizer):
    """Labels of another toolkit's network, in the tokens that the search works with.

    A sentencepiece model spells a text as it did in training. Other labels spell it with the fewest
    of them; where several ways are as short, the longest labels come first.

    Args:
        source: the labels, see :meth:`asr.decoding.vocabulary.Vocabulary.read`.
        reading: further arguments of it.

    Attributes:
        outputs: what was understood, for scores of the V outputs.
        vocabulary: the same tokens, for scores that :meth:`Vocabulary.arrange` has put in order.

    Raises:
        DecodingError: see :meth:`asr.decoding.vocabulary.Vocabulary.read`.

    Example:
        >>> tokenizer = ImportedTokenizer(["<pad>", "<s>", "|", "A", "B", "AB"])
        >>> tokenizer.tokens, tokenizer.encode("ab a")
        (['<blank>', '▁', 'A', 'B', 'AB'], [4, 1, 2])
    """

    FILE = "tokenizer.json"

    def __init__(self, source: Any, reading: Mapping[str, Any] | None = None) -> None:
        self._source, self._reading = source, dict(reading or {})
        self.outputs = Vocabulary.read(source, **self._reading)
        self.vocabulary = self.outputs.arranged()
        self.tokens = list(self.outputs.tokens)

    @classmethod
    def load(cls, folder: Path) -> ImportedTokenizer:
        """Return the tokenizer that :meth:`save` wrote.

        Raises:
            TokenError: it is damaged.
        """
        path = folder / cls.FILE
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            return cls(folder / content["labels"], content["reading"])
        except (ValueError, KeyError, TypeError) as error:
            raise TokenError(f"{path} is not a tokenizer.", "Import the network again.") from error

    def save(self, folder: str | Path) -> None:
        name = f"{LABELS}.json"
        if isinstance(self._source, (str, Path)):
            name = LABELS + (Path(self._source).suffix or ".txt")
            shutil.copyfile(self._source, Path(folder) / name)
        else:
            labels = json.dumps(labels_of(self._source)[0], ensure_ascii=False, indent=1)
            atomic_write_text(Path(folder) / name, labels + "\n")
        content = {"type": KIND, "labels": name, "reading": self._reading}
        text = json.dumps(content, ensure_ascii=False, indent=1)
        atomic_write_text(Path(folder) / self.FILE, text + "\n")

    def encode(self, text: str) -> list[int]:
        fitting = self._in_its_case(text)
        if self._pieces is not None:
            return self._by_sentencepiece(fitting)
        ids: list[int] = []
        for word in fitting.split():
            ids += self._spelled(word, bool(ids), text)
        return ids

    def decode(self, ids: Iterable[int]) -> str:
        """Return the text of ``ids``; blanks are skipped."""
        return self.vocabulary.text(list(ids))

    def _in_its_case(self, text: str) -> str:
        """The text in the letter case of the labels, if one of the two fits."""
        cases = (text, text.lower(), text.upper())
        return next((t for t in cases if set(self.vocabulary.spell(t)) <= self._characters), text)

    # sentencepiece -------------------------------------------------------------------------------

    @cached_property
    def _pieces(self) -> Any:
        """The sentencepiece model, None where the labels are none."""
        if self._reading.get("case") or Path(str(self._source)).suffix != SENTENCEPIECE:
            return None
        import sentencepiece

        return sentencepiece.SentencePieceProcessor(model_file=str(self._source))

    @cached_property
    def _token_of(self) -> dict[int, int]:
        """Output -> token."""
        return {output: token for token, output in enumerate(self.outputs.columns)}

    def _by_sentencepiece(self, text: str) -> list[int]:
        pieces: list[int] = self._pieces.EncodeAsIds(text)
        if unknown := [piece for piece in pieces if piece not in self._token_of]:
            raise TokenError(
                f"The labels cannot spell {text[:60]!r} ({self._pieces.IdToPiece(unknown[0])!r}).",
                "Normalise the text (--normalizer).",
            )
        return [self._token_of[piece] for piece in pieces]

    # fewest labels -------------------------------------------------------------------------------

    @cached_property
    def _characters(self) -> set[str]:
        return set("".join(self.vocabulary.pieces)) | {" "}

    @cached_property
    def _parts(self) -> tuple[dict[str, int], dict[str, int]]:
        """Tokens by their characters: those that start a word, and the others."""
        starting, inner = dict[str, int](), dict[str, int]()
        pairs = zip(self.vocabulary.pieces, self.vocabulary.starts_word.tolist(), strict=True)
        for token, (piece, starts) in enumerate(pairs):
            if token != self.blank_id:
                (starting if starts else inner)[piece] = token
        return starting, inner

    def _spelled(self, word: str, follows: bool, text: str) -> list[int]:
        """The tokens of a word, with the mark before it where another one went ahead."""
        starting, inner = self._parts
        marked = any(starting)  # labels that start a word and spell something
        spelled = self.vocabulary.spell(word)
        rest = _shortest(spelled, inner)
        ways = [[starting[""], *rest[0]]] if "" in starting and rest[0] is not None else []
        if marked:
            ways += [
                [token, *rest[len(piece)]]  # type: ignore[misc]
                for piece, token in starting.items()
                if piece and spelled.startswith(piece) and rest[len(piece)] is not None
            ]
        elif rest[0] is not None:
            ways = [[starting[""], *rest[0]]] if follows and "" in starting else [rest[0]]
        if not ways:
            unknown = next(
                (c for c in word if not set(self.vocabulary.spell(c)) <= self._characters), word
            )
            raise TokenError(
                f"The labels cannot spell {unknown!r} in {text[:60]!r}.",
                "Normalise the text (--normalizer).",
            )
        return min(ways, key=lambda ids: (len(ids), -len(self.vocabulary.pieces[ids[0]])))


def _shortest(spelled: str, pieces: Mapping[str, int]) -> list[list[int] | None]:
    """Return for each place of a word the fewest pieces that spell what follows, None for none."""
    longest = max(map(len, pieces), default=0)
    best: list[list[int] | None] = [None] * len(spelled) + [[]]
    for start in reversed(range(len(spelled))):
        for stop in range(min(len(spelled), start + longest), start, -1):
            token, rest = pieces.get(spelled[start:stop]), best[stop]
            if token is None or rest is None:
                continue
            so_far = best[start]
            if so_far is None or 1 + len(rest) < len(so_far):
                best[start] = [token, *rest]
    return best


def open_tokenizer(folder: Path) -> Tokenizer:
    """Return the tokenizer of a model folder, trained here or imported.

    Raises:
        TokenError: there is none in the folder, or it is damaged.
    """
    path = folder / ImportedTokenizer.FILE
    if path.is_file() and f'"type": "{KIND}"' in path.read_text(encoding="utf-8"):
        return ImportedTokenizer.load(folder)
    return load_tokenizer(folder)
