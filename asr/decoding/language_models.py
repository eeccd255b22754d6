"""Language models in every form that the search accepts, brought into one: n-gram arrays that a
kernel can query.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from asr.cache import cache_path, cached
from asr.decoding.automaton import MAGIC, NgramAutomaton, compile_model
from asr.decoding.kenlm_binary import KENLM_MAGIC, KenlmModel
from asr.errors import LanguageModelError
from asr.lm.model import NgramModel

__all__ = ["AnyModel", "compile_lm", "is_kenlm_binary", "load_lm"]

AnyModel = NgramAutomaton | KenlmModel
_OURS = MAGIC[:6]  # of every version; loading names one that it does not read


def load_lm(source: Any) -> AnyModel:
    """The model behind ``source``, ready for queries.

    Args:
        source: a path (ARPA plain or gzipped, compiled automaton, KenLM binary; told by content),
            an :class:`asr.lm.model.NgramModel`, or a model that was loaded before.

    An ARPA file is compiled once and kept under ``$ASR_CACHE_DIR`` (default: ``asr`` in the user's
    cache folder), keyed by its path, size and time of change; set ``ASR_CACHE_DIR=`` (empty) to
    keep nothing.

    Raises:
        LanguageModelError: the file is missing, malformed or damaged.
    """
    if isinstance(source, (NgramAutomaton, KenlmModel)):
        return source
    if isinstance(source, NgramModel):
        return compile_model(source)
    if not isinstance(source, (str, Path)):
        raise LanguageModelError(
            f"lm is a {type(source).__name__}.", "Give a path or an n-gram model."
        )
    path = Path(source)
    head = _head(path)
    if head.startswith(_OURS):
        return NgramAutomaton.load(path)
    if head.startswith(KENLM_MAGIC):
        return KenlmModel(path)
    return _from_arpa(path)


def compile_lm(source: str | Path, target: str | Path) -> NgramAutomaton:
    """Compile an ARPA file (plain or gzipped) into an automaton file; the decoder starts from it at
    once.

    A source that is compiled already is checked and copied.

    Raises:
        LanguageModelError: the source is malformed or a KenLM binary, or the target cannot be
        written.
    """
    from asr.lm.arpa import read_arpa

    compiled = _head(Path(source)).startswith(_OURS)
    automaton = NgramAutomaton.load(source) if compiled else compile_model(read_arpa(source))
    automaton.save(target)
    return automaton


def is_kenlm_binary(path: str | Path) -> bool:
    """Return whether a file is a KenLM binary; its content tells.

    Raises:
        LanguageModelError: it cannot be read.
    """
    return _head(Path(path)).startswith(KENLM_MAGIC)


def _head(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(64)
    except OSError as error:
        raise LanguageModelError(
            f"Cannot read {path}: {error.strerror}.", "Check the path."
        ) from None


def _from_arpa(path: Path) -> NgramAutomaton:
    from asr.lm.arpa import read_arpa

    stat = path.stat()
    place = cache_path(
        "lm", f"{path.resolve()}|{stat.st_size}|{stat.st_mtime_ns}", MAGIC, suffix=".bin"
    )
    return cached(
        place,
        NgramAutomaton.load,
        lambda: compile_model(read_arpa(path)),
        NgramAutomaton.save,
        (LanguageModelError,),
    )
