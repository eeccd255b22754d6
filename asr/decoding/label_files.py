"""Label lists of CTC networks as toolkits write them: vocab.json, tokens.txt, sentencepiece."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from asr.errors import DecodingError, require
from asr.lines import parse_json, read_text

__all__ = ["labels_of"]

_NUMBERED = re.compile(r"(.*)[ \t](\d+)[ \t]*")
_NAMES = ("vocab.json", "tokens.txt", "tokenizer.model", "vocab.txt", "units.txt")


def labels_of(source: Any) -> tuple[list[str], set[int]]:
    """Return the label of each output, and the outputs that are known to be no text.

    Args:
        source: a list of labels; label -> number of the output; a tokenizer with ``get_vocab()``;
            or a file: JSON, text (a label a line, with or without its number), a sentencepiece
            model; or a folder that has one of them.

    Raises:
        DecodingError: the source cannot be read, or leaves an output without a label.
    """
    if hasattr(source, "get_vocab"):
        source = source.get_vocab()
    if isinstance(source, Mapping):
        return _ordered(source, "The vocabulary"), set()
    if isinstance(source, (str, Path)):
        return _read(_file(Path(source)))
    if isinstance(source, Sequence) or hasattr(source, "__iter__"):
        return list(source), set()
    raise DecodingError(
        f"The vocabulary is a {type(source).__name__}.", "Give a list of labels, or a file."
    )


def _file(path: Path) -> Path:
    if path.is_file():
        return path
    if not path.is_dir():
        raise DecodingError(f"There is no file {str(path)!r}.", "Give a list of labels, or a file.")
    found = [path / name for name in _NAMES if (path / name).is_file()]
    if len(found) != 1:
        names = ", ".join(file.name for file in found) or "none of " + ", ".join(_NAMES)
        raise DecodingError(f"{path} has {names}.", "Give the file that names the outputs.")
    return found[0]


def _read(path: Path) -> tuple[list[str], set[int]]:
    if path.suffix == ".model":
        return _sentencepiece(path)
    text = read_text(path, "a list of labels, or a sentencepiece model with a name in .model")
    return (_json if path.suffix == ".json" else _lines)(text, path), set()


def _json(text: str, path: Path) -> list[str]:
    try:
        content = parse_json(text)
    except ValueError as error:
        raise DecodingError(
            f"{path} is not JSON: {error}.", "Give the vocabulary's file."
        ) from None
    if isinstance(content, list):
        return content
    if isinstance(content, dict) and content and all(isinstance(v, dict) for v in content.values()):
        languages = ", ".join(list(content)[:5])
        raise DecodingError(
            f"{path} has one vocabulary for each of {len(content)} languages ({languages} ...).",
            f"Give one of them: json.load(open(FILE))[{next(iter(content))!r}].",
        )
    if not isinstance(content, dict):
        raise DecodingError(f"{path} holds neither a list nor labels with numbers.", "Check it.")
    return _ordered(content, str(path))


def _lines(text: str, path: Path) -> list[str]:
    lines = text.split("\n")
    lines = [line.removesuffix("\r") for line in (lines[:-1] if not lines[-1] else lines)]
    numbered = [_NUMBERED.fullmatch(line) for line in lines]
    if lines and all(numbered):
        labels: dict[str, int] = {}
        pairs = [(match[1], int(match[2])) for match in numbered if match]
        if sorted(number for _, number in pairs) == list(range(len(pairs))):
            return [label or " " for label, _ in sorted(pairs, key=lambda pair: pair[1])]
        for label, number in pairs:
            labels.setdefault(label or " ", number)
        return _ordered(labels, str(path))
    return lines


def _ordered(numbers: Mapping[Any, Any], name: str) -> list[str]:
    """Return labels in the order of their numbers."""
    wrong = [label for label, number in numbers.items() if type(number) is not int]
    if wrong:
        raise DecodingError(
            f"{name}: the label {wrong[0]!r} has the number {numbers[wrong[0]]!r}.",
            "Give each label the number of its output.",
        )
    by_number: dict[int, str] = {}
    for label, number in numbers.items():
        if number in by_number:
            raise DecodingError(
                f"{name}: {by_number[number]!r} and {label!r} are both number {number}.",
                "Give each output one label.",
            )
        by_number[number] = label
    missing = next((i for i in range(len(by_number)) if i not in by_number), None)
    if missing is not None:
        raise DecodingError(
            f"{name}: no label has the number {missing}, but {max(by_number)} is the largest.",
            "Give all outputs a label; '' for one that is not used.",
        )
    return [by_number[i] for i in range(len(by_number))]


def _sentencepiece(path: Path) -> tuple[list[str], set[int]]:
    sentencepiece = require("sentencepiece", "train")
    processor: Any = sentencepiece.SentencePieceProcessor()
    try:
        processor.LoadFromSerializedProto(path.read_bytes())
    except (OSError, RuntimeError):
        raise DecodingError(
            f"{path} is not a sentencepiece model.", "Give the vocabulary's file."
        ) from None
    n = processor.GetPieceSize()
    unwritten = {
        i
        for i in range(n)
        if processor.IsControl(i) or processor.IsUnknown(i) or processor.IsUnused(i)
    }
    return [processor.IdToPiece(i) for i in range(n)], unwritten
