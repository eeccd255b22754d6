"""Language models in every form that the search accepts, brought into one: n-gram arrays that a
kernel can query.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from asr.cache import cache_path, cached, file_digest, is_checked, note_check
from asr.decoding.automaton import MAGIC, NgramAutomaton, compile_model, compile_trie
from asr.decoding.kenlm_binary import KENLM_MAGIC, KenlmModel
from asr.errors import LanguageModelError
from asr.lm.model import NgramModel

__all__ = ["AnyModel", "compile_lm", "file_for_folder", "is_kenlm_binary", "load_lm"]

AnyModel = NgramAutomaton | KenlmModel
_OURS = MAGIC[:6]  # of every version; loading names one that it does not read
_COMPACT = b"asr-ngr"  # the same


def load_lm(source: Any) -> AnyModel:
    """The model behind ``source``, ready for queries.

    Args:
        source: a path (ARPA plain or gzipped, compact form, compiled automaton, KenLM binary; told
            by content), an :class:`asr.lm.model.NgramModel`, or a model that was loaded before.

    An ARPA or compact file is compiled once and kept under ``$ASR_CACHE_DIR`` (default: ``asr`` in
    the user's cache folder), keyed by what is in it; set ``ASR_CACHE_DIR=`` (empty) to keep
    nothing.

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
    return _compiled(path)


def compile_lm(source: str | Path, target: str | Path) -> NgramAutomaton:
    """Compile a model (ARPA or compact) into an automaton file; the decoder starts from it at once.

    A source that is compiled already is checked and copied.

    Raises:
        LanguageModelError: the source is malformed or a KenLM binary, or the target cannot be
            written.
    """
    compiled = _head(Path(source)).startswith(_OURS)
    automaton = NgramAutomaton.load(source) if compiled else _compile(Path(source))
    automaton.save(target)
    return automaton


def file_for_folder(source: str | Path, scratch: Path) -> dict[str, Path]:
    """Name in a model folder -> file of a language model: a compact one as it is, any other
    compiled.

    A compiled one opens at once, but takes ten times the room of a compact one.

    Args:
        source: ARPA text, compact or compiled model.
        scratch: folder in which a compiled one is put.

    Raises:
        LanguageModelError: as for :func:`compile_lm`.
    """
    if _head(Path(source)).startswith(_COMPACT):
        return {"lm.lmz": Path(source)}
    compiled = scratch / "lm.bin"
    compile_lm(source, compiled)
    return {compiled.name: compiled}


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


def _compile(path: Path) -> NgramAutomaton:
    if _head(path).startswith(_COMPACT):
        from asr.lm.compact import load_compact

        return compile_trie(*load_compact(path))
    from asr.lm.arpa import read_arpa

    return compile_model(read_arpa(path))


def _load_cached(path: Path) -> NgramAutomaton:
    """Return an automaton of the cache; what was checked once and is untouched is not again."""
    if is_checked(path):
        return NgramAutomaton.load(path, check=False)
    automaton = NgramAutomaton.load(path)
    note_check(path)
    return automaton


def _compiled(path: Path) -> NgramAutomaton:
    # By its content: a copy with the old time, or a file written twice in a moment, is another.
    place = cache_path("lm", file_digest(path), MAGIC, suffix=".bin")
    return cached(
        place,
        _load_cached,
        lambda: _compile(path),
        NgramAutomaton.save,
        (LanguageModelError,),
    )
