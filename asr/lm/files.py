"""Files of models: ARPA text, or the compact form."""

from __future__ import annotations

from pathlib import Path

from asr.errors import LanguageModelError
from asr.lm.arpa import read_arpa, write_arpa
from asr.lm.compact import COMPACT_MAGIC, read_compact, write_compact
from asr.lm.model import NgramModel

__all__ = ["COMPACT_SUFFIX", "read_model", "write_model"]

COMPACT_SUFFIX = ".lmz"


def read_model(path: str | Path) -> NgramModel:
    """The model in a file: ARPA text, plain or gzipped, or the compact form; its content tells.

    Raises:
        LanguageModelError: the file is missing, of another kind, malformed or damaged.
    """
    try:
        with Path(path).open("rb") as file:
            head = file.read(len(COMPACT_MAGIC))
    except OSError as error:
        raise LanguageModelError(
            f"Cannot read {path}: {error.strerror}.", "Check the path."
        ) from None
    # Every version of the compact form begins so; read_compact refuses those it does not know.
    return read_compact(path) if head.startswith(COMPACT_MAGIC[:-1]) else read_arpa(path)


def write_model(model: NgramModel, path: str | Path) -> None:
    """Write a model in the form that the name asks for, whole or not at all.

    ``.lmz`` is the compact form (about two bytes an n-gram, numbers rounded, see
    :func:`asr.lm.compact.write_compact`); any other name is ARPA text, gzipped where it ends in
    ``.gz``.

    Raises:
        LanguageModelError: the file cannot be written.
    """
    if Path(path).suffix == COMPACT_SUFFIX:
        write_compact(model, path)
    else:
        write_arpa(model, path)
