"""The reader of AN4."""

from __future__ import annotations

from pathlib import Path

import pytest
from corpus_files import text

from asr.errors import AsrError, DataError
from data_prep.an4 import read_an4


def make_an4(root: Path, speakers: int = 6) -> None:
    for part in ("train", "test"):
        names = [
            f"an4{'test' if part == 'test' else ''}_clstk/s{s}/an{i}-s{s}-b"
            for s in range(speakers)
            for i in (1, 2)
        ]
        text(root / "etc" / f"an4_{part}.fileids", "\n".join(names) + "\n")
        lines = "".join(f"<s> YES {i} </s> ({n.split('/')[-1]})\n" for i, n in enumerate(names))
        text(root / "etc" / f"an4_{part}.transcription", lines)


def test_an4_holds_out_whole_speakers(tmp_path: Path) -> None:
    make_an4(tmp_path)
    splits = read_an4(tmp_path, dev_speakers=2)
    assert {u.speaker for u in splits["dev"]} == {"s0", "s3"}
    assert {u.speaker for u in splits["train"]} == {"s1", "s2", "s4", "s5"}
    assert len(splits["test"]) == 12
    assert splits["test"][3].text == "yes 3"
    assert set(read_an4(tmp_path, dev_speakers=0)) == {"train", "test"}


def test_an4_lists_that_do_not_belong_together(tmp_path: Path) -> None:
    make_an4(tmp_path)
    path = tmp_path / "etc" / "an4_train.transcription"
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join(lines[1:]))
    with pytest.raises(DataError, match="names 12 recordings"):
        read_an4(tmp_path)
    path.write_text("".join(lines[1:] + lines[:1]))
    with pytest.raises(DataError, match="stands beside"):
        read_an4(tmp_path)
    path.unlink()
    with pytest.raises(DataError, match=r"an4_train\.transcription"):
        read_an4(tmp_path)


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(AsrError, match="nowhere"):
        read_an4(tmp_path / "nowhere")
