"""AISHELL-1: Mandarin, 178 hours, 400 speakers; characters are its units."""

from __future__ import annotations

from pathlib import Path

from asr.errors import DataError
from asr.lines import number_lines, read_text
from data_prep.store import Utterance

__all__ = ["read_aishell"]


def read_aishell(root: str | Path) -> dict[str, list[Utterance]]:
    """Return ``train``, ``dev`` and ``test``, transcripts without spaces between words.

    Args:
        root: folder with ``transcript/aishell_transcript_v0.8.txt`` and
            ``wav/SPLIT/SPEAKER/*.wav``, or its parent folder.

    Raises:
        DataError: the transcript or all recordings are missing.
    """
    root = Path(root).absolute()
    root = root / "data_aishell" if (root / "data_aishell").is_dir() else root
    tables = sorted((root / "transcript").glob("*.txt"))
    if not tables:
        raise DataError(f"There is no transcript/*.txt in {root}.", "Give the folder data_aishell.")
    lines = (
        line.split(maxsplit=1) for table in tables for _, line in number_lines(read_text(table))
    )
    texts = {fields[0]: "".join("".join(fields[1:]).split()) for fields in lines if fields}
    splits = {
        split: [Utterance(p.stem, str(p), texts.get(p.stem, ""), p.parent.name) for p in recordings]
        for split in ("train", "dev", "test")
        if (recordings := sorted((root / "wav" / split).glob("*/*.wav")))
    }
    if not splits:
        raise DataError(
            f"There are no recordings wav/SPLIT/SPEAKER/*.wav in {root}.",
            "Unpack the speakers' archives.",
        )
    return splits
