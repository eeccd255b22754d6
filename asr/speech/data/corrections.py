"""Corrected transcripts of a prepared split: other texts, and utterances to leave out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from asr.errors import DataError
from asr.speech.data.store import FeatureStore, StringTable
from asr.text.tables import read_table

__all__ = ["corrected", "read_corrections"]


def read_corrections(path: str | Path) -> dict[str, str]:
    """Return the texts of a table of corrections by utterance; an empty one leaves it out.

    Args:
        path: a table (TSV with a line of names, CSV, JSON lines) with a column ``id``, and with
            ``text`` where texts are corrected; without it, all its utterances are left out. `asr
            check` and its page write such tables.

    Raises:
        DataError: the table is missing or damaged, or has no column ``id``.
    """
    table = read_table(Path(path), ["id", "text"], "a table of corrections")
    if "id" not in table.columns:
        raise DataError(f"{path} has no column id.", "Name the columns id and text.")
    return {
        str(row.values["id"]): " ".join(str(row.values.get("text") or "").split())
        for row in table.rows
    }


def corrected(store: FeatureStore, corrections: Mapping[str, str]) -> FeatureStore:
    """Return a split with corrected transcripts, also of the copies of its utterances.

    The transcript of an utterance to leave out is empty, so that no training uses it.

    Raises:
        DataError: none of the utterances is in the split.
    """
    names = store.names_of_sources()
    if corrections and not corrections.keys() & set(names):
        raise DataError(
            f"None of the {len(corrections)} corrected utterances is in {store.path}.",
            "Give the corrections of this split.",
        )
    texts = (corrections.get(name, text) for name, text in zip(names, store.texts, strict=True))
    return replace(store, texts=StringTable.of(texts))
