"""The reader of Common Voice."""

from __future__ import annotations

from pathlib import Path

import pytest
from corpus_files import ids, text

from asr.errors import AsrError, DataError
from data_prep.commonvoice import read_commonvoice


def test_commonvoice(tmp_path: Path) -> None:
    head = "client_id\tpath\tsentence_id\tsentence\tup_votes\n"
    text(
        tmp_path / "train.tsv",
        head + 'abc\tc1.mp3\tx\tHe said "no.\t2\nabd\tc2.mp3\ty\tYes, sir\t2\n',
    )
    text(tmp_path / "test.tsv", head + "abe\tc3.mp3\tz\tGood\t2\n")
    splits = read_commonvoice(tmp_path)
    assert ids(splits) == {"train": ["c1", "c2"], "test": ["c3"]}
    first = splits["train"][0]
    assert (first.text, first.speaker, first.audio) == (
        'He said "no.',
        "abc",
        str(tmp_path / "clips" / "c1.mp3"),
    )
    with pytest.raises(DataError, match=rf"Give the folder of one language: {tmp_path.name}"):
        read_commonvoice(tmp_path.parent)


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(AsrError, match="nowhere"):
        read_commonvoice(tmp_path / "nowhere")
