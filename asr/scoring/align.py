"""Word alignments, by jiwer (Levenshtein) or as sclite (weighted), in one form.

An alignment is a string of edits in order: ``=`` hit, ``S`` substitution, ``D`` deletion, ``I``
insertion. ``=``, ``S`` and ``D`` consume a reference word, ``=``, ``S`` and ``I`` a hypothesis
word.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from asr.errors import ScoringError, require

__all__ = ["ALIGNERS", "align_characters", "align_words", "steps"]

ALIGNERS = ("jiwer", "sclite")
_CODES = {"equal": "=", "substitute": "S", "delete": "D", "insert": "I"}

Words = Sequence[Sequence[str]]


def align_words(references: Words, hypotheses: Words, aligner: str = "jiwer") -> list[str]:
    """Return the edits of each pair of word sequences.

    Args:
        references: words of each utterance.
        hypotheses: the same number of sequences.
        aligner: ``jiwer`` minimises the number of errors; ``sclite`` minimises weighted errors (4
            for a substitution, 3 for an insertion or deletion) and breaks ties as NIST's sclite
            does, so its count of errors can be higher.

    Raises:
        ScoringError: there is no aligner with that name.
        MissingDependencyError: jiwer is not installed.
    """
    if aligner not in ALIGNERS:
        raise ScoringError(
            f"There is no aligner named {aligner!r}.", f"Choose one of: {', '.join(ALIGNERS)}."
        )
    if aligner == "sclite":
        return _align_weighted(references, hypotheses)
    return _align_jiwer(references, hypotheses)


def align_characters(references: Sequence[str], hypotheses: Sequence[str]) -> list[str]:
    """Return jiwer's edits of each pair of texts, character by character, spaces included."""
    return _align_jiwer([list(text) for text in references], [list(text) for text in hypotheses])


def steps(
    edits: str, reference: Sequence[str], hypothesis: Sequence[str]
) -> Iterator[tuple[str, str, str]]:
    """Yield (edit, reference word, hypothesis word); a missing word is empty."""
    i = j = 0
    for edit in edits:
        left = "" if edit == "I" else reference[i]
        right = "" if edit == "D" else hypothesis[j]
        yield edit, left, right
        i, j = i + (edit != "I"), j + (edit != "D")


def _align_jiwer(references: Words, hypotheses: Words) -> list[str]:
    jiwer = require("jiwer", "train")
    # The texts are split into words already, so jiwer's own transforms are replaced by no-ops.
    output = jiwer.process_words(
        list(references),
        list(hypotheses),
        reference_transform=_as_lists,
        hypothesis_transform=_as_lists,
    )
    return ["".join(map(_run, chunks)) for chunks in output.alignments]


def _as_lists(sequences: Words) -> list[list[str]]:
    return [list(sequence) for sequence in sequences]


def _run(chunk: object) -> str:
    kind: str = chunk.type  # type: ignore[attr-defined]
    start, end = (
        ("hyp_start_idx", "hyp_end_idx") if kind == "insert" else ("ref_start_idx", "ref_end_idx")
    )
    return _CODES[kind] * int(getattr(chunk, end) - getattr(chunk, start))


def _align_weighted(references: Words, hypotheses: Words) -> list[str]:
    from asr.scoring.weighted import trace

    numbers: dict[str, int] = {}
    out = []
    for reference, hypothesis in zip(references, hypotheses, strict=True):
        left, right = _numbered(reference, numbers), _numbered(hypothesis, numbers)
        out.append(bytes(trace(left, right)).decode("ascii"))
    return out


def _numbered(words: Sequence[str], numbers: dict[str, int]) -> NDArray[np.int64]:
    return np.array([numbers.setdefault(word, len(numbers)) for word in words], dtype=np.int64)
