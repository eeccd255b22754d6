"""The reader of LJ Speech."""

from __future__ import annotations

from pathlib import Path

import pytest
from corpus_files import text

from asr.errors import AsrError, DataError
from data_prep.ljspeech import read_ljspeech


def test_ljspeech(tmp_path: Path) -> None:
    text(
        tmp_path / "metadata.csv", "".join(f'LJ1-{i}|No. {i} "x|number {i} x\n' for i in range(20))
    )
    splits = read_ljspeech(tmp_path, 0.1, 0.1)
    assert {name: len(part) for name, part in splits.items()} == {"train": 16, "dev": 2, "test": 2}
    assert all(u.text.startswith("number") for part in splits.values() for u in part)
    text(tmp_path / "metadata.csv", "LJ1-1\n")
    with pytest.raises(DataError, match="line 1"):
        read_ljspeech(tmp_path)


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(AsrError, match="nowhere"):
        read_ljspeech(tmp_path / "nowhere")
