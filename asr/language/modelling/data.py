"""Text for language models: sentences from a file, and all of them as one stream of ids."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import numpy.typing as npt

from asr.errors import DataError
from asr.language.subwords import Subwords
from asr.lines import iter_lines

__all__ = ["encode_stream", "read_sentences"]

NEEDED = "a text file, a sentence a line"


def read_sentences(path: str | Path) -> list[str]:
    """Return the lines of a text file that are not blank.

    Raises:
        DataError: the file is missing, empty or not UTF-8.
    """
    lines = [line.strip() for line in iter_lines(path, NEEDED) if line.strip()]
    if not lines:
        raise DataError(f"{path} holds no text.", f"Give {NEEDED}.")
    return lines


def encode_stream(pieces: Subwords, lines: Iterable[str]) -> npt.NDArray[np.int32]:
    """Return the ids of all lines one after the other, each with its end, and an end in front."""
    parts = [np.array([Subwords.END], np.int32)]
    parts += [np.array([*pieces.encode(line), Subwords.END], np.int32) for line in lines]
    return np.concatenate(parts)
