"""Mozilla Common Voice: one folder per language with train.tsv, dev.tsv, test.tsv and clips/."""

from __future__ import annotations

from pathlib import Path

from asr.errors import DataError
from data_prep.splits import split_by_share
from data_prep.store import Utterance
from data_prep.tables import read_audio_table, table_utterances

__all__ = ["read_commonvoice"]


def read_commonvoice(
    root: str | Path, dev_share: float = 0.1, test_share: float = 0.0
) -> dict[str, list[Utterance]]:
    """Return those of ``train``, ``dev`` and ``test`` that have a table.

    Without any of the three tables, ``validated.tsv`` is split by share.

    Args:
        root: folder of one language.
        dev_share: share held out of ``validated.tsv``.
        test_share: share held out of ``validated.tsv``.

    Raises:
        DataError: there is no table, or a table has no ``path`` or ``sentence`` column.
    """
    root = Path(root).absolute()
    tables = [
        table for name in ("train", "dev", "test") if (table := root / f"{name}.tsv").is_file()
    ]
    if tables:
        return {table.stem: _read(table) for table in tables}
    if (root / "validated.tsv").is_file():
        return split_by_share(_read(root / "validated.tsv"), dev_share, test_share)
    below = ", ".join(sorted(p.parent.name for p in root.glob("*/train.tsv")))
    raise DataError(
        f"There is no train.tsv, dev.tsv, test.tsv or validated.tsv in {root}.",
        f"Give the folder of one language: {below}."
        if below
        else "Give the folder of one language.",
    )


def _read(table: Path) -> list[Utterance]:
    return table_utterances(read_audio_table(table), table.parent / "clips")
