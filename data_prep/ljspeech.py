"""LJ Speech's layout: metadata.csv with id|text|text with numbers spelled out, and wavs/ID.wav."""

from __future__ import annotations

from pathlib import Path

from asr.errors import DataError
from asr.lines import number_lines, read_text
from data_prep.splits import split_by_share
from data_prep.store import Utterance

__all__ = ["read_ljspeech"]


def read_ljspeech(
    root: str | Path, dev_share: float = 0.05, test_share: float = 0.05
) -> dict[str, list[Utterance]]:
    """Return ``train``, ``dev`` and ``test``, drawn by share: the corpus has no splits.

    Args:
        root: folder with ``metadata.csv`` and ``wavs/``.
        dev_share: see :func:`data_prep.splits.split_by_share`.
        test_share: see :func:`data_prep.splits.split_by_share`.

    Raises:
        DataError: the table is missing, or one of its lines has no text.
    """
    root = Path(root).absolute()
    table = root / "metadata.csv"
    if not table.is_file():
        raise DataError(f"There is no {table}.", "Give the folder of the corpus, LJSpeech-1.1.")
    utterances = []
    for number, line in number_lines(read_text(table)):
        fields = [field.strip() for field in line.split("|")]
        if not 2 <= len(fields) <= 3:
            raise DataError(
                f"{table}, line {number} does not have the form id|text or id|text|text.",
                "Unpack the corpus again.",
            )
        utterances.append(
            Utterance(
                fields[0],
                str(root / "wavs" / f"{fields[0]}.wav"),
                fields[-1],
                "",
            )
        )
    return split_by_share(utterances, dev_share, test_share)
