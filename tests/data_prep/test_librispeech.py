"""The reader of LibriSpeech's layout."""

from __future__ import annotations

from pathlib import Path

import pytest
from corpus_files import ids, sound, text

from asr.errors import DataError
from data_prep.librispeech import read_librispeech


def test_librispeech_parts_of_any_name(tmp_path: Path) -> None:
    for part, speaker in (("train-mini", 12), ("dev-mini", 7)):
        folder = tmp_path / part / str(speaker) / "3"
        sound(folder / f"{speaker}-3-0000.flac")
        text(folder / f"{speaker}-3.trans.txt", f"{speaker}-3-0000 HELLO WORLD\n")
    text(tmp_path / "SPEAKERS.TXT", "; no part")
    (tmp_path / "notes").mkdir()
    splits = read_librispeech(tmp_path)
    assert ids(splits) == {"dev-mini": ["7-3-0000"], "train-mini": ["12-3-0000"]}
    assert splits["dev-mini"][0].text == "HELLO WORLD"
    assert splits["dev-mini"][0].speaker == "7"
    assert ids(read_librispeech(tmp_path, ["dev-mini"])) == {"dev-mini": ["7-3-0000"]}
    assert ids(read_librispeech(tmp_path / "dev-mini")) == {"dev-mini": ["7-3-0000"]}
    with pytest.raises(DataError, match=r"no part test-clean; it has dev-mini, train-mini"):
        read_librispeech(tmp_path, ["test-clean"])


def test_librispeech_names_what_has_no_counterpart(tmp_path: Path) -> None:
    folder = tmp_path / "train" / "1" / "2"
    sound(folder / "1-2-0000.flac")
    sound(folder / "1-2-0002.flac")
    text(folder / "1-2.trans.txt", "1-2-0000 YES\n1-2-0001 NO AUDIO\n")
    (train,) = read_librispeech(tmp_path).values()
    assert [(u.id, Path(u.audio).is_file(), u.text) for u in train] == [
        ("1-2-0000", True, "YES"),
        ("1-2-0001", False, "NO AUDIO"),
        ("1-2-0002", True, ""),
    ]


def test_librispeech_elsewhere(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no transcripts"):
        read_librispeech(tmp_path)
    with pytest.raises(DataError, match="no folder"):
        read_librispeech(tmp_path / "nowhere")
